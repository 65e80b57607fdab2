"""Rows: what the store answers with, one frozen record for each kind."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, Self, TypeVar

__all__ = [
    "DecisionRow",
    "FlowEdge",
    "FlowRow",
    "HourRow",
    "OriginRow",
    "Row",
    "SaidRow",
    "Stats",
    "flow_of",
    "frozen",
]

R = TypeVar("R", bound="Row")


def _frozen(value: Any) -> Any:
    return tuple(map(_frozen, value)) if isinstance(value, list) else value


def _read(kind: type[R], tree: Mapping[str, Any]) -> R:
    known = {name.name for name in fields(kind)}
    return kind(**{name: _frozen(value) for name, value in tree.items() if name in known})


@dataclass(frozen=True, slots=True)
class Row:
    """A flat record that survives the way through JSON unchanged."""

    def as_json(self) -> dict[str, Any]:
        """Give the fields by name, ready for ``json.dumps``."""
        return {name.name: getattr(self, name.name) for name in fields(self)}

    @classmethod
    def from_json(cls: type[R], tree: Mapping[str, Any]) -> R:
        """Read what ``as_json`` gave, also from a newer program that has more fields."""
        return _read(cls, tree)


@dataclass(frozen=True, slots=True)
class OriginRow(Row):
    """A document that a derived chunk was made from.

    Attributes:
        digest: Of the document's chunk that was in the prompt.
        level: Of those parts of it that were there, as are the other parts of its label.
        for_readers: Whether only ``readers`` may read it.
        evidence: How it is known: ``certain``, ``text`` or ``taint``.
        carried: How it is known of the completion made from the derived chunk; empty where
            there is none, or it does not say.
    """

    document: str
    source: str
    digest: str
    level: str
    compartments: tuple[str, ...]
    for_readers: bool
    readers: tuple[str, ...]
    integrity: str
    evidence: str
    carried: str


@dataclass(frozen=True, slots=True)
class FlowRow(Row):
    """One chunk that was retrieved for, or found in, a prompt.

    Attributes:
        time_ns: Start of its span, nanoseconds since the epoch.
        ordinal: Its place among the flows of its span.
        stage: ``retrieval`` or ``prompt``.
        score: As the source gave it; ``None`` where it gave none.
        verdict: Attribution in the prompt, empty at retrieval.
        spans: ``(message, start, end, chunk_start, chunk_end)`` in characters, ends exclusive.
        group: Digests of the other chunks of an ambiguous or explained attribution.
        action: Empty for a span of another tracer, on which nobody decided.
        mode: ``shadow`` where ``action`` was only recorded.
        ranges: ``(start, end, level)`` of parts with a label of their own.
        completion_digest: Empty where the model was not called or this is a retrieval.
        blocked: Whether the whole span was refused, perhaps for another chunk's sake.
        carried: How it is known that the completion was made from it: ``certain``, its words stand
            there, ``text``, a few of them do, ``taint``, none; empty where there is no completion,
            where it does not say, and for what a model said, whose ``origins`` say it.
        origins: The documents at the beginning of a derived chunk; none of a document's.
        released: Why its origins do not count, where something was declassified.
        model: Which answered, as it was asked for where the answer does not say.
    """

    trace_id: str
    span_id: str
    time_ns: int
    ordinal: int
    stage: str
    service: str
    request_id: str
    audience: str
    clearance: str
    tenant: str
    session: str
    user: str
    chunk_id: str
    document: str
    uri: str
    digest: str
    source: str
    level: str
    compartments: tuple[str, ...]
    basis: str
    rank: int
    score: float | None
    verdict: str
    spans: tuple[tuple[int, ...], ...]
    group: tuple[str, ...]
    action: str
    rule: str
    reason: str
    mode: str
    shadow_action: str
    shadow_rule: str
    ranges: tuple[tuple[int, int, str], ...]
    policy: str
    prompt_digest: str
    prompt_level: str
    completion_digest: str
    blocked: bool
    carried: str
    origins: tuple[OriginRow, ...]
    released: str
    model: str

    def as_json(self) -> dict[str, Any]:
        """Give the fields by name, each origin as an object."""
        said = Row.as_json(self)
        said["origins"] = [origin.as_json() for origin in self.origins]
        return said

    @classmethod
    def from_json(cls, tree: Mapping[str, Any]) -> Self:
        """Read what ``as_json`` gave, also from an older program that knows no origins."""
        origins = tuple(map(OriginRow.from_json, tree.get("origins", ())))
        return _read(cls, {"carried": "", "released": "", "model": "", **tree, "origins": origins})


def flow_of(columns: Sequence[Any]) -> FlowRow:
    """The flow that a row of the engine is: its lists frozen, what has named parts a record."""
    return FlowRow(*map(frozen, columns))


def frozen(value: Any) -> Any:
    """What the engine gives for a column: lists as tuples, what has named parts as a record."""
    if not isinstance(value, list):
        return value
    return tuple(OriginRow.from_json(one) if isinstance(one, dict) else one for one in value)


@dataclass(frozen=True, slots=True)
class FlowEdge(Row):
    """All flows of one source and level to one audience, at one stage, with one action.

    Attributes:
        mode: ``shadow`` where ``action`` was only recorded.
        flows: How many.
        prompts: Distinct prompts of each day (UTC), by digest; by span where a tracer gave no
            digest; 0 at retrieval. The same prompt on another day counts again.
        first_ns: Earliest, nanoseconds since the epoch.
        last_ns: Latest, nanoseconds since the epoch.
        told: How many were certainly in a prompt that was answered, and nothing kept them from
            the answer, by the clearance of who read it; none where that is not known.
    """

    source: str
    level: str
    audience: str
    stage: str
    action: str
    mode: str
    flows: int
    prompts: int
    first_ns: int
    last_ns: int
    told: tuple[tuple[str, int], ...] = ()


@dataclass(frozen=True, slots=True)
class DecisionRow(Row):
    """The strictest decision about one step: a retrieval or a model call.

    Attributes:
        time_ns: Start of its span, nanoseconds since the epoch.
        mode: ``shadow`` where ``action`` was only recorded.
        policy: Digest of the policy that judged.
        flows: How many chunks it was about.
    """

    time_ns: int
    span_id: str
    trace_id: str
    request_id: str
    stage: str
    service: str
    audience: str
    clearance: str
    tenant: str
    session: str
    user: str
    action: str
    rule: str
    reason: str
    mode: str
    policy: str
    prompt_digest: str
    prompt_level: str
    completion_digest: str
    flows: int


@dataclass(frozen=True, slots=True)
class HourRow(Row):
    """How many flows of one level there were in one hour.

    Attributes:
        hour_ns: Where the hour begins, nanoseconds since the epoch, UTC.
    """

    hour_ns: int
    level: str
    flows: int


@dataclass(frozen=True, slots=True)
class SaidRow(Row):
    """One model call in whose prompt or completion the words asked for were found.

    Attributes:
        time_ns: Start of its span, nanoseconds since the epoch.
        kind: Where: in a passage (``chunk``), in the rest of the ``prompt``, in the
            ``completion``.
        digest: Of that text.
        excerpt: What stands around the first of the words there.
    """

    time_ns: int
    trace_id: str
    span_id: str
    request_id: str
    service: str
    audience: str
    session: str
    user: str
    kind: str
    digest: str
    excerpt: str


@dataclass(frozen=True, slots=True)
class Stats(Row):
    """How much is stored.

    Attributes:
        contents: Texts known by digest, kept or not.
        texts: Those of them whose sealed text is kept.
        bytes_on_disk: Of the tables' active parts.
        broken_parts: Parts the engine set aside as damaged; anything above 0 is lost data.
        schema: Version of the schema.
    """

    spans: int
    flows: int
    contents: int
    texts: int
    first_ns: int
    last_ns: int
    bytes_on_disk: int
    broken_parts: int
    schema: int
