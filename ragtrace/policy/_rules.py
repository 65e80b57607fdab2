"""Rules: what a policy file says under ``rules`` becomes the rules of a policy."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final

from ragtrace.errors import MissingDependencyError
from ragtrace.labels import Lattice
from ragtrace.model import Action
from ragtrace.policy._cedar import CedarExpression
from ragtrace.policy._cel import CelExpression
from ragtrace.policy._expression import Expression, Language
from ragtrace.policy._labelling import PolicyNeedsExtraError
from ragtrace.policy._lines import LinedYaml
from ragtrace.policy._rule import UNNAMED_AUDIENCE, Rule

__all__ = ["levels_of_rules", "read_rules"]

_LANGUAGES: Final[dict[Language, Callable[[str, Lattice], Expression]]] = {
    "cel": CelExpression,
    "cedar": CedarExpression,
}

_PACKAGES: Final[dict[Language, str]] = {"cel": "cel-python", "cedar": "cedarpy"}
"""What reads a language; the extra that brings it has the language's name."""


def read_rules(lined: LinedYaml, lattice: Lattice) -> tuple[Rule, ...]:
    """The rules of a policy, in order.

    Raises:
        PolicyFileError: A rule speaks of an audience that is not there, or an expression cannot
            be read.
        PolicyNeedsExtraError: The language of an expression is not installed.
    """
    known = {*lined.value["audiences"], UNNAMED_AUDIENCE}
    for place, entry in enumerate(lined.value.get("rules", [])):
        for name in _several(entry.get("when", {}).get("audience", [])):
            if name not in known:
                raise lined.fault(
                    ["rules", place, "when", "audience"],
                    f"expected one of the audiences {', '.join(sorted(known))}, got {name!r}",
                )
    return tuple(
        _rule(entry, lined, place, lattice)
        for place, entry in enumerate(lined.value.get("rules", []))
    )


def levels_of_rules(said: dict[str, Any]) -> Iterator[tuple[list[str | int], str]]:
    """The levels that rules speak of, each with the way to it."""
    for place, entry in enumerate(said.get("rules", [])):
        for level in _several(entry.get("when", {}).get("label", [])):
            yield ["rules", place, "when", "label"], level


def _rule(entry: dict[str, Any], lined: LinedYaml, place: int, lattice: Lattice) -> Rule:
    when = entry.get("when", {})
    return Rule(
        id=entry["id"],
        action=Action(entry["decide"]),
        levels=frozenset(_several(when.get("label", []))),
        compartments=frozenset(_several(when.get("compartment", []))),
        integrity=when.get("integrity"),
        audiences=frozenset(_several(when.get("audience", []))),
        source=when.get("source"),
        document=when.get("document"),
        expressions=tuple(
            _expression(language, lined, ["rules", place, "when", language], lattice)
            for language in _LANGUAGES
            if language in when
        ),
        mode=entry.get("mode", "enforce"),
        reason=entry.get("reason", ""),
        line=lined.line(["rules", place, "id"]),
    )


def _expression(
    language: Language, lined: LinedYaml, path: Sequence[str | int], lattice: Lattice
) -> Expression:
    text = lined.value
    for step in path:
        text = text[step]
    try:
        return _LANGUAGES[language](text, lattice)
    except MissingDependencyError:
        where = f"{lined.name}:{lined.line(path)}"
        raise PolicyNeedsExtraError(f"{where}: {_PACKAGES[language]}", language) from None
    except ValueError as error:
        raise lined.fault(path, str(error)) from None


def _several(value: str | Sequence[str]) -> Sequence[str]:
    return [value] if isinstance(value, str) else value
