"""Reached: where a text got, and where what was made of it got, one hop after another."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from ragtrace.store._reader import FlowFilter
from ragtrace.store._rows import FlowRow, Row

__all__ = [
    "GRADES",
    "AnyFlow",
    "By",
    "Grade",
    "Link",
    "Matched",
    "ReachRow",
    "Reached",
    "ReachedFlow",
    "Sought",
    "graded",
]

Matched = Literal["document", "chunk", "digest", "uri", "source", ""]
"""What a name given to ``reach`` was found to be; empty where none was given."""

Grade = Literal["certain", "text", "taint"]
"""How surely: ``certain``, the words are there; ``text``, a few are, or they may be another's;
``taint``, it was made from what they were in."""

GRADES: Final[tuple[Grade, ...]] = ("certain", "text", "taint")
"""The surest first."""

By = Literal["direct", "digest", "origin"]
"""How a flow was found: of the very text; by the digest of a completion that was made from it;
by the origins that were recorded with a derived text."""

_OF_VERDICTS: Final[Mapping[str, Grade]] = {
    "": "certain",
    "certain": "certain",
    "ambiguous": "text",
}
"""A retrieval returned it, or a cache; what two chunks share may be the other's; and what another
chunk explains, or is not there, is no more than a suspicion."""


def graded(verdict: str) -> Grade:
    """How surely a text is in a prompt in which it was found with ``verdict``."""
    return _OF_VERDICTS.get(verdict, "taint")


@dataclass(frozen=True, slots=True, kw_only=True)
class Sought:
    """What it is whose way is asked for: what all of this holds of.

    Attributes:
        names: Any of these: a document, chunk, digest, URI or source.
        where: Only flows like this, to begin with; what was made of them is followed to
            wherever it went. A document, source or level may also be that of an origin.
    """

    names: tuple[str, ...] = ()
    where: FlowFilter = field(default_factory=FlowFilter)

    def __post_init__(self) -> None:
        """Leave out empty names: what is called nothing is not what was asked for."""
        object.__setattr__(self, "names", tuple(filter(None, self.names)))

    @property
    def is_nothing(self) -> bool:
        """Whether it says nothing, and so would be everything."""
        return not self.names and not self.where.as_params()


@dataclass(frozen=True, slots=True)
class ReachedFlow(Row):
    """A flow as far as reach tells of it; its trace has the rest.

    Every field means what it means in ``FlowRow``; those of the whole step come last.
    """

    time_ns: int
    ordinal: int
    document: str
    chunk_id: str
    uri: str
    digest: str
    verdict: str
    carried: str
    rule: str
    reason: str
    source: str
    level: str
    audience: str
    stage: str
    action: str
    mode: str
    trace_id: str
    span_id: str
    request_id: str
    prompt_digest: str
    completion_digest: str
    session: str
    user: str
    service: str
    clearance: str
    tenant: str
    model: str
    blocked: bool


AnyFlow = FlowRow | ReachedFlow
"""A flow, told in whole or as far as reach tells it."""


@dataclass(frozen=True, slots=True)
class Link(Row):
    """One hop: what was in a prompt, and the text that was made from it.

    Attributes:
        verdict: With which it was found in that prompt; empty where only an origin is recorded.
        trace_id: Of the step that made the text; empty where only an origin is recorded.
        span_id: Of that step.
        digest: Of the text; of the document's chunk where only an origin is recorded.
        evidence: How it is known that the text has what is asked for.
    """

    verdict: str
    trace_id: str
    span_id: str
    digest: str
    evidence: Grade

    @property
    def grade(self) -> Grade:
        """The weaker of the two."""
        return max(self.evidence, graded(self.verdict), key=GRADES.index)


@dataclass(frozen=True, slots=True)
class ReachRow(Row):
    """One flow that was reached.

    Attributes:
        matched: What the question's name was found to be; empty for what was derived.
        by: Every way by which it was found.
        grade: Of the surest path to it: of its weakest link, or of the flow itself.
        path: The links of that path, none where the flow is of the very text. Of several as sure,
            one whose steps are known comes before one that only an origin is recorded of.
    """

    matched: Matched
    flow: ReachedFlow
    by: tuple[By, ...] = ("direct",)
    grade: Grade = "certain"
    path: tuple[Link, ...] = ()

    @property
    def hop(self) -> int:
        """How many times a text was made on the way; 0 for the text itself."""
        return len(self.path)

    def as_json(self) -> dict[str, Any]:
        """Give the flow's fields by name, and how it was reached beside them."""
        return {
            "matched": self.matched,
            "hop": self.hop,
            "by": list(self.by),
            "grade": self.grade,
            "path": [link.as_json() for link in self.path],
            **self.flow.as_json(),
        }

    @classmethod
    def from_json(cls, tree: Mapping[str, Any]) -> ReachRow:
        """Read what ``as_json`` gave."""
        return cls(
            matched=tree["matched"],
            flow=ReachedFlow.from_json(tree),
            by=tuple(tree["by"]),
            grade=tree["grade"],
            path=tuple(map(Link.from_json, tree["path"])),
        )


@dataclass(frozen=True, slots=True)
class Reached:
    """What was reached, the oldest first.

    Attributes:
        complete: False where there are more rows, or more hops, than one answer holds.
    """

    rows: tuple[ReachRow, ...]
    complete: bool
