"""What is promised about marks that others put on documents."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ragtrace.labels import (
    AccessList,
    FlowLabel,
    LabelKeys,
    Labeller,
    Lattice,
    Mark,
    SensitivityLabels,
)
from ragtrace.model import Audience, Chunk, Label, Passage, Source

LATTICE = Lattice(("public", "internal", "secret"))
GENERAL = "2096f6a2-d2f7-48be-b329-b73aaa526e5d"
PERSONAL = "9d35b34b-6e4b-4f5c-8a0f-5c9b1b6a7d10"
MSIP = SensitivityLabels(((GENERAL, "internal"), (PERSONAL.upper(), "public")))
ACL = AccessList(("user_ids", "group_ids"))
TLP = LabelKeys(tlp=(("clear", "public"), ("green", "internal"), ("amber", "internal")))


def label(metadata: Mapping[str, Any], *marks: Mark, keys: LabelKeys | None = None) -> Chunk:
    """A passage with ``metadata``, labelled; unlabelled is internal."""
    labeller = Labeller(LATTICE, keys or LabelKeys(), (), (), "internal", marks)
    return labeller.label(Passage("text", Source("chroma/bank"), dict(metadata)))


@pytest.mark.parametrize(
    ("name", "level"),
    [
        *(("TLP:CLEAR", "public"), ("tlp:green", "internal"), ("TLP: Amber", "internal")),
        *(("clear", "public"), (" GREEN ", "internal"), ("TLP-AMBER", "internal")),
        *(("TLP:WHITE", "public"), ("white", "public")),
        *(("TLP:AMBER+STRICT", "secret"), ("amber+strict", "secret"), ("TLP:RED", "secret")),
        *(("TLP:PURPLE", "TLP:PURPLE"), ("TLP:RED+STRICT", "TLP:RED+STRICT"), ("reddish",) * 2),
    ],
)
def test_tlp_names_stand_for_levels(name: str, level: str) -> None:
    """With or without prefix, in any case; one that is not mapped counts as the strictest."""
    assert label({"label": name}, keys=TLP).label.level == level


def test_a_level_or_a_name_of_the_policy_comes_before_tlp() -> None:
    """A policy's own word is no colour of somebody else's."""
    lattice = Lattice(("green", "secret"))
    keys = LabelKeys(names=(("red", "green"),), tlp=(("green", "secret"), ("red", "secret")))
    labeller = Labeller(lattice, keys, (), (), "secret")
    for name, level in (("green", "green"), ("red", "green"), ("TLP:GREEN", "secret")):
        chunk = labeller.label(Passage("x", Source("s"), {"label": name}))
        assert chunk.label.level == level


def test_without_a_mapping_tlp_names_are_names_nobody_knows() -> None:
    """A policy that does not speak of TLP blocks what is marked with it."""
    assert label({"label": "TLP:CLEAR"}).label.level == "TLP:CLEAR"


def test_tlp_names_label_ranges_too() -> None:
    """The level of a range is read as that of a whole text."""
    spans = [{"start": 0, "end": 2, "label": "TLP:RED"}]
    chunk = label({"label": "TLP:CLEAR", "restricted_spans": spans}, keys=TLP)
    assert chunk.label.level == "public"
    assert [part.label.level for part in chunk.ranges] == ["secret"]


@pytest.mark.parametrize(
    ("metadata", "level"),
    [
        ({f"MSIP_Label_{GENERAL}_Enabled": "true"}, "internal"),
        ({f"msip_label_{PERSONAL.upper()}_enabled": True}, "public"),
        (
            {f"MSIP_Label_{PERSONAL}_Enabled": "True", f"MSIP_Label_{PERSONAL}_SiteId": "x"},
            "public",
        ),
        ({f"MSIP_Label_{PERSONAL}_Name": "Personal"}, "public"),
        ({f"MSIP_Label_{PERSONAL}_Enabled": None}, "public"),
        ({f"MSIP_Label_{'0' * 8}-0000-0000-0000-{'0' * 12}_Enabled": "true"}, "secret"),
        (
            {f"MSIP_Label_{PERSONAL}_Enabled": "true", f"MSIP_Label_{GENERAL}_Enabled": "true"},
            "internal",
        ),
        ({"sensitivity_label": PERSONAL}, "public"),
        ({"sensitivityLabelId": f"{{{PERSONAL}}}"}, "public"),
        ({"sensitivityLabel": {"id": PERSONAL, "displayName": "Personal"}}, "public"),
        ({"sensitivity_label": "Personal"}, "secret"),
        ({"sensitivity_label": {"displayName": "Personal"}}, "secret"),
        (
            {"msip_labels": f"MSIP_Label_{PERSONAL}_Enabled=true; MSIP_Label_{PERSONAL}_Name=P"},
            "public",
        ),
        ({"MSIP_Labels": "what is this"}, "secret"),
    ],
)
def test_sensitivity_labels(metadata: dict[str, Any], level: str) -> None:
    """A label that is on counts by its id; one the policy does not list is the strictest."""
    chunk = label(metadata, MSIP)
    assert (chunk.label.level, chunk.basis) == (level, "msip")


@pytest.mark.parametrize(
    "metadata",
    [
        {},
        {f"MSIP_Label_{PERSONAL}_Enabled": "false", f"MSIP_Label_{PERSONAL}_Name": "Personal"},
        {"msip_labels": f"MSIP_Label_{PERSONAL}_Enabled=False;"},
        *({"sensitivity_label": nothing} for nothing in (None, "")),
        {"MSIP_Label_nonsense_Enabled": "true"},
    ],
)
def test_no_sensitivity_label(metadata: dict[str, Any]) -> None:
    """A label that is off, or none, leaves a text unlabelled."""
    assert label(metadata, MSIP).basis == "unlabelled"


@pytest.mark.parametrize(
    ("metadata", "readers"),
    [
        ({"user_ids": ["ann", "bob"]}, {"ann", "bob"}),
        ({"user_ids": ["ann"], "group_ids": ["board"]}, {"ann", "board"}),
        ({"user_ids": '["ann", "bob"]'}, {"ann", "bob"}),
        ({"user_ids": "ann"}, {"ann"}),
        ({"user_ids": (" ann ", "")}, {"ann"}),
        *(({"user_ids": nobody}, set()) for nobody in ([], "", "[", "[]", 7, True, {"ann": 1})),
        ({"user_ids": [{"type": "deny", "id": "ann"}, 7, None, "bob"]}, {"bob"}),
    ],
)
def test_access_lists_become_readers(metadata: dict[str, Any], readers: set[str]) -> None:
    """Users and groups are one list; what is no name lets nobody read."""
    assert label(metadata, ACL).label.readers == readers


def test_an_access_list_gives_no_level() -> None:
    """Who may read and how confidential it is are two questions; the level stays unlabelled."""
    chunk = label({"user_ids": ["ann"]}, ACL)
    assert (chunk.label.level, chunk.basis) == ("internal", "acl:user_ids+unlabelled")
    assert LATTICE.permits(Audience("staff", "internal", principal="ann"), chunk.label)
    assert not LATTICE.permits(Audience("staff", "secret", principal="bob"), chunk.label)


def test_without_an_access_list_there_is_no_restriction() -> None:
    """Neither a key that is absent, nor one that the policy does not list, restricts."""
    assert label({"user_ids": None, "permissions": ["ann"]}, ACL).label.readers is None


@pytest.mark.parametrize(
    ("flow", "expected"),
    [
        ({"integrity": "trusted", "confidentiality": "public"}, Label("public")),
        (
            {"integrity": "untrusted", "confidentiality": "public"},
            Label("public", integrity="untrusted"),
        ),
        ({"integrity": "trusted", "confidentiality": "private"}, Label("secret")),
        ({"integrity": "trusted", "confidentiality": ["public"]}, Label("public")),
        (
            {"integrity": "trusted", "confidentiality": ["ann", "bob"]},
            Label("public", readers=frozenset({"ann", "bob"})),
        ),
        ({"integrity": "trusted", "confidentiality": []}, Label("public", readers=frozenset())),
        *(
            (garbage, Label("secret", integrity="untrusted"))
            for garbage in ({}, "x", 7, [], {"integrity": 1, "confidentiality": [1]})
        ),
    ],
)
def test_flow_labels_of_mcp(flow: object, expected: Label) -> None:
    """Public, private or a list of readers, as a record or its JSON; garbage is the strictest."""
    for metadata in (
        {"_meta": {"ifc": flow}},
        {"_meta": json.dumps({"ifc": flow})},
        {"_meta.ifc": flow},
        {"_meta.ifc": json.dumps(flow)},
    ):
        chunk = label(metadata, FlowLabel())
        assert (chunk.label, chunk.basis) == (expected, "ifc")


def test_no_flow_label() -> None:
    """Results without one are unlabelled; a record that cannot be read may have held one."""
    for nothing in ({}, {"_meta": None}, {"_meta": {}}, {"_meta": {"other": 1}}):
        assert label(nothing, FlowLabel()).basis == "unlabelled"
    assert label({"_meta": "{'ifc': 1}"}, FlowLabel()).label.level == "secret"


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9) | st.binary(),
    lambda some: st.lists(some, max_size=3) | st.dictionaries(st.text(max_size=5), some),
    max_leaves=5,
)
MARKED = [
    *(f"MSIP_Label_{GENERAL}_Enabled", "msip_labels", "sensitivity_label", "user_ids"),
    *("group_ids", "_meta", "_meta.ifc", "label"),
]


@given(st.dictionaries(st.sampled_from(MARKED), VALUES))
def test_marks_never_raise_and_only_make_stricter(metadata: dict[str, Any]) -> None:
    """Whatever they hold, a text that has a label has at least that label."""
    sound = label({"trust": "internal"})
    chunk = label(metadata | {"trust": "internal"}, MSIP, ACL, FlowLabel(), keys=TLP)
    assert LATTICE.dominates(chunk.label, sound.label)
