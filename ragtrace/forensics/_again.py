"""Again: what a policy decides about a recorded step, beside what was decided when it happened."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ragtrace.forensics._recorded import RecordedStep
from ragtrace.forensics._said import Said
from ragtrace.model import Audience, Decision
from ragtrace.wire import RecordedFlow

__all__ = ["FlowAgain", "LevelAgain", "StepAgain"]


@dataclass(frozen=True, slots=True)
class FlowAgain:
    """One flow, and what is decided about it now.

    Attributes:
        flow: As it was recorded.
        before: What was decided; ``None`` where nobody did.
        level: What was judged now is of this level; the recorded one is the flow's.
        after: What is decided now; ``None`` where that cannot be told.
        unjudged: Why it cannot; empty where it can.
    """

    flow: RecordedFlow
    before: Said | None
    level: str
    after: Said | None
    unjudged: str = ""

    @property
    def decided(self) -> Decision | None:
        """What is decided now, as a decision."""
        return None if self.after is None else self.after.decision("")

    @property
    def changed(self) -> bool:
        """Whether something else is decided, or about another level."""
        if self.after is None:
            return False
        return self.after.differs(self.before) or self.level != self.flow.label.level

    def as_json(self) -> dict[str, Any]:
        """Give the flow as one tree, without its places in the prompt."""
        chunk = self.flow.chunk
        return {
            "ordinal": self.flow.ordinal,
            "chunk_id": chunk.id,
            "document": chunk.document.id,
            "source": chunk.source.id,
            "digest": chunk.digest,
            "rank": chunk.rank,
            "score": chunk.score,
            "basis": chunk.basis,
            "verdict": self.flow.attribution.verdict if self.flow.attribution else "",
            "level_before": self.flow.label.level,
            "level": self.level,
            "before": self.before and self.before.as_json(),
            "after": self.after and self.after.as_json(),
            "unjudged": self.unjudged,
            "changed": self.changed,
        }


@dataclass(frozen=True, slots=True)
class LevelAgain:
    """A level that was recorded, and that follows now.

    Attributes:
        after: ``None`` where it cannot be told.
        unjudged: Why it cannot.
    """

    before: str
    after: str | None
    unjudged: str = ""

    @property
    def changed(self) -> bool:
        """Whether it is another one now."""
        return self.after is not None and self.after != self.before

    def as_json(self) -> dict[str, Any]:
        """Give the fields by name."""
        return {"before": self.before, "after": self.after, "unjudged": self.unjudged}


@dataclass(frozen=True, slots=True)
class StepAgain:
    """One step, and what is decided about it now.

    Attributes:
        same: Whether the policy at hand is the one that judged.
        audience: Who would have read the answer, as the policy at hand knows the audience.
        flows: One for one with the recorded.
        before: About the step as a whole; ``None`` where nobody decided.
        after: ``None`` where that cannot be told, or nothing was there to decide about.
        unjudged: Why it cannot; empty where it can.
        prompt: Level of the prompt; ``None`` at retrieval.
        completion: Level of the completion, and the level that it inherits at most now.
    """

    step: RecordedStep
    same: bool
    audience: Audience
    flows: tuple[FlowAgain, ...]
    before: Said | None
    after: Said | None
    unjudged: str = ""
    prompt: LevelAgain | None = None
    completion: LevelAgain | None = None

    @property
    def changed(self) -> bool:
        """Whether anything of it is decided otherwise; of a completion only a bound is known."""
        whole = self.after is not None and self.after.differs(self.before)
        level = self.prompt is not None and self.prompt.changed
        return whole or level or any(flow.changed for flow in self.flows)

    @property
    def defect(self) -> bool:
        """Whether the very policy that judged now says something else."""
        return self.same and self.changed

    def as_json(self) -> dict[str, Any]:
        """Give the step as one tree."""
        return {
            "span_id": self.step.span.span_id,
            "stage": self.step.stage,
            "policy": self.step.policy,
            "same_policy": self.same,
            "audience": self.audience.name,
            "audience_known": self.audience.known,
            "clearance": self.audience.clearance,
            "before": self.before and self.before.as_json(),
            "after": self.after and self.after.as_json(),
            "unjudged": self.unjudged,
            "changed": self.changed,
            "defect": self.defect,
            "prompt_level": self.prompt and self.prompt.as_json(),
            "completion_level": self.completion and self.completion.as_json(),
            "flows": [flow.as_json() for flow in self.flows],
        }
