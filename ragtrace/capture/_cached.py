"""Cached: an answer out of a cache, which was made for somebody, and nobody knows whom."""

from __future__ import annotations

from dataclasses import dataclass

from ragtrace.attribution import Guard
from ragtrace.capture._released import released
from ragtrace.capture._runtime import Runtime
from ragtrace.model import Action, Audience, Chunk, Message, digest
from ragtrace.policy import judge, judge_found, protected, without_readable

__all__ = ["CachedAnswer", "judge_cached"]


@dataclass(frozen=True, slots=True)
class CachedAnswer:
    """What of a cached answer may be given to this reader.

    Attributes:
        guard: To pass it through; ``None`` where none of it may be given.
        made: The completions it is, or quotes: what is given inherits what they inherited.
    """

    guard: Guard | None
    made: tuple[Chunk, ...] = ()


def judge_cached(runtime: Runtime, audience: Audience, text: str) -> CachedAnswer:
    """Look through an answer for everything this process has seen, whatever its prompt holds.

    An answer that went through policy and guard for a reader like this one is only looked
    through for documents. One that was made for others, from what this reader may not have,
    is not given at all, however short it is.

    Args:
        runtime: Policy and ledger.
        audience: Who would be given it.
        text: The answer.
    """
    policy, ledger = runtime.policy, runtime.ledger
    known = ledger.completion(digest(text))
    if known is not None and not known.was_passed(policy, audience):
        chunk = released(runtime, known.chunk)
        label = policy.labeller.effective(chunk)
        if judge(policy, chunk, label, audience).action is not Action.ALLOW:
            return CachedAnswer(None)
    seen = ledger.attribute([Message("assistant", text)])
    made = seen.made if known is None else {**seen.made, known.chunk.digest: known}
    strange = {name: one for name, one in seen.made.items() if not one.was_passed(policy, audience)}
    chunks = seen.chunks | {name: one.chunk for name, one in strange.items()}
    chunks = {name: released(runtime, chunk) for name, chunk in chunks.items()}
    found = [*seen.found, *(one for one in seen.derived if one.chunk in strange)]
    decisions = judge_found(
        policy, without_readable(policy, found, chunks, audience), chunks, audience
    )
    guard = Guard(
        passage
        for name, decision in decisions.items()
        if decision.action is not Action.ALLOW
        for passage in protected(policy, chunks[name], audience)
    )
    return CachedAnswer(guard, tuple(released(runtime, one.chunk) for one in made.values()))
