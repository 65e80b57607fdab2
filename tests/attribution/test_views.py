"""What decoded views promise: escapes do not hide a text, and the way back stays exact."""

from __future__ import annotations

import base64
import html
import json
import re
from collections.abc import Callable
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ragtrace.attribution import skeleton
from ragtrace.attribution._views import SHORT, UNBROKEN, plain, views
from tests.prose import SCRIPTS, prose

LONG = {**SCRIPTS, "prose": prose(3, 40), "lines": prose(4, 20).replace(". ", '.\n\t"')}

ENCODINGS: dict[str, Callable[[str], str]] = {
    "json": json.dumps,
    "json twice": lambda text: json.dumps(json.dumps({"text": text})),
    "json in html": lambda text: html.escape(json.dumps(text)),
    "entities": lambda text: "".join(f"&#{ord(char)};" for char in text),
    "named entities": lambda text: html.escape(text + ' & "so on"'),
    "percent": quote,
    "base64": lambda text: base64.b64encode(text.encode()).decode(),
    "url-safe base64": lambda text: base64.urlsafe_b64encode(text.encode()).decode().rstrip("="),
    "MIME base64": lambda text: base64.encodebytes(text.encode()).decode(),
    "tags": lambda text: "".join(f'<b class="x{n}">{c}</b>' for n, c in enumerate(text.split())),
}


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("script", LONG)
def test_an_encoded_text_is_seen_in_one_of_the_views(script: str, encoding: str) -> None:
    """Its symbols are there in a row, and their range is that of the encoded text."""
    text = LONG[script]
    encoded = ENCODINGS[encoding](text)
    before, after = "Here it comes: ", " and that was it."
    wanted = skeleton(text).symbols
    for view in views(before + encoded + after):
        at = view.symbols.find(wanted)
        if at < 0:
            continue
        starts, ends = view.ranges()
        assert len(before) <= starts[at] < ends[at + len(wanted) - 1] <= len(before + encoded)
        return
    raise AssertionError(f"{encoding} hides {script}")


@given(st.text(max_size=80) | st.sampled_from(list(LONG.values())).map(json.dumps))
def test_ranges_never_go_backwards_or_out(text: str) -> None:
    """Whatever the text is, every symbol comes from somewhere in it, in order."""
    for view in views(text):
        starts, ends = view.ranges()
        assert len(starts) == len(ends) == len(view.symbols)
        assert (starts < ends).all()
        assert not len(starts) or (starts[0] >= 0 and ends[-1] <= len(text))
        assert (starts[1:] >= starts[:-1]).all()


@given(st.text(alphabet='\\u0041nd89"&#amp;%<b/> =+Aa', max_size=60))
def test_no_half_an_escape_is_an_error(text: str) -> None:
    """What only looks like an escape is left as it is."""
    assert views(text)[0].symbols == skeleton(text).symbols


def test_a_plain_text_has_one_view() -> None:
    """Nothing is decoded where nothing is encoded."""
    for text in SCRIPTS.values():
        assert len(views(text)) == 1
    assert len(views("5 % of AT&T, x < y, 100%; a/b")) == 1


@given(
    st.lists(
        st.tuples(st.sampled_from("aZ09+/_-\r\n é.\ud800\u0100"), st.integers(1, UNBROKEN + 2)),
        max_size=30,
    ),
    st.sampled_from([0, SHORT]),
)
def test_a_text_without_escapes_is_plain_unless_letters_go_on_and_on(
    runs: list[tuple[str, int]], beside: int
) -> None:
    """Short texts and long ones are looked through differently, and both as a pattern would."""
    text = "".join([char * times for char, times in runs]) + " or" * (beside // 3 + 1)
    unbroken = re.search(rf"[A-Za-z0-9+/_\r\n-]{{{UNBROKEN},}}", text)
    assert plain(text) == (None if unbroken else skeleton(text).symbols)


def test_what_looks_like_an_escape_does_not_hide_base64() -> None:
    """A backslash somewhere does not keep the rest from being decoded."""
    encoded = base64.b64encode(prose(1).encode()).decode()
    assert any(skeleton(prose(1)).symbols in v.symbols for v in views(f"\\d+ <3 {encoded}"))


def test_decoding_ends() -> None:
    """However deep the escapes go, the rounds are few."""
    text = prose(1)
    for _ in range(8):
        text = json.dumps(text)
    assert len(views(text)) <= 4


AROUND = {
    "an escape elsewhere": lambda encoded: f"Q&amp;A {prose(9, 150)} {encoded}",
    "a word in the next line": lambda encoded: f"{encoded}\nPlease summarise this.",
    "a PEM envelope": lambda encoded: f"-----BEGIN X-----\n{encoded}\n-----END X-----",
    "short lines": lambda encoded: "\n".join(encoded[k : k + 60] for k in range(0, 999, 60)),
    "a glued prefix": lambda encoded: f"token-{encoded}",
    "a cut beginning": lambda encoded: f"See {encoded[1:]}",
    "a data URL": lambda encoded: f"data:text/plain;base64,{encoded}",
}


@pytest.mark.parametrize("around", AROUND)
@pytest.mark.parametrize("size", [300, 301, 302])
def test_base64_is_found_in_ordinary_surroundings(around: str, size: int) -> None:
    """Whatever stands beside it; padding or none."""
    text = prose(11, 90)[:size]
    encoded = base64.b64encode(text.encode()).decode().rstrip("=")
    wanted = skeleton(text).symbols[8:-8]
    assert any(wanted in view.symbols for view in views(AROUND[around](encoded)))


def test_what_stands_in_a_long_tag_is_text() -> None:
    """An attribute can hold a document, and no run goes across it."""
    hidden, text = prose(12), prose(13)
    seen = views(f'{text[:100]} <span title="{hidden}">{text[100:]}</span>')
    assert all(skeleton(text).symbols not in view.symbols for view in seen)
    escaped = "\\n".join(hidden[k : k + 25] for k in range(0, 400, 25))
    seen = views(f'<doc text="{escaped}">hi</doc> if a <b then {escaped} and c> d')
    assert any(skeleton(hidden[:400]).symbols in view.symbols for view in seen)


def test_escapes_of_a_representation_are_undone() -> None:
    """As Python prints a list of texts with no-break spaces in it."""
    text = prose(14)
    printed = repr([text.replace(" ", "\xa0")])
    assert "\\xa0" in printed
    assert any(skeleton(text).symbols in view.symbols for view in views(printed))
