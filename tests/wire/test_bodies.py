"""A text comes out as it went in, whatever is in it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import InMemoryLogRecordExporter, SimpleLogRecordProcessor

from ragtrace.capture._vault import Vault
from ragtrace.errors import WireError
from ragtrace.model import digest
from ragtrace.wire import ContentRecord, decode_logs, encode_records, logs_request

PROTOBUF = "application/x-protobuf"
TEXTS = st.text(st.characters() | st.sampled_from(["\ud800", "\udfff", "\0"]), max_size=20)


@given(TEXTS.filter(bool))
def test_half_a_character_is_filed_as_it_is(text: str) -> None:
    """By the application's exporter, and by whoever hands it on."""
    exporter = InMemoryLogRecordExporter()
    provider = LoggerProvider(shutdown_on_exit=False)
    provider.add_log_record_processor(SimpleLogRecordProcessor(exporter))
    Vault(provider.get_logger("ragtrace")).put("chunk", digest(text), "internal", text)
    (record,), _ = decode_logs(encode_records(exporter.get_finished_logs()), PROTOBUF)
    assert (record.text, record.digest) == (text, digest(text))
    (again,), _ = decode_logs(
        logs_request([ContentRecord(digest(text), "chunk", "x", text)]), PROTOBUF
    )
    assert again.text == text


def test_bytes_that_are_no_text_are_refused() -> None:
    """They have no digest that a text could have."""
    body = logs_request([ContentRecord(digest("\ud800"), "chunk", "x", "\ud800")])
    request = ExportLogsServiceRequest.FromString(body)
    request.resource_logs[0].scope_logs[0].log_records[0].body.bytes_value = b"\xff"
    with pytest.raises(WireError, match="expected text"):
        decode_logs(request.SerializeToString(), PROTOBUF)
