"""Recorded: the steps of a stored trace, as the records that the judge was given and gave."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, get_args

from ragtrace.errors import WireError
from ragtrace.model import Audience, Decision
from ragtrace.policy import FailureKind, Policy
from ragtrace.store import SpanRow
from ragtrace.wire import RecordedFlow, decode_decision, decode_flows, decode_plain, names

__all__ = ["RecordedStep", "failure", "recorded"]

_CONTINUED: Final = " (continued)"
"""How the name of a span ends that only holds flows for which another had no room."""


_FAILURES: Final = frozenset(get_args(FailureKind)) - {"unknown-level", "unknown-audience"}
"""What happened then, and does not happen again because a policy is asked again."""


def failure(decision: Decision | None) -> FailureKind | None:
    """What had failed where ``decision`` was made, if that is why it was."""
    return next((one for one in _FAILURES if decision is not None and decision.rule == one), None)


@dataclass(frozen=True, slots=True)
class RecordedStep:
    """A retrieval or a model call that was judged, or that another tracer has told of.

    Attributes:
        flows: In order, those of its continuations behind its own.
        plain: What was found in the prompt and is no flow; their ordinals are their places among
            all that was found.
        decision: About all of it; ``None`` where nobody decided.
        unreadable: Why its flows cannot be read; empty where they can.
    """

    span: SpanRow
    flows: tuple[RecordedFlow, ...] = ()
    plain: tuple[RecordedFlow, ...] = ()
    decision: Decision | None = None
    unreadable: str = ""

    @property
    def stage(self) -> str:
        """``retrieval`` or ``prompt``."""
        return self.span.attributes.get(names.STAGE, "")

    @property
    def request(self) -> str:
        """Id of the request it is a step of."""
        return self.span.attributes.get(names.REQUEST_ID, "")

    @property
    def policy(self) -> str:
        """Digest of the policy that judged; empty where none did."""
        return self.span.attributes.get(names.POLICY, "")

    def reader(self, policy: Policy) -> Audience:
        """Who would have read the answer, as ``policy`` knows the audience by its name."""
        said = self.span.attributes
        return policy.audience(
            said.get(names.AUDIENCE),
            principal=said.get(names.USER),
            tenant=said.get(names.TENANT),
        )


def recorded(spans: Iterable[SpanRow]) -> list[RecordedStep]:
    """The steps that were judged or have flows, in the order in which they began; not a search
    that found nothing.
    """
    ordered = sorted(spans, key=lambda span: (span.start_ns, span.span_id))
    more: dict[str, list[SpanRow]] = {}
    steps = []
    for span in ordered:
        if span.attributes.get(names.STAGE, "") not in ("retrieval", "prompt"):
            continue
        if span.name.endswith(_CONTINUED):
            more.setdefault(span.parent_span_id, []).append(span)
        else:
            steps.append(span)
    made = [_step(span, more.get(span.span_id, [])) for span in steps]
    return [one for one in made if one.flows or one.decision is not None or one.unreadable]


def _step(span: SpanRow, more: list[SpanRow]) -> RecordedStep:
    try:
        return RecordedStep(
            span,
            tuple(flow for one in (span, *more) for flow in decode_flows(one.attributes)),
            tuple(decode_plain(span.attributes)),
            decode_decision(span.attributes),
        )
    except WireError as error:
        return RecordedStep(span, unreadable=str(error))
