"""Instrumentor: what every integration's entry point is made from."""

from __future__ import annotations

import sys
from abc import abstractmethod
from functools import partial
from typing import Any, ClassVar

from opentelemetry.instrumentation.dependencies import (
    DependencyConflictError,
    get_dependency_conflicts,
)
from opentelemetry.instrumentation.instrumentor import (  # type: ignore[attr-defined]
    BaseInstrumentor,  # it is there; the module does not say so to a type checker
)

from ragtrace.capture import _coverage as coverage
from ragtrace.capture._failed import refuse_open
from ragtrace.capture._imports import when_imported
from ragtrace.capture._patches import Patches
from ragtrace.capture._setup import ensure

__all__ = ["Instrumentor"]


class Instrumentor(BaseInstrumentor):  # type: ignore[misc]  # opentelemetry ships it untyped
    """An ``opentelemetry_instrumentor`` that wraps one framework, as soon as it is imported.

    The framework's version is checked here again, because OpenTelemetry's loader checks
    dependencies per distribution, and ours holds several integrations.

    Attributes:
        modules: Modules of the framework to wait for, best its topmost: what an application
            imports of it comes after. Importing the instrumentor must not import them.
    """

    modules: ClassVar[tuple[str, ...]]

    _made: list[Patches] | None = None
    """What is wrapped, of each module; a list of its own for every time it is instrumented."""

    @property
    def name(self) -> str:
        """Name of its entry point, which is that of its package."""
        return type(self).__module__.partition(".")[0]

    @abstractmethod
    def patch(self, patches: Patches, module: str) -> None:
        """Wrap what is reached by ``module``, one of ``modules``, which is imported by now.

        Called once for each; what it raises leaves the module out, and that is said.
        """

    def instrument(self, **kwargs: Any) -> None:
        """Wrap the framework, or wait until it is imported; a second time does nothing.

        Raises:
            DependencyConflictError: The framework is missing or of a version that is not
                supported; nothing has been wrapped.
            ImportError: It is imported and cannot be wrapped; nothing has been.
        """
        conflict = get_dependency_conflicts(self.instrumentation_dependencies())
        if conflict:
            if conflict.found or conflict.found_any:  # one that is not there needs no word
                coverage.left_out(self.name, str(conflict))
            raise DependencyConflictError(conflict)
        super().instrument(**{**kwargs, "skip_dep_check": True})

    def _instrument(self, **kwargs: Any) -> None:
        ensure()
        there = [module for module in self.modules if module in sys.modules]
        made: list[Patches] = []
        try:
            for module in there:
                made.append(self._patched(module))
        except Exception as error:
            for patches in made:
                patches.undo()
            coverage.left_out(self.name, why := _why(error))
            # What loads instrumentors goes on with the next one after this error only.
            raise ImportError(f"{self.name}: {why}") from error
        self._made = made
        coverage.bound(self.name, made)
        for module in self.modules:
            if module not in there:
                when_imported(module, partial(self._imported, module, made))

    def _uninstrument(self, **kwargs: Any) -> None:
        coverage.released(self.name)
        made, self._made = self._made, None
        for patches in made or ():
            patches.undo()

    def _imported(self, module: str, made: list[Patches]) -> None:
        """Wrap what has come later, into ``made``; raises nothing but a verdict, for the import is
        not ours.
        """
        if made is not self._made:
            return
        try:
            patches = self._patched(module)
        except Exception as error:
            coverage.left_out(self.name, _why(error))
            refuse_open()
            return
        made.append(patches)
        coverage.missed(self.name, patches)
        if patches.missing:
            refuse_open()
        if made is not self._made:  # let go of in the meantime
            patches.undo()

    def _patched(self, module: str) -> Patches:
        patches = Patches()
        try:
            self.patch(patches, module)
        except BaseException:
            patches.undo()
            raise
        return patches


def _why(error: Exception) -> str:
    return f"its hooks do not fit this version: {type(error).__name__}: {error}"
