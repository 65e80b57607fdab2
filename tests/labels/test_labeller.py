"""What the labeller promises about whatever a framework hands over."""

from __future__ import annotations

import itertools
import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ragtrace.labels import LabelKeys, Labeller, Lattice, SectionRule, SourceRule
from ragtrace.model import Chunk, Label, LabelledRange, Passage, Source

LATTICE = Lattice(("public", "internal", "secret"))
STAFF = SectionRule("staff", "Staff*", Label("secret"))
TEXT = "All about cards and their fees, and what to do."


def labeller(**change: Any) -> Labeller:
    """A labeller with no rules but those given; what is unlabelled is internal."""
    said = {"keys": LabelKeys(), "sources": (), "sections": (), "unlabelled": "internal"} | change
    return Labeller(LATTICE, **said)


def label(metadata: dict[str, Any], text: str = TEXT, **change: Any) -> Chunk:
    """A passage with ``metadata``, labelled."""
    return labeller(**change).label(Passage(text, Source("chroma/bank"), metadata))


class Hostile:
    """A value that answers nothing."""

    def __str__(self) -> str:
        """Fail."""
        raise RuntimeError("no")

    def __bool__(self) -> bool:
        """Fail."""
        raise RuntimeError("no")


SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=20)
    | st.binary(max_size=8)
    | st.sampled_from(["[" * 5000, "{", "null", "1e999", "Infinity"])
    | st.just("huge").map(lambda _: 10**5000)  # Hypothesis could not print it either
)
GARBAGE = st.recursive(
    SCALARS,
    lambda some: (
        st.lists(some, max_size=3)
        | st.tuples(some, some)
        | st.dictionaries(st.sampled_from(["start", "end", "label", "x"]), some, max_size=4)
    ),
    max_leaves=8,
)


@pytest.mark.parametrize("key", LabelKeys().level)
def test_each_metadata_key_labels(key: str) -> None:
    """Every key that is looked at can label, and says so in the basis."""
    chunk = label({key: "public"})
    assert (chunk.label, chunk.basis) == (Label("public"), f"metadata:{key}")


def test_of_several_labels_the_strictest_counts() -> None:
    """A second key can only make a chunk stricter, wherever it stands in the order of keys."""
    assert label({"label": "public", "audience": "secret"}).label.level == "secret"
    assert label({"audience": "public", "label": "secret"}).label.level == "secret"
    assert label({"label": "secret", "trust": "made up"}).label.level == "made up"


def test_other_names_for_levels() -> None:
    """A name the policy translates counts as the level it stands for; others as unknown."""
    keys = LabelKeys(names=(("staff_only", "secret"), ("1", "public")))
    assert label({"label": "staff_only"}, keys=keys).label.level == "secret"
    assert label({"label": 1}, keys=keys).label.level == "public"
    assert label({"label": "Public"}, keys=keys).label.level == "Public"


def test_what_nobody_labelled() -> None:
    """Without a key or a source rule the level is the policy's for that case."""
    assert label({}).label.level == label({"label": None}).label.level == "internal"
    assert label({}).basis == "unlabelled"
    assert label({"tenant": "acme"}).label.level == "internal"


def test_a_tenant_becomes_a_compartment() -> None:
    """The tenant's name is held beside the level, and not where no key is read."""
    assert label({"tenant": "acme", "label": "public"}).label == Label(
        "public", frozenset({"tenant:acme"})
    )
    assert not label({"tenant": "acme"}, keys=LabelKeys(tenant=None)).label.compartments


@pytest.mark.parametrize(
    ("rule", "metadata", "fits"),
    [
        ({"source": "chroma/*"}, {}, True),
        ({"source": "pinecone/*"}, {}, False),
        ({"source": "*/bank"}, {}, True),
        ({"source": "*/ba*"}, {}, True),
        ({"source": "bank"}, {}, False),
        ({"uri": "*/staff/*"}, {"source": "kb/staff/x.md"}, True),
        ({"uri": "*/staff/*"}, {"url": "https://x", "file_path": "kb/staff/x.md"}, True),
        ({"uri": "*/staff/*"}, {}, False),
        ({"metadata": (("kb", "staff*"),)}, {"kb": "staff_handbook"}, True),
        ({"metadata": (("kb", "7"),)}, {"kb": 7}, True),
        ({"metadata": (("kb", "staff*"), ("v", "1"))}, {"kb": "staff"}, False),
        ({"metadata": (("kb", "*"),)}, {"kb": 10**5000}, True),
    ],
)
def test_source_rules(rule: dict[str, Any], metadata: dict[str, Any], fits: bool) -> None:
    """A rule labels when all its patterns fit, by whichever address a document has."""
    chunk = label(metadata, sources=(SourceRule("r", Label("secret"), **rule),))
    assert chunk.label.level == ("secret" if fits else "internal")
    assert ("source:r" in chunk.basis) is fits


def test_a_source_rule_only_makes_stricter() -> None:
    """The metadata's own label stands where it is the stricter one."""
    rule = SourceRule("r", Label("public"), source="*")
    assert label({"label": "secret"}, sources=(rule,)).label.level == "secret"


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("# Fees\nfree\n## Staff only\nno\n## More\nyes", ["## Staff only\nno\n"]),
        ("# Staff\na\n## Sub\nb\n# Next\nc", ["# Staff\na\n## Sub\nb\n"]),
        ("## Staff only ##\r\nto the end", ["## Staff only ##\r\nto the end"]),
        ("   ## STAFF notes\nno\n", ["   ## STAFF notes\nno\n"]),
        (
            "## Staff\n```sh\n# a comment\nkey\n```\n## More\n",
            ["## Staff\n```sh\n# a comment\nkey\n```\n"],
        ),
        ("## Staff\n```\nopen\n## More\nx", ["## Staff\n```\nopen\n## More\nx"]),
        ("## Staff\n```one line```\n## More\nx", ["## Staff\n```one line```\n"]),
        ("~~~\n## Staff\n~~~\n# Next\nx", ["## Staff\n~~~\n"]),
        ("# Staff a\n# Staff b\n# c", ["# Staff a\n# Staff b\n"]),
        ("Staff only\n# Fees", []),
    ],
)
def test_sections(text: str, parts: list[str]) -> None:
    """A section runs to the next heading of its rank; a comment in a code fence ends none."""
    chunk = label({"label": "public"}, text, sections=(STAFF,))
    assert [text[p.start : p.end] for p in chunk.ranges] == parts
    assert all(p.label == Label("secret") for p in chunk.ranges)
    assert ("section:staff" in chunk.basis) is bool(parts)
    assert chunk.label == Label("public")


def test_headings_are_found_in_one_pass() -> None:
    """A hundred thousand spaces, hashes or headings take no time that anybody notices."""
    for text in ("# " + " " * 200_000 + "x", "# " + "# " * 100_000, "# Staff\n" * 20_000):
        assert label({}, text, sections=(STAFF,)).text == text


@pytest.mark.parametrize("as_json", [False, True])
def test_ranges_are_a_list_or_its_json(as_json: bool) -> None:
    """Stores that keep only scalars hold the list as JSON; both say the same."""
    listed = [{"start": 4, "end": 9, "label": "secret"}, {"start": 20, "end": 10**9}]
    chunk = label(
        {"label": "public", "restricted_spans": json.dumps(listed) if as_json else listed}
    )
    assert chunk.ranges == (
        LabelledRange(4, 9, Label("secret")),
        LabelledRange(20, len(TEXT), Label("secret")),
    )
    assert labeller().effective(chunk) == Label("secret")


@pytest.mark.parametrize("nothing", [None, "", [], (), "[]"])
def test_no_ranges(nothing: object) -> None:
    """What says that there are no ranges gives none."""
    assert label({"restricted_spans": nothing}).ranges == ()


@pytest.mark.parametrize(
    "garbage",
    [
        *("no json", "null", "7", "[" * 100_000, 0, False, 1.5, {"start": 0}, b"[]"),
        *(["x"], [None], [{}], [{"start": 0}], [{"start": "a", "end": 3}]),
        *([{"start": 9, "end": 3}], [{"start": -5, "end": 3}], [{"start": 1.5, "end": 3}]),
        *(
            [{"start": 0, "end": math.inf}],
            [{"start": math.nan, "end": 3}],
            [{"start": True, "end": 3}],
        ),
        *(
            [{"start": 900, "end": 950}],
            '[{"start": 0, "end": Infinity}]',
            [{"start": 0, "end": "9" * 5000}],
        ),
    ],
)
def test_ranges_that_cannot_be_read_restrict_the_whole_text(garbage: object) -> None:
    """So do ranges that are not in this text: they are about the one it was cut from."""
    chunk = label({"label": "public", "restricted_spans": garbage})
    assert chunk.ranges == (LabelledRange(0, len(TEXT), Label("secret")),)


@given(
    st.dictionaries(st.sampled_from([*LabelKeys().level, "tenant", "id", "url"]), GARBAGE), GARBAGE
)
def test_garbage_never_raises_and_never_makes_less_strict(
    metadata: dict[str, Any], ranges: object
) -> None:
    """Whatever the metadata holds, the label dominates that of the metadata's sound part."""
    sound = label({"label": "internal"})
    chunk = label(metadata | {"audience": "internal", "restricted_spans": ranges})
    assert LATTICE.dominates(chunk.label, sound.label)
    assert all(0 <= p.start < p.end <= len(TEXT) for p in chunk.ranges)
    known = {*LATTICE.levels}
    given = [
        metadata[k] for k in LabelKeys().level if k != "audience" and metadata.get(k) is not None
    ]
    if any(str(value) not in known for value in given if not _huge(value)):
        assert not known & {chunk.label.level}


def _huge(value: object) -> bool:
    try:
        str(value)
    except ValueError:
        return True
    return False


def test_a_value_that_answers_nothing_is_a_label_nobody_knows() -> None:
    """A stranger's class that raises on being written is read as the strictest."""
    for key in ("label", "tenant", "id", "url", "restricted_spans"):
        chunk = label({key: Hostile(), "label": Hostile()})
        assert chunk.label.level == "unreadable Hostile"


@given(st.lists(st.tuples(st.integers(0, 47), st.integers(1, 47), st.sampled_from(LATTICE.levels))))
def test_overlapping_ranges_are_flattened_to_their_join(
    listed: list[tuple[int, int, str]],
) -> None:
    """Each character carries the join of the ranges over it; ranges are in order and disjoint."""
    listed = [(start, min(47, start + size), level) for start, size, level in listed if start < 47]
    said = [{"start": start, "end": end, "label": level} for start, end, level in listed]
    parts = label({"restricted_spans": said}).ranges
    assert all(one.end <= two.start for one, two in itertools.pairwise(parts))
    for place in range(47):
        over = [Label(level) for start, end, level in listed if start <= place < end]
        mine = [part.label for part in parts if part.start <= place < part.end]
        assert mine == ([LATTICE.join(over)] if over else [])


def test_ids_come_from_the_metadata() -> None:
    """Chunk and document are called what the framework calls them, else by digest."""
    chunk = label({"chunk_id": "c7", "doc_id": 12, "source": "kb/a.md"})
    assert (chunk.id, chunk.document.id, chunk.document.uri) == ("c7", "12", "kb/a.md")
    assert label({}).id == label({}).document.id == label({}).digest[:16]
