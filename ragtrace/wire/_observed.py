"""Observed: one step of an application, as another tracer recorded it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from ragtrace.model import Message, Passage

__all__ = ["Observed", "Tracer"]

Tracer = Literal["openinference", "openllmetry", "langfuse", "mlflow", "genai"]


@dataclass(frozen=True, slots=True, repr=False)
class Observed:
    """A retrieval or a model call of an application that may know nothing of ragtrace.

    Nobody judged it: it has documents and messages, and neither labels nor decisions. Its
    ``repr`` does not show texts.

    Attributes:
        tracer: Whose names the span speaks.
        stage: ``retrieval`` or ``prompt``, as on our own spans.
        passages: What a retrieval returned, in its order. The text is empty where the tracer
            recorded none, and the source id empty where it named none.
        query: What was searched for, empty where it was not recorded.
        messages: The model's input, in order.
        completion: What the model answered; ``None`` where it was not recorded.
        model: The model's name, as recorded.
        audience: Who read the answer, where the application says so.
    """

    tracer: Tracer
    stage: Literal["retrieval", "prompt"]
    passages: tuple[Passage, ...] = ()
    query: str = ""
    messages: tuple[Message, ...] = ()
    completion: str | None = None
    model: str = ""
    session: str = ""
    user: str = ""
    tenant: str = ""
    audience: str = ""

    def __repr__(self) -> str:
        """Say what kind of step it was, and how large, without its texts."""
        return (
            f"Observed({self.tracer} {self.stage}, {len(self.passages)} passages, "
            f"{len(self.messages)} messages)"
        )
