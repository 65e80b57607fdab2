"""Retrieval: what a search found is labelled and judged before anybody else sees it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextvars import ContextVar, Token
from dataclasses import replace
from typing import Final

from opentelemetry.trace import Span, SpanKind, Status, StatusCode

from ragtrace.capture._drawn import draw_documents
from ragtrace.capture._failed import failed
from ragtrace.capture._guarded import guarded
from ragtrace.capture._labelled import labelled, left_by, remembered
from ragtrace.capture._ledger import Ledger
from ragtrace.capture._made_from import MadeFrom
from ragtrace.capture._released import released
from ragtrace.capture._request import Request
from ragtrace.capture._runtime import Runtime
from ragtrace.capture._spans import set_flows
from ragtrace.capture._taint import Inherited
from ragtrace.model import (
    Action,
    Audience,
    Chunk,
    Flow,
    Message,
    Passage,
    Source,
    digest,
    strictest,
)
from ragtrace.policy import enforceable, judge, judge_each, redact_chunk
from ragtrace.wire import encode_decision, encode_documents, names

__all__ = ["Retrieval", "enclosing_request"]

_open: ContextVar[Retrieval | None] = ContextVar("ragtrace_retrieval", default=None)

_KEPT: Final = frozenset({Action.ALLOW, Action.CONTEXT_ONLY})


_Decided = tuple[Chunk, Flow, Inherited | None]
"""A passage as it is to be remembered; as it is just now, with what is decided about it; and what
of it has left, where that is known. A plain tuple: each search makes one for every passage."""


class Retrieval:
    """One search, from the call of a retriever to what it may return.

    Searches nest (a retriever asks a store, which asks itself for scores): what an inner
    one has judged is not judged again, and an outer one that adds nothing leaves no span.
    ``begin`` and ``end`` bracket the call in one function and one context.
    """

    def __init__(
        self, runtime: Runtime, request: Request, source: Source, *, top_k: int | None, query: str
    ) -> None:
        self._runtime = runtime
        self._request = request
        self._outer = _open.get()
        self._asked = source
        self._source: Source = source
        if self._outer is not None and self._outer._request is request:
            self._source = source.within(self._outer._source)
        self._top_k = top_k
        self._query = query
        self._judged: set[str] = set()  # digests that an inner search has let through
        self._inner: list[Chunk] = []  # what inner searches found
        self._failed: BaseException | None = None  # what an inner search has told of
        self._nested = False
        self._span: Span | None = None
        self._token: Token[Retrieval | None] | None = None

    def begin(self) -> Retrieval:
        """Start; every search begun before ``end`` in this context is an inner one."""
        with guarded("retrieval span"):
            self._span = self._start()
        self._token = _open.set(self)
        return self

    def given(self, texts: Iterable[str]) -> None:
        """Note what the step was handed: what a search has let through is not judged again, nor is
        what a model has said in this request, which is judged where it is sent.

        What the step makes of it has the join of its own label and theirs.
        """
        for name in map(digest, texts):
            if self._request.was_let(name) or self._request.said_before(name):
                self._judged.add(name)
                self._nested = True
            if (chunk := self._request.own(name)) is not None:
                self._inner.append(chunk)

    def judge(self, passages: Sequence[Passage]) -> list[str | None]:
        """For each passage the text that may be returned, or ``None`` where it is dropped.

        A passage whose judging fails is blocked: a mark stands for it, and the prompt that
        the mark reaches is refused.
        """
        reader = self._request.reader(self._runtime.policy)
        texts: list[str | None] = [passage.text for passage in passages]
        new = list(range(len(passages)))
        if self._judged:
            new = [at for at in new if digest(passages[at].text) not in self._judged]
        decided = self._decided(passages, new, reader) if new else []
        flows = [flow for _, flow, _ in decided]
        for at, flow in zip(new, flows, strict=True):
            if flow.decision.action not in _KEPT:
                texts[at] = self._text(flow, reader)
        self._remember(decided, [texts[at] for at in new], reader)
        with guarded("retrieval flows"):
            self._record(flows, reader)
        return texts

    def _remember(
        self, decided: Sequence[_Decided], texts: Sequence[str | None], reader: Audience
    ) -> None:
        """Note what was found and what has left, for this request, this process and the search
        around this one.
        """
        left = [known or self._left(flow, reader) for _, flow, known in decided]
        lattice = self._runtime.policy.lattice
        self._request.taint.add(lattice, *[one for one in left if one is not None])
        found = [chunk for chunk, _, _ in decided]
        self._runtime.ledger.add(found)
        self._request.saw(found)
        self._judged.update(
            [
                chunk.digest if text == chunk.text else digest(text)
                for chunk, text in zip(found, texts, strict=True)
                if text is not None
            ]
        )
        self._request.let(self._judged)
        if self._outer is not None and self._outer._request is self._request:
            self._outer._nested = True
            self._outer._judged |= self._judged
            self._outer._inner += [*self._inner, *(flow.chunk for _, flow, _ in decided)]

    def end(self, error: BaseException | None = None) -> None:
        """Finish, with the error that the search raised if it did."""
        if self._token is not None:
            _open.reset(self._token)
            self._token = None
        with guarded("retrieval span"):
            if self._span is None:
                return
            if error is not None and self._outer is not None:
                self._outer._failed = error
            if error is not None and error is self._failed:
                return  # never ended, so never exported: the inner one has said it all
            if error is not None:
                self._span.set_attribute(names.ERROR_TYPE, type(error).__name__)
                self._span.set_status(Status(StatusCode.ERROR))
            self._span.end()

    def _decided(
        self, passages: Sequence[Passage], places: Sequence[int], reader: Audience
    ) -> list[_Decided]:
        """What is decided about the passages at ``places``, one for one."""
        policy = self._runtime.policy
        made_from: MadeFrom | Exception
        try:
            made_from = self._made_from(passages)
        except Exception as error:  # of which each passage is told
            made_from = error
        known: list[_Decided | None] = [None for _ in places]
        if not (isinstance(made_from, Exception) or made_from.found or policy.declassified.records):
            known = self._again([passages[at] for at in places], reader)
        return [
            self._decide(passages[at], at, made_from, reader) if one is None else one
            for at, one in zip(places, known, strict=True)
        ]

    def _again(self, passages: Sequence[Passage], reader: Audience) -> list[_Decided | None]:
        """The same of those that are remembered, which no other text has anything to do with."""
        policy = self._runtime.policy
        known = remembered(policy, passages, self._asked, self._source)
        there = [one for one in known if one is not None]
        chunks, labels = [one.chunk for one in there], [one.label for one in there]
        try:
            said = iter(judge_each(policy, chunks, labels, reader))
        except Exception:  # each is told by itself
            return [None for _ in passages]
        decided: list[_Decided | None] = []
        for one, passage in zip(known, passages, strict=True):
            if one is None:
                decided.append(None)
                continue
            decision = next(said)
            chunk = one.chunk.at(passage.rank, passage.score)
            left = one.left if decision.action in _KEPT else None
            decided.append((chunk, Flow("retrieval", chunk, one.label, decision), left))
        return decided

    def _decide(
        self, passage: Passage, place: int, made_from: MadeFrom | Exception, reader: Audience
    ) -> _Decided:
        policy = self._runtime.policy
        if passage.source == self._asked:
            passage = replace(passage, source=self._source)
        try:
            if isinstance(made_from, Exception):
                raise made_from
            chunk = labelled(policy, passage)
            if made_from.found:
                chunk = made_from.inherit(policy, chunk, place)
            judged = released(self._runtime, chunk) if policy.declassified.records else chunk
            label = policy.labeller.effective(judged) if judged.ranges else judged.label
            decision = judge(policy, judged, label, reader)
        except Exception as error:
            chunk = judged = Chunk.unjudged(passage, policy.lattice.strictest)
            label = chunk.label
            decision = failed(self._runtime, reader, error)
        return chunk, Flow("retrieval", judged, label, decision), None

    def _made_from(self, passages: Sequence[Passage]) -> MadeFrom:
        """What the passages may be made from: inner chunks, and what a model has said."""
        texts = [passage.text for passage in passages]
        found, made = self._runtime.ledger.completions_in(texts)
        chunks = {name: released(self._runtime, one.chunk) for name, one in made.items()}
        sure = [strong for one in found if (strong := enforceable(one)).spans]
        if self._inner:
            inner = Ledger()
            inner.add(self._inner)
            seen = inner.attribute([Message("tool", text) for text in texts])
            # What these have in common is no chance: the one was found by way of the other.
            sure += seen.found
            chunks |= seen.chunks
        return MadeFrom(sure, chunks)

    def _text(self, flow: Flow, reader: Audience) -> str | None:
        action = flow.decision.action
        if action in _KEPT:
            return flow.chunk.text
        if action is Action.REDACT:
            return redact_chunk(self._runtime.policy, flow.chunk, reader)
        if action is Action.DROP:
            return None
        return self._runtime.ledger.marks.make(flow.chunk, flow.decision)

    def _left(self, flow: Flow, reader: Audience) -> Inherited | None:
        """What has left this search; of a redacted chunk, what remains."""
        policy, chunk = self._runtime.policy, flow.chunk
        if flow.decision.action in _KEPT:
            return left_by(chunk, flow.label)
        if flow.decision.action is not Action.REDACT:
            return None
        labels = [chunk.label, *(part.label for part in chunk.ranges)]
        label = policy.lattice.join(
            label for label in labels if policy.lattice.permits(reader, label)
        )
        return left_by(chunk, label)

    def _start(self) -> Span:
        attributes: dict[str, str | bool | int | float] = {
            names.GEN_AI_OPERATION: "retrieval",
            names.GEN_AI_DATA_SOURCE: self._source.id,
            names.STAGE: "retrieval",
        }
        if self._top_k is not None:
            attributes[names.GEN_AI_TOP_K] = self._top_k
        if self._runtime.config.content:
            attributes[names.GEN_AI_QUERY] = self._query
        return self._runtime.start_span(
            self._request, f"retrieval {self._source.id}", attributes, SpanKind.CLIENT
        )

    def _record(self, flows: list[Flow], reader: Audience) -> None:
        if self._span is None:
            return
        if self._nested and not flows:
            self._span = None  # never ended, so never exported: the inner one has said it all
            return
        decided = strictest([flow.decision for flow in flows])
        said = encode_decision(decided) if decided is not None else {}
        said[names.GEN_AI_DOCUMENTS] = encode_documents([flow.chunk for flow in flows])
        texts = draw_documents(self._runtime, reader, flows)
        set_flows(self._runtime, self._span, flows, texts, said)
        if self._runtime.vault is not None:
            for flow in flows:
                chunk, level = flow.chunk, flow.label.level
                subject = f"document:{chunk.document.id}"
                self._runtime.vault.put("chunk", chunk.digest, level, chunk.text, subject)


def enclosing_request() -> Request | None:
    """The request of the search around the caller: what it asks on its way is for the same."""
    around = _open.get()
    return around._request if around is not None else None
