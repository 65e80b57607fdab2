"""Reach, end to end: what LangChain really did with a staff note is found again in the store."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from langchain_core.caches import InMemoryCache
from langchain_core.documents import Document
from langchain_core.globals import set_llm_cache
from langchain_core.messages import AIMessage, HumanMessage

import ragtrace
from ragtrace.forensics import Reach, reach
from ragtrace.model import digest
from ragtrace.store import OWNER, Store
from ragtrace.wire import decode_traces, encode_spans
from tests.engine import store
from tests.integrations.conftest import Start
from tests.integrations.kit import SECRET, Kit, joined
from tests.integrations.scripted import Scripted
from tests.integrations.spans import Spans

__all__ = ["store"]  # a fixture

NOTE = "note-secret"
FIRST = (
    "Agents forgive this charge when somebody says they may leave for a competitor; the "
    "ceiling is ninety a quarter and it is booked as number seven."
)
SECOND = (
    "People who threaten to go elsewhere get their money back, within a quarterly cap, "
    "provided the clerk books it the usual way under the seventh heading."
)
QUOTED = f"The note says: {SECRET}"
THANKS = "Good morning. Somebody will be with you in a moment, thank you for your patience."
ASKED = "What about my fee?"

Told = Callable[[Spans], Reach]


@pytest.fixture
def told(store: Store) -> Told:
    """Stores the spans as they come over the wire, and asks what the note reached."""

    def asked(spans: Spans) -> Reach:
        body = encode_spans(spans.get_finished_spans())
        store.write(decode_traces(body, "application/x-protobuf"))
        return reach(store.seen_by(OWNER), NOTE)

    return asked


def answer(kit: Kit, says: str, *notes: str, user: str = "clerk") -> str:
    """What a model says to a colleague, on the staff note or on ``notes``."""
    with ragtrace.request("staff", user=user, session=f"of {user}"):
        text = "\n\n".join(notes) or joined(kit.retriever.invoke(ASKED))
        return str(Scripted(script=[says]).invoke(f"Sum up:\n{text}").content)


def hops(found: Reach) -> set[tuple[int, str, str]]:
    """Hops, grade and user of every prompt and answer that was reached."""
    rows = [row for row in found.rows if row.flow.stage != "retrieval"]
    return {(row.hop, row.grade, row.flow.user) for row in rows}


def test_a_summary_of_a_summary_in_other_requests(kit: Kit, start: Start, told: Told) -> None:
    """Each hop names the step that made the text; words of one's own are taint, a quote certain."""
    spans = start("context_only")
    first = answer(kit, FIRST)
    second = answer(kit, SECOND, first, user="second")
    answer(kit, THANKS, second, user="third")
    answer(kit, THANKS, answer(kit, QUOTED, user="quotes"), user="reads")
    found = told(spans)
    assert hops(found) == {
        (0, "certain", "clerk"),
        (1, "taint", "second"),
        (2, "taint", "third"),
        (0, "certain", "quotes"),
        *{one for one in hops(found) if one[2] == "reads"},
    }
    third = next(row for row in found.rows if row.flow.user == "third")
    assert [link.digest for link in third.path] == [digest(FIRST), digest(SECOND)]
    assert set(third.by) == {"digest", "origin"}
    assert "certain" in {row.grade for row in found.rows if row.flow.user == "reads"}
    assert found.derived.prompts == 2
    assert found.counts.users == 5
    assert found.complete


def test_an_answer_out_of_a_cache(kit: Kit, start: Start, told: Told) -> None:
    """Who asks the same again is told what was made for another."""
    spans = start("context_only")
    set_llm_cache(InMemoryCache())
    for user in ("asks", "asks again"):
        answer(kit, QUOTED, user=user)
    found = told(spans)
    cached = [row for row in found.rows if row.flow.stage == "cached"]
    assert [(row.flow.user, row.grade, row.hop) for row in cached] == [("asks again", "certain", 1)]
    assert cached[0].flow.completion_digest == digest(QUOTED)


def test_a_rewritten_document_in_a_store(kit: Kit, start: Start, told: Told) -> None:
    """A summary is filed as a public article, and retrieved for somebody else."""
    spans = start("context_only")
    filed = Document(answer(kit, FIRST), id="faq-9", metadata={"level": "public"})
    kit.retriever = kit.store([filed]).as_retriever()
    answer(kit, THANKS, user="reader")
    found = told(spans)
    rows = [row for row in found.rows if row.flow.document == "faq-9"]
    assert {row.flow.stage for row in rows} == {"retrieval", "prompt"}
    assert {(row.hop, row.grade) for row in rows} == {(1, "taint")}
    assert all("origin" in row.by for row in rows)


def test_the_history_of_a_conversation(kit: Kit, start: Start, told: Told) -> None:
    """What was answered in one turn is in the prompts of the next two."""
    spans = start("context_only")
    said = answer(kit, FIRST)
    history: list[Any] = [HumanMessage(ASKED), AIMessage(said)]
    for turn in ("And then?", "And after that?"):
        history.append(HumanMessage(turn))
        with ragtrace.request("staff", user="clerk", session="of clerk"):
            history.append(AIMessage(str(Scripted(script=[THANKS]).invoke(history).content)))
    found = told(spans)
    derived = [row for row in found.rows if row.hop]
    assert [row.flow.digest for row in derived if row.hop == 1][:2] == [digest(FIRST)] * 2
    assert found.derived.prompts == 2
