"""Vault: sends every text away once, as a log record under its digest."""

from __future__ import annotations

from collections import OrderedDict
from typing import Final, Literal

from opentelemetry._logs import Logger, LogRecord

from ragtrace.capture._lock import Lock
from ragtrace.wire import body_of, names

__all__ = ["Kind", "Vault"]

Kind = Literal["chunk", "prompt", "completion"]

REMEMBERED: Final = 65_536
"""Digests remembered as sent, about 10 MB; one that is forgotten is sent again, which the
store takes as the same."""


class Vault:
    """Texts by digest. Only used where content is captured; the default is not to."""

    def __init__(self, logger: Logger) -> None:
        self._logger = logger
        self._lock = Lock()
        self._sent: OrderedDict[tuple[str, str], None] = OrderedDict()

    def put(self, kind: Kind, digest: str, level: str, text: str, subject: str = "") -> None:
        """File ``text`` under ``digest``, readable from ``level`` on.

        Args:
            kind: What it is.
            digest: Of the text.
            level: What a reader needs.
            text: As it was said.
            subject: ``document:``, ``user:`` or ``session:`` and whose it is. A text of two is
                filed for each, so that one can be forgotten without the other.
        """
        with self._lock:
            if (digest, subject) in self._sent:
                return
            self._sent[digest, subject] = None
            if len(self._sent) > REMEMBERED:
                self._sent.popitem(last=False)
        self._logger.emit(
            LogRecord(
                event_name=names.CONTENT_EVENT,
                body=body_of(text),
                attributes={
                    names.CONTENT_DIGEST: digest,
                    names.CONTENT_KIND: kind,
                    names.CONTENT_LEVEL: level,
                    **({names.CONTENT_SUBJECT: subject} if subject else {}),
                },
            )
        )
