"""What is promised about texts that begin with front matter which their loader left there."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ragtrace.labels import AccessList, FrontMatter, LabelKeys, Labeller, Lattice
from ragtrace.labels._front_matter import MAX_FRONT_MATTER
from ragtrace.model import Chunk, Label, Passage, Source
from ragtrace.policy import parse_policy

LATTICE = Lattice(("public", "internal", "secret"))
KEYS = LabelKeys()
LOOKED_FOR = (*KEYS.level, "tenant", "restricted_spans", "user_ids", "group_ids")


def labeller(front: FrontMatter | None, unlabelled: str = "public") -> Labeller:
    """A labeller of metadata and front matter alone."""
    marks = (AccessList(("user_ids", "group_ids")),)
    return Labeller(LATTICE, KEYS, (), (), unlabelled, marks, front_matter=front)


def label(text: str, unlabelled: str = "public", labels: bool = False, **metadata: Any) -> Chunk:
    """``text`` with ``metadata``, labelled."""
    passage = Passage(text, Source("s"), metadata)
    return labeller(FrontMatter(LOOKED_FOR, labels), unlabelled).label(passage)


@pytest.mark.parametrize(
    "text",
    [
        "---\nlabel: secret\n---\nText.",
        "---\ntitle: A\nlabel: 'secret'\n\ntags: [a]\n---\n\nText.",
        "--- \r\nlabel: secret\r\n---\r\nText.",
        "\ufeff---\nlabel: secret\n...\nText.",
        "---\n{title: A, label: secret}\n---",
        '---\n"label": secret\n---\nText.',
        "---\nlabel: secret\ntitle: a splitter cut this o",
        "---\nlabel: secret\n\n# Nobody closed it\n",
    ],
)
def test_a_level_in_front_matter_counts(text: str) -> None:
    """However it is written, also where a splitter has cut it off."""
    chunk = label(text, label="public")
    assert (chunk.label, chunk.basis) == (Label("secret"), "metadata:label+front-matter:label")


def test_of_front_matter_and_metadata_the_strictest_counts() -> None:
    """Whichever of the two it is; names of levels are translated as they are in metadata."""
    assert label("---\nlabel: public\n---\n", label="secret").label.level == "secret"
    assert label("---\nlabel: public\naudience: secret\n---\n").label.level == "secret"
    assert label("---\nlabel: made up\n---\n", label="secret").label.level == "made up"


def test_tenants_and_access_lists_count() -> None:
    """As they do in metadata: a compartment, and readers that both lists let in."""
    chunk = label("---\ntenant: acme\nuser_ids: [ann, bob]\n---\nText.", user_ids=["bob"])
    assert chunk.label == Label("public", frozenset({"tenant:acme"}), frozenset({"bob"}))
    assert chunk.basis == "acl:user_ids+front-matter:tenant+front-matter:user_ids+unlabelled"


def test_nobody_is_released_by_what_a_text_says_of_itself() -> None:
    """Unless the policy says so, an unlabelled text stays as strict as unlabelled text is."""
    text = "---\nlabel: public\n---\nText."
    assert label(text, "secret").label.level == "secret"
    assert label(text, "secret").basis == "front-matter:label+unlabelled"
    assert label(text, "secret", labels=True).label.level == "public"
    assert label("---\ntenant: acme\n---\n", "secret", labels=True).label.level == "secret"


@pytest.mark.parametrize(
    "text",
    [
        "---\nlabel: [public\n---\nText.",
        "---\nlabel: public\nlabel: public\n---\nText.",
        "---\nlabel: &a public\ntitle: *a\n---\nText.",
        "---\n<<: {label: public}\n---\nText.",
        "---\nlabel: public\ntitle: a: b\n---\nText.",
        "---\nlabel: " + "[" * 30 + "]" * 30 + "\n---\nText.",
        "---\nlabel: " + "9" * 5000 + "\n---\nText.",
        "---\nlabel: !!python/name:os.system\n---\nText.",
        "---\nlabel: a\x07\n---\nText.",
        "---\ntenant: {\n---\nText.",
        "---\nuser_ids: [ann\n---\nText.",
        "---\nlabel: 'cut o",
    ],
)
def test_front_matter_that_cannot_be_read_is_the_strictest(text: str) -> None:
    """It may have held any label."""
    chunk = label(text, label="public")
    assert (chunk.label, chunk.basis) == (Label("secret"), "metadata:label+front-matter")


@pytest.mark.parametrize(
    "text",
    [
        "---\nA rule, and text below it.\n---\nMore.",
        "---\n\nThe trust of a customer, as the label on a tin.\n",
        "----\nlabel: secret\n----\n",
        "--- label: secret\n---\n",
        "Text.\n---\nlabel: secret\n---\n",
        "---\n- label: secret\n---\n",
        "---\ntitle: [broken\n---\n",
        "---\n# label: secret\n---\n",
        "---\ninner: {a: 1,\n label: secret}\n---\n",
        "---\n" + "x: y\n" * (MAX_FRONT_MATTER // 5) + "label: secret\n---\n",
        "---",
    ],
)
def test_what_is_no_front_matter_is_left_alone(text: str) -> None:
    """A rule above any text, fields that say nothing of labels, and what is too long."""
    assert label(text, label="public") == labeller(None).label(
        Passage(text, Source("s"), {"label": "public"})
    )


@pytest.mark.parametrize("blank", ["", "\n", "\r\n\r\n"])
def test_ranges_count_from_the_text_after_the_front_matter(blank: str) -> None:
    """As in metadata that a loader reads off it; blank lines between are covered either way."""
    text = f"---\nrestricted_spans: [{{start: 4, end: 9, label: secret}}]\n---\n{blank}0123456789ab"
    chunk = label(text, label="public")
    (part,) = chunk.ranges
    assert text[part.start : part.end].endswith("45678")
    assert part.end - part.start == 5 + len(blank)
    assert (part.label, chunk.label) == (Label("secret"), Label("public"))
    assert chunk.basis == "metadata:label+front-matter:restricted_spans"


def test_ranges_that_are_not_in_the_text_restrict_all_of_it() -> None:
    """Those of a document are not those of the piece that was cut from it."""
    text = "---\nrestricted_spans: [{start: 400, end: 900, label: internal}]\n---\nText."
    (part,) = label(text, label="public").ranges
    assert (text[part.start : part.end], part.label) == ("Text.", Label("secret"))


LINES = st.sampled_from(
    [
        *("---", "...", "", "label: secret", "label: public", "audience: internal", "tenant: a"),
        *("user_ids: [ann]", "restricted_spans: [{start: 1, end: 3}]", "  - x", "{", "a: *b"),
        *("restricted_spans: 7", "prose, as it comes", "label:", "title: [a", "\tlabel: x"),
    ]
)
TEXTS = st.lists(LINES, max_size=8).map(lambda lines: "\n".join(["---", *lines]))


@given(TEXTS, st.sampled_from(LATTICE.levels), st.booleans())
def test_front_matter_never_makes_less_strict(text: str, level: str, given: bool) -> None:
    """Whatever stands in it, with or without a label in the metadata."""
    passage = Passage(text, Source("s"), {"label": level} if given else {})
    plain = labeller(None, level).label(passage)
    chunk = labeller(FrontMatter(LOOKED_FOR), level).label(passage)
    assert LATTICE.dominates(chunk.label, plain.label)
    assert all(0 <= part.start < part.end <= len(text) for part in chunk.ranges)
    assert all(one.end <= two.start for one, two in itertools.pairwise(chunk.ranges))
    assert labeller(FrontMatter(LOOKED_FOR), level).label(passage) == chunk


@given(TEXTS, st.sampled_from(LATTICE.levels))
def test_a_labelled_text_keeps_at_least_its_label_in_every_mode(text: str, level: str) -> None:
    """Also where front matter counts as metadata do."""
    assert LATTICE.dominates(label(text, labels=True, label=level).label, Label(level))


@pytest.mark.parametrize(
    ("said", "level"), [("", "secret"), ("restricts", "secret"), ("labels", "public")]
)
def test_the_policy_says_what_front_matter_may_do(said: str, level: str) -> None:
    """It restricts unless said; keys of the policy's own are the ones that are looked for."""
    how = f", front_matter: {said}" if said else ""
    policy = parse_policy(
        b"version: 1\nlevels: [public, secret]\naudiences: {a: {clearance: public}}\n"
        b"labels: {level_keys: [class], acl_keys: [who]%s}\n" % how.encode()
    )
    text = "---\nclass: public\nlabel: secret\nwho: [ann]\n---\nText."
    chunk = policy.labeller.label(Passage(text, Source("s"), {}))
    assert chunk.label == Label(level, readers=frozenset({"ann"}))
    strict = policy.labeller.label(Passage("---\nclass: secret\n---\n", Source("s"), {}))
    assert strict.label.level == "secret"


def test_front_matter_may_be_ignored() -> None:
    """A policy may say that it is text like any other."""
    policy = parse_policy(
        b"version: 1\nlevels: [public, secret]\naudiences: {a: {clearance: public}}\n"
        b"labels: {front_matter: ignored}\nunlabelled: public\n"
    )
    chunk = policy.labeller.label(Passage("---\nlabel: secret\n---\n", Source("s"), {}))
    assert chunk.basis == "unlabelled"
