"""Settings: whether each can be used, with the policy, the keys and the connections they name."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Final

from ragtrace import config
from ragtrace.capture import Opened
from ragtrace.cli._finding import Finding
from ragtrace.config import Config
from ragtrace.errors import (
    ConfigError,
    CorpusIndexError,
    LedgerUnreachableError,
    MissingDependencyError,
    PolicyFileError,
)
from ragtrace.model import Action
from ragtrace.policy import Policy, read_policy

__all__ = ["policy_findings", "setting_findings"]

DIGEST_SHOWN: Final = 16
"""Characters of a digest in a sentence."""

KEY_FILES: Final = tuple(
    setting.variable
    for setting in config.SETTINGS
    if setting.variable.endswith("_KEY_FILE") and setting is not config.VAULT_KEY_FILE
)
"""Files that only their owner may read; who opens the vault's key looks for itself."""

OTHERS: Final = 0o077
"""Bits of a file's mode that let somebody else than its owner in."""


def policy_findings(path: str | None) -> Iterator[Finding]:
    """Whether the policy can be used, and what it says of what is not covered."""
    name = config.POLICY.variable
    if path is None:
        yield Finding("policy", name, "note", "not set: all is recorded, nothing is kept back")
        return
    try:
        policy = read_policy(path)
    except PolicyFileError as error:
        yield Finding("policy", name, "wrong", str(error))
        return
    closed = [audience for audience in policy.audiences if _closes(policy, audience)]
    refuses = f"refused where something is not covered: {', '.join(closed) or 'nobody'}"
    said = f"{path}: mode {policy.mode}, digest {policy.digest[:DIGEST_SHOWN]}; {refuses}"
    yield Finding("policy", name, "ok", said)


def setting_findings(*, offline: bool = False) -> Iterator[Finding]:
    """Whether every setting that is set can be used; ``offline`` does not ask the ledger."""
    usable = True
    for setting in config.SETTINGS:
        if setting.variable not in os.environ:
            continue
        try:
            setting.value(os.environ)
        except ConfigError as error:
            usable = False
            yield Finding("setting", setting.variable, "wrong", str(error))
    for variable in KEY_FILES:
        yield from _key_file(variable)
    yield from _vault()
    if usable:
        settings = config.load()
        yield from _opened(replace(settings, ledger=None) if offline else settings)


def _closes(policy: Policy, name: str) -> bool:
    audience = policy.audience(name)
    return policy.failures.action("not-covered", audience) is Action.BLOCK


def _key_file(variable: str) -> Iterator[Finding]:
    path = os.environ.get(variable)
    if not path:
        return
    try:
        mode = Path(path).stat().st_mode
    except (OSError, ValueError) as error:
        said = f"{variable}: cannot be read: {type(error).__name__}"
        yield Finding("setting", variable, "wrong", said)
        return
    if mode & OTHERS:
        said = f"{variable}: others can read the file: expected chmod 600"
        yield Finding("setting", variable, "wrong", said)
    else:
        yield Finding("setting", variable, "ok", "only its owner can read the file")


def _vault() -> Iterator[Finding]:
    variables = (
        config.VAULT_KEY.variable,
        config.VAULT_KEY_COMMAND.variable,
        config.VAULT_KEY_FILE.variable,
    )
    name = next((one for one in variables if os.environ.get(one)), None)
    if name is None:
        yield Finding("setting", variables[2], "note", "not set: a server here stores no text")
        return
    try:
        from ragtrace.store import vault_key

        vault_key()
    except ConfigError as error:
        yield Finding("setting", name, "wrong", str(error))
    except ModuleNotFoundError as error:  # an application's environment has no store
        yield Finding("setting", name, "note", f"{error.name} is not installed: not looked at")
    else:
        yield Finding("setting", name, "ok", "holds a key of the right length")


def _opened(settings: Config) -> Iterator[Finding]:
    """The corpus index and the shared ledger, where there are any."""
    try:
        opened = Opened.of(settings, None)
    except (ConfigError, CorpusIndexError, MissingDependencyError) as error:
        about = config.INDEX if isinstance(error, CorpusIndexError) else config.LEDGER
        said = str(error)
        named = said.partition(":")[0] if isinstance(error, ConfigError) else about.variable
        yield Finding("setting", named, "wrong", said)
        return
    if opened.corpus is not None:
        yield Finding("setting", config.INDEX.variable, "ok", "the index can be opened")
    if opened.shared is not None:
        name = config.LEDGER.variable
        try:
            opened.shared.look(lambda entries: None)
        except LedgerUnreachableError as error:
            yield Finding("setting", name, "wrong", str(error))
        else:
            yield Finding("setting", name, "ok", "the shared ledger answers")
        finally:
            opened.shared.close()
