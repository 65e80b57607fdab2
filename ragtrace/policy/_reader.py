"""Reader: a policy file becomes a policy, or an error that names file and line."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from functools import cache, partial
from importlib.resources import files
from pathlib import Path
from typing import Any

from ragtrace.errors import MissingDependencyError, PolicyFileError
from ragtrace.labels import (
    MAX_REGISTRY_LINE,
    AccessList,
    FlowLabel,
    LabelKeys,
    Labeller,
    Lattice,
    Mark,
    PiiFinder,
    PiiRule,
    Registry,
    SectionRule,
    SensitivityLabels,
    SourceRule,
)
from ragtrace.model import Action, Audience, Label, digest
from ragtrace.policy._lines import LinedYaml
from ragtrace.policy._policy import DEFAULT_REFUSAL, Policy
from ragtrace.policy._rule import Rule
from ragtrace.policy._shape import check_shape

__all__ = ["PolicyNeedsExtraError", "parse_policy", "read_policy", "schema"]


class PolicyNeedsExtraError(PolicyFileError, MissingDependencyError):
    """A policy asks for an optional part that is not installed.

    It is both: who installs things reads the pip line, and whoever fails closed on a policy
    that cannot be used does so on this one too.
    """


@cache
def schema() -> dict[str, Any]:
    """The published JSON Schema of policy files (draft 2020-12)."""
    text = (files("ragtrace.policy") / "policy.schema.json").read_text("utf-8")
    found: dict[str, Any] = json.loads(text)
    return found


def read_policy(path: str | Path) -> Policy:
    """The policy in the file at ``path``.

    Raises:
        PolicyFileError: It, or a file that it names, cannot be read or is not what it should
            be; the message names the file, the line and what was expected.
        PolicyNeedsExtraError: It asks for an optional part that is not installed.
    """
    try:
        data = Path(path).read_bytes()
    except OSError as error:
        raise PolicyFileError(f"{path}: {error.strerror or error}") from None
    return parse_policy(data, str(path))


def parse_policy(data: bytes, name: str = "policy.yaml") -> Policy:
    """The policy that ``data`` spells.

    Args:
        data: What a policy file holds.
        name: The file's path. It stands in messages, and what the policy names is beside it.

    Raises:
        PolicyFileError: As for ``read_policy``.
        PolicyNeedsExtraError: As for ``read_policy``.
    """
    lined = LinedYaml.parse(data, name)
    check_shape(lined, schema())
    said = lined.value
    _check_levels(lined)
    _check_names(lined)
    _check_numbers(lined)
    lattice = Lattice(tuple(said["levels"]))
    return Policy(
        lattice=lattice,
        labeller=_labeller(lined, lattice),
        audiences={name: _audience(name, entry) for name, entry in said["audiences"].items()},
        rules=tuple(
            _rule(entry, lined.line(["rules", place, "id"]))
            for place, entry in enumerate(said.get("rules", []))
        ),
        otherwise=Action(said.get("otherwise", Action.BLOCK)),
        mode=said.get("mode", "enforce"),
        on_block=said.get("on_block", "raise"),
        refusal=said.get("refusal", DEFAULT_REFUSAL),
        digest=digest(data.decode("utf-8")),
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
    for place, entry in enumerate(said.get("rules", [])):
        for level in _several(entry.get("when", {}).get("label", [])):
            yield ["rules", place, "when", "label"], level


def _check_names(lined: LinedYaml) -> None:
    """Ids are said once, and rules speak of audiences that exist."""
    said = lined.value
    seen: dict[str, int] = {}
    for part in ("sources", "sections", "rules"):
        for place, entry in enumerate(said.get(part, [])):
            name = entry["id"]
            if name in seen:
                raise lined.fault([part, place, "id"], f"{name!r} is taken, see line {seen[name]}")
            seen[name] = lined.line([part, place, "id"])
    known = set(said["audiences"]) | {"unknown"}
    for place, entry in enumerate(said.get("rules", [])):
        for name in _several(entry.get("when", {}).get("audience", [])):
            if name not in known:
                raise lined.fault(
                    ["rules", place, "when", "audience"],
                    f"expected one of the audiences {', '.join(sorted(known))}, got {name!r}",
                )


def _check_numbers(lined: LinedYaml) -> None:
    threshold = lined.value.get("pii", {}).get("threshold", 0)
    if not 0 <= threshold <= 1:  # no bound of a schema keeps out what is not a number
        raise lined.fault(["pii", "threshold"], f"expected 0 to 1, got {threshold}")


def _labeller(lined: LinedYaml, lattice: Lattice) -> Labeller:
    said = lined.value
    keys, plain = said.get("labels", {}), LabelKeys()
    return Labeller(
        lattice=lattice,
        keys=LabelKeys(
            level=tuple(keys.get("level_keys", plain.level)),
            tenant=keys.get("tenant_key", plain.tenant),
            ranges=keys.get("ranges_key", plain.ranges),
            names=tuple(keys.get("names", {}).items()),
            tlp=tuple(keys.get("tlp", {}).items()),
        ),
        sources=tuple(
            SourceRule(
                id=entry["id"],
                label=_label(entry),
                source=entry["match"].get("source"),
                uri=entry["match"].get("uri"),
                metadata=tuple(entry["match"].get("metadata", {}).items()),
            )
            for entry in said.get("sources", [])
        ),
        sections=tuple(
            SectionRule(entry["id"], entry["heading"], _label(entry))
            for entry in said.get("sections", [])
        ),
        unlabelled=said.get("unlabelled", lattice.strictest),
        marks=tuple(_marks(lined)),
        registry=_registry(lined, lattice),
        pii=_pii(lined, lattice),
    )


def _marks(lined: LinedYaml) -> Iterator[Mark]:
    keys = lined.value.get("labels", {})
    if "msip" in keys:
        seen: dict[str, str] = {}
        for name in keys["msip"]:
            if seen.setdefault(name.lower(), name) != name:
                raise lined.fault(["labels", "msip", name], f"{name!r} is said twice")
        yield SensitivityLabels(tuple(keys["msip"].items()))
    if keys.get("mcp_ifc"):
        yield FlowLabel()
    if keys.get("acl_keys"):
        yield AccessList(tuple(keys["acl_keys"]))


def _registry(lined: LinedYaml, lattice: Lattice) -> Registry | None:
    """The registry that is named; one that cannot be read makes the policy unreadable."""
    named = lined.value.get("registry")
    if named is None:
        return None
    path = Path(lined.name).parent / named
    try:
        if path.exists() and not path.is_file():  # a pipe or a device may never end
            raise lined.fault(["registry"], f"{path}: expected a file")
        with path.open("rb") as file:
            # A line too long is cut in two; the first half is refused for its length.
            lines = iter(partial(file.readline, MAX_REGISTRY_LINE + 1), b"")
            return Registry.parse(lines, str(path), lattice)
    except (OSError, ValueError) as error:  # a name with a zero byte is a ValueError
        why = getattr(error, "strerror", None) or error
        raise lined.fault(["registry"], f"{path}: {why}") from None


def _pii(lined: LinedYaml, lattice: Lattice) -> PiiFinder | None:
    said = lined.value.get("pii")
    if said is None:
        return None
    try:
        return PiiFinder(PiiRule(**said | {"entities": tuple(said["entities"])}), lattice)
    except MissingDependencyError:
        raise PolicyNeedsExtraError("presidio-analyzer", "pii") from None


def _label(entry: dict[str, Any]) -> Label:
    return Label(entry["level"], frozenset(entry.get("compartments", ())))


def _audience(name: str, entry: dict[str, Any]) -> Audience:
    return Audience(
        name,
        entry["clearance"],
        frozenset(entry.get("compartments", ())),
        groups=frozenset(entry.get("groups", ())),
    )


def _rule(entry: dict[str, Any], line: int) -> Rule:
    when = entry.get("when", {})
    return Rule(
        id=entry["id"],
        action=Action(entry["decide"]),
        levels=frozenset(_several(when.get("label", []))),
        audiences=frozenset(_several(when.get("audience", []))),
        source=when.get("source"),
        document=when.get("document"),
        mode=entry.get("mode", "enforce"),
        reason=entry.get("reason", ""),
        line=line,
    )


def _several(value: str | Sequence[str]) -> Sequence[str]:
    return [value] if isinstance(value, str) else value
