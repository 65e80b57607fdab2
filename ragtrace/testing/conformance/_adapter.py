"""Adapter: all that the suite has to know of an integration."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any, Protocol

from opentelemetry.instrumentation.instrumentor import (  # type: ignore[attr-defined]
    BaseInstrumentor,  # it is there; the module does not say so to a type checker
)

from ragtrace.testing.conformance._secret import Note
from ragtrace.testing.conformance._wire import Wire

__all__ = ["Adapter", "Claim", "Kit", "Path", "Paths", "pieces"]


class Claim(Enum):
    """What an integration says it covers; the suite asks for nothing else."""

    RETRIEVAL = "what is found is judged before its caller has it"
    PROMPTS = "what is asked is judged before a model has it, and answers are guarded"
    STREAMS = "answers that come in pieces are guarded too"


class Kit(Protocol):
    """The framework's things that the suite works with; fresh for every question.

    Of the methods only those are called that the adapter's claims need.
    """

    @property
    def heard(self) -> str:
        """All that callbacks of the framework's own were told of answers."""

    def find(self, notes: Sequence[Note]) -> list[str]:
        """Search a store that has these and finds all of them, in order; the texts found."""

    def fail(self, error: Exception) -> Any:
        """Have a step of the application, inside of the framework, raise ``error``."""

    def ask(self, notes: str, asked: str) -> Any:
        """Ask a model, without a search: these notes first, the question last."""

    def stream(self, notes: str, asked: str) -> Iterator[Any]:
        """The same, in pieces; the model is asked when the first is read, or before."""

    def close(self) -> None:
        """Put back whatever was changed for all of the process."""


Run = Callable[[Any, str], Any]
"""Sends a question through one path of a kit; gives what the caller receives, or a coroutine."""


@dataclass(frozen=True, slots=True)
class Path:
    """One way a question is sent: notes are searched, and a model is asked with what was found.

    Attributes:
        known: Whether the audience reaches the step; where not, it is least cleared.
        opens: Whether the suite opens a request around it.
        before: How many model calls come before anything has been retrieved.
        whole: Whether the caller stays to the end of the answer, and is given all of it.
        apart: Whether documents are asked about one by one: those that may be are, whatever is
            decided about others.
        verdict: Whether a refusal reaches the caller as it is; some frameworks swallow exceptions
            or can make nothing of words.
    """

    name: str
    run: Run
    known: bool = True
    opens: bool = True
    before: int = 0
    whole: bool = True
    apart: bool = False
    verdict: bool = True


class Paths(list[Path]):
    """Paths in the order in which they were defined, each under its function's name."""

    def path(self, **how: Any) -> Callable[[Run], Run]:
        """Put a function among them; ``how`` as in ``Path``."""

        def put(run: Run) -> Run:
            self.append(Path(run.__name__, run, **how))
            return run

        return put


@dataclass(frozen=True, slots=True)
class Adapter:
    """An integration, as the suite sees it.

    Attributes:
        instrumentor: Wraps the framework.
        kit: Makes a kit whose models are on a wire.
        paths: Every way a question takes; the first is the plainest. Without ``Claim.PROMPTS``
            they give what was found.
        hooked: Some of what the instrumentor replaces, by class and name.
        claims: What is covered.
        neighbours: Make instrumentors of other tracers, which must bear with this one.
    """

    instrumentor: type[BaseInstrumentor]
    kit: Callable[[Wire], Kit]
    paths: Sequence[Path]
    hooked: Sequence[tuple[type, str]]
    claims: frozenset[Claim] = frozenset(Claim)
    neighbours: Sequence[Callable[[], Any]] = ()


def pieces(got: Sequence[Any], text: Callable[[Any], Any] = lambda piece: piece) -> list[Any]:
    """What came in pieces: each of them, and all put together."""
    texts = [text(piece) for piece in got]
    return [*got, "".join(one for one in texts if isinstance(one, str))]
