"""Access list: whom a document's own store lets read it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from ragtrace.labels._lattice import Lattice
from ragtrace.model import Label

__all__ = ["AccessList"]


@dataclass(frozen=True, slots=True)
class AccessList:
    """Readers by the metadata keys that list them.

    Users and groups under several keys are parts of one list, so they are put together.
    A list gives no level: who may read and how confidential it is are two questions.

    Attributes:
        keys: Metadata keys with principals or groups.
    """

    keys: tuple[str, ...]

    def labels(
        self, metadata: Mapping[str, object], lattice: Lattice
    ) -> Iterable[tuple[str, Label]]:
        """The label with the readers, as ``acl:KEY``; nothing where no key is there.

        A list that is empty or cannot be read lets nobody read.
        """
        present = [key for key in self.keys if metadata.get(key) is not None]
        if present:
            readers = frozenset(name for key in present for name in _names(metadata[key]))
            yield f"acl:{'+'.join(present)}", Label(lattice.least, readers=readers)


def _names(listed: object) -> Iterable[str]:
    """The principals in a list, in its JSON, or the single one that a text is."""
    if isinstance(listed, str):
        text = listed.strip()
        if not text.startswith("["):
            listed = [text]
        else:  # stores that keep only scalars hold the list as JSON
            try:
                listed = json.loads(text)
            except (ValueError, RecursionError):
                return
    if not isinstance(listed, list | tuple | set | frozenset):
        return
    for name in listed:
        # A record of a right may deny as well as grant: what is not a name names nobody.
        if isinstance(name, str) and name.strip():
            yield name.strip()
