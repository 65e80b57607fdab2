"""Texts for back ends that draw them: where asked for twice, and as far as the reader may read."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from langchain_core.documents import Document
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk.trace import SpanLimits, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor

import ragtrace
from ragtrace.capture import _assembly
from ragtrace.wire import Texts, names, openinference
from ragtrace.wire._openinference import LONGEST
from tests.integrations.conftest import Start
from tests.integrations.kit import PUBLIC, SECRET, Kit, ask, leaks, question
from tests.integrations.spans import Spans, of, written

DRAWN = {"content": True, "openinference": True, "logger_provider": LoggerProvider()}
HIDDEN = "[staff_only: "


def told(spans: Spans, operation: str) -> dict[str, Any]:
    (span,) = of(spans, operation)
    return dict(span.attributes or {})


def content(said: dict[str, Any]) -> list[Any]:
    """What is drawn of the documents, in their order."""
    return [said.get(names.OI_DOCUMENT_CONTENT.format(i=place)) for place in range(2)]


def drawn(spans: Spans) -> tuple[list[Any], dict[str, Any]]:
    """What is drawn of the secret and the public note, and all that is said of the call."""
    notes = told(spans, "retrieval")
    ids = [notes[names.OI_DOCUMENT_ID.format(i=place)] for place in range(2)]
    texts = dict(zip(ids, content(notes), strict=True))
    return [texts["note-secret"], texts["note-public"]], told(spans, "chat")


@pytest.mark.parametrize("content_too", [False, True])
@pytest.mark.parametrize("openinference_too", [False, True])
def test_texts_are_drawn_where_both_are_on(
    content_too: bool, openinference_too: bool, kit: Kit, start: Start
) -> None:
    """One switch alone puts no text into any span."""
    logs = LoggerProvider()
    spans = start(
        "drop", content=content_too, openinference=openinference_too, logger_provider=logs
    )
    ask(kit, "staff")
    assert (PUBLIC in written(spans)) == (content_too and openinference_too)


def test_what_was_given_is_drawn(kit: Kit, start: Start) -> None:
    """Whoever may read everything has documents, query, prompt and completion drawn."""
    spans = start("drop", **DRAWN)
    answer = ask(kit, "staff")
    notes, call = drawn(spans)
    assert notes == [SECRET, PUBLIC]
    assert told(spans, "retrieval")["input.value"] == question("staff")
    assert call["llm.input_messages.0.message.role"] == "system"
    assert SECRET in call["llm.input_messages.0.message.content"]
    assert call["llm.input_messages.1.message.content"] == question("staff")
    assert call["llm.output_messages.0.message.content"] == answer


@pytest.mark.parametrize("decision", ["drop", "redact", "context_only", "block"])
def test_nothing_is_drawn_that_the_reader_may_not_be_told(
    decision: str, kit: Kit, start: Start
) -> None:
    """Of what was dropped, taken out, kept back or blocked, no word is in any span."""
    spans = start(decision, "refuse", **DRAWN)
    ask(kit, "customer")
    assert not leaks(written(spans))
    (secret, public), call = drawn(spans)
    assert public == PUBLIC
    if decision == "context_only":
        assert secret == f"{HIDDEN}{len(SECRET)} characters]"
        assert HIDDEN in call["llm.input_messages.0.message.content"]
    else:
        assert secret == {"redact": "[redacted]"}.get(decision)
    if decision == "block":
        assert "llm.input_messages.0.message.content" not in call
        assert "branch" in call["llm.output_messages.0.message.content"]
    else:
        assert PUBLIC in call["llm.input_messages.0.message.content"]


def test_allowed_is_not_readable(kit: Kit, start: Start) -> None:
    """What a rule lets through above the clearance reaches model and reader, and no span."""
    spans = start("allow", **DRAWN)
    assert leaks(ask(kit, "customer"))
    assert not leaks(written(spans))
    assert HIDDEN in told(spans, "chat")["llm.output_messages.0.message.content"]


def test_what_could_not_be_judged_is_not_drawn(
    kit: Kit, start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the judge fails nobody can tell what is in a prompt: none of it is drawn."""
    spans = start("allow", **DRAWN)
    failed = _assembly.failed

    def allowed(*args: Any) -> Any:
        return replace(failed(*args), action=ragtrace.model.Action.ALLOW)

    def broken(*args: Any) -> Any:
        raise LookupError("planted")

    monkeypatch.setattr(_assembly, "judge_messages", broken)
    monkeypatch.setattr(_assembly, "failed", allowed)
    ask(kit, "customer", kit.chain(retriever=kit.store([Document(PUBLIC)]).as_retriever()))
    assert told(spans, "chat")["llm.input_messages.1.message.content"].startswith("[staff_only: ")


def test_without_a_policy_all_is_drawn(kit: Kit) -> None:
    """Nobody has said who may read what, so nothing is kept back here either."""
    spans, provider = Spans(), TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(spans))
    ragtrace.init(tracer_provider=provider, **DRAWN)
    ask(kit, "customer")
    assert SECRET in told(spans, "chat")["llm.input_messages.0.message.content"]


def test_a_long_text_is_cut() -> None:
    """A drawn text has an end, and says how much is left out."""
    said = openinference({}, (), Texts(completion="x" * (LONGEST + 5)))
    assert said[names.OI_OUTPUT_TEXT] == "x" * LONGEST + "… [5 more characters]"


def test_texts_displace_nothing(kit: Kit, start: Start) -> None:
    """Where a span has room for few attributes, flows and digests stay and texts go."""
    spans = start("drop", limits=SpanLimits(max_span_attributes=40), **DRAWN)
    ask(kit, "staff")
    with ragtrace.request("staff"):
        kit.chat().invoke([("human", f"{place}: {PUBLIC}") for place in range(40)])
    for span in (*of(spans, "retrieval"), *of(spans, "chat")):
        assert span.dropped_attributes == 0
        assert "ragtrace.flows" in (span.attributes or {})


def test_a_span_never_has_more_than_128(kit: Kit, start: Start) -> None:
    """A full retrieval and a long conversation fit the limit that providers have by themselves."""
    spans = start("drop", **DRAWN)
    notes = [
        Document(f"Fee {n} is {n} pounds a year.", id=f"n{n}", metadata={"level": "public"})
        for n in range(40)
    ]
    retriever = kit.store(notes).as_retriever(search_kwargs={"k": 40})
    with ragtrace.request("staff", session="s", user="u", tenant="t"):
        retriever.invoke("fees")
        kit.chat().invoke([("human", f"{place}: {PUBLIC}") for place in range(60)])
    for span in (*of(spans, "retrieval"), *of(spans, "chat")):
        assert span.dropped_attributes == 0
        assert len(span.attributes or {}) <= 128
    assert names.OI_DOCUMENT_CONTENT.format(i=15) in told(spans, "retrieval")
    assert told(spans, "chat")["llm.input_messages.15.message.content"].startswith("59: ")
