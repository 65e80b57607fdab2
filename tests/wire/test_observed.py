"""What is understood of other tracers: from recordings of the real ones, and from anything."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ragtrace.wire import (
    Observed,
    SpanEvent,
    SpanRecord,
    content_attributes,
    decode_traces,
    names,
    observed,
    turn,
)
from ragtrace.wire._recorded import MAX_ITEMS, MAX_NAME
from tests.golden.bank import (
    ANSWER,
    AUDIENCE,
    DOCUMENTS,
    PUBLIC,
    QUESTION,
    SESSION,
    STAFF,
    TENANT,
    USER,
)
from tests.laws import examples

GOLDEN = sorted((Path(__file__).parents[1] / "golden").glob("*.jsonl"))
WITH_TEXT = [path for path in GOLDEN if not path.name.startswith("genai")]
CHROMA = "openllmetry-langchain"
FUZZ = settings(max_examples=examples(300), suppress_health_check=list(HealthCheck))


def recorded(path: Path) -> list[SpanRecord]:
    """The spans of a golden file, in their order."""
    lines = path.read_bytes().splitlines()
    return [span for line in lines for span in decode_traces(line, "application/json")]


def steps(path: Path, stage: str) -> list[Observed]:
    """The steps of a golden file that are of ``stage``."""
    found = [observed(span) for span in recorded(path)]
    return [one for one in found if one is not None and one.stage == stage]


def span_of(
    attributes: Mapping[str, str], events: tuple[SpanEvent, ...] = (), scope: str = "other"
) -> SpanRecord:
    """A span that somebody else wrote."""
    head = ("0" * 31 + "1", "0" * 15 + "1", "", "step", "Internal", "service", scope, 1, 2)
    return SpanRecord(*head, attributes=dict(attributes), events=events)


def test_every_tracer_is_recorded() -> None:
    """The golden files are there, one for each tracer and framework."""
    tracers = {one.tracer for path in GOLDEN for one in steps(path, "prompt")}
    assert tracers == {"openinference", "openllmetry", "langfuse", "mlflow", "genai"}
    assert len(GOLDEN) == 6


@pytest.mark.parametrize("path", WITH_TEXT, ids=lambda path: path.stem)
def test_a_retrieval_is_understood(path: Path) -> None:
    """The same two passages, in order, with ids where recorded, labels, query and turn."""
    first, *others = steps(path, "retrieval")
    assert [passage.text for passage in first.passages] == [PUBLIC, STAFF]
    assert [passage.metadata for passage in first.passages] == [m for _, _, m in DOCUMENTS]
    assert [passage.rank for passage in first.passages] == [0, 1]
    assert first.query == QUESTION
    by_name = (others[0] if path.name.startswith(CHROMA) else first).passages
    assert [passage.id for passage in by_name] == ["fees-1", "fees-2"]
    assert [passage.text for passage in by_name] == [PUBLIC, STAFF]
    turns = (first.session, first.user, first.tenant, first.audience)
    assert turns == (SESSION, USER, TENANT, AUDIENCE)


@pytest.mark.parametrize("path", GOLDEN, ids=lambda path: path.stem)
def test_a_model_call_is_understood(path: Path) -> None:
    """One call: a prompt that holds both texts, its roles, the answer, the model, the session."""
    (call,) = steps(path, "prompt")
    prompt = "\n".join(message.text for message in call.messages)
    assert [message.role for message in call.messages] == ["system", "user"]
    assert PUBLIC in prompt and STAFF in prompt and QUESTION in prompt
    assert call.completion == ANSWER
    assert call.model == "scripted"
    assert call.session == SESSION
    if path in WITH_TEXT:
        assert (call.user, call.tenant, call.audience) == (USER, TENANT, AUDIENCE)


def test_official_genai_names_documents_without_their_text() -> None:
    """OpenTelemetry's own instrumentation gives ids in order, and no text to attribute."""
    (path,) = set(GOLDEN) - set(WITH_TEXT)
    (step,) = steps(path, "retrieval")
    assert [(one.id, one.text, one.rank) for one in step.passages] == [
        ("fees-1", "", 0),
        ("fees-2", "", 1),
    ]
    assert step.query == QUESTION


def test_a_vector_store_is_the_source() -> None:
    """The source is the store the span names, and not the path a document came from."""
    (path,) = (path for path in GOLDEN if path.name.startswith(CHROMA))
    sources = {one.source.id for step in steps(path, "retrieval") for one in step.passages}
    assert sources == {"chroma"}
    said = {"openinference.span.kind": "RETRIEVER", "retrieval.documents.0.document.id": "a"}
    named = span_of(said | {"db.system": "qdrant", "db.collection.name": "notes"})
    found = observed(named)
    assert found is not None and found.passages[0].source.id == "qdrant/notes"


def test_results_of_a_search_are_read_with_their_distances() -> None:
    """What a vector store's client records as events are passages, scores as the store's."""
    (path,) = (path for path in GOLDEN if path.name.startswith(CHROMA))
    _, searched = steps(path, "retrieval")
    assert [one.score for one in searched.passages] == [12.0, 21.0]


@pytest.mark.parametrize("path", GOLDEN, ids=lambda path: path.stem)
def test_no_text_stands_outside_the_content(path: Path) -> None:
    """Whatever holds a sentence of a document, the question or the answer is content."""
    told = 0
    for span in recorded(path):
        sealed = content_attributes(span)
        assert sealed <= span.attributes.keys()
        for name, value in span.attributes.items():
            if any(text in value for text in (PUBLIC, STAFF, QUESTION, ANSWER)):
                told += 1
                assert name in sealed, (span.name, name)
    assert told >= 3


@pytest.mark.parametrize("path", GOLDEN, ids=lambda path: path.stem)
def test_what_a_step_was_stays_readable(path: Path) -> None:
    """Kinds, models, tokens, sessions, ids, scores and labels are not sealed."""
    parts = ("kind", "spanType", "type", "operation.name", "model_name", "request.model")
    parts += ("model.name", "llm.model", "session", "user", "token", "usage", "provider", "score")
    for span in recorded(path):
        for name in content_attributes(span):
            assert not name.endswith(parts) and "document.metadata" not in name, name


@pytest.mark.parametrize("path", GOLDEN, ids=lambda path: path.stem)
def test_a_sealed_span_has_nothing_left_to_seal(path: Path) -> None:
    """Digests in the place of texts are not taken for texts."""
    for span in recorded(path):
        digests = dict.fromkeys(content_attributes(span), "sha256:" + "0" * 64)
        assert not content_attributes(replace(span, attributes=span.attributes | digests))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("output.value", "4711"),
        ("llm.brand_new", "hunter2"),
        ("gen_ai.tool.call.arguments", "4711"),
        ("gen_ai.tool.call.result", "{}"),
        ("gen_ai.agent.description", "short"),
        ("gen_ai.request.model", "two\nlines"),
        ("gen_ai.usage.input_tokens", "x" * 2_000),
        ("db.query.text", "SELECT"),
        ("db.statement", "SELECT"),
        ("mlflow.spanAttributes", "x"),
        ("langfuse.trace.input", "x"),
        ("langfuse.observation.status_message", "x"),
        ("traceloop.prompt.template", "x"),
        ("ai.prompt.messages", "x"),
        ("app.note", "the fee is waived"),
        ("app.note", "手数料は免除"),
        ("app.answer", "42"),
        ("metadata", '{"audience": "customer", "note": "the fee is waived"}'),
        ("metadata", '{"the fee is waived": 1}'),
        ("metadata", '{"question": "PIN"}'),
        ("langfuse.trace.metadata.note", '"the fee is waived"'),
        ("traceloop.association.properties.note", "the fee is waived"),
        ("retrieval.documents.0.document.metadata", '{"summary": "short"}'),
        ("retrieval.documents.0.document.metadata", '{"_node_content": "{\\"text\\": 1}"}'),
        ("retrieval.documents.0.document.metadata", '{"title": "one\\ntwo"}'),
        ("retrieval.documents.0.document.metadata", "[" * 5_000),
        ("url.full", "https://bank.example/search?q=fees"),
        ("ragtrace.something", "the fee is waived"),
        ("sha256:", "sha256:the fee is waived"),
    ],
)
def test_in_doubt_it_is_content(name: str, value: str) -> None:
    """What no list calls readable, and is more than a number or a word, counts as text."""
    assert content_attributes(span_of({name: value})) == {name}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("http.request.method", "POST"),
        ("http.response.status_code", "200"),
        ("url.path", "/v1/chat"),
        ("server.address", "127.0.0.1"),
        ("app.version", "1.2.3"),
        ("app.tags", '["a","b"]'),
        ("metadata", '{"audience": "customer", "versions": {"core": "1.7.2"}}'),
        ("langfuse.trace.metadata.audience", '"customer"'),
        ("gen_ai.retrieval.documents", '[{"id":"fees-1","score":null}]'),
        (
            "retrieval.documents.0.document.metadata",
            '{"title": "Fees of transfers", "label": "staff_only", "page": 3}',
        ),
        (names.DECISION_REASON, "the label is above the audience"),
        ("ragtrace.flows.1", '[{"rule": "two words"}]'),
    ],
)
def test_what_says_nothing_stays(name: str, value: str) -> None:
    """Numbers, names, labels and titles are what a trace is read by."""
    assert not content_attributes(span_of({name: value}))


def test_our_own_spans_are_not_observed() -> None:
    """Neither a span of our scope nor one that was adopted is a step of another tracer's."""
    said = {"openinference.span.kind": "LLM", "input.value": QUESTION}
    assert observed(span_of(said)) is not None
    assert observed(span_of(said, scope="ragtrace")) is None
    assert observed(span_of(said | {names.STAGE: "prompt"})) is None
    assert observed(span_of({"http.request.method": "GET"})) is None


@pytest.mark.parametrize(
    ("attributes", "texts", "completion"),
    [
        (
            {
                "llm.request.type": "chat",
                "gen_ai.prompt.0.role": "user",
                "gen_ai.prompt.0.content": QUESTION,
                "gen_ai.completion.0.content": ANSWER,
            },
            [QUESTION],
            ANSWER,
        ),
        (
            {
                "openinference.span.kind": "LLM",
                "llm.input_messages.0.message.role": "tool",
                "llm.input_messages.0.message.contents.1.message_content.text": STAFF,
                "llm.input_messages.0.message.contents.0.message_content.text": PUBLIC,
                "llm.output_messages.0.message.tool_calls.0.tool_call.function.arguments": "{}",
            },
            [PUBLIC, STAFF],
            "{}",
        ),
        (
            {
                "gen_ai.operation.name": "chat",
                "gen_ai.input.messages": json.dumps(
                    [
                        {"role": "user", "parts": [{"type": "text", "content": QUESTION}]},
                        {
                            "role": "tool",
                            "parts": [{"type": "tool_call_response", "response": {"note": "x"}}],
                        },
                        {"role": "user", "parts": [{"type": "blob", "content": "AAAA"}]},
                    ]
                ),
            },
            [QUESTION, '{"note": "x"}'],
            None,
        ),
        (
            {
                "langfuse.observation.type": "generation",
                "langfuse.observation.input": QUESTION,
                "langfuse.observation.output": ANSWER,
            },
            [QUESTION],
            ANSWER,
        ),
        (
            {
                "mlflow.spanType": '"LLM"',
                "mlflow.spanInputs": json.dumps([QUESTION]),
                "mlflow.spanOutputs": json.dumps({"generations": [[{"text": ANSWER}]]}),
            },
            [QUESTION],
            ANSWER,
        ),
    ],
    ids=["openllmetry-old", "openinference-parts", "genai-tools", "langfuse-text", "mlflow-llm"],
)
def test_other_forms_of_a_model_call(
    attributes: dict[str, str], texts: list[str], completion: str | None
) -> None:
    """Older names, plain texts, parts and what tools were given are read as well."""
    found = observed(span_of(attributes))
    assert found is not None
    assert [message.text for message in found.messages] == texts
    assert found.completion == completion


def test_messages_in_events_are_read() -> None:
    """The conventions had an event a message once, and have one event for all of them now."""
    chat = {"gen_ai.operation.name": "chat"}
    old = (
        SpanEvent("gen_ai.user.message", 1, {"content": QUESTION}),
        SpanEvent("gen_ai.choice", 1, {"message": json.dumps({"content": ANSWER})}),
    )
    parts = [{"role": "user", "parts": [{"type": "text", "content": QUESTION}]}]
    said = {"gen_ai.input.messages": json.dumps(parts), "gen_ai.output.messages": f'["{ANSWER}"]'}
    new = (SpanEvent("gen_ai.client.inference.operation.details", 1, said),)
    for events in (old, new):
        found = observed(span_of(chat, events))
        assert found is not None
        assert [(one.role, one.text) for one in found.messages] == [("user", QUESTION)]
        assert found.completion == ANSWER


def test_the_resource_may_name_the_audience() -> None:
    """An application that serves one audience says so once, and a span of it may say otherwise."""
    span = replace(span_of({}), resource={names.AUDIENCE: "staff", names.TENANT: "acme"})
    assert (turn(span).audience, turn(span).tenant) == ("staff", "acme")
    assert turn(replace(span, attributes={names.AUDIENCE: "customer"})).audience == "customer"


NAMES = st.sampled_from(
    [name for path in GOLDEN for span in recorded(path) for name in span.attributes]
    + [
        *("metadata", "llm.prompts.0.prompt.text", "gen_ai.prompt.0.content", "llm.request.type"),
        *("langfuse.trace.metadata", "retrieval.documents.99999.document.score"),
        *("retrieval.documents.²².document.id", "gen_ai.system_instructions", names.AUDIENCE),
    ]
)
KINDS = {
    "openinference.span.kind": ("RETRIEVER", "RERANKER", "LLM", "CHAIN"),
    "langfuse.observation.type": ("retriever", "generation", '"generation"'),
    "mlflow.spanType": ('"RETRIEVER"', "CHAT_MODEL", '"LLM"'),
    "gen_ai.operation.name": ("retrieval", "chat", "vector_db_retrieve"),
}
KEYS = (
    *("role", "content", "parts", "type", "text", "messages", "choices", "message", "documents"),
    *("page_content", "metadata", "id", "score", "node", "kwargs", "lc", "tool_calls", "args"),
    *("generations", "input", "prompt", "system", "\ud800"),
)
TREES: Any = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(KEYS), inner, max_size=4)
    ),
    max_leaves=25,
)
VALUES = (
    TREES.map(json.dumps)
    | st.text(max_size=12)
    | st.sampled_from(["[" * 20_000, '{"content":' * 3_000, "9" * 5_000, '"\\ud800"', "NaN"])
)
KIND = st.sampled_from([{name: kind} for name, kinds in KINDS.items() for kind in kinds])


@FUZZ
@given(KIND, st.dictionaries(NAMES, VALUES, max_size=12), st.dictionaries(NAMES, VALUES))
def test_anything_is_read_within_bounds(
    kind: dict[str, str], attributes: dict[str, str], event: dict[str, str]
) -> None:
    """Whatever stands in the attributes: no exception, bounded, and every text can be stored."""
    events = tuple(
        SpanEvent(name, 1, event)
        for name in ("db.query.result", "gen_ai.user.message", "gen_ai.choice")
    )
    span = span_of(attributes | kind, events)
    assert content_attributes(span) <= span.attributes.keys()
    found = observed(span)
    if found is None:
        return
    assert len(found.passages) <= MAX_ITEMS and len(found.messages) <= MAX_ITEMS
    assert all(
        len(name) <= MAX_NAME for name in (found.session, found.user, found.tenant, found.model)
    )
    texts = [one.text for one in (*found.passages, *found.messages)]
    "".join([*texts, found.completion or "", found.query]).encode("utf-8")
    json.dumps([one.metadata for one in found.passages], ensure_ascii=False).encode("utf-8")
    assert "Observed" in repr(found) and not any(len(t) > 30 and t in repr(found) for t in texts)


@pytest.mark.parametrize(
    ("said", "output"),
    [
        (
            "langfuse.observation.type",
            '[{"page_content": "a\\ud800b", "metadata": {"\\uD800": 1}}]',
        ),
        ("openinference.span.kind", ""),
    ],
)
def test_odd_values_are_read(said: str, output: str) -> None:
    """Half a character, which JSON can escape, can be stored; odd digits number nothing."""
    kind = {"langfuse.observation.type": "retriever", "openinference.span.kind": "RETRIEVER"}
    odd = {"langfuse.observation.output": output, "retrieval.documents.²².document.id": "x"}
    odd["retrieval.documents.7.document.content"] = "a?b"
    found = observed(span_of(odd | {said: kind[said]}))
    assert found is not None and [one.text for one in found.passages] == ["a?b"]
    json.dumps(found.passages[0].metadata, ensure_ascii=False).encode("utf-8")


@pytest.mark.parametrize("kind", KINDS, ids=str)
def test_a_flood_is_cut(kind: str) -> None:
    """More documents or messages than anybody retrieves or asks are left out."""
    many = MAX_ITEMS + 5
    documents = json.dumps([{"page_content": "x", "id": str(n)} for n in range(many)])
    messages = json.dumps([{"role": "user", "content": "x"}] * many)
    flood = {
        **{f"retrieval.documents.{n}.document.content": "x" for n in range(many)},
        **{f"llm.input_messages.{n}.message.content": "x" for n in range(many)},
        **{f"llm.input_messages.0.message.contents.{n}.message_content.text": "x" for n in (0, 1)},
        "gen_ai.system_instructions": messages,
        **dict.fromkeys(("gen_ai.retrieval.documents", "langfuse.observation.output"), documents),
        **dict.fromkeys(("mlflow.spanInputs", "gen_ai.input.messages"), messages),
        **{"mlflow.spanOutputs": documents, "langfuse.observation.input": messages},
        "traceloop.entity.output": f'{{"documents": {documents}}}',
    }
    for said in KINDS[kind]:
        found = observed(span_of(flood | {kind: said}))
        if found is not None:
            assert MAX_ITEMS in (len(found.passages), len(found.messages))
