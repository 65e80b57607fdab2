"""The pages: what they show, to whom, and that nothing in them runs or comes from elsewhere."""

from __future__ import annotations

import asyncio
import hashlib
import itertools
import json
import re
import subprocess
import sys
from html import unescape
from pathlib import Path
from typing import Any
from urllib.parse import quote, urljoin, urlsplit

import httpx
import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from ragtrace.model import Action, Message, Prompt, digest
from ragtrace.server import Auth
from ragtrace.server.dashboard import Levels
from ragtrace.server.dashboard._asked import Asked
from ragtrace.server.dashboard._map import flow_map, told_beyond
from ragtrace.store import OWNER, Chain, FlowFilter, SealKey, Store
from ragtrace.wire import ContentRecord, Piece, Rope, SpanRecord
from tests.engine import flow, span, store
from tests.web import client_of, get, run, served

__all__ = ["store"]

SECRET = "match up to 0.4 points and never say that a limit exists, whoever asks"
HOSTILE = "<img src=x onerror=alert(1)></script><script>alert(2)</script>`${alert(3)}{{alert(4)}}"
ALL = {"since": "all"}
TRACE = f"{1:032x}"
PAGES = ["/map?since=all", "/decisions?since=all", f"/trace/{TRACE}", "/reach?what=doc-0"]


def call(text: str = f"before {SECRET} after", level: str = "staff_only") -> SpanRecord:
    """A model call that was given ``text``, with a staff document in it."""
    prompt = Prompt((Message("user", text),))
    start = text.index(SECRET)
    found = flow(
        0,
        level=level,
        action="allow",
        verdict="certain",
        digest=digest(SECRET),
        spans=[[0, start, start + len(SECRET), 0, len(SECRET)]],
    )
    return span(
        1,
        found,
        ragtrace__prompt__digest=prompt.digest,
        ragtrace__prompt__level=level,
        ragtrace__completion__digest=digest("no"),
        ragtrace__decision__action="allow",
        ragtrace__decision__rule="staff-notes",
        ragtrace__decision__reason="staff only",
        ragtrace__decision__mode="enforce",
    )


def fill(opened: Store, rope_level: str = "staff_only") -> None:
    """One trace, with its prompt in the vault; the staff text is a literal of its rope."""
    text = f"before {SECRET} after"
    prompt = Prompt((Message("user", text),))
    rope = Rope(prompt.digest, (("user", (Piece(text),)),))
    opened.write([call()], [ContentRecord(prompt.digest, "prompt", rope_level, rope.to_json())])


def readers(folder: Path) -> Auth:
    """An access file with a reader of everything and a reader of public texts."""
    entries = [
        {"name": "boss", "token_sha256": _sha("all"), "roles": ["read"], "levels": "all"},
        {"name": "guest", "token_sha256": _sha("some"), "roles": ["read"], "levels": ["public"]},
        {"name": "app", "token_sha256": _sha("send"), "roles": ["ingest"]},
    ]
    for entry in entries:
        entry["tenants"] = "all"
    file = folder / "access.yaml"
    file.write_text(json.dumps(entries))
    return Auth(None, str(file))


def _sha(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


def bearer(token: str) -> dict[str, str]:
    """The header of who shows ``token``."""
    return {"authorization": f"Bearer {token}"}


def elements(page: httpx.Response) -> list[dict[str, Any]]:
    """What the page draws, as its script is given it."""
    found = re.search(r"parseElements\(String\.raw`(.*?)`\)", page.text, re.DOTALL)
    assert found is not None
    made = list(json.loads(unescape(found[1])).values())
    return made + [
        node
        for one in made
        for root in one.get("props", {}).get("tree", [])
        for node in _nodes(root)
    ]


def _nodes(node: Any) -> list[dict[str, Any]]:
    name, attributes, children = node
    said = "".join(child for child in children if isinstance(child, str))
    below = [one for child in children if isinstance(child, list) for one in _nodes(child)]
    return [{"tag": name, "props": attributes, "text": said}, *below]


def texts(page: httpx.Response) -> str:
    """All that the page says."""
    return "\n".join(element.get("text", "") for element in elements(page))


def test_every_page_answers_what_its_url_asks(store: Store) -> None:
    """The state of a page is in its address: conditions, time range and what is looked for."""
    fill(store)
    found = run(store, *map(get, PAGES))
    assert [page.status_code for page in found] == [200] * 4
    for page, said in zip(found, ["staff_only", "staff-notes", SECRET, "disclosed"], strict=True):
        assert said in texts(page)
    narrowed, old, nothing = run(
        store,
        get("/decisions", action="drop", **ALL),
        get("/map", since="1h"),
        get("/reach", what="never heard of"),
    )
    assert "No decisions here" in texts(narrowed)
    chosen = [one for one in elements(narrowed) if one.get("props", {}).get("selected")]
    assert [one["text"] for one in chosen] == ["drop"]
    assert "No flows here" in texts(old)
    assert "never heard of" in texts(nothing)


def test_an_empty_store_says_what_to_do(store: Store) -> None:
    """Where the telemetry is to be sent."""
    for page in run(store, get("/map"), get("/decisions"), get("/reach")):
        assert "OTEL_EXPORTER_OTLP_ENDPOINT" in texts(page)


def test_the_data_of_a_page_is_that_of_the_api(store: Store) -> None:
    """At the page's own path with ``.json``, and errors as problems."""
    fill(store)
    paths = ["/map.json?since=all", "/decisions.json?since=all", "/reach.json?what=doc-0"]
    of_map, of_list, of_reach, of_trace = (
        answer.json() for answer in run(store, *map(get, [*paths, f"/trace/{TRACE}.json"]))
    )
    asked = ["/v1/edges", "/v1/decisions", "/v1/reach?what=doc-0", f"/v1/traces/{TRACE}"]
    edges, listed, reached, traced = (answer.json() for answer in run(store, *map(get, asked)))
    assert [{**edge, "beyond": 1} for edge in edges["edges"]] == of_map["edges"]
    assert of_list == listed
    assert {**of_reach, **reached} == {**reached, "timeline": of_reach["timeline"]}
    assert {**of_trace, **traced} == {
        **traced,
        "prompts": of_trace["prompts"],
        "chained": [],
    }
    (prompt,) = of_trace["prompts"].values()
    assert "".join(one["text"] for one in prompt["messages"][0]["stretches"]) == (
        f"before {SECRET} after"
    )
    for path, status in [
        ("/map.json?audence=x", 400),
        ("/decisions.json?since=soon", 400),
        ("/decisions.json?cursor=x", 400),
        ("/trace/ffff.json", 404),
    ]:
        (answer,) = run(store, get(path))
        assert answer.status_code == status
        assert answer.headers["content-type"] == "application/problem+json"
        (page,) = run(store, get(path.replace(".json", "")))
        assert (page.status_code, answer.json()["detail"] in texts(page)) == (status, True)


def test_a_list_goes_on_where_it_ended(store: Store) -> None:
    """Every decision is on one page, whatever the limit."""
    decided = {"ragtrace__decision__action": "allow", "ragtrace__decision__rule": "clearance"}
    store.write([span(n, flow(), **decided) for n in range(1, 6)])
    seen, cursor = [], None
    for _ in range(3):
        params = {"since": "all", "limit": "2"} | ({"cursor": cursor} if cursor else {})
        (answer,) = run(store, get("/decisions.json", **params))
        seen += [row["span_id"] for row in answer.json()["decisions"]]
        (page,) = run(store, get("/decisions", **params))
        cursor = answer.json()["next"]
        assert ("Older" in texts(page)) == (cursor is not None)
    assert seen == [f"{n:016x}" for n in range(5, 0, -1)]


def test_a_trace_says_where_its_decisions_are_in_the_chain(store: Store, tmp_path: Path) -> None:
    """With the time since when a head covers them, once one does."""
    fill(store)
    chain = Chain(store, SealKey.new(tmp_path / "seal.pem"))
    chain.catch_up()
    (before,) = run(store, get(f"/trace/{TRACE}"))
    assert "In the chain: entry 1, not sealed yet" in texts(before)
    chain.seal()
    after, tree = run(store, get(f"/trace/{TRACE}"), get(f"/trace/{TRACE}.json"))
    assert "In the chain: entry 1, sealed 2" in texts(after)
    assert [one["seq"] for one in tree.json()["chained"]] == [1]


def test_what_was_told_beyond_clearance_is_counted(store: Store) -> None:
    """Certain, answered, and of a level above the audience's; nothing less is an alarm."""
    told = {"action": "allow", "verdict": "certain", "level": "staff_only"}
    store.write(
        [
            span(1, flow(0, **told)),
            span(2, flow(0, **told), ragtrace__audience__clearance="staff_only"),
            span(3, flow(0, **told | {"verdict": "ambiguous"})),
            span(4, flow(0, **told), ragtrace__completion__digest=None),
            span(5, flow(0, **told | {"level": "public"})),
            span(6, flow(0, **told | {"action": "drop"})),
            span(7, flow(0, **told | {"action": "drop", "mode": "shadow"})),
        ]
    )
    found = flow_map(store.seen_by(OWNER), Asked.read(ALL), Levels())
    beyond = {(one.edge.action, one.edge.mode): one.beyond for one in found.edges if one.beyond}
    assert beyond == {("allow", "enforce"): 1, ("drop", "shadow"): 1}


def test_what_was_told_long_ago_is_counted_too(store: Store) -> None:
    """However many flows of the level came after it."""
    told = {"action": "allow", "verdict": "certain", "level": "staff_only"}
    newer = [span(n, *(flow(place) for place in range(300))) for n in range(2, 9)]
    store.write([span(1, flow(0, **told)), *newer])
    found = flow_map(store.seen_by(OWNER), Asked.read(ALL), Levels())
    assert sum(one.beyond for one in found.edges) == 1


@pytest.mark.parametrize("narrow", [True, False])
def test_the_map_counts_as_told_what_the_list_calls_disclosed(store: Store, narrow: bool) -> None:
    """For every action, in shadow or not, blocked or answered, at either stage."""
    spans = []
    for blocked, answered, stage in itertools.product((0, 1), (0, 1), ("prompt", "retrieval")):
        flows = [
            flow(place, action=action, mode=mode, verdict=verdict)
            for place, (action, mode, verdict) in enumerate(
                itertools.product(
                    ["", *map(str, Action)], ["enforce", "shadow"], ["certain", "ambiguous", "none"]
                )
            )
        ]
        decided = {
            "ragtrace__stage": stage,
            "ragtrace__decision__action": "block" if blocked else "allow",
            "ragtrace__decision__mode": "enforce",
            "session__id": "s",
        } | ({} if answered else {"ragtrace__completion__digest": None})
        spans.append(span(len(spans) + 1, *flows, **decided))
    store.write(spans)
    where = FlowFilter() if narrow else FlowFilter(session="s")
    told = sum(count for edge in store.edges(where, access=OWNER) for _, count in edge.told)
    listed = store.flows(where, access=OWNER)
    assert told == sum(told_beyond(Levels(), one) for one in listed) > 0


@pytest.mark.slow
@pytest.mark.parametrize("path", PAGES)
def test_nothing_is_loaded_from_elsewhere(store: Store, path: str) -> None:
    """Every address in a page, and in what it loads, is of this server, and is served."""
    fill(store)

    async def follow() -> set[str]:
        async with client_of(store) as client:
            page = await client.get(path)
            waiting = {(page.url.path, link) for link in _links(page.text)}
            seen: set[str] = set()
            while waiting:
                base, link = waiting.pop()
                url = urljoin(f"http://127.0.0.1{base}", link)
                assert url.startswith("http://127.0.0.1/"), url
                if url in seen:
                    continue
                seen.add(url)
                if urlsplit(url).path.split("/")[1] in ("_nicegui", "_ragtrace", "favicon.ico"):
                    answer = await client.get(url)
                    assert answer.status_code == 200, url
                    if answer.headers["content-type"].startswith("text/css"):
                        at = urlsplit(url).path
                        waiting |= {(at, one) for one in _links(answer.text)}
            return seen

    seen = asyncio.run(follow())
    assert any(url.endswith("look.css") for url in seen)
    assert any("quasar" in url for url in seen)


def _links(text: str) -> set[str]:
    found = re.findall(r"""(?:href|src)=\\?["']([^"'\\]+)""", text)
    found += re.findall(r"url\(([^)]*)\)", text)
    found += [url for one in re.findall(r'"imports": (\{.*?\})', text) for url in _strings(one)]
    found += re.findall(r"""(?:from|import)\s*\(?["'](/[^"']+)""", text)
    links = {one.strip("\"' ") for one in found}
    return {one for one in links if not one.startswith(("data:", "#", "%23")) and one}


def _strings(tree: str) -> list[str]:
    return [url for url in json.loads(tree).values() if not url.endswith("/")]


@pytest.mark.slow
@pytest.mark.parametrize("path", PAGES)
def test_a_page_keeps_to_itself(store: Store, path: str) -> None:
    """No frame, no cache, no foreign script; every inline script has this answer's number."""
    fill(store)
    first, second = run(store, get(path), get(path))
    policy = first.headers["content-security-policy"]
    (nonce,) = re.findall(r"'nonce-([^']+)'", policy)
    assert policy != second.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "'unsafe-inline'" not in policy.split("script-src")[1].split(";")[0]
    assert first.headers["x-frame-options"] == "DENY"
    assert first.headers["cache-control"] == "no-store"
    assert "set-cookie" not in first.headers
    inline = [one for one in re.findall(r"<script[^>]*>", first.text) if "src=" not in one]
    assert inline
    assert all(f'nonce="{nonce}"' in one for one in inline)


def hostile_span() -> SpanRecord:
    """Markup, templates and an address that runs, in every field there is."""
    fields = ("id", "document", "source", "level", "basis", "rule", "reason", "verdict")
    said = dict.fromkeys(fields, HOSTILE) | {
        "uri": "javascript:alert(5)",
        "compartments": [HOSTILE],
        "action": HOSTILE,
    }
    attributes = {
        name: HOSTILE
        for name in (
            "ragtrace__audience", "ragtrace__audience__clearance", "session__id", "user__id",
            "ragtrace__tenant", "ragtrace__prompt__level", "ragtrace__decision__action",
            "ragtrace__decision__rule", "ragtrace__decision__reason", "error__type",
        )
    }  # fmt: skip
    made = span(1, flow(0, **said), **attributes)
    return SpanRecord(
        **{name: getattr(made, name) for name in made.__slots__}
        | {"name": HOSTILE, "service": HOSTILE, "status": "Error"}
    )


@pytest.mark.parametrize(
    "path",
    [*PAGES[:3], f"/reach?what={quote(HOSTILE)}", f"/decisions?since=all&rule={quote(HOSTILE)}"],
)
def test_markup_in_the_data_is_text(store: Store, path: str) -> None:
    """A page holds it escaped, never as a tag, a template, a property to evaluate or a link."""
    store.write([hostile_span()])
    (page,) = run(store, get(path))
    assert page.status_code == 200
    assert HOSTILE in texts(page)
    for raw in ("<img", "</script><script>alert", "${alert", "onerror=alert(1)>"):
        assert raw not in page.text
    for element in elements(page):
        for name, value in element.get("props", {}).items():
            assert not name.startswith(":")
            assert name not in ("innerHTML", "v-html")
            if name in ("href", "action", "src"):
                assert value.startswith(("/", "#"))
                assert not value.startswith("//")
        assert "innerHTML" not in element
        assert element["tag"] != "nicegui-html"


def test_half_a_character_is_no_error(store: Store) -> None:
    """A name that no UTF-8 can hold is shown with a replacement."""
    store.write([span(1, flow(0, document="half \ud83d", level="\udc00"))])
    for page in run(store, *map(get, PAGES[:3])):
        assert page.status_code == 200


def test_who_may_not_read_a_text_is_not_sent_it(store: Store, tmp_path: Path) -> None:
    """In no byte of a page or its data, also where it stands in a prompt of a lower level."""
    for rope_level in ("staff_only", "public"):
        fill(store, rope_level)
    auth = readers(tmp_path)
    paths = [*PAGES, "/map.json", f"/trace/{TRACE}.json", "/reach.json?what=doc-0"]
    guest = run(store, *(get(path, bearer("some")) for path in paths), auth=auth)
    boss = run(store, *(get(path, bearer("all")) for path in paths), auth=auth)
    assert [SECRET in page.text for page in boss] == [path.startswith("/trace") for path in paths]
    assert not any(SECRET in page.text for page in guest)
    said = texts(guest[2])
    assert f"{len(SECRET)} characters of a staff_only document: your clearance is public" in said
    assert "before" in said


def test_a_visitor_without_a_token_is_led_to_the_form(store: Store, tmp_path: Path) -> None:
    """From a page, with the way back; data and parts of pages are refused."""
    auth = readers(tmp_path)
    page, root, data, part, sender = run(
        store,
        get("/decisions?action=drop"),
        get("/"),
        get("/map.json"),
        get("/_nicegui/3/static/nicegui.js"),
        get("/map", bearer("send")),
        auth=auth,
    )
    assert page.status_code == root.status_code == 303
    assert page.headers["location"] == "/login?next=%2Fdecisions%3Faction%3Ddrop"
    assert (data.status_code, part.status_code, sender.status_code) == (401, 401, 403)
    (remote,) = run(store, get("/map"), peer="192.0.2.7")
    assert remote.status_code == 403


def test_a_token_is_typed_once(store: Store, tmp_path: Path) -> None:
    """Then a cookie that no script reads stands for it, until the visitor leaves."""
    fill(store)
    auth = readers(tmp_path)

    async def visit() -> None:
        async with client_of(store, auth=auth) as client:
            form = await client.get("/login?next=/map%3Fsince%3Dall")
            assert 'value="/map?since=all"' in form.text
            wrong = await client.post("/login", data={"token": "guess"})
            assert (wrong.status_code, "guess" in wrong.text) == (401, False)
            foreign = {"origin": "http://evil.example"}
            refused = await client.post("/login", data={"token": "all"}, headers=foreign)
            assert refused.status_code == 403
            entered = await client.post("/login", data={"token": "all", "next": "/map?since=all"})
            assert (entered.status_code, entered.headers["location"]) == (303, "/map?since=all")
            cookie = entered.headers["set-cookie"].lower()
            assert "httponly" in cookie
            assert "samesite=lax" in cookie
            page = await client.get("/map?since=all")
            assert (page.status_code, "boss" in texts(page)) == (200, True)
            await client.post("/login", data={"leave": "1"})
            assert (await client.get("/map")).status_code == 303

    asyncio.run(visit())


@pytest.mark.parametrize(
    "elsewhere", ["https://evil.example/", "//evil.example", "/\\evil.example", "javascript:x", ""]
)
def test_the_form_leads_nowhere_else(store: Store, tmp_path: Path, elsewhere: str) -> None:
    """After it, a visitor is on a page of ours."""

    async def enter() -> httpx.Response:
        async with client_of(store, auth=readers(tmp_path)) as client:
            return await client.post("/login", data={"token": "all", "next": elsewhere})

    assert asyncio.run(enter()).headers["location"] == "/map"


@pytest.mark.parametrize("odd", ["http://[", "//[", "/\\\\["])
def test_an_address_that_is_none_is_no_fault(store: Store, odd: str) -> None:
    """In the form's way on, and as the site that a request says it is from."""
    form, entered, foreign = run(
        store,
        get("/login", next=odd),
        {"method": "POST", "url": "/login", "data": {"token": "x", "next": odd}},
        {"method": "POST", "url": "/login", "data": {}, "headers": {"origin": odd}},
    )
    assert (form.status_code, entered.status_code, foreign.status_code) == (200, 401, 403)
    assert 'value="/map"' in form.text


@pytest.mark.parametrize("path", ["/map", "/map.json", "/decisions", "/reach.json"])
def test_a_condition_is_said_once(store: Store, path: str) -> None:
    """Else one of the two would be passed over, and the page show more than was meant."""
    (answer,) = run(store, get(f"{path}?tenant=acme&tenant=globex"))
    assert (answer.status_code, answer.json()["detail"]) == (400, "tenant: expected once")


def test_the_socket_asks_as_the_page_does(store: Store, tmp_path: Path) -> None:
    """Who may not read, or comes from another site's page, gets none; and none tells more."""
    fill(store)
    with served(store, auth=readers(tmp_path)) as url:
        page = httpx.get(f"{url}/trace/{TRACE}", headers=bearer("some"))
        (client,) = re.findall(r"'client_id': '([^']+)'|\"client_id\": \"([^\"]+)\"", page.text)
        query = (
            "EIO=4&transport=websocket&implicit_handshake=true&next_message_id=0&tab_id=t"
            f"&document_id=d&client_id={''.join(client)}"
        )
        address = f"{url.replace('http', 'ws')}/_nicegui_ws/socket.io/?{query}"
        origin: Any = url
        for headers, source in [
            ({}, origin),
            (bearer("send"), origin),
            (bearer("some"), "http://x"),
        ]:
            with pytest.raises(InvalidStatus):
                connect(address, additional_headers=headers, origin=source).close()
        with connect(address, additional_headers=bearer("some"), origin=origin) as socket:
            heard = [str(socket.recv(5))]
            socket.send("40")
            heard.append(str(socket.recv(5)))
        assert [one[:2] for one in heard] == ["0{", "40"]
        assert SECRET not in "".join(heard)


def test_a_server_that_nobody_looks_at_has_no_pages_in_memory() -> None:
    """NiceGUI is imported by the first visit, not by the start."""
    program = "import sys, ragtrace.server.dashboard; print('nicegui' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.stdout.strip() == "False"


def test_other_addresses_are_not_the_dashboards(store: Store) -> None:
    """They stay problems, as every unknown address of the API."""
    for path in ("/v1/nothing", "/maps", "/trace/", "/trace/a/b", "/map/x"):
        (answer,) = run(store, get(path))
        assert (answer.status_code, answer.json()["status"]) == (404, 404)


def test_levels_are_ranked_by_the_policy_or_by_custom() -> None:
    """An unknown one is stricter than all that are known; tints go from first to last."""
    of_policy = Levels(("open", "shut"))
    assert of_policy.above("shut", "open")
    assert of_policy.above("unheard", "shut")
    assert (of_policy.tint("open"), of_policy.tint("shut"), of_policy.tint("unheard")) == (0, 4, 4)
    custom = Levels()
    assert custom.above("staff_only", "public")
    assert not custom.above("public", "internal")
    assert not custom.above("staff_only", "")
