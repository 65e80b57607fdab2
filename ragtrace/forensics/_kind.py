"""Kind: a stored flow by itself, judged by the judge that judges live."""

from __future__ import annotations

from ragtrace.model import Chunk, Document, Integrity, Label, Origin, Source
from ragtrace.policy import Policy, decide_failure, judge
from ragtrace.store import FlowKind

__all__ = ["judge_kind"]


def judge_kind(policy: Policy, kind: FlowKind) -> tuple[str, str, str, str]:
    """Action and rule, and what is recorded beside them, as ``PolicySql.decision`` has them."""
    label = _label(kind.level, kind.compartments, kind.for_readers, kind.readers, kind.integrity)
    chunk = Chunk(
        id="",
        document=Document(kind.document),
        source=Source(kind.source),
        text="",
        digest="",
        label=label,
        basis="",
        origins=tuple(
            Origin(document, source, digest, _label(level, held, for_readers, readers, integrity))
            for document, source, digest, level, held, for_readers, readers, integrity, *_ in (
                kind.origins
            )
        ),
        released=kind.released,
    )
    audience = policy.audience(
        kind.audience, principal=kind.user or None, tenant=kind.tenant or None
    )
    try:
        made = judge(policy, chunk, label, audience)
    except Exception as error:  # as it is decided live
        why = f"the judge failed with {type(error).__name__}"
        made = decide_failure(policy, audience, "judge-error", why)
    beside = ("", "") if made.shadow is None else (str(made.shadow.action), made.shadow.rule)
    return str(made.action), made.rule, *beside


def _label(
    level: str, held: tuple[str, ...], for_readers: bool, readers: tuple[str, ...], integrity: str
) -> Label:
    believed: Integrity = "untrusted" if integrity == "untrusted" else "trusted"
    return Label(level, frozenset(held), frozenset(readers) if for_readers else None, believed)
