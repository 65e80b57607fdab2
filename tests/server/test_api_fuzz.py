"""The API under questions that nobody would ask: no fault, and only what its document says.

``RAGTRACE_FUZZ_EXAMPLES`` asks each endpoint so many times instead.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings

from ragtrace.server import Auth, create_app
from ragtrace.store import Store
from tests.engine import KEY, content, flow, fresh_url, span

EXAMPLES = int(os.environ.get("RAGTRACE_FUZZ_EXAMPLES", "15"))
PATHS = [
    "/v1/flows",
    "/v1/decisions",
    "/v1/traces",
    "/v1/traces/{trace_id}",
    "/v1/replay/{trace_id}",
    "/v1/edges",
    "/v1/hours",
    "/v1/words",
    "/v1/reach",
    "/v1/texts",
    "/v1/texts/gone",
    "/v1/vault",
    "/v1/readings",
    "/v1/chain/check",
    "/v1/chain/heads",
    "/v1/chain/steps",
    "/v1/stats",
    "/healthz",
]
POSTS = ["/v1/evidence", "/v1/reach", "/v1/vault/shred", "/v1/whatif"]
"""Not the one that makes a backup wherever it is told to."""
MODES = ["positive", "negative"]


@pytest.fixture(scope="module")
def filled() -> Iterator[Store]:
    """A store with something to find."""
    opened = Store.open(fresh_url(), KEY)
    flows = [flow(0), flow(1, score=None)]
    spans = [span(n, *flows, ragtrace__decision__action="drop") for n in (1, 2)]
    opened.write(spans, [content("a text")])
    yield opened
    opened.close()


@pytest.fixture(scope="module")
def document(filled: Store) -> Any:
    """The API as it describes itself."""
    import schemathesis  # every process collects this, and few come here

    app = create_app(filled, auth=Auth("sesame"))
    return schemathesis.openapi.from_asgi("/v1/openapi.json", app)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("path", "mode"),
    [
        (path, mode)
        for path in PATHS
        for mode in MODES
        if (path, mode) != ("/healthz", "negative")  # nothing can be wrong about it
    ],
)
def test_any_question_is_answered_as_documented(document: Any, path: str, mode: str) -> None:
    """Statuses, types and shapes are those of the document, whatever is asked."""
    _ask(document[path]["GET"], mode)


@pytest.mark.slow
@pytest.mark.parametrize("path", POSTS)
@pytest.mark.parametrize("mode", MODES)
def test_any_body_is_answered_as_documented(document: Any, path: str, mode: str) -> None:
    """So are bodies."""
    _ask(document[path]["POST"], mode)


def _ask(way: Any, mode: str) -> None:
    from schemathesis import Case, GenerationMode
    from schemathesis.checks import not_a_server_error
    from schemathesis.specs.openapi import checks

    held = [
        not_a_server_error,
        checks.status_code_conformance,
        checks.content_type_conformance,
        checks.response_schema_conformance,
    ]

    @given(case=way.as_strategy(generation_mode=GenerationMode(mode)))
    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        derandomize="RAGTRACE_FUZZ_EXAMPLES" not in os.environ,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    def ask(case: Case) -> None:
        case.call_and_validate(checks=held, headers={"authorization": "Bearer sesame"})

    ask()


def test_every_endpoint_is_asked(filled: Store) -> None:
    """A new one is not left out."""
    paths = create_app(filled).openapi()["paths"].items()
    assert {path for path, ways in paths if "get" in ways} == set(PATHS)
    assert {path for path, ways in paths if "post" in ways} == {*POSTS, "/v1/store/backup"}
