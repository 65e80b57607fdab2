"""What was retrieved, held against the documents of today."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest

from ragtrace.attribution.corpus import Corpus, CorpusDocument, CorpusWriter
from ragtrace.forensics import FiledToday, IndexedToday, then_and_now
from ragtrace.model import Label, LabelledRange, Source, digest
from ragtrace.store import OWNER, Store
from tests.engine import content, flow, span, store

__all__ = ["store"]  # the fixture

TEXT = (
    "Fees are refunded twice a year, up to ninety dollars, by any clerk who has the form at hand."
)
PIECE = "The form is kept in the second drawer from above, next to the stamps and the envelopes."
LONG = f"{TEXT}\n\n{PIECE}"
OTHER = (
    "Fees are refunded never, whoever asks for it and whatever a clerk may have said before now."
)

Today = Callable[[Iterable[CorpusDocument]], Any]


@pytest.fixture(params=["files", "index"])
def today(request: pytest.FixtureRequest, tmp_path: Path) -> Today:
    """From documents to what is compared with: read from files, or from an index made of them."""

    def indexed(documents: Iterable[CorpusDocument]) -> IndexedToday:
        with CorpusWriter(tmp_path / "index") as writer:
            writer.add(documents)
        return IndexedToday(Corpus.open(tmp_path / "index"))

    return FiledToday if request.param == "files" else indexed


def document(id: str, text: str, level: str = "staff_only", **more: Any) -> CorpusDocument:
    """A document as it is today."""
    held = frozenset({"tenant:acme"})
    return CorpusDocument(id, text, Label(level, held), Source("chroma/bank"), **more)


def retrieved(store: Store, *flows: dict[str, Any], texts: Iterable[str] = ()) -> str:
    """Store one retrieval; the id of its trace."""
    stage = {"ragtrace__stage": "retrieval", "ragtrace__prompt__digest": None}
    store.write([span(1, *flows, **stage)], [content(text) for text in texts])
    return "0" * 31 + "1"


def test_every_change_is_told(store: Store, today: Today) -> None:
    """The same, relabelled, changed, vanished: one of each, with the level then and now."""
    ids = ["doc-same", "doc-label", "doc-text", "doc-gone", "doc-piece"]
    flows = [
        flow(place, document=id, digest=digest(PIECE if id == "doc-piece" else TEXT))
        for place, id in enumerate(ids)
    ]
    trace = retrieved(store, *flows, texts=[TEXT, PIECE])
    now = today(
        [
            document("doc-same", TEXT),
            document("doc-label", TEXT, "public"),
            document("doc-text", OTHER),
            document("doc-piece", LONG),
            document("doc-new", TEXT),
        ]
    )
    found = then_and_now(store.seen_by(OWNER), trace, now)
    assert [one.change for one in found.chunks] == [
        "same",
        "relabelled",
        "changed",
        "vanished",
        "same",
    ]
    assert found.counts == {"same": 2, "relabelled": 1, "changed": 1, "vanished": 1, "unknown": 0}
    assert [one.levels for one in found.chunks[:2]] == [("staff_only",), ("public",)]
    assert found.as_json()["chunks"][1]["level"] == "staff_only"
    assert then_and_now(store.seen_by(OWNER), f"{trace}/ff", now).chunks == ()


def test_what_cannot_be_told_is_said(store: Store, today: Today) -> None:
    """Of a text that is not kept a digest is left, and a model's text is no document's."""
    made = {"origins": [{"document": "doc-a", "source": "s", "digest": "d", "level": "x"}]}
    flows = [
        flow(0, document="doc-piece", digest=digest(PIECE)),
        flow(1, document="doc-made", digest=digest(OTHER), **made),
    ]
    trace = retrieved(store, *flows)
    now = today([document("doc-piece", LONG), document("doc-made", OTHER)])
    one, two = then_and_now(store.seen_by(OWNER), trace, now).chunks
    assert (one.change, two.change) == ("unknown", "unknown")
    assert "not kept" in one.reason and "made it" in two.reason


def test_a_digest_is_enough_for_a_whole_document(store: Store) -> None:
    """Where the document was retrieved whole and is read from files, no text need be kept."""
    trace = retrieved(store, flow(0, digest=digest(TEXT)), flow(1, digest=digest(OTHER)))
    now = FiledToday([document("doc-0", TEXT), document("doc-1", TEXT)])
    one, two = then_and_now(store.seen_by(OWNER), trace, now).chunks
    assert (one.change, two.change) == ("same", "unknown")


@pytest.mark.parametrize(
    ("then", "now", "change"),
    [
        (["staff_only"], ["staff_only"], "same"),
        (["staff_only"], ["secret"], "relabelled"),
        (["staff_only"], [], "relabelled"),
        ([], ["staff_only"], "relabelled"),
    ],
)
def test_the_labels_of_parts_count(
    store: Store, today: Today, then: list[str], now: list[str], change: str
) -> None:
    """A part that is for staff, in a document that is not: another level of it is another label."""
    ranges = [{"start": 0, "end": len(TEXT), "level": level} for level in then]
    level = "staff_only" if then else "public"
    trace = retrieved(
        store,
        flow(0, digest=digest(LONG), level=level, ranges=ranges),
        flow(1, document="doc-other", digest=digest(TEXT), level="public"),
        texts=[LONG, TEXT],
    )
    held = frozenset({"tenant:acme"})
    parts = tuple(LabelledRange(0, len(TEXT), Label(one, held)) for one in now)
    documents = [document("doc-0", LONG, "public", ranges=parts)]
    found = then_and_now(store.seen_by(OWNER), trace, FiledToday(documents))
    assert found.chunks[0].change == change
    held_now = today(documents).labels("doc-0")
    assert {one.level for one in held_now} == {"public", *now}


def test_an_index_names_nothing(tmp_path: Path) -> None:
    """What an index says of a document shows no key, no digest and no id in its repr."""
    with CorpusWriter(tmp_path / "index") as writer:
        writer.add([document("doc-0", TEXT)])
    corpus = Corpus.open(tmp_path / "index")
    held = corpus.document("doc-0")
    assert held is not None and held.has(TEXT.upper()) and not held.has(OTHER)
    assert repr(held) == "HeldDocument(1 parts)"
    assert corpus.document("doc-1") is None
    with CorpusWriter(tmp_path / "index") as writer:
        writer.remove(["doc-0"])
    corpus.refresh()
    assert corpus.document("doc-0") is None
