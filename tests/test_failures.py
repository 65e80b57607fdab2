"""When something fails: one test for every row of docs/failures.md."""

from __future__ import annotations

import base64
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("langchain_core")

from langchain_core.documents import Document
from langchain_core.language_models.fake_chat_models import GenericFakeChatModel
from langchain_core.messages import AIMessage
from langchain_core.retrievers import BaseRetriever
from opentelemetry import context
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor, SpanExporter

import ragtrace
from ragtrace.attribution.corpus import CorpusDocument, CorpusWriter
from ragtrace.capture import Ledger, Propagator, Runtime, current, ensure, failures, install
from ragtrace.errors import (
    ConfigError,
    CorpusIndexError,
    LedgerUnreachableError,
    PolicyFileError,
    StoreError,
)
from ragtrace.labels import Labeller
from ragtrace.model import Label, Source, digest
from ragtrace.testing import RecordedSpan, recording

SECRET = (
    "Advisers may waive the early repayment charge of a mortgage once, with code LANTERN-11, "
    "where the customer threatens to leave."
)
POLICY = """
version: 1
levels: [public, staff_only]
audiences:
  customer: {clearance: public}
  staff: {clearance: staff_only}
otherwise: drop
"""


@pytest.fixture
def policy(tmp_path: Path) -> str:
    path = tmp_path / "policy.yaml"
    path.write_text(POLICY)
    return str(path)


@pytest.fixture
def say(policy: str) -> Callable[[str], str]:
    """The policy, and what it says beyond."""

    def said(more: str) -> str:
        Path(policy).write_text(POLICY + more)
        return policy

    return said


@pytest.fixture
def ledger_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A file with a key, and the setting that names it."""
    pytest.importorskip("redis")
    path = tmp_path / "key"
    path.write_bytes(base64.b64encode(bytes(32)))
    monkeypatch.setenv("RAGTRACE_LEDGER_KEY_FILE", str(path))
    return str(path)


class Notes(BaseRetriever):
    """Finds the one staff note, or fails."""

    error: Any = None
    level: str = "staff_only"

    def _get_relevant_documents(self, query: str, **kwargs: Any) -> list[Document]:
        if self.error is not None:
            raise self.error
        return [Document(SECRET, id="note", metadata={"label": self.level})]


class Model(GenericFakeChatModel):
    """Says what it was told to, and keeps what it was asked."""

    asked: list[str]
    error: Any = None
    answer: str = "an answer"

    def _generate(self, messages: Any, *args: Any, **kwargs: Any) -> Any:
        self.asked.append(str(messages[-1].content))
        if self.error is not None:
            raise self.error
        self.messages = iter([AIMessage(self.answer)])
        return super()._generate(messages, *args, **kwargs)


def model(**fields: Any) -> Model:
    return Model(messages=iter([]), asked=[], **fields)


def ask(audience: str | None, said_by: Model, **fields: Any) -> str:
    """One turn: retrieve, put what was found in a prompt, ask."""
    with ragtrace.request(audience=audience):
        found = Notes(**fields).invoke("early repayment charge")
        text = "\n".join(document.page_content for document in found)
        return str(said_by.invoke(f"Context: {text}\nMay I leave?").content)


def decision(span: RecordedSpan) -> tuple[Any, ...]:
    """What a span says was decided: action, rule and mode."""
    return tuple(
        span.attributes[f"ragtrace.decision.{part}"] for part in ("action", "rule", "mode")
    )


def running() -> Runtime:
    runtime = current()
    assert runtime is not None
    return runtime


def until(true: Callable[[], bool]) -> None:
    """Go on once something has come true; a failure says that it never has."""
    for _ in range(3000):
        if true():
            return
        time.sleep(0.005)
    pytest.fail("this has not come true")


def as_in_production(monkeypatch: pytest.MonkeyPatch) -> None:
    """Under pytest ragtrace raises its own failures; these tests want what a user gets."""
    monkeypatch.delenv("PYTEST_CURRENT_TEST")


def test_the_retriever_raises(policy: str) -> None:
    """The retriever's exception leaves as it was, and the span says which class it had."""
    error = RuntimeError("the index is away")
    with recording(policy) as recorder, pytest.raises(RuntimeError) as raised:
        ask("customer", model(), error=error)
    assert raised.value is error
    assert recorder.of("retrieval")[0].attributes["error.type"] == "RuntimeError"


def test_the_model_raises(policy: str) -> None:
    """The model's exception leaves as it was, and the span says which class it had."""
    error = TimeoutError("the model is away")
    with recording(policy) as recorder, pytest.raises(TimeoutError) as raised:
        ask("staff", model(error=error))
    assert raised.value is error
    assert recorder.of("chat")[0].attributes["error.type"] == "TimeoutError"


def test_judging_a_chunk_fails(
    policy: str, say: Callable[[str], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A chunk that cannot be judged blocks the prompt it reaches, unless the policy lets it."""

    def fail(*_: Any) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(Labeller, "label", fail)
    asked = model()
    with recording(policy), pytest.raises(ragtrace.PolicyBlocked, match="judge-error"):
        ask("staff", asked)
    assert asked.asked == []
    with recording():
        assert ask("staff", asked) == "an answer"
    with recording(say("failures: {judge-error: {staff: allow}}")) as recorder:
        assert ask("staff", asked) == "an answer"
        assert decision(recorder.of("retrieval")[0]) == ("allow", "judge-error", "enforce")
        with pytest.raises(ragtrace.PolicyBlocked, match="judge-error"):
            ask("customer", asked)
    with recording(say("mode: shadow")) as recorder:
        assert ask("customer", asked) == "an answer"
        assert decision(recorder.of("retrieval")[0]) == ("allow", "judge-error", "shadow")


def test_judging_a_prompt_fails(
    policy: str, say: Callable[[str], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A prompt that cannot be judged is not sent, unless the policy lets it, which is recorded."""

    def fail(*_: Any, **__: Any) -> None:
        raise ZeroDivisionError

    asked = model()
    with recording(policy):
        monkeypatch.setattr("ragtrace.capture._assembly.judge_messages", fail)
        with pytest.raises(ragtrace.PolicyBlocked, match="judge-error"):
            ask("staff", asked)
        assert asked.asked == []
    with recording():
        assert ask("staff", asked) == "an answer"
    with recording(say("failures: {judge-error: {staff: allow}}")) as recorder:
        assert ask("staff", asked) == "an answer"
        (span,) = recorder.of("chat")
        assert decision(span) == ("allow", "judge-error", "enforce")
        assert "the policy says allow" in span.attributes["ragtrace.decision.reason"]
        with pytest.raises(ragtrace.PolicyBlocked, match="judge-error"):
            ask("customer", asked)
    with recording(say("mode: shadow")) as recorder:
        assert ask("customer", asked) == "an answer"
        assert decision(recorder.of("chat")[0]) == ("allow", "judge-error", "shadow")


def test_judging_a_prompt_of_a_blocked_request_fails(
    say: Callable[[str], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a failure allows is no way around a block that was there before it."""

    def fail(*_: Any, **__: Any) -> None:
        raise ZeroDivisionError

    asked = model()
    with recording(say("failures: {judge-error: allow}")), ragtrace.request(audience="customer"):
        found = Notes(level="cosmic").invoke("charge")
        with pytest.raises(ragtrace.PolicyBlocked, match="unknown-level"):
            asked.invoke(found[0].page_content)
        monkeypatch.setattr("ragtrace.capture._assembly.judge_messages", fail)
        with pytest.raises(ragtrace.PolicyBlocked, match="already-blocked"):
            asked.invoke("hello")
    assert asked.asked == []


def test_judging_a_prompt_takes_too_long(say: Callable[[str], str]) -> None:
    """After the seconds that the policy gives, what it says for that counts."""
    asked = model()

    def each_look_takes(seconds: float) -> None:
        clock = count(0, seconds)
        install(replace(running(), clock=lambda: next(clock)))

    for limits in ("", "limits: {judge_seconds: 2.5}"):
        with recording(say(limits)):
            each_look_takes(1)
            if not limits:
                assert ask("staff", asked) == "an answer"
                each_look_takes(3)
            with pytest.raises(ragtrace.PolicyBlocked, match="judge-timeout"):
                ask("staff", asked)
    assert len(asked.asked) == 1
    with recording(say("failures: {judge-timeout: {staff: allow}}")) as recorder:
        each_look_takes(6)
        assert ask("staff", asked) == "an answer"
        assert decision(recorder.of("chat")[0]) == ("allow", "judge-timeout", "enforce")
        with pytest.raises(ragtrace.PolicyBlocked, match="judge-timeout"):
            ask("customer", asked)


def test_judging_a_cached_answer_fails(
    policy: str, say: Callable[[str], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A cached answer that cannot be judged is withheld, unless the policy lets it."""
    from langchain_core.caches import InMemoryCache

    def fail(*_: Any) -> None:
        raise ZeroDivisionError

    cached = model(cache=InMemoryCache())
    with recording(policy), ragtrace.request(audience="staff"):
        assert cached.invoke("hello").content == "an answer"
        monkeypatch.setattr("ragtrace.capture._call.judge_cached", fail)
        assert cached.invoke("hello").content == "[withheld]"
    assert cached.asked == ["hello"]
    with recording(say("failures: {judge-error: {staff: allow}}")) as recorder:
        for audience, answer in (("staff", "an answer"), ("customer", "[withheld]")):
            with ragtrace.request(audience=audience):
                assert cached.invoke("hello").content == answer
        decided = [decision(span) for span in recorder.of("chat")]
        assert decided == [("allow", "judge-error", "enforce"), ("block", "judge-error", "enforce")]


def test_a_shared_ledger_is_unreachable(
    say: Callable[[str], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What other processes have seen is not known: the prompt counts as the policy says."""

    def fail(*_: Any) -> None:
        raise LedgerUnreachableError

    asked = model()
    with recording(say("failures: {judge-error: allow, ledger-unreachable: {staff: allow}}")):
        monkeypatch.setattr(Ledger, "attribute", fail)
        with ragtrace.request(audience="staff"):
            assert asked.invoke("hello").content == "an answer"
        with (
            ragtrace.request(audience="customer"),
            pytest.raises(ragtrace.PolicyBlocked, match="ledger-unreachable"),
        ):
            asked.invoke("hello")


def test_a_shared_ledger_is_unreachable_at_init(
    policy: str, ledger_key: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The application starts with a warning, and each call is decided by the failure table."""
    asked = model()
    with recording(policy, ledger=f"unix://{tmp_path}/nowhere.sock"):
        assert "shared ledger does not answer" in caplog.text
        with pytest.raises(ragtrace.PolicyBlocked, match="ledger-unreachable"):
            asked.invoke("hello")
    assert asked.asked == []


def test_a_shared_ledger_is_unreachable_for_a_search(
    say: Callable[[str], str], ledger_key: str, tmp_path: Path
) -> None:
    """What the passages are made of is not known: they are blocked, unless the policy lets them."""
    url = f"unix://{tmp_path}/nowhere.sock"
    with recording(say("failures: {ledger-unreachable: {staff: allow}}"), ledger=url):
        for audience, passes in (("staff", True), ("customer", False)):
            with ragtrace.request(audience=audience):
                (found,) = Notes(level="public").invoke("charge")
            assert (found.page_content == SECRET) is passes


def test_a_shared_ledger_has_no_key(policy: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """No text leaves in the clear: nothing starts, or nothing passes."""
    from ragtrace_langchain import LangChainInstrumentor

    with pytest.raises(ConfigError, match="RAGTRACE_LEDGER_KEY_FILE"):
        ragtrace.init(policy, ledger="redis://localhost")
    monkeypatch.setenv("RAGTRACE_POLICY", policy)
    monkeypatch.setenv("RAGTRACE_LEDGER", "redis://localhost")
    LangChainInstrumentor().instrument()
    asked = model()
    with pytest.raises(ragtrace.PolicyBlocked, match="settings could not be used"):
        asked.invoke("hello")
    assert asked.asked == []


def test_an_entry_of_a_shared_ledger_cannot_be_read(
    policy: str, ledger_key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is left out; where nothing can be read, the ledger counts as unreachable."""
    from ragtrace.capture._stream import Stream

    asked = model()
    monkeypatch.setattr(Stream, "read", lambda self: [(b"1-0", {b"v": b"1", b"e": b"?"})])
    before = sum(failures().values())
    with recording(policy, ledger="unix:///nowhere.sock"):
        with pytest.raises(ragtrace.PolicyBlocked, match="ledger-unreachable"):
            asked.invoke("hello")
    assert sum(failures().values()) > before
    assert asked.asked == []


def test_an_envelope_in_baggage_cannot_be_read(
    policy: str, ledger_key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is as if there were none."""
    monkeypatch.setenv("RAGTRACE_BAGGAGE_KEY_FILE", ledger_key)
    before = sum(failures().values())
    with recording(policy):
        arrived = Propagator().extract({"baggage": "ragtrace=1.a.b.c"})
        token = context.attach(arrived)
        try:
            assert ask("staff", model()) == "an answer"
        finally:
            context.detach(token)
    assert sum(failures().values()) > before


def test_a_prompt_holds_more_than_a_guard_can(
    say: Callable[[str], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The model is not called; where the policy lets it, it is called without a guard."""
    monkeypatch.setattr("ragtrace.capture._failed.MOST_GUARDED", len(SECRET) - 1)
    asked = model(answer=SECRET)
    told = "rules: [{id: r, decide: context_only, when: {label: staff_only, audience: customer}}]\n"
    with recording(say(told)):
        with pytest.raises(ragtrace.PolicyBlocked, match="guard-overload"):
            ask("customer", asked)
        assert ask("staff", asked) == SECRET
    with recording(say(f"{told}failures: {{guard-overload: {{customer: allow}}}}")) as recorder:
        assert ask("customer", asked) == SECRET
        assert decision(recorder.of("chat")[0]) == ("allow", "guard-overload", "enforce")
    monkeypatch.setattr("ragtrace.capture._failed.MOST_GUARDED", len(SECRET))
    with recording(say(told)):
        assert ask("customer", asked) == "[withheld]."


def test_the_policy_file_is_broken_at_init(policy: str, tmp_path: Path) -> None:
    """A broken file is an error with its line, and what ran before goes on as it was."""
    broken = tmp_path / "broken.yaml"
    broken.write_text(POLICY.replace("drop", "dorp"))
    with recording(policy):
        before = current()
        with pytest.raises(PolicyFileError, match=r"broken\.yaml:7: otherwise: expected one of"):
            ragtrace.init(str(broken))
        assert current() is before


def test_the_policy_file_is_broken_under_run(tmp_path: Path) -> None:
    """``ragtrace run`` does not start a program whose policy it cannot read."""
    broken = tmp_path / "broken.yaml"
    broken.write_text("levels: [")
    started = tmp_path / "started"
    program = f"open({str(started)!r}, 'w')"
    python = ("--", sys.executable, "-c", program)
    status, _, err = command("run", "--policy", str(broken), *python)
    assert status == 2
    assert "broken.yaml:1: not YAML" in err
    assert not started.exists()


def test_the_policy_file_is_broken_in_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where nobody can be told, a policy that cannot be read blocks every model call."""
    from ragtrace_langchain import LangChainInstrumentor

    broken = tmp_path / "broken.yaml"
    broken.write_text("levels: [")
    monkeypatch.setenv("RAGTRACE_POLICY", str(broken))
    LangChainInstrumentor().instrument()
    asked = model()
    with pytest.raises(ragtrace.PolicyBlocked, match="policy-unreadable"):
        asked.invoke("hello")
    assert asked.asked == []


def test_the_policy_file_breaks_while_running(
    say: Callable[[str], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The policy that was read before stays in force, and spans say so."""
    monkeypatch.setenv("RAGTRACE_POLICY_RELOAD", "0.01")
    asked = model()
    with recording(say("")) as recorder:
        say("levels: [")
        until(lambda: running().stale is not None)
        assert ask("customer", asked) == "an answer"
        assert SECRET not in asked.asked[0]
        (span,) = (span for span in recorder.spans if span.name == "ragtrace.request")
        assert span.attributes["ragtrace.policy.stale"] is True


def test_the_registry_breaks_while_running(
    say: Callable[[str], str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The one that was read before stays in force, unless the policy says to block."""
    monkeypatch.setenv("RAGTRACE_POLICY_RELOAD", "0.01")
    registry = tmp_path / "labels.jsonl"
    more = "registry: labels.jsonl\nfailures: {registry-unreachable: {customer: block}}"
    for broken in (registry.unlink, lambda: registry.write_text("{")):
        registry.write_text("")
        with recording(say(more)):
            broken()
            until(lambda: running().stale is not None)
            assert ask("staff", model()) == "an answer"
            with pytest.raises(ragtrace.PolicyBlocked, match="registry-unreachable"):
                ask("customer", model())
            registry.write_text("")
            until(lambda: running().stale is None)
            assert ask("customer", model()) == "an answer"


def test_the_corpus_index_is_broken_at_init(policy: str, tmp_path: Path) -> None:
    """An index that cannot be opened is said at once, and changes nothing."""
    with recording(policy):
        before = current()
        with pytest.raises(CorpusIndexError, match="nowhere"):
            ragtrace.init(policy, index=str(tmp_path / "nowhere"))
        assert current() is before


def test_the_corpus_index_is_broken_in_the_environment(
    policy: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where nobody is there to be told, nothing passes unchecked."""
    monkeypatch.setenv("RAGTRACE_POLICY", policy)
    monkeypatch.setenv("RAGTRACE_INDEX", str(tmp_path / "nowhere"))
    monkeypatch.setenv("OTEL_TRACES_EXPORTER", "none")
    try:
        ensure()
        runtime = current()
        assert runtime is not None
        assert runtime.policy.unreadable is not None
    finally:
        ragtrace.shutdown()


def test_the_corpus_index_breaks_while_running(policy: str, tmp_path: Path) -> None:
    """What was open stays open; a prompt that cannot be looked through is not sent."""
    note = CorpusDocument("note", SECRET, Label("staff_only"), Source("notes"))
    with CorpusWriter(tmp_path / "index") as writer:
        writer.add([note])
    asked = model()
    with recording(policy, index=str(tmp_path / "index")):
        (tmp_path / "index" / "manifest").write_text("{")
        assert ask("staff", asked) == "an answer"
        runtime = current()
        assert runtime is not None and runtime.corpus is not None
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(type(runtime.corpus), "scan_reading", broken)
            with pytest.raises(ragtrace.PolicyBlocked, match="judge-error"):
                ask("staff", asked)


def broken(*_: Any) -> None:
    raise CorpusIndexError("damaged")


def test_a_setting_is_broken(monkeypatch: pytest.MonkeyPatch) -> None:
    """A setting that cannot be read is named; its value, which may be a secret, is not."""
    monkeypatch.setenv("RAGTRACE_CONTENT", "hunter2")
    with pytest.raises(ConfigError, match="RAGTRACE_CONTENT: expected off or full") as raised:
        ragtrace.init()
    assert "hunter2" not in str(raised.value)


def test_a_span_cannot_be_started(policy: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without spans everything is enforced all the same."""

    def fail(*_: Any, **__: Any) -> None:
        raise ZeroDivisionError

    as_in_production(monkeypatch)
    with recording(policy):
        runtime = current()
        assert runtime is not None
        monkeypatch.setattr(type(runtime.tracer), "start_span", fail)
        customers, staff = model(), model()
        assert ask("customer", customers) == ask("staff", staff) == "an answer"
        assert SECRET not in customers.asked[0]
        assert SECRET in staff.asked[0]


def test_a_span_cannot_be_written(policy: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without attributes everything is enforced all the same."""

    def fail(*_: Any, **__: Any) -> None:
        raise ZeroDivisionError

    as_in_production(monkeypatch)
    monkeypatch.setattr("ragtrace.capture._spans.encode_flows", fail)
    with recording(policy):
        asked = model()
        assert ask("customer", asked) == "an answer"
        assert SECRET not in asked.asked[0]


class Failing(SpanExporter):
    """An exporter that raises."""

    def export(self, spans: Any) -> Any:
        raise OSError("no route")


def test_the_exporter_raises(policy: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """An exporter that raises in the caller's own thread does not reach the caller."""
    as_in_production(monkeypatch)
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(Failing()))
    ragtrace.init(policy, tracer_provider=provider)
    asked = model()
    assert ask("customer", asked) == "an answer"
    assert SECRET not in asked.asked[0]


DEAD = """
import time, ragtrace
from langchain_core.language_models.fake_chat_models import FakeListChatModel
ragtrace.init()
start = time.monotonic()
with ragtrace.request():
    print(FakeListChatModel(responses=["an answer"]).invoke("hello").content)
assert time.monotonic() - start < 1, "the call waited for the back end"
"""


def test_the_back_end_is_dead(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With nobody listening the call is answered without waiting, and its spans are kept."""
    monkeypatch.setenv("RAGTRACE_SPOOL", str(tmp_path / "spool"))
    monkeypatch.setenv("OTEL_TRACES_EXPORTER", "otlp")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:9")
    done = subprocess.run(
        [sys.executable, "-c", DEAD], capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stdout) == (0, "an answer\n"), done.stderr
    assert [path.name for path in (tmp_path / "spool").glob("traces-*/*/*-2")], "not kept"


class Logs:
    """A logger provider whose loggers raise."""

    def get_logger(self, *_: Any) -> Logs:
        return self

    def emit(self, *_: Any) -> None:
        raise OSError("no route")


@pytest.mark.parametrize("fails", ["_completion.derive", "_answer.derived"])
def test_an_answer_cannot_be_remembered(
    fails: str, policy: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is given all the same; the failure is counted."""
    as_in_production(monkeypatch)

    def fail(*_: Any, **__: Any) -> None:
        raise ZeroDivisionError

    with recording(policy):
        monkeypatch.setattr(f"ragtrace.capture.{fails}", fail)
        before = failures().get("derived text", 0)
        assert ask("staff", model()) == "an answer"
        assert failures()["derived text"] == before + 1


def test_texts_cannot_be_exported(policy: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A vault that cannot be reached does not reach the caller."""
    as_in_production(monkeypatch)
    with recording(policy, content=True, logger_provider=Logs()):
        asked = model()
        assert ask("customer", asked) == "an answer"
        assert SECRET not in asked.asked[0]


def test_the_sdk_is_disabled(policy: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """With OpenTelemetry switched off nothing is recorded and everything enforced."""
    monkeypatch.setenv("OTEL_SDK_DISABLED", "true")
    with recording(policy) as recorder:
        asked = model()
        assert ask("customer", asked) == "an answer"
        assert SECRET not in asked.asked[0]
        assert recorder.spans == []


def test_a_request_is_named_that_is_not_open(policy: str) -> None:
    """A name nobody has open lends nobody's clearance, whatever is open around it."""
    with recording(policy), ragtrace.request(audience="staff"):
        found = Notes().invoke("charge", config={"metadata": {"ragtrace_request": "0" * 32}})
        assert found == []
        assert len(Notes().invoke("charge")) == 1


@pytest.mark.parametrize("name", [None, "auditor", ""])
def test_the_audience_is_unknown(policy: str, name: str | None) -> None:
    """An audience that nobody named, or that the policy does not know, is least cleared."""
    with recording(policy) as recorder:
        asked = model()
        assert ask(name, asked) == "an answer"
        assert SECRET not in asked.asked[0]
        assert recorder.of("chat")[0].attributes["ragtrace.audience.known"] is False


@pytest.mark.parametrize("name", [None, "auditor"])
def test_the_audience_is_unknown_and_blocked(say: Callable[[str], str], name: str | None) -> None:
    """The policy may ask for a name that it knows, whatever is in the prompt."""
    asked = model()
    with recording(say("failures: {unknown-audience: block}")):
        with (
            ragtrace.request(audience=name),
            pytest.raises(ragtrace.PolicyBlocked, match="unknown-audience"),
        ):
            asked.invoke("hello")
        with ragtrace.request(audience="customer"):
            assert asked.invoke("hello").content == "an answer"
    with recording(say("failures: {unknown-audience: block}\nmode: shadow")):
        assert ask(name, asked) == "an answer"


def test_the_level_is_unknown(say: Callable[[str], str]) -> None:
    """Text of a level that the policy does not declare blocks, unless the policy lets it pass."""
    asked = model()
    with recording(say("")), pytest.raises(ragtrace.PolicyBlocked, match="unknown-level"):
        ask("staff", asked, level="cosmic")
    assert asked.asked == []
    with recording(say("failures: {unknown-level: {staff: allow}}")) as recorder:
        assert ask("staff", asked, level="cosmic") == "an answer"
        assert decision(recorder.of("chat")[0]) == ("allow", "unknown-level", "enforce")
        with pytest.raises(ragtrace.PolicyBlocked, match="unknown-level"):
            ask("customer", asked, level="cosmic")


def test_the_framework_is_of_an_unsupported_version(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """An integration whose framework is too old is left out, and a warning names it."""
    from ragtrace_langchain import LangChainInstrumentor

    monkeypatch.setattr(
        LangChainInstrumentor, "instrumentation_dependencies", lambda _: ("langchain-core < 0.1",)
    )
    ragtrace.init()
    assert "ragtrace_langchain is not instrumented" in caplog.text
    assert not LangChainInstrumentor().is_instrumented_by_opentelemetry


def test_a_hook_of_a_framework_is_gone(
    say: Callable[[str], str], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """What may pass unjudged is refused for the audience that says so, by a request or a model."""
    from langchain_core.language_models.chat_models import BaseChatModel

    monkeypatch.delattr(BaseChatModel, "_convert_cached_generations")
    path = say("failures: {not-covered: {customer: block}}")
    with recording(path, audience="customer"):
        assert "BaseChatModel._convert_cached_generations is not there" in caplog.text
        with pytest.raises(ragtrace.PolicyBlocked, match="_convert_cached_generations"):
            ask("customer", model())
        with pytest.raises(ragtrace.PolicyBlocked, match="not-covered"):
            model().invoke("Hello")
        assert ask("staff", model()) == "an answer"


def test_the_caller_of_a_web_application_cannot_be_verified(policy: str) -> None:
    """A forged token is nobody's: the customer's model is not shown the staff note."""
    pytest.importorskip("jwt")
    testclient = pytest.importorskip("starlette.testclient")
    from ragtrace_asgi import Claims, Jwt

    asked: list[str] = []
    key = "k" * 32

    async def app(scope: Any, receive: Any, send: Any) -> None:
        asked.extend(one.page_content for one in await Notes().ainvoke("charge"))
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    token = Jwt(issuer="i", audience="a", algorithms=["HS256"], key=key)
    guarded = ragtrace.AsgiMiddleware(app, {"*": Claims(token, audience="role")})
    with recording(policy) as recorder:
        testclient.TestClient(guarded).get("/", headers={"Authorization": "Bearer forged"})
        (request,) = (span for span in recorder.spans if span.name == "ragtrace.request")
    assert asked == []
    assert request.attributes["ragtrace.audience.basis"] == "bad-token"


def test_the_store_is_held_by_a_server(tmp_path: Path) -> None:
    """A command asks the server that has the directory, and the user sees no difference."""
    pytest.importorskip("chdb")
    from ragtrace.cli._backend import running

    store = str(tmp_path / "store")
    with running(store) as url:
        assert url.startswith("http://127.0.0.1:")
        with running(store) as again:
            assert again == url
        assert command("flows", "--store", store, "--json") == (0, "[]\n", "")


def test_the_store_cannot_be_opened(tmp_path: Path) -> None:
    """A store that cannot be opened is one line and exit status 2."""
    pytest.importorskip("chdb")
    file = tmp_path / "a-file"
    file.write_text("not a directory")
    status, out, err = command("flows", "--store", str(file))
    assert (status, out) == (2, "")
    assert err.startswith("ragtrace: ") and err.count("\n") == 1


def test_the_keyring_is_missing(tmp_path: Path) -> None:
    """A store whose texts would open with nothing else is not opened with a new keyring."""
    pytest.importorskip("chdb")
    from ragtrace.store import Store
    from ragtrace.wire import ContentRecord
    from tests.engine import fresh_url

    url, record = fresh_url(), ContentRecord(digest("kept"), "chunk", "public", "kept")
    with Store.open(url, bytes(32)) as opened:
        opened.write([], [record])
        keyring = opened.keyring
    assert keyring is not None
    keyring.unlink()
    with pytest.raises(StoreError, match="keyring is missing"):
        Store.open(url, bytes(32))
    assert not keyring.exists()


def test_the_key_service_does_not_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    """A start does not wait for ever, and repeats nothing that may be the key."""
    pytest.importorskip("chdb")
    from ragtrace.store import _root, vault_key

    monkeypatch.setattr(_root, "COMMAND_SECONDS", 1.0)
    slow = f"{sys.executable} -c 'import time; print(1234567890, flush=True); time.sleep(60)'"
    with pytest.raises(ConfigError, match="RAGTRACE_VAULT_KEY_COMMAND: not done after") as refused:
        vault_key({"RAGTRACE_VAULT_KEY_COMMAND": slow})
    assert "1234567890" not in str(refused.value)


def command(*words: str) -> tuple[int, str, str]:
    done = subprocess.run(
        [sys.executable, "-m", "ragtrace", *words],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return done.returncode, done.stdout, done.stderr
