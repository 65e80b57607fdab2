"""What the encoder promises: nothing dropped, whatever the number of chunks and the limits."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from opentelemetry.sdk.trace import SpanLimits, TracerProvider

from ragtrace.model import (
    Action,
    Attribution,
    Audience,
    Chunk,
    Decision,
    Document,
    Flow,
    Label,
    LabelledRange,
    Mode,
    Origin,
    Source,
    Span,
    digest,
)
from ragtrace.wire import (
    AttributeValue,
    decode_flows,
    encode_decision,
    encode_documents,
    encode_flows,
    encode_lineage,
    encode_request,
    names,
    openinference,
)
from ragtrace.wire._found import about, encode_label

LIMITS = [None, 0, 1, 63, 64, 100, 500, 700, 1024, 4096, 12_000, 10**6]
AUDIENCE = Audience("customer", "public", frozenset({"eu"}))


def flow(place: int, **change: Any) -> Flow:
    """A flow with everything in it that a flow can have."""
    label = Label("secret", frozenset({"pii", f"tenant:t{place}"}), frozenset({"ann"}), "untrusted")
    one = Chunk(
        id=f"chunk-{place}-é",
        document=Document(f"doc-{place}", "kb/a b.md"),
        source=Source("chroma/bank"),
        text="never written",
        digest=digest(str(place)),
        label=label,
        basis="metadata:label+section:staff",
        ranges=(LabelledRange(3, 9, Label("secret", frozenset({"pii"}))),),
        rank=place,
        score=place / 7,
    )
    live = Decision(Action.REDACT, "r", "a reason", digest("policy"))
    found = Attribution(one.digest, "ambiguous", (Span(1, 2, 3, 4, 5, 6),), (digest("x"),))
    made = Flow("prompt", one, label, live.with_shadow(replace(live, action=Action.BLOCK)), found)
    return replace(made, **change)


def decoded(attributes: Mapping[str, AttributeValue]) -> list[dict[str, Any]]:
    """The flow objects of all parts, in the order of their numbers, as the store reads them."""
    parts = sorted(
        (int(name.removeprefix(names.FLOWS).lstrip(".") or 0), str(value))
        for name, value in attributes.items()
        if name == names.FLOWS or name.startswith(f"{names.FLOWS}.")
    )
    assert [number for number, _ in parts] == list(range(len(parts)))
    return [found for _, part in parts for found in json.loads(part)]


@pytest.mark.parametrize("longest", LIMITS)
@pytest.mark.parametrize("count", [0, 1, 16, 500])
def test_the_parts_put_together_are_whole(count: int, longest: int | None) -> None:
    """Whatever the limit and the number, every flow is there once and in order."""
    flows = [flow(place) for place in range(count)]
    attributes = encode_flows(flows, longest)
    assert decoded(attributes) == decoded(encode_flows(flows))
    assert [one["ord"] for one in decoded(attributes)] == list(range(count))
    assert len(attributes) <= 56


@given(st.lists(st.integers(0, 300), max_size=40), st.integers(64, 5000))
@settings(max_examples=60)
def test_parts_fit_the_limit(lengths: list[int], longest: int) -> None:
    """Every part but the last is within the limit, unless a single flow is not."""
    flows = [
        flow(place, decision=Decision(Action.DROP, "r", "x" * length))
        for place, length in enumerate(lengths)
    ]
    *parts, _ = map(str, encode_flows(flows, longest).values())
    for part in parts:
        assert len(part) <= longest or len(json.loads(part)) == 1


def test_a_flow_tells_everything_but_the_text() -> None:
    """Ids, label, ranges, attribution and decision, under the names the store reads."""
    (said,) = decoded(encode_flows([flow(3)]))
    assert said == {
        "ord": 0,
        "id": "chunk-3-é",
        "score": 3 / 7,
        "rank": 3,
        "document": "doc-3",
        "digest": digest("3"),
        "source": "chroma/bank",
        "level": "secret",
        "compartments": ["pii", "tenant:t3"],
        "readers": ["ann"],
        "integrity": "untrusted",
        "basis": "metadata:label+section:staff",
        "action": "redact",
        "rule": "r",
        "reason": "a reason",
        "uri": "kb/a b.md",
        "ranges": [{"start": 3, "end": 9, "level": "secret", "compartments": ["pii"]}],
        "shadow": {"action": "block", "rule": "r"},
        "verdict": "ambiguous",
        "spans": [[1, 2, 3, 4, 5]],
        "runs": [[6, 0, 0]],
        "group": [digest("x")],
    }


class Decimalish:
    """A number type of some store's own."""

    def __float__(self) -> float:
        """Give a half."""
        return 0.5


@pytest.mark.parametrize(
    ("score", "written"),
    [
        (None, None),
        (0.25, 0.25),
        (1, 1.0),
        (math.nan, None),
        (math.inf, None),
        (Decimalish(), 0.5),
        ("x", None),
    ],
)
def test_scores_are_json(score: Any, written: float | None) -> None:
    """A score that JSON has no word for is not written; what is written any reader can read."""
    one = replace(flow(0).chunk, score=score)
    for text in (encode_documents([one]), str(encode_flows([flow(0, chunk=one)])[names.FLOWS])):
        (said,) = json.loads(text, parse_constant=pytest.fail)
        assert said.get("score") == written


def test_a_request_and_a_decision() -> None:
    """What is not given is not written."""
    said = encode_request("r1", AUDIENCE, session="s", user=None, tenant=None)
    assert said == {
        names.REQUEST_ID: "r1",
        names.AUDIENCE: "customer",
        names.CLEARANCE: "public",
        names.AUDIENCE_KNOWN: True,
        names.SESSION: "s",
        names.GEN_AI_CONVERSATION: "s",
    }
    decision = Decision(Action.BLOCK, "r", "why", "p", "shadow")
    assert list(encode_decision(decision).values()) == ["block", "r", "why", "shadow", "p"]


def everything(operation: str) -> dict[str, AttributeValue]:
    """All that one span of that operation can carry before its flows."""
    said = encode_request("r", AUDIENCE, session="s", user="u", tenant="t")
    said |= encode_decision(Decision(Action.BLOCK, "r", "why", "p")) | {
        names.GEN_AI_OPERATION: operation,
        names.STAGE: "x",
        names.ERROR_TYPE: "E",
    }
    only = {
        "retrieval": [
            names.GEN_AI_DATA_SOURCE,
            names.GEN_AI_TOP_K,
            names.GEN_AI_QUERY,
            names.GEN_AI_DOCUMENTS,
        ],
        "chat": [
            *(
                names.PROMPT_LEVEL,
                names.PROMPT_DIGEST,
                names.GEN_AI_REQUEST_MODEL,
                names.GEN_AI_PROVIDER,
            ),
            *(names.GEN_AI_STREAM, names.GEN_AI_INPUT_TOKENS, names.GEN_AI_OUTPUT_TOKENS),
            *(names.PARTIAL, names.COMPLETION_DIGEST, names.WITHHELD, names.CACHED),
        ],
    }
    return said | dict.fromkeys(only[operation], "x")


@pytest.mark.parametrize("longest", LIMITS)
@pytest.mark.parametrize("operation", ["retrieval", "chat"])
def test_a_span_never_forgets_an_attribute(operation: str, longest: int | None) -> None:
    """Even with 500 chunks and OpenInference's names it stays within a span's 128."""
    flows = [flow(place) for place in range(500)]
    attributes = everything(operation)
    attributes |= openinference(attributes, flows)
    attributes |= encode_flows(flows, longest)
    assert len(attributes) <= 128
    tracer = TracerProvider(span_limits=SpanLimits()).get_tracer("test")
    with tracer.start_as_current_span("x") as span:
        span.set_attributes(attributes)
    assert dict(span.attributes or {}) == attributes  # type: ignore[attr-defined]


def test_openinference_names() -> None:
    """Kind, model, tokens and the first documents, beside what is there."""
    chat = {
        names.GEN_AI_OPERATION: "chat",
        names.GEN_AI_REQUEST_MODEL: "m",
        names.GEN_AI_INPUT_TOKENS: 7,
    }
    assert openinference(chat, [flow(0)]) == {
        names.OI_KIND: "LLM",
        names.OI_MODEL: "m",
        names.OI_PROMPT_TOKENS: 7,
    }
    assert openinference({}) == {names.OI_KIND: "CHAIN"}
    bare = flow(1, chunk=replace(flow(1).chunk, score=None))
    said = openinference({names.GEN_AI_OPERATION: "retrieval"}, [flow(0), bare])
    assert said[names.OI_KIND] == "RETRIEVER"
    assert said["retrieval.documents.0.document.id"] == "chunk-0-é"
    assert said["retrieval.documents.0.document.score"] == 0.0
    assert "retrieval.documents.1.document.score" not in said
    assert json.loads(str(said["retrieval.documents.1.document.metadata"])) == {
        "source": "chroma/bank",
        "level": "secret",
        "action": "redact",
    }


@given(st.integers(0, 3), st.integers(0, 3), st.booleans(), st.sampled_from(["enforce", "shadow"]))
def test_a_flow_that_was_written_before_is_written_alike(
    place: int, rank: int, same: bool, mode: Mode
) -> None:
    """Whatever is kept of it: place, rank, label, decision and uri are those of this one."""
    one = replace(flow(0).chunk, rank=rank, score=None)
    if same:
        one = replace(one, document=Document("kb/a b.md", "kb/a b.md"), basis="other")
    decided = Decision(Action.ALLOW, f"rule-{place}", "a reason", mode=mode)
    flows = [flow(at, chunk=one, decision=decided) for at in range(place + 1)]
    attributes = {name: str(value) for name, value in encode_flows(flows).items()}
    read = decode_flows(attributes)[place]
    assert (read.ordinal, read.decision) == (place, decided)
    assert read.chunk == replace(one, text="")


ORIGINS = st.builds(
    Origin,
    document=st.sampled_from(["doc-0", "doc-1", "doc-9"]),
    source=st.sampled_from(["chroma/bank", "other"]),
    digest=st.sampled_from([digest("0"), digest("1")]),
    label=st.sampled_from([flow(0).label, flow(1).label, Label("secret"), Label("public")]),
    evidence=st.sampled_from(["taint", "text", "certain"]),
)


@given(st.lists(ORIGINS), st.integers(0, 2))
def test_an_origin_is_named_by_its_place_and_by_what_is_else_there(
    origins: list[Origin], count: int
) -> None:
    """Whether it is among the flows of the span or not, nothing of it is lost."""
    flows = [flow(place) for place in range(count)]
    said = encode_lineage("secret", origins, flows)
    assert said[names.COMPLETION_LEVEL] == "secret"
    for one, told in zip(origins, json.loads(str(said[names.COMPLETION_ORIGINS])), strict=True):
        known = told
        if "ord" in told:
            chunk, label = flows[told["ord"]].chunk, flows[told["ord"]].label
            known = about(chunk, label) | {"evidence": "taint"} | told
            assert ("level" in told) == (one.label != label)
        document, source = known["document"], known["source"]
        assert (document, source, known["digest"]) == (one.document, one.source, one.digest)
        assert {**encode_label(one.label), "evidence": one.evidence}.items() <= known.items()
        assert ("evidence" in told) == ("ord" not in told or one.evidence != "taint")
