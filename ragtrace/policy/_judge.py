"""Judge: what is decided about everything that was found in one prompt."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ragtrace.attribution import TEMPLATE
from ragtrace.model import Action, Attribution, Audience, Chunk, Decision
from ragtrace.policy._found import enforceable, labels_found
from ragtrace.policy._lineage import as_found, is_authority
from ragtrace.policy._policy import Policy
from ragtrace.policy._ruling import judge_each
from ragtrace.policy._shared import Shared

__all__ = ["judge_alike", "judge_found"]


def judge_alike(
    policy: Policy,
    found: Sequence[Attribution],
    chunks: Mapping[str, Chunk],
    audience: Audience,
) -> dict[str, Decision] | None:
    """The same as ``judge_found``, where nothing that was found depends on anything else.

    So it is in most prompts: each chunk is there whole and on its own account, has one label, is
    made from nothing, and all of them may be read, or none. ``None`` for any other prompt.
    """
    known = [chunks[one.chunk] for one in found]
    if any([chunk.ranges or chunk.origins or chunk.released for chunk in known]):
        return None
    if not all(
        [one.whole and one.verdict == "certain" and one.spans and not one.group for one in found]
    ):
        return None
    said = judge_each(policy, known, [chunk.label for chunk in known], audience)
    if len({decision.action is Action.ALLOW for decision in said}) > 1:
        return None
    return dict(zip([one.chunk for one in found], said, strict=True))


def judge_found(
    policy: Policy,
    attributions: Sequence[Attribution],
    chunks: dict[str, Chunk],
    audience: Audience,
) -> dict[str, Decision]:
    """Decide about every chunk found in a prompt, by digest.

    A chunk that others explain is not there on its own account and gets no decision; nor does
    one that the application's template explains, unless all who share the passage are restricted:
    a template can be made of a leak. A
    passage that several chunks share is decided by the least restrictive of them: who may
    read the passage in one document may read it. That holds passage by passage: a chunk is
    let off only as far as all of it that is here stands in chunks that are less restricted.
    Of a document, only documents can say so: what a model says makes nothing public.
    A run too short to tell whose words they are is recorded and allowed, unless it is all
    of its chunk.

    Args:
        policy: Decides.
        attributions: What was found, as ``without_readable`` leaves it.
        chunks: The chunks that were found, by digest.
        audience: For whom.
    """
    known = [
        as_found(chunk, one.spans) if (chunk := chunks[one.chunk]).origins else chunk
        for one in attributions
    ]
    said = judge_each(policy, known, labels_found(policy, attributions, chunks), audience)
    alone = {one.chunk: decision for one, decision in zip(attributions, said, strict=True)}
    if all([one.verdict == "certain" and one.spans and not one.group for one in attributions]):
        return {
            one.chunk: decision if one.whole else _if_long_enough(decision, one)
            for one, decision in zip(attributions, said, strict=True)
        }
    return _among_others(attributions, chunks, alone)


def _among_others(
    attributions: Sequence[Attribution], chunks: Mapping[str, Chunk], alone: dict[str, Decision]
) -> dict[str, Decision]:
    """The same where not everything is certain.

    Args:
        attributions: What was found.
        chunks: By digest.
        alone: What is decided about each by itself.
    """
    documents = [one for one in attributions if is_authority(chunks[one.chunk])]
    among_documents, among_all = Shared(documents, alone), Shared(attributions, alone)
    completions = len(documents) < len(attributions)
    decisions = {}
    for one in attributions:
        if not one.spans:
            continue
        made = completions and not is_authority(chunks[one.chunk])
        shared = among_all if made else among_documents
        if TEMPLATE in one.group:
            decision = shared.least(one)
            if decision.action is not Action.ALLOW:
                decisions[one.chunk] = _if_long_enough(decision, one)
            continue
        if one.verdict == "certain":
            decision = alone[one.chunk]
        elif one.verdict == "ambiguous" or not shared.decided_elsewhere(one):
            decision = shared.least(one)
        else:
            continue
        decisions[one.chunk] = _if_long_enough(decision, one)
    return decisions


def _if_long_enough(decision: Decision, found: Attribution) -> Decision:
    if decision.action is Action.ALLOW or found.whole or enforceable(found).spans:
        return decision
    longest = max((span.symbols for span in found.spans), default=0)
    reason = f"{longest} letters and digits in a row are too few to tell whose they are"
    return Decision(Action.ALLOW, "short-run", reason, decision.policy)
