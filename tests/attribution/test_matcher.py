"""What the matcher promises about chunks in a prompt."""

from __future__ import annotations

import html
import json
import random
import textwrap
from base64 import b64encode
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ragtrace.attribution import MIN_RUN, Index, _automaton, _matcher, skeleton
from ragtrace.attribution._evidence import GRAM
from ragtrace.attribution._verdicts import CERTAIN
from ragtrace.model import Attribution, Chunk, Message, Span
from tests.prose import SCRIPTS, chunk, dev_rows, prose, words

FEW = settings(max_examples=60)
SURE = CERTAIN + GRAM - 1
SENTENCE = "The branch manager approves refunds above forty euros in writing. "


def index_of(*chunks: Chunk) -> Index:
    """An index of ``chunks``."""
    index = Index()
    for one in chunks:
        index.add(one)
    return index


def find(text: str, *chunks: Chunk) -> dict[str, Attribution]:
    """What of ``chunks`` is in ``text``, by digest."""
    found = index_of(*chunks).attribute([Message("user", text)])
    return {one.chunk: one for one in found}


def symbols_of(text: str, start: int, end: int) -> str:
    """The skeleton of a slice."""
    return skeleton(text[start:end]).symbols


def covered(spans: tuple[Span, ...], text: str) -> str:
    """What of ``text`` the spans hold, as symbols, in order, each place once."""
    places = sorted({p for span in spans for p in range(span.start, span.end)})
    return skeleton("".join(text[p] for p in places)).symbols


LAYOUTS: dict[str, Callable[[str], str]] = {
    "verbatim": str,
    "re-wrapped": lambda text: textwrap.fill(text, 31),
    "bulleted": lambda text: "\n".join(f"* **{word}**" for word in text.split()),
    "quoted": lambda text: textwrap.indent(textwrap.fill(text, 40), "> "),
    "shouted": str.upper,
}


@pytest.mark.parametrize("layout", LAYOUTS)
@given(seed=st.integers(0, 10**6), data=st.data())
@FEW
def test_every_run_is_found_however_it_is_laid_out(
    layout: str, seed: int, data: st.DataObject
) -> None:
    """A run of MIN_RUN symbols or more is found whole, and its ranges fold to the same."""
    text = prose(seed)
    size = len(skeleton(text).symbols)
    start = data.draw(st.integers(0, size - MIN_RUN))
    end = data.draw(st.integers(start + MIN_RUN, size))
    offsets = skeleton(text).offsets()
    excerpt = text[offsets[start] : offsets[end - 1] + 1]
    before, after = prose(seed + 10**7, 12), prose(seed + 2 * 10**7, 12)
    prompt = f"{before} {LAYOUTS[layout](excerpt)} {after}"
    source = chunk(text)
    found = find(prompt, source, chunk(prose(seed + 1)))[source.digest]
    assert skeleton(excerpt).symbols in covered(found.spans, prompt)
    longest = max(span.symbols for span in found.spans)
    assert found.verdict == ("certain" if longest >= SURE or found.whole else "ambiguous")
    for span in found.spans:
        mine = symbols_of(prompt, span.start, span.end)
        assert mine == symbols_of(text, span.chunk_start, span.chunk_end)
        assert span.symbols == len(mine) >= MIN_RUN
        same = prompt[span.start : span.end] == text[span.chunk_start : span.chunk_end]
        assert span.verbatim is same


@pytest.mark.parametrize("script", SCRIPTS)
def test_every_script_is_found(script: str) -> None:
    """Texts of any script are found, with ranges that fold to the same symbols."""
    source = chunk(SCRIPTS[script])
    prompt = f"Context:\n「{source.text}」\nQuestion?"
    (span,) = find(prompt, source)[source.digest].spans
    inside = prompt[span.start : span.end]
    assert skeleton(inside).symbols == skeleton(source.text).symbols
    assert inside == source.text[span.chunk_start : span.chunk_end]
    assert span.verbatim


def test_a_ligature_on_the_edge_belongs_to_the_range() -> None:
    """A character that is half in a run is in its range: taken out, it goes whole."""
    source = chunk("A staff of eleven in the harbour branch knows of")
    prompt = source.text.removesuffix("f") + "ﬁnal"
    (span,) = find(prompt, source)[source.digest].spans
    assert prompt[span.end - 1] == "ﬁ"
    assert symbols_of(prompt, span.start, span.end).startswith(skeleton(source.text).symbols)


@given(st.lists(st.integers(0, 9), min_size=1, max_size=5), st.randoms(use_true_random=False))
@FEW
def test_the_order_of_chunks_does_not_matter(seeds: list[int], dice: random.Random) -> None:
    """Verdicts and ranges are the same in whatever order chunks were added."""
    parts = [prose(seed, 14) for seed in range(10)]
    chunks = [chunk(parts[s] + " " + parts[(s * 7 + 3) % 10]) for s in dict.fromkeys(seeds)]
    chunks += [chunk(parts[seeds[0]]), chunk(parts[seeds[-1]].upper())]
    prompt = "\n".join(parts[seed] for seed in seeds)
    expected = find(prompt, *chunks)
    dice.shuffle(chunks)
    assert find(prompt, *chunks) == expected


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 12)), max_size=30))
@FEW
def test_what_was_removed_was_never_there(steps: list[tuple[bool, int]]) -> None:
    """Whatever came and went, an index is like one that was only given what is left."""
    texts = ["", "n/a", "IBAN 12345", "x" * 31, "ab" * 400, SENTENCE * 30]
    texts += [prose(seed % 4, 20 + seed) for seed in range(7)]
    chunks = [chunk(text) for text in texts]
    index, left = Index(), dict[str, Chunk]()
    for add, place in steps:
        if add:
            index.add(chunks[place])
            left[chunks[place].digest] = chunks[place]
        else:
            index.remove(chunks[place].digest)
            left.pop(chunks[place].digest, None)
    fresh = index_of(*left.values())
    assert len(index) == len(left)
    assert all((one.digest in index) is (one.digest in left) for one in chunks)
    prompt = [Message("user", "\n".join(texts))]
    by_name = {one.chunk: one for one in index.attribute(prompt)}
    assert by_name == {one.chunk: one for one in fresh.attribute(prompt)}
    for digest in left:
        index.remove(digest)
    assert not index.attribute(prompt)
    assert not any((index._seeds, index._tiny, index._chunks, index._repeating, index._offsets))


def test_a_short_chunk_counts_where_all_of_it_is_there() -> None:
    """Each copy of it is found, also one that overlaps another; half of it is not."""
    short = chunk("Code 4711-AB")
    prompt = "code 4711 ab, then Code 4711-AB; Code 4711"
    found = find(prompt, short)[short.digest]
    assert [prompt[s.start : s.end] for s in found.spans] == ["code 4711 ab", "Code 4711-AB"]
    assert found.whole
    doubled = chunk("abababab")
    (one,) = find("x ababababab y", doubled).values()
    assert covered(one.spans, "x ababababab y") == "ababababab"
    assert not find("yes", chunk("yes"))
    assert not find(prompt[:8], short)


def test_messages_are_told_apart() -> None:
    """A span says which message it is in, and no run goes from one into the next."""
    source = chunk(prose(1, 30))
    half = len(source.text) // 2
    cut = [Message("system", source.text[:half]), Message("user", source.text[half:])]
    (found,) = index_of(source).attribute(cut)
    assert [span.message for span in found.spans] == [0, 1]
    for span in found.spans:
        assert (
            cut[span.message].text[span.start : span.end]
            == source.text[span.chunk_start : span.chunk_end]
        )


def test_an_excerpt_is_explained_by_the_chunk_that_is_there() -> None:
    """Of a chunk and an excerpt of it, with all of the chunk there, the chunk is certain."""
    whole, part = chunk(prose(1)), chunk(prose(1)[40:200])
    found = find(f"Context: {whole.text}", whole, part)
    assert found[whole.digest].verdict == "certain"
    assert found[part.digest] == Attribution(
        part.digest, "explained", found[part.digest].spans, (whole.digest,), whole=True
    )


def test_a_passage_that_two_chunks_share_is_ambiguous() -> None:
    """Where nothing tells two chunks apart, neither is certain and each names the other."""
    shared = prose(1, 30)
    one, two = chunk(prose(2) + shared), chunk(prose(3) + shared)
    found = find(shared, one, two)
    assert {a.verdict for a in found.values()} == {"ambiguous"}
    assert found[one.digest].group == (two.digest,)
    assert found[two.digest].group == (one.digest,)


def test_a_staff_note_in_a_long_shared_text_is_certain() -> None:
    """One sentence more than its public twin has is enough, in however long an article."""
    public = " ".join(prose(seed, 100) for seed in range(4))
    staff = public.replace("Ba", SENTENCE + "Ba", 1) if "Ba" in public else public + SENTENCE
    found = find(f"Context: {staff}", chunk(public), chunk(staff))
    assert found[chunk(staff).digest].verdict == "certain"


def test_none_is_explained_by_what_is_itself_explained_away() -> None:
    """Every symbol found stands in a chunk that is certain or ambiguous."""
    a, b, c = (prose(seed, 40) for seed in (1, 2, 3))
    chunks = [chunk(a + b + c), chunk(b + c + prose(9, 9)), chunk(a + b), chunk(c + prose(8, 9))]
    prompt = a + b + c
    found = find(prompt, *chunks)
    standing = [s for one in found.values() if one.verdict != "explained" for s in one.spans]
    everything = [s for one in found.values() for s in one.spans]
    assert covered(tuple(standing), prompt) == covered(tuple(everything), prompt)


@given(st.integers(0, 10**6), st.integers(1, 4), st.integers(1, 4))
@FEW
def test_absent_chunks_are_never_certain(seed: int, present: int, absent: int) -> None:
    """A chunk made of passages of those that are there is not there on its own account."""
    dice = random.Random(seed)
    there = [chunk(prose(seed + number, 50)) for number in range(present)]
    gone = []
    for number in range(absent):
        passages = [one.text[k : k + 120] for one in there for k in [dice.randrange(60)]]
        gone.append(chunk(f"{prose(seed + 100 + number, 20)} {' '.join(passages)}"))
    prompt = "Answer from:\n" + "\n---\n".join(one.text for one in there) + "\nQuestion?"
    found = find(prompt, *there, *gone)
    assert all(found[one.digest].verdict == "certain" for one in there)
    assert all(found[one.digest].verdict != "certain" for one in gone if one.digest in found)


def test_a_footer_of_many_documents_stays_cheap() -> None:
    """Two thousand chunks that share a footer are named where no document accounts for it."""
    footer = "This page is for general information and is not an offer. Terms apply."
    chunks = [chunk(f"{prose(seed, 20)} {footer}") for seed in range(2000)]
    index = index_of(*chunks)
    found = {one.chunk: one for one in index.attribute([Message("user", chunks[7].text)])}
    assert found.pop(chunks[7].digest).verdict == "certain"
    assert len(found) < 100
    assert all(one.verdict == "explained" for one in found.values())
    assert all(one.group == (chunks[7].digest,) for one in found.values())
    only = index.attribute([Message("system", f"Answer politely. {footer}")])
    assert len(only) == 2000
    assert {one.verdict for one in only} == {"ambiguous"}
    assert max(len(one.group) for one in only) <= 32


def test_many_documents_with_one_footer_are_not_matched_each_with_each(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """All 300 of them in one prompt: pairs in proportion to the prompt, and all are certain."""
    pairs = [0]
    real = _matcher.maximal

    def counted(*args: Any) -> Any:
        pairs[0] += len(args[2])
        return real(*args)

    monkeypatch.setattr(_matcher, "maximal", counted)
    footer = prose(10**6, 30)
    chunks = [chunk(f"{prose(seed, 30)} {footer}") for seed in range(300)]
    prompt = "\n\n".join(one.text for one in chunks)
    found = find(prompt, *chunks)
    assert [found[one.digest].verdict for one in chunks] == ["certain"] * 300
    assert pairs[0] < len(prompt)


REPETITIVE = {
    "aaaa": lambda n: "a" * n * 10,
    "abab": lambda n: "ab" * n * 5,
    "one sentence": lambda n: SENTENCE * n,
    "numbered": lambda n: "".join(f"{SENTENCE}{k} " for k in range(n)),
    "shuffled": lambda n: " ".join(random.Random(1).choices([*words(1, 6)], k=n * 5)),
}


@pytest.mark.parametrize("kind", REPETITIVE)
def test_repetitive_text_takes_steps_in_proportion(
    kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However long, it takes a few steps for each symbol, and gives fewer ranges than that."""
    steps = [0]
    maximal, append = _matcher.maximal, _automaton.Automaton._append

    def counted(*args: Any) -> Any:
        steps[0] += len(args[2])
        found = maximal(*args)
        steps[0] += len(found[0])
        return found

    def appended(*args: Any) -> Any:
        steps[0] += 1
        return append(*args)

    monkeypatch.setattr(_matcher, "maximal", counted)
    monkeypatch.setattr(_automaton.Automaton, "_append", appended)
    for size in (500, 1000, 2000):
        steps[0] = 0
        text = REPETITIVE[kind](size)
        other = REPETITIVE[kind](size - 7)[5:]
        source = chunk(text)
        spans = len(find(other, source, chunk(prose(1)))[source.digest].spans)
        assert steps[0] <= 5 * (len(text) + len(other))
        assert spans <= len(other) // 20 + 5


def test_colliding_hashes_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every match is compared symbol by symbol, so a poor hash costs time and no answer."""
    chunks = [chunk(prose(seed) + prose(seed + 1, 20)) for seed in range(12)]
    prompt = "\n".join(one.text for one in chunks[::2]) + prose(5, 30)
    expected = find(prompt, *chunks)
    real = _matcher.kgrams
    monkeypatch.setattr(_matcher, "kgrams", lambda *args: real(*args) & np.uint32(0xFFE00000))
    assert find(prompt, *chunks) == expected


@pytest.mark.parametrize("encoding", ["json", "html", "percent", "base64", "homoglyphs", "joiners"])
def test_an_encoded_copy_is_certain(encoding: str) -> None:
    """Escapes, markup, look-alikes and what cannot be seen do not hide a document."""
    source = chunk(prose(1) + ' "Ünder <no> circumstances" & so on\n\tÉ')
    encoded = {
        "json": lambda text: json.dumps({"content": [{"text": text}]}),
        "html": lambda text: "".join(f"<p>{html.escape(part)}</p>" for part in text.split(". ")),
        "percent": quote,
        "base64": lambda text: b64encode(text.encode()).decode(),
        "homoglyphs": lambda text: text.translate(str.maketrans("aeocB", "аеосВ")),  # noqa: RUF001
        "joiners": lambda text: "\u200b".join(text),
    }[encoding](source.text)
    prompt = f"Answer from this: {encoded} What now?"
    found = find(prompt, source, chunk(prose(2)))
    assert list(found) == [source.digest]
    assert found[source.digest].verdict == "certain"
    for span in found[source.digest].spans:
        assert 18 <= span.start < span.end <= 18 + len(encoded)
        assert span.evidence >= 40


def test_the_automaton_is_exact() -> None:
    """Its matches are the maximal shared stretches, from first copy to last, as counted by hand."""
    dice = random.Random(4)
    for _ in range(300):
        symbols = "".join(dice.choices("ab", k=dice.randint(1, 40)))
        text = "".join(dice.choices("abc", k=dice.randint(1, 40)))
        matches = list(_automaton.Automaton(symbols).matches(text, 3))
        expected = [
            (start, end)
            for start in range(len(text))
            for end in range(start + 3, len(text) + 1)
            if text[start:end] in symbols
            and (start == 0 or text[start - 1 : end] not in symbols)
            and (end == len(text) or text[start : end + 1] not in symbols)
        ]
        assert [(m.start, m.end) for m in matches] == expected
        for match in matches:
            piece = text[match.start : match.end]
            assert (match.first, match.last) == (symbols.find(piece), symbols.rfind(piece))


def test_a_chunk_that_repeats_itself_gives_the_range_of_all_copies() -> None:
    """Which copy was used cannot be told, so a label on any of them counts."""
    source = chunk(SENTENCE * 60 + prose(3, 30))
    found = find(SENTENCE, source)[source.digest]
    assert [(s.chunk_start, s.verbatim) for s in found.spans] == [(0, False)]
    assert found.spans[0].chunk_end >= len(SENTENCE) * 60 - 2
    ending = find(source.text[-120:], source)[source.digest]
    assert [s.verbatim for s in ending.spans] == [True]


def test_real_answers_and_documents() -> None:
    """Over 200 MTRAG rows: what was rendered is found, what was not is hardly ever certain."""
    path = dev_rows()
    if path is None:
        pytest.skip("no shared/data/attribution/dev.jsonl beside the checkout")
    with path.open(encoding="utf-8") as lines:
        rows = [json.loads(line) for line, _ in zip(lines, range(200), strict=False)]
    index = index_of(*(chunk(doc["text"]) for row in rows for doc in row["docs"]))
    wrong, looked_at = [], 0
    for row in rows:
        texts = [doc["text"] for doc in row["docs"]]
        rendered = "\n\n".join(f"[{n}] {text}" for n, text in enumerate(texts, 1))
        prompt = f"Answer from the passages.\n\n{rendered}\n\nQuestion: {row['turns'][-1]['text']}"
        found = {one.chunk: one for one in index.attribute([Message("user", prompt)])}
        there = {chunk(text).digest for text in texts if len(skeleton(text).symbols) >= 8}
        assert there <= found.keys()
        looked_at += len(there)
        wrong += [
            name for name, one in found.items() if one.verdict == "certain" and name not in there
        ]
        for one in found.values():
            for span in one.spans:
                assert len(symbols_of(prompt, span.start, span.end)) >= span.symbols
    assert looked_at > 400
    assert wrong == []


@pytest.mark.parametrize("text", ["", "???", "👍🏽 — …", "\x00\x01\ue000"])
def test_a_message_without_letters_holds_nothing(text: str) -> None:
    """Nothing is found, with chunks and without, also of no message at all."""
    for chunks in ([], [chunk(prose(1))]):
        assert index_of(*chunks).attribute([Message("user", text)]) == []
        assert index_of(*chunks).attribute([]) == []


def test_a_passage_of_many_is_found_beside_one_that_is_longer() -> None:
    """What 40 chunks share is not lost because another has most of it and a word more."""
    shared = prose(77, 12)
    bones = skeleton(shared)
    cut = bones.offsets()[len(bones.symbols) - 41]
    for shift in range(12):
        many = [chunk(f"{prose(seed, 20)}{'x' * shift} {shared}") for seed in range(40)]
        other = chunk(f"{prose(99, 20)} zebra {shared[cut:]} {prose(98, 20)}")
        found = find(f"So {prose(5, 3)} {shared[:cut]}{shared[cut:]} and on", *many, other)
        assert all(one.digest in found for one in many)


def test_long_texts_of_many_versions_are_compared_to_their_end() -> None:
    """However long a run is."""
    body = prose(1, 3000)
    chunks = [chunk(f"{prose(100 + seed, 20)} {body}") for seed in range(34)]
    found = find(chunks[3].text, *chunks)
    assert found[chunks[3].digest].verdict == "certain"
    assert found[chunks[3].digest].whole


def test_an_ideograph_that_differs_is_not_in_the_run() -> None:
    """What makes it count for three belongs to it."""
    source = chunk(f"甲{SCRIPTS['chinese']}")
    prompt = f"乙{SCRIPTS['chinese']}"
    (span,) = find(prompt, source)[source.digest].spans
    assert (span.start, span.chunk_start, span.verbatim) == (1, 1, True)
