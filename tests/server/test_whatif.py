"""Replay and what-if over HTTP: the same as beside the store, and nothing of this machine."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ragtrace.errors import StoreError
from ragtrace.forensics import Candidate, replay, what_if
from ragtrace.model import digest
from ragtrace.server import Client
from ragtrace.store import OWNER, FlowFilter, Store
from tests.engine import content, flow, span, store
from tests.web import JSON, get, run, served

__all__ = ["store"]

POLICY = """\
version: 1
levels: [public, staff_only]
audiences:
  customer: {clearance: public}
rules:
  - {id: notes, when: {label: staff_only}, decide: context_only}
"""


def post(body: Any, **headers: str) -> dict[str, Any]:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return {"method": "POST", "url": "/v1/whatif", "content": content, "headers": headers or JSON}


def test_a_client_is_told_what_the_store_would_say(store: Store, tmp_path: Path) -> None:
    """Numbers, rules with their lines, and examples; under a filter too."""
    store.write([span(1, flow(0)), span(2, flow(0), ragtrace__audience="staff")])
    path = tmp_path / "policy.yaml"
    path.write_text(POLICY)
    with served(store) as url, Client(url) as client:
        for where in (FlowFilter(), FlowFilter(audience="staff"), FlowFilter(service="no")):
            here = what_if(store.seen_by(OWNER), Candidate.read(path), where).as_json()
            there = client.what_if(path.read_bytes(), where, sample=1000)
            here["policy"], there["policy"] = None, None
            assert there == here
    assert here["flows"] == 0


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (POLICY + "registry: /etc/passwd\n", "names another file"),
        (POLICY + "declassified: released.jsonl\n", "names another file"),
        ("levels: [", "policy:1: not YAML"),
        ("", "policy:1"),
        ("\ud800", "expected as the document has it"),
    ],
)
def test_a_policy_from_outside_opens_no_file(store: Store, text: str, why: str) -> None:
    """And one that is none is refused with the line of its fault."""
    (answer,) = run(store, post({"policy": text}))
    assert answer.status_code == 400 and why in answer.json()["detail"], answer.text


BAD: list[Any] = [
    *(b"", b"{", b"[]", b"null", {}, {"policy": 1}, {"policy": POLICY, "who": 1}),
    *({"policy": POLICY, "sample": -1}, {"policy": POLICY, "where": {"audence": "x"}}),
    {"policy": "x" * 200_001},
]


@pytest.mark.parametrize("body", BAD, ids=range(len(BAD)))
def test_a_question_that_is_none_is_refused(store: Store, body: Any) -> None:
    """With a problem."""
    (answer,) = run(store, post(body))
    assert answer.status_code == 400
    assert answer.headers["content-type"] == "application/problem+json"


def test_only_who_may_read_may_ask(store: Store) -> None:
    """Nobody from elsewhere; and no web page may have a browser ask."""
    (answer,) = run(store, post({"policy": POLICY}), peer="192.0.2.7")
    assert answer.status_code == 403
    (answer,) = run(store, post({"policy": POLICY}, **{"content-type": "text/plain"}))
    assert answer.status_code == 400


def test_a_trace_is_replayed(store: Store) -> None:
    """As beside the store; without a policy, nothing is judged."""
    store.write([span(1, flow(0))])
    (answer, missing) = run(store, get(f"/v1/replay/{1:032x}"), get(f"/v1/replay/{9:032x}"))
    assert missing.status_code == 404
    here = replay(store.seen_by(OWNER), f"{1:032x}").as_json(texts=True)
    assert answer.json() == json.loads(json.dumps(here)) and answer.json()["policy"] is None


def test_a_server_that_does_not_judge_says_why(store: Store) -> None:
    """The client repeats it."""
    with served(store) as url, Client(url) as client, pytest.raises(StoreError, match="400: "):
        client.what_if(b"levels: 1", sample=1)


def test_half_a_character_keeps_its_digest_over_http(store: Store) -> None:
    """What a client gets is the text that was filed, and no replacement of it."""
    text = "half \ud83d of it"
    store.write([], [content(text)])
    with served(store) as url, Client(url) as client:
        assert client.texts([digest(text)]) == {digest(text): text}


def test_only_an_administrator_has_expressions_judged(store: Store) -> None:
    """They run in the server, and a loop within a loop is short: no reader's token does that."""
    pytest.importorskip("celpy")
    store.write([span(1, flow(0))])
    asks = "cel: '[1, 2].all(a, [1, 2].all(b, a + b > 0))'"
    text = POLICY.replace("label: staff_only", asks)
    (refused,) = run(store, post({"policy": text}, **JSON, authorization="Bearer r"), token="r")
    assert refused.status_code == 403 and "policy:6: a condition in cel" in refused.json()["detail"]
    (allowed,) = run(store, post({"policy": text}))
    assert allowed.json()["engine"] == "python"
