"""Kept: the texts of one model call, as far as its reader may have them, and what is missing."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from ragtrace.errors import StoreError, WireError
from ragtrace.model import Message, digest
from ragtrace.store import Reader, SpanRow
from ragtrace.wire import Rope, names, unweave

__all__ = ["Kept", "Missing", "kept", "read_texts"]

NOT_HERE: Final = "not kept, or above what this reader may read"
"""Why a text is missing of which nothing else is known."""


@dataclass(frozen=True, slots=True)
class Missing:
    """A text that a prompt was made of, or that was answered, and that is not to be had.

    Attributes:
        digest: Of the text.
        what: What it is in the call.
        why: As far as it is known.
    """

    digest: str
    what: Literal["prompt", "chunk", "completion"]
    why: str

    def as_json(self) -> dict[str, Any]:
        """Give the fields by name."""
        return {"digest": self.digest, "what": self.what, "why": self.why}


@dataclass(frozen=True, slots=True, repr=False)
class Kept:
    """What the vault gives of a prompt and its answer; its ``repr`` shows no text.

    Attributes:
        rope: ``None`` where the prompt is not kept, or not for this reader.
        texts: What the rope refers to, by digest.
        completion: ``None`` where it is not kept, or not for this reader.
        proved: Whether the prompt was put together again and has its digest.
        missing: Each text that is not to be had, and why.
    """

    rope: Rope | None = None
    texts: Mapping[str, str] = field(default_factory=dict)
    completion: str | None = None
    proved: bool = False
    missing: tuple[Missing, ...] = ()

    @property
    def messages(self) -> tuple[Message, ...] | None:
        """The prompt byte for byte; ``None`` where it is not proved."""
        if self.rope is None or not self.proved:
            return None
        return unweave(self.rope, self.texts).messages

    def as_json(self, *, texts: bool) -> dict[str, Any]:
        """Give what is there and what is missing as one tree, with texts only where asked for."""
        said: dict[str, Any] = {
            "proved": self.proved,
            "missing": [one.as_json() for one in self.missing],
        }
        if texts:
            messages = self.messages
            said["messages"] = None if messages is None else [[m.role, m.text] for m in messages]
            said["completion"] = self.completion
        return said

    def __repr__(self) -> str:
        """Say whether it is whole, not what it says."""
        return f"Kept(proved={self.proved})"


def kept(reader: Reader, span: SpanRow) -> Kept:
    """Read what is kept of a model call; a rope that is not of this prompt counts as none.

    One text that does not open, or that has another digest than it is filed under, is missing;
    the others are there all the same.
    """
    prompt = span.attributes.get(names.PROMPT_DIGEST, "")
    completion = span.attributes.get(names.COMPLETION_DIGEST, "")
    found, faults = read_texts(reader, [name for name in (prompt, completion) if name])
    answer = _checked(completion, found, faults)
    missing = []
    if completion and answer is None:
        missing.append(Missing(completion, "completion", faults.get(completion, NOT_HERE)))
    if not prompt:
        return Kept(completion=answer, missing=tuple(missing))
    rope = _rope(prompt, found, faults)
    if rope is None:
        missing.insert(0, Missing(prompt, "prompt", faults.get(prompt, NOT_HERE)))
        return Kept(completion=answer, missing=tuple(missing))
    texts, faults = read_texts(reader, rope.references)
    texts = {name: text for name in texts if (text := _checked(name, texts, faults)) is not None}
    gone = sorted(rope.references - texts.keys())
    missing = [*(Missing(name, "chunk", faults.get(name, NOT_HERE)) for name in gone), *missing]
    if gone:
        return Kept(rope, texts, answer, missing=tuple(missing))
    try:
        unweave(rope, texts)
    except WireError as error:
        missing.insert(0, Missing(prompt, "prompt", str(error)))
        return Kept(completion=answer, missing=tuple(missing))
    return Kept(rope, texts, answer, proved=True, missing=tuple(missing))


def read_texts(reader: Reader, digests: Iterable[str]) -> tuple[dict[str, str], dict[str, str]]:
    """Texts by digest; and, of those that were kept and do not open, why."""
    wanted = set(digests)
    try:
        found = reader.texts(wanted)
        gone = reader.gone(wanted - found.keys()) if wanted - found.keys() else {}
    except StoreError as error:
        return {}, dict.fromkeys(wanted, str(error))
    return found, {name: one.said for name, one in gone.items()}


def _checked(name: str, found: Mapping[str, str], faults: dict[str, str]) -> str | None:
    text = found.get(name)
    if text is None or digest(text) == name:
        return text
    faults[name] = f"corrupted: what is filed there has the digest {digest(text)}"
    return None


def _rope(name: str, found: Mapping[str, str], faults: dict[str, str]) -> Rope | None:
    if name not in found:
        return None
    try:
        rope = Rope.from_json(found[name])
    except WireError as error:
        faults[name] = f"corrupted: {error}"
        return None
    if rope.digest != name:
        faults[name] = f"corrupted: what is filed there is the prompt {rope.digest}"
        return None
    return rope
