"""Replay: what a model was shown, whether it is decided so again, and what another policy says."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ragtrace.forensics._again import StepAgain
from ragtrace.forensics._candidate import Candidate
from ragtrace.forensics._judge_again import judge_again
from ragtrace.forensics._kept import Kept, kept
from ragtrace.forensics._recorded import recorded
from ragtrace.forensics._trace import Step, TraceView, trace
from ragtrace.store import Reader, SpanRow, TraceNotFoundError
from ragtrace.wire import names

__all__ = ["Replay", "ReplayStep", "Timed", "replay"]


@dataclass(frozen=True, slots=True)
class Timed:
    """When a span took place, within its trace; milliseconds.

    Attributes:
        offset_ms: From the beginning of the trace.
        took_ms: From its own beginning to its end.
    """

    offset_ms: float
    took_ms: float

    @classmethod
    def of(cls, span: SpanRow, view: TraceView) -> Timed:
        """The time of ``span`` within ``view``."""
        begun = (span.start_ns - view.start_ns) / 1e6
        return cls(round(begun, 3), round((span.end_ns - span.start_ns) / 1e6, 3))

    def as_json(self) -> dict[str, float]:
        """Give the fields by name."""
        return {"offset_ms": self.offset_ms, "took_ms": self.took_ms}


@dataclass(frozen=True, slots=True)
class ReplayStep:
    """One span of a trace.

    Attributes:
        kept: The texts of a model call; ``None`` for any other step.
        again: What is decided now; ``None`` without a policy, and where nothing was judged.
    """

    step: Step
    timed: Timed
    kept: Kept | None
    again: StepAgain | None

    def as_json(self, *, texts: bool = False) -> dict[str, Any]:
        """Give the step as one tree.

        Args:
            texts: Whether the messages of the prompt, and its answer, are there too.
        """
        return {
            **self.step.as_json(),
            "timed": self.timed.as_json(),
            "prompt": None if self.kept is None else self.kept.as_json(texts=texts),
            "again": None if self.again is None else self.again.as_json(),
        }


@dataclass(frozen=True, slots=True)
class Replay:
    """The answer to ``ragtrace replay``.

    Attributes:
        candidate: The policy that judged again; ``None`` where none was given.
    """

    view: TraceView
    candidate: Candidate | None
    steps: tuple[ReplayStep, ...]

    @property
    def again(self) -> list[StepAgain]:
        """The steps that were judged again, in their order."""
        return [one.again for one in self.steps if one.again is not None]

    @property
    def defects(self) -> list[StepAgain]:
        """Steps about which the policy that judged them now says something else."""
        return [one for one in self.again if one.defect]

    @property
    def changed(self) -> list[StepAgain]:
        """Steps about which another policy says something else."""
        return [one for one in self.again if one.changed and not one.same]

    @property
    def unjudged(self) -> list[StepAgain]:
        """Steps of which something could not be judged again."""
        return [
            one
            for one in self.again
            if one.unjudged or any(flow.after is None for flow in one.flows)
        ]

    @property
    def unproved(self) -> list[ReplayStep]:
        """Model calls whose prompt could not be put together and proved."""
        return [one for one in self.steps if one.kept is not None and not one.kept.proved]

    def as_json(self, *, texts: bool = False) -> dict[str, Any]:
        """Give the replay as one tree; see ``ReplayStep.as_json``."""
        policy = self.candidate and {
            "name": self.candidate.name,
            "digest": self.candidate.policy.digest,
        }
        prompts = [one for one in self.steps if one.kept is not None]
        return {
            **self.view.as_json(),
            "policy": policy,
            "counts": {
                "prompts": len(prompts),
                "proved": len(prompts) - len(self.unproved),
                "judged": len(self.again),
                "changed": len(self.changed),
                "unjudged": len(self.unjudged),
                "defects": len(self.defects),
            },
            "steps": [one.as_json(texts=texts) for one in self.steps],
        }


def replay(store: Reader, what: str, candidate: Candidate | None = None) -> Replay:
    """Rebuild what a trace has shown to models, and judge it again.

    Args:
        store: What is asked.
        what: A trace id or a prefix that only it has; ``TRACE/SPAN`` for one span of it.
        candidate: The policy that judges again. A block of an earlier step counts, also where
            one span is asked for.

    Raises:
        TraceNotFoundError: No trace, or more than one, begins so, or it has no such span.
        StoreError: The store cannot be read.
    """
    name, _, only = what.strip().lower().partition("/")
    view = trace(store, name)
    chosen = _chosen(view, only)
    again: Mapping[str, StepAgain] = {}
    if candidate is not None:
        steps = recorded(step.span for step in view.steps)
        made = judge_again(candidate.policy, candidate.lines, steps)
        again = {one.step.span.span_id: one for one in made}
    return Replay(
        view,
        candidate,
        tuple(
            ReplayStep(
                step,
                Timed.of(step.span, view),
                kept(store, step.span) if names.PROMPT_DIGEST in step.span.attributes else None,
                again.get(step.span.span_id),
            )
            for step in chosen
        ),
    )


def _chosen(view: TraceView, only: str) -> list[Step]:
    """The steps that are asked for.

    Raises:
        TraceNotFoundError: There is none.
    """
    if not only:
        return list(view.steps)
    found = [step for step in view.steps if step.span.span_id.startswith(only)]
    if len(found) != 1:
        how = "more than one span begins" if found else "no span begins"
        raise TraceNotFoundError(f"trace {view.trace_id}: {how} with {only[:32]}")
    return found
