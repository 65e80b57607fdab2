"""What the lattice of labels promises."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ragtrace.labels import Lattice
from ragtrace.model import Audience, Label

LEVELS = ("public", "internal", "secret")
LATTICE = Lattice(LEVELS)
NAMES = st.frozensets(st.sampled_from("abc"), max_size=3)
LABELS = st.builds(
    Label,
    level=st.sampled_from([*LEVELS, "unheard", "zzz", ""]),
    compartments=NAMES,
    readers=st.none() | NAMES,
    integrity=st.sampled_from(["trusted", "untrusted"]),
)
AUDIENCES = st.builds(
    Audience,
    name=st.just("somebody"),
    clearance=st.sampled_from([*LEVELS, "unheard"]),
    compartments=NAMES,
    principal=st.none() | st.sampled_from("abc"),
    groups=NAMES,
)


def join(*labels: Label) -> Label:
    """The join in the lattice of these tests."""
    return LATTICE.join(labels)


def meet(*labels: Label) -> Label:
    """The meet in the lattice of these tests."""
    return LATTICE.meet(labels)


@given(LABELS, LABELS, LABELS)
def test_join_is_commutative_associative_and_idempotent(a: Label, b: Label, c: Label) -> None:
    """In whatever order and however often labels meet, the same label results."""
    assert join(a, b) == join(b, a)
    assert join(join(a, b), c) == join(a, join(b, c)) == join(a, b, c)
    assert join(a, a) == a == join(a)
    assert join(join(a, b), a) == join(a, b)


@given(LABELS, LABELS, LABELS)
def test_join_is_the_least_upper_bound(a: Label, b: Label, c: Label) -> None:
    """The join is as strict as each, and nothing that is so too is less strict than it."""
    assert LATTICE.dominates(join(a, b), a)
    assert LATTICE.dominates(join(a, b), b)
    if LATTICE.dominates(c, a) and LATTICE.dominates(c, b):
        assert LATTICE.dominates(c, join(a, b))


@given(LABELS, LABELS, LABELS)
def test_meet_is_commutative_associative_and_idempotent(a: Label, b: Label, c: Label) -> None:
    """In whatever order and however often labels are met, the same label results."""
    assert meet(a, b) == meet(b, a)
    assert meet(meet(a, b), c) == meet(a, meet(b, c)) == meet(a, b, c)
    assert meet(a, a) == a == meet(a)


@given(LABELS, LABELS, LABELS)
def test_meet_is_the_greatest_lower_bound(a: Label, b: Label, c: Label) -> None:
    """The meet is at most as strict as each, and nothing that is so too is stricter than it."""
    assert LATTICE.dominates(a, meet(a, b))
    assert LATTICE.dominates(b, meet(a, b))
    if LATTICE.dominates(a, c) and LATTICE.dominates(b, c):
        assert LATTICE.dominates(meet(a, b), c)


@given(LABELS, LABELS)
def test_join_and_meet_absorb_each_other(a: Label, b: Label) -> None:
    """What a label joins and meets with the same other is itself."""
    assert join(a, meet(a, b)) == a
    assert meet(a, join(a, b)) == a


@given(LABELS, LABELS, LABELS)
def test_join_and_meet_distribute(a: Label, b: Label, c: Label) -> None:
    """Each goes over the other, as in every product of orders and of sets."""
    assert meet(a, join(b, c)) == join(meet(a, b), meet(a, c))
    assert join(a, meet(b, c)) == meet(join(a, b), join(a, c))


@given(LABELS, LABELS)
def test_the_order_is_that_of_join_and_meet(a: Label, b: Label) -> None:
    """A label dominates another exactly where it is their join, and the other their meet."""
    for upper, lower in ((a, b), (join(a, b), a), (a, meet(a, b))):
        dominates = LATTICE.dominates(upper, lower)
        assert dominates is (join(upper, lower) == upper)
        assert dominates is (meet(upper, lower) == lower)


@given(LABELS)
def test_the_public_label_is_the_bottom(a: Label) -> None:
    """Public content adds nothing to what it is joined with, and no meet is below it."""
    assert join(a, join()) == a
    assert meet(a, join()) == join()
    assert LATTICE.dominates(a, join())


def test_of_no_labels_there_is_no_meet() -> None:
    """No label is stricter than all, as any name nobody declared is stricter than the last."""
    with pytest.raises(ValueError, match="expected at least one"):
        meet()


@given(LABELS, LABELS, LABELS)
def test_join_is_monotone(a: Label, b: Label, c: Label) -> None:
    """A stricter input never gives a less strict result."""
    stricter = join(a, c)
    assert LATTICE.dominates(join(stricter, b), join(a, b))


@given(LABELS, LABELS, LABELS)
def test_dominates_is_a_partial_order(a: Label, b: Label, c: Label) -> None:
    """Reflexive, antisymmetric and transitive."""
    assert LATTICE.dominates(a, a)
    if LATTICE.dominates(a, b) and LATTICE.dominates(b, a):
        assert a == b
    upper = join(a, b)
    assert LATTICE.dominates(join(upper, c), a)
    if LATTICE.dominates(a, b) and LATTICE.dominates(b, c):
        assert LATTICE.dominates(a, c)


@given(AUDIENCES, LABELS, LABELS)
def test_permits_is_antitone_in_the_label(audience: Audience, a: Label, b: Label) -> None:
    """Who may read stricter content may read less strict content."""
    if LATTICE.permits(audience, join(a, b)):
        assert LATTICE.permits(audience, a)
        assert LATTICE.permits(audience, b)


@given(AUDIENCES, LABELS, LABELS)
def test_permits_is_monotone(audience: Audience, a: Label, b: Label) -> None:
    """Who may read a label may read every label that it dominates."""
    for lower in (b, meet(a, b)):
        if LATTICE.dominates(a, lower) and LATTICE.permits(audience, a):
            assert LATTICE.permits(audience, lower)


@given(AUDIENCES, LABELS, LABELS)
def test_who_may_read_each_may_read_the_join_but_for_groups(
    audience: Audience, a: Label, b: Label
) -> None:
    """One known by one name may read the join of what it may read; see the next test."""
    names = frozenset({audience.principal}) if audience.principal else frozenset()
    one_name = len(names | audience.groups) <= 1
    if one_name and LATTICE.permits(audience, a) and LATTICE.permits(audience, b):
        assert LATTICE.permits(audience, join(a, b))


def test_a_reader_by_name_here_and_by_group_there_is_refused_the_join() -> None:
    """A join knows no members of groups; it refuses one too many rather than one too few."""
    ann = Audience("a", "public", principal="ann", groups=frozenset({"board"}))
    by_name = Label("public", readers=frozenset({"ann"}))
    by_group = Label("public", readers=frozenset({"board"}))
    assert LATTICE.permits(ann, by_name)
    assert LATTICE.permits(ann, by_group)
    assert not LATTICE.permits(ann, join(by_name, by_group))


@given(st.text().filter(lambda name: name not in LEVELS))
def test_an_unknown_level_is_stricter_than_all_known(name: str) -> None:
    """A level nobody declared dominates every declared one and is for nobody."""
    assert all(LATTICE.dominates(Label(name), Label(level)) for level in LEVELS)
    assert not any(LATTICE.dominates(Label(level), Label(name)) for level in LEVELS)
    assert not LATTICE.permits(Audience("a", "secret"), Label(name))
    assert not LATTICE.permits(Audience("a", name), Label(name))


def test_a_clearance_nobody_declared_is_the_least() -> None:
    """An audience whose clearance is a typing error may read what everybody may."""
    typo = Audience("staff", "secert")
    assert LATTICE.permits(typo, Label("public"))
    assert not LATTICE.permits(typo, Label("internal"))


def test_readers_are_principals_or_groups() -> None:
    """A label with readers is for those it names, by themselves or by a group."""
    label = Label("public", readers=frozenset({"ann", "board"}))
    assert LATTICE.permits(Audience("a", "public", principal="ann"), label)
    assert LATTICE.permits(Audience("a", "public", groups=frozenset({"board"})), label)
    assert not LATTICE.permits(Audience("a", "secret"), label)


def test_of_no_labels_the_join_is_the_least() -> None:
    """Content made of nothing is public."""
    assert join() == Label("public")
    assert (LATTICE.least, LATTICE.strictest) == ("public", "secret")


@pytest.mark.parametrize("levels", [(), ("a", "a")])
def test_levels_are_at_least_one_and_distinct(levels: tuple[str, ...]) -> None:
    """An order that is none is refused."""
    with pytest.raises(ValueError, match="expected at least one name, and none twice"):
        Lattice(levels)
