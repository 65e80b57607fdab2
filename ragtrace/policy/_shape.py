"""Shape: whether a file holds what its schema says, or where it does not."""

from __future__ import annotations

from typing import Any

from ragtrace.policy._lines import LinedYaml

__all__ = ["check_shape"]


def check_shape(lined: LinedYaml, schema: dict[str, Any]) -> None:
    """Compare a file with its JSON Schema (draft 2020-12).

    Raises:
        PolicyFileError: It does not fit; the message names the first place that does not.
    """
    # Imported here: only who reads a policy pays for the validator.
    from jsonschema import Draft202012Validator

    errors = sorted(
        Draft202012Validator(schema).iter_errors(lined.value),
        key=lambda error: (lined.line(list(error.absolute_path)), len(error.absolute_path)),
    )
    for error in errors:
        raise lined.fault(list(error.absolute_path), _expected(error))


def _expected(error: Any) -> str:
    if error.validator == "enum":
        return (
            f"expected one of {', '.join(map(str, error.validator_value))}, got {error.instance!r}"
        )
    if error.validator == "additionalProperties" and isinstance(error.instance, dict):
        known = sorted(error.schema.get("properties", {}))
        unknown = [key for key in error.instance if key not in known]
        return f"unknown key {unknown[0]!r}, expected one of {', '.join(known)}"
    if error.validator == "required":
        missing = [key for key in error.validator_value if key not in error.instance]
        return f"{missing[0]!r} is missing"
    if error.validator == "type":
        wanted = error.validator_value
        kinds = wanted if isinstance(wanted, str) else " or ".join(wanted)
        return f"expected {kinds}, got {type(error.instance).__name__}"
    return str(error.message)
