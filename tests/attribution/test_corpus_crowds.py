"""The corpus index where a text stands in many documents, or in documents of several labels."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Final

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ragtrace.attribution import skeleton
from ragtrace.attribution.corpus import Corpus, CorpusWriter, _draft
from ragtrace.attribution.corpus._key import Key
from ragtrace.attribution.corpus._seeds import SEED, STRIDE, Seeds, code_points
from tests.corpora import KEY, document, made, owners, text_of
from tests.prose import SCRIPTS, prose

MANY: Final = 3000
FOOTER: Final = prose(500, 40)


@pytest.fixture(scope="module")
def crowd(tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    """Many documents that end in the same footer, one of them secret, one public."""
    levels = {1200: "secret", 2000: "public"}
    return made(
        tmp_path_factory.mktemp("crowd"),
        (
            document(f"d{n:04d}", f"{prose(n, 8)} {FOOTER}", levels.get(n, "staff_only"))
            for n in range(MANY)
        ),
    )


def test_boilerplate_is_marked_and_its_labels_are_complete(crowd: Corpus) -> None:
    """Of a text in thousands of documents some are named, and all of their labels."""
    (passage,) = crowd.scan(f"before {FOOTER} after")
    assert passage.boilerplate
    assert MANY <= passage.copies <= 1.2 * MANY
    assert {label.level for label in passage.labels} == {"secret", "staff_only", "public"}
    assert len(passage.owners) == 8
    assert passage.symbols >= len(skeleton(FOOTER).symbols) - 30


def test_a_crowded_text_does_not_hide_its_document(crowd: Corpus) -> None:
    """A document's own words are found beside the footer it shares, and say whose they are."""
    text = f"{prose(1234, 8)} {FOOTER}"
    found = crowd.scan(text)
    own = [p for p in found if owners([p]) == {"d1234"}]
    assert len(own) == 1
    assert not own[0].boilerplate
    # It goes on into the footer: all of the document is there, and nobody else holds all.
    assert own[0].symbols >= len(skeleton(text).symbols) - 30
    assert [label.level for label in own[0].labels] == ["staff_only"]
    assert any(p.boilerplate and len(p.labels) == 3 for p in found)


def test_crowds_cost_little(crowd: Corpus) -> None:
    """A text of nothing but crowded seeds takes milliseconds, not one for each document."""
    text = " ".join([FOOTER] * 20)
    crowd.scan(text)
    begun = time.perf_counter()
    crowd.scan(text)
    assert time.perf_counter() - begun < 0.5  # 30 ms alone on the machine


@pytest.mark.parametrize(("copies", "boilerplate"), [(4, False), (5, True)])
def test_more_than_four_documents_make_boilerplate(
    tmp_path: Path, copies: int, boilerplate: bool
) -> None:
    """Marked and not dropped: the passage is there either way."""
    said = [document(f"d{n}", f"{prose(n, 9 + n)} {FOOTER}") for n in range(copies)]
    (passage,) = made(tmp_path, said).scan(FOOTER)
    assert passage.copies == copies
    assert passage.boilerplate is boilerplate
    assert len(passage.owners) == copies


def test_a_document_between_two_crowds_is_found(tmp_path: Path) -> None:
    """Two seeds, each in hundreds of documents, together in one of these only."""
    symbols = skeleton(prose(7, 60)).symbols[: SEED + STRIDE]
    one, two = symbols[:SEED], symbols[STRIDE:]
    said = [document(f"a{n:03d}", one + f"q{n:07d}" + "x" * 16) for n in range(300)]
    said += [document(f"b{n:03d}", f"{n:016d}" + two + "y" * 16) for n in range(300)]
    said.insert(450, document("both", symbols))
    assert owners(made(tmp_path, said).scan(f"({symbols})")) == {"both"}


def test_removed_documents_do_not_crowd_out_the_rest(tmp_path: Path) -> None:
    """The first hundreds that hold a text are gone, and not yet merged away."""
    with CorpusWriter(tmp_path, KEY) as writer, pytest.MonkeyPatch.context() as patch:
        patch.setattr(_draft, "to_merge", lambda segments: [])
        writer.add(document(f"d{n:03d}", FOOTER) for n in range(400))
        writer.remove(f"d{n:03d}" for n in range(399))
        assert owners(Corpus.open(tmp_path, KEY).scan(FOOTER)) == {"d399"}


def test_a_text_of_one_letter_takes_no_time(tmp_path: Path) -> None:
    """Every seed is everywhere: the flood is answered with one passage."""
    corpus = made(tmp_path, [document("a", "a" * 20_000), document("ab", "ab" * 9_000)])
    begun = time.perf_counter()
    (passage,) = corpus.scan("a" * 60_000)
    assert owners([passage]) == {"a"}
    assert passage.symbols > 59_000
    corpus.scan("ab" * 30_000 + "a" * 30_000)
    assert time.perf_counter() - begun < 5


def test_text_that_anybody_may_read_is_told_apart_from_the_rest(tmp_path: Path) -> None:
    """A staff document that quotes a public one: the quotation has both labels."""
    public, note = prose(1, 40), prose(2, 40)
    said = [document("page", public, "public"), document("note", f"{note} {public} {note[::-1]}")]
    corpus = made(tmp_path, said)
    assert [p.labels for p in corpus.scan(public)] == [corpus.scan(public)[0].labels]
    assert {label.level for label in corpus.scan(public)[0].labels} == {"public", "staff_only"}
    whole, part = corpus.scan(said[1].text)
    assert (whole.document, {label.level for label in whole.labels}) == ("note", {"staff_only"})
    assert {label.level for label in part.labels} == {"public", "staff_only"}
    assert whole.start < part.start < part.end < whole.end


@given(
    script=st.sampled_from(["prose", *SCRIPTS]),
    words=st.integers(1, 80),
    offset=st.integers(0, 40),
    pad=st.text(max_size=30),
)
def test_a_seed_is_the_same_in_every_text(script: str, words: int, offset: int, pad: str) -> None:
    """At every place or at every 16th, in bytes or in code points, beside whatever else."""
    seeds = Seeds(Key(KEY))
    symbols = skeleton(text_of(script, 1, words)).symbols
    padded = symbols + "\0" * (-len(symbols) % STRIDE)
    everywhere = seeds.everywhere(code_points(symbols))
    assert len(everywhere) == max(0, len(symbols) - SEED + 1)
    strided = seeds.stride(code_points(padded))[: -(-len(everywhere) // STRIDE)]
    assert np.array_equal(strided, everywhere[::STRIDE])
    beside = skeleton(pad + "é" * offset).symbols
    shifted = seeds.everywhere(code_points(beside + symbols))
    assert np.array_equal(shifted[len(beside) :], everywhere)
