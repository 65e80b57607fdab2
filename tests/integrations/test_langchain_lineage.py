"""Laundering: what is made of staff text is judged as staff text, whatever way it takes.

The scripted models use words of their own, so that no text of the staff note itself stands in
what they say: what is known of it afterwards is known by where it came from.
"""

from __future__ import annotations

import base64
import json
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from langchain_core.caches import InMemoryCache
from langchain_core.chat_history import InMemoryChatMessageHistory
from langchain_core.documents import Document
from langchain_core.globals import set_llm_cache
from langchain_core.messages import AIMessage, HumanMessage, ToolCall
from langchain_core.runnables import RunnableLambda
from langchain_core.runnables.history import RunnableWithMessageHistory
from langchain_core.tools import create_retriever_tool, tool

import ragtrace
from ragtrace import PolicyBlocked
from tests.integrations.conftest import Start
from tests.integrations.kit import PUBLIC, SECRET, Kit, joined, leaks, write_policy
from tests.integrations.scripted import Scripted
from tests.integrations.spans import Spans, flows, of
from tests.redis_server import redis_url

__all__ = ["redis_url"]  # a fixture

FIRST = (
    "Agents forgive this charge when somebody says they may leave for a competitor; the "
    "ceiling is ninety a quarter and it is booked as number seven."
)
SECOND = (
    "People who threaten to go elsewhere get their money back, within a quarterly cap, "
    "provided the clerk books it the usual way under the seventh heading."
)
THIRD = (
    "Threatening departure is a reliable way of being reimbursed, up to some limit each "
    "three months; staff know which heading of the ledger to choose for that."
)
HARMLESS = "Good morning. Somebody will be with you in a moment, thank you for your patience."
ASKED = "What about my fee?"

Way = Callable[[Kit, Scripted], Any]
"""Brings staff text to a customer's prompt; gives what the customer receives."""

WAYS: list[Way] = []


def way(run: Way) -> Way:
    """Put a function among the ways."""
    WAYS.append(run)
    return run


def summary(kit: Kit, said: str, *before: str) -> str:
    """What a model says, for staff, on the staff note or on ``before``."""
    with ragtrace.request("staff"):
        notes = "\n\n".join(before) or joined(kit.retriever.invoke(ASKED))
        return str(Scripted(script=[said]).invoke(f"Sum up:\n{notes}").content)


def tell(last: Scripted, *notes: str) -> Any:
    """The customer's question with ``notes``, put to the last model."""
    with ragtrace.request("customer"):
        return last.invoke([("system", "Notes:\n" + "\n\n".join(notes)), ("human", ASKED)])


@way
def two_hops(kit: Kit, last: Scripted) -> Any:
    """The summary of a staff note."""
    return tell(last, summary(kit, FIRST))


@way
def three_hops(kit: Kit, last: Scripted) -> Any:
    """A summary of a summary of a summary, each in words of its own."""
    return tell(last, summary(kit, THIRD, summary(kit, SECOND, summary(kit, FIRST))))


@way
def role_change(kit: Kit, last: Scripted) -> Any:
    """LangChain's middleware sums a conversation up into a message of the user's."""
    from langchain.agents import create_agent
    from langchain.agents.middleware import SummarizationMiddleware

    summing = SummarizationMiddleware(
        model=Scripted(script=[FIRST]), trigger=("messages", 3), keep=("messages", 1)
    )
    agent = create_agent(Scripted(script=[HARMLESS]), [], middleware=[summing])
    with ragtrace.request("staff"):
        notes = joined(kit.retriever.invoke(ASKED))
        said: list[Any] = [("human", notes), ("ai", "Thank you."), ("human", "And now?")]
        kept = agent.invoke({"messages": said})["messages"]
    assert any(isinstance(one, HumanMessage) and FIRST in str(one.content) for one in kept)
    with ragtrace.request("customer"):
        return last.invoke([*kept, HumanMessage(ASKED)])


@way
def later_turn(kit: Kit, last: Scripted) -> Any:
    """The memory of a conversation that a colleague began."""
    past = InMemoryChatMessageHistory()
    summing = RunnableLambda(lambda asked: Scripted(script=[FIRST]).invoke(asked))
    with ragtrace.request("staff", session="s1"):
        notes = joined(kit.retriever.invoke(ASKED))
        RunnableWithMessageHistory(summing, lambda: past).invoke([HumanMessage(notes)], {})
    past.messages.pop(0)  # what stays is what the model said
    with ragtrace.request("customer", session="s1"):
        return RunnableWithMessageHistory(last, lambda: past).invoke([HumanMessage(ASKED)], {})


@way
def retriever_tool(kit: Kit, last: Scripted) -> Any:
    """A summary is filed as a public note, and found by an agent's tool."""
    from langchain.agents import create_agent

    store = kit.store([Document(summary(kit, FIRST), id="faq-9", metadata={"level": "public"})])
    search = create_retriever_tool(store.as_retriever(), "search", "Searches the notes.")
    call = ToolCall(name="search", args={"query": ASKED}, id="call0", type="tool_call")
    last.script.insert(0, AIMessage(content="", tool_calls=[call]))
    with ragtrace.request("customer"):
        return create_agent(last, [search]).invoke({"messages": [("human", ASKED)]})


@way
def other_process(kit: Kit, last: Scripted) -> Any:
    """The summary is made by another worker, which shares the ledger of this one."""
    script = "tests.integrations.elsewhere"
    told = subprocess.run(
        [sys.executable, "-m", script, SECRET, FIRST], capture_output=True, text=True, check=True
    )
    return tell(last, told.stdout.strip())


@pytest.fixture(autouse=True)
def shared(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A ledger that another process has as well, where the way leads through one."""
    if "other_process" not in request.node.name:
        return
    key = tmp_path / "ledger.key"
    key.write_bytes(base64.b64encode(bytes(32)))
    key.chmod(0o600)
    monkeypatch.setenv("RAGTRACE_LEDGER", request.getfixturevalue("redis_url"))
    monkeypatch.setenv("RAGTRACE_LEDGER_KEY_FILE", str(key))
    monkeypatch.setenv("RAGTRACE_POLICY", write_policy(tmp_path, "drop"))


@pytest.fixture(params=WAYS, ids=lambda run: run.__name__)
def brought(request: pytest.FixtureRequest) -> Way:
    """One of the ways."""
    return request.param


def strictest_named(spans: Spans) -> dict[str, Any]:
    """What was recorded of the staff text in the last span that has flows."""
    recorded = [flow for span in spans.get_finished_spans() for flow in flows(span)]
    made = [flow for flow in recorded if flow.get("origins") and flow["rule"] == "staff-notes"]
    assert made, recorded
    (first, *_) = made[-1]["origins"]
    assert (first["document"], first["level"]) == ("note-secret", "staff_only")
    assert "note-secret" in made[-1]["reason"]
    return made[-1]


@pytest.mark.parametrize("decide", ["drop", "redact"])
def test_what_was_made_of_staff_text_is_taken_out(
    kit: Kit, start: Start, decide: str, brought: Way
) -> None:
    """The customer's model is shown none of it; the flow names the staff note behind it."""
    spans, last = start(decide), Scripted(script=[HARMLESS])
    brought(kit, last)
    assert last.shown
    assert not any(said in last.shown[-1] for said in (FIRST, SECOND, THIRD))
    assert not leaks(last.shown[-1])
    strictest_named(spans)


def test_it_blocks_where_the_policy_blocks(kit: Kit, start: Start, brought: Way) -> None:
    """The exception names the note that the text was made from."""
    start("block")
    last = Scripted(script=[HARMLESS])
    with pytest.raises(PolicyBlocked, match="note-secret"):
        brought(kit, last)
    assert not any(FIRST in shown or THIRD in shown for shown in last.shown)


def test_it_may_be_used_and_not_said(kit: Kit, start: Start, brought: Way) -> None:
    """Under context_only the model sees it, and the customer is not told it."""
    spans = start("context_only")
    last = Scripted(script=[f"Well. {FIRST} {THIRD} Good day."])
    received = str(brought(kit, last))
    used = THIRD if brought is three_hops else FIRST
    assert used in last.shown[-1]
    said = received.rpartition("content=")[2] if "messages" in received else received
    assert used not in said and "[withheld]" in said
    strictest_named(spans)


def test_a_subagent_hands_on_what_it_was_shown(kit: Kit, start: Start) -> None:
    """The answer of an agent that saw the note is the note's, also in a sentence of six words."""
    for made in (FIRST, "Ninety a quarter, book seven."):
        from langchain.agents import create_agent

        spans = start("context_only")

        @tool
        def expert(asked: str, made: str = made) -> str:
            """Asks an expert."""
            notes = joined(kit.retriever.invoke(asked))
            return str(Scripted(script=[made]).invoke(f"{notes}\n{asked}").content)

        call = ToolCall(name="expert", args={"asked": ASKED}, id="call0", type="tool_call")
        asking = AIMessage(content="", tool_calls=[call])
        last = Scripted(script=[asking, f"Sure: {made}"])
        with ragtrace.request("customer"):
            said = create_agent(last, [expert]).invoke({"messages": [("human", ASKED)]})
        assert made in last.shown[-1]
        assert made not in str(said["messages"][-1].content)
        assert strictest_named(spans)["verdict"] == "certain"
        ragtrace.shutdown()


def test_a_retriever_that_rewrites_with_a_model_keeps_labels(kit: Kit, start: Start) -> None:
    """A compressor asks a model for the gist of each note and calls it public."""
    from langchain_classic.retrievers import ContextualCompressionRetriever
    from langchain_core.documents.compressor import BaseDocumentCompressor

    class Gist(BaseDocumentCompressor):
        def compress_documents(self, documents: Any, query: str, callbacks: Any = None) -> Any:
            shown = joined(documents)
            gist = str(Scripted(script=[FIRST]).invoke(shown).content)
            return [Document(gist, metadata={"level": "public"})]

    spans, last = start("context_only"), Scripted(script=[FIRST])
    short = ContextualCompressionRetriever(base_compressor=Gist(), base_retriever=kit.retriever)
    with ragtrace.request("customer"):
        said = last.invoke([("system", joined(short.invoke(ASKED))), ("human", ASKED)])
    assert FIRST in last.shown[-1]
    assert FIRST not in str(said.content)
    recorded = of(spans, "retrieval")
    (gist,) = (f for span in recorded for f in flows(span) if f["basis"].endswith("derived"))
    assert gist["level"] == "staff_only" and gist["origins"][0]["document"] == "note-secret"


@pytest.mark.parametrize("said", [FIRST, "Seven."])
def test_a_cached_answer_is_for_whom_it_was_made(kit: Kit, start: Start, said: str) -> None:
    """A colleague's answer is not given to a customer, however short; to a colleague it is."""
    start("context_only")
    set_llm_cache(InMemoryCache())
    got = {}
    for audience in ("staff", "staff", "customer"):
        with ragtrace.request(audience):
            model = Scripted(script=[said])
            notes = joined(kit.retriever.invoke(ASKED))
            got[audience, bool(got)] = str(model.invoke([("human", notes)]).content)
            assert bool(model.shown) == (len(got) == 1), "the second one on is from the cache"
    assert got["staff", False] == got["staff", True] == said
    assert got["customer", True] == "[withheld]"


# --- what is not laundering -----------------------------------------------------------------


def test_staff_may_go_on_with_what_staff_were_told(kit: Kit, start: Start) -> None:
    """The same summaries, in a colleague's prompt."""
    start("block")
    made = summary(kit, FIRST)
    assert summary(kit, SECOND, made) == SECOND


def test_an_answer_may_be_told_again_to_whom_it_was_told(kit: Kit, start: Start) -> None:
    """A customer's own conversation goes on, though its answers were made from staff text."""
    spans, last = start("context_only"), Scripted(script=[THIRD])
    with ragtrace.request("customer"):
        notes = joined(kit.retriever.invoke(ASKED))
        told = last.invoke([("system", notes), ("human", ASKED)])
    with ragtrace.request("customer"):
        again = last.invoke([("human", ASKED), told, ("human", "Say that again, please.")])
    assert again.content == told.content == THIRD
    (*_, flow) = flows(of(spans, "chat")[-1])
    assert (flow["action"], flow["rule"], flow["released"]) == ("allow", *2 * ("told-before",))


def test_what_was_told_is_judged_wherever_else_it_stands(kit: Kit, start: Start) -> None:
    """As notes, the customer's own answer is something the application has made of it."""
    start("context_only")
    last = Scripted(script=[THIRD])
    with ragtrace.request("customer"):
        last.invoke([("system", joined(kit.retriever.invoke(ASKED))), ("human", ASKED)])
    assert THIRD not in str(tell(last, THIRD).content)


def test_only_the_last_word_of_a_turn_was_told(kit: Kit, start: Start) -> None:
    """What one step of the application said to another has been told to nobody."""
    start("context_only")
    with ragtrace.request("customer"):
        notes = joined(kit.retriever.invoke(ASKED))
        draft = Scripted(script=[FIRST]).invoke([("system", notes), ("human", ASKED)])
        Scripted(script=[HARMLESS]).invoke([("system", notes), ("human", ASKED)])
    with ragtrace.request("customer"):
        said = Scripted(script=[FIRST]).invoke([("human", ASKED), draft, ("human", "And?")])
    assert FIRST not in str(said.content)


@pytest.mark.parametrize("ending", ["tool call", "model error", "error", "error in the run"])
def test_a_draft_was_not_told_where_the_last_step_says_nothing(
    kit: Kit, start: Start, ending: str
) -> None:
    """A structured answer, or a turn that went wrong: the draft before it has reached nobody."""

    class Broken(Scripted):
        def _generate(self, *args: Any, **kwargs: Any) -> Any:
            raise RuntimeError("down")

    start("context_only")
    call = ToolCall(name="Answer", args={"text": "No."}, id="c", type="tool_call")
    silent = AIMessage(content="", tool_calls=[call])

    def turn(_: Any) -> None:
        notes = joined(kit.retriever.invoke(ASKED))
        prompt = [("system", notes), ("human", ASKED)]
        Scripted(script=[FIRST]).invoke(prompt)
        if ending == "tool call":
            Scripted(script=[silent]).invoke(prompt)
        elif ending == "model error":
            with suppress(RuntimeError):
                Broken(script=[HARMLESS]).invoke(prompt)
        else:
            raise RuntimeError("the application")

    with suppress(RuntimeError):
        if ending == "error in the run":  # LangChain's run is the request
            RunnableLambda(turn).invoke(ASKED)
        else:
            with ragtrace.request("customer"):
                turn(ASKED)
    audience = None if ending == "error in the run" else "customer"
    asked = [("human", ASKED), AIMessage(FIRST), ("human", "And?")]
    with ragtrace.request(audience):
        said = Scripted(script=[FIRST]).invoke(asked)
    assert FIRST not in str(said.content)


def test_the_last_word_of_a_run_was_told(kit: Kit, start: Start) -> None:
    """LangChain's run is the request, and it ended well."""
    start("context_only")

    def turn(_: Any) -> None:
        notes = joined(kit.retriever.invoke(ASKED))
        Scripted(script=[FIRST]).invoke([("system", notes), ("human", ASKED)])

    RunnableLambda(turn).invoke(ASKED)
    said = Scripted(script=[FIRST]).invoke([("human", ASKED), AIMessage(FIRST), ("human", "And?")])
    assert said.content == FIRST


def test_what_a_rule_lets_one_person_have_is_told_to_no_other(kit: Kit, tmp_path: Path) -> None:
    """Ann was told it by a rule in CEL; Bob, of the same audience, is judged by it too."""
    pytest.importorskip("celpy")
    path = tmp_path / "ann.yaml"
    path.write_text(
        "version: 1\nlevels: [public, staff_only]\nlabels: {level_keys: [level]}\n"
        "audiences: {clerk: {clearance: public}}\non_block: refuse\nrefusal: No.\nrules:\n"
        '  - id: ann\n    when: {label: staff_only, cel: "has(audience.principal) && '
        "audience.principal == 'ann'\"}\n    decide: allow\n"
    )
    ragtrace.init(str(path))
    model = Scripted(script=[FIRST])
    with ragtrace.request("clerk", user="ann"):
        model.invoke(joined(kit.retriever.invoke(ASKED)))
    said = {}
    for user in ("ann", "bob"):
        with ragtrace.request("clerk", user=user):
            again = [("human", ASKED), AIMessage(FIRST), ("human", "And?")]
            said[user] = model.invoke(again).content
    assert said == {"ann": FIRST, "bob": "No."}


def test_a_public_sentence_stays_public_when_staff_are_told_it(kit: Kit, start: Start) -> None:
    """An answer made from staff text quotes a public note: the quotation is nobody's secret."""
    spans = start("drop")
    summary(kit, f"{FIRST} {PUBLIC} {SECOND}")
    last = Scripted(script=[HARMLESS])
    with ragtrace.request("customer"):
        notes = joined(kit.retriever.invoke(ASKED))
        last.invoke([("system", notes), ("human", ASKED)])
    tell(last, PUBLIC)
    assert all(PUBLIC in shown for shown in last.shown)
    public = [f for s in spans.get_finished_spans() for f in flows(s) if f["id"] == "note-public"]
    assert len(public) >= 4 and not any("origins" in flow for flow in public)


def test_pages_that_an_answer_quotes_side_by_side_are_not_made_of_each_other(
    kit: Kit, start: Start
) -> None:
    """What a page says has come from the page, whoever quotes it."""
    spans = start("drop")
    other = "Cards that were lost abroad are replaced within four working days at no charge."
    pages = [Document(text, metadata={"level": "public"}) for text in (PUBLIC, other)]
    found = kit.store(pages).as_retriever()
    for _ in range(2):
        with ragtrace.request("customer"):
            Scripted(script=[f"{PUBLIC} {other}"]).invoke(joined(found.invoke(ASKED)))
    recorded = [flow for span in of(spans, "retrieval") for flow in flows(span)]
    assert len(recorded) == 4 and not any("origins" in flow for flow in recorded)


def test_a_quotation_of_a_note_that_is_filed_anew_is_the_notes(kit: Kit, start: Start) -> None:
    """What an answer copied word for word from staff text does not become public as an article."""
    start("drop")
    made = summary(kit, f"{HARMLESS} {SECRET}")
    store = kit.store([Document(made[-100:], id="faq-9", metadata={"level": "public"})])
    with ragtrace.request("customer"):
        assert store.as_retriever().invoke(ASKED) == []


def test_the_same_question_may_be_asked_by_both(kit: Kit, start: Start) -> None:
    """An answer that repeats the question makes no secret of the question."""
    start("drop")
    asked = "May I have the overdraft fee back that was taken from my account last Tuesday?"
    with ragtrace.request("staff"):
        notes = joined(kit.retriever.invoke(ASKED))
        Scripted(script=[f"You ask: {asked} {FIRST}"]).invoke([("system", notes), ("human", asked)])
    last = Scripted(script=[HARMLESS])
    with ragtrace.request("customer"):
        last.invoke([("human", asked)])
    assert asked in last.shown[-1]


def evidence(call: Any) -> set[str]:
    """How it is known that a completion has its origins; what is usual is not written."""
    origins = json.loads(call.attributes["ragtrace.completion.origins"])
    return {one.get("evidence", "taint") for one in origins}


def test_evidence_says_how_the_note_is_known(kit: Kit, start: Start) -> None:
    """Words of the note, or only that it was in the prompt."""
    spans = start("context_only")
    summary(kit, FIRST)
    summary(kit, f"The note says: {SECRET}")
    taint, certain = (span for span in of(spans, "chat"))
    assert evidence(taint) == {"taint"}
    assert "certain" in evidence(certain)
    assert taint.attributes["ragtrace.completion.level"] == "staff_only"
