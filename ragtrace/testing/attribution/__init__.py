"""How well and how fast attribution works, measured: the bench that ships with the package."""

from ragtrace.testing.attribution._bench import SECTIONS, measure
from ragtrace.testing.attribution._effort import FULL, QUICK, Effort
from ragtrace.testing.attribution._letters import Present, letters, windows
from ragtrace.testing.attribution._material import (
    Answer,
    Material,
    data_beside_checkout,
    generated,
    read_material,
)
from ragtrace.testing.attribution._perturbation import PERTURBATIONS, Perturbation, Perturbed
from ragtrace.testing.attribution._plot import check_plot, draw
from ragtrace.testing.attribution._prose import article
from ragtrace.testing.attribution._session import Session
from ragtrace.testing.attribution._trial import Placed, Trial, apart, render
from ragtrace.testing.bench import Listener, Row, Sheet, missed, sheets

__all__ = [
    "FULL",
    "PERTURBATIONS",
    "QUICK",
    "SECTIONS",
    "Answer",
    "Effort",
    "Listener",
    "Material",
    "Perturbation",
    "Perturbed",
    "Placed",
    "Present",
    "Row",
    "Session",
    "Sheet",
    "Trial",
    "apart",
    "article",
    "check_plot",
    "data_beside_checkout",
    "draw",
    "generated",
    "letters",
    "measure",
    "missed",
    "read_material",
    "render",
    "sheets",
    "windows",
]
