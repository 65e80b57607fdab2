"""Telemetry: a file of spans, in whichever of the known forms, read whole before it is used."""

from __future__ import annotations

import gzip
import json
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from ragtrace.errors import WireError

if TYPE_CHECKING:
    from ragtrace.wire import ContentRecord, SpanRecord

__all__ = ["Telemetry", "read_telemetry"]

MOST_BYTES: Final = 1024 * 1024 * 1024
"""Of a file, decompressed: as objects it takes some eight times that. Larger ones are cut."""

SPANS: Final = 5_000
"""Spans of one OTLP object that are decoded at once: the decoder refuses more than 20,000."""

PARQUET_ROWS: Final = 64
"""Rows that are unpacked before it is seen how long they are."""

_JSON: Final = "application/json"
_FORMS: Final = (
    "OTLP JSON (resourceSpans, resourceLogs), spans of Phoenix, or observations of Langfuse"
)


@dataclass(slots=True)
class Telemetry:
    """What a file held.

    Attributes:
        forms: How many objects were of which form: ``otlp``, ``phoenix``, ``langfuse``.
        ignored: Log records that carry no text of ours.
    """

    spans: list[SpanRecord] = field(default_factory=list)
    contents: list[ContentRecord] = field(default_factory=list)
    forms: Counter[str] = field(default_factory=Counter)
    ignored: int = 0

    def by_trace(self, size: int) -> Iterator[list[SpanRecord]]:
        """The spans, whole traces together, at most ``size`` in one unless a trace has more."""
        traces: dict[str, list[SpanRecord]] = {}
        for span in self.spans:
            traces.setdefault(span.trace_id, []).append(span)
        batch: list[SpanRecord] = []
        for trace in traces.values():
            if batch and len(batch) + len(trace) > size:
                yield batch
                batch = []
            batch = batch + trace
        if batch:
            yield batch

    def take(self, value: Any) -> None:
        """Take in one parsed object: a request, a row, a page of rows, or a list of these.

        Raises:
            WireError: It is none of the known ones, or not what it claims to be.
        """
        from ragtrace import wire

        if isinstance(value, list):
            for one in value:
                self.take(one)
        elif not isinstance(value, dict):
            raise WireError(f"expected {_FORMS}, found a {type(value).__name__}")
        elif "resourceSpans" in value or "resourceLogs" in value:
            self.forms["otlp"] += 1
            self._otlp(value)
        elif wire.is_langfuse(value):
            self.forms["langfuse"] += 1
            self.spans.append(wire.langfuse_span(value))
        elif wire.is_langfuse_trace(value):
            self.forms["langfuse"] += 1
            self.spans += wire.langfuse_spans(value)
        elif wire.is_phoenix(value):
            self.forms["phoenix"] += 1
            self.spans.append(wire.phoenix_span(value))
        elif isinstance(value.get("data"), list):  # a page of either one's API
            self.take(value["data"])
        else:
            raise WireError(f"expected {_FORMS}")

    def _otlp(self, value: Mapping[str, Any]) -> None:
        from ragtrace.wire import decode_logs, decode_traces

        if "resourceLogs" in value:
            found, skipped = decode_logs(_body({"resourceLogs": value["resourceLogs"]}), _JSON)
            self.contents += found
            self.ignored += skipped
        if "resourceSpans" in value:
            for part in _parts(value["resourceSpans"]):
                self.spans += decode_traces(_body({"resourceSpans": part}), _JSON)


def read_telemetry(file: Path) -> Telemetry:
    """Read JSON lines, one JSON value, either of them compressed by gzip, or a Parquet file.

    Raises:
        WireError: It is none of these, or one of its objects is not of a known form; the message
            names the file and the line.
    """
    read = Telemetry()
    if file.suffix == ".parquet":
        for number, row in enumerate(_parquet(file), 1):
            _take(read, row, f"{file}: row {number}")
        return read
    data = _bytes(file)
    lines = data.splitlines()
    first = next((line for line in lines if line.strip()), b"")
    if not _is_json(first):  # one value over many lines, or nothing of the kind
        _take(read, _parsed(data, str(file)), str(file))
        return read
    for number, line in enumerate(lines, 1):
        if line.strip():
            _take(read, _parsed(line, f"{file}:{number}"), f"{file}:{number}")
    return read


def _take(read: Telemetry, value: Any, where: str) -> None:
    try:
        read.take(value)
    except WireError as error:
        raise WireError(f"{where}: {error}") from None
    except RecursionError:
        raise WireError(f"{where}: expected less nesting") from None


def _parsed(data: bytes, where: str) -> Any:
    try:
        value = json.loads(data)
        if b"\\ud" in data or b"\\uD" in data:  # half a character can be escaped, and not stored
            value = json.loads(json.dumps(value, ensure_ascii=False).encode("utf-8", "replace"))
        return value
    except (ValueError, RecursionError) as error:
        line = getattr(error, "lineno", 0)
        at = f"{where}:{line}" if line > 1 else where
        raise WireError(f"{at}: expected JSON: {_FORMS}") from None


def _is_json(line: bytes) -> bool:
    try:
        json.loads(line)
    except (ValueError, RecursionError):
        return False
    return True


def _bytes(file: Path) -> bytes:
    opened = gzip.open if _is_gzip(file) else open
    try:
        with opened(file, "rb") as stream:
            data = bytes(stream.read(MOST_BYTES + 1))
    except (OSError, EOFError) as error:
        raise WireError(f"{file}: cannot be read: {type(error).__name__}") from None
    if len(data) > MOST_BYTES:
        raise WireError(f"{file}: expected at most {MOST_BYTES} bytes, decompressed")
    return data


def _is_gzip(file: Path) -> bool:
    with file.open("rb") as stream:
        return stream.read(2) == b"\x1f\x8b"


def _parquet(file: Path) -> Iterator[dict[str, Any]]:
    from ragtrace.errors import MissingDependencyError

    try:
        import pyarrow.parquet as parquet
        from pyarrow import ArrowException
    except ModuleNotFoundError:
        raise MissingDependencyError("pyarrow", "server") from None
    length = 0
    try:
        with parquet.ParquetFile(file) as opened:
            for rows in opened.iter_batches(PARQUET_ROWS):
                length += rows.nbytes  # as they are here: a text that repeats is stored once
                if length > MOST_BYTES:
                    break
                yield from rows.to_pylist()
    # Beside its own, pyarrow raises these for a text, a number or a date that Python has not.
    except (ArrowException, OSError, ValueError, OverflowError) as error:
        raise WireError(f"{file}: expected Parquet: {type(error).__name__}") from None
    if length > MOST_BYTES:
        raise WireError(f"{file}: expected at most {MOST_BYTES} bytes, decompressed")


def _body(value: Mapping[str, Any]) -> bytes:
    try:
        return json.dumps(value).encode("utf-8")
    except RecursionError:
        raise WireError("expected less nesting") from None


def _parts(resources: Any) -> Iterator[Any]:
    """An export request in pieces that the decoder takes; what is not as expected, it refuses."""
    if not isinstance(resources, list):
        yield resources
        return
    for resource in resources:
        scopes = resource.get("scopeSpans") if isinstance(resource, dict) else None
        if not isinstance(scopes, list):
            yield [resource]
            continue
        for scope in scopes:
            spans = scope.get("spans") if isinstance(scope, dict) else None
            if not isinstance(spans, list) or len(spans) <= SPANS:
                yield [{**resource, "scopeSpans": [scope]}]
                continue
            for start in range(0, len(spans), SPANS):
                part = {**scope, "spans": spans[start : start + SPANS]}
                yield [{**resource, "scopeSpans": [part]}]
