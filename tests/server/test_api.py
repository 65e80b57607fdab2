"""The reading API: pages, filters, problems, and its own description."""

from __future__ import annotations

import base64
import json
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ragtrace.model import digest
from ragtrace.server import Client, create_app
from ragtrace.server._asked import cursor_of
from ragtrace.server._problems import KINDS, SPACE
from ragtrace.store import OWNER, FlowFilter, Place, Sought, Store, TraceNotFoundError
from tests.engine import START_NS, content, flow, span, store
from tests.web import get, run, served

__all__ = ["store"]

DOCS = Path(__file__).parents[2] / "docs"
INJECTIONS = [
    "' OR 1=1 --",
    "'; DROP TABLE flows; --",
    "{what:String}",
    "{may_flows}",
    "%(what)s",
    "') UNION ALL SELECT * FROM file('/etc/passwd', 'LineAsString') --",
    "url('http://127.0.0.1:9/', 'LineAsString')",
    "\\' OR 1 --",
    "a\tb\nc\\N",
    "\0",
    "🙂é",
]
FILTERS = "app audience source document level action rule stage session user tenant".split()
LISTS = ["/v1/flows", "/v1/decisions", "/v1/traces", "/v1/edges", "/v1/hours"]


def fill(opened: Store, number: int = 9) -> None:
    """Traces with flows and a decision each, the first of them stored twice."""
    decided = {"ragtrace__decision__action": "drop", "ragtrace__decision__mode": "enforce"}
    spans = [
        span(n, flow(0, digest=digest("a text")), flow(1, level="public"), **decided)
        for n in range(1, number + 1)
    ]
    opened.write(spans, [content("a text")])
    opened.write(spans[:4])


def ask(opened: Store, path: str, **params: Any) -> Any:
    (answer,) = run(opened, get(path, **params))
    assert answer.status_code == 200, answer.text
    return answer.json()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("path", "name", "what"),
    [
        ("/v1/flows", "flows", {}),
        ("/v1/decisions", "decisions", {}),
        ("/v1/traces", "traces", {}),
        ("/v1/reach", "rows", {"what": "doc-0"}),
    ],
)
@pytest.mark.parametrize("size", [1, 2, 4, 100])
def test_all_pages_are_the_whole_answer_once(
    store: Store, path: str, name: str, what: dict[str, str], size: int
) -> None:
    """A walk from cursor to cursor gives every row once and ends by itself."""
    fill(store)
    whole = ask(store, path, **what)
    walked, cursor = [], {}
    while True:
        page = ask(store, path, limit=size, **what, **cursor)
        walked += page[name]
        assert len(page[name]) <= size
        if page["next"] is None:
            break
        cursor = {"cursor": page["next"]}
    assert walked == whole[name]
    assert whole["next"] is None


@pytest.mark.parametrize(
    "cursor",
    [
        "",
        "x",
        "!!!",
        "bnVsbA",
        "W10",
        base64.urlsafe_b64encode(b'[1,"\\ud800",0]').decode(),
        base64.urlsafe_b64encode(b"[" * 140).decode(),
        cursor_of(Place(2**63, "ab")),
        cursor_of(Place(-1, "ab")),
        cursor_of(Place(1, "' OR 1")),
        cursor_of(Place(1, "ab", 2**32)),
        "A" * 201,
    ],
)
def test_a_cursor_of_ones_own_making_is_refused(store: Store, cursor: str) -> None:
    """Whatever it decodes to; the store is not asked."""
    for path in ("/v1/flows", "/v1/decisions", "/v1/traces"):
        (answer,) = run(store, get(path, cursor=cursor))
        assert (answer.status_code, answer.json()["type"]) == (400, f"{SPACE}bad-request")
        assert "cursor: " in answer.json()["detail"]


@pytest.mark.parametrize(
    ("given", "found"),
    [
        ("0", 3),
        (str(START_NS + 2), 2),
        ("2025-10-09T08:53:20.000000Z", 3),
        ("2025-10-09T08:53:21Z", 0),
        ("2025-10-09T10:53:21+02:00", 0),
        ("2025-10-09", 3),
        ("1s", 0),
        ("999999w", 3),
        ("0001-01-01", 3),
        ("9999-12-31T23:59:59Z", 0),
    ],
)
def test_time_is_told_in_three_ways(store: Store, given: str, found: int) -> None:
    """Nanoseconds, ISO 8601 (without a zone UTC), and so long ago."""
    store.write([span(n, flow()) for n in (1, 2, 3)])
    assert len(ask(store, "/v1/flows", since=given)["flows"]) == found
    assert len(ask(store, "/v1/flows", until=given)["flows"]) == 3 - found


def test_a_period_ends_now(store: Store) -> None:
    """``30d`` is counted from the moment of the question."""
    now = time.time_ns()
    store.write([replace(span(1, flow()), start_ns=now - 10 * 10**9), span(2, flow())])
    assert [row["span_id"] for row in ask(store, "/v1/flows", since="1h")["flows"]] == [f"{1:016x}"]


@pytest.mark.slow
@pytest.mark.parametrize("path", LISTS)
@pytest.mark.parametrize("name", FILTERS)
def test_every_list_takes_every_filter(store: Store, path: str, name: str) -> None:
    """The row's own value finds it, another value finds nothing."""
    told = {"ragtrace__decision__action": "drop", "ragtrace__decision__rule": "staff-notes"}
    store.write([span(1, flow(), **told)])
    (row,) = store.flows(access=OWNER)
    own = getattr(row, {"app": "service"}.get(name, name))
    key = path.rpartition("/")[2]
    assert len(ask(store, path, **{name: own})[key]) == 1
    assert ask(store, path, **{name: "another"})[key] == []


@pytest.mark.parametrize("text", INJECTIONS)
@pytest.mark.parametrize("every", [4, pytest.param(1, marks=pytest.mark.slow)])
def test_a_parameter_is_only_ever_a_value(store: Store, text: str, every: int) -> None:
    """SQL in any parameter finds what is called so, hence nothing, or is refused.

    Each parameter is tried with every fourth of the texts, and in CI with all.
    """
    fill(store, 2)
    before = store.stats(access=OWNER)
    calls = [get(path, **{name: text}) for path in LISTS for name in [*FILTERS, "since", "limit"]]
    calls += [get("/v1/reach", what=text), get("/v1/texts", digest=text), get("/v1/stats", x=text)]
    calls += [get("/v1/words", what=text), get("/v1/words", what="text", app=text)]
    calls += [get("/v1/reach", what="doc-0", **{name: text}) for name in FILTERS]
    for answer in run(store, *calls[INJECTIONS.index(text) % every :: every]):
        assert answer.status_code in (200, 400), answer.text
        tree = answer.json()
        if answer.status_code == 200:
            assert not any(tree.get(name) for name in ("flows", "decisions", "traces", "rows"))
            assert not any(tree.get(name) for name in ("edges", "hours", "texts", "said"))
    with served(store) as url, Client(url) as client:
        with pytest.raises(TraceNotFoundError):
            client.trace(text)
    assert store.stats(access=OWNER) == before


def test_words_are_asked_for_as_words(store: Store) -> None:
    """What holds none is a bad question and not a fault of the store."""
    (answer,) = run(store, get("/v1/words", what="!?"))
    assert (answer.status_code, answer.json()["type"]) == (400, f"{SPACE}bad-request")


def test_a_parameter_given_twice_is_refused(store: Store) -> None:
    """One of the two would be passed over, and the answer be wider than was asked."""
    (answer,) = run(store, get("/v1/flows?audience=a&audience=b"))
    assert (answer.status_code, answer.json()["detail"]) == (400, "audience: expected once")


@pytest.mark.parametrize(
    ("path", "status"), [("/v1/flows?x=1", 400), ("/v1/nothing", 404), ("/v1/traces/ffff", 404)]
)
def test_a_problem_has_its_kind(store: Store, path: str, status: int) -> None:
    """The ``type`` is a name that stays, and all of RFC 9457 is there."""
    problem = run(store, get(path))[0].json()
    assert problem.keys() == {"type", "title", "status", "detail"}
    assert problem["type"] == SPACE + KINDS[status]


@pytest.mark.parametrize("kind", KINDS.values())
def test_every_problem_is_documented(kind: str) -> None:
    """Its type stands in docs/api.md."""
    assert f"`{SPACE}{kind}`" in (DOCS / "api.md").read_text("utf-8")


def test_the_api_describes_itself(store: Store) -> None:
    """Every endpoint is in the document and in docs/api.md; nothing is loaded from elsewhere."""
    document = ask(store, "/v1/openapi.json")
    page = (DOCS / "api.md").read_text("utf-8")
    for path, operations in document["paths"].items():
        operation = operations.get("get")
        if operation is None:
            continue
        assert f"`GET {path}`" in page
        assert "422" not in operation["responses"]
        for parameter in operation.get("parameters", []):
            assert f"`{parameter['name']}`" in page or parameter["in"] == "path"
    assert run(store, get("/docs"), get("/redoc"))[0].status_code == 404
    assert "http" not in json.dumps(document).replace("http://json-schema", "").replace(
        '"scheme": "bearer"', ""
    ).replace('"type": "http"', "").replace("HTTPBearer", "")
    assert create_app(store).openapi() == document


def test_traces_say_what_was_decided(store: Store) -> None:
    """The strictest that counted, the audiences, the levels and the number of flows."""
    shadow = {"ragtrace__decision__action": "block", "ragtrace__decision__mode": "shadow"}
    store.write([span(1, flow(0), flow(1, action="allow", level="public"), **shadow), span(2)])
    second, first = ask(store, "/v1/traces")["traces"]
    assert (first["action"], first["levels"], first["flows"]) == (
        "drop",
        ["public", "staff_only"],
        2,
    )
    assert (first["audiences"], first["service"], first["spans"]) == (["customer"], "bank", 1)
    assert (second["action"], second["flows"], second["start_ns"]) == ("", 0, START_NS + 2)


def test_a_client_walks_pages(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """It answers as the store does, for every list, also where that takes several pages."""
    fill(store)
    monkeypatch.setattr("ragtrace.server._client.PAGE_LIMIT", 2)
    place = Place(START_NS + 7, f"{7:016x}", 1)
    where = FlowFilter(service="bank", level="public", user="u3")
    with served(store) as url, Client(url) as client:
        for name in ("flows", "decisions", "traces"):
            theirs, ours = getattr(client, name), getattr(store, name)
            assert theirs() == ours(access=OWNER)
            assert theirs(limit=5) == ours(limit=5, access=OWNER)
            assert theirs(where) == ours(where, access=OWNER) != []
            assert theirs(after=place) == ours(after=place, access=OWNER) != []
        assert client.said("text") == store.said("text", access=OWNER) != []
        assert client.said("text", where=FlowFilter(user="u3")) == client.said("TEXT")[6:7]
        assert client.hours(where) == store.hours(where, access=OWNER) != []
        sought = Sought(names=("doc-0",))
        assert client.reach(sought, 7) == store.reach(sought, 7, access=OWNER)
        narrowed = Sought(names=("doc-1", "doc-0"), where=where)
        mine = store.reach(narrowed, access=OWNER)
        assert client.reach(narrowed) == mine
        assert mine.rows
        assert client.texts([digest("a text")]) == {digest("a text"): "a text"}
