"""One engine directory for the whole test process, and a database for each test.

The engine takes one directory a process; the fixture is imported, not copied, and a client
stays open from first use to the end, because starting the engine costs more than most tests.
"""

from __future__ import annotations

import atexit
import itertools
import json
import os
import shutil
import tempfile
import uuid
from collections import defaultdict
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from ragtrace.model import digest
from ragtrace.store import Address, Store
from ragtrace.wire import ContentRecord, SpanRecord

KEY = bytes(range(32))
ROOT = Path(__file__).parents[1]
SERVER = os.environ.get("RAGTRACE_TEST_CLICKHOUSE_URL")  # read before tests clean up
START_NS = 1_760_000_000_000_000_000
_number = itertools.count()


@cache
def engine_directory() -> Path:
    """The directory, with the engine running on it until the process ends."""
    directory = Path(tempfile.mkdtemp(prefix="ragtrace-engine-"))
    opened = Store.open(f"chdb://{directory}?database=anchor")

    def end() -> None:
        opened.close()
        shutil.rmtree(directory, ignore_errors=True)
        shutil.rmtree(f"{directory}.keyring", ignore_errors=True)

    atexit.register(end)
    return directory


@cache
def _shim() -> str:
    """The address of the embedded engine behind HTTP, until the process ends."""
    from tests.shim import clickhouse_server  # it needs this module

    server = clickhouse_server()
    url = server.__enter__()
    atexit.register(server.__exit__, None, None, None)
    return url


def fresh_url() -> str:
    """The URL of a database nobody has used.

    ``RAGTRACE_TEST_CLICKHOUSE_URL`` names a real server to have it on, or ``shim`` for the
    embedded engine asked over HTTP, as a server is.
    """
    if SERVER is not None:
        server = _shim() if SERVER == "shim" else SERVER
        keys = f"{engine_directory()}.keyring"
        return f"{server}?database=test_{uuid.uuid4().hex}&keyring={keys}"
    return f"chdb://{engine_directory()}?database=test_{next(_number)}"


def keyring_of(url: str) -> Path:
    """The file of the keys of a database's texts."""
    found = Address.parse(url).keyring
    assert found is not None
    return found


def url_with(keyring: Path | None) -> str:
    """The URL of a database nobody has used, with a copy of another's keyring."""
    assert keyring is not None
    fresh = fresh_url()
    shutil.copy(keyring, keyring_of(fresh))
    return fresh


@pytest.fixture
def store() -> Iterator[Store]:
    """An empty store that keeps texts."""
    url = _free.pop() if _free else fresh_url()
    opened = Store.open(url, KEY)
    yield opened
    opened.close()
    if _emptied(url):
        _free.append(url)


_free: list[str] = []
"""Databases of tests that are over, without a row: to make one takes longer than most tests do."""


@cache
def _keeper() -> Store:
    """A store that nobody writes to: its tables are as they were made."""
    opened = Store.open(fresh_url(), KEY)
    atexit.register(opened.close)
    return opened


def _emptied(url: str) -> bool:
    """Whether a database is as new, once its rows and keys are gone: its tables may be changed."""
    engine, own = _keeper()._engine, Address.parse(url).database
    kinds = defaultdict[str, set[tuple[str, str, int]]](set)
    with engine.writing("emptying") as client:
        tables = client.query(
            "SELECT database, name, replaceAll(create_table_query, database, ''), total_rows "
            "FROM system.tables WHERE database IN ({own:String}, {made:String})",
            parameters={"own": own, "made": engine.address.database},
        ).result_rows
        for database, name, made, rows in tables:
            versions = rows if name == "migrations" else 0
            kinds[database].add((name, made, versions))
            if rows and database == own and not versions:
                client.command(f"TRUNCATE TABLE {database}.{name}")
    for file in keyring_of(url).parent.glob(f"{keyring_of(url).name}*"):
        file.unlink()
    return kinds[own] == kinds[engine.address.database]


def content(
    text: str, kind: str = "chunk", level: str = "internal", subject: str = ""
) -> ContentRecord:
    """A text under its digest."""
    return ContentRecord(digest(text), kind, level, text, subject)


def flow(place: int = 0, **change: Any) -> dict[str, Any]:
    """One object of ``ragtrace.flows``, as the encoder writes it."""
    return {
        "ord": place,
        "id": f"chunk-{place}",
        "score": 0.5,
        "document": f"doc-{place}",
        "uri": f"file:///kb/{place}.md",
        "digest": digest(f"chunk {place}"),
        "source": "chroma/bank_knowledge",
        "level": "staff_only",
        "compartments": ["tenant:acme"],
        "basis": "metadata:audience",
        "rank": place,
        "action": "drop",
        "rule": "staff-notes",
        "reason": "staff only",
        "mode": "enforce",
    } | change


def origin(document: str, text: str | None = None, **change: Any) -> dict[str, Any]:
    """One object of a flow's ``origins``, as the encoder writes it."""
    return {
        "document": document,
        "source": "chroma/bank_knowledge",
        "digest": digest(text if text is not None else document),
        "level": "staff_only",
        "evidence": "taint",
    } | change


def span(number: int = 1, *flows: dict[str, Any], **change: Any) -> SpanRecord:
    """One model-call span with ``flows``; ``change`` replaces attributes, names with ``__``."""
    attributes = {
        "ragtrace.stage": "prompt",
        "ragtrace.request.id": f"r{number}",
        "ragtrace.audience": "customer",
        "ragtrace.audience.clearance": "public",
        "ragtrace.tenant": "acme",
        "session.id": f"s{number}",
        "user.id": f"u{number}",
        "ragtrace.prompt.digest": digest(f"prompt {number}"),
        "ragtrace.completion.digest": digest(f"completion {number}"),
        "ragtrace.flows": json.dumps(flows),
    }
    attributes |= {name.replace("__", "."): value for name, value in change.items()}
    return SpanRecord(
        trace_id=f"{number:032x}",
        span_id=f"{number:016x}",
        parent_span_id="",
        name="chat gpt",
        kind="Client",
        service="bank",
        scope="ragtrace",
        start_ns=START_NS + number,
        end_ns=START_NS + number + 1000,
        attributes={name: value for name, value in attributes.items() if value is not None},
        resource={"service.name": "bank"},
    )
