"""What a bundle of evidence promises: it proves what it says, and it is not a second leak."""

from __future__ import annotations

import base64
import json
import re
import zipfile
from io import BytesIO
from pathlib import Path

import pytest

from ragtrace.errors import StoreError
from ragtrace.forensics import verify
from ragtrace.model import digest
from ragtrace.store import OWNER, Access, Chain, SealKey, Store, TraceNotFoundError, traces_of
from tests.engine import flow, fresh_url, span, store
from tests.forensics import bundles
from tests.forensics.bundles import Made, made

__all__ = ["store"]

SECRETS = (
    *(bundles.SECRET.strip(), "LANTERN-11", bundles.TOLD, bundles.USER, bundles.SESSION),
    *(bundles.READER, bundles.REASON, "alice", "bob@"),
    *(digest(bundles.SECRET), digest(bundles.TOLD), bundles.prompt(bundles.SECRET)[0]),
    *(digest(name) for name in (bundles.USER, bundles.SESSION, bundles.READER)),
)


@pytest.fixture
def full(store: Store, tmp_path: Path) -> Made:
    return made(store, tmp_path)


def report(bundle: bytes, *keys: SealKey) -> verify.Report:
    return verify.verify(bundle, [key.public for key in keys])


def kinds(bundle: bytes, *keys: SealKey) -> set[str]:
    return {fault.kind for fault in report(bundle, *keys).faults}


def test_a_bundle_proves_itself_to_who_has_the_key(full: Made) -> None:
    """Every file, entry, head and text of it was looked at."""
    found = report(full.bundle(), full.key)
    assert found.faults == []
    assert found.ok
    assert (found.counts["traces"], found.counts["decisions"]) == (3, 3)
    assert found.counts["texts"] == 3
    assert found.counts["heads"] >= 2


def test_the_same_question_is_the_same_bytes(full: Made) -> None:
    """To the last one, and an ordinary ZIP file."""
    bundle = full.bundle()
    assert bundle == full.bundle()
    with zipfile.ZipFile(BytesIO(bundle)) as opened:
        assert opened.testzip() is None
        assert sorted(opened.namelist()) == opened.namelist()
        assert opened.read("TLP.txt") == b"TLP:AMBER\n"


def test_no_secret_is_anywhere_in_a_bundle(full: Made) -> None:
    """No text, name, reason or plain digest above the clearance: read as it is and as base64."""
    files = verify.read_files(full.bundle())
    payload = json.loads(files[verify.ENVELOPE])["payload"]
    everything = [*files.values(), base64.b64decode(payload)]
    for data in [*everything]:
        for run in re.findall(rb"[A-Za-z0-9+/]{16,}", data):
            everything.append(base64.b64decode(run[: len(run) // 4 * 4]))
    for secret in SECRETS:
        for form in (secret, json.dumps(secret)[1:-1]):
            assert not any(form.encode() in data for data in everything), secret
    assert any(digest(bundles.PUBLIC).encode() in data for data in everything)


def test_texts_are_there_up_to_the_clearance(full: Made) -> None:
    """A prompt whole; what is above is said to be missing, and joins by what stands for it."""
    tree = bundles.trees(verify.read_files(full.bundle()))
    shown = {one["kind"]: one for one in tree["texts.json"]}
    assert shown["chunk"]["text"] == bundles.PUBLIC
    assert shown["completion"]["text"] == bundles.ANSWER
    assert bundles.ASKED in shown["prompt"]["messages"][1][1]
    why = {one["commitment"]: one["why"] for one in tree["manifest.json"]["missing"]}
    step = tree[f"traces/{2:032x}.json"]["decisions"][0]
    assert why[step["flows"][0]["text"]] == "above-clearance"
    assert step["flows"][1]["text"] == shown["chunk"]["commitment"]
    assert "not-kept" in why.values()


def test_more_is_there_for_who_may_have_more_and_asks(full: Made) -> None:
    """Both: levels that are asked for and the levels of who asks."""
    levels = ("public", "staff_only")
    files = verify.read_files(full.bundle(clearance="staff_only", levels=levels))
    assert b"LANTERN-11" in files["texts.json"]
    reader = Access("r", frozenset({"read"}), frozenset({"public"}), None)
    narrow = full.bundle(clearance="staff_only", levels=levels, access=reader)
    assert b"LANTERN-11" not in narrow
    assert report(narrow, full.key).ok


def test_what_was_shredded_is_said_to_be(full: Made) -> None:
    """And what is left still verifies, names standing as they did."""
    before = json.loads(verify.read_files(full.bundle())[f"traces/{1:032x}.json"])
    full.store.shred("document", "cards.md", by="dpo", reason="request 17")
    full.store.shred("user", bundles.USER, by="dpo", reason="request 18")
    bundle = full.bundle()
    found = report(bundle, full.key)
    assert found.ok and not any("otherwise" in note for note in found.notes), found
    tree = bundles.trees(verify.read_files(bundle))
    assert tree["texts.json"] == []
    assert "shredded" in {one["why"] for one in tree["manifest.json"]["missing"]}
    assert tree[f"traces/{1:032x}.json"]["decisions"] == before["decisions"]


def test_nothing_is_read_where_no_text_is_asked_for(full: Made) -> None:
    """Which is what a bundle holds unless it is said."""
    tree = bundles.trees(verify.read_files(full.bundle(clearance="", levels=())))
    assert tree["texts.json"] == []


def test_a_passage_with_a_staff_only_part_is_not_shown(store: Store, tmp_path: Path) -> None:
    """Whatever level it was filed under."""
    full = made(store, tmp_path)
    part = {"ranges": [{"start": 0, "end": 5, "level": "staff_only"}]}
    mixed = flow(0, digest=digest(bundles.PUBLIC), level="public", **part)
    store.write([span(20, mixed, **bundles.DECIDED)])
    bundle = full.bundle(traces=(f"{1:032x}", f"{20:032x}"))
    kinds_ = {o["kind"] for o in bundles.trees(verify.read_files(bundle))["texts.json"]}
    assert kinds_ == {"completion"}


def test_a_reader_of_one_tenant_gets_no_other(full: Made) -> None:
    """As if it were not there."""
    reader = Access("r", frozenset({"read"}), None, frozenset({"other"}))
    with pytest.raises(TraceNotFoundError):
        full.bundle(access=reader)


def test_standards_say_the_same(full: Made) -> None:
    """OCSF 2006, PROV and the map, without a text."""
    tree = bundles.trees(verify.read_files(full.bundle()))
    (finding, *_) = tree["findings.ocsf.json"]
    assert (finding["class_uid"], finding["type_uid"], finding["disposition_id"]) == (
        2006,
        200601,
        6,
    )
    assert len(tree["findings.ocsf.json"]) == 3
    derived = tree["prov.json"]["wasDerivedFrom"].values()
    assert {"certain"} == {one["ragtrace:verdict"] for one in derived}
    assert {one["prov:usedEntity"] for one in derived} <= tree["prov.json"]["entity"].keys()
    assert sum(edge["flows"] for edge in tree["map.json"]) == 4


def test_decisions_without_an_entry_are_said(store: Store, tmp_path: Path) -> None:
    """Of a store that nobody has linked; their flows are there all the same."""
    key = SealKey.new(tmp_path / "seal.pem")
    store.write(bundles.others())
    still = Made(store, None, key)  # type: ignore[arg-type]  # nobody links
    found = report(still.bundle(traces=(f"{3:032x}",)), key)
    assert found.ok and found.notes[0] == "1 decisions without an entry"


def test_traces_read_together_are_those_read_alone(full: Made) -> None:
    """To the last flow, spans told twice included."""
    full.store.write([bundles.call(2, digest("later"), bundles.TOLD, bundles.secret(0))])
    ids = [f"{n:032x}" for n in (2, 1, 7, 99)]
    together = list(traces_of(full.store, ids, OWNER))
    assert together == [full.store.trace(one, access=OWNER) for one in sorted(ids)[:3]]


def test_too_many_traces_are_refused(full: Made) -> None:
    """And none."""
    with pytest.raises(StoreError, match="expected 1 to"):
        full.bundle(traces=())


def test_without_a_vault_there_is_a_bundle_without_texts(tmp_path: Path) -> None:
    """Names stand under the sealing key then."""
    with Store.open(fresh_url()) as opened:
        key = SealKey.new(tmp_path / "seal.pem")
        opened.write(bundles.others())
        bundle = Made(opened, Chain(opened, key), key).bundle(traces=(f"{3:032x}",))
    assert report(bundle, key).ok
    assert b"alice" not in bundle
