"""Flow: one edge from a chunk to a prompt, and so to an audience."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from ragtrace.model._attribution import Attribution
from ragtrace.model._chunk import Chunk
from ragtrace.model._decision import Decision
from ragtrace.model._label import Label

__all__ = ["Flow", "Stage"]

Stage = Literal["retrieval", "prompt"]


@dataclass(frozen=True, slots=True)
class Flow:
    """A chunk that was retrieved for, or found in the prompt of, a request.

    Attributes:
        stage: ``retrieval`` when judged as it left the retriever, ``prompt`` when found in
            the messages of a model call.
        label: What the decision was about: of the whole chunk at retrieval, of the parts that
            were found in a prompt.
        attribution: ``None`` at retrieval, where there is no prompt yet.
        roles: Of the messages it was found in: what a user pasted is no retrieval's leak.
    """

    stage: Stage
    chunk: Chunk
    label: Label
    decision: Decision
    attribution: Attribution | None = None
    roles: tuple[str, ...] = ()
