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
from ragtrace.policy._declassified import record_declassification, record_revocation
from ragtrace.policy._explanation import Explanation, Standing, Tried, Unmet, explain
from ragtrace.policy._expression import ExpressionError
from ragtrace.policy._failures import FailureKind, Failures
from ragtrace.policy._files import Alone, Files, PolicyFile, Version, version_of
from ragtrace.policy._found import (
    ENFORCED_RUN,
    PART_FOUND,
    enforceable,
    label_found,
    labels_found,
)
from ragtrace.policy._judge import judge_found
from ragtrace.policy._lineage import COMPLETION, ancestry, derive, is_authority, says_more
from ragtrace.policy._lines import LinedYaml
from ragtrace.policy._lint import Concern, lint
from ragtrace.policy._memory import Labelled
from ragtrace.policy._policy import DEFAULT_REFUSAL, OnBlock, Policy
from ragtrace.policy._prompt import (
    NOT_TAKEN_OUT,
    TAKEN_OUT,
    TOLD_BEFORE,
    PromptRuling,
    blocked_before,
    decide_failure,
    judge_carried,
    judge_prompt,
    judge_reader,
    overall,
)
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
from ragtrace.policy._ruling import judge, judge_each
from ragtrace.policy._shape import check_shape
from ragtrace.policy._sql import PolicySql, policy_as_sql
from ragtrace.policy._transformations import transformed
from ragtrace.policy._where import lines_of

__all__ = [
    "COMPLETION",
    "DEFAULT_REFUSAL",
    "ENFORCED_RUN",
    "NOT_TAKEN_OUT",
    "PART_FOUND",
    "REDACTED",
    "TAKEN_OUT",
    "TOLD_BEFORE",
    "UNNAMED_SOURCE",
    "Alone",
    "Case",
    "Concern",
    "Coverage",
    "Difference",
    "Expectation",
    "Explanation",
    "ExpressionError",
    "FailureKind",
    "Failures",
    "Files",
    "Labelled",
    "LinedYaml",
    "OnBlock",
    "Outcome",
    "Policy",
    "PolicyFile",
    "PolicySql",
    "PromptRuling",
    "Rule",
    "Standing",
    "Tried",
    "Unmet",
    "Version",
    "ancestry",
    "blocked_before",
    "cases_beside",
    "cases_schema",
    "check_shape",
    "coverage",
    "decide_failure",
    "derive",
    "enforceable",
    "explain",
    "is_authority",
    "judge",
    "judge_carried",
    "judge_each",
    "judge_found",
    "judge_prompt",
    "judge_reader",
    "label_as",
    "label_found",
    "labels_found",
    "lines_of",
    "lint",
    "overall",
    "parse_cases",
    "parse_policy",
    "policy_as_sql",
    "protected",
    "read_cases",
    "read_policy",
    "record_declassification",
    "record_revocation",
    "redact_chunk",
    "redact_messages",
    "restricted",
    "says_more",
    "schema",
    "transformed",
    "try_case",
    "version_of",
    "without_readable",
]
