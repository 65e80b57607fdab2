"""Reader: a policy file becomes a policy, or an error that names file and line."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import cache
from importlib.resources import files as resources
from math import inf
from pathlib import Path
from typing import Any

from ragtrace.errors import PolicyFileError
from ragtrace.labels import Lattice
from ragtrace.model import Action, Audience
from ragtrace.policy._declassified import declassified_in, read_declassified
from ragtrace.policy._failures import Failures
from ragtrace.policy._files import Files
from ragtrace.policy._labelling import read_labeller
from ragtrace.policy._lines import LinedYaml
from ragtrace.policy._policy import DEFAULT_REFUSAL, JUDGE_SECONDS, Policy
from ragtrace.policy._rule import UNNAMED_AUDIENCE
from ragtrace.policy._rules import levels_of_rules, read_rules
from ragtrace.policy._shape import check_shape
from ragtrace.policy._transformations import levels_of_transformations, read_transformations

__all__ = ["parse_policy", "read_policy", "schema"]


@cache
def schema() -> dict[str, Any]:
    """The published JSON Schema of policy files (draft 2020-12)."""
    text = (resources("ragtrace.policy") / "policy.schema.json").read_text("utf-8")
    found: dict[str, Any] = json.loads(text)
    return found


def read_policy(path: str | Path, files: Files | None = None, *, registry: bool = True) -> Policy:
    """The policy in the file at ``path``.

    Args:
        path: Where it is; what it names is beside it.
        files: Opens it and what it names, and so knows them, whatever comes of the reading.
        registry: Whether the registry that it names is read; not by who writes it.

    Raises:
        PolicyFileError: It, or a file that it names, cannot be read or is not what it should
            be; the message names the file, the line and what was expected.
        PolicyNeedsExtraError: It asks for an optional part that is not installed.
    """
    files = Files() if files is None else files
    try:
        data = files.read(path)
    except OSError as error:
        raise PolicyFileError(f"{path}: {error.strerror or error}") from None
    return _parsed(data, str(path), files, registry=registry)


def parse_policy(data: bytes, name: str = "policy.yaml", files: Files | None = None) -> Policy:
    """The policy that ``data`` spells.

    Args:
        data: What a policy file holds.
        name: The file's path. It stands in messages, and what the policy names is beside it.
        files: Opens what it names; ``Alone`` opens nothing.

    Raises:
        PolicyFileError: As for ``read_policy``.
        PolicyNeedsExtraError: As for ``read_policy``.
    """
    files = Files() if files is None else files
    files.given(name, data)
    return _parsed(data, name, files)


def _parsed(data: bytes, name: str, files: Files, *, registry: bool = True) -> Policy:
    lined = LinedYaml.parse(data, name)
    check_shape(lined, schema())
    said = lined.value
    _check_levels(lined)
    _check_names(lined)
    _check_numbers(lined)
    lattice = Lattice(tuple(said["levels"]))
    return Policy(
        lattice=lattice,
        labeller=read_labeller(lined, lattice, files, registry=registry),
        audiences={name: _audience(name, entry) for name, entry in said["audiences"].items()},
        rules=read_rules(lined, lattice),
        declassified=read_declassified(lined, files),
        declassified_in=declassified_in(lined),
        transformations=read_transformations(said),
        otherwise=Action(said.get("otherwise", Action.BLOCK)),
        mode=said.get("mode", "enforce"),
        on_block=said.get("on_block", "raise"),
        refusal=said.get("refusal", DEFAULT_REFUSAL),
        digest=files.digest,
        failures=_failures(said),
        judge_seconds=said.get("limits", {}).get("judge_seconds", JUDGE_SECONDS),
    )


def _check_levels(lined: LinedYaml) -> None:
    """Every level that is used must be one that is declared."""
    said, levels = lined.value, set(lined.value["levels"])
    for other, level in said.get("labels", {}).get("names", {}).items():
        if other in levels and other != level:
            # A chunk labelled with it would be one thing by the levels, another by the names.
            raise lined.fault(
                ["labels", "names", other], f"{other!r} is a level, expected another name for one"
            )
    for path, level in _levels_used(said):
        if level not in levels:
            known = ", ".join(said["levels"])
            raise lined.fault(path, f"expected one of the levels {known}, got {level!r}")


def _levels_used(said: dict[str, Any]) -> Iterator[tuple[list[str | int], str]]:
    if "unlabelled" in said:
        yield ["unlabelled"], said["unlabelled"]
    for name, entry in said["audiences"].items():
        yield ["audiences", name, "clearance"], entry["clearance"]
    for part in ("names", "tlp", "msip"):
        for other, level in said.get("labels", {}).get(part, {}).items():
            yield ["labels", part, other], level
    if "level" in said.get("pii", {}):
        yield ["pii", "level"], said["pii"]["level"]
    for part in ("sources", "sections"):
        for place, entry in enumerate(said.get(part, [])):
            yield [part, place, "level"], entry["level"]
    yield from levels_of_rules(said)
    yield from levels_of_transformations(said)


def _check_names(lined: LinedYaml) -> None:
    """Ids are said once, and failures speak of audiences that exist."""
    said = lined.value
    seen: dict[str, int] = {}
    for part in ("sources", "sections", "rules", "transformations"):
        for place, entry in enumerate(said.get(part, [])):
            name = entry["id"]
            if name in seen:
                raise lined.fault([part, place, "id"], f"{name!r} is taken, see line {seen[name]}")
            seen[name] = lined.line([part, place, "id"])
    known = {*said["audiences"], UNNAMED_AUDIENCE}
    for kind, entry in said.get("failures", {}).items():
        for name in entry if isinstance(entry, dict) else ():
            if name not in known:
                raise lined.fault(
                    ["failures", kind, name],
                    f"expected one of the audiences {', '.join(sorted(known))}, got {name!r}",
                )


def _check_numbers(lined: LinedYaml) -> None:
    threshold = lined.value.get("pii", {}).get("threshold", 0)
    if not 0 <= threshold <= 1:  # no bound of a schema keeps out what is not a number
        raise lined.fault(["pii", "threshold"], f"expected 0 to 1, got {threshold}")
    seconds = lined.value.get("limits", {}).get("judge_seconds", JUDGE_SECONDS)
    if not 0 < seconds < inf:
        raise lined.fault(["limits", "judge_seconds"], f"expected seconds above 0, got {seconds}")


def _failures(said: dict[str, Any]) -> Failures:
    """One action for a kind is that of every audience, named or not."""
    everybody = {*said["audiences"], UNNAMED_AUDIENCE}
    return Failures(
        {
            (kind, name): Action(action)
            for kind, entry in said.get("failures", {}).items()
            for name, action in (
                entry if isinstance(entry, dict) else dict.fromkeys(everybody, entry)
            ).items()
        }
    )


def _audience(name: str, entry: dict[str, Any]) -> Audience:
    return Audience(
        name,
        entry["clearance"],
        frozenset(entry.get("compartments", ())),
        groups=frozenset(entry.get("groups", ())),
    )
