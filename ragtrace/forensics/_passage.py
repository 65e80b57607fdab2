"""Passage: the documents and texts that hold a passage, to ask where it got."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal

from ragtrace.attribution import Index, foreign
from ragtrace.model import Chunk, Document, Label, Message, Source, digest
from ragtrace.store import Reader, words

if TYPE_CHECKING:
    from ragtrace.attribution.corpus import Corpus

__all__ = ["Holders", "Way", "holders"]

MOST_WORDS: Final = 8
"""Words by which texts are looked for, the longest, since few texts have those."""
MOST_CALLS: Final = 1000
"""Model calls with these words that are looked at, the newest."""
LEAST_WORD: Final = 4
"""Letters of such a word, where there are any: of Chinese, the words are pairs of letters."""
_EDGES: Final = re.compile(r"\A\w+|\w+\Z")
"""A word at either end of a passage may be a part of one."""

Way = Literal["index", "texts"]


@dataclass(frozen=True, slots=True)
class Holders:
    """What holds a passage.

    Attributes:
        names: Documents and digests, to be asked for in ``reach``; without any, nothing that is
            known holds it.
        way: Whether the corpus index was asked, or the texts that the vault keeps.
        complete: False where there were more model calls with its words than are looked at.
    """

    names: tuple[str, ...]
    way: Way
    complete: bool

    def as_json(self) -> dict[str, Any]:
        """Say how it was looked for."""
        return {"by": self.way, "complete": self.complete}


def holders(store: Reader, passage: str, corpus: Corpus | None = None) -> Holders:
    """Find what holds ``passage``, or a part of it that is long enough to be told from chance.

    Args:
        store: Where the vault is; the text itself counts too, by its digest.
        passage: As it was found somewhere.
        corpus: The index of the knowledge base; without one, the texts are looked through that
            were in prompts and completions and are kept.

    Raises:
        StoreError: The store cannot be read, or was opened without the vault's key.
        CorpusIndexError: The index is damaged.
    """
    if corpus is not None:
        owners = {owner.document for one in corpus.scan(passage) for owner in one.owners}
        return Holders((*sorted(owners), digest(passage)), "index", True)
    found, complete = _in_texts(store, passage)
    return Holders(tuple(sorted({*found, digest(passage)})), "texts", complete)


def _in_texts(store: Reader, passage: str) -> tuple[set[str], bool]:
    found = words(_EDGES.sub("", passage.strip())) or words(passage)
    asked = sorted(
        {word for word in found if len(word) >= LEAST_WORD} or found,
        key=lambda word: (-len(word), word),
    )[:MOST_WORDS]
    if not asked:  # nothing but signs, or one word of more letters than a word has
        return set(), True
    said = store.said(" ".join(asked), MOST_CALLS)
    kept = store.texts({row.digest for row in said if row.kind != "prompt"})
    chunks = [_chunk(name, text) for name, text in kept.items()]
    if not chunks or foreign([chunk.text for chunk in chunks], passage):
        return set(), len(said) < MOST_CALLS
    index = Index()
    index.add(*chunks)
    holds = {one.chunk for one in index.attribute([Message("user", passage)]) if one.spans}
    return holds, len(said) < MOST_CALLS


def _chunk(name: str, text: str) -> Chunk:
    return Chunk(name, Document(name), Source("vault"), text, name, Label(""), "vault")
