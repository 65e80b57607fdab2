"""Judge again: the steps of a trace, by the code that judged them when they happened."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from typing import Final

from ragtrace.forensics._again import FlowAgain, StepAgain
from ragtrace.forensics._as_now import AsNow, as_now
from ragtrace.forensics._prompt_again import PromptAgain, prompt_again
from ragtrace.forensics._recorded import RecordedStep, failure
from ragtrace.forensics._said import Lines, Said
from ragtrace.model import Action, Audience, Decision, strictest
from ragtrace.policy import (
    NOT_TAKEN_OUT,
    TAKEN_OUT,
    Policy,
    blocked_before,
    decide_failure,
    judge,
    judge_reader,
    overall,
)
from ragtrace.wire import RecordedFlow

__all__ = ["judge_again"]

ALREADY: Final = "already-blocked"
"""The rule of what refuses a call because an earlier one of its request was refused."""


def judge_again(policy: Policy, lines: Lines, steps: Iterable[RecordedStep]) -> list[StepAgain]:
    """What ``policy`` decides about each of ``steps``.

    Args:
        policy: Judges.
        lines: Where its rules stand in their file.
        steps: Of one trace, in the order in which they began: a block is sticky, and a chunk that
            was blocked at retrieval blocks the prompts that its mark reaches.
    """
    made: list[StepAgain] = []
    for step in steps:
        made.append(_Asked(policy, lines, step, tuple(made)).again())
    return made


@dataclass(frozen=True)
class _Asked:
    """A policy that is asked about one step."""

    policy: Policy
    lines: Lines
    step: RecordedStep
    before: Sequence[StepAgain]

    @cached_property
    def same(self) -> bool:
        """Whether it is the policy that judged then."""
        return bool(self.step.policy) and self.step.policy == self.policy.digest

    @cached_property
    def audience(self) -> Audience:
        return self.step.reader(self.policy)

    def again(self) -> StepAgain:
        if self.step.unreadable:
            return self._made([], None, self.step.unreadable)
        when = datetime.fromtimestamp(self.step.span.start_ns / 1e9, UTC)
        now = [as_now(self.policy, flow, when, same=self.same) for flow in self.step.flows]
        if self.step.stage == "retrieval":
            return self._retrieval(now)
        marks = [self._mark(flow) for flow in self.step.flows]
        try:
            made = prompt_again(self.policy, self.step, now, marks, self.audience)
        except Exception as error:  # as it would be decided live
            decision = _error(self.policy, self.audience, error)
            return self._made([], decision, "")
        return self._prompt(made)

    def _retrieval(self, now: Sequence[AsNow]) -> StepAgain:
        flows = [
            self._flow(flow, one.label.level, *self._use(flow, one))
            for flow, one in zip(self.step.flows, now, strict=True)
        ]
        if any(flow.after is None for flow in flows):
            return self._made(flows, None, _gap(flows))
        decided = strictest([decision for flow in flows if (decision := flow.decided)])
        return self._made(flows, decided, "")

    def _use(self, flow: RecordedFlow, now: AsNow) -> tuple[Decision | None, str]:
        """Whether the application may have the chunk, or why that cannot be told."""
        if why := now.unjudged or self._failed_then(flow.decision):
            return None, why
        try:
            return judge(self.policy, now.chunk, now.label, self.audience), ""
        except Exception as error:
            return _error(self.policy, self.audience, error), ""

    def _prompt(self, made: PromptAgain) -> StepAgain:
        flows = [
            self._flow(flow, *one) for flow, one in zip(self.step.flows, made.flows, strict=True)
        ]
        decided, why = self._whole(flows)
        return self._made(flows, decided, why, made)

    def _whole(self, flows: Sequence[FlowAgain]) -> tuple[Decision | None, str]:
        """What counts for the call, or why that cannot be told."""
        then = self.step.decision
        if why := self._failed_then(then):
            return None, why
        sticky, why = self._blocked_before()
        if sticky is not None or why:
            return sticky, why
        if (refused := judge_reader(self.policy, self.audience)) is not None:
            return refused, ""
        decisions = [decision for flow in flows if (decision := flow.decided) is not None]
        decided = overall(self.policy, decisions)
        if len(decisions) < len(flows) and decided.action is not Action.BLOCK:
            return None, _gap(flows)
        if then is not None and then.reason == NOT_TAKEN_OUT and decided.action in TAKEN_OUT:
            # Of the same text it could not be taken out then, and cannot now.
            return Decision(Action.BLOCK, decided.rule, NOT_TAKEN_OUT, self.policy.digest), ""
        return decided, ""

    def _failed_then(self, then: Decision | None) -> str:
        """Why what was decided where judging failed is not decided again; empty where it did not
        fail.
        """
        kind = failure(then)
        if kind is None or then is None:
            return ""
        counts = self.policy.failures.action(kind, self.audience)
        return (
            f"{kind} then ({then.reason}), which does not happen again; "
            f"this policy says {counts} where it does"
        )

    def _blocked_before(self) -> tuple[Decision | None, str]:
        """What refuses the call because an earlier one of its request is, or why that cannot be
        told. That a call was refused and not asked again is not known to the same policy only.
        """
        was = self.step.decision is not None and self.step.decision.rule == ALREADY
        first = next((one for one in self.before if self._blocks(one)), None)
        if first is None:
            return None, "the call that was blocked before it is not in this trace" if was else ""
        if first.after is None:
            return None, first.unjudged if was else ""
        if first.after.action is not Action.BLOCK or (self.same and not was):
            return None, ""
        return blocked_before(self.policy, first.after.decision(self.policy.digest)), ""

    def _blocks(self, one: StepAgain) -> bool:
        said = [one.before, one.after]
        return (
            one.step.stage == "prompt"
            and one.step.request == self.step.request
            and any(decided is not None and decided.action is Action.BLOCK for decided in said)
        )

    def _mark(self, flow: RecordedFlow) -> FlowAgain | None:
        """What was decided again about the chunk that this flow is a mark of, if it is one."""
        chunk = flow.chunk.digest
        return next(
            (
                known
                for one in self.before
                if one.step.stage == "retrieval" and one.step.request == self.step.request
                for known in one.flows
                if known.flow.chunk.digest == chunk
            ),
            None,
        )

    def _flow(
        self, flow: RecordedFlow, level: str, decision: Decision | None, why: str
    ) -> FlowAgain:
        return FlowAgain(
            flow,
            _said(flow.decision, self.lines if self.same else {}),
            level,
            _said(decision, self.lines),
            why,
        )

    def _made(
        self,
        flows: Sequence[FlowAgain],
        decided: Decision | None,
        why: str,
        prompt: PromptAgain | None = None,
    ) -> StepAgain:
        # Of a step as a whole, what a rule in shadow says is not recorded.
        plain = None if decided is None else decided.with_shadow(None)
        return StepAgain(
            self.step,
            self.same,
            self.audience,
            tuple(flows),
            _said(self.step.decision, self.lines if self.same else {}),
            _said(plain, self.lines),
            why,
            None if prompt is None else prompt.level,
            None if prompt is None else prompt.completion,
        )


def _said(decision: Decision | None, lines: Lines) -> Said | None:
    return None if decision is None else Said.of(decision, lines)


def _error(policy: Policy, audience: Audience, error: Exception) -> Decision:
    why = f"the judge failed with {type(error).__name__}"
    return decide_failure(policy, audience, "judge-error", why)


def _gap(flows: Sequence[FlowAgain]) -> str:
    missing = [flow for flow in flows if flow.after is None]
    return f"{len(missing)} of its {len(flows)} flows cannot be judged: {missing[0].unjudged}"
