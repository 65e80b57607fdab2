"""Encoder: what flowed becomes span attributes; ids, labels and decisions always whole."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import fields
from typing import Any, Final

from ragtrace.attribution import Account
from ragtrace.model import Attribution, Audience, Chunk, Decision, Flow, Label, Origin
from ragtrace.wire import _names as names

__all__ = [
    "OUTSIDE",
    "AttributeValue",
    "as_json",
    "encode_account",
    "encode_decision",
    "encode_documents",
    "encode_flows",
    "encode_label",
    "encode_lineage",
    "encode_plain",
    "encode_request",
    "found",
]

PARTS: Final = 56
"""Most attributes one span's flows take. A span keeps 128 unless told otherwise and forgets its
oldest beyond that: 24 are its own, 48 OpenInference's documents."""

OUTSIDE: Final = "outside"
"""Key of the label of a chunk outside its ranges, where that is another than the label judged."""

_ACCOUNTED: Final = tuple(part.name for part in fields(Account))

AttributeValue = str | bool | int | float

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
        names.PROMPT_ACCOUNT: as_json({part: getattr(account, part) for part in _ACCOUNTED}),
    }


def encode_lineage(level: str, origins: Sequence[Origin]) -> dict[str, AttributeValue]:
    """What a completion inherits, and from which documents."""
    return {
        names.COMPLETION_LEVEL: level,
        names.COMPLETION_ORIGINS: as_json([_origin(origin) for origin in origins]),
    }


def encode_documents(chunks: Sequence[Chunk]) -> str:
    """The documents of a retrieval as the GenAI conventions have them: id and score."""
    return as_json([{"id": chunk.id, "score": _score(chunk.score)} for chunk in chunks])


def encode_flows(flows: Sequence[Flow], longest: int | None = None) -> dict[str, AttributeValue]:
    """All of ``flows`` as one JSON attribute, or as few as fit ``longest`` characters each.

    Nothing is dropped or cut here: where the provider limits the length of a value, the array
    is continued in ``ragtrace.flows.1`` and on, each part an array by itself. What does not
    fit PARTS parts makes the last of them too long; who sees that asks for fewer flows at once.

    Args:
        flows: In order; each carries its place as ``ord``.
        longest: The provider's limit on the length of an attribute value, if it has one.
    """
    said = [_flow(place, flow) for place, flow in enumerate(flows)]
    if longest is None or longest < MIN_PART:
        return {names.FLOWS: as_json(said)}
    encoded = [as_json(one) for one in said]
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


def _flow(place: int, flow: Flow) -> dict[str, Any]:
    chunk, decision = flow.chunk, flow.decision
    said = found(place, chunk, flow.label, flow.attribution, flow.roles)
    if chunk.ranges and chunk.label != flow.label:
        said[OUTSIDE] = encode_label(chunk.label)
    said |= {
        "action": str(decision.action),
        "rule": decision.rule,
        "reason": decision.reason,
        "mode": decision.mode,
    }
    if decision.shadow is not None:
        said["shadow"] = {"action": str(decision.shadow.action), "rule": decision.shadow.rule}
    return said


def found(
    place: int,
    chunk: Chunk,
    label: Label,
    attribution: Attribution | None,
    roles: Sequence[str],
) -> dict[str, Any]:
    """A flow without its decision: what was retrieved or found, and under which label."""
    said: dict[str, Any] = {
        "ord": place,
        "id": chunk.id,
        "score": _score(chunk.score),
        "rank": chunk.rank,
        "document": chunk.document.id,
        "digest": chunk.digest,
        "source": chunk.source.id,
        **encode_label(label),
        "basis": chunk.basis,
    }
    if chunk.document.uri is not None:
        said["uri"] = chunk.document.uri
    if chunk.ranges:
        said["ranges"] = [
            {"start": part.start, "end": part.end, **encode_label(part.label)}
            for part in chunk.ranges
        ]
    if chunk.origins:
        said["origins"] = [_origin(origin) for origin in chunk.origins]
    if chunk.copied:
        said["copied"] = [list(part) for part in chunk.copied]
    if chunk.released:
        said["released"] = chunk.released
    if roles:
        said["roles"] = list(roles)
    if attribution is not None:
        said.update(_attribution(attribution))
    return said


def encode_label(label: Label) -> dict[str, Any]:
    """A label as it stands in ``ragtrace.flows``; what is usual is left out."""
    said: dict[str, Any] = {"level": label.level}
    if label.compartments:
        said["compartments"] = sorted(label.compartments)
    if label.readers is not None:
        said["readers"] = sorted(label.readers)
    if label.integrity != "trusted":
        said["integrity"] = label.integrity
    return said


def _origin(origin: Origin) -> dict[str, Any]:
    return {
        "document": origin.document,
        "source": origin.source,
        "digest": origin.digest,
        **encode_label(origin.label),
        "evidence": origin.evidence,
    }


def _score(score: float | None) -> float | None:
    """``score`` if JSON has a word for it; some stores give a number type of their own."""
    if score is None:
        return None
    try:
        number = float(score)
    except (TypeError, ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None


def _attribution(found: Attribution) -> dict[str, Any]:
    said: dict[str, Any] = {
        "verdict": found.verdict,
        "spans": [[s.message, s.start, s.end, s.chunk_start, s.chunk_end] for s in found.spans],
        "runs": [[s.symbols, s.evidence, int(s.verbatim)] for s in found.spans],
    }
    if found.whole:
        said["whole"] = True
    if found.group:
        said["group"] = list(found.group)
    return said


_ENCODE: Final = json.JSONEncoder(separators=(",", ":"), default=str).encode
"""In ASCII; made once: ``json.dumps`` makes an encoder for each value."""


def as_json(value: object) -> str:
    """Write ``value`` as every attribute of ours that is JSON is written.

    Half a character, which a file's name may hold, is replaced: of a JSON with one in it, the
    engine reads nothing at all.
    """
    text = _ENCODE(value)
    if "\\ud" in text:  # so are whole ones, such as emoji, which come out as they were
        plain = json.dumps(value, ensure_ascii=False, default=str).encode("utf-8", "replace")
        text = _ENCODE(json.loads(plain))
    return text
