"""Candidate: a policy at hand, with the lines of its file."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from ragtrace.forensics._said import Lines
from ragtrace.policy import Policy, lines_of, read_policy

__all__ = ["Candidate"]


@dataclass(frozen=True, slots=True)
class Candidate:
    """A policy at hand.

    Attributes:
        name: Path of its file, or whatever it is called.
        lines: Where its rules stand in the file.
    """

    policy: Policy
    name: str = "policy.yaml"
    lines: Lines = field(default_factory=dict)

    @classmethod
    def read(cls, path: str | Path) -> Candidate:
        """The policy in the file at ``path``.

        Raises:
            PolicyFileError: It cannot be read or is not what it should be.
        """
        policy = read_policy(path)
        return cls(policy, str(path), lines_of(Path(path).read_bytes(), str(path)))
