"""Threads: what the provider keeps of earlier calls, which a later one goes on with by an id."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from typing import Any, Final

from ragtrace.capture import renewed_in_child
from ragtrace.model import Message

__all__ = ["Threads"]

REMEMBERED: Final = 1024
"""Ids remembered; the texts are those that the ledger has anyway. One that is forgotten counts as
one that was never seen."""


class Threads:
    """Messages by the ids under which the provider keeps them. Safe to use from several threads.

    Attributes:
        UNSEEN: Why a call cannot be judged that goes on with something else.
    """

    UNSEEN: Final = "the provider holds earlier messages that this process has not seen"

    def __init__(self) -> None:
        self._lock = threading.RLock()
        renewed_in_child(self)
        self._known: OrderedDict[str, tuple[Message, ...]] = OrderedDict()

    def before(self, body: Mapping[str, Any]) -> tuple[Message, ...] | None:
        """What the model is shown beside what stands in ``body``; ``None`` if nobody here knows."""
        name = _name(body)
        with self._lock:
            return () if name is None else self._known.get(name)

    def after(
        self, body: Mapping[str, Any], answer: Mapping[str, Any], messages: Sequence[Message]
    ) -> None:
        """Remember what the provider has from now on, the answer among ``messages``."""
        names = [answer.get("id")]
        if "conversation" in body:
            names.append(_name(body))
        with self._lock:
            for name in filter(None, names):
                self._known[str(name)] = tuple(messages)
                if len(self._known) > REMEMBERED:
                    self._known.popitem(last=False)


def _name(body: Mapping[str, Any]) -> str | None:
    held = body.get("previous_response_id") or body.get("conversation")
    if isinstance(held, Mapping):
        held = held.get("id")
    return str(held) if held else None
