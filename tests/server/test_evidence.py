"""Evidence and the chain over HTTP."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ragtrace.errors import StoreError
from ragtrace.forensics import EvidenceAsked, verify
from ragtrace.server import Client, create_app
from ragtrace.server._evidence import MOST_AT_ONCE
from ragtrace.store import Store
from tests.engine import store
from tests.forensics.bundles import Made, made
from tests.web import JSON, get, run, served

__all__ = ["store"]

ID = f"{1:032x}"


@pytest.fixture
def full(store: Store, tmp_path: Path) -> Made:
    return made(store, tmp_path)


def post(body: Any, **headers: str) -> dict[str, Any]:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return {"method": "POST", "url": "/v1/evidence", "content": content, "headers": headers or JSON}


def test_a_client_gets_what_the_store_would_give(full: Made) -> None:
    """The bundle, the heads, where a trace is in the chain, and whether that is whole."""
    with served(full.store, chain=full.chain) as url, Client(url) as client:
        asked = EvidenceAsked(traces=(ID,), clearance="public", levels=("public",))
        found = verify.verify(client.evidence(asked), [full.key.public])
        assert found.ok and found.counts["texts"] == 3
        (head,) = client.heads()
        (step,) = client.chained(ID)
        assert (step.chain, step.sealed_ns > 0) == (full.key.id, True)
        assert head.seq >= step.seq
        states, unchained = client.check_chains()
        assert ([state.faults for state in states], unchained) == ([()], 0)
        with pytest.raises(StoreError, match="404"):
            client.evidence(EvidenceAsked(traces=("f" * 32,)))


BAD: list[Any] = [
    *(b"", b"{", b"[]", b"null", {}, {"traces": []}, {"traces": ["x"]}, {"traces": [ID], "who": 1}),
    *({"traces": [ID], "tlp": "white"}, {"traces": [ID], "policy": {"digest": "x"}}),
    {"traces": [ID], "levels": ["x" * 201]},
]


@pytest.mark.parametrize("body", BAD, ids=range(len(BAD)))
def test_a_question_that_is_none_is_refused(full: Made, body: Any) -> None:
    """With a problem that repeats nothing of it."""
    (answer,) = run(None, post(body), app=create_app(full.store, chain=full.chain))
    assert answer.status_code == 400
    assert answer.headers["content-type"] == "application/problem+json"


def test_more_traces_than_are_made_in_memory_are_refused(full: Made) -> None:
    """What to do instead is said; so many that there are none of them are looked for."""
    app = create_app(full.store, chain=full.chain)
    ids = [f"{number:032x}" for number in range(10**6, 10**6 + MOST_AT_ONCE + 1)]
    more, most = run(None, post({"traces": ids}), post({"traces": ids[1:]}), app=app)
    assert (more.status_code, most.status_code) == (400, 404)
    said = more.json()["detail"]
    assert said.startswith("traces: expected at most 1,000: ") and "several bundles" in said
    said = app.openapi()["paths"]["/v1/evidence"]["post"]["requestBody"]["content"]
    assert said["application/json"]["schema"]["properties"]["traces"]["maxItems"] == MOST_AT_ONCE


def test_a_page_of_another_site_cannot_ask(full: Made) -> None:
    """Browsers send this type without asking first."""
    app = create_app(full.store, chain=full.chain)
    (answer,) = run(None, post({"traces": [ID]}, **{"content-type": "text/plain"}), app=app)
    assert answer.status_code == 400


def test_a_server_without_a_key_says_so(full: Made) -> None:
    """And has no chain to show either."""
    unknown, none = run(full.store, post({"traces": [ID]}), get("/v1/chain/steps", trace="x"))
    assert (unknown.status_code, none.status_code) == (400, 400)
    assert "RAGTRACE_SEAL_KEY_FILE" in unknown.json()["detail"]


def test_the_document_says_what_is_asked_and_answered(full: Made) -> None:
    """A schema for the body, and a ZIP file."""
    (answer,) = run(full.store, get("/v1/openapi.json"))
    said = answer.json()["paths"]["/v1/evidence"]["post"]
    assert "application/zip" in said["responses"]["200"]["content"]
    assert "traces" in said["requestBody"]["content"]["application/json"]["schema"]["properties"]
