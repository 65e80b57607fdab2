"""Shared: passages that several chunks have, and which of these is least restricted."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property

from ragtrace.attribution import Cover, accounted_for
from ragtrace.model import Action, Attribution, Decision
from ragtrace.policy._found import enforceable

__all__ = ["Shared"]


class Shared:
    """Answers for what is found in one prompt.

    Args:
        found: Everything that was found.
        decisions: What each chunk by itself would be given, by digest.
    """

    def __init__(self, found: Sequence[Attribution], decisions: Mapping[str, Decision]) -> None:
        self._found = found
        self._decisions = decisions

    @cached_property
    def _covers(self) -> dict[Action, Cover]:
        """What of the prompt stands in chunks for which each action, or a less strict one, is said.

        Most prompts never ask for it: there everything is certain.
        """
        return {
            action: _cover(one for one in self._found if self._action(one).strictness <= place)
            for place, action in enumerate(Action)
            if any(decision.action is action for decision in self._decisions.values())
        }

    @cached_property
    def _judged(self) -> Cover:
        """What of the prompt is acted on for the sake of some chunk."""
        return _cover(enforceable(one) for one in self._found if one.verdict != "explained")

    def least(self, one: Attribution) -> Decision:
        """The decision of the strictest of those chunks that it takes to account for ``one``."""
        own = _cover([one])
        for action, cover in self._covers.items():
            if action is self._action(one):
                break
            if accounted_for(own, cover):
                return next(
                    self._decisions[other.chunk]
                    for other in self._found
                    if self._action(other) is action and _cover([other]).overlaps(own)
                )
        return self._decisions[one.chunk]

    def decided_elsewhere(self, one: Attribution) -> bool:
        """Whether all of it that can be acted on is in chunks that are decided about."""
        return accounted_for(_cover([enforceable(one)]), self._judged)

    def _action(self, one: Attribution) -> Action:
        return self._decisions[one.chunk].action


def _cover(found: Iterable[Attribution]) -> Cover:
    return Cover.of((span.message, span.start, span.end) for one in found for span in one.spans)
