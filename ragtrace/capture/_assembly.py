"""Assembly: a final prompt, attributed and decided; what may be sent, and what not be said."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from ragtrace.attribution import Account, Guard
from ragtrace.capture._carried import carried_flow, with_carried
from ragtrace.capture._deadline import Deadline
from ragtrace.capture._failed import UnseenPromptError, failed, overloaded, refused
from ragtrace.capture._judgement import Judgement, judge_messages
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
    Origin,
    Span,
    strictest,
)
from ragtrace.policy import (
    COMPLETION,
    NOT_TAKEN_OUT,
    TAKEN_OUT,
    Policy,
    is_authority,
    labels_found,
    overall,
    redact_messages,
)

__all__ = ["Assembly", "assemble"]

_KEPT_BACK = frozenset({Action.CONTEXT_ONLY})
"""May be in the prompt and may not be said."""


@dataclass(frozen=True, slots=True)
class Assembly:
    """What a prompt is made of and what follows from it.

    Attributes:
        messages: What may be sent.
        decision: The strictest of all; decided before anything is sent.
        flows: One for every remembered chunk found in the prompt as it was given.
        plain: What was found there and is no flow, as nothing is behind it, with its place; only
            where a decision may have depended on it.
        found: Everything that was found in ``messages``.
        texts: Of the documents among them, by digest.
        label: Join of what is in ``messages``.
        protected: Texts that the completion may not repeat.
        readable: Texts of ``messages`` that the audience may read anyway.
        account: Where the characters of ``messages`` came from.
        judged: What is in ``messages``; ``None`` where that could not be told.
        inherited: Label and origins of whatever the model makes of ``messages``.
    """

    messages: tuple[Message, ...]
    decision: Decision
    flows: tuple[Flow, ...]
    found: tuple[Attribution, ...]
    texts: Mapping[str, str]
    label: Label
    protected: tuple[str, ...]
    readable: tuple[str, ...] = ()
    account: Account = field(default_factory=Account)
    inherited: tuple[Label, tuple[Origin, ...]] = (Label(""), ())
    judged: Judgement | None = None
    plain: tuple[tuple[int, Flow], ...] = ()

    def guard(self) -> Guard:
        """A guard for one channel of the completion."""
        return Guard(self.protected, self.readable)


def assemble(
    runtime: Runtime,
    request: Request,
    messages: tuple[Message, ...],
    *,
    held: int = 0,
    unseen: str | None = None,
) -> Assembly:
    """Judge the final messages of a model call.

    The first ``held`` of them are with the model already. What counts where that fails or takes
    too long, the policy says. Without a policy there is nothing to enforce, and the failure is
    only recorded.
    """
    try:
        made = _assemble(runtime, request, messages, held)
        if unseen is not None:
            rest = failed(runtime, request.reader(runtime.policy), UnseenPromptError(unseen))
            decided = strictest([made.decision, rest]) or rest
            made = replace(made, decision=decided)
    except Exception as error:
        reader = request.reader(runtime.policy)
        decision = refused(runtime, request) or failed(runtime, reader, error)
        label = Label(runtime.policy.lattice.strictest)
        made = Assembly(messages, decision, (), (), {}, label, (), inherited=(label, ()))
    if made.decision.action is not Action.BLOCK:
        request.taint.add(runtime.policy.lattice, made.inherited)
    return made


def _assemble(
    runtime: Runtime, request: Request, messages: tuple[Message, ...], held: int
) -> Assembly:
    policy, audience = runtime.policy, request.reader(runtime.policy)
    deadline = Deadline(runtime.clock, policy.judge_seconds)
    request.catch_up()
    given = sent = judge_messages(runtime, request, audience, messages, deadline)
    flows = [*_flows(policy, messages, given), *_marked(runtime, messages)]
    if (carried := carried_flow(runtime, request)) is not None:
        flows.append(carried)
    decision = refused(runtime, request) or overall(policy, [flow.decision for flow in flows])
    if decision.action is Action.ALLOW:
        runtime.ledger.learn(request.id, messages, given.seen)
    taken = given.decided(policy, audience, TAKEN_OUT)
    if taken and decision.action is not Action.BLOCK:
        whole, messages = messages, redact_messages(messages, taken)
        deadline.check()
        sent = judge_messages(runtime, request, audience, messages, deadline)
        if sent.decided(policy, audience, TAKEN_OUT) or messages[:held] != whole[:held]:
            decision = Decision(Action.BLOCK, decision.rule, NOT_TAKEN_OUT, policy.digest)
    protected, readable = _kept_back(policy, audience, messages, sent)
    too_much = overloaded(runtime, audience, protected)
    if too_much is not None and decision.action is not Action.BLOCK:
        decision = too_much
    chunks = given.chunks if sent is given else {**given.chunks, **sent.chunks}
    return Assembly(
        messages=messages,
        decision=decision,
        flows=tuple(flows),
        found=tuple(sent.found),
        texts={name: one.text for name, one in chunks.items() if one.source.id != COMPLETION.id},
        label=with_carried(policy, carried, sent.label, ())[0] if carried else sent.label,
        protected=() if too_much else protected,
        readable=readable,
        account=sent.account,
        inherited=with_carried(policy, carried, *sent.inherited) if carried else sent.inherited,
        judged=sent,
        plain=_plain(policy, given),
    )


def _kept_back(
    policy: Policy, audience: Audience, messages: tuple[Message, ...], sent: Judgement
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """What of the messages may not be said; and, if there is any, what of them may be."""
    secret = sent.decided(policy, audience, _KEPT_BACK)
    if not secret:
        return (), ()
    protected = [
        sent.chunks[one.chunk].text[start:end] for one, ranges in secret for start, end in ranges
    ]
    return tuple(protected), tuple(one.text for one in redact_messages(messages, secret))


def _flows(policy: Policy, messages: Sequence[Message], given: Judgement) -> list[Flow]:
    flows = []
    decisions = given.ruling.decisions
    roles = [message.role for message in messages]
    alone: list[tuple[str, ...]] = [(role,) for role in roles]
    labels = labels_found(policy, given.ruling.answerable, given.chunks)
    for one, label in zip(given.found, labels, strict=True):
        chunk = given.chunks[one.chunk]
        if chunk.source.id == COMPLETION.id and _of_nothing(policy, chunk):
            continue
        decided = decisions.get(one.chunk) or given.ruling.about(policy, one)
        if len(one.spans) == 1:
            whose = alone[one.spans[0].message]
        else:
            whose = tuple(dict.fromkeys([roles[span.message] for span in one.spans]))
        flows.append(Flow("prompt", chunk, label, decided, one, whose))
    return flows


def _of_nothing(policy: Policy, chunk: Chunk) -> bool:
    """Whether a model made it from no document, and from no prompt that nobody has judged."""
    return (
        chunk.source.id == COMPLETION.id
        and not chunk.origins
        and policy.labeller.effective(chunk) == Label(policy.lattice.least)
    )


def _plain(policy: Policy, given: Judgement) -> tuple[tuple[int, Flow], ...]:
    """What says something of no document where others of its kind do: who replays needs it."""
    completions = [given.chunks[one.chunk].source.id == COMPLETION.id for one in given.found]
    if not any(completions):
        return ()
    plain = []
    others = False
    for place, one in enumerate(given.found):
        chunk = given.chunks[one.chunk]
        if _of_nothing(policy, chunk):
            label = policy.labeller.effective(chunk)
            plain.append(
                (place, Flow("prompt", chunk, label, given.ruling.about(policy, one), one))
            )
            others = others or is_authority(chunk)
        else:
            others = others or not is_authority(chunk)
    return tuple(plain) if others else ()


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
        for start, end, chunk, decision in runtime.ledger.marks.find(message.text)
    ]


def _of_mark(chunk: Chunk, span: Span) -> Attribution:
    return Attribution(chunk.digest, "certain", (span,), whole=True)
