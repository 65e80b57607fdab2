"""What ``ragtrace store`` promises."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from ragtrace.cli._store import command
from ragtrace.errors import ConfigError, StoreError
from ragtrace.store import OWNER, Chain, SealKey, Store
from tests.engine import KEY, content, flow, fresh_url, keyring_of, span, url_with


def said(*arguments: str) -> Result:
    return CliRunner().invoke(command, arguments)


def _filled() -> str:
    url = fresh_url()
    with Store.open(url, KEY) as opened:
        opened.write([span(n, flow(0)) for n in range(1, 4)], [content("the fees")])
    return url


def test_a_store_is_copied_and_restored(tmp_path: Path) -> None:
    """By its two commands, texts still sealed; neither needs the key."""
    url, copy = _filled(), str(tmp_path / "copy")
    other = url_with(keyring_of(url))
    made = json.loads(said("backup", copy, "--store", url, "--json").stdout)
    assert made["to"] == copy
    assert made["bytes"] > 0
    done = json.loads(said("restore", copy, "--store", other, "--json").stdout)
    assert done == {"from": copy, "schema": 1, "spans": 3}
    with Store.open(other, KEY) as opened:
        assert len(opened.flows(access=OWNER)) == 3
        assert opened.stats(access=OWNER).texts == 1


@pytest.mark.parametrize("name", ["backup", "restore"])
def test_nothing_is_overwritten(tmp_path: Path, name: str) -> None:
    """A path that is there, and a store with rows, are refused."""
    refused = said(name, str(tmp_path), "--store", _filled())
    assert isinstance(refused.exception, StoreError)


def test_stats_and_check_say_what_is_there() -> None:
    """In JSON, and for a reader."""
    url = _filled()
    assert json.loads(said("stats", "--store", url, "--json").stdout)["flows"] == 3
    assert "flows" in said("stats", "--store", url).stdout
    assert json.loads(said("check", "--store", url, "--json").stdout) == {
        "broken_parts": 0,
        "chains": [],
        "unchained": 0,
        "ok": True,
    }
    assert said("check", "--store", url).stdout == "whole\n"


def test_a_chain_that_was_cut_is_said(tmp_path: Path) -> None:
    """By exit status and in words; one that is whole is said to be sealed."""
    url = fresh_url()
    decided = {"ragtrace__decision__action": "drop"}
    with Store.open(url, KEY) as opened:
        opened.write([span(n, flow(0), **decided) for n in range(1, 4)])
        chain = Chain(opened, SealKey.new(tmp_path / "seal.pem"))
        assert (chain.catch_up(), chain.seal() is not None) == (3, True)
        whole = said("check", "--store", url)
        assert (whole.exit_code, "3 entries, sealed, up to 3" in whole.stdout) == (0, True)
        with opened._engine.writing("test") as client:
            client.command("ALTER TABLE chain DELETE WHERE Seq = 3", settings={"mutations_sync": 2})
        cut = said("check", "--store", url)
        assert (cut.exit_code, "cut off: sealed up to entry 3" in cut.stdout) == (1, True)
        assert "1 decisions have no entry" in cut.stdout


def test_migrate_says_both_versions() -> None:
    """A store that is up to date stays as it is."""
    assert said("migrate", "--store", _filled()).stdout == "schema 1 before, 1 now\n"


def test_retention_is_given_or_set(monkeypatch: pytest.MonkeyPatch) -> None:
    """An argument beats the variable; with neither, nothing is done."""
    url = _filled()
    assert isinstance(said("retain", "--store", url).exception, ConfigError)
    monkeypatch.setenv("RAGTRACE_RETENTION", "*=50d")
    assert json.loads(said("retain", "--store", url, "--json").stdout)["days"] == {
        "*": 50,
        "@spans": 50,
    }
    given = json.loads(said("retain", "public=3d", "--store", url, "--json").stdout)
    assert given["days"] == {"public": 3}


def test_attach_refuses_what_no_collector_made() -> None:
    """In one sentence."""
    assert "otel_traces" in str(said("attach", fresh_url()).exception)
