"""The lattice: which of two labels is stricter, and who may read what."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import reduce

from ragtrace.model import Audience, Integrity, Label

__all__ = ["Lattice"]


@dataclass(frozen=True, slots=True)
class Lattice:
    """Orders, joins and meets labels by the levels of a policy.

    Denning's lattice model (CACM 19/5, 1976): content made of several inputs gets the
    least label that is at least as strict as each of them. The order is the product of four:
    levels by rank, compartments by inclusion, readers by inclusion turned round (fewer are
    stricter, and no restriction is less strict than any), and trusted below untrusted.

    Attributes:
        levels: Names from least to most restricted, none twice, at least one.
        public: The label of what everybody may read.
    """

    levels: tuple[str, ...]
    public: Label = field(init=False, repr=False, compare=False)
    _rank: dict[str, int] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if not self.levels or len(set(self.levels)) != len(self.levels):
            raise ValueError("levels: expected at least one name, and none twice")
        object.__setattr__(self, "public", Label(self.levels[0]))
        object.__setattr__(self, "_rank", {name: rank for rank, name in enumerate(self.levels)})

    @property
    def least(self) -> str:
        """The level everybody may read."""
        return self.levels[0]

    @property
    def strictest(self) -> str:
        """The level fewest may read."""
        return self.levels[-1]

    def rank(self, level: str) -> int:
        """Place of ``level``, 0 for the least; an unknown name ranks above every known one."""
        return self._rank.get(level, len(self.levels))

    def join(self, labels: Iterable[Label]) -> Label:
        """The least label at least as strict as all of ``labels``; of none, the public one."""
        # A prompt has hundreds of labels of a few kinds; and of one kind, the join is that.
        given = list(labels)
        if not given:
            return self.public
        first = given[0]
        others: dict[Label, None] = {}
        for label in given:
            if label is not first and label != first:
                others[label] = None
        return reduce(self._join_two, others, first)

    def meet(self, labels: Iterable[Label]) -> Label:
        """The greatest label at most as strict as each of ``labels``.

        For what may be known from any one of several places: it is as free as the freest of
        them, in every respect. Content made of several inputs gets their ``join``, never this.

        Raises:
            ValueError: There are no labels; no label is stricter than every other.
        """
        given = iter(labels)
        met = next(given, None)
        if met is None:
            raise ValueError("labels: expected at least one, of none there is no meet")
        for label in given:
            met = self._meet_two(met, label)
        return met

    def dominates(self, upper: Label, lower: Label) -> bool:
        """Whether ``upper`` is at least as strict as ``lower`` in every respect."""
        return (
            self._key(upper.level) >= self._key(lower.level)
            and upper.compartments >= lower.compartments
            and (
                lower.readers is None
                or (upper.readers is not None and upper.readers <= lower.readers)
            )
            and (lower.integrity == "trusted" or upper.integrity == "untrusted")
        )

    def permits(self, audience: Audience, label: Label) -> bool:
        """Whether ``audience`` may be told content of ``label``.

        Integrity plays no part: who may be told is not whether it is true. An audience
        cleared for a level that is not known is cleared for the least.

        Who may be told stricter content may be told less strict content. The other way round,
        who may be told two labels may be told their join, but for readers: a join knows names
        and not who is in a group, so somebody let in here by name and there by group is in
        the join by neither, and is refused.
        """
        return (
            self._rank.get(label.level, len(self.levels)) <= self._rank.get(audience.clearance, 0)
            and label.compartments <= audience.compartments
            and (
                label.readers is None
                or audience.principal in label.readers
                or bool(label.readers & audience.groups)
            )
        )

    def _key(self, level: str) -> tuple[int, str]:
        # Two unknown names share a rank; the name breaks the tie, so that join stays
        # commutative and associative over names nobody has declared.
        return self.rank(level), "" if level in self._rank else level

    def _join_two(self, one: Label, two: Label) -> Label:
        readers = one.readers
        if two.readers is not None:
            readers = two.readers if readers is None else readers & two.readers
        integrity: Integrity = "trusted"
        if "untrusted" in (one.integrity, two.integrity):
            integrity = "untrusted"
        return Label(
            level=max(one.level, two.level, key=self._key),
            compartments=one.compartments | two.compartments,
            readers=readers,
            integrity=integrity,
        )

    def _meet_two(self, one: Label, two: Label) -> Label:
        readers = None  # whom one of the two lets in; of no restriction and any, none is left
        if one.readers is not None and two.readers is not None:
            readers = one.readers | two.readers
        integrity: Integrity = "untrusted"
        if "trusted" in (one.integrity, two.integrity):
            integrity = "trusted"
        return Label(
            level=min(one.level, two.level, key=self._key),
            compartments=one.compartments & two.compartments,
            readers=readers,
            integrity=integrity,
        )
