"""Requests: what of a turn its reader has been told."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from ragtrace.capture import Request
from ragtrace.model import Action, Decision


class Told(list[str]):
    """The texts that were told; ``of`` gives what a request calls for one."""

    def of(self, text: str) -> Callable[[], None]:
        return lambda: self.append(text)


def test_the_last_word_of_a_turn_is_told() -> None:
    request, told = Request("customer"), Told()
    request.last_word(request.asks(), told.of("draft"))
    request.last_word(request.asks(), told.of("answer"))
    request.end()
    assert told == ["answer"]


def test_a_draft_is_not_the_last_word_once_a_model_is_asked_again() -> None:
    """Whether that call says anything or not."""
    request, told = Request("customer"), Told()
    request.last_word(request.asks(), told.of("draft"))
    request.asks()
    request.end()
    assert told == []


def test_of_two_calls_at_once_the_one_that_began_and_ended_last_counts() -> None:
    """And where that is not one call, none."""
    for order, last in (((0, 1), ["1"]), ((1, 0), [])):
        request, told = Request("customer"), Told()
        calls = [request.asks(), request.asks()]
        for number in order:
            request.last_word(calls[number], told.of(str(number)))
        request.end()
        assert told == last


@pytest.mark.parametrize("before", [True, False])
def test_a_refused_turn_has_told_nothing(before: bool) -> None:
    """Whether the refusal comes before the other call has ended or after."""
    request, told = Request("customer"), Told()
    call = request.asks()
    if before:
        request.block(Decision(Action.BLOCK, "r", ""))
    request.last_word(call, told.of("draft"))
    request.block(Decision(Action.BLOCK, "r", ""))
    request.end()
    assert told == []


def test_a_turn_that_failed_has_told_nothing() -> None:
    request, told = Request("customer"), Told()
    request.last_word(request.asks(), told.of("draft"))
    request.end(failed=True)
    request.end()
    assert told == []
