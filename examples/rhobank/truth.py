"""The truth of a scripted incident: what each text is of, kept by the script that wrote it.

Nothing of ragtrace takes part: a text knows what it is of because the script put it together.
"""

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Quote:
    """A passage of one article that stands in no other."""

    document: str
    words: str


@dataclass(frozen=True)
class Text:
    """An article, or what a model said, with what it is of.

    Attributes:
        quotes: Passages in it, each of one article.
        holds: Ids of the articles whose text stands in it.
        made_of: Ids of those it says something of, in whatever words, through whatever texts.
        shown: Ids of those that were before the model that said it, or behind what was.
        given: Whether it is an article as it is.
    """

    words: str
    quotes: tuple[Quote, ...] = ()
    holds: frozenset[str] = frozenset()
    made_of: frozenset[str] = frozenset()
    shown: frozenset[str] = frozenset()
    given: bool = False

    @property
    def is_copy(self) -> bool:
        """Whether it only copies: the words of an article are the article's, whoever says them."""
        return self.given or any(quote.words == self.words for quote in self.quotes)


@dataclass(frozen=True)
class Told:
    """One model call: its prompt, its answer, and who it was for.

    Attributes:
        prompt: SHA-256 of the messages.
        completion: SHA-256 of the answer.
        kind: What the application was doing.
        given: Ids of the articles that were put into the prompt as they are.
        made: Digests of the texts in it that a model made, other than as what was told before, each
            with ids of the articles that were shown to it.
        holds: As of a text, of all that is in the prompt.
    """

    number: int
    kind: str
    audience: str
    session: str
    user: str
    prompt: str
    completion: str
    given: frozenset[str]
    made: tuple[tuple[str, frozenset[str]], ...]
    holds: frozenset[str]
    made_of: frozenset[str]
    shown: frozenset[str]


@dataclass(frozen=True)
class Found:
    """One search: where, for whom, and the ids of what came back."""

    number: int
    shelf: str
    audience: str
    documents: tuple[str, ...]


@dataclass
class Truth:
    """All that truly happened, in order.

    Attributes:
        filed: By id of a document that a model made: the articles that were shown to it.
        digests: By the same id: of its text.
    """

    calls: list[Told] = field(default_factory=list)
    searches: list[Found] = field(default_factory=list)
    filed: dict[str, frozenset[str]] = field(default_factory=dict)
    digests: dict[str, str] = field(default_factory=dict)

    def holding(self, document: str) -> list[Told]:
        """Return the calls whose prompt holds text of `document`."""
        return [call for call in self.calls if document in call.holds]

    def made_of(self, document: str) -> list[Told]:
        """Return the calls whose prompt holds text of it, or what was made of it."""
        return [call for call in self.calls if document in call.made_of]

    def shown(self, document: str) -> list[Told]:
        """Return the calls whose prompt holds what may have been made of it, too."""
        return [call for call in self.calls if document in call.shown]

    def write(self, folder: Path) -> None:
        """Write calls and searches to `folder`, a JSON object on each line."""
        for name, rows in (("calls", self.calls), ("searches", self.searches)):
            lines = "".join(f"{json.dumps(asdict(row), default=sorted)}\n" for row in rows)
            (folder / f"truth_{name}.jsonl").write_text(lines, encoding="utf-8")


def together(texts: Iterable[Text]) -> dict[str, Any]:
    """Return what several texts are of, by the names of the fields."""
    texts = list(texts)
    names = ("holds", "made_of", "shown")
    return {name: frozenset().union(*(getattr(one, name) for one in texts)) for name in names}


def named(text: str) -> str:
    """Return the SHA-256 of `text` (str, hex)."""
    return hashlib.sha256(text.encode()).hexdigest()


def prompt_named(messages: Sequence[tuple[str, str]]) -> str:
    """Return the SHA-256 (str, hex) of roles and texts, each behind its length and a colon."""
    return named("".join(f"{len(one)}:{one}" for message in messages for one in message))
