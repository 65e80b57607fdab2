"""ragtrace doctor: what it finds in environments of every kind, and its exit status."""

from __future__ import annotations

import base64
import gc
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from ragtrace.cli._doctor import command

pytest.importorskip("langchain_core")

POLICY = """
version: 1
levels: [public, staff_only]
audiences:
  customer: {clearance: public}
  staff: {clearance: staff_only}
failures:
  not-covered: {customer: block}
"""
APP = """
from langchain_core.language_models.fake_chat_models import FakeListChatModel

class OwnModel(FakeListChatModel):
    def _generate_with_cache(self, *args, **kwargs):
        return None

class OwnWay(FakeListChatModel):
    def invoke(self, *args, **kwargs):
        return None
"""
FRAME = "class Base:\n    def ask(self): ...\n"
INTEGRATION = """
from ragtrace.capture import Instrumentor

class Fake(Instrumentor):
    modules = ("fakeframe",)

    def instrumentation_dependencies(self):
        return ({needs!r},)

    def patch(self, patches, module):
        import fakeframe
        for name in ("ask", "stream"):
            patches.method(fakeframe.Base, name, lambda original: original)
"""


def doctor(*words: str) -> Result:
    """The command, in this process."""
    return CliRunner().invoke(command, words)


def process(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """The command, in a process that finds what is in ``folder``."""
    return subprocess.run(
        [sys.executable, "-m", "ragtrace", "doctor", *words],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(folder)},
        capture_output=True,
        text=True,
        timeout=90,
    )


def told(*words: str, status: int = 0) -> dict[str, Any]:
    """What it says as JSON."""
    done = doctor(*words, "--json")
    assert done.exit_code == status, done.output
    found: dict[str, Any] = json.loads(done.stdout)
    assert found["ok"] is (status == 0)
    return found


def said(found: dict[str, Any], name: str, status: str) -> list[str]:
    return [f["said"] for f in found["findings"] if (f["name"], f["status"]) == (name, status)]


def installed(folder: Path, name: str, points: str = "") -> None:
    """A distribution of that name, version 1.0, on the path."""
    info = folder / f"{name}-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(points)


def framework(folder: Path, needs: str) -> None:
    """One that has lost a method, and an integration for it."""
    (folder / "fakeframe.py").write_text(FRAME)
    (folder / "ragtrace_fake.py").write_text(INTEGRATION.format(needs=needs))
    installed(folder, "fakeframe")
    points = "[opentelemetry_instrumentor]\nragtrace_fake = ragtrace_fake:Fake\n"
    installed(folder, "ragtrace_fake", points)


@pytest.fixture
def policy(tmp_path: Path) -> str:
    path = tmp_path / "policy.yaml"
    path.write_text(POLICY)
    return str(path)


def test_an_environment_in_which_all_is_well(policy: str) -> None:
    """Frameworks with their versions and hooks, tracers, the policy with its digest; status 0."""
    found = told("--policy", policy)
    (known,) = (f for f in found["frameworks"] if f["integration"] == "ragtrace_langchain")
    place = "langchain_core.language_models.chat_models.BaseChatModel._generate_with_cache"
    assert place in known["bound"]
    assert known["missing"] == known["overridden"] == []
    assert list(known["installed"]) == ["langchain-core"]
    (about,) = said(found, "RAGTRACE_POLICY", "ok")
    assert "mode enforce, digest " in about and "not covered: customer" in about
    assert any(tracer["name"] == "langsmith" for tracer in found["tracers"])
    plain = doctor("--policy", policy)
    assert plain.exit_code == 0 and plain.stdout.rstrip().endswith("all is well")
    assert plain.stderr == ""


def test_a_class_that_overrides_a_hook_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Once the module that defines it has been imported; status 1."""
    (tmp_path / "bank_app.py").write_text(APP)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    told()
    found = told("--import", "bank_app", status=1)
    del sys.modules["bank_app"]
    gc.collect()  # the class, so that no other test finds it
    assert any(one["said"].startswith("bank_app.OwnWay.invoke") for one in found["not_covered"])
    (about,) = (one["said"] for one in found["not_covered"] if one["status"] == "wrong")
    assert about.startswith("bank_app.OwnModel._generate_with_cache takes the place")


@pytest.mark.slow
def test_a_hook_that_vanished_is_named(tmp_path: Path) -> None:
    """The others of the framework are wrapped; status 1."""
    framework(tmp_path, "fakeframe == 1.0")
    done = process(tmp_path, "--json")
    assert done.returncode == 1
    found = json.loads(done.stdout)
    (known,) = (f for f in found["frameworks"] if f["integration"] == "ragtrace_fake")
    assert (known["bound"], known["missing"]) == (["fakeframe.Base.ask"], ["fakeframe.Base.stream"])
    plain = process(tmp_path)
    line = "WRONG ragtrace_fake: fakeframe.Base.stream is not there: not judged"
    assert line in plain.stdout.splitlines()
    assert plain.stdout.rstrip().endswith("1 to put right") and plain.stderr == ""


@pytest.mark.slow
@pytest.mark.parametrize(("needs", "status"), [("fakeframe >= 2", 1), ("no-such-frame", 0)])
def test_a_version_that_is_not_supported_is_named(tmp_path: Path, needs: str, status: int) -> None:
    """A framework that is not there is no fault."""
    framework(tmp_path, needs)
    done = process(tmp_path, "--json")
    assert done.returncode == status, done.stderr
    (about,) = said(json.loads(done.stdout), "ragtrace_fake", "wrong" if status else "note")
    assert ("fakeframe 1.0" if status else "not installed: no-such-frame") in about


def test_what_was_switched_off_is_not_covered_and_no_fault(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Somebody has said so."""
    monkeypatch.setenv("OTEL_PYTHON_DISABLED_INSTRUMENTATIONS", "ragtrace_langchain")
    found = told()
    assert ("ragtrace_langchain", "note") in [
        (one["name"], one["status"]) for one in found["not_covered"]
    ]


def test_another_tracer_that_is_on_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also one that is no instrumentor."""
    monkeypatch.setenv("LANGSMITH_TRACING", "true")
    found = told()
    (on,) = (tracer for tracer in found["tracers"] if tracer["name"] == "langsmith")
    assert on["instrumented"] is True


@pytest.mark.parametrize(
    ("environ", "name", "expected"),
    [
        ({"RAGTRACE_POLICY": "none.yaml"}, "RAGTRACE_POLICY", "No such file"),
        ({"RAGTRACE_CONTENT": "secret-value"}, "RAGTRACE_CONTENT", "expected off or full"),
        ({"RAGTRACE_INDEX": "none"}, "RAGTRACE_INDEX", "none"),
        ({"RAGTRACE_LEDGER": "redis://:pass@x"}, "RAGTRACE_LEDGER_KEY_FILE", "with a key"),
        ({"RAGTRACE_LEDGER": "redis://:pass@127.0.0.1:1", "RAGTRACE_LEDGER_KEY_FILE": "key"},
         "RAGTRACE_LEDGER", "does not answer"),
        ({"RAGTRACE_BAGGAGE_KEY_FILE": "none"}, "RAGTRACE_BAGGAGE_KEY_FILE", "cannot be read"),
        ({"RAGTRACE_BAGGAGE_KEY_FILE": "open"}, "RAGTRACE_BAGGAGE_KEY_FILE", "chmod 600"),
        ({"RAGTRACE_VAULT_KEY_FILE": "open"}, "RAGTRACE_VAULT_KEY_FILE", "chmod 600"),
        ({"RAGTRACE_VAULT_KEY": "c2VjcmV0"}, "RAGTRACE_VAULT_KEY", "base64 of 32 bytes"),
    ],
)  # fmt: skip
def test_a_setting_that_cannot_be_used_is_named(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    environ: dict[str, str],
    name: str,
    expected: str,
) -> None:
    """And its value is not; status 1."""
    pytest.importorskip("redis")
    for file, mode in (("key", 0o600), ("open", 0o644)):
        (tmp_path / file).write_bytes(base64.b64encode(bytes(32)))
        (tmp_path / file).chmod(mode)
    monkeypatch.chdir(tmp_path)
    for variable, value in environ.items():
        monkeypatch.setenv(variable, value)
    found = told(status=1)
    assert any(expected in line for line in said(found, name, "wrong")), found["findings"]
    everything = json.dumps(found)
    assert not any(secret in everything for secret in ("pass@", "secret-value", "c2VjcmV0"))


@pytest.fixture
def backend() -> Iterator[str]:
    """host:port of a back end that asks for a token."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            known = self.headers.get("Authorization") == "Bearer good"
            self.send_response(200 if known else 401)
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize(
    ("token", "status", "expected"),
    [("good", 0, "takes what is sent"), ("bad", 1, "answered 401"), (None, 1, "Connection")],
)
def test_the_back_end_is_asked(
    monkeypatch: pytest.MonkeyPatch, backend: str, token: str | None, status: int, expected: str
) -> None:
    """Spans and texts, with the token that an application would send."""
    where = backend if token else "127.0.0.1:1"
    environ = {
        "OTEL_TRACES_EXPORTER": "otlp",
        "OTEL_LOGS_EXPORTER": "otlp",
        "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://user:pass@{where}",
        "OTEL_EXPORTER_OTLP_HEADERS": f"Authorization=Bearer {token}",
        "RAGTRACE_CONTENT": "full",
    }
    if token:  # a password in the address would be sent in its place
        environ["OTEL_EXPORTER_OTLP_ENDPOINT"] = f"http://{where}"
    for variable, value in environ.items():
        monkeypatch.setenv(variable, value)
    found = told(status=status)
    for signal in ("traces", "logs"):
        (about,) = said(found, signal, "wrong" if status else "ok")
        assert about.startswith(where) and expected in about
    assert "pass" not in json.dumps([f for f in found["findings"] if f["about"] == "back end"])
    told("--offline")


def test_what_cannot_be_imported_is_a_usage_error() -> None:
    """Status 2, and one line."""
    done = doctor("--import", "no_such_module")
    assert done.exit_code == 2
    assert "--import no_such_module: cannot be imported: ModuleNotFoundError" in done.stderr
    assert "Traceback" not in done.stderr
