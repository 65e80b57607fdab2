"""Memory: what a process that scans has in memory, measured in one that does nothing else."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from ragtrace.testing.bench import resident

__all__ = ["memory_of_scans", "report"]

_CODE: Final = "from ragtrace.testing.attribution._memory import report; report()"


def memory_of_scans(path: Path, prompts: Sequence[str]) -> dict[str, tuple[float, float]]:
    """Megabytes in all and without pages of files: before opening, then open, then scanned."""
    done = subprocess.run(
        [sys.executable, "-c", _CODE],
        input=json.dumps([str(path), *prompts]),
        capture_output=True,
        text=True,
        check=True,
    )
    return {moment: (both[0], both[1]) for moment, both in json.loads(done.stdout).items()}


def report() -> None:
    """In the process of its own: read path and prompts from stdin, print the figures."""
    from ragtrace.attribution.corpus import Corpus

    path, *prompts = json.load(sys.stdin)
    said = {"before opening": resident()}
    corpus = Corpus.open(Path(path))
    said["open"] = resident()
    for prompt in prompts:
        corpus.scan(prompt)
    said[f"{len(prompts)} prompts scanned"] = resident()
    print(json.dumps(said))
