"""Declassifications: which texts have been released, by a chain of records."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Set
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, Literal

from ragtrace.errors import PolicyFileError
from ragtrace.labels._declassification import FIRST, Declassification, Revocation, entry
from ragtrace.labels._lattice import Lattice
from ragtrace.labels._release import released
from ragtrace.model import Chunk

__all__ = ["MAX_DECLASSIFIED_LINES", "Declassifications"]

MAX_DECLASSIFIED_LINES: Final = 10_000
"""Lines of a file. Each is read, and its chain checked, whenever the policy is: half a second."""

BASIS: Final = "declassified"
"""In the basis of a chunk, and before the id of the record that releases it."""

State = Literal["in force", "not yet", "expired", "revoked", "unknown level"]
"""What has become of a record; its level may have gone from the policy."""


@dataclass(frozen=True, slots=True)
class Declassifications:
    """Which texts have been released, of all that was ever recorded.

    Attributes:
        records: In the order of their lines.
        revocations: In the order of theirs.
        head: SHA-256 of the last line, which the next one names; it tells whether lines at the
            end are missing, which the file cannot tell by itself.
    """

    records: tuple[Declassification, ...] = ()
    revocations: tuple[Revocation, ...] = ()
    head: str = FIRST
    _by_digest: Mapping[str, list[Declassification]] = field(init=False, repr=False, compare=False)
    _revoked: Set[str] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        by_digest: dict[str, list[Declassification]] = {}
        for one in self.records:
            by_digest.setdefault(one.digest, []).append(one)
        object.__setattr__(self, "_by_digest", by_digest)
        object.__setattr__(self, "_revoked", {one.revokes for one in self.revocations})

    @classmethod
    def parse(cls, lines: Iterable[bytes], name: str) -> Declassifications:
        """What ``lines`` record; ``name`` stands in messages.

        A level that no policy has any more is no fault: such a record does nothing.

        Raises:
            PolicyFileError: A line is not as it was written, or does not follow the one before
                it, or there are too many; the message names file and line.
        """
        records: dict[str, Declassification] = {}
        revocations: dict[str, Revocation] = {}
        head = FIRST
        for number, line in enumerate(lines, 1):
            try:
                if number > MAX_DECLASSIFIED_LINES:
                    raise ValueError(f"expected at most {MAX_DECLASSIFIED_LINES} lines")
                one = entry(line)
                if one.previous != head:
                    raise ValueError(
                        "previous: expected the SHA-256 of the line before: "
                        "lines were changed, taken out or put in"
                    )
                if isinstance(one, Declassification):
                    records[one.id] = one
                elif one.revokes in records and one.revokes not in revocations:
                    revocations[one.revokes] = one
                else:
                    raise ValueError("revokes: expected the id of a line before, not yet revoked")
            except ValueError as error:
                raise PolicyFileError(f"{name}:{number}: {error}") from None
            head = hashlib.sha256(line).hexdigest()
        return cls(tuple(records.values()), tuple(revocations.values()), head)

    def apply(self, lattice: Lattice, chunk: Chunk, now: datetime) -> Chunk:
        """``chunk`` as it is at ``now``: under a lower label where its text has been released.

        Where several records speak of it, the one counts that leaves the least of its label,
        and never two of them together: each was somebody's decision about all of the label.
        """
        if chunk.released.startswith(f"{BASIS}:"):
            return chunk
        lowered = [
            (one.id, released(lattice, chunk, one.label, BASIS, f"{BASIS}:{one.id}"))
            for one in self._by_digest.get(chunk.digest, ())
            if self.state(one, lattice, now) == "in force"
        ]

        def left(one: tuple[str, Chunk]) -> tuple[int, int, str]:
            label = lattice.join([one[1].label, *(part.label for part in one[1].ranges)])
            return lattice.rank(label.level), len(label.compartments), one[0]

        return min(lowered, key=left, default=("", chunk))[1]

    def state(self, record: Declassification, lattice: Lattice, now: datetime) -> State:
        """What has become of ``record`` at ``now``."""
        if record.id in self._revoked:
            return "revoked"
        if record.level not in lattice.levels:
            return "unknown level"
        if now < record.at:
            return "not yet"
        return "in force" if now < record.expires else "expired"
