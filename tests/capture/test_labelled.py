"""A passage that is found again has the labels it had, and none that belong to another."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ragtrace.capture._labelled import labelled
from ragtrace.labels import LabelKeys, Labeller, Lattice
from ragtrace.model import Passage, Source
from ragtrace.policy import Policy
from tests.laws import examples

LATTICE = Lattice(("public", "1", "internal", "secret"))

VALUES: Any = st.sampled_from(
    ["public", "internal", "1", 1, True, 1.0, 0.0, -0.0, None, "", ["internal"], {"a": 1}]
)
PASSAGES = st.builds(
    Passage,
    text=st.sampled_from(["", "A fee of 4 euros.", "B" * 30_000]),
    source=st.sampled_from([Source("one"), Source("two")]),
    metadata=st.dictionaries(st.sampled_from(["label", "tenant", "source", "page"]), VALUES),
    id=st.sampled_from([None, "x", "y"]),
    rank=st.integers(0, 3),
    score=st.sampled_from([None, 0.5, 1.5]),
    unplaced=st.booleans(),
)


def policy_of(lattice: Lattice = LATTICE) -> Policy:
    return Policy(lattice, Labeller(lattice, LabelKeys(), (), (), lattice.strictest))


@given(st.lists(PASSAGES, max_size=12))
@settings(max_examples=examples(150))
def test_it_is_the_chunk_that_the_labeller_makes(found: list[Passage]) -> None:
    """Whatever was found before: also by metadata that is equal and written otherwise."""
    policy = policy_of()
    for passage in [*found, *found]:
        assert labelled(policy, passage) == policy.labeller.label(passage)


def test_metadata_that_has_changed_since_counts() -> None:
    """A store may hand out the very same object with another label in it."""
    policy = policy_of()
    metadata: dict[str, object] = {"label": "public"}
    passage = Passage("A fee.", Source("one"), metadata)
    assert labelled(policy, passage).label.level == "public"
    metadata["label"] = "secret"
    assert labelled(policy, passage).label.level == "secret"


@pytest.mark.parametrize("most_restricted", ["secret", "public"])
def test_another_policy_labels_anew(most_restricted: str) -> None:
    """What one policy has labelled says nothing under the next."""
    passage = Passage("A fee.", Source("one"), {})
    labelled(policy_of(), passage)
    other = policy_of(Lattice(("internal", most_restricted)))
    assert labelled(other, passage).label.level == most_restricted
