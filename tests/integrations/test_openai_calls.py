"""What a call of the SDK says of itself, what it leaves alone, and what it cannot be sure of."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from typing import Any

import httpx
import openai
import pytest

import ragtrace
from ragtrace.testing.conformance import BROKEN, PUBLIC, SECRET, Wire, leaks, question
from tests.integrations.conftest import Start
from tests.integrations.kit import Kit, ask
from tests.integrations.paths_of_openai import Sdk, answering, chat, found, items
from tests.integrations.spans import flows, of, written

# --- spans -----------------------------------------------------------------------------------


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("kind", ["chat", "responses"])
def test_a_call_says_what_was_asked_and_what_flowed(
    kind: str, stream: bool, wire: Wire, start: Start
) -> None:
    """One span: model, provider, tokens, the note in the prompt and the decision about it."""
    spans = start("context_only")
    client = Sdk(wire).client
    with ragtrace.request("customer"):
        if kind == "chat":
            got: Any = client.chat.completions.create(**chat("Why?"), stream=stream)
        else:
            got = client.responses.create(**items("Why?"), stream=stream)
        if stream:
            list(got)
    (span,) = of(spans, "chat")
    told = span.attributes or {}
    assert told["gen_ai.request.model"] == "chat"
    assert told["gen_ai.provider.name"] == "openai"
    assert (told["gen_ai.usage.input_tokens"], told["gen_ai.usage.output_tokens"]) == (3, 4)
    assert told.get("gen_ai.request.stream", False) is stream
    assert "ragtrace.completion.partial" not in told
    assert [flow["action"] for flow in flows(span)][:1] == ["context_only"]
    assert not leaks(written(spans))


def test_azure_is_named(wire: Wire, start: Start) -> None:
    """A client of Azure's says so."""
    spans = start("drop")
    Sdk(wire).azure.chat.completions.create(**chat("Why?"))
    (span,) = of(spans, "chat")
    assert (span.attributes or {})["gen_ai.provider.name"] == "azure.ai.openai"


def test_a_reader_who_goes_away_early_is_noted(wire: Wire, start: Start) -> None:
    """A stream that is closed before its end leaves a span that says it is a part."""
    spans = start("drop")
    stream: Any = Sdk(wire).client.chat.completions.create(**chat("Why?"), stream=True)
    next(iter(stream))
    stream.close()
    (span,) = of(spans, "chat")
    assert (span.attributes or {})["ragtrace.completion.partial"] is True


def test_a_stream_that_nobody_reads_ends_with_its_response(wire: Wire, start: Start) -> None:
    """A stream that is closed unread is a call that has ended."""
    spans = start("drop")
    stream: Any = Sdk(wire).client.chat.completions.create(**chat("Why?"), stream=True)
    stream.close()
    del stream
    gc.collect()
    assert len(of(spans, "chat")) == 1


# --- beneath a framework ---------------------------------------------------------------------


@pytest.mark.parametrize("model", ["chat", "text"])
@pytest.mark.parametrize("how", ["invoke", "stream"])
def test_what_a_framework_asks_is_told_once(how: str, model: str, kit: Kit, start: Start) -> None:
    """LangChain asks by way of the SDK; what it has judged is not judged again beneath it."""
    spans = start("context_only")
    chain = kit.chain(getattr(kit, model)())
    with ragtrace.request("customer"):
        list(chain.stream("Why?")) if how == "stream" else chain.invoke("Why?")
    assert len(kit.wire.bodies) == 1
    (span,) = [*of(spans, "chat"), *of(spans, "text_completion")]
    assert (span.attributes or {})["gen_ai.provider.name"] != "azure.ai.openai"


def test_a_framework_with_tools_is_told_once(kit: Kit, start: Start) -> None:
    """Arguments of tools stand in the SDK's body in another spelling, and are the same."""
    from langchain_core.messages import AIMessage, HumanMessage, ToolMessage

    spans = start("drop")
    call = {"name": "look_up", "args": {"about": 'fees "and" é'}, "id": "call1"}
    said = [
        HumanMessage("Why?"),
        AIMessage("", tool_calls=[call]),
        ToolMessage("ok", tool_call_id="call1"),
    ]
    with ragtrace.request("customer"):
        kit.chat().invoke(said)
    assert len(of(spans, "chat")) == len(kit.wire.bodies) == 1


def test_the_sdk_beside_a_framework_is_judged_by_itself(kit: Kit, start: Start) -> None:
    """A call of the SDK within the same request, not beneath a model of LangChain's, counts."""
    spans = start("drop")
    with ragtrace.request("customer"):
        ask(kit)
        Sdk(kit.wire).client.chat.completions.create(**chat("Why?"))
    assert len(of(spans, "chat")) == 2


# --- what the provider holds -----------------------------------------------------------------


def follow(client: openai.OpenAI, before: str, asked: str) -> Any:
    """The next turn of a conversation that the provider keeps."""
    return client.responses.create(model="chat", input=asked, previous_response_id=before)


def test_what_the_provider_holds_is_judged_with_the_next_turn(wire: Wire, start: Start) -> None:
    """The note of an earlier turn is guarded in a later one that does not send it again."""
    spans = start("context_only")
    client = Sdk(wire).client
    with ragtrace.request("customer"):
        first = client.responses.create(**items(question("customer")))
    with ragtrace.request("customer"):
        follow(client, first.id, "And again?")
    span = of(spans, "chat")[-1]
    assert next(flow["action"] for flow in flows(span)) == "context_only"


@pytest.mark.parametrize("decision", ["redact", "drop", "block"])
def test_what_cannot_be_taken_out_blocks(decision: str, wire: Wire, start: Start) -> None:
    """Staff's turn is gone on with by a customer: the provider has the note, so nobody asks."""
    start(decision)
    client = Sdk(wire).client
    with ragtrace.request("staff"):
        first = client.responses.create(**items(question("staff")))
    wire.clear()
    with ragtrace.request("customer"), pytest.raises(ragtrace.PolicyBlocked):
        follow(client, first.id, "And again?")
    assert wire.bodies == []


@pytest.mark.parametrize("held", [{"previous_response_id": "r"}, {"conversation": "c"}])
def test_a_thread_that_nobody_here_has_seen_blocks(held: Any, wire: Wire, start: Start) -> None:
    """What another process began may hold anything; the policy says whether that is allowed."""
    start("drop")
    with ragtrace.request("customer"), pytest.raises(ragtrace.PolicyBlocked, match="judge-error"):
        Sdk(wire).client.responses.create(model="chat", input="And?", **held)
    assert wire.bodies == []


def test_a_prompt_in_tokens_blocks(wire: Wire, start: Start) -> None:
    """Numbers cannot be read."""
    start("drop")
    with ragtrace.request("customer"), pytest.raises(ragtrace.PolicyBlocked, match="tokens"):
        Sdk(wire).client.completions.create(model="text", prompt=[1, 2, 3])
    assert wire.bodies == []


@pytest.mark.parametrize("what", ["responses", "chat"])
def test_a_stored_answer_is_guarded_when_it_is_fetched(what: str, start: Start) -> None:
    """An answer of staff's that the provider has stored reaches a customer without the note."""
    start("drop")
    part = {"type": "output_text", "text": SECRET, "annotations": []}
    item = {"type": "message", "id": "m", "role": "assistant", "status": "completed"}
    choice = {
        "index": 0,
        "message": {"role": "assistant", "content": SECRET},
        "finish_reason": "stop",
    }
    body = {"id": "r1", "output": [{**item, "content": [part]}], "choices": [choice]}
    client = answering(httpx.Response(200, json=body).content)
    with ragtrace.request("staff"):
        assert leaks(found())
        fetch: Any = client.responses if what == "responses" else client.chat.completions
        assert leaks(repr(fetch.retrieve("r1")))
    with ragtrace.request("customer"):
        assert not leaks(repr(fetch.retrieve("r1")))


# --- what is left alone ----------------------------------------------------------------------


def test_what_is_not_a_model_passes(wire: Wire, start: Start) -> None:
    """Embeddings, files and lists of models are none of ragtrace's business."""
    spans = start("drop")
    client = answering(b'{"object": "list", "data": []}')
    with ragtrace.request("customer"):
        client.models.list()
        client.embeddings.create(model="e", input=PUBLIC, encoding_format="float")
    assert spans.get_finished_spans() == () or not of(spans, "chat")


def test_the_users_exception_is_the_same(wire: Wire, start: Start) -> None:
    """What the SDK raises leaves as it came, and the span notes its class alone."""
    spans = start("drop")
    with pytest.raises(openai.InternalServerError) as raised, ragtrace.request("customer"):
        Sdk(wire).client.chat.completions.create(**{**chat("Why?"), "model": BROKEN})
    assert raised.value.status_code == 500 and raised.value.__cause__ is None
    (span,) = of(spans, "chat")
    assert (span.attributes or {})["error.type"] == "InternalServerError"


def test_unguarded_bytes_are_the_same(wire: Wire, start: Start) -> None:
    """Where nothing may not be said, a stream's bytes leave as they came."""
    create = Sdk(wire).client.chat.completions.with_streaming_response.create
    arguments = {"model": "chat", "messages": [{"role": "user", "content": PUBLIC}]}

    def read() -> bytes:
        with create(**arguments, stream=True) as raw:  # type: ignore[call-overload]
            return b"".join(raw.iter_bytes())

    before = read()
    start("context_only")
    with ragtrace.request("customer"):
        assert read() == before


# --- answers as they come --------------------------------------------------------------------


def test_each_of_several_answers_is_guarded(start: Start) -> None:
    """Two choices, two tools and a provider's own reasoning are each a channel of their own."""
    start("context_only")

    def events() -> Iterator[bytes]:
        import json

        for at in range(0, len(SECRET), 9):
            piece = SECRET[at : at + 9]
            for index in range(2):
                calls = [{"index": n, "function": {"arguments": piece}} for n in range(2)]
                delta = {"content": piece, "reasoning_content": piece, "tool_calls": calls}
                chunk = {"id": "1", "choices": [{"index": index, "delta": delta}]}
                yield f"data: {json.dumps(chunk)}\r\n\r\n".encode()
        for index in range(2):
            chunk = {"id": "1", "choices": [{"index": index, "delta": {}, "finish_reason": "stop"}]}
            yield f"data: {json.dumps(chunk)}\r\n\r\n".encode()
        yield b"data: [DONE]\r\n\r\n"

    with ragtrace.request("customer"):
        chunks = list(answering(events).chat.completions.create(**chat("Why?"), stream=True))
    told: dict[tuple[int, str], str] = {}
    for chunk in chunks:
        for choice in chunk.choices:
            said: Any = choice.delta.to_dict()
            for key in ("content", "reasoning_content"):
                told[choice.index, key] = told.get((choice.index, key), "") + said.get(key, "")
            for call in said.get("tool_calls", ()):
                name = f"tool {call['index']}"
                told[choice.index, name] = (
                    told.get((choice.index, name), "") + call["function"]["arguments"]
                )
    assert len(told) == 8
    assert all("[withheld]" in text and not leaks(text) for text in told.values())
    last = [chunk.choices[0].finish_reason for chunk in chunks]
    assert last.index("stop") >= len(last) - 9  # what was held back leaves before the end is told


def test_what_was_held_back_leaves_before_the_end(start: Start) -> None:
    """A harmless tail is said in full, ahead of the event that ends the answer."""
    start("context_only")
    tail = SECRET[:12]

    def events() -> Iterator[bytes]:
        import json

        chunk = {"id": "1", "choices": [{"index": 0, "delta": {"content": f"So: {tail}"}}]}
        yield f"data: {json.dumps(chunk)}\n\n".encode()
        chunk = {"id": "1", "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}
        yield f"data: {json.dumps(chunk)}\n\n".encode()
        yield b"data: [DONE]\n\n"

    with ragtrace.request("customer"):
        chunks = list(answering(events).chat.completions.create(**chat("Why?"), stream=True))
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks) == f"So: {tail}"
    assert chunks[-1].choices[0].finish_reason == "stop"


def test_a_body_that_is_no_json_is_guarded(start: Start) -> None:
    """A proxy's page that quotes the prompt is an answer as well."""
    start("context_only")
    client = answering(f"<p>{SECRET}</p>".encode())
    with ragtrace.request("customer"):
        raw = client.chat.completions.with_raw_response.create(**chat("Why?"))
    assert "[withheld]" in raw.text and not leaks(raw.text)


def test_what_an_open_stream_has_said_is_known_to_the_next_call(start: Start) -> None:
    """A step may hand on what it has read so far; in a later request it is judged as said."""
    import json

    said = "Nobody has filed this sentence anywhere, and still it was said by a model."

    def events() -> Iterator[bytes]:
        for text in (said, " data: [DONE]\n\n", "And more.", "And more."):
            chunk = {"id": "1", "choices": [{"index": 0, "delta": {"content": text}}]}
            yield f"data: {json.dumps(chunk)}\n\n".encode()

    spans = start("context_only")
    with ragtrace.request("staff"):
        client = answering(events)
        stream: Any = client.chat.completions.create(**chat("Why?"), stream=True)
        for _ in range(3):
            next(stream)
        asked: Any = [{"role": "user", "content": said}]
        list(client.chat.completions.create(model="m", messages=asked, stream=True))
        stream.close()
    last = of(spans, "chat")[0]
    assert [flow["level"] for flow in flows(last)] == ["staff_only"]
    (left,) = [
        span for span in of(spans, "chat") if "ragtrace.completion.partial" in span.attributes
    ]
    assert left is not last
