"""Secret: one note that staff may have and customers may not, and a policy that says so."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

__all__ = [
    "DECISIONS",
    "LEVEL",
    "NOTES",
    "PUBLIC",
    "REFUSAL",
    "REWORDED",
    "SECRET",
    "Note",
    "leaks",
    "question",
    "write_policy",
]

SECRET: Final = (
    "Waive the overdraft fee for any caller who mentions switching banks, up to ninety "
    "pounds a quarter, and log it under retention code seven."
)
REWORDED: Final = (
    "Agents forgive this charge when somebody says they may leave for a competitor; the "
    "ceiling is ninety a quarter and it is booked as number seven."
)
"""What a model may make of the secret: no text of the note itself stands in it."""
PUBLIC: Final = "An overdraft fee of six pounds is taken on the first working day of the month."
REFUSAL: Final = "A colleague in any branch can help."

LEVEL: Final = "level"
"""Metadata key under which a note has its label."""

DECISIONS: Final = ("drop", "redact", "context_only", "block", "block-refuse")
"""Everything that a policy can decide about the secret; a block raises or answers instead."""

WINDOW: Final = 20
"""Letters in a row of the secret that give it away; the prose around it shares none."""

_POLICY: Final = """\
version: 1
levels: [public, staff_only]
audiences:
  customer: {{clearance: public}}
  staff: {{clearance: staff_only}}
labels: {{level_keys: [{level}]}}
rules:
  - id: staff-notes
    when: {{label: staff_only, audience: [customer, unknown]}}
    decide: {decide}
on_block: {on_block}
refusal: {refusal}
"""


@dataclass(frozen=True, slots=True)
class Note:
    """A document as it is filed.

    Attributes:
        level: ``public`` or ``staff_only``; it belongs into the metadata, under ``LEVEL``.
    """

    id: str
    text: str
    level: str


NOTES: Final = (Note("note-secret", SECRET, "staff_only"), Note("note-public", PUBLIC, "public"))


def write_policy(folder: Path, decide: str, on_block: str = "raise") -> str:
    """A policy file under which the secret is ``decide`` for all but staff."""
    path = folder / f"{decide}-{on_block}.yaml"
    path.write_text(_POLICY.format(decide=decide, on_block=on_block, refusal=REFUSAL, level=LEVEL))
    return str(path)


def question(audience: str) -> str:
    """What is asked; by the name in it the wire knows who asks."""
    return f"[{audience}] What about my fee?"


def leaks(text: str) -> bool:
    """Whether any part of the secret is in ``text``."""
    return any(SECRET[at : at + WINDOW] in text for at in range(len(SECRET) - WINDOW + 1))
