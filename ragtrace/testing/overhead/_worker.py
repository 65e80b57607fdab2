"""Worker: one way of tracing the application, in a process of its own; told what to do by lines
of JSON on its input.
"""

from __future__ import annotations

import asyncio
import gc
import json
import logging
import resource
import sys
import threading
import time
import warnings
from typing import Any, Final

from ragtrace.testing.overhead._material import Shelf
from ragtrace.testing.overhead._tracers import TRACERS, Started

__all__ = ["main"]

WARM: Final = 80
"""Calls before anything is measured: every passage was seen, every table is made."""


def main() -> None:
    """Serve until the input ends."""
    said: dict[str, Any] = json.loads(sys.argv[1])
    warnings.simplefilter("ignore")  # one peer warns at every call, which is not its cost
    logging.disable(logging.CRITICAL)
    started = Started()
    [tracer] = [one for one in TRACERS if one.name == said["tracer"]]
    tracer.start(said["framework"], said["url"], started)
    application = _application(said["framework"], Shelf(said["k"]), started.config)
    work = _Work(application, started)
    work.do("invoke", WARM)
    work.do("stream", 2)
    gc.collect()
    gc.freeze()
    _tell({"ready": True})
    for line in sys.stdin:
        asked = json.loads(line)
        if asked["do"] == "for":
            _tell(work.keep_on(asked["seconds"]))
        elif asked["do"] == "calls":
            _tell({"calls": work.python_calls()})
        elif asked["do"] == "spans":
            _tell({"spans": started.spans})
        else:
            _tell(work.do(asked["do"], asked["count"]))


class _Work:
    """Makes calls of the application, and counts what they take."""

    def __init__(self, application: Any, started: Started) -> None:
        self._application, self._started = application, started
        self._shelf = Shelf(1, seed=1)  # a question is no quotation
        self._asked = 0
        self._loop = asyncio.new_event_loop()

    def do(self, what: str, count: int) -> dict[str, float]:
        """``count`` calls: seconds of the processor, of all threads and until all is sent."""
        questions = [self._question() for _ in range(count)]
        spans = self._started.spans
        used, own = time.process_time(), time.thread_time()
        if what == "ainvoke":
            self._loop.run_until_complete(self._together(questions))
        else:
            call = getattr(self._application, what)
            for question in questions:
                call(question)
        inside = time.process_time() - used
        self._started.flush()
        return {
            "cpu": (time.process_time() - used) / count,
            "inside": inside / count,
            "own": (time.thread_time() - own) / count,
            "spans": (self._started.spans - spans) / count,
            "megabytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        }

    def keep_on(self, seconds: float) -> dict[str, float]:
        """Calls in a closed loop for so long: how many spans were made, and the flush's seconds."""
        spans, end = self._started.spans, time.monotonic() + seconds
        calls = 0
        while time.monotonic() < end:
            self._application.invoke(self._question())
            calls += 1
        began = time.monotonic()
        self._started.flush()
        made = self._started.spans - spans
        return {"calls": calls, "spans": made, "flush": time.monotonic() - began}

    def python_calls(self) -> int:
        """Calls of Python functions during one invoke, in the threads that make the answer."""
        question, count = self._question(), 0

        def profile(frame: Any, event: str, argument: Any) -> None:
            nonlocal count
            count += event == "call"

        threading.setprofile(profile)
        sys.setprofile(profile)
        self._application.invoke(question)
        sys.setprofile(None)
        threading.setprofile(None)
        return count

    async def _together(self, questions: list[str]) -> None:
        await asyncio.gather(*(self._application.ainvoke(question) for question in questions))

    def _question(self) -> str:
        self._asked += 1
        return self._shelf.question(self._asked)


def _application(framework: str, shelf: Shelf, config: Any) -> Any:
    if framework == "langchain":
        from ragtrace.testing.overhead._langchain import LangChainApplication

        return LangChainApplication(shelf, config)
    from ragtrace.testing.overhead._llamaindex import LlamaIndexApplication

    return LlamaIndexApplication(shelf)


def _tell(what: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(what) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
