"""What reading a policy file promises: a policy, or a message that names file and line."""

from __future__ import annotations

import copy
import json
import random
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from ragtrace.errors import MissingDependencyError, PolicyFileError
from ragtrace.labels import LabelKeys
from ragtrace.model import Action, Passage, Source, digest
from ragtrace.policy import DEFAULT_REFUSAL, Policy, parse_policy, read_policy, schema
from tests.laws import examples
from tests.named import model_of

BASE = "version: 1\nlevels: [public, secret]\naudiences: {customer: {clearance: public}}\n"
FULL = """\
version: 1
mode: enforce
levels: [public, internal, secret]
unlabelled: internal
audiences:
  customer: {clearance: public, compartments: [eu], groups: [retail]}
labels:
  level_keys: [label]
  tenant_key: owner
  ranges_key: spans
  names: {staff_only: secret}
  tlp: {clear: public, "amber+strict": internal}
  msip: {2096f6a2-d2f7-48be-b329-b73aaa526e5d: internal}
  mcp_ifc: true
  acl_keys: [user_ids, group_ids]
  front_matter: restricts
sources:
  - id: s1
    match: {source: "kb/*", uri: "*/x", metadata: {kb: staff}}
    level: secret
    compartments: [pii]
sections:
  - {id: s2, heading: Staff only, level: secret, compartments: [pii]}
rules:
  - id: r1
    when:
      label: secret
      compartment: pii
      integrity: untrusted
      audience: customer
      source: "kb/*"
      document: "d-*"
    decide: redact
    mode: shadow
    reason: because
otherwise: drop
failures:
  judge-error: allow
  judge-timeout: allow
  unknown-level: allow
  unknown-audience: allow
  registry-unreachable: allow
  ledger-unreachable: allow
  guard-overload: allow
  not-covered: allow
limits: {judge_seconds: 1}
declassified: declassified.jsonl
transformations:
  - {id: sorting, to: public, compartments: [pii], at_most: 80, reason: one word of six}
on_block: refuse
refusal: Sorry.
"""
BESIDE = """\
registry: labels.jsonl
pii:
  entities: [EMAIL_ADDRESS, PERSON]
  compartment: pii
  by_entity: false
  threshold: 0.4
  level: secret
  model: model
"""
"""What needs a file beside the policy, or an extra."""

BROKEN = {
    "empty": (b"", "p:1: expected object, got NoneType"),
    "a list": (b"[a]", "p:1: expected object, got list"),
    "not YAML": (
        b"version: 1\nlevels: [public",
        "p:2: not YAML: expected ',' or ']', but got '<stream end>'",
    ),
    "a tab": (
        b"version: 1\n\tlevels: []",
        "p:2: not YAML: found character '\\t' that cannot start any token",
    ),
    "two documents": (b"--- {}\n--- {}\n", "p:2: not YAML: but found another document"),
    "not UTF-8": (b"version: 1\nrefusal: caf\xe9\n", "p:2: expected UTF-8 text, byte 23 is not"),
    "UTF-16": (BASE.encode("utf-16"), "p:1: expected UTF-8 text, byte 0 is not"),
    "a control character": (
        b"version: 1\nx: \x00",
        "p:2: expected text, found the character U+0000",
    ),
    "huge": (b"#" * 1_000_001, "p: 1000001 bytes, expected at most 1000000"),
    "an alias": (
        b"version: 1\nlevels: &l [a]\nsources: *l",
        "p:3: aliases (*name) are not accepted in a policy",
    ),
    "a bomb": (
        b"a: &a [x, x]\nb: &b [*a, *a]\nc: [*b, *b]",
        "p:2: aliases (*name) are not accepted in a policy",
    ),
    "a merge": (
        b"version: 1\n<<: {mode: shadow}",
        "p:2: expected text as a key, found a YAML merge; put it in quotes",
    ),
    "a key said twice": (b"version: 1\nlevels: [a]\nversion: 1", "p:3: 'version' is said twice"),
    "a key said twice within": (
        b"version: 1\nlevels: [a]\naudiences:\n  x:\n    clearance: a\n    clearance: a\n",
        "p:6: 'clearance' is said twice",
    ),
    "a number as a key": (
        b"version: 1\nlevels: [a]\naudiences:\n  7: {clearance: a}\n",
        "p:4: expected text as a key, found a YAML int; put it in quotes",
    ),
    "a word that YAML takes for a truth value": (
        b"version: 1\nlevels: [a]\naudiences:\n  no: {clearance: a}\n",
        "p:4: expected text as a key, found a YAML bool; put it in quotes",
    ),
    "a list as a key": (
        b"? [a]\n: b",
        "p:1: expected text as a key, found a YAML seq; put it in quotes",
    ),
    "an impossible number": (b"version: !!int ''\n", "p:1: not YAML: this is no int"),
    "an impossible date": (
        b"version: 1\nlevels: 2026-13-45",
        "p:2: not YAML: this is no timestamp",
    ),
    "an impossible character": (
        b'version: 1\nlevels: "\\UFFFFFFFF"',
        "p:2: not YAML: a value that cannot be",
    ),
    "an object": (
        b"version: !!python/object/apply:os.system [x]",
        "p:1: not YAML: could not determine a constructor for the tag "
        "'tag:yaml.org,2002:python/object/apply:os.system'",
    ),
    "too deep": (b"[" * 5000, "p:1: not YAML: too deeply nested"),
    "no levels": (b"version: 1\naudiences: {c: {clearance: a}}", "p:1: 'levels' is missing"),
    "NaN": (BASE.replace("1", ".nan", 1).encode(), "p:1: version: 1 was expected"),
    "true for 1": (BASE.replace("1", "true", 1).encode(), "p:1: version: 1 was expected"),
    "a level of the wrong type": (
        BASE.replace("secret", ".nan").encode(),
        "p:2: levels[1]: expected string, got float",
    ),
    "an unknown key": (
        f"{BASE}rule: []\n".encode(),
        "p:1: unknown key 'rule', expected one of audiences, declassified, failures, labels, "
        "levels, limits, mode, on_block, otherwise, pii, refusal, registry, rules, sections, "
        "sources, transformations, unlabelled, version",
    ),
    "an unknown decision": (
        f"{BASE}rules:\n  - id: a\n    decide: permit\n".encode(),
        "p:6: rules[0].decide: expected one of allow, context_only, redact, drop, block, "
        "got 'permit'",
    ),
    "an unknown condition": (
        f"{BASE}rules:\n  - id: a\n    decide: drop\n    when: {{level: secret}}\n".encode(),
        "p:7: rules[0].when: unknown key 'level', "
        "expected one of audience, cedar, cel, compartment, document, integrity, label, source",
    ),
    "a clearance that is no level": (
        BASE.replace("clearance: public", "clearance: pubic").encode(),
        "p:3: audiences.customer.clearance: expected one of the levels public, secret, got 'pubic'",
    ),
    "a rule about no level": (
        f"{BASE}rules:\n- {{id: a, decide: drop, when: {{label: [secret, secrte]}}}}\n".encode(),
        "p:5: rules[0].when.label: expected one of the levels public, secret, got 'secrte'",
    ),
    "a rule about nobody": (
        f"{BASE}rules:\n- {{id: a, decide: drop, when: {{audience: custmer}}}}\n".encode(),
        "p:5: rules[0].when.audience: expected one of the audiences customer, unknown, "
        "got 'custmer'",
    ),
    "an id said twice": (
        f"{BASE}sections:\n- {{id: a, heading: x, level: secret}}\n"
        f"rules:\n- {{id: a, decide: drop}}\n".encode(),
        "p:7: rules[0].id: 'a' is taken, see line 5",
    ),
    "a name for a level that is one": (
        f"{BASE}labels:\n  names:\n    secret: public\n".encode(),
        "p:6: labels.names.secret: 'secret' is a level, expected another name for one",
    ),
    "a TLP name that is none": (
        f"{BASE}labels:\n  tlp: {{purple: secret}}\n".encode(),
        "p:5: labels.tlp: expected one of clear, green, amber, amber+strict, red, got 'purple'",
    ),
    "a TLP name for no level": (
        f"{BASE}labels:\n  tlp:\n    red: secrte\n".encode(),
        "p:6: labels.tlp.red: expected one of the levels public, secret, got 'secrte'",
    ),
    "a sensitivity label for no level": (
        f"{BASE}labels:\n  msip:\n    abc: secrte\n".encode(),
        "p:6: labels.msip.abc: expected one of the levels public, secret, got 'secrte'",
    ),
    "a sensitivity label said twice": (
        f"{BASE}labels:\n  msip:\n    abc: public\n    ABC: secret\n".encode(),
        "p:7: labels.msip.ABC: 'ABC' is said twice",
    ),
    "personal data of an unknown kind": (
        f"{BASE}pii:\n  entities: [NAME]\n".encode(),
        "p:5: pii.entities[0]: expected one of CREDIT_CARD, CRYPTO, EMAIL_ADDRESS, IBAN_CODE, "
        "IP_ADDRESS, MEDICAL_LICENSE, PHONE_NUMBER, UK_NHS, US_SSN, PERSON, LOCATION, "
        "ORGANIZATION, NRP, DATE_TIME, got 'NAME'",
    ),
    "names without a model": (
        f"{BASE}pii:\n  entities:\n    - US_SSN\n    - PERSON\n".encode(),
        "p:7: pii.entities[1]: only a language model finds PERSON, expected pii.model",
    ),
    "a model without names": (
        f"{BASE}pii:\n  entities: [US_SSN]\n  model: en_core_web_sm\n".encode(),
        "p:6: pii.model: expected an entity that needs it: PERSON, LOCATION, ORGANIZATION, "
        "NRP, DATE_TIME",
    ),
    "personal data of no level": (
        f"{BASE}pii: {{entities: [US_SSN], level: secrte}}\n".encode(),
        "p:4: pii.level: expected one of the levels public, secret, got 'secrte'",
    ),
    "a threshold that is no number": (
        f"{BASE}pii: {{entities: [US_SSN], threshold: .nan}}\n".encode(),
        "p:4: pii.threshold: expected 0 to 1, got nan",
    ),
    "an unknown failure": (
        f"{BASE}failures:\n  judge-eror: allow\n".encode(),
        "p:5: failures: unknown key 'judge-eror', expected one of guard-overload, judge-error, "
        "judge-timeout, ledger-unreachable, not-covered, registry-unreachable, "
        "unknown-audience, unknown-level",
    ),
    "a failure of an unknown audience": (
        f"{BASE}failures:\n  judge-error:\n    customer: block\n    staff: allow\n".encode(),
        "p:7: failures.judge-error.staff: expected one of the audiences customer, unknown, "
        "got 'staff'",
    ),
    "a failure that redacts": (
        f"{BASE}failures:\n  judge-timeout: redact\n".encode(),
        "p:5: failures.judge-timeout: expected one of allow, block, got 'redact'",
    ),
    "a failure that redacts for some": (
        f"{BASE}failures:\n  judge-timeout:\n    unknown: redact\n".encode(),
        "p:6: failures.judge-timeout.unknown: expected one of allow, block, got 'redact'",
    ),
    "no time to judge": (
        f"{BASE}limits: {{judge_seconds: 0}}\n".encode(),
        "p:4: limits.judge_seconds: 0 is less than or equal to the minimum of 0",
    ),
    "a time that is no number": (
        f"{BASE}limits: {{judge_seconds: .nan}}\n".encode(),
        "p:4: limits.judge_seconds: expected seconds above 0, got nan",
    ),
    "a registry that is not there": (
        f"{BASE}registry: no/labels.jsonl\n".encode(),
        "p:4: registry: no/labels.jsonl: No such file or directory",
    ),
    "a registry that is a folder": (
        f"{BASE}registry: /\n".encode(),
        "p:4: registry: /: expected a file",
    ),
    "a registry that can be no file": (
        f'{BASE}registry: "a\\0b"\n'.encode(),
        "p:4: registry: a\0b: embedded null byte",
    ),
    "an unlabelled level that is none": (
        f"{BASE}unlabelled: none\n".encode(),
        "p:4: unlabelled: expected one of the levels public, secret, got 'none'",
    ),
}


@pytest.mark.parametrize("fault", BROKEN)
def test_a_broken_file_is_refused_with_file_and_line(fault: str) -> None:
    """The message names the file, the line and what was expected."""
    data, message = BROKEN[fault]
    with pytest.raises(PolicyFileError) as caught:
        parse_policy(data, "p")
    assert str(caught.value) == message


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    """A path that cannot be read is named with the reason."""
    with pytest.raises(PolicyFileError, match="No such file"):
        read_policy(tmp_path / "policy.yaml")
    with pytest.raises(PolicyFileError, match="Is a directory"):
        read_policy(tmp_path)


def test_a_file_is_read_under_its_own_name(tmp_path: Path) -> None:
    """Messages carry the path that was given; the digest is that of the file's bytes."""
    path = tmp_path / "bank.yaml"
    path.write_text(BASE)
    assert read_policy(path).digest == digest(BASE)
    path.write_text("version: 2")
    with pytest.raises(PolicyFileError, match=r"bank\.yaml:1: "):
        read_policy(path)


def test_a_registry_is_read_from_beside_the_policy(tmp_path: Path) -> None:
    """Its path is relative to the policy's folder; a broken line is named with its own file."""
    path = tmp_path / "bank.yaml"
    path.write_text(f"{BASE}registry: labels/all.jsonl\n")
    lines = tmp_path / "labels" / "all.jsonl"
    lines.parent.mkdir()
    lines.write_text(f'{{"digest": "{digest("note")}", "level": "secret"}}\n')
    chunk = read_policy(path).labeller.label(Passage("note", Source("s"), {"label": "public"}))
    assert chunk.label.level == "secret"
    for broken in ('{"digest": 1}', "x" * 30_000):
        lines.write_text(f"\n{broken}\n")
        with pytest.raises(PolicyFileError, match=r"all\.jsonl:2: "):
            read_policy(path)


def test_an_extra_that_is_missing_makes_the_policy_unusable(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Whoever fails closed on a broken policy does so on this; the message ends in the cure."""

    def missing(*_: object) -> None:
        raise MissingDependencyError("presidio-analyzer", "pii")

    monkeypatch.setattr("ragtrace.policy._labelling.PiiFinder", missing)
    for kind in (MissingDependencyError, PolicyFileError):
        with pytest.raises(kind, match=r"pip install 'ragtrace-otel\[pii\]'$"):
            parse_policy(f"{BASE}pii: {{entities: [US_SSN]}}".encode())


def test_what_is_not_said_has_the_strict_meaning() -> None:
    """Unlabelled is strictest, the rest blocks and raises; a byte order mark is no matter."""
    for data in (BASE.encode(), b"\xef\xbb\xbf" + BASE.encode()):
        policy = parse_policy(data)
        assert policy.labeller.unlabelled == "secret"
        assert (policy.otherwise, policy.mode) == (Action.BLOCK, "enforce")
        assert (policy.on_block, policy.refusal) == ("raise", DEFAULT_REFUSAL)
        assert policy.labeller.keys == LabelKeys()
        assert policy.labeller.marks == ()
        assert (policy.labeller.registry, policy.labeller.pii) == (None, None)
        assert not policy.observe_only
        assert policy.unreadable is None


def test_the_line_of_a_rule_is_kept() -> None:
    """A rule knows where it stands."""
    assert [rule.line for rule in parse_policy(FULL.encode()).rules] == [25]


def attempt(data: bytes) -> Policy | None:
    """The policy, or None where it was refused in the promised way."""
    try:
        return parse_policy(data)
    except PolicyFileError as error:
        assert str(error).startswith("policy.yaml:")
        return None


@given(st.binary(max_size=300) | st.text(max_size=300).map(str.encode))
@settings(max_examples=examples(400))
def test_random_bytes_are_refused(data: bytes) -> None:
    """Whatever the bytes, nothing but a PolicyFileError comes out."""
    assert attempt(data) is None


@given(st.randoms(use_true_random=False))
@settings(max_examples=examples(400))
def test_a_mutated_policy_is_read_or_refused(dice: random.Random) -> None:
    """Bytes changed, cut, doubled or put in: a policy or a PolicyFileError, never else."""
    data = bytearray(FULL.encode())
    tokens = [
        b"!!int ",
        b"!!bool ",
        b"&a ",
        b"*a",
        b"<<: ",
        b"\t",
        b"{",
        b"]",
        b"? ",
        b"null",
        b'"\\U',
    ]
    tokens += [
        b".inf",
        b"0x",
        b"1_0",
        b"~",
        b"!!set ",
        b"!!omap ",
        b"!!binary ",
        b"|\n",
        b"%YAML 9\n",
    ]
    for _ in range(dice.randint(1, 6)):
        place, kind = dice.randrange(len(data)), dice.randrange(4)
        if kind == 0:
            data[place] = dice.randrange(256)
        elif kind == 1:
            del data[place : place + dice.randint(1, 30)]
        elif kind == 2:
            data[place:place] = data[dice.randrange(len(data)) :][: dice.randint(1, 40)]
        else:
            data[place:place] = dice.choice(tokens)
        data = data or bytearray(b"x")
    attempt(bytes(data))


TREES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.dates(),
    lambda some: (
        st.lists(some, max_size=3) | st.dictionaries(st.text(max_size=5), some, max_size=3)
    ),
    max_leaves=6,
)


PARSED = yaml.safe_load(FULL)


@pytest.mark.slow
@given(st.randoms(use_true_random=False), TREES)
@settings(max_examples=examples(400))
def test_a_value_of_another_kind_is_read_or_refused(dice: random.Random, value: object) -> None:
    """Any one value replaced by any other: a policy or a PolicyFileError, never else."""
    tree = copy.deepcopy(PARSED)
    node: Any = tree
    while True:
        keys = list(node) if isinstance(node, dict) else list(range(len(node)))
        key = dice.choice(keys)
        if not isinstance(node[key], dict | list) or not node[key] or dice.random() < 0.3:
            break
        node = node[key]
    node[key] = value
    attempt(yaml.safe_dump(tree, allow_unicode=True).encode("utf-8", "surrogatepass"))


def test_the_schema_is_valid() -> None:
    """What is published is a schema of the draft it names."""
    assert schema()["$schema"] == Draft202012Validator.META_SCHEMA["$id"]
    Draft202012Validator.check_schema(schema())
    Draft202012Validator(schema()).validate(yaml.safe_load(FULL + BESIDE))


EFFECTS: dict[str, object] = {
    "mode": "shadow",
    "levels": ["public", "internal", "more", "secret"],
    "unlabelled": "public",
    "audiences.customer.clearance": "internal",
    "audiences.customer.compartments": ["us"],
    "audiences.customer.groups": ["corporate"],
    "labels.level_keys": ["trust"],
    "labels.tenant_key": None,
    "labels.ranges_key": None,
    "labels.names": {"staff_only": "internal"},
    "labels.tlp": {"clear": "internal"},
    "labels.msip": {"2096f6a2-d2f7-48be-b329-b73aaa526e5d": "secret"},
    "labels.mcp_ifc": False,
    "labels.acl_keys": ["permissions"],
    "labels.front_matter": "labels",
    "registry": "others.jsonl",
    "pii.entities": ["PERSON"],
    "pii.compartment": "personal",
    "pii.by_entity": True,
    "pii.threshold": 0.5,
    "pii.level": "internal",
    "pii.model": "other",
    "sources.0.id": "other",
    "sources.0.match.source": "crm/*",
    "sources.0.match.uri": "*/y",
    "sources.0.match.metadata": {"kb": "other"},
    "sources.0.level": "internal",
    "sources.0.compartments": ["legal"],
    "sections.0.id": "other",
    "sections.0.heading": "Notes",
    "sections.0.level": "internal",
    "sections.0.compartments": ["legal"],
    "rules.0.id": "other",
    "rules.0.when.label": ["internal", "secret"],
    "rules.0.when.compartment": ["pii", "legal"],
    "rules.0.when.integrity": "trusted",
    "rules.0.when.cel": "label.rank > 0",
    "rules.0.when.cedar": "resource.rank > 0",
    "rules.0.when.audience": "unknown",
    "rules.0.when.source": "crm/*",
    "rules.0.when.document": "e-*",
    "rules.0.decide": "block",
    "rules.0.mode": "enforce",
    "rules.0.reason": "why not",
    "otherwise": "context_only",
    "failures.judge-error": {"customer": "allow"},
    "failures.judge-timeout": "block",
    "failures.unknown-level": "block",
    "failures.unknown-audience": "block",
    "failures.registry-unreachable": "block",
    "failures.ledger-unreachable": "block",
    "failures.guard-overload": {"unknown": "allow"},
    "failures.not-covered": {"customer": "block"},
    "limits.judge_seconds": 2,
    "declassified": "other.jsonl",
    "transformations.0.id": "other",
    "transformations.0.to": "internal",
    "transformations.0.compartments": ["legal"],
    "transformations.0.at_most": 9,
    "transformations.0.reason": "why not",
    "on_block": "raise",
    "refusal": "No.",
}


def written(tree: Any, folder: Path) -> Policy:
    """The policy that the tree spells, with two registries and two models beside it."""
    for name in ("model", "other") if "pii" in tree else ():
        model_of(folder / name, PERSON="Ann Miller")
    for file, level in (("labels.jsonl", "secret"), ("others.jsonl", "public")):
        (folder / file).write_text(json.dumps({"digest": digest("a note"), "level": level}))
    text = yaml.safe_dump(tree, sort_keys=False)
    return parse_policy(text.encode(), str(folder / "policy.yaml"))


def changed(tree: Any, path: str, value: object) -> Any:
    """The same tree with one value changed."""
    tree = node = copy.deepcopy(tree)
    *steps, last = [int(step) if step.isdigit() else step for step in path.split(".")]
    for step in steps:
        node = node[step]
    assert node[last] != value
    node[last] = value
    return tree


def parts(policy: Policy) -> list[object]:
    """All that a policy says, without its digest and the lines of its rules."""
    aside = ("digest", "memory", "rules")
    rules = [
        [getattr(rule, name) for name in rule.__slots__ if name != "line"] for rule in policy.rules
    ]
    fields = [getattr(policy, name) for name in policy.__slots__ if name not in aside]
    return [*fields, rules]


@pytest.mark.slow
@pytest.mark.parametrize("path", EFFECTS)
def test_every_key_has_an_effect(path: str, tmp_path: Path) -> None:
    """Changing the value of a key changes the policy that is read."""
    if path.startswith("pii."):
        pytest.importorskip("presidio_analyzer")
    tree = yaml.safe_load(FULL + BESIDE)
    if not path.startswith("pii."):
        del tree["pii"]  # so that the others are tried where the extra is not installed
    for language, package in (("cel", "celpy"), ("cedar", "cedarpy")):
        if path == f"rules.0.when.{language}":
            pytest.importorskip(package)
            tree["rules"][0]["when"][language] = "true"
    plain = written(tree, tmp_path)
    assert parts(written(changed(tree, path, EFFECTS[path]), tmp_path)) != parts(plain)


def keys(node: dict[str, Any], path: str = "") -> list[str]:
    """Every key a schema knows, as a path; names that users choose are left out."""
    if "$ref" in node:
        node = schema()["$defs"][node["$ref"].rpartition("/")[2]]
    found = []
    for name, child in node.get("properties", {}).items():
        inner = keys(child, f"{path}{name}.")
        found += inner or [f"{path}{name}"]
    if isinstance(node.get("additionalProperties"), dict) and path == "audiences.":
        found += keys(node["additionalProperties"], f"{path}customer.")
    if isinstance(node.get("items"), dict):
        found += keys(node["items"], f"{path}0.")
    return found


def test_every_key_of_the_schema_is_tried() -> None:
    """No key is added to the schema without an effect that is shown here."""
    assert sorted(keys(schema())) == sorted([*EFFECTS, "version"])
