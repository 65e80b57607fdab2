"""Whatever is done to a bundle of evidence is found, and named."""

from __future__ import annotations

import json
import random
import re
import zipfile
from contextlib import suppress
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ragtrace.errors import StoreError
from ragtrace.forensics import _evidence, signed_by, verify
from ragtrace.model import digest
from ragtrace.store import SealKey, Store
from tests.engine import KEY, fresh_url, store
from tests.forensics import bundles
from tests.forensics.bundles import Made, made

__all__ = ["store"]


@pytest.fixture
def full(store: Store, tmp_path: Path) -> Made:
    return made(store, tmp_path)


def report(bundle: bytes, *keys: SealKey) -> verify.Report:
    return verify.verify(bundle, [key.public for key in keys])


def kinds(bundle: bytes, *keys: SealKey) -> set[str]:
    return {fault.kind for fault in report(bundle, *keys).faults}


@dataclass(frozen=True)
class One:
    """A bundle, and the key that signed it."""

    bundle: bytes
    key: SealKey


@pytest.fixture(scope="module")
def one(tmp_path_factory: pytest.TempPathFactory) -> One:
    """A bundle that no test changes."""
    with Store.open(fresh_url(), KEY) as opened:
        full = made(opened, tmp_path_factory.mktemp("bundle"))
        return One(full.bundle(), full.key)


def resealed(one: One, change: Any) -> bytes:
    """A bundle whose own signer changed what is in it: only what it says can give it away."""
    files = verify.read_files(one.bundle)
    del files[verify.ENVELOPE]
    manifest = json.loads(files.pop(verify.MANIFEST))
    change(files, manifest)
    return _evidence._signed(_evidence._with_manifest(files, manifest), [], one.key)


def lines(files: dict[str, bytes]) -> tuple[str, list[bytes]]:
    """The longest stretch of the chain."""
    name = max((name for name in files if name.startswith("chain/")), key=lambda n: len(files[n]))
    return name, files[name].splitlines(keepends=True)


def on_lines(change: Any) -> Any:
    def changed(files: dict[str, bytes], _: Any) -> None:
        name, found = lines(files)
        files[name] = b"".join(change(found))

    return changed


def edited(name: str, change: Any) -> Any:
    def changed(files: dict[str, bytes], _: Any) -> None:
        tree = json.loads(files[name])
        change(tree)
        files[name] = json.dumps(tree).encode()

    return changed


FORGED = [
    (on_lines(lambda found: [*found[:2], *found[3:]]), "entry-missing"),
    (on_lines(lambda found: found[:-1]), "tail-cut"),
    (on_lines(lambda found: [*found[:3], found[2], *found[3:]]), "entry-inserted"),
    (on_lines(lambda found: [*found[:1], found[2], found[1], *found[3:]]), "entry-missing"),
    (on_lines(lambda f: [*f[:2], f[2].replace(b'"supersedes":""', b'"supersedes":"x"'), *f[3:]]),
     "entry-changed"),
    (on_lines(lambda f: [line.replace(b"\\\"drop\\\"", b"\\\"allow\\\"") for line in f]),
     "entry-changed"),
    (on_lines(lambda f: [re.sub(rb'"time":"1', b'"time":"2', f[0]), *f[1:]]), "head"),
    (edited(f"traces/{1:032x}.json",
            lambda t: t["decisions"][0]["flows"][0].update(line='{"level":"public"}')), "flows"),
    (edited(f"traces/{2:032x}.json", lambda t: t["decisions"][0]["flows"].pop()), "flows"),
    (edited("texts.json", lambda t: t[0].update(salt="00" * 16)), "text"),
    (lambda files, _: files.update({"policy.yaml": b"version: 2\n"}), "policy"),
    (lambda _, said: said["decisions"].append(["1", "a", "b"]), "decision"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("change", "kind"), FORGED, ids=[f"{n}-{k}" for n, (_, k) in enumerate(FORGED)]
)
def test_what_a_signer_changed_does_not_hold_together(one: One, change: Any, kind: str) -> None:
    """Also who has the key cannot leave out, add, reorder or rewrite without making it all anew."""
    assert kinds(resealed(one, lambda *_: None), one.key) == set()
    assert kind in kinds(resealed(one, change), one.key)


def test_a_store_that_was_tampered_with_gives_a_bundle_that_says_so(full: Made) -> None:
    """The export goes on; the verifier names the entry."""
    full.bundle()
    with full.store._engine.writing("test") as client:
        client.command(
            "ALTER TABLE chain UPDATE Body = replace(Body, 'drop', 'allow') WHERE Seq = 5",
            settings={"mutations_sync": 2},
        )
    assert "entry-changed" in kinds(full.bundle(), full.key)


def test_flows_told_otherwise_since_are_listed(full: Made) -> None:
    """Where nobody linked the new ones: they are shown, and not as what was decided about."""
    old = full.bundle()
    changed = bundles.call(1, digest("x"), bundles.ANSWER, {**bundles.public(), "level": "staff"})
    full.store.write([changed])
    still = Made(full.store, None, full.key)  # type: ignore[arg-type]  # nobody links
    found = report(still.bundle(), full.key)
    assert found.ok and any("told otherwise since" in note for note in found.notes)
    assert still.bundle() != old


def test_a_wrong_key_no_key_and_another_signer_are_named(full: Made, tmp_path: Path) -> None:
    """A bundle cannot vouch for itself."""
    other = SealKey.new(tmp_path / "other.pem")
    bundle = full.bundle()
    assert kinds(bundle, other) == kinds(bundle) == {"signer"}
    assert not report(bundle).ok
    again = signed_by(bundle, other)
    assert kinds(again, full.key) == {"signer"}
    assert report(again, other).ok
    assert report(again, other).signer == other.id
    with pytest.raises(StoreError, match="expected a bundle"):
        signed_by(b"PK", other)


def rezipped(files: dict[str, bytes]) -> bytes:
    return verify.archive(files)


def tampered(bundle: bytes, dice: random.Random, other: SealKey) -> bytes:
    """One of five kinds of tampering, anywhere."""
    at, to = dice.randrange(len(bundle)), dice.randrange(len(bundle))
    kind = dice.choice(["flip", "cut", "insert", "swap", "re-sign", "file", "drop", "add"])
    files = verify.read_files(bundle)
    name = dice.choice(sorted(files))
    if kind == "flip":
        return bundle[:at] + bytes([bundle[at] ^ (1 << dice.randrange(8))]) + bundle[at + 1 :]
    if kind == "cut":
        return bundle[: min(at, to)] + bundle[max(at, to) + 1 :]
    if kind == "insert":
        return bundle[:at] + dice.randbytes(1 + to % 40) + bundle[at:]
    if kind == "swap":
        length = 1 + dice.randrange(64)
        one, two = sorted((at, to))
        a, b = bundle[one : one + length], bundle[two : two + length]
        swapped = bundle[:one] + b + bundle[one + length : two] + a + bundle[two + length :]
        return swapped if swapped != bundle else bundle[:-1]
    if kind == "re-sign":
        return signed_by(bundle, other)
    if kind == "drop":
        return rezipped({n: data for n, data in files.items() if n != name})
    if kind == "add":
        return rezipped({**files, f"{name}.orig": files[name]})
    place = at % len(files[name])
    changed = bytearray(files[name])
    changed[place] ^= 1 << dice.randrange(8)
    return rezipped({**files, name: bytes(changed)})


def test_two_hundred_tamperings_are_two_hundred_faults(one: One, tmp_path: Path) -> None:
    """Each is detected, and each is named."""
    bundle, other = one.bundle, SealKey.new(tmp_path / "other.pem")
    dice = random.Random(20261121)
    found = [report(tampered(bundle, dice, other), one.key) for _ in range(200)]
    assert sum(not one.ok for one in found) == 200
    assert all(one.faults and all(fault.said for fault in one.faults) for one in found)


@given(st.data())
def test_no_byte_can_be_changed(one: One, data: st.DataObject) -> None:
    """Of the archive, its directory, or any file."""
    bundle, key = one.bundle, one.key.public
    at = data.draw(st.integers(0, len(bundle) - 1))
    put = data.draw(st.binary(max_size=3).filter(lambda put: put != bundle[at : at + 1]))
    found = verify.verify(bundle[:at] + put + bundle[at + 1 :], [key])
    assert not found.ok
    assert found.faults


@given(st.data())
def test_the_verifier_never_raises(one: One, data: st.DataObject) -> None:
    """On files of any content under the names of a bundle, signed or not."""
    files = verify.read_files(one.bundle)
    for name in data.draw(st.sets(st.sampled_from(sorted(files)), min_size=1)):
        json_ = st.recursive(
            st.none() | st.booleans() | st.integers() | st.text(max_size=5),
            lambda inner: (
                st.lists(inner, max_size=3)
                | st.dictionaries(st.sampled_from(WORDS), inner, max_size=4)
            ),
        )
        files[name] = data.draw(
            st.binary(max_size=60) | json_.map(lambda t: json.dumps(t).encode())
        )
    report = verify.verify(verify.archive(files), [one.key.public])
    assert not report.ok
    with suppress(ValueError, TypeError, KeyError, AttributeError, IndexError, RecursionError):
        verify._contents(files, verify.Report())  # as if it had been signed


WORDS = (
    *("chain", "after", "heads", "seq", "hash", "body", "decisions", "flows", "line", "text"),
    *("files", "policy", "missing", "payload", "signatures", "subject", "digest", "name"),
)


@given(st.binary(max_size=400))
def test_any_bytes_are_an_answer(data: bytes) -> None:
    """Never a traceback."""
    assert not verify.verify(data, []).ok
    assert not verify.verify(b"PK\x03\x04" + data, []).ok


def hostile() -> dict[str, bytes]:
    """Archives that somebody made by hand."""
    made_: dict[str, bytes] = {}
    for name, build in {
        "bomb": lambda z: z.writestr("a", b"0" * 10_000_000, zipfile.ZIP_DEFLATED),
        "climbing": lambda z: z.writestr("../../etc/passwd", b"x"),
        "absolute": lambda z: z.writestr("/etc/passwd", b"x"),
        "twice": lambda z: (z.writestr("a", b"1"), z.writestr("a", b"2")),
        "hidden": lambda z: z.writestr(".ssh/id", b"x"),
        "windows": lambda z: z.writestr("a\\..\\b", b"x"),
    }.items():
        buffer = BytesIO()
        with zipfile.ZipFile(buffer, "w") as opened:
            build(opened)
        made_[name] = buffer.getvalue()
    return made_


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize("name", ["bomb", "climbing", "absolute", "twice", "hidden", "windows"])
def test_a_hostile_archive_is_refused_and_nothing_is_unpacked(name: str) -> None:
    """The verifier writes no file, and inflates nothing."""
    assert kinds(hostile()[name]) & {"archive"}
