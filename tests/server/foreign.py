"""Spans of an application that OpenInference traced, and that knows nothing of ragtrace."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from ragtrace.wire import SpanRecord

START_NS = 1_760_000_000_000_000_000
NOTE = (
    "Advisers may waive the early repayment charge of a mortgage once, with code LANTERN-11, "
    "where the customer threatens to leave for another bank."
)
ARTICLE = (
    "An early repayment charge is due in the first two years of a fixed rate mortgage, and is "
    "one percent of the sum that is repaid."
)
QUESTION = "May I repay my mortgage early, and what does it cost me?"
ANSWER = "You may. In the first two years one percent is charged, and sometimes nothing at all."
SENTENCES = (NOTE, ARTICLE, QUESTION, ANSWER)


def span_id(number: int, trace: int = 1) -> str:
    """The id of a span, which no other trace has: the store knows a span by it and its time."""
    return f"{trace:08x}{number:08x}"


def span(number: int, parent: int = 1, trace: int = 1, **attributes: Any) -> SpanRecord:
    """A span; attributes name dots as ``__``."""
    return SpanRecord(
        trace_id=f"{trace:032x}",
        span_id=span_id(number, trace),
        parent_span_id=span_id(parent, trace) if parent else "",
        name=f"step {number}",
        kind="Internal",
        service="bank",
        scope="openinference.instrumentation.langchain",
        start_ns=START_NS + number * 1000,
        end_ns=START_NS + number * 1000 + 900,
        attributes={name.replace("__", "."): str(value) for name, value in attributes.items()},
        resource={"service.name": "bank"},
    )


def root(number: int = 1, trace: int = 1) -> SpanRecord:
    """The chain around everything, which holds question and answer as text."""
    chain = span(
        number,
        0,
        trace,
        openinference__span__kind="CHAIN",
        input__value=QUESTION,
        output__value=ANSWER,
        session__id="s1",
    )
    return replace(chain, end_ns=START_NS + 1_000_000)


def retrieval(
    number: int, *documents: tuple[str, str, dict[str, Any]], trace: int = 1
) -> SpanRecord:
    """A search; each document has an id, a text and metadata."""
    said = {"openinference__span__kind": "RETRIEVER", "input__value": QUESTION}
    for place, (name, text, metadata) in enumerate(documents):
        at = f"retrieval__documents__{place}__document__"
        said[f"{at}id"] = name
        said[f"{at}content"] = text
        said[f"{at}metadata"] = json.dumps(metadata)
    return span(number, trace=trace, **said)


def call(
    number: int,
    *texts: str,
    answer: str = ANSWER,
    trace: int = 1,
    **more: Any,
) -> SpanRecord:
    """A model call with one user message that holds ``texts`` and the question."""
    said = {
        "openinference__span__kind": "LLM",
        "llm__model_name": "gpt",
        "llm__input_messages__0__message__role": "user",
        "llm__input_messages__0__message__content": "\n".join((*texts, QUESTION)),
        "llm__output_messages__0__message__role": "assistant",
        "llm__output_messages__0__message__content": answer,
        "input__value": json.dumps({"messages": [*texts, QUESTION]}),
        "output__value": answer,
    }
    return span(number, trace=trace, **(said | more))


def note() -> tuple[str, str, dict[str, Any]]:
    """A document that its metadata says is for staff."""
    return "note", NOTE, {"label": "staff_only"}


def article() -> tuple[str, str, dict[str, Any]]:
    """A document that nobody has labelled."""
    return "article", ARTICLE, {}


def holds_text(spans: Iterable[SpanRecord]) -> list[str]:
    """Names of attributes with a sentence of these texts in them."""
    parts = [sentence[at : at + 25] for sentence in SENTENCES for at in (0, 30)]
    return [
        name
        for one in spans
        for name, value in {**one.attributes, "": one.status_message}.items()
        if any(part in value for part in parts)
    ]
