"""Leaves: every text of a message counts, wherever in it it stands, and nothing else is touched."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from langchain_core.caches import InMemoryCache
from langchain_core.globals import set_llm_cache
from langchain_core.language_models.llms import BaseLLM
from langchain_core.messages import AIMessage, AIMessageChunk, HumanMessage, ToolCall, ToolMessage
from langchain_core.messages.tool import tool_call_chunk
from langchain_core.outputs import (
    ChatGeneration,
    ChatGenerationChunk,
    ChatResult,
    Generation,
    GenerationChunk,
    LLMResult,
)
from pydantic import Field

import ragtrace
from ragtrace_langchain._messages import Parts
from tests.integrations.conftest import Start
from tests.integrations.kit import SECRET, Kit, joined, leaks
from tests.integrations.scripted import Scripted
from tests.integrations.test_langchain_lineage import ASKED, FIRST, HARMLESS, THIRD, tell

KEYS = ("text", "data", "url", "id", "type", "name", "signature")
"""Names that a tool's arguments may have, and that mean something else in a content block."""

SHORT = ("Ninety a quarter, book seven.", "Up to ninety; heading seven.")
"""Two answers too short to be known by their words."""


def calling(args: dict[str, Any], name: str = "note") -> AIMessage:
    """A message that calls a tool."""
    return AIMessage("", tool_calls=[ToolCall(name=name, args=args, id="c1", type="tool_call")])


class Attentive(Scripted):
    """Keeps all that it was sent, not only what is for reading."""

    def _next(self, messages: Any) -> AIMessage:
        said = super()._next(messages)
        self.shown[-1] = "\n".join(repr(message) for message in messages)
        return said


def as_call(key: str) -> AIMessage:
    """A call with the secret in it."""
    return calling({key: SECRET})


def as_block(key: str) -> AIMessage:
    """The same call as Anthropic has it."""
    block = {"type": "tool_use", "id": "c1", "name": "note", "input": {"deep": [{key: SECRET}]}}
    return AIMessage([block])


# --- where texts stand ----------------------------------------------------------------------


@pytest.mark.parametrize("key", KEYS)
@pytest.mark.parametrize("said", [as_call, as_block])
def test_arguments_of_tools_are_read_whatever_they_are_called(
    kit: Kit, start: Start, key: str, said: Any
) -> None:
    """On their way to a model, and on their way from one."""
    start("context_only")
    with ragtrace.request("customer"):
        notes = joined(kit.retriever.invoke(ASKED))
        got = Scripted(script=[said(key)]).invoke([("system", notes), ("human", ASKED)])
    assert not leaks(repr(got)) and "[withheld]" in repr(got)
    ragtrace.shutdown()
    start("drop")
    with ragtrace.request("staff"):
        kit.retriever.invoke(ASKED)
    last = Attentive(script=[HARMLESS])
    with ragtrace.request("customer"):
        last.invoke([HumanMessage("Hi"), said(key), ToolMessage("ok", tool_call_id="c1")])
    assert last.shown and not leaks(last.shown[0])


WRITTEN = base64.b64encode(SECRET.encode()).decode()

DOCUMENTS: list[dict[str, Any]] = [
    {
        "type": "document",
        "source": {"type": "text", "media_type": "text/plain", "data": SECRET},
    },
    {"type": "text-plain", "mime_type": "text/plain", "text": SECRET},
    {"type": "file", "mime_type": "text/plain", "base64": WRITTEN},
    {"type": "non_standard", "value": {"url": SECRET}},
    {"type": "json", "json": {"id": SECRET}},
    {"type": "search_result", "url": SECRET, "content": []},
]


@pytest.mark.parametrize("block", DOCUMENTS, ids=lambda block: block["type"])
def test_documents_in_blocks_are_read(kit: Kit, start: Start, block: dict[str, Any]) -> None:
    """A text document is a text, whichever key it stands under."""
    start("drop")
    with ragtrace.request("staff"):
        kit.retriever.invoke(ASKED)
    last = Attentive(script=[HARMLESS])
    with ragtrace.request("customer"):
        last.invoke([HumanMessage([block, {"type": "text", "text": ASKED}])])
    assert last.shown and not leaks(last.shown[0]) and WRITTEN not in last.shown[0]


BLOCKS: list[Any] = [
    {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "x"}},
    {"type": "image_url", "image_url": {"url": "x"}},
    {"type": "input_image", "image_url": "x"},
    {"type": "media", "mime_type": "audio/wav", "data": "x"},
    {"type": "input_audio", "input_audio": {"data": "x"}},
    {"type": "file", "file": {"file_data": "x", "file_id": "x"}},
    {"type": "redacted_thinking", "data": "x"},
    {"type": "thinking", "thinking": "read", "signature": "x", "index": "x"},
    {
        "type": "reasoning",
        "id": "x",
        "encrypted_content": "x",
        "extras": {"thought_signature": "x"},
    },
    {"type": "function_call", "name": "x", "arguments": "read", "call_id": "x", "id": "x"},
    {"toolUse": {"toolUseId": "x", "name": "x", "input": {"toolUseId": "read"}}},
]


def test_media_references_and_seals_are_left_alone() -> None:
    """A provider refuses a message in which one of them was changed."""
    parts = Parts([AIMessage(BLOCKS, additional_kwargs={"audio": {"data": "x", "id": "x"}})])
    assert [part.text for part in parts.messages] == ["read"] * 3


# --- what a stream leaves behind --------------------------------------------------------------

CHUNKS: dict[str, Any] = {
    "thinking": lambda piece: AIMessageChunk([{"type": "thinking", "thinking": piece, "index": 0}]),
    "reasoning": lambda piece: AIMessageChunk("", additional_kwargs={"reasoning_content": piece}),
    "transcript": lambda piece: AIMessageChunk(
        "", additional_kwargs={"audio": {"transcript": piece}}
    ),
    "arguments": lambda piece: AIMessageChunk(
        "", tool_call_chunks=[tool_call_chunk(name=None, args=piece, id=None, index=0)]
    ),
}


class Streaming(Scripted):
    """Says its chunks one by one."""

    chunks: list[Any]

    def _stream(self, messages: Any, *args: Any, **kwargs: Any) -> Iterator[ChatGenerationChunk]:
        yield from self.chunks


def streamed(kit: Kit, *messages: AIMessageChunk) -> None:
    """A stream on the staff note for staff; every chunk arrives as the object it was."""
    chunks = [ChatGenerationChunk(message=message) for message in messages]
    with ragtrace.request("staff"):
        notes = HumanMessage(joined(kit.retriever.invoke(ASKED)))
        got = list(Streaming(script=[""], chunks=chunks)._stream([notes]))
    assert len(got) == len(chunks)
    assert all(one is other for one, other in zip(got, chunks, strict=True))


@pytest.mark.parametrize("shape", CHUNKS)
def test_what_streams_beside_the_text_is_remembered(kit: Kit, start: Start, shape: str) -> None:
    """Reasoning that was streamed to staff is staff text in a customer's prompt."""
    start("drop")
    pieces = [FIRST[at : at + 9] for at in range(0, len(FIRST), 9)]
    streamed(kit, *map(CHUNKS[shape], pieces), AIMessageChunk("Done."))
    last = Scripted(script=[HARMLESS])
    tell(last, FIRST)
    assert last.shown and FIRST not in last.shown[0]


def test_arguments_that_stream_at_once_are_remembered(kit: Kit, start: Start) -> None:
    """A chunk without an index is a whole call."""
    start("drop")
    call = tool_call_chunk(name="note", args=f'{{"a": "{FIRST}"}}', id="c1", index=None)
    streamed(kit, AIMessageChunk("", tool_call_chunks=[call]))
    last = Scripted(script=[HARMLESS])
    tell(last, FIRST)
    assert last.shown and FIRST not in last.shown[0]


@pytest.mark.parametrize("shape", CHUNKS)
def test_reasoning_counts_in_what_a_safe_step_says(
    kit: Kit, start: Start, shape: str, tmp_path: Path
) -> None:
    """A step that may say ten characters has said more, though its text is short."""
    start("drop")
    policy = next(tmp_path.glob("*.yaml"))
    ragtrace.shutdown()
    steps = "transformations:\n  - {id: triage, to: public, at_most: 10, reason: one word}\n"
    policy.write_text(policy.read_text() + steps)
    ragtrace.init(str(policy))
    with ragtrace.transformation("triage"):
        streamed(kit, CHUNKS[shape](FIRST), AIMessageChunk("Done."))
    last = Scripted(script=[HARMLESS])
    tell(last, FIRST)
    assert last.shown and FIRST not in last.shown[0]


def test_reasoning_in_parts_is_remembered_of_a_whole_answer(kit: Kit, start: Start) -> None:
    """A summary of reasoning and a tool's text are no part of what is for reading."""
    start("drop")
    summary = {"type": "reasoning", "summary": [{"type": "summary_text", "text": FIRST}]}
    use = {"type": "tool_use", "id": "c1", "name": "note", "input": {"text": THIRD}}
    with ragtrace.request("staff"):
        notes = joined(kit.retriever.invoke(ASKED))
        Scripted(script=[AIMessage([summary, use])]).invoke(notes)
    for said in (FIRST, THIRD):
        last = Scripted(script=[HARMLESS])
        tell(last, said)
        assert last.shown and said not in last.shown[0]


# --- several answers, and a cache -------------------------------------------------------------


class Twofold(Scripted):
    """Gives two answers to one prompt."""

    def _generate(self, messages: Any, *args: Any, **kwargs: Any) -> ChatResult:
        self._next(messages)
        return ChatResult(
            generations=[ChatGeneration(message=AIMessage(said)) for said in self.script]
        )

    def _next(self, messages: Any) -> AIMessage:
        self.shown.append(str(messages))
        return AIMessage("")


class TwofoldText(BaseLLM):
    """The same as a text model."""

    shown: list[str] = Field(default_factory=list)

    @property
    def _llm_type(self) -> str:
        return "twofold"

    def _generate(self, prompts: list[str], *args: Any, **kwargs: Any) -> LLMResult:
        self.shown.extend(prompts)
        answers = [Generation(text=said) for said in SHORT]
        return LLMResult(generations=[answers for _ in prompts])


def asked_twofold(notes: str) -> tuple[Any, list[str]]:
    """A chat model, and its answers."""
    model = Twofold(script=list(SHORT))
    result = model.generate([[HumanMessage(notes)]])
    return model, [one.text for one in result.generations[0]]


def asked_text(notes: str) -> tuple[Any, list[str]]:
    """A text model, and its answers."""
    model = TwofoldText()
    return model, [one.text for one in model.generate([notes]).generations[0]]


@pytest.mark.parametrize("ask", [asked_twofold, asked_text])
def test_each_of_several_answers_is_for_whom_it_was_made(kit: Kit, start: Start, ask: Any) -> None:
    """A cache gives them to a colleague, and none of them to a customer."""
    start("context_only")
    set_llm_cache(InMemoryCache())
    got = []
    for audience in ("staff", "staff", "customer"):
        with ragtrace.request(audience):
            model, said = ask(joined(kit.retriever.invoke(ASKED)))
            got.append(said)
            assert bool(model.shown) == (len(got) == 1), "the second one on is from the cache"
    assert got == [list(SHORT), list(SHORT), ["[withheld]"] * 2]


def test_each_of_several_answers_may_be_told_again(kit: Kit, start: Start) -> None:
    """A customer was told both of them."""
    start("context_only")
    with ragtrace.request("customer"):
        notes = joined(kit.retriever.invoke(ASKED))
        Twofold(script=[FIRST, THIRD]).generate([[HumanMessage(notes)]])
    for said in (FIRST, THIRD):
        with ragtrace.request("customer"):
            past = [HumanMessage(ASKED), AIMessage(said), HumanMessage("Again, please.")]
            assert Scripted(script=[said]).invoke(past).content == said


def test_a_cached_call_of_a_tool_is_withheld_in_every_copy(kit: Kit, start: Start) -> None:
    """Its name and ids stay as they are: without them nothing could be done with it."""
    start("context_only")
    set_llm_cache(InMemoryCache())
    function = {"name": "book", "arguments": '{"code": "heading seven"}'}
    made = AIMessage(
        [
            {"type": "text", "text": "Seven."},
            {"type": "tool_use", "id": "c1", "name": "book", "input": {"code": "heading seven"}},
        ],
        tool_calls=calling({"code": "heading seven"}, "book").tool_calls,
        additional_kwargs={"tool_calls": [{"id": "c1", "type": "function", "function": function}]},
    )
    got = {}
    for audience in ("staff", "customer"):
        with ragtrace.request(audience):
            notes = joined(kit.retriever.invoke(ASKED))
            got[audience] = Scripted(script=[made]).invoke(notes)
    assert got["staff"].tool_calls == made.tool_calls
    assert "seven" not in repr(got["customer"]).lower()
    assert got["customer"].tool_calls == calling({"code": "[withheld]"}, "book").tool_calls
    assert got["customer"].content[1]["name"] == "book"
    (copy,) = got["customer"].additional_kwargs["tool_calls"]
    assert copy["function"] == {"name": "book", "arguments": "[withheld]"}


def test_the_name_of_a_tool_is_nobodys_secret(kit: Kit, start: Start) -> None:
    """Staff call the same tool as a customer, whose answer is still in a cache after a restart."""
    set_llm_cache(InMemoryCache())
    made = calling({"n": 1}, "search_the_frequent_questions_of_customers")
    start("context_only")
    with ragtrace.request("customer"):
        Scripted(script=[made]).invoke("Open?")
    ragtrace.shutdown()
    start("context_only")
    with ragtrace.request("staff"):
        Scripted(script=[made]).invoke(joined(kit.retriever.invoke(ASKED)))
    again = Scripted(script=[made])
    with ragtrace.request("customer"):
        assert again.invoke("Open?").tool_calls == made.tool_calls
    assert not again.shown


# --- a model that asks itself -----------------------------------------------------------------


class Selfish(Attentive):
    """Asks itself something else before it answers."""

    def _generate(self, messages: Any, *args: Any, **kwargs: Any) -> ChatResult:
        if SECRET[:9] not in str(messages):
            list(self.stream(f"Also: {SECRET}"))
        return super()._generate(messages)

    async def _agenerate(self, messages: Any, *args: Any, **kwargs: Any) -> ChatResult:
        async for _ in self.astream(f"Also: {SECRET}"):
            pass
        return super()._generate(messages)

    def _stream(self, messages: Any, *args: Any, **kwargs: Any) -> Iterator[ChatGenerationChunk]:
        if "Also" not in str(messages):
            list(self.stream(f"Also: {SECRET}"))
        yield from super()._stream(messages)


class SelfishText(TwofoldText):
    """The same as a text model."""

    def _generate(self, prompts: list[str], *args: Any, **kwargs: Any) -> LLMResult:
        list(self.stream(f"Also: {SECRET}"))
        return super()._generate(prompts)

    def _stream(self, prompt: str, *args: Any, **kwargs: Any) -> Iterator[GenerationChunk]:
        self.shown.append(prompt)
        yield GenerationChunk(text=HARMLESS)


@pytest.mark.parametrize(
    "ask",
    [
        lambda model: model.invoke("Hi"),
        lambda model: asyncio.run(model.ainvoke("Hi")),
        lambda model: list(model.stream("Hi")),
    ],
    ids=["invoke", "ainvoke", "stream"],
)
def test_what_a_model_asks_itself_is_judged(kit: Kit, start: Start, ask: Any) -> None:
    """It is another prompt than the one that was judged around it."""
    start("drop")
    with ragtrace.request("staff"):
        kit.retriever.invoke(ASKED)
    model = Selfish(script=[HARMLESS])
    with ragtrace.request("customer"):
        ask(model)
    assert len(model.shown) == 2 and not any(map(leaks, model.shown))


def test_what_a_text_model_asks_itself_is_judged(kit: Kit, start: Start) -> None:
    """The same for one string."""
    start("drop")
    with ragtrace.request("staff"):
        kit.retriever.invoke(ASKED)
    model = SelfishText()
    with ragtrace.request("customer"):
        model.generate(["Hi"])
    assert len(model.shown) == 2 and not any(map(leaks, model.shown))
