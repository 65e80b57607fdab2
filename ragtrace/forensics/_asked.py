"""EvidenceAsked: what a bundle of evidence is to hold, and for whom."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal, get_args

__all__ = ["MOST_TRACES", "TLP", "EvidenceAsked", "PolicyText", "Tlp"]

Tlp = Literal["clear", "green", "amber", "amber+strict", "red"]
"""Traffic Light Protocol 2.0 (FIRST, 2022)."""
TLP: Final[tuple[Tlp, ...]] = get_args(Tlp)
MOST_TRACES: Final = 10_000
"""Of one bundle: each is a file of it."""


@dataclass(frozen=True, slots=True)
class PolicyText:
    """A policy file as it is put into a bundle.

    Attributes:
        digest: Of the policy: of its file, or of all its files.
        files: SHA-256 of each file that it was read from, its own first.
        text: Of its own file; what it names stays outside, for a registry holds digests of texts.
    """

    digest: str
    files: tuple[str, ...]
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class EvidenceAsked:
    """What a bundle is to hold.

    Attributes:
        traces: Their whole ids.
        clearance: Name of the level up to which texts are wanted; empty for no text.
        levels: That level and those below it.
        tlp: Who may be given the bundle.
        why: What was asked for, as ``reach fees.md``; empty where the traces were named.
        policy: The policy that is to be in it.
    """

    traces: tuple[str, ...]
    clearance: str = ""
    levels: tuple[str, ...] = ()
    tlp: Tlp = "amber"
    why: str = ""
    policy: PolicyText | None = None
