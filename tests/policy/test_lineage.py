"""What a derived text inherits: laws of the join, of copying, and of the evidence."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from ragtrace.attribution import TEMPLATE, Index
from ragtrace.model import Attribution, Chunk, Document, Label, Message, Source, Span, digest
from ragtrace.policy import (
    COMPLETION,
    Policy,
    ancestry,
    derive,
    judge,
    judge_found,
    parse_policy,
    without_readable,
)
from tests.prose import prose

POLICY = parse_policy(
    b"version: 1\nlevels: [public, internal, secret]\naudiences:\n  customer: {clearance: public}\n"
)
LEVELS = ("public", "internal", "secret")


def chunk(name: str, text: str, level: str, **more: object) -> Chunk:
    source = Source("kb/notes")
    made = Chunk(name, Document(name), source, text, digest(text), Label(level), "test")
    return replace(made, **more)  # type: ignore[arg-type]


def found(one: Chunk, verdict: str = "certain", group: tuple[str, ...] = ()) -> Attribution:
    size = len(one.text)
    span = Span(0, 0, size, 0, size, size, verbatim=True, evidence=99)
    return Attribution(one.digest, verdict, (span,), group)  # type: ignore[arg-type]


def of(policy: Policy, *chunks: Chunk) -> tuple[Label, tuple[str, ...]]:
    label, origins = ancestry(policy, map(found, chunks), {one.digest: one for one in chunks})
    return label, tuple(origin.document for origin in origins)


def said(text: str, *chunks: Chunk) -> Chunk:
    """What a model made of ``chunks`` by saying ``text``."""
    known = {one.digest: one for one in chunks}
    inherited = ancestry(POLICY, map(found, chunks), known)
    index = Index()
    index.add(*chunks)
    return derive(POLICY, text, inherited, index.attribute([Message("assistant", text)]), known)


@given(st.lists(st.sampled_from(LEVELS), min_size=1, max_size=8))
def test_the_label_is_the_join_of_everything_and_the_strictest_is_named_first(
    levels: list[str],
) -> None:
    chunks = [chunk(f"d{n}", prose(n, 20), level) for n, level in enumerate(levels)]
    label, documents = of(POLICY, *chunks)
    assert label.level == max(levels, key=LEVELS.index)
    assert set(documents) == {one.document.id for one in chunks}
    (strictest,) = (one for one in chunks if one.document.id == documents[0])
    assert strictest.label == label


@given(st.permutations(range(5)))
def test_the_order_in_which_things_were_found_changes_nothing(order: list[int]) -> None:
    chunks = [chunk(f"d{n}", prose(n, 20), LEVELS[n % 3]) for n in range(5)]
    one, two = of(POLICY, *chunks), of(POLICY, *(chunks[n] for n in order))
    assert one[0] == two[0] and set(one[1]) == set(two[1])


@settings(max_examples=40)
@given(st.integers(1, 6))
def test_however_many_steps_it_takes_the_first_documents_are_named(steps: int) -> None:
    note = chunk("note", prose(1, 40), "secret")
    made = said(prose(100, 40), note)
    for step in range(steps):
        made = said(prose(101 + step, 40), made)
    assert made.label == Label("secret")
    assert [(one.document, one.evidence) for one in made.origins] == [("note", "taint")]


def test_a_passage_that_is_shared_counts_as_the_freest_of_those_who_have_it() -> None:
    one, two = chunk("a", prose(1, 30), "secret"), chunk("b", prose(2, 30), "public")
    both = [found(one, "ambiguous", (two.digest,)), found(two, "ambiguous", (one.digest,))]
    label, _ = ancestry(POLICY, both, {c.digest: c for c in (one, two)})
    assert label == Label("public")


def test_what_others_explain_is_not_inherited() -> None:
    one, two = chunk("a", prose(1, 30), "secret"), chunk("b", prose(2, 30), "public")
    label, origins = ancestry(
        POLICY,
        [found(one, "explained", (two.digest,)), found(two)],
        {c.digest: c for c in (one, two)},
    )
    assert label == Label("public") and [o.document for o in origins] == ["b"]


def test_words_of_a_document_keep_its_label_and_all_else_has_the_join() -> None:
    """A public sentence between two of the model's own stays public, wherever it stands."""
    note, page = chunk("note", prose(1, 60), "secret"), chunk("page", prose(2, 30), "public")
    before, after = prose(50, 20), prose(51, 20)
    made = said(f"{before} {page.text} {after}", note, page)
    start = made.text.index(page.text)
    assert made.label == Label("public")
    assert [part.label for part in made.ranges] == [Label("secret")] * 2
    first, last = made.ranges
    assert first.start == 0 and abs(first.end - start) <= 2
    assert abs(last.start - start - len(page.text)) <= 2 and last.end == len(made.text)


def test_what_is_said_from_public_text_alone_is_public() -> None:
    made = said(prose(50, 30), chunk("page", prose(2, 30), "public"))
    assert made.label == Label("public") and not made.ranges
    assert [one.document for one in made.origins] == ["page"]


def test_the_evidence_tells_words_from_a_few_words_from_none() -> None:
    notes = [chunk(f"n{n}", prose(n, 40), "secret") for n in range(3)]
    few = notes[1].text[:46]
    made = said(f"{notes[0].text} {prose(60, 10)} {few}.", *notes)
    assert {one.document: one.evidence for one in made.origins} == {
        "n0": "certain",
        "n1": "text",
        "n2": "taint",
    }


def test_of_a_text_that_copies_a_public_page_the_strict_origins_are_not_inherited() -> None:
    """Only the part that was found counts: a quoted public page has nothing of the note."""
    note, page = chunk("note", prose(1, 60), "secret"), chunk("page", prose(2, 30), "public")
    made = said(f"{prose(50, 20)} {page.text}", note, page)
    start = made.text.index(page.text)
    span = Span(0, 0, len(page.text), start, len(made.text), 200, verbatim=True, evidence=99)
    label, origins = ancestry(
        POLICY, [Attribution(made.digest, "certain", (span,))], {made.digest: made}
    )
    assert label == Label("public") and origins == ()


@given(st.text(max_size=400))
def test_any_text_is_covered_by_its_label_and_its_ranges(text: str) -> None:
    """Whatever a model says, ranges are in order, apart, within the text and above its label."""
    note = chunk("note", prose(1, 60), "secret")
    made = said(text, note)
    assert made.source == COMPLETION and made.digest == digest(text)
    edges = [edge for part in made.ranges for edge in (part.start, part.end)]
    assert edges == sorted(edges) and all(0 <= edge <= len(text) for edge in edges)
    assert all(part.label != made.label for part in made.ranges)


def test_a_rule_about_a_source_means_what_was_made_of_it_too() -> None:
    """Judged by its label alone a summary of a public handbook would pass a rule on handbooks."""
    policy = parse_policy(
        b"version: 1\nlevels: [public, internal, secret]\n"
        b"audiences:\n  customer: {clearance: public}\n"
        b"rules:\n  - {id: books, when: {source: 'kb/*', document: 'd*'}, decide: drop}\n"
    )
    customer = policy.audience("customer")
    book, page = chunk("d-book", prose(1, 30), "public"), chunk("page", prose(2, 30), "public")
    for origin, action in ((book, "drop"), (page, "allow")):
        made = said(prose(50, 30), origin)
        assert judge(policy, made, made.label, customer).action == action
    made = said(prose(51, 30), page, book)
    decision = judge(policy, made, made.label, customer)
    assert decision.rule == "books" and decision.reason.endswith("made from d-book")
    assert judge(policy, replace(made, released="told-before"), made.label, customer).rule == (
        "clearance"
    )


def test_what_stands_in_a_template_is_inherited_as_of_the_freest_who_have_it() -> None:
    """Three staff notes in the system prompt, again and again, are a leak and no template."""
    notes = [chunk(f"n{n}", prose(n, 20), "secret") for n in range(3)]
    page = chunk("page", prose(9, 20), "public")
    whole = [replace(found(one, "explained", (TEMPLATE,)), chunk=one.digest) for one in notes]
    known = {one.digest: one for one in (*notes, page)}
    assert ancestry(POLICY, whole, known)[0] == Label("secret")
    assert ancestry(POLICY, [*whole, found(page, "explained", (TEMPLATE,))], known)[0] == (
        Label("public")
    )


def test_one_origin_of_each_source_and_label_is_kept_however_many_there_are() -> None:
    chunks = [chunk(f"d{n}", prose(n, 20), "secret") for n in range(70)]
    rare = replace(chunk("rare", prose(99, 20), "public"), source=Source("kb/rare"))
    _, documents = of(POLICY, *chunks, rare)
    assert len(documents) == 64 and documents[-1] == "rare"


def test_a_part_that_is_only_a_copy_is_judged_without_the_origins() -> None:
    """The customer's own question, which an answer repeated, is not made of the note."""
    policy = parse_policy(
        b"version: 1\nlevels: [public, secret]\naudiences:\n  customer: {clearance: public}\n"
        b"rules:\n  - {id: notes, when: {document: note}, decide: drop}\n"
    )
    note, question = chunk("note", prose(1, 30), "public"), prose(70, 12)
    inherited = ancestry(policy, [found(note)], {note.digest: note})
    text = f"{question} {prose(50, 30)}"
    made = derive(policy, text, inherited, (), {}, [(0, len(question))])
    echo = Span(0, 0, len(question), 0, len(question), 60, verbatim=True, evidence=50)
    rest = Span(0, 0, 99, len(question) + 1, len(text), 99, verbatim=True, evidence=83)
    customer = policy.audience("customer")
    for span, action in ((echo, "allow"), (rest, "drop")):
        one = Attribution(made.digest, "certain", (span,))
        decisions = judge_found(policy, [one], {made.digest: made}, customer)
        assert decisions[made.digest].action == action


def test_what_a_model_said_makes_no_document_public() -> None:
    """It may have been said before somebody made a secret of it."""
    note = chunk("note", prose(1, 30), "secret")
    said_once = derive(POLICY, note.text, (Label("public"), ()), (), {})
    customer, known = POLICY.audience("customer"), {note.digest: note, "said": said_once}
    both = [found(note), replace(found(said_once), chunk="said")]
    left = without_readable(POLICY, both, known, customer)
    assert (
        left[0].spans and judge_found(POLICY, left, known, customer)[note.digest].action == "block"
    )
    shared = [replace(one, verdict="ambiguous", group=("said",)) for one in both]
    assert judge_found(POLICY, shared, known, customer)[note.digest].action == "block"
    released = {**known, "said": replace(said_once, released="told-before")}
    assert not without_readable(POLICY, both, released, customer)[0].spans
