"""Who sees what of a store: the scope is in every statement, and shows no more than it may."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ragtrace.model import digest
from ragtrace.store import (
    NOBODY,
    OWNER,
    Access,
    FlowFilter,
    Place,
    Sought,
    Store,
    TraceNotFoundError,
    _lists,
    _narrow,
    _pages,
    _queries,
)
from ragtrace.store._questions import Questions
from ragtrace.store._scope import TABLES, UnscopedError, scoped
from tests.engine import KEY, START_NS, content, flow, fresh_url, span, store

__all__ = ["store"]  # the fixture

LEVELS = ["public", "internal", "staff_only", ""]
TENANTS = ["acme", "globex", "umbrella", None]
QUESTIONS = ["flows", "decisions", "traces", "edges", "trace", "reach", "texts", "stats"]
DOCUMENTS = [f"doc-{place}" for place in range(3)]
SECRET = "the fee may be waived once"


DOC_0 = Sought(names=("doc-0",))


def text_of(number: int) -> str:
    return f"{SECRET}, {LEVELS[number % 4] or 'unlabelled'} {number}"


def foreign(number: int) -> dict[str, str]:
    """What another tracer put on its span, texts among it."""
    return {
        "gen_ai__input__messages": text_of(number),
        "llm__input_messages__0__message__content": text_of(number),
        "retrieval__documents__0__document__content": text_of(number),
        "gen_ai__retrieval__query__text": text_of(number),
        "llm__token_count__prompt": "7",
    }


@pytest.fixture(scope="module")
def many() -> Iterator[Store]:
    """Twelve steps of four tenants and texts of four levels, some of it stored twice."""
    opened = Store.open(fresh_url(), KEY)
    spans = [
        span(
            number,
            *(
                flow(place, level=LEVELS[(number + place) % 4], digest=digest(text_of(number)))
                for place in range(number % 3)
            ),
            ragtrace__tenant=TENANTS[number % 4],
            ragtrace__decision__action=["allow", "drop", "block"][number % 3],
            ragtrace__decision__mode="enforce",
            **foreign(number),
        )
        for number in range(1, 13)
    ]
    texts = [content(text_of(n), level=LEVELS[n % 4]) for n in range(1, 13)]
    texts.append(content(text_of(1), level="public"))  # one text under two labels
    opened.write(spans, texts)
    opened.write(spans[:7], texts)
    yield opened
    opened.close()


some = st.one_of(
    st.none(), st.frozensets(st.sampled_from(["public", "internal", "staff_only", "", "x"]))
)
accesses = st.builds(
    Access,
    name=st.just("somebody"),
    roles=st.frozensets(st.sampled_from(["ingest", "read", "admin"])),
    levels=some,
    tenants=st.one_of(
        st.none(), st.frozensets(st.sampled_from(["acme", "globex", "umbrella", "", "x"]))
    ),
)
filters = st.builds(
    FlowFilter,
    since=st.none() | st.integers(START_NS, START_NS + 13),
    until=st.none() | st.integers(START_NS, START_NS + 13),
    level=st.none() | st.sampled_from(LEVELS),
    document=st.none() | st.sampled_from(DOCUMENTS),
    action=st.none() | st.sampled_from(["allow", "drop", "block"]),
)
law = settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))


def sees(access: Access, tenant: str) -> bool:
    """The scope, in Python: a row without a tenant is nobody's but who sees all tenants'."""
    if not access.reads:
        return False
    return access.tenants is None or (bool(tenant) and tenant in access.tenants)


def all_texts() -> list[str]:
    return [digest(text_of(number)) for number in range(1, 13)]


@given(access=accesses, where=filters, limit=st.integers(1, 20))
@law
def test_rows_are_the_owners_rows_of_the_tenants(
    many: Store, access: Access, where: FlowFilter, limit: int
) -> None:
    """Flows, decisions and reach: the owner's answer, less what is of others; then the limit."""
    owned = [row for row in many.flows(where, access=OWNER) if sees(access, row.tenant)]
    assert many.flows(where, limit, access=access) == owned[:limit]
    decided = [row for row in many.decisions(where, access=OWNER) if sees(access, row.tenant)]
    assert many.decisions(where, limit, access=access) == decided[:limit]
    sought = Sought(names=("doc-0",), where=where)
    reached = many.reach(sought, access=OWNER).rows
    seen = tuple(row for row in reached if sees(access, row.flow.tenant))
    assert many.reach(sought, limit, access=access).rows == seen[:limit]


@pytest.mark.slow
@given(access=accesses, where=filters)
@law
def test_counts_are_of_what_is_seen(many: Store, access: Access, where: FlowFilter) -> None:
    """Edges, traces and stats count no row of another tenant and no text of another level."""
    flows = [row for row in many.flows(where, access=OWNER) if sees(access, row.tenant)]
    edges = many.edges(where, access=access)
    assert sum(edge.flows for edge in edges) == len(flows)
    assert sum(hour.flows for hour in many.hours(where, access=access)) == len(flows)
    assert {edge.level for edge in edges} == {row.level for row in flows}
    visible = {trace for trace in range(1, 13) if sees(access, TENANTS[trace % 4] or "")}
    assert {int(row.trace_id, 16) for row in many.traces(where, access=access)} <= visible
    stats, owned = many.stats(access=access), many.flows(access=OWNER)
    assert stats.spans == len(visible)
    assert stats.flows == sum(sees(access, row.tenant) for row in owned)
    if not access.reads:
        assert (stats.contents, stats.texts, stats.first_ns, stats.bytes_on_disk) == (0, 0, 0, 0)


@given(access=accesses)
@law
def test_texts_are_of_the_levels_and_tenants(many: Store, access: Access) -> None:
    """A text is shown where one of its labels may be read, and a flow one sees tells of it."""
    flows = [row for row in many.flows(access=OWNER) if sees(access, row.tenant)]
    told = {row.digest for row in flows}
    expected = set()
    for number in range(1, 13):
        levels = {LEVELS[number % 4]} | ({"public"} if number == 1 else set())
        cleared = access.levels is None or levels & (access.levels - {""})
        name = digest(text_of(number))
        if access.reads and cleared and (access.tenants is None or name in told):
            expected.add(name)
    assert many.texts(all_texts(), access=access).keys() == expected


@given(access=accesses, number=st.integers(1, 12))
@law
def test_no_text_stands_anywhere_but_in_texts(many: Store, access: Access, number: int) -> None:
    """What another tracer wrote on a span is for who may read every level, and nobody else."""
    tenant = TENANTS[number % 4] or ""
    try:
        trace = many.trace(f"{number:032x}", access=access)
    except TraceNotFoundError:
        assert not sees(access, tenant)
        return
    assert sees(access, tenant)
    whole = many.trace(f"{number:032x}", access=OWNER)
    assert trace.flows == whole.flows
    if access.levels is None:
        assert trace == whole
    else:
        assert SECRET not in repr(trace)
        assert trace.spans[0].attributes["llm.token_count.prompt"] == "7"
        assert trace.spans[0].attributes["ragtrace.flows"] == whole.spans[0].attributes.get(
            "ragtrace.flows"
        )


def test_nobody_sees_nothing(many: Store) -> None:
    """Neither does a key that only sends, whatever levels and tenants stand beside it."""
    for access in (NOBODY, Access("sender", frozenset({"ingest"}), None, None)):
        assert many.flows(access=access) == many.decisions(access=access) == []
        assert many.edges(access=access) == many.traces(access=access) == []
        assert many.reach(DOC_0, access=access).rows == ()
        assert many.texts(all_texts(), access=access) == {}
        assert many.stats(access=access).bytes_on_disk == 0
        with pytest.raises(TraceNotFoundError, match="no trace"):
            many.trace(f"{1:032x}", access=access)


@pytest.mark.parametrize(
    "name",
    [
        name
        for name, method in inspect.getmembers(Questions, inspect.isfunction)
        if not name.startswith("_") and name not in ("close", "broken_parts")
    ],
)
def test_every_question_says_who_asks(name: str) -> None:
    """``access`` has no default: who forgets it gets a ``TypeError`` and not an answer."""
    parameter = inspect.signature(getattr(Questions, name)).parameters["access"]
    assert parameter.kind is parameter.KEYWORD_ONLY
    assert parameter.default is parameter.empty


@pytest.mark.parametrize("table", TABLES)
@pytest.mark.parametrize("final", ["", " FINAL"])
def test_a_statement_that_does_not_ask_is_not_run(many: Store, table: str, final: str) -> None:
    """Reading a table without its condition is refused before the engine sees it."""
    for behind in ("", " WHERE 1", " WHERE {may_nothing} AND 1", " AS t WHERE {may_flows}"):
        with pytest.raises(UnscopedError):
            many._rows("test", f"SELECT count() FROM {table}{final}{behind}", {}, OWNER)
    assert scoped(f"SELECT 1 FROM {table}{final} WHERE {{may_{table}}}", OWNER)[0].endswith("1")


def test_no_line_of_sql_reads_a_table_past_the_scope() -> None:
    """Every read in the room has the condition behind it, but those of the store's own upkeep."""
    upkeep = {"_SINCE", "_RECENT_ORPHANS", "ORPHANS", "REPAIR"}
    for module in (_queries, _pages, _lists, _narrow):
        for name, value in vars(module).items():
            if isinstance(value, str) and name not in upkeep and "FROM" in value:
                reads = re.findall(rf"FROM\s+(?:{'|'.join(TABLES)}|\{{table\}})", value)
                assert len(reads) == len(re.findall(r"WHERE \{may_(?!all)", value)), name


@given(where=filters, size=st.integers(1, 5), names=st.sampled_from(["flows", "decisions"]))
@law
def test_all_pages_are_the_whole_answer_once(
    many: Store, where: FlowFilter, size: int, names: str
) -> None:
    """Page behind page gives every row once, in order, though rows are stored twice."""
    ask = getattr(many, names)
    walked: list[Any] = []
    after = None
    while page := ask(where, size, after=after, access=OWNER):
        walked += page
        after = Place(page[-1].time_ns, page[-1].span_id, getattr(page[-1], "ordinal", 0))
    assert walked == ask(where, access=OWNER)


def test_a_walk_is_not_disturbed_by_what_is_stored_meanwhile(many: Store) -> None:
    """Newer rows come before the place, older pages stay as they are; no row comes twice."""
    first = many.flows(limit=4, access=OWNER)
    place = Place(first[-1].time_ns, first[-1].span_id, first[-1].ordinal)
    before = many.flows(after=place, access=OWNER)
    many.write([span(900, flow(0))])
    assert many.flows(after=place, access=OWNER) == before


def test_a_page_is_full_though_newer_versions_replaced_rows(store: Store) -> None:
    """A later derivation took away a level; filtered by it, older rows fill the page."""
    store.write([span(n, flow(0, level="staff_only"), ragtrace__observed="1") for n in range(1, 9)])
    store.write([span(n, flow(0, level="public"), ragtrace__observed="2") for n in range(4, 9)])
    where = FlowFilter(level="staff_only")
    assert [row.time_ns - START_NS for row in store.flows(where, 3, access=OWNER)] == [3, 2, 1]
    assert [row.level for row in store.flows(limit=5, access=OWNER)] == ["public"] * 5


SUPERSEDED = {
    "flows": lambda s, a: s.flows(access=a),
    "decisions": lambda s, a: s.decisions(access=a),
    "traces": lambda s, a: s.traces(access=a),
    "edges": lambda s, a: s.edges(access=a),
    "edges of a user": lambda s, a: s.edges(FlowFilter(user="u1"), access=a),
    "hours": lambda s, a: s.hours(access=a),
    "reach": lambda s, a: s.reach(DOC_0, access=a).rows,
    "texts": lambda s, a: s.texts([digest("the fees")], access=a),
    "said": lambda s, a: s.said("fees", access=a),
    "trace": lambda s, a: s.trace(f"{1:032x}", access=a).flows,
    "trace by prefix": lambda s, a: s.trace(f"{1:032x}"[:30], access=a).flows,
    "stats": lambda s, a: [
        count
        for count in (s.stats(access=a).spans, s.stats(access=a).flows, s.stats(access=a).texts)
        if count
    ],
}
"""Every question, as what it shows."""


@pytest.mark.parametrize("name", SUPERSEDED)
def test_a_row_that_a_newer_version_replaced_is_not_its_former_tenants(
    store: Store, name: str
) -> None:
    """The newest version says whose it is, before anybody is asked what they may see."""
    fees = flow(0, digest=digest("the fees"))
    decided = {"ragtrace__decision__action": "drop", "ragtrace__request__id": None}
    for version, tenant in (("1", "acme"), ("2", "globex")):
        made = span(1, fees, ragtrace__observed=version, ragtrace__tenant=tenant, **decided)
        store.write([made], [content("the fees")])

    def shown(tenant: str) -> Any:
        access = Access("somebody", frozenset({"read"}), None, frozenset({tenant}))
        try:
            return SUPERSEDED[name](store, access)
        except TraceNotFoundError:
            return []

    assert not shown("acme")
    assert shown("globex")
