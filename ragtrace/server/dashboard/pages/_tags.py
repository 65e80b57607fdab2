"""Tags: elements whose text and attributes are data and never markup."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from contextvars import ContextVar
from typing import Any, Final

from nicegui.element import Element
from nicegui.elements.mixins.text_element import TextElement

__all__ = ["shown", "tag", "tree"]

_growing: Final[ContextVar[list[Any] | None]] = ContextVar("growing", default=None)
"""The children of the node that is open, where a tree is grown."""


class _Tree(Element, component="tree.js"):
    """Elements of HTML without one of NiceGUI's for each, which take a quarter of a millisecond."""


def shown(text: str) -> str:
    """``text`` as a browser can be sent it: half a character cannot be."""
    return text.encode("utf-8", "replace").decode("utf-8")


def tag(
    name: str, text: str = "", look: str = "", /, **attributes: str
) -> AbstractContextManager[object]:
    """An element of HTML in the one that is open.

    Args:
        name: Of the element.
        text: What it says; a browser is given it as text, whatever is in it.
        look: Classes of the style sheet.
        attributes: Never an address that came with the data; ``_`` stands for ``-`` and an
            underscore at the end is dropped.
    """
    said = {key.rstrip("_").replace("_", "-"): shown(value) for key, value in attributes.items()}
    into = _growing.get()
    if into is not None:
        children: list[Any] = [shown(text)] if text else []
        into.append([name, {**said, "class": look} if look else said, children])
        return _Within(children)
    made = TextElement(tag=name, text=shown(text))
    if look:
        made.classes(look)
    made.props.update(said)
    return made


@contextmanager
def tree() -> Iterator[None]:
    """What is drawn within becomes one element of NiceGUI's: for tables, and long texts."""
    nodes: list[Any] = []
    with _Within(nodes):
        yield
    _Tree().props["tree"] = tuple(nodes)  # NiceGUI would copy a list, and watch each that is in it


class _Within:
    """Opens a node. A class: a generator for each of thousands costs more than they do."""

    __slots__ = ("_before", "_children")

    def __init__(self, children: list[Any]) -> None:
        self._children = children

    def __enter__(self) -> None:
        self._before = _growing.set(self._children)

    def __exit__(self, *_: object) -> None:
        _growing.reset(self._before)
