"""Literals: what is a secret by itself, and that no spelling of it leaves."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ragtrace.attribution import TRIGGER, WITHHELD, Guard
from ragtrace.attribution.guard._layer import undone
from ragtrace.attribution.guard._literal_filter import MOST_LITERALS, Secrets
from ragtrace.attribution.guard._literals import literals
from tests.attribution.test_guard import cut, streamed
from tests.laws import examples
from tests.prose import prose, words

MANY = settings(max_examples=examples(300))

STAFF = (
    "Write to jane.doe@bank-intern.com or call +49 170 1234567. The account is 4711 0815 2233, "
    "the IBAN DE44 5001 0517 5407 3249 31 and the PIN 8812. Say XK-4799-B, or GOODWILL50, or "
    "internal_code_xyz. Agents may spend $50, and €1,250.00 with a manager; 500 dollars at most "
    "in branches, USD 40 elsewhere, and $1.5 million for the house."
)
"""One of each kind."""

FOUND = {
    "jane.doe@bank-intern.com": ["jane.doe@bank-intern.com"],
    "call +49 170 1234567.": ["49 170 1234567", "1234567"],
    "account 4711 0815 2233": ["4711 0815 2233", "4711", "0815", "2233"],
    "DE44 5001 0517 5407 3249 31": ["DE44 5001 0517 5407 3249 31"],
    "de44500105175407324931": ["de44500105175407324931"],
    "(555) 123-4567": ["(555) 123-4567", "4567"],
    "PIN 8812": ["8812"],
    "XK-4711-B": ["XK-4711-B"],
    "GOODWILL50": ["GOODWILL50"],
    "internal_code_xyz": ["internal_code_xyz"],
    "cust_id_77": ["cust_id_77"],
    "\uff14\uff17\uff11\uff11": ["4711"],
    "$50": ["$50"],
    "1.250,00 €": ["1.250,00 €", "1.250,00 €"],
    "500 dollars": ["500 dollars"],
    "US$1.5 million": ["$1.5 million"],
    "The PIN is 1998": ["1998"],
    "LANTERN-11, or voucher: spring-5": ["LANTERN-11", "spring-5"],
    "well-known, and so on": [],
    "a 24-hour line, 10km away, the 2nd and the 11th": [],
    "COVID-19 in the mid-1990s, in 2019 and 2019-2021": [],
    "on 2024-03-15, 15.03.2024 and 3/15/24": [],
    "12 of 50 branches, 3.14 and 98.6 percent": [],
    "not like 1234 or 1111)\n8. Use": ["1234", "1111"],
    "10,000 people": [],
    "MP3, G20 and A4": [],
    "won 50 games, try 12": [],
    "": [],
}


@pytest.mark.parametrize("text", FOUND)
def test_what_is_a_literal(text: str) -> None:
    """Addresses, numbers, codes and amounts are; years, dates and small numbers are not."""
    assert [literal.text for literal in literals(text)] == FOUND[text]


SAID = {
    "Jane.Doe@Bank-Intern.com now": f"{WITHHELD} now",
    "xk4799b": WITHHELD,
    "(xk-4799-b)": f"({WITHHELD})",
    "XK 4799 B!": f"{WITHHELD}!",
    "x k 4 7 9 9 b": WITHHELD,
    "X-K-4-7-9-9-B,": f"{WITHHELD},",
    "g o o d w i l l 5 0": WITHHELD,
    "j a n e . d o e @ b a n k - i n t e r n . c o m": WITHHELD,
    "a x k 4 7": "a x k 4 7",
    "i n t e r n a l code xyz": "i n t e r n a l code xyz",
    "XK\u20114799\u2011B.": f"{WITHHELD}.",
    "\uff38\uff2b\uff0d4799\uff0dB": WITHHELD,
    "X\u200bK-47\u200b99-B": WITHHELD,
    "goodwill50": WITHHELD,
    "GOODWILL 50": WITHHELD,
    "internalcodexyz": WITHHELD,
    "internal code xyz": "internal code xyz",
    "**4711**": f"**{WITHHELD}**",
    "471108152233": WITHHELD,
    "4711-0815-2233": WITHHELD,
    "4711081522330": "4711081522330",
    "DE44500105175407324931": WITHHELD,
    "x8812": "x8812",
    "8812x": "8812x",
    "88121": "88121",
    "8,812": WITHHELD,
    "18,812": "18,812",
    "8812.5": "8812.5",
    "8812.": f"{WITHHELD}.",
    "密码8812是": f"密码{WITHHELD}是",
    "8812 million": "8812 million",
    "8812 m": f"{WITHHELD} m",
    "50 branches": "50 branches",
    "$50 off": f"{WITHHELD} off",
    "$50.00.": f"{WITHHELD}.",
    "50 dollars": WITHHELD,
    "50 bucks": WITHHELD,
    "USD 50": WITHHELD,
    "50.00 usd,": f"{WITHHELD},",
    "€50": "€50",
    "$50,000": "$50,000",
    "$500k": "$500k",
    "$50 million": "$50 million",
    "$1,500": "$1,500",
    "$5,000": "$5,000",
    "$50-$60": f"{WITHHELD}-$60",
    "1250 euros": WITHHELD,
    "1.250,00 €": WITHHELD,
    "1250 of them": f"{WITHHELD} of them",
    "$1,500,000": WITHHELD,
    "1.5m dollars": WITHHELD,
    "$1.5 billion": "$1.5 billion",
    "1. 250 words": "1. 250 words",
}


@pytest.mark.parametrize("text", SAID)
def test_how_a_literal_may_be_said(text: str) -> None:
    """In any case, grouping and currency word; never within a longer word or number."""
    assert Guard([STAFF]).filter(text) == SAID[text]
    assert streamed(Guard([STAFF]), list(text)) == SAID[text]
    assert streamed(Guard([STAFF]), [text]) == SAID[text]
    assert Guard([STAFF]).filter(f"so {text} then") == f"so {SAID[text]} then"


# Pieces that begin, end, continue and nearly are literals.
WORDS = (
    "xk XK 47 4799 4711 0815 2233 b 50 $ $50 € 1 1,250 250 ,00 .00 . , - _ | usd dollars dol lars "
    "million mill k good goodwill internal code xyz jane .doe @ bank com \uff14 \u200b é 密 [ 8812 "
    "de44 5001 0517 5407 3249 31 the 500 5"
)
PIECES = st.sampled_from([*WORDS.split(), *"    ", "\n", ", ", ". ", "  "])
MIXED = st.lists(PIECES, max_size=24).map("".join)


@given(MIXED, st.randoms(use_true_random=False))
@settings(max_examples=examples(1500))
def test_the_cut_changes_nothing_and_nothing_leaves(text: str, dice: random.Random) -> None:
    """However a text is cut, the same leaves; and no literal can be found in that."""
    secrets = Secrets(literals(STAFF))
    whole = Guard([STAFF]).filter(text)
    guard = Guard([STAFF])
    assert streamed(guard, cut(text, dice)) == whole
    assert streamed(Guard([STAFF]), list(text)) == whole
    assert guard.withheld == whole.count(WITHHELD)
    assert secrets.said(whole) == set()
    if not secrets.said(text):
        assert whole == text


SPELLINGS = [
    ("XK-4799-B", ["XK-4799-B", "xk4799b", "Xk 4799-b", "XK_4799_B"]),
    ("4711 0815 2233", ["471108152233", "4711-0815-2233", "4711 08152233"]),
    ("jane.doe@bank-intern.com", ["Jane.Doe@bank-intern.com", "JANE.DOE@BANK-INTERN.COM"]),
    ("$50", ["$50", "50 dollars", "USD 50", "$50.00", "50 USD", "$ 50"]),
    ("€1,250.00", ["€1250", "1,250 euros", "EUR 1,250.00", "1.250,00 €"]),
]


@given(
    st.lists(st.tuples(st.sampled_from(SPELLINGS), st.integers(0, 5)), min_size=1, max_size=5),
    st.integers(0, 10**6),
    st.randoms(use_true_random=False),
)
@MANY
def test_planted_literals_go_and_all_else_stays(
    planted: list[tuple[tuple[str, list[str]], int]], seed: int, dice: random.Random
) -> None:
    """Of prose with literals in it, exactly the literals go: a plain second opinion."""
    text = left = prose(seed, 3)
    for place, ((_, ways), choice) in enumerate(planted):
        between = f" {' '.join(words(seed + place, 2))} "
        end = dice.choice(["", ".", ",", ")", "\n"])
        text += f" {ways[choice % len(ways)]}{end}{between}"
        left += f" {WITHHELD}{end}{between}"
    assert streamed(Guard([STAFF]), cut(text, dice)) == left


@given(st.integers(0, 10**6), st.randoms(use_true_random=False))
@settings(max_examples=60)
def test_text_without_literals_is_unchanged(seed: int, dice: random.Random) -> None:
    """Prose, markdown, small numbers and years leave as they are."""
    table = "| 12 | 50 % | 2019 |\n```\nx_y = 3.5\n```\n"
    text = f"1. **{prose(seed, 20)}**\n\n{table}© 5€ 👍🏽 e\u0301"
    assert streamed(Guard([STAFF]), cut(text, dice)) == text


def test_only_what_may_become_a_literal_is_held() -> None:
    """Other words leave at once, and a literal's first word waits for its end."""
    guard = Guard(["PIN 8812", "XK-4799-B"])
    assert [guard.feed(d) for d in ("So", "me ", "x", "y", " 99", " 8", "8", "1")] == [
        *("So", "me ", "", "xy", " 99", " ", "", ""),
    ]
    assert guard.feed("3 ") == "8813 "
    assert guard.feed("8812") == ""
    assert guard.feed(".") == ""
    assert guard.feed(" ") in (f"{WITHHELD}. ", "")
    assert guard.feed("And") + guard.close() in (f"{WITHHELD}. And", "And")


def test_a_literal_at_the_very_end() -> None:
    """The end of the stream is the end of a word."""
    for text in ("It is 8812", "It is $50", "It is jane.doe@bank-intern.com"):
        assert streamed(Guard([STAFF]), list(text)) == f"It is {WITHHELD}"


def test_an_address_cut_in_the_middle() -> None:
    """Nothing of an address leaves while it is being spelled."""
    guard = Guard([STAFF])
    out = [guard.feed(delta) for delta in ("Ask ", "jane", ".d", "oe", "@ban", "k-intern.c", "om")]
    assert "Ask ".startswith("".join(out))
    out += [guard.feed(", or so"), guard.close()]
    assert "".join(out) == f"Ask {WITHHELD}, or so"


def test_literals_beside_a_withheld_run() -> None:
    """A literal that stands before, behind or within a run goes as well."""
    secret = f"{prose(1, 30)} The PIN is 8812 for all."
    said = f"8812: {prose(1, 30)}8812 and 8812"
    expected = f"{WITHHELD}: {WITHHELD}"
    for out in (Guard([secret]).filter(said), streamed(Guard([secret]), list(said))):
        assert out.startswith(expected)
        assert "8812" not in out
    assert Guard([secret]).filter(secret) == f"{WITHHELD}."


def test_what_is_readable_is_no_secret() -> None:
    """A literal of the question or of a public text may be said, in every spelling."""
    readable = [
        "My account is 4711-0815-2233, and I paid 50 dollars.",
        "Mail Jane.Doe@bank-intern.com",
    ]
    guard = Guard([STAFF], readable)
    text = "Account 471108152233, USD 50, jane.doe@bank-intern.com, "
    assert guard.filter(f"{text}PIN 8812") == f"{text}PIN {WITHHELD}"
    # A bare 50 does not make $50 readable, nor does $50 million.
    for other in ("50 branches", "$50 million", "$50,000", "x8812"):
        assert Guard([STAFF], [other]).filter("$50 8812") == f"{WITHHELD} {WITHHELD}"


def test_readable_text_does_not_count_for_runs() -> None:
    """A quotation that begins in a public text and goes on in a protected one is a run."""
    secret = prose(1, 40)
    assert Guard([secret], [secret]).filter(secret).strip(".") == WITHHELD


def test_literals_are_bounded() -> None:
    """So many and no more, each shorter than a run; nonsense takes no time."""
    table = " | ".join(str(1_000_001 + 7 * k) for k in range(MOST_LITERALS + 500))
    assert Guard([table]).filter("It is 1000008 ok") == f"It is {WITHHELD} ok"
    assert all(len(one.name) < TRIGGER for one in literals("9" * 60 + " " + "A1-" * 40))
    for nonsense in ("1.", "a.", "a@", "a1-", "$", "5 ", "1,", "a_"):
        literals(nonsense * 2_000)
        Guard([STAFF]).filter(nonsense * 2_000)


def test_a_number_that_never_ends_is_let_go() -> None:
    """Holding back is bounded by the longest literal, whatever comes."""
    guard = Guard([STAFF])
    for piece in (",111", "1", ".1"):
        held = 0
        guard.feed(" 50")
        for _ in range(200):
            guard.feed(piece)
            held = max(held, sum(len(one.held) for one in guard._literals))
        assert held < 2 * TRIGGER
        guard.close()


ESCAPED = {
    r'{"a": "first\nXK-4799-B, then"}': r'{"a": "first\n[withheld], then"}',
    r"\u20ac1,250.00\nor xk\u201047\u201199\u2012b\u00a0": r"[withheld]\nor [withheld]\u00a0",
    r"\"is\\n8812\\t\\u20ac 50, $\\u0035\\u0030 \\u00e9": (
        r"\"is\\n[withheld]\\t\\u20ac 50, [withheld] \\u00e9"
    ),
    "the PIN&#58;&nbsp;88&#49;2. And<br>8812": "the PIN&#58;&nbsp;[withheld]. And<br>[withheld]",
    r"GOODWIL\u004c50": "[withheld]",
    r"C:\n8812": r"C:\n[withheld]",
    r"C:\XK-4799-B and \north\8812": r"C:\[withheld] and \north\[withheld]",
    r"\u20ac50\n88123\nx8812\n\u00e98812": r"\u20ac50\n88123\nx8812\n\u00e98812",
}


@pytest.mark.parametrize("text", ESCAPED)
def test_literals_in_escapes(text: str) -> None:
    """What stands behind or within an escape goes, wherever that is cut; other things stay."""
    for size in (1, 2, 3, 5, 9, 1000):
        deltas = [text[k : k + size] for k in range(0, len(text), size)]
        assert streamed(Guard([STAFF]), deltas) == ESCAPED[text]


CHARS = st.sampled_from(
    [*WORDS.split(), *" \n\\", "\\n", "\\u004c", "\\u0038", "\\\\n", "&#49;", "<b>"]
)


@given(st.lists(CHARS, max_size=24).map("".join), st.randoms(use_true_random=False))
@settings(max_examples=examples(1000))
def test_literals_are_cut_anyhow_in_escapes(text: str, dice: random.Random) -> None:
    """Wherever an escape is cut, the same leaves."""
    whole = Guard([STAFF]).filter(text)
    assert streamed(Guard([STAFF]), cut(text, dice)) == whole
    assert streamed(Guard([STAFF]), list(text)) == whole
    assert Secrets(literals(STAFF)).said(undone(whole, final=True)[0]) == set()
