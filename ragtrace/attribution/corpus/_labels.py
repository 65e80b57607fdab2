"""Labels on disk: as JSON, each distinct one once."""

from __future__ import annotations

import json
from collections.abc import Sequence

from ragtrace.errors import CorpusIndexError
from ragtrace.model import Label

__all__ = ["read_labels", "write_labels"]


def write_labels(labels: Sequence[Label]) -> bytes:
    """The bytes that ``read_labels`` reads."""
    rows = [
        {
            "level": label.level,
            "compartments": sorted(label.compartments),
            "readers": None if label.readers is None else sorted(label.readers),
            "integrity": label.integrity,
        }
        for label in labels
    ]
    return json.dumps(rows, ensure_ascii=True).encode("ascii")


def read_labels(data: bytes, where: str) -> list[Label]:
    """Labels in order.

    Raises:
        CorpusIndexError: They are not such bytes; ``where`` stands in the message.
    """
    try:
        return [
            Label(
                str(row["level"]),
                frozenset(map(str, row["compartments"])),
                None if row["readers"] is None else frozenset(map(str, row["readers"])),
                "trusted" if row["integrity"] == "trusted" else "untrusted",
            )
            for row in json.loads(data)
        ]
    except (ValueError, TypeError, KeyError, RecursionError):
        raise CorpusIndexError(f"{where}: its labels are damaged; build the index again") from None
