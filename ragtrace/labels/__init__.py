"""How far content may travel: the lattice, and who assigns labels."""

from ragtrace.labels._access import AccessList
from ragtrace.labels._ifc import FlowLabel
from ragtrace.labels._labeller import Labeller
from ragtrace.labels._lattice import Lattice
from ragtrace.labels._mark import Mark
from ragtrace.labels._pii import PiiFinder, PiiRule
from ragtrace.labels._registry import MAX_REGISTRY_LINE, MAX_REGISTRY_TEXTS, Registry
from ragtrace.labels._rules import LabelKeys, SectionRule, SourceRule
from ragtrace.labels._sensitivity import SensitivityLabels

__all__ = [
    "MAX_REGISTRY_LINE",
    "MAX_REGISTRY_TEXTS",
    "AccessList",
    "FlowLabel",
    "LabelKeys",
    "Labeller",
    "Lattice",
    "Mark",
    "PiiFinder",
    "PiiRule",
    "Registry",
    "SectionRule",
    "SensitivityLabels",
    "SourceRule",
]
