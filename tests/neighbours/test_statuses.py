"""What any tracing back end shows of a step: its name, its kind and its status."""

from __future__ import annotations

from typing import Any

import pytest
from langchain_core.documents import Document
from langchain_core.retrievers import BaseRetriever
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.trace import SpanKind, StatusCode

import ragtrace
from tests.integrations.conftest import Start
from tests.integrations.kit import SECRET, Kit, ask, leaks, question
from tests.integrations.spans import Spans, of, written


def shown(spans: Spans) -> dict[str, tuple[str, str, str | None]]:
    """Kind, status and its description, by name."""
    return {
        span.name: (span.kind.name, span.status.status_code.name, span.status.description)
        for span in spans.get_finished_spans()
    }


def only(spans: Spans, operation: str) -> ReadableSpan:
    (span,) = of(spans, operation)
    return span


FINE = ("CLIENT", "UNSET", None)


@pytest.mark.parametrize(
    ("decision", "audience"), [("drop", "staff"), ("drop", "customer"), ("redact", "customer")]
)
def test_a_call_that_went_through(decision: str, audience: str, kit: Kit, start: Start) -> None:
    """A turn, and in it a retrieval and a chat, which are calls to somebody else; none is red."""
    spans = start(decision)
    ask(kit, audience)
    turn = ("INTERNAL", "UNSET", None)
    assert set(shown(spans).values()) == {turn, FINE}
    names = [span.name for span in spans.get_finished_spans()]
    assert names == [
        f"retrieval {only(spans, 'retrieval').attributes['gen_ai.data_source.id']}",
        "chat chat",
        "ragtrace.request",
    ]


def test_a_withheld_answer_is_no_error(kit: Kit, start: Start) -> None:
    """The guard has done its work: there is an answer, and the span says what is missing."""
    spans = start("context_only")
    assert not leaks(ask(kit, "customer"))
    assert shown(spans)["chat chat"] == FINE
    assert (only(spans, "chat").attributes or {})["ragtrace.completion.withheld"] == 1
    assert "error.type" not in written(spans)


@pytest.mark.parametrize("on_block", ["raise", "refuse"])
def test_a_blocked_call_is_red_and_says_why(on_block: str, kit: Kit, start: Start) -> None:
    """Whether the caller sees an exception or a refusal: ERROR, PolicyBlocked, rule and reason."""
    spans = start("block", on_block)
    if on_block == "raise":
        with pytest.raises(ragtrace.PolicyBlocked) as raised:
            ask(kit, "customer")
        why = str(raised.value)
    else:
        ask(kit, "customer")
        why = "staff-notes"
    kind, status, said = shown(spans)["chat chat"]
    assert (kind, status) == ("CLIENT", "ERROR")
    assert said is not None and why in said
    assert (only(spans, "chat").attributes or {})["error.type"] == "PolicyBlocked"
    assert only(spans, "retrieval").status.status_code is StatusCode.UNSET


def test_a_failed_model_is_red_and_keeps_quiet(kit: Kit, start: Start) -> None:
    """ERROR and the class of the exception; its message may hold text, and is not told."""
    spans = start("drop")
    with pytest.raises(Exception, match="out of order"), ragtrace.request("staff"):
        kit.chain(kit.broken).invoke(question("staff"))
    span = only(spans, "chat")
    assert (span.name, span.kind) == ("chat broken", SpanKind.CLIENT)
    assert (span.status.status_code, span.status.description) == (StatusCode.ERROR, None)
    assert str((span.attributes or {})["error.type"]).endswith("Error")
    assert "out of order" not in written(spans)


class Torn(BaseRetriever):
    """A retriever that fails with document text in its message."""

    def _get_relevant_documents(self, query: str, *, run_manager: Any) -> list[Document]:
        raise LookupError(SECRET)


def test_a_failed_search_is_red_and_keeps_quiet(kit: Kit, start: Start) -> None:
    """So it is with a retriever."""
    spans = start("drop")
    with pytest.raises(LookupError), ragtrace.request("staff"):
        Torn().invoke("fees")
    span = only(spans, "retrieval")
    assert span.name.startswith("retrieval ")
    assert (span.status.status_code, span.status.description) == (StatusCode.ERROR, None)
    assert (span.attributes or {})["error.type"] == "LookupError"
    assert not leaks(written(spans))
