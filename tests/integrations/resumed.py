"""Resumed: a graph that was interrupted elsewhere goes on here, for a customer; prints what its
model was shown.
"""

from __future__ import annotations

import pickle
import sys
from pathlib import Path

from langgraph.checkpoint.memory import InMemorySaver
from langgraph.types import Command

import ragtrace
from tests.integrations.test_langgraph import HARMLESS, THREAD, Scripted, interrupting

if __name__ == "__main__":
    ragtrace.init()
    saver, last = InMemorySaver(), Scripted(script=[HARMLESS])
    storage, writes, blobs = pickle.loads(Path(sys.argv[1]).read_bytes())
    saver.storage["t1"].update(storage)
    saver.writes.update(writes)
    saver.blobs.update(blobs)
    with ragtrace.request("customer"):
        graph = interrupting(None, last, checkpointer=saver)  # type: ignore[arg-type]
        graph.invoke(Command(resume="Go on."), THREAD)
    print(last.shown[-1])
    ragtrace.shutdown()
