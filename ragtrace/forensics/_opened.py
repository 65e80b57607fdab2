"""Opened: the texts of a bundle, up to a level, each with what opens the commitment to it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from ragtrace.errors import WireError
from ragtrace.store import Access, Commitments, FlowRow, Store, filed
from ragtrace.wire import Rope, unweave

__all__ = ["Opened", "open_texts"]


@dataclass(frozen=True, slots=True)
class Opened:
    """What is in a bundle of texts, and what is not.

    Attributes:
        texts: Each with its digest, its salt and its words, by commitment.
        missing: What stands for each other text, what it is of, and why it is not there.
        shown: Digests of those that are there: only these may stand in the bundle plainly.
    """

    texts: tuple[dict[str, Any], ...]
    missing: tuple[dict[str, str], ...]
    shown: frozenset[str]


def open_texts(
    store: Store,
    access: Access,
    asked: Mapping[str, str],
    flows: Iterable[FlowRow],
    levels: Iterable[str],
    commitments: Commitments,
) -> Opened:
    """Read texts as far as both their reader and the bundle may have them.

    Args:
        store: Holds them.
        access: Who asks; the reading is theirs.
        asked: Digests, each with what it is of: chunk, prompt or completion.
        flows: Of the traces; a chunk that is above the levels in one of them is left out.
        levels: Of texts that may be in the bundle.
        commitments: What stands for digests.

    Raises:
        StoreError: The store cannot be read, or its texts cannot be opened.
    """
    wanted = frozenset(levels)
    allowed = wanted if access.levels is None else wanted & access.levels
    above = {f.digest for f in flows if not {f.level, *(part[2] for part in f.ranges)} <= wanted}
    free = asked.keys() - above
    plain: dict[str, str] = {}
    if allowed and store.keeps_text:
        plain = _read(store, replace(access, levels=allowed), free, above)
    known = filed(store, asked)
    low = {digest for digest, level in known if level in wanted} - above
    high = {digest for digest, _ in known} | above
    texts, missing = [], []
    for digest, kind in sorted(asked.items()):
        stands = commitments.of("text", digest)
        said = _said(kind, digest, plain)
        if said is not None:
            salt = commitments.salt("text", digest).hex()
            shown = {"commitment": stands, "kind": kind, "digest": digest, "salt": salt, **said}
            texts.append(shown)
        else:
            why = "not-kept" if digest in low or digest not in high else "above-clearance"
            missing.append({"commitment": stands, "kind": kind, "why": why})
    by_name = sorted(texts, key=lambda one: str(one["commitment"]))
    lacking = sorted(missing, key=lambda one: one["commitment"])
    return Opened(tuple(by_name), tuple(lacking), frozenset(one["digest"] for one in texts))


def _read(
    store: Store, access: Access, digests: Iterable[str], above: Iterable[str]
) -> dict[str, str]:
    """Texts, and the passages that prompts refer to; none that is above."""
    found = store.texts(digests, access=access)
    passages: set[str] = set()
    for text in found.values():
        rope = _rope(text)
        passages |= rope.references if rope is not None else set()
    return found | store.texts(passages - found.keys() - {*above}, access=access)


def _said(kind: str, digest: str, plain: Mapping[str, str]) -> dict[str, Any] | None:
    if digest not in plain:
        return None
    if kind != "prompt":
        return {"text": plain[digest]}
    rope = _rope(plain[digest])
    if rope is None or rope.digest != digest:
        return None
    try:
        prompt = unweave(rope, plain)
    except WireError:
        return None
    return {"messages": [[message.role, message.text] for message in prompt.messages]}


def _rope(text: str) -> Rope | None:
    try:
        return Rope.from_json(text)
    except WireError:
        return None
