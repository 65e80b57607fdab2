"""Paths of LlamaIndex: every way a model is called, and what is built around models."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from importlib.metadata import version
from typing import Any

from llama_index.core import PromptTemplate
from llama_index.core.base.llms.types import ChatMessage
from llama_index.core.query_engine import (
    RetrieverQueryEngine,
    RouterQueryEngine,
    SubQuestionQueryEngine,
)
from llama_index.core.tools import FunctionTool, QueryEngineTool
from pydantic import BaseModel

import ragtrace
from ragtrace.testing.conformance import Paths, pieces, question
from tests.integrations.llamaindex.kit import Kit, joined

__all__ = ["PATHS"]

KEEPS_CONTEXT = not version("llama-index-core").startswith("0.13.")
"""Whether an agent's plain functions run in the context of its run. On older versions they run on
bare threads, where nobody knows who asks, and a verdict comes in an error of the workflow's."""

PATHS = Paths()
path = PATHS.path


def text(piece: Any) -> Any:
    """The new text of a piece."""
    return piece if isinstance(piece, str) else piece.delta


async def read(stream: Any) -> list[Any]:
    """All pieces of an async stream."""
    return pieces([piece async for piece in stream], text)


# --- engines ---------------------------------------------------------------------------------


@path()
def query(kit: Kit, asked: str) -> Any:
    return str(kit.engine().query(asked))


@path()
async def aquery(kit: Kit, asked: str) -> Any:
    return str(await kit.engine().aquery(asked))


@path()
def query_streaming(kit: Kit, asked: str) -> Any:
    return pieces(list(kit.engine(streaming=True).query(asked).response_gen))


@path()
async def aquery_streaming(kit: Kit, asked: str) -> Any:
    answer = await kit.engine(streaming=True, use_async=True).aquery(asked)
    return await read(answer.async_response_gen())


@path(apart=True)
def refine(kit: Kit, asked: str) -> Any:
    return str(kit.engine(response_mode="refine").query(asked))


@path()
def tree_summarize(kit: Kit, asked: str) -> Any:
    return str(kit.engine(response_mode="tree_summarize").query(asked))


@path(apart=True)
def accumulate(kit: Kit, asked: str) -> Any:
    return str(kit.engine(response_mode="accumulate").query(asked))


@path()
def query_with_text_model(kit: Kit, asked: str) -> Any:
    return str(kit.index.as_query_engine(llm=kit.text(), similarity_top_k=2).query(asked))


@path()
def query_with_custom_model(kit: Kit, asked: str) -> Any:
    return str(kit.index.as_query_engine(llm=kit.custom(), similarity_top_k=2).query(asked))


def chatting(kit: Kit, mode: str) -> Any:
    """A chat engine that searches the notes."""
    return kit.index.as_chat_engine(chat_mode=mode, llm=kit.chat(), similarity_top_k=2)


@path()
def chat_context(kit: Kit, asked: str) -> Any:
    return chatting(kit, "context").chat(asked).response


@path()
async def achat_context(kit: Kit, asked: str) -> Any:
    return (await chatting(kit, "context").achat(asked)).response


@path()
def stream_chat_context(kit: Kit, asked: str) -> Any:
    return pieces(list(chatting(kit, "context").stream_chat(asked).response_gen))


@path()
async def astream_chat_context(kit: Kit, asked: str) -> Any:
    answer = await chatting(kit, "context").astream_chat(asked)
    return await read(answer.async_response_gen())


@path()
def chat_condense_plus_context(kit: Kit, asked: str) -> Any:
    return chatting(kit, "condense_plus_context").chat(asked).response


@path()
def stream_chat_condense_plus_context(kit: Kit, asked: str) -> Any:
    return pieces(list(chatting(kit, "condense_plus_context").stream_chat(asked).response_gen))


@path()
def chat_condense_question(kit: Kit, asked: str) -> Any:
    return chatting(kit, "condense_question").chat(asked).response


@path()
def chat_simple(kit: Kit, asked: str) -> Any:
    from llama_index.core.chat_engine import SimpleChatEngine

    engine = SimpleChatEngine.from_defaults(llm=kit.chat())
    past = kit.by_hand(asked)[:1]
    return engine.chat(asked, chat_history=past).response


@path()
def stream_chat_simple(kit: Kit, asked: str) -> Any:
    from llama_index.core.chat_engine import SimpleChatEngine

    engine = SimpleChatEngine.from_defaults(llm=kit.chat())
    answer = engine.stream_chat(asked, chat_history=kit.by_hand(asked)[:1])
    return pieces(list(answer.response_gen))


@path()
def router(kit: Kit, asked: str) -> Any:
    from llama_index.core.selectors import EmbeddingSingleSelector

    tool = QueryEngineTool.from_defaults(kit.engine(), description="All the notes.")
    engine = RouterQueryEngine(EmbeddingSingleSelector.from_defaults(), [tool], llm=kit.chat())
    return str(engine.query(asked))


@path()
def sub_questions(kit: Kit, asked: str) -> Any:
    from llama_index.core.question_gen.types import BaseQuestionGenerator, SubQuestion
    from llama_index.core.response_synthesizers import get_response_synthesizer

    class Same(BaseQuestionGenerator):
        """Asks what was asked."""

        def generate(self, tools: Any, query: Any) -> list[SubQuestion]:
            return [SubQuestion(sub_question=asked, tool_name="notes")]

        async def agenerate(self, tools: Any, query: Any) -> list[SubQuestion]:
            return self.generate(tools, query)

        def _get_prompts(self) -> Any:
            return {}

        def _update_prompts(self, prompts: Any) -> None:
            pass

    tool = QueryEngineTool.from_defaults(kit.engine(), name="notes", description="All the notes.")
    engine = SubQuestionQueryEngine(
        Same(), get_response_synthesizer(llm=kit.chat()), [tool], verbose=False, use_async=False
    )
    return str(engine.query(asked))


# --- the eight methods of models -------------------------------------------------------------


def prompt(kit: Kit, asked: str) -> str:
    """The prompt as one text."""
    return f"Notes:\n{joined(kit.retriever.retrieve(asked))}\n\n{asked}"


@path()
def chat(kit: Kit, asked: str) -> Any:
    return kit.chat().chat(kit.by_hand(asked))


@path()
async def achat(kit: Kit, asked: str) -> Any:
    return await kit.chat().achat(messages=kit.by_hand(asked))


@path()
def stream_chat(kit: Kit, asked: str) -> Any:
    return pieces(list(kit.chat().stream_chat(kit.by_hand(asked))), text)


@path()
async def astream_chat(kit: Kit, asked: str) -> Any:
    return await read(await kit.chat().astream_chat(kit.by_hand(asked)))


@path()
def complete(kit: Kit, asked: str) -> Any:
    return kit.text().complete(prompt(kit, asked))


@path()
async def acomplete(kit: Kit, asked: str) -> Any:
    return await kit.text().acomplete(prompt=prompt(kit, asked))


@path()
def stream_complete(kit: Kit, asked: str) -> Any:
    return pieces(list(kit.text().stream_complete(prompt(kit, asked))), text)


@path()
async def astream_complete(kit: Kit, asked: str) -> Any:
    return await read(await kit.text().astream_complete(prompt(kit, asked)))


@path()
def chat_with_text_model(kit: Kit, asked: str) -> Any:
    messages = kit.by_hand(asked)
    return [kit.text().chat(messages), *pieces(list(kit.text().stream_chat(messages)), text)]


@path()
def complete_with_chat_model(kit: Kit, asked: str) -> Any:
    one = prompt(kit, asked)
    return [kit.chat().complete(one), *pieces(list(kit.chat().stream_complete(one)), text)]


@path()
def custom_model(kit: Kit, asked: str) -> Any:
    model, messages, one = kit.custom(), kit.by_hand(asked), prompt(kit, asked)
    got = [model.chat(messages), model.complete(one)]
    got += pieces(list(model.stream_chat(messages)), text)
    return got + pieces(list(model.stream_complete(one)), text)


@path()
async def custom_model_async(kit: Kit, asked: str) -> Any:
    model, messages, one = kit.custom(), kit.by_hand(asked), prompt(kit, asked)
    got = [await model.achat(messages), await model.acomplete(one)]
    got += await read(await model.astream_chat(messages))
    return got + await read(await model.astream_complete(one))


@path()
def predict(kit: Kit, asked: str) -> Any:
    return kit.chat().predict(PromptTemplate("{one}"), one=prompt(kit, asked))


@path()
async def apredict(kit: Kit, asked: str) -> Any:
    return await kit.chat().apredict(PromptTemplate("{one}"), one=prompt(kit, asked))


@path()
def stream_predict(kit: Kit, asked: str) -> Any:
    return pieces(list(kit.chat().stream(PromptTemplate("{one}"), one=prompt(kit, asked))))


@path()
async def astream_predict(kit: Kit, asked: str) -> Any:
    return await read(await kit.chat().astream(PromptTemplate("{one}"), one=prompt(kit, asked)))


# --- tools and structured answers ------------------------------------------------------------


class Reply(BaseModel):
    """A reply to the reader."""

    reply: str


@path(verdict=False)
def structured_predict(kit: Kit, asked: str) -> Any:
    return kit.chat().structured_predict(Reply, PromptTemplate("{one}"), one=prompt(kit, asked))


@path(verdict=False)
async def astructured_predict(kit: Kit, asked: str) -> Any:
    return await kit.chat().astructured_predict(
        Reply, PromptTemplate("{one}"), one=prompt(kit, asked)
    )


@path(verdict=False)
def stream_structured_predict(kit: Kit, asked: str) -> Any:
    template = PromptTemplate("{one}")
    return list(kit.chat().stream_structured_predict(Reply, template, one=prompt(kit, asked)))


@path(verdict=False)
def structured_model(kit: Kit, asked: str) -> Any:
    return kit.chat().as_structured_llm(Reply).chat(kit.by_hand(asked))


def send_note(note: str) -> str:
    """Send a note to the reader."""
    return "sent"


@path()
def chat_with_tools(kit: Kit, asked: str) -> Any:
    tool = FunctionTool.from_defaults(send_note)
    return kit.chat().chat_with_tools([tool], chat_history=kit.by_hand(asked))


@path()
def stream_chat_with_tools(kit: Kit, asked: str) -> Any:
    tool = FunctionTool.from_defaults(send_note)
    return list(kit.chat().stream_chat_with_tools([tool], chat_history=kit.by_hand(asked)))


@path(verdict=False)
def predict_and_call(kit: Kit, asked: str) -> Any:
    sent: list[str] = []

    def send(note: str) -> str:
        """Send a note to the reader."""
        sent.append(note)
        return "sent"

    kit.chat().predict_and_call([FunctionTool.from_defaults(send)], chat_history=kit.by_hand(asked))
    return sent


async def ask_agent(kit: Kit, asked: str, *, streaming: bool) -> Any:
    """An agent that searches the notes, sends a note on, and answers."""
    from llama_index.core.agent.workflow import AgentStream, FunctionAgent

    sent: list[str] = []

    def search(query: str) -> str:
        """Searches the notes."""
        return joined(kit.retriever.retrieve(query))

    def send(note: str) -> str:
        """Send a note to the reader."""
        sent.append(note)
        return "sent"

    tools = [FunctionTool.from_defaults(search), FunctionTool.from_defaults(send)]
    agent = FunctionAgent(tools=tools, llm=kit.chat(), streaming=streaming)
    running = agent.run(asked)
    told = [event async for event in running.stream_events() if isinstance(event, AgentStream)]
    answer = await running
    return [*sent, *(piece.delta for piece in told), str(answer.response)]


if KEEPS_CONTEXT:

    @path(before=1)
    async def function_agent(kit: Kit, asked: str) -> Any:
        return await ask_agent(kit, asked, streaming=False)

    @path(before=1)
    async def function_agent_streaming(kit: Kit, asked: str) -> Any:
        return await ask_agent(kit, asked, streaming=True)


# --- threads, tasks, and leaving early -------------------------------------------------------


@path()
def thread_pool_with_context(kit: Kit, asked: str) -> Any:
    with ThreadPoolExecutor(1) as pool:
        return str(pool.submit(copy_context().run, kit.engine().query, asked).result())


@path(known=False)
def bare_thread(kit: Kit, asked: str) -> Any:
    with ThreadPoolExecutor(1) as pool:
        return str(pool.submit(kit.engine().query, asked).result())


@path(known=False, opens=False)
def no_request(kit: Kit, asked: str) -> Any:
    return str(kit.engine().query(asked))


@path(known=False, opens=False)
def no_request_streaming(kit: Kit, asked: str) -> Any:
    return pieces(list(chatting(kit, "context").stream_chat(asked).response_gen))


@path()
async def gather(kit: Kit, asked: str) -> Any:
    engine = kit.engine()
    return [str(one) for one in await asyncio.gather(*(engine.aquery(asked) for _ in range(3)))]


@path()
def thread_of_its_own(kit: Kit, asked: str) -> Any:
    got: list[Any] = []
    run = copy_context().run

    def target() -> None:
        try:
            got.append(run(chat, kit, asked))
        except ragtrace.PolicyBlocked as verdict:
            got.append(f"PolicyBlocked {verdict}")

    thread = threading.Thread(target=target)
    thread.start()
    thread.join()
    return got


@path(whole=False)
def early_break(kit: Kit, asked: str) -> Any:
    got: list[Any] = []
    for piece in kit.chat().stream_chat(kit.by_hand(asked)):
        got.append(piece)
        if len(got) == 3:
            break
    return pieces(got, text)


@path(whole=False)
async def early_abreak(kit: Kit, asked: str) -> Any:
    got: list[Any] = []
    async for piece in await kit.chat().astream_chat(kit.by_hand(asked)):
        got.append(piece)
        if len(got) == 3:
            break
    return pieces(got, text)


@path()
def chat_history(kit: Kit, asked: str) -> Any:
    with ragtrace.request("staff"):
        earlier = str(kit.engine().query(question("staff")))
    kit.forget()
    past = [ChatMessage(role="user", content="And earlier?")]
    past.append(ChatMessage(role="assistant", content=earlier))
    return kit.chat().chat([*past, ChatMessage(role="user", content=asked)])


@path()
def retriever_query_engine(kit: Kit, asked: str) -> Any:
    engine = RetrieverQueryEngine.from_args(kit.retriever, llm=kit.chat(), streaming=True)
    return pieces(list(engine.query(asked).response_gen))
