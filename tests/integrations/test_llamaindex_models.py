"""What is LlamaIndex's own: nested methods, late classes, pictures, metadata, raw answers."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from llama_index.core.base.llms.types import (
    ChatMessage,
    ChatResponse,
    CompletionResponse,
    LLMMetadata,
    ThinkingBlock,
)
from llama_index.core.instrumentation import get_dispatcher
from llama_index.core.llms import CustomLLM, MockLLM
from llama_index.core.llms.callbacks import llm_completion_callback
from llama_index.core.multi_modal_llms import MultiModalLLM
from llama_index.core.retrievers import BaseRetriever
from llama_index.core.schema import ImageNode, MetadataMode, NodeWithScore, TextNode
from llama_index.core.tools import FunctionTool
from pydantic import Field

import ragtrace
from ragtrace.testing.conformance import LEVEL, NOTES, PUBLIC, SECRET, Stage, leaks, stage
from tests.integrations.llamaindex.adapter import LLAMAINDEX
from tests.integrations.llamaindex.kit import Fixed, Kit, node


@pytest.fixture
def on(tmp_path: Path) -> Iterator[Stage]:
    with stage(LLAMAINDEX, tmp_path) as made:
        yield made


@pytest.fixture
def kit(on: Stage) -> Iterator[Kit]:
    with on.kit() as made:
        assert isinstance(made, Kit)
        yield made


def found(*nodes: TextNode) -> list[TextNode]:
    """What a retriever gives of these."""
    pairs = [NodeWithScore(node=one, score=1.0) for one in nodes]
    return [one.node for one in Fixed(lambda: pairs).retrieve("fees")]  # type: ignore[misc]


def calls(on: Stage) -> int:
    """How many model calls were told of."""
    return len(on.recorder.of("chat")) + len(on.recorder.of("text_completion"))


class Echo(CustomLLM):
    """Says what it is told to, and keeps what it was shown."""

    shown: list[str] = Field(default_factory=list)
    script: str = "Good morning."

    @property
    def metadata(self) -> LLMMetadata:
        return LLMMetadata()

    @llm_completion_callback()
    def complete(self, prompt: str, formatted: bool = False, **kwargs: Any) -> CompletionResponse:
        self.shown.append(prompt)
        return CompletionResponse(text=self.script, raw={"text": self.script})

    @llm_completion_callback()
    def stream_complete(self, prompt: str, formatted: bool = False, **kwargs: Any) -> Any:
        self.shown.append(prompt)
        words = self.script.split(" ")
        yield from (
            CompletionResponse(text=" ".join(words[: at + 1]), delta=f"{word} ")
            for at, word in enumerate(words)
        )


# --- methods that call methods ---------------------------------------------------------------


def test_a_method_on_the_way_to_another_is_not_judged_again(on: Stage) -> None:
    """``CustomLLM`` answers a chat by completing; it is one call, in all eight methods."""
    on.start("drop")
    model, asked = Echo(), [ChatMessage(content="Good morning?")]

    async def ask() -> None:
        await model.achat(asked)
        await model.acomplete("Good morning?")
        [piece async for piece in await model.astream_chat(asked)]
        [piece async for piece in await model.astream_complete("Good morning?")]

    with ragtrace.request("customer"):
        model.chat(asked)
        model.complete("Good morning?")
        list(model.stream_chat(asked))
        list(model.stream_complete("Good morning?"))
        asyncio.run(ask())
    assert calls(on) == 8


def test_a_model_that_asks_itself_something_else_is_judged_for_that(on: Stage) -> None:
    """What a method adds to the prompt on its way is judged as any other prompt."""

    class Thinking(Echo):
        @llm_completion_callback()
        def complete(self, prompt: str, formatted: bool = False, **kwargs: Any) -> Any:
            if prompt == "Good morning?":
                return self.complete(f"{SECRET} {prompt}")
            return super().complete(prompt, formatted)

    on.start("drop")
    model = Thinking()
    with ragtrace.request("staff"):
        found(*(node(note) for note in NOTES))
    with ragtrace.request("customer"):
        model.complete("Good morning?")
    assert not any(map(leaks, model.shown))
    assert calls(on) == 3 - 1


def test_a_structured_model_is_told_of_once(on: Stage, kit: Kit) -> None:
    """It asks another model, which is the one that is judged."""
    from tests.integrations.llamaindex.paths import Reply

    on.start("drop")
    with ragtrace.request("customer"):
        kit.chat().as_structured_llm(Reply).chat([ChatMessage(content="Good morning?")])
    assert calls(on) == len(on.wire.bodies) == 1


def test_what_is_no_message_is_the_frameworks_to_refuse(on: Stage, kit: Kit) -> None:
    """The error is LlamaIndex's own, as without ragtrace."""
    with pytest.raises(Exception) as without:
        kit.chat().chat("Good morning?")  # type: ignore[arg-type]
    on.start("drop")
    with pytest.raises(type(without.value)), ragtrace.request("customer"):
        kit.chat().chat("Good morning?")  # type: ignore[arg-type]


# --- classes that are defined later, and pictures --------------------------------------------


def test_classes_that_are_defined_later_are_covered(on: Stage) -> None:
    """Retrievers and models that come after the start are wrapped as they come."""
    on.start("drop")

    class Late(BaseRetriever):
        def _retrieve(self, query_bundle: Any) -> list[NodeWithScore]:
            return [NodeWithScore(node=node(note), score=1.0) for note in NOTES]

    class Later(Late):
        async def _aretrieve(self, query_bundle: Any) -> list[NodeWithScore]:
            return await super()._aretrieve(query_bundle)

    class LateModel(Echo):
        """Inherits all it has."""

        def complete(self, prompt: str, formatted: bool = False, **kwargs: Any) -> Any:
            return super().complete(prompt, formatted)

    model = LateModel()
    with ragtrace.request("customer"):
        assert [one.text for one in Late().retrieve("fees")] == [PUBLIC]
        assert [one.text for one in asyncio.run(Later().aretrieve("fees"))] == [PUBLIC]
        model.complete(SECRET)
    assert len(on.recorder.of("retrieval")) == 2
    assert calls(on) == 1 and not any(map(leaks, model.shown))


class Pictures(MultiModalLLM):
    """A model of the other kind, which looks at pictures.

    LlamaIndex 0.14 asks for two fields and a method of it that its base class does not have.
    """

    shown: list[str] = Field(default_factory=list)
    callback_manager: Any = None
    rate_limiter: Any = None

    @property
    def metadata(self) -> Any:
        return LLMMetadata()

    def to_payload(self) -> dict[str, Any]:
        return {}

    def complete(self, prompt: str, image_documents: Any, **kwargs: Any) -> CompletionResponse:
        self.shown.append(prompt)
        return CompletionResponse(text=prompt)

    def stream_complete(self, prompt: str, image_documents: Any, **kwargs: Any) -> Any:
        yield self.complete(prompt, image_documents)

    def chat(self, messages: Any, **kwargs: Any) -> ChatResponse:
        self.shown.append(str(messages[0].content))
        return ChatResponse(message=ChatMessage(role="assistant", content=messages[0].content))

    def stream_chat(self, messages: Any, **kwargs: Any) -> Any:
        yield self.chat(messages)

    async def acomplete(self, prompt: str, image_documents: Any, **kwargs: Any) -> Any:
        return self.complete(prompt, image_documents)

    async def astream_complete(self, prompt: str, image_documents: Any, **kwargs: Any) -> Any:
        async def pieces() -> Any:
            yield self.complete(prompt, image_documents)

        return pieces()

    async def achat(self, messages: Any, **kwargs: Any) -> Any:
        return self.chat(messages)

    async def astream_chat(self, messages: Any, **kwargs: Any) -> Any:
        async def pieces() -> Any:
            yield self.chat(messages)

        return pieces()


@pytest.mark.parametrize("decision", ["drop", "redact", "context_only"])
def test_models_that_look_at_pictures_are_covered(decision: str, on: Stage) -> None:
    """All eight methods of the other kind of model are judged and guarded."""
    on.start(decision)
    model, asked = Pictures(), [ChatMessage(content=SECRET)]

    async def ask() -> list[Any]:
        got = [await model.achat(asked), await model.acomplete(SECRET, [])]
        got += [piece async for piece in await model.astream_chat(asked)]
        return got + [piece async for piece in await model.astream_complete(SECRET, [])]

    with ragtrace.request("staff"):
        found(*(node(note) for note in NOTES))
    with ragtrace.request("customer"):
        got = [model.chat(asked), model.complete(SECRET, image_documents=[])]
        got += [*model.stream_chat(asked), *model.stream_complete(SECRET, [])]
        got += asyncio.run(ask())
    assert not leaks(repr(got))
    assert all(map(leaks, model.shown)) == (decision == "context_only")
    assert calls(on) == 8


@pytest.mark.parametrize("decision", ["drop", "redact"])
def test_a_picture_is_kept_back_by_its_label(decision: str, on: Stage) -> None:
    """A node without text is judged by what its metadata says, and never given redacted."""
    on.start(decision)
    secret = ImageNode(image="aGVsbG8=", metadata={LEVEL: "staff_only"})
    public = ImageNode(image="aGVsbG8=", metadata={LEVEL: "public"})
    with ragtrace.request("customer"):
        assert [one.node_id for one in found(public, secret)] == [public.node_id]


# --- metadata, and what a provider repeats ---------------------------------------------------


def test_labels_in_metadata_are_kept_out_of_the_prompt(on: Stage) -> None:
    """LlamaIndex writes metadata into prompts; labels are not for the model, the rest is."""
    on.start("drop")
    kept = node(NOTES[1])
    kept.metadata["title"] = "Fees"
    with ragtrace.request("customer"):
        (given,) = found(kept)
    said = given.get_content(MetadataMode.LLM)
    assert LEVEL not in said and "title: Fees" in said
    assert kept.excluded_llm_metadata_keys == []  # the application's own node is as it was


def test_a_providers_own_answer_goes_where_anything_is_withheld(on: Stage) -> None:
    """``raw`` would say once more what has been taken out; a harmless answer keeps it."""
    on.start("context_only")
    with ragtrace.request("customer"):
        found(*(node(note) for note in NOTES))
        model = Echo(script=SECRET)
        answer = model.complete(f"{SECRET} What about it?")
        assert "[withheld]" in answer.text and answer.raw is None
        assert Echo().complete(f"{SECRET} What about it?").raw == {"text": "Good morning."}


def test_reasoning_is_guarded_beside_the_text(on: Stage) -> None:
    """A thinking block of an answer, whole or growing in pieces, says no more than the text."""

    class Reasoning(MockLLM):
        def chat(self, messages: Any, **kwargs: Any) -> ChatResponse:
            blocks = [ThinkingBlock(content=SECRET)]
            return ChatResponse(message=ChatMessage(role="assistant", blocks=blocks))

        def stream_chat(self, messages: Any, **kwargs: Any) -> Any:
            for at in range(40, len(SECRET) + 40, 40):
                blocks = [ThinkingBlock(content=SECRET[:at])]
                message = ChatMessage(role="assistant", blocks=blocks)
                more = {"thinking_delta": SECRET[at - 40 : at]}
                yield ChatResponse(message=message, delta="", additional_kwargs=more)

    on.start("context_only")
    with ragtrace.request("customer"):
        found(*(node(note) for note in NOTES))
        asked = [ChatMessage(content=f"{SECRET} What about it?")]
        got = [Reasoning().chat(asked), *Reasoning().stream_chat(asked)]
    assert not leaks(repr(got))
    assert "[withheld]" in repr(got[0]) and "[withheld]" in repr(got[-1])


@pytest.mark.parametrize("key", ["thinking_delta", "reasoning"])
def test_pieces_that_only_have_what_is_new_are_guarded_as_one_text(key: str, on: Stage) -> None:
    """Whatever a provider calls it, a text that comes a few letters at a time is put together."""

    class Letters(MockLLM):
        def stream_chat(self, messages: Any, **kwargs: Any) -> Any:
            for at in range(0, len(SECRET), 7):
                message = ChatMessage(role="assistant", content="")
                more = {key: SECRET[at : at + 7]}
                yield ChatResponse(message=message, delta="", additional_kwargs=more)

    on.start("context_only")
    with ragtrace.request("customer"):
        found(*(node(note) for note in NOTES))
        got = list(Letters().stream_chat([ChatMessage(content=f"{SECRET} What about it?")]))
    assert not leaks("".join(piece.additional_kwargs[key] for piece in got))


def test_a_stream_is_judged_when_it_is_asked_for(on: Stage) -> None:
    """The request that is open then counts, whoever reads the stream, and where."""
    on.start("block")
    with ragtrace.request("staff"):
        found(*(node(note) for note in NOTES))
    with pytest.raises(ragtrace.PolicyBlocked), ragtrace.request("customer"):
        Echo().stream_complete(SECRET)
    with ragtrace.request("staff"):
        stream = Echo().stream_complete(f"{SECRET} What about it?")
    with ragtrace.request("customer"):
        assert list(stream)[-1].text == "Good morning."


# --- beside others ---------------------------------------------------------------------------


def test_no_handler_stays_behind(on: Stage) -> None:
    """Coming and going leaves LlamaIndex with the handlers that it had."""
    before = list(get_dispatcher().span_handlers)
    for _ in range(2):
        on.start("drop")
        assert len(get_dispatcher().span_handlers) == len(before) + 1
        on.stop()
    assert get_dispatcher().span_handlers == before


@pytest.mark.parametrize("how", ["chat", "stream_chat", "achat", "astream_chat", "text", "tools"])
def test_the_sdk_below_is_not_told_of_twice(how: str, on: Stage, kit: Kit) -> None:
    """With OpenAI's SDK wrapped as well, a call on the wire has one span."""
    from ragtrace_openai import OpenAIInstrumentor

    on.start("drop")
    asked = [ChatMessage(role="system", content="Be kind."), ChatMessage(content="Good morning?")]

    async def ask() -> None:
        if how == "achat":
            await kit.chat().achat(asked)
        else:
            [piece async for piece in await kit.chat().astream_chat(asked)]

    OpenAIInstrumentor().instrument()
    try:
        with ragtrace.request("customer"):
            if how == "chat":
                kit.chat().chat(asked)
            elif how == "stream_chat":
                list(kit.chat().stream_chat(asked))
            elif how == "text":
                kit.text().complete("Good morning?")
            elif how == "tools":
                tool = FunctionTool.from_defaults(lambda note: "sent", name="send")
                said = kit.chat().chat_with_tools([tool], chat_history=asked).message
                result = ChatMessage(
                    role="tool", content="sent", additional_kwargs={"tool_call_id": "call0"}
                )
                on.recorder.clear()
                on.wire.clear()
                kit.chat().chat([*asked, said, result])
            else:
                asyncio.run(ask())
    finally:
        OpenAIInstrumentor().uninstrument()
    assert calls(on) == len(on.wire.bodies) == 1
