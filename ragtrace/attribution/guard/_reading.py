"""Reading: one way to read a stream, and what is protected in it."""

from __future__ import annotations

from ragtrace.attribution.guard._layer import Place
from ragtrace.attribution.guard._protected import TRIGGER, Protected

__all__ = ["Reading"]


class Reading:
    """The last symbols of a stream, read one way.

    Attributes:
        alike: Symbols since it was last read in another way than the reading it was made from.
    """

    __slots__ = ("_bones", "_places", "_protected", "alike")

    def __init__(self, protected: Protected, like: Reading | None = None) -> None:
        self._protected = protected
        # Those that could become a run, TRIGGER at most, and where they stand.
        self._bones: str = "" if like is None else like._bones
        self._places: list[Place] = [] if like is None else like._places
        self.alike = 0

    @property
    def begins(self) -> int | None:
        """Where in the stream begins what could still become a run, if anything."""
        if not self._places:
            return None
        # A run that has reached TRIGGER has been found; its first symbol need not wait.
        return self._places[1 - TRIGGER if len(self._places) == TRIGGER else 0][0]

    def grows(self, symbols: str) -> int | None:
        """Hear plain text: how many symbols at its end could still become a run.

        ``None``, and nothing is heard, where a run may be complete. The places of what is heard
        are to be told by ``stand`` before anything is asked about places.
        """
        said, protected = self._bones + symbols, self._protected
        if len(said) >= TRIGGER or (
            protected.shorts and protected.ends_short(said, len(self._bones))
        ):
            return None
        live = protected.live(said, len(self._bones))
        self._bones = said[len(said) - live :]
        return live

    def stand(self, places: list[Place]) -> None:
        """Where the symbols stand that could become a run; they are the last of ``places``."""
        self._places = places[len(places) - len(self._bones) :]

    def hear(self, symbols: str, places: list[Place]) -> list[Place]:
        """Where in the stream runs stand that ``symbols`` begin, continue and complete."""
        if not symbols:
            return []
        said, stand = self._bones + symbols, self._places + places
        found = [
            (stand[start][0], stand[end - 1][1])
            for start, end in self._protected.runs(said, len(self._bones))
        ]
        live = len(said) - self._protected.live(said, len(self._bones))
        self._bones, self._places = said[live:], stand[live:]
        self.alike += len(symbols)
        return found
