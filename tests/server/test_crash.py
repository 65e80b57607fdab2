"""What is promised of a server that is killed."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

KILLS = """
import json, sys
from pathlib import Path
from ragtrace.testing.bench import Silent
from ragtrace.testing.ingest._crash import measure_crash
rows = measure_crash(Path(sys.argv[1]), 3, Silent())
print(json.dumps({row.name: row.value for row in rows}))
"""


@pytest.mark.slow
def test_what_was_acknowledged_survives_three_kills(tmp_path: object) -> None:
    """No span, flow or text is lost, and no batch is torn; the next server starts over it."""
    done = subprocess.run(
        [sys.executable, "-c", KILLS, str(tmp_path)], capture_output=True, text=True, timeout=110
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["crash: 3 kills: requests acknowledged"] > 0
    broken = {name: value for name, value in found.items() if "promises broken" in name}
    assert len(broken) == 4
    assert set(broken.values()) == {0}
    assert found["crash: after a kill: parts set aside"] == 0
