"""Mark: what a document's own metadata says about it, in somebody else's words."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Protocol

from ragtrace.labels._lattice import Lattice
from ragtrace.model import Label

__all__ = ["Mark"]


class Mark(Protocol):
    """A way of marking documents that others have agreed on."""

    def labels(
        self, metadata: Mapping[str, object], lattice: Lattice
    ) -> Iterable[tuple[str, Label]]:
        """Who labels, and the label; nothing where the mark is not there.

        Never raises: a mark that cannot be read counts as the strictest.
        """
        ...
