"""The evaluation itself: prompts whose truth is known, perturbations, and bars that count."""

from __future__ import annotations

import base64
import html
import json
import math
import random
import re
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from urllib.parse import unquote

import pytest

from ragtrace.attribution import TRIGGER, WITHHELD
from ragtrace.errors import MissingDependencyError
from ragtrace.testing.attribution import (
    FULL,
    PERTURBATIONS,
    SECTIONS,
    Effort,
    Material,
    Perturbation,
    Present,
    Row,
    Session,
    apart,
    check_plot,
    draw,
    generated,
    letters,
    measure,
    missed,
    read_material,
    render,
    sheets,
    windows,
)
from ragtrace.testing.attribution._chunks import Chunks
from ragtrace.testing.attribution._curve import excerpt
from ragtrace.testing.attribution._guard import deltas, held, leaked
from ragtrace.testing.attribution._negatives import upper_bound
from ragtrace.testing.attribution._perturbation import LOOK_ALIKES, ZERO_WIDTH
from ragtrace.testing.attribution._prose import SCRIPTS, script_text
from ragtrace.testing.attribution._unrelated import unrelated
from ragtrace.testing.attribution._workload import plain, workload
from ragtrace.testing.bench import interleaved
from tests.prose import dev_rows

TINY = Effort(
    repeats=5,
    largest_prompt=12_000,
    sizes=3,
    negatives=200,
    large_prompts=1,
    cell_traces=2,
    traces=2,
    splices=3,
    answers=6,
    fuzzed=20,
    chunks=300,
    unrelated_mb=0.2,
    scans=2,
)
BY_NAME = {one.name: one for one in PERTURBATIONS}


@pytest.fixture(scope="module")
def material() -> Material:
    """A little generated prose."""
    return generated(topics=2, documents=60)


@pytest.fixture(scope="module")
def session(material: Material) -> Session:
    """A tiny bench over it."""
    return Session(material, TINY)


@pytest.mark.parametrize("perturbation", PERTURBATIONS, ids=lambda one: one.name)
def test_what_a_trial_says_is_in_the_prompt_is_there_and_nothing_else(
    perturbation: Perturbation, material: Material
) -> None:
    """Places hold the rendered documents; of absent ones no run stands anywhere."""
    dice = random.Random(perturbation.name)
    texts = apart(material.collections["topic 0"], 8, dice)
    trial = render(texts, texts[:4], perturbation, dice)
    assert len(trial.chunks) == 8
    assert [chunk.text for chunk in trial.absent] == texts[4:]
    said = trial.messages[-1].text
    for text, placed in zip(texts[:4], trial.placed, strict=True):
        rendered = said[placed.start : placed.end]
        assert placed.unbroken <= len(text)
        if perturbation.placed:
            assert letters(rendered) == letters(text)
    present = Present([*(message.text for message in trial.messages), *texts[:4]])
    assert all(present.shares(text) for text in texts[:4])
    assert not any(present.shares(text) for text in texts[4:])


def without_markup(rendered: str) -> str:
    """HTML without its tags and entities."""
    return html.unescape(re.sub(r"<[^>]+>", "", rendered))


def looked_through(rendered: str) -> str:
    """Look-alikes as the letters they look like."""
    back = {other: letter for letter, others in LOOK_ALIKES.items() for other in others}
    return "".join(back.get(char, char) for char in rendered)


UNDONE: dict[str, Callable[[str], str]] = {
    "verbatim": str,
    "whitespace re-wrapped": str,
    "JSON": lambda text: json.loads(text)["content"],
    "JSON in JSON": lambda text: json.loads(json.loads(text)["result"])["content"],
    "HTML": without_markup,
    "Markdown quote": lambda text: re.sub(r"(?m)^> ", "", text),
    "Markdown bullets": lambda text: re.sub(r"(?m)^\* |\*\*", "", text),
    "line numbers": lambda text: re.sub(r"(?m)^ *\d+  ", "", text),
    "subtitles": lambda text: re.sub(r"(?m)^00:.*\n", "", text),
    "homoglyphs": looked_through,
    "zero-width characters": lambda text: re.sub(f"[{ZERO_WIDTH}]", "", text),
    "percent-encoded": unquote,
    "base64": lambda text: base64.b64decode(text).decode(),
}
"""How the renderings that keep the whole text are undone."""


@pytest.mark.parametrize("name", UNDONE)
def test_a_rendering_that_keeps_the_text_can_be_undone(name: str, material: Material) -> None:
    """All of the text is there in another form, and (but for verbatim) the form is another."""
    dice = random.Random(name)
    for text in [*material.collections["topic 1"][:5], 'He said: "5 < 7 & 8 > 7."\n\nIt\'s so.']:
        rendered, unbroken = BY_NAME[name].apply(text, dice)
        assert letters(UNDONE[name](rendered)) == letters(text)
        assert unbroken == len(text)
        if len(text) > 200 and name != "verbatim":
            assert rendered != text


def test_every_perturbation_is_tested() -> None:
    """Those that can be undone, and those that lose something."""
    assert {*UNDONE, *LOSING} == set(BY_NAME)


LOSING: dict[str, Callable[[str, str], bool]] = {
    "truncated": lambda text, said: 0.29 * len(text) < len(said) - 1 <= 0.7 * len(text),
    "1 % typos": lambda text, said: said != text and abs(len(said) - len(text)) < len(text) / 20,
    "30 % of the sentences": lambda text, said: 0.05 * len(text) < len(said) < 0.7 * len(text),
    "sentences reordered": lambda text, said: Counter(said.split()) == Counter(text.split()),
    "5 % of words dropped": lambda text, said: (
        0.8 < len(said.split()) / len(text.split()) < 1
        and not Counter(said.split()) - Counter(text.split())
    ),
}
"""What the renderings that lose something promise about a long text."""


@pytest.mark.parametrize("name", LOSING)
def test_a_rendering_that_loses_something_says_what_is_unbroken(name: str) -> None:
    """It loses what its name says, and as many characters in a row as it says are there."""
    dice = random.Random(name)
    (text,) = generated(topics=1, documents=1).collections["topic 0"]
    text = " ".join([text, *generated(7, 1, 3).collections["topic 0"]])
    for _ in range(20):
        rendered, unbroken = BY_NAME[name].apply(text, dice)
        assert LOSING[name](text, rendered)
        starts = range(len(text) - unbroken + 1)
        assert any(text[at : at + unbroken] in rendered for at in starts)


@pytest.mark.parametrize("script", SCRIPTS)
def test_script_texts_are_unlike_each_other(script: str) -> None:
    """Two texts of one script share no run, and no text is short."""
    dice = random.Random(script)
    texts = [script_text(dice, script) for _ in range(6)]
    assert all(len(text) >= 400 for text in texts)
    assert not any(windows(texts[0]) & windows(other) for other in texts[1:])


def test_sharing_is_found_whatever_stands_between() -> None:
    """A run of 32 letters counts, 31 do not; a text that is shorter counts where all is there."""
    run = "abcdefghijklmnopqrstuvwxyz012345"
    present = Present(["-- " + " ".join(run.upper()) + " --"])
    assert present.shares(f"…{run}!")
    assert not present.shares(run[1:] + "?????" + run[:31])
    assert present.shares("XYZ-012")
    assert not present.shares("XYZ-013")


def test_an_excerpt_has_as_many_letters_as_asked() -> None:
    """Cut anywhere, it is a piece of the text with that many letters."""
    dice = random.Random(1)
    (text,) = generated(topics=1, documents=1).collections["topic 0"]
    for length in (20, 39, 160):
        said = excerpt(text, length, dice)
        assert said in text
        assert len(letters(said)) == length


def test_half_of_the_documents_are_in_a_timed_prompt(material: Material) -> None:
    """Each prompt is of the size asked, is another, and has another half of the documents."""
    load = workload(material, 8, 1_200, 12_000)
    seen = set()
    for number in range(6):
        prompt = load.text(number)
        inside = tuple(text in prompt for text in load.documents)
        assert 3 <= sum(inside) <= 5
        assert abs(len(prompt) - 12_000) < 1_000
        seen.add((prompt, inside))
    assert len({inside for _, inside in seen}) > 1
    assert len({prompt for prompt, _ in seen}) == 6


def test_a_plain_prompt_is_ascii_and_looks_encoded_nowhere() -> None:
    """What has a bar is measured on text that is read once; nothing else is taken out of it."""
    dirty = "Caf\u00e9 \u201cA\u00a0&amp; B\u201d <b>70 %</b> C:\\temp"
    assert plain(dirty) == "Caf Aamp; B b>70 /b> C:temp"
    material = replace(generated(topics=1, documents=30), collections={"one": (dirty * 99,) * 30})
    load = workload(material, 8, 1_200, 12_000, found=plain)
    text = load.text(0)
    assert text.isascii()
    assert not set("&%<\\") & set(text)


def test_every_timed_call_gets_a_string_of_its_own() -> None:
    """No two calls see the same object, so nothing that is remembered of one helps another."""
    seen: list[str] = []
    ways = {"one": seen.append, "other": seen.append}
    timed = interleaved(ways, lambda number: f"prompt {number}", {"one": 4, "other": 2})
    assert [len(timed[name].seconds) for name in ways] == [4, 2]
    assert len({id(prompt) for prompt in seen}) == len(seen) == 8


def test_made_up_chunks_are_the_same_on_every_run_and_share_nothing(material: Material) -> None:
    """A chunk can be made again by its number, and no run of 55 symbols is in two."""
    chunks = Chunks(material, 1)
    made = [text for block in chunks.blocks(250) for text in block]
    assert len(made) == 250
    assert made[137] == Chunks(material, 1)[137] != Chunks(material, 2)[137]
    runs = Counter(run for text in made for run in windows(text, 55))
    assert runs.most_common(1)[0][1] == 1
    assert 900 < sum(map(len, made)) / 250 < 1_500


def test_unrelated_text_comes_in_large_pieces() -> None:
    """Each is as large as a large prompt, and no two are the same."""
    pieces = list(unrelated(0.4))
    assert [len(piece) for piece in pieces] == [100_000] * 4
    assert len(set(pieces)) == 4


def test_a_leak_is_seen_and_so_is_a_hold() -> None:
    """The oracles count what got out, and what waits longer than it must."""
    (secret,) = generated(topics=1, documents=1).collections["topic 0"]
    runs = windows(secret, TRIGGER)
    assert leaked(f"Well, {secret[:30]} {WITHHELD} so", runs) == 0
    assert leaked(f"Well, {secret[:90]}", runs) == len(letters(secret[:90]))
    text = "No quote at all, and none of it has to wait for anything."
    released = deltas(text)
    assert held(text, runs, [*released, ""]) == [0] * len(released)
    late = ["", *released]
    assert held(text, runs, late) == [len(letters(delta)) for delta in released]
    quoting = f"{secret[:200]} end"
    pieces = [*([""] * len(deltas(quoting))), f"{WITHHELD} end"]
    waiting = held(quoting, runs, pieces)
    assert max(waiting) < TRIGGER
    assert waiting[-2:] == [0, len("end")]


def test_a_withheld_word_waits_for_its_mark_and_no_longer() -> None:
    """A literal that is no run is held until something stands for it, and then is gone."""
    pieces = ["Call", "", f" {WITHHELD}", " now or", " write.", ""]
    assert held("Call 555-0100 now or write.", set(), pieces) == [0, 7, 3, 0, 0]


@pytest.mark.parametrize(
    ("row", "bar", "ok"),
    [
        (Row("s", "a", "b", 3, "us"), None, True),
        (Row("s", "a", "b", 3, "us", at_most=3), 3, True),
        (Row("s", "a", "b", 3.1, "us", at_most=3), 3, False),
        (Row("s", "a", "b", 0, "", at_most=0), 0, True),
        (Row("s", "a", "b", 0.99, "", at_least=0.99), 0.99, True),
        (Row("s", "a", "b", 0.98, "", at_least=0.99), 0.99, False),
        (Row("s", "a", "b", math.nan, "", at_least=0.99), 0.99, False),
        (Row("s", "a", "b", math.nan, "", at_most=1), 1, False),
    ],
)
def test_a_bar_is_cleared_or_missed(row: Row, bar: float | None, ok: bool) -> None:
    """From the right side, with equality, and never by a figure that is none."""
    said = row.as_json()
    assert (said["bar"], said["ok"]) == (bar, ok)
    assert set(said) == {"name", "value", "unit", "bar", "ok"}
    assert said["value"] == (None if math.isnan(row.value) else row.value)
    assert missed([row]) == ([] if ok else [row])


def test_the_bound_is_the_rule_of_three() -> None:
    """Without an error 3/n; with errors the exact Poisson bound; without a decision nothing."""
    assert upper_bound(0, 20_000) == pytest.approx(3 / 20_000, rel=0.01)
    assert upper_bound(1, 1_000) == pytest.approx(4.744 / 1_000, rel=0.01)
    assert upper_bound(10, 1_000) == pytest.approx(16.96 / 1_000, rel=0.01)
    assert math.isnan(upper_bound(0, 0))


@pytest.mark.parametrize(
    "section",
    [pytest.param(name, marks=pytest.mark.slow if name == "speed" else ()) for name in SECTIONS],
)
def test_every_section_runs_and_names_each_figure_once(section: str, session: Session) -> None:
    """A tiny run gives figures with names of their own, and tables in which all of them stand."""
    rows = list(measure(session, section))
    assert rows
    assert len({row.name for row in rows}) == len(rows)
    assert all(row.section == section for row in rows)
    json.dumps([row.as_json() for row in rows], allow_nan=False)
    laid_out = sheets(rows)
    cells = [cell for sheet in laid_out for line in sheet.lines for cell in line[1:]]
    assert sum(cell != "" for cell in cells) == len(rows)
    assert all(len(line) == len(sheet.columns) for sheet in laid_out for line in sheet.lines)


def test_an_absent_document_is_not_certain(session: Session) -> None:
    """A small run of the precision section: no false verdict, and it did decide."""
    rows = {(row.subject, row.measure): row.value for row in measure(session, "precision")}
    false = {name: value for name, value in rows.items() if name[1].startswith("false")}
    assert set(false.values()) == {0}
    decided = [value for (_, measure), value in rows.items() if measure == "negatives"]
    assert min(decided) > 10
    assert decided[0] >= TINY.negatives


@pytest.mark.parametrize(
    ("name", "share"),
    [
        *((name, 0.99) for name in ("verbatim", "whitespace re-wrapped", "JSON", "JSON in JSON")),
        *((name, 0.99) for name in ("HTML", "line numbers", "truncated", "1 % typos")),
        *((name, 0.99) for name in ("homoglyphs", "zero-width characters")),
        ("30 % of the sentences", 0.95),
    ],
)
def test_the_bars_of_recall_are_those_that_were_promised(name: str, share: float) -> None:
    """Loosening one is a decision, and not a slip."""
    assert BY_NAME[name].at_least == share


def test_the_line_is_drawn(session: Session, tmp_path, monkeypatch) -> None:  # type: ignore[no-untyped-def]
    """What the section speed measured becomes a picture; without matplotlib, one line says how."""
    pytest.importorskip("matplotlib")
    rows = [
        Row("speed", f"{kb} KB of documents and prompt", measure, value, "")
        for kb in (14, 28, 56)
        for measure, value in (("size", kb), ("median", 10.0 * kb))
    ]
    for suffix in ("svg", "png"):
        draw(rows, tmp_path / f"line.{suffix}")
        assert (tmp_path / f"line.{suffix}").stat().st_size > 1_000
    monkeypatch.setitem(__import__("sys").modules, "matplotlib", None)
    with pytest.raises(MissingDependencyError, match=r"pip install 'ragtrace-otel\[bench\]'$"):
        check_plot()


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_quality_that_is_promised() -> None:
    """Precision over some 3,000 negatives and recall of every perturbation clear their bars."""
    path = dev_rows()
    material = generated() if path is None else read_material(path.parents[1])
    effort = replace(FULL, negatives=3_000, large_prompts=4, cell_traces=10, traces=10, splices=20)
    session = Session(material, effort)
    rows = [row for section in ("precision", "recall") for row in measure(session, section)]
    assert [f"{row.name}: {row.value}" for row in missed(rows)] == []
