"""Answers come in many shapes; under ``context_only`` none of them says the note."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, AIMessageChunk
from langchain_core.messages.tool import tool_call_chunk
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult

import ragtrace
from tests.integrations.conftest import Start
from tests.integrations.kit import SECRET, Ear, Kit, leaks

BEFORE, AFTER = "As our notes say: ", " Waive the over, then."
"""What stands around the note; the end begins as the note does, and must all arrive."""
WHOLE = f"{BEFORE}{SECRET}{AFTER}"
PIECES = [WHOLE[at : at + 30] for at in range(0, len(WHOLE), 30)]

Chunk = AIMessageChunk
KEY = "reasoning_content"


def arguments(text: str, index: int | None, name: str | None = None) -> Chunk:
    """A piece of the arguments of a tool call."""
    call = tool_call_chunk(name=name, args=text, id="call0" if name else None, index=index)
    return Chunk(content="", tool_call_chunks=[call])


def reasoned(piece: str) -> dict[str, Any]:
    """A piece of reasoning, as the Responses API has it."""
    summary = [{"index": 0, "type": "summary_text", "text": piece}]
    return {"type": "reasoning", "index": 0, "summary": summary}


SHAPES: dict[str, list[Chunk]] = {
    "text": [Chunk(content=piece) for piece in PIECES],
    "letters": [Chunk(content=letter) for letter in WHOLE],
    "text blocks": [
        Chunk(content=[{"type": "text", "text": piece, "index": 0}]) for piece in PIECES
    ],
    "text in two blocks": [
        Chunk(content=[{"type": "text", "text": piece, "index": place // 3}])
        for place, piece in enumerate(PIECES)
    ],
    "strings in a list": [Chunk(content=[piece]) for piece in PIECES],
    "thinking": [
        Chunk(content=[{"type": "thinking", "thinking": piece, "index": 0}]) for piece in PIECES
    ],
    "reasoning summary": [Chunk(content=[reasoned(piece)]) for piece in PIECES],
    "reasoning beside text": [
        Chunk(content=piece, additional_kwargs={KEY: piece}) for piece in PIECES
    ],
    "arguments": [
        arguments('{"note": "', 0, "send"),
        *(arguments(piece, 0) for piece in PIECES),
        arguments('"}', 0),
    ],
    "arguments at once": [arguments(json.dumps({"note": WHOLE}), None, "send")],
    "arguments in blocks": [
        Chunk(content=[{"type": "input_json_delta", "partial_json": piece, "index": 0}])
        for piece in PIECES
    ],
    "a provider's own copy": [
        Chunk(content=piece, additional_kwargs={"audio": {"transcript": piece}}) for piece in PIECES
    ],
}


class Scripted(BaseChatModel):
    """Says what it is told to, once as a stream and once as a whole."""

    script: list[Chunk]

    @property
    def _llm_type(self) -> str:
        return "scripted"

    def _generate(self, messages: Any, *args: Any, **kwargs: Any) -> ChatResult:
        said = self.script[0]
        for chunk in self.script[1:]:
            said = said + chunk
        message = AIMessage(
            content=said.content,
            tool_calls=said.tool_calls,
            additional_kwargs=said.additional_kwargs,
        )
        return ChatResult(generations=[ChatGeneration(message=message)])

    def _stream(
        self, messages: Any, stop: Any = None, run_manager: Any = None, **kwargs: Any
    ) -> Iterator[ChatGenerationChunk]:
        for chunk in self.script:
            made = ChatGenerationChunk(
                message=chunk.model_copy(deep=True),
                generation_info={"logprobs": [{"token": str(chunk.content)}]},
            )
            if run_manager:
                run_manager.on_llm_new_token(made.text, chunk=made)
            yield made


class AsyncScripted(Scripted):
    """The same with a stream of its own for async callers."""

    async def _astream(
        self, messages: Any, stop: Any = None, run_manager: Any = None, **kwargs: Any
    ) -> AsyncIterator[ChatGenerationChunk]:
        for made in super()._stream(messages):
            if run_manager:
                await run_manager.on_llm_new_token(made.text, chunk=made)
            yield made


async def events(model: Any, version: Any, config: Any) -> list[Any]:
    """All of a model's events, without what went in."""
    if version == "v3":
        stream = await model.astream_events(SECRET, config, version="v3")
        return [*[event async for event in stream], await stream]
    return [
        (event["data"].get("chunk"), event["data"].get("output"))
        async for event in model.astream_events(SECRET, config, version=version)
    ]


def v3(model: Any, config: Any) -> list[Any]:
    """All of a model's events of version 3, and the message they make."""
    stream = model.stream_events(SECRET, config, version="v3")
    return [*stream, stream.output]


async def astream(model: Any, config: Any) -> list[Any]:
    """All chunks, by the async way."""
    return [chunk async for chunk in model.astream(SECRET, config)]


WAYS: dict[str, Any] = {
    "invoke": lambda model, config: [model.invoke(SECRET, config)],
    "ainvoke": lambda model, config: [asyncio.run(model.ainvoke(SECRET, config))],
    "stream": lambda model, config: list(model.stream(SECRET, config)),
    "astream": lambda model, config: asyncio.run(astream(model, config)),
    "events v1": lambda model, config: asyncio.run(events(model, "v1", config)),
    "events v2": lambda model, config: asyncio.run(events(model, "v2", config)),
    "events v3": lambda model, config: asyncio.run(events(model, "v3", config)),
    "sync events v3": v3,
}


@pytest.fixture(params=[Scripted, AsyncScripted])
def guarded(request: pytest.FixtureRequest, kit: Kit, start: Start) -> Any:
    """A model class for a customer whose prompts hold the note and whose answers may not."""
    start("context_only")
    with ragtrace.request("customer"):
        kit.retriever.invoke("fee")
        yield request.param


@pytest.mark.slow
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("way", WAYS)
def test_no_shape_says_it(way: str, shape: str, guarded: Any) -> None:
    """Tokens, chunks, events and whole messages are without the note, told and put together."""
    ear = Ear()
    got = WAYS[way](guarded(script=SHAPES[shape]), {"callbacks": [ear]})
    text = f"{got!r}\n{ear.all}"
    assert not leaks(text)
    assert "[withheld]" in text


@pytest.mark.parametrize("output_version", ["v0", "v1"])
@pytest.mark.parametrize("shape", SHAPES)
def test_what_is_harmless_all_arrives(shape: str, output_version: Any, guarded: Any) -> None:
    """Put together, the stream is the answer with a mark in it, its end not lost or doubled."""
    model = guarded(script=SHAPES[shape], output_version=output_version)
    whole = None
    for chunk in model.stream(SECRET):
        whole = chunk if whole is None else whole + chunk
    assert not leaks(repr(whole))
    expected = f"{BEFORE}[withheld].{AFTER}"
    told = [whole.text, json.dumps(whole.content), json.dumps(whole.tool_calls)]
    told.append(json.dumps(whole.additional_kwargs))
    seams = (text.replace('", "', "") for text in told)  # strings in a list stay apart
    assert any(expected in text for text in (*seams, joined(whole))), whole


def joined(message: Any) -> str:
    """The text of all blocks, one behind the other."""
    if isinstance(message.content, str):
        return message.content
    return "".join(
        block if isinstance(block, str) else block.get("text", "") for block in message.content
    )
