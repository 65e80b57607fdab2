"""Where: the line of a policy file in which whatever decides is said."""

from __future__ import annotations

from ragtrace.policy._lines import LinedYaml

__all__ = ["lines_of"]


def lines_of(data: bytes, name: str = "policy.yaml") -> dict[str, int]:
    """The lines of a policy file's rules by their ids, and of what decides where none does.

    That is ``otherwise``, ``clearance`` (where the audiences are), the kinds of ``failures`` and
    ``policy-in-shadow``, each as far as the file says it.

    Args:
        data: What a policy file holds that ``parse_policy`` can read.
        name: The file's path, for messages.

    Raises:
        PolicyFileError: It is not YAML.
    """
    lined = LinedYaml.parse(data, name)
    said = lined.value
    found = {"clearance": lined.line(["audiences"])}
    if "otherwise" in said:
        found["otherwise"] = lined.line(["otherwise"])
    if said.get("mode") == "shadow":
        found["policy-in-shadow"] = lined.line(["mode"])
    found |= {kind: lined.line(["failures", kind]) for kind in said.get("failures", {})}
    rules = enumerate(said.get("rules", []))
    return found | {rule["id"]: lined.line(["rules", place, "id"]) for place, rule in rules}
