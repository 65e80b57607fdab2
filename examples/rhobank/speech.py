"""Speech: what the scripted models say of what they are shown, and what that is of."""

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from random import Random

from ground_truth import symbols
from knowledge import Article
from truth import Quote, Text, together

# A passage of an article can be quoted if it has this many letters and digits,
SHORTEST, LONGEST = 60, 300
# and so many pieces of this length stand in no other article, and this share of them.
PIECE, OWN_PIECES, OWN_SHARE = 16, 40, 0.6
SENTENCE = re.compile(r"(?<=[.!?])\s+|\n+")
# Words of its own that a model says; of five hundred words, no two answers share a run of them.
OWN_WORDS = 26
# Words of a passage that is only touched on: too few to be a copy of it.
TOUCHED = 4
MOST_TOUCHED = 30

SAYS = ("quote", "copy", "sum up", "touch on", "ignore")
OFTEN = (30, 8, 37, 5, 20)

STEMS = "bal dor fen gil hap jun kel lim mor nev pol quin ras sol tam ulv ven wex yor zan".split()
ENDS = "a able al an ary en er est ful ic ing ish ist ive less ly ment ness or ous ship some th ure"


class Speech:
    """Says something of texts, as a seeded script has it.

    Args:
        articles: All of them, to tell what stands in only one.
    """

    def __init__(self, articles: Sequence[Article], dice: Random) -> None:
        self._dice = dice
        self._words = [stem + end for stem in STEMS for end in ENDS.split()]
        pieces = Counter(piece for one in articles for piece in set(_pieces(one.text)))
        self._quotes = {one.id: tuple(_quotable(one, pieces)) for one in articles}

    def article(self, article: Article) -> Text:
        """Return `article` as a text that is of itself."""
        itself = frozenset({article.id})
        return Text(article.text, self._quotes[article.id], itself, itself, itself, True)

    def say(self, shown: Sequence[Text]) -> Text:
        """Return an answer that quotes, copies, sums up, touches on or ignores what is shown."""
        (how,) = self._dice.choices(SAYS, OFTEN)
        quotes = [quote for text in shown for quote in text.quotes]
        if how in ("quote", "copy", "touch on") and quotes:
            return self._quoting(how, self._dice.choice(quotes), shown)
        if how == "ignore" or not shown:
            return Text(self._own(), shown=together(shown)["shown"])
        some = self._dice.sample(list(shown), self._dice.randint(1, min(3, len(shown))))
        return self.rewrite(some, shown)

    def rewrite(self, some: Iterable[Text], shown: Sequence[Text], about: str = "") -> Text:
        """Return an answer in words of its own that is made of `some` of what is shown."""
        made = together(some)["made_of"]
        return Text(f"{about}{self._own()}", made_of=made, shown=together(shown)["shown"])

    def _quoting(self, how: str, quote: Quote, shown: Sequence[Text]) -> Text:
        before = together(shown)["shown"]
        of = frozenset({quote.document})
        if how == "touch on":
            words = " ".join(quote.words.split()[:TOUCHED])[:MOST_TOUCHED]
            return Text(f"{self._own()} {words}. {self._own()}", made_of=of, shown=before)
        if how == "copy":  # the words of a document are the document's, and nothing else's
            return Text(quote.words, (quote,), of, of, of)
        return Text(f"{self._own()} {quote.words} {self._own()}", (quote,), of, of, before)

    def _own(self) -> str:
        words = self._dice.choices(self._words, k=OWN_WORDS)
        return f"{' '.join(words).capitalize()}."


def _quotable(article: Article, pieces: Counter[str]) -> Iterable[Quote]:
    for sentence in SENTENCE.split(article.text):
        if SHORTEST <= len(symbols(sentence)) <= LONGEST:
            found = list(_pieces(sentence))
            own = sum(pieces[piece] == 1 for piece in found)
            if own >= max(OWN_PIECES, OWN_SHARE * len(found)):
                yield Quote(article.id, sentence.strip())


def _pieces(text: str) -> list[str]:
    found = symbols(text)
    return [found[start : start + PIECE] for start in range(len(found) - PIECE + 1)]
