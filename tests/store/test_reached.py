"""Where a text got, and what was made of it: the store's walk, and a plain closure beside it."""

from __future__ import annotations

import atexit
from functools import cache
from itertools import count
from typing import Any

import pytest
from hypothesis import given as given_
from hypothesis import settings
from hypothesis import strategies as st

from ragtrace.model import digest
from ragtrace.store import GRADES, OWNER, Access, FlowFilter, Reached, Sought, Store, _hops
from ragtrace.store._reached import graded
from ragtrace.wire import SpanRecord
from ragtrace.wire._encoder import as_json
from tests.engine import KEY, START_NS, flow, fresh_url, origin, span, store

__all__ = ["store"]  # the fixture

DOC = Sought(names=("doc-0",))


def given(place: int = 0, **change: Any) -> dict[str, Any]:
    """A document that was let into a prompt, and certainly is in it."""
    return flow(place, **{"action": "allow", "verdict": "certain", **change})


def said(text: str, *origins: dict[str, Any], **change: Any) -> dict[str, Any]:
    """A completion that was found in a prompt."""
    name = digest(text)
    return given(
        9,
        id=name[:16],
        document=f"completion:{name[:16]}",
        digest=name,
        source="completion",
        uri=None,
        origins=list(origins),
        **change,
    )


def call(number: int, answer: str, *flows: dict[str, Any], **change: Any) -> Any:
    """A model call with ``flows`` in its prompt, which said ``answer``."""
    return span(number, *flows, ragtrace__completion__digest=digest(answer), **change)


def carried(evidence: str) -> str:
    """That an answer was made from the document, as its span has it."""
    return as_json([origin("doc-0", "chunk 0", evidence=evidence)])


def steps(reached: Reached) -> list[tuple[int, int, str]]:
    """Number of the span, hop and grade of each row."""
    return [(int(row.flow.span_id, 16), row.hop, row.grade) for row in reached.rows]


def test_what_was_made_of_a_text_is_followed_from_hop_to_hop(store: Store) -> None:
    """Three hops by digest alone, each with what is known of it; the grade is the weakest link."""
    store.write(
        [
            call(1, "a", given(), ragtrace__completion__origins=carried("certain")),
            call(2, "b", said("a")),
            call(3, "c", said("b"), given(1)),
            call(4, "d", given(1)),
            call(5, "e", said("c")),
        ]
    )
    found = store.reach(DOC, access=OWNER)
    assert found.complete
    assert steps(found) == [
        (1, 0, "certain"),
        (2, 1, "certain"),
        (3, 2, "taint"),
        (5, 3, "taint"),
    ]
    assert [row.by for row in found.rows] == [("direct",), *[("digest",)] * 3]
    assert [(link.span_id[-1], link.digest) for link in found.rows[-1].path] == [
        ("1", digest("a")),
        ("2", digest("b")),
        ("3", digest("c")),
    ]


def test_recorded_origins_are_enough_and_say_how_surely(store: Store) -> None:
    """A rewritten document names its beginning; nobody recorded who rewrote it."""
    rewritten = {"document": "faq-9", "digest": digest("rewritten"), "id": "faq-9"}
    store.write(
        [
            call(1, "x", given(3, origins=[origin("doc-0", evidence="text")], **rewritten)),
            call(2, "y", given(3, origins=[origin("doc-7")], **rewritten)),
            call(3, "z", said("x")),
        ]
    )
    found = store.reach(DOC, access=OWNER)
    assert steps(found) == [(1, 1, "text"), (3, 2, "taint")]
    assert [row.by for row in found.rows] == [("origin",), ("digest",)]
    assert found.rows[0].path[0].trace_id == ""


def test_an_answer_out_of_a_cache_is_reached(store: Store) -> None:
    """Its prompt holds nothing of the document; what was withheld of it was not said."""
    cached = {
        "ragtrace__completion__cached": "true",
        "ragtrace__decision__action": "allow",
        "ragtrace__completion__level": "staff_only",
    }
    store.write(
        [
            call(1, "a", given()),
            call(2, "a", given(5), **cached),
            call(3, "a (cut)", ragtrace__completion__origins=carried("certain"), **cached),
            call(4, "a", given(5), ragtrace__completion__withheld="1", **cached),
            call(5, "never", given(5), **cached),
            call(6, "b", said("a (cut)")),
        ]
    )
    found = store.reach(DOC, access=OWNER)
    assert steps(found) == [
        (1, 0, "certain"),
        (2, 1, "taint"),
        (3, 1, "certain"),
        (4, 1, "taint"),
        (6, 2, "certain"),
    ]
    flows = [row.flow for row in found.rows]
    assert [one.stage for one in flows] == ["prompt", "cached", "cached", "cached", "prompt"]
    assert (flows[1].level, flows[1].digest) == ("staff_only", digest("a"))
    assert [one.action for one in flows[1:4]] == ["allow", "allow", "context_only"]


def test_what_was_kept_out_or_came_before_leads_nowhere(store: Store) -> None:
    """Dropped, blocked, explained away, or said before the text was there."""
    store.write(
        [
            call(1, "c", given(1)),
            call(2, "old", said("c")),
            call(3, "a", flow(0)),
            call(4, "b", given(), ragtrace__decision__action="block"),
            call(5, "c", given()),
            call(6, "d", flow(0, action="drop", mode="shadow", verdict="certain")),
            call(7, "e", given(0, verdict="none")),
            call(8, "-", said("a"), said("b", ord=10), said("e", ord=11)),
            call(9, "-", said("c"), said("d", ord=10)),
        ]
    )
    found = store.reach(DOC, access=OWNER)
    assert [(n, hop) for n, hop, _ in steps(found)] == [
        *[(n, 0) for n in (3, 4, 5, 6, 7)],
        (9, 1),
        (9, 1),
    ]


def test_conditions_say_where_to_begin_and_not_where_to_end(store: Store) -> None:
    """A user's, a session's, a time's or a label's flows, and what was made of them for anybody."""
    store.write(
        [
            call(1, "a", given()),
            call(2, "b", given(1, level="public")),
            call(3, "-", said("a", origin("doc-0", "chunk 0", evidence="certain"))),
            call(4, "-", said("b", origin("doc-1", "chunk 1", level="public"), level="public")),
        ]
    )

    def found(*names: str, **where: Any) -> list[tuple[int, int]]:
        sought = Sought(names=names, where=FlowFilter(**where))
        return [(n, hop) for n, hop, _ in steps(store.reach(sought, access=OWNER))]

    assert found(user="u1") == found(session="s1") == [(1, 0), (3, 1)]
    assert found("doc-0", user="u2") == []
    assert found("doc-0", user="u3") == [(3, 1)]
    assert found("doc-0", "doc-1") == [(1, 0), (2, 0), (3, 1), (4, 1)]
    assert found("chunk-0") == found(digest("chunk 0")) == [(1, 0), (3, 1)]
    assert found("file:///kb/1.md") == [(2, 0), (4, 1)]
    assert found(level="public") == [(2, 0), (4, 0)]
    assert found(level="staff_only", user="u1") == [(1, 0), (3, 1)]
    assert found(since=START_NS + 2, until=START_NS + 3) == [(2, 0), (4, 1)]
    assert found() == found("") == []


def test_a_hop_through_another_tenants_rows_is_neither_shown_nor_followed(store: Store) -> None:
    """Who sees one tenant sees the path that leads through it alone."""
    store.write(
        [
            call(1, "a", given()),
            call(2, "b", said("a"), ragtrace__tenant="other"),
            call(3, "c", said("a")),
            call(4, "-", said("b")),
            call(5, "-", said("c")),
        ]
    )
    of_one = Access("one", frozenset({"read"}), tenants=frozenset({"acme"}))
    of_other = Access("other", frozenset({"read"}), tenants=frozenset({"other"}))
    numbers = {
        access: [n for n, _, _ in steps(store.reach(DOC, access=access))]
        for access in (OWNER, of_one, of_other)
    }
    assert numbers == {OWNER: [1, 2, 3, 4, 5], of_one: [1, 3, 5], of_other: []}


def test_an_incomplete_answer_says_so(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """Too many rows, and too many hops."""
    chain = [call(n, f"a{n}", said(f"a{n - 1}")) for n in range(2, 9)]
    store.write([call(1, "a1", given()), *chain])
    assert store.reach(DOC, access=OWNER).complete
    assert not store.reach(DOC, 3, access=OWNER).complete
    monkeypatch.setattr(_hops, "MOST_HOPS", 3)
    short = store.reach(DOC, access=OWNER)
    assert not short.complete
    assert [hop for _, hop, _ in steps(short)] == [0, 1, 2, 3]


def test_a_row_says_what_its_flow_says(store: Store) -> None:
    """Whichever table it was read from, for a name, a user, an origin and a completion."""
    store.write(
        [
            call(1, "a", given(), given(1, score=None), ragtrace__policy__digest="p"),
            call(2, "b", said("a", origin("doc-0", "chunk 0")), given(2, mode="shadow")),
        ]
    )
    whole = {(one.span_id, one.ordinal): one.as_json() for one in store.flows(access=OWNER)}
    asked = [
        DOC,
        Sought(names=(digest("a"),)),
        Sought(where=FlowFilter(user="u1")),
        Sought(names=("doc-0",), where=FlowFilter(session="s2")),
    ]
    for sought in asked:
        rows = store.reach(sought, access=OWNER).rows
        assert rows
        for row in rows:
            told = whole[row.flow.span_id, row.flow.ordinal]
            assert row.flow.as_json().items() <= told.items()


@pytest.mark.parametrize("where", [FlowFilter(), FlowFilter(user="u1")])
def test_what_was_told_otherwise_since_is_not_reached(store: Store, where: FlowFilter) -> None:
    """A newer telling of a step replaces the older one, also where it names other documents."""
    for version, place in (("1", 0), ("2", 1)):
        seen = {"ragtrace__request__id": None, "ragtrace__observed": version}
        store.write([call(1, "a", given(place, ord=0), **seen)])
    reached = {
        name: [
            n for n, _, _ in steps(store.reach(Sought(names=(name,), where=where), access=OWNER))
        ]
        for name in ("doc-0", "doc-1")
    }
    assert reached == {"doc-0": [], "doc-1": [1]}


_numbers = count(1)
TEXTS = [f"text {n}" for n in range(5)]
VERDICTS = ["certain", "ambiguous", "explained", "none"]
EVIDENCE = ["certain", "text", "taint", ""]
graph = st.lists(
    st.tuples(
        st.sampled_from([None, *TEXTS]),  # what is in its prompt: the document, or a completion
        st.sampled_from(VERDICTS),
        st.sampled_from(EVIDENCE),  # with which it records the document as an origin
        st.sampled_from(EVIDENCE),  # with which its completion has it
        st.sampled_from(TEXTS),  # what it says
        st.booleans(),  # whether it is let in
    ),
    max_size=9,
)


def closure(drawn: list[Any]) -> dict[int, tuple[str, frozenset[str]]]:
    """Of each flow that is reached the grade of its surest path, and by what: every path tried."""
    reached: dict[int, tuple[int, set[str]]] = {}
    waiting: list[tuple[int, int, str]] = []
    for place, (text, verdict, known, _, _, _) in enumerate(drawn):
        own = GRADES.index(graded(verdict))
        if text is None:
            waiting.append((place, own, "direct"))
        elif known:
            waiting.append((place, max(own, GRADES.index(known)), "origin"))
    while waiting:
        place, worst, way = waiting.pop()
        before = reached.get(place, (len(GRADES), set()))
        reached[place] = (min(worst, before[0]), before[1] | {way})
        text, verdict, known, carried, answer, let_in = drawn[place]
        if not let_in or verdict == "none":
            continue
        for later in range(place + 1, len(drawn)):
            found, found_as, recorded, *_ = drawn[later]
            if found == answer:
                told = carried if text is None or known else ""
                said_so = recorded or told or "taint"
                links = [worst, GRADES.index(said_so), GRADES.index(graded(found_as))]
                waiting.append((later, max(links), "digest"))
    return {p: (GRADES[worst], frozenset(ways)) for p, (worst, ways) in reached.items()}


@cache
def shared() -> Store:
    """One store for all graphs, which are told apart by their names."""
    opened = Store.open(fresh_url(), KEY)
    atexit.register(opened.close)
    return opened


@pytest.mark.slow
@pytest.mark.timeout(600)
@settings(max_examples=40, deadline=None)
@given_(drawn=graph)
def test_reach_is_the_transitive_closure_of_what_flowed(drawn: list[Any]) -> None:
    """Over any graph of flows: the same rows, grades and ways as when every path is tried."""
    number = next(_numbers)
    shared().write([_drawn(number, place, *one) for place, one in enumerate(drawn)])
    found = shared().reach(Sought(names=(f"note {number}",)), access=OWNER)
    assert found.complete
    assert {
        int(row.flow.span_id, 16) % 100: (row.grade, frozenset(row.by)) for row in found.rows
    } == closure(drawn)
    for row in found.rows:
        links = [*(link.grade for link in row.path), graded(row.flow.verdict)]
        assert row.grade == max(links, key=GRADES.index)


def _drawn(
    number: int,
    place: int,
    text: str | None,
    verdict: str,
    known: str,
    goes_on: str,
    answer: str,
    let_in: bool,
) -> SpanRecord:
    note = origin(f"note {number}", f"text of note {number}")
    held = given(0, document=note["document"], digest=note["digest"])
    if text is not None:
        held = said(f"{number} {text}", *([note | {"evidence": known}] if known else []))
    held |= {"verdict": verdict, "action": "allow" if let_in else "drop"}
    carries = as_json([note | {"evidence": goes_on}]) if goes_on else None
    origins = {"ragtrace__completion__origins": carries}
    return call(number * 100 + place, f"{number} {answer}", held, **origins)


@pytest.mark.parametrize("name", ["doc-0", "chunk-0", "file:///kb/0.md", digest("chunk 0")])
def test_what_was_made_is_found_where_the_text_itself_is_not_among_what_is_asked(
    store: Store, name: str
) -> None:
    """The text was read by somebody else, or long before: what was made of it is met here."""
    made = said("zz", origin("doc-0", "chunk 0", evidence="certain"))
    store.write([call(1, "a", given()), call(3, "-", made)])
    for where in (FlowFilter(user="u3"), FlowFilter(since=START_NS + 2)):
        found = store.reach(Sought(names=(name,), where=where), access=OWNER)
        assert (steps(found), found.complete) == ([(3, 1, "certain")], True)


def test_an_address_of_many_texts_is_followed_for_each(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Beyond a bound the answer says that it is not complete."""
    texts = [f"chunk {number}" for number in range(5)]
    chunks = [given(n, digest=digest(t), uri="file:///big.md") for n, t in enumerate(texts)]
    made = [said(f"of {text}", origin("elsewhere", text)) for text in texts]
    store.write([call(1, "a", *chunks), *(call(2 + n, "-", one) for n, one in enumerate(made))])
    asked = Sought(names=("file:///big.md",))
    found = store.reach(asked, access=OWNER)
    assert {number for number, *_ in steps(found)} == set(range(1, 7)) and found.complete
    monkeypatch.setattr(_hops, "MOST_CHUNKS", 4)
    assert not store.reach(asked, access=OWNER).complete


def test_an_empty_name_is_none(store: Store) -> None:
    """Beside a condition, and beside another name, which it would otherwise widen."""
    store.write([call(1, "a", given()), call(2, "b", given(5, source="", id=""))])
    asked = FlowFilter(user="u1")
    empty, none = Sought(names=("",), where=asked), Sought(where=asked)
    assert store.reach(empty, access=OWNER) == store.reach(none, access=OWNER)
    assert Sought(names=("",)).is_nothing
    assert steps(store.reach(Sought(names=("doc-0", "")), access=OWNER)) == [(1, 0, "certain")]


def test_each_of_several_names_is_looked_for_as_all_that_it_may_be(store: Store) -> None:
    """What one of them is in flows does not decide what another is in an origin, nor it itself."""
    made = said("zz", origin("doc-7", "chunk 7", source="s3/other", evidence="certain"))
    store.write([call(1, "a", given()), call(3, "-", made)])
    for other in (digest("chunk 7"), "doc-7", "s3/other"):
        found = store.reach(Sought(names=("doc-0", other)), access=OWNER)
        assert [number for number, *_ in steps(found)] == [1, 3], other
    store.write([call(5, "b", given(2, id="c1", document="c1", uri="doc-7"))])
    found = store.reach(Sought(names=("doc-7",)), access=OWNER)
    assert [number for number, *_ in steps(found)] == [3, 5]


def test_what_has_no_digest_is_no_text_that_others_have(store: Store) -> None:
    """Two that nobody gave a digest are not the same."""
    nameless = given(0, digest="", uri="file:///nodigest")
    store.write([call(1, "a", nameless), call(2, "b", said("q", {**origin("x"), "digest": ""}))])
    assert steps(store.reach(Sought(names=("file:///nodigest",)), access=OWNER)) == [
        (1, 0, "certain")
    ]


def test_what_was_often_said_before_takes_no_room_of_the_answer(store: Store) -> None:
    """The same words, before anything was made of the document, were not made of it."""
    often = [call(number, "-", said("OK")) for number in range(1, 30)]
    store.write([*often, call(50, "OK", given()), call(51, "w", said("OK"))])
    found = store.reach(DOC, 10, access=OWNER)
    assert ([number for number, *_ in steps(found)], found.complete) == ([50, 51], True)


def test_a_path_as_long_as_any_may_be_is_not_said_to_be_all(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is behind its end may have been cut off."""
    monkeypatch.setattr(_hops, "MOST_HOPS", 3)
    store.write(
        [call(1, "a1", given()), *(call(n, f"a{n}", said(f"a{n - 1}")) for n in range(2, 9))]
    )
    found = store.reach(DOC, access=OWNER)
    assert max(hop for _, hop, _ in steps(found)) == 3 and not found.complete
