"""Words: a sealed text is found by keyed hashes of its words, which say nothing without the key.

Who has the database alone sees how many different words a text has, which texts share one, and
how often each occurs; not which word it is, and nothing that could be guessed at without the key.
"""

from __future__ import annotations

import hashlib
import json
import re
import unicodedata
from collections.abc import Iterator
from typing import Final

from ragtrace.errors import MissingDependencyError

__all__ = ["MOST_ASKED", "WordIndex", "excerpt", "plain", "words"]

TOKEN_BYTES: Final = 4
"""Of a hash: among a million different words few share one, and a hit is verified by opening."""
LONGEST: Final = 64
"""Characters of a word; a longer run is base64 or the like, which nobody types in."""
MOST_WORDS: Final = 20_000
"""Different words of one text that are indexed, its first: some 200,000 characters of prose."""
MOST_ASKED: Final = 16
"""Words of one question."""
AROUND: Final = 80
"""Characters shown before and after a word that was found."""

_WORD: Final = re.compile(r"\w+")
_RUN: Final = re.compile(r"[^\x00-\x2f\x3a-\x40\x5b-\x5e\x60\x7b-\x7f\u2000-\u206f\s]+")
"""What normalising may turn into a word or several: between these there are no letters."""
_UNSPACED: Final = re.compile(r"[\u0e00-\u0eff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff]")
"""Scripts that put no space between words: pairs of letters stand for words there."""
_UNSPACED_FORMS: Final = re.compile(r"[\u0e00-\u0eff\u3040-\u9fff\uf900-\ufaff\uff65-\uff9f]")
"""The same, and the forms that normalising turns into them."""


class WordIndex:
    """Turns words into tokens that only who has the vault's key can make.

    Args:
        key: Of the vault's keyring; another is derived from it (HKDF-SHA256).

    Raises:
        MissingDependencyError: ``cryptography`` is not installed.
    """

    def __init__(self, key: bytes) -> None:
        try:
            from cryptography.hazmat.primitives.hashes import SHA256
            from cryptography.hazmat.primitives.kdf.hkdf import HKDF
        except ModuleNotFoundError:
            raise MissingDependencyError("cryptography", "server") from None
        self._key = HKDF(SHA256(), 32, None, b"ragtrace words").derive(key)

    def tokens(self, found: set[str]) -> list[str]:
        """Give the tokens of words, in their own order, which is nobody's order of words."""
        return sorted({self._token(word) for word in found})

    def line(self, kind: str, text: str) -> str:
        """Give what is stored beside a text of ``kind``."""
        found = sorted(words(plain(kind, text)))[:MOST_WORDS]
        return " ".join(self.tokens(set(found)))

    def _token(self, word: str) -> str:
        data = word.encode("utf-8", "surrogatepass")
        return hashlib.blake2b(data, digest_size=TOKEN_BYTES, key=self._key).hexdigest()


def words(text: str) -> set[str]:
    """Give the first different words of ``text``, whatever their case and form."""
    found: set[str] = set()
    for part in _parts(text):
        for run in _WORD.findall(unicodedata.normalize("NFKC", part).casefold()):
            if _UNSPACED.search(run):
                found.update(run[place : place + 2] for place in range(max(1, len(run) - 1)))
            elif len(run) <= LONGEST:
                found.add(run)
        if len(found) >= MOST_WORDS:
            break
    return found


def _parts(text: str) -> Iterator[str]:
    """The different parts of a text that are normalised each alone, short and not too many.

    One character may become eighteen: normalised as a whole, a text would take as much memory.
    """
    seen: set[str] = set()
    for match in _RUN.finditer(text):
        run = match[0]
        if run in seen:
            continue
        if len(run) <= LONGEST:
            seen.add(run)
            yield run
        elif _UNSPACED_FORMS.search(run):
            # Each begins with the last two letters of the one before: no pair of letters is cut.
            pieces = {run[at : at + LONGEST] for at in range(0, len(run) - 2, LONGEST - 2)} - seen
            seen |= pieces
            yield from pieces
        if len(seen) >= MOST_WORDS:
            return


def plain(kind: str, text: str) -> str:
    """What of a text of ``kind`` is its own words: of a prompt, what is in no passage."""
    if kind != "prompt":
        return text
    try:
        strands = json.loads(text)["strands"]
        pieces = [piece for _, pieces in strands for piece in pieces]
    except (ValueError, TypeError, KeyError, RecursionError):
        return text  # not a rope
    return "\n".join(piece for piece in pieces if isinstance(piece, str))


def excerpt(text: str, asked: set[str]) -> str:
    """Give the surroundings of the first of the words ``asked`` for that ``text`` has."""
    for run in _WORD.finditer(text):
        if not words(run[0]).isdisjoint(asked):
            break
    else:
        return text[: 2 * AROUND]
    return text[max(0, run.start() - AROUND) : run.end() + AROUND]
