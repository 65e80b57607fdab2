"""Sayings: model calls by the words in their prompts and completions, over sealed texts."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from ragtrace.errors import StoreError
from ragtrace.store import _narrow
from ragtrace.store import _queries as sql
from ragtrace.store._lists import Ask, newest
from ragtrace.store._pages import AT_MOMENTS
from ragtrace.store._reader import FlowFilter
from ragtrace.store._rows import SaidRow
from ragtrace.store._words import MOST_ASKED, WordIndex, excerpt, plain, words

__all__ = ["QuestionError", "asked_for", "find"]

Texts = Callable[[Iterable[str]], dict[str, str]]
"""Opens the texts among some digests that the caller may read."""


class QuestionError(StoreError):
    """What is asked cannot be asked so; the store is well."""


def asked_for(what: str) -> set[str]:
    """Give the words of a question.

    Raises:
        QuestionError: It has none, or too many.
    """
    asked = words(what)
    if not 1 <= len(asked) <= MOST_ASKED:
        raise QuestionError(f"words: expected 1 to {MOST_ASKED} words, found {len(asked)}")
    return asked


def find(
    ask: Ask, texts: Texts, index: WordIndex, asked: set[str], where: FlowFilter, limit: int
) -> list[SaidRow]:
    """Give the newest calls with a text that has all words of ``asked``, newest first.

    A hash is short, so each text is opened to see whether the words are in it.
    """
    parameters = where.as_params() | {"tokens": index.tokens(asked)}
    opened: dict[str, str] = {}
    refuted: set[str] = set()
    while True:
        rows = _candidates(ask, where, {**parameters, "refuted": sorted(refuted)}, limit)[:limit]
        opened |= texts({row[9] for row in rows} - opened.keys())
        wrong = {row[9] for row in rows if not _has(row[8], opened.get(row[9], ""), asked)}
        if not wrong:
            shown = [excerpt(plain(row[8], opened[row[9]]), asked) for row in rows]
            return [SaidRow(*(*row, text)) for row, text in zip(rows, shown, strict=True)]
        refuted |= wrong


def _candidates(
    ask: Ask, where: FlowFilter, parameters: dict[str, Any], limit: int
) -> list[tuple[Any, ...]]:
    found: dict[tuple[Any, ...], tuple[Any, ...]] = {}
    kinds = {kind for (kind,) in ask(sql.SAID_KINDS, parameters)}
    for table, digest, kind in sql.SAID_WHERE:
        if kind not in kinds:
            continue
        narrowed = _narrow.of_flows(where) if table == "flows" else _narrow.of_decisions(where)
        names = {"table": table, "digest": digest, "kind": kind, "moments": AT_MOMENTS}
        query, condition = sql.SAID, f"{narrowed} AND {sql.SAID_CONDITION}"
        for name, text in names.items():
            query = query.replace(f"{{{name}}}", text)
            condition = condition.replace(f"{{{name}}}", text)
        for row in newest(ask, table, query, (condition, parameters), None, limit):
            found[row[1], row[2], row[8], row[9]] = row  # the same call is in both tables
    return sorted(found.values(), key=lambda row: (-row[0], row[2], row[1], row[8], row[9]))


def _has(kind: str, text: str, asked: set[str]) -> bool:
    return asked <= words(plain(kind, text))
