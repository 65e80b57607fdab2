"""Plain: labels, origins, recipients and chunks as JSON values, and strictly back."""

from __future__ import annotations

from typing import Any, Final, get_args

from ragtrace.capture._recipient import Recipient
from ragtrace.model import (
    Chunk,
    Document,
    Evidence,
    Label,
    LabelledRange,
    Origin,
    Source,
    digest,
)

__all__ = [
    "HEX",
    "chunk_as_plain",
    "label_as_plain",
    "origin_as_plain",
    "plain_chunk",
    "plain_label",
    "plain_names",
    "plain_origin",
    "plain_recipient",
    "recipient_as_plain",
]

HEX: Final = frozenset("0123456789abcdef")
"""What a digest is written with."""

_EVIDENCE: Final = frozenset(get_args(Evidence))


def label_as_plain(label: Label) -> list[Any]:
    """A label; the same one always gives the same value."""
    readers = None if label.readers is None else sorted(label.readers)
    return [label.level, sorted(label.compartments), readers, label.integrity == "trusted"]


def plain_label(value: object) -> Label:
    """What ``label_as_plain`` gave.

    Raises:
        ValueError: It is something else.
    """
    match value:
        case [str(level), compartments, readers, bool(trusted)]:
            held = plain_names(compartments)
            let_in = None if readers is None else plain_names(readers)
            return Label(level, held, let_in, "trusted" if trusted else "untrusted")
    raise ValueError("a label")


def origin_as_plain(origin: Origin) -> list[Any]:
    """An origin."""
    label = label_as_plain(origin.label)
    return [origin.document, origin.source, origin.digest, label, origin.evidence]


def plain_origin(value: object) -> Origin:
    """What ``origin_as_plain`` gave.

    Raises:
        ValueError: It is something else.
    """
    match value:
        case [str(document), str(source), str(name), label, str(evidence)]:
            if evidence in _EVIDENCE:
                return Origin(document, source, name, plain_label(label), evidence)  # type: ignore[arg-type]
    raise ValueError("an origin")


def recipient_as_plain(recipient: Recipient) -> list[Any]:
    """A recipient."""
    held, who = sorted(recipient.compartments), None
    if recipient.person is not None:
        who = [recipient.person[0], sorted(recipient.person[1])]
    return [recipient.name, recipient.clearance, held, recipient.known, who]


def plain_recipient(value: object) -> Recipient:
    """What ``recipient_as_plain`` gave.

    Raises:
        ValueError: It is something else.
    """
    match value:
        case [str(name), str(clearance), held, bool(known), None]:
            return Recipient(name, clearance, plain_names(held), known, None)
        case [str(name), str(clearance), held, bool(known), [None | str() as principal, groups]]:
            who = principal, plain_names(groups)
            return Recipient(name, clearance, plain_names(held), known, who)
    raise ValueError("a recipient")


def chunk_as_plain(chunk: Chunk) -> list[Any]:
    """A chunk without its place in the result of one search."""
    return [
        chunk.id,
        chunk.document.id,
        chunk.document.uri,
        chunk.source.id,
        chunk.text,
        label_as_plain(chunk.label),
        chunk.basis,
        [[part.start, part.end, label_as_plain(part.label)] for part in chunk.ranges],
        [origin_as_plain(origin) for origin in chunk.origins],
        [[start, end] for start, end in chunk.copied],
        chunk.released,
    ]


def plain_chunk(value: object) -> Chunk:
    """What ``chunk_as_plain`` gave; named by its text anew.

    Raises:
        ValueError: It is something else.
    """
    match value:
        case [
            str(id),
            str(document),
            None | str() as uri,
            str(source),
            str(text),
            label,
            str(basis),
            [*ranges],
            [*origins],
            [*copied],
            str(released),
        ]:
            return Chunk(
                id=id,
                document=Document(document, uri),
                source=Source(source),
                text=text,
                digest=digest(text),
                label=plain_label(label),
                basis=basis,
                ranges=tuple(map(_range, ranges)),
                origins=tuple(map(plain_origin, origins)),
                copied=tuple(map(_stretch, copied)),
                released=released,
            )
    raise ValueError("a chunk")


def plain_names(value: object) -> frozenset[str]:
    """A list of names.

    Raises:
        ValueError: It is something else.
    """
    if isinstance(value, list) and all(isinstance(name, str) for name in value):
        return frozenset(value)
    raise ValueError("a list of names")


def _range(value: object) -> LabelledRange:
    match value:
        case [start, end, label]:
            return LabelledRange(*_stretch([start, end]), plain_label(label))
    raise ValueError("a range")


def _stretch(value: object) -> tuple[int, int]:
    match value:
        case [int(start), int(end)] if bool not in (type(start), type(end)):
            if 0 <= start <= end:
                return start, end
    raise ValueError("a stretch of characters")
