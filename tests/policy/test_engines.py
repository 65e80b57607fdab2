"""The engines of the policy bench: they say the same, and a difference is not timed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ragtrace.errors import RagtraceError
from ragtrace.model import Audience, Chunk
from ragtrace.testing.policy import ENGINES, RULES, Engine, check, workload
from ragtrace.testing.policy import _bench as bench


@pytest.mark.parametrize("engine", ENGINES[1:], ids=lambda engine: engine.name)
def test_every_engine_decides_as_ragtrace_does(engine: Engine) -> None:
    """Under any rules and for any chunks: the same rule, or the same where none speaks."""
    pytest.importorskip(engine.module)

    @settings(max_examples=15)
    @given(st.integers(0, 2**32), st.integers(1, 60))
    def agrees(seed: int, rules: int) -> None:
        load = workload(rules, seed)
        check(engine.name, engine.prepare(load.policy), load, batches=3)

    agrees()


def test_an_engine_that_decides_otherwise_is_not_timed() -> None:
    """The message names the engine, the chunk, and both answers."""
    load = workload()
    ours = ENGINES[0].prepare(load.policy)

    def wrong(chunks: Sequence[Chunk], audience: Audience) -> list[str]:
        return [*ours(chunks, audience)[:-1], "made-up"]

    with pytest.raises(RagtraceError, match=r"wrong decides otherwise .* made-up, expected "):
        check("wrong", wrong, load, batches=1)


def test_the_rules_that_are_timed_are_all_of_use() -> None:
    """Fifty, of several kinds; most chunks are decided by one, some by the lattice either way."""
    load = workload()
    ours = ENGINES[0].prepare(load.policy)
    assert len(load.policy.rules) == RULES
    said = [
        rule for batch in range(300) for rule in ours(load.chunks(10, batch), load.audience(batch))
    ]
    by_rules = [rule for rule in said if rule.startswith("rule-")]
    assert 0.5 < len(by_rules) / len(said) < 0.8
    assert {"clearance", "otherwise"} < set(said)
    assert len(set(by_rules)) > RULES / 2


def test_no_document_that_is_never_seen_is_seen_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor is a string shared; what has been seen before was there before the clock started."""
    known: set[str] = set()
    timed: dict[str, list[Any]] = {"seen": [], "new": []}

    def spy(ways: Any, inputs: Any, turns: Any, in_a_row: int) -> dict[str, Any]:
        batches = [inputs(number) for number in range(-1, 50)]
        timed["seen"] = [chunk for batch in batches for chunk in batch.seen]
        timed["new"] = [chunk for batch in batches for chunk in batch.new]
        raise StopIteration

    def first(chunks: Sequence[Chunk], audience: Audience) -> list[str]:
        known.update(chunk.document.id for chunk in chunks)
        return []

    monkeypatch.setattr(bench, "interleaved", spy)
    with pytest.raises(StopIteration):
        bench._timed(workload(), {ENGINES[0]: first}, 10, bench.QUICK)
    ids = [chunk.document.id for chunk in timed["new"]]
    assert len(set(ids)) == len(ids)
    assert not set(ids) & known
    assert {chunk.document.id for chunk in timed["seen"]} <= known
    assert len({id(chunk.source.id) for chunk in timed["new"]}) == len(ids)
