"""Outcome: what became of one flow, for the person it may have reached."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Final, Literal, get_args

from ragtrace.model import Action
from ragtrace.store import AnyFlow

__all__ = ["Outcome", "outcome", "outcomes"]

Outcome = Literal["disclosed", "used", "kept_out", "retrieved"]
"""``disclosed``: it was in the prompt, an answer was given, and nothing kept the one from the
other. ``used``: it was in the prompt and might not be said, or no answer was given.
``kept_out``: it was dropped, taken out of the prompt, or its prompt was blocked.
``retrieved``: it was returned by a source and, as far as this flow tells, is in no prompt."""

_KEPT_OUT: Final = frozenset({Action.REDACT, Action.DROP, Action.BLOCK})


def outcome(flow: AnyFlow) -> Outcome:
    """Say what became of ``flow``; a decision in shadow kept nothing from anybody."""
    action = "" if flow.mode == "shadow" else flow.action
    if flow.blocked or action in _KEPT_OUT:
        return "kept_out"
    if flow.stage == "retrieval" or flow.verdict == "none":
        return "retrieved"
    if action == Action.CONTEXT_ONLY or not flow.completion_digest:
        return "used"
    return "disclosed"


def outcomes(flows: Iterable[AnyFlow]) -> dict[Outcome, int]:
    """Count flows by outcome; every outcome is there."""
    counted = Counter(map(outcome, flows))
    return {name: counted[name] for name in get_args(Outcome)}
