"""How far content may travel: the lattice, and who assigns labels."""

from ragtrace.labels._access import AccessList
from ragtrace.labels._declassification import (
    DECLASSIFIED_AT_MOST,
    MAX_DECLASSIFIED_LINE,
    Declassification,
    Revocation,
)
from ragtrace.labels._declassifications import MAX_DECLASSIFIED_LINES, Declassifications
from ragtrace.labels._front_matter import FrontMatter
from ragtrace.labels._ifc import FlowLabel
from ragtrace.labels._labeller import Labeller
from ragtrace.labels._lattice import Lattice
from ragtrace.labels._mark import Mark
from ragtrace.labels._named import NAMED
from ragtrace.labels._pii import PiiFinder, PiiRule
from ragtrace.labels._registry import (
    MAX_REGISTRY_LINE,
    MAX_REGISTRY_RANGES,
    MAX_REGISTRY_TEXTS,
    Kept,
    Registry,
)
from ragtrace.labels._rules import LabelKeys, SectionRule, SourceRule
from ragtrace.labels._sensitivity import SensitivityLabels
from ragtrace.labels._transformation import Transformation

__all__ = [
    "DECLASSIFIED_AT_MOST",
    "MAX_DECLASSIFIED_LINE",
    "MAX_DECLASSIFIED_LINES",
    "MAX_REGISTRY_LINE",
    "MAX_REGISTRY_RANGES",
    "MAX_REGISTRY_TEXTS",
    "NAMED",
    "AccessList",
    "Declassification",
    "Declassifications",
    "FlowLabel",
    "FrontMatter",
    "Kept",
    "LabelKeys",
    "Labeller",
    "Lattice",
    "Mark",
    "PiiFinder",
    "PiiRule",
    "Registry",
    "Revocation",
    "SectionRule",
    "SensitivityLabels",
    "SourceRule",
    "Transformation",
]
