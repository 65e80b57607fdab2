"""Kept: the texts of one model call, as far as its reader may have them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from ragtrace.errors import StoreError, WireError
from ragtrace.store import Reader, SpanRow
from ragtrace.wire import Rope, names, unweave

__all__ = ["Kept", "kept"]


@dataclass(frozen=True, slots=True, repr=False)
class Kept:
    """What the vault gives of a prompt and its answer; its ``repr`` shows no text.

    Attributes:
        rope: ``None`` where the prompt is not kept, or not for this reader.
        texts: What the rope refers to, by digest.
        completion: ``None`` where it is not kept, or not for this reader.
        proved: Whether the prompt was put together again and has its digest.
    """

    rope: Rope | None = None
    texts: Mapping[str, str] = field(default_factory=dict)
    completion: str | None = None
    proved: bool = False

    def __repr__(self) -> str:
        """Say whether it is whole, not what it says."""
        return f"Kept(proved={self.proved})"


def kept(reader: Reader, span: SpanRow) -> Kept:
    """Read what is kept of a model call; a rope that is not of this prompt counts as none.

    Where the vault does not open (no key, or another), nothing is kept as far as anybody
    can tell.
    """
    prompt = span.attributes.get(names.PROMPT_DIGEST, "")
    completion = span.attributes.get(names.COMPLETION_DIGEST, "")
    try:
        found = reader.texts([name for name in (prompt, completion) if name])
        rope = Rope.from_json(found[prompt]) if prompt in found else None
        texts = reader.texts(rope.references) if rope is not None else {}
    except (StoreError, WireError):
        return Kept()
    answer = found.get(completion)
    if rope is None or rope.digest != prompt:
        return Kept(completion=answer)
    if rope.references - texts.keys():
        return Kept(rope, texts, answer)
    try:
        unweave(rope, texts)
    except WireError:
        return Kept(completion=answer)
    return Kept(rope, texts, answer, proved=True)
