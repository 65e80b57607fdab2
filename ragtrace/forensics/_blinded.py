"""Blinded: rows of the store as they stand in a bundle, without what somebody could try out."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from ragtrace.errors import StoreError
from ragtrace.store import Commitments, Decided, FlowLine, FlowRow, SpanRow, Trace
from ragtrace.wire import names

__all__ = ["Blinded", "refuse_leaks"]

SHOWN: Final = (
    names.GEN_AI_OPERATION,
    names.GEN_AI_PROVIDER,
    names.GEN_AI_REQUEST_MODEL,
    names.GEN_AI_STREAM,
    names.ERROR_TYPE,
    names.AUDIENCE_KNOWN,
    names.PROMPT_ACCOUNTED,
    names.COMPLETION_LEVEL,
    names.CACHED,
    names.PARTIAL,
    names.WITHHELD,
    names.POLICY_STALE,
    names.TRACER,
)
"""Attributes of a span that say what the step was; any other may hold a name or a text."""
_DIGESTS: Final = re.compile(r"(?=([0-9a-f]{64}))")
"""Every place where one may begin."""

LONGEST: Final = 256
"""Characters of a value that is shown; nothing that is one of these is longer."""


@dataclass(slots=True)
class Blinded:
    """Makes the files of traces, and remembers whose digests may not be in any.

    Attributes:
        commitments: What stands for names and digests.
        texts: Digests of texts that were met, each with what it is of.
    """

    commitments: Commitments
    texts: dict[str, str] = field(default_factory=dict)

    def trace(self, found: Trace, flows: Mapping[Decided, Sequence[FlowLine]]) -> dict[str, Any]:
        """A trace: its spans, its decisions with their flows, and flows nobody decided about."""
        decided = {decided_of(span) for span in found.spans if is_decided(span)}
        for flow in found.flows:
            for origin in flow.origins:
                self.text(origin.digest, "chunk")
        steps = [
            {
                "time": str(key[0]),
                "span": key[2],
                "flows": [self._flow(line) for line in flows.get(key, ())],
            }
            for key in sorted({*decided, *_keys(found.flows)})
        ]
        marked = {(str(time), span) for time, _, span in decided}
        return {
            "trace": found.trace_id,
            "spans": [self._span(span) for span in found.spans],
            "decisions": [step for step in steps if (step["time"], step["span"]) in marked],
            "observed": [step for step in steps if (step["time"], step["span"]) not in marked],
        }

    def text(self, digest: str, kind: str) -> str:
        """What stands for a text's digest."""
        if digest:
            self.texts.setdefault(digest, kind)
        return self.commitments.of("text", digest)

    def _flow(self, flow: FlowLine) -> dict[str, Any]:
        return {
            "line": flow.line,
            "text": self.text(flow.text, "chunk"),
            "readers": [self.commitments.of("reader", one) for one in flow.readers],
        }

    def _span(self, span: SpanRow) -> dict[str, Any]:
        ours = span.scope == names.SCOPE
        said = span.attributes
        return {
            "span": span.span_id,
            "parent": span.parent_span_id,
            "name": span.name if ours else "",  # of another tracer it may hold anything
            "kind": span.kind,
            "service": span.service,
            "start": str(span.start_ns),
            "end": str(span.end_ns),
            "status": span.status,
            "stage": said.get(names.STAGE, ""),
            "prompt": self.text(said.get(names.PROMPT_DIGEST, ""), "prompt"),
            "completion": self.text(said.get(names.COMPLETION_DIGEST, ""), "completion"),
            "attributes": {
                name: said[name] for name in SHOWN if ours and 0 < len(said.get(name, "")) < LONGEST
            },
        }


def decided_of(span: SpanRow) -> Decided:
    """Which decision is this span's."""
    return span.start_ns, span.trace_id, span.span_id


def is_decided(span: SpanRow) -> bool:
    """Whether somebody decided about this step."""
    return names.DECISION_ACTION in span.attributes


def _keys(flows: Sequence[FlowRow]) -> set[Decided]:
    return {(flow.time_ns, flow.trace_id, flow.span_id) for flow in flows}


def refuse_leaks(trees: Mapping[str, Any], plain: Iterable[str]) -> None:
    """Look through everything that is to be written once more, for what may not be there.

    Args:
        trees: Files as JSON, by name.
        plain: Digests that no value may hold.

    Raises:
        StoreError: One is there; nothing is to be written then.
    """
    forbidden = set(plain)
    for name, tree in trees.items():
        for said in _strings(tree):
            if not forbidden.isdisjoint(_DIGESTS.findall(said)):
                raise StoreError(f"evidence: {name} would hold the digest of a text it may not")


def _strings(tree: Any) -> Iterator[str]:
    if isinstance(tree, str):
        yield tree
    elif isinstance(tree, dict):
        for name, value in tree.items():
            yield name
            yield from _strings(value)
    elif isinstance(tree, list | tuple):
        for value in tree:
            yield from _strings(value)
