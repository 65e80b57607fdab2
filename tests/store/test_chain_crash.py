"""What is promised of a chain whose writer is killed."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

WRITER = """
import sys
from pathlib import Path
from ragtrace.store import Chain, SealKey, Store
from tests.engine import flow, span
folder, begin = Path(sys.argv[1]), int(sys.argv[2])
decided = {"ragtrace__decision__action": "drop"}
with Store.open(str(folder / "store")) as store:
    chain = Chain(store, SealKey.of_environment(folder))
    print("begun", flush=True)
    for number in range(begin, begin + 100_000, 20):
        spans = [span(n, flow(0), **decided) for n in range(number, number + 20)]
        store.write(spans)
        chain.append([(one.start_ns, one.trace_id, one.span_id) for one in spans])
        if number % 3 == 0:
            chain.seal()
"""
CHECK = """
import sys
from pathlib import Path
from ragtrace.store import Chain, SealKey, Store, check_chains, count_unchained
folder = Path(sys.argv[1])
with Store.open(str(folder / "store")) as store:
    chain = Chain(store, SealKey.of_environment(folder))
    chain.catch_up()
    chain.seal()
    (state,) = check_chains(store)
    assert state.faults == (), state
    assert state.entries == state.sealed == chain.last.seq > 0
    assert count_unchained(store) == 0
    print(state.entries)
"""


@pytest.mark.slow
def test_a_chain_survives_kills(tmp_path: Path) -> None:
    """Whenever they come, what is there links, is gone on with, and lacks no decision."""
    dice = random.Random(9)
    for kill in range(3):
        writer = [sys.executable, "-c", WRITER, str(tmp_path), str(1 + kill * 100_000)]
        with subprocess.Popen(writer, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == "begun\n"
            time.sleep(0.3 + dice.random() * 2)
            process.send_signal(signal.SIGKILL)
        check = [sys.executable, "-c", CHECK, str(tmp_path)]
        done = subprocess.run(check, capture_output=True, text=True, timeout=100, check=False)
        assert done.returncode == 0, done.stderr
        assert int(done.stdout) > 0
