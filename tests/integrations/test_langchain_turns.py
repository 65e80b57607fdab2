"""Whose step it is: requests that are named, nested, interleaved, over, or nobody's."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from langchain_core.documents import Document
from langchain_core.messages import HumanMessage
from langchain_core.retrievers import BaseRetriever

import ragtrace
from ragtrace.testing.conformance import DECISIONS, check_customer
from tests.integrations.conftest import Start
from tests.integrations.kit import PUBLIC, SECRET, Kit, leaks, question


@pytest.mark.parametrize("decision", DECISIONS)
@pytest.mark.parametrize("around", [None, "staff", "customer"])
@pytest.mark.parametrize("how", ["batch", "abatch", "text"])
def test_two_requests_in_one_batch(
    decision: str, around: str | None, how: str, kit: Kit, start: Start
) -> None:
    """Items that name their requests are each for their own reader, whoever is around them."""
    start(decision)
    staff, customer = ragtrace.request("staff"), ragtrace.request("customer")
    turns = [customer, staff, customer, staff]
    asked = [question("customer"), question("staff")] * 2
    configs: Any = [{"metadata": turn.metadata} for turn in turns]
    chain = kit.chain(kit.text() if how == "text" else None)

    def run() -> Any:
        if how == "abatch":
            return asyncio.run(chain.abatch(asked, configs, return_exceptions=True))
        return chain.batch(asked, configs, return_exceptions=True)

    if around is None:
        got = run()
    else:
        with ragtrace.request(around):
            got = run()
    if how == "text" and decision == "block":
        # A text model answers a batch in one call, so the verdict on one item ends them all.
        assert kit.wire.bodies == []
        assert all(isinstance(one, ragtrace.PolicyBlocked) for one in got)
        return
    for at in (0, 2):
        check_customer(decision, kit.wire.of("customer"), repr(got[at]))
    for at in (1, 3):
        assert SECRET in got[at]


@pytest.mark.parametrize("around", [None, "staff", "customer"])
@pytest.mark.parametrize("how", ["stream", "astream", "invoke", "events"])
@pytest.mark.parametrize("kind", ["chat", "text"])
def test_a_model_that_names_its_request(
    kind: str, how: str, around: str | None, kit: Kit, start: Start
) -> None:
    """Retriever and model called by themselves go by the request that their config names."""
    start("drop")
    model: Any = getattr(kit, kind)()

    async def collect(found: Any) -> list[Any]:
        return [piece async for piece in found]

    def run() -> None:
        for audience in ("customer", "staff"):
            turn = ragtrace.request(audience)
            config: Any = {"metadata": turn.metadata}
            assert len(kit.retriever.invoke("fee", config)) == (1 if audience == "customer" else 2)
            messages = f"{SECRET} {question(audience)}"
            if how == "astream":
                asyncio.run(collect(model.astream(messages, config)))
            elif how == "events":
                asyncio.run(collect(model.astream_events(messages, config, version="v2")))
            elif how == "stream":
                list(model.stream(messages, config))
            else:
                model.invoke(messages, config)

    if around is None:
        run()
    else:
        with ragtrace.request(around):
            run()
    assert not any(map(leaks, kit.wire.of("customer")))
    assert all(map(leaks, kit.wire.of("staff")))
    assert len(kit.wire.of("customer")) == len(kit.wire.of("staff")) == 1


def test_between_two_tokens_nobody_else_is_meant(kit: Kit, start: Start) -> None:
    """What is called while a stream for staff is open is not for staff because of that."""
    start("drop")
    turn = ragtrace.request("staff")
    open_stream = kit.chat().stream(question("staff"), {"metadata": turn.metadata})
    next(open_stream)
    kit.text().invoke(question("staff"), {"metadata": turn.metadata})
    assert len(kit.store(kit.notes).similarity_search("fee", k=2)) == 1
    with ragtrace.request("customer"):
        kit.chain().invoke(question("customer"))
        list(kit.text().stream(f"{SECRET} {question('customer')}"))
        list(kit.chat().stream(f"{SECRET} {question('customer')}"))
    list(open_stream)
    assert not any(map(leaks, kit.wire.of("customer")))


def test_a_name_nobody_has_open_is_a_stranger(kit: Kit, start: Start) -> None:
    """A step that names a request that has ended is least cleared, also in one for staff."""
    start("drop")
    with ragtrace.request("staff") as ended:
        pass
    with ragtrace.request("staff"):
        kit.chain().invoke(question("customer"), {"metadata": ended.metadata})
    assert not any(map(leaks, kit.wire.of("customer")))


def test_a_leaf_called_by_itself_is_not_for_the_last_reader(kit: Kit, start: Start) -> None:
    """A leaf that LangChain has not just started knows nothing of the step that was."""
    start("drop")
    turn = ragtrace.request("staff")
    kit.chat().invoke(question("staff"), {"metadata": turn.metadata})
    kit.retriever.invoke("fee", {"metadata": turn.metadata})
    (found,) = kit.retriever._get_relevant_documents("fee", run_manager=None)
    assert found.page_content == PUBLIC
    list(kit.chat()._stream([HumanMessage(f"{SECRET} {question('customer')}")]))
    assert not any(map(leaks, kit.wire.of("customer")))


def test_a_retriever_lends_nobody_its_clearance(kit: Kit, start: Start) -> None:
    """What was found for staff inside a customer's retriever is judged for the customer."""
    start("drop")
    staff = ragtrace.request("staff")

    class Lender(BaseRetriever):
        def _get_relevant_documents(self, query: str, *, run_manager: Any) -> list[Document]:
            found: list[Document] = kit.retriever.invoke(query, {"metadata": staff.metadata})
            assert len(found) == len(kit.notes)
            return found

    with ragtrace.request("customer"):
        (found,) = Lender().invoke("fee")
    assert found.page_content == PUBLIC
