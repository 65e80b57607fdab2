"""Patches: methods of a framework that run through ragtrace, and the way back."""

from __future__ import annotations

import functools
import inspect
import threading
import weakref
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from types import FunctionType
from typing import Any, Final

from ragtrace.capture._lock import renewed_in_child

__all__ = ["Patches"]

_ON_SUBCLASS: Final = "__init_subclass__"

Method = Callable[..., Any]
Wrap = Callable[[Method], Method]
"""Makes the replacement of a method from the original."""


_switchables: weakref.WeakKeyDictionary[Method, Patches] = weakref.WeakKeyDictionary()
"""Replacements, and whose they are."""


@dataclass(frozen=True, slots=True)
class _Patch:
    owner: type
    name: str
    original: Any
    replacement: Any


class Patches:
    """Replaced methods, each put back as the very same object.

    ``undo`` works in whatever order several instrumentors are removed: where somebody else
    has since wrapped our replacement, it stays in place and calls straight through.

    Attributes:
        active: Whether they have not been put back.
        missing: Where methods were asked for that this version of the framework does not have.
    """

    def __init__(self) -> None:
        self._patches: list[_Patch] = []
        self._lock = threading.RLock()
        renewed_in_child(self)  # what was half done then is inert after ``undo``, as all the rest
        self.missing: list[str] = []
        self._entries: list[tuple[type, tuple[str, ...]]] = []
        self.active = True

    @property
    def bound(self) -> list[str]:
        """Where methods were replaced, sorted."""
        with self._lock:
            own = [patch for patch in self._patches if patch.name != _ON_SUBCLASS]
        return sorted({_place(patch.owner, patch.name) for patch in own})

    @property
    def overridden(self) -> list[str]:
        """Methods of subclasses that take the place of a replaced one, sorted: what passes there
        is judged only where they call the one that they override.
        """
        with self._lock:
            ours = {(patch.owner, patch.name) for patch in self._patches}
        return sorted(
            _place(cls, name)
            for owner, name in ours
            if name != _ON_SUBCLASS
            for cls in _subclasses(owner)
            if name in cls.__dict__ and (cls, name) not in ours
        )

    def entries(self, owner: type, names: Iterable[str]) -> None:
        """Name the methods of a class by which applications come down to what is replaced."""
        self._entries.append((owner, tuple(names)))

    @property
    def own_ways(self) -> list[str]:
        """Entries that subclasses define anew, sorted: what passes there is judged only where it
        comes to a replaced method by itself.
        """
        return sorted(
            _place(cls, name)
            for owner, names in self._entries
            for cls in _subclasses(owner)
            for name in names
            if name in cls.__dict__
        )

    def method(
        self,
        owner: type,
        name: str,
        wrap: Wrap,
        *,
        optional: bool = False,
        listens: bool = False,
    ) -> bool:
        """Replace ``owner.name`` where the class itself defines it; says whether it does.

        Args:
            owner: A class of the framework's.
            name: Method.
            wrap: Makes the replacement from the original.
            optional: Whether nothing is missed where the class does not define it.
            listens: Whether the replacement does what the original does and listens to it, and
                asks itself whether it is still ``active``: there is one call less.
        """
        with self._lock:
            original = _without_leftovers(owner.__dict__.get(name))
            if original is None and not optional:
                self._miss(owner, name)
            if original is None or any(
                p.owner is owner and p.name == name and p.replacement is original
                for p in self._patches
            ):
                return original is not None
            replacement = wrap(original)
            if listens:
                replacement = functools.wraps(original)(replacement)
            else:
                replacement = self._switchable(original, replacement)
            _switchables[replacement] = self
            setattr(owner, name, replacement)
            self._patches.append(_Patch(owner, name, original, replacement))
            return True

    def overrides(
        self,
        base: type,
        names: Iterable[str],
        wrap: Wrap,
        *,
        own: bool = True,
        optional: bool = False,
    ) -> None:
        """Replace every concrete definition of ``names`` in all subclasses of ``base``, those
        that are yet to be defined among them.

        Args:
            base: The framework's class.
            names: Methods.
            wrap: Makes the replacement of each.
            own: Whether the definitions of ``base`` itself are replaced too.
            optional: Whether nothing is missed where ``base`` knows no such method.
        """
        names = tuple(names)
        for name in names:
            if not optional and not hasattr(base, name):
                self._miss(base, name)

        def patch(cls: type[Any]) -> None:
            for name in names:
                original = cls.__dict__.get(name)
                if callable(original) and not getattr(original, "__isabstractmethod__", False):
                    self.method(cls, name, wrap)

        own_too: set[type] = {base} if own else set()
        for cls in _subclasses(base) | own_too:
            patch(cls)
        self._on_subclass(base, patch)

    def undo(self) -> None:
        """Put everything back that is still ours; the rest becomes inert."""
        with self._lock:
            self.active = False
            for patch in reversed(self._patches):
                if patch.owner.__dict__.get(patch.name) is not patch.replacement:
                    continue
                if patch.original is None:
                    delattr(patch.owner, patch.name)
                else:
                    setattr(patch.owner, patch.name, patch.original)
            self._patches.clear()
            self.missing.clear()
            self._entries.clear()

    def _miss(self, owner: type, name: str) -> None:
        if (place := _place(owner, name)) not in self.missing:
            self.missing.append(place)

    def _switchable(self, original: Method, replacement: Method) -> Method:
        if inspect.iscoroutinefunction(original):
            # Frameworks ask what kind of function a method is before they call it.
            @functools.wraps(original)
            async def coroutine(*args: Any, **kwargs: Any) -> Any:
                return await (replacement if self.active else original)(*args, **kwargs)

            return coroutine

        @functools.wraps(original)
        def method(*args: Any, **kwargs: Any) -> Any:
            return (replacement if self.active else original)(*args, **kwargs)

        return method

    def _on_subclass(self, base: type[Any], patch: Callable[[type], None]) -> None:
        original = base.__dict__.get(_ON_SUBCLASS)

        def on_subclass(cls: Any, /, **kwargs: Any) -> None:
            if original is None:
                super(base, cls).__init_subclass__(**kwargs)
            else:
                original.__get__(None, cls)(**kwargs)
            if self.active:
                patch(cls)

        hook = classmethod(on_subclass)
        setattr(base, _ON_SUBCLASS, hook)
        self._patches.append(_Patch(base, _ON_SUBCLASS, original, hook))


def _without_leftovers(method: Any) -> Any:
    """The method under replacements that somebody has put back after they were undone."""
    while type(method) is FunctionType:
        patches = _switchables.get(method)
        if patches is None or patches.active:
            break
        method = method.__wrapped__  # type: ignore[attr-defined]
    return method


def _place(owner: type, name: str) -> str:
    return f"{owner.__module__}.{owner.__qualname__}.{name}"


def _subclasses(base: type[Any]) -> set[type]:
    found: set[type] = set()
    queue = [base]
    while queue:
        for cls in queue.pop().__subclasses__():
            if cls not in found:
                found.add(cls)
                queue.append(cls)
    return found
