"""Record the golden files: the application of ``frameworks.py`` under each real tracer.

    python tests/golden/record.py SCRATCH [NAME…]

makes a virtual environment for each tracer in SCRATCH (some hundred MB each; one that is there is
used as it is), installs the versions pinned in ``PINS`` from the package index, runs
``tracers.py`` in it against a listener on 127.0.0.1, and writes what arrived to
``{tracer}-{framework}-{version}.jsonl``: one OTLP/JSON export request a line, one span a request,
in the order of their start. Ids, times and machine names are replaced by the same ones each time.
"""

from __future__ import annotations

import base64
import gzip
import json
import os
import re
import subprocess
import sys
import threading
import venv
from collections.abc import Iterator
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from bank import ANSWER, DOCUMENTS
from google.protobuf.json_format import MessageToDict
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

HERE = Path(__file__).parent
LANGCHAIN = ("langchain-core==1.7.2", "langchain-openai==1.7.3", "numpy==2.4.6")
OTLP = ("opentelemetry-sdk==1.45.2", "opentelemetry-exporter-otlp-proto-http==1.45.2")
PINS: dict[str, tuple[str, ...]] = {
    "openinference-langchain": ("openinference-instrumentation-langchain==0.1.80", *LANGCHAIN),
    "openinference-llama-index": (
        "openinference-instrumentation-llama-index==4.6.1",
        "llama-index-core==0.14.25",
    ),
    "openllmetry-langchain": (
        "opentelemetry-instrumentation-langchain==0.62.4",
        "opentelemetry-instrumentation-chromadb==0.62.4",
        "langchain-chroma==1.1.0",
        "chromadb==1.5.9",
        *LANGCHAIN,
    ),
    "langfuse-langchain": ("langfuse==5.0.4", "langchain==1.4.7", *LANGCHAIN),
    "mlflow-langchain": (
        "mlflow-skinny==3.17.2",
        "pandas==2.3.3",
        "langchain==1.4.7",
        *LANGCHAIN,
    ),
    "genai-langchain": (
        "opentelemetry-instrumentation-genai-langchain==1.3b0",
        "langchain==1.4.7",
        *LANGCHAIN,
    ),
}
"""What each tracer is recorded from; the version of the first is the golden file's."""

ENVIRONMENT = {
    "OTEL_SERVICE_NAME": "assistant",
    "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT": "SPAN_ONLY",
    "OTEL_SEMCONV_STABILITY_OPT_IN": "gen_ai_latest_experimental",
    "ANONYMIZED_TELEMETRY": "False",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf",
    "DO_NOT_TRACK": "1",
    "MLFLOW_EXPERIMENT_ID": "0",
}
COMPLETION = json.dumps(
    {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1_700_000_000,
        "model": "scripted",
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": ANSWER},
                "finish_reason": "stop",
                "logprobs": None,
            }
        ],
        "usage": {"prompt_tokens": 60, "completion_tokens": 20, "total_tokens": 80},
    }
).encode()
"""What the model says, whatever it is asked."""
EXPERIMENT = json.dumps({"experiment": {"experiment_id": "0", "name": "Default"}}).encode()
"""What MLflow asks for before it ends a trace."""

MACHINE = ("host.", "process.", "os.", "service.instance.")
"""Attributes of a resource that begin so tell of the machine, or of one run."""

START_NS = 1_700_000_000_000_000_000
UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
PORT = re.compile(r"127\.0\.0\.1:\d+")
ADDRESS = re.compile(r"0x[0-9a-f]{8,}")
NANOSECONDS = re.compile(r"\b1[789]\d{17}\b")
DATE = re.compile(r"\b20\d\d-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|\+00:00)?")

Json = dict[str, Any]


class Catcher:
    """A listener on 127.0.0.1: keeps the spans it is sent, and answers as a model would."""

    def __init__(self) -> None:
        self.requests: list[ExportTraceServiceRequest] = []
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self.requests))
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self._server.server_port}"

    def close(self) -> None:
        """Stop listening."""
        self._server.shutdown()
        self._server.server_close()


def _handler(requests: list[ExportTraceServiceRequest]) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._answer(EXPERIMENT)

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length", 0)))
            if self.headers.get("content-encoding") == "gzip":
                body = gzip.decompress(body)
            answer = COMPLETION if self.path.endswith("/chat/completions") else b""
            if self.path.endswith("/v1/traces"):
                requests.append(ExportTraceServiceRequest.FromString(body))
            self._answer(answer)

        def _answer(self, answer: bytes) -> None:
            self.send_response(200)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *args: Any) -> None:
            pass

    return Handler


def environment(name: str, scratch: Path) -> Path:
    """The Python of the tracer's own environment, made where it is not there."""
    home = scratch / name
    python = home / "bin" / "python"
    if not python.exists():
        venv.create(home, with_pip=True)
        install = [str(python), "-m", "pip", "install", "--quiet", *PINS[name], *OTLP]
        subprocess.run(install, check=True)
    return python


def run(name: str, python: Path) -> list[Json]:
    """The spans of one run, each as an export request of its own, in the order of their start."""
    catcher = Catcher()
    try:
        subprocess.run(
            [str(python), str(HERE / "tracers.py"), name],
            check=True,
            cwd=python.parent,
            timeout=300,
            env={
                **os.environ,
                **ENVIRONMENT,
                "OTEL_EXPORTER_OTLP_ENDPOINT": catcher.url,
                "MLFLOW_TRACKING_URI": catcher.url,
                "OPENAI_BASE_URL": f"{catcher.url}/v1",
            },
        )
    finally:
        catcher.close()
    found = [one for request in catcher.requests for one in _each(MessageToDict(request))]
    return sorted(found, key=lambda one: int(_span(one)["startTimeUnixNano"]))


def _each(request: Json) -> Iterator[Json]:
    for resource in request["resourceSpans"]:
        for scope in resource["scopeSpans"]:
            for span in scope["spans"]:
                scoped = {"scope": scope.get("scope", {}), "spans": [span]}
                yield {
                    "resourceSpans": [
                        {"resource": resource.get("resource", {}), "scopeSpans": [scoped]}
                    ]
                }


def _span(request: Json) -> Json:
    span: Json = request["resourceSpans"][0]["scopeSpans"][0]["spans"][0]
    return span


class Scrubber:
    """Puts the same ids, times and places where each run has its own."""

    def __init__(self, places: tuple[Path, ...]) -> None:
        self._places = places
        self._names: dict[str, str] = {}
        self._clock = START_NS

    def clean(self, request: Json) -> Json:
        """``request`` as every run gives it."""
        resource = request["resourceSpans"][0].get("resource", {})
        resource["attributes"] = [
            one for one in resource.get("attributes", []) if not one["key"].startswith(MACHINE)
        ]
        span = _span(request)
        for key, size in (("traceId", 32), ("spanId", 16), ("parentSpanId", 16)):
            if span.get(key):
                span[key] = self._number(_hex(span[key]), size)
        span["startTimeUnixNano"], span["endTimeUnixNano"] = self._tick(), self._tick()
        for event in span.get("events", []):
            event["timeUnixNano"] = span["endTimeUnixNano"]
        for link in span.get("links", []):
            link |= {"traceId": "1" * 32, "spanId": "1" * 16}
        cleaned: Json = self._walk(request)
        return cleaned

    def _tick(self) -> str:
        self._clock += 1_000_000
        return str(self._clock)

    def _number(self, name: str, size: int) -> str:
        return self._names.setdefault(name, f"{len(self._names) + 1:0{size}x}")

    def _walk(self, value: Any) -> Any:
        if isinstance(value, dict):
            return {key: self._walk(item) for key, item in value.items()}
        if isinstance(value, list):
            return [self._walk(item) for item in value]
        return self._text(value) if isinstance(value, str) else value

    def _text(self, text: str) -> str:
        if text.startswith(("{", "[")):
            with suppress(ValueError):  # much begins so that is no JSON
                said = json.loads(text, object_pairs_hook=_in_order)
                if sorted(json.dumps(said)) == sorted(text):
                    text = json.dumps(said)
        for name, number in self._names.items():
            text = text.replace(name, number)
        for place in self._places:
            text = text.replace(str(place), "/app")
        text = UUID.sub(lambda m: str(self._uuid(m[0])), text)
        text = PORT.sub("127.0.0.1:8000", text)
        text = ADDRESS.sub("0x0", DATE.sub("2023-11-14T22:13:20Z", text))
        return NANOSECONDS.sub(
            lambda m: m[0] if START_NS <= int(m[0]) <= self._clock else str(START_NS), text
        )

    def _uuid(self, name: str) -> str:
        number = self._number(name, 32)
        parts = (number[:8], number[8:12], number[12:16], number[16:20], number[20:])
        return "-".join(parts) if "-" not in number else number


def _in_order(pairs: list[tuple[str, Any]]) -> Json:
    """An object as it is; a document's metadata, which stores keep in no order, in one."""
    metadata = DOCUMENTS[0][2]
    if {key for key, _ in pairs} == set(metadata):
        return {key: dict(pairs)[key] for key in metadata}
    return dict(pairs)


def _hex(encoded: str) -> str:
    return base64.b64decode(encoded).hex()


def main(scratch: str, *names: str) -> None:
    """Record each of ``names``, or all."""
    for name in names or PINS:
        python = environment(name, Path(scratch).resolve())
        scrubber = Scrubber((python.parents[1], HERE, Path.home()))
        lines = [json.dumps(scrubber.clean(one), sort_keys=True) for one in run(name, python)]
        version = PINS[name][0].partition("==")[2]
        target = HERE / f"{name}-{version}.jsonl"
        target.write_text("".join(f"{line}\n" for line in lines), "utf-8")
        print(f"{target.name}: {len(lines)} spans, {target.stat().st_size} bytes")


if __name__ == "__main__":
    main(*sys.argv[1:])
