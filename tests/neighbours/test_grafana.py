"""The Grafana dashboard asks the store's own schema: each of its queries is run on the engine."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("chdb")

from ragtrace.store import Store
from tests.engine import START_NS, flow, fresh_url, span

BOARD = json.loads(
    (Path(__file__).parents[2] / "deploy" / "grafana" / "ragtrace.json").read_text("utf-8")
)
PANELS = {panel["title"]: panel["targets"][0] for panel in BOARD["panels"]}
VARIABLES = {one["name"]: one for one in BOARD["templating"]["list"]}
ASKED = {name: one["query"] for name, one in VARIABLES.items() if one["type"] == "query"}


def decided(action: str, mode: str = "enforce", rule: str = "r'1") -> dict[str, Any]:
    """What the span says was decided."""
    names = {"action": action, "rule": rule, "reason": "because", "mode": mode}
    return {f"ragtrace__decision__{name}": value for name, value in names.items()}


@pytest.fixture(scope="module")
def engine() -> Iterator[tuple[Any, str]]:
    """A reading client and the name of a database that holds one call of each kind.

    Each was sent twice, as an exporter does that has had no answer.
    """
    url = fresh_url()
    opened = Store.open(url)
    kept = {"action": "context_only", "rule": "staff-notes"}
    calls = [
        span(1, flow(1, level="public", **{**kept, "action": "allow"}), **decided("allow")),
        span(2, flow(2, action="allow", rule="oops"), **decided("allow")),
        span(3, flow(3, **kept), **decided("context_only")),
        span(4, flow(4, action="block"), **decided("block")),
        span(5, flow(5, action="block", mode="shadow"), **decided("block", "shadow")),
        span(6, flow(6, action="allow", level="unheard-of"), **decided("allow")),
        span(7, flow(7, action="drop"), **decided("drop") | {"ragtrace__stage": "retrieval"}),
        span(8, flow(8), **decided("block") | {"ragtrace__audience": "it's me"}),
    ]
    for _ in range(2):
        opened.write(calls)
    with opened._engine.reading("test") as client:
        yield client, re.sub(r".*database=", "", url)
    opened.close()


def as_grafana(sql: str, database: str, audiences: str = "'customer', 'it''s me'") -> str:
    """The query as Grafana and its ClickHouse plugin fill it in for the hour of the spans."""
    start = START_NS // 10**9 - 1800
    between = rf"\1 >= toDateTime({start}) AND \1 <= toDateTime({start + 3600})"
    sql = re.sub(r"\$__timeFilter\((\w+)\)", between, sql)
    values = {
        "${database}": database,
        "${service:sqlstring}": "'bank', 'other'",
        "${audience:sqlstring}": audiences,
        "${levels:sqlstring}": "'public,internal,staff_only'",
    }
    for name, value in values.items():
        sql = sql.replace(name, value)
    assert "$" not in sql, f"a macro or variable that is not filled in: {sql}"
    return sql


def rows(engine: tuple[Any, str], sql: str) -> list[tuple[Any, ...]]:
    client, database = engine
    found: list[tuple[Any, ...]] = client.query(as_grafana(sql, database)).result_rows
    return found


@pytest.mark.parametrize("title", PANELS)
def test_every_panel_gets_rows(title: str, engine: tuple[Any, str]) -> None:
    """Every query runs on the schema as it is, and what is there is found."""
    assert rows(engine, PANELS[title]["rawSql"])


@pytest.mark.parametrize("name", ASKED)
def test_every_variable_gets_values(name: str, engine: tuple[Any, str]) -> None:
    """Databases, services and audiences are read off the tables."""
    assert rows(engine, ASKED[name])


@pytest.mark.parametrize(
    ("title", "number"),
    [
        ("Model calls", 7),
        ("Blocked calls", 2),
        ("Documents in prompts", 7),
        # 2 was allowed, 5 was in shadow, 6 has a level that nobody knows.
        ("Traces with text above clearance", 3),
    ],
)
def test_the_numbers_are_right(title: str, number: int, engine: tuple[Any, str]) -> None:
    """The four numbers at the top are those of the calls that were made."""
    assert rows(engine, PANELS[title]["rawSql"]) == [(number,)]


def test_the_table_lists_what_the_red_number_counts(engine: tuple[Any, str]) -> None:
    """What was kept back, blocked or readable is not above clearance."""
    found = rows(engine, PANELS["Text above clearance"]["rawSql"])
    assert [row[2] for row in found] == ["doc-6", "doc-5", "doc-2"]


def test_every_panel_is_narrowed(engine: tuple[Any, str]) -> None:
    """Time range, service and audience hold for every panel; no value is put in unquoted."""
    for title, target in PANELS.items():
        sql = target["rawSql"]
        assert "$__timeFilter(Timestamp)" in sql, title
        assert set(re.findall(r"\$\{([^}]*)\}", sql)) <= {
            "database",
            "service:sqlstring",
            "audience:sqlstring",
            "levels:sqlstring",
        }, title


def test_every_panel_names_its_data_source_by_variable() -> None:
    """The dashboard is imported into any Grafana: no id of another's data source is in it."""
    for panel in BOARD["panels"]:
        assert panel["datasource"] == panel["targets"][0]["datasource"]
        assert panel["datasource"]["uid"] == "${datasource}"
    assert len({panel["id"] for panel in BOARD["panels"]}) == len(BOARD["panels"])
