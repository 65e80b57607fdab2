"""OpenInference names beside ours, for back ends that draw those."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from ragtrace.model import Flow, Message
from ragtrace.wire import _names as names
from ragtrace.wire._encoder import AttributeValue

__all__ = ["Texts", "openinference"]

_KINDS: Final = {"retrieval": "RETRIEVER", "chat": "LLM", "text_completion": "LLM"}

_SAME: Final = {
    names.GEN_AI_REQUEST_MODEL: names.OI_MODEL,
    names.GEN_AI_PROVIDER: names.OI_PROVIDER,
    names.GEN_AI_INPUT_TOKENS: names.OI_PROMPT_TOKENS,
    names.GEN_AI_OUTPUT_TOKENS: names.OI_COMPLETION_TOKENS,
    names.GEN_AI_QUERY: names.OI_QUERY,
}
"""GenAI name -> OpenInference name, where the value is the same."""

DOCUMENTS: Final = 16
"""OpenInference takes up to four attributes a document. 16 of them and the flows stay under the
128 attributes a span may have; the JSON beside them tells of every document."""

MESSAGES: Final = 16
"""Messages of a prompt that are drawn, the last ones, at two attributes each."""

LONGEST: Final = 8192
"""Characters of a text that are drawn. More would make spans that collectors refuse: 33 such
texts are 270 kB, where gRPC takes 4 MB for a whole batch of spans."""


@dataclass(frozen=True, slots=True)
class Texts:
    """What a back end may draw beside ids and digests; nothing, unless somebody has asked for it.

    Attributes:
        documents: Of the flows, one for one; empty where there is nothing to show.
        prompt: What the model was given.
        completion: What the caller was given.
    """

    documents: Sequence[str] = ()
    prompt: Sequence[Message] = ()
    completion: str = ""


def openinference(
    attributes: Mapping[str, AttributeValue], flows: Sequence[Flow] = (), texts: Texts | None = None
) -> dict[str, AttributeValue]:
    """What OpenInference calls the things in ``attributes``; adds names, takes none away.

    Texts come last, because a span that is nearly full has room for what comes first.
    """
    operation = str(attributes.get(names.GEN_AI_OPERATION, ""))
    said: dict[str, AttributeValue] = {names.OI_KIND: _KINDS.get(operation, "CHAIN")}
    for ours, theirs in _SAME.items():
        if ours in attributes:
            said[theirs] = attributes[ours]
    if operation == "retrieval":
        for place, flow in enumerate(flows[:DOCUMENTS]):
            said.update(_document(place, flow))
    if texts is not None:
        said.update(_texts(texts, min(DOCUMENTS, len(flows))))
    return said


def _document(place: int, flow: Flow) -> Iterator[tuple[str, AttributeValue]]:
    yield names.OI_DOCUMENT_ID.format(i=place), flow.chunk.id
    if flow.chunk.score is not None:
        yield names.OI_DOCUMENT_SCORE.format(i=place), flow.chunk.score
    about = {
        "source": flow.chunk.source.id,
        "level": flow.label.level,
        "action": str(flow.decision.action),
    }
    yield names.OI_DOCUMENT_METADATA.format(i=place), json.dumps(about)


def _texts(texts: Texts, documents: int) -> Iterator[tuple[str, AttributeValue]]:
    for place, text in enumerate(texts.documents[:documents]):
        if text:
            yield names.OI_DOCUMENT_CONTENT.format(i=place), _cut(text)
    if texts.completion:
        yield names.OI_OUTPUT_ROLE, "assistant"
        yield names.OI_OUTPUT_TEXT, _cut(texts.completion)
    for place, message in enumerate(texts.prompt[-MESSAGES:]):
        yield names.OI_INPUT_ROLE.format(i=place), message.role
        yield names.OI_INPUT_TEXT.format(i=place), _cut(message.text)


def _cut(text: str) -> str:
    more = len(text) - LONGEST
    return text if more <= 0 else f"{text[:LONGEST]}… [{more} more characters]"
