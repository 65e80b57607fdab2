"""Labelling: the part of a policy that says who labels becomes a labeller."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

from ragtrace.errors import MissingDependencyError, PolicyFileError, RegistryFileError
from ragtrace.labels import (
    MAX_REGISTRY_LINE,
    NAMED,
    AccessList,
    FlowLabel,
    FrontMatter,
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
from ragtrace.model import Label
from ragtrace.policy._files import Files
from ragtrace.policy._lines import LinedYaml

__all__ = ["PolicyNeedsExtraError", "read_labeller"]


class PolicyNeedsExtraError(PolicyFileError, MissingDependencyError):
    """A policy asks for an optional part that is not installed.

    It is both: who installs things reads the pip line, and whoever fails closed on a policy
    that cannot be used does so on this one too.
    """


def read_labeller(
    lined: LinedYaml, lattice: Lattice, files: Files, *, registry: bool = True
) -> Labeller:
    """The labeller that a policy's ``labels``, ``sources``, ``sections`` and so on describe.

    Args:
        lined: The policy file.
        lattice: Its levels.
        files: Opens what the policy names.
        registry: Whether the registry is read.

    Raises:
        PolicyFileError: A file or a model that the policy names cannot be used, or a name is
            said twice.
        PolicyNeedsExtraError: It asks for an optional part that is not installed.
    """
    said = lined.value
    keys = _keys(said.get("labels", {}))
    return Labeller(
        lattice=lattice,
        keys=keys,
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
        registry=_registry(lined, lattice, files) if registry else None,
        pii=_pii(lined, lattice),
        front_matter=_front_matter(said.get("labels", {}), keys),
    )


def _keys(said: dict[str, Any]) -> LabelKeys:
    plain = LabelKeys()
    return LabelKeys(
        level=tuple(said.get("level_keys", plain.level)),
        tenant=said.get("tenant_key", plain.tenant),
        ranges=said.get("ranges_key", plain.ranges),
        names=tuple(said.get("names", {}).items()),
        tlp=tuple(said.get("tlp", {}).items()),
    )


def _front_matter(said: dict[str, Any], keys: LabelKeys) -> FrontMatter | None:
    how = said.get("front_matter", "restricts")
    if how == "ignored":
        return None
    looked_for = (*keys.level, keys.tenant, keys.ranges, *said.get("acl_keys", ()))
    return FrontMatter(tuple(key for key in looked_for if key), labels=how == "labels")


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


def _registry(lined: LinedYaml, lattice: Lattice, files: Files) -> Registry | None:
    """The registry that is named; one that cannot be read makes the policy unreadable."""
    named = lined.value.get("registry")
    if named is None:
        return None
    path = Path(lined.name).parent / named
    try:
        with files.open(path) as file:
            # A line too long is cut in two; the first half is refused for its length.
            lines = iter(partial(file.readline, MAX_REGISTRY_LINE + 1), b"")
            return Registry.parse(lines, str(path), lattice)
    except PolicyFileError as error:
        raise RegistryFileError(str(error)) from None
    except (OSError, ValueError) as error:  # a name with a zero byte is a ValueError
        why = getattr(error, "strerror", None) or error
        raise RegistryFileError(str(lined.fault(["registry"], f"{path}: {why}"))) from None


def _pii(lined: LinedYaml, lattice: Lattice) -> PiiFinder | None:
    """What looks for personal data; a model that cannot be used is known here, at the start."""
    said = lined.value.get("pii")
    if said is None:
        return None
    named = [place for place, kind in enumerate(said["entities"]) if kind in NAMED]
    if named and "model" not in said:
        raise lined.fault(
            ["pii", "entities", named[0]],
            f"only a language model finds {said['entities'][named[0]]}, expected pii.model",
        )
    if "model" in said and not named:
        raise lined.fault(["pii", "model"], f"expected an entity that needs it: {', '.join(NAMED)}")
    rule = PiiRule(**said | {"entities": tuple(said["entities"])})
    try:
        return PiiFinder(rule, lattice, Path(lined.name).parent)
    except MissingDependencyError:
        raise PolicyNeedsExtraError("presidio-analyzer", "pii") from None
    except ValueError as error:
        raise lined.fault(["pii", "model"], str(error)) from None


def _label(entry: dict[str, Any]) -> Label:
    return Label(entry["level"], frozenset(entry.get("compartments", ())))
