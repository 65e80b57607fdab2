"""Released: a remembered text as it is just now, where somebody has declassified it."""

from __future__ import annotations

from datetime import UTC, datetime

from ragtrace.capture._runtime import Runtime
from ragtrace.model import Chunk

__all__ = ["released"]


def released(runtime: Runtime, chunk: Chunk) -> Chunk:
    """``chunk`` under the label that a declassification leaves it; else the very same.

    What is remembered stays as it was labelled: a declassification comes to its end.
    """
    policy = runtime.policy
    if not policy.declassified.records:
        return chunk
    now = datetime.fromtimestamp(runtime.wall(), UTC)
    return policy.declassified.apply(policy.lattice, chunk, now)
