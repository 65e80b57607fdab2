"""What can go wrong, in the words of the person who has to put it right."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ragtrace.model import Decision

__all__ = [
    "ConfigError",
    "CorpusIndexError",
    "DeclassificationError",
    "LedgerUnreachableError",
    "MissingDependencyError",
    "PolicyBlocked",
    "PolicyFileError",
    "RagtraceError",
    "RegistryFileError",
    "StoreError",
    "WireError",
]

DISTRIBUTION = "ragtrace-otel"


class RagtraceError(Exception):
    """Any error of ragtrace's own; the user's exceptions are never wrapped in one."""


class ConfigError(RagtraceError):
    """A setting has a value ragtrace cannot use."""


class PolicyFileError(RagtraceError):
    """A policy file cannot be used; the message names file, line and what was expected."""


class RegistryFileError(PolicyFileError):
    """The registry that a policy names cannot be used; the message names file and line."""


class LedgerUnreachableError(RagtraceError):
    """The ledger that several processes share does not answer."""


class DeclassificationError(RagtraceError):
    """A text cannot be declassified so, or none was; nothing was recorded."""


class WireError(RagtraceError):
    """Bytes from outside are not the telemetry they claim to be."""


class CorpusIndexError(RagtraceError):
    """A corpus index cannot be opened, read or written; the message names the file."""


class StoreError(RagtraceError):
    """The store cannot be opened, read or written."""


class MissingDependencyError(RagtraceError):
    """An optional part is not installed; the message ends in the pip line that installs it.

    Args:
        what: The package that was looked for.
        extra: The extra of this distribution that brings it.
    """

    def __init__(self, what: str, extra: str) -> None:
        super().__init__(
            f"{what} is not installed, and this needs it: pip install '{DISTRIBUTION}[{extra}]'"
        )


class PolicyBlocked(Exception):
    """The policy refused this request before the model was called.

    It is an ``Exception`` and not an error of ragtrace's: it is the answer the policy
    gave. The message holds no document text.

    Args:
        decision: The decision that refused, with its rule and reason.
    """

    def __init__(self, decision: Decision) -> None:
        super().__init__(f"blocked by policy rule {decision.rule!r}: {decision.reason}")
        self.decision = decision
