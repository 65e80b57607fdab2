"""Flow text: one flow as JSON, most of which is the same whenever its chunk is decided so again."""

from __future__ import annotations

from functools import lru_cache
from typing import Any, Final

from ragtrace.model import Attribution, Flow
from ragtrace.wire._as_json import as_json
from ragtrace.wire._found import OUTSIDE, about, encode_label, score_of

__all__ = ["flow_text"]

REMEMBERED: Final = 4_096
"""Texts kept of chunks and what was decided about them, about 4 MB; then they are made anew."""

ROLES: Final = 64
"""Combinations of roles that are kept; conversations have some five roles."""

_SPAN: Final = "[%d,%d,%d,%d,%d]"
_RUN: Final = "[%d,%d,%d]"
_FOUND: Final = ',"verdict":"%s","spans":[%s],"runs":[%s]'
_ONCE: Final = _FOUND % ("%s", _SPAN, _RUN)
"""The same of what stands in one place, as most passages do."""

_same: Final[dict[tuple[object, ...], tuple[object, str]]] = {}
"""By everything that is in the text; with it what is named by its place in memory, which stays."""


def flow_text(place: int, flow: Flow) -> str:
    """``flow`` as it stands in ``ragtrace.flows``; what is usual is left out.

    Args:
        place: Among all flows of the step; its rank, unless that stands there.
        flow: With its decision.
    """
    chunk = flow.chunk
    said = f'{{"ord":{place}'
    if chunk.rank != place:
        said += f',"rank":{chunk.rank}'
    if chunk.score is not None and (score := score_of(chunk.score)) is not None:
        said += f',"score":{score!r}'
    said += _of_chunk(flow)
    if flow.roles:
        said += _of_roles(flow.roles)
    if flow.attribution is not None:
        said += _of_attribution(flow.attribution)
    return said + "}"


def _of_chunk(flow: Flow) -> str:
    """What neither place nor prompt changes. Threads need no lock: two make the same."""
    chunk, label, decision, document = flow.chunk, flow.label, flow.decision, flow.chunk.document
    named = (label, chunk.label, decision, chunk.ranges, chunk.origins, chunk.copied)
    key = (
        *(chunk.digest, chunk.id, document.id, document.uri, chunk.source.id),
        *(chunk.basis, chunk.released),
        *map(id, named),
    )
    known = _same.get(key)
    if known is None:
        if len(_same) >= REMEMBERED:
            _same.clear()
        known = _same[key] = (named, "," + as_json(_decided(flow))[1:-1])
    return known[1]


def _decided(flow: Flow) -> dict[str, Any]:
    decision = flow.decision
    said = about(flow.chunk, flow.label)
    if flow.chunk.ranges and flow.chunk.label != flow.label:
        said[OUTSIDE] = encode_label(flow.chunk.label)
    said |= {"action": str(decision.action), "rule": decision.rule, "reason": decision.reason}
    if decision.mode != "enforce":
        said["mode"] = decision.mode
    if decision.shadow is not None:
        said["shadow"] = {"action": str(decision.shadow.action), "rule": decision.shadow.rule}
    return said


@lru_cache(ROLES)
def _of_roles(roles: tuple[str, ...]) -> str:
    return f',"roles":{as_json(list(roles))}'


def _of_attribution(found: Attribution) -> str:
    if len(found.spans) == 1:
        message, start, end, first, last, symbols, verbatim, evidence = found.spans[0]
        place = message, start, end, first, last
        said = _ONCE % (found.verdict, *place, symbols, evidence, verbatim)
    else:
        spans = ",".join([_SPAN % span[:5] for span in found.spans])
        runs = ",".join([_RUN % (one.symbols, one.evidence, one.verbatim) for one in found.spans])
        said = _FOUND % (found.verdict, spans, runs)
    if found.whole:
        said += ',"whole":true'
    return f'{said},"group":{as_json(list(found.group))}' if found.group else said
