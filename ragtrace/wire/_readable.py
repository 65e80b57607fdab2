"""Readable: names of other tracers that say what a step was, and never what was said in it.

In a namespace that is listed here, what is not listed with it counts as text: tracers grow new
attributes faster than anybody reads their release notes.
"""

from __future__ import annotations

import re
from typing import Final

__all__ = ["DOCUMENT_METADATA", "TEXT_WORDS", "is_closed", "is_readable"]

_OPENINFERENCE: Final = (
    r"(?:input|output)\.mime_type",
    r"llm\.(?:model_name|provider|system|finish_reason|is_streaming|request\.type)",
    r"llm\.(?:token_count|cost|usage)\.[\w.]+",
    r"llm\.(?:input|output)_messages\.\d+\.message\.(?:role|tool_call_id)",
    r"llm\.(?:input|output)_messages\.\d+\.message\.contents\.\d+\.message_content\.type",
    r"(?:retrieval\.documents|reranker\.(?:in|out)put_documents)\.\d+\.document\.(?:id|score)",
    r"(?:embedding|reranker)\.model_name",
    r"reranker\.top_k",
)
_GENAI: Final = (
    r"gen_ai\.(?:system|operation\.name|provider\.name|conversation\.id|data_source\.id)",
    r"gen_ai\.request\.(?:model|temperature|top_p|top_k|max_tokens|seed|stream|choice\.count)",
    r"gen_ai\.request\.(?:frequency_penalty|presence_penalty|encoding_formats|service_tier)",
    r"gen_ai\.response\.(?:id|model|finish_reasons|time_to_first_chunk|service_tier)",
    r"gen_ai\.(?:usage|token)\.[\w.]+",
    r"gen_ai\.(?:agent|workflow|task|tool)\.(?:id|name|type|version|status)",
    r"gen_ai\.(?:task\.parent\.id|tool\.call\.id|output\.type)",
    r"gen_ai\.(?:retrieval\.top_k|embeddings\.dimension\.count)",
    r"gen_ai\.prompt\.(?:name|version|\d+\.role)",
    r"gen_ai\.completion\.\d+\.(?:role|finish_reason)",
)
_OPENLLMETRY: Final = (
    r"traceloop\.(?:span\.kind|workflow\.name|entity\.(?:name|path|version))",
    r"db\.(?:system|operation|name|namespace|collection)(?:\.name)?",
    r"db\.(?:response\.status_code|operation\.batch\.size)",
    r"db\.\w+\.\w+\.(?:\w+_count|n_results|limit|offset|top_k)",
    r"db\.\w+\.(?:collection|index)[._]name",
)
_LANGFUSE: Final = (
    r"langfuse\.observation\.(?:type|level|model\.name|usage_details|cost_details)",
    r"langfuse\.observation\.(?:completion_start_time|prompt\.(?:name|version))",
    r"langfuse\.(?:environment|release|version|session\.id|user\.id|trace\.(?:name|public))",
    r"langfuse\.internal\.\w+",
    r"langfuse\.experiment\.(?:id|name|dataset\.id|item\.(?:id|version|root_observation_id))",
)
_MLFLOW: Final = (
    r"mlflow\.(?:spanType|spanLogLevel|spanFunctionName|spanStartTimeNs)",
    r"mlflow\.(?:traceRequestId|experimentId|message\.format|chat\.tokenUsage)",
    r"mlflow\.llm\.(?:model|provider|cost)",
    r"mlflow\.trace\.(?:session|user|tokenUsage|cost|sizeStats)",
)
_READABLE: Final = re.compile(
    "|".join((*_OPENINFERENCE, *_GENAI, *_OPENLLMETRY, *_LANGFUSE, *_MLFLOW)), re.ASCII
)

_CLOSED: Final = (
    *("input.", "output.", "llm.", "retrieval.", "reranker.", "embedding.", "tool.", "tool_call."),
    *("message.", "message_content.", "document.", "prompt.", "completion.", "gen_ai.", "ai."),
    *("traceloop.", "db.", "langfuse.", "mlflow.", "exception.message", "exception.stacktrace"),
)
"""Beginnings of names that hold texts, unless they are listed above."""

TEXT_WORDS: Final = frozenset(
    {"input", "inputs", "output", "outputs", "prompt", "completion", "question", "query", "answer"}
    | {"text", "content", "page_content", "body", "message", "messages", "response", "summary"}
    | {"document", "documents", "context", "statement"}
)
"""What an attribute or a key is called that holds a text, whoever writes it."""

_THEIRS: Final = (
    *("traceloop.association.properties.", "mlflow.traceTag.", "langfuse.trace.tags"),
    *("langfuse.trace.metadata", "langfuse.observation.metadata"),
    *("langfuse.observation.model.parameters",),
)
"""Within those, beginnings of names that are the application's own: judged by their values."""

DOCUMENT_METADATA: Final = re.compile(
    r"(?:retrieval\.documents|reranker\.(?:in|out)put_documents)\.\d+\.document\.metadata"
    r"|gen_ai\.retrieval\.documents",
    re.ASCII,
)
"""What is said of a document beside its text: judged by its values."""


def is_readable(name: str) -> bool:
    """Whether no text ever stands in the attribute called ``name``."""
    return name.startswith(_CLOSED) and _READABLE.fullmatch(name) is not None


def is_closed(name: str) -> bool:
    """Whether what stands in ``name`` is text, unless it is listed as readable."""
    if name.rpartition(".")[2].lower() in TEXT_WORDS:
        return True
    return name.startswith(_CLOSED) and not name.startswith(_THEIRS)
