"""Readable: restricted text that stands in the prompt as part of what may be read anyway."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from ragtrace.attribution import Cover, accounted_for
from ragtrace.model import Action, Attribution, Audience, Chunk, Span
from ragtrace.policy._found import label_found
from ragtrace.policy._policy import Policy
from ragtrace.policy._ruling import judge

__all__ = ["without_readable"]


def without_readable(
    policy: Policy,
    found: Sequence[Attribution],
    chunks: Mapping[str, Chunk],
    audience: Audience,
) -> list[Attribution]:
    """Set aside what of each chunk stands where another chunk allows it to be read.

    The staff section of an article may repeat a sentence of a public one. Where the sentence
    stands in the public one it is public, whoever else says it.
    """

    def allowed(one: Attribution, span: Span) -> bool:
        chunk = chunks[one.chunk]
        label = label_found(policy, chunk, replace(one, spans=(span,), whole=True))
        return judge(policy, chunk, label, audience).action is Action.ALLOW

    readable, restricted = Cover(), []
    for one in found:
        for span in one.spans:
            if allowed(one, span):
                readable.add(span.message, span.start, span.end)
            else:
                restricted.append((one.chunk, span))
    aside = {(name, span) for name, span in restricted if accounted_for(_cover_of(span), readable)}
    return [
        replace(one, spans=tuple(span for span in one.spans if (one.chunk, span) not in aside))
        for one in found
    ]


def _cover_of(span: Span) -> Cover:
    return Cover.of([(span.message, span.start, span.end)])
