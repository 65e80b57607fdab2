"""Cases: a file of examples becomes cases, or an error that names file and line."""

from __future__ import annotations

import json
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any, Final

from ragtrace.errors import PolicyFileError
from ragtrace.model import Action, Passage, Source
from ragtrace.policy._case import Case, Expectation
from ragtrace.policy._lines import LinedYaml
from ragtrace.policy._shape import check_shape

__all__ = ["UNNAMED_SOURCE", "cases_beside", "cases_schema", "parse_cases", "read_cases"]

UNNAMED_SOURCE: Final = "unnamed"
"""The source of a chunk that is described without one."""


def cases_beside(policy: Path) -> Path:
    """Where the cases of the policy file ``policy`` are kept unless somebody says otherwise."""
    return policy.with_name(f"{policy.stem}.cases.yaml")


@cache
def cases_schema() -> dict[str, Any]:
    """The published JSON Schema of files of cases (draft 2020-12)."""
    text = (files("ragtrace.policy") / "cases.schema.json").read_text("utf-8")
    found: dict[str, Any] = json.loads(text)
    return found


def read_cases(path: str | Path) -> tuple[Case, ...]:
    """The cases in the file at ``path``.

    Raises:
        PolicyFileError: It cannot be read or holds something else; the message names the
            file, the line and what was expected.
    """
    try:
        data = Path(path).read_bytes()
    except OSError as error:
        raise PolicyFileError(f"{path}: {error.strerror or error}") from None
    return parse_cases(data, str(path))


def parse_cases(data: bytes, name: str = "policy.cases.yaml") -> tuple[Case, ...]:
    """The cases that ``data`` spells; ``name`` stands in messages.

    Raises:
        PolicyFileError: As for ``read_cases``.
    """
    lined = LinedYaml.parse(data, name)
    check_shape(lined, cases_schema())
    seen: dict[str, int] = {}
    for place, entry in enumerate(lined.value["cases"]):
        path: list[str | int] = ["cases", place, "name"]
        if entry["name"] in seen:
            raise lined.fault(path, f"{entry['name']!r} is taken, see line {seen[entry['name']]}")
        seen[entry["name"]] = lined.line(path)
        if "uri" in entry["chunk"] and "uri" in entry["chunk"].get("metadata", {}):
            raise lined.fault(["cases", place, "chunk", "uri"], "is said in the metadata too")
    return tuple(_case(entry, seen[entry["name"]]) for entry in lined.value["cases"])


def _case(entry: dict[str, Any], line: int) -> Case:
    chunk, audience, expect = entry["chunk"], entry["audience"], entry["expect"]
    who: dict[str, Any] = {"name": audience} if isinstance(audience, str) else audience
    uri = {"uri": chunk["uri"]} if "uri" in chunk else {}
    return Case(
        name=entry["name"],
        passage=Passage(
            text=chunk.get("text", ""),
            source=Source(chunk.get("source", UNNAMED_SOURCE)),
            metadata=chunk.get("metadata", {}) | uri,
            id=chunk.get("document"),
        ),
        document=chunk.get("document"),
        audience=who["name"],
        principal=who.get("principal"),
        tenant=who.get("tenant"),
        groups=frozenset(who.get("groups", ())),
        expect=_expectation(expect),
        line=line,
    )


def _expectation(said: dict[str, Any]) -> Expectation:
    return Expectation(
        action=Action(said["action"]),
        rule=said.get("rule"),
        level=said.get("level"),
        shadow=_expectation(said["shadow"]) if "shadow" in said else None,
    )
