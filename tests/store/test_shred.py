"""What shredding promises."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from ragtrace.errors import StoreError
from ragtrace.model import digest
from ragtrace.store import OWNER, Retention, Sought, Store
from ragtrace.store._keyring import Keyring
from tests.engine import KEY, ROOT, content, flow, fresh_url, keyring_of, span, store, url_with

__all__ = ["store"]  # the fixture

BY = {"by": "dpo", "reason": "request 17"}


def _opens(opened: Store, *texts: str) -> set[str]:
    return set(opened.texts(map(digest, texts), access=OWNER).values())


def _said(number: int, user: str, *flows: dict[str, Any]) -> Any:
    return span(number, *flows, user__id=user, session__id=f"session of {user}")


def test_a_user_takes_prompts_and_answers_along_and_nobody_elses(store: Store) -> None:
    """Also where two users said the same: the other one still has it."""
    store.write(
        [],
        [
            content("only ann", "completion", subject="user:ann"),
            content("both", "completion", subject="user:ann"),
            content("both", "completion", subject="user:ben"),
            content("only ben", "completion", "public", subject="user:ben"),
        ],
    )
    plan = store.plan_shred("user", "ann")
    assert (plan.texts, plan.count) == ((("internal", 2),), 2)
    assert _opens(store, "only ann", "both", "only ben") == {"only ann", "both", "only ben"}
    record = store.shred("user", "ann", **BY)
    assert (record.texts, record.by, record.reason) == (2, "dpo", "request 17")
    assert "ann" not in record.line
    assert _opens(store, "only ann", "both", "only ben") == {"both", "only ben"}
    gone = store.gone([digest("only ann"), digest("both"), "0" * 64], access=OWNER)
    assert {name: (one.why, one.shred) for name, one in gone.items()} == {
        digest("only ann"): ("shredded", record.id)
    }
    assert store.plan_shred("user", "ann").count == 0


def test_a_passage_of_two_documents_outlives_one(store: Store) -> None:
    """And goes with the second."""
    store.write([], [content("fees", subject=f"document:{name}") for name in "ab"])
    store.shred("document", "a", **BY)
    assert _opens(store, "fees") == {"fees"}
    store.shred("document", "b", **BY)
    assert _opens(store, "fees") == set()
    assert store.said("fees", access=OWNER) == []


def test_a_level_goes_whole_and_may_come_again(store: Store) -> None:
    """Texts of it that come later have another key."""
    texts = [content(f"text {n}", level="secret", subject=f"document:{n}") for n in range(3)]
    store.write([], [*texts, content("stays", subject="document:0")])
    assert store.shred("level", "secret", **BY).texts == 3
    assert _opens(store, "text 0", "text 1", "text 2", "stays") == {"stays"}
    store.write([], [texts[0]])
    assert _opens(store, "text 0", "text 1") == {"text 0"}


def test_what_was_made_from_a_document_goes_with_it_where_that_is_asked_for(store: Store) -> None:
    """Prompts that it was in, answers to them, and what was made from those; nothing else."""
    origin = {"document": "kb/staff", "source": "kb", "digest": digest("staff"), "level": "s"}
    direct = flow(0, document="kb/staff", action="allow")
    later = flow(0, document="answer 1", action="allow", origins=[origin])
    dropped = flow(0, document="kb/staff", action="drop")
    store.write(
        [_said(1, "ann", direct), _said(2, "ann", later), _said(3, "ann", dropped), span(4)],
        [
            content("staff", subject="document:kb/staff"),
            *(
                content(f"{kind} {n}", kind, subject="user:ann")
                for n in range(1, 5)
                for kind in ("prompt", "completion")
            ),
        ],
    )
    alone = store.plan_shred("document", "kb/staff")
    whole = store.plan_shred("document", "kb/staff", derived=True)
    assert (alone.count, whole.count, whole.derived) == (1, 5, 4)
    store.shred("document", "kb/staff", derived=True, **BY)
    names = [f"{kind} {n}" for n in range(1, 5) for kind in ("prompt", "completion")]
    left = {"prompt 3", "completion 3", "prompt 4", "completion 4"}
    assert _opens(store, "staff", *names) == left
    store.write([], [content("completion 1", "completion", subject="user:ann")])
    assert _opens(store, "completion 1") == set(), "a batch that is sent again brings nothing back"
    with pytest.raises(StoreError, match="expected a document or a level"):
        store.plan_shred("user", "ann", derived=True)


def test_a_users_name_is_taken_off_the_rows(store: Store) -> None:
    """Of spans, steps, flows and decisions from before; another user's stay."""
    decided = {"ragtrace__decision__action": "allow"}
    ann = span(1, flow(0), user__id="ann", session__id="s of ann", **decided)
    store.write([ann, span(2, flow(0), user__id="ben", session__id="s of ben", **decided)])
    vault = store._vault
    assert vault is not None
    before = vault.pseudonym("session", "s of ann")
    record = store.shred("user", "ann", **BY)
    reached = [row.flow for row in store.reach(Sought(names=("doc-0",)), access=OWNER).rows]
    for rows in (store.flows(access=OWNER), store.decisions(access=OWNER), reached):
        assert {(row.user, row.session) for row in rows} == {
            (f"shredded-{record.id}", f"shredded-{record.id}"),
            ("ben", "s of ben"),
        }
    told = store.trace(ann.trace_id, access=OWNER)
    assert "ann" not in repr(told)
    assert vault.pseudonym("session", "s of ann") != before
    assert store.stats(access=OWNER).spans == 2


def test_a_backup_from_before_does_not_open_what_was_shredded(store: Store, tmp_path: Path) -> None:
    """Restored beside the keyring: it still says what became of the text, and has no names."""
    store.write(
        [_said(1, "ann", flow(0))],
        [content("ann's", "completion", subject="user:ann"), content("fees", subject="document:a")],
    )
    store.back_up(tmp_path / "copy")
    record = store.shred("user", "ann", **BY)
    with Store.open(url_with(store.keyring), KEY) as other:
        other.restore(tmp_path / "copy")
        assert _opens(other, "ann's", "fees") == {"fees"}
        assert other.gone([digest("ann's")], access=OWNER)[digest("ann's")].shred == record.id
        assert {row.user for row in other.flows(access=OWNER)} == {f"shredded-{record.id}"}
        assert [one.id for one in other.shreds()] == [record.id]


def test_a_keyring_that_is_copied_back_opens_nothing_that_was_shredded() -> None:
    """The store remembers, and has the keys destroyed again."""
    url = fresh_url()
    with Store.open(url, KEY) as opened:
        opened.write([], [content("ann's", subject="user:ann"), content("b", subject="user:b")])
        keys = keyring_of(url)
        shutil.copy(keys, keys.with_suffix(".before"))
        opened.shred("user", "ann", **BY)
    keys.with_suffix(".before").rename(keys)
    with Store.open(url, KEY) as opened:
        assert _opens(opened, "ann's", "b") == {"b"}
        assert opened.plan_shred("user", "ann").keys == ()


@pytest.mark.parametrize("after", ["insert", "_sweep", "swept"])
def test_a_crash_amidst_is_finished_at_the_next_start(
    monkeypatch: pytest.MonkeyPatch, after: str
) -> None:
    """Once the keyring is changed it has happened, and the rest follows."""
    from ragtrace.store import _shred

    def crash(*_: Any) -> None:
        raise StoreError("killed")

    url = fresh_url()
    with Store.open(url, KEY) as opened:
        opened.write([_said(1, "ann", flow(0))], [content("ann's", subject="user:ann")])
        with monkeypatch.context() as patched:
            if after == "insert":
                patched.setattr(_shred.sql, "shred_insert", crash)
            elif after == "_sweep":
                patched.setattr(_shred, "_sweep", crash)
            else:
                patched.setattr(Keyring, "swept", crash)
            with pytest.raises(StoreError, match="killed"):
                opened.shred("user", "ann", **BY)
        assert _opens(opened, "ann's") == set()
    with Store.open(url, KEY) as opened:
        (record,) = opened.shreds()
        assert {row.user for row in opened.flows(access=OWNER)} == {f"shredded-{record.id}"}
        assert opened.stats(access=OWNER).texts == 0


def test_a_crash_before_the_keyring_is_changed_destroys_nothing(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All of it or nothing."""

    def crash(*_: Any) -> None:
        raise StoreError("killed")

    store.write([], [content("ann's", subject="user:ann")])
    monkeypatch.setattr(Keyring, "_puncture", crash)
    with pytest.raises(StoreError, match="killed"):
        store.shred("user", "ann", **BY)
    assert _opens(store, "ann's") == {"ann's"}
    assert store.shreds() == []


def test_what_was_shredded_has_no_words_any_more(store: Store) -> None:
    """Neither is there anything left of it to be found by its words."""
    fees = flow(0, digest=digest("Waive the fees"), action="allow")
    store.write([span(1, fees)], [content("Waive the fees", subject="document:a")])
    assert len(store.said("waive", access=OWNER)) == 1
    store.shred("document", "a", **BY)
    assert store.said("waive", access=OWNER) == []
    rows = store._rows("test", "SELECT Words, Text FROM contents WHERE {may_contents}", {}, OWNER)
    assert rows == [("", "")]


@pytest.mark.parametrize("bad", [{"by": ""}, {"reason": " "}, {"by": "x" * 1001}])
def test_who_and_why_have_to_be_said(store: Store, bad: dict[str, str]) -> None:
    """Or nothing is destroyed."""
    store.write([], [content("fees", subject="document:a")])
    with pytest.raises(StoreError, match="expected 1 to 1000"):
        store.shred("document", "a", **BY | bad)
    assert _opens(store, "fees") == {"fees"}


def test_a_damaged_text_is_named_and_others_open(store: Store) -> None:
    """One entry that was changed takes no other along."""
    store.write([], [content("fees"), content("sound")])
    with store._engine.writing("test") as client:
        client.command(
            "ALTER TABLE contents UPDATE Text = concat(substring(Text, 1, 30), 'x') "
            "WHERE Digest = {digest:String}",
            parameters={"digest": digest("fees")},
            settings={"mutations_sync": 1},
        )
    assert _opens(store, "fees", "sound") == {"sound"}
    gone = store.gone(map(digest, ("fees", "sound")), access=OWNER)
    assert {name: one.why for name, one in gone.items()} == {digest("fees"): "damaged"}


def test_a_key_that_is_in_no_keyring_is_said_to_be_lost() -> None:
    """An older copy of the keyring opens what it knows, and says what it does not."""
    url = fresh_url()
    with Store.open(url, KEY) as opened:
        opened.write([], [content("early", subject="user:a")])
        keys = keyring_of(url)
        shutil.copy(keys, keys.with_suffix(".before"))
        opened.write([], [content("late", subject="user:b")])
    keys.with_suffix(".before").rename(keys)
    with Store.open(url, KEY) as opened:
        assert _opens(opened, "early", "late") == {"early"}
        assert opened.gone([digest("late")], access=OWNER)[digest("late")].why == "key-lost"


def test_keys_go_once_the_last_text_of_a_subject_is_over(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Out of use first, and a day later for ever; what comes meanwhile has another key."""
    from ragtrace.store import _shred

    texts = [content("over", level="short", subject="user:a"), content("stays", subject="user:a")]
    store.write([], texts)
    with store._engine.writing("test") as client:
        client.command(
            "ALTER TABLE contents UPDATE Stored = now() - 864000 WHERE Level = 'short'",
            settings={"mutations_sync": 2},
        )
    used = store.plan_shred("user", "a").keys
    rule = Retention.parse("short=5d")
    store.retain(rule)
    assert _opens(store, "over", "stays") == {"stays"}
    assert store.plan_shred("user", "a").keys == used
    store.write([], [content("new", level="short", subject="user:a")])
    monkeypatch.setattr(_shred, "RETIRED_SECONDS", -10.0)
    store.retain(rule)
    left = store.plan_shred("user", "a").keys
    assert len(set(used) - set(left)) == 1 and len(left) == 2
    assert _opens(store, "over", "stays", "new") == {"stays", "new"}
    (record,) = store.shreds()
    assert (record.kind, record.name) == ("retention", "")


@pytest.mark.parametrize("proof", ["", "0" * 64, "é" * 64])
def test_who_can_write_to_the_database_destroys_no_keys(
    caplog: pytest.LogCaptureFixture, proof: str
) -> None:
    """A record that was made without the keyring counts for nothing, and is told of."""
    from ragtrace.store import Shred
    from ragtrace.store._shred_sql import shred_insert

    url = fresh_url()
    with Store.open(url, KEY) as opened:
        opened.write([], [content("kept", subject="user:a")])
        keys = opened.plan_shred("user", "a").keys
        forged = Shred("f" * 16, 1, "user", "0" * 32, "nobody", "none", 1, keys)
        with opened._engine.writing("test") as client:
            client.insert(**shred_insert(forged, proof))
    with Store.open(url, KEY) as opened:
        assert _opens(opened, "kept") == {"kept"}
        assert opened.shreds() == []
    assert "f" * 16 in caplog.text


KILLED = """
import os, sys
from ragtrace.store import Store, _shred
from tests.engine import KEY, ROOT, content
from tests.store.test_shred import _said, flow

opened = Store.open(sys.argv[1], KEY)
opened.write([_said(1, "ann", flow(0))], [content("ann's", subject="user:ann"), content("b")])
if sys.argv[2] == "before":
    opened._vault.keyring._puncture = lambda *_: os.kill(os.getpid(), 9)
else:
    _shred._sweep = lambda *_: os.kill(os.getpid(), 9)
opened.shred("user", "ann", by="dpo", reason="request 17")
"""
SEEN = """
import sys
from ragtrace.model import digest
from ragtrace.store import OWNER, Retention, Store
from tests.engine import KEY

with Store.open(sys.argv[1], KEY) as opened:
    found = opened.texts([digest("ann's"), digest("b")], access=OWNER)
    print(len(found), len(opened.shreds()), opened.flows(access=OWNER)[0].user[:8])
"""


@pytest.mark.slow
@pytest.mark.parametrize(("when", "seen"), [("before", "2 0 ann"), ("amidst", "1 1 shredded")])
def test_a_process_that_is_killed_leaves_all_or_nothing(
    tmp_path: Path, when: str, seen: str
) -> None:
    """By a signal that nobody can catch; the next start finishes."""
    url = str(tmp_path / "store")
    killed = subprocess.run([sys.executable, "-c", KILLED, url, when], cwd=ROOT, check=False)
    assert killed.returncode == -9
    done = subprocess.run(
        [sys.executable, "-c", SEEN, url], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.stdout.strip() == seen, done.stderr
