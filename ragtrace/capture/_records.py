"""Records: rows and points of a store, of which some fields are text and others say what it is."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from ragtrace.capture._leaves import Path, leaves, replaced
from ragtrace.capture._retrieval import Retrieval
from ragtrace.capture._runtime import current
from ragtrace.model import Passage, Source

__all__ = ["Record", "judge_records"]

TEXTS: Final = frozenset(
    {"text", "content", "contents", "document", "page_content", "body", "passage", "chunk"}
)
"""What applications and frameworks call the text of a record, or end its name with."""

BESIDE: Final = frozenset({"title", "summary", "description", "heading", "abstract"})
"""What they call what else may be read of it: text as well, and no sign that it is all there is."""

IDS: Final = frozenset({"id", "uuid"})
"""What they call, or end, the name of what is no text though it may be a string."""

ABOUT: Final = frozenset(
    {"metadata", "metadata_", "cmetadata", "langchain_metadata", "meta", "payload", "extra"}
)
"""What they call the field that holds everything else that is known of it, as JSON or as it is."""

NODE: Final = "_node_content"
"""Where LlamaIndex keeps a whole node, text and all, as JSON."""

_NODE_TEXTS: Final = (("text",), ("text_resource", "text"))


@dataclass(frozen=True, slots=True)
class Record:
    """One record that a search has found.

    Attributes:
        fields: By name, as the caller is to have them.
        about: What else is known of it, where ``fields`` are not all.
    """

    fields: Mapping[str, Any]
    id: str | None = None
    score: float | None = None
    about: Mapping[str, Any] = field(default_factory=dict)


def judge_records(
    step: Retrieval, source: Source, records: Sequence[Record]
) -> list[dict[str, Any] | None]:
    """For each record its fields as they may be returned; ``None`` where it is dropped.

    Every text of a record is judged under the label of the record, and one that is dropped takes
    the record with it. Where no field has a name by which a text is known, every string in it may
    be the text, and is labelled as strictly as can be.
    """
    runtime = current()
    named = runtime.config.text_fields if runtime is not None else ()
    opened = [_opened(record.fields) for record in records]
    found = [_texts(fields, named) for fields in opened]
    passages = [
        Passage(
            text=text,
            source=source,
            metadata=_about(record, fields),
            id=record.id,
            rank=rank,
            score=record.score,
            unplaced=unplaced,
        )
        for rank, (record, fields, (texts, unplaced)) in enumerate(
            zip(records, opened, found, strict=True)
        )
        for _, text in texts
    ]
    kept = iter(step.judge(passages))
    return [
        _kept(record, fields, texts, kept)
        for record, fields, (texts, _) in zip(records, opened, found, strict=True)
    ]


def _kept(
    record: Record,
    fields: dict[str, Any],
    texts: Sequence[tuple[Path, str]],
    kept: Iterator[str | None],
) -> dict[str, Any] | None:
    out: Any = dict(fields)
    dropped = False
    for path, before in texts:
        text = next(kept)
        if text is None:
            dropped = True
        elif text != before:
            out = replaced(out, path, text)
    return None if dropped else _closed(out, fields, record.fields)


def _texts(fields: Mapping[str, Any], named: Sequence[str]) -> tuple[list[tuple[Path, str]], bool]:
    """The texts of a record and where they stand; and whether that had to be guessed."""
    names = TEXTS | {name.lower() for name in named}
    placed = [name for name, value in fields.items() if value and name != NODE and _is(name, names)]
    found = [leaf for name in placed for leaf in _strings({name: fields[name]})]
    node = fields.get(NODE)
    for path in _NODE_TEXTS if isinstance(node, Mapping) else ():
        if isinstance(text := _at(node, path), str):
            found.append(((NODE, *path), text))
    if not found:
        return _strings({name: fields[name] for name in fields if not _is(name, IDS)}), True
    return [*found, *_strings({name: fields[name] for name in fields if _is(name, BESIDE)})], False


def _is(name: object, words: frozenset[str]) -> bool:
    """Whether a field is called one of these, or something of the kind, as ``notes_text``."""
    # Of several columns of one name all but the first have a number behind it.
    said = str(name).lower().partition("#")[0]
    return said in words or said.rpartition("_")[2] in words


def _strings(fields: dict[str, Any]) -> list[tuple[Path, str]]:
    # Below this key every string counts, whatever it is called.
    every = leaves(fields, ("json",))
    return [(path[1:], text) for path, text in every if text]


def _at(value: Any, path: Path) -> Any:
    for key in path:
        value = value.get(key) if isinstance(value, Mapping) else None
    return value


def _about(record: Record, fields: Mapping[str, Any]) -> dict[str, object]:
    """What the fields say of the record; where two say different things, both: a level of that
    name is none.
    """
    told: dict[str, object] = {}
    given = (fields, _opened(record.about))
    nested = [value for one in given for name, value in one.items() if _is(name, ABOUT)]
    nodes = [one.get(NODE) for one in given]
    inside = [node.get("metadata") for node in nodes if isinstance(node, Mapping)]
    for known in (*given, *nested, *inside):
        for name, value in known.items() if isinstance(known, Mapping) else ():
            said = told.setdefault(str(name), value)
            if said is None:
                told[str(name)] = value
            elif said is not value and value is not None and str(said) != str(value):
                told[str(name)] = f"{said} / {value}"
    return told


def _opened(fields: Mapping[str, Any]) -> dict[str, Any]:
    """The fields with what is written as JSON in one of them read."""
    return {
        name: _read(value)
        if isinstance(value, str) and (name == NODE or _is(name, ABOUT))
        else value
        for name, value in fields.items()
    }


def _closed(
    out: dict[str, Any], opened: Mapping[str, Any], given: Mapping[str, Any]
) -> dict[str, Any]:
    """The same as it was written."""
    return {
        name: given[name]
        if value is opened[name]
        else json.dumps(value, ensure_ascii=False)
        if isinstance(given[name], str) and not isinstance(value, str)
        else value
        for name, value in out.items()
    }


def _read(text: str) -> Any:
    try:
        read = json.loads(text)
    except (ValueError, RecursionError):
        return text
    return read if isinstance(read, dict) else text
