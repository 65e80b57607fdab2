"""``ragtrace import``: files of every known form, into a store and through a server."""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from ragtrace.cli._import import _send
from ragtrace.cli._telemetry import Telemetry, read_telemetry
from ragtrace.errors import StoreError, WireError
from ragtrace.model import digest
from ragtrace.server import Adopter, Auth, Client, server_url
from ragtrace.store import Sought, Store
from ragtrace.wire import names, observed
from tests.engine import KEY, fresh_url
from tests.golden.bank import ANSWER, PUBLIC, STAFF
from tests.web import served

pytest.importorskip("chdb")

GOLDEN = Path(__file__).parents[1] / "golden"
EXPORTS = sorted((GOLDEN / "exports").glob("*.json*"))
LINES = GOLDEN / "openinference-langchain-0.1.80.jsonl"
POLICY = """
version: 1
levels: [public, staff_only]
unlabelled: staff_only
audiences: {customer: {clearance: public}}
"""


def ragtrace(*words: str | Path, **environ: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "ragtrace", *map(str, words)],
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
        env={k: v for k, v in os.environ.items() if not k.startswith("OTEL_")} | environ,
    )


def said(*words: str | Path, **environ: str) -> Any:
    done = ragtrace(*words, "--json", **environ)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def read(file: Path) -> Telemetry:
    return read_telemetry(file)


@pytest.mark.parametrize("path", EXPORTS, ids=lambda path: path.stem)
def test_every_export_tells_the_same(path: Path) -> None:
    """Documents with labels, messages and answer are those that the tracer's own spans hold."""
    steps = {}
    for span in read(path).spans:
        seen = observed(span)
        if seen is not None:
            steps[seen.stage] = seen
            assert (seen.session, seen.user) == ("session-1", "user-1")
            if path.stem.startswith("phoenix"):
                assert (seen.audience, seen.tenant) == ("customer", "acme")
                assert "metadata" in span.attributes
    found = [(p.text, p.metadata["label"]) for p in steps["retrieval"].passages]
    assert found == [(PUBLIC, "public"), (STAFF, "staff_only")]
    messages = steps["prompt"].messages
    assert [one.role for one in messages] == ["system", "user"]
    assert STAFF in messages[0].text
    assert steps["prompt"].completion == ANSWER


@pytest.mark.parametrize("path", EXPORTS, ids=lambda path: path.stem)
def test_of_every_export_the_flows_are_found(path: Path) -> None:
    """Two documents in the search, and both of them in the prompt."""
    made, _ = Adopter().adopt(read(path).spans)
    flows = [json.loads(span.attributes.get(names.FLOWS, "[]")) for span in made]
    assert sorted(map(len, flows))[-2:] == [2, 2]
    assert len({span.trace_id for span in made}) == 1
    known = {span.span_id for span in made}
    assert {span.parent_span_id for span in made} - known == {""}


def test_a_dataframe_is_read_from_parquet_too(tmp_path: Path) -> None:
    """Nested columns, absent values and times as the file has them."""
    pyarrow = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    lines = (GOLDEN / "exports" / "phoenix-dataframe-20.26.1.jsonl").read_text().splitlines()
    rows = [json.loads(line) for line in lines]
    for row in rows:
        del row["attributes.metadata"], row["events"]
    file = tmp_path / "spans.parquet"
    parquet.write_table(pyarrow.Table.from_pylist(rows), file)
    stages = {seen.stage for span in read(file).spans if (seen := observed(span)) is not None}
    assert stages == {"retrieval", "prompt"}


def test_one_value_and_a_compressed_file_are_read_as_lines_are(tmp_path: Path) -> None:
    """The same spans in one indented JSON value, in a list, and in a gzip file."""
    spans = read(LINES).spans
    requests = [json.loads(line) for line in LINES.read_text().splitlines()]
    one = tmp_path / "one.json"
    one.write_text(json.dumps(requests, indent=2))
    packed = tmp_path / "lines.jsonl.gz"
    packed.write_bytes(gzip.compress(LINES.read_bytes()))
    assert read(one).spans == read(packed).spans == spans


@pytest.mark.parametrize(
    ("text", "where"),
    [
        ("{", "spans.jsonl"),
        ('{"resourceSpans": []}\n{"resourceSpans": 3}\n', "spans.jsonl:2"),
        ('{"a": 1}', "expected OTLP JSON"),
        ("[1]", "found a int"),
        ('{"type": "SPAN", "traceId": "t", "id": "a"}', "startTime"),
        ('{"type": "SPAN", "traceId": "t", "id": "a", "startTime": "soon"}', "startTime"),
        ('{"type": "SPAN", "traceId": "t", "startTime": 1700000000}', "expected id"),
        ('{"context": {"trace_id": 3}, "start_time": 1700000000}', "expected a text"),
        ('{"trace_id": "a", "start_time_unix_nano": 1, "attributes": [3]}', "pairs"),
    ],
)
def test_a_bad_file_is_refused_with_its_place(text: str, where: str, tmp_path: Path) -> None:
    """What was expected is said, and nothing of the file's own is repeated."""
    file = tmp_path / "spans.jsonl"
    file.write_text(text)
    with pytest.raises(WireError, match=where) as caught:
        read(file)
    assert str(file) in str(caught.value)


def test_a_request_larger_than_one_is_taken_in_parts(tmp_path: Path) -> None:
    """A day in one JSON value is more than the decoder takes of an exporter."""
    span = {
        "traceId": f"{1:032x}",
        "name": "s",
        "startTimeUnixNano": "1700000000000000000",
        "endTimeUnixNano": "1700000000000000001",
    }
    spans = [{**span, "spanId": f"{number:016x}"} for number in range(1, 20_502)]
    file = tmp_path / "day.json"
    file.write_text(json.dumps({"resourceSpans": [{"scopeSpans": [{"spans": spans}]}]}))
    assert len(read(file).spans) == 20_501


@pytest.mark.slow
def test_labels_of_a_policy_are_in_the_map(tmp_path: Path) -> None:
    """Imported twice it is there once, and a dry run writes nothing."""
    policy, store = tmp_path / "policy.yaml", tmp_path / "store"
    policy.write_text(POLICY)
    key = {"RAGTRACE_VAULT_KEY": base64.b64encode(KEY).decode()}
    words = ("import", LINES, "--store", store, "--policy", policy)
    dry = said(*words, "--dry-run", **key)
    assert (dry["spans"], dry["flows"], dry["steps"]) == (4, 4, {"retrieval": 1, "prompt": 1})
    assert not store.exists()
    for _ in range(2):
        assert said(*words, **key)["flows"] == 4
    edges = said("flows", "--store", store, "--stage", "prompt", **key)
    assert {(e["level"], e["audience"], e["flows"]) for e in edges} == {
        ("public", "customer", 1),
        ("staff_only", "customer", 1),
    }
    reached = said("reach", digest(STAFF), "--store", store, **key)
    assert reached["counts"]["prompts"] == 1


def _exported(folder: Path) -> Path:
    """What Phoenix gives of the spans in ``LINES``."""
    rows = [
        {
            "name": span.name,
            "context": {"trace_id": span.trace_id, "span_id": span.span_id},
            "parent_id": span.parent_span_id or None,
            "start_time": span.start_ns / 1e9,
            "end_time": span.end_ns / 1e9,
            "attributes": span.attributes,
        }
        for span in read(LINES).spans
    ]
    file = folder / "export.json"
    file.write_text(json.dumps(rows))
    return file


@pytest.mark.slow
def test_an_export_of_what_came_before_is_left_out(tmp_path: Path) -> None:
    """Phoenix rounds times and knows no service: the same spans would be counted once more."""
    store, export = tmp_path / "store", _exported(tmp_path)
    said("import", LINES, "--store", store)
    before = said("flows", "--store", store)
    done = said("import", export, "--store", store)
    assert (done["spans"], done["left_out"], done["flows"]) == (4, 4, 0)
    assert said("flows", "--store", store) == before
    assert "4 left out" in ragtrace("import", export, "--store", store).stdout


@pytest.mark.slow
def test_a_server_that_has_the_store_takes_the_import(tmp_path: Path) -> None:
    """It is given what was read, and answers about it."""
    store = tmp_path / "store"
    server = subprocess.Popen(
        [sys.executable, "-m", "ragtrace", "serve", "--store", str(store), "--port", "0",
         "--grpc-port", "none", "--json"],
        stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        assert server.stdout is not None
        url = json.loads(server.stdout.readline())["url"]
        assert server_url(str(store)) == url
        done = said("import", GOLDEN / "exports" / "langfuse-trace.json", "--store", store)
        assert (done["into"], done["spans"], done["flows"]) == (url, 3, None)
        for file, left_out in ((LINES, 0), (_exported(tmp_path), 4)):
            assert said("import", file, "--store", store)["left_out"] == left_out
        with Client(url) as client:
            found = client.reach(Sought(names=(digest(STAFF),))).rows
        assert {row.flow.stage for row in found} == {"retrieval", "prompt"}
    finally:
        server.terminate()
        server.communicate(timeout=60)


def test_a_text_with_half_a_character_is_stored_with_a_replacement(tmp_path: Path) -> None:
    """JSON can escape one, and no store holds it."""
    file = tmp_path / "half.jsonl"
    file.write_text(json.dumps(_ROW | {"name": "half \ud83d"}) + "\n")
    assert [span.name for span in read(file).spans] == ["half ?"]


_ROW = {
    "context": {"trace_id": "ab" * 16, "span_id": "cd" * 8},
    "start_time": "2024-01-01T00:00:00Z",
}


@pytest.mark.parametrize("damage", ["text", "duration", "date", "cut"])
def test_a_damaged_parquet_file_is_an_error_in_words(tmp_path: Path, damage: str) -> None:
    """Whatever its reader raises: for the bytes, or for a value that Python cannot hold."""
    pa = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    odd = {
        "text": pa.array([b"\xff"]).cast(pa.string(), safe=False) if damage == "text" else None,
        "duration": pa.array([2**62], pa.duration("s")),
        "date": pa.array([2**31 - 1], pa.date32()),
        "cut": pa.array(["x"]),
    }[damage]
    file = tmp_path / "spans.parquet"
    parquet.write_table(pa.table({"context.trace_id": ["ab" * 16], "name": odd}), file)
    if damage == "cut":
        file.write_bytes(file.read_bytes()[:-9])
    with pytest.raises(WireError, match=r"spans\.parquet"):
        read(file)


def test_a_parquet_file_is_no_larger_unpacked_than_any_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A text that repeats takes no room in the file, and much in memory."""
    pa = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    monkeypatch.setattr("ragtrace.cli._telemetry.MOST_BYTES", 100_000)
    rows = [{**_ROW, "name": "x" * 10_000}] * 100
    parquet.write_table(pa.Table.from_pylist(rows), tmp_path / "bomb.parquet")
    with pytest.raises(WireError, match="at most 100000 bytes"):
        read(tmp_path / "bomb.parquet")


def test_what_a_server_does_not_store_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With its reason: evidence that is missing without a word would be worse."""
    file, access = tmp_path / "spans.jsonl", tmp_path / "access.yaml"
    attributes = {"ragtrace": {"tenant": "globex"}}
    file.write_text(json.dumps(_ROW | {"attributes": attributes}) + "\n")
    token = hashlib.sha256(b"sesame").hexdigest()
    access.write_text(f"- {{name: a, token_sha256: {token}, roles: [admin], tenant: acme}}\n")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_HEADERS", "authorization=Bearer%20sesame")
    monkeypatch.setenv("RAGTRACE_READ_TOKEN", "sesame")
    with (
        Store.open(fresh_url(), KEY) as opened,
        served(opened, auth=Auth(access_file=str(access))) as url,
        pytest.raises(StoreError, match=r"1 were not stored: span: ragtrace\.tenant"),
    ):
        _send(read(file), url, lambda _: None)
