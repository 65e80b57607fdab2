"""The demo is the incident."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

for package in ("chdb", "langchain_chroma", "langchain_openai"):
    pytest.importorskip(package)


@pytest.mark.slow
def test_the_demo_leaks_bare_and_does_not_under_ragtrace() -> None:
    """Customers get staff notes from the bare app and none under ragtrace; staff get theirs."""
    done = subprocess.run(
        [sys.executable, "-m", "ragtrace", "demo", "--json"],
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    assert said["ungoverned"]["customer"]["with_staff_text"] >= 4
    assert said["governed"]["customer"]["with_staff_text"] == 0
    assert said["governed"]["staff"] == said["ungoverned"]["staff"]
    assert said["reach"]["audiences"] == ["staff"]
    assert said["reach"]["outcomes"]["kept_out"] >= 1
    assert "ragtrace flows" in done.stderr and "staff-notes-stay-inside" in done.stderr
