"""Crash: a server killed at any instant, again and again, and what of its promises is left."""

from __future__ import annotations

import random
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field, replace
from http.client import HTTPException
from pathlib import Path
from typing import Final

from ragtrace.model import digest
from ragtrace.store import OWNER, FlowFilter, Store
from ragtrace.testing.bench import Listener, Row
from ragtrace.testing.ingest._bodies import trace_body
from ragtrace.testing.ingest._load import CONNECTIONS
from ragtrace.testing.ingest._server import KEY, LocalServer, connect, post
from ragtrace.testing.ingest._workload import FLOWS, Call, make_call
from ragtrace.wire import ContentRecord, logs_request, names

__all__ = ["RESTART_BAR", "measure_crash"]

RESTART_BAR: Final = 5.0
"""Seconds from the start of the process to the first connection it accepts."""
SPANS: Final = 16
"""Of one request: small ones make many promises in little time."""
POOL: Final = 64
"""Requests' worth of calls to choose from."""
UNTIL: Final = (0.05, 1.5)
"""Seconds after the first request within which the server is killed."""
_REQUESTS: Final = 1_000_000
"""Numbers that each run has for its requests."""


@dataclass(slots=True)
class _Run:
    """What one life of the server was sent, and what it acknowledged.

    Attributes:
        sent: Requests by number.
        acknowledged: Those of them that were.
        texts: Digests of the texts that were acknowledged.
    """

    number: int
    sent: set[int] = field(default_factory=set)
    acknowledged: set[int] = field(default_factory=set)
    texts: set[str] = field(default_factory=set)

    @property
    def session(self) -> str:
        """By which its flows are found again."""
        return f"crash-{self.number}"


def measure_crash(directory: Path, runs: int, listener: Listener) -> Iterator[Row]:
    """Kill a server ``runs`` times over one directory, then look what is in it."""
    pool = [make_call(number) for number in range(SPANS * POOL)]
    dice = random.Random(runs)
    server, lives, starts = LocalServer(directory), [], []
    try:
        for number in range(runs):
            listener.progress("crash", number, runs)
            starts.append(server.start())
            lives.append(_live(server, _Run(number), pool, dice.uniform(*UNTIL)))
        starts.append(server.start())
    finally:
        server.stop()
    with Store.open(str(directory), KEY) as store:
        found = Counter[str]()
        for run in lives:
            found.update(_judged(store, run))
        damaged = store.broken_parts()
    acknowledged = sum(len(run.acknowledged) for run in lives)
    yield Row("crash", f"{runs} kills", "requests acknowledged", acknowledged, "")
    yield Row("crash", f"{runs} kills", "in flight", found["in flight"], "")
    yield Row("crash", f"{runs} kills", "of them stored", found["kept"], "")
    for what in ("spans lost", "flows lost", "texts lost", "batches torn"):
        yield Row("crash", "promises broken", what, found[what], "", at_most=0)
    yield Row("crash", "after a kill", "parts set aside", damaged, "")
    restart = max(starts[1:])
    yield Row("crash", "after a kill", "restart, longest", restart, "s", at_most=RESTART_BAR)


def _live(server: LocalServer, run: _Run, pool: list[Call], seconds: float) -> _Run:
    """Send until the server is killed."""
    lock = threading.Lock()

    def send(lane: int) -> None:
        with suppress(OSError, HTTPException):  # that it was killed
            connection = connect(server.url)
            number = lane
            while True:
                trace, text = _requests(run, number, pool)
                with lock:
                    run.sent.add(number)
                if post(connection, "/v1/traces", trace) == 200:
                    with lock:
                        run.acknowledged.add(number)
                if post(connection, "/v1/logs", logs_request([text])) == 200:
                    with lock:
                        run.texts.add(text.digest)
                number += CONNECTIONS

    threads = [threading.Thread(target=send, args=(lane,)) for lane in range(CONNECTIONS)]
    for thread in threads:
        thread.start()
    time.sleep(seconds)
    server.kill()
    for thread in threads:
        thread.join()
    return run


def _requests(run: _Run, number: int, pool: list[Call]) -> tuple[bytes, ContentRecord]:
    """The spans of a request, which are one trace, and a text that comes with it."""
    first = run.number * _REQUESTS + number * SPANS
    place = number * SPANS % len(pool)
    calls = [
        replace(call, number=first + at, attributes=call.attributes | {names.SESSION: run.session})
        for at, call in enumerate(pool[place : place + SPANS])
    ]
    said = f"Answer {number} of {run.session}. {calls[0].completion}"
    text = ContentRecord(digest(said), "completion", "internal", said)
    return trace_body(calls, _trace_id(run, number)), text


def _trace_id(run: _Run, number: int) -> bytes:
    return (run.number + 1 << 64 | number + 1).to_bytes(16, "big")


def _judged(store: Store, run: _Run) -> Counter[str]:
    """What is lost and torn of a run."""
    most = len(run.sent) * SPANS * FLOWS + 1
    flows = store.flows(FlowFilter(session=run.session), most, access=OWNER)
    of_span = Counter((flow.trace_id, flow.span_id) for flow in flows)
    spans = Counter(trace for trace, _ in of_span)
    judged = Counter[str]()
    for number in run.sent:
        trace = _trace_id(run, number).hex()
        there = spans[trace]
        judged["batches torn"] += there not in (0, SPANS)
        if number in run.acknowledged:
            judged["spans lost"] += SPANS - there
        else:
            judged["in flight"] += 1
            judged["kept"] += there == SPANS
    judged["flows lost"] = sum(FLOWS - count for count in of_span.values())
    judged["texts lost"] = len(run.texts - set(store.texts(run.texts, access=OWNER)))
    return judged
