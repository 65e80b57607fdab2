"""When something fails: one test for every row of docs/failures.md."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("langchain_core")

from langchain_core.documents import Document
from langchain_core.language_models.fake_chat_models import GenericFakeChatModel
from langchain_core.messages import AIMessage
from langchain_core.retrievers import BaseRetriever
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor, SpanExporter

import ragtrace
from ragtrace.attribution.corpus import CorpusDocument, CorpusWriter
from ragtrace.capture import current, ensure
from ragtrace.errors import ConfigError, CorpusIndexError, PolicyFileError
from ragtrace.labels import Labeller
from ragtrace.model import Label, Source
from ragtrace.testing import recording

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


def test_judging_a_chunk_fails(policy: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A chunk that cannot be judged blocks the prompt it reaches, unless nothing is enforced."""

    def fail(*_: Any) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(Labeller, "label", fail)
    asked = model()
    with recording(policy), pytest.raises(ragtrace.PolicyBlocked, match="judge-error"):
        ask("staff", asked)
    assert asked.asked == []
    with recording():
        assert ask("staff", asked) == "an answer"


def test_judging_a_prompt_fails(policy: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A prompt that cannot be judged is not sent, unless nothing is enforced."""

    def fail(*_: Any, **__: Any) -> None:
        raise ZeroDivisionError

    asked = model()
    with recording(policy):
        monkeypatch.setattr("ragtrace.capture._assembly._read", fail)
        with pytest.raises(ragtrace.PolicyBlocked, match="judge-error"):
            ask("staff", asked)
        assert asked.asked == []
    with recording():
        assert ask("staff", asked) == "an answer"


def test_judging_a_cached_answer_fails(policy: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A cached answer that cannot be judged is withheld."""
    from langchain_core.caches import InMemoryCache

    def fail(*_: Any) -> None:
        raise ZeroDivisionError

    cached = model(cache=InMemoryCache())
    with recording(policy), ragtrace.request(audience="staff"):
        assert cached.invoke("hello").content == "an answer"
        monkeypatch.setattr("ragtrace.capture._call.judge_found", fail)
        assert cached.invoke("hello").content == "[withheld]"
    assert cached.asked == ["hello"]


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
import os; os._exit(0)
"""


def test_the_back_end_is_dead(monkeypatch: pytest.MonkeyPatch) -> None:
    """With nobody listening the call is answered without waiting."""
    monkeypatch.setenv("OTEL_TRACES_EXPORTER", "otlp")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:9")
    done = subprocess.run(
        [sys.executable, "-c", DEAD], capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stdout) == (0, "an answer\n"), done.stderr


class Logs:
    """A logger provider whose loggers raise."""

    def get_logger(self, *_: Any) -> Logs:
        return self

    def emit(self, *_: Any) -> None:
        raise OSError("no route")


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


def command(*words: str) -> tuple[int, str, str]:
    done = subprocess.run(
        [sys.executable, "-m", "ragtrace", *words],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return done.returncode, done.stdout, done.stderr
