"""Observing: which tracer a span is of, and the step it records."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from ragtrace.wire import _names as names
from ragtrace.wire._genai_in import genai_step
from ragtrace.wire._langfuse_in import LANGFUSE_TYPE, langfuse_step
from ragtrace.wire._mlflow_in import MLFLOW_TYPE, mlflow_step
from ragtrace.wire._observed import Observed
from ragtrace.wire._openinference_in import openinference_step
from ragtrace.wire._openllmetry_in import is_openllmetry, openllmetry_step
from ragtrace.wire._recorded import MAX_ITEMS, Recorded
from ragtrace.wire._turn import turn

__all__ = ["observed"]


def observed(span: Recorded) -> Observed | None:
    """The retrieval or the model call that another tracer recorded in ``span``.

    ``None`` for a span of ours, and for one that is neither. Never raises, whatever the
    attributes hold; what is not in the form its tracer writes is left out.
    """
    if span.scope == names.SCOPE or names.STAGE in span.attributes:
        return None
    read = _reader(span)
    found = read(span) if read is not None else None
    if found is None:
        return None
    said = turn(span)
    return replace(
        found,
        passages=found.passages[:MAX_ITEMS],
        messages=found.messages[:MAX_ITEMS],
        session=said.session,
        user=said.user,
        tenant=said.tenant,
        audience=said.audience,
    )


def _reader(span: Recorded) -> Callable[[Recorded], Observed | None] | None:
    """Reads the names that only one tracer has first: several write the conventions besides."""
    if names.OI_KIND in span.attributes:
        return openinference_step
    if LANGFUSE_TYPE in span.attributes:
        return langfuse_step
    if MLFLOW_TYPE in span.attributes:
        return mlflow_step
    if is_openllmetry(span):
        return openllmetry_step
    return genai_step if names.GEN_AI_OPERATION in span.attributes else None
