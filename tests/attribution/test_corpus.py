"""What the corpus index promises about any text and any documents."""

from __future__ import annotations

import json
import random
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ragtrace.attribution import skeleton
from ragtrace.attribution.corpus import MIN_FOUND, Corpus, CorpusDocument, CorpusWriter, _draft
from ragtrace.errors import CorpusIndexError
from ragtrace.model import Label, LabelledRange, Source
from tests.corpora import KEY, document, longest_shared, made, owners, real_texts, text_of, told
from tests.laws import examples
from tests.prose import SCRIPTS, dev_rows, prose

SCRIPT_NAMES = ["prose", *SCRIPTS]

few = settings(max_examples=25)


@contextmanager
def directory() -> Iterator[Path]:
    """A new one for each example; ``tmp_path`` is one for all of them."""
    with tempfile.TemporaryDirectory() as name:
        yield Path(name)


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> tuple[Corpus, dict[str, str]]:
    """Documents of every script, some of each."""
    texts = {
        f"{script}-{seed}": text_of(script, seed, 120)
        for script in SCRIPT_NAMES
        for seed in range(8)
    }
    path = tmp_path_factory.mktemp("library")
    return made(path, [document(id, text) for id, text in texts.items()]), texts


@given(
    script=st.sampled_from(SCRIPT_NAMES),
    seed=st.integers(0, 7),
    start=st.integers(0, 10_000),
    length=st.integers(MIN_FOUND, 400),
    before=st.text(max_size=80),
    after=st.text(max_size=80),
)
@settings(max_examples=examples(300))
def test_any_run_that_is_long_enough_is_found(
    library: tuple[Corpus, dict[str, str]],
    script: str,
    seed: int,
    start: int,
    length: int,
    before: str,
    after: str,
) -> None:
    """Wherever it is cut out of a document, and whatever stands around it."""
    corpus, texts = library
    name = f"{script}-{seed}"
    bones = skeleton(texts[name])
    places = bones.offsets()
    start %= len(bones.symbols) - MIN_FOUND
    end = min(start + length, len(bones.symbols))
    first, last = int(places[start]), int(places[end - 1]) + 1
    run = texts[name][first:last]
    found = [p for p in corpus.scan(f"{before} {run} {after}") if name in owners([p])]
    assert found
    # Up to 15 symbols at either end have no seed to prove them.
    assert max(passage.symbols for passage in found) >= (end - start) - 30


@given(
    seeds=st.lists(st.integers(0, 5), min_size=1, max_size=4),
    cuts=st.lists(st.tuples(st.integers(0, 300), st.integers(1, 200)), min_size=1, max_size=4),
)
@settings(max_examples=60)
def test_what_is_reported_is_there(
    library: tuple[Corpus, dict[str, str]], seeds: list[int], cuts: list[tuple[int, int]]
) -> None:
    """A passage is text of its owners, but for the few symbols at its ends that cannot differ."""
    corpus, texts = library
    text = " and then ".join(
        texts[f"prose-{seed}"][start : start + size] for seed in seeds for start, size in cuts
    )
    for passage in corpus.scan(text):
        symbols = skeleton(text[passage.start : passage.end]).symbols
        assert len(symbols) == passage.symbols >= 40
        assert any(symbols in skeleton(texts[o.document]).symbols for o in passage.owners)
        for owner in passage.owners:
            assert symbols[15:-15] in skeleton(texts[owner.document]).symbols


@given(seed=st.integers(0, 2**32))
@few
def test_unrelated_text_is_not_found(library: tuple[Corpus, dict[str, str]], seed: int) -> None:
    """Where no run of 40 symbols is shared, nothing is reported."""
    corpus, texts = library
    text = prose(seed + 100, 40)
    if max(longest_shared(text, prose_text) for prose_text in (texts["prose-0"],)) < 40:
        assert "prose-0" not in owners(corpus.scan(text))


def test_two_seeds_that_do_not_follow_each_other_are_nothing(tmp_path: Path) -> None:
    """Two phrases of a document, apart or in another order, are not a passage of it."""
    symbols = skeleton(prose(1, 80)).symbols
    corpus = made(tmp_path, [document("a", symbols)])
    assert corpus.scan(symbols[16:40] + "zzz" + symbols[48:72]) == []
    assert corpus.scan(symbols[48:72] + symbols[16:40]) == []
    assert len(corpus.scan(symbols[16:56])) == 1


@pytest.mark.parametrize("length", range(24, 40))
def test_a_short_document_is_found_where_all_of_it_is(tmp_path: Path, length: int) -> None:
    """A document of one seed counts where every symbol of it is there, and only there."""
    symbols = skeleton(prose(2, 30)).symbols[:length]
    corpus = made(tmp_path, [document("note", symbols)])
    assert owners(corpus.scan(f"they said: {symbols}, and left")) == {"note"}
    if length > 24:
        assert corpus.scan(f"they said: {symbols[:-1]}!") == []


def test_documents_without_a_seed_are_kept_and_never_found(tmp_path: Path) -> None:
    """Empty and very short texts do no harm, and are counted."""
    corpus = made(tmp_path, [document("empty", ""), document("yes", "yes"), document("no", "—")])
    assert corpus.scan("yes") == []
    assert corpus.stats().documents == 3
    assert corpus.stats().short == 3


@given(
    removed=st.sets(st.integers(0, 11), max_size=12),
    again=st.sets(st.integers(0, 11), max_size=3),
    merge=st.booleans(),
)
@few
def test_what_is_removed_is_never_found(removed: set[int], again: set[int], merge: bool) -> None:
    """Removed documents are gone, before a merge and after it; the others stay."""
    texts = [prose(seed, 30) for seed in range(12)]
    with directory() as path, CorpusWriter(path, KEY) as writer:
        writer.add(document(f"d{n}", text) for n, text in enumerate(texts))
        assert writer.remove([f"d{n}" for n in sorted(removed)] + ["nobody"]) == ("nobody",)
        writer.add(document(f"d{n}", texts[n]) for n in sorted(again))
        if merge:
            writer.merge()
        left = {f"d{n}" for n in set(range(12)) - removed | again}
        corpus = Corpus.open(path, KEY)
        assert owners(corpus.scan(" ".join(texts))) == left
        assert corpus.stats().documents == len(left)


def test_adding_twice_is_adding_once(tmp_path: Path) -> None:
    """The same documents again change no answer; a new text of an id replaces the old."""
    texts = [document(f"d{n}", prose(n)) for n in range(6)]
    text = " ".join(d.text for d in texts)
    once = told(made(tmp_path, texts).scan(text))
    assert told(made(tmp_path, texts).scan(text)) == once
    corpus = made(tmp_path, [document("d0", prose(50))])
    assert owners(corpus.scan(text)) == {f"d{n}" for n in range(1, 6)}
    assert owners(corpus.scan(prose(50))) == {"d0"}
    assert corpus.stats().documents == 6


@given(
    groups=st.lists(st.integers(0, 4), min_size=10, max_size=10),
    levels=st.lists(st.sampled_from(["public", "staff_only", "secret"]), min_size=10, max_size=10),
    shared=st.lists(st.booleans(), min_size=10, max_size=10),
    removed=st.sets(st.integers(0, 9), max_size=3),
)
@few
def test_segments_and_merges_change_no_answer(
    groups: list[int], levels: list[str], shared: list[bool], removed: set[int]
) -> None:
    """However the documents came in, and whether they were merged since, answers are the same."""
    footer = prose(99, 25)
    documents = [
        document(f"d{n}", prose(n, 40) + (footer if shared[n] else ""), levels[n], f"kb/{n % 3}")
        for n in range(10)
    ]
    text = " * ".join([d.text for d in documents[::2]] + [footer])
    gone = [f"d{n}" for n in sorted(removed)]
    with directory() as path, pytest.MonkeyPatch.context() as patch:
        plain = made(path / "one", [d for d in documents if d.id not in gone])
        patch.setattr(_draft, "to_merge", lambda segments: [])
        with CorpusWriter(path / "many", KEY) as writer:
            for group in range(5):
                writer.add(d for d, g in zip(documents, groups, strict=True) if g == group)
            writer.remove(gone)
            expected = told(plain.scan(text))
            corpus = Corpus.open(path / "many", KEY)
            assert corpus.stats().segments <= len(set(groups))
            assert told(corpus.scan(text)) == expected
            writer.merge()
        assert corpus.refresh()
        assert corpus.stats().segments == (1 if len(removed) < 10 else 0)
        assert told(corpus.scan(text)) == expected


def test_an_index_grown_document_by_document_has_few_segments(tmp_path: Path) -> None:
    """Small segments are merged into larger ones, and each thing said is still found."""
    with CorpusWriter(tmp_path, KEY) as writer:
        for number in range(60):
            writer.add([document(f"d{number}", prose(number, 30))])
    corpus = Corpus.open(tmp_path, KEY)
    assert corpus.stats().segments <= 4
    assert len(list(tmp_path.glob("segment-*"))) == corpus.stats().segments
    for number in range(60):
        assert owners(corpus.scan(prose(number, 30))) == {f"d{number}"}


def test_ranges_carry_their_own_label(tmp_path: Path) -> None:
    """A part of a document that has a label of its own is found under it; removal takes both."""
    public, secret = prose(1), prose(2)
    text = f"{public}\n{secret}"
    ranges = (LabelledRange(len(public) + 1, len(text), Label("secret")),)
    corpus = made(tmp_path, [CorpusDocument("d", text, Label("public"), Source("kb/x"), ranges)])
    assert [p.label.level for p in corpus.scan(public)] == ["public"]
    assert [p.label.level for p in corpus.scan(secret)] == ["secret"]
    assert corpus.stats().documents == 1
    with CorpusWriter(tmp_path, KEY) as writer:
        assert writer.remove(["d"]) == ()
    assert corpus.refresh()
    assert corpus.scan(text) == []


def test_labels_survive_the_disk(tmp_path: Path) -> None:
    """Every part of a label is what it was."""
    labels = [
        Label("a", frozenset({"pii", "tenant:ü"}), frozenset({"kim"}), "untrusted"),
        Label("a", frozenset(), frozenset()),
        Label("a"),
    ]
    said = [
        CorpusDocument(f"d{n}", prose(n), label, Source("kb/ü")) for n, label in enumerate(labels)
    ]
    corpus = made(tmp_path, said)
    for one in said:
        (found,) = corpus.scan(one.text)
        assert (found.labels, found.label, found.source) == ((one.label,), one.label, one.source)


def test_two_documents_of_one_id_at_once_are_refused(tmp_path: Path) -> None:
    """Which of them would hold? Both places are named, and nothing is changed."""
    first = made(tmp_path, [document("old", prose(1))])
    with (
        CorpusWriter(tmp_path, KEY) as writer,
        pytest.raises(CorpusIndexError, match=r"^document 2: .*'a' is that of document 0$"),
    ):
        writer.add([document("a", prose(2)), document("b", prose(3)), document("a", prose(4))])
    assert not first.refresh()
    assert len(list(tmp_path.glob("segment-*"))) == 1


def test_documents_that_fail_halfway_leave_the_index_as_it_was(tmp_path: Path) -> None:
    """The caller's own error leaves as it came, and no file is left behind."""

    def failing() -> Iterator[CorpusDocument]:
        yield document("b", prose(2))
        raise RuntimeError("the reader's own")

    corpus = made(tmp_path, [document("a", prose(1))])
    files = sorted(tmp_path.iterdir())
    with CorpusWriter(tmp_path, KEY) as writer:
        with pytest.raises(RuntimeError, match="the reader's own"):
            writer.add(failing())
        assert sorted(tmp_path.iterdir()) == files
        writer.add([document("c", prose(3))])
    assert corpus.refresh()
    assert owners(corpus.scan(prose(1) + prose(2) + prose(3))) == {"a", "c"}


def test_building_afresh_leaves_nothing_of_before(tmp_path: Path) -> None:
    """A reader goes from the old documents to the new ones at one stroke."""
    corpus = made(tmp_path, [document("a", prose(1))])
    with CorpusWriter(tmp_path, KEY) as writer:
        assert writer.add([document("b", prose(2))], afresh=True) == 1
    assert owners(corpus.scan(prose(1))) == {"a"}
    assert corpus.refresh()
    assert owners(corpus.scan(prose(1) + prose(2))) == {"b"}


def test_an_escaped_passage_is_found_where_it_stands(tmp_path: Path) -> None:
    """A text in JSON escapes is found, at the characters of the escapes."""
    said = text_of("cyrillic", 3)
    corpus = made(tmp_path, [document("a", said)])
    prompt = 'Context: {"text": ' + json.dumps(said) + "}"
    (passage,) = corpus.scan(prompt)
    assert json.loads(f'"{prompt[passage.start : passage.end]}"') in said


def test_an_escape_within_a_passage_does_not_break_it(tmp_path: Path) -> None:
    """The passage is reported once, over the escape, and not in halves beside it."""
    corpus = made(tmp_path, [document("a", f"{prose(1, 40)} {prose(2, 40)}")])
    prompt = f"{prose(1, 40)} &nbsp;&#32; {prose(2, 40)}"
    (passage,) = corpus.scan(prompt)
    assert passage.end - passage.start > len(prompt) - 60


@pytest.mark.slow
@pytest.mark.skipif(dev_rows() is None, reason="the real documents are not on this machine")
def test_every_long_run_of_real_documents_is_found(tmp_path: Path) -> None:
    """At 55 symbols and more nothing is missed, at whatever place it was cut out."""
    rows = dev_rows()
    assert rows is not None
    texts = real_texts(rows)
    corpus = made(tmp_path, [document(id, text) for id, text in texts.items()])
    dice = random.Random(3)
    for id in dice.sample(sorted(texts), min(1500, len(texts))):
        bones = skeleton(texts[id])
        if len(bones.symbols) < MIN_FOUND:
            continue
        start = dice.randrange(len(bones.symbols) - MIN_FOUND + 1)
        places = bones.offsets()
        cut = texts[id][places[start] : places[start + MIN_FOUND - 1] + 1]
        passages = corpus.scan(f"{prose(1, 20)} {cut} {prose(2, 20)}")
        assert any(p.boilerplate or id in owners([p]) for p in passages), (id, start)
