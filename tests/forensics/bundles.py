"""A small store with secrets in it, and bundles of it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ragtrace.forensics import EvidenceAsked, PolicyText, export_evidence
from ragtrace.model import Message, Prompt, digest
from ragtrace.store import OWNER, Access, Chain, SealKey, Store
from ragtrace.wire import ContentRecord, Piece, Rope, SpanRecord
from tests.engine import content, flow, span

PUBLIC = "Cards are blocked by calling the number on their back. " * 3
SECRET = "Waive the fee once with code LANTERN-11 where the customer threatens to leave. " * 3
ASKED = "May I have my fee back?"
ANSWER = "Your fee will be paid back."
TOLD = "As the staff handbook says, quote LANTERN-11."
USER, SESSION, READER = "alice@example.com", "conversation-of-alice", "bob@example.com"
REASON = "alice@example.com is not cleared for staff_only"
POLICY = """version: 1
levels: [public, staff_only]
audiences: {customer: {clearance: public}}
"""
NOW = 1_770_000_000_000_000_000

DECIDED = {
    "ragtrace__decision__action": "drop",
    "ragtrace__decision__rule": "notes-stay-inside",
    "ragtrace__decision__reason": REASON,
    "ragtrace__decision__mode": "enforce",
    "ragtrace__policy__digest": digest(POLICY),
    "user__id": USER,
    "session__id": SESSION,
    "gen_ai__conversation__id": SESSION,
    "input__value": SECRET,
}


@dataclass(frozen=True)
class Made:
    """A store, its chain, the key that seals it, and what is in it."""

    store: Store
    chain: Chain
    key: SealKey

    def bundle(self, *, access: Access = OWNER, **change: Any) -> bytes:
        asked = {
            "traces": tuple(f"{n:032x}" for n in (1, 2, 3)),
            "clearance": "public",
            "levels": ("public",),
            "policy": PolicyText(digest(POLICY), (digest(POLICY),), POLICY),
        }
        return export_evidence(
            self.store,
            EvidenceAsked(**{**asked, **change}),
            self.key,
            access=access,
            chain=self.chain,
            clock=lambda: NOW,
        )


def made(store: Store, folder: Path) -> Made:
    """Three traces that were decided about, among others; texts of two levels."""
    key = SealKey.new(folder / "seal.pem")
    chain = Chain(store, key, clock=lambda: NOW)
    free, records = prompt(PUBLIC)
    closed, more = prompt(SECRET, level="staff_only")
    store.write(
        [call(1, free, ANSWER, public()), call(2, closed, TOLD, public(1), secret(0)), *others()],
        [
            *records,
            *more,
            content(PUBLIC, level="public", subject="document:cards.md"),
            content(SECRET, level="staff_only", subject="document:handbook"),
            content(ANSWER, "completion", "public", f"user:{USER}"),
            content(TOLD, "completion", "staff_only", f"user:{USER}"),
        ],
    )
    chain.append([(s.start_ns, s.trace_id, s.span_id) for s in others()[:4]])
    chain.seal()
    chain.catch_up()
    return Made(store, chain, key)


def prompt(passage: str, level: str = "public") -> tuple[str, list[ContentRecord]]:
    """A prompt with a passage in it, filed as a rope; its digest."""
    text = f"Answer from this: {passage}\n{ASKED}"
    whole = Prompt((Message("system", "You are a bank."), Message("user", text)))
    at = len("Answer from this: ")
    pieces = (
        Piece(text[:at]),
        Piece(digest=digest(passage), start=0, end=len(passage)),
        Piece(text[at + len(passage) :]),
    )
    rope = Rope(whole.digest, (("system", (Piece("You are a bank."),)), ("user", pieces)))
    return whole.digest, [
        ContentRecord(whole.digest, "prompt", level, rope.to_json(), f"user:{USER}")
    ]


def call(number: int, asked: str, answered: str, *flows: dict[str, Any]) -> SpanRecord:
    """A model call that was decided about."""
    return span(
        number,
        *flows,
        **DECIDED,
        ragtrace__prompt__digest=asked,
        ragtrace__prompt__level="public" if number == 1 else "staff_only",
        ragtrace__completion__digest=digest(answered),
    )


def public(place: int = 0) -> dict[str, Any]:
    """A flow of what everybody may read."""
    shown = {"document": "cards.md", "action": "allow", "verdict": "certain"}
    return flow(place, digest=digest(PUBLIC), level="public", **shown)


def secret(place: int) -> dict[str, Any]:
    """A flow of what staff may read, and one reader by name."""
    origin = {"document": digest(TOLD), "source": "completion", "digest": digest(TOLD)}
    origins = [{**origin, "level": "staff_only", "evidence": "taint"}]
    return flow(
        place,
        digest=digest(SECRET),
        document=f"completion/{digest(TOLD)}",
        readers=[READER],
        verdict="certain",
        origins=origins,
    )


def others() -> list[SpanRecord]:
    """Nine more decisions, of which the third is asked for."""
    return [span(n, flow(0), **DECIDED) for n in range(3, 12)]


def trees(files: dict[str, bytes]) -> dict[str, Any]:
    """The files that are JSON, by name."""
    return {name: json.loads(data) for name, data in files.items() if name.endswith(".json")}
