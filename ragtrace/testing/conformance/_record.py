"""Record: what spans say: all there is to tell, whole and in order, none of the text, always."""

from __future__ import annotations

import gc
from typing import Final

from opentelemetry.sdk.trace import SpanLimits

from ragtrace.capture import request
from ragtrace.model import digest
from ragtrace.testing.conformance._secret import NOTES, PUBLIC, SECRET, Note, leaks, question
from ragtrace.testing.conformance._stage import Stage, told

__all__ = ["LIMITS", "ends_streams_that_are_left", "keeps_text_out", "tells_of_every_document"]

MANY: Final = 500
"""Documents of one search; a default tracer provider keeps 128 attributes of a span."""

LIMITS: Final = {
    "default": SpanLimits(),
    "short values": SpanLimits(max_attribute_length=4096),
    "few attributes": SpanLimits(max_span_attributes=32),
    "both": SpanLimits(max_attribute_length=8192, max_span_attributes=48),
    "very short values": SpanLimits(max_attribute_length=1500),
    "tiny": SpanLimits(max_attribute_length=1024, max_span_attributes=16),
}
"""What tracer providers may be set to."""


def tells_of_every_document(stage: Stage, limits: str, *, openinference: bool = False) -> None:
    """Ids, levels, digests and decisions of every document are there, in the order found.

    Args:
        stage: To play on.
        limits: One of ``LIMITS``.
        openinference: Whether other names are written beside ours.
    """
    stage.start("drop", limits=LIMITS[limits], openinference=openinference)
    notes = [
        Note(
            f"note-{place}",
            f"Article {place} says that fee {place} is {place} pounds.",
            ("staff_only", "public")[place % 2],
        )
        for place in range(MANY)
    ]
    with stage.kit() as kit, request("customer"):
        kept = kit.find(notes)
    assert kept == [note.text for note in notes if note.level == "public"], kept
    told_of = [flow for span in stage.recorder.spans for flow in span.flows]
    told_of.sort(key=lambda flow: flow["rank"])
    assert len(stage.recorder.of("retrieval")) == 1, "one search has another number of spans"
    assert [flow["digest"] for flow in told_of] == [digest(note.text) for note in notes]
    assert [flow["id"] for flow in told_of] == [note.id for note in notes]
    assert [flow["level"] for flow in told_of] == [note.level for note in notes]
    actions = ["drop" if note.level == "staff_only" else "allow" for note in notes]
    assert [flow["action"] for flow in told_of] == actions
    for span in stage.recorder.spans:
        assert len(span.attributes) <= min(128, LIMITS[limits].max_span_attributes or 128)
        assert span.attributes["ragtrace.request.id"], "the first attribute is gone"


def keeps_text_out(stage: Stage, decision: str) -> None:
    """With content off no document's text, question or answer is in any span, whoever asked."""
    stage.start(decision, openinference=True)
    for audience in ("customer", "staff"):
        stage.take(stage.adapter.paths[0], audience)
    written = stage.recorder.written
    assert not leaks(written), "the secret is in a span"
    assert PUBLIC[:20] not in written, "a document's text is in a span"
    assert "about my fee" not in written, "the question is in a span"
    assert digest(SECRET) in written, "the document's digest is in no span"
    assert NOTES[0].id in written, "the document's id is in no span"


def ends_streams_that_are_left(stage: Stage, decision: str) -> None:
    """A reader who goes away early ends the span, which says so; and one who never began, too."""
    stage.start(decision)
    with stage.kit() as kit, request("customer"):
        asked = f"{question('customer')} {'Tell me more. ' * 40}"
        stream = kit.stream(PUBLIC, asked)
        next(stream)
        del stream
        gc.collect()
        assert _partial(stage) == [True], "the span of a stream that was left has not ended"
        told(lambda: kit.stream(PUBLIC, asked))
        gc.collect()
    assert all(_partial(stage)), "the span of a stream that nobody read says nothing of it"
    asked_for = len(_partial(stage))
    assert asked_for >= len(stage.wire.bodies), "a stream that nobody read has left no span"


def _partial(stage: Stage) -> list[object]:
    spans = [*stage.recorder.of("chat"), *stage.recorder.of("text_completion")]
    assert not any("error.type" in span.attributes for span in spans), "leaving is no error"
    return [span.attributes.get("ragtrace.completion.partial") for span in spans]
