"""Grants: the tokens of the access file, and what each may do and see."""

from __future__ import annotations

import hashlib
import hmac
import json
import logging
import re
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any, Final

from ragtrace.errors import ConfigError, PolicyFileError
from ragtrace.policy import LinedYaml, Version, check_shape, version_of
from ragtrace.server._sender import Sender
from ragtrace.store import Access

__all__ = ["Grant", "Grants", "fingerprint", "parse_grants"]

_log = logging.getLogger("ragtrace")

LOOK_SECONDS: Final = 2.0
"""From one look at the file to the next: as a policy's files are looked at."""

_SHA256: Final = re.compile(r"[0-9a-f]{64}")


def fingerprint(token: str) -> bytes:
    """SHA-256 of a token. One of high entropy needs no slower hash: it cannot be guessed."""
    return hashlib.sha256(token.encode("utf-8", "surrogateescape")).digest()


@dataclass(frozen=True, slots=True)
class Grant:
    """One token, as its SHA-256, and what who shows it may do and see.

    Attributes:
        sender: For whom it may send; ``None`` where it may not.
    """

    token: bytes = field(repr=False)
    access: Access
    sender: Sender | None = None


class Grants:
    """Every grant that holds: those given, and those of a file, which is read anew on change.

    Args:
        path: Of the access file, if there is one.
        given: What holds beside it.
        clock: Seconds that only go forwards.

    Raises:
        ConfigError: The file cannot be used; the message names it, the line, and what was
            expected. Later, a file that cannot be used is logged, and the old one holds.
    """

    def __init__(
        self,
        path: str | None = None,
        given: Iterable[Grant] = (),
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._path = path
        self._given = tuple(given)
        self._clock = clock
        self._lock = threading.Lock()
        self._version: Version | None = None
        self._of_file: tuple[Grant, ...] = ()
        self._due = clock() + LOOK_SECONDS
        if path is not None:
            self._read(path)

    def __bool__(self) -> bool:
        """Whether a token is asked for at all."""
        return self._path is not None or bool(self._given)

    def find(self, token: bytes) -> Grant | None:
        """Give the grant of the token with this fingerprint, if one has it."""
        self._look()
        found = None
        for grant in (*self._given, *self._of_file):  # to the end: how long it takes tells nothing
            if hmac.compare_digest(grant.token, token):
                found = grant
        return found

    def _look(self) -> None:
        if self._path is None or self._clock() < self._due:
            return
        with self._lock:
            self._due = self._clock() + LOOK_SECONDS
            if version_of(self._path) == self._version:
                return
            try:
                self._read(self._path)
            except ConfigError as error:
                _log.warning("ragtrace: %s; the access file that was read before holds", error)

    def _read(self, path: str) -> None:
        self._version = version_of(path)
        try:
            data = Path(path).read_bytes()
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or "no such file"
            raise ConfigError(f"{path}: {reason}") from None
        self._of_file = parse_grants(data, path)


def parse_grants(data: bytes, name: str) -> tuple[Grant, ...]:
    """The grants that an access file spells.

    Raises:
        ConfigError: It is not one; the message names file and line, and repeats no token.
    """
    try:
        lined = LinedYaml.parse(data, name)
        check_shape(lined, _schema())
        grants = tuple(_grant(lined, place, entry) for place, entry in enumerate(lined.value))
        for key in ("name", "token_sha256"):
            _check_distinct(lined, key)
    except PolicyFileError as error:
        raise ConfigError(str(error)) from None
    return grants


@cache
def _schema() -> dict[str, Any]:
    text = (files("ragtrace.server") / "access.schema.json").read_text("utf-8")
    found: dict[str, Any] = json.loads(text)
    return found


def _grant(lined: LinedYaml, place: int, entry: dict[str, Any]) -> Grant:
    # Not by the schema: its message would repeat what stands there, which may be the token.
    if not _SHA256.fullmatch(entry["token_sha256"]):
        raise lined.fault(
            [place, "token_sha256"], "expected SHA-256 of the token, 64 digits of 0-9 and a-f"
        )
    access = Access(
        name=entry["name"],
        roles=frozenset(entry["roles"]),
        levels=_some_or_all(entry.get("levels", [])),
        tenants=_some_or_all(entry.get("tenants", [])),
    )
    return Grant(bytes.fromhex(entry["token_sha256"]), access, _sender(lined, place, entry))


def _sender(lined: LinedYaml, place: int, entry: dict[str, Any]) -> Sender | None:
    if not {"ingest", "admin"}.isdisjoint(entry["roles"]):
        services = entry.get("services")
        return Sender(entry.get("tenant", ""), None if services is None else frozenset(services))
    for key in ("tenant", "services"):
        if key in entry:  # tenants is what a reader has: a misread line must not pass
            raise lined.fault([place, key], f"expected only with the role ingest or admin: {key}")
    return None


def _some_or_all(said: list[str] | str) -> frozenset[str] | None:
    return None if said == "all" else frozenset(said)


def _check_distinct(lined: LinedYaml, key: str) -> None:
    seen: set[str] = set()
    for place, entry in enumerate(lined.value):
        if entry[key] in seen:
            raise lined.fault([place, key], "another entry has the same")
        seen.add(entry[key])
