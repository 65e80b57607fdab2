"""Release: a chunk under a label that is at most another, and why it is."""

from __future__ import annotations

from dataclasses import replace

from ragtrace.labels._lattice import Lattice
from ragtrace.model import Chunk, Label

__all__ = ["released"]


def released(lattice: Lattice, chunk: Chunk, to: Label, basis: str, why: str) -> Chunk:
    """``chunk`` with its label, and those of its parts, met with ``to``: never stricter.

    Who may be told is not whether it is true: what was untrusted stays so.

    Args:
        lattice: Orders labels.
        chunk: The very same where nothing of it is lowered.
        to: The most that is left of any label; of its compartments, those that stay.
        basis: Put behind the chunk's own.
        why: What releases it.
    """

    def lowered(label: Label) -> Label:
        return replace(lattice.meet([label, to]), integrity=label.integrity)

    label = lowered(chunk.label)
    ranges = tuple(replace(part, label=lowered(part.label)) for part in chunk.ranges)
    if (label, ranges) == (chunk.label, chunk.ranges):
        return chunk
    basis = f"{chunk.basis}+{basis}"
    return replace(chunk, label=label, ranges=ranges, basis=basis, released=why)
