"""A trace that comes in pieces, to several servers on one database, and at last is one."""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ragtrace.errors import StoreError
from ragtrace.model import Message, Prompt, digest
from ragtrace.policy import parse_policy
from ragtrace.server import _settle, _settler
from ragtrace.server._adopt import Adopter
from ragtrace.server._adopt_stored import adopt_stored
from ragtrace.server._settle import settle
from ragtrace.server._settler import Settler
from ragtrace.store import OWNER, FlowRow, Sought, Store
from ragtrace.wire import SpanRecord
from tests.engine import KEY, flow, fresh_url
from tests.engine import span as ours
from tests.server import foreign
from tests.server.foreign import ARTICLE, NOTE, QUESTION, article, call, note, retrieval

pytest.importorskip("chdb")

POLICY = parse_policy(b"""
version: 1
levels: [public, internal, staff_only]
unlabelled: public
audiences: {customer: {clearance: public}}
""")
IDS = ("trace_id", "span_id")
_traces = itertools.count(1000)


class Server:
    """What one server does with what it is sent."""

    def __init__(self, url: str, key: bytes | None = KEY) -> None:
        self.store = Store.open(url, key)
        self.adopter = Adopter(POLICY)
        self.settler = Settler(self.store, self.adopter)

    def take(self, *spans: SpanRecord) -> None:
        made, contents = self.adopter.adopt(spans)
        self.store.write(made, contents)
        self.settler.note(made)


@pytest.fixture(scope="module")
def servers() -> Iterator[tuple[Server, Server]]:
    """Two servers on one database."""
    url = fresh_url()
    both = Server(url), Server(url)
    yield both
    for one in both:
        one.store.close()


def spans_of(trace: int) -> list[SpanRecord]:
    """A trace with two searches, a call, the same call of a client within, and our own of it."""
    prompt = Prompt((Message("user", f"{ARTICLE}\n{QUESTION}"),))
    own = ours(9, ragtrace__prompt__digest=prompt.digest)
    return [
        foreign.root(trace=trace),
        retrieval(2, note(), trace=trace),
        retrieval(3, article(), note(), trace=trace),
        replace(call(4, NOTE, ARTICLE, trace=trace), end_ns=foreign.START_NS + 90_000),
        call(5, NOTE, ARTICLE, trace=trace),
        call(6, ARTICLE, trace=trace),
        replace(
            own,
            trace_id=f"{trace:032x}",
            span_id=foreign.span_id(9, trace),
            parent_span_id=foreign.span_id(1, trace),
        ),
    ]


def flows_of(store: Store, trace: int) -> list[tuple[Any, ...]]:
    """All that flows say but for the trace's own id, as readers are shown them."""
    return sorted(_told(flow) for flow in _flows(store, trace))


def _told(flow: FlowRow) -> tuple[Any, ...]:
    said = flow.as_json()
    return (said["span_id"][8:], *(str(said[name]) for name in sorted(said) if name not in IDS))


@pytest.fixture
def expected(servers: tuple[Server, Server]) -> list[tuple[Any, ...]]:
    """The flows of the trace where all of it came at once."""
    servers[0].take(*spans_of(999))
    return flows_of(servers[0].store, 999)


def test_all_at_once_is_as_it_should_be(
    servers: tuple[Server, Server], expected: list[tuple[Any, ...]]
) -> None:
    """Three flows of searches, two of the one call; the repeated one and ours give none."""
    found = servers[0].store.trace(f"{999:032x}", access=OWNER).flows
    assert sorted((int(f.span_id[8:], 16), f.document) for f in found) == [
        (2, "note"), (3, "article"), (3, "note"), (4, "article"), (4, "note"),
    ]  # fmt: skip
    assert {f.prompt_level for f in found if f.stage == "prompt"} == {"staff_only"}
    assert len(expected) == 5


@pytest.mark.slow
@settings(
    max_examples=4, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.data())
def test_every_order_and_split_gives_the_same_flows(
    data: st.DataObject, servers: tuple[Server, Server], expected: list[tuple[Any, ...]]
) -> None:
    """In any order, in any pieces, each sent twice, to either of two servers: the same flows."""
    trace = next(_traces)
    ordered = data.draw(st.permutations(spans_of(trace)))
    cuts = sorted(data.draw(st.sets(st.integers(1, len(ordered) - 1))))
    pieces = [ordered[a:b] for a, b in itertools.pairwise([0, *cuts, len(ordered)])]
    for piece in [*pieces, *data.draw(st.permutations(pieces))]:
        servers[data.draw(st.integers(0, 1))].take(*piece)
    for place in data.draw(st.permutations([0, 1])):
        servers[place].settler.drain()
    assert flows_of(servers[0].store, trace) == expected
    listed = [flow for flow in servers[1].store.flows(limit=10_000, access=OWNER)
             if flow.trace_id == f"{trace:032x}"]  # fmt: skip
    assert sorted(map(_told, listed)) == expected


def test_what_ragtrace_tells_later_in_another_trace_is_told_once() -> None:
    """The other tracer's spans came first, of a service that was not known to have ragtrace."""
    one = Server(fresh_url())
    search = replace(retrieval(2, article(), trace=804), parent_span_id="")
    told = flow(0, document="article", digest=digest(ARTICLE))
    own = replace(
        ours(7, told, ragtrace__stage="retrieval"), start_ns=search.start_ns, end_ns=search.end_ns
    )
    one.take(search)
    assert len(flows_of(one.store, 804)) == 1
    one.take(own)
    one.settler.drain()
    assert flows_of(one.store, 804) == []
    one.store.close()


@pytest.mark.slow
def test_a_flow_that_no_longer_follows_is_taken_back(servers: tuple[Server, Server]) -> None:
    """The call of a client came first; then that of the framework around it, which counts."""
    first, second = servers
    _, search, _, outer, inner, *_ = spans_of(803)
    first.take(search, inner)
    assert {f.span_id for f in _flows(first.store, 803)} == {search.span_id, inner.span_id}
    second.take(outer)
    second.settler.drain()
    assert {f.span_id for f in _flows(first.store, 803)} == {search.span_id, outer.span_id}
    rows = first.store.reach(Sought(names=("note",)), access=OWNER).rows
    assert inner.span_id not in {row.flow.span_id for row in rows}


def _flows(store: Store, trace: int) -> tuple[FlowRow, ...]:
    return store.trace(f"{trace:032x}", access=OWNER).flows


@pytest.mark.slow
def test_what_is_taken_back_of_many_traces_goes_at_once(
    servers: tuple[Server, Server], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each statement has the engine write parts anew."""
    first, second = servers
    taken: list[int] = []
    real = _settle.withdraw
    monkeypatch.setattr(
        _settle,
        "withdraw",
        lambda store, flows: (taken.append(len(flows)), real(store, flows)),
    )
    for trace in (811, 812, 813):
        _, search, _, outer, inner, *_ = spans_of(trace)
        first.take(search, inner)
        second.take(outer)
    second.settler.drain()
    assert taken == [3]


def test_settling_again_writes_nothing(servers: tuple[Server, Server]) -> None:
    """Once a trace is settled, nobody writes it anew."""
    server = servers[0]
    server.take(*spans_of(800))
    settle(server.store, server.adopter, [f"{800:032x}"])
    before = server.store.trace(f"{800:032x}", access=OWNER)
    assert settle(server.store, server.adopter, [f"{800:032x}"])
    assert server.store.trace(f"{800:032x}", access=OWNER) == before


def test_a_prompt_is_read_by_more_once_the_trace_is_whole(
    servers: tuple[Server, Server],
) -> None:
    """Filed for the fewest while it is not; then under the level of what it holds."""
    first, second = servers
    first.take(call(4, "nothing of a document", answer="It is public.", trace=801))
    assert _levels(first.store, digest("It is public.")) == {"staff_only"}
    second.take(foreign.root(trace=801))
    first.settler.drain()
    assert _levels(first.store, digest("It is public.")) == {"staff_only", "public"}


def test_a_text_filed_too_freely_is_taken_back(servers: tuple[Server, Server]) -> None:
    """A search that comes in late shows that a prompt holds more than it seemed to."""
    first, second = servers
    said = "What this model answers stands nowhere else."
    first.take(foreign.root(trace=802), call(4, NOTE, answer=said, trace=802))
    assert "public" in _levels(first.store, digest(said))
    second.take(retrieval(2, note(), trace=802))
    second.settler.drain()
    assert _levels(first.store, digest(said)) == {"staff_only"}


def test_a_text_that_another_trace_tells_of_is_not_taken_back(
    servers: tuple[Server, Server],
) -> None:
    """Who may read the one may go on reading it, though they may not read the other's prompt."""
    first, second = servers
    said = "What two models answer to two questions."
    first.take(foreign.root(trace=806), call(4, NOTE, answer=said, trace=806))
    first.take(
        foreign.root(trace=807),
        retrieval(2, article(), trace=807),
        call(4, ARTICLE, answer=said, trace=807),
    )
    second.take(retrieval(2, note(), trace=806))
    second.settler.drain()
    assert _levels(first.store, digest(said)) == {"public", "staff_only"}


def test_a_span_of_ours_is_not_settled(servers: tuple[Server, Server]) -> None:
    """Not under the id of a foreign one that is remembered, nor is what it told taken back."""
    first, second = servers
    own = ours(9, flow(0), ragtrace__stage="retrieval", ragtrace__prompt__digest=None)
    own = replace(own, trace_id=f"{808:032x}", span_id=foreign.span_id(2, 808))
    second.take(retrieval(2, note(), trace=808))
    first.take(foreign.root(trace=808), own, call(4, NOTE, trace=808))
    for server in servers:
        server.settler.drain()
    trace = first.store.trace(own.trace_id, access=OWNER)
    assert [s.scope for s in trace.spans if s.span_id == own.span_id] == ["ragtrace"]
    assert [f.document for f in trace.flows if f.span_id == own.span_id] == ["doc-0"]


def test_a_call_of_which_nothing_was_recorded_holds_up_no_other(
    servers: tuple[Server, Server],
) -> None:
    """A search that comes in late is found in the prompts that are there."""
    first, second = servers
    silent = call(5, trace=805)
    said = {name: value for name, value in silent.attributes.items() if "input" not in name}
    first.take(call(4, NOTE, trace=805), replace(silent, attributes=said))
    second.take(retrieval(2, note(), trace=805))
    second.settler.drain()
    assert {flow.stage for flow in _flows(first.store, 805)} == {"retrieval", "prompt"}


def _levels(store: Store, name: str) -> set[str]:
    from ragtrace.store import filed

    return {level for found, level in filed(store, [name]) if found == name}


def test_without_a_key_what_came_within_memory_is_attributed() -> None:
    """Digests alone are stored, and one server still finds in a call what it saw retrieved."""
    server = Server(fresh_url(), key=None)
    server.take(call(4, NOTE, trace=1))
    server.take(retrieval(2, note(), trace=1))
    server.settler.drain()
    found = server.store.trace(f"{1:032x}", access=OWNER).flows
    assert [(f.stage, f.document) for f in found] == [("retrieval", "note"), ("prompt", "note")]
    assert server.store.texts([digest(NOTE)], access=OWNER) == {}
    server.store.close()


def test_a_collectors_spans_are_adopted_and_their_texts_removed() -> None:
    """What a Collector wrote as it came is sealed, derived, and gone from the table."""
    server = Server(fresh_url())
    server.store.write([*spans_of(1), ours(77)])
    seen: list[tuple[int, int]] = []
    count = adopt_stored(server.store, server.adopter, 0, lambda *at: seen.append(at))
    assert (count, seen) == (6, [(1, 1)])
    spans = server.store.trace(f"{1:032x}", access=OWNER).spans
    assert foreign.holds_text(SpanRecord(**span.as_json()) for span in spans) == []
    with server.store._engine.reading("test") as client:
        rows = client.query("SELECT SpanAttributes FROM otel_traces").result_rows
    assert not any(NOTE[:25] in value for (row,) in rows for value in row.values())
    assert {
        f.document
        for f in server.store.reach(Sought(names=("note",)), access=OWNER).rows
        for f in [f.flow]
    } == {"note"}
    assert server.store.texts([digest(NOTE)], access=OWNER) == {digest(NOTE): NOTE}
    assert adopt_stored(server.store, server.adopter) == 0
    server.store.close()


def test_what_a_collector_stored_in_events_is_read_and_removed() -> None:
    """Some tracers write documents and messages as events, and none of it stays in the table."""
    server = Server(fresh_url())
    search = foreign.span(2, gen_ai__operation__name="vector_db_retrieve")
    plain = foreign.span(3, ai__settings__x=1)
    server.store.write([foreign.root(), search, plain])
    _store_event(server.store, search, "db.query.result", "db.query.result.document", NOTE)
    _store_event(server.store, plain, "exception", "exception.message", NOTE)
    assert adopt_stored(server.store, server.adopter) == 3
    with server.store._engine.reading("test") as client:
        rows = client.query("SELECT toString(Events.Attributes) FROM otel_traces").result_rows
    assert len(rows) == 3
    assert not any(NOTE[:25] in text for (text,) in rows)
    (found,) = server.store.trace(f"{1:032x}", access=OWNER).flows
    assert (found.span_id, found.digest) == (search.span_id, digest(NOTE))
    server.store.close()


def _store_event(store: Store, of: SpanRecord, name: str, key: str, value: str) -> None:
    """Store a span once more, with one event, as a Collector writes it."""
    kept = "Timestamp, TraceId, SpanId, ParentSpanId, SpanName, ServiceName, ScopeName"
    kept += ", SpanAttributes, Duration"
    with store._engine.writing("test") as client:
        client.command(
            f"INSERT INTO otel_traces ({kept}, Events.Timestamp, Events.Name, Events.Attributes) "
            f"SELECT {kept}, [Timestamp], [{{name:String}}], "
            "[map({key:String}, {value:String})] FROM otel_traces WHERE SpanId = {span:String}",
            parameters={"name": name, "key": key, "value": value, "span": of.span_id},
        )


def test_a_collectors_spans_of_vercels_sdk_are_found() -> None:
    """By its own names, where it writes no others."""
    server = Server(fresh_url())
    server.store.write([foreign.span(2, ai__prompt=NOTE)])
    assert adopt_stored(server.store, server.adopter) == 1
    spans = server.store.trace(f"{1:032x}", access=OWNER).spans
    assert foreign.holds_text(SpanRecord(**span.as_json()) for span in spans) == []
    server.store.close()


def test_the_thread_settles_and_closing_drains() -> None:
    """A running settler does it by itself; one that is closed leaves nothing waiting."""
    server = Server(fresh_url())
    server.settler = Settler(server.store, server.adopter, delays=(0.01,))
    server.settler.start()
    other = Server(fresh_url())
    server.take(call(4, NOTE, trace=1))
    server.take(retrieval(2, note(), trace=1))
    until = time.monotonic() + 30
    while not _in_prompt(server.store) and time.monotonic() < until:
        time.sleep(0.02)
    assert _in_prompt(server.store)
    server.settler.close()
    other.settler.start()
    other.take(call(4, NOTE, trace=1))
    other.take(retrieval(2, note(), trace=1))
    other.settler.close()
    assert _in_prompt(other.store)
    server.store.close()
    other.store.close()


def _in_prompt(store: Store) -> bool:
    return any(flow.stage == "prompt" for flow in store.flows(access=OWNER))


def test_closing_settles_what_a_round_left(monkeypatch: pytest.MonkeyPatch) -> None:
    """A round ends where the server is closed; the rest of it is settled then, not forgotten."""
    seen: list[str] = []
    settler: Settler

    def rewrite(_: Any, __: Any, trace_id: str) -> Any:
        seen.append(trace_id)
        settler._closed = True
        return _settle.Settled(True, (), frozenset())

    monkeypatch.setattr(_settler, "rewrite", rewrite)
    monkeypatch.setattr(_settler, "adopted_traces", lambda *_: [])
    settler = Settler(None, Adopter(), delays=(0.0,))  # type: ignore[arg-type]
    for trace in (1, 2, 3):
        settler.note(Adopter().adopt([call(4, NOTE, trace=trace)])[0])
    settler._run()
    assert len(seen) == 1
    settler.close()
    assert sorted(seen) == [f"{trace:032x}" for trace in (1, 2, 3)]


def test_at_its_start_a_server_settles_what_another_left() -> None:
    """What was waiting when a server ended is not lost with it."""
    now = time.time_ns()
    late = [replace(one, start_ns=now, end_ns=now + 1) for one in spans_of(1)]
    url = fresh_url()
    first = Server(url)
    for one in reversed(late):
        made, contents = Adopter(POLICY).adopt([one])  # each by a server without memory
        first.store.write(made, contents)
    assert not _in_prompt(first.store)
    first.settler.start()
    until = time.monotonic() + 30
    while not first.settler._due and time.monotonic() < until:
        time.sleep(0.02)
    first.settler.close()
    assert _in_prompt(first.store)
    first.store.close()


def test_what_fails_is_counted_and_hurts_nobody(caplog: pytest.LogCaptureFixture) -> None:
    """The message names the class of the error and holds no text."""

    class Broken:
        keeps_text = True

        def trace(self, *_: Any, **__: Any) -> Any:
            raise StoreError(NOTE)

    settler = Settler(Broken(), Adopter())  # type: ignore[arg-type]
    settler.note(Adopter().adopt([call(4, NOTE)])[0])
    settler.drain()
    assert settler.failed == 1
    assert "StoreError" in caplog.text
    assert NOTE not in caplog.text
