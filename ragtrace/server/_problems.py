"""Problems: every error as RFC 9457 has it, with the reason and never the data."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from pydantic import TypeAdapter
from starlette.exceptions import HTTPException

from ragtrace.errors import StoreError
from ragtrace.store import QuestionError, TraceNotFoundError

__all__ = ["KINDS", "PROBLEM_JSON", "SPACE", "Problem", "documented", "explain"]

PROBLEM_JSON: Final = "application/problem+json"
SPACE: Final = "urn:ragtrace:problem:"
KINDS: Final[Mapping[int, str]] = {
    400: "bad-request",
    401: "unauthenticated",
    403: "forbidden",
    404: "not-found",
    405: "method-not-allowed",
    408: "too-slow",
    413: "too-long",
    429: "too-many-requests",
    500: "internal",
    503: "store-unavailable",
}
"""The last word of a problem's ``type``, by status; it stays what it is."""


@dataclass(frozen=True, slots=True)
class Problem:
    """What a caller is told when there is no answer.

    Attributes:
        type: ``urn:ragtrace:problem:…``, the same for the same kind of problem for ever.
        title: The kind in words.
        detail: What was wrong here, and what was expected.
    """

    type: str
    title: str
    status: int
    detail: str


_SCHEMA: Final = TypeAdapter(Problem).json_schema()


def documented(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """What the API's document says of answers with these statuses."""
    content = {PROBLEM_JSON: {"schema": _SCHEMA}}
    return {
        status: {"description": KINDS[status].replace("-", " "), "content": content}
        for status in statuses
    }


def explain(app: FastAPI, retry_after_seconds: int) -> None:
    """Have ``app`` answer every error with a problem."""

    @app.exception_handler(HTTPException)
    def on_http(_: Request, error: HTTPException) -> Response:
        return _problem(error.status_code, str(error.detail), error.headers)

    @app.exception_handler(RequestValidationError)
    def on_validation(_: Request, error: RequestValidationError) -> Response:
        return _problem(400, _expected(error.errors()[0]))

    @app.exception_handler(TraceNotFoundError)
    def on_missing(_: Request, error: TraceNotFoundError) -> Response:
        return _problem(404, str(error))

    @app.exception_handler(QuestionError)
    def on_question(_: Request, error: QuestionError) -> Response:
        return _problem(400, str(error))

    @app.exception_handler(StoreError)
    def on_store(_: Request, error: StoreError) -> Response:
        return _problem(503, str(error), {"retry-after": str(retry_after_seconds)})

    @app.exception_handler(Exception)
    def on_any(_: Request, error: Exception) -> Response:
        return _problem(500, type(error).__name__)


def _expected(error: Mapping[str, Any]) -> str:
    name = str(error["loc"][-1])[:40]
    if error["type"] == "extra_forbidden":
        return f"unknown parameter {name!r}"
    said = str(error["msg"]).removeprefix("Value error, ")
    return f"{name}: {said.replace('Input should be', 'expected')}"


def _problem(status: int, detail: str, headers: Mapping[str, str] | None = None) -> Response:
    kind = KINDS.get(status)
    tree = {
        "type": f"{SPACE}{kind}" if kind else "about:blank",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": detail,
    }
    return Response(json.dumps(tree), status, dict(headers or {}), PROBLEM_JSON)
