"""Retrieval: what a search found is labelled and judged before anybody else sees it."""

from __future__ import annotations

from collections.abc import Sequence
from contextvars import ContextVar, Token
from dataclasses import replace
from typing import Final

from opentelemetry.trace import Span, SpanKind, Status, StatusCode

from ragtrace.capture._guarded import guarded
from ragtrace.capture._ledger import Ledger
from ragtrace.capture._request import Request
from ragtrace.capture._runtime import Runtime
from ragtrace.capture._spans import set_flows
from ragtrace.model import (
    Action,
    Chunk,
    Decision,
    Document,
    Flow,
    Label,
    Message,
    Passage,
    Source,
    digest,
    strictest,
)
from ragtrace.policy import judge, label_found, redact_chunk
from ragtrace.wire import encode_decision, encode_documents, names

__all__ = ["Retrieval", "enclosing_request"]

_open: ContextVar[Retrieval | None] = ContextVar("ragtrace_retrieval", default=None)

_KEPT: Final = frozenset({Action.ALLOW, Action.CONTEXT_ONLY})


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
        self._source = source
        self._top_k = top_k
        self._query = query
        self._outer = _open.get()
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

    def judge(self, passages: Sequence[Passage]) -> list[str | None]:
        """For each passage the text that may be returned, or ``None`` where it is dropped.

        A passage whose judging fails is blocked: a mark stands for it, and the prompt that
        the mark reaches is refused.
        """
        flows: list[Flow] = []
        texts: list[str | None] = []
        made_from = Ledger()
        made_from.add(self._inner)
        for passage in passages:
            if digest(passage.text) in self._judged:
                texts.append(passage.text)
                continue
            flow = self._decide(passage, made_from)
            flows.append(flow)
            texts.append(self._text(flow))
        self._judged.update(digest(text) for text in texts if text is not None)
        if self._outer is not None and self._outer._request is self._request:
            self._outer._nested = True
            self._outer._judged |= self._judged
            self._outer._inner += [*self._inner, *(flow.chunk for flow in flows)]
        with guarded("retrieval flows"):
            self._record(flows)
        return texts

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

    def _decide(self, passage: Passage, made_from: Ledger) -> Flow:
        policy = self._runtime.policy
        try:
            chunk = self._derived(policy.labeller.label(passage), made_from)
            label = policy.labeller.effective(chunk)
            decision = judge(policy, chunk, label, self._request.audience)
        except Exception as error:
            chunk = _unlabelled(passage, policy.lattice.strictest)
            label = chunk.label
            action = Action.ALLOW if policy.observe_only else Action.BLOCK
            reason = f"the judge failed with {type(error).__name__}"
            decision = Decision(action, "judge-error", reason, policy.digest)
        self._runtime.ledger.add([chunk])
        self._request.saw([chunk])
        return Flow("retrieval", chunk, label, decision)

    def _derived(self, chunk: Chunk, made_from: Ledger) -> Chunk:
        """The chunk with the labels of what it was made from: compressed, joined, widened.

        A passage that several inner chunks share has the label of the least strict of them.
        """
        if not self._inner:
            return chunk
        policy = self._runtime.policy
        seen = made_from.attribute([Message("tool", chunk.text)])
        found, inner = seen.found, seen.chunks
        labels = {one.chunk: label_found(policy, inner[one.chunk], one) for one in found}
        inherited = [chunk.label]
        for one in found:
            if one.verdict == "ambiguous":
                sharing = [labels[name] for name in (one.chunk, *one.group) if name in labels]
                inherited.append(min(sharing, key=lambda label: policy.lattice.rank(label.level)))
            elif one.verdict != "explained":
                inherited.append(labels[one.chunk])
        label = policy.lattice.join(inherited)
        if label == chunk.label:
            return chunk
        return replace(chunk, label=label, basis=f"{chunk.basis}+derived")

    def _text(self, flow: Flow) -> str | None:
        action = flow.decision.action
        if action in _KEPT:
            return flow.chunk.text
        if action is Action.REDACT:
            return redact_chunk(self._runtime.policy, flow.chunk, self._request.audience)
        if action is Action.DROP:
            return None
        return self._runtime.ledger.mark(flow.chunk, flow.decision)

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

    def _record(self, flows: list[Flow]) -> None:
        if self._span is None:
            return
        if self._nested and not flows:
            self._span = None  # never ended, so never exported: the inner one has said it all
            return
        decided = strictest([flow.decision for flow in flows])
        if decided is not None:
            self._span.set_attributes(encode_decision(decided))
        self._span.set_attribute(
            names.GEN_AI_DOCUMENTS, encode_documents([flow.chunk for flow in flows])
        )
        set_flows(self._runtime, self._span, flows)
        if self._runtime.vault is not None:
            for flow in flows:
                self._runtime.vault.put(
                    "chunk", flow.chunk.digest, flow.label.level, flow.chunk.text
                )


def enclosing_request() -> Request | None:
    """The request of the search around the caller: what it asks on its way is for the same."""
    around = _open.get()
    return around._request if around is not None else None


def _unlabelled(passage: Passage, level: str) -> Chunk:
    name = digest(passage.text)
    return Chunk(
        id=str(passage.id or name[:16]),
        document=Document(str(passage.id or name[:16])),
        source=passage.source,
        text=passage.text,
        digest=name,
        label=Label(level),
        basis="judge-error",
        rank=passage.rank,
        score=passage.score,
    )
