"""``ragtrace import``: telemetry from a file into the store."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import unquote

import click
from rich.progress import Progress

from ragtrace.cli import _options
from ragtrace.cli._table import console
from ragtrace.cli._telemetry import Telemetry, read_telemetry
from ragtrace.errors import MissingDependencyError, StoreError

if TYPE_CHECKING:
    import httpx

    from ragtrace.policy import Policy
    from ragtrace.wire import SpanRecord

__all__ = ["command"]

BATCH_SPANS: Final = 5_000
"""Spans written at once: what the engine takes best (storage measurements)."""
SECONDS: Final = 120.0
"""A server that is busy writing answers within that."""
HEADERS: Final = "OTEL_EXPORTER_OTLP_HEADERS"
"""Where exporters find the token for a server that asks senders for one, and so do we."""


@dataclass(frozen=True, slots=True)
class Imported:
    """What was read, and what became of it.

    Attributes:
        left_out: Spans that are there already, told in another way.
        contents: As ``flows``, unknown where a server was sent what was read.
    """

    spans: int
    traces: int
    steps: dict[str, int]
    forms: dict[str, int]
    ignored_log_records: int
    left_out: int
    contents: int | None
    flows: int | None
    into: str

    def as_json(self) -> dict[str, Any]:
        """Give the counts by name."""
        return {name: getattr(self, name) for name in self.__slots__}


@click.command("import")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@_options.store
@_options.policy
@click.option("--dry-run", is_flag=True, help="Read and attribute everything; write nothing.")
@_options.as_json
def command(file: Path, store: str, policy: Path | None, dry_run: bool, as_json: bool) -> None:
    """Read FILE: OTLP JSON, or an export of Phoenix or of Langfuse; lines, one value, or Parquet.

    The whole file is read and checked before anything is written. While a server has the store,
    it is given what was read, and labels it by its own policy.
    """
    from ragtrace.policy import read_policy
    from ragtrace.server import server_url

    labels = read_policy(policy) if policy is not None else None
    read = read_telemetry(file)
    url = None if dry_run else server_url(store)
    with _progress(len(read.spans), quiet=as_json) as advance:
        if dry_run:
            done = _adopted(read, labels, advance)
        elif url is not None:
            left_out = _send(read, url, advance)
            done = _counted(read, url, left_out=left_out)
        else:
            done = _write(read, store, labels, advance)
    if as_json:
        click.echo(json.dumps(done.as_json()))
        return
    made = f", {done.flows} flows, {done.contents} texts" if done.flows is not None else ""
    made += f", {done.left_out} left out that are there already" if done.left_out else ""
    found = ", ".join(f"{name} {count}" for name, count in done.forms.items()) or "nothing"
    click.echo(f"{done.spans} spans of {done.traces} traces ({found}){made} into {done.into}")


def _write(read: Telemetry, store: str, policy: Policy | None, advance: Any) -> Imported:
    """Into the store itself, which nobody else has open."""
    from ragtrace.server import Adopter, settle
    from ragtrace.store import Store, stored_otherwise, vault_key
    from ragtrace.wire import names

    with closing(Store.open(store, vault_key())) as opened:
        if read.contents:
            opened.write((), read.contents)
        flows = contents = left_out = 0
        for batch in read.by_trace(BATCH_SPANS):
            new = _without(batch, stored_otherwise(opened, batch))
            left_out += len(batch) - len(new)
            adopter = Adopter(policy)
            made, texts = adopter.adopt(new)
            opened.write(made, texts)
            adopted = {span.trace_id for span in made if names.TRACER in span.attributes}
            # Of these a part may be in the store already.
            settle(opened, adopter, filter(adopter.is_open, adopted))
            flows += _flows(made)
            contents += len(texts)
            advance(len(batch))
    return _counted(read, store, len(read.contents) + contents, flows, left_out)


def _adopted(read: Telemetry, policy: Policy | None, advance: Any) -> Imported:
    """Nowhere: only what would be."""
    from ragtrace.server import Adopter

    flows = contents = 0
    for batch in read.by_trace(BATCH_SPANS):
        made, texts = Adopter(policy).adopt(batch)
        flows += _flows(made)
        contents += len(texts)
        advance(len(batch))
    return _counted(read, "nowhere", len(read.contents) + contents, flows)


def _without(spans: list[SpanRecord], there: set[tuple[str, str]]) -> list[SpanRecord]:
    return [span for span in spans if (span.trace_id, span.span_id) not in there]


def _told_to(url: str, read: Telemetry) -> set[tuple[str, str]]:
    """Spans of another back end's export that the server has from their tracer."""
    from ragtrace import config
    from ragtrace.server import Client
    from ragtrace.store import TraceNotFoundError, told_otherwise

    if not {"phoenix", "langfuse"} & read.forms.keys():
        return set()
    stored: list[tuple[str, str, str, str, int]] = []
    with Client(url, config.READ_TOKEN.value(os.environ)) as client:
        for trace_id in {span.trace_id for span in read.spans}:
            with suppress(TraceNotFoundError):
                stored += [
                    (trace_id, span.span_id, span.service, span.name, span.start_ns)
                    for span in client.trace(trace_id).spans
                ]
    return told_otherwise(read.spans, stored)


def _send(read: Telemetry, url: str, advance: Any) -> int:
    """To the server that has the store; how many spans it has already."""
    try:
        import httpx
    except ModuleNotFoundError:
        raise MissingDependencyError("httpx", "server") from None
    from ragtrace.server import client_context
    from ragtrace.wire import logs_request, traces_requests

    headers = {"content-type": "application/x-protobuf", **_headers(os.environ.get(HEADERS, ""))}
    there = _told_to(url, read)
    spans = [span for batch in read.by_trace(BATCH_SPANS) for span in _without(batch, there)]
    trusted = client_context(os.environ) if url.startswith("https:") else True
    with httpx.Client(
        base_url=url, headers=headers, timeout=SECONDS, trust_env=False, verify=trusted
    ) as client:
        for start in range(0, len(read.contents), BATCH_SPANS):
            some = read.contents[start : start + BATCH_SPANS]
            _posted(client, "/v1/logs", logs_request(some))
        for body, count in traces_requests(spans):
            _posted(client, "/v1/traces", body)
            advance(count)
    return len(read.spans) - len(spans)


def _posted(client: httpx.Client, path: str, body: bytes) -> None:
    from httpx import HTTPError
    from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
        ExportTraceServiceResponse,
    )

    url = str(client.base_url).rstrip("/")
    try:
        answer = client.post(path, content=body)
    except HTTPError as error:
        raise StoreError(f"server {url}: {type(error).__name__}") from None
    if answer.status_code == 401:
        raise StoreError(f"server {url}: it asks senders for a token: set {HEADERS}")
    if not answer.is_success:
        raise StoreError(f"server {url}: {answer.status_code}; importing again is safe")
    part = ExportTraceServiceResponse.FromString(answer.content).partial_success
    if part.rejected_spans:  # of log records it stands in the same place
        raise StoreError(
            f"server {url}: {part.rejected_spans} were not stored: {part.error_message}"
        )


def _headers(text: str) -> dict[str, str]:
    pairs = (pair.partition("=") for pair in text.split(",") if "=" in pair)
    return {unquote(name).strip().lower(): unquote(value).strip() for name, _, value in pairs}


def _counted(
    read: Telemetry,
    into: str,
    contents: int | None = None,
    flows: int | None = None,
    left_out: int = 0,
) -> Imported:
    from ragtrace.wire import observed

    steps: Counter[str] = Counter()
    for span in read.spans:
        seen = observed(span)
        if seen is not None:
            steps[seen.stage] += 1
    return Imported(
        spans=len(read.spans),
        traces=len({span.trace_id for span in read.spans}),
        steps=dict(steps),
        forms=dict(read.forms),
        ignored_log_records=read.ignored,
        left_out=left_out,
        contents=contents,
        flows=flows,
        into=into,
    )


def _flows(spans: list[SpanRecord]) -> int:
    from ragtrace.wire import decode_chunks, names

    counted = 0
    for span in spans:
        said = {name: v for name, v in span.attributes.items() if name.startswith(names.FLOWS)}
        counted += len(decode_chunks(said))
    return counted


@contextmanager
def _progress(total: int, *, quiet: bool) -> Iterator[Any]:
    if quiet:
        yield lambda _: None
        return
    with Progress(console=console(stderr=True)) as bar:
        task = bar.add_task("importing", total=total)
        yield lambda count: bar.advance(task, count)
