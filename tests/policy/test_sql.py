"""What the policy as SQL promises: the engine decides about stored flows as the judge does."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from random import Random
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ragtrace.errors import PolicyFileError
from ragtrace.labels import Lattice
from ragtrace.model import Action, Audience, Chunk, Document, Label, Origin, Source
from ragtrace.policy import Policy, PolicySql, Rule, judge, parse_policy, policy_as_sql
from ragtrace.policy._failures import Failures
from ragtrace.policy._glob import as_re2
from ragtrace.store import Store
from tests.engine import flow, fresh_url, span
from tests.laws import examples
from tests.prose import chunk

NASTY = ["a'b", "a\\", 'say "x"', "{policy_0:String}", "%s %(x)s", "Ünï🙂", "a\nb\t", "NULL", "--"]
LEVELS = ["public", "internal", "secret", *NASTY[:3]]
AUDIENCES = ["customer", "staff", "unknown", *NASTY[3:6]]
COMPARTMENTS = ["pii", "tenant:", "tenant:acme", "tenant:b'", *NASTY[:2]]
PEOPLE = ["ann", "retail", "", *NASTY[5:7]]
IDS = ["kb/x", "KB/x", "kb/", "", "[a]", "a-b", "]", *NASTY]
GLOBS = [
    "*",
    "kb/*",
    "?b/x",
    "[!k]*",
    "[]ab[:alpha:]*",
    "*[b-a]",
    "a?b*",
    "*\\",
    "*.*",
    "[!b-a]",
    "{*",
]
ROWS = 400


def any_label(random: Random) -> Label:
    """A label, of a level that a policy may not know."""
    some = random.choice
    return Label(
        some([*LEVELS, "unheard-of", ""]),
        frozenset(random.sample(COMPARTMENTS, some([0, 0, 0, 1, 2]))),
        some([None, None, frozenset(random.sample(PEOPLE, random.randint(0, 2)))]),
        some(["trusted", "trusted", "untrusted"]),
    )


@dataclass(frozen=True)
class Row:
    """A stored flow, as far as a policy asks."""

    label: Label
    source: str
    document: str
    audience: str
    tenant: str
    user: str
    origins: tuple[Origin, ...] = ()
    released: str = ""

    @classmethod
    def any(cls, random: Random) -> Row:
        some = random.choice
        label = any_label(random)
        origins = [
            Origin(some(IDS), some(IDS), "d", some([label, any_label(random)]))
            for _ in range(some([0, 0, 0, 1, 2, 4]))
        ]
        return cls(
            label,
            some(IDS),
            some(IDS),
            some([*AUDIENCES, "partner", ""]),
            some(["", "acme", "b'"]),
            some(["", *PEOPLE]),
            tuple(origins),
            some(["", "", "told-before"]),
        )

    def columns(self, place: int) -> dict[str, Any]:
        return {
            "Ordinal": place,
            "Document": self.document,
            "Source": self.source,
            "Level": self.label.level,
            "Compartments": sorted(self.label.compartments),
            "ForReaders": self.label.readers is not None,
            "Readers": sorted(self.label.readers or ()),
            "Integrity": self.label.integrity,
            "Audience": self.audience,
            "Tenant": self.tenant,
            "User": self.user,
            "Origins": [
                (
                    *(one.document, one.source, one.digest, one.label.level),
                    *(sorted(one.label.compartments), one.label.readers is not None),
                    *(sorted(one.label.readers or ()), one.label.integrity, one.evidence, ""),
                )
                for one in self.origins
            ],
            "Released": self.released,
        }

    def judged(self, policy: Policy) -> tuple[str, str, str, str]:
        one: Chunk = replace(
            chunk("text", "public"),
            source=Source(self.source),
            document=Document(self.document),
            origins=self.origins,
            released=self.released,
        )
        who = policy.audience(
            self.audience, principal=self.user or None, tenant=self.tenant or None
        )
        made = judge(policy, one, self.label, who)
        beside = ("", "") if made.shadow is None else (str(made.shadow.action), made.shadow.rule)
        return str(made.action), made.rule, *beside


ALL_ROWS = [Row.any(Random(seed)) for seed in range(ROWS)]


def some(names: list[str]) -> st.SearchStrategy[frozenset[str]]:
    return st.frozensets(st.sampled_from(names), max_size=3)


RULES = st.builds(
    Rule,
    id=st.sampled_from(["r1", "r2", *NASTY]),
    action=st.sampled_from(list(Action)),
    levels=some(LEVELS),
    audiences=some(AUDIENCES),
    source=st.none() | st.sampled_from(GLOBS + IDS[:2]),
    document=st.none() | st.sampled_from(GLOBS + NASTY),
    mode=st.sampled_from(["enforce", "shadow"]),
    compartments=some(COMPARTMENTS),
    integrity=st.sampled_from([None, None, "trusted", "untrusted"]),
)
PLAIN = parse_policy(b"version: 1\nlevels: [a]\naudiences: {x: {clearance: a}}\n")


@st.composite
def policies(draw: st.DrawFn) -> Policy:
    levels = draw(st.lists(st.sampled_from(LEVELS), min_size=1, unique=True))
    audiences = {
        name: Audience(
            name,
            draw(st.sampled_from([*levels, "unheard-of"])),
            draw(some(COMPARTMENTS)),
            groups=draw(some(PEOPLE)),
        )
        for name in draw(st.lists(st.sampled_from(AUDIENCES), unique=True))
    }
    allowed = draw(some([*audiences, "unknown"]))
    return replace(
        PLAIN,
        lattice=Lattice(tuple(levels)),
        audiences=audiences,
        rules=tuple(draw(st.lists(RULES, max_size=6))),
        otherwise=draw(st.sampled_from(list(Action))),
        mode=draw(st.sampled_from(["enforce", "enforce", "shadow"])),
        failures=Failures({("unknown-level", name): Action.ALLOW for name in allowed}),
        unreadable=draw(st.sampled_from([None] * 8 + ["why"])),
        observe_only=draw(st.sampled_from([False] * 8 + [True])),
    )


@pytest.fixture(scope="module")
def engine() -> Iterator[Any]:
    """A reading client of a store that holds all rows."""
    opened = Store.open(fresh_url())
    columns = [row.columns(place) for place, row in enumerate(ALL_ROWS)]
    with opened._engine.writing("test") as client:
        client.insert(
            "flows",
            [list(one.values()) for one in columns],
            column_names=list(columns[0]),
        )
    with opened._engine.reading("test") as client:
        yield client
    opened.close()


def asked(engine: Any, sql: PolicySql) -> list[tuple[str, str, str, str]]:
    query = f"SELECT d.1, d.2, d.3, d.4 FROM (SELECT {sql.decision} AS d, Ordinal FROM flows)"
    query += " ORDER BY Ordinal"
    found: list[tuple[str, str, str, str]] = engine.query(
        query, parameters=dict(sql.parameters)
    ).result_rows
    return found


@pytest.mark.slow
@settings(max_examples=examples(100), suppress_health_check=list(HealthCheck))
@given(policies())
def test_the_engine_decides_as_the_judge_does(engine: Any, policy: Policy) -> None:
    """Action and rule, and what is recorded beside them, of every flow under any policy."""
    made = asked(engine, policy_as_sql(policy))
    assert len(made) == ROWS
    for row, one in zip(ALL_ROWS, made, strict=True):
        assert one == row.judged(policy), row


LETTERS = st.text(st.sampled_from([*"ab*?[]!-^\\&~|:.$/\n\0{}'", "é", "🙂"]), max_size=8)


@settings(max_examples=examples(200), suppress_health_check=list(HealthCheck))
@given(LETTERS, st.lists(LETTERS | st.text(st.characters(codec="utf-8"), max_size=4), min_size=30))
def test_a_glob_means_the_same_to_the_engine(engine: Any, glob: str, texts: list[str]) -> None:
    """Sets, ranges, empty ones, brackets that nothing closes, newlines and zero bytes."""
    texts = [*texts, glob, *glob, ""]
    query = "SELECT arrayMap(one -> match(one, {glob:String}), {texts:Array(String)})"
    found = engine.query(query, parameters={"glob": as_re2(glob), "texts": texts}).result_rows
    assert list(map(bool, found[0][0])) == [fnmatchcase(text, glob) for text in texts]


def test_no_value_of_a_policy_stands_in_the_text() -> None:
    """Whatever a policy is made of, the text is made of our own words."""
    rule = {
        "id": "zebra1",
        "when": {
            "label": "zebra2",
            "compartment": "zebra3",
            "audience": "zebra4",
            "source": "zebra5*",
            "document": "zebra6",
        },
        "decide": "drop",
    }
    tree = {
        "version": 1,
        "levels": ["zebra0", "zebra2"],
        "audiences": {"zebra4": {"clearance": "zebra0", "groups": ["zebra7"]}},
        "rules": [rule, {"id": "zebra8", "decide": "block", "mode": "shadow"}],
    }
    sql = policy_as_sql(parse_policy(yaml.safe_dump(tree).encode()))
    text = sql.decision
    assert "zebra" not in text
    assert all(f"{{{name}:" in text for name in sql.parameters)
    assert all(f"zebra{n}" in str(sql.parameters) for n in range(9))


def test_a_rule_in_another_language_is_refused_with_its_line() -> None:
    """What SQL cannot say is not left out in silence."""
    pytest.importorskip("celpy")
    text = (
        b"version: 1\nlevels: [a]\naudiences: {x: {clearance: a}}\n"
        b"rules:\n  - {id: plain, decide: drop}\n  - {id: r, when: {cel: 'true'}, decide: drop}\n"
    )
    with pytest.raises(PolicyFileError, match=r"^p\.yaml:6: the rule 'r' has a condition in cel"):
        policy_as_sql(parse_policy(text), "p.yaml")


def test_readers_and_integrity_are_stored_as_they_were_sent() -> None:
    """No list of readers is not an empty one; what is no list lets nobody read."""
    opened = Store.open(fresh_url())
    sent: list[dict[str, Any]] = [
        {},
        {"readers": []},
        {"readers": ["ann", "it's"], "integrity": "untrusted"},
        {"readers": None, "integrity": "trusted"},
        {"readers": "ann", "integrity": "nonsense"},
    ]
    opened.write([span(1, *(flow(place, **more) for place, more in enumerate(sent)))])
    with opened._engine.reading("test") as client:
        rows = client.query(
            "SELECT ForReaders, Readers, Integrity FROM flows ORDER BY Ordinal"
        ).result_rows
    opened.close()
    assert json.loads(json.dumps(rows)) == [
        [False, [], "trusted"],
        [True, [], "trusted"],
        [True, ["ann", "it's"], "untrusted"],
        [False, [], "trusted"],
        [True, [], "untrusted"],
    ]
