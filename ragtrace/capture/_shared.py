"""Shared: what the ledgers of several processes tell each other."""

from __future__ import annotations

import logging
import os
import time
import weakref
from collections import OrderedDict, deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from hashlib import blake2b
from typing import Final

from ragtrace.capture._entry import Entry, EntryError, decode_entry, encode_entry
from ragtrace.capture._guarded import ignored
from ragtrace.capture._lock import Lock
from ragtrace.capture._seal import Seal, SealError
from ragtrace.capture._stream import KEPT, READ_AT_ONCE, Fields, Stream
from ragtrace.errors import LedgerUnreachableError

__all__ = ["COOL_DOWN", "Shared"]

_log = logging.getLogger("ragtrace")

STREAM: Final = "ragtrace:ledger"
"""Name of the stream in Redis."""

VERSION: Final = b"1"
"""Of what an entry is. Another one is not read."""

COOL_DOWN: Final = 1.0
"""Seconds for which nothing is asked of a Redis that has failed: however many calls there are, one
a second waits for it."""

WRITTEN_AT_ONCE: Final = 1 << 18
"""Bytes of entries written in one round trip, unless the first alone is larger: well within the
time that Redis is waited for."""

WAITING_BYTES: Final = 64 << 20
"""Bytes of entries that wait for Redis to come back."""

KNOWN: Final = KEPT // 4
"""Entries known to be in the stream, which are not written again. Fewer than the stream keeps: what
is retrieved all the time is written again long before it is trimmed away."""

PROCESSES: Final = 4096
"""Processes whose last number is remembered."""

LONGEST_NUMBER: Final = 20
"""Digits of the number of an entry, enough for 64 bits."""

ROUNDS: Final = 4 * KEPT // READ_AT_ONCE
"""Round trips of one look: several times the whole stream. Who writes faster than that is read has
made the ledger unusable."""


class Shared:
    """The entries of all processes that have the same Redis and the same key.

    What one process has written before another looks is seen there. Safe to use from several
    threads and after a fork.

    Attributes:
        lock: Held on the way to Redis and back.

    Args:
        url: Of the Redis; see ``Stream``.
        key: 32 bytes, that all processes share.
        clock: Seconds that only go forwards.

    Raises:
        ConfigError: That is no URL of a Redis.
        MissingDependencyError: ``redis`` or ``cryptography`` is not installed.
    """

    def __init__(
        self, url: str, key: bytes, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._stream = Stream(url, STREAM)
        self._seal = Seal(key, f"{STREAM}/{VERSION.decode()}/".encode())
        self._clock = clock
        self._last: OrderedDict[bytes, int] = OrderedDict()  # by process, the number read last
        self._known: OrderedDict[bytes, None] = OrderedDict()
        self._failed_at: float | None = None
        self._opened = self._strange = False  # whether an entry was, and whether one was not
        self._begin()
        _all.add(self)

    def _begin(self) -> None:
        """What each process starts with anew."""
        self.lock = Lock(brief=False)
        self._number = 0
        self._waiting: deque[tuple[int, bytes]] = deque()
        self._waiting_bytes = 0
        self._begun = self._done = 0

    def publish(self, entries: Iterable[Entry]) -> None:
        """Tell the others; what they cannot be told now, they are told before the next ``look``."""
        with self.lock:
            for entry in entries:
                self._keep(entry)
            if self._waiting and not self._cooling_down():
                try:
                    self._write()
                except LedgerUnreachableError:
                    pass  # it waits, and whoever looks is told

    def look(self, take: Callable[[Sequence[Entry]], None]) -> None:
        """Give ``take`` all that the others have told since the last time.

        The lock is held on the way to Redis and back, a tenth of a millisecond. Whoever has
        waited for it while another thread both asked and took in has no need to ask as well, so
        no thread waits for more than two round trips; and where Redis hangs, one does.

        Raises:
            LedgerUnreachableError: Redis does not answer, or has not lately; or all that is there
                was sealed with another key.
        """
        before = self._begun
        with self.lock:
            if self._done > before:
                return
            if self._cooling_down():
                raise LedgerUnreachableError("the shared ledger has not answered a moment ago")
            self._begun += 1
            self._write()
            for _ in range(ROUNDS):
                if not self._read(take):
                    break
            else:
                raise LedgerUnreachableError("the shared ledger is written faster than it is read")
            if self._strange and not self._opened:
                raise LedgerUnreachableError("nothing in the shared ledger opens with this key")
            self._done = self._begun

    def close(self) -> None:
        """Tell the others what still waits, if they can be told, and let go of the connection."""
        self.publish(())
        with self.lock:
            if self._waiting:
                _log.error("ragtrace: %d entries were never shared", len(self._waiting))
            self._stream.close()

    def forked(self) -> None:
        """In a child process: another process, with nothing of its own to tell yet."""
        self._begin()
        self._seal = self._seal.renewed()
        self._stream.forked()

    def _keep(self, entry: Entry) -> None:
        try:
            data = encode_entry(entry)
        except EntryError as error:
            return ignored("entry to share", str(error))
        if self._is_known(data):
            return
        self._number += 1
        self._waiting.append((self._number, self._seal.seal(self._number, data)))
        self._waiting_bytes += len(self._waiting[-1][1])
        # What does not fit here, the stream would not keep either.
        while len(self._waiting) > KEPT or self._waiting_bytes > WAITING_BYTES:
            self._drop()
            ignored("entry to share", "too many wait")

    def _drop(self) -> None:
        _, sealed = self._waiting.popleft()
        self._waiting_bytes -= len(sealed)

    def _is_known(self, data: bytes) -> bool:
        """Whether it is known to be in the stream, as it will be from now on."""
        name = blake2b(data, digest_size=16).digest()
        if name in self._known:
            return True
        self._known[name] = None
        if len(self._known) > KNOWN:
            self._known.popitem(last=False)
        return False

    def _write(self) -> None:
        while self._waiting:
            some: list[Fields] = []
            size = 0
            for number, sealed in self._waiting:
                size += len(sealed)
                if some and size > WRITTEN_AT_ONCE:
                    break
                some.append(self._fields(number, sealed))
            with self._noticing():
                self._stream.write(some)
            for _ in some:
                self._drop()

    def _fields(self, number: int, sealed: bytes) -> Fields:
        return {b"v": VERSION, b"p": self._seal.origin, b"n": b"%d" % number, b"e": sealed}

    def _read(self, take: Callable[[Sequence[Entry]], None]) -> bool:
        """Whether there may be more."""
        with self._noticing():
            found = self._stream.read()
        if found:
            entries = [self._entry(fields) for _, fields in found]
            take([entry for entry in entries if entry is not None])
            self._stream.taken(found[-1][0])
        return len(found) == READ_AT_ONCE

    def _entry(self, fields: Fields) -> Entry | None:
        """What another process has told; ``None`` for what nobody can use."""
        origin = fields.get(b"p", b"")
        if origin == self._seal.origin:
            return None
        if fields.get(b"v") != VERSION:
            self._skip("of another version")
            return None
        try:
            number = int(fields.get(b"n", b"")[:LONGEST_NUMBER])
            data = self._seal.open(origin, number, fields.get(b"e", b""))
            entry = decode_entry(data)
        except (SealError, EntryError, ValueError) as error:
            sealed = isinstance(error, SealError)
            self._skip("sealed with another key, or changed" if sealed else "damaged")
            return None
        self._opened = True
        if not self._follows(origin, number):
            return None
        self._is_known(data)
        return entry

    def _skip(self, why: str) -> None:
        self._strange = True
        ignored("shared entry", why)

    def _follows(self, origin: bytes, number: int) -> bool:
        """Whether the entry comes after what was read of its process, and is not told again."""
        last = self._last.pop(origin, None)
        self._last[origin] = max(number, last or 0)
        if len(self._last) > PROCESSES:
            self._last.popitem(last=False)
        if last is not None and number > last + 1:
            ignored("shared entry", "trimmed or deleted before it was read", number - last - 1)
        return last is None or number > last

    def _cooling_down(self) -> bool:
        return self._failed_at is not None and self._clock() - self._failed_at < COOL_DOWN

    @contextmanager
    def _noticing(self) -> Iterator[None]:
        """Around what asks Redis: notes that it fails, and that it answers again."""
        try:
            yield
        except LedgerUnreachableError as error:
            if self._failed_at is None:
                _log.warning("ragtrace: %s", error)
                self._known.clear()  # it may come back with nothing in it
            self._failed_at = self._clock()
            raise
        if self._failed_at is not None:
            _log.warning("ragtrace: the shared ledger answers again")
        self._failed_at = None


_all: weakref.WeakSet[Shared] = weakref.WeakSet()


def _forked() -> None:
    for shared in list(_all):
        shared.forked()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forked)
