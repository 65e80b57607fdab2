"""Completion: what a model has said, as a derived text with everything it inherits."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import Final

from ragtrace.attribution import Index, foreign, read
from ragtrace.capture._assembly import Assembly
from ragtrace.capture._corpus import in_corpus
from ragtrace.capture._derived import Derived
from ragtrace.capture._recipient import Recipient
from ragtrace.capture._runtime import Runtime
from ragtrace.labels import Transformation
from ragtrace.model import Attribution, Audience, Chunk, Document, Label, Message, digest
from ragtrace.policy import COMPLETION, derive, transformed

__all__ = ["LEAST_ASIDE", "derived", "written"]

MOST_ECHO: Final = 20_000
"""Characters of a prompt's own words that a completion is compared with, the last ones: a
question and its instructions. Indexing them takes about 5 ms; what is beyond counts as derived,
which is the strict side."""

LEAST_ECHO: Final = 24
"""Characters of a piece of the prompt from which an echo of it can be told from chance."""

LEAST_ASIDE: Final = 24
"""Characters of what a model wrote for a tool from which it is remembered; less is found nowhere
else than in the message that it becomes."""

MOST_VALUES: Final = 100_000
"""Values read of what a model wrote for a tool; more than its longest answer can hold."""


def derived(
    runtime: Runtime,
    audience: Audience,
    made: Assembly,
    text: str,
    cached: Iterable[Chunk] = (),
    step: Transformation | None = None,
) -> Derived:
    """What ``text``, which a model has said on the prompt ``made``, inherits.

    Args:
        runtime: Policy and ledger.
        audience: For whom it has gone through the guard.
        made: The prompt.
        text: What the caller was given.
        cached: Completions that a cache gave: they were made from another prompt.
        step: The safe step that said it, and nothing longer than that step may say.
    """
    policy = runtime.policy
    name = digest(text)
    label, origins = made.inherited
    for chunk in cached:
        label = policy.lattice.join([label, policy.labeller.effective(chunk)])
        origins = tuple(dict.fromkeys([*origins, *chunk.origins]))
    try:
        looked = bool(origins or step)
        said, chunks = _documents_in(runtime, audience, text, name) if looked else ((), {})
        plain = not origins and label == policy.lattice.public
        echoed = () if plain else _echoed(text, made)
        chunk = derive(policy, text, (label, origins), said, chunks, echoed, name)
        if step is not None:
            before, completions = runtime.ledger.completions_in([text])
            chunks |= {name: one.chunk for name, one in completions.items()}
            chunk = transformed(policy, step, chunk, [*said, *before], chunks)
    except Exception:  # what it copies cannot be told: then all of it inherits
        chunk = derive(policy, text, (label, origins), (), {})
    return Derived(chunk, frozenset({Recipient.of(policy, chunk, audience)}))


def _documents_in(
    runtime: Runtime, audience: Audience, text: str, name: str
) -> tuple[Sequence[Attribution], dict[str, Chunk]]:
    """Documents that stand in ``text``: those this process has seen, and those of the corpus."""
    found, chunks = runtime.ledger.documents_in(text, name)
    if runtime.corpus is None:
        return found, chunks
    reading = read([Message("assistant", text)])
    known = list(in_corpus(runtime.corpus, runtime.policy.lattice, audience, reading))
    chunks |= {chunk.digest: chunk for chunk, _ in known}
    return [*found, *(one for _, one in known)], chunks


def written(text: str) -> str:
    """What a model wrote for a tool, as one text: the strings of JSON, a line each, or all of it.

    Names of fields are among them: a model may put anything there.
    """
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return text
    return "\n".join(islice(_strings(value), MOST_VALUES))


def _strings(value: object) -> Iterator[str]:
    waiting = [value]
    while waiting:
        one = waiting.pop()
        if isinstance(one, str):
            yield one
        elif isinstance(one, dict):
            waiting.extend(part for pair in reversed(one.items()) for part in reversed(pair))
        elif isinstance(one, list):
            waiting.extend(reversed(one))


def _echoed(text: str, made: Assembly) -> Sequence[tuple[int, int]]:
    """Characters of ``text`` that stand in the prompt and that nothing accounts for there."""
    pieces: list[str] = []
    words, left = text.strip(), MOST_ECHO
    for piece in reversed(_own_words(made)):
        if len(words) <= len(piece) and _stands_in(words, piece):
            return [(0, len(text))]  # a question handed on as it is, however short
        piece = piece[-left:]
        left -= len(piece)
        if len(piece) >= LEAST_ECHO:
            pieces.append(piece)
        if not left:
            break
    if not pieces or foreign(pieces, text):
        return []
    index = Index()
    index.add(*map(_echo, pieces))
    found = index.attribute([Message("assistant", text)])
    return [(span.start, span.end) for one in found for span in one.spans]


def _echo(piece: str) -> Chunk:
    name = digest(piece)
    return Chunk(name, Document(name), COMPLETION, piece, name, Label(""), "echo")


def _stands_in(words: str, piece: str) -> bool:
    """Whether all of ``words`` is in ``piece``, and not as a part of longer words."""
    return words in piece and bool(re.search(rf"(?<!\w){re.escape(words)}(?!\w)", piece))


def _own_words(made: Assembly) -> list[str]:
    """The pieces of a prompt between what was found in it."""
    found = sorted([span[:3] for one in made.found for span in one.spans], reverse=True)
    pieces = []
    for place, message in enumerate(made.messages):
        reached = 0
        while found and found[-1][0] == place:
            _, start, end = found.pop()
            pieces.append(message.text[reached:start])
            reached = max(reached, end)
        pieces.append(message.text[reached:])
    return [piece for piece in pieces if piece]
