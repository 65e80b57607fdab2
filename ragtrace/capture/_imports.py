"""Imports: what is done once a module is there, whoever imports it first."""

from __future__ import annotations

import sys
from collections.abc import Callable

import wrapt

__all__ = ["overtaken", "when_imported"]

Act = Callable[[], None]

_waiting: dict[str, list[Act]] = {}
"""By module what is to be done. It is taken out in one step, by whoever comes first, so that
nothing is done twice; no lock is held over it, because what is done imports more."""

_hooked: set[str] = set()
"""Modules whose import tells us."""


def when_imported(module: str, act: Act) -> None:
    """Call ``act`` once, right after ``module`` was imported and before its importer has it; now,
    where it has been imported.

    Args:
        module: Its full name.
        act: Must not raise: the application's own import would fail with it.
    """
    _waiting.setdefault(module, []).append(act)
    if module not in _hooked:
        _hooked.add(module)
        wrapt.register_post_import_hook(lambda imported: _imported(module), module)
    elif module in sys.modules:
        _imported(module)


def overtaken() -> None:
    """Catch up on modules that came by a way on which nobody told us: past an import hook of
    somebody else's, or looked for by two threads in the same moment.
    """
    if sys.modules.keys().isdisjoint(_waiting):
        return
    for module in tuple(_waiting):
        spec = getattr(sys.modules.get(module), "__spec__", None)
        if module in sys.modules and not getattr(spec, "_initializing", False):
            _imported(module)


def _imported(module: str) -> None:
    for act in _waiting.pop(module, ()):
        act()
