"""What the streaming guard promises, whatever arrives and however it is cut."""

from __future__ import annotations

import base64
import itertools
import json
import random
import sys
from types import FrameType
from urllib.parse import quote

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from ragtrace.attribution import TRIGGER, WITHHELD, Guard, skeleton
from ragtrace.attribution._views import views
from tests.laws import examples
from tests.prose import SCRIPTS, prose, words

MANY = settings(max_examples=examples(300))
PROTECTED = [prose(1, 40), "Pin 4711 88", prose(2, 12), SCRIPTS["hindi"], SCRIPTS["ligatures"]]
# Few letters, so that runs restart, overlap and straddle; ligatures, accents and marks among them.
LETTERS = st.sampled_from(["a", "b", "a", "b", "ab", "ﬁ", "f", "i", "½", " ", ". ", "\u0301", "é"])
MUDDLE = st.lists(LETTERS, max_size=150).map("".join)


def cut(text: str, dice: random.Random) -> list[str]:
    """``text`` in deltas of random length, some empty."""
    edges = sorted(dice.randint(0, len(text)) for _ in range(dice.randint(0, 12)))
    bounds = [0, *edges, len(text)]
    return [text[a:b] for a, b in itertools.pairwise(bounds)]


def streamed(guard: Guard, deltas: list[str]) -> str:
    """What leaves in all."""
    return "".join([*map(guard.feed, deltas), guard.close()])


def leaks(output: str, passages: list[str]) -> list[str]:
    """Protected runs in ``output``, what stands for withheld text apart."""
    bones = [skeleton(passage).symbols for passage in passages]
    windows = {b[k : k + TRIGGER] for b in bones for k in range(len(b) - TRIGGER + 1)}
    shorts = {b for b in bones if 8 <= len(b) < TRIGGER}
    found = []
    for piece in output.split(WITHHELD):
        said = skeleton(piece).symbols
        found += [w for w in windows if w in said] + [s for s in shorts if s in said]
    return found


def expected(text: str, passages: list[str]) -> tuple[str, list[bool]]:
    """The symbols of ``text`` and which of them must go: a slow, plain second opinion."""
    said = skeleton(text).symbols
    gone = [False] * len(said)
    for passage in passages:
        bones = skeleton(passage).symbols
        size = TRIGGER if len(bones) >= TRIGGER else len(bones)
        if len(bones) < 8:
            continue
        for start in range(len(said) - size + 1):
            if said[start : start + size] in bones:
                gone[start : start + size] = [True] * size
    return said, gone


def plain(text: str, passages: list[str]) -> str:
    """What must leave of ``text``, character by character, by that second opinion."""
    _, gone = expected(text, passages)
    out, at = [], 0
    for char in text:
        size = len(skeleton(char).symbols)
        if size and not any(gone[at : at + size]):
            out.append(char)
        at += size
    return "".join(out)


@given(MUDDLE, st.lists(MUDDLE, max_size=4), st.randoms(use_true_random=False))
@MANY
def test_nothing_protected_leaves_and_all_else_does(
    text: str, passages: list[str], dice: random.Random
) -> None:
    """Exactly the characters of protected runs go; boundaries of deltas change nothing."""
    # Passages cut from the text itself, so that runs of every length do occur.
    for _ in range(3):
        start = dice.randint(0, len(text))
        passages = [*passages, text[start : start + dice.choice([12, 40, 60, 90])]]
    whole = Guard(passages).filter(text)
    guard = Guard(passages)
    assert streamed(guard, cut(text, dice)) == whole
    assert streamed(Guard(passages), list(text)) == whole
    assert guard.withheld == whole.count(WITHHELD)
    left = "".join(c for c in whole.replace(WITHHELD, "") if skeleton(c).symbols)
    assert left == plain(text, passages)
    assert guard.close() == ""


@given(st.integers(0, 10**6), st.randoms(use_true_random=False))
@settings(max_examples=80)
def test_no_protected_run_ever_leaves(seed: int, dice: random.Random) -> None:
    """Excerpts of protected prose between harmless prose: none is in what leaves."""
    pieces = []
    for number in range(dice.randint(1, 5)):
        secret = dice.choice(PROTECTED)
        start = dice.randint(0, len(secret) // 2)
        pieces += [prose(seed + number + 50, dice.randint(0, 9))]
        pieces += [secret[start : start + dice.randint(1, len(secret))]]
    text = dice.choice(["", " ", "\n* "]).join(pieces)
    out = streamed(Guard(PROTECTED), cut(text, dice))
    assert leaks(out, PROTECTED) == []


@given(st.integers(0, 10**6), st.randoms(use_true_random=False))
@settings(max_examples=60)
def test_unprotected_text_is_unchanged(seed: int, dice: random.Random) -> None:
    """Every character of prose that is not protected leaves, in order."""
    text = prose(seed + 50) + " \u0301 ﬁn …\n\n```\n"
    assert streamed(Guard(PROTECTED), cut(text, dice)) == text


@given(st.lists(st.text()))
def test_an_unarmed_guard_is_the_identity(deltas: list[str]) -> None:
    """With nothing to protect, each delta leaves at once as it came."""
    for guard in (Guard([]), Guard(["", "n/a", "!!!", "abcdefg", "in 2019"], ["4711"])):
        assert not guard.armed
        assert [guard.feed(delta) for delta in deltas] == deltas
        assert guard.close() == ""


@given(MUDDLE, st.lists(MUDDLE, min_size=1, max_size=3))
@MANY
def test_no_more_is_held_back_than_could_still_match(text: str, passages: list[str]) -> None:
    """What is held begins with the longest suffix that is found in a protected text.

    Where that is shorter than a gram, up to a gram is held.
    """
    guard = Guard(passages)
    if not guard.armed:
        return
    bones = [b for p in passages if len(b := skeleton(p).symbols) >= 8]
    arrived = ""
    for char in text:
        guard.feed(char)
        arrived += skeleton(char).symbols
        suffix = next(
            n
            for n in range(min(TRIGGER, len(arrived)), -1, -1)
            if arrived[len(arrived) - n :] == ""
            or any(arrived[len(arrived) - n :] in b for b in bones)
        )
        assert guard._runs is not None
        held = len(skeleton(guard._runs.held).symbols)
        longest = max((len(skeleton(c).symbols) for c in text), default=0)
        assert held <= max(min(suffix, TRIGGER - 1), 7) + longest
        assert held >= min(suffix, TRIGGER - 1)


A, B = "".join(words(11, 40)), "".join(words(12, 40))
CASES = {
    "a run that goes on into the next protected passage": (
        [A[:80], A[60:160]],
        A[:160] + " and so on",
        f"{WITHHELD} and so on",
    ),
    "a run that follows directly on a withheld one": ([A, B], f"{A}{B}!", f"{WITHHELD}!"),
    "a run that restarts within a failing match": (
        ["ab" * 20 + "c" + "ab" * 30],
        "x " + "ab" * 20 + "ab" * 20 + "c" + "ab" * 30 + " y",
        f"x {WITHHELD} y",
    ),
    "a short passage within a longer run of another": (
        [A[:100], A[30:50]],
        f"So {A[20:55]} ends",
        f"So {A[20:30]}{WITHHELD}{A[50:55]} ends",
    ),
    "a short passage that ends another": (
        ["Code 4711 88", "4711 88"],
        "The code 4711-88 it is",
        f"The {WITHHELD} it is",
    ),
    "a ligature that begins a run": (
        ["i" + A[:80]],
        f"ﬁ{A[:80]} end",
        f"{WITHHELD} end",
    ),
    "a ligature that ends a run": ([A[:80] + "f"], f"Oh {A[:80]}ﬁ end", f"Oh {WITHHELD} end"),
    "accents after the last letter": (
        [A[:80] + "e\u0301"],
        f"Oh {A[:80]}e\u0301\u0302, end",
        f"Oh {WITHHELD}, end",
    ),
    "what stands after a run at the very end": ([A], f'"{A}"\n', f'"{WITHHELD}"\n'),
    "two runs with a word between": ([A], f"{A} or {A}", f"{WITHHELD} or {WITHHELD}"),
    "a long run counts once": ([A * 9], A * 9, WITHHELD),
    "one symbol less than the trigger": (
        ["q" + "0123456789" * 4 + "abcdefghij"],
        "0123456789" * 4 + "abcdefg",
        "0123456789" * 4 + "abcdefg",
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_the_edges_of_runs(case: str) -> None:
    """Each way in which a run begins, ends or meets another, spelled out."""
    passages, text, out = CASES[case]
    assert streamed(Guard(passages), list(text)) == out
    assert Guard(passages).filter(text) == out


def test_reformatting_does_not_help() -> None:
    """Spelled in capitals, bullets or full width, it is the same passage."""
    secret = prose(11)
    for said in (secret.upper(), "\n- ".join(secret.split()), "\u200b".join(secret)):
        assert leaks(streamed(Guard([secret]), list(said)), [secret]) == []
        assert skeleton(Guard([secret]).filter(said)).symbols == "withheld"


def test_a_long_passage_is_let_go_in_time() -> None:
    """A run far longer than TRIGGER is dropped as it comes, not gathered."""
    secret = "".join(words(5, 20_000))
    guard = Guard([secret])
    assert guard._runs is not None
    most = 0
    for char in secret[:40_000]:
        guard.feed(char)
        most = max(most, len(guard._runs.held))
    assert most < 3 * TRIGGER
    assert guard.close() == ""


def test_a_large_set_is_guarded_like_a_small_one() -> None:
    """Beyond 20 KB a match is bounded from above, and what could be a run is looked up."""
    secrets = [prose(seed, 150) for seed in range(200)]
    assert sum(map(len, secrets)) > 140_000
    dice = random.Random(3)
    text = prose(900, 40)
    for seed in range(60):
        secret = dice.choice(secrets)
        start = dice.randint(0, 600)
        text += secret[start : start + dice.choice([30, 58, 59, 60, 61, 62, 90, 200])]
        text += prose(901 + seed, dice.randint(0, 5))
    whole = Guard(secrets).filter(text)
    assert streamed(Guard(secrets), cut(text, dice)) == whole
    assert streamed(Guard(secrets), list(text)) == whole
    left = "".join(c for c in whole.replace(WITHHELD, "") if skeleton(c).symbols)
    assert left == plain(text, secrets)


@pytest.mark.parametrize("seed", range(20))
def test_a_patchwork_of_grams_is_no_run(seed: int) -> None:
    """All grams of a text may be protected and it may still be no run: it leaves unchanged."""
    dice = random.Random(seed)
    text = "".join(dice.choices("abcdef", k=300))
    # Passages that overlap by a gram and more, none of which is a run of the text.
    patches = [text[k : k + 47] for k in range(0, 300, 20)]
    filling = ["".join(dice.choices("uvwxyz", k=50)) for _ in range(450)]
    passages = [f"{filling[0]}{patch}{filling[1]}" for patch in patches] + filling
    assert sum(map(len, passages)) > 20_000
    guard = Guard(passages)
    assert streamed(guard, list(text)) == Guard(passages).filter(text) == text


@pytest.mark.parametrize("script", SCRIPTS)
def test_every_script_is_guarded(script: str) -> None:
    """What is written without spaces, with marks above or in pictures is protected as well."""
    secret = SCRIPTS[script]
    around = f"… {secret} … 👍🏽 e\u0301"
    out = streamed(Guard([secret]), list(around))
    assert leaks(out, [secret]) == []
    assert WITHHELD in out
    assert out == Guard([secret]).filter(around)
    assert out.endswith("… 👍🏽 e\u0301")


def test_little_work_is_done_for_a_delta() -> None:
    """Ordinary words cost few calls each, however many passages there are."""
    few, many = ([prose(seed, 150) for seed in range(size)] for size in (8, 200))
    deltas = [f" {word}" for word in words(1234, 500)]
    for passages in (few, many):
        guard = Guard([*passages, "PIN 4711, code XK-99-B, 500 dollars"])
        assert calls(guard, deltas) < 80 * len(deltas)


def test_a_long_quotation_costs_no_more_a_delta() -> None:
    """Within a protected run, too, the calls for a delta do not grow."""
    passages = [prose(seed, 150) for seed in range(200)]
    deltas = [f"{word} " for word in passages[150].split(" ")]
    assert calls(Guard(passages), deltas) < 150 * len(deltas)


@pytest.mark.parametrize("blank", ["\n", "\u200b"])
def test_a_flood_of_blanks_costs_nothing(blank: str) -> None:
    """What is held is not looked through again for every blank that comes."""
    guard = Guard([prose(1, 40), "PIN 8812"])
    guard.feed(prose(1, 40)[:40] + " 88")
    assert calls(guard, [blank] * 3_000) < 60 * 3_000
    assert guard.close().endswith(blank * 9)


def calls(guard: Guard, deltas: list[str]) -> int:
    """Calls of Python and built-in functions for all of ``deltas``."""
    count = 0

    def note(frame: FrameType, event: str, argument: object) -> None:
        nonlocal count
        count += event in ("call", "c_call")

    before = sys.getprofile()
    sys.setprofile(note)
    try:
        for delta in deltas:
            guard.feed(delta)
    finally:
        sys.setprofile(before)
    return count


@pytest.mark.parametrize("written", ["json", "list", "percent", "base64"])
def test_a_whole_text_is_read_over_for_escapes(written: str) -> None:
    """Written in escapes or markup a protected text is withheld, and the rest is left."""
    lines = [f"{prose(seed, 5)[:34]}" for seed in range(40, 50)]
    guard = Guard(["\n".join(lines)])
    text = {
        "json": json.dumps({"body": "\n".join(lines)}),
        "list": "".join(f"<li>{line}</li>" for line in lines),
        "percent": quote("\n".join(lines)),
        "base64": base64.b64encode("\n".join(lines).encode()).decode(),
    }[written]
    said = guard.decoded(f"It says: {text} and so on.")
    assert said.startswith("It says: ")
    assert said.endswith(" and so on.")
    assert WITHHELD in said
    assert not leaks(said, ["\n".join(lines)])
    assert len(said) < len(text) / 2
    assert guard.withheld == 1
    assert (
        guard.decoded("It is 5 % of <b>that</b> &amp; more.")
        == "It is 5 % of <b>that</b> &amp; more."
    )


LINES = [prose(seed, 5)[:34] for seed in range(40, 50)]
BULLETS = "\n".join(f"- {line}" for line in LINES)
NUMBERS = "\n".join(f"{place}) {line}" for place, line in enumerate(LINES, 8))


@pytest.mark.parametrize(
    "protected, said",
    [
        (BULLETS, "\n".join(f"{place}. {line}" for place, line in enumerate(LINES, 1))),
        (BULLETS, "\n".join(f"  **{place}.** {line}" for place, line in enumerate(LINES, 1))),
        (NUMBERS, BULLETS),
        (
            NUMBERS,
            "\n".join(f"{place}. {line}" for place, line in enumerate(NUMBERS.split("\n"), 1)),
        ),
        (NUMBERS, "\n".join(f"{place}. {line}" for place, line in enumerate(LINES, 1))),
    ],
)
def test_list_numbers_do_not_help(protected: str, said: str) -> None:
    """Lines that were given numbers, lost them or were given others are known all the same."""
    text = f"It says:\n{said}\nand so on."
    assert WITHHELD in Guard([protected]).decoded(text)
    for size in (1, 3, 17, 10_000):
        guard = Guard([protected])
        out = streamed(guard, sliced(text, size))
        assert out.startswith("It says:\n")
        assert out.endswith(f"{WITHHELD}\nand so on.")
        assert not any(line in out for line in LINES)
        assert guard.withheld == 1


def test_numbers_of_a_list_are_no_protected_text() -> None:
    """A list of other things stays as it is, whatever its numbers are."""
    text = "1. First\n2) Second\n12.5 is more\n2019. It was then.\n8."
    assert Guard([NUMBERS]).decoded(text) == text
    for size in (1, 2, 100):
        assert streamed(Guard([NUMBERS]), sliced(text, size)) == text


def sliced(text: str, size: int) -> list[str]:
    """``text`` in deltas of ``size``."""
    return [text[k : k + size] for k in range(0, len(text), size)]


ACCENTS = "\n".join(f'{line[:9]}é "{line[9:20]}" \U0001d41b/ł\t{line[20:]}' for line in LINES)
ENTITIES = str.maketrans({"é": "&eacute;", '"': "&quot;", "ł": "&#322;", "\t": "&#x9;"})
PATHS = "\n".join(f"C:\\new\\{line[:9]}\\u0041\\table\\{line[9:]}" for line in LINES)
WRITTEN = {
    "JSON": (ACCENTS, json.dumps(ACCENTS)),
    "JSON with letters as they are": (ACCENTS, json.dumps(ACCENTS, ensure_ascii=False)),
    "JSON in JSON": (ACCENTS, json.dumps({"arguments": json.dumps({"body": ACCENTS})})),
    "a list in JSON": (
        BULLETS,
        json.dumps("\n".join(f"{place}. {line}" for place, line in enumerate(LINES, 1))),
    ),
    "a list with other numbers, in JSON in JSON": (
        NUMBERS,
        json.dumps(
            json.dumps("\n".join(f"{place}. {line}" for place, line in enumerate(LINES, 1)))
        ),
    ),
    "a list with its own numbers, in JSON": (NUMBERS, json.dumps(NUMBERS)),
    "numbers on one line, in JSON": (
        " ".join(NUMBERS.split("\n")) + " é",
        json.dumps(NUMBERS.replace("\n", "\t") + " é"),
    ),
    "tags": (ACCENTS, "<br>".join(f"<li>{line}</li>" for line in ACCENTS.split("\n"))),
    "a tag with attributes": (BULLETS, BULLETS.replace(" ", ' <b class="plain">')),
    "entities": (ACCENTS, ACCENTS.translate(ENTITIES)),
    "percent": (ACCENTS, quote(ACCENTS)),
    "backslashes as they stand": (PATHS, PATHS),
    "backslashes in JSON": (PATHS, json.dumps(PATHS)),
    "a short passage": ("Zoë: “4711” (é)", json.dumps("Zoë: “4711” (é)")),
}


@pytest.mark.parametrize("way", WRITTEN)
def test_a_stream_is_read_with_its_escapes_undone(way: str) -> None:
    """No word of a protected text leaves in escapes, and what stands around it does."""
    protected, said = WRITTEN[way]
    text = f"It says: [{said}] and so on."
    whole = Guard([protected]).filter(text)
    left = whole.replace(WITHHELD, "")
    assert WITHHELD in whole
    assert whole.startswith("It says: [")
    assert whole.endswith("] and so on.")
    assert len(left) < 60
    assert not any(line[start : start + 9] in left for line in LINES for start in (0, 9))
    for size in (1, 2, 3, 5, 7, 11, 64):
        guard = Guard([protected])
        assert streamed(guard, sliced(text, size)) == whole
        assert guard.withheld == whole.count(WITHHELD)


PARTS = st.sampled_from(
    [
        *("ab", "a", "b", "ba", "é", "\u0301", "1", "2. ", "\n", "\n3) ", "\n** 4.** ", "12.", " "),
        *("\\", "\\n", "\\\\", "\\u00e9", "\\u0061", "\\\\u0062", "\\ud835\\udc1b", "\\ud835", "u"),
        *("<", "<li>", "</b>", "<a", ">", "&", "&amp;", "&eacute;", "&#97;", "%61", "%C3%A9", "%"),
        *("<b \\u0061>", '\\"', "\\x61", "\\U0001d41b", "n", "0", "D41", "/", ";", "#", "!--", "_"),
    ]
)


@pytest.mark.parametrize("escape", ["\\n", "\\t", "%20", "\\n\u200b", "\\u0020", "\\\\n", "<br>"])
@pytest.mark.parametrize("secret", ["abD41", "LANTERN-11", "4711", "$5000"])
def test_a_literal_right_behind_an_escape_is_withheld_however_it_is_cut(
    escape: str, secret: str
) -> None:
    """As it stands, the escape's last letter makes a longer word of it."""
    text, passages = f"the {escape}{secret}, said", [f"It is {secret} here"]
    assert Guard(passages).filter(text) == f"the {escape}{WITHHELD}, said"
    for at in range(len(text)):
        assert streamed(Guard(passages), [text[:at], text[at:]]) == Guard(passages).filter(text)
    assert streamed(Guard(passages), list(text)) == Guard(passages).filter(text)


WEIRD = st.lists(PARTS, max_size=60).map("".join)


def undone(text: str) -> str:
    """``text`` with one layer of escapes undone, by regular expressions over the whole."""
    return "".join(view.bones.text for view in views(text)[1:2]) or text


@pytest.mark.slow
@given(WEIRD, st.lists(WEIRD, max_size=2), st.randoms(use_true_random=False))
@example("\\n\u0301abD41", ["abD41"], random.Random(1))
@settings(max_examples=examples(1000))
def test_escapes_are_cut_anyhow(text: str, passages: list[str], dice: random.Random) -> None:
    """Wherever an escape or a list number is cut, the same leaves, and no protected run in it."""
    readings = [text, undone(text), undone(undone(text))]
    for reading in readings:
        start = dice.randint(0, len(reading))
        passages = [*passages, reading[start : start + dice.choice([12, 20, 60, 90])]]
    whole = Guard(passages).filter(text)
    guard = Guard(passages)
    assert streamed(guard, cut(text, dice)) == whole
    assert streamed(Guard(passages), list(text)) == whole
    assert guard.withheld == whole.count(WITHHELD)
    for piece in whole.split(WITHHELD):
        for reading in (piece, undone(piece)):
            assert leaks(reading, passages) == []


INNOCENT = [
    json.dumps({"answer": prose(70, 9), "steps": ["a\tb", "C:\\new", "é “x”"]}, indent=1),
    json.dumps({"arguments": json.dumps({"to": "Zoë", "text": prose(71, 9) + "\n1. First"})}),
    "\n".join(f"{place}. {line}" for place, line in enumerate([prose(72, 5)[:34]] * 5, 1)),
    "<ul><li>" + prose(73, 9) + "</li></ul> if a < b && c > d, 5 % of AT&T, <unclosed",
    r"\frac{1}{2} \n \u00 C:\Users\new.txt ^\d{3}\\w+\x4 \ud83d ends in \u12",
]


@pytest.mark.parametrize("text", INNOCENT)
@pytest.mark.parametrize("size", [1, 2, 3, 7, 1000])
def test_innocent_escapes_and_lists_leave_unchanged(text: str, size: int) -> None:
    """Every character of what is not protected leaves, however it is written, and in order."""
    guard = Guard([*PROTECTED, ACCENTS, NUMBERS, "PIN 8812, code XK-4799-B, $50"])
    assert streamed(guard, sliced(text, size)) == text
    assert guard.withheld == 0


def test_no_more_is_held_back_for_escapes() -> None:
    """A blank line, a list and a JSON string of other words leave as soon as they have come."""
    guard = Guard([ACCENTS, NUMBERS])
    for delta in ("Yes.", "\n\n", "1. ", "Xyz", '\\"', " xyz\\n", "xyzxyz<br>", " zzzzzzz! "):
        out = guard.feed(delta)
        assert len(skeleton(delta).symbols) - len(skeleton(out).symbols) < 8
    guard = Guard([ACCENTS, NUMBERS])
    assert [guard.feed(delta) for delta in ("! \\u00", "e", "0!", "")] == ["! ", "", "", ""]
    assert guard.feed(" zzzz").startswith("\\u00e0! ")


def test_escapes_cost_little_and_are_forgotten() -> None:
    """A delta of JSON costs few calls; and prose behind it, as few as before it."""
    guard = Guard([prose(seed, 150) for seed in range(8)])
    deltas = [f" {word}" for word in words(1234, 500)]
    before = calls(guard, deltas)
    assert calls(guard, [f"{delta}\\n" for delta in deltas]) < 300 * len(deltas)
    guard.feed(f"{prose(77, 5)} ")
    assert calls(guard, deltas) < 1.1 * before
