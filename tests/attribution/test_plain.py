"""The short ways of the guard let go of what the long ones let go of, delta by delta."""

from __future__ import annotations

import json
import random

import pytest

from ragtrace.attribution import TRIGGER, WITHHELD, Guard, skeleton
from ragtrace.attribution.guard import _run_filter
from ragtrace.attribution.guard._literal_filter import LiteralFilter
from ragtrace.attribution.guard._plain import place_of, plain_symbols
from ragtrace.attribution.guard._protected import Protected
from tests.attribution.test_guard import calls, cut
from tests.prose import prose, words

STREAMS = 250
"""In each of eight tests."""

SECRETS = (
    [prose(1, 40), prose(2, 12)],
    [prose(1, 40), "Pin 4711 88", "The code is XK-4799-B, or write to jane@bank.com or $50"],
    ["ab" * 20 + "c" + "ab" * 30, "abba" * 4],
    [prose(seed, 150) for seed in range(30)],  # more than is measured by searching
)
SEAMS = ("", " ", "\n", "\n1. ", " — ", "\\n", "é", "\u0301", "ﬁ", "<b>", "&amp;", "\x00", "\x01")
LITERALS = ("4711", "88", "XK-4799-B", "xk", "jane@bank.com", "$50", "50 dollars", "47", "_")


def said(passages: list[str], dice: random.Random) -> str:
    """Excerpts of passages of any length, between other words, letters and seams."""
    pieces = []
    for _ in range(dice.randint(1, 8)):
        secret = dice.choice(passages)
        start = dice.randrange(len(secret))
        pieces += [
            secret[start : start + dice.choice([2, 8, 30, 46, 47, 48, 49, 60, 200])],
            dice.choice(SEAMS),
            prose(dice.randrange(10**6), dice.randint(0, 4)),
            "".join(dice.choices("ab ", k=dice.randint(0, 9))),
            dice.choice(LITERALS) if dice.random() < 0.4 else " ",
        ]
    text = "".join(pieces)
    return json.dumps(text) if dice.random() < 0.1 else text


def steps(passages: list[str], deltas: list[str]) -> list[tuple[str, str]]:
    """What leaves at each delta and what is held after it, and what leaves at the end."""
    guard = Guard(passages)
    return [*[(guard.feed(delta), guard.held) for delta in deltas], (guard.close(), guard.held)]


def windows(*texts: str) -> set[str]:
    """All stretches of TRIGGER symbols."""
    bones = [skeleton(text).symbols for text in texts]
    return {one[at : at + TRIGGER] for one in bones for at in range(len(one) - TRIGGER + 1)}


harmless = LiteralFilter._is_harmless


def read_undone(self: LiteralFilter, delta: str) -> bool:
    """The one short way that there is no long one for: what is read twice agrees."""
    return self._undone and harmless(self, delta)


@pytest.mark.parametrize(
    "seed", [0, 1, *(pytest.param(seed, marks=pytest.mark.slow) for seed in range(2, 8))]
)
def test_the_short_ways_are_the_long_ones(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not a letter leaves earlier, later or otherwise, however a text is cut."""
    dice = random.Random(seed)
    passages = SECRETS[seed % len(SECRETS)]
    streams = []
    for _ in range(STREAMS):
        text = said(passages, dice)
        way = dice.randrange(3)
        deltas = [list(text), text.split(" "), cut(text, dice)][way]
        streams.append([f"{delta} " for delta in deltas] if way == 1 else deltas)
    short = [steps(passages, deltas) for deltas in streams]
    monkeypatch.setattr(_run_filter, "plain_symbols", lambda _: None)
    monkeypatch.setattr(LiteralFilter, "_is_harmless", read_undone)
    assert [steps(passages, deltas) for deltas in streams] == short
    runs = windows(*passages)
    for stream in short:
        for piece in "".join(out for out, _ in stream).split(WITHHELD):
            assert runs.isdisjoint(windows(piece))


def test_a_common_delta_takes_the_short_way() -> None:
    """Ordinary words cost few calls each, also where there are literals as well."""
    passages = [prose(seed, 150) for seed in range(8)]
    deltas = [f" {word}" for word in words(1234, 500)]
    for secrets, most in ((passages, 36), ([*passages, "PIN 4711, code XK-99-B, $500"], 64)):
        guard = Guard(secrets)
        guard.feed("So:")
        assert calls(guard, deltas) < most * len(deltas)


def test_a_short_passage_behind_plain_text_is_found() -> None:
    """It is no run, and yet may not leave."""
    protected = Protected(("Pin 4711 88",))
    assert protected.ends_short("thepin471188", 5)
    assert not protected.ends_short("thepin471188", 12)
    assert not protected.ends_short("thepin47118", 0)


def test_plain_text_is_counted() -> None:
    """Letters and digits of ASCII; whatever may be an escape, or begins a line, is not plain."""
    assert plain_symbols("It is, (so) 9!\t\x00\x01_") == "itisso9"
    assert [plain_symbols(text) for text in ("é", "a\n", "a\\", "&", "5%", "<")] == [None] * 6
    assert [place_of(" a, bc. ", live) for live in range(4)] == [8, 5, 4, 1]
