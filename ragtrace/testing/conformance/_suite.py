"""Conformance: the checks as pytest tests, for an integration's own test module.

Nothing here imports pytest: it finds ``Test…`` classes and their ``pytest_generate_tests`` itself.
"""

from __future__ import annotations

import unittest
from collections.abc import Callable
from pathlib import Path as Folder
from typing import Any, ClassVar

from ragtrace.testing.conformance import _manners as manners
from ragtrace.testing.conformance import _matrix as matrix
from ragtrace.testing.conformance import _readers as readers
from ragtrace.testing.conformance import _record as record
from ragtrace.testing.conformance._adapter import Adapter, Claim, Path
from ragtrace.testing.conformance._secret import DECISIONS
from ragtrace.testing.conformance._stage import Stage, stage

__all__ = ["Conformance"]

_VARIANTS: dict[str, tuple[Any, ...]] = {
    "decision": DECISIONS,
    "kept_back": ("drop", "redact", "block"),
    "on_block": ("raise", "refuse"),
    "limits": tuple(record.LIMITS),
    "openinference": (False, True),
    "first_in": (True, False),
    "first_out": (True, False),
}


class Conformance:
    """Tests that an integration passes: ``class TestMine(Conformance): adapter = MINE``."""

    adapter: ClassVar[Adapter]

    def pytest_generate_tests(self, metafunc: Any) -> None:
        """Try each test with every path, decision, order and neighbour that it asks for."""
        asked = metafunc.fixturenames
        if "path" in asked:
            metafunc.parametrize("path", self.adapter.paths, ids=lambda path: path.name)
        if "neighbour" in asked:
            names = [type(make()).__module__.split(".")[0] for make in self.adapter.neighbours]
            metafunc.parametrize("neighbour", self.adapter.neighbours, ids=names)
        for name in sorted(_VARIANTS.keys() & set(asked)):
            metafunc.parametrize(name, _VARIANTS[name])

    def test_one_secret(self, decision: str, path: Path, tmp_path: Folder) -> None:
        """Whatever the path, each reader gets what the policy says, and calls are told of once."""
        self._check(tmp_path, lambda on: matrix.one_secret(on, path, decision))

    def test_everything_leaks_without_hooks(self, path: Path, tmp_path: Folder) -> None:
        """The suite can fail: without the hooks every path brings the secret."""
        self._check(tmp_path, lambda on: matrix.everything_leaks_without_hooks(on, path))

    def test_a_block_lasts(self, on_block: str, tmp_path: Folder) -> None:
        """After one refusal every later call of the request is refused, and none of the next."""
        self._check(tmp_path, lambda on: matrix.stays_blocked(on, on_block), Claim.PROMPTS)

    def test_it_wraps_once_and_unwraps(self, tmp_path: Folder) -> None:
        """Instrumenting twice is once; uninstrumenting puts the very same functions back."""
        self._check(tmp_path, manners.wraps_once)

    def test_it_comes_and_goes_in_any_order(
        self, first_in: bool, first_out: bool, tmp_path: Folder
    ) -> None:
        """Somebody else wraps the same functions; whoever goes first, nothing is left at last."""
        self._check(
            tmp_path,
            lambda on: manners.leaves_as_it_came(on, first_in=first_in, first_out=first_out),
        )

    def test_exceptions_leave_as_they_came(self, tmp_path: Folder) -> None:
        """What a step of the application raises is the very same object outside."""
        self._check(tmp_path, manners.leaves_exceptions_alone)

    def test_it_enforces_when_telemetry_fails(self, decision: str, tmp_path: Folder) -> None:
        """Where no span can be made the application works, and the policy holds."""
        self._check(tmp_path, lambda on: manners.enforces_when_telemetry_fails(on, decision))

    def test_neighbours_are_told_nothing(
        self,
        neighbour: Callable[[], Any],
        kept_back: str,
        first_in: bool,
        tmp_path: Folder,
    ) -> None:
        """Another tracer is told of nothing that is kept back."""
        self._check(
            tmp_path,
            lambda on: manners.hides_from_neighbours(on, neighbour, kept_back, first_in=first_in),
        )

    def test_every_document_is_told_of(
        self, limits: str, openinference: bool, tmp_path: Folder
    ) -> None:
        """Five hundred documents are whole and in order under any provider's limits."""
        self._check(
            tmp_path,
            lambda on: record.tells_of_every_document(on, limits, openinference=openinference),
            Claim.RETRIEVAL,
        )

    def test_text_stays_out_of_spans(self, decision: str, tmp_path: Folder) -> None:
        """With content off no text is in any span, whoever asked."""
        self._check(tmp_path, lambda on: record.keeps_text_out(on, decision))

    def test_a_stream_left_early_ends_its_span(self, decision: str, tmp_path: Folder) -> None:
        """A reader who goes away ends the span, which says so."""
        self._check(
            tmp_path, lambda on: record.ends_streams_that_are_left(on, decision), Claim.STREAMS
        )

    def test_threads_do_not_mix(self, tmp_path: Folder) -> None:
        """Requests on threads of their own are each for their own reader."""
        self._check(tmp_path, readers.never_mixes_threads)

    def test_tasks_do_not_mix(self, tmp_path: Folder) -> None:
        """Requests on tasks of one loop are each for their own reader."""
        self._check(tmp_path, readers.never_mixes_tasks)

    def test_streams_do_not_mix(self, tmp_path: Folder) -> None:
        """Streams that are read by turns are each for their own reader."""
        self._check(tmp_path, readers.never_mixes_streams, Claim.STREAMS)

    def test_answers_keep_their_labels(self, tmp_path: Folder) -> None:
        """What a model made of the secret is judged like the secret in a later request."""
        self._check(tmp_path, readers.keeps_labels_of_answers, Claim.PROMPTS)

    def _check(
        self, folder: Folder, check: Callable[[Stage], None], claim: Claim | None = None
    ) -> None:
        if claim is not None and claim not in self.adapter.claims:
            raise unittest.SkipTest(f"the integration does not claim that {claim.value}")
        with stage(self.adapter, folder) as on:
            check(on)
