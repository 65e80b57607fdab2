"""What the store promises."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from ragtrace.model import digest
from ragtrace.store import (
    OWNER,
    FlowFilter,
    FlowRow,
    OriginRow,
    Reached,
    ReachRow,
    Sought,
    Store,
    Trace,
    TraceNotFoundError,
    _lists,
)
from ragtrace.wire import SpanRecord
from ragtrace.wire._as_json import as_json
from tests.engine import KEY, START_NS, content, flow, fresh_url, origin, span, store

__all__ = ["store"]  # the fixture


INJECTIONS = [
    "' OR 1=1 --",
    "'; DROP TABLE flows; --",
    "\\' OR 1=1 --",
    "{what:String}",
    "%(what)s",
    "a\tb\nc\\N",
    "\0",
    "🙂é",
    "NULL",
]


def named(name: str) -> Sought:
    """What has this name."""
    return Sought(names=(name,))


def everything(opened: Store) -> list[object]:
    """The answer to every question, for comparison."""
    return [
        opened.flows(access=OWNER),
        opened.edges(access=OWNER),
        opened.edges(FlowFilter(session="s1"), access=OWNER),
        opened.hours(access=OWNER),
        opened.hours(FlowFilter(user="u1"), access=OWNER),
        opened.decisions(access=OWNER),
        opened.traces(access=OWNER),
        opened.said("said", access=OWNER),
        opened.trace(f"{1:032x}", access=OWNER),
        opened.reach(named("doc-0"), access=OWNER),
        opened.reach(named("chroma/bank_knowledge"), access=OWNER),
        opened.texts([digest("text")], access=OWNER),
        replace(opened.stats(access=OWNER), bytes_on_disk=0),
    ]


def test_a_span_comes_back_as_it_was_written(store: Store) -> None:
    """Times to the nanosecond, attributes, resource and status are the same."""
    written = replace(span(1, flow()), status="Error", status_message="no")
    store.write([written])
    (read,) = store.trace(written.trace_id, access=OWNER).spans
    assert SpanRecord(**read.as_json()) == written


def test_a_flow_has_every_field(store: Store) -> None:
    """The view reads each key of the flow and each attribute of its span."""
    extra = {
        "verdict": "ambiguous",
        "spans": [[1, 10, 20, 0, 10], [2, 0, 5, 0, 5]],
        "group": [digest("twin")],
        "shadow": {"action": "block", "rule": "later"},
        "ranges": [{"start": 3, "end": 9, "level": "staff_only"}],
        "origins": [
            origin("note", compartments=["legal"], readers=["u2"], integrity="untrusted"),
            origin("memo", evidence="text"),
        ],
        "released": "declassified by u3",
    }
    of_span = {
        "ragtrace__policy__digest": "pol",
        "gen_ai__request__model": "gpt",
        "gen_ai__response__model": "gpt-5",
        "ragtrace__decision__action": "block",
        "ragtrace__completion__origins": json.dumps(
            [origin("memo"), origin("doc-0", "chunk 0", evidence="certain"), origin("doc-0")]
        ),
    }
    store.write([span(1, flow(0, **extra), **of_span)])
    assert store.flows(access=OWNER) == [
        FlowRow(
            trace_id=f"{1:032x}",
            span_id=f"{1:016x}",
            time_ns=START_NS + 1,
            ordinal=0,
            stage="prompt",
            service="bank",
            request_id="r1",
            audience="customer",
            clearance="public",
            tenant="acme",
            session="s1",
            user="u1",
            chunk_id="chunk-0",
            document="doc-0",
            uri="file:///kb/0.md",
            digest=digest("chunk 0"),
            source="chroma/bank_knowledge",
            level="staff_only",
            compartments=("tenant:acme",),
            basis="metadata:audience",
            rank=0,
            score=0.5,
            verdict="ambiguous",
            spans=((1, 10, 20, 0, 10), (2, 0, 5, 0, 5)),
            group=(digest("twin"),),
            action="drop",
            rule="staff-notes",
            reason="staff only",
            mode="enforce",
            shadow_action="block",
            shadow_rule="later",
            ranges=((3, 9, "staff_only"),),
            policy="pol",
            prompt_digest=digest("prompt 1"),
            prompt_level="",
            completion_digest=digest("completion 1"),
            blocked=True,
            carried="certain",
            origins=(
                OriginRow(
                    document="note",
                    source="chroma/bank_knowledge",
                    digest=digest("note"),
                    level="staff_only",
                    compartments=("legal",),
                    for_readers=True,
                    readers=("u2",),
                    integrity="untrusted",
                    evidence="taint",
                    carried="",
                ),
                OriginRow(
                    document="memo",
                    source="chroma/bank_knowledge",
                    digest=digest("memo"),
                    level="staff_only",
                    compartments=(),
                    for_readers=False,
                    readers=(),
                    integrity="trusted",
                    evidence="text",
                    carried="taint",
                ),
            ),
            released="declassified by u3",
            model="gpt-5",
        )
    ]


def test_rows_survive_json(store: Store) -> None:
    """What a server sends is what the store answered."""
    ranges = [{"start": 3, "end": 9, "level": "x"}]
    origins = [origin("note", readers=[])]
    store.write(
        [span(1, flow(0, ranges=ranges, origins=origins, spans=[[0, 1, 2, 3, 4]], score=None))]
    )
    trace, reach = (
        store.trace(f"{1:032x}", access=OWNER),
        store.reach(named("doc-0"), access=OWNER).rows,
    )
    assert Trace.from_json(json.loads(json.dumps(trace.as_json()))) == trace
    assert tuple(ReachRow.from_json(json.loads(json.dumps(r.as_json()))) for r in reach) == reach


def test_other_tracers_documents_are_flows(store: Store) -> None:
    """A span with only ids and scores gives flows at retrieval, without label or decision."""
    documents = '[{"id": "a", "score": 0.9}, {"id": "b", "score": 0.1}, {"id": 7}]'
    attributes = {"gen_ai.retrieval.documents": documents, "gen_ai.conversation.id": "c1"}
    store.write([replace(span(1), attributes=attributes)])
    rows = sorted(store.flows(access=OWNER), key=lambda row: row.ordinal)
    assert [(row.chunk_id, row.document, row.score, row.rank) for row in rows] == [
        ("a", "a", 0.9, 0),
        ("b", "b", 0.1, 1),
        ("7", "7", None, 2),
    ]
    assert {(r.stage, r.level, r.action, r.session) for r in rows} == {("retrieval", "", "", "c1")}


def test_our_flows_win_over_documents_on_the_same_span(store: Store) -> None:
    """A retrieval span of ours carries both, and counts once."""
    documents = '[{"id": "chunk-0", "score": 0.5}]'
    store.write([span(1, flow(), gen_ai__retrieval__documents=documents)])
    store.write([span(2, gen_ai__retrieval__documents=documents)])
    assert [row.level for row in store.flows(access=OWNER)] == ["staff_only"]


@pytest.mark.parametrize("pieces", [1, 12])
def test_five_hundred_flows_are_kept_whole_and_in_order(store: Store, pieces: int) -> None:
    """Whatever k is, and however the provider's limit cut them up."""
    flows = [flow(place) for place in range(500)]
    cut = -(-len(flows) // pieces)
    parts = {
        f"ragtrace__flows__{piece}" if piece else "ragtrace__flows": json.dumps(
            flows[piece * cut : (piece + 1) * cut]
        )
        for piece in range(pieces)
    }
    store.write([span(1, **parts)])
    ids = [row.chunk_id for row in store.trace(f"{1:032x}", access=OWNER).flows]
    assert ids == [f"chunk-{place}" for place in range(500)]


def test_flows_without_an_ordinal_keep_their_places(store: Store) -> None:
    """Across continued attributes too, the tenth after the second."""
    bare = [{"id": str(place), "document": "d"} for place in range(12)]
    parts = {
        f"ragtrace__flows__{place}" if place else "ragtrace__flows": json.dumps([item])
        for place, item in enumerate(bare)
    }
    store.write([span(1, **parts)])
    assert [row.chunk_id for row in store.trace(f"{1:032x}", access=OWNER).flows] == list(
        map(str, range(12))
    )


@pytest.mark.parametrize("value", ["", "{", "[", '"x"', "[1, null, [], {}]", "[" * 3000, '{"a":1}'])
def test_unreadable_flows_do_not_lose_the_span(store: Store, value: str) -> None:
    """Another program's broken attribute costs its flows, not the batch."""
    store.write([span(1, ragtrace__flows=value), span(2, flow())])
    assert len(store.trace(f"{1:032x}", access=OWNER).spans) == 1
    assert [row.document for row in store.flows(access=OWNER) if row.document] == ["doc-0"]


def test_a_batch_sent_three_times_changes_no_answer(store: Store) -> None:
    """Spans, flows, edges, reach, texts and counts are as after the first."""
    spans = [span(n, flow(0), flow(1, action="allow")) for n in range(1, 40)]
    texts = [content("text"), content("said", "completion")]
    store.write(spans, texts)
    once = everything(store)
    store.write(spans[:20], texts)
    store.write(spans, texts)
    assert everything(store) == once


@pytest.mark.slow
def test_a_batch_from_two_servers_out_of_order_changes_no_answer() -> None:
    """Each sends all of it three times, in its own order, in pieces of its own."""
    url = fresh_url()
    decided = {"ragtrace__decision__action": "allow"}
    spans = [span(n, flow(0), flow(1, action="allow"), **decided) for n in range(1, 40)]
    texts = [content("text"), replace(content("said", "completion"), digest=digest("completion 1"))]
    one, other = Store.open(url, KEY), Store.open(url, KEY)
    one.write(spans, texts)
    once = everything(one)
    assert len(one.said("said", access=OWNER)) == 1
    for _ in range(3):
        other.write(spans[::-1], texts)
        for place in (20, 0, 10, 30):
            one.write(spans[place : place + 15], texts[::-1])
    assert everything(one) == everything(other) == once
    one.close()
    other.close()


@pytest.mark.slow
def test_a_batch_may_span_many_years(store: Store) -> None:
    """A back-fill over more months than the engine takes at once is stored whole."""
    month = 31 * 86_400 * 10**9
    store.write([replace(span(n, flow()), start_ns=n * month) for n in range(1, 131)])
    assert len(store.reach(named("doc-0"), access=OWNER).rows) == 130


def test_edges_count_what_reached_whom(store: Store) -> None:
    """One edge per source, level, audience, stage, action and mode; prompts counted once."""
    same = {"ragtrace__prompt__digest": digest("same")}
    store.write([span(1, flow(0), flow(1), **same), span(2, flow(0), **same), span(3, flow(0))])
    store.write([span(4, flow(0), ragtrace__stage="retrieval", ragtrace__audience="staff")])
    retrieval, prompt = sorted(store.edges(access=OWNER), key=lambda edge: -ord(edge.audience[0]))
    assert (retrieval.audience, retrieval.flows, retrieval.prompts) == ("staff", 1, 0)
    assert (prompt.audience, prompt.flows, prompt.prompts) == ("customer", 4, 2)
    assert (prompt.source, prompt.level) == ("chroma/bank_knowledge", "staff_only")
    assert (prompt.first_ns, prompt.last_ns) == (START_NS + 1, START_NS + 3)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("where", "expected"),
    [
        (FlowFilter(), {1, 2, 3}),
        (FlowFilter(since=START_NS + 2), {2, 3}),
        (FlowFilter(until=START_NS + 2), {1}),
        (FlowFilter(audience="staff"), {2}),
        (FlowFilter(source="qdrant/help"), {3}),
        (FlowFilter(document="doc-9"), {3}),
        (FlowFilter(level="public"), {3}),
        (FlowFilter(action="allow"), {3}),
        (FlowFilter(service="other"), set()),
        (FlowFilter(stage="retrieval"), {2}),
        (FlowFilter(session="s2", audience="staff"), {2}),
        (FlowFilter(session="s2", audience="customer"), set()),
    ],
)
def test_every_filter_field_filters(store: Store, where: FlowFilter, expected: set[int]) -> None:
    """Each alone, and two together; newest first."""
    public = flow(9, source="qdrant/help", level="public", action="allow")
    staff = {"ragtrace__audience": "staff", "ragtrace__stage": "retrieval"}
    store.write([span(1, flow()), span(2, flow(), **staff), span(3, public)])
    times = [row.time_ns - START_NS for row in store.flows(where, access=OWNER)]
    assert times == sorted(expected, reverse=True)
    assert sum(edge.flows for edge in store.edges(where, access=OWNER)) == len(expected)


def test_a_list_is_whole_however_many_moments_it_has(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """More than one statement names."""
    store.write([span(n, flow(0), flow(1)) for n in range(1, 10)])
    whole = store.flows(access=OWNER)
    monkeypatch.setattr(_lists, "MOST_MOMENTS", 2)
    assert store.flows(access=OWNER) == whole
    assert store.flows(limit=7, access=OWNER) == whole[:7]
    assert len(whole) == 18


def test_flows_are_limited_to_the_newest(store: Store) -> None:
    """The limit counts rows that differ, not rows that were sent twice."""
    for _ in range(2):
        store.write([span(n, flow()) for n in range(1, 6)])
    assert [row.time_ns - START_NS for row in store.flows(limit=3, access=OWNER)] == [5, 4, 3]


@pytest.mark.parametrize(
    ("what", "matched"),
    [
        ("doc-1", "document"),
        ("chunk-1", "chunk"),
        (digest("chunk 1"), "digest"),
        ("file:///kb/1.md", "uri"),
        ("chroma/other", "source"),
    ],
)
def test_reach_says_what_it_was_asked_for(store: Store, what: str, matched: str) -> None:
    """Retrieval and prompt are both found, oldest first, and nothing else."""
    one = flow(1, source="chroma/other")
    store.write([span(2, one, flow(0)), span(3, flow(0))])
    store.write([span(1, one, ragtrace__stage="retrieval")])
    rows = store.reach(named(what), access=OWNER).rows
    assert [(row.matched, row.flow.stage, row.flow.user) for row in rows] == [
        (matched, "retrieval", "u1"),
        (matched, "prompt", "u2"),
    ]


def test_reach_finds_every_meaning_of_a_word(store: Store) -> None:
    """A document and a chunk may share a name; both are found, each said."""
    store.write([span(1, flow(1, id="twin")), span(2, flow(2, document="twin"))])
    assert [row.matched for row in store.reach(named("twin"), access=OWNER).rows] == [
        "chunk",
        "document",
    ]
    nothing = Reached((), complete=True)
    assert store.reach(named("nothing"), access=OWNER) == nothing
    assert store.reach(named(""), access=OWNER) == nothing


def test_a_trace_is_found_by_a_prefix_only_it_has(store: Store) -> None:
    """An ambiguous, unknown, short or malformed prefix is refused with its reason."""
    store.write([replace(span(1), trace_id="abcd" * 8), replace(span(2), trace_id="abce" * 8)])
    assert store.trace("ABCDa", access=OWNER).trace_id == "abcd" * 8
    reasons = {"abc": "4 to 32", "abcx": "4 to 32", "ffff": "no trace", "f" * 32: "no trace"}
    for prefix, reason in reasons.items():
        with pytest.raises(TraceNotFoundError, match=reason):
            store.trace(prefix, access=OWNER)
    store.write([replace(span(3), trace_id="abcdf" + "0" * 27)])
    with pytest.raises(TraceNotFoundError, match="more than one"):
        store.trace("abcd", access=OWNER)


@pytest.mark.parametrize("text", INJECTIONS)
def test_a_parameter_is_only_ever_a_value(store: Store, text: str) -> None:
    """SQL in any parameter finds what is called so, and nothing more."""
    called = flow(0, id=text, document=text, source=text, level=text, action=text, uri=text)
    store.write([span(1, called, ragtrace__audience=text, session__id=text), span(2, flow(1))])
    for field in ("audience", "source", "document", "level", "action", "session"):
        named_so: dict[str, Any] = {field: text}
        where = FlowFilter(**named_so)
        (row,) = store.flows(where, access=OWNER)
        assert getattr(row, field) == text
        assert [edge.flows for edge in store.edges(where, access=OWNER)] == [1]
    assert (
        store.flows(FlowFilter(service=text), access=OWNER)
        == store.flows(FlowFilter(stage=text), access=OWNER)
        == []
    )
    assert [row.matched for row in store.reach(named(text), access=OWNER).rows] == ["document"]
    assert store.texts([text], access=OWNER) == {}
    with pytest.raises(TraceNotFoundError):
        store.trace(text, access=OWNER)
    assert store.stats(access=OWNER).flows == 2


def test_a_score_beyond_all_numbers_is_none(store: Store) -> None:
    """JSON has no word for infinity, and every answer is JSON."""
    told = json.dumps([flow()]).replace('"score": 0.5', '"score": 1' + "0" * 400)
    store.write([span(1, ragtrace__flows=told)])
    assert [row.score for row in store.flows(access=OWNER)] == [None]


def test_a_name_with_half_a_character_hides_no_flow(store: Store) -> None:
    """A file's name may hold one; the flows beside it are there, and it is, with a replacement."""
    names = ["kb/fees-\udcff.md", "kb/\U0001f600.md"]
    told = as_json([flow(place, document=name) for place, name in enumerate(names)])
    store.write([span(1, ragtrace__flows=told)])
    found = {row.document for row in store.flows(access=OWNER)}
    assert found == {"kb/fees-?.md", "kb/\U0001f600.md"}


def test_what_is_left_out_of_a_flow_is_there(store: Store) -> None:
    """Its place is its rank, its decision was enforced, and its document's id is its address."""
    said = flow(0, ord=2, uri="")
    del said["rank"], said["mode"], said["score"]
    store.write([span(1, said)])
    (row,) = store.flows(access=OWNER)
    assert (row.rank, row.mode, row.uri, row.score) == (2, "enforce", row.document, None)
    store.write([span(2, flow(1, uri=None))])
    assert [row.uri for row in store.flows(access=OWNER) if row.document == "doc-1"] == [""]


def test_an_origin_named_by_its_place_is_the_flow_that_stands_there(store: Store) -> None:
    """Under a prompt's flows, as under names written out; evidence left out is as usual."""
    made = [
        {"ord": 1, "evidence": "certain"},
        origin("doc-2", "chunk 2", evidence="text"),
        {"ord": 0},
    ]
    flows = [flow(0), flow(1), flow(2), flow(3, origins=[origin("doc-1", "chunk 1")])]
    store.write([span(1, *flows, ragtrace__completion__origins=json.dumps(made))])
    found = {row.document: row for row in store.flows(access=OWNER)}
    assert {name: row.carried for name, row in found.items()} == {
        "doc-0": "taint",
        "doc-1": "certain",
        "doc-2": "text",
        "doc-3": "",
    }
    assert [one.carried for one in found["doc-3"].origins] == ["certain"]
