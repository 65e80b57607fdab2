"""What reach makes of the store's walk: splits, CSV, and the holders of a passage."""

from __future__ import annotations

import csv
import io
import unicodedata
from pathlib import Path

import pytest

from ragtrace.attribution.corpus import Corpus, CorpusDocument, CorpusWriter
from ragtrace.forensics import holders, reach, reach_csv
from ragtrace.model import Label, Source, digest
from ragtrace.store import OWNER, FlowFilter, Store
from tests.engine import content, flow, span, store
from tests.prose import prose

__all__ = ["store"]  # the fixture


def filled(store: Store) -> None:
    """A document in one prompt, and its answer in the prompt of another user."""
    held = flow(0, action="allow", verdict="certain")
    name = digest("an answer")
    made = flow(1, action="context_only", verdict="certain", digest=name, source="completion")
    answers = {"ragtrace__completion__digest": name, "gen_ai__response__model": "gpt-5"}
    store.write([span(1, held, **answers), span(2, made, **{"gen_ai__request__model": "small"})])


def test_what_has_the_text_and_what_has_only_something_made_of_it_are_told_apart(
    store: Store,
) -> None:
    """Prompts, users and models of each; disclosed and only used; and by grade."""
    filled(store)
    found = reach(store.seen_by(OWNER), "doc-0")
    assert (found.counts.prompts, found.direct.prompts, found.derived.prompts) == (2, 1, 1)
    assert found.counts.models == ("gpt-5", "small")
    assert (found.direct.models, found.derived.models) == (("gpt-5",), ("small",))
    assert found.direct.outcomes["disclosed"] == found.derived.outcomes["used"] == 1
    assert [counts.prompts for counts in found.grades.values()] == [1, 0, 1]
    assert found.hops == 1
    by_user = reach(store.seen_by(OWNER), where=FlowFilter(user="u1"))
    assert (by_user.what, by_user.matched, len(by_user.rows)) == ("user=u1", (), 2)


@pytest.mark.parametrize("begins", ["=", "+", "-", "@", "\t=", " =", "\r"])
def test_a_cell_is_never_a_formula(store: Store, begins: str) -> None:
    """Names out of the data are text to a spreadsheet, whatever they begin with."""
    hostile = f'{begins}HYPERLINK("http://x",A1), \'\n'
    store.write([span(1, flow(0, document=hostile), user__id=hostile)])
    found = reach(store.seen_by(OWNER), hostile)
    head, line = csv.reader(io.StringIO("".join(reach_csv(found)), newline=""))
    cells = dict(zip(head, line, strict=True))
    assert cells["user"] == cells["document"] == f"'{hostile}"
    assert not any(cell.lstrip().startswith(("=", "+", "-", "@")) for cell in line)


def test_csv_has_a_line_for_each_row_with_its_path(store: Store) -> None:
    """One hop after another, each with the step that made the text."""
    filled(store)
    found = reach(store.seen_by(OWNER), "doc-0")
    lines = list(csv.DictReader(io.StringIO("".join(reach_csv(found)), newline="")))
    assert [(line["hop"], line["grade"], line["path"]) for line in lines] == [
        ("0", "certain", ""),
        ("1", "taint", f"{1:032x}/{1:016x} {digest('an answer')} taint certain"),
    ]
    assert lines[0]["time"] == "2025-10-09T08:53:20.000000001Z"


def test_a_passage_is_found_by_the_index_and_without_one_by_the_kept_texts(
    store: Store, tmp_path: Path
) -> None:
    """Part of a document is enough; what holds other words is not named."""
    page, other = prose(1, 60), prose(2, 60)
    passage = page[40:260]
    with CorpusWriter(tmp_path / "index") as writer:
        writer.add(
            CorpusDocument(name, text, Label("staff_only"), Source("kb"))
            for name, text in (("page.md", page), ("other.md", other))
        )
    by_index = holders(store.seen_by(OWNER), passage, Corpus.open(tmp_path / "index"))
    assert by_index.names == ("page.md", digest(passage))
    assert by_index.way == "index"
    store.write(
        [span(1, flow(0, digest=digest(page)), flow(1, digest=digest(other)))],
        [content(page), content(other)],
    )
    by_texts = holders(store.seen_by(OWNER), passage)
    assert set(by_texts.names) == {digest(page), digest(passage)}
    assert (by_texts.way, by_texts.complete) == ("texts", True)
    found = reach(store.seen_by(OWNER), by_texts.names)
    assert [row.flow.document for row in found.rows] == ["doc-0"]


UMLAUTS = "Die Kündigungsfristen für Geschäftskonten betragen künftig höchstens zwölf Wochen. " * 2
CHINESE = "客户经理不得向客户透露内部风险评级以及任何未公开的调查结果并且必须在当天上报合规部门"
SNAKE = "set access_token_rotation_interval and refresh_token_grace_period before a key_roll_over"


@pytest.mark.parametrize(
    ("kept", "passage"),
    [
        (SNAKE, SNAKE),
        (UMLAUTS, unicodedata.normalize("NFD", UMLAUTS)),
        (unicodedata.normalize("NFD", UMLAUTS), UMLAUTS),
        (CHINESE, CHINESE[2:-2]),
        (UMLAUTS, UMLAUTS[9:-9]),
    ],
    ids=["snake", "decomposed", "composed", "unspaced", "cut"],
)
def test_a_passage_is_found_by_the_words_that_texts_are_filed_by(
    store: Store, kept: str, passage: str
) -> None:
    """Whatever the form of its letters, and where it was cut in the midst of a word."""
    store.write([span(1, flow(0, digest=digest(kept)))], [content(kept)])
    found = holders(store.seen_by(OWNER), passage)
    assert set(found.names) == {digest(kept), digest(passage)} and found.complete


def test_one_long_word_is_asked_for_by_its_digest(store: Store) -> None:
    """A token has no words to be found by; it itself is, where it is a text."""
    token = "eyJ" + "a1B2c3D4" * 20
    store.write([span(1, flow(0, digest=digest(token)))], [content(token)])
    assert holders(store.seen_by(OWNER), token).names == (digest(token),)
