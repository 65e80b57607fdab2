"""What keeping a store promises: backups, retention."""

from __future__ import annotations

import subprocess
import sys
import textwrap
import time
from dataclasses import replace
from pathlib import Path

import pytest

from ragtrace.errors import ConfigError, StoreError
from ragtrace.model import digest
from ragtrace.store import OWNER, Retention, Sought, Store
from tests.engine import KEY, ROOT, SERVER, content, flow, span, store, url_with

__all__ = ["store"]  # the fixture

DAY_NS = 86_400 * 10**9

embedded = pytest.mark.skipif(
    SERVER is not None, reason="a server copies only to where its own configuration lets it"
)


def _answers(opened: Store) -> list[object]:
    return [
        opened.flows(access=OWNER),
        opened.edges(access=OWNER),
        opened.decisions(access=OWNER),
        opened.said("fees", access=OWNER),
        replace(opened.stats(access=OWNER), bytes_on_disk=0),
    ]


def _filled(opened: Store) -> None:
    fees = flow(0, digest=digest("the fees"))
    opened.write([span(n, fees) for n in range(1, 9)], [content("the fees")])


@embedded
def test_a_backup_goes_into_an_empty_store_and_answers_as_the_first(
    store: Store, tmp_path: Path
) -> None:
    """Spans, flows, decisions, sealed texts; what is written after goes on from there."""
    _filled(store)
    assert store.back_up(tmp_path / "copy") > 0
    with Store.open(url_with(store.keyring), KEY) as other:
        other.restore(tmp_path / "copy")
        assert _answers(other) == _answers(store)
        other.write([span(9, flow(0))])
        assert other.stats(access=OWNER).flows == 9
        assert store.stats(access=OWNER).flows == 8


@embedded
def test_a_backup_replaces_nothing(store: Store, tmp_path: Path) -> None:
    """Neither a file that is there, nor a store with rows."""
    _filled(store)
    store.back_up(tmp_path / "copy")
    before = _answers(store)
    with pytest.raises(StoreError, match="is there already"):
        store.back_up(tmp_path / "copy")
    with pytest.raises(StoreError, match="not empty"):
        store.restore(tmp_path / "copy")
    assert _answers(store) == before


@embedded
def test_a_backup_that_is_none_changes_nothing(store: Store, tmp_path: Path) -> None:
    """The store is empty and usable as before."""
    (tmp_path / "junk").mkdir()
    for source in ("junk", "missing", "it's"):
        with pytest.raises(StoreError, match="restore"):
            store.restore(tmp_path / source)
    _filled(store)
    assert store.stats(access=OWNER).flows == 8


@pytest.mark.parametrize(
    "text",
    ["public", "public=1", "public=0d", "public=1d,public=2d", "a'b=1d", "@x=1d", "*=99999d"],
)
def test_a_bad_retention_is_refused(text: str) -> None:
    """With what was expected."""
    with pytest.raises(ConfigError, match=r"retention: .*expected"):
        Retention.parse(text)


def _age(days: float) -> int:
    return time.time_ns() - int(days * DAY_NS)


def _merged(opened: Store) -> None:
    with opened._engine.writing("test") as client:
        for table in ("otel_traces", "flows", "reached", "derived", "steps", "decisions"):
            client.command(f"OPTIMIZE TABLE {table} FINAL")


def _aged(number: int, days: float, level: str) -> object:
    decided = {"ragtrace__decision__action": "allow"}
    one = flow(0, level=level, document=level, digest=digest(f"{level} {days}"))
    return replace(span(number, one, **decided), start_ns=_age(days))  # type: ignore[arg-type]


def test_what_is_over_goes_by_its_level_and_the_rest_stays(store: Store) -> None:
    """Flows by their level, spans with the last of them, decisions never unless it is said."""
    ages = [(1, 5, "public"), (2, 5, "staff_only"), (3, 25, "public"), (4, 45, "secret")]
    store.write([_aged(*age) for age in ages])  # type: ignore[misc]
    store.retain(Retention.parse("staff_only=3d, public=30d, *=40d"))
    _merged(store)
    assert sorted(row.level for row in store.flows(access=OWNER)) == ["public", "public"]
    assert sum(edge.flows for edge in store.edges(access=OWNER)) == 2
    assert len(store.reach(Sought(names=("public",)), access=OWNER).rows) == 2
    assert store.stats(access=OWNER).spans == 3
    assert len(store.decisions(access=OWNER)) == 4
    store.retain(Retention.parse("@decisions=10d"))
    _merged(store)
    assert len(store.decisions(access=OWNER)) == 2
    assert sum(edge.flows for edge in store.edges(access=OWNER)) == 2
    store.retain(Retention())
    store.write([_aged(9, 500, "public")])  # type: ignore[list-item]
    _merged(store)
    assert sum(edge.flows for edge in store.edges(access=OWNER)) == 3


def test_a_text_goes_once_nothing_has_used_it_for_its_period(store: Store) -> None:
    """One that came long ago stays for as long as a flow needs it, and no longer than it may."""
    texts = {name: content(name, level="staff_only") for name in ("used", "over", "unused")}
    store.write(
        [
            replace(span(1, flow(0, digest=texts["used"].digest)), start_ns=_age(2)),
            replace(span(2, flow(0, digest=texts["over"].digest)), start_ns=_age(20)),
        ],
        [*texts.values(), content("public", level="public")],
    )
    with store._engine.writing("test") as client:
        client.command(
            "ALTER TABLE contents UPDATE Stored = now() - 864000 WHERE 1",
            settings={"mutations_sync": 2},
        )
    store.write([], [content("fresh", level="staff_only")])
    store.retain(Retention.parse("staff_only=5d"))
    known = [*texts.values(), content("public"), content("fresh")]
    assert set(store.texts([text.digest for text in known], access=OWNER).values()) == {
        "used",
        "public",
        "fresh",
    }


MIGRATE = textwrap.dedent("""
    import sys
    from ragtrace.store import Store
    print(*Store.migrate(sys.argv[1]), *Store.migrate(sys.argv[1]))
""")


def test_migrating_says_from_which_version_to_which(tmp_path: Path) -> None:
    """From nothing to the newest, and then no further."""
    arguments = [sys.executable, "-c", MIGRATE, str(tmp_path / "db")]
    done = subprocess.run(arguments, capture_output=True, text=True, cwd=ROOT)
    assert done.stdout.split() == ["0", "1", "1", "1"], done.stderr
