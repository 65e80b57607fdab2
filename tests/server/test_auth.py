"""Tokens, roles and clearances: who may send, who may read what, and how a browser shows it."""

from __future__ import annotations

import hashlib
import logging
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse

from ragtrace.errors import ConfigError
from ragtrace.model import digest
from ragtrace.server import Auth
from ragtrace.server._grants import LOOK_SECONDS, Grants, fingerprint, parse_grants
from ragtrace.server._peer import Peer
from ragtrace.server._session import (
    COOKIE,
    FAILURES_A_MINUTE,
    SESSION_SECONDS,
    SESSIONS,
    Sessions,
    TooManyLoginsError,
    cookie_options,
)
from ragtrace.store import NOBODY, OWNER, Store
from ragtrace.wire import traces_requests
from tests.engine import content, flow, span, store
from tests.server import foreign
from tests.web import PROTOBUF, get, post, protobuf, run

__all__ = ["store"]

QUESTIONS = [
    "/v1/flows",
    "/v1/decisions",
    "/v1/traces",
    "/v1/traces/abcd",
    "/v1/edges",
    "/v1/hours",
    "/v1/words?what=x",
    "/v1/reach?what=doc-0",
    "/v1/texts?digest=x",
    "/v1/stats",
]
ENTRIES: dict[str, dict[str, Any]] = {
    "sender": {"roles": ["ingest"], "levels": "all", "tenants": "all"},
    "auditor": {"roles": ["read"], "levels": "all", "tenants": "all"},
    "support": {"roles": ["read"], "levels": ["public", "internal"], "tenants": "all"},
    "acme": {"roles": ["read"], "levels": "all", "tenants": ["acme"]},
    "bare": {"roles": ["read"]},
}


OF_SOMEBODY_ELSE = [
    {"x-forwarded-for": "192.0.2.7"},
    {"x-forwarded-proto": "https"},
    {"x-forwarded-host": "ragtrace.example"},
    {"forwarded": "for=192.0.2.7"},
    {"via": "1.1 proxy"},
    {"x-real-ip": "192.0.2.7"},
    {"host": "evil.example"},
    {"host": "127.0.0.1.evil.example:4318"},
    {"host": "["},
    {"origin": "http://evil.example"},
    {"origin": "null"},
]
"""Headers with which a local peer speaks for another."""


class Clock:
    """Seconds that go by when a test says so."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def sha256(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


def entries(*names: str) -> str:
    """An access file in which each caller's token is the caller's name, backwards."""
    return yaml.safe_dump([entry(name, **ENTRIES[name]) for name in names])


def entry(name: str, **said: Any) -> dict[str, Any]:
    """One caller, whose token is the name backwards."""
    return {"name": name, "token_sha256": sha256(name[::-1]), **said}


def access_of(folder: Path, *callers: dict[str, Any]) -> Auth:
    """An access file of these callers."""
    path = folder / "access.yaml"
    path.write_text(yaml.safe_dump(list(callers)))
    return Auth(access_file=str(path))


def bearer(name: str) -> dict[str, str]:
    return {"authorization": f"Bearer {name[::-1]}"}


@pytest.fixture
def auth(tmp_path: Path) -> Auth:
    """Everybody of ``ENTRIES``."""
    path = tmp_path / "access.yaml"
    path.write_text(entries(*ENTRIES))
    return Auth(access_file=str(path))


@pytest.mark.parametrize("path", QUESTIONS)
def test_an_ingest_key_sees_nothing(store: Store, auth: Auth, path: str) -> None:
    """Every question is 403 for it, 401 for a stranger on this machine, and open to a reader."""
    store.write([span(1, flow())])
    answers = run(
        store,
        get(path, bearer("sender")),
        get(path, bearer("nobody")),
        get(path),
        get(path, bearer("auditor")),
        auth=auth,
    )
    assert [answer.status_code for answer in answers[:3]] == [403, 401, 401]
    assert answers[3].status_code in (200, 404)
    assert answers[0].json()["type"] == "urn:ragtrace:problem:forbidden"
    assert "doc-0" not in answers[0].text


def test_a_sender_may_send_and_a_reader_may_not(store: Store, auth: Auth) -> None:
    """With an access file nobody sends without a token that says ingest, from wherever."""
    body = protobuf(span(1, flow()))
    callers = [bearer("sender"), bearer("auditor"), bearer("nobody"), {}]
    calls = [post(body, PROTOBUF | caller) for caller in callers]
    answers = run(store, *calls, auth=auth, peer="192.0.2.7")
    assert [answer.status_code for answer in answers] == [200, 401, 401, 401]


@pytest.mark.parametrize("token", [None, "sesame"])
def test_without_an_access_file_only_this_machine_sends(store: Store, token: str | None) -> None:
    """Another peer, one behind a proxy and another site's page are refused."""
    call = post(protobuf(span(1)), PROTOBUF)
    assert run(store, call, token=token)[0].status_code == 200
    assert run(store, call, token=token, peer="192.0.2.7")[0].status_code == 401
    for header in OF_SOMEBODY_ELSE:
        refused = post(protobuf(span(1)), PROTOBUF | header)
        assert run(store, refused, token=token)[0].status_code == 401


@pytest.mark.parametrize("header", OF_SOMEBODY_ELSE, ids=str)
def test_who_speaks_for_somebody_else_is_not_the_owner(
    store: Store, header: dict[str, str]
) -> None:
    """A proxy on this machine, and a web page, are local peers for everybody behind them."""
    here, elsewhere = run(store, get("/v1/stats"), get("/v1/stats", header))
    assert (here.status_code, elsewhere.status_code) == (200, 403)


def test_a_page_of_this_machine_is_local(store: Store) -> None:
    """By any of its names, whatever the port."""
    for host in ("localhost:4318", "127.0.0.1", "[::1]:4318"):
        (answer,) = run(store, get("/v1/stats", {"host": host, "origin": f"http://{host}"}))
        assert answer.status_code == 200


def test_http_1_0_is_a_proxys() -> None:
    """Nginx speaks it to what is behind it, under that machine's own name and without a trace."""
    assert Peer("127.0.0.1", {"host": "127.0.0.1:4318"}).is_local
    assert not Peer("127.0.0.1", {"host": "127.0.0.1:4318"}, "1.0").is_local
    assert not Peer("127.0.0.1", {}).is_local
    assert Peer("127.0.0.1", {}, "2").is_local
    assert "sesame" not in repr(Peer("127.0.0.1", {"authorization": "Bearer sesame"}))


def test_behind_a_proxy_nobody_is_local(store: Store) -> None:
    """Where that is said, also a proxy that leaves no trace owns nothing and sends nothing."""
    calls = [get("/v1/stats"), get("/map"), post(protobuf(span(1)), PROTOBUF)]
    answers = run(store, *calls, auth=Auth(behind_proxy=True))
    assert [answer.status_code for answer in answers] == [403, 403, 401]


def test_a_key_sends_for_its_tenant_alone(store: Store, tmp_path: Path) -> None:
    """What says no tenant gets the key's; what says another's is counted and not stored."""
    said = entry("sender", roles=["ingest"], tenant="acme")
    mine, other = span(1, flow()), span(2, flow(), ragtrace__tenant="globex")
    bare = span(3, flow(), ragtrace__tenant=None)
    auth = access_of(tmp_path, said)
    (answer,) = run(
        store, post(protobuf(mine, other, bare), PROTOBUF | bearer("sender")), auth=auth
    )
    part = ExportTraceServiceResponse.FromString(answer.content).partial_success
    assert (answer.status_code, part.rejected_spans) == (200, 1)
    assert part.error_message == "span: ragtrace.tenant: expected the tenant of this key"
    rows = store.flows(access=OWNER)
    assert {(row.span_id, row.tenant) for row in rows} == {
        (mine.span_id, "acme"),
        (bare.span_id, "acme"),
    }


def test_what_another_tracer_says_of_a_tenant_does_not_count_beside_the_key(
    store: Store, tmp_path: Path
) -> None:
    """An application's own word for it is no claim; the key's tenant stands on what is stored."""
    auth = access_of(tmp_path, entry("sender", roles=["ingest"], tenant="acme"))
    search = foreign.retrieval(1, foreign.note())
    said = {"metadata": '{"tenant_id": "globex"}', "ragtrace.inherited": "ragtrace.tenant"}
    search = replace(search, attributes={**search.attributes, **said})
    body = next(iter(traces_requests([search])))[0]
    run(store, post(body, PROTOBUF | bearer("sender")), auth=auth)
    assert [row.tenant for row in store.flows(access=OWNER)] == ["acme"]


def test_a_key_sends_for_its_services_alone(store: Store, tmp_path: Path) -> None:
    """Spans of another are counted and not stored; the reason names none."""
    for services, rejected in ((["bank"], 0), (["shop"], 1)):
        auth = access_of(tmp_path, entry("sender", roles=["ingest"], services=services))
        (answer,) = run(store, post(protobuf(span(1)), PROTOBUF | bearer("sender")), auth=auth)
        part = ExportTraceServiceResponse.FromString(answer.content).partial_success
        assert part.rejected_spans == rejected
        assert "bank" not in part.error_message


def test_a_reader_gets_texts_of_its_levels(store: Store, auth: Auth) -> None:
    """Another text is as one that is not there; rows are shown to every reader of the tenant."""
    texts = {level: f"a text that is {level}" for level in ("public", "internal", "staff_only", "")}
    told = [flow(place, digest=digest(text)) for place, text in enumerate(texts.values())]
    store.write([span(1, *told)], [content(text, level=level) for level, text in texts.items()])
    question = "/v1/texts?" + "&".join(f"digest={digest(text)}" for text in texts.values())
    names = ["auditor", "support", "acme", "bare"]
    answers = run(store, *(get(question, bearer(name)) for name in names), auth=auth)
    seen = {name: set(a.json()["texts"].values()) for name, a in zip(names, answers, strict=True)}
    assert seen["auditor"] == seen["acme"] == set(texts.values())
    assert seen["support"] == {texts["public"], texts["internal"]}
    assert seen["bare"] == set()
    rows = run(store, *(get("/v1/flows", bearer(name)) for name in names), auth=auth)
    assert [len(row.json()["flows"]) for row in rows] == [4, 4, 4, 0]


def test_a_tenants_reader_sees_the_tenants_rows(store: Store, auth: Auth) -> None:
    """Flows, decisions, traces and texts of another tenant are as if they were not there."""
    other = {"ragtrace__tenant": "globex", "ragtrace__decision__action": "drop"}
    secret = content("of globex alone")
    store.write([span(1, flow()), span(2, flow(digest=secret.digest), **other)], [secret])
    mine = bearer("acme")
    flows, decisions, traces, trace, texts, stats = run(
        store,
        get("/v1/flows", mine),
        get("/v1/decisions", mine),
        get("/v1/traces", mine),
        get(f"/v1/traces/{2:032x}", mine),
        get("/v1/texts", mine, digest=secret.digest),
        get("/v1/stats", mine),
        auth=auth,
    )
    assert [row["tenant"] for row in flows.json()["flows"]] == ["acme"]
    assert decisions.json()["decisions"] == []
    assert [row["trace_id"] for row in traces.json()["traces"]] == [f"{1:032x}"]
    assert trace.status_code == 404
    assert texts.json() == {"texts": {}}
    assert (stats.json()["spans"], stats.json()["bytes_on_disk"]) == (1, 0)


@pytest.mark.parametrize(
    ("text", "line", "expected"),
    [
        ("tokens: []", 1, "expected array"),
        ("- name: a\n  roles: [read]", 1, "'token_sha256' is missing"),
        ("- name: a\n  token_sha256: HELLO\n  roles: [read]", 2, "64 digits"),
        ("- {name: a, token_sha256: %s, roles: [write]}", 1, "expected one of ingest"),
        ("- {name: a, token_sha256: %s, roles: []}", 1, "roles"),
        (
            "- name: a\n  token_sha256: %s\n  roles: [read]\n  levels: some",
            4,
            "expected one of all",
        ),
        ("- name: a\n  token_sha256: %s\n  roles: [read]\n  token: x", 1, "unknown key 'token'"),
        ("- {name: a, token_sha256: %s, roles: [read], tenants: ['']}", 1, "tenants"),
        (
            "- {name: a, token_sha256: %s, roles: [read]}\n"
            "- {name: b, token_sha256: %s, roles: [read]}",
            2,
            "another entry has the same",
        ),
        (
            "- name: a\n  token_sha256: %s\n  roles: [read]\n  tenant: x",
            4,
            "only with the role ingest",
        ),
        ("- {name: a, token_sha256: %s, roles: [ingest], services: []}", 1, "services"),
        ("- *x", 1, "aliases"),
        ("{", 1, "not YAML"),
    ],
)
def test_a_wrong_access_file_is_refused(text: str, line: int, expected: str) -> None:
    """With file and line, and without what may be a token in the wrong place."""
    with pytest.raises(ConfigError, match=rf"^access\.yaml:{line}: ") as refused:
        parse_grants(text.replace("%s", sha256("x")).encode(), "access.yaml")
    assert expected in str(refused.value)
    assert "HELLO" not in str(refused.value)


def test_a_missing_access_file_stops_the_server(tmp_path: Path) -> None:
    """Rather than a server that nobody meant to be open."""
    with pytest.raises(ConfigError, match=r"access\.yaml: No such file"):
        Auth(access_file=str(tmp_path / "access.yaml"))


def test_a_token_stands_in_no_repr() -> None:
    """Neither it nor its fingerprint."""
    (grant,) = parse_grants(entries("auditor").encode(), "access.yaml")
    assert grant.token == fingerprint("rotidua")
    assert sha256("rotidua")[:8] not in repr(grant)
    assert repr(grant.token)[2:10] not in repr(grant)


def test_a_changed_file_counts_and_a_broken_one_does_not(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Read anew within two seconds; while it is broken, said once, what was read before holds."""
    path, clock = tmp_path / "access.yaml", Clock()
    path.write_text(entries("auditor"))
    grants = Grants(str(path), clock=clock)
    sessions = Sessions(grants, clock)
    cookie = sessions.open("rotidua", "192.0.2.7")
    auditor, support = fingerprint("rotidua"), fingerprint("troppus")
    path.write_text(entries("support"))
    assert grants.find(auditor) is not None
    clock.now += LOOK_SECONDS
    assert (grants.find(auditor), grants.find(support) is not None) == (None, True)
    assert sessions.access(cookie) == NOBODY
    path.write_text("broken")
    os.utime(path, ns=(1, 1))
    with caplog.at_level(logging.WARNING, "ragtrace"):
        for _ in range(3):
            clock.now += LOOK_SECONDS
            assert grants.find(support) is not None
    assert [record.message.count("expected array") for record in caplog.records] == [1]


def test_a_session_stands_for_its_token(store: Store, auth: Auth) -> None:
    """The cookie reads what the token reads, until it is closed; a header beats it."""
    cookie = auth.sessions.open(" troppus ", "192.0.2.7")
    assert cookie is not None
    shown = {"cookie": f"{COOKIE}={cookie}"}
    calls = [get("/v1/flows", shown), get("/v1/flows", shown | bearer("nobody"))]
    assert [answer.status_code for answer in run(store, *calls, auth=auth)] == [200, 401]
    assert auth.sessions.access(cookie).name == "support"
    auth.sessions.close(cookie)
    assert run(store, calls[0], auth=auth)[0].status_code == 401


def test_sessions_end(auth: Auth) -> None:
    """After a working day, and the oldest where too many are open; a made-up cookie is none."""
    clock = Clock()
    sessions = Sessions(auth.grants, clock)
    first, second = sessions.open("rotidua", "192.0.2.7"), sessions.open("rotidua", "192.0.2.7")
    for _ in range(SESSIONS - 1):
        last = sessions.open("rotidua", "192.0.2.7")
    assert sessions.access(first) == NOBODY
    assert sessions.access(second).name == sessions.access(last).name == "auditor"
    clock.now += SESSION_SECONDS
    assert sessions.access(last) == NOBODY
    for made_up in (None, "", "x", "é" * 9):
        assert sessions.access(made_up) == NOBODY


def test_logins_that_fail_are_few_a_minute(auth: Auth) -> None:
    """From one address; a minute later tokens are looked at again. A key that may not read does not
    log in either.
    """
    clock = Clock()
    sessions = Sessions(auth.grants, clock)
    for _ in range(FAILURES_A_MINUTE):
        assert sessions.open("rednes", "192.0.2.7") is None
    for token in ("x", "rotidua"):
        with pytest.raises(TooManyLoginsError, match="in a minute"):
            sessions.open(token, "192.0.2.7")
    assert sessions.open("rotidua", "192.0.2.8") is not None
    clock.now += 61
    assert sessions.open("rotidua", "192.0.2.7") is not None


def test_mistakes_are_remembered_of_so_many_addresses(
    auth: Auth, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The oldest goes, so that nobody fills the memory with addresses."""
    monkeypatch.setattr("ragtrace.server._session.ADDRESSES", 3)
    sessions = Sessions(auth.grants, Clock())
    for number in range(9):
        sessions.open("wrong", str(number))
    assert list(sessions._failed) == ["6", "7", "8"]


def test_behind_a_proxy_mistakes_count_against_whom_it_names() -> None:
    """Its last word, which no visitor can write; without a proxy such a header says nothing."""
    peer = Peer("127.0.0.1", {"x-forwarded-for": "203.0.113.9, 192.0.2.7"})
    assert Auth(behind_proxy=True).address(peer) == "192.0.2.7"
    assert Auth().address(peer) == "127.0.0.1"


def test_the_cookie_is_for_this_site_alone() -> None:
    """No script reads it, and no other site's request carries it."""
    options = cookie_options(secure=True)
    assert (options["httponly"], options["samesite"], options["secure"]) == (True, "lax", True)
