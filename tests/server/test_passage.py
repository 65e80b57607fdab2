"""Reach of a passage over HTTP: as beside the store, of what the caller may read."""

from __future__ import annotations

import json
from typing import Any

import pytest

from ragtrace.forensics import holders, reach
from ragtrace.model import digest
from ragtrace.store import OWNER, FlowFilter, Store
from tests.engine import content, flow, span, store
from tests.prose import prose
from tests.web import JSON, run

__all__ = ["store"]

PAGE, OTHER = prose(1, 60), prose(2, 60)
PASSAGE = PAGE[40:260]


def post(body: Any, **headers: str) -> dict[str, Any]:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return {"method": "POST", "url": "/v1/reach", "content": content, "headers": headers or JSON}


def filled(store: Store) -> None:
    """Two steps with the page, one of them for staff, and one with another page."""
    page, other = flow(0, digest=digest(PAGE)), flow(1, digest=digest(OTHER))
    staff = span(2, page, ragtrace__audience="staff")
    store.write([span(1, page, other), staff, span(3, other)], [content(PAGE), content(OTHER)])


def test_a_passage_is_followed_as_beside_the_store(store: Store) -> None:
    """Whole or narrowed; the answer says how it was looked for."""
    filled(store)
    seen = store.seen_by(OWNER)
    held = holders(seen, PASSAGE)
    for where in ({}, {"audience": "staff"}):
        (answer,) = run(store, post({"passage": PASSAGE, "where": where or None}))
        here = reach(seen, held.names, where=FlowFilter(**where)).as_json()
        said = {**here, "passage": {"by": "texts", "complete": True}}
        assert answer.json() == json.loads(json.dumps(said))
    assert len(answer.json()["rows"]) == 1


def test_no_more_rows_come_than_are_asked_for(store: Store) -> None:
    """And the answer says that there are more."""
    filled(store)
    (answer,) = run(store, post({"passage": PASSAGE, "limit": 1}))
    assert (len(answer.json()["rows"]), answer.json()["complete"]) == (1, False)


def test_what_nothing_holds_has_reached_nothing(store: Store) -> None:
    """That is an answer, and no error."""
    filled(store)
    (answer,) = run(store, post({"passage": prose(3, 40)}))
    assert answer.status_code == 200 and answer.json()["rows"] == []


BAD: list[Any] = [
    *(b"", b"{", b"[]", {}, {"passage": ""}, {"passage": " \n"}, {"passage": 1}),
    *({"passage": "x", "limit": 0}, {"passage": "x", "where": {"audence": "x"}}),
    *({"passage": "x", "what": "y"}, {"passage": "x" * 100_001}),
]


@pytest.mark.parametrize("body", BAD, ids=range(len(BAD)))
def test_a_question_that_is_none_is_refused(store: Store, body: Any) -> None:
    """With a problem that does not repeat it."""
    (answer,) = run(store, post(body))
    assert answer.status_code == 400
    assert answer.headers["content-type"] == "application/problem+json"


def test_only_who_may_read_may_ask(store: Store) -> None:
    """Nobody from elsewhere; and no web page may have a browser ask."""
    (answer,) = run(store, post({"passage": PASSAGE}), peer="192.0.2.7")
    assert answer.status_code == 403
    (answer,) = run(store, post({"passage": PASSAGE}, **{"content-type": "text/plain"}))
    assert answer.status_code == 400
