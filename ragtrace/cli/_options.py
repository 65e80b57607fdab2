"""Options that several commands share, and how their values are read."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final, TypeVar

import click

from ragtrace.config import POLICY, STORE

__all__ = ["as_json", "filters", "moment", "policy", "seconds", "since", "store"]

F = TypeVar("F", bound=Callable[..., Any])

_UNITS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)

as_json = click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a table.")

store = click.option(
    "--store",
    envvar=STORE.variable,
    default=STORE.default,
    show_default=True,
    metavar="DIR|URL",
    help="Directory of the store, or clickhouse://… of a server.",
)

policy = click.option(
    "--policy",
    envvar=POLICY.variable,
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    metavar="F",
    help="Policy file that labels what applications without ragtrace have retrieved.",
)


def since(text: str | None) -> int | None:
    """Nanoseconds since the epoch of a point that lies ``text`` (``90s``, ``2h``, ``30d``) ago.

    Raises:
        click.BadParameter: It is not a number and a unit.
    """
    if text is None:
        return None
    try:
        return time.time_ns() - seconds(text) * 1_000_000_000
    except ValueError as error:
        raise click.BadParameter(str(error)) from None


def moment(text: str | None, option: str) -> int | None:
    """Nanoseconds since the epoch of ``30d`` ago, or of an ISO 8601 time, without a zone UTC.

    Raises:
        click.BadParameter: It is neither.
    """
    if text is None or re.fullmatch(r"\d+[a-z]", text, re.ASCII):
        return since(text)
    try:
        given = datetime.fromisoformat(text)
        given = given if given.tzinfo is not None else given.replace(tzinfo=UTC)
        nanoseconds = (given - _EPOCH) // timedelta(microseconds=1) * 1000
    except (ValueError, OverflowError):
        nanoseconds = -1
    if not 0 <= nanoseconds < 2**63:
        raise click.BadParameter(
            f"{text!r}: expected a period as in 30d, or an ISO 8601 time", param_hint=option
        )
    return nanoseconds


def seconds(text: str) -> int:
    """Seconds in ``90s``, ``2h``, ``30d``.

    Raises:
        ValueError: It is not a number and a unit.
    """
    match = re.fullmatch(r"(\d{1,6})([smhdw])", text, re.ASCII)
    if match is None:
        raise ValueError(f"{text!r}: expected a number and s, m, h, d or w, as in 30d")
    return int(match[1]) * _UNITS[match[2]]


def filters(command: F) -> F:
    """The options that narrow a list of flows."""
    for name, text in (
        ("--session", "Only of this session."),
        ("--stage", "Only judged at retrieval, or found in a prompt."),
        ("--action", "Only with this decision."),
        ("--level", "Only of this level."),
        ("--document", "Only of this document."),
        ("--source", "Only from this source."),
        ("--audience", "Only for this audience."),
        ("--since", "Only of the last 90s, 2h, 30d …"),
    ):
        kind = click.Choice(["retrieval", "prompt"]) if name == "--stage" else None
        command = click.option(name, type=kind, help=text)(command)
    return command
