"""Coverage: what a new version of a framework has lost is known, said, and refused where asked."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Callable, Collection, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import ragtrace
from ragtrace.capture import Call, Instrumentor, Model, Patches, current, current_request
from ragtrace.capture import _coverage as coverage
from ragtrace.model import Message
from ragtrace.testing import recording

POLICY = """
version: 1
levels: [public, staff_only]
audiences:
  customer: {clearance: public}
  staff: {clearance: staff_only}
on_block: refuse
refusal: No.
failures:
  not-covered: {customer: block}
"""

VERSION = importlib.metadata.version("pytest")


def framework() -> ModuleType:
    """A framework of two models, one of which goes its own way."""

    class Base:
        def ask(self, prompt: str) -> str:
            return f"answer to {prompt}"

        def stream(self, prompt: str) -> str:
            return self.ask(prompt)

    class Own(Base):
        def ask(self, prompt: str) -> str:
            return "asked by the way"

    made = ModuleType("fakeframe")
    made.Base, made.Own = Base, Own  # type: ignore[attr-defined]
    for cls in (Base, Own):
        cls.__module__, cls.__qualname__ = "fakeframe", cls.__name__
    return made


class FakeInstrumentor(Instrumentor):
    """Wraps it as an integration does."""

    frame: ModuleType
    modules = ("pytest",)
    needs: tuple[str, ...] = ("pytest > 1",)

    def instrumentation_dependencies(self) -> Collection[str]:
        return self.needs

    def patch(self, patches: Patches, module: str) -> None:
        for name in ("ask", "stream"):
            patches.method(self.frame.Base, name, judged)


def judged(original: Callable[..., str]) -> Callable[..., str]:
    def ask(self: Any, prompt: str) -> str:
        runtime = current()
        assert runtime is not None
        request = current_request() or runtime.request()
        said = [Message("user", prompt)]
        call = Call(runtime, request, Model("chat", "fake", "fake"), said)
        if call.blocked:
            return call.refuse()
        with call.ended():
            return original(self, prompt)

    return ask


@pytest.fixture
def instrumentor() -> Iterator[FakeInstrumentor]:
    """One of its own for every test; OpenTelemetry makes only one of each class."""
    made = type(
        "Fake", (FakeInstrumentor,), {"frame": framework(), "__module__": "ragtrace_fake"}
    )()
    yield made
    if made.is_instrumented_by_opentelemetry:
        made.uninstrument()
    coverage.released(made.name)


@pytest.fixture
def policy(tmp_path: Path) -> str:
    path = tmp_path / "policy.yaml"
    path.write_text(POLICY)
    return str(path)


def test_all_that_was_asked_for_is_there(instrumentor: FakeInstrumentor, policy: str) -> None:
    """Nothing is missing, and everybody is served."""
    ragtrace.init(policy, instrument=False)
    instrumentor.instrument()
    assert coverage.gaps() == ()
    (bound,) = coverage.hooks_of(instrumentor.name) or ()
    assert bound.bound == ["fakeframe.Base.ask", "fakeframe.Base.stream"]
    with ragtrace.request("customer"):
        assert instrumentor.frame.Base().stream("x") == "answer to x"


def test_a_class_that_overrides_a_hook_is_known(instrumentor: FakeInstrumentor) -> None:
    """What passes through it is judged only where it calls the original."""
    instrumentor.instrument()
    (bound,) = coverage.hooks_of(instrumentor.name) or ()
    assert bound.overridden == ["fakeframe.Own.ask"]


@pytest.mark.parametrize("lost", ["ask", "stream"])
def test_a_hook_that_vanished_refuses_audiences_that_say_so(
    instrumentor: FakeInstrumentor, policy: str, lost: str, caplog: pytest.LogCaptureFixture
) -> None:
    """The customer's request is refused with the name of the method; staff are served."""
    delattr(instrumentor.frame.Base, lost)
    with recording(policy, instrument=False) as recorder:
        instrumentor.instrument()
        assert f"fakeframe.Base.{lost} is not there" in caplog.text
        with pytest.raises(ragtrace.PolicyBlocked, match=rf"not-covered.*fakeframe\.Base\.{lost}"):
            ragtrace.request("customer")
        with ragtrace.request("staff"):
            pass
        refused, served = recorder.spans
        assert refused.attributes["ragtrace.decision.rule"] == "not-covered"
        assert "ragtrace.decision.rule" not in served.attributes


def test_a_model_is_refused_where_nobody_opened_a_request(
    instrumentor: FakeInstrumentor, policy: str
) -> None:
    """The hooks that are left refuse every call of that audience, in the words of the policy."""
    del instrumentor.frame.Base.stream
    ragtrace.init(policy, audience="customer", instrument=False)
    instrumentor.instrument()
    assert instrumentor.frame.Base().ask("x") == "No."
    ragtrace.init(policy, audience="staff", instrument=False)
    assert instrumentor.frame.Base().ask("x") == "answer to x"


@pytest.mark.parametrize("fault", [AttributeError("gone"), ImportError("moved")])
def test_hooks_that_do_not_fit_leave_one_framework_out(
    instrumentor: FakeInstrumentor, policy: str, fault: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    """Nothing of it stays wrapped, a warning names it, and what loads others can go on."""
    before = instrumentor.frame.Base.ask

    def patch(self: Any, patches: Patches, module: str) -> None:
        patches.method(self.frame.Base, "ask", judged)
        raise fault

    type(instrumentor).patch = patch  # type: ignore[method-assign]
    with pytest.raises(ImportError, match=str(fault)):
        instrumentor.instrument()
    assert instrumentor.frame.Base.ask is before
    assert f"is not instrumented: its hooks do not fit this version: {type(fault).__name__}" in (
        caplog.text
    )
    ragtrace.init(policy, instrument=False)
    with pytest.raises(ragtrace.PolicyBlocked, match=str(fault)):
        ragtrace.request("customer")


def test_an_unsupported_version_refuses_them_too(
    instrumentor: FakeInstrumentor, policy: str
) -> None:
    """The framework is there, and whatever it does passes unjudged."""
    type(instrumentor).needs = ("pytest < 1",)
    with pytest.raises(Exception, match="pytest < 1"):
        instrumentor.instrument()
    ragtrace.init(policy, instrument=False)
    with pytest.raises(ragtrace.PolicyBlocked, match=rf"pytest < 1.*{VERSION}"):
        ragtrace.request("customer")


def test_a_framework_that_is_not_there_is_no_gap(
    instrumentor: FakeInstrumentor, policy: str
) -> None:
    """Nothing can pass through what is not installed."""
    type(instrumentor).needs = ("no-such-distribution > 1",)
    with pytest.raises(Exception, match="no-such-distribution"):
        instrumentor.instrument()
    assert coverage.gaps() == ()


def test_what_was_let_go_is_no_gap(instrumentor: FakeInstrumentor) -> None:
    """After uninstrumenting, nothing is meant to be covered."""
    del instrumentor.frame.Base.ask
    instrumentor.instrument()
    assert coverage.gaps()
    instrumentor.uninstrument()
    assert coverage.gaps() == ()


def test_a_policy_that_says_nothing_serves_everybody(
    instrumentor: FakeInstrumentor, tmp_path: Path
) -> None:
    """Closing is for audiences that say so."""
    del instrumentor.frame.Base.ask
    path = tmp_path / "plain.yaml"
    path.write_text(POLICY.partition("failures")[0])
    ragtrace.init(str(path), instrument=False)
    instrumentor.instrument()
    with ragtrace.request("customer"):
        assert current_request() is not None
