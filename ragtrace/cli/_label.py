"""Label: how every command writes one as JSON."""

from __future__ import annotations

from typing import Any

from ragtrace.model import Label

__all__ = ["label_as_json"]


def label_as_json(label: Label) -> dict[str, Any]:
    """All of it; readers are null where there is no such restriction."""
    return {
        "level": label.level,
        "compartments": sorted(label.compartments),
        "readers": None if label.readers is None else sorted(label.readers),
        "integrity": label.integrity,
    }
