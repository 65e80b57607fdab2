"""What ``ragtrace vault`` promises."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from ragtrace.cli._vault import command
from ragtrace.errors import StoreError
from ragtrace.model import digest
from ragtrace.store import OWNER, Store
from tests.engine import KEY, content, fresh_url, span

WHO = ["--by", "dpo", "--reason", "request 17"]


@pytest.fixture
def url(monkeypatch: pytest.MonkeyPatch) -> str:
    """A store with texts of two users."""
    monkeypatch.setenv("RAGTRACE_VAULT_KEY", base64.b64encode(KEY).decode())
    made = fresh_url()
    with Store.open(made, KEY) as opened:
        opened.write([], [content(f"{u}'s", subject=f"user:{u}") for u in ("ann", "ben")])
    return made


def said(*arguments: str, answer: str = "") -> Result:
    return CliRunner().invoke(command, arguments, input=answer)


def _opens(url: str, key: bytes = KEY) -> set[str]:
    with Store.open(url, key) as opened:
        return set(opened.texts([digest("ann's"), digest("ben's")], access=OWNER).values())


def test_it_says_how_many_and_asks_before_it_shreds(url: str) -> None:
    """No is no; a dry run asks nothing and does nothing."""
    dry = said("shred", "--user", "ann", "--dry-run", "--store", url, "--json")
    assert json.loads(dry.stdout)["texts"] == {"internal": 1}
    no = said("shred", "--user", "ann", *WHO, "--store", url, answer="n\n")
    assert no.exit_code == 1 and "shred 1 texts" in no.stderr
    assert _opens(url) == {"ann's", "ben's"}
    yes = said("shred", "--user", "ann", *WHO, "--yes", "--store", url, "--json")
    record = json.loads(yes.stdout)
    assert (record["texts"], record["reason"]) == (1, "request 17")
    assert _opens(url) == {"ben's"}
    told = json.loads(said("list", "--store", url, "--json").stdout)
    assert [one["id"] for one in told] == [record["id"]]
    assert "request 17" in said("list", "--store", url).stdout
    levels = json.loads(said("status", "--store", url, "--json").stdout)
    assert levels == [{"level": "internal", "keys": 1, "texts": 1, "gone": 1}]
    assert "internal" in said("status", "--store", url).stdout


@pytest.mark.parametrize(
    "arguments",
    [
        WHO,
        ["--user", "ann", "--label", "internal", *WHO],
        ["--user", "ann", "--by", "dpo"],
        ["--user", "ann", "--reason", "request 17", "--yes"],
    ],
)
def test_what_and_who_and_why_have_to_be_said(url: str, arguments: list[str]) -> None:
    """One thing at a time; or nothing is destroyed, exit status 2."""
    assert said("shred", *arguments, "--store", url).exit_code == 2
    assert _opens(url) == {"ann's", "ben's"}


def test_readings_are_listed(url: str) -> None:
    """Who and how many."""
    _opens(url)
    (found,) = json.loads(said("readings", "--since", "1h", "--store", url, "--json").stdout)
    assert (found["reader"], found["texts"]) == ("owner", 2)
    assert "owner" in said("readings", "--store", url).stdout


def test_the_root_key_is_rotated(url: str, tmp_path: Path) -> None:
    """With a file; texts open with the new key and no other."""
    file = tmp_path / "new.key"
    file.write_text(base64.b64encode(KEY[::-1]).decode())
    file.chmod(0o600)
    assert said("rotate", "--store", url).exit_code == 2
    done = said("rotate", "--new-key-file", str(file), "--store", url, "--json")
    assert json.loads(done.stdout)["entries"] > 3
    assert _opens(url, KEY[::-1]) == {"ann's", "ben's"}
    with pytest.raises(StoreError, match="another key"):
        _opens(url)


@pytest.mark.parametrize("name", ["trace", "replay"])
def test_a_trace_says_what_became_of_its_texts(url: str, name: str) -> None:
    """Shredded on a day, and not merely missing."""
    from importlib import import_module

    shows = import_module(f"ragtrace.cli._{name}").command
    call = span(1, user__id="ann", ragtrace__completion__digest=digest("ann's"))
    with Store.open(url, KEY) as opened:
        opened.write([call])
        opened.shred("user", "ann", by="dpo", reason="request 17")
    shown = CliRunner().invoke(shows, [call.trace_id, "--store", url]).stdout
    assert "shredded on 2" in " ".join(shown.split())
