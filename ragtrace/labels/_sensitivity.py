"""Sensitivity labels: what Microsoft's Information Protection writes into documents."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from ragtrace.labels._lattice import Lattice
from ragtrace.labels._rules import as_text
from ragtrace.model import Label

__all__ = ["SensitivityLabels"]

_GUID: Final = r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
_PROPERTY = re.compile(rf"MSIP_Label_(?P<label>{_GUID})_(?P<attribute>\w+)", re.IGNORECASE)
_IN_HEADER = re.compile(
    rf"MSIP_Label_(?P<label>{_GUID})_Enabled\s*=\s*(?P<value>[^;]*)", re.IGNORECASE
)

_HEADER: Final = "msip_labels"
"""A mail's header, which holds all its properties: ``MSIP_Label_…_Enabled=true;…``."""

_LOADER_KEYS: Final = frozenset(
    {"sensitivity_label", "sensitivitylabel", "sensitivity_label_id", "sensitivitylabelid"}
)
"""Keys under which loaders pass on the label's id, in lower case."""

_ID_KEYS: Final = ("id", "labelId", "sensitivityLabelId")
"""Where the record of a label, as Microsoft Graph gives it, holds its id."""


@dataclass(frozen=True, slots=True)
class SensitivityLabels:
    """Levels of a policy by the id of a sensitivity label.

    Several tenants may each have labelled a document; the strictest counts. A label that is
    not listed counts as the strictest level. Source: Microsoft Information Protection SDK,
    "Metadata" (``MSIP_Label_GUID_Enabled``).

    Attributes:
        levels: By label id, in whatever case.
    """

    levels: tuple[tuple[str, str], ...]

    def labels(
        self, metadata: Mapping[str, object], lattice: Lattice
    ) -> Iterable[tuple[str, Label]]:
        """The label of every sensitivity label that is on, as ``msip``."""
        known = {name.lower(): level for name, level in self.levels}
        for name in dict.fromkeys(_applied(metadata)):
            yield "msip", Label(known.get(name, lattice.strictest))


def _applied(metadata: Mapping[str, object]) -> Iterable[str]:
    """Ids, in lower case, of the labels that are on; empty for one that cannot be read."""
    on: dict[str, bool] = {}
    for key, value in metadata.items():
        if not isinstance(key, str):
            continue
        found = _PROPERTY.fullmatch(key)
        if found is not None:
            label = found["label"].lower()
            on.setdefault(label, True)  # a name without Enabled: a loader has dropped some
            if found["attribute"].lower() == "enabled":
                on[label] = not _is_off(value)
        elif key.lower() == _HEADER:
            yield from _in_header(as_text(value))
        elif key.lower() in _LOADER_KEYS and value is not None and as_text(value) != "":
            yield _id(value)
    yield from (label for label, is_on in on.items() if is_on)


def _in_header(text: str) -> Iterable[str]:
    found = list(_IN_HEADER.finditer(text))
    if not found and text.strip():
        yield ""
    for one in found:
        if not _is_off(one["value"]):
            yield one["label"].lower()


def _id(value: object) -> str:
    if isinstance(value, Mapping):
        value = next((value[key] for key in _ID_KEYS if key in value), "")
    return as_text(value).strip().strip("{}").lower()


def _is_off(value: object) -> bool:
    return as_text(value).strip().lower() == "false"
