"""What finding sealed texts by their words promises."""

from __future__ import annotations

import json
import re
import tracemalloc
import unicodedata
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ragtrace.errors import StoreError
from ragtrace.model import digest
from ragtrace.store import OWNER, FlowFilter, Store
from ragtrace.store import _sayings as sayings
from ragtrace.store._words import MOST_WORDS, WordIndex, words
from tests.engine import KEY, content, flow, fresh_url, span, store

__all__ = ["store"]  # the fixture

ROPE = {"digest": digest("prompt 1"), "strands": [["system", ["Be kind.", [digest("fees"), 0, 9]]]]}


def _filled(store: Store) -> None:
    fees = flow(0, digest=digest("Waive the fees"))
    store.write(
        [span(1, fees), span(2, fees, ragtrace__stage="retrieval"), span(3)],
        [
            content("Waive the fees", level="staff_only"),
            replace(content(json.dumps(ROPE), "prompt"), digest=digest("prompt 1")),
            replace(content("You pay 50 EUR", "completion"), digest=digest("completion 1")),
            content("Waive nothing that was ever used"),
        ],
    )


@pytest.mark.parametrize(
    ("what", "kind", "excerpt"),
    [
        ("WAIVE", "chunk", "Waive the fees"),
        ("fees waive", "chunk", "Waive the fees"),
        ("kind", "prompt", "Be kind."),
        ("50 eur", "completion", "You pay 50 EUR"),
    ],
)
def test_a_word_is_found_where_it_was_said(
    store: Store, what: str, kind: str, excerpt: str
) -> None:
    """In a passage that was found in a prompt, in the rest of it, in the completion."""
    _filled(store)
    store.write([span(1, flow(0, digest=digest("Waive the fees")))])
    (found,) = store.said(what, access=OWNER)
    assert (found.span_id, found.kind, found.excerpt) == (f"{1:016x}", kind, excerpt)


@pytest.mark.parametrize("what", ["wai", "nothing", "strands", "waive kind", "waiver"])
def test_what_was_not_said_is_not_found(store: Store, what: str) -> None:
    """Part of a word, a text no prompt had, the rope's own letters, words of two texts."""
    _filled(store)
    assert store.said(what, access=OWNER) == []


def test_words_pass_the_filter_and_the_newest_come_first(store: Store) -> None:
    """As many as were asked for, of the calls that were asked about."""
    fees = flow(0, digest=digest("Waive the fees"))
    store.write(
        [span(n, fees, ragtrace__audience="staff" if n == 3 else "customer") for n in range(1, 9)],
        [content("Waive the fees")],
    )
    assert [row.trace_id[-1] for row in store.said("fees", 3, access=OWNER)] == ["8", "7", "6"]
    only = FlowFilter(audience="staff")
    assert [row.trace_id[-1] for row in store.said("fees", where=only, access=OWNER)] == ["3"]


def test_what_a_newer_version_took_away_is_not_found(store: Store) -> None:
    """The call is no longer said to have had the passage, and an older one fills the answer."""
    fees = flow(0, digest=digest("Waive the fees"))
    seen = {"ragtrace__request__id": None, "ragtrace__observed": "1"}
    store.write([span(n, fees, **seen) for n in (1, 2, 3)], [content("Waive the fees")])
    store.write([span(n, flow(0), **seen | {"ragtrace__observed": "2"}) for n in (2, 3)])
    assert [row.trace_id[-1] for row in store.said("fees", 1, access=OWNER)] == ["1"]


def test_only_texts_that_a_reader_may_read_are_looked_at(store: Store) -> None:
    """That a word stands in a text of a higher level is not given away."""
    _filled(store)
    reader = replace(OWNER, levels=frozenset({"internal"}))
    assert store.said("waive", access=reader) == []
    assert [row.kind for row in store.said("kind", access=reader)] == ["prompt"]


def test_a_hash_that_two_words_share_is_no_hit(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every text is opened before it is said to have the word."""
    monkeypatch.setattr(WordIndex, "_token", lambda _, word: f"{len(word):08x}")
    _filled(store)
    assert [row.excerpt for row in store.said("fees", access=OWNER)] == ["Waive the fees"]
    assert store.said("fuss", access=OWNER) == []


def test_words_are_not_to_be_had_without_the_key(store: Store) -> None:
    """Neither by asking, nor from the tokens, which another key makes otherwise."""
    url = fresh_url()
    without = Store.open(url)
    with pytest.raises(StoreError, match="without the key"):
        without.said("fees", access=OWNER)
    without.close()
    assert WordIndex(KEY).line("chunk", "fees") != WordIndex(KEY[::-1]).line("chunk", "fees")
    assert "fees" not in WordIndex(KEY).line("chunk", "fees")


@pytest.mark.parametrize("what", ["", " .,", " ".join(map(str, range(17)))])
def test_a_question_has_one_to_sixteen_words(store: Store, what: str) -> None:
    """None, or too many, is refused."""
    with pytest.raises(StoreError, match="expected 1 to 16"):
        store.said(what, access=OWNER)


@given(st.text())
def test_a_text_has_the_words_that_it_is_searched_for(text: str) -> None:
    """Case does not matter; folding twice changes nothing."""
    assert words(text.casefold()) <= words(text) | words(text.casefold())
    assert WordIndex(KEY).tokens(words(text)) == WordIndex(KEY).tokens(words(text))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Straße \uff21\uff22\uff23", {"strasse", "abc"}),
        ("手数料無料", {"手数", "数料", "料無", "無料"}),
        ("a" * 65, set()),
    ],
)
def test_words_are_compared_without_case_and_form(text: str, expected: set[str]) -> None:
    """Also where no space stands between them."""
    assert words(text) == expected


def test_the_same_call_is_one_row(store: Store) -> None:
    """Though it is among the flows and among the decisions."""
    decided: dict[str, Any] = {"ragtrace__decision__action": "allow"}
    store.write(
        [span(1, flow(0), flow(1), **decided)],
        [replace(content("all told", "completion"), digest=digest("completion 1"))],
    )
    assert len(store.said("told", access=OWNER)) == 1
    assert sayings.asked_for("told") == {"told"}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("cafe\u0301 re\u0301sume\u0301", {"café", "résumé"}),
        ("one\u2014two\u00a0three/four_five", {"one", "two", "three", "four_five"}),
        ("\u00bd \ufb01t", {"1", "2", "fit"}),
        ("\uff76\uff9e" * 40, {"ガガ"}),
        ("x" * 64 + "-" + "y" * 65, {"x" * 64}),
    ],
)
def test_words_are_those_of_the_normal_form(text: str, expected: set[str]) -> None:
    """Marks that stand apart, fractions, ligatures and half-width letters are brought together."""
    assert words(text) == expected


@given(st.text(st.sampled_from("手数料無ガaé e\u0301.\uff76\uff9e\u00bd"), max_size=300))
def test_a_part_of_a_text_has_no_words_that_the_whole_lacks(text: str) -> None:
    """Wherever a text without spaces is taken apart, its pairs of letters are all found."""
    whole = unicodedata.normalize("NFKC", text).casefold()
    runs = [run for run in re.findall(r"\w+", whole) if re.search("[手数料無カガ]", run)]
    pairs = {run[at : at + 2] for run in runs if len(run) > 1 for at in range(len(run) - 1)}
    assert pairs <= words(text)


def test_a_text_that_grows_when_it_is_normalised_stays_small() -> None:
    """One character may become eighteen; a text of nothing else takes little memory."""
    bomb = ("\ufdfa" * 60 + " ") * 3_000
    tracemalloc.start()
    try:
        words(bomb)
        assert tracemalloc.get_traced_memory()[1] < len(bomb)
    finally:
        tracemalloc.stop()


def test_a_text_of_too_many_words_is_searched_by_its_first() -> None:
    """What is indexed and what is looked through are the same words."""
    text = " ".join(f"w{number}" for number in range(MOST_WORDS + 5))
    assert words(text) == {f"w{number}" for number in range(MOST_WORDS)}
    assert len(words("".join(map(chr, range(0x4E00, 0x9FFF))) * 2)) <= MOST_WORDS + 128
