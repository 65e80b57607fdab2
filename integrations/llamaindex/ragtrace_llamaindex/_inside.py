"""Inside: the innermost function of a method that LlamaIndex has decorated.

A method of LlamaIndex is a function under decorators, and the decorators tell span handlers,
event handlers and callbacks what the function returns. What is kept back must be kept back below
them, so the same decorators are put around another function.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from types import CellType, FunctionType
from typing import Any, Final

import wrapt

__all__ = ["inside"]

Method = Callable[..., Any]

_TELLERS: Final = "llama_index.core.llms.callbacks"
"""Where the decorators are that tell callbacks and event handlers of a model call."""

_DECORATED: Final = "f"
"""What they call the function that they were put on."""


def inside(method: Method, wrap: Callable[[Method], Method]) -> Method:
    """The method with its innermost function wrapped, under decorators like its own.

    Args:
        method: As it stands in its class.
        wrap: Makes the replacement from the innermost function.
    """
    if isinstance(method, wrapt.FunctionWrapper):  # the dispatcher's span
        within = inside(method.__wrapped__, wrap)
        return type(method)(within, method._self_wrapper)
    if isinstance(method, FunctionType) and method.__globals__.get("__name__") == _TELLERS:
        names = method.__code__.co_freevars
        cells = dict(zip(names, method.__closure__ or (), strict=True))
        if _DECORATED in cells:
            cells[_DECORATED] = CellType(inside(cells[_DECORATED].cell_contents, wrap))
            return _with(method, tuple(cells[name] for name in names))
    return functools.wraps(method)(wrap(method))


def _with(function: FunctionType, cells: tuple[CellType, ...]) -> Method:
    """A function of the same code with other variables around it."""
    made = FunctionType(
        function.__code__, function.__globals__, function.__name__, function.__defaults__, cells
    )
    made.__kwdefaults__ = function.__kwdefaults__
    for attribute in functools.WRAPPER_ASSIGNMENTS:
        setattr(made, attribute, getattr(function, attribute))
    made.__dict__.update(function.__dict__)
    return made
