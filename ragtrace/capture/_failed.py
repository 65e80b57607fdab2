"""Failed: what is decided where judging fails, and what is decided before anything is judged."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from ragtrace.capture._coverage import gaps
from ragtrace.capture._deadline import JudgeTimeoutError
from ragtrace.capture._request import Request, current_request, open_requests
from ragtrace.capture._runtime import Runtime, current
from ragtrace.errors import LedgerUnreachableError, PolicyBlocked, RegistryFileError
from ragtrace.model import Action, Audience, Decision
from ragtrace.policy import blocked_before, decide_failure, judge_reader

__all__ = [
    "MOST_GUARDED",
    "UnseenPromptError",
    "failed",
    "overloaded",
    "refuse_open",
    "refused",
    "uncovered",
]


class UnseenPromptError(Exception):
    """Not all that is asked can be seen, and so nothing can be told about the rest.

    Its message says why, without anything of the prompt.
    """


MOST_GUARDED: Final = 400_000
"""Characters of restricted text that a guard is armed with, 100,000 tokens or so. That takes 120 ms
before the first token and 23 MB (30 ms and 6 MB per 100 KB), and four such sets are kept ready."""


def failed(runtime: Runtime, audience: Audience, error: Exception) -> Decision:
    """What counts as decided for ``audience`` where judging has raised ``error``.

    Without a policy, and in shadow mode, nothing is enforced, and the failure is only recorded.
    """
    policy = runtime.policy
    if isinstance(error, JudgeTimeoutError):
        return decide_failure(policy, audience, "judge-timeout", str(error))
    if isinstance(error, LedgerUnreachableError):
        why = "the shared ledger cannot be reached"
        return decide_failure(policy, audience, "ledger-unreachable", why)
    if isinstance(error, UnseenPromptError):
        return decide_failure(policy, audience, "judge-error", str(error))
    why = f"the judge failed with {type(error).__name__}"
    return decide_failure(policy, audience, "judge-error", why)


def overloaded(runtime: Runtime, audience: Audience, secret: Sequence[str]) -> Decision | None:
    """What counts as decided where there is too much restricted text for a guard, if there is.

    Allowed, the call goes on without one.
    """
    size = sum(map(len, secret))
    if size <= MOST_GUARDED:
        return None
    why = f"{size} characters of restricted text are more than the {MOST_GUARDED} of a guard"
    return decide_failure(runtime.policy, audience, "guard-overload", why)


def refused(runtime: Runtime, request: Request) -> Decision | None:
    """Why no model may be called for ``request``, whatever is asked of it; ``None`` if one may."""
    policy, audience = runtime.policy, request.reader(runtime.policy)
    if policy.unreadable is None:
        if request.blocked is not None:
            return blocked_before(policy, request.blocked)
        if (decision := uncovered(runtime, audience)) is not None:
            return decision
    if (decision := judge_reader(policy, audience)) is not None:
        return decision
    if not isinstance(runtime.stale, RegistryFileError):
        return None
    why = "the registry that the policy names cannot be read"
    decision = decide_failure(policy, audience, "registry-unreachable", why)
    return decision if decision.action is Action.BLOCK else None


def uncovered(runtime: Runtime, audience: Audience) -> Decision | None:
    """The decision that refuses ``audience`` because something may pass unjudged; ``None`` where
    all is covered that is to be, or the policy lets it be.
    """
    found = gaps()
    if not found:
        return None
    more = f", and {len(found) - 1} more" if len(found) > 1 else ""
    decision = decide_failure(runtime.policy, audience, "not-covered", f"{found[0]}{more}")
    return decision if decision.action is Action.BLOCK else None


def refuse_open() -> None:
    """Refuse the requests that were open when it turned out that something may pass unjudged.

    Raises:
        PolicyBlocked: The request that is current here is one of them: what it has just imported
            would answer it without anybody's being asked.
    """
    runtime = current()
    if runtime is None:
        return
    for request in open_requests():
        if (decision := uncovered(runtime, request.reader(runtime.policy))) is not None:
            request.block(decision)
    here = current_request()
    if here is not None and here.blocked is not None and here.blocked.rule == "not-covered":
        raise PolicyBlocked(here.blocked)
