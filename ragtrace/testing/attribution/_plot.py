"""Plot: time over size, drawn."""

from __future__ import annotations

from collections.abc import Iterable
from importlib.util import find_spec
from pathlib import Path

from ragtrace.errors import MissingDependencyError
from ragtrace.testing.bench import Row

__all__ = ["check_plot", "draw"]


def check_plot() -> None:
    """Say now that nothing can be drawn, and not once everything is measured.

    Raises:
        MissingDependencyError: matplotlib is not installed.
    """
    if find_spec("matplotlib") is None:
        raise MissingDependencyError("matplotlib", "bench")


def draw(rows: Iterable[Row], file: Path) -> None:
    """Write the line of time over size to ``file``, whose ending says in which format.

    Raises:
        MissingDependencyError: matplotlib is not installed.
    """
    check_plot()
    from matplotlib.figure import Figure

    from ragtrace.testing.attribution._speed import line_of

    points = line_of(rows)
    figure = Figure(figsize=(6, 4), layout="constrained")
    axes = figure.subplots()
    sizes = [point.size / 1_000 for point in points]
    times = [point.seconds * 1_000 for point in points]
    axes.plot(sizes, times, "o-", label="measured")
    slope = sum(x * y for x, y in zip(sizes, times, strict=True)) / sum(x * x for x in sizes)
    axes.plot([0, sizes[-1]], [0, slope * sizes[-1]], "--", linewidth=1, label="in proportion")
    axes.set_xlabel("documents and prompt, KB")
    axes.set_ylabel("one call, ms")
    axes.set_title("Attribution of a prompt: time over size")
    axes.grid(alpha=0.3)
    axes.legend()
    figure.savefig(file)
