"""The queue of a guarded stream: what leaves says what the guard lets go of, and nothing else."""

from __future__ import annotations

import random
from typing import Any

import pytest

pytest.importorskip("langchain_core")

from langchain_core.messages import AIMessageChunk
from langchain_core.messages.tool import tool_call_chunk
from langchain_core.outputs import ChatGenerationChunk

from ragtrace.attribution import WITHHELD, Guard
from ragtrace.capture import TEXT
from ragtrace_langchain._queue import MOST_READY, MOST_WAITING, Queue
from tests.attribution.test_guard import cut, leaks
from tests.prose import prose

SECRETS = [prose(1, 40), "The PIN is 8812, code XK-4799-B"]
LOGPROBS = {"logprobs": [{"token": "secret"}], "finish_reason": "stop"}


class Said:
    """A call as the queue knows it, with a guard for every channel."""

    def __init__(self) -> None:
        self.guards: dict[str, Guard] = {}
        self.let_go: dict[str, str] = {}

    def say(self, delta: str, channel: str = TEXT) -> str:
        out = self.guards.setdefault(channel, Guard(SECRETS)).feed(delta)
        self.let_go[channel] = self.let_go.get(channel, "") + out
        return out

    def held(self, channel: str = TEXT) -> str:
        return self.guards[channel].held if channel in self.guards else ""

    def rest(self) -> dict[str, str]:
        rest = {name: guard.close() for name, guard in self.guards.items()}
        self.guards = {}
        return {name: text for name, text in rest.items() if text}


def words(text: str, told: Any = None, provider: bool = False) -> ChatGenerationChunk:
    """A chunk that is words and nothing else."""
    metadata = {"model_provider": "openai"} if provider else {}
    message = AIMessageChunk(content=text, response_metadata=metadata)
    return ChatGenerationChunk(message=message, generation_info=told)


def blocks(text: str) -> ChatGenerationChunk:
    """The same as a block of text."""
    block = {"type": "text", "text": text, "index": 0}
    return ChatGenerationChunk(message=AIMessageChunk(content=[block]))


def calling(text: str) -> ChatGenerationChunk:
    """A piece of the arguments of a tool call, without any text."""
    call = tool_call_chunk(name=None, args=text, id=None, index=0)
    return ChatGenerationChunk(message=AIMessageChunk(content="", tool_call_chunks=[call]))


def left(chunks: list[ChatGenerationChunk]) -> tuple[str, str]:
    """The text and the arguments of some chunks."""
    calls = [call for chunk in chunks for call in getattr(chunk.message, "tool_call_chunks", ())]
    text = "".join(str(chunk.message.text) for chunk in chunks)
    return text, "".join(call["args"] or "" for call in calls)


def mixed(dice: random.Random) -> str:
    """Prose with excerpts of what is protected, and what looks like its beginning."""
    parts = []
    for _ in range(dice.randint(1, 6)):
        start = dice.randrange(100)
        secret = SECRETS[0][start : start + dice.choice([3, 20, 55, 70, 150])]
        parts += [prose(dice.randrange(10**6), dice.randint(0, 6)), secret]
        parts.append(
            dice.choice(["", "XK-4799-B", "PIN 8812", "8812 and 88", "\n1. ", " é ", "\\n"])
        )
    return dice.choice(["", " ", ", "]).join(parts)


@pytest.mark.parametrize("seed", range(8))
def test_what_leaves_is_what_the_guard_lets_go(seed: int) -> None:
    """Whatever chunks come in what order, on each channel, and never anything protected."""
    dice = random.Random(seed)
    for _ in range(40):
        makers = dice.choice([[words], [words, blocks], [words, words, words, blocks, calling]])
        said: Any = Said()
        queue, text, arguments = Queue(said), "", ""
        got: list[ChatGenerationChunk] = []
        for piece in cut(mixed(dice), dice) if dice.random() < 0.3 else mixed(dice).split(" "):
            make = dice.choice(makers)
            text, arguments = (
                (text, arguments + piece) if make is calling else (text + piece, arguments)
            )
            got += queue.leaving(make(piece))
            assert said.let_go.get(TEXT, "").startswith(left(got)[0])
            assert len(queue._waiting) <= MOST_WAITING
        got += queue.leaving(None)
        assert left(got) == (Guard(SECRETS).filter(text), Guard(SECRETS).filter(arguments))
        assert leaks(left(got)[0], SECRETS) == leaks(left(got)[1], SECRETS) == []


@pytest.mark.parametrize("provider", [False, True])
def test_a_chunk_leaves_as_the_object_that_came(provider: bool) -> None:
    """Where nothing is withheld no chunk is made anew, whatever its provider's name says."""
    said: Any = Said()
    queue = Queue(said)
    came = [words(f"{word} ", provider=provider) for word in prose(77, 60).split()]
    came.append(words("", {"finish_reason": "stop"}, provider=provider))
    got = [chunk for one in came for chunk in queue.leaving(one)] + queue.leaving(None)
    assert len(got) == len(came)
    assert all(one is other for one, other in zip(got[:-1], came[:-1], strict=True))
    assert got[-1].message is came[-1].message
    assert got[-1].generation_info == {"finish_reason": "stop"}


def test_behind_what_is_withheld_chunks_leave_as_they_came_again() -> None:
    """Only those are copied that had words taken out of them."""
    said: Any = Said()
    queue = Queue(said)
    came = [words(f"{word} ") for word in f"{SECRETS[0]} {prose(78, 80)}".split()]
    got = [chunk for one in came for chunk in queue.leaving(one)] + queue.leaving(None)
    assert left(got)[0].startswith(WITHHELD)
    assert all(one is other for one, other in zip(got[-60:], came[-60:], strict=True))


def test_what_is_told_of_a_chunk_does_not_repeat_the_answer() -> None:
    """Its tokens are told nobody, wherever a provider puts them; all else is."""
    said: Any = Said()
    queue = Queue(said)
    inside = AIMessageChunk(content="b", response_metadata=dict(LOGPROBS))
    came = [words("a ", dict(LOGPROBS)), ChatGenerationChunk(message=inside), words("c", LOGPROBS)]
    got = [chunk for one in came for chunk in queue.leaving(one)] + queue.leaving(None)
    assert "secret" not in repr(got)
    assert [chunk.generation_info for chunk in got[::2]] == [{"finish_reason": "stop"}] * 2


def test_a_long_chunk_is_not_kept_for_its_end() -> None:
    """What may leave of it leaves with the next chunk, though its last words may not yet."""
    said: Any = Said()
    queue = Queue(said)
    before, start = prose(79, 60), SECRETS[0][:30]
    assert len(before) > MOST_READY
    assert queue.leaving(words(f"{before} {start[:15]}")) == []
    (chunk,) = queue.leaving(words(start[15:]))
    assert str(chunk.message.text) == f"{before} "
    assert left(queue.leaving(None))[0] == start


def test_the_chunks_of_a_run_that_goes_on_are_not_gathered() -> None:
    """They leave without words, some at a time."""
    said: Any = Said()
    queue = Queue(said)
    got = [chunk for letter in SECRETS[0] * 3 for chunk in queue.leaving(words(letter))]
    assert len(got) > 3 * len(SECRETS[0]) - MOST_WAITING
    assert left(got + queue.leaving(None))[0].strip(".") == WITHHELD
