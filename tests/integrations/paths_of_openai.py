"""Paths of the SDK: every way it asks a model, with notes that were found beforehand."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from functools import cache, cached_property
from typing import Any

import httpx
from openai import AsyncAzureOpenAI, AsyncOpenAI, AzureOpenAI, OpenAI
from pydantic import BaseModel

from ragtrace.capture import search
from ragtrace.model import Passage, Source
from ragtrace.testing.conformance import LEVEL, NOTES, Note, Paths, Wire
from ragtrace_openai import OpenAIInstrumentor

__all__ = ["PATHS", "Reply", "Sdk", "answering", "chat", "found", "items"]

PATHS = Paths()
path = PATHS.path()


def found(notes: Sequence[Note] = NOTES) -> str:
    """The notes that a store of no framework has, as ragtrace lets them leave."""
    source = Source("store/notes")
    passages = [
        Passage(note.text, source, {LEVEL: note.level}, note.id, place)
        for place, note in enumerate(notes)
    ]
    texts: list[str | None] = [note.text for note in notes]
    if OpenAIInstrumentor().is_instrumented_by_opentelemetry:
        with search(source) as step:
            texts = texts if step is None else step.judge(passages)
    return "\n\n".join(text for text in texts if text is not None)


class Reply(BaseModel):
    """A form for an answer."""

    reply: str


def answering(answer: Any) -> OpenAI:
    """A client whose provider answers with these bytes, or with what this function gives."""

    def reply(request: httpx.Request) -> httpx.Response:
        return httpx.Response(200, content=answer() if callable(answer) else answer)

    http = httpx.Client(transport=httpx.MockTransport(reply))
    return OpenAI(api_key="none", max_retries=0, http_client=http)


@cache
def http() -> httpx.Client:
    """One for all clients: it takes longer to make than to use."""
    return httpx.Client()


class Sdk:
    """Clients on the wire."""

    heard = ""

    def __init__(self, wire: Wire) -> None:
        self._at: Any = {"base_url": wire.url, "api_key": "none", "max_retries": 0}
        self._azure: Any = {**self._at, "api_version": "2024-06-01"}

    def find(self, notes: Sequence[Note]) -> list[str]:
        """What a store has."""
        return found(notes).split("\n\n")

    def fail(self, error: Exception) -> Any:
        """What reads the wire breaks in the middle of a stream."""

        def broken() -> Iterator[bytes]:
            yield b'data: {"choices": [{"index": 0, "delta": {"content": "A"}}]}\n\n'
            raise error

        return list(answering(broken).chat.completions.create(**chat("Why?"), stream=True))

    def ask(self, notes: str, asked: str) -> Any:
        """A chat completion."""
        said: Any = [{"role": "system", "content": notes}, {"role": "user", "content": asked}]
        return self.client.chat.completions.create(model="chat", messages=said)

    def stream(self, notes: str, asked: str) -> Any:
        """The same in pieces."""
        said: Any = [{"role": "system", "content": notes}, {"role": "user", "content": asked}]
        return self.client.chat.completions.create(model="chat", messages=said, stream=True)

    def close(self) -> None:
        """Nothing was changed."""

    @cached_property
    def client(self) -> OpenAI:
        """The usual one."""
        return OpenAI(**self._at, http_client=http())

    @cached_property
    def aclient(self) -> AsyncOpenAI:
        """The same for a loop."""
        return AsyncOpenAI(**self._at)

    @cached_property
    def azure(self) -> AzureOpenAI:
        """Azure's."""
        return AzureOpenAI(**self._azure, http_client=http())

    @cached_property
    def aazure(self) -> AsyncAzureOpenAI:
        """Azure's for a loop."""
        return AsyncAzureOpenAI(**self._azure)


def chat(asked: str) -> Any:
    """Arguments of a chat completion."""
    messages = [{"role": "system", "content": f"Notes:\n{found()}"}]
    return {"model": "chat", "messages": [*messages, {"role": "user", "content": asked}]}


def text(asked: str) -> Any:
    """Arguments of a completion."""
    return {"model": "text", "prompt": f"Notes:\n{found()}\n{asked}"}


def items(asked: str) -> Any:
    """Arguments of a response."""
    return {"model": "chat", "instructions": f"Notes:\n{found()}", "input": asked}


def said(chunks: list[Any]) -> list[Any]:
    """What came in pieces: each of them, and all put together."""
    texts = [
        getattr(getattr(choice, "delta", choice), field, None) or ""
        for chunk in chunks
        for choice in chunk.choices
        for field in ("content", "text")
    ]
    return [*chunks, "".join(texts)]


def told(events: list[Any]) -> list[Any]:
    """The same of the events of a response."""
    deltas = [str(getattr(event, "delta", None) or "") for event in events]
    return [*events, "".join(deltas)]


# --- chat completions ------------------------------------------------------------------------


@path
def create(sdk: Sdk, asked: str) -> Any:
    return sdk.client.chat.completions.create(**chat(asked))


@path
async def acreate(sdk: Sdk, asked: str) -> Any:
    async with sdk.aclient as client:
        return await client.chat.completions.create(**chat(asked))


@path
def stream(sdk: Sdk, asked: str) -> Any:
    return said(list(sdk.client.chat.completions.create(**chat(asked), stream=True)))


@path
async def astream(sdk: Sdk, asked: str) -> Any:
    async with sdk.aclient as client:
        pieces = await client.chat.completions.create(**chat(asked), stream=True)
        return said([piece async for piece in pieces])


@path
def stream_helper(sdk: Sdk, asked: str) -> Any:
    with sdk.client.chat.completions.stream(**chat(asked)) as events:
        return [*events, events.get_final_completion()]


@path
async def astream_helper(sdk: Sdk, asked: str) -> Any:
    async with (
        sdk.aclient as client,
        client.chat.completions.stream(**chat(asked)) as events,
    ):
        return [*[event async for event in events], await events.get_final_completion()]


@path
def parse(sdk: Sdk, asked: str) -> Any:
    return sdk.client.chat.completions.parse(**chat(asked), response_format=Reply)


@path
async def aparse(sdk: Sdk, asked: str) -> Any:
    async with sdk.aclient as client:
        return await client.chat.completions.parse(**chat(asked), response_format=Reply)


@path
def raw_response(sdk: Sdk, asked: str) -> Any:
    raw = sdk.client.chat.completions.with_raw_response.create(**chat(asked))
    return [raw.text, raw.content, raw.parse()]


@path
async def araw_response(sdk: Sdk, asked: str) -> Any:
    async with sdk.aclient as client:
        raw = await client.chat.completions.with_raw_response.create(**chat(asked))
        return [raw.text, raw.content, raw.parse()]


@path
def raw_stream(sdk: Sdk, asked: str) -> Any:
    raw = sdk.client.chat.completions.with_raw_response.create(**chat(asked), stream=True)
    return said(list(raw.parse()))


@path
def streaming_response(sdk: Sdk, asked: str) -> Any:
    with sdk.client.chat.completions.with_streaming_response.create(**chat(asked)) as raw:
        return [raw.read(), raw.parse()]


@path
async def astreaming_response(sdk: Sdk, asked: str) -> Any:
    async with (
        sdk.aclient as client,
        client.chat.completions.with_streaming_response.create(**chat(asked)) as raw,
    ):
        return [await raw.read(), await raw.parse()]


@path
def streaming_response_lines(sdk: Sdk, asked: str) -> Any:
    create = sdk.client.chat.completions.with_streaming_response.create
    with create(**chat(asked), stream=True) as raw:
        lines = list(raw.iter_lines())
    events = [json.loads(line[6:]) for line in lines if line.startswith("data: {")]
    deltas = [choice["delta"].get("content") for one in events for choice in one["choices"]]
    return [lines, "".join(filter(None, deltas))]


@path
def content_parts(sdk: Sdk, asked: str) -> Any:
    notes = {"type": "text", "text": f"Notes:\n{found()}"}
    picture = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}
    messages: Any = [
        {"role": "user", "content": [notes, picture]},
        {"role": "user", "content": asked},
    ]
    return sdk.client.chat.completions.create(model="chat", messages=messages)


@path
def logprobs(sdk: Sdk, asked: str) -> Any:
    arguments = {**chat(asked), "logprobs": True}
    pieces = said(list(sdk.client.chat.completions.create(**arguments, stream=True)))
    return [sdk.client.chat.completions.create(**arguments), *pieces]


@path
def extra_body(sdk: Sdk, asked: str) -> Any:
    arguments = chat(asked)
    messages = arguments.pop("messages")
    body = {"messages": messages}
    return sdk.client.chat.completions.create(**arguments, messages=[], extra_body=body)


@path
def bare_post(sdk: Sdk, asked: str) -> Any:
    return sdk.client.post("/chat/completions", body=chat(asked), cast_to=object)


@path
def azure(sdk: Sdk, asked: str) -> Any:
    return sdk.azure.chat.completions.create(**chat(asked))


@path
async def aazure_stream(sdk: Sdk, asked: str) -> Any:
    async with sdk.aazure as client:
        pieces = await client.chat.completions.create(**chat(asked), stream=True)
        return said([piece async for piece in pieces])


TOOL: Any = {
    "name": "look_up",
    "parameters": {"type": "object", "properties": {"about": {"type": "string"}}},
}


@path
def tool_arguments(sdk: Sdk, asked: str) -> Any:
    tools: Any = [{"type": "function", "function": TOOL}]
    return sdk.client.chat.completions.create(**chat(asked), tools=tools)


@path
def tool_arguments_streamed(sdk: Sdk, asked: str) -> Any:
    tools: Any = [{"type": "function", "function": TOOL}]
    pieces = list(sdk.client.chat.completions.create(**chat(asked), tools=tools, stream=True))
    calls = [
        call
        for piece in pieces
        for choice in piece.choices
        for call in choice.delta.tool_calls or ()
    ]
    words = [piece.choices[0].delta.content or "" for piece in pieces if piece.choices]
    written = [call.function.arguments or "" for call in calls if call.function]
    return [*pieces, "".join(written), "".join(words)]


@path
def tool_result(sdk: Sdk, asked: str) -> Any:
    function = {"name": "look_up", "arguments": json.dumps({"about": found()})}
    call = {"id": "call1", "type": "function", "function": function}
    messages: Any = [
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "call1", "content": found()},
        {"role": "user", "content": asked},
    ]
    return sdk.client.chat.completions.create(model="chat", messages=messages)


# --- completions -----------------------------------------------------------------------------


@path
def completion(sdk: Sdk, asked: str) -> Any:
    return sdk.client.completions.create(**text(asked))


@path
async def acompletion_stream(sdk: Sdk, asked: str) -> Any:
    async with sdk.aclient as client:
        pieces = await client.completions.create(**text(asked), stream=True)
        return said([piece async for piece in pieces])


# --- responses -------------------------------------------------------------------------------


@path
def response(sdk: Sdk, asked: str) -> Any:
    return sdk.client.responses.create(**items(asked))


@path
async def aresponse(sdk: Sdk, asked: str) -> Any:
    async with sdk.aclient as client:
        return await client.responses.create(**items(asked))


@path
def response_input_items(sdk: Sdk, asked: str) -> Any:
    notes = {"role": "user", "content": [{"type": "input_text", "text": found()}]}
    given: Any = [notes, {"role": "user", "content": asked}]
    return sdk.client.responses.create(model="chat", input=given)


@path
def response_stream(sdk: Sdk, asked: str) -> Any:
    return told(list(sdk.client.responses.create(**items(asked), stream=True)))


@path
async def aresponse_stream(sdk: Sdk, asked: str) -> Any:
    async with sdk.aclient as client:
        events = await client.responses.create(**items(asked), stream=True)
        return told([event async for event in events])


@path
def response_stream_helper(sdk: Sdk, asked: str) -> Any:
    with sdk.client.responses.stream(**items(asked)) as events:
        return [*told(list(events)), events.get_final_response()]


@path
async def aresponse_stream_helper(sdk: Sdk, asked: str) -> Any:
    async with sdk.aclient as client, client.responses.stream(**items(asked)) as events:
        return [*told([event async for event in events]), await events.get_final_response()]


@path
def response_parse(sdk: Sdk, asked: str) -> Any:
    return sdk.client.responses.parse(**items(asked), text_format=Reply)


@path
def response_tool_arguments(sdk: Sdk, asked: str) -> Any:
    tools: Any = [{"type": "function", "strict": False, **TOOL}]
    events = list(sdk.client.responses.create(**items(asked), tools=tools, stream=True))
    return [*told(events), sdk.client.responses.create(**items(asked), tools=tools)]


@path
def response_tool_result(sdk: Sdk, asked: str) -> Any:
    given: Any = [
        {"type": "function_call", "call_id": "c1", "name": "look_up", "arguments": "{}"},
        {"type": "function_call_output", "call_id": "c1", "output": found()},
        {"role": "user", "content": asked},
    ]
    return sdk.client.responses.create(model="chat", input=given)
