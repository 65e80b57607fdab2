"""What settings promise: each is read, and a bad value is named without being repeated."""

from __future__ import annotations

from typing import Any

import pytest

from ragtrace.config import SETTINGS, Config, Setting, load
from ragtrace.errors import ConfigError

READ: dict[str, list[tuple[str, Any]]] = {
    "RAGTRACE_POLICY": [("p.yaml", "p.yaml"), ("", None)],
    "RAGTRACE_POLICY_RELOAD": [("0", 0.0), ("0.5", 0.5), ("", 2.0)],
    "RAGTRACE_AUDIENCE": [("customer", "customer"), ("", None)],
    "RAGTRACE_CONTENT": [("full", True), ("off", False)],
    "RAGTRACE_OPENINFERENCE": [
        *((text, True) for text in ("1", "true", "YES", " on ")),
        *((text, False) for text in ("0", "False", "no", "off", "")),
    ],
    "RAGTRACE_INDEX": [("/srv/index", "/srv/index"), ("", None)],
    "RAGTRACE_INDEX_KEY_FILE": [("/run/index.key", "/run/index.key"), ("", None)],
    "RAGTRACE_LEDGER": [("redis://cache:6379/2", "redis://cache:6379/2"), ("", None)],
    "RAGTRACE_LEDGER_KEY_FILE": [("/run/ledger.key", "/run/ledger.key"), ("", None)],
    "RAGTRACE_BAGGAGE_KEY_FILE": [("/run/baggage.key", "/run/baggage.key"), ("", None)],
    "RAGTRACE_SPOOL": [("/srv/spool", "/srv/spool"), ("off", "off"), ("", None)],
    "RAGTRACE_SPOOL_BYTES": [("1000", 1_000), ("", 256 * 1024 * 1024)],
    "RAGTRACE_SPOOL_KEY_FILE": [("/run/spool.key", "/run/spool.key"), ("", None)],
    "RAGTRACE_STORE": [("http://x:1", "http://x:1"), ("", ".ragtrace")],
    "RAGTRACE_VAULT_KEY": [("a2V5", "a2V5"), ("", None)],
    "RAGTRACE_VAULT_KEY_FILE": [("/run/key", "/run/key"), ("", None)],
    "RAGTRACE_VAULT_KEY_COMMAND": [("kms decrypt", "kms decrypt"), ("", None)],
    "RAGTRACE_TEXT_FIELDS": [("remark, answer,", ("remark", "answer")), ("", ())],
    "RAGTRACE_TABLES": [("notes,app.notes", ("notes", "app.notes")), ("", ())],
    "RAGTRACE_SEAL_KEY_FILE": [("/run/seal.pem", "/run/seal.pem"), ("", None)],
    "RAGTRACE_READ_TOKEN": [("t0ken", "t0ken"), ("", None)],
    "RAGTRACE_ACCESS": [("/run/access.yaml", "/run/access.yaml"), ("", None)],
    "RAGTRACE_RETENTION": [("public=400d", "public=400d"), ("", None)],
}
BAD = {
    "RAGTRACE_CONTENT": ("on", "RAGTRACE_CONTENT: expected off or full"),
    "RAGTRACE_OPENINFERENCE": ("hunter2", "RAGTRACE_OPENINFERENCE: expected true or false"),
    "RAGTRACE_POLICY_RELOAD": (
        "hunter2",
        "RAGTRACE_POLICY_RELOAD: expected a number of seconds, or 0",
    ),
    "RAGTRACE_SPOOL_BYTES": (
        "hunter2",
        "RAGTRACE_SPOOL_BYTES: expected a number of bytes above 0",
    ),
}
ENVIRONMENT = {
    "RAGTRACE_POLICY": "p.yaml",
    "RAGTRACE_AUDIENCE": "customer",
    "RAGTRACE_CONTENT": "full",
    "RAGTRACE_OPENINFERENCE": "yes",
}


@pytest.mark.parametrize("setting", SETTINGS, ids=lambda setting: setting.variable)
def test_every_setting_is_read(setting: Setting[object]) -> None:
    """Each value it takes gives what it says; absent, it has its default."""
    assert setting.value({}) == setting.default
    assert setting.help.endswith(".")
    for text, value in READ[setting.variable]:
        assert setting.value({setting.variable: text}) == value


def test_every_setting_stands_once() -> None:
    """No two settings share a variable, and all carry the prefix."""
    variables = [setting.variable for setting in SETTINGS]
    assert len(set(variables)) == len(variables)
    assert all(variable.startswith("RAGTRACE_") for variable in variables)
    assert set(variables) == set(READ)


@pytest.mark.parametrize("variable", BAD)
def test_a_bad_value_is_not_repeated(variable: str) -> None:
    """The message names the variable and what was expected; the value may be a secret."""
    value, message = BAD[variable]
    with pytest.raises(ConfigError) as caught:
        load(environ={variable: value})
    assert str(caught.value) == message
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__


@pytest.mark.parametrize("seconds", ["-1", "nan", "inf", "1e999", "2s"])
def test_seconds_that_are_none(seconds: str) -> None:
    """Neither less than none, nor for ever, nor no number."""
    with pytest.raises(ConfigError, match="RAGTRACE_POLICY_RELOAD: expected a number of seconds"):
        load(environ={"RAGTRACE_POLICY_RELOAD": seconds})


def test_the_environment_beats_the_default() -> None:
    """What is set counts; what is not has its default."""
    assert load(environ={}) == Config()
    assert load(environ=ENVIRONMENT) == Config("p.yaml", "customer", True, True)


def test_an_argument_beats_the_environment() -> None:
    """Also one that says no, and also where the variable could not be read."""
    given = {"policy": "q.yaml", "audience": "staff", "content": False, "openinference": False}
    assert load(environ=ENVIRONMENT, **given) == Config("q.yaml", "staff", False, False)
    assert load(environ={"RAGTRACE_CONTENT": "on"}, content=False) == Config()


def test_the_process_environment_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without an environment given it is the process's own."""
    monkeypatch.setenv("RAGTRACE_AUDIENCE", "staff")
    assert load().audience == "staff"
