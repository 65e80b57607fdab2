"""``ragtrace declassify``: a text released, taken back, or what has been released so far."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import click

from ragtrace.cli import _options
from ragtrace.cli._line import printable, say
from ragtrace.cli._table import console, table
from ragtrace.config import POLICY
from ragtrace.errors import DeclassificationError
from ragtrace.labels import DECLASSIFIED_AT_MOST, Declassification, Revocation
from ragtrace.model import digest
from ragtrace.policy import Policy, read_policy, record_declassification, record_revocation

__all__ = ["command"]

MAX_TEXT: Final = 10_000_000
"""Bytes of a text to be digested; a chunk or an answer has a few thousand."""

DIGEST_SHOWN: Final = 16
"""Characters of a digest in the table; --json gives all."""

_COLUMNS: Final = ("id", "state", "digest", "at most", "expires", "by", "reason")


@click.command("declassify")
@click.argument("what", required=False)
@click.option(
    "--policy",
    "file",
    required=True,
    type=click.Path(dir_okay=False, path_type=Path),
    envvar=POLICY.variable,
    help="Policy that names the file under 'declassified'.",
)
@click.option("--to", metavar="LEVEL", help="Level that the text carries at most.")
@click.option("--compartment", "compartments", multiple=True, help="One that stays; others fall.")
@click.option("--by", metavar="WHO", help="Who does it.")
@click.option("--reason", metavar="WHY", help="Why; without quoting the text.")
@click.option(
    "--expires", metavar="WHEN", help="In 12h, 30d, 2w …, or a date: when it begins, UTC."
)
@click.option("--list", "listed", is_flag=True, help="List what was released, expired ones too.")
@click.option("--revoke", metavar="ID", help="Take a declassification back.")
@_options.as_json
def command(
    what: str | None,
    file: Path,
    to: str | None,
    compartments: tuple[str, ...],
    by: str | None,
    reason: str | None,
    expires: str | None,
    listed: bool,
    revoke: str | None,
    as_json: bool,
) -> None:
    """Release WHAT: the digest of a text, @FILE with the text, or - for it on stdin.

    The text itself is stored nowhere. Applications that use the policy read it within seconds.
    """
    if (what is not None) + listed + (revoke is not None) != 1:
        raise click.UsageError("expected one of WHAT, --list and --revoke ID")
    given = {
        "--to": to,
        "--compartment": compartments,
        "--by": by,
        "--reason": reason,
        "--expires": expires,
    }
    if listed:
        _needed(given)
        _list(read_policy(file), as_json)
    elif revoke is not None:
        by, reason = _needed(given, "--by", "--reason")
        revoked = record_revocation(read_policy(file), revoke, by=by, reason=reason, at=_now())
        _tell(revoked, f"{revoked.id}: {revoke} is revoked", as_json)
    else:
        made = _released(str(what), read_policy(file), given)
        until = _moment(made.expires)
        _tell(made, f"{made.id}: {made.digest} is at most {_label(made)} until {until}", as_json)


def _released(what: str, policy: Policy, given: Mapping[str, Any]) -> Declassification:
    wanted = ("--to", "--by", "--reason", "--expires")
    to, by, reason, expires = _needed(given, *wanted, may="--compartment")
    at = _now()
    return record_declassification(
        policy,
        _digest(what),
        to=to,
        by=by,
        reason=reason,
        at=at,
        expires=_until(expires, at),
        compartments=given["--compartment"],
    )


def _tell(made: Declassification | Revocation, sentence: str, as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps(made.as_json(), indent=2))
    else:
        say(sentence)


def _list(policy: Policy, as_json: bool) -> None:
    if policy.declassified_in is None:
        raise DeclassificationError(
            "the policy keeps no declassifications, expected a file under 'declassified' in it"
        )
    known, now = policy.declassified, _now()
    states = [(one, known.state(one, policy.lattice, now)) for one in known.records]
    if as_json:
        said = {
            "file": policy.declassified_in,
            "head": known.head,
            "declassified": [one.as_json() | {"state": state} for one, state in states],
            "revoked": [one.as_json() for one in known.revocations],
        }
        click.echo(json.dumps(said, indent=2))
        return
    rows = [
        (
            one.id,
            state,
            one.digest[:DIGEST_SHOWN],
            _label(one),
            _moment(one.expires),
            one.by,
            one.reason,
        )
        for one, state in states
    ]
    console().print(table("", _COLUMNS, [[printable(cell) for cell in row] for row in rows]))


def _needed(given: Mapping[str, Any], *names: str, may: str = "") -> list[str]:
    """The values of these options, which must be there; and ``may`` be one more, but no others."""
    for name, value in given.items():
        if name in names and not value:
            raise click.UsageError(f"{name} is missing")
        if value and name not in (*names, may):
            raise click.UsageError(f"{name} goes with WHAT alone")
    return [given[name] for name in names]


def _digest(what: str) -> str:
    if re.fullmatch(r"[0-9a-fA-F]{64}", what):
        return what.lower()
    if what != "-" and not what.startswith("@"):
        # Not a text on the command line: that is in the shell's history, and seen by others.
        raise click.BadParameter(
            "expected a digest of 64 hex digits, @FILE or -", param_hint="WHAT"
        )
    where = what.removeprefix("@")
    try:
        with click.open_file(where, "rb") as file:
            data = file.read(MAX_TEXT + 1)
        text = data.decode("utf-8")
    except OSError as error:
        raise DeclassificationError(f"{where}: {error.strerror or error}") from None
    except UnicodeDecodeError as error:
        raise DeclassificationError(
            f"{where}: expected text in UTF-8, byte {error.start} is not"
        ) from None
    if not text or len(data) > MAX_TEXT:
        raise DeclassificationError(f"{where}: expected 1 to {MAX_TEXT} bytes of text")
    return digest(text)


def _until(text: str, at: datetime) -> datetime:
    try:
        if re.fullmatch(r"\d{4}-\d\d-\d\d", text):
            return datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=UTC)
        return at + timedelta(seconds=_options.seconds(text))
    except (ValueError, OverflowError):
        raise click.BadParameter(
            f"{text!r}: expected 12h, 30d, 2w … or a date as 2026-12-31, at most "
            f"{DECLASSIFIED_AT_MOST.days} days from now",
            param_hint="--expires",
        ) from None


def _now() -> datetime:
    return datetime.now(UTC).replace(microsecond=0)


def _label(made: Declassification) -> str:
    return " + ".join([made.level, *sorted(made.compartments)])


def _moment(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%d %H:%M:%SZ")
