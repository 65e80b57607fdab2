"""GroupCommit: requests that arrive together are written together, and answered each alone."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Final

from ragtrace.errors import StoreError
from ragtrace.server._limits import Limits
from ragtrace.wire import ContentRecord, SpanRecord

__all__ = ["GroupCommit"]

_log: Final = logging.getLogger("ragtrace.server")

Write = Callable[[Sequence[SpanRecord], Sequence[ContentRecord]], None]


@dataclass(frozen=True, slots=True)
class _Batch:
    spans: Sequence[SpanRecord]
    contents: Sequence[ContentRecord]
    written: asyncio.Future[None]

    @property
    def size(self) -> int:
        return len(self.spans) + len(self.contents)


class GroupCommit:
    """Gathers batches for some milliseconds and writes them in one insert.

    While others are being decoded it waits for them too, for one insert of many costs the engine
    a fraction of many small ones, then and when it merges them.

    A batch is acknowledged when it is on disk. Where a group cannot be written, each of its
    batches is tried alone, so that a bad one fails alone.

    Args:
        write: Blocking and durable, ``Store.write``; called in one thread, never twice at once.
    """

    def __init__(self, write: Write, limits: Limits) -> None:
        self._write = write
        self._limits = limits
        self._waiting: asyncio.Queue[_Batch | None] = asyncio.Queue()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="ragtrace-write")
        self._task: asyncio.Task[None] | None = None
        self._closed = False
        self._coming = 0
        self._all_here = asyncio.Event()

    @contextmanager
    def coming(self) -> Iterator[None]:
        """Announce a batch that is being decoded."""
        self._coming += 1
        self._all_here.clear()
        try:
            yield
        finally:
            self._coming -= 1
            if not self._coming:
                self._all_here.set()

    async def submit(
        self, spans: Sequence[SpanRecord], contents: Sequence[ContentRecord] = ()
    ) -> None:
        """Return when the batch is on disk.

        Raises:
            StoreError: It may not be; sending it again is safe.
        """
        if self._closed:
            raise StoreError("server: it is shutting down")
        if not spans and not contents:
            return
        if self._task is None:  # here and not in __init__, which runs before the event loop
            self._task = asyncio.create_task(self._run())
        batch = _Batch(spans, contents, asyncio.get_running_loop().create_future())
        self._waiting.put_nowait(batch)
        await batch.written

    async def close(self) -> None:
        """Write what is waiting, then stop."""
        self._closed = True
        if self._task is not None:
            self._waiting.put_nowait(None)
            await self._task
        self._thread.shutdown()

    async def _run(self) -> None:
        while (first := await self._waiting.get()) is not None:
            await self._gathered()
            group, size, last = [first], first.size, False
            while size < self._limits.group_spans and not self._waiting.empty():
                batch = self._waiting.get_nowait()
                if batch is None:
                    last = True
                    break
                group.append(batch)
                size += batch.size
            await self._commit(group)
            if last:
                return

    async def _gathered(self) -> None:
        await asyncio.sleep(self._limits.group_seconds)
        if self._coming:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._all_here.wait(), self._limits.decode_seconds)
            await asyncio.sleep(0)  # what was decoded last is submitted

    async def _commit(self, group: list[_Batch]) -> None:
        try:
            await self._insert(group)
        except StoreError as error:
            if len(group) == 1:
                _log.warning("a batch of %d was not written: %s", group[0].size, error)
                if not group[0].written.done():  # done: its client has gone
                    group[0].written.set_exception(error)
            else:
                for batch in group:
                    await self._commit([batch])
        else:
            for batch in group:
                if not batch.written.done():
                    batch.written.set_result(None)

    async def _insert(self, group: list[_Batch]) -> None:
        spans = [span for batch in group for span in batch.spans]
        contents = [content for batch in group for content in batch.contents]
        loop = asyncio.get_running_loop()
        try:
            await loop.run_in_executor(self._thread, self._write, spans, contents)
        except StoreError:
            raise
        except Exception as error:  # whatever the client library raises: the server goes on
            raise StoreError(f"store: write: {type(error).__name__}") from None
