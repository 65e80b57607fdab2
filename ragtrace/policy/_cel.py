"""CEL: a condition in the Common Expression Language, by cel-python."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, ClassVar, Final

from ragtrace.errors import MissingDependencyError
from ragtrace.labels import Lattice
from ragtrace.model import Audience, Chunk, Label
from ragtrace.policy._expression import (
    ExpressionError,
    Language,
    bounded,
    of_audience,
    of_label,
)

__all__ = ["CelExpression"]

_FIELDS: Final = {
    "label": {"level", "rank", "compartments", "readers", "integrity"},
    "audience": {"name", "clearance", "rank", "compartments", "principal", "groups", "known"},
    "source": set[str](),
    "document": set[str](),
}
"""What there is to ask, by name, and the fields it has."""

_MACROS: Final = {"all", "exists", "exists_one", "filter", "map"}
"""What gives a name to each element of a list."""

_MAX_DEPTH: Final = 150
"""Of the parsed expression; a pair of brackets takes ten. The evaluator calls itself twice or
three times for each, and Python by itself allows a thousand calls inside each other."""


@dataclass(frozen=True, slots=True)
class CelExpression:
    """A condition over ``label``, ``source``, ``document`` and ``audience``.

    Raises:
        MissingDependencyError: On making one: cel-python is not installed.
        ValueError: On making one: ``text`` is no expression, or speaks of what there is not.
    """

    text: str
    lattice: Lattice = field(repr=False)
    _program: Any = field(init=False, repr=False, compare=False)
    language: ClassVar[Language] = "cel"

    def __post_init__(self) -> None:
        object.__setattr__(self, "_program", _compiled(bounded(self.text)))

    def fits(self, chunk: Chunk, label: Label, audience: Audience) -> bool:
        """Whether it holds.

        Raises:
            ExpressionError: It failed, or gave something else than a boolean.
        """
        from celpy import celtypes
        from celpy.adapter import json_to_cel

        seen: dict[str, Any] = {
            "label": of_label(label, self.lattice),
            "source": chunk.source.id,
            "document": chunk.document.id,
            "audience": of_audience(audience, self.lattice),
        }
        try:
            found = self._program.evaluate({key: json_to_cel(one) for key, one in seen.items()})
        except Exception as error:  # its own, and whatever Python raises below it
            raise ExpressionError(f"cel: {self.text!r} failed: {type(error).__name__}") from None
        if not isinstance(found, celtypes.BoolType):
            raise ExpressionError(f"cel: {self.text!r} gave a {type(found).__name__}, no boolean")
        return bool(found)


def _compiled(text: str) -> Any:
    limit = sys.getrecursionlimit()
    try:
        # Imported here: only who has a policy that asks in CEL pays for it.
        import celpy
        from celpy.celparser import CELParseError
    except ImportError:
        raise MissingDependencyError("cel-python", "cel") from None
    try:
        environment = celpy.Environment()
        tree = environment.compile(text)
        for fault in _faults(tree):
            raise ValueError(fault)
        return environment.program(tree)
    except CELParseError as error:
        where = f", character {error.column}" if error.column is not None else ""
        raise ValueError(f"not CEL{where}") from None
    finally:
        # The library raises the limit of the whole process, which is not ours to change.
        sys.setrecursionlimit(limit)


def _faults(tree: Any) -> Iterator[str]:
    """What the language allows and can never be answered here."""
    if _depth(tree) > _MAX_DEPTH:
        yield "too deeply nested"
    known = set(_FIELDS)
    for node in tree.find_data("member_dot_arg"):
        if str(node.children[1]) in _MACROS and node.children[2] is not None:
            known |= {_plain(node.children[2].children[0])}
    for node in tree.find_data("ident"):
        if _plain(node) not in known:
            yield f"expected one of {', '.join(_FIELDS)}, got {_plain(node)!r}"
    for node in tree.find_data("member_dot"):
        owner, name = _plain(node.children[0]), str(node.children[1])
        if owner in _FIELDS and name not in _FIELDS[owner]:
            yield f"{owner} has no field {name!r}"


def _plain(node: Any) -> str:
    """The name that ``node`` is, if it is a name and nothing else."""
    while node.data != "ident":
        if len(node.children) != 1 or not hasattr(node.children[0], "data"):
            return ""
        node = node.children[0]
    return str(node.children[0])


def _depth(tree: Any) -> int:
    deepest, left = 0, [(tree, 1)]
    while left:
        node, depth = left.pop()
        deepest = max(deepest, depth)
        left += [(child, depth + 1) for child in getattr(node, "children", ())]
    return deepest
