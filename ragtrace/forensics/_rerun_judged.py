"""Judged: what a policy says of the prompts of a rerun, and of what came back."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from ragtrace.attribution import Index
from ragtrace.forensics._as_now import as_now
from ragtrace.forensics._candidate import Candidate
from ragtrace.forensics._judge_again import judge_again
from ragtrace.forensics._recorded import RecordedStep, recorded
from ragtrace.forensics._rerun import Rerun, VariantAnswers
from ragtrace.forensics._rerun_plan import Plan
from ragtrace.forensics._said import Said
from ragtrace.model import Chunk, Message, strictest
from ragtrace.policy import Policy, judge_found, without_readable

__all__ = ["JudgedVariant", "judge_rerun"]


@dataclass(frozen=True, slots=True)
class JudgedVariant:
    """What a policy says of one variant.

    Attributes:
        prompt: About the prompt; ``None`` where that cannot be told.
        unjudged: Why it cannot, or why the answers cannot; empty where they can.
        answers: The strictest that is said of each answer, for the words of documents in it;
            ``allow`` where there are none. ``context_only`` is withheld by the guard.
    """

    name: str
    prompt: Said | None
    unjudged: str
    answers: tuple[str, ...]

    def as_json(self) -> dict[str, Any]:
        """Give the judgement as one tree."""
        return {
            "variant": self.name,
            "prompt": self.prompt and self.prompt.as_json(),
            "unjudged": self.unjudged,
            "answers": dict(Counter(self.answers)),
        }


def judge_rerun(found: Rerun, candidate: Candidate) -> list[JudgedVariant]:
    """Judge every prompt that was sent, and every answer, as they would be judged live.

    A prompt by what was found in the recorded one, without the documents that were left out; an
    answer by the words of the prompt's documents that stand in it.
    """
    (step,) = recorded([found.plan.span])
    return [_judged(found.plan, step, one, candidate) for one in found.variants]


def _judged(
    plan: Plan, step: RecordedStep, one: VariantAnswers, candidate: Candidate
) -> JudgedVariant:
    left = tuple(f for f in step.flows if f.chunk.document.id not in one.variant.without)
    step = replace(step, flows=left)
    (again,) = judge_again(candidate.policy, candidate.lines, [step])
    chunks, missing = _chunks(plan, step, candidate.policy)
    unjudged, answers = again.unjudged, tuple[str, ...]()
    if missing:
        unjudged = unjudged or f"{missing} texts of the prompt are not kept: no answer is judged"
    else:
        said = (sample.answer for sample in one.samples)
        answers = tuple(_answer(candidate.policy, step, chunks, text) for text in said)
    return JudgedVariant(one.variant.name, again.after, unjudged, answers)


def _chunks(plan: Plan, step: RecordedStep, policy: Policy) -> tuple[Mapping[str, Chunk], int]:
    """The chunks of a prompt as ``policy`` is to judge them, and how many have no text."""
    when = datetime.fromtimestamp(plan.span.start_ns / 1e9, UTC)
    same = bool(step.policy) and step.policy == policy.digest
    there = [as_now(policy, flow, when, same=same).chunk for flow in step.flows]
    chunks = {
        one.digest: replace(one, text=plan.texts[one.digest])
        for one in there
        if one.digest in plan.texts
    }
    return chunks, len({one.digest for one in there} - chunks.keys())


def _answer(policy: Policy, step: RecordedStep, chunks: Mapping[str, Chunk], text: str) -> str:
    index = Index()
    index.add(*chunks.values())
    found = index.attribute([Message("assistant", text)]) if chunks else []
    audience = step.reader(policy)
    readable = without_readable(policy, found, dict(chunks), audience)
    decided = strictest(list(judge_found(policy, readable, dict(chunks), audience).values()))
    return "allow" if decided is None else str(decided.action)
