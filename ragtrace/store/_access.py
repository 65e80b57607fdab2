"""Access: who asks, and what they may be shown."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal, get_args

__all__ = ["ITSELF", "NOBODY", "OWNER", "ROLES", "Access", "Role"]

Role = Literal["ingest", "read", "admin"]
"""``ingest`` sends telemetry and sees nothing; ``read`` asks; ``admin`` keeps the store too."""

ROLES: Final[tuple[Role, ...]] = get_args(Role)


@dataclass(frozen=True, slots=True)
class Access:
    """What one caller may do and see; by default nothing.

    Every row and text passes the conditions that ``ragtrace.store._scope`` makes of this, in the
    statement that reads it and nowhere else.

    Attributes:
        name: Of the caller, for the record; never the token.
        roles: What it may do.
        levels: Labels' levels whose texts it may read; ``None`` for every text, also one whose
            level is not known. Rows without texts (documents, labels, decisions) are shown to
            every reader.
        tenants: Tenants whose rows and texts it may see; ``None`` for all.
    """

    name: str
    roles: frozenset[Role] = frozenset()
    levels: frozenset[str] | None = frozenset()
    tenants: frozenset[str] | None = frozenset()

    @property
    def reads(self) -> bool:
        """Whether it may ask at all; a key that only sends telemetry may not."""
        return not self.roles.isdisjoint({"read", "admin"})


NOBODY: Final = Access("nobody")
"""Who showed nothing that is known."""

ITSELF: Final = Access("ragtrace", frozenset(ROLES), None, None)
"""The server's own work: what it reads it shows to nobody, so that it is not on record."""

OWNER: Final = Access("owner", frozenset(ROLES), None, None)
"""Who has the directory and the key in hand: a command run beside the store."""
