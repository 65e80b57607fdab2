"""Answer: what a model says in one call, and what of it is remembered."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from ragtrace.capture._assembly import Assembly
from ragtrace.capture._completion import LEAST_ASIDE, derived, written
from ragtrace.capture._derived import Derived
from ragtrace.capture._guarded import guarded
from ragtrace.capture._recipient import Recipient
from ragtrace.capture._request import Request
from ragtrace.capture._runtime import Runtime
from ragtrace.capture._transformation import current_transformation
from ragtrace.labels import Transformation
from ragtrace.model import Chunk, Completion

__all__ = ["TEXT", "Answer", "beside"]

TEXT: Final = "text"
"""The channel of what a reader reads."""


class Answer:
    """Everything that the caller was given in one call, in pieces or as whole answers.

    It is put into the ledger as text derived from the call's prompt.

    Attributes:
        cached: Completions that a cache gave: the answer is made of these as well.
    """

    def __init__(self, runtime: Runtime, request: Request, made: Assembly) -> None:
        self.cached: Final[list[Chunk]] = []
        self._runtime = runtime
        self._request = request
        self._assembly = made
        self._place = request.asks()
        self._step = current_transformation(runtime.policy)
        self._channels: dict[str, list[str]] = {}
        self._whole: list[tuple[str, Sequence[str]]] = []
        self._caught_up = 0  # characters of the stream that the ledger has

    def note(self, text: str, channel: str = TEXT) -> None:
        """Note a piece of a streamed answer."""
        self._channels.setdefault(channel, []).append(text)

    def pieces(self) -> list[str]:
        """What was noted of what a reader reads, to which more may be put."""
        return self._channels.setdefault(TEXT, [])

    def record(self, text: str, aside: Sequence[str]) -> None:
        """Note a whole answer, and what in it is not for reading."""
        self._whole.append((text, aside))

    @property
    def began(self) -> bool:
        """Whether the caller was given anything."""
        return bool(self._whole) or any(self._channels.values())

    @property
    def completion(self) -> Completion:
        """What a reader reads of it."""
        return Completion("".join([self._streamed, *[text for text, _ in self._whole]]))

    def catch_up(self) -> None:
        """Remember what a stream has said so far, for the next model that is asked."""
        if len(text := self._streamed) > self._caught_up:
            self._caught_up = len(text)
            # Whether it is short enough for a safe step is not known yet.
            self._request.said(self._made(text, None).chunk.digest)

    def remember(self, *, well: bool) -> Derived | None:
        """Remember all of it; gives what is remembered of what a reader reads.

        Args:
            well: Whether it came to its end: of an answer that broke off, nobody knows what its
                reader has had.
        """
        asides = ["".join(some) for name, some in self._channels.items() if name != TEXT]
        streamed = [(self._streamed, asides)] if any(self._channels.values()) else []
        answers = [*self._whole, *streamed]
        step = self._step
        if step is not None and not step.fits(_size(answers)):
            step = None
        # Of several answers each may be handed on by itself; the last is all of them.
        texts = dict.fromkeys([text for text, _ in answers])
        if len(answers) > 1:
            texts[self.completion.text] = None
        made = [self._made(text, step) for text in texts if text]
        self._request.said(*[one.chunk.digest for one in made])
        if well:
            self._tell(made)
        with guarded("derived text"):
            for text in {beside(aside): None for _, aside in answers if aside}:
                if len(text) >= LEAST_ASIDE:
                    self._made(text, step)
        return made[-1] if made else None

    @property
    def _streamed(self) -> str:
        return "".join(self._channels.get(TEXT, ()))

    def _made(self, text: str, step: Transformation | None) -> Derived:
        runtime, reader = self._runtime, self._request.reader(self._runtime.policy)
        made = derived(runtime, reader, self._assembly, text, self.cached, step)
        return runtime.ledger.said(made, runtime.policy.lattice)

    def _tell(self, made: Sequence[Derived]) -> None:
        """Have these be told if no model is asked after this in the request."""
        ledger, policy = self._runtime.ledger, self._runtime.policy
        reader = self._request.reader(policy)
        told = {one.chunk.digest: Recipient.of(policy, one.chunk, reader) for one in made}

        def tell() -> None:
            for name, recipient in told.items():
                ledger.told(name, recipient)

        self._request.last_word(self._place, tell)


def _size(answers: Sequence[tuple[str, Sequence[str]]]) -> int:
    """Characters of all of them."""
    return sum(len(text) + sum(map(len, aside)) for text, aside in answers)


def beside(aside: Sequence[str]) -> str:
    """One text for all that is not for reading: a tool may be given thousands of strings."""
    return "\n".join(map(written, aside))
