"""Load: requests over a few connections for some time, and what became of them."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from ragtrace.testing.bench import Listener
from ragtrace.testing.ingest._bodies import Stamp
from ragtrace.testing.ingest._server import Usage, connect, post

__all__ = ["CONNECTIONS", "Load", "sustain"]

CONNECTIONS: Final = 4
LOOK_SECONDS: Final = 0.5
"""From one look at the server's memory to the next."""
TURNED_AWAY: Final = (429, 503)
"""Statuses that ask to come again."""
PAUSE_SECONDS: Final = 0.2


@dataclass(slots=True)
class Load:
    """What became of the requests.

    Attributes:
        seconds: From the first request to the last answer.
        waits: Seconds from each request to its acknowledgement.
        refused: Requests that were asked to come again.
        looks: Seconds since the beginning, and what the server took then.
    """

    seconds: float = 0.0
    acknowledged: int = 0
    refused: int = 0
    waits: list[float] = field(default_factory=list)
    looks: list[tuple[float, Usage]] = field(default_factory=list)

    @property
    def rate(self) -> float:
        """Spans acknowledged each second."""
        return self.acknowledged / self.seconds

    def mean_memory(self, first: float, last: float) -> float:
        """Megabytes on average between two shares of the run."""
        looks = [u.megabytes for at, u in self.looks if first <= at / self.seconds <= last]
        return sum(looks) / len(looks) if looks else float("nan")


def sustain(
    url: str, stamp: Stamp, seconds: float, look: Callable[[], Usage], listener: Listener, what: str
) -> Load:
    """Send as fast as is acknowledged, for ``seconds``."""
    load, lock = Load(), threading.Lock()
    began = time.perf_counter()
    failed: list[BaseException] = []

    def send() -> None:
        connection = connect(url)
        try:
            while time.perf_counter() - began < seconds and not failed:
                body = stamp.body()
                start = time.perf_counter()
                status = post(connection, "/v1/traces", body)
                took = time.perf_counter() - start
                with lock:
                    load.acknowledged += stamp.spans if status == 200 else 0
                    load.refused += status != 200
                    load.waits.append(took)
                if status in TURNED_AWAY:
                    time.sleep(PAUSE_SECONDS)
        except BaseException as error:
            failed.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=send) for _ in range(CONNECTIONS)]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        at = time.perf_counter() - began
        load.looks.append((at, look()))
        listener.progress(what, int(at), int(seconds))
        time.sleep(LOOK_SECONDS)
    for thread in threads:
        thread.join()
    if failed:
        raise failed[0]
    load.seconds = time.perf_counter() - began
    return load
