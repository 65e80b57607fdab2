"""MLflow read: spans of its tracing, which leave over OTLP with every value as JSON."""

from __future__ import annotations

from typing import Final

from ragtrace.wire._observed import Observed
from ragtrace.wire._recorded import Recorded, short, whole
from ragtrace.wire._source import source_of
from ragtrace.wire._talk import completion_in, messages_in, passages_in

__all__ = ["MLFLOW_TYPE", "mlflow_step"]

MLFLOW_TYPE: Final = "mlflow.spanType"


def mlflow_step(span: Recorded) -> Observed | None:
    """The step that ``span`` records; a retriever that returned no document is none."""
    said = span.attributes
    given = whole(said.get("mlflow.spanInputs", ""))
    output = whole(said.get("mlflow.spanOutputs", ""))
    kind = short(whole(said.get(MLFLOW_TYPE, "")))
    if kind in ("RETRIEVER", "RERANKER"):
        passages = passages_in(output, source_of(span))
        query = given.get("query", "") if isinstance(given, dict) else given
        asked = query if isinstance(query, str) else ""
        return Observed("mlflow", "retrieval", passages, asked) if passages else None
    if kind not in ("CHAT_MODEL", "LLM"):
        return None
    return Observed(
        "mlflow",
        "prompt",
        messages=messages_in(given),
        completion=completion_in(output),
        model=short(whole(said.get("mlflow.llm.model", ""))),
    )
