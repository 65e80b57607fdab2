"""Retention: how long what has a label is kept, and what goes when that is over.

Flows go by their own level, spans and what flows share when no level would keep them any longer,
decisions never unless it is said. A text goes once the period of its level has passed since it came
and since anything last used it, so that an unexpired prompt keeps its passages, and no longer than
they may.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from ragtrace.errors import ConfigError

__all__ = ["Retention", "retain"]

REST: Final = "*"
"""Every level that is not named."""
SPANS: Final = "@spans"
DECISIONS: Final = "@decisions"
MOST_DAYS: Final = 36_500
"""A hundred years: the engine's clock ends in 2106."""

_RULE: Final = re.compile(r"(\*|@?[A-Za-z0-9_][A-Za-z0-9_.:/-]{0,63})\s*=\s*(\d{1,5})d", re.ASCII)
_FLOWS: Final = ("flows", "reached", "derived")


@dataclass(frozen=True, slots=True)
class Retention:
    """Days that things are kept; what has no rule is kept for ever.

    Attributes:
        levels: By level, and ``*`` for every other.
        spans: Of spans, ``None`` for as long as any level may be.
        decisions: Of decisions, ``None`` for ever.
    """

    levels: Mapping[str, int] = field(default_factory=dict)
    spans: int | None = None
    decisions: int | None = None

    @classmethod
    def parse(cls, text: str) -> Retention:
        """Read ``public=400d, staff_only=90d, *=180d, @decisions=3650d``.

        Raises:
            ConfigError: It is something else, or names something twice.
        """
        days: dict[str, int] = {}
        for rule in filter(None, (part.strip() for part in text.split(","))):
            match = _RULE.fullmatch(rule)
            name = match[1] if match else ""
            known = not name.startswith("@") or name in (SPANS, DECISIONS)
            if match is None or not known or not 1 <= int(match[2]) <= MOST_DAYS or name in days:
                raise ConfigError(
                    f"retention: {rule[:80]!r}: expected each level once and its days, as in "
                    "public=400d, *=180d, @spans=180d, @decisions=3650d"
                )
            days[name] = int(match[2])
        spans, decisions = days.pop(SPANS, None), days.pop(DECISIONS, None)
        return cls(days, spans, decisions)

    def as_json(self) -> dict[str, int]:
        """Give the rules as they are in force, by name."""
        given = {SPANS: self._of_spans(), DECISIONS: self.decisions}
        return {**self.levels, **{name: days for name, days in given.items() if days is not None}}

    def of_tables(self) -> dict[str, list[str]]:
        """For each table, what of it expires, as the engine's TTL clauses."""
        levels = [f"{_after(days)} DELETE WHERE {_of(level, self)}" for level, days in self._each()]
        return {
            **dict.fromkeys(_FLOWS, levels),
            "otel_traces": _whole(self._of_spans()),
            "steps": _whole(self._longest()),
            "decisions": _whole(self.decisions),
        }

    def _each(self) -> list[tuple[str, int]]:
        return sorted(self.levels.items())

    def _of_spans(self) -> int | None:
        return self._longest() if self.spans is None else self.spans

    def _longest(self) -> int | None:
        """Days after which no level keeps anything; ``None`` where one keeps it for ever."""
        return max(self.levels.values()) if REST in self.levels else None


def retain(client: Any, retention: Retention) -> None:
    """Have the engine keep to ``retention`` from now on, and remove the texts that are over."""
    for table, clauses in retention.of_tables().items():
        defined = str(client.query(_DEFINED, parameters={"table": table}).result_rows[0][0])
        if clauses:
            # What is over goes at the next merge; nothing is rewritten now.
            client.command(
                f"ALTER TABLE {table} MODIFY TTL {', '.join(clauses)}",
                settings={"materialize_ttl_after_modify": 0},
            )
        elif " TTL " in defined:
            client.command(f"ALTER TABLE {table} REMOVE TTL")
    for level, days in retention._each():
        condition = _of(level, retention)
        for statement in (_EMPTY_TEXTS, _FORGET_TEXTS):
            client.command(
                statement.replace("{level}", condition),
                parameters={"days": days},
                settings={"mutations_sync": 1},
            )


_DEFINED: Final = """
SELECT engine_full FROM system.tables WHERE database = currentDatabase() AND name = {table:String}
"""

_OVER: Final = "Stored < now() - toIntervalDay({days:UInt32}) AND {level}"
_NOT_USED: Final = """
AND Digest NOT IN (
    SELECT arrayJoin([Digest, PromptDigest, CompletionDigest]) FROM flows WHERE {lately}
)
AND Digest NOT IN (
    SELECT arrayJoin([PromptDigest, CompletionDigest]) FROM decisions WHERE {lately}
)
"""
_EMPTY_TEXTS: Final = (
    f"ALTER TABLE contents UPDATE Text = '', Words = '', Gone = 1 WHERE Gone = 0 AND {_OVER}"
    + _NOT_USED.replace("{lately}", "Timestamp >= now() - toIntervalDay({days:UInt32})")
)
"""What is left of a text says that there was one, for as long as anything names it."""
_FORGET_TEXTS: Final = f"DELETE FROM contents WHERE Gone = 1 AND {_OVER}" + _NOT_USED.replace(
    "{lately}", "1"
)


def _after(days: int) -> str:
    return f"toDateTime(Timestamp) + toIntervalDay({days})"


def _whole(days: int | None) -> list[str]:
    return [_after(days)] if days is not None else []


def _of(level: str, retention: Retention) -> str:
    # A name holds letters, digits and a few signs, no quote: it was read by _RULE.
    if level != REST:
        return f"Level = '{level}'"
    named = ", ".join(f"'{name}'" for name in sorted(retention.levels) if name != REST)
    return f"Level NOT IN ({named})" if named else "1"
