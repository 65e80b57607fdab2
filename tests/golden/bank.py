"""The bank: two documents, one question and one answer, the same for every tracer."""

from __future__ import annotations

import hashlib

__all__ = [
    "ANSWER",
    "AUDIENCE",
    "COLLECTION",
    "DOCUMENTS",
    "PUBLIC",
    "QUESTION",
    "SESSION",
    "STAFF",
    "TENANT",
    "USER",
    "embed",
]

PUBLIC = "A transfer to another bank costs 1.50 euros and arrives within one business day."
STAFF = "Staff may waive the fee of a transfer for customers who have waited longer than two days."
QUESTION = "What does a transfer to another bank cost?"
ANSWER = "It costs 1.50 euros, unless it is waived because you have waited for two days."
COLLECTION = "bank_knowledge"
SESSION, USER, TENANT, AUDIENCE = "session-1", "user-1", "acme", "customer"

DOCUMENTS = (
    (
        "fees-1",
        PUBLIC,
        {"title": "Fees of transfers", "source": "handbook/fees.md", "label": "public"},
    ),
    (
        "fees-2",
        STAFF,
        {"title": "Waiving of fees", "source": "handbook/waivers.md", "label": "staff_only"},
    ),
)
"""Id, text and metadata of each, in the order in which they are found."""

DIMENSIONS = 64


def embed(text: str) -> list[float]:
    """Count the words of ``text``, each in the dimension of its hash."""
    vector = [0.0] * DIMENSIONS
    for word in text.lower().replace(".", "").replace("?", "").split():
        vector[hashlib.sha256(word.encode()).digest()[0] % DIMENSIONS] += 1.0
    return vector
