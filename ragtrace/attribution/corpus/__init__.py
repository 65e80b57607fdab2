"""The corpus index: every document of a knowledge base, to be found in any text."""

from ragtrace.attribution.corpus._corpus import Corpus, CorpusStats
from ragtrace.attribution.corpus._document import CorpusDocument
from ragtrace.attribution.corpus._held import HeldDocument
from ragtrace.attribution.corpus._passage import CorpusOwner, CorpusPassage
from ragtrace.attribution.corpus._seeds import MIN_FOUND
from ragtrace.attribution.corpus._writer import CorpusWriter

__all__ = [
    "MIN_FOUND",
    "Corpus",
    "CorpusDocument",
    "CorpusOwner",
    "CorpusPassage",
    "CorpusStats",
    "CorpusWriter",
    "HeldDocument",
]
