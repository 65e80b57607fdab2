"""What the record of readings promises."""

from __future__ import annotations

import threading
from dataclasses import replace
from typing import Any

import pytest

from ragtrace.errors import StoreError
from ragtrace.model import digest
from ragtrace.store import ITSELF, OWNER, Access, Store
from ragtrace.store._readings import Reading, Readings
from tests.engine import content, flow, span, store

__all__ = ["store"]  # the fixture

ANN = Access("ann", frozenset({"read"}), frozenset({"internal"}), None)


def _filled(store: Store) -> None:
    store.write([], [content("mine"), content("staff only", level="staff_only")])


def _both() -> list[str]:
    return [digest("mine"), digest("staff only")]


def test_who_read_what_is_on_record_before_it_is_given(store: Store) -> None:
    """By name, with digests and levels, never a text; a text that is refused is counted too."""
    _filled(store)
    assert store.texts(_both(), access=ANN) == {digest("mine"): "mine"}
    (found,) = store.readings(access=OWNER)
    assert (found.reader, found.texts, found.refused) == ("ann", 1, 1)
    assert (found.levels, set(found.digests)) == (("internal",), set(_both()))
    assert "mine" not in repr(found)
    assert store.readings(found.time_ns + 1, access=OWNER) == []


def test_words_that_are_found_are_read(store: Store) -> None:
    """A hit shows a piece of the text."""
    store.write([span(1, flow(0, digest=digest("mine")))], [content("mine")])
    assert len(store.said("mine", access=ANN)) == 1
    assert [one.texts for one in store.readings(access=OWNER)] == [1]


def test_what_is_not_there_is_no_reading(store: Store) -> None:
    """Neither is what the server reads for itself."""
    _filled(store)
    assert store.texts(["0" * 64], access=ANN) == {}
    assert len(store.texts(_both(), access=ITSELF)) == 2
    assert store.readings(access=OWNER) == []


@pytest.mark.parametrize(
    "reader", [ANN, replace(OWNER, tenants=frozenset({"a"})), replace(OWNER, roles=frozenset())]
)
def test_only_who_may_see_everything_sees_readings(store: Store, reader: Access) -> None:
    """Who read what tells what there is."""
    _filled(store)
    store.texts(_both(), access=OWNER)
    assert store.readings(access=reader) == []


def test_a_reading_that_cannot_be_written_down_is_refused(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is shown that is not on record."""
    _filled(store)

    def full(*_: Any) -> Any:
        raise StoreError("store: readings: NOT_ENOUGH_SPACE")

    with monkeypatch.context() as patched:
        patched.setattr(store._engine, "writing", full)
        with pytest.raises(StoreError, match="nothing is shown"):
            store.texts(_both(), access=ANN)
    assert len(store.texts(_both(), access=OWNER)) == 2


def test_readings_that_come_together_are_all_on_record(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In fewer inserts than there are readers, and each once."""
    _filled(store)
    inserts: list[int] = []
    write = Readings._write

    def counted(self: Readings, batch: Any) -> None:
        inserts.append(len(batch))
        write(self, batch)

    monkeypatch.setattr(Readings, "_write", counted)
    readers = [replace(ANN, name=f"reader {number}") for number in range(12)]
    threads = [
        threading.Thread(target=store.texts, args=(_both(),), kwargs={"access": reader})
        for reader in readers
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    found = store.readings(access=OWNER)
    assert sorted(one.reader for one in found) == sorted(reader.name for reader in readers)
    assert sum(inserts) == len(readers)


def test_who_waits_for_another_to_write_is_refused_with_him(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever ends the write of many readings, none of them counts as written down."""
    readings = Readings(store._engine)
    mine, other = (Reading.of(name, [(digest("mine"), "")], []) for name in ("ann", "ben"))

    def broken(*_: Any) -> Any:
        raise ValueError("a name that cannot be sent")

    monkeypatch.setattr(store._engine, "writing", broken)
    readings._waiting.append(other)  # of a thread that waits for its turn
    with pytest.raises(ValueError, match="cannot be sent"):
        readings.note(mine)
    assert other not in readings._waiting and other.id in readings._failed
