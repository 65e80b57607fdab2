"""Answer: what became of a body that was sent, and who sends bodies."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, Literal, Protocol

__all__ = ["LONGEST_REASON", "Answer", "Transport", "partly"]

LONGEST_REASON: Final = 200
"""Characters of what a back end says that go into a line of log."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What became of a body.

    Attributes:
        kind: ``taken``: it need not be kept. ``later``: the back end did not take it, or nobody
            knows whether it did. ``refused``: it would be refused again.
        after: Seconds after which to come back, where the back end says so.
        rejected: Items of a body that was taken which were not.
        why: For the log, without anything of the body.
    """

    kind: Literal["taken", "later", "refused"]
    after: float | None = None
    rejected: int = 0
    why: str = ""


class Transport(Protocol):
    """Sends bodies to one destination, from one thread."""

    def send(self, body: bytes, seconds: float) -> Answer:
        """Send ``body``, an OTLP request in protobuf; takes little more than ``seconds``."""

    def close(self) -> None:
        """Close connections."""


def partly(answer: Any) -> Answer:
    """What an OTLP response says of a body that was taken."""
    part = answer.partial_success
    # One of the two, as the signal has it.
    rejected = getattr(part, "rejected_spans", 0) or getattr(part, "rejected_log_records", 0)
    return Answer("taken", rejected=max(0, rejected), why=part.error_message[:LONGEST_REASON])
