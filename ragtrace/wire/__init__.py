"""Records to OpenTelemetry and back: names, encoder and decoder, in one room so they agree."""

from ragtrace.wire import _names as names
from ragtrace.wire._content import content_attributes, plain_name
from ragtrace.wire._encoder import (
    AttributeValue,
    encode_account,
    encode_decision,
    encode_documents,
    encode_flows,
    encode_lineage,
    encode_plain,
    encode_request,
)
from ragtrace.wire._flows import (
    RecordedFlow,
    decode_decision,
    decode_flows,
    decode_plain,
)
from ragtrace.wire._langfuse_export import (
    is_langfuse,
    is_langfuse_trace,
    langfuse_span,
    langfuse_spans,
)
from ragtrace.wire._observed import Observed, Tracer
from ragtrace.wire._observing import observed
from ragtrace.wire._openinference import Texts, openinference
from ragtrace.wire._otlp import decode_logs, decode_traces
from ragtrace.wire._phoenix_export import is_phoenix, phoenix_span
from ragtrace.wire._protobuf import encode_records, encode_spans
from ragtrace.wire._requests import body_of, logs_request, traces_requests
from ragtrace.wire._rope import Piece, Rope, unweave, weave
from ragtrace.wire._spans import ContentRecord, SpanEvent, SpanRecord, subject_of
from ragtrace.wire._turn import Turn, turn
from ragtrace.wire._undecided import (
    Undecided,
    decode_chunks,
    encode_undecided,
    holds_chunks,
    with_short_names,
)

__all__ = [
    "AttributeValue",
    "ContentRecord",
    "Observed",
    "Piece",
    "RecordedFlow",
    "Rope",
    "SpanEvent",
    "SpanRecord",
    "Texts",
    "Tracer",
    "Turn",
    "Undecided",
    "body_of",
    "content_attributes",
    "decode_chunks",
    "decode_decision",
    "decode_flows",
    "decode_logs",
    "decode_plain",
    "decode_traces",
    "encode_account",
    "encode_decision",
    "encode_documents",
    "encode_flows",
    "encode_lineage",
    "encode_plain",
    "encode_records",
    "encode_request",
    "encode_spans",
    "encode_undecided",
    "holds_chunks",
    "is_langfuse",
    "is_langfuse_trace",
    "is_phoenix",
    "langfuse_span",
    "langfuse_spans",
    "logs_request",
    "names",
    "observed",
    "openinference",
    "phoenix_span",
    "plain_name",
    "subject_of",
    "traces_requests",
    "turn",
    "unweave",
    "weave",
    "with_short_names",
]
