"""What was decided is decided again; what another policy would say is said, and what is missing."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

import ragtrace
from ragtrace.capture import Call, Model, Retrieval, current, current_request
from ragtrace.forensics import Candidate, StepAgain, judge_again, recorded, replay
from ragtrace.model import Message, Passage, Source
from ragtrace.policy import lines_of, read_policy
from ragtrace.store import OWNER, SpanRow, Store, TraceNotFoundError
from ragtrace.testing import recording
from tests.engine import store
from tests.prose import prose

__all__ = ["store"]  # the fixture

PARTS = [prose(seed, 24) for seed in range(40, 46)]
SHORT = "about forty euros"
LEVELS = ["public", "internal", "secret"]
AUDIENCES = ["customer", "staff", "nobody"]
POLICY = """\
version: 1
levels: [public, staff_only]
audiences:
  customer: {clearance: public}
  staff: {clearance: staff_only}
labels: {level_keys: [label]}
otherwise: block
rules:
  - id: notes
    when: {label: staff_only, audience: [customer]}
    decide: DECIDE
"""


@dataclass(frozen=True)
class Turn:
    """One request: what is retrieved for it, what of it is in the prompt, what a model says."""

    audience: str
    retrieved: tuple[int, ...]
    level: str
    parts: tuple[int, ...]
    said: tuple[int, ...]
    again: bool = False
    user: str | None = None
    tenant: str | None = None


TURNS = st.builds(
    Turn,
    st.sampled_from(AUDIENCES),
    st.lists(st.integers(0, 5), max_size=3, unique=True).map(tuple),
    st.sampled_from([*LEVELS, "unheard-of"]),
    st.lists(st.integers(0, 5), min_size=1, max_size=4).map(tuple),
    st.lists(st.integers(0, 5), max_size=2).map(tuple),
    st.booleans(),
    st.none() | st.sampled_from(["ann", "bob"]),
    st.none() | st.sampled_from(["acme", "other"]),
)


@st.composite
def policies(draw: st.DrawFn) -> dict[str, Any]:
    rules = [
        {
            "id": f"rule-{place}",
            "when": {
                name: draw(values)
                for name, values in (
                    ("label", st.sampled_from(LEVELS)),
                    ("audience", st.sampled_from(["customer", "staff", "unknown"])),
                    ("source", st.sampled_from(["kb/*", "kb/1", "completion"])),
                    ("document", st.sampled_from(["doc-[0-3]", "*2"])),
                )
                if draw(st.booleans())
            },
            "decide": draw(st.sampled_from(["allow", "context_only", "redact", "drop", "block"])),
            "mode": draw(st.sampled_from(["enforce", "enforce", "shadow"])),
        }
        for place in range(draw(st.integers(0, 4)))
    ]
    said: dict[str, Any] = {
        "version": 1,
        "levels": LEVELS,
        "audiences": {
            "customer": {"clearance": "public"},
            "staff": {"clearance": draw(st.sampled_from(LEVELS))},
        },
        "labels": {"level_keys": ["label"]},
        "otherwise": draw(st.sampled_from(["context_only", "redact", "drop", "block"])),
        "mode": draw(st.sampled_from(["enforce", "enforce", "enforce", "shadow"])),
        "on_block": "refuse",
        "rules": [rule for rule in rules if rule["when"]],
    }
    if draw(st.booleans()):
        said["sections"] = [{"id": "inner", "heading": "Inner", "level": "secret"}]
    if draw(st.booleans()):
        said["failures"] = {"unknown-audience": "block"}
    return said


def text(number: int) -> str:
    """A document; a part of it stands in all others too."""
    return f"{PARTS[number]}\n\n## Inner\n\n{PARTS[0]}"


def play(turns: Sequence[Turn]) -> None:
    """Each turn retrieves, asks a model with what it found and what it likes, and is answered."""
    for turn in turns:
        with ragtrace.request(turn.audience, user=turn.user, tenant=turn.tenant):
            runtime, request = current(), current_request()
            assert runtime is not None and request is not None
            source = Source(f"kb/{len(turn.retrieved)}")
            search = Retrieval(runtime, request, source, top_k=3, query="").begin()
            given = search.judge(
                [
                    Passage(
                        f"{PARTS[n]}\n\n## Inner\n\n{PARTS[0]}",
                        source,
                        {"label": turn.level},
                        f"doc-{n}",
                    )
                    for n in turn.retrieved
                ]
            )
            search.end()
            asked = "\n".join([*filter(None, given), *(PARTS[n] for n in turn.parts)])
            for _ in range(1 + turn.again):
                messages = [Message("system", asked), Message("assistant", PARTS[5])]
                call = Call(runtime, request, Model("chat"), [*messages, Message("user", SHORT)])
                if call.blocked:
                    call.refuse()
                    continue
                answer = " ".join([*(PARTS[n] for n in turn.said), "Well, it is said."])
                for said in call.whole(answer):
                    call.record(said)
                call.finish()


def judged(rows: Sequence[SpanRow], path: Path) -> Iterator[StepAgain]:
    """Every recorded step, judged again."""
    policy = read_policy(path)
    ordered = sorted(rows, key=lambda row: row.trace_id)
    for _, spans in groupby(ordered, key=lambda row: row.trace_id):
        yield from judge_again(policy, lines_of(path.read_bytes()), recorded(spans))


@settings(max_examples=40, suppress_health_check=list(HealthCheck))
@given(policies(), st.lists(TURNS, min_size=1, max_size=4))
@example(
    {
        "version": 1,
        "levels": LEVELS,
        "audiences": {"customer": {"clearance": "public"}, "staff": {"clearance": "secret"}},
        "labels": {"level_keys": ["label"]},
        "otherwise": "redact",
        "on_block": "refuse",
    },
    [
        Turn("staff", (1, 2), "secret", (1,), (3,)),
        Turn("customer", (), "public", (3, 2), (3,), again=True),
        Turn("customer", (), "public", (3,), ()),
    ],
)
def test_the_same_policy_decides_the_same_again(said: dict[str, Any], turns: list[Turn]) -> None:
    """Whatever the policy and the application: every step, every flow, and the level of prompts
    from which nothing was taken; from the spans alone.
    """
    with TemporaryDirectory() as folder:
        path = Path(folder) / "policy.yaml"
        path.write_text(yaml.safe_dump(said))
        with recording(str(path), instrument=False) as recorder:
            play(turns)
            rows = recorder.rows
        count = 0
        for again in judged(rows, path):
            count += 1
            assert again.same and not again.unjudged, again.unjudged
            assert not again.changed, json.dumps(again.as_json(), indent=1)
            for flow in again.flows:
                assert flow.before and flow.after and flow.before.reason == flow.after.reason
        assert count >= len(turns)


def recorded_with(decide: str, folder: Path, turns: Sequence[Turn]) -> tuple[Path, list[SpanRow]]:
    """The spans of ``turns`` under a policy of one rule."""
    path = folder / f"{decide}.yaml"
    path.write_text(POLICY.replace("DECIDE", decide) + "on_block: refuse\n")
    with recording(str(path), instrument=False) as recorder:
        play(turns)
        return path, recorder.rows


LEAK = (Turn("customer", (1, 2), "staff_only", (4,), (3,)),)


def test_another_policy_says_what_changes_and_why(store: Store, tmp_path: Path) -> None:
    """Per chunk and for the step; with the rule, its line, and the reason before and after."""
    _, rows = recorded_with("context_only", tmp_path, LEAK)
    store.write(rows)
    other = tmp_path / "other.yaml"
    other.write_text(POLICY.replace("DECIDE", "block"))
    found = replay(store.seen_by(OWNER), rows[0].trace_id, Candidate.read(other))
    assert not found.defects and len(found.changed) == 2
    retrieval, prompt = found.changed
    for step in (retrieval, prompt):
        assert step.before is not None and step.after is not None
        assert (step.before.action, step.after.action) == ("context_only", "block")
        assert (step.after.rule, step.after.line) == ("notes", 9)
        assert step.before.line is None, "the line is of another file"
    assert [flow.flow.chunk.document.id for flow in retrieval.flows] == ["doc-1", "doc-2"]
    tree = json.loads(json.dumps(found.as_json(texts=True)))
    assert tree["counts"]["changed"] == 2 and tree["counts"]["defects"] == 0


def test_the_same_policy_that_says_something_else_is_a_defect(store: Store, tmp_path: Path) -> None:
    """A decision that was changed afterwards is found out, in the flow or in the step."""
    path, rows = recorded_with("block", tmp_path, LEAK)
    changed = [
        replace(
            row,
            attributes={
                name: value.replace('"action":"block"', '"action":"allow"')
                for name, value in row.attributes.items()
            },
        )
        for row in rows
    ]
    store.write(changed)
    found = replay(store.seen_by(OWNER), rows[0].trace_id, Candidate.read(path))
    assert found.defects
    (flow, *_) = found.defects[0].flows
    assert flow.before and flow.after
    assert (flow.before.action, flow.after.action) == ("allow", "block")


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"ragtrace.decision.rule": "judge-timeout"}, "judge-timeout then"),
        ({"ragtrace.decision.rule": "not-covered"}, "this policy says allow where it does"),
        ({"ragtrace.decision.rule": "already-blocked"}, "is not in this trace"),
        ({"ragtrace.flows": "[{}]"}, "not as it was written"),
    ],
)
def test_what_cannot_be_judged_again_is_said(
    tmp_path: Path, change: dict[str, str], why: str
) -> None:
    """A failure of then does not happen again, and what is not there is not guessed."""
    path, rows = recorded_with("context_only", tmp_path, LEAK)
    prompts = [
        replace(row, attributes={**row.attributes, **change})
        for row in rows
        if row.attributes.get("ragtrace.stage") == "prompt"
    ]
    (again,) = judged(prompts, path)
    assert why in again.unjudged and again.after is None and not again.defect


def test_flows_without_the_length_of_their_runs_are_not_judged(tmp_path: Path) -> None:
    """Whether there is enough to act on cannot be told."""
    path, rows = recorded_with("context_only", tmp_path, LEAK)
    (prompt,) = (row for row in rows if row.attributes.get("ragtrace.stage") == "prompt")
    flows = json.loads(prompt.attributes["ragtrace.flows"])
    for flow in flows:
        del flow["runs"]
    attributes = {**prompt.attributes, "ragtrace.flows": json.dumps(flows)}
    (again,) = judged([replace(prompt, attributes=attributes)], path)
    assert again.after is None and "how long each run is" in again.unjudged
    assert again.prompt is not None and again.prompt.after is None


def test_a_block_of_the_other_policy_is_sticky_too(tmp_path: Path) -> None:
    """What a request would not have been asked any more, it would not have been asked."""
    turns = [replace(LEAK[0], again=True)]
    _, rows = recorded_with("context_only", tmp_path, turns)
    other = tmp_path / "other.yaml"
    other.write_text(POLICY.replace("DECIDE", "block"))
    _, first, second = judged(rows, other)
    assert first.after and second.after
    assert (first.after.rule, second.after.rule) == ("notes", "already-blocked")
    path, rows = recorded_with("block", tmp_path, turns)
    *_, second = judged(rows, path)
    assert second.before and second.before.rule == "already-blocked" and not second.changed


def test_one_span_of_a_trace_is_replayed(store: Store, tmp_path: Path) -> None:
    """TRACE/SPAN; one that is not there is said not to be."""
    path, rows = recorded_with("drop", tmp_path, LEAK)
    store.write(rows)
    span = next(row for row in rows if row.attributes.get("ragtrace.stage") == "prompt")
    seen, candidate = store.seen_by(OWNER), Candidate.read(path)
    (only,) = replay(seen, f"{span.trace_id}/{span.span_id}", candidate).steps
    assert only.again is not None and only.again.same and only.kept is not None
    with pytest.raises(TraceNotFoundError, match="no span begins with ffff"):
        replay(seen, f"{span.trace_id}/ffff", candidate)


def test_without_a_policy_nothing_is_judged(store: Store, tmp_path: Path) -> None:
    """Prompts are rebuilt all the same, and what is not kept is said not to be."""
    _, rows = recorded_with("drop", tmp_path, LEAK)
    store.write(rows)
    found = replay(store.seen_by(OWNER), rows[0].trace_id)
    assert not found.again and len(found.unproved) == 1
    kept = found.unproved[0].kept
    assert kept is not None and {one.what for one in kept.missing} == {"prompt", "completion"}
