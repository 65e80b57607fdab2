"""Derived texts: who has had them, which label counts, how many are remembered."""

from __future__ import annotations

from dataclasses import replace
from typing import cast

import pytest

from ragtrace.attribution import Index, read
from ragtrace.capture import _derived
from ragtrace.capture._derived import Completions, Derived
from ragtrace.capture._recipient import Recipient
from ragtrace.labels import Lattice
from ragtrace.model import (
    Action,
    Audience,
    Chunk,
    Document,
    Label,
    Message,
    Origin,
    Source,
    digest,
)
from ragtrace.policy import Policy, Rule
from ragtrace.policy._expression import Expression
from tests.prose import prose

LATTICE = Lattice(("public", "internal", "secret"))
POLICY = Policy.observing()
CUSTOMER = Audience("customer", "public", principal="u1")
ASKS_WHO = replace(
    POLICY, rules=(Rule("ann", Action.ALLOW, expressions=(cast(Expression, object()),)),)
)
"""A policy with a rule in CEL or Cedar, which may ask who somebody is."""


def made(text: str, label: Label, *origins: str) -> Derived:
    name = digest(text)
    behind = tuple(Origin(one, "kb/notes", digest(one), label) for one in origins)
    document, source = Document(name), Source("completion")
    return Derived(Chunk(name, document, source, text, name, label, "derived", origins=behind))


def had(label: Label, *readers: Audience, policy: Policy = POLICY) -> Derived:
    """A text that these have had, and have been told."""
    known, chunk = Completions(), made("x", label).chunk
    for reader in readers:
        one = Recipient.of(policy, chunk, reader)
        known.add(Derived(chunk, frozenset({one})), LATTICE)
        known.tell(chunk.digest, one)
    return known[chunk.digest]


@pytest.mark.parametrize(
    ("other", "alike"),
    [
        (CUSTOMER, True),
        (replace(CUSTOMER, principal="u2"), True),
        (replace(CUSTOMER, compartments=frozenset({"tenant:acme"})), True),
        (replace(CUSTOMER, name="partner"), False),
        (replace(CUSTOMER, clearance="internal"), False),
        (replace(CUSTOMER, known=False), False),
    ],
)
def test_what_one_reader_had_another_may_have_who_is_like_him(other: Audience, alike: bool) -> None:
    text = had(Label("secret"), CUSTOMER)
    assert text.was_told(POLICY, other) == text.was_passed(POLICY, other) == alike


def test_a_reader_who_lacks_a_compartment_is_not_like_one_who_has_it() -> None:
    tenant = replace(CUSTOMER, compartments=frozenset({"tenant:acme"}))
    text = had(Label("secret"), tenant)
    assert text.was_told(POLICY, tenant) and not text.was_told(POLICY, CUSTOMER)


@pytest.mark.parametrize("policy", [POLICY, ASKS_WHO])
def test_what_is_personal_is_for_the_very_person_it_was_for(policy: Policy) -> None:
    """Where the label names readers, or a rule may ask who somebody is."""
    label = Label("secret", readers=None if policy is ASKS_WHO else frozenset({"u1"}))
    text = had(label, CUSTOMER, policy=policy)
    assert text.was_told(policy, CUSTOMER) and text.was_passed(policy, CUSTOMER)
    for other in (replace(CUSTOMER, principal="u2"), replace(CUSTOMER, groups=frozenset({"g"}))):
        assert not text.was_told(policy, other) and not text.was_passed(policy, other)


@pytest.mark.parametrize("principal", ["u1", None])
def test_whoever_had_it_when_it_was_not_personal_is_nobody_once_it_is(
    principal: str | None,
) -> None:
    """A policy that begins to ask who somebody is finds that nobody has written it down."""
    reader = replace(CUSTOMER, principal=principal)
    text = had(Label("secret"), reader)
    assert text.was_told(POLICY, reader) and not text.was_told(ASKS_WHO, reader)


def test_a_greeting_to_everybody_is_kept_for_one() -> None:
    """Thousands of customers are one recipient where it makes no difference who they are."""
    text = had(Label("secret"), *(replace(CUSTOMER, principal=f"u{n}") for n in range(50)))
    assert len(text.passed) == len(text.told) == 1


def test_recipients_have_a_bound_beyond_which_nobody_has_had_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Those who were there before stay."""
    monkeypatch.setattr(_derived, "MOST_RECIPIENTS", 3)
    people = [replace(CUSTOMER, principal=f"u{n}") for n in range(5)]
    text = had(Label("secret"), *people, policy=ASKS_WHO)
    assert [text.was_told(ASKS_WHO, one) for one in people] == [True] * 3 + [False] * 2
    assert len(text.passed) == len(text.told) == 3
    several = frozenset(Recipient.of(ASKS_WHO, text.chunk, one) for one in people)
    known = Completions().add(Derived(text.chunk, several, several), LATTICE)
    assert len(known.passed) == len(known.told) == 3


def test_a_short_completion_says_nothing_by_being_there_whole() -> None:
    """A document of three words is found whole; "Thank you kindly" is anybody's."""
    known = Completions()
    known.add(made("Thank you kindly, sir.", Label("secret")), LATTICE)
    found = known.attribute(read([Message("user", "Well. Thank you kindly, sir. Good day.")]))
    assert not any(one.whole for one in found)


def twice(one: Derived, two: Derived) -> Chunk:
    """What is known of a text that was made twice."""
    known = Completions()
    known.add(one, LATTICE)
    return known.add(two, LATTICE).chunk


@pytest.mark.parametrize("first", [0, 1])
def test_a_text_made_twice_has_the_freer_of_its_labels(first: int) -> None:
    """And what that was made from: the stricter documents are not needed to know it."""
    labels = (Label("secret"), Label("public"))
    one, two = (made("the same", labels[n], f"note-{n}") for n in (first, 1 - first))
    chunk = twice(one, two)
    assert chunk.label == Label("public")
    assert [origin.document for origin in chunk.origins] == ["note-1"]


def test_where_neither_is_freer_both_count() -> None:
    """With the documents of both, the strictest first, and nothing of it is only a copy."""
    one = made("the same", Label("internal", frozenset({"pii"})), "note-1")
    two = made("the same", Label("secret"), "note-2")
    two = replace(two, chunk=replace(two.chunk, copied=((0, 8),)))
    chunk = twice(one, two)
    assert chunk.label == Label("secret", frozenset({"pii"}))
    assert [origin.document for origin in chunk.origins] == ["note-2", "note-1"]
    assert chunk.copied == ()


def test_a_text_made_twice_under_one_label_has_the_origins_of_both() -> None:
    """A rule that names the other document means it too."""
    one, two = (made("the same", Label("secret"), f"note-{n}") for n in (1, 2))
    chunk = twice(one, two)
    assert chunk.label == Label("secret")
    assert {origin.document for origin in chunk.origins} == {"note-1", "note-2"}
    assert twice(Derived(chunk), two) == chunk


def test_what_was_a_copy_in_one_making_only_is_none() -> None:
    """But where the second brings no other document, the first making stands."""
    one, two = (made("the same", Label("secret"), f"note-{n}") for n in (1, 2))
    copied = replace(one, chunk=replace(one.chunk, copied=((0, 8),)))
    assert twice(copied, two).copied == ()
    assert twice(copied, one) == copied.chunk


def test_plain_answers_do_not_push_out_those_with_a_label(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(_derived, "PLAIN", 3)
    monkeypatch.setattr(_derived, "LABELLED", 2)
    known = Completions()
    known.add(made(prose(0, 20), Label("secret")), LATTICE)
    for n in range(1, 9):
        known.add(made(prose(n, 20), Label("public")), LATTICE)
    assert known.get(digest(prose(0, 20))) is not None
    assert known.get(digest(prose(5, 20))) is None and len(known) == 4
    for n in range(20, 22):
        known.add(made(prose(n, 20), Label("secret")), LATTICE)
    assert known.get(digest(prose(0, 20))) is None
    assert not known.attribute(read([Message("user", prose(0, 20))]))


def test_a_text_that_could_not_be_made_findable_is_so_later(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Memory may run out in the midst of it: the next prompt that has the text shows it."""
    known, said = Completions(), made(prose(1, 30), Label("secret"))
    known.add(said, LATTICE)
    reading = read([Message("user", said.chunk.text)])
    with monkeypatch.context() as patch:
        patch.setattr(Index, "add", _out_of_memory)
        with pytest.raises(MemoryError):
            known.attribute(reading)
    assert [one.chunk for one in known.attribute(reading)] == [said.chunk.digest]


def _out_of_memory(*_: object) -> None:
    raise MemoryError
