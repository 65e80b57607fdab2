"""What the spans of LangChain say: all there is to tell, none of the text, and that they end."""

from __future__ import annotations

import asyncio
import gc
import logging
from typing import Any

import pytest
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import InMemoryLogRecordExporter, SimpleLogRecordProcessor

import ragtrace
from ragtrace.model import digest
from tests.integrations.conftest import Start
from tests.integrations.kit import PUBLIC, SECRET, Kit, ask, leaks, question
from tests.integrations.spans import of, written

# --- what spans say --------------------------------------------------------------------------


@pytest.mark.parametrize("decision", ["drop", "redact", "context_only", "block"])
def test_content_off_means_off(
    decision: str, kit: Kit, start: Start, caplog: pytest.LogCaptureFixture
) -> None:
    """No document text, question or answer is in any span or log, whoever asked."""
    caplog.set_level(logging.DEBUG, "ragtrace")
    spans = start(decision, openinference=True)
    for audience in ("customer", "staff"):
        for chain in (kit.chain(), kit.chain(kit.text())):
            try:
                ask(kit, audience, chain)
            except ragtrace.PolicyBlocked:
                assert (decision, audience) == ("block", "customer")
    for text in (written(spans), caplog.text):
        assert not leaks(text)
        assert PUBLIC[:20] not in text and "about my fee" not in text
    assert digest(SECRET) in written(spans)


def test_content_on_files_each_text_once(kit: Kit, start: Start) -> None:
    """With content on, texts are log records under their digests, and still in no span."""
    logs, kept = LoggerProvider(), InMemoryLogRecordExporter()
    logs.add_log_record_processor(SimpleLogRecordProcessor(kept))
    spans = start("drop", content=True, logger_provider=logs)
    for _ in range(2):
        ask(kit, "staff")
    assert not leaks(written(spans))
    bodies = [str(item.log_record.body) for item in kept.get_finished_logs()]
    assert bodies.count(SECRET) == bodies.count(PUBLIC) == 1


# --- streams that are left early -------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("decision", ["drop", "context_only"])
@pytest.mark.parametrize("kind", ["chat", "text", "chain"])
@pytest.mark.parametrize("how", ["break", "close", "abreak", "aclose", "cancel"])
def test_a_stream_left_early_ends_its_span(
    how: str, kind: str, decision: str, kit: Kit, start: Start
) -> None:
    """Whether broken off, closed or cancelled, its span ends at once and says so."""
    spans = start(decision)
    model: Any = kit.prompt | kit.chat() if kind == "chain" else getattr(kit, kind)()
    asked: Any = f"{question('customer')} {'Tell me more. ' * 40}"
    if kind == "chain":
        asked = {"question": asked, "notes": SECRET}

    async def aleave() -> None:
        stream = model.astream(asked)
        if how == "cancel":
            task = asyncio.ensure_future(read(stream))
            await asyncio.sleep(0.2)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            return
        async for _ in stream:
            break
        if how == "aclose":
            await stream.aclose()
        del stream
        gc.collect()
        await asyncio.sleep(0.05)
        assert of(spans, model_kind)

    async def read(stream: Any) -> None:
        async for _ in stream:
            await asyncio.sleep(10)

    model_kind = "text_completion" if kind == "text" else "chat"
    with ragtrace.request("customer"):
        if how in ("abreak", "aclose", "cancel"):
            asyncio.run(aleave())
        else:
            stream = model.stream(asked)
            next(stream)
            if how == "close":
                stream.close()
            del stream
            gc.collect()
    (span,) = of(spans, model_kind)
    told = dict(span.attributes or {})
    assert told["ragtrace.completion.partial"] is True
    assert "error.type" not in told


def test_a_chain_left_early_leaves_no_span_open(kit: Kit, start: Start) -> None:
    """LangChain itself reads the model to its end where a parser stands behind it."""
    spans = start("drop")
    with ragtrace.request("customer"):
        for _ in kit.chain().stream(question("customer")):
            break
    gc.collect()
    assert len(of(spans, "chat")) == len(of(spans, "retrieval")) == 1
    assert len(kit.wire.bodies) == 1
