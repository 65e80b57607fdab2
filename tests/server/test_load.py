"""What the bench of ingest sends."""

from __future__ import annotations

import pytest

from ragtrace.testing.ingest._bodies import Stamp
from ragtrace.testing.ingest._workload import make_call
from ragtrace.wire import decode_traces, names

PROTOBUF = "application/x-protobuf"


def test_no_span_comes_twice_and_times_go_on(monkeypatch: pytest.MonkeyPatch) -> None:
    """As they do in life: a store that sorts by time is not asked to weave all that it has."""
    clock = iter([0, 0, 7_000_000_000])
    monkeypatch.setattr("time.monotonic_ns", lambda: next(clock))
    calls = [make_call(number) for number in range(3)]
    stamp = Stamp.of(calls)
    first, later = (decode_traces(stamp.body(), PROTOBUF) for _ in range(2))
    assert [(one.start_ns, one.end_ns) for one in first] == [(c.start_ns, c.end_ns) for c in calls]
    assert {b.start_ns - a.start_ns for a, b in zip(first, later, strict=True)} == {7_000_000_000}
    assert {b.end_ns - a.end_ns for a, b in zip(first, later, strict=True)} == {7_000_000_000}
    for name in (names.REQUEST_ID, names.SESSION, names.PROMPT_DIGEST, names.COMPLETION_DIGEST):
        assert len({one.attributes[name] for one in (*first, *later)}) == 6
    assert len({(one.trace_id, one.span_id) for one in (*first, *later)}) == 6
    assert first[0].attributes[names.FLOWS] == later[0].attributes[names.FLOWS]
