"""Plan: what a rerun would send where, before anything is sent."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from ragtrace.attribution import Cover
from ragtrace.errors import RagtraceError
from ragtrace.forensics._kept import Kept, kept
from ragtrace.model import Action, Message, digest_messages
from ragtrace.store import FlowRow, Reader, SpanRow
from ragtrace.wire import names, unweave

__all__ = ["AS_IT_WAS", "Plan", "RerunError", "Variant", "plan_rerun"]

AS_IT_WAS: Final = "as it was"
"""Name of the prompt with nothing taken out."""

CHARACTERS_A_TOKEN: Final = 4
"""An estimate, for English: what providers themselves give as a rule of thumb. What a call really
took, the endpoint says, and that is what the cost is reckoned from afterwards."""

MOST_SAMPLES: Final = 100
"""Answers to one prompt: beyond that the spread is known, and every one is paid for."""

SENT_ROLES: Final = frozenset({"system", "user", "assistant"})
"""What every endpoint takes by itself; a tool's message needs the call that it answers, which is
not recorded as one."""


class RerunError(RagtraceError):
    """A prompt cannot be sent again, or the endpoint gave no usable answer."""


@dataclass(frozen=True, slots=True, repr=False)
class Variant:
    """The recorded prompt, or what is left of it; its ``repr`` shows no text.

    Attributes:
        without: Ids of the documents that were taken out; none of the prompt as it was.
        messages: Role and text.
        levels: Of what was found in it, each once.
    """

    without: tuple[str, ...]
    messages: tuple[Message, ...]
    levels: tuple[str, ...]

    @property
    def name(self) -> str:
        """What it is called in tables and in the file of results."""
        return f"without {', '.join(self.without)}" if self.without else AS_IT_WAS

    @property
    def digest(self) -> str:
        """Of its messages, as a prompt's."""
        return digest_messages([(one.role, one.text) for one in self.messages])

    @property
    def characters(self) -> int:
        """Of all messages."""
        return sum(len(one.text) for one in self.messages)

    @property
    def tokens(self) -> int:
        """An estimate."""
        return self.characters // CHARACTERS_A_TOKEN

    def __repr__(self) -> str:
        """Say what it is, not what it says."""
        return f"Variant({self.name}, {self.characters} characters)"


@dataclass(frozen=True, slots=True, repr=False)
class Plan:
    """What is to be sent, how often; its ``repr`` shows no text.

    Attributes:
        span: The recorded model call.
        flows: What was found in its prompt.
        recorded: The recorded answer; ``None`` where it is not kept, or not for this reader.
        variants: The prompt as it was first.
        samples: Answers asked for to each.
        renamed: Roles that are sent as ``user``.
        texts: Of the chunks that were found in it, by digest, as far as they are kept.
    """

    span: SpanRow
    flows: tuple[FlowRow, ...]
    recorded: str | None
    variants: tuple[Variant, ...]
    samples: int
    renamed: tuple[str, ...] = ()
    texts: Mapping[str, str] = field(default_factory=dict)

    @property
    def calls(self) -> int:
        """Model calls, of all variants."""
        return len(self.variants) * self.samples

    @property
    def characters(self) -> int:
        """Sent in all."""
        return self.samples * sum(one.characters for one in self.variants)

    @property
    def levels(self) -> tuple[str, ...]:
        """Levels of what is sent, each once."""
        return tuple(dict.fromkeys(level for one in self.variants for level in one.levels))

    @property
    def answer_tokens(self) -> int:
        """An estimate, of one answer: as long as the recorded one."""
        return len(self.recorded or "") // CHARACTERS_A_TOKEN + 1

    @property
    def tokens(self) -> tuple[int, int]:
        """An estimate of the tokens sent and received, in all."""
        sent = self.samples * sum(one.tokens for one in self.variants)
        return sent, self.calls * self.answer_tokens

    def cost(self, sent: float, received: float) -> float:
        """What it is estimated to cost.

        Args:
            sent: Price of a million tokens of prompt.
            received: The same of answers, in the same currency.
        """
        tokens = self.tokens
        return (tokens[0] * sent + tokens[1] * received) / 1e6

    def as_json(self) -> dict[str, Any]:
        """Give the plan as one tree, without a character of text."""
        return {
            "trace_id": self.span.trace_id,
            "span_id": self.span.span_id,
            "variants": [
                {"name": one.name, "without": list(one.without), "digest": one.digest}
                for one in self.variants
            ],
            "samples": self.samples,
            "calls": self.calls,
            "characters": self.characters,
            "tokens": list(self.tokens),
            "levels": list(self.levels),
            "renamed_roles": list(self.renamed),
        }

    def __repr__(self) -> str:
        """Say how much it is, not what it says."""
        return f"Plan({self.calls} calls, {self.characters} characters)"


def plan_rerun(
    reader: Reader,
    id: str,
    *,
    without: Sequence[str] = (),
    leave_one_out: bool = False,
    samples: int = 3,
) -> Plan:
    """Rebuild a recorded prompt, prove it, and say what would be sent.

    Args:
        reader: Gives the texts, as far as whoever asks is cleared for them: what is above that
            is not sent, and then nothing is.
        id: Of the trace, or a prefix of it; ``TRACE/SPAN`` where it has several model calls.
        without: Documents that one variant is to lack, all of them together.
        leave_one_out: Whether there is a variant for each document, without just that one.
        samples: Answers asked for to each variant.

    Raises:
        RerunError: There is no such model call, its prompt cannot be rebuilt whole, or a document
            is not in it.
        TraceNotFoundError: No trace, or more than one, begins so.
    """
    if not 1 <= samples <= MOST_SAMPLES:
        raise RerunError(f"samples: expected 1 to {MOST_SAMPLES}, got {samples}")
    span, flows = _model_call(reader, id)
    found = kept(reader, span)
    if found.rope is None or not found.proved:
        raise RerunError(f"{id}: {_why(found)}, so that nothing can be sent")
    prompt = unweave(found.rope, found.texts)
    renamed = {one.role for one in prompt.messages} - SENT_ROLES
    messages = tuple(
        Message("user" if one.role in renamed else one.role, one.text) for one in prompt.messages
    )
    places = _places(flows, found, prompt.messages)
    unknown = sorted(set(without) - places.keys())
    if unknown:
        raise RerunError(f"{', '.join(unknown)}: not found in this prompt: {_named(places)}")
    chosen: list[tuple[str, ...]] = [()]
    chosen += [tuple(dict.fromkeys(without))] if without else []
    chosen += [(name,) for name in places] if leave_one_out else []
    variants = [_variant(one, messages, flows, places) for one in dict.fromkeys(chosen)]
    return Plan(
        span,
        tuple(flows),
        found.completion,
        tuple(variants),
        samples,
        tuple(sorted(renamed)),
        reader.texts({one.digest for one in flows}),
    )


def _model_call(reader: Reader, id: str) -> tuple[SpanRow, list[FlowRow]]:
    whole, _, chosen = id.partition("/")
    trace = reader.trace(whole)
    calls = [
        span
        for span in trace.spans
        if span.attributes.get(names.PROMPT_DIGEST) and span.span_id.startswith(chosen)
    ]
    if not calls:
        raise RerunError(f"{id}: no model call with a recorded prompt")
    if len(calls) > 1:
        some = ", ".join(f"{trace.trace_id}/{span.span_id}" for span in calls[:5])
        raise RerunError(f"{id}: expected one of its {len(calls)} model calls: {some}")
    (span,) = calls
    flows = [one for one in trace.flows if one.span_id == span.span_id and one.stage == "prompt"]
    if any(one.blocked for one in flows):
        raise RerunError(f"{id}: this prompt was blocked, no model was given it")
    return span, flows


def _why(found: Kept) -> str:
    if found.rope is None:
        return "the prompt is not kept, not for this reader, or its text does not open"
    missing = sorted(found.rope.references - found.texts.keys())
    if missing:
        return f"{len(missing)} of its texts are not kept, or not for this reader: {missing[0]}"
    return "the prompt that was put together has not its digest"


_Places = Mapping[str, Sequence[tuple[int, int, int]]]
"""Where the text of each document stands: message, start, end."""


def _places(flows: Iterable[FlowRow], found: Kept, messages: Sequence[Message]) -> _Places:
    """By document. A redacted prompt was judged before it was redacted: there only what the prompt
    refers to tells where something stands.
    """
    flows = [one for one in flows if one.verdict not in ("none", "explained")]
    redacted = any(one.action == Action.REDACT and one.mode != "shadow" for one in flows)
    names_of = {one.digest: one.document for one in flows}
    places: dict[str, list[tuple[int, int, int]]] = {}
    for one in [] if redacted else flows:
        places.setdefault(one.document, []).extend(span[:3] for span in one.spans)  # type: ignore[misc]
    assert found.rope is not None  # whoever calls has looked
    for place, (_, pieces) in enumerate(found.rope.strands):
        start = 0
        for piece in pieces:
            size = len(piece.text) if piece.digest is None else piece.end - piece.start
            if piece.digest in names_of:
                document = names_of[piece.digest]
                places.setdefault(document, []).append((place, start, start + size))
            start += size
    sizes = [len(one.text) for one in messages]
    inside = {
        document: [one for one in spans if one[0] < len(sizes) and one[2] <= sizes[one[0]]]
        for document, spans in places.items()
    }
    return {document: spans for document, spans in inside.items() if spans}


def _variant(
    without: tuple[str, ...], messages: Sequence[Message], flows: Sequence[FlowRow], places: _Places
) -> Variant:
    """The prompt without all that stands there of some documents; no message is left out."""
    cut = Cover.of(one for document in without for one in places[document])
    left = tuple(
        Message(one.role, _left(cut, place, one.text)) for place, one in enumerate(messages)
    )
    there = [one for one in flows if one.document not in without and one.verdict != "none"]
    return Variant(without, left, tuple(dict.fromkeys(one.level for one in there)))


def _left(cut: Cover, place: int, text: str) -> str:
    return "".join(text[start:end] for start, end in cut.left(place, 0, len(text)))


def _named(places: _Places) -> str:
    return ", ".join(sorted(places)) or "nothing was"
