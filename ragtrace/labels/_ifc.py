"""Flow label: what an MCP server says about the result of a tool, in ``_meta.ifc``."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from ragtrace.labels._lattice import Lattice
from ragtrace.model import Integrity, Label

__all__ = ["FlowLabel"]


@dataclass(frozen=True, slots=True)
class FlowLabel:
    """Reads ``{"integrity": …, "confidentiality": …}``, as GitHub's MCP server writes it.

    Confidentiality is ``public``, ``private`` or, in an older form, the list of readers;
    ``["public"]`` is everybody. Source: github/github-mcp-server, ``pkg/ifc/ifc.go``.
    """

    def labels(
        self, metadata: Mapping[str, object], lattice: Lattice
    ) -> Iterable[tuple[str, Label]]:
        """The label, as ``ifc``; what cannot be read is the strictest level and untrusted."""
        found = metadata.get("_meta.ifc")
        if found is None and metadata.get("_meta") is not None:
            meta = _record(metadata["_meta"])
            # A record that cannot be read may have held a label.
            found = meta.get("ifc") if isinstance(meta, dict) else meta
        if found is None:
            return
        said = _record(found)
        if not isinstance(said, dict):
            yield "ifc", Label(lattice.strictest, integrity="untrusted")
            return
        integrity: Integrity = "trusted" if said.get("integrity") == "trusted" else "untrusted"
        level, readers = _confidentiality(said.get("confidentiality"), lattice)
        yield "ifc", Label(level, readers=readers, integrity=integrity)


def _confidentiality(said: object, lattice: Lattice) -> tuple[str, frozenset[str] | None]:
    names = [said] if isinstance(said, str) else said
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        return lattice.strictest, None
    if names == ["public"]:
        return lattice.least, None
    if isinstance(said, str):
        return lattice.strictest, None
    return lattice.least, frozenset(names)


def _record(value: object) -> object:
    """``value``, read from JSON where a store keeps only scalars."""
    if not isinstance(value, str):
        return value
    try:
        read: object = json.loads(value)
    except (ValueError, RecursionError):
        return value
    return read
