"""Every setting, once: its variable, what it accepts, what it means when it is absent."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from math import inf
from typing import Final, Generic, TypeVar

from ragtrace.errors import ConfigError

__all__ = ["SETTINGS", "Config", "Setting", "load"]

T = TypeVar("T")

_TRUE: Final = frozenset({"1", "true", "yes", "on"})
_FALSE: Final = frozenset({"0", "false", "no", "off", ""})

_STORE: Final = ".ragtrace"

_SPOOL_BYTES: Final = 256 * 1024 * 1024
"""Some 50,000 calls of 5 KB: an hour of ten a second and more, and little of a disk."""

_POLICY_RELOAD: Final = 2.0
"""Seconds: asking the file system takes a few microseconds, and nobody who has changed a policy
looks for the effect sooner."""


def _boolean(text: str) -> bool:
    value = text.strip().lower()
    if value in _TRUE:
        return True
    if value in _FALSE:
        return False
    raise ValueError("true or false")


def _content(text: str) -> bool:
    if text not in ("off", "full"):
        raise ValueError("off or full")
    return text == "full"


def _seconds(text: str) -> float:
    try:
        seconds = float(text) if text else _POLICY_RELOAD
    except ValueError:
        seconds = -1.0
    if not 0 <= seconds < inf:
        raise ValueError("a number of seconds, or 0")
    return seconds


def _bytes(text: str) -> int:
    try:
        count = int(text) if text else _SPOOL_BYTES
    except ValueError:
        count = 0
    if count < 1:
        raise ValueError("a number of bytes above 0")
    return count


_NO_NAMES: Final[tuple[str, ...]] = ()


def _names(text: str) -> tuple[str, ...]:
    return tuple(name for part in text.split(",") if (name := part.strip()))


def _optional(text: str) -> str | None:
    return text or None


def _store(text: str) -> str:
    return text or _STORE


@dataclass(frozen=True, slots=True)
class Setting(Generic[T]):
    """One setting: the environment variable, its reading, its default and its help."""

    variable: str
    read: Callable[[str], T]
    default: T
    help: str

    def value(self, environ: Mapping[str, str]) -> T:
        """The value in ``environ``, or the default.

        Raises:
            ConfigError: It is set to something that cannot be read; the value itself is
                not repeated, because a setting may be a secret.
        """
        text = environ.get(self.variable)
        if text is None:
            return self.default
        try:
            return self.read(text)
        except ValueError as expected:
            raise ConfigError(f"{self.variable}: expected {expected}") from None


POLICY: Final = Setting(
    "RAGTRACE_POLICY", _optional, None, "Policy file; without one, only traces."
)
POLICY_RELOAD: Final = Setting(
    "RAGTRACE_POLICY_RELOAD",
    _seconds,
    _POLICY_RELOAD,
    "Seconds from one look at the policy's files to the next; 0 never looks again.",
)
AUDIENCE: Final = Setting(
    "RAGTRACE_AUDIENCE", _optional, None, "Audience of requests that do not name their own."
)
CONTENT: Final = Setting(
    "RAGTRACE_CONTENT",
    _content,
    False,
    "full sends texts, once per digest, as log records; off (default) sends digests only.",
)
OPENINFERENCE: Final = Setting(
    "RAGTRACE_OPENINFERENCE", _boolean, False, "Write OpenInference names beside GenAI ones."
)
INDEX: Final = Setting(
    "RAGTRACE_INDEX", _optional, None, "Directory of a corpus index that prompts are checked with."
)
INDEX_KEY_FILE: Final = Setting(
    "RAGTRACE_INDEX_KEY_FILE", _optional, None, "File that holds the secret of that index."
)
LEDGER: Final = Setting(
    "RAGTRACE_LEDGER", _optional, None, "URL of the Redis that shares the ledger of all processes."
)
LEDGER_KEY_FILE: Final = Setting(
    "RAGTRACE_LEDGER_KEY_FILE", _optional, None, "File with base64 of the 32 bytes it is sealed by."
)
BAGGAGE_KEY_FILE: Final = Setting(
    "RAGTRACE_BAGGAGE_KEY_FILE",
    _optional,
    None,
    "File with base64 of the key, 32 bytes or more, that signs labels between services.",
)
TEXT_FIELDS: Final = Setting(
    "RAGTRACE_TEXT_FIELDS",
    _names,
    _NO_NAMES,
    "Further columns and payload keys, after commas, that hold the text of a record.",
)
TABLES: Final = Setting(
    "RAGTRACE_TABLES",
    _names,
    _NO_NAMES,
    "Tables, after commas, whose rows are judged whatever statement they are read by.",
)
SPOOL: Final = Setting(
    "RAGTRACE_SPOOL",
    _optional,
    None,
    "Directory where telemetry waits for the back end; off writes nothing to disk.",
)
SPOOL_BYTES: Final = Setting(
    "RAGTRACE_SPOOL_BYTES", _bytes, _SPOOL_BYTES, "Most that waits there, of all processes."
)
SPOOL_KEY_FILE: Final = Setting(
    "RAGTRACE_SPOOL_KEY_FILE",
    _optional,
    None,
    "File with base64 of the 32 bytes that seal what waits there; without it no text does.",
)
STORE: Final = Setting(
    "RAGTRACE_STORE", _store, _STORE, "Directory or URL of the store that commands read."
)
VAULT_KEY: Final = Setting(
    "RAGTRACE_VAULT_KEY", _optional, None, "Base64 of the 32-byte key that seals stored texts."
)
VAULT_KEY_FILE: Final = Setting(
    "RAGTRACE_VAULT_KEY_FILE", _optional, None, "File that holds that key instead."
)
VAULT_KEY_COMMAND: Final = Setting(
    "RAGTRACE_VAULT_KEY_COMMAND",
    _optional,
    None,
    "Command, run without a shell, that prints that key; it is given what is in the file.",
)
SEAL_KEY_FILE: Final = Setting(
    "RAGTRACE_SEAL_KEY_FILE",
    _optional,
    None,
    "File with the Ed25519 key (PEM) that seals the chain of decisions and signs evidence.",
)
READ_TOKEN: Final = Setting(
    "RAGTRACE_READ_TOKEN", _optional, None, "Bearer token that the server's reading API asks for."
)
ACCESS: Final = Setting(
    "RAGTRACE_ACCESS", _optional, None, "File of the server's tokens, their roles and clearances."
)

RETENTION: Final = Setting(
    "RAGTRACE_RETENTION", _optional, None, "Days that each level is kept, as public=400d, *=180d."
)

SETTINGS: Final[tuple[Setting[object], ...]] = (
    POLICY,
    POLICY_RELOAD,
    AUDIENCE,
    CONTENT,
    OPENINFERENCE,
    INDEX,
    INDEX_KEY_FILE,
    LEDGER,
    LEDGER_KEY_FILE,
    BAGGAGE_KEY_FILE,
    TEXT_FIELDS,
    TABLES,
    SPOOL,
    SPOOL_BYTES,
    SPOOL_KEY_FILE,
    STORE,
    VAULT_KEY,
    VAULT_KEY_FILE,
    VAULT_KEY_COMMAND,
    SEAL_KEY_FILE,
    READ_TOKEN,
    ACCESS,
    RETENTION,
)  # type: ignore[assignment]  # Setting is invariant; the table is only read


@dataclass(frozen=True, slots=True)
class Config:
    """What the capture side needs to know, resolved once.

    Attributes:
        policy: Path of the policy file.
        audience: Audience of requests that do not name their own.
        content: Whether texts are exported.
        openinference: Whether OpenInference names are written too.
        index: Directory of a corpus index.
        index_key_file: File that holds its secret, where that is not in the directory.
        policy_reload: Seconds from one look at the policy's files to the next; 0 for never.
        ledger: URL of the Redis by which the ledger is shared; it may hold a password.
        ledger_key_file: File that holds the key of what is in it.
        baggage_key_file: File that holds the key that signs labels between services.
        text_fields: Further columns and payload keys that hold the text of a record.
        tables: Tables whose rows are judged whatever statement they are read by.
        spool: Directory where telemetry waits for the back end; ``None`` for the usual place.
        spool_bytes: Most that waits there.
        spool_key_file: File that holds the key that seals what waits there.
    """

    policy: str | None = None
    audience: str | None = None
    content: bool = False
    openinference: bool = False
    index: str | None = None
    index_key_file: str | None = None
    policy_reload: float = _POLICY_RELOAD
    ledger: str | None = field(default=None, repr=False)
    ledger_key_file: str | None = None
    baggage_key_file: str | None = None
    text_fields: tuple[str, ...] = ()
    tables: tuple[str, ...] = ()
    spool: str | None = None
    spool_bytes: int = _SPOOL_BYTES
    spool_key_file: str | None = None


def load(
    *,
    policy: str | None = None,
    audience: str | None = None,
    content: bool | None = None,
    openinference: bool | None = None,
    index: str | None = None,
    ledger: str | None = None,
    environ: Mapping[str, str] | None = None,
) -> Config:
    """Resolve the settings: an argument beats the environment beats the default.

    Raises:
        ConfigError: A variable holds something that cannot be read.
    """
    env = os.environ if environ is None else environ
    return Config(
        policy=policy if policy is not None else POLICY.value(env),
        audience=audience if audience is not None else AUDIENCE.value(env),
        content=content if content is not None else CONTENT.value(env),
        openinference=openinference if openinference is not None else OPENINFERENCE.value(env),
        index=index if index is not None else INDEX.value(env),
        index_key_file=INDEX_KEY_FILE.value(env),
        policy_reload=POLICY_RELOAD.value(env),
        ledger=ledger if ledger is not None else LEDGER.value(env),
        ledger_key_file=LEDGER_KEY_FILE.value(env),
        baggage_key_file=BAGGAGE_KEY_FILE.value(env),
        text_fields=TEXT_FIELDS.value(env),
        tables=TABLES.value(env),
        spool=SPOOL.value(env),
        spool_bytes=SPOOL_BYTES.value(env),
        spool_key_file=SPOOL_KEY_FILE.value(env),
    )
