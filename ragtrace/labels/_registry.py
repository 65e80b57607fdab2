"""Registry: what is known of texts by their digest, whatever their metadata say."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from ragtrace.errors import PolicyFileError
from ragtrace.labels._lattice import Lattice
from ragtrace.model import Label, LabelledRange

__all__ = ["MAX_REGISTRY_LINE", "MAX_REGISTRY_RANGES", "MAX_REGISTRY_TEXTS", "Kept", "Registry"]

MAX_REGISTRY_TEXTS: Final = 500_000
"""Texts in a registry. It is held in memory beside the application: about 100 MB at this size."""

MAX_REGISTRY_RANGES: Final = 500_000
"""Ranges in a registry, of all texts together: about another 100 MB at this size."""

MAX_REGISTRY_LINE: Final = 10_000
"""Bytes of a line; a digest and a label take about a hundred, and so does a range."""

_DIGEST = re.compile(r"[0-9a-f]{64}")
_KEYS: Final = ("digest", "level", "compartments", "ranges", "pii")
_RANGE_KEYS: Final = ("start", "end", "level", "compartments")

_FURTHEST: Final = 10**9
"""Where a range may end; no text is longer."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Kept:
    """What is known of one text.

    Attributes:
        label: Of all of it; ``None`` where only its parts are known.
        ranges: Parts with a label of their own; they may overlap.
        looked_for: The digests of the rules by which personal data was looked for; what was
            found is in ``ranges``.
    """

    label: Label | None = None
    ranges: tuple[LabelledRange, ...] = ()
    looked_for: frozenset[str] = frozenset()

    def with_also(self, other: Kept, lattice: Lattice) -> Kept:
        """What both know, of the same text."""
        labels = [label for label in (self.label, other.label) if label is not None]
        return Kept(
            lattice.join(labels) if labels else None,
            tuple(dict.fromkeys(self.ranges + other.ranges)),
            self.looked_for | other.looked_for,
        )

    def line(self, text_digest: str) -> bytes:
        """The line of a registry that says so, with its end; readers and integrity it has not."""
        said: dict[str, Any] = {"digest": text_digest}
        if self.label is not None:
            said |= _label_as_json(self.label)
        if self.ranges:
            said["ranges"] = [
                {"start": part.start, "end": part.end} | _label_as_json(part.label)
                for part in self.ranges
            ]
        if self.looked_for:
            said["pii"] = sorted(self.looked_for)
        return json.dumps(said).encode() + b"\n"


@dataclass(frozen=True, slots=True)
class Registry:
    """What is known of texts.

    Attributes:
        texts: By the digest of a chunk's text, as ``ragtrace.model.digest`` gives it.
    """

    texts: Mapping[str, Kept]

    @classmethod
    def parse(cls, lines: Iterable[bytes], name: str, lattice: Lattice) -> Registry:
        """The registry that ``lines`` of JSON spell; ``name`` stands in messages.

        A text that is named twice gets the join of its labels. Empty lines say nothing.

        Raises:
            PolicyFileError: A line is no entry, or there are too many; the message names
                file, line and what was expected.
        """
        texts: dict[str, Kept] = {}
        same: dict[object, Any] = {}  # one record of each kind, however many texts carry it
        ranges = 0
        for number, line in enumerate(lines, 1):
            try:
                if not line.strip():
                    continue
                text, kept = _entry(line, lattice, same)
                ranges += len(kept.ranges)
                if text not in texts and len(texts) == MAX_REGISTRY_TEXTS:
                    raise ValueError(f"expected at most {MAX_REGISTRY_TEXTS} texts")
                if ranges > MAX_REGISTRY_RANGES:
                    raise ValueError(f"expected at most {MAX_REGISTRY_RANGES} ranges")
            except ValueError as error:
                raise PolicyFileError(f"{name}:{number}: {error}") from None
            if text in texts:
                kept = texts[text].with_also(kept, lattice)
            texts[text] = kept if kept.ranges else _once(kept, same)
        return cls(texts)

    def get(self, text_digest: str) -> Kept | None:
        """What is known of the text with this digest, where anything is."""
        return self.texts.get(text_digest)


def _entry(line: bytes, lattice: Lattice, same: dict[object, Any]) -> tuple[str, Kept]:
    """One line; ``ValueError`` says what was expected of it."""
    if len(line) > MAX_REGISTRY_LINE:
        raise ValueError(f"expected at most {MAX_REGISTRY_LINE} bytes on a line")
    try:
        # A number of 5,000 digits is no int to Python, and where a range is, floats will do.
        text = line.decode("utf-8-sig")
        said = json.loads(text, object_pairs_hook=_each_once, parse_int=float)
    except (UnicodeDecodeError, json.JSONDecodeError, RecursionError):
        raise ValueError("expected a line of JSON") from None
    _check_keys(said, _KEYS)
    name = said.get("digest")
    if not isinstance(name, str) or not _DIGEST.fullmatch(name):
        raise ValueError(f"digest: expected 64 lower-case hex digits, got {name!r}")
    looked_for, listed = said.get("pii", []), said.get("ranges", [])
    if not isinstance(looked_for, list) or not all(
        isinstance(one, str) and _DIGEST.fullmatch(one) for one in looked_for
    ):
        raise ValueError(f"pii: expected a list of digests, got {looked_for!r}")
    if not isinstance(listed, list):
        raise ValueError(f"ranges: expected a list of ranges, got {listed!r}")
    only_parts = bool(listed or looked_for) and not {"level", "compartments"} & said.keys()
    label = None if only_parts else _once(_label(said, lattice), same)
    ranges = tuple(_range(one, lattice, same) for one in listed)
    return name, Kept(label, ranges, _once(frozenset(looked_for), same))


def _range(said: Any, lattice: Lattice, same: dict[object, Any]) -> LabelledRange:
    try:
        _check_keys(said, _RANGE_KEYS)
        start, end = said.get("start"), said.get("end")
        if not _is_place(start) or not _is_place(end) or start >= end:
            raise ValueError(f"expected start before end, got {start!r} and {end!r}")
        return LabelledRange(int(start), int(end), _once(_label(said, lattice), same))
    except ValueError as error:
        raise ValueError(f"ranges: {error}") from None


def _label(said: dict[str, Any], lattice: Lattice) -> Label:
    level, compartments = said.get("level"), said.get("compartments", [])
    if not isinstance(level, str) or level not in lattice.levels:
        known = ", ".join(lattice.levels)
        raise ValueError(f"level: expected one of the levels {known}, got {level!r}")
    if not isinstance(compartments, list) or not all(
        isinstance(one, str) and one for one in compartments
    ):
        raise ValueError(f"compartments: expected a list of names, got {compartments!r}")
    return Label(level, frozenset(compartments))


def _label_as_json(label: Label) -> dict[str, Any]:
    held = {"compartments": sorted(label.compartments)} if label.compartments else {}
    return {"level": label.level} | held


def _check_keys(said: object, keys: tuple[str, ...]) -> None:
    if not isinstance(said, dict):
        raise ValueError(f"expected an object, got {type(said).__name__}")
    for key in said:
        if key not in keys:
            raise ValueError(f"unknown key {key!r}, expected one of {', '.join(keys)}")


def _is_place(value: object) -> bool:
    return isinstance(value, float) and 0 <= value <= _FURTHEST and value.is_integer()


def _once(value: T, same: dict[object, Any]) -> T:
    """The record equal to ``value`` that is kept already, else this one from now on."""
    found: T = same.setdefault(value, value)
    return found


def _each_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    # JSON keeps the last of two: a second level on the line would undo the first unseen.
    keys = [key for key, _ in pairs]
    for key in keys:
        if keys.count(key) > 1:
            raise ValueError(f"{key!r} is said twice")
    return dict(pairs)
