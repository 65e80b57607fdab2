"""Spool: batches that wait for the back end, oldest first, on disk where there is one."""

from __future__ import annotations

import heapq
import logging
import os
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from ragtrace.capture._seal import ORIGIN_BYTES, Seal, SealError
from ragtrace.capture.export._directory import Directory
from ragtrace.capture.export._losses import lose

__all__ = ["HELD_BYTES", "Batch", "Spool"]

_log = logging.getLogger("ragtrace")

HELD_BYTES: Final = 16 * 1024 * 1024
"""Of batches in memory, where the disk does not take them: some thousand calls."""
LOOK_SECONDS: Final = 5.0
"""From one look at how much all processes have on disk to the next; what is written in between
by others is not seen."""
SHARE_LEFT: Final = 15 / 16
"""Of the bound, that evicting leaves: each look at all files makes room for many batches."""

BLOCK_BYTES: Final = 4_096
"""That a file takes a multiple of: one of a single span takes four times its size."""

FULL: Final = "the spool is full"
UNSAVED: Final = "they could not be written to the spool"
_NUMBER_BYTES: Final = 8


@dataclass(frozen=True, slots=True, order=True)
class Batch:
    """One body for the back end.

    Attributes:
        name: Sorts by age: nanoseconds since 1970, a number, and how many items it has.
        home: Where it lies; ``None`` where it is held in memory.
    """

    name: str
    size: int = field(compare=False)
    home: Directory | None = field(compare=False, default=None)
    held: bytes = field(compare=False, default=b"", repr=False)

    @property
    def count(self) -> int:
        """Spans or log records in it."""
        return _count(self.name)


class Spool:
    """What waits for one destination; of any thread.

    Args:
        signal: ``traces`` or ``logs``.
        above: Directory of the destination, in the directory that all share; ``None`` to hold
            everything in memory.
        most: Bytes on disk, of all processes and destinations in the shared directory together.
        seal: Of what lies there; without one it lies there as it is sent.
    """

    def __init__(self, signal: str, above: Path | None, most: int, seal: Seal | None) -> None:
        self._signal, self._above, self._most, self._seal = signal, above, most, seal
        self._lock = threading.Lock()
        self._heap: list[Batch] = []
        self._own: Directory | None = None
        self._taken_over: list[Directory] = []
        self._number = 0
        self._held = 0
        self._on_disk, self._looked = 0, -LOOK_SECONDS
        self._said = self._closed = False

    def put(self, body: bytes, count: int) -> None:
        """Add a batch of ``count`` items; it is on disk when this returns, if it can be."""
        with self._lock:
            self._number += 1
            name = f"{time.time_ns():020d}-{self._number:06d}-{count}"
            heapq.heappush(self._heap, self._saved(name, body) or self._kept(name, body))

    def oldest(self, most: int) -> list[tuple[Batch, bytes]]:
        """The oldest batches, at least one if there is one, and no more than ``most`` bytes.

        They stay until they are done.
        """
        found: list[tuple[Batch, bytes]] = []
        with self._lock:
            taken: list[Batch] = []
            size = 0
            while self._heap and (not found or size + self._heap[0].size <= most):
                batch = heapq.heappop(self._heap)
                body = self._body(batch)
                if body is not None:
                    taken.append(batch)
                    found.append((batch, body))
                    size += batch.size
            for batch in taken:
                heapq.heappush(self._heap, batch)
        return found

    def done(self, batches: Iterable[Batch]) -> None:
        """They need not be kept any more."""
        with self._lock:
            gone = set(batches)
            for batch in gone:
                self._remove(batch)
            self._heap = [batch for batch in self._heap if batch not in gone]
            heapq.heapify(self._heap)

    def take_over(self) -> bool:
        """Have what processes that have ended left for the same destination; whether there was."""
        with self._lock:
            if self._above is None or self._closed:
                return False
            before = len(self._heap)
            for emptied in [home for home in self._taken_over if not home.names()]:
                emptied.close()
                self._taken_over.remove(emptied)
            for left in Directory.left(self._above):
                names = left.names()
                if not names:
                    left.close()
                    continue
                self._taken_over.append(left)
                for name in names:
                    with suppress(OSError, ValueError):
                        _count(name)
                        size = (left.path / name).stat().st_size
                        heapq.heappush(self._heap, Batch(name, size, left))
            return len(self._heap) > before

    def close(self) -> None:
        """Write what is held, count what cannot be written, and leave the rest to others."""
        with self._lock:
            self._closed = True
            for batch in [batch for batch in self._heap if batch.home is None]:
                if self._saved(batch.name, batch.held) is None:
                    lose(self._signal, batch.count, UNSAVED)
            self._heap.clear()
            for home in self._homes():
                home.close()
            self._own = None
            self._taken_over.clear()

    def forked(self) -> Spool:
        """An empty one for a child; what is in this one is its parent's."""
        for home in self._homes():
            home.release()
        seal = self._seal.renewed() if self._seal is not None else None
        return Spool(self._signal, self._above, self._most, seal)

    @property
    def where(self) -> str:
        """Where batches wait, for a line of log."""
        return "memory" if self._own is None else str(self._own.path.parent.parent)

    def _homes(self) -> list[Directory]:
        return [*self._taken_over, *([self._own] if self._own is not None else [])]

    def _saved(self, name: str, body: bytes) -> Batch | None:
        """The batch on disk; ``None`` where that does not work just now."""
        if self._above is None:
            return None
        try:
            if self._own is None:
                self._own = Directory.new(self._above)
            data = body if self._seal is None else self._sealed(self._seal, body)
            self._make_room(len(data))
            self._own.write(name, data)
        except OSError as error:
            if not self._said:
                self._said = True
                # Only what the system says: the message of an OSError may hold more.
                why = error.strerror or str(error)
                _log.warning("ragtrace: spool: %s; batches are held in memory", why)
            return None
        self._on_disk += _taken(len(data))
        return Batch(name, len(body), self._own)

    def _kept(self, name: str, body: bytes) -> Batch:
        self._held += len(body)
        held = sorted(batch for batch in self._heap if batch.home is None)
        for batch in held:
            if self._held <= HELD_BYTES:
                break
            self._heap.remove(batch)
            heapq.heapify(self._heap)
            self._held -= batch.size
            lose(self._signal, batch.count, FULL)
        return Batch(name, len(body), held=body)

    def _body(self, batch: Batch) -> bytes | None:
        """What is to be sent; ``None`` where it is gone, which who took it has counted."""
        if batch.home is None:
            return batch.held
        try:
            data = batch.home.read(batch.name)
        except OSError:
            return None
        if self._seal is None:
            return data
        try:
            return _opened(self._seal, data)
        except SealError:
            lose(self._signal, batch.count, "the spool was sealed with another key")
            self._remove(batch)
            return None

    def _remove(self, batch: Batch) -> None:
        if batch.home is None:
            self._held -= batch.size
        elif not self._closed:
            batch.home.remove(batch.name)
            self._on_disk -= _taken(batch.size)

    def _sealed(self, seal: Seal, body: bytes) -> bytes:
        self._number += 1
        number = self._number
        return seal.origin + number.to_bytes(_NUMBER_BYTES, "big") + seal.seal(number, body)

    def _make_room(self, size: int) -> None:
        """Evict the oldest batches of all processes until there is room for ``size`` bytes.

        Raises:
            OSError: There would never be.
        """
        size = _taken(size)
        if size > self._most:
            raise OSError("the batch is larger than the whole spool may be")
        now = time.monotonic()
        if now - self._looked < LOOK_SECONDS and self._on_disk + size <= self._most:
            return
        assert self._above is not None
        files = list(_files(self._above.parent))
        self._looked = now
        self._on_disk = sum(_taken(file.stat().st_size) for file in files)
        if self._on_disk + size <= self._most:
            return
        for file in sorted(files, key=lambda file: file.name):
            if self._on_disk + size <= self._most * SHARE_LEFT:
                return
            with suppress(OSError, ValueError):
                taken, count = _taken(file.stat().st_size), _count(file.name)
                os.unlink(file.path)
                self._on_disk -= taken
                lose(self._signal, count, FULL)


def _files(shared: Path) -> Iterator[os.DirEntry[str]]:
    """The batches of all destinations and processes."""
    for destination in _scanned(shared):
        for process in _scanned(destination.path):
            for file in _scanned(process.path):
                if file.name[0].isdigit() and file.is_file(follow_symlinks=False):
                    with suppress(OSError):
                        file.stat()  # kept in the entry, also when the file is gone
                        yield file


def _scanned(path: Path | str) -> list[os.DirEntry[str]]:
    try:
        return list(os.scandir(path))
    except OSError:
        return []


def _taken(size: int) -> int:
    """What a file of ``size`` bytes takes of a disk."""
    return -(-size // BLOCK_BYTES) * BLOCK_BYTES


def _count(name: str) -> int:
    return int(name.rpartition("-")[2])


def _opened(seal: Seal, data: bytes) -> bytes:
    origin, rest = data[:ORIGIN_BYTES], data[ORIGIN_BYTES:]
    number, sealed = rest[:_NUMBER_BYTES], rest[_NUMBER_BYTES:]
    return seal.open(origin, int.from_bytes(number, "big"), sealed)
