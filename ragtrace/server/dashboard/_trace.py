"""Traced: one trace, with the prompt of each model call painted by source and label."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from ragtrace.forensics import Painted, TraceView, kept, paint, trace
from ragtrace.server.dashboard._levels import Levels
from ragtrace.store import Access, ChainedStep, Reader
from ragtrace.wire import names

__all__ = ["Call", "Traced", "traced"]

CALLS_PAINTED: Final = 50
"""Model calls of one trace whose prompts are read; a trace of more is a program gone wrong."""


@dataclass(frozen=True, slots=True, repr=False)
class Call:
    """The prompt and the answer of one model call, as this reader may have them.

    Attributes:
        messages: Painted; those of a prompt that is not kept have no text.
        proved: Whether the prompt was put together again and has its digest.
        completion: ``None`` where it is not kept, or not for this reader.
    """

    digest: str
    level: str
    proved: bool
    messages: tuple[Painted, ...]
    completion_digest: str
    completion_level: str
    completion: str | None

    def __repr__(self) -> str:
        """Name the prompt, without its text."""
        return f"Call({self.digest})"

    def as_json(self) -> dict[str, Any]:
        """Give the call as one tree."""
        return {
            "digest": self.digest,
            "level": self.level,
            "proved": self.proved,
            "messages": [message.as_json() for message in self.messages],
            "completion_digest": self.completion_digest,
            "completion_level": self.completion_level,
            "completion": self.completion,
        }


@dataclass(frozen=True, slots=True)
class Traced:
    """What the page of a trace shows.

    Attributes:
        calls: By span id.
        chained: Where its decisions are in the chains.
    """

    view: TraceView
    calls: dict[str, Call]
    chained: tuple[ChainedStep, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """Give the trace as ``/v1/trace`` does, with ``prompts`` by span id, and ``chained``."""
        prompts = {span_id: call.as_json() for span_id, call in self.calls.items()}
        chained = [step.as_json() for step in self.chained]
        return {**self.view.as_json(), "prompts": prompts, "chained": chained}


def traced(reader: Reader, trace_id: str, access: Access, levels: Levels) -> Traced:
    """Read a trace, by its id or a prefix that only it has.

    Raises:
        TraceNotFoundError: No trace, or more than one, begins so.
        StoreError: The store cannot be read.
    """

    def readable(level: str) -> bool:
        return access.levels is None or level in access.levels

    view = trace(reader, trace_id)
    calls: dict[str, Call] = {}
    for step in view.steps:
        said = step.span.attributes
        if names.PROMPT_DIGEST not in said or len(calls) == CALLS_PAINTED:
            continue
        held = kept(reader, step.span)
        calls[step.span.span_id] = Call(
            digest=said[names.PROMPT_DIGEST],
            level=said.get(names.PROMPT_LEVEL, ""),
            proved=held.proved,
            messages=paint(step.flows, held.rope, held.texts, rank=levels.rank, readable=readable),
            completion_digest=said.get(names.COMPLETION_DIGEST, ""),
            completion_level=said.get(names.COMPLETION_LEVEL, ""),
            completion=held.completion,
        )
    return Traced(view, calls, tuple(reader.chained(view.trace_id)))
