"""Strength: what of an attribution is enough to report a chunk, and what to block on it."""

from __future__ import annotations

from typing import Final

from ragtrace.model import Attribution

__all__ = ["BLOCKING_EVIDENCE", "blocking", "reported"]

BLOCKING_EVIDENCE: Final = 40
"""Unique seeds in a row that are needed to block: at 24, which is enough to report, prompts
of 250 KB gave one false verdict in a hundred documents; at 40 none (attribution notes)."""


def reported(attribution: Attribution | None) -> bool:
    """Whether the chunk is named as certainly there."""
    return attribution is not None and attribution.verdict == "certain"


def blocking(attribution: Attribution | None) -> bool:
    """Whether it is certain enough to block a call."""
    if attribution is None or attribution.verdict != "certain":
        return False
    strongest = max((span.evidence for span in attribution.spans), default=0)
    return attribution.whole or strongest >= BLOCKING_EVIDENCE
