"""What skeletons promise: what formatting changes is gone, and the way back is exact."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ragtrace.attribution import skeleton
from ragtrace.attribution._fold import FILLERS, fold, fold_all
from tests.prose import SCRIPTS

TEXTS = st.text(max_size=60) | st.sampled_from(list(SCRIPTS.values()))


@given(TEXTS, st.data())
def test_the_slice_of_the_original_folds_to_the_run(text: str, data: st.DataObject) -> None:
    """From any run of symbols the offsets lead to characters that hold it."""
    bones = skeleton(text)
    offsets = bones.offsets()
    assert len(offsets) == len(bones.symbols)
    if not len(offsets):
        return
    start = data.draw(st.integers(0, len(offsets) - 1))
    end = data.draw(st.integers(start + 1, len(offsets)))
    folded = skeleton(text[offsets[start] : offsets[end - 1] + 1]).symbols
    run = bones.symbols[start:end]
    assert run in folded
    # A character of several symbols comes whole, and nothing else comes with the run.
    whole_start = start == 0 or offsets[start - 1] != offsets[start]
    whole_end = end == len(offsets) or offsets[end] != offsets[end - 1]
    assert folded == run or not (whole_start and whole_end)


@pytest.mark.parametrize("script", SCRIPTS)
def test_every_run_of_every_script_leads_back(script: str) -> None:
    """Word by word, what the offsets give folds to the symbols they were asked for."""
    text = SCRIPTS[script]
    offsets, symbols = skeleton(text).offsets(), skeleton(text).symbols
    reached = 0
    for word in text.split():
        size = len(skeleton(word).symbols)
        if size:
            slice_ = text[offsets[reached] : offsets[reached + size - 1] + 1]
            assert skeleton(slice_).symbols == symbols[reached : reached + size]
        reached += size
    assert reached == len(symbols)


@given(TEXTS, TEXTS)
def test_folding_is_character_by_character(one: str, two: str) -> None:
    """A text may be cut anywhere, as a stream is."""
    assert skeleton(one + two).symbols == skeleton(one).symbols + skeleton(two).symbols


@given(TEXTS)
def test_symbols_are_folded_already(text: str) -> None:
    """Folding a skeleton again changes nothing."""
    symbols = skeleton(text).symbols
    assert skeleton(symbols).symbols == symbols
    assert all(symbol.isalnum() or symbol in FILLERS for symbol in symbols)


@pytest.mark.parametrize(
    ("text", "symbols"),
    [
        ("Straße", "strasse"),
        ("ﬁne oﬃce", "fineoffice"),
        ("Re\u0301sume\u0301 Résumé", "resumeresume"),
        ("**Bold** _it_ `code` [link]", "bolditcodelink"),
        ("- a\n* b\r\n> c\t1.", "abc1"),
        ("zero\u200bwidth\u00adsoft\ufeff", "zerowidthsoft"),
        ("\uff15㎏ ½", "5kg12"),
        ("РауРаl", "paypal"),  # noqa: RUF001
        ("حساب ١٢٣٤ / ४७", "حساب123447"),  # noqa: RUF001
        ("银行", f"银{FILLERS}行{FILLERS}"),
        ("", ""),
    ],
)
def test_what_formatting_changes_is_gone(text: str, symbols: str) -> None:
    """Case, accents, marks, width and what cannot be seen do not count."""
    assert skeleton(text).symbols == symbols


@pytest.mark.parametrize("word", ["ΣΊΣΥΦΟΣ", "КНИГА", "ՀԱՅԱՍՏԱՆ", "ⲔⲞⲠⲦⲞⲤ", "ꭰꭱꭲ", "DŽIBUTI"])
def test_case_never_matters(word: str) -> None:
    """Upper, lower and folded are the same, also where only the capital looks Latin."""
    assert skeleton(word).symbols == skeleton(word.lower()).symbols
    assert skeleton(word).symbols == skeleton(word.casefold()).symbols


def test_ascii_letters_and_digits_are_never_folded_into_each_other() -> None:
    """``0`` is not ``o`` and ``1`` is not ``l``: account numbers stay apart."""
    ascii_symbols = {fold(chr(code)) for code in range(128) if chr(code).isalnum()}
    assert len(ascii_symbols) == 36


@given(TEXTS)
def test_the_table_folds_as_the_function_does(text: str) -> None:
    """Many characters at once give what each gives by itself, and where it came from."""
    codes, places = fold_all(text)
    expected = [(ord(symbol), at) for at, char in enumerate(text) for symbol in fold(char)]
    assert list(zip(codes.tolist(), places.tolist(), strict=True)) == expected
