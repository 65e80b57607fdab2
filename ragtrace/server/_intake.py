"""Intake: export requests, however they came, decoded within bounds and committed."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

from ragtrace.errors import WireError
from ragtrace.server._commit import GroupCommit
from ragtrace.server._inbound import Inbound
from ragtrace.server._limits import Limits
from ragtrace.server._peer import Peer
from ragtrace.server._sender import ANY_SENDER, Sender
from ragtrace.wire import ContentRecord, SpanRecord, decode_logs, decode_traces

__all__ = ["Adopt", "Intake", "MaySend", "Rejected"]

DECODERS: Final = 2
"""Bodies decoded at once: more would only take turns at the interpreter."""

MaySend = Callable[[Peer], Sender | None]
"""For whom a peer may send; ``None`` where it may not."""

Adopt = Callable[[Sequence[SpanRecord]], tuple[Sequence[SpanRecord], Sequence[ContentRecord]]]
"""Gives spans as they are to be stored, those of other tracers as ours would be, and the texts
that were in them."""


@dataclass(slots=True)
class Rejected:
    """What of a request is not stored, where the rest of it is.

    Attributes:
        count: Spans or log records.
        reason: Why the first of them is not; empty where all are stored.
    """

    count: int = 0
    reason: str = ""

    def __call__(self, error: WireError) -> None:
        """Count one more."""
        self.count += 1
        self.reason = self.reason or str(error)


@dataclass(frozen=True, slots=True)
class Intake:
    """The one way into the store, for HTTP and gRPC alike; safe to share.

    Attributes:
        limits: Bounds on what arrives.
        sender: Asked before a body is read.
        inbound: Accounts for what is in hand, by whichever way it came.
        adopt: Applied to spans before they are stored; where all are ours, it gives them back.
        stored: Told of spans that are on disk; must return at once.
    """

    commit: GroupCommit
    limits: Limits
    sender: MaySend
    inbound: Inbound
    adopt: Adopt | None = None
    stored: Callable[[Sequence[SpanRecord]], None] | None = None
    _decoding: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(DECODERS))

    async def traces(self, body: bytes, kind: str, sender: Sender) -> Rejected:
        """Store the spans of a trace export as its sender's; on disk when this returns.

        Raises:
            WireError: The body is no such export; nothing of it is stored.
            StoreError: It may not be on disk; sending it again is safe.
        """
        rejected = Rejected()
        with self.commit.coming():
            async with self._decoding:
                found = await asyncio.to_thread(self._spans, body, kind, sender, rejected)
        await self.commit.submit(*found)
        if self.stored is not None:
            self.stored(found[0])
        return rejected

    async def logs(self, body: bytes, kind: str, sender: Sender) -> Rejected:
        """Store the texts of a log export; a record of another kind is taken and forgotten.

        Raises:
            WireError: The body is no such export; nothing of it is stored.
            StoreError: It may not be on disk; sending it again is safe.
        """
        rejected = Rejected()
        with self.commit.coming():
            async with self._decoding:
                found, _ = await asyncio.to_thread(decode_logs, body, kind, rejected)
        await self.commit.submit((), found)
        return rejected

    async def metrics(self, body: bytes, kind: str, sender: Sender) -> Rejected:
        """Take nothing in: a client with default settings sends metrics, and would complain."""
        return Rejected()

    def _spans(
        self, body: bytes, kind: str, sender: Sender, rejected: Rejected
    ) -> tuple[Sequence[SpanRecord], Sequence[ContentRecord]]:
        spans = decode_traces(body, kind, rejected)
        if sender != ANY_SENDER:
            spans = sender.own(spans, rejected)
        return self.adopt(spans) if self.adopt is not None else (spans, ())
