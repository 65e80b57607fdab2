"""As now: a recorded flow as a policy at hand is to judge it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from ragtrace.model import Chunk, Label
from ragtrace.policy import TOLD_BEFORE, Policy
from ragtrace.wire import RecordedFlow

__all__ = ["AsNow", "as_now"]

_BY_RECORD: Final = "declassified:"
_BY_STEP: Final = "transformation:"


@dataclass(frozen=True, slots=True)
class AsNow:
    """What is judged.

    Attributes:
        label: Of all of it.
        unjudged: What is missing to judge it; empty where nothing is.
    """

    chunk: Chunk
    label: Label
    unjudged: str = ""


def as_now(policy: Policy, flow: RecordedFlow, when: datetime, *, same: bool) -> AsNow:
    """The chunk of ``flow`` with the label under which ``policy`` is to judge it.

    It is the label that was recorded: what another policy's rules for labels would have said of
    the document cannot be known, for of its metadata only the label is kept. A declassification
    that the policy at hand has in force counts as it did, or would have.

    Args:
        policy: At hand.
        flow: As it was recorded.
        when: The step took place.
        same: Whether it is the policy that judged then.
    """
    chunk = flow.chunk
    if same:
        return AsNow(chunk, flow.label)
    if chunk.released == TOLD_BEFORE:
        chunk = replace(chunk, label=Label(policy.lattice.least))
        return AsNow(chunk, chunk.label)
    if chunk.released:
        return AsNow(chunk, flow.label, _not_released(policy, chunk.released, when))
    lowered = policy.declassified.apply(policy.lattice, chunk, when)
    if lowered is chunk:
        return AsNow(chunk, flow.label)
    return AsNow(lowered, policy.labeller.effective(lowered))


def _not_released(policy: Policy, by: str, when: datetime) -> str:
    """Why a text that was released then cannot be judged now; empty where it still is."""
    if by.startswith(_BY_RECORD):
        name = by.removeprefix(_BY_RECORD)
        for record in policy.declassified.records:
            if record.id == name:
                state = policy.declassified.state(record, policy.lattice, when)
                if state == "in force":
                    return ""
                return f"{by} is {state} here, and the label it had before is not recorded"
        return f"{by} is not in this policy's file, and the label it had before is not recorded"
    if by.startswith(_BY_STEP) and by.removeprefix(_BY_STEP) in policy.transformations:
        return ""
    return f"{by} is not in this policy, and the label it had before is not recorded"
