"""LangGraph: what a graph's state, checkpoints, memories and caches carry keeps its label."""

from __future__ import annotations

import asyncio
import base64
import operator
import pickle
import subprocess
import sys
from pathlib import Path
from typing import Annotated, Any, TypedDict

import pytest

pytest.importorskip("langgraph")

from langchain_core.messages import AIMessage, HumanMessage, ToolCall
from langchain_core.tools import create_retriever_tool
from langgraph.cache.memory import InMemoryCache
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.config import get_stream_writer
from langgraph.func import entrypoint, task
from langgraph.graph import END, START, MessagesState, StateGraph
from langgraph.prebuilt import ToolNode
from langgraph.store.base import GetOp, ListNamespacesOp
from langgraph.store.base.batch import AsyncBatchedBaseStore
from langgraph.store.memory import InMemoryStore
from langgraph.types import CachePolicy, Command, Send, interrupt

import ragtrace
from tests.integrations.conftest import Start
from tests.integrations.kit import PUBLIC, SECRET, Kit, joined, leaks, write_policy
from tests.integrations.scripted import Scripted
from tests.integrations.spans import flows, of
from tests.integrations.test_langchain_lineage import ASKED, FIRST, HARMLESS, SECOND, THIRD
from tests.redis_server import redis_url

__all__ = ["redis_url"]  # a fixture


THREAD: Any = {"configurable": {"thread_id": "t1"}}


class Found(TypedDict, total=False):
    notes: Annotated[list[str], operator.add]
    said: str


class Cached(Found, total=False):
    messages: list[Any]


def summing(kit: Kit, said: str = FIRST) -> Any:
    """A node that sums the staff note up."""

    def node(state: Any) -> Any:
        notes = joined(kit.retriever.invoke(ASKED))
        return {"notes": [str(Scripted(script=[said]).invoke(f"Sum up: {notes}").content)]}

    return node


def telling(last: Scripted) -> Any:
    """A node that answers from what is in the state."""

    def node(state: Any) -> Any:
        prompt = [("system", "\n".join(state["notes"])), ("human", ASKED)]
        return {"said": str(last.invoke(prompt).content)}

    return node


def assistant(kit: Kit, last: Scripted, **compiled: Any) -> Any:
    """Sums up for staff on the first turn of a thread, and answers on every other."""
    graph = StateGraph(Found)
    graph.add_node("sum", summing(kit))
    graph.add_node("tell", telling(last))
    graph.add_conditional_edges(START, lambda state: "tell" if state.get("notes") else "sum")
    graph.add_edge("sum", END)
    graph.add_edge("tell", END)
    return graph.compile(**compiled)


def kept_out(last: Scripted) -> bool:
    """Whether the model that answers was asked, and shown nothing that was made of the note."""
    assert last.shown
    everything = "\n".join(last.shown)
    return not leaks(everything) and not any(t in everything for t in (FIRST, SECOND, THIRD))


@pytest.mark.parametrize("run", ["invoke", "ainvoke", "stream"])
def test_a_checkpoint_keeps_the_label(kit: Kit, start: Start, run: str) -> None:
    """A colleague's turn of a thread, and a customer's after it."""
    start("drop")
    last = Scripted(script=[HARMLESS])
    graph = assistant(kit, last, checkpointer=InMemorySaver())
    for audience in ("staff", "customer"):
        with ragtrace.request(audience):
            if run == "ainvoke":
                asyncio.run(graph.ainvoke({}, THREAD))
            elif run == "stream":
                list(graph.stream({}, THREAD))
            else:
                graph.invoke({}, THREAD)
    assert kept_out(last)


def test_what_a_history_of_states_gives_keeps_the_label(kit: Kit, start: Start) -> None:
    """Time travel: an old state is put into a prompt, and a thread is forked from it."""
    start("drop")
    last = Scripted(script=[HARMLESS])
    graph = assistant(kit, last, checkpointer=InMemorySaver())
    with ragtrace.request("staff"):
        graph.invoke({}, THREAD)
    with ragtrace.request("customer"):
        old = next(iter(graph.get_state_history(THREAD)))
        last.invoke("\n".join(old.values["notes"]))
        forked = graph.update_state(old.config, {"notes": ["More."]})
        graph.invoke({}, forked)
    assert kept_out(last)


def test_a_fan_out_keeps_the_label(kit: Kit, start: Start) -> None:
    """Each branch sums up by itself, and one node answers from all of them."""
    spans, last = start("context_only"), Scripted(script=[f"Well. {FIRST} {THIRD} Good day."])
    said = iter([FIRST, SECOND, THIRD])
    graph = StateGraph(Found)
    graph.add_node("sum", lambda state: summing(kit, state["of"])(state))
    graph.add_node("tell", telling(last))
    graph.add_conditional_edges(START, lambda state: [Send("sum", {"of": t}) for t in said])
    graph.add_edge("sum", "tell")
    graph.add_edge("tell", END)
    with ragtrace.request("customer"):
        got = graph.compile().invoke({"notes": []})
    # The customer's own branches are guarded: none of them said what it was shown.
    assert FIRST not in got["said"] and THIRD not in got["said"]
    assert len(of(spans, "chat")) == 4
    assert len({s.attributes["ragtrace.request.id"] for s in of(spans, "chat")}) == 1


def test_a_fan_out_without_a_request_is_one_turn(kit: Kit, start: Start) -> None:
    """The run is the request, in whatever thread a branch runs."""
    spans, last = start("drop", audience="customer"), Scripted(script=[HARMLESS])
    graph = StateGraph(Found)
    graph.add_node("sum", lambda state: summing(kit, state["of"])(state))
    graph.add_node("tell", telling(last))
    graph.add_conditional_edges(START, lambda s: [Send("sum", {"of": t}) for t in (FIRST, SECOND)])
    graph.add_edge("sum", "tell")
    graph.add_edge("tell", END)
    graph.compile().invoke({"notes": []})
    ids = {
        s.attributes["ragtrace.request.id"] for op in ("chat", "retrieval") for s in of(spans, op)
    }
    assert len(ids) == 1
    assert not any(leaks(text) for text in last.shown)


def test_a_subgraph_keeps_the_label(kit: Kit, start: Start) -> None:
    """With a state and checkpoints of its own."""
    start("drop")
    last = Scripted(script=[HARMLESS])
    inner = assistant(kit, last, checkpointer=True)
    graph = StateGraph(Found)
    graph.add_node("inner", inner)
    graph.add_edge(START, "inner")
    graph.add_edge("inner", END)
    compiled = graph.compile(checkpointer=InMemorySaver())
    for audience in ("staff", "customer"):
        with ragtrace.request(audience):
            compiled.invoke({}, THREAD)
    assert kept_out(last)


def test_a_tool_node_keeps_the_label(kit: Kit, start: Start) -> None:
    """A colleague's tool messages, on a customer's turn of the thread."""
    start("drop")
    call = ToolCall(name="search", args={"query": ASKED}, id="call0", type="tool_call")
    last = Scripted(script=[AIMessage(content="", tool_calls=[call]), FIRST, HARMLESS])
    search = create_retriever_tool(kit.retriever, "search", "Searches the notes.")
    graph = StateGraph(MessagesState)
    graph.add_node("ask", lambda state: {"messages": [last.invoke(state["messages"])]})
    graph.add_node("tools", ToolNode([search]))
    graph.add_edge(START, "ask")
    graph.add_conditional_edges(
        "ask", lambda state: "tools" if state["messages"][-1].tool_calls else END
    )
    graph.add_edge("tools", "ask")
    compiled = graph.compile(checkpointer=InMemorySaver())
    with ragtrace.request("staff"):
        compiled.invoke({"messages": [HumanMessage(ASKED)]}, THREAD)
    assert leaks(last.shown[-1])
    del last.shown[:]
    with ragtrace.request("customer"):
        compiled.invoke({"messages": [HumanMessage("And?")]}, THREAD)
    assert kept_out(last)


def interrupting(kit: Kit, last: Scripted, **compiled: Any) -> Any:
    """Sums up, asks a person, and answers."""

    def asks(state: Any) -> Any:
        return {"notes": [str(interrupt({"draft": state["notes"]}))]}

    graph = StateGraph(Found)
    graph.add_node("sum", summing(kit))
    graph.add_node("ask", asks)
    graph.add_node("tell", telling(last))
    for one, other in ((START, "sum"), ("sum", "ask"), ("ask", "tell"), ("tell", END)):
        graph.add_edge(one, other)
    return graph.compile(**compiled)


@pytest.mark.parametrize("opened", [True, False])
def test_an_interrupt_keeps_the_label(kit: Kit, start: Start, opened: bool) -> None:
    """A colleague's graph is resumed for a customer."""
    start("drop", audience=None if opened else "staff")
    last = Scripted(script=[HARMLESS])
    graph = interrupting(kit, last, checkpointer=InMemorySaver())
    if opened:
        with ragtrace.request("staff"):
            graph.invoke({}, THREAD)
    else:
        graph.invoke({}, THREAD)
    with ragtrace.request("customer"):
        graph.invoke(Command(resume="Go on."), THREAD)
    assert kept_out(last)
    assert "Go on." in last.shown[-1]


def test_the_functional_api_keeps_the_label(kit: Kit, start: Start) -> None:
    """Tasks on threads of the pool, and what an entrypoint saves."""
    start("drop")
    last = Scripted(script=[HARMLESS])

    @task
    def sums() -> str:
        return str(summing(kit)({})["notes"][0])

    @entrypoint(checkpointer=InMemorySaver())
    def work(asked: str, *, previous: Any = None) -> Any:
        if previous:
            return telling(last)({"notes": [previous]})["said"]
        return sums().result()

    for audience in ("staff", "customer"):
        with ragtrace.request(audience):
            work.invoke(ASKED, THREAD)
    assert kept_out(last)


@pytest.mark.parametrize("mode", ["messages", "updates", "values", "custom", "debug"])
@pytest.mark.parametrize("sync", [True, False])
def test_streams_give_what_the_guard_has_let_through(
    kit: Kit, start: Start, mode: str, sync: bool
) -> None:
    """Of the model's words; the state is the application's side."""
    start("context_only")
    last = Scripted(script=[f"Well. {SECRET} Good day."])

    def node(state: Any) -> Any:
        notes = joined(kit.retriever.invoke(ASKED))
        write = get_stream_writer()
        said = ""
        for chunk in last.stream([("system", notes), ("human", ASKED)]):
            write(str(chunk.content))
            said += str(chunk.content)
        return {"said": said}

    graph = StateGraph(Found)
    graph.add_node("tell", node)
    graph.add_edge(START, "tell")
    graph.add_edge("tell", END)
    compiled = graph.compile()

    async def events() -> list[Any]:
        return [event async for event in compiled.astream({}, stream_mode=mode)]

    with ragtrace.request("customer"):
        got = list(compiled.stream({}, stream_mode=mode)) if sync else asyncio.run(events())
    text = "".join(map(str, got)) if mode == "custom" else str(got)
    if mode == "messages":
        text = "".join(str(chunk.content) for chunk, _ in got)
    assert got and leaks(last.shown[-1]) and not leaks(text)
    assert "withheld" in text


# --- a process of its own -------------------------------------------------------------------


@pytest.mark.slow
def test_a_fresh_process_knows_what_a_checkpoint_holds(
    kit: Kit, start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, redis_url: str
) -> None:
    """A colleague's graph is interrupted in one worker, and resumed for a customer in another."""
    key = tmp_path / "ledger.key"
    key.write_bytes(base64.b64encode(bytes(32)))
    key.chmod(0o600)
    monkeypatch.setenv("RAGTRACE_LEDGER", redis_url)
    monkeypatch.setenv("RAGTRACE_LEDGER_KEY_FILE", str(key))
    start("drop")
    saver = InMemorySaver()
    graph = interrupting(kit, Scripted(script=[HARMLESS]), checkpointer=saver)
    with ragtrace.request("staff"):
        graph.invoke({}, THREAD)
    file = tmp_path / "checkpoints"
    file.write_bytes(
        pickle.dumps([dict(saver.storage["t1"]), dict(saver.writes), dict(saver.blobs)])
    )
    monkeypatch.setenv("RAGTRACE_POLICY", write_policy(tmp_path, "drop"))
    ragtrace.shutdown()
    told = subprocess.run(
        [sys.executable, "-m", "tests.integrations.resumed", str(file)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert told.returncode == 0, told.stderr
    assert "Go on." in told.stdout
    assert not leaks(told.stdout) and FIRST not in told.stdout


# --- memories and caches --------------------------------------------------------------------


@pytest.mark.parametrize("run", ["search", "asearch", "get", "aget"])
def test_a_memory_is_judged_where_it_is_found(kit: Kit, start: Start, run: str) -> None:
    """A note with a label among the memories of a store does not reach a customer."""
    spans = start("drop")
    store = InMemoryStore()
    store.put(("notes",), "a", {"text": SECRET, "level": "staff_only"})
    store.put(("notes",), "b", {"text": PUBLIC, "level": "public"})

    def found() -> list[Any]:
        if run == "search":
            return list(store.search(("notes",)))
        if run == "asearch":
            return list(asyncio.run(store.asearch(("notes",))))
        if run == "get":
            return [store.get(("notes",), key) for key in "ab"]

        async def both() -> list[Any]:
            return [await store.aget(("notes",), key) for key in "ab"]

        return asyncio.run(both())

    for audience, count in (("customer", 1), ("staff", 2)):
        with ragtrace.request(audience):
            got = [item for item in found() if item is not None]
        assert [item.value["level"] for item in got] == ["staff_only", "public"][2 - count :]
    assert of(spans, "retrieval")


@pytest.mark.parametrize("run", ["invoke", "ainvoke"])
def test_a_cached_step_is_for_whom_it_was_made(kit: Kit, start: Start, run: str) -> None:
    """What a node answered a colleague is not a customer's answer to the same question."""
    start("drop")
    ran: list[str] = []

    def node(state: Any) -> Any:
        notes = joined(kit.retriever.invoke(ASKED))
        ran.append(notes)
        said = FIRST if leaks(notes) else HARMLESS
        made = Scripted(script=[said]).invoke(f"Sum up: {notes}")
        return {"notes": [str(made.content)], "messages": [made]}

    graph = StateGraph(Cached)
    graph.add_node("sum", node, cache_policy=CachePolicy())
    graph.add_edge(START, "sum")
    graph.add_edge("sum", END)
    compiled = graph.compile(cache=InMemoryCache())
    got = []
    for audience in ("staff", "staff", "customer", "customer"):
        with ragtrace.request(audience):
            asked = {"said": ASKED}
            one = (
                compiled.invoke(asked) if run == "invoke" else asyncio.run(compiled.ainvoke(asked))
            )
            got.append((one["notes"], len(ran)))
    assert got == [([FIRST], 1), ([FIRST], 1), ([HARMLESS], 2), ([HARMLESS], 2)]


def test_a_memory_that_a_model_made_keeps_the_label(kit: Kit, start: Start) -> None:
    """What a colleague's model noted down is not found for a customer, whatever is said of it."""
    start("drop")
    store = InMemoryStore()
    with ragtrace.request("staff"):
        (said,) = summing(kit)({})["notes"]
    store.put(("notes",), "a", {"text": said, "level": "public"})
    store.put(("notes",), "b", {"text": PUBLIC, "level": "public"})
    with ragtrace.request("customer"):
        assert [item.key for item in store.search(("notes",))] == ["b"]


def test_memories_are_judged_for_who_asks_where_a_store_asks_for_them(
    kit: Kit, start: Start
) -> None:
    """Stores that ask for many at once do so in a task of their own, made when a colleague came."""
    start("drop")

    class Batched(AsyncBatchedBaseStore):
        def __init__(self, inner: InMemoryStore) -> None:
            super().__init__()
            self.inner = inner

        async def abatch(self, ops: Any) -> Any:
            return await self.inner.abatch(ops)

        def batch(self, ops: Any) -> Any:
            raise NotImplementedError

    async def both() -> list[int]:
        inner = InMemoryStore()
        inner.put(("notes",), "a", {"text": SECRET, "level": "staff_only"})
        found = []
        with ragtrace.request("staff"):
            store = Batched(inner)
            found.append(len(await store.asearch(("notes",))))
        with ragtrace.request("customer"):
            found.append(len(await store.asearch(("notes",))))
        return found

    assert asyncio.run(both()) == [1, 0]


def test_what_is_written_is_no_search(kit: Kit, start: Start) -> None:
    """A search has one span, with its question and the namespace it found something in."""
    spans = start("drop")
    store = InMemoryStore()
    store.put(("notes", "fees"), "a", {"text": PUBLIC, "level": "public"})
    store.list_namespaces()
    assert of(spans, "retrieval") == []
    with ragtrace.request("customer"):
        store.search(("notes",), limit=3)
        store.batch(op for op in [GetOp(("notes", "fees"), "a"), ListNamespacesOp()])
    first, second = of(spans, "retrieval")
    assert (first.attributes or {})["gen_ai.retrieval.top_k"] == 3
    assert [flow["source"] for flow in flows(first)] == ["langgraph/notes/fees"]
    assert [flow["source"] for flow in flows(second)] == ["langgraph/notes/fees"]


def test_a_redacted_memory_leaves_the_stores_own_alone(kit: Kit, start: Start) -> None:
    """The graph gets a copy."""
    start("redact")
    store = InMemoryStore()
    store.put(("notes",), "a", {"text": SECRET, "level": "staff_only"})
    with ragtrace.request("customer"):
        item = store.get(("notes",), "a")
        assert item is not None and not leaks(item.value["text"])
    with ragtrace.request("staff"):
        item = store.get(("notes",), "a")
        assert item is not None and item.value["text"] == SECRET
