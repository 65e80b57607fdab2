"""Source: where documents come from, under one name whoever reads it."""

from __future__ import annotations

from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Final

__all__ = ["Source"]

_KINDS: Final = {
    "chromavectorstore": "chroma",
    "qdrantvectorstore": "qdrant",
    "pgvectorstore": "pgvector",
    "asyncpgvectorstore": "pgvector",
}
"""What stores are called by their own clients, by the classes that frameworks have for them."""


@dataclass(frozen=True, slots=True)
class Source:
    """Where documents come from: a collection, an index, a connector.

    Attributes:
        id: ``kind/name``, for example ``chroma/bank_knowledge``, read off the store or the
            chunk's own metadata and never off a name typed beside it.
        aliases: Other names of the same, by which a policy may speak of it.
    """

    id: str
    aliases: tuple[str, ...] = ()

    @classmethod
    def of_store(cls, kind: str, name: str | None) -> Source:
        """What a framework's store searches: called as the store's own client calls it.

        Args:
            kind: The class of the framework's store.
            name: The collection, where it has a name.
        """
        kind = kind.lower()
        own = _KINDS.get(kind, kind)
        if own == kind:
            return cls(f"{own}/{name}" if name else own)
        # Where a framework does not tell the name, it was called by its class alone.
        return cls(f"{own}/{name}", (f"{kind}/{name}", kind)) if name else cls(own, (kind,))

    def fits(self, pattern: str) -> bool:
        """Whether a glob is true of one of its names."""
        return fnmatchcase(self.id, pattern) or any(
            fnmatchcase(name, pattern) for name in self.aliases
        )

    def within(self, outer: Source) -> Source:
        """The same, read by way of ``outer``: where that is of the same kind of store it is the
        collection, as the application knows it, and this one what holds it.
        """
        if outer.kind != self.kind:
            return self
        names = dict.fromkeys((*outer.aliases, self.id, *self.aliases))
        return Source(outer.id, tuple(name for name in names if name != outer.id))

    @property
    def kind(self) -> str:
        """The kind of store."""
        return self.id.partition("/")[0]
