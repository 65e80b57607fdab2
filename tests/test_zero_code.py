"""Zero code: each integration stands for itself, under every way to start."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("langchain_core")

APP = """
import json, sys
from importlib.metadata import entry_points

if sys.argv[1:] == ["init"]:
    import ragtrace
    ragtrace.init()
points = entry_points(group="opentelemetry_instrumentor")
ours = {p.name: p for p in points if p.name.startswith("ragtrace_") and "_fake" in p.name}
ours["ragtrace_langchain"] = points["ragtrace_langchain"]
print(json.dumps({n: p.load()().is_instrumented_by_opentelemetry for n, p in ours.items()}))
"""
INTEGRATION = """
from ragtrace.capture import Instrumentor

class Fake(Instrumentor):
    modules = ("json",)

    def instrumentation_dependencies(self):
        return ({needs!r},)

    def patch(self, patches, module):
        {patch}
"""
FAKES = {
    "good": ("fakeframe == 1.0", "pass"),
    "off": ("fakeframe == 1.0", "pass"),
    "old": ("fakeframe >= 2", "pass"),
    "odd": ("fakeframe == 1.0", "object.no_such_method"),
    "absent": ("no-such-framework", "pass"),
}
"""What each needs, and what it does with it."""

BIN = Path(sys.executable).parent
LAUNCHERS = {
    "ragtrace run": [sys.executable, "-m", "ragtrace", "run", "--", sys.executable, "app.py"],
    "opentelemetry-instrument": [str(BIN / "opentelemetry-instrument"), "python", "app.py"],
    "init": [sys.executable, "app.py", "init"],
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A program, a framework, and an integration for it of every kind."""
    (tmp_path / "app.py").write_text(APP)
    installed(tmp_path, "fakeframe")
    for kind, (needs, patch) in FAKES.items():
        name = f"ragtrace_fake_{kind}"
        (tmp_path / f"{name}.py").write_text(INTEGRATION.format(needs=needs, patch=patch))
        installed(tmp_path, name, f"[opentelemetry_instrumentor]\n{name} = {name}:Fake\n")
    return tmp_path


def installed(folder: Path, name: str, points: str = "") -> None:
    """A distribution of that name, version 1.0, on the path."""
    info = folder / f"{name}-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(points)


@pytest.mark.parametrize("launcher", LAUNCHERS)
def test_what_does_not_fit_is_left_out_and_named_and_the_others_load(
    launcher: str, folder: Path
) -> None:
    """A wrong version, hooks that do not fit, one switched off, a framework that is not there."""
    environ = {
        **os.environ,
        "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": str(folder),
        "OTEL_METRICS_EXPORTER": "none",
        "OTEL_PYTHON_DISABLED_INSTRUMENTATIONS": "ragtrace_fake_off , something",
    }
    done = subprocess.run(
        LAUNCHERS[launcher], cwd=folder, env=environ, capture_output=True, text=True, timeout=90
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == {
        "ragtrace_fake_good": True,
        "ragtrace_fake_off": False,
        "ragtrace_fake_old": False,
        "ragtrace_fake_odd": False,
        "ragtrace_fake_absent": False,
        "ragtrace_langchain": True,
    }
    said = [line for line in done.stderr.splitlines() if "is not instrumented" in line]
    assert [line.split()[1] for line in sorted(said)] == ["ragtrace_fake_odd", "ragtrace_fake_old"]
    assert "fakeframe 1.0" in done.stderr and "no_such_method" in done.stderr


@pytest.mark.parametrize("launcher", LAUNCHERS)
def test_everything_can_be_switched_off(launcher: str, folder: Path) -> None:
    """A star is every integration, as for OpenTelemetry's own loader."""
    environ = {
        **os.environ,
        "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": str(folder),
        "OTEL_METRICS_EXPORTER": "none",
        "OTEL_PYTHON_DISABLED_INSTRUMENTATIONS": "*",
    }
    done = subprocess.run(
        LAUNCHERS[launcher], cwd=folder, env=environ, capture_output=True, text=True, timeout=90
    )
    assert done.returncode == 0, done.stderr
    assert not any(json.loads(done.stdout).values())
