"""Elsewhere: another process that runs ragtrace, and what a test has it do."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from typing import Any

from opentelemetry.sdk.trace import TracerProvider

import ragtrace
from ragtrace.capture import Call, Model, Retrieval, Runtime, current, current_request
from ragtrace.model import Message, Passage, Source

KB = Source("chroma/notes")


class Elsewhere:
    """Another process; ``do`` runs a function of a module there and gives what it gives."""

    def __init__(self, environ: dict[str, str]) -> None:
        spawn = multiprocessing.get_context("spawn")
        self._pool = ProcessPoolExecutor(1, spawn, _begin, (environ,))

    def do(self, what: Callable[..., Any], *args: Any) -> Any:
        return self._pool.submit(what, *args).result(timeout=60)

    def close(self) -> None:
        self._pool.shutdown()


@dataclass(frozen=True)
class Outcome:
    """What became of one model call."""

    blocked: bool
    rule: str
    reason: str
    said: str
    level: str
    origins: tuple[str, ...]
    sources: tuple[str, ...]


def _begin(environ: dict[str, str]) -> None:
    os.environ.update(environ)
    ragtrace.init(tracer_provider=TracerProvider(), instrument=False)


def runtime() -> Runtime:
    found = current()
    assert found is not None
    return found


def search(text: str, level: str, document: str = "note-11") -> list[str | None]:
    """What a retriever that finds ``text`` may return in the current request."""
    request = current_request()
    assert request is not None
    made = Retrieval(runtime(), request, KB, top_k=None, query="").begin()
    try:
        return made.judge([Passage(text, KB, {"label": level, "document_id": document}, document)])
    finally:
        made.end()


def retrieve(audience: str | None, text: str, level: str) -> list[str | None]:
    """The same in a request of its own."""
    with ragtrace.request(audience=audience):
        return search(text, level)


def ask(audience: str | None, prompt: str, answer: str = "Certainly.") -> Outcome:
    """A model call in a request of its own, answered as a script says."""
    with ragtrace.request(audience=audience):
        return ask_on(prompt, answer)


def ask_on(prompt: str, answer: str = "Certainly.") -> Outcome:
    """A model call in the current request."""
    request = current_request()
    assert request is not None
    call = Call(runtime(), request, Model("chat", "m"), (Message("user", prompt),))
    said = ""
    if not call.blocked:
        (said,) = call.whole(answer)
        call.record(said)
    call.finish()
    made = call._assembly
    label, origins = made.inherited
    return Outcome(
        call.blocked,
        made.decision.rule,
        made.decision.reason,
        said,
        label.level,
        tuple(origin.document for origin in origins),
        tuple(flow.chunk.source.id for flow in made.flows),
    )


def retrieve_and_sum_up(audience: str, text: str, level: str, answer: str) -> Outcome:
    """One request: a search, and a model that says ``answer`` of what was found."""
    with ragtrace.request(audience=audience):
        found = search(text, level)
        return ask_on(f"Sum up: {found[0]}", answer)
