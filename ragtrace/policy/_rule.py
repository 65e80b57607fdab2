"""Rule: one line of a policy."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Final, Literal

from ragtrace.model import Action, Audience, Chunk, Integrity, Label, Mode
from ragtrace.policy._expression import Expression, Language

__all__ = ["UNNAMED_AUDIENCE", "Condition", "Rule", "spoken_of_as"]

Condition = (
    Literal["label", "compartment", "integrity", "audience", "source", "document"] | Language
)
"""What a rule may ask of a chunk and its audience, as ``when`` in a policy file names it."""

UNNAMED_AUDIENCE: Final = "unknown"
"""What a request is recorded under that names no audience, and what rules call every audience
that the policy does not name."""


@dataclass(frozen=True, slots=True)
class Rule:
    """Decides ``action`` for every chunk and audience that all of its conditions fit.

    Attributes:
        levels: Levels it speaks of; empty for all.
        compartments: The label holds one of them at least; empty for all labels.
        integrity: Of the label; ``None`` for either.
        audiences: Audiences it speaks of; empty for all. ``unknown`` is every audience that
            the policy does not name.
        source: Glob on the source id.
        document: Glob on the document id.
        expressions: Conditions in CEL or Cedar; each must fit.
        line: Where the rule stands in its file, counted from 1; 0 where it has no file.
    """

    id: str
    action: Action
    levels: frozenset[str] = frozenset()
    audiences: frozenset[str] = frozenset()
    source: str | None = None
    document: str | None = None
    mode: Mode = "enforce"
    reason: str = ""
    line: int = 0
    compartments: frozenset[str] = frozenset()
    integrity: Integrity | None = None
    expressions: tuple[Expression, ...] = ()

    def matches(self, chunk: Chunk, label: Label, audience: Audience) -> bool:
        """Whether the rule speaks of ``chunk``, carrying ``label``, for ``audience``.

        Raises:
            ExpressionError: One of its expressions came to no answer.
        """
        return next(self.unmet(chunk, label, audience), None) is None

    def unmet(self, chunk: Chunk, label: Label, audience: Audience) -> Iterator[Condition]:
        """The conditions that do not fit; none where the rule matches.

        Each is looked at only when it is asked for: whoever only wants to know whether the
        rule matches pays for the first. Expressions, which cost most, come last.

        Raises:
            ExpressionError: One of its expressions came to no answer.
        """
        if self.levels and label.level not in self.levels:
            yield "label"
        if self.compartments and self.compartments.isdisjoint(label.compartments):
            yield "compartment"
        if self.integrity is not None and label.integrity != self.integrity:
            yield "integrity"
        if self.audiences and spoken_of_as(audience) not in self.audiences:
            yield "audience"
        if self.source is not None and not chunk.source.fits(self.source):
            yield "source"
        if self.document is not None and not fnmatchcase(chunk.document.id, self.document):
            yield "document"
        for expression in self.expressions:
            if not expression.fits(chunk, label, audience):
                yield expression.language


def spoken_of_as(audience: Audience) -> str:
    """What rules call ``audience``: its name, or ``unknown`` where the policy does not name it."""
    return audience.name if audience.known else UNNAMED_AUDIENCE
