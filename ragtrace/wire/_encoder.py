"""Encoder: what flowed becomes span attributes; ids, labels and decisions always whole."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields
from functools import lru_cache
from operator import attrgetter
from typing import Any, Final

from ragtrace.attribution import Account
from ragtrace.model import Audience, Chunk, Decision, Flow, Label, Origin
from ragtrace.wire import _names as names
from ragtrace.wire._as_json import as_json
from ragtrace.wire._flow_text import flow_text
from ragtrace.wire._found import encode_label, found, of_origin, score_of

__all__ = [
    "AttributeValue",
    "encode_account",
    "encode_decision",
    "encode_documents",
    "encode_flows",
    "encode_lineage",
    "encode_plain",
    "encode_request",
]

PARTS: Final = 56
"""Most attributes one span's flows take. A span keeps 128 unless told otherwise and forgets its
oldest beyond that: 24 are its own, 48 OpenInference's documents."""

QUOTED: Final = 4_096
"""Ids kept as JSON, in less than 1 MB; a chunk's is about as long as its digest."""

_ACCOUNTED: Final = tuple(part.name for part in fields(Account))
_ACCOUNT: Final = "{" + ",".join(f'"{part}":%d' for part in _ACCOUNTED) + "}"
_parts_of: Final = attrgetter(*_ACCOUNTED)

AttributeValue = str | bool | int | float

_quoted: Final = lru_cache(QUOTED)(as_json)
"""An id as JSON: most are met again and again."""

MIN_PART: Final = 64
"""Shortest value that is still split: under a limit shorter than one flow object, the
object is written whole and left to the provider."""


def encode_request(
    request_id: str,
    audience: Audience,
    *,
    session: str | None,
    user: str | None,
    tenant: str | None,
) -> dict[str, AttributeValue]:
    """Whose turn it is; on every span of the turn."""
    attributes: dict[str, AttributeValue] = {
        names.REQUEST_ID: request_id,
        names.AUDIENCE: audience.name,
        names.CLEARANCE: audience.clearance,
        names.AUDIENCE_KNOWN: audience.known,
    }
    given = {
        names.SESSION: session,
        names.GEN_AI_CONVERSATION: session,
        names.USER: user,
        names.TENANT: tenant,
    }
    attributes.update({name: value for name, value in given.items() if value is not None})
    return attributes


def encode_decision(decision: Decision) -> dict[str, AttributeValue]:
    """What was decided about the step as a whole."""
    return {
        names.DECISION_ACTION: str(decision.action),
        names.DECISION_RULE: decision.rule,
        names.DECISION_REASON: decision.reason,
        names.DECISION_MODE: decision.mode,
        names.POLICY: decision.policy,
    }


def encode_account(account: Account) -> dict[str, AttributeValue]:
    """Where the characters of a prompt came from."""
    return {
        names.PROMPT_ACCOUNTED: account.accounted,
        names.PROMPT_ACCOUNT: _ACCOUNT % _parts_of(account),
    }


def encode_lineage(
    level: str, origins: Sequence[Origin], flows: Sequence[Flow] = ()
) -> dict[str, AttributeValue]:
    """What a completion inherits, and from which documents.

    Args:
        level: Of the completion.
        origins: Documents that it was made from.
        flows: What was found in its prompt. An origin that is among them is named by its place.
    """
    places = {
        (flow.chunk.digest, flow.chunk.document.id, flow.chunk.source.id): (place, flow.label)
        for place, flow in enumerate(flows)
    }
    told = []
    for origin in origins:
        place, label = places.get((origin.digest, origin.document, origin.source), (None, None))
        if label is origin.label and origin.evidence == "taint":  # as almost all are
            told.append(f'{{"ord":{place}}}')
        else:
            told.append(as_json(_origin(origin, place, label)))
    return {names.COMPLETION_LEVEL: level, names.COMPLETION_ORIGINS: f"[{','.join(told)}]"}


def _origin(origin: Origin, place: int | None, label: Label | None) -> dict[str, Any]:
    if place is None:
        return of_origin(origin)
    said: dict[str, Any] = {"ord": place}
    if origin.label != label:
        said |= encode_label(origin.label)
    if origin.evidence != "taint":
        said["evidence"] = origin.evidence
    return said


def encode_documents(chunks: Sequence[Chunk]) -> str:
    """The documents of a retrieval as the GenAI conventions have them: id, and score if any."""
    said = [
        f'{{"id":{_quoted(chunk.id)}}}'
        if chunk.score is None or (score := score_of(chunk.score)) is None
        else f'{{"id":{_quoted(chunk.id)},"score":{score!r}}}'
        for chunk in chunks
    ]
    return f"[{','.join(said)}]"


def encode_flows(
    flows: Sequence[Flow], longest: int | None = None, first: int = 0
) -> dict[str, AttributeValue]:
    """All of ``flows`` as one JSON attribute, or as few as fit ``longest`` characters each.

    Nothing is dropped or cut here: where the provider limits the length of a value, the array
    is continued in ``ragtrace.flows.1`` and on, each part an array by itself. What does not
    fit PARTS parts makes the last of them too long; who sees that asks for fewer flows at once.

    Args:
        flows: In order; each carries its place as ``ord``.
        longest: The provider's limit on the length of an attribute value, if it has one.
        first: Place of the first of them among all flows of the step.
    """
    encoded = [flow_text(place, flow) for place, flow in enumerate(flows, first)]
    if longest is None or longest < MIN_PART:
        return {names.FLOWS: f"[{','.join(encoded)}]"}
    parts: list[list[str]] = [[]]
    size = 2
    for text in encoded:
        if parts[-1] and size + len(text) + 1 > longest and len(parts) < PARTS:
            parts.append([])
            size = 2
        parts[-1].append(text)
        size += len(text) + 1
    return {
        names.FLOWS if number == 0 else f"{names.FLOWS}.{number}": f"[{','.join(part)}]"
        for number, part in enumerate(parts)
    }


def encode_plain(plain: Sequence[tuple[int, Flow]]) -> dict[str, AttributeValue]:
    """Completions found in a prompt that are no flows, each with its place; nothing of none."""
    if not plain:
        return {}
    said = [found(place, one.chunk, one.label, one.attribution, ()) for place, one in plain]
    return {names.PROMPT_PLAIN: as_json(said)}
