"""Manners: what an integration does to the framework, its users and its other tracers: nothing."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final

from opentelemetry.sdk.trace import SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from ragtrace.capture import request
from ragtrace.testing._recorder import Recorder
from ragtrace.testing.conformance._adapter import Claim
from ragtrace.testing.conformance._matrix import check_told_once
from ragtrace.testing.conformance._secret import SECRET, leaks
from ragtrace.testing.conformance._stage import Stage

__all__ = [
    "enforces_when_telemetry_fails",
    "hides_from_neighbours",
    "leaves_as_it_came",
    "leaves_exceptions_alone",
    "wraps_once",
]


def wraps_once(stage: Stage) -> None:
    """Instrumenting twice is once; uninstrumenting puts the very same functions back, each time."""
    before = _standing(stage)
    for _ in range(2):
        stage.start("drop")
        wrapped = _standing(stage)
        changed = [_is_other(one, two) for one, two in zip(before, wrapped, strict=True)]
        assert all(changed), "a function that is said to be hooked was not replaced"
        stage.adapter.instrumentor().instrument()
        assert _same(wrapped, _standing(stage)), "a second instrument() wrapped again"
        stage.take(stage.adapter.paths[0], "staff")
        stage.stop()
        assert _same(before, _standing(stage)), "uninstrument() left something behind"


def leaves_as_it_came(stage: Stage, *, first_in: bool, first_out: bool) -> None:
    """Somebody else wraps the same functions; whoever goes first, nothing is left at last.

    Args:
        stage: To play on.
        first_in: Whether the integration comes before the other.
        first_out: Whether it goes before the other.
    """
    stage.start("drop")
    stage.stop()  # nothing of an earlier check is left
    before, path = _standing(stage), stage.adapter.paths[0]
    if first_in:
        stage.start("drop")
    other = _Stranger(stage.adapter.hooked)
    if not first_in:
        stage.start("drop")
    assert not leaks(stage.take(path, "customer"))
    if first_out:
        stage.stop()
        assert leaks(stage.take(path, "customer")), "it still judges"
        other.leave()
    else:
        other.leave()  # and takes with it whoever has come after
        assert not first_in or not leaks(stage.take(path, "customer")), "it judges no more"
        stage.stop()
    assert leaks(stage.take(path, "customer")), "it still judges"
    if first_in and first_out:
        return  # the other has put back what it found, which is ours, and inert
    assert _same(before, _standing(stage)), "something was left behind"


class _Stranger:
    """Another instrumentor that wraps the same functions, and puts back what it found."""

    def __init__(self, hooked: Any) -> None:
        self._found = [(owner, name, owner.__dict__[name]) for owner, name in hooked]
        for owner, name, function in self._found:
            setattr(owner, name, _through(function))

    def leave(self) -> None:
        """Put back what was found, whoever has wrapped it since."""
        for owner, name, function in self._found:
            setattr(owner, name, function)


def _through(function: Any) -> Callable[..., Any]:
    @functools.wraps(function)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        return function(*args, **kwargs)

    return wrapper


def _standing(stage: Stage) -> list[Any]:
    return [owner.__dict__[name] for owner, name in stage.adapter.hooked]


def _is_other(one: Any, two: Any) -> bool:
    return one is not two


def _same(before: list[Any], after: list[Any]) -> bool:
    return all(one is two for one, two in zip(before, after, strict=True))


BESIDE: Final = 6
"""Paths that are taken with each neighbour, the first ones: plain, async and streamed, if they are
defined in that order."""


class _UsersError(Exception):
    """The application's own."""


def leaves_exceptions_alone(stage: Stage) -> None:
    """What a step of the application raises leaves exactly as it came, and its text stays its."""
    stage.start("drop")
    error = _UsersError(SECRET)
    with stage.kit() as kit, request("customer"):
        try:
            kit.fail(error)
        except _UsersError as raised:
            assert raised is error, "another exception left"
            assert raised.args == (SECRET,) and raised.__cause__ is None, "it was changed"
        else:
            raise AssertionError("the application's exception was swallowed")
    named = [span.attributes.get("error.type") for span in stage.recorder.spans]
    assert "_UsersError" in named, "no span names the exception"
    assert not leaks(stage.recorder.written), "the exception's text is in a span"


class _Failing(SpanProcessor):
    """Telemetry that is broken in every place."""

    def on_start(self, span: Any, parent_context: Any = None) -> None:
        raise RuntimeError("the telemetry is broken")

    def on_end(self, span: Any) -> None:
        raise RuntimeError("the telemetry is broken")


def enforces_when_telemetry_fails(stage: Stage, decision: str) -> None:
    """Where no span can be made the application works, and the policy holds all the same."""
    with _in_earnest():
        stage.start(decision, besides=_Failing())
        stage.wire.clear()
        received = stage.take(stage.adapter.paths[0], "customer")
        # What may be used an application may have, where no answer of a model is claimed.
        given = decision == "context_only" and Claim.PROMPTS not in stage.adapter.claims
        assert leaks(received) == given, received
        assert "broken" not in received, "the failure of the telemetry reached the application"
        assert leaks(stage.take(stage.adapter.paths[0], "staff")), "staff got no answer"
    if decision != "context_only":
        assert not any(map(leaks, stage.wire.of("customer"))), "the secret reached the model"


@contextmanager
def _in_earnest() -> Iterator[None]:
    """Without pytest's name in the environment, under which our own failures are raised."""
    name = os.environ.pop("PYTEST_CURRENT_TEST", None)
    try:
        yield
    finally:
        if name is not None:
            os.environ["PYTEST_CURRENT_TEST"] = name


def hides_from_neighbours(
    stage: Stage, neighbour: Callable[[], Any], decision: str, *, first_in: bool
) -> None:
    """Another tracer is told of nothing that is kept back, and changes no count of ours."""
    spans = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(spans))
    theirs, other = Recorder(spans), neighbour()
    if first_in:
        stage.start(decision)
    other.instrument(tracer_provider=provider)
    try:
        if not first_in:
            stage.start(decision)
        for path in stage.adapter.paths[:BESIDE]:
            stage.wire.clear()
            stage.recorder.clear()
            stage.take(path, "customer")
            check_told_once(stage)
    finally:
        other.uninstrument()
    assert theirs.spans, "the neighbour saw nothing at all"
    assert not leaks(theirs.written), "the neighbour was told the secret"
