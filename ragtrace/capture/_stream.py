"""Stream: a capped Redis Stream, on a connection that fails fast."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from ragtrace.errors import ConfigError, LedgerUnreachableError, MissingDependencyError

__all__ = ["KEPT", "READ_AT_ONCE", "TIMEOUT", "Stream"]

KEPT: Final = 8192
"""Entries that the stream keeps, about 25 MB: twice what one process remembers of documents and of
completions, so that one which starts knows what one that has run for long does."""

KEPT_SECONDS: Final = 7 * 24 * 3600
"""Seconds after the last entry when the stream goes away: of an application that is gone, no text
stays behind."""

TIMEOUT: Final = 0.25
"""Seconds to wait for Redis. It answers in a tenth of a millisecond; a reader who waits for the
first token does not notice a quarter of a second."""

READ_AT_ONCE: Final = 128
"""Entries read in one round trip, about 400 KB: a millisecond or two of a network."""

Fields = Mapping[bytes, bytes]


class Stream:
    """Entries in the order in which they were written, the same for all who read them.

    Nothing is tried twice; a connection that was closed at the other end while it was idle is
    opened again before it is used.

    Args:
        url: ``redis://``, ``rediss://`` or ``unix://``; it may hold a password, and stands in no
            message.
        name: Of the stream.

    Raises:
        ConfigError: That is no such URL.
        MissingDependencyError: ``redis`` is not installed.
    """

    def __init__(self, url: str, name: str) -> None:
        self._url, self._name = url, name
        self._last = b"0-0"
        self._client = self._connect()

    def forked(self) -> None:
        """In a child process: a connection of its own, and none of the client's locks, which some
        thread of the parent may have held. What was read stays read.
        """
        self._client = self._connect()

    def write(self, entries: Iterable[Fields]) -> None:
        """Put entries at the end, in order, in one round trip.

        Raises:
            LedgerUnreachableError: It is not known whether, or how many, were written.
        """
        pipe = self._client.pipeline(transaction=False)
        for fields in entries:
            pipe.xadd(self._name, dict(fields), maxlen=KEPT, approximate=True)
        pipe.expire(self._name, KEPT_SECONDS)
        try:
            pipe.execute()
        except Exception as error:  # whatever it is, nobody has said that it was written
            raise _unreachable(error) from None

    def read(self) -> list[tuple[bytes, Fields]]:
        """The next entries after those that were ``taken``, at most READ_AT_ONCE, with their ids.

        Raises:
            LedgerUnreachableError: Redis does not answer, or not with entries.
        """
        try:
            found = self._client.xrange(self._name, b"(" + self._last, count=READ_AT_ONCE)
            return [(id, fields) for id, fields in found]
        except Exception as error:
            raise _unreachable(error) from None

    def taken(self, id: bytes) -> None:
        """What is read next comes after the entry of this id."""
        self._last = id

    def close(self) -> None:
        """Close the connection; whatever is asked next opens another."""
        self._client.close()

    def _connect(self) -> Any:
        try:
            import redis
            from redis.backoff import NoBackoff
            from redis.retry import Retry
        except ModuleNotFoundError:
            raise MissingDependencyError("redis", "redis") from None
        try:
            pool = redis.ConnectionPool.from_url(self._url)
        except (ValueError, TypeError):
            raise ConfigError(
                "RAGTRACE_LEDGER: expected a URL like redis://host:6379/0, rediss:// or unix://"
            ) from None
        # After reading the URL: what it says beside the address must not undo these.
        pool.connection_kwargs.update(
            socket_timeout=TIMEOUT,
            socket_connect_timeout=TIMEOUT,
            retry=Retry(NoBackoff(), 0),
            retry_on_timeout=False,
            decode_responses=False,
        )
        return redis.Redis(connection_pool=pool, decode_responses=False)


def _unreachable(error: Exception) -> LedgerUnreachableError:
    return LedgerUnreachableError(f"the shared ledger does not answer: {type(error).__name__}")
