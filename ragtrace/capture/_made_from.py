"""Made from: what passages have from text that was judged before, and what they inherit of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from ragtrace.model import Attribution, Chunk, Label
from ragtrace.policy import COMPLETION, Policy, ancestry, label_found, says_more

__all__ = ["MadeFrom"]


@dataclass(frozen=True, slots=True)
class MadeFrom:
    """What some passages are made from: compressed, joined, widened, summed up by a model.

    Attributes:
        found: By place of the passage, as its message.
        chunks: By digest.
    """

    found: Sequence[Attribution]
    chunks: Mapping[str, Chunk]

    def inherit(self, policy: Policy, chunk: Chunk, place: int) -> Chunk:
        """The chunk that the passage at ``place`` is, with the labels of what it is made from."""
        own = [
            replace(one, spans=spans)
            for one in self.found
            if (spans := tuple(span for span in one.spans if span.message == place))
        ]
        own = [one for one in own if self._is_behind(policy, one, chunk.label)]
        if not own:
            return chunk
        inherited, origins = ancestry(policy, own, self.chunks)
        return replace(
            chunk,
            label=policy.lattice.join([chunk.label, inherited]),
            basis=f"{chunk.basis}+derived",
            origins=tuple(one for one in origins if one.digest != chunk.digest),
        )

    def _is_behind(self, policy: Policy, one: Attribution, label: Label) -> bool:
        """Whether a passage with this label may be made from it.

        Where an answer quotes a page, it is the answer that has something of the page. Only what
        was copied from stricter text than this passage says it is tells that it is a copy too.
        """
        known = self.chunks[one.chunk]
        if known.source != COMPLETION or says_more(known, one.spans):
            return True
        return not policy.lattice.dominates(label, label_found(policy, known, one))
