"""Flows: what a span of ours tells of them, as the records that the judge was given."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, cast, get_args

from ragtrace.errors import WireError
from ragtrace.model import (
    Action,
    Attribution,
    Chunk,
    Decision,
    Evidence,
    Label,
    Origin,
    Span,
    Verdict,
)
from ragtrace.wire import _names as names
from ragtrace.wire._undecided import read_chunk, read_label

__all__ = ["RecordedFlow", "decode_decision", "decode_flows", "decode_plain"]

_VERDICTS: Final = frozenset(get_args(Verdict))
_EVIDENCE: Final = frozenset(get_args(Evidence))


@dataclass(frozen=True, slots=True)
class RecordedFlow:
    """A flow as it was recorded; ``ragtrace.model.Flow`` without the chunk's text.

    Attributes:
        ordinal: Its place among the flows of its span.
        chunk: As it was judged; its text is empty.
        label: What the decision was about.
        attribution: ``None`` at retrieval, and for what is known of by its baggage alone.
        decision: ``None`` where nobody decided.
        roles: Of the messages it was found in; none for a mark that stood for it.
        measured: Whether it is recorded how long each run is and how sure; where it is not, what
            is too little to act on cannot be told.
    """

    ordinal: int
    chunk: Chunk
    label: Label
    attribution: Attribution | None
    decision: Decision | None
    roles: tuple[str, ...] = ()
    measured: bool = True


def decode_flows(attributes: Mapping[str, str]) -> list[RecordedFlow]:
    """The flows in ``ragtrace.flows`` and its continuations, by their places.

    Raises:
        WireError: Something there is not as our encoder writes it.
    """
    parts = {
        int(name.removeprefix(names.FLOWS).lstrip(".") or 0): value
        for name, value in attributes.items()
        if _is_part(name)
    }
    policy = attributes.get(names.POLICY, "")
    flows = [one for number in sorted(parts) for one in _read(parts[number], policy)]
    return sorted(flows, key=lambda one: one.ordinal)


def decode_plain(attributes: Mapping[str, str]) -> list[RecordedFlow]:
    """What was found in a prompt and is no flow, where a decision may have depended on it.

    Raises:
        WireError: As for ``decode_flows``.
    """
    return list(_read(attributes.get(names.PROMPT_PLAIN, "[]"), ""))


def decode_decision(attributes: Mapping[str, str]) -> Decision | None:
    """What was decided about the step as a whole; ``None`` where nobody decided.

    Raises:
        WireError: It is no decision of ours.
    """
    if names.DECISION_ACTION not in attributes:
        return None
    return _decision(
        {
            "action": attributes[names.DECISION_ACTION],
            "rule": attributes.get(names.DECISION_RULE, ""),
            "reason": attributes.get(names.DECISION_REASON, ""),
            "mode": attributes.get(names.DECISION_MODE, "enforce"),
        },
        attributes.get(names.POLICY, ""),
    )


def _is_part(name: str) -> bool:
    if name == names.FLOWS:
        return True
    prefix, _, number = name.rpartition(".")
    return prefix == names.FLOWS and number.isascii() and number.isdigit() and len(number) <= 6


def _read(part: str, policy: str) -> Iterable[RecordedFlow]:
    try:
        listed = json.loads(part)
        if not isinstance(listed, list):
            raise TypeError("expected a list")
        return [_flow(said, policy) for said in listed]
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise WireError(f"{names.FLOWS}: not as it was written: {type(error).__name__}") from None


def _flow(said: dict[str, Any], policy: str) -> RecordedFlow:
    chunk = replace(
        read_chunk(said),
        origins=tuple(map(_origin, said.get("origins", ()))),
        copied=tuple((_whole(start), _whole(end)) for start, end in said.get("copied", ())),
        released=_text(said.get("released", "")),
    )
    attribution, measured = _attribution(said, chunk.digest)
    return RecordedFlow(
        ordinal=_whole(said["ord"]),
        chunk=chunk,
        label=read_label(said),
        attribution=attribution,
        decision=_decision(said, policy) if said.get("action") else None,
        roles=tuple(map(_text, said.get("roles", ()))),
        measured=measured,
    )


def _attribution(said: dict[str, Any], digest: str) -> tuple[Attribution | None, bool]:
    if "verdict" not in said:
        return None, True
    places = [tuple(map(_whole, place)) for place in said.get("spans", ())]
    measured = "runs" in said
    runs: Sequence[Any] = said["runs"] if measured else [(0, 0, 0)] * len(places)
    spans = tuple(
        Span(m, start, end, first, last, _whole(symbols), bool(verbatim), _whole(evidence))
        for (m, start, end, first, last), (symbols, evidence, verbatim) in zip(
            places, runs, strict=True
        )
    )
    if said["verdict"] not in _VERDICTS:
        raise ValueError("expected a verdict")
    group = tuple(map(_text, said.get("group", ())))
    return Attribution(digest, said["verdict"], spans, group, bool(said.get("whole"))), measured


def _decision(said: dict[str, Any], policy: str) -> Decision:
    beside = said.get("shadow")
    mode = said.get("mode", "enforce")
    if mode not in ("enforce", "shadow"):
        raise WireError(f"decision: expected the mode enforce or shadow, got {mode!r}")
    try:
        action = Action(said["action"])
        shadow = beside and Decision(Action(beside["action"]), _text(beside["rule"]), "", policy)
    except ValueError:
        raise WireError("decision: expected an action") from None
    return Decision(
        action, _text(said.get("rule", "")), _text(said.get("reason", "")), policy, mode, shadow
    )


def _origin(said: dict[str, Any]) -> Origin:
    evidence = said.get("evidence", "taint")
    if evidence not in _EVIDENCE:
        raise ValueError("expected a grade of evidence")
    return Origin(
        _text(said["document"]),
        _text(said["source"]),
        _text(said["digest"]),
        read_label(said),
        cast(Evidence, evidence),
    )


def _text(said: object) -> str:
    if not isinstance(said, str):
        raise TypeError("expected a text")
    return said


def _whole(said: object) -> int:
    if type(said) is not int or said < 0:
        raise TypeError("expected a whole number")
    return said
