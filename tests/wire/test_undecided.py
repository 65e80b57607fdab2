"""What is read back of a flow, whoever wrote it."""

from __future__ import annotations

import json

import pytest

from ragtrace.wire import decode_chunks, names

PLAIN = {
    "id": "c", "document": "d", "digest": "x", "source": "s", "level": "public", "basis": "b",
}  # fmt: skip


@pytest.mark.parametrize("score", ["1" + "0" * 400, "1e400", "-1e400", "NaN", "Infinity", "true"])
def test_a_score_that_is_no_finite_number_is_none(score: str) -> None:
    """An integer may be larger than any number that a store could give."""
    text = json.dumps([PLAIN])[:-2] + f', "score": {score}}}]'
    assert [chunk.score for chunk in decode_chunks({names.FLOWS: text})] == [None]


def test_a_number_of_thousands_of_digits_is_no_flow() -> None:
    """Python does not read it, and what cannot be read is left out."""
    text = json.dumps([PLAIN])[:-2] + f', "rank": {"9" * 5000}}}]'
    assert decode_chunks({names.FLOWS: text}) == []
