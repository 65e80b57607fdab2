"""Workload: model calls with eight flows each, as an instrumented application exports them."""

from __future__ import annotations

import random
from dataclasses import dataclass
from functools import cache
from typing import Final

from ragtrace.attribution import Account
from ragtrace.model import (
    Action,
    Attribution,
    Audience,
    Chunk,
    Decision,
    Document,
    Flow,
    Label,
    Message,
    Origin,
    Prompt,
    Source,
    Span,
    digest,
)
from ragtrace.testing.attribution import article
from ragtrace.wire import (
    AttributeValue,
    ContentRecord,
    Rope,
    encode_account,
    encode_decision,
    encode_flows,
    encode_lineage,
    encode_request,
    names,
    weave,
)

__all__ = ["FLOWS", "START_NS", "Call", "make_call"]

FLOWS: Final = 8
"""Chunks found in each prompt."""
POOL: Final = 2_000
"""Documents that calls draw from, a few of them far more often than most."""
START_NS: Final = 1_790_000_000 * 10**9
"""When the first call began; all of a run lie in one month, which is one partition."""
GAP_NS: Final = 2_000_000
"""From one call to the next."""
SYSTEM: Final = (
    "You are the assistant of a bank. Answer from the passages below and from nothing else; "
    "say so where they do not answer. Passages marked internal are for your understanding and "
    "are never quoted.\n\n"
)
_POLICY: Final = digest("policy of the workload")
_LEVELS: Final = ("public", "internal", "staff_only")


@dataclass(frozen=True, slots=True)
class Call:
    """One model call: what its span carries, and the texts behind the digests.

    Attributes:
        number: Of the call; everything about it follows from that.
        attributes: In the order of the span.
        prompt: What the model was given.
        texts: The rope, the completion, and the chunks, which other calls file too.
    """

    number: int
    attributes: dict[str, AttributeValue]
    prompt: Prompt
    chunks: tuple[Chunk, ...]
    completion: str
    texts: tuple[ContentRecord, ...]

    @property
    def start_ns(self) -> int:
        """When it began."""
        return START_NS + self.number * GAP_NS

    @property
    def end_ns(self) -> int:
        """When it ended: models take their time."""
        return self.start_ns + 900_000_000 + self.number % 1_000 * 1_000_003


def make_call(number: int) -> Call:
    """The call of this number, always the same; its digests are those of its texts."""
    dice = random.Random(number)
    chunks = tuple(_chunk(place) for place in _drawn(dice))
    question = article(dice, number % 40, 120)
    said = article(dice, number % 40, 350)
    prompt, flows = _prompt(chunks, question)
    level = max((chunk.label.level for chunk in chunks), key=_LEVELS.index)
    session = f"{dice.getrandbits(64):016x}"
    attributes: dict[str, AttributeValue] = {
        **encode_request(
            f"{dice.getrandbits(128):032x}",
            Audience("customer", "public"),
            session=session,
            user=f"user-{number % 5_000}",
            tenant="retail",
        ),
        names.GEN_AI_OPERATION: "chat",
        names.STAGE: "prompt",
        names.PROMPT_LEVEL: level,
        names.PROMPT_DIGEST: prompt.digest,
        **encode_account(_account(prompt, question)),
        **encode_decision(flows[0].decision),
        names.GEN_AI_REQUEST_MODEL: "gpt-5-mini",
        names.GEN_AI_PROVIDER: "openai",
        names.GEN_AI_INPUT_TOKENS: dice.randint(1_800, 2_600),
        names.GEN_AI_OUTPUT_TOKENS: dice.randint(60, 110),
        names.COMPLETION_DIGEST: digest(said),
        **encode_lineage(level, [_origin(chunk) for chunk in chunks]),
        names.WITHHELD: 0,
        **encode_flows(flows),
    }
    rope = weave(prompt, _found(flows), {chunk.digest: chunk.text for chunk in chunks})
    return Call(number, attributes, prompt, chunks, said, _texts(level, rope, said, chunks))


def _drawn(dice: random.Random) -> list[int]:
    places: dict[int, None] = {}
    while len(places) < FLOWS:
        places[int(POOL * dice.random() ** 3)] = None
    return list(places)


@cache
def _chunk(place: int) -> Chunk:
    dice = random.Random(-1 - place)
    text = article(dice, place % 40, 900)
    name = f"kb/{_LEVELS[place % 3]}/{place:05d}.md"
    return Chunk(
        id=f"{dice.getrandbits(128):032x}",
        document=Document(name, f"file:///srv/{name}"),
        source=Source(f"chroma/bank_knowledge_{place % 12}"),
        text=text,
        digest=digest(text),
        label=Label(_LEVELS[place % 3], frozenset({"tenant:retail"})),
        basis="metadata:audience",
        rank=place % FLOWS,
    )


def _prompt(chunks: tuple[Chunk, ...], question: str) -> tuple[Prompt, list[Flow]]:
    """The chunks one behind the other in the second message, and what was decided about each."""
    flows, context = [], "Passages:\n"
    for chunk in chunks:
        start = len(context)
        context += chunk.text
        span = Span(1, start, len(context), 0, len(chunk.text), 800, True)
        found = Attribution(chunk.digest, "certain", (span,), whole=True)
        flows.append(Flow("prompt", chunk, chunk.label, _decision(chunk), found, ("user",)))
        context += "\n---\n"
    messages = (Message("system", SYSTEM), Message("user", f"{context}Question: {question}"))
    return Prompt(messages), flows


@cache
def _decision(chunk: Chunk) -> Decision:
    if chunk.label.level == "public":
        return Decision(Action.ALLOW, "clearance", "may be disclosed to customer", _POLICY)
    reason = "may be used and not disclosed to customer"
    return Decision(Action.CONTEXT_ONLY, f"{chunk.label.level}-in-context", reason, _POLICY)


def _found(flows: list[Flow]) -> list[Attribution]:
    return [flow.attribution for flow in flows if flow.attribution is not None]


def _account(prompt: Prompt, question: str) -> Account:
    whole = sum(len(message.text) for message in prompt.messages)
    return Account(
        retrieved=whole - len(SYSTEM) - len(question) - 20,
        template=len(SYSTEM) + 20,
        user=len(question),
    )


def _origin(chunk: Chunk) -> Origin:
    return Origin(chunk.document.id, chunk.source.id, chunk.digest, chunk.label, "taint")


def _texts(
    level: str, rope: Rope, said: str, chunks: tuple[Chunk, ...]
) -> tuple[ContentRecord, ...]:
    return (
        ContentRecord(rope.digest, "prompt", level, rope.to_json()),
        ContentRecord(digest(said), "completion", level, said),
        *(ContentRecord(chunk.digest, "chunk", chunk.label.level, chunk.text) for chunk in chunks),
    )
