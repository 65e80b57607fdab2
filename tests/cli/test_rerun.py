"""``ragtrace replay --rerun`` and ``--against`` as a user types them."""

from __future__ import annotations

import json
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from ragtrace.cli._replay import command
from ragtrace.errors import RagtraceError
from ragtrace.store import OWNER, Store
from tests.chat_endpoint import chat_endpoint
from tests.engine import content, flow, span, store
from tests.forensics.test_rerun import NOTES, OTHERWISE, RECORDED, _call, _texts, honest

__all__ = ["store"]  # the fixture

TRACE = "0" * 31 + "1"
Run = Callable[..., Result]

POLICY = """
version: 1
levels: [internal, staff_only]
audiences: {customer: {clearance: internal}}
rules:
  - {id: hours-stay, when: {document: doc-hours, audience: customer}, decide: block}
  - {id: fees-unsaid, when: {document: doc-fee, audience: customer}, decide: context_only}
"""


@pytest.fixture
def run(store: Store, monkeypatch: pytest.MonkeyPatch) -> Run:
    """The command over a store with one model call; what it says on both streams is one text."""
    store.write([_call()], _texts())

    class Reader:
        def __getattr__(self, name: str) -> Any:
            return getattr(store.seen_by(OWNER), name)

        def close(self) -> None:
            """The store is another's."""

    monkeypatch.setattr("ragtrace.server.open_reader", lambda url: Reader())
    monkeypatch.delenv("RAGTRACE_POLICY", raising=False)
    monkeypatch.setenv("THEIR_KEY", "sk-not-to-be-seen")
    return lambda *words, **more: CliRunner().invoke(command, [TRACE, *map(str, words)], **more)


def asked(url: str, *more: object) -> list[object]:
    """The words of a rerun."""
    return ["--rerun", "--endpoint", url, "--model", "m", "--key-env", "THEIR_KEY", *more]


def test_it_says_what_leaves_and_asks(run: Run) -> None:
    """Host, calls, characters, levels, the key by its name, the cost; no means nothing is sent."""
    with chat_endpoint(honest) as there:
        words = asked(there.url, "--price-sent", 1, "--price-received", 2, "--leave-one-out")
        done = run(*words, input="n\n")
    assert done.exit_code == 1 and not there.asked
    host = there.url.removeprefix("http://").removesuffix("/v1")
    for said in (f"9 calls to {host} (m)", "characters leave", "internal, staff_only", "THEIR_KEY"):
        assert said in done.stderr
    assert "estimated cost" in done.stderr and "under the role user: tool" in done.stderr
    assert not any(secret in done.output for secret in (*NOTES.values(), "sk-not-to-be-seen"))


def test_it_shows_what_an_answer_depended_on(run: Run, tmp_path: Path) -> None:
    """A row for each prompt, with the verdict; what the policy says of prompts and answers."""
    policy, out = tmp_path / "policy.yaml", tmp_path / "out.jsonl"
    policy.write_text(POLICY)
    with chat_endpoint(honest) as there:
        more = ("--leave-one-out", "--samples", 2, "--yes", "--out", out, "--policy", policy)
        done = run(*asked(there.url, *more))
        again = run(*asked(there.url, *more, "--json"))
    assert done.exit_code == again.exit_code == 0, done.output
    assert len(there.asked) == 6, "the second run has all its answers from the file"
    assert there.headers[0]["authorization"] == "Bearer sk-not-to-be-seen"
    for said in ("without doc-fee", "depended", "not shown to depend"):
        assert said in done.stdout
    tree = json.loads(again.stdout)
    assert [one["unjudged"] for one in tree["judged"]] == ["", "", ""]
    first, fee, hours = tree["judged"]
    assert (first["prompt"]["action"], first["answers"]) == ("block", {"context_only": 2})
    assert (fee["prompt"]["action"], fee["answers"]) == ("block", {"allow": 2})
    assert (hours["prompt"]["action"], hours["answers"]) == ("context_only", {"context_only": 2})
    assert stat.S_IMODE(out.stat().st_mode) == 0o600
    shown = done.output + again.output
    assert not any(one in shown for one in (*NOTES.values(), RECORDED, OTHERWISE, "sk-not"))


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--rerun"], "expected --endpoint and --model"),
        (["--rerun", "--endpoint", "https://x/v1", "--model", "m", "--max-cost", "1"], "both"),
        (["--rerun", "--endpoint", "http://x.example/v1", "--model", "m"], "expected https"),
        (["--rerun", "--against", "."], "without --rerun"),
        (["--without", "doc-fee"], "expected with --rerun"),
    ],
)
def test_what_cannot_be_asked_for(run: Run, words: list[str], says: str) -> None:
    """One line, and nothing is sent."""
    done = run(*words)
    assert says in (
        str(done.exception) if isinstance(done.exception, RagtraceError) else done.stderr
    )


def test_a_cost_above_the_most_is_not_begun(run: Run) -> None:
    """The estimate alone forbids it."""
    with chat_endpoint(honest) as there:
        prices = ("--price-sent", 1e6, "--price-received", 1e6, "--max-cost", 0.5, "--yes")
        done = run(*asked(there.url, *prices))
    assert not there.asked
    assert "above --max-cost 0.5" in str(done.exception)


def test_the_documents_of_today_are_read_from_files(run: Run, store: Store, tmp_path: Path) -> None:
    """One has changed, one has vanished, one is as it was."""
    texts = list(NOTES.values())
    flows = [
        flow(place, document=name, digest=content(text).digest, level="internal", compartments=[])
        for place, (name, text) in enumerate(
            zip(("doc-fee", "doc-hours", "doc-gone"), (*texts, texts[0]), strict=True)
        )
    ]
    stage = {"ragtrace__stage": "retrieval", "ragtrace__prompt__digest": None}
    store.write([span(7, *flows, **stage)], [content(text) for text in texts])
    rows = [("doc-fee", texts[0]), ("doc-hours", OTHERWISE)]
    documents = tmp_path / "documents.jsonl"
    lines = [json.dumps({"id": id, "text": text, "label": "internal"}) for id, text in rows]
    documents.write_text("\n".join(lines))
    runner = CliRunner()
    done = runner.invoke(command, ["0" * 31 + "7", "--against", str(documents), "--json"])
    assert done.exit_code == 0, done.output
    tree = json.loads(done.stdout)
    assert [one["change"] for one in tree["chunks"]] == ["same", "changed", "vanished"]
    table = runner.invoke(command, ["0" * 31 + "7", "--against", str(documents)])
    assert "1 same, 0 relabelled, 1 changed, 1 vanished, 0 unknown" in table.stdout
    missing = runner.invoke(command, ["0" * 31 + "7", "--against", str(tmp_path / "no")])
    assert missing.exit_code == 2
