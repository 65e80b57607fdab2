"""Trial: a rendered prompt of which it is known what is in it."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Final, NamedTuple

from ragtrace.attribution import Index
from ragtrace.model import Attribution, Chunk, Document, Label, Message, Source, digest
from ragtrace.testing.attribution._letters import Present
from ragtrace.testing.attribution._perturbation import Perturbation, Perturbed

__all__ = ["TEMPLATES", "Placed", "Template", "Trial", "apart", "indexed", "made_chunk", "render"]

NEIGHBOURHOOD: Final = 24
"""Documents of a collection among which a trace draws: neighbours are about the same."""


class Template(NamedTuple):
    """How an application puts documents into a prompt; ``{n}`` counts them from 1."""

    system: str
    head: str
    before: str
    after: str
    foot: str


TEMPLATES: Final = (
    Template(
        "You are a helpful assistant.",
        "Use the following pieces of context to answer the question at the end. If you don't "
        "know the answer, just say that you don't know.\n\n",
        "",
        "\n\n",
        "Question: {question}\nHelpful Answer:",
    ),
    Template(
        "You are an expert Q&A system that is trusted around the world.",
        "Context information is below.\n---------------------\n",
        "",
        "\n\n",
        "---------------------\nGiven the context information and not prior knowledge, answer "
        "the query.\nQuery: {question}\nAnswer: ",
    ),
    Template("Answer from the passages and cite them.", "", "[{n}] ", "\n", "\n{question}"),
    Template(
        "Be brief.",
        "<documents>\n",
        '<document index="{n}">\n',
        "\n</document>\n",
        "</documents>\n\n{question}",
    ),
)
"""The shapes that the frameworks' stock prompts have."""

QUESTION: Final = "What do the documents say about this, and what follows from it for me?"
"""The same everywhere: a question that quotes a document would be a document."""


class Placed(NamedTuple):
    """A document in a prompt: characters ``start`` to ``end`` of the last message."""

    digest: str
    start: int
    end: int
    unbroken: int


class Trial(NamedTuple):
    """A prompt, the chunks that were retrieved for it, and those that are in it."""

    messages: tuple[Message, ...]
    chunks: tuple[Chunk, ...]
    placed: tuple[Placed, ...]

    @property
    def absent(self) -> list[Chunk]:
        """Chunks that were not rendered."""
        there = {placed.digest for placed in self.placed}
        return [chunk for chunk in self.chunks if chunk.digest not in there]

    def attributed(self) -> dict[str, Attribution]:
        """What the matcher says, by digest; of chunks that are not named it found nothing."""
        return {one.chunk: one for one in indexed(self.chunks).attribute(self.messages)}


def made_chunk(text: str) -> Chunk:
    """A public chunk of ``text``, named by its digest."""
    name = digest(text)
    document = Document(f"doc-{name[:8]}")
    return Chunk(name[:16], document, Source("made/up"), text, name, Label("public"), "bench")


def indexed(chunks: Sequence[Chunk]) -> Index:
    """An index of ``chunks``."""
    index = Index()
    index.add(*chunks)
    return index


def render(
    texts: Sequence[str],
    included: Sequence[str],
    perturbation: Perturbation,
    dice: random.Random,
    *,
    template: Template | None = None,
) -> Trial:
    """A trial over ``texts``, of which ``included`` stand in the prompt, perturbed."""
    template = template or dice.choice(TEMPLATES)
    said = template.head
    placed = []
    for number, text in enumerate(included, 1):
        perturbed: Perturbed = perturbation.apply(text, dice)
        said += template.before.format(n=number)
        end = len(said) + len(perturbed.text)
        placed.append(Placed(digest(text), len(said), end, perturbed.unbroken))
        said += perturbed.text + template.after
    said += template.foot.format(question=QUESTION)
    messages = (Message("system", template.system), Message("user", said))
    return Trial(messages, tuple(made_chunk(text) for text in texts), tuple(placed))


def neighbours(documents: Sequence[str], count: int, dice: random.Random) -> list[str]:
    """``count`` documents that are about the same, in any order."""
    start = dice.randrange(max(1, len(documents) - NEIGHBOURHOOD))
    near = documents[start : start + NEIGHBOURHOOD]
    return dice.sample(near, min(count, len(near)))


def apart(
    documents: Sequence[str], count: int, dice: random.Random, *, least: int = 0
) -> list[str]:
    """``count`` documents of ``least`` characters or more that share nothing with each other.

    Fewer where there are not so many: two that share a passage cannot both be held against a
    matcher that has to tell them apart.
    """
    present = Present(part for t in TEMPLATES for part in (t.system, t.head, t.foot))
    found: list[str] = []
    for text in dice.sample(documents, len(documents)):
        if len(found) == count:
            break
        if len(text) >= least and not present.shares(text):
            present.add(text)
            found.append(text)
    return found
