"""Drawn: the texts a tracing back end is given to draw, as far as the audience may read them.

Who looks at a dashboard is not known here. So nothing is drawn that the reader of the answer may
not be told: of such text stand its level and its length.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from ragtrace.capture._assembly import Assembly
from ragtrace.capture._carried import BAGGAGE
from ragtrace.capture._released import released
from ragtrace.capture._runtime import Runtime
from ragtrace.model import Action, Attribution, Audience, Chunk, Flow, Label, Message, Span
from ragtrace.policy import Policy, label_found, redact_chunk, without_readable
from ragtrace.wire import Texts

__all__ = ["draw_call", "draw_documents"]

_KEPT: Final = frozenset({Action.ALLOW, Action.CONTEXT_ONLY})


def draw_documents(runtime: Runtime, reader: Audience, flows: Sequence[Flow]) -> Texts | None:
    """What a search has given the application; ``None`` unless texts are to be drawn."""
    if not _wanted(runtime):
        return None
    return Texts(documents=[_document(runtime.policy, reader, flow) for flow in flows])


def draw_call(runtime: Runtime, reader: Audience, made: Assembly, completion: str) -> Texts | None:
    """What a model was given, and the caller; ``None`` unless texts are to be drawn.

    Nothing of a prompt that was blocked: no model was given it.
    """
    if not _wanted(runtime):
        return None
    blocked = made.decision.action is Action.BLOCK
    prompt = () if blocked else _prompt(runtime.policy, reader, made)
    return Texts(prompt=prompt, completion=_completion(runtime, reader, completion))


def _wanted(runtime: Runtime) -> bool:
    return runtime.config.content and runtime.config.openinference


def _document(policy: Policy, reader: Audience, flow: Flow) -> str:
    if flow.decision.action is Action.REDACT:
        return redact_chunk(policy, flow.chunk, reader)
    if flow.decision.action not in _KEPT:
        return ""
    text = flow.chunk.text
    return text if _readable(policy, reader, flow.label) else _note(flow.label.level, len(text))


def _prompt(policy: Policy, reader: Audience, made: Assembly) -> list[Message]:
    above = _all_above(policy, reader, made)
    if above is not None:
        return [Message(one.role, _note(above, len(one.text))) for one in made.messages]
    judged = made.judged
    cuts = list(_cuts(policy, reader, judged.found, judged.chunks)) if judged else []
    return [
        Message(message.role, _without(message.text, [one for one in cuts if one[0].message == at]))
        for at, message in enumerate(made.messages)
    ]


def _all_above(policy: Policy, reader: Audience, made: Assembly) -> str | None:
    """The level that counts for all of a prompt, where any of it may be what none may read.

    So it is where nobody could tell what is in it, and where the request was made elsewhere from
    text that the reader may not be told: the prompt may be that, in other words.
    """
    labels = [flow.label for flow in made.flows if flow.chunk.source == BAGGAGE]
    if made.judged is None:
        labels.append(made.label)
    above = [label for label in labels if not _readable(policy, reader, label)]
    return policy.lattice.join(above).level if above else None


def _completion(runtime: Runtime, reader: Audience, text: str) -> str:
    """Its reader was told it already; documents above the clearance are left out even so."""
    if not text:
        return ""
    found, chunks = runtime.ledger.documents_in(text)
    known = {name: released(runtime, chunk) for name, chunk in chunks.items()}
    return _without(text, list(_cuts(runtime.policy, reader, found, known)))


def _cuts(
    policy: Policy, reader: Audience, found: Sequence[Attribution], chunks: Mapping[str, Chunk]
) -> Iterator[tuple[Span, str]]:
    """Where text stands that ``reader`` may not be told, and its level; found with any certainty,
    for here nothing is lost by one cut too many.
    """
    for one in without_readable(policy, found, chunks, reader):
        label = label_found(policy, chunks[one.chunk], one)
        if one.verdict != "explained" and not _readable(policy, reader, label):
            for span in one.spans:
                yield span, label.level


def _readable(policy: Policy, reader: Audience, label: Label) -> bool:
    """Whether it may be drawn; without a policy nothing is kept back, here as everywhere."""
    return policy.observe_only or policy.lattice.permits(reader, label)


def _without(text: str, cuts: Sequence[tuple[Span, str]]) -> str:
    out, reached = "", 0
    for span, level in sorted(cuts, key=lambda cut: (cut[0].start, -cut[0].end)):
        if span.end <= reached:
            continue
        start = max(span.start, reached)
        out += text[reached:start] + _note(level, span.end - start)
        reached = span.end
    return out + text[reached:]


def _note(level: str, length: int) -> str:
    return f"[{level}: {length} characters]"
