"""Readable: restricted text that stands in the prompt as part of what may be read anyway."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from ragtrace.attribution import Cover, accounted_for
from ragtrace.model import Action, Attribution, Audience, Chunk, Span
from ragtrace.policy._found import label_of
from ragtrace.policy._lineage import as_found, is_authority
from ragtrace.policy._policy import Policy
from ragtrace.policy._ruling import judge, judge_each

__all__ = ["without_readable"]


def without_readable(
    policy: Policy,
    found: Sequence[Attribution],
    chunks: Mapping[str, Chunk],
    audience: Audience,
) -> list[Attribution]:
    """Set aside what of each chunk stands where another chunk allows it to be read.

    The staff section of an article may repeat a sentence of a public one. Where the sentence
    stands in the public one it is public, whoever else says it. What a model said makes readable
    what other models said, and no document.
    """
    if _all_alike(policy, found, chunks, audience):
        return list(found)
    readable: list[tuple[int, int, int]] = []
    said: list[tuple[int, int, int]] = []
    restricted: list[tuple[str, Span]] = []
    for one in found:
        by = readable if is_authority(chunks[one.chunk]) else said
        for span, allowed in _spans(policy, one, chunks[one.chunk], audience):
            if allowed:
                by.append((span.message, span.start, span.end))
            else:
                restricted.append((one.chunk, span))
    if not restricted:
        return list(found)
    for_documents, for_completions = Cover.of(readable), Cover.of([*readable, *said])
    aside = {
        (name, span)
        for name, span in restricted
        if accounted_for(
            _cover_of(span), for_documents if is_authority(chunks[name]) else for_completions
        )
    }
    return [
        replace(one, spans=tuple(span for span in one.spans if (one.chunk, span) not in aside))
        for one in found
    ]


def _all_alike(
    policy: Policy,
    found: Sequence[Attribution],
    chunks: Mapping[str, Chunk],
    audience: Audience,
) -> bool:
    """Whether all may be read, or none of it, and each chunk as a whole."""
    known = [chunks[one.chunk] for one in found]
    if any([chunk.ranges or chunk.origins for chunk in known]):
        return False
    said = judge_each(policy, known, [chunk.label for chunk in known], audience)
    return len({decision.action is Action.ALLOW for decision in said}) <= 1


def _spans(
    policy: Policy, one: Attribution, chunk: Chunk, audience: Audience
) -> Iterator[tuple[Span, bool]]:
    """Each span with whether its text may be read; where a chunk has no parts, all or none may."""
    label, allowed = None, False
    for span in one.spans:
        if label is None or chunk.ranges:
            label = label_of(policy, chunk, (span,))
            part = as_found(chunk, (span,)) if chunk.ranges else as_found(chunk, one.spans)
            allowed = judge(policy, part, label, audience).action is Action.ALLOW
        yield span, allowed


def _cover_of(span: Span) -> Cover:
    return Cover.of([(span.message, span.start, span.end)])
