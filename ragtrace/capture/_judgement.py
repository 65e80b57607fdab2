"""Judgement: what is in some messages, and what is decided about each piece of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from ragtrace.attribution import TEMPLATE, Account, Cover, Reading, account, accounted_for, read
from ragtrace.capture._corpus import in_corpus
from ragtrace.capture._deadline import Deadline
from ragtrace.capture._derived import Derived
from ragtrace.capture._ledger import Seen, outside_turns
from ragtrace.capture._released import released
from ragtrace.capture._request import Request
from ragtrace.capture._runtime import Runtime
from ragtrace.model import (
    Action,
    Attribution,
    Audience,
    Chunk,
    Label,
    Message,
    Origin,
    Span,
    digest,
)
from ragtrace.policy import (
    TOLD_BEFORE,
    Policy,
    PromptRuling,
    ancestry,
    enforceable,
    judge_prompt,
    label_found,
    labels_found,
    restricted,
)

if TYPE_CHECKING:
    from ragtrace.attribution.corpus import Corpus

__all__ = ["Judgement", "judge_messages"]


@dataclass(frozen=True, slots=True)
class Judgement:
    """What is in some messages, and what is decided about it.

    Attributes:
        found: Documents and earlier completions.
        chunks: By digest, as they are judged here.
        ruling: What is decided about each of ``found``, one for one.
        label: The join of everything that was found, also of what is too little to act on.
        inherited: Label and origins of whatever is made from these messages.
        account: Where every character came from.
        seen: As the ledger found it.
    """

    found: Sequence[Attribution]
    chunks: Mapping[str, Chunk]
    ruling: PromptRuling
    label: Label
    inherited: tuple[Label, tuple[Origin, ...]]
    account: Account
    seen: Seen

    def decided(
        self, policy: Policy, audience: Audience, actions: Set[Action]
    ) -> list[tuple[Attribution, list[tuple[int, int]]]]:
        """What was decided so, each with the restricted ranges of its chunk."""
        decisions = self.ruling.decisions
        return [
            (one, restricted(policy, self.chunks[one.chunk], audience))
            for one in self.ruling.answerable
            if one.chunk in decisions and decisions[one.chunk].action in actions
        ]


def judge_messages(
    runtime: Runtime,
    request: Request,
    audience: Audience,
    messages: Sequence[Message],
    deadline: Deadline,
) -> Judgement:
    """Look for everything this process knows of, and decide about each piece.

    Args:
        runtime: Policy, ledger and corpus index.
        request: The turn the messages are for.
        audience: Its reader, as the policy of ``runtime`` knows it.
        messages: Of one model call.
        deadline: Asked after each step.

    Raises:
        JudgeTimeoutError: The deadline is over.
    """
    policy = runtime.policy
    own = request.retrieved
    seen = runtime.ledger.attribute(messages, own)
    deadline.check()
    steps = dict(_steps(runtime, request, messages)) if request.has_said else {}
    made = seen.made | {name: completion for name, (_, completion) in steps.items()}
    known = _as_known_here(runtime, own, seen.chunks, made)
    derived = _derived(policy, seen, steps, known)
    found = [*seen.found, *derived]
    if runtime.corpus is not None:
        reading = seen.reading or read(messages)
        found += _never_retrieved(runtime.corpus, policy, audience, reading, found, known)
    deadline.check()
    chunks = known | _told_before(policy, derived, made, messages, audience)
    ruling = judge_prompt(policy, found, chunks, audience)
    deadline.check()
    label, inherited = _inherited(policy, ruling, known)
    return Judgement(
        found=found,
        chunks=chunks,
        ruling=ruling,
        label=label,
        inherited=inherited,
        account=account(
            messages,
            [one for one in found if one.chunk not in made] if made else found,
            outside_turns(seen.derived, messages),
            seen.template,
        ),
        seen=seen,
    )


def _derived(
    policy: Policy,
    seen: Seen,
    steps: Mapping[str, tuple[Attribution, Derived]],
    known: Mapping[str, Chunk],
) -> list[Attribution]:
    """Completions that are here: steps of this request, and what else documents do not explain."""
    derived = [step for step, _ in steps.values()]
    if seen.derived:
        others = [one for one in seen.derived if one.chunk not in steps]
        derived += _beyond_documents(policy, others, seen.found, known)
    return derived


def _inherited(
    policy: Policy, ruling: PromptRuling, known: Mapping[str, Chunk]
) -> tuple[Label, tuple[Label, tuple[Origin, ...]]]:
    """The label of all that was found; and what is made of it inherits."""
    if ruling.alike:
        inherited = ancestry(policy, ruling.answerable, known)
        return inherited[0], inherited
    present = [one for one in ruling.answerable if one.spans and one.verdict != "explained"]
    templates = [one for one in ruling.answerable if TEMPLATE in one.group]
    label = policy.lattice.join(labels_found(policy, present, known))
    return label, ancestry(policy, _enforceable([*present, *templates]), known)


def _as_known_here(
    runtime: Runtime,
    own: Mapping[str, Chunk],
    found: Mapping[str, Chunk],
    made: Mapping[str, Derived],
) -> dict[str, Chunk]:
    """What was found, as it is judged for this request.

    The same text may have been retrieved under several labels; here it came as this request
    retrieved it.
    """
    known = {name: own.get(name, chunk) for name, chunk in found.items()}
    if made:
        known |= {name: completion.chunk for name, completion in made.items()}
    if runtime.policy.declassified.records:
        known = {name: released(runtime, chunk) for name, chunk in known.items()}
    return known


def _enforceable(found: Sequence[Attribution]) -> list[Attribution]:
    return [one if one.whole else enforceable(one) for one in found]


def _steps(
    runtime: Runtime, request: Request, messages: Sequence[Message]
) -> Iterator[tuple[str, tuple[Attribution, Derived]]]:
    """Messages that are completions of this very request, however short.

    What one step of the application was answered a moment ago, and another now hands on, is
    no coincidence.
    """
    for place, message in enumerate(messages):
        if message.role == "assistant":
            continue
        name = digest(message.text)
        made = runtime.ledger.completion(name) if request.said_before(name) else None
        if made is not None:
            size = len(message.text)
            span = Span(place, 0, size, 0, size, size, verbatim=True)
            yield name, (Attribution(name, "certain", (span,), whole=True), made)


def _beyond_documents(
    policy: Policy,
    derived: Sequence[Attribution],
    documents: Sequence[Attribution],
    chunks: Mapping[str, Chunk],
) -> Iterator[Attribution]:
    """Completions of which more is here than documents that are as strict account for.

    An answer that quotes a page is not in every prompt that holds the page. One that was released
    is there always: who may read its words in it may read them.
    """
    if not derived:
        return
    labels = [label_found(policy, chunks[document.chunk], document) for document in documents]
    covers: dict[Label, Cover] = {}
    for one in derived:
        label = label_found(policy, chunks[one.chunk], one)
        if label not in covers:
            covers[label] = Cover.of(
                (span.message, span.start, span.end)
                for document, strict in zip(documents, labels, strict=True)
                if policy.lattice.dominates(strict, label)
                for span in document.spans
            )
        spans = tuple(
            span
            for span in one.spans
            if chunks[one.chunk].released
            or not accounted_for(Cover.of([(span.message, span.start, span.end)]), covers[label])
        )
        if spans:
            yield replace(one, spans=spans)


def _told_before(
    policy: Policy,
    derived: Sequence[Attribution],
    made: Mapping[str, Derived],
    messages: Sequence[Message],
    audience: Audience,
) -> dict[str, Chunk]:
    """What this audience has been told before, and stands here as having been told.

    It may be told it again. In any other message than the assistant's own it is something
    that the application has made of it, and is judged as that.
    """
    return {
        one.chunk: _as_told(policy, made[one.chunk].chunk)
        for one in derived
        if made[one.chunk].was_told(policy, audience)
        and all(messages[span.message].role == "assistant" for span in enforceable(one).spans)
    }


def _as_told(policy: Policy, chunk: Chunk) -> Chunk:
    return replace(
        chunk,
        label=Label(policy.lattice.least),
        ranges=(),
        basis=f"{chunk.basis}+{TOLD_BEFORE}",
        released=TOLD_BEFORE,
    )


def _never_retrieved(
    corpus: Corpus,
    policy: Policy,
    audience: Audience,
    reading: Reading,
    found: Sequence[Attribution],
    chunks: dict[str, Chunk],
) -> Iterator[Attribution]:
    """What the corpus index knows of and no retrieval has brought; its chunks go to ``chunks``."""
    for chunk, attribution in in_corpus(corpus, policy.lattice, audience, reading):
        if not _known(attribution, chunk, found, chunks):
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
