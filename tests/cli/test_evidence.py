"""What ``ragtrace evidence`` promises."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from ragtrace.cli._evidence import TLP, command
from ragtrace.errors import ConfigError, StoreError
from ragtrace.forensics import TLP as LIGHTS
from ragtrace.forensics import verify
from ragtrace.store import SealKey, Store
from tests.engine import KEY, fresh_url
from tests.forensics import bundles


def said(*arguments: str) -> Result:
    return CliRunner().invoke(command, [str(one) for one in arguments])


@pytest.fixture
def key(tmp_path: Path) -> Path:
    made = said("key", "new", "--out", tmp_path / "seal.pem")
    assert made.exit_code == 0 and "BEGIN PUBLIC KEY" in made.stdout
    return tmp_path / "seal.pem"


@pytest.fixture
def url(tmp_path: Path, key: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A store with decisions that nobody has linked, and what its commands need."""
    monkeypatch.setenv("RAGTRACE_SEAL_KEY_FILE", str(key))
    monkeypatch.setenv("RAGTRACE_VAULT_KEY", "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=")
    found = fresh_url()
    with Store.open(found, KEY) as opened:
        opened.write(bundles.others())
    (tmp_path / "policy.yaml").write_text(bundles.POLICY)
    return found


def test_a_bundle_is_made_and_verified(tmp_path: Path, key: Path, url: str) -> None:
    """By two commands; the second needs the public key alone."""
    out = tmp_path / "b.zip"
    ids = (f"{3:032x}", f"{4:032x}")
    made = said("export", *ids, "--store", url, "--out", out, "--json")
    assert made.exit_code == 0, made
    tree = json.loads(made.stdout)
    assert (tree["traces"], tree["faults"], tree["signer"]) == (2, [], SealKey.read(key).id)
    assert out.stat().st_mode & 0o777 == 0o600
    public = tmp_path / "public.pem"
    public.write_text(json.loads(said("key", "show", key, "--json").stdout)["pem"])
    proved = said("verify", out, "--key", public)
    assert (proved.exit_code, proved.stdout.splitlines()[-1]) == (0, "proved")
    unsure = said("verify", out, "--json")
    assert (unsure.exit_code, json.loads(unsure.stdout)["ok"]) == (1, False)
    assert said("verify", tmp_path / "none.zip").exit_code == 2
    again = said("export", *ids, "--store", url, "--out", out)
    assert "is there already" in str(again.exception)


@pytest.mark.parametrize("which", [("--since", "9000d"), ("--reach", "doc-0")])
def test_traces_are_chosen_by_time_and_by_what_reached_them(
    tmp_path: Path, url: str, which: tuple[str, str]
) -> None:
    """With texts up to a level of the policy, which is in the bundle."""
    out, policy = tmp_path / "b.zip", tmp_path / "policy.yaml"
    asked = ("--clearance", "public", "--policy", str(policy), "--tlp", "amber+strict")
    made = said("export", *which, *asked, "--store", url, "--out", out)
    assert made.exit_code == 0, made
    assert "9 traces" in made.stdout
    files = verify.read_files(out.read_bytes())
    assert files["policy.yaml"] == bundles.POLICY.encode()
    assert files["TLP.txt"] == b"TLP:AMBER+STRICT\n"
    assert json.loads(files["manifest.json"])["levels"] == ["public"]


def test_another_key_signs_where_one_is_given(tmp_path: Path, url: str) -> None:
    """The chain stays sealed with its own."""
    said("key", "new", "--out", tmp_path / "mine.pem")
    mine = SealKey.read(tmp_path / "mine.pem")
    options = ("--store", url, "--out", tmp_path / "b.zip", "--key", tmp_path / "mine.pem")
    made = json.loads(said("export", f"{3:032x}", *options, "--json").stdout)
    assert made["signer"] == mine.id
    assert said("verify", tmp_path / "b.zip", "--key", mine.public.hex()).exit_code == 0


def test_a_store_is_linked_and_sealed_without_a_server(url: str, key: Path) -> None:
    """Once; and its head can be published."""
    first = json.loads(said("seal", "--store", url, "--json").stdout)
    assert (first["added"], first["seq"]) == (9, 9)
    assert "0 decisions linked" in said("seal", "--store", url).stdout
    (head,) = json.loads(said("heads", "--store", url, "--json").stdout)["heads"]
    assert (head["seq"], head["chain"]) == (9, SealKey.read(key).id)
    assert head["hash"] in said("heads", "--store", url).stdout


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ((), "expected ids of traces"),
        (("abcd", "--since", "3d"), "expected ids of traces"),
        (("abcd", "--clearance", "public"), "--clearance needs --policy"),
    ],
)
def test_what_is_not_enough_is_said(tmp_path: Path, arguments: Any, expected: str) -> None:
    """As a usage error, before a store is opened."""
    refused = said("export", *arguments, "--out", tmp_path / "b.zip", "--store", tmp_path / "none")
    assert (refused.exit_code, expected in refused.output) == (2, True)
    assert not (tmp_path / "none").exists()


def test_what_cannot_be_done_is_said(tmp_path: Path, url: str) -> None:
    """A level that is none, nothing found, and a store without the key of its names."""
    options = ("--store", url, "--out", str(tmp_path / "b.zip"))
    policy = ("--policy", str(tmp_path / "policy.yaml"), "--clearance", "secret")
    wrong = said("export", f"{3:032x}", *policy, *options)
    assert isinstance(wrong.exception, ConfigError)
    assert "expected one of public, staff_only" in str(wrong.exception)
    none = said("export", "--reach", "nothing", *options)
    assert isinstance(none.exception, StoreError) and "no trace of nothing" in str(none.exception)
    assert not (tmp_path / "b.zip").exists()


def test_the_key_of_the_names_is_needed(
    tmp_path: Path, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was linked under the vault's key is not shown as changed where that is missing."""
    said("seal", "--store", url)
    monkeypatch.delenv("RAGTRACE_VAULT_KEY")
    refused = said("export", f"{3:032x}", "--store", url, "--out", tmp_path / "b.zip")
    assert "RAGTRACE_VAULT_KEY" in str(refused.exception)


def test_the_marks_are_those_of_the_protocol() -> None:
    """The help page's and the code's."""
    assert TLP == LIGHTS
