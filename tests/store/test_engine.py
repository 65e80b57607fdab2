"""What holds between the store and its engine, in this process or on a server."""

from __future__ import annotations

import signal
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import pytest

from ragtrace.errors import StoreError
from ragtrace.model import digest
from ragtrace.store import OWNER, Sought, Store
from ragtrace.store._schema import migrate
from ragtrace.wire import _names as names
from tests.engine import KEY, ROOT, content, engine_directory, flow, fresh_url, span, store
from tests.shim import clickhouse_server

__all__ = ["store"]  # the fixture

INJECTION = "'; DROP TABLE flows; --\t\\N"


@pytest.mark.parametrize(
    "statement",
    [
        "INSERT INTO contents (Digest) VALUES ('x')",
        "SELECT * FROM file('/etc/hostname', 'LineAsString')",
        "SELECT * FROM url('http://127.0.0.1:9/', 'LineAsString')",
        "DROP TABLE flows",
        "SET readonly = 0",
        "SELECT 1 SETTINGS readonly = 0",
        "SELECT 1 SETTINGS max_execution_time = 0",
    ],
)
def test_a_reading_client_cannot_write_or_leave(store: Store, statement: str) -> None:
    """Writes, the host's files, the network and its own limits are out of its reach."""
    with (
        pytest.raises(StoreError, match="READONLY"),
        store._engine.reading("test") as client,
    ):
        client.command(statement)


def test_a_newer_schema_is_refused() -> None:
    """An older program does not touch what a newer one wrote."""
    url = fresh_url()
    opened = Store.open(url)
    with opened._engine.writing("test") as client:
        client.insert("migrations", [[9999, "future"]], column_names=["Version", "Name"])
        with pytest.raises(StoreError, match="version 9999"):
            migrate(client)
    opened.close()
    with pytest.raises(StoreError, match="newer one"):
        Store.open(url)


def test_spans_whose_flows_were_lost_get_them_back_at_opening() -> None:
    """A crash between a span and its flows is repaired without anybody asking."""
    url = fresh_url()
    opened = Store.open(url)
    opened.write([span(1, flow(0), flow(1)), span(2, flow(0)), span(3)])
    with opened._engine.writing("test") as client:
        client.command("DELETE FROM flows WHERE Ordinal < 5", settings={"mutations_sync": 2})
    assert opened.flows(access=OWNER) == []
    opened.close()
    opened = Store.open(url)
    assert len(opened.flows(access=OWNER)) == 3
    assert opened.stats(access=OWNER).spans == 3
    opened.close()


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("redis://x", "expected chdb"),
        ("chdb:///tmp/x?database=a-b", "expected a letter"),
        ("clickhouse://u:secret@host:99999/db", "port"),
        ("chdb:///dev/null/x", "store /dev/null/x"),
    ],
)
def test_a_bad_address_is_refused(url: str, reason: str) -> None:
    """With what was expected, and without the password."""
    with pytest.raises(StoreError, match=reason) as refused:
        Store.open(url)
    assert "secret" not in str(refused.value)


def test_an_unreachable_server_is_a_store_error() -> None:
    """Its name is in the message, the password is not."""
    with pytest.raises(StoreError, match=r"127\.0\.0\.1/db: cannot be opened") as refused:
        Store.open("clickhouse://user:secret@127.0.0.1:9/db")
    assert "secret" not in str(refused.value)


def test_one_directory_a_process_is_said_in_words(tmp_path: Path) -> None:
    """A second directory in this process, and a second process on this one, are refused."""
    with pytest.raises(StoreError, match="another directory open"):
        Store.open(str(tmp_path / "second"))
    program = f"from ragtrace.store import Store; Store.open({str(engine_directory())!r})"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=ROOT)
    assert "StoreError" in done.stderr
    assert "has this directory open" in done.stderr


WRITER = textwrap.dedent("""
    import sys
    from ragtrace.store import OWNER, Sought, Store
    from tests.engine import flow, span
    opened = Store.open(sys.argv[1])
    first = int(sys.argv[2])
    print("open", opened.stats(access=OWNER).spans, opened.stats(access=OWNER).flows, flush=True)
    for batch in range(first, first + 100_000):
        opened.write([span(batch * 10 + n, flow(0), flow(1)) for n in range(10)])
        print(batch, flush=True)
""")


@pytest.mark.slow
def test_nothing_acknowledged_is_lost_to_kill_9(tmp_path: Path) -> None:
    """Killed in mid-flight and reopened, four times over: every acknowledged span is there."""
    acknowledged = 0
    for round_ in range(4):
        arguments = [sys.executable, "-c", WRITER, str(tmp_path / "db"), str(1 + round_ * 1000)]
        writer = subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True, cwd=ROOT)
        assert writer.stdout is not None
        _, spans, flows = writer.stdout.readline().split()
        assert int(spans) >= acknowledged * 10
        assert int(flows) == int(spans) * 2
        for _ in range(5 + round_ * 4):
            acknowledged += bool(writer.stdout.readline())
        writer.send_signal(signal.SIGKILL)
        acknowledged += len(writer.stdout.read().split())
        writer.wait()
    assert acknowledged >= 5 + 9 + 13 + 17


def test_the_schema_reads_the_names_the_wire_writes() -> None:
    """Each attribute in the view is a constant of the wire, so that they cannot drift."""
    folder = Path(sys.modules["ragtrace.store"].__file__ or "").parent / "migrations"
    text = "".join(path.read_text() for path in folder.glob("*.sql"))
    known: dict[str, Any] = vars(names)
    quoted = {word for word in text.split("'") if word.startswith(("ragtrace.", "gen_ai."))}
    assert {word.rstrip(".") for word in quoted} <= set(map(str, known.values()))


BREAKER = textwrap.dedent("""
    import sys
    from pathlib import Path
    from ragtrace.store import OWNER, Sought, Store
    from tests.engine import flow, span
    with Store.open(sys.argv[1]) as opened:
        opened.write([span(1, flow(0))])
        print(opened.broken_parts())
    part = next(Path(sys.argv[1]).rglob("202510_*/data.bin"))
    part.write_bytes(part.read_bytes()[:20])
    with Store.open(sys.argv[1]) as opened:
        print(opened.broken_parts(), opened.stats(access=OWNER).broken_parts)
""")


def test_a_torn_part_is_not_passed_over_in_silence(tmp_path: Path) -> None:
    """The engine sets it aside without a word; the store counts it."""
    arguments = [sys.executable, "-c", BREAKER, str(tmp_path / "db")]
    done = subprocess.run(arguments, capture_output=True, text=True, cwd=ROOT)
    assert done.stdout.split() == ["0", "1", "1"], done.stderr


def test_a_server_is_asked_as_the_embedded_engine_is(store: Store, tmp_path: Path) -> None:
    """The same answers over HTTP: parameters, inserts, sealed texts, limits of readers."""
    spans = [span(n, flow(0), flow(1, document=INJECTION)) for n in range(1, 30)]
    texts = [content("sealed")]
    store.write(spans, texts)
    keys = f"?keyring={tmp_path}"
    with clickhouse_server() as url, Store.open(f"{url}/over_http{keys}", KEY) as remote:
        remote.write(spans, texts)
        remote.write(spans, texts)
        assert remote.flows(access=OWNER) == store.flows(access=OWNER)
        assert remote.edges(access=OWNER) == store.edges(access=OWNER)
        injected = Sought(names=(INJECTION,))
        assert len(store.reach(injected, access=OWNER).rows) == 29
        assert remote.reach(injected, access=OWNER) == store.reach(injected, access=OWNER)
        assert remote.trace(f"{7:032x}", access=OWNER) == store.trace(f"{7:032x}", access=OWNER)
        assert remote.texts([digest("sealed")], access=OWNER) == {digest("sealed"): "sealed"}
        many = [digest(str(number)) for number in range(3_000)]
        assert remote.texts([*many, digest("sealed")], access=OWNER).keys() == {digest("sealed")}
        with (
            pytest.raises(StoreError, match="READONLY"),
            remote._engine.reading("test") as client,
        ):
            client.command("DROP TABLE flows")
