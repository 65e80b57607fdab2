"""Carried: what a request has brought along from the service that called this one."""

from __future__ import annotations

from typing import Final

from ragtrace.capture._request import Request
from ragtrace.capture._runtime import Runtime
from ragtrace.capture._taint import joined
from ragtrace.model import Chunk, Document, Flow, Label, Origin, Source, digest
from ragtrace.policy import Policy, judge_carried

__all__ = ["BAGGAGE", "carried_flow", "with_carried"]

BAGGAGE: Final = Source("baggage")
"""The source of what is known of a request by its baggage alone."""


def carried_flow(runtime: Runtime, request: Request) -> Flow | None:
    """The text that the request was made from elsewhere, as it is judged in each prompt of it.

    The text itself is not there: any of the prompt may be it, in other words. So nothing can be
    taken out, and where it should be, the prompt is blocked.
    """
    envelope = request.carried
    if envelope is None:
        return None
    policy, name = runtime.policy, f"{BAGGAGE.id}:{envelope.request}"
    chunk = Chunk(
        id=name,
        document=Document(name),
        source=BAGGAGE,
        text="",
        digest=digest(name),
        label=envelope.label,
        basis=BAGGAGE.id,
        origins=envelope.origins,
    )
    decision = judge_carried(policy, chunk, envelope.label, request.reader(policy))
    return Flow("prompt", chunk, envelope.label, decision)


def with_carried(
    policy: Policy, flow: Flow | None, label: Label, origins: tuple[Origin, ...]
) -> tuple[Label, tuple[Origin, ...]]:
    """Label and origins of what is made from these and from what was carried."""
    if flow is None:
        return label, origins
    return joined(policy.lattice, (label, origins), (flow.label, flow.chunk.origins))
