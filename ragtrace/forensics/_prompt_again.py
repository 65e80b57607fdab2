"""Prompt again: what was found in a recorded prompt, judged together as it was then."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ragtrace.attribution import TEMPLATE
from ragtrace.forensics._again import FlowAgain, LevelAgain
from ragtrace.forensics._as_now import AsNow
from ragtrace.forensics._recorded import RecordedStep, failure
from ragtrace.model import Action, Audience, Chunk, Decision
from ragtrace.policy import (
    NOT_TAKEN_OUT,
    TAKEN_OUT,
    TOLD_BEFORE,
    Policy,
    PromptRuling,
    ancestry,
    enforceable,
    judge_carried,
    judge_prompt,
    label_found,
)
from ragtrace.wire import RecordedFlow, names

__all__ = ["PromptAgain", "prompt_again"]

FlowRuling = tuple[str, Decision | None, str]
"""The level that was judged, what is decided, and why nothing can be."""


@dataclass(frozen=True, slots=True)
class PromptAgain:
    """What is decided about each flow of a prompt, and what is made of it.

    Attributes:
        flows: One for one with the recorded.
        level: Of the prompt.
        completion: The recorded level, and the level that it inherits at most.
    """

    flows: tuple[FlowRuling, ...]
    level: LevelAgain
    completion: LevelAgain


def prompt_again(
    policy: Policy,
    step: RecordedStep,
    now: Sequence[AsNow],
    marks: Sequence[FlowAgain | None],
    audience: Audience,
) -> PromptAgain:
    """Judge what was found in a prompt.

    What was found is what was recorded, with the length of every run and how sure it is: nothing
    is looked for again, and no text is needed.

    Args:
        policy: Judges.
        step: A model call.
        now: Its flows, as the policy is to judge them.
        marks: For each flow, what was decided again about its chunk at a retrieval before.
        audience: For whom.
    """
    both = list(zip(step.flows, now, strict=True))
    found = [(flow, one) for flow, one in both if _is_found(flow)]
    missing = _missing(step, [one for _, one in found])
    ruling: PromptRuling | None = None
    chunks: dict[str, Chunk] = {}
    if not missing:
        attributions = [flow.attribution for flow, _ in found if flow.attribution is not None]
        chunks = {one.chunk.digest: one.chunk for _, one in found}
        for plain in step.plain:
            if plain.attribution is not None:
                attributions.insert(plain.ordinal, plain.attribution)
                chunks.setdefault(plain.chunk.digest, plain.chunk)
        ruling = judge_prompt(policy, attributions, chunks, audience)
    own = {one.chunk: one for one in ruling.answerable} if ruling is not None else {}
    flows: list[FlowRuling] = []
    for (flow, one), mark in zip(both, marks, strict=True):
        if ruling is None or not _is_found(flow):
            flows.append(_apart(policy, flow, one, mark, audience, missing))
        else:
            name = flow.chunk.digest
            label = label_found(policy, chunks[name], own[name])
            flows.append((label.level, ruling.about(policy, own[name]), ""))
    return PromptAgain(tuple(flows), *_levels(policy, step, ruling, chunks, flows, missing))


def _is_mark(flow: RecordedFlow) -> bool:
    """Whether it is of a chunk that was blocked, of which only a mark is in the prompt."""
    return flow.attribution is not None and bool(flow.attribution.spans) and not flow.roles


def _is_found(flow: RecordedFlow) -> bool:
    return flow.attribution is not None and not _is_mark(flow)


def _missing(step: RecordedStep, found: Sequence[AsNow]) -> str:
    """Why what was found cannot be judged together; empty where it can."""
    if not all(flow.measured for flow in (*step.flows, *step.plain)):
        return "it is not recorded how long each run is, so not what is too little to act on"
    return next((one.unjudged for one in found if one.unjudged), "")


def _apart(
    policy: Policy,
    flow: RecordedFlow,
    now: AsNow,
    mark: FlowAgain | None,
    audience: Audience,
    missing: str,
) -> FlowRuling:
    """What is decided by itself: what came by baggage, a mark; and what cannot be decided."""
    if _is_found(flow) or now.unjudged:
        return flow.label.level, None, now.unjudged or missing
    if flow.attribution is None:
        return now.label.level, judge_carried(policy, now.chunk, now.label, audience), ""
    if mark is None:
        return flow.label.level, None, "it was blocked at a retrieval that is not in this trace"
    return mark.level, mark.decided, mark.unjudged


def _levels(
    policy: Policy,
    step: RecordedStep,
    ruling: PromptRuling | None,
    chunks: dict[str, Chunk],
    flows: Sequence[FlowRuling],
    missing: str,
) -> tuple[LevelAgain, LevelAgain]:
    """Of the prompt, and of what a model makes of it at most."""
    said = step.span.attributes
    before = said.get(names.PROMPT_LEVEL, ""), said.get(names.COMPLETION_LEVEL, "")
    why = _unknown_level(step, ruling, flows, missing)
    if why or ruling is None:
        return LevelAgain(before[0], None, why), LevelAgain(before[1], None, why)
    present = [one for one in ruling.answerable if one.spans and one.verdict != "explained"]
    templates = [one for one in ruling.answerable if TEMPLATE in one.group]
    carried = [flow.label for flow in step.flows if flow.attribution is None]
    labels = [label_found(policy, chunks[one.chunk], one) for one in present]
    level = policy.lattice.join([*labels, *carried]).level
    inherited, _ = ancestry(policy, map(enforceable, [*present, *templates]), chunks)
    at_most = policy.lattice.join([inherited, *carried]).level
    return LevelAgain(before[0], level), LevelAgain(before[1], at_most if before[1] else "")


def _unknown_level(
    step: RecordedStep, ruling: PromptRuling | None, flows: Sequence[FlowRuling], missing: str
) -> str:
    """Why the level of the prompt cannot be told; empty where it can."""
    if missing or ruling is None:
        return missing
    if any(flow.chunk.released == TOLD_BEFORE for flow in step.flows):
        return "a text was told before, and the label that it was made with is not recorded"
    then = step.decision
    if failure(then) is not None:
        return "judging failed then, and what was in the prompt is not recorded"
    blocked = then is not None and then.action is Action.BLOCK and then.reason != NOT_TAKEN_OUT
    taken = [flow.decision for flow in step.flows if flow.decision is not None]
    if not blocked and any(one.action in TAKEN_OUT and one.mode == "enforce" for one in taken):
        return "text was taken out, and what was found in the rest is not recorded"
    if any(said is None for _, said, _ in flows):
        return "not all that was found can be judged"
    return ""
