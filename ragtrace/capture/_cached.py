"""Cached: an answer out of a cache, which was made for somebody, and nobody knows whom."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ragtrace.attribution import Guard
from ragtrace.capture._failed import failed
from ragtrace.capture._released import released
from ragtrace.capture._request import current_request
from ragtrace.capture._retrieval import enclosing_request
from ragtrace.capture._runtime import Runtime, current
from ragtrace.model import Action, Audience, Chunk, Message, digest
from ragtrace.policy import judge, judge_found, protected, without_readable

__all__ = ["CachedAnswer", "judge_cached", "may_have"]


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


def may_have(texts: Sequence[str]) -> bool:
    """Whether whoever the running request is for may be given what was kept from an earlier one.

    Where no request is open, that is the audience in ``RAGTRACE_AUDIENCE``. What cannot be judged
    may not be had, unless the policy says so.

    Args:
        texts: All that would be given, each as it stands there.
    """
    runtime = current()
    if runtime is None:
        return True
    request = enclosing_request() or current_request()
    policy = runtime.policy
    audience = policy.audience(runtime.config.audience)
    if request is not None:
        audience = request.reader(policy)
    try:
        return all(_unchanged(judge_cached(runtime, audience, text), text) for text in texts)
    except Exception as error:
        return failed(runtime, audience, error).action is Action.ALLOW


def _unchanged(answer: CachedAnswer, text: str) -> bool:
    if answer.guard is None:
        return False
    return answer.guard.feed(answer.guard.decoded(text)) + answer.guard.close() == text
