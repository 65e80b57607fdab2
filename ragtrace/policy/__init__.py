"""What may happen: policy file, rules, decisions, redaction."""

from ragtrace.policy._case import (
    Case,
    Coverage,
    Difference,
    Expectation,
    Outcome,
    coverage,
    label_as,
    try_case,
)
from ragtrace.policy._cases import (
    UNNAMED_SOURCE,
    cases_beside,
    cases_schema,
    parse_cases,
    read_cases,
)
from ragtrace.policy._explanation import Explanation, Standing, Tried, Unmet, explain
from ragtrace.policy._found import ENFORCED_RUN, PART_FOUND, label_found
from ragtrace.policy._judge import judge_found
from ragtrace.policy._lines import LinedYaml
from ragtrace.policy._lint import Concern, lint
from ragtrace.policy._policy import DEFAULT_REFUSAL, OnBlock, Policy
from ragtrace.policy._readable import without_readable
from ragtrace.policy._reader import parse_policy, read_policy, schema
from ragtrace.policy._redaction import (
    REDACTED,
    protected,
    redact_chunk,
    redact_messages,
    restricted,
)
from ragtrace.policy._rule import Rule
from ragtrace.policy._ruling import judge

__all__ = [
    "DEFAULT_REFUSAL",
    "ENFORCED_RUN",
    "PART_FOUND",
    "REDACTED",
    "UNNAMED_SOURCE",
    "Case",
    "Concern",
    "Coverage",
    "Difference",
    "Expectation",
    "Explanation",
    "LinedYaml",
    "OnBlock",
    "Outcome",
    "Policy",
    "Rule",
    "Standing",
    "Tried",
    "Unmet",
    "cases_beside",
    "cases_schema",
    "coverage",
    "explain",
    "judge",
    "judge_found",
    "label_as",
    "label_found",
    "lint",
    "parse_cases",
    "parse_policy",
    "protected",
    "read_cases",
    "read_policy",
    "redact_chunk",
    "redact_messages",
    "restricted",
    "schema",
    "try_case",
    "without_readable",
]
