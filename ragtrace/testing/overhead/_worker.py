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

from ragtrace.testing.overhead._material import (
    ANSWER_WORDS,
    DELTA_WORDS,
    LONG_ANSWER_WORDS,
    Shelf,
)
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
    shelf = Shelf(said["k"])
    work = _Work(_application(said["framework"], shelf, started.config), shelf, started)
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
            _tell({"calls": work.python_calls("invoke")})
        elif asked["do"] == "deltas":
            _tell(work.deltas(asked["count"]))
        elif asked["do"] == "delta calls":
            _tell({"calls": work.delta_calls()})
        elif asked["do"] == "spans":
            _tell({"spans": started.spans})
        else:
            _tell(work.do(asked["do"], asked["count"]))


class _Work:
    """Makes calls of the application, and counts what they take."""

    def __init__(self, application: Any, shelf: Shelf, started: Started) -> None:
        self._application, self._shelf, self._started = application, shelf, started
        self._questions = Shelf(1, seed=1)  # a question is no quotation
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

    def deltas(self, count: int) -> dict[str, float]:
        """Seconds of the processor for one delta more: the same answer in many and in few."""
        seconds = {1: 0.0, DELTA_WORDS: 0.0}
        for number in range(2 * count):
            each = list(seconds)[(number + number // 2) % 2]  # one first, then the other
            self._shelf.speak(LONG_ANSWER_WORDS, each)
            question, used = self._question(), time.process_time()
            self._application.stream(question)
            seconds[each] += time.process_time() - used
        self._shelf.speak(ANSWER_WORDS, 1)
        self._started.flush()
        more = LONG_ANSWER_WORDS - LONG_ANSWER_WORDS // DELTA_WORDS
        return {"cpu": (seconds[1] - seconds[DELTA_WORDS]) / count / more}

    def delta_calls(self) -> float:
        """Calls of Python functions for one delta more."""
        calls = []
        for each in (1, DELTA_WORDS):
            self._shelf.speak(LONG_ANSWER_WORDS, each)
            calls.append(self.python_calls("stream"))
        self._shelf.speak(ANSWER_WORDS, 1)
        return (calls[0] - calls[1]) / (LONG_ANSWER_WORDS - LONG_ANSWER_WORDS // DELTA_WORDS)

    def python_calls(self, what: str) -> int:
        """Calls of Python functions during one call, in the threads that make the answer."""
        question, count = self._question(), 0

        def profile(frame: Any, event: str, argument: Any) -> None:
            nonlocal count
            count += event == "call"

        threading.setprofile(profile)
        sys.setprofile(profile)
        getattr(self._application, what)(question)
        sys.setprofile(None)
        threading.setprofile(None)
        return count

    async def _together(self, questions: list[str]) -> None:
        await asyncio.gather(*(self._application.ainvoke(question) for question in questions))

    def _question(self) -> str:
        self._asked += 1
        return self._questions.question(self._asked)


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
