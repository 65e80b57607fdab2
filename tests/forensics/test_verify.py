"""What the verifier promises, which is one file."""

from __future__ import annotations

import base64
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ragtrace.forensics import verify
from ragtrace.store import SealKey, Store
from ragtrace.store._canonical import canonical
from tests.engine import store
from tests.forensics.bundles import Made, made

__all__ = ["store"]


@pytest.fixture
def full(store: Store, tmp_path: Path) -> Made:
    return made(store, tmp_path)


def report(bundle: bytes, *keys: SealKey) -> verify.Report:
    return verify.verify(bundle, [key.public for key in keys])


def kinds(bundle: bytes, *keys: SealKey) -> set[str]:
    return {fault.kind for fault in report(bundle, *keys).faults}


def alone(*arguments: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """The verifier copied elsewhere and run without ragtrace."""
    path = folder / "check.py"
    path.write_bytes(Path(verify.__file__).read_bytes())
    return subprocess.run(
        [sys.executable, "-I", str(path), *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_the_verifier_runs_by_itself(full: Made, tmp_path: Path) -> None:
    """Exit status 0, 1 and 2, in words and in JSON."""
    bundle, public = tmp_path / "b.zip", tmp_path / "public.pem"
    bundle.write_bytes(full.bundle())
    public.write_text(full.key.public_pem())
    proved = alone(str(bundle), "--key", str(public), folder=tmp_path)
    assert (proved.returncode, "proved" in proved.stdout) == (0, True), proved
    assert full.key.id in proved.stdout
    unsure = alone(str(bundle), "--json", folder=tmp_path)
    assert (unsure.returncode, json.loads(unsure.stdout)["ok"]) == (1, False)
    bundle.write_bytes(full.bundle()[:-50])
    assert alone(str(bundle), "--key", full.key.public.hex(), folder=tmp_path).returncode == 1
    none = alone(str(tmp_path / "none.zip"), folder=tmp_path)
    assert (none.returncode, "Traceback" in none.stderr) == (2, False)
    assert alone(str(bundle), "--key", str(bundle), folder=tmp_path).returncode == 2


def test_the_verifier_imports_nothing_of_ours() -> None:
    """The standard library and cryptography."""
    source = Path(verify.__file__).read_text()
    assert not re.search(r"^\s*(from|import) ragtrace", source, re.MULTILINE)
    assert set(re.findall(r"^\s+from (\w+)\.", source, re.MULTILINE)) == {"cryptography"}


@pytest.mark.parametrize(
    ("value", "written"),
    [  # RFC 8785, appendix B, and section 3.2.3's order
        (0.0, "0"),
        (-0.0, "0"),
        (5e-324, "5e-324"),
        (1.7976931348623157e308, "1.7976931348623157e+308"),
        (9007199254740992.0, "9007199254740992"),
        (295147905179352830000.0, "295147905179352830000"),
        (9.999999999999997e22, "9.999999999999997e+22"),
        (1e23, "1e+23"),
        (1.0000000000000001e23, "1.0000000000000001e+23"),
        (999999999999999700000.0, "999999999999999700000"),
        (1e21, "1e+21"),
        (9.999999999999997e-7, "9.999999999999997e-7"),
        (0.000001, "0.000001"),
        (333333333.3333332, "333333333.3333332"),
        (-0.0000033333333333333333, "-0.0000033333333333333333"),
        (1424953923781206.2, "1424953923781206.2"),
        (4.5, "4.5"),
        (2e-3, "0.002"),
        ("€$\x0f\nA'B\"\\\\\"/", '"€$\\u000f\\nA\'B\\"\\\\\\\\\\"/"'),
        ({"€": 1, "\r": 2, "\ufb33": 3, "1": 4, "😀": 5, "\x80": 6, "ö": 7},
         '{"\\r":2,"1":4,"\x80":6,"ö":7,"€":1,"😀":5,"\ufb33":3}'),
        ([56, {"d": True, "10": None, "1": []}], '[56,{"1":[],"10":null,"d":true}]'),
    ],
)  # fmt: skip
def test_canonical_json_is_that_of_the_rfc(value: Any, written: str) -> None:
    """Its own examples."""
    assert verify.canonical(value).decode() == written


names = st.text(st.characters(codec="ascii"), max_size=8)
plain = (
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(st.characters(codec="utf-8"))
)


@given(
    st.dictionaries(
        names,
        st.recursive(plain, lambda inner: st.lists(inner) | st.dictionaries(names, inner)),
    )
)
def test_both_writers_write_the_same(tree: dict[str, Any]) -> None:
    """The store's and the verifier's, which share no line."""
    assert canonical(tree) == verify.canonical(tree)


def test_a_name_in_a_bundle_moves_no_cursor_and_adds_no_line(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """What an untrusted bundle calls its files cannot pass for the verifier's own words."""
    statement = {
        "_type": verify.STATEMENT_TYPE,
        "predicateType": verify.PREDICATE_TYPE,
        "subject": [{"name": "x\nproved\x1b[2K\ud800", "digest": {"sha256": ""}}],
    }
    payload = base64.b64encode(json.dumps(statement).encode()).decode()
    signature = {"keyid": "", "public": "00" * 32, "sig": ""}
    envelope = {"payload": payload, "payloadType": "", "signatures": [signature]}
    bundle = tmp_path / "b.zip"
    bundle.write_bytes(verify.archive({verify.ENVELOPE: canonical(envelope)}))
    assert verify.main([str(bundle)]) == 1
    said = capsys.readouterr().out
    assert "proved" not in said.splitlines() and said.splitlines()[-1] == "NOT PROVED"
    assert said.isascii() and said.replace("\n", "").isprintable()


def test_a_name_of_any_length_is_a_fault() -> None:
    """Also one that grows when it is written down."""
    name = b"\xff" * 20_000
    begin = b"PK\x03\x04" + bytes(22) + len(name).to_bytes(2, "little") + bytes(2)
    (fault,) = verify.verify(begin + name + b"PK\x05\x06").faults
    assert fault.kind == "archive" and "a name of at most" in fault.said
