"""Paths of LangChain: the ways a question is sent, and what their callers receive of it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

from ragtrace.testing.conformance import Paths
from ragtrace.testing.conformance import pieces as put_together
from tests.integrations.kit import Kit, joined

__all__ = ["PATHS", "answers", "by_hand", "path", "pieces"]

PATHS = Paths()
path = PATHS.path


def by_hand(kit: Kit, asked: str) -> list[tuple[str, str]]:
    """The prompt without a chain: retrieve, fill in."""
    return kit.messages(asked, joined(kit.retriever.invoke(asked)))


def pieces(got: list[Any]) -> list[Any]:
    """What came in pieces: each of them, and all put together."""
    return put_together(got, lambda piece: getattr(piece, "content", piece))


async def answers(events: AsyncIterator[Any]) -> list[Any]:
    """What events say of answers: of models, parsers and the run as a whole.

    Inputs are left out, and what retrievers and prompts give: that is the application's own
    side of the model, where ``context_only`` text may be.
    """
    said: list[Any] = []
    root = None
    async for event in events:
        kind, data = event["event"], event["data"]
        root = root or event["run_id"]
        from_model = kind.startswith(("on_chat_model", "on_llm", "on_parser"))
        if from_model or event["run_id"] == root:
            said += [data.get("chunk"), data.get("output")]
    return pieces([piece for piece in said if piece is not None])
