"""Adopter: spans of other tracers become steps as ours are: labelled, attributed, without texts."""

from __future__ import annotations

import logging
import re
import threading
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from ragtrace import wire
from ragtrace.model import Chunk, Completion, Passage, Prompt, digest
from ragtrace.policy import Policy
from ragtrace.server._beside import Beside
from ragtrace.server._derive import derive, texts
from ragtrace.server._step import Step, is_ours
from ragtrace.server._window import Window
from ragtrace.wire import ContentRecord, Observed, SpanRecord, names

__all__ = ["UNLABELLED", "Adopter"]

UNLABELLED: Final = "unlabelled"
"""Level of a document that nobody has labelled, where the server has no policy to say what that
means: below every other, and never the name of a judgement that nobody made."""

MOST_CHARACTERS: Final = 1_000_000
"""Of one text, or of one prompt: beyond, its digest is kept, and it is neither searched nor filed.
The largest contexts of models hold some four million; attributing one takes a second a million."""

SEALED: Final = "sha256:"
"""In front of the digest of a text that stood there."""

_SEALED: Final = re.compile(re.escape(SEALED) + r"[0-9a-f]{64}")
"""A digest and nothing beside it: who writes a text behind the word has it sealed all the same."""

_SAID_BY_ANYONE: Final = frozenset({names.AUDIENCE, names.TENANT})
"""Of our names, those that an application may put on the spans of another tracer."""

_log: Final = logging.getLogger("ragtrace.server")


class Adopter:
    """Turns foreign spans into steps with flows, and their texts into contents.

    What it remembers of the last traces, within bounds, is all that one call leaves for the
    next; so a prompt is attributed to what was retrieved in an earlier batch. Safe to use from
    several threads.

    Args:
        policy: Labels documents and orders labels. Without one they carry what their own
            metadata says, or ``unlabelled``.
    """

    def __init__(self, policy: Policy | None = None) -> None:
        self.policy: Final = policy if policy is not None else _without_policy()
        self.beside: Final = Beside()
        self._window = Window()
        self._reopened: list[str] = []
        self._lock = threading.Lock()
        self.too_long = 0
        """Texts that were longer than is searched and filed."""
        self.failed = 0
        """Spans that could not be read, and passages that could not be labelled."""

    def adopt(self, spans: Sequence[SpanRecord]) -> tuple[list[SpanRecord], list[ContentRecord]]:
        """Give ``spans`` in their order as they are to be stored, and their texts.

        A span of ours is given as it came. Of every other, attributes that hold text are
        replaced by digests; a retrieval and a model call get flows besides.
        """
        self._reopen(self.beside.note(spans))
        sealed = [span if _is_plain(span) else _sealed(span) for span in spans]
        if all(is_ours(span) for span in spans):
            return sealed, []
        steps: dict[str, dict[str, Step]] = defaultdict(dict)
        for raw, span in zip(spans, sealed, strict=True):
            if not is_ours(raw) and names.TRACER not in raw.attributes:  # adopted: it has no texts
                step = self._observed(raw, span)
                if step is not None:
                    steps[span.trace_id][span.span_id] = step
        made, contents = self._derive(sealed, steps)
        return [made.get((s.trace_id, s.span_id), s) for s in sealed], contents

    def recall(self, trace_id: str) -> dict[str, Step]:
        """The steps of a trace that are remembered with their texts, by span id."""
        with self._lock:
            known = self._window.get(trace_id)
            return dict(known.steps) if known is not None else {}

    def reopened(self) -> list[str]:
        """Traces of a service that ragtrace turned out to be in as well; each is given once."""
        with self._lock:
            found, self._reopened = self._reopened, []
        return found

    def is_open(self, trace_id: str) -> bool:
        """Whether more may be known of a trace: not all of its spans were seen here, or ragtrace
        traces the same service, and may have told it in spans that are still to come.
        """
        with self._lock:
            known = self._window.get(trace_id)
            if known is None or known.is_mixed or not known.is_whole:
                return True
            return any(service in self.beside for service in known.services)

    def _reopen(self, services: set[str]) -> None:
        if services:
            with self._lock:
                self._reopened += self._window.of_services(services)

    def _derive(
        self, spans: Sequence[SpanRecord], steps: dict[str, dict[str, Step]]
    ) -> tuple[dict[tuple[str, str], SpanRecord], list[ContentRecord]]:
        by_trace: dict[str, list[SpanRecord]] = defaultdict(list)
        for span in spans:
            by_trace[span.trace_id].append(span)
        made: dict[tuple[str, str], SpanRecord] = {}
        contents: list[ContentRecord] = []
        for trace_id, found in by_trace.items():
            new = steps.get(trace_id, {})
            own = {s.span_id: Step.of(s, {}) for s in found if _is_own_step(s)}
            with self._lock:
                if not new and trace_id not in self._window:
                    continue
                known = self._window.note(trace_id, found, new | own)
            # Without the lock, for which those wait who only ask whether a trace is open.
            theirs = {name: step for name, step in new.items() if not known.spans[name].ours}
            told = derive(
                self.policy,
                list((known.steps | theirs).values()),
                len(known.spans),
                known.who,
                self.beside,
            )
            # Until all of a trace is known, its prompts may hold more than was found.
            settled = known.is_whole and not known.is_mixed
            for name, step in theirs.items():
                made[trace_id, name] = told[name].span
                level = told[name].level if settled else self.policy.lattice.strictest
                contents += texts(step, told[name], level)
        return made, contents

    def _observed(self, raw: SpanRecord, sealed: SpanRecord) -> Step | None:
        try:
            seen = wire.observed(raw)
        except Exception as error:  # its texts are sealed all the same
            self.failed += 1
            _log.warning("a span of another tracer was not read: %s", type(error).__name__)
            return None
        if seen is None:
            return None
        said = {
            **sealed.attributes,
            names.STAGE: seen.stage,
            names.TRACER: seen.tracer,
            **{name: value for name, value in _who(seen).items() if value},
        }
        if seen.stage == "retrieval":
            chunks = tuple(self._chunk(one) for one in seen.passages if _says_something(one))
            return Step(replace(sealed, attributes=said), chunks)
        prompt, completion = Prompt(seen.messages), seen.completion
        if seen.messages:
            said[names.PROMPT_DIGEST] = prompt.digest
        if completion is not None:
            said[names.COMPLETION_DIGEST] = Completion(completion).digest
        fits = self._fits(sum(len(message.text) for message in seen.messages))
        return Step(
            replace(sealed, attributes=said),
            messages=seen.messages if fits else None,
            completion=completion if self._fits(len(completion or "")) else None,
        )

    def _chunk(self, passage: Passage) -> Chunk:
        try:
            chunk = wire.with_short_names(self.policy.labeller.label(passage))
        except Exception as error:
            self.failed += 1
            _log.warning("a passage of another tracer was not labelled: %s", type(error).__name__)
            chunk = Chunk.unjudged(passage, self.policy.lattice.strictest)
        if not passage.text:
            return replace(chunk, digest="")
        return chunk if self._fits(len(passage.text)) else replace(chunk, text="")

    def _fits(self, characters: int) -> bool:
        if characters <= MOST_CHARACTERS:
            return True
        self.too_long += 1
        _log.warning("a text of %d characters is kept by its digest alone", characters)
        return False


def _without_policy() -> Policy:
    plain = Policy.observing()
    levels = replace(plain.lattice, levels=(UNLABELLED, *plain.lattice.levels))
    labeller = replace(plain.labeller, lattice=levels, unlabelled=UNLABELLED)
    return replace(plain, lattice=levels, labeller=labeller)


def _sealed(span: SpanRecord) -> SpanRecord:
    """``span`` with a digest in the place of every text; what is sealed already stays as it is.

    What another tracer's says in our names is left out: only a server says that it adopted one.
    """
    held = [name for name in wire.content_attributes(span) if name in span.attributes]
    said = {**span.attributes, **{name: _digest_of(span.attributes[name]) for name in held}}
    if is_ours(span):
        return replace(span, attributes=said)
    said = {wire.plain_name(name): value for name, value in said.items() if not _is_claim(name)}
    if held or span.status_message or span.events:
        said[names.OBSERVED] = "1"
    # An exception's message may quote the prompt, or what came back; its event does, and goes.
    message = _digest_of(span.status_message)
    return replace(span, attributes=said, status_message=message, events=())


def _digest_of(text: str) -> str:
    return text if not text or _SEALED.fullmatch(text) else SEALED + digest(text)


def _is_claim(name: str) -> bool:
    return name.startswith(f"{names.SCOPE}.") and name not in _SAID_BY_ANYONE


def _is_plain(span: SpanRecord) -> bool:
    """Whether it is ours, and holds no text in the names of another tracer either."""
    return is_ours(span) and names.OI_KIND not in span.attributes


def _is_own_step(span: SpanRecord) -> bool:
    return is_ours(span) and names.STAGE in span.attributes


def _who(seen: Observed) -> dict[str, str]:
    return {
        names.SESSION: seen.session,
        names.USER: seen.user,
        names.TENANT: seen.tenant,
        names.AUDIENCE: seen.audience,
    }


def _says_something(passage: Passage) -> bool:
    """Whether there is a text, or at least a name, to know it again by."""
    return bool(passage.text or passage.id or passage.metadata)
