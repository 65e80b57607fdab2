"""Prompts of every shape come out of the vault byte for byte; one damaged text is named."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from random import Random
from typing import Any

import pytest

from ragtrace.attribution import Index
from ragtrace.forensics import kept, replay
from ragtrace.model import Attribution, Message, Prompt, Span, digest
from ragtrace.store import OWNER, Gone, Seen, Store
from ragtrace.wire import ContentRecord, weave
from tests.engine import content, span, store
from tests.prose import SCRIPTS, chunk, prose

__all__ = ["store"]  # the fixture

PROMPTS = 1000
LARGE = 400_000
"""Characters of a prompt that holds a whole handbook."""
ODD = ["", "\ud800 half", "\udfff", "a\0b", "\r\n\t", "\u202e", "🙂\u200d", "\ufeff", "[]"]
CHUNKS = [
    *(prose(seed, 60) for seed in range(40)),
    *(f"{text} " * 4 for text in SCRIPTS.values()),
    f"{prose(90, 30)} \ud83d {prose(91, 30)}",
]
ROLES = ["system", "user", "assistant", "tool", "", "developer\n"]


def prompts() -> Iterator[tuple[Prompt, tuple[Attribution, ...]]]:
    """A thousand prompts, each with where its chunks stand in it."""
    dice = Random(7)
    yield Prompt(()), ()
    yield Prompt((Message("user", ""),)), ()
    yield put_together([("user", [prose(200, LARGE // 6)[:LARGE]])])
    yield put_together([("system", [CHUNKS[n % len(CHUNKS)] for n in range(4000)])])
    yield put_together([("tool", [text]) for text in ODD])
    for _ in range(PROMPTS - 5):
        yield put_together(
            [
                (
                    dice.choice(ROLES),
                    [
                        dice.choice([*CHUNKS, *ODD, prose(dice.randint(100, 180), 20)])
                        for _ in range(dice.randint(0, 6))
                    ],
                )
                for _ in range(dice.randint(1, 8))
            ]
        )


def put_together(
    messages: list[tuple[str, list[str]]],
) -> tuple[Prompt, tuple[Attribution, ...]]:
    """A prompt of these parts, and where the chunks among them stand."""
    known = set(CHUNKS)
    spans: dict[str, list[Span]] = {}
    said = []
    for place, (role, parts) in enumerate(messages):
        text = ""
        for part in parts:
            start = len(text) + 1
            text += f"\n{part}"
            if part in known:
                one = Span(place, start, len(text), 0, len(part), len(part), verbatim=True)
                spans.setdefault(digest(part), []).append(one)
        said.append(Message(role, text))
    found = tuple(Attribution(name, "certain", tuple(some)) for name, some in spans.items())
    return Prompt(tuple(said)), found


def keep(store: Store, prompts: list[tuple[Prompt, tuple[Attribution, ...]]]) -> None:
    """Each prompt as a model call, with its rope and its chunks in the vault."""
    texts = {digest(text): text for text in CHUNKS}
    contents = [content(text) for text in CHUNKS]
    for prompt, found in prompts:
        rope = weave(prompt, found, texts)
        contents.append(ContentRecord(prompt.digest, "prompt", "internal", rope.to_json()))
    store.write([call(n, prompt) for n, (prompt, _) in enumerate(prompts)], contents)


class AtOnce(Seen):
    """A reader that has read all texts of the vault in one question: it is on record once."""

    def __init__(self, texts: dict[str, str]) -> None:
        self._texts = texts

    def texts(self, digests: Iterable[str]) -> dict[str, str]:
        return {name: self._texts[name] for name in digests if name in self._texts}

    def gone(self, digests: Iterable[str]) -> dict[str, Gone]:
        return {}


def call(number: int, prompt: Prompt) -> Any:
    """The span of a model call with this prompt."""
    return span(number, ragtrace__prompt__digest=prompt.digest, ragtrace__completion__digest=None)


@pytest.mark.slow
def test_a_thousand_prompts_of_every_shape_are_rebuilt(store: Store) -> None:
    """Byte for byte, proved by their digests; and with one damaged chunk, which is named, all the
    others still are.
    """
    made = list(prompts())
    assert len(made) == PROMPTS and sum(len(m.text) for m in made[2][0].messages) >= LARGE
    keep(store, made)
    seen = store.seen_by(OWNER)
    calls = [call(n, prompt) for n, (prompt, _) in enumerate(made)]
    everything = AtOnce(seen.texts([*map(digest, CHUNKS), *(one.digest for one, _ in made)]))
    held = [kept(everything, one) for one in calls]
    assert all(one.proved and not one.missing for one in held)
    assert [one.messages for one in held] == [prompt.messages for prompt, _ in made]

    damaged = digest(CHUNKS[3])
    damage(store, damaged)
    hit = [n for n, (_, found) in enumerate(made) if any(one.chunk == damaged for one in found)]
    assert 10 < len(hit) < PROMPTS
    for n in hit[:10]:
        one = kept(seen, calls[n])
        assert one.rope is not None and damaged in one.rope.references and not one.proved
        assert [(gone.digest, gone.what) for gone in one.missing] == [(damaged, "chunk")]
        assert one.texts.keys() == one.rope.references - {damaged}
    for n in sorted(set(range(20)) - set(hit)):
        assert kept(seen, calls[n]).messages == made[n][0].messages
    (step,) = replay(seen, f"{hit[0]:032x}").steps
    assert step.kept is not None and step.kept.missing[0].digest == damaged


def damage(store: Store, name: str) -> None:
    """Change a byte of what is stored under a digest."""
    with store._engine.writing("test") as client:
        client.command(
            "ALTER TABLE contents UPDATE Text = concat(substring(Text, 1, length(Text) - 1), "
            "char(bitXor(ascii(substring(Text, length(Text), 1)), 1))) "
            "WHERE Digest = {name:String} SETTINGS mutations_sync = 2",
            parameters={"name": name},
        )


def test_what_the_matcher_finds_is_woven_and_unwoven(store: Store) -> None:
    """A prompt as an application makes it: found by the matcher, filed, rebuilt."""
    notes = [chunk(prose(seed, 50), "staff_only") for seed in (1, 2)]
    index = Index()
    index.add(*notes)
    text = f"Notes:\n{notes[0].text}\n---\n{notes[1].text[20:220]}\nWhat now? 🙂"
    prompt = Prompt((Message("system", text), Message("user", "Well?")))
    found = tuple(index.attribute(prompt.messages))
    rope = weave(prompt, found, {one.digest: one.text for one in notes})
    assert rope.references and rope.references <= {one.digest for one in notes}
    store.write(
        [span(1, ragtrace__prompt__digest=prompt.digest, ragtrace__completion__digest=None)],
        [
            *(content(one.text) for one in notes),
            ContentRecord(prompt.digest, "prompt", "internal", rope.to_json()),
        ],
    )
    (step,) = replay(store.seen_by(OWNER), f"{1:032x}").steps
    assert step.kept is not None and step.kept.messages == prompt.messages
