"""Records to OpenTelemetry and back: names, encoder and decoder, in one room so they agree."""

from ragtrace.wire import _names as names
from ragtrace.wire._encoder import (
    AttributeValue,
    encode_account,
    encode_decision,
    encode_documents,
    encode_flows,
    encode_lineage,
    encode_request,
)
from ragtrace.wire._openinference import openinference
from ragtrace.wire._otlp import decode_logs, decode_traces
from ragtrace.wire._rope import Piece, Rope, unweave, weave
from ragtrace.wire._spans import ContentRecord, SpanRecord

__all__ = [
    "AttributeValue",
    "ContentRecord",
    "Piece",
    "Rope",
    "SpanRecord",
    "decode_logs",
    "decode_traces",
    "encode_account",
    "encode_decision",
    "encode_documents",
    "encode_flows",
    "encode_lineage",
    "encode_request",
    "names",
    "openinference",
    "unweave",
    "weave",
]
