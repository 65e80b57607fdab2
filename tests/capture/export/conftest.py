"""Where batches of a test lie, and where they go."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest


@pytest.fixture
def spool(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty directory for the spool, and exporters that are the standard ones."""
    path = tmp_path / "spool"
    monkeypatch.setenv("RAGTRACE_SPOOL", str(path))
    monkeypatch.delenv("OTEL_TRACES_EXPORTER", raising=False)
    monkeypatch.delenv("OTEL_LOGS_EXPORTER", raising=False)
    return path


@pytest.fixture
def nobody() -> int:
    """A port where nobody listens, and where somebody may later."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])
