"""Opened: the texts of a bundle, up to a level, each with what opens the commitment to it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from ragtrace.errors import WireError
from ragtrace.model import digest as digest_of
from ragtrace.store import Access, Commitments, FlowRow, Gone, Reader, Store, filed
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
        StoreError: The store cannot be read, or that it is read cannot be recorded.
    """
    wanted = frozenset(levels)
    allowed = wanted if access.levels is None else wanted & access.levels
    above = {f.digest for f in flows if not {f.level, *(part[2] for part in f.ranges)} <= wanted}
    free = asked.keys() - above
    plain: dict[str, str] = {}
    gone: Mapping[str, Gone] = {}
    if allowed and store.keeps_text:
        plain, gone = _read(store.seen_by(replace(access, levels=allowed)), free, above)
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
            why = gone[digest].why if digest in gone else why
            missing.append({"commitment": stands, "kind": kind, "why": why})
    by_name = sorted(texts, key=lambda one: str(one["commitment"]))
    lacking = sorted(missing, key=lambda one: one["commitment"])
    return Opened(tuple(by_name), tuple(lacking), frozenset(one["digest"] for one in texts))


def _read(
    reader: Reader, digests: Iterable[str], above: Iterable[str]
) -> tuple[dict[str, str], dict[str, Gone]]:
    """Texts, and the passages that prompts refer to, none that is above; and what has gone."""
    wanted = set(digests)
    found = reader.texts(wanted)
    passages: set[str] = set()
    for text in found.values():
        rope = _rope(text)
        passages |= rope.references if rope is not None else set()
    passages -= found.keys() | {*above}
    if passages:
        found |= reader.texts(passages)
    gone = reader.gone(wanted - found.keys()) if wanted - found.keys() else {}
    return found, gone


def _said(kind: str, digest: str, plain: Mapping[str, str]) -> dict[str, Any] | None:
    if digest not in plain:
        return None
    if kind != "prompt":
        return {"text": plain[digest]} if digest_of(plain[digest]) == digest else None
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
