"""Assembly: a final prompt, attributed and decided; what may be sent, and what not be said."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field

from ragtrace.attribution import TEMPLATE, Account, Cover, Guard, account, accounted_for
from ragtrace.capture._corpus import in_corpus
from ragtrace.capture._ledger import Seen
from ragtrace.capture._request import Request
from ragtrace.capture._runtime import Runtime
from ragtrace.model import (
    Action,
    Attribution,
    Audience,
    Chunk,
    Decision,
    Flow,
    Label,
    Message,
    Span,
    strictest,
)
from ragtrace.policy import (
    Policy,
    judge_found,
    label_found,
    redact_messages,
    restricted,
    without_readable,
)

__all__ = ["Assembly", "assemble"]

_TAKEN_OUT = frozenset({Action.REDACT, Action.DROP})
"""In a prompt there is no chunk left to drop, only its text: both take the text out."""


_KEPT_BACK = frozenset({Action.CONTEXT_ONLY})
"""May be in the prompt and may not be said."""


@dataclass(frozen=True, slots=True)
class Assembly:
    """What a prompt is made of and what follows from it.

    Attributes:
        messages: What may be sent.
        decision: The strictest of all; decided before anything is sent.
        flows: One for every remembered chunk found in the prompt as it was given.
        sent: Attributions into ``messages``, for the rope.
        texts: Chunk texts by digest.
        label: Join of what is in ``messages``.
        protected: Texts that the completion may not repeat.
        readable: Texts of ``messages`` that the audience may read anyway.
        account: Where the characters of ``messages`` came from.
    """

    messages: tuple[Message, ...]
    decision: Decision
    flows: tuple[Flow, ...]
    sent: tuple[Attribution, ...]
    texts: Mapping[str, str]
    label: Label
    protected: tuple[str, ...]
    readable: tuple[str, ...] = ()
    account: Account = field(default_factory=Account)

    def guard(self) -> Guard:
        """A guard for one channel of the completion."""
        return Guard(self.protected, self.readable)


def assemble(runtime: Runtime, request: Request, messages: tuple[Message, ...]) -> Assembly:
    """Judge the final messages of a model call.

    A judge that fails counts as the strictest decision; without a policy there is nothing
    to enforce, and the failure is only recorded.
    """
    try:
        return _assemble(runtime, request, messages)
    except Exception as error:
        policy = runtime.policy
        action = Action.ALLOW if policy.observe_only else Action.BLOCK
        reason = f"the judge failed with {type(error).__name__}"
        decision = Decision(action, "judge-error", reason, policy.digest)
        label = Label(policy.lattice.strictest)
        return Assembly(messages, decision, (), (), {}, label, ())


@dataclass(frozen=True, slots=True)
class _Reading:
    """What is in some messages, and what is decided about it.

    Attributes:
        answerable: ``found`` without what may be read anyway, one for one.
        decisions: By digest; what has none is accounted for by others.
        account: Where every character came from.
        seen: As the ledger found it.
    """

    found: Sequence[Attribution]
    answerable: Sequence[Attribution]
    chunks: Mapping[str, Chunk]
    decisions: Mapping[str, Decision]
    account: Account
    seen: Seen

    def decided(
        self, policy: Policy, audience: Audience, actions: Set[Action]
    ) -> list[tuple[Attribution, list[tuple[int, int]]]]:
        """What was decided so, each with the restricted ranges of its chunk."""
        return [
            (one, restricted(policy, self.chunks[one.chunk], audience))
            for one in self.answerable
            if one.chunk in self.decisions and self.decisions[one.chunk].action in actions
        ]


def _assemble(runtime: Runtime, request: Request, messages: tuple[Message, ...]) -> Assembly:
    policy, audience = runtime.policy, request.audience
    given = sent = _read(runtime, request, messages)
    flows = [*_flows(policy, messages, given), *_marked(runtime, messages)]
    decision = _overall(policy, request, flows)
    taken = given.decided(policy, audience, _TAKEN_OUT)
    if decision.action is Action.ALLOW:
        runtime.ledger.learn(request.id, messages, given.seen)
    if taken and decision.action is not Action.BLOCK:
        messages = redact_messages(messages, taken)
        sent = _read(runtime, request, messages)
        if sent.decided(policy, audience, _TAKEN_OUT):
            reason = "restricted text could not be taken out of the prompt"
            decision = Decision(Action.BLOCK, decision.rule, reason, policy.digest)
    secret = sent.decided(policy, audience, _KEPT_BACK)
    return Assembly(
        messages=messages,
        decision=decision,
        flows=tuple(flows),
        sent=tuple(sent.found),
        texts={name: chunk.text for name, chunk in {**given.chunks, **sent.chunks}.items()},
        label=policy.lattice.join(
            label_found(policy, sent.chunks[one.chunk], one)
            for one in sent.answerable
            if one.spans and one.verdict != "explained"
        ),
        protected=tuple(
            sent.chunks[one.chunk].text[start:end]
            for one, ranges in secret
            for start, end in ranges
        ),
        readable=tuple(one.text for one in redact_messages(messages, secret)) if secret else (),
        account=sent.account,
    )


def _read(runtime: Runtime, request: Request, messages: Sequence[Message]) -> _Reading:
    policy, audience = runtime.policy, request.audience
    seen = runtime.ledger.attribute(messages)
    # The same text may have been retrieved under several labels; here it came as this
    # request retrieved it.
    chunks = {name: request.own(name) or chunk for name, chunk in seen.chunks.items()}
    found = [*seen.found, *_never_retrieved(runtime, request, seen, chunks)]
    answerable = without_readable(policy, found, chunks, audience)
    decisions = judge_found(policy, answerable, chunks, audience)
    accounted = account(messages, found, seen.derived, seen.template)
    return _Reading(found, answerable, chunks, decisions, accounted, seen)


def _never_retrieved(
    runtime: Runtime, request: Request, seen: Seen, chunks: dict[str, Chunk]
) -> Iterator[Attribution]:
    """What the corpus index knows of and no retrieval has brought; its chunks go to ``chunks``."""
    if runtime.corpus is None:
        return
    lattice, audience = runtime.policy.lattice, request.audience
    for chunk, attribution in in_corpus(runtime.corpus, lattice, audience, seen.reading):
        if not _known(attribution, chunk, seen.found, chunks):
            chunks[chunk.digest] = chunk
            yield attribution


def _known(
    one: Attribution, chunk: Chunk, found: Sequence[Attribution], chunks: Mapping[str, Chunk]
) -> bool:
    """Whether chunks of the same label that were found hold all of it already."""
    own = Cover.of((span.message, span.start, span.end) for span in one.spans)
    held = Cover.of(
        (span.message, span.start, span.end)
        for other in found
        if chunks[other.chunk].label == chunk.label
        for span in other.spans
    )
    return accounted_for(own, held)


def _flows(policy: Policy, messages: Sequence[Message], given: _Reading) -> list[Flow]:
    flows = []
    for one, own in zip(given.found, given.answerable, strict=True):
        chunk = given.chunks[one.chunk]
        decided = given.decisions.get(one.chunk) or _explained(policy, one)
        label = label_found(policy, chunk, own)
        roles = dict.fromkeys(messages[span.message].role for span in one.spans)
        flows.append(Flow("prompt", chunk, label, decided, one, tuple(roles)))
    return flows


def _explained(policy: Policy, one: Attribution) -> Decision:
    if TEMPLATE in one.group:
        reason = "the application's own template says it, and so do several documents"
        return Decision(Action.ALLOW, "template", reason, policy.digest)
    reason = "all of it that is here is in other documents as well"
    return Decision(Action.ALLOW, "explained", reason, policy.digest)


def _marked(runtime: Runtime, messages: Sequence[Message]) -> list[Flow]:
    """Chunks that were blocked at retrieval and whose marks have reached this prompt."""
    return [
        Flow(
            "prompt",
            chunk,
            runtime.policy.labeller.effective(chunk),
            decision,
            _of_mark(chunk, Span(place, start, end, 0, len(chunk.text), end - start)),
        )
        for place, message in enumerate(messages)
        for start, end, chunk, decision in runtime.ledger.marked(message.text)
    ]


def _of_mark(chunk: Chunk, span: Span) -> Attribution:
    return Attribution(chunk.digest, "certain", (span,), whole=True)


def _overall(policy: Policy, request: Request, flows: Sequence[Flow]) -> Decision:
    if policy.unreadable is not None:
        return Decision(Action.BLOCK, "policy-unreadable", policy.unreadable, policy.digest)
    if request.blocked is not None:
        reason = f"this request was blocked by rule {request.blocked.rule}"
        return Decision(Action.BLOCK, "already-blocked", reason, policy.digest)
    if policy.observe_only:
        return Decision(Action.ALLOW, "no-policy", "no policy was given", mode="shadow")
    decided = strictest([flow.decision for flow in flows])
    if decided is None:
        reason = "nothing that is labelled was found in the prompt"
        return Decision(Action.ALLOW, "clearance", reason, policy.digest, policy.mode)
    return decided
