"""Cedar: a condition in the Cedar policy language, by cedarpy."""

from __future__ import annotations

import json
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

__all__ = ["CedarExpression"]

_SCHEMA: Final = """
entity Audience = {
    name: String, clearance: String, rank: Long, compartments: Set<String>,
    principal?: String, groups: Set<String>, known: Bool
};
entity Content = {
    level: String, rank: Long, compartments: Set<String>, readers?: Set<String>,
    integrity: String, source: String, document: String
};
action read appliesTo { principal: Audience, resource: Content, context: {} };
"""
"""What there is to ask; an expression is held against it when it is read."""

_ACTION: Final = {"type": "Action", "id": "read"}


@dataclass(frozen=True, slots=True)
class CedarExpression:
    """The body of ``permit(principal, action, resource) when { … };``.

    The principal is the audience, under its name; the resource is the content, under its
    document's id.

    Raises:
        MissingDependencyError: On making one: cedarpy is not installed.
        ValueError: On making one: ``text`` is no expression, or speaks of what there is not.
    """

    text: str
    lattice: Lattice = field(repr=False)
    _policies: Any = field(init=False, repr=False, compare=False)
    language: ClassVar[Language] = "cedar"

    def __post_init__(self) -> None:
        object.__setattr__(self, "_policies", _compiled(bounded(self.text)))

    def fits(self, chunk: Chunk, label: Label, audience: Audience) -> bool:
        """Whether it holds.

        Raises:
            ExpressionError: It failed.
        """
        import cedarpy

        content = of_label(label, self.lattice)
        content |= {"source": chunk.source.id, "document": chunk.document.id}
        who = {"type": "Audience", "id": audience.name}
        what = {"type": "Content", "id": chunk.document.id}
        request = {"principal": who, "action": _ACTION, "resource": what, "context": {}}
        entities = [
            {"uid": who, "attrs": of_audience(audience, self.lattice), "parents": []},
            {"uid": what, "attrs": content, "parents": []},
        ]
        try:
            found = cedarpy.is_authorized(request, self._policies, entities)
        except Exception as error:  # its own, and what Rust says of a text that is no Unicode
            raise ExpressionError(f"cedar: {self.text!r} failed: {type(error).__name__}") from None
        # Cedar passes over a policy that fails, which would be a condition that does not fit.
        if found.diagnostics.errors or found.decision is cedarpy.Decision.NoDecision:
            raise ExpressionError(f"cedar: {self.text!r} failed")
        return bool(found.allowed)


def _compiled(text: str) -> Any:
    try:
        # Imported here: only who has a policy that asks in Cedar pays for it.
        import cedarpy
    except ImportError:
        raise MissingDependencyError("cedarpy", "cedar") from None
    policy = f"permit(principal, action, resource) when {{\n{text}\n}};"  # it may end in a comment
    try:
        policies = cedarpy.PolicySet.from_str(policy)
        written = json.loads(cedarpy.policies_to_json_str(policy))["staticPolicies"].values()
        checked = cedarpy.validate_policies(policy, _SCHEMA)
    except ValueError as error:
        raise ValueError(f"not Cedar: {_first_line(error)}") from None
    if [len(one["conditions"]) for one in written] != [1]:
        raise ValueError("expected one Cedar expression, got more of a policy")
    for fault in checked.errors:
        raise ValueError(fault.error.removeprefix("for policy `policy0`, "))
    return policies


def _first_line(error: ValueError) -> str:
    return (str(error).splitlines() or ["no expression"])[0]
