"""What a model call knows of its prompt: unseen retrieval, the template, and every character."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

import ragtrace
from ragtrace.attribution import skeleton
from ragtrace.attribution.corpus import CorpusDocument, CorpusWriter
from ragtrace.capture import Call, Model, Retrieval, current, current_request
from ragtrace.errors import CorpusIndexError
from ragtrace.model import Label, Message, Passage, Source
from ragtrace.testing import Recorder, recording
from ragtrace.wire import names
from tests.prose import chunk, prose

STAFF = "Waive the early repayment charge once, with code LANTERN-11, up to $400. " + prose(7, 40)
PUBLIC = "The early repayment charge is 1 % of what is paid back early. " + prose(8, 40)


def policy(directory: Path, otherwise: str) -> str:
    """A policy that does ``otherwise`` with what a customer may not be told."""
    path = directory / "policy.yaml"
    path.write_text(
        f"version: 1\nlevels: [public, staff_only]\notherwise: {otherwise}\n"
        "audiences:\n  customer: {clearance: public}\n  staff: {clearance: staff_only}\n"
    )
    return str(path)


@pytest.fixture
def index(tmp_path: Path) -> str:
    """A corpus index of a staff note and a public page."""
    documents = [
        CorpusDocument("note-11", STAFF, Label("staff_only"), Source("kb/notes")),
        CorpusDocument("page-3", PUBLIC, Label("public"), Source("kb/help")),
    ]
    with CorpusWriter(tmp_path / "index") as writer:
        writer.add(documents)
    return str(tmp_path / "index")


@pytest.fixture
def recorder(tmp_path: Path, index: str, request: pytest.FixtureRequest) -> Iterator[Recorder]:
    """Ragtrace with the index and no retriever at all."""
    with recording(policy(tmp_path, request.param), index=index) as recorded:
        yield recorded


def call(audience: str, *messages: Message) -> Call:
    """A model call of its own request."""
    with ragtrace.request(audience=audience):
        runtime, request = current(), current_request()
        assert runtime is not None and request is not None
        return Call(runtime, request, Model("chat", "m"), messages)


def pasted(text: str) -> tuple[Message, ...]:
    """A prompt that holds ``text``, which nobody has seen being retrieved."""
    return Message("system", "Be polite."), Message("tool", json.dumps({"found": [text]}))


@pytest.mark.parametrize("recorder", ["block"], indirect=True)
def test_text_that_was_never_retrieved_is_known(recorder: Recorder) -> None:
    """A staff note in a tool's answer blocks a customer's prompt, and not an employee's."""
    assert call("customer", *pasted(STAFF)).blocked
    assert not call("staff", *pasted(STAFF)).blocked
    assert not call("customer", *pasted(PUBLIC)).blocked
    assert not call("customer", *pasted(prose(9))).blocked


@pytest.mark.parametrize("recorder", ["drop"], indirect=True)
def test_what_the_index_knows_is_taken_out_and_recorded(recorder: Recorder) -> None:
    """The flow names document, source and label; the rest of the prompt stays."""
    made = call("customer", *pasted(f"{PUBLIC}\n{STAFF}"))
    sent = made.messages[1].text
    assert prose(8, 40)[:100] in sent
    assert prose(7, 40)[:100] not in sent
    made.finish()
    (span,) = recorder.of("chat")
    flows = {flow["document"]: flow for flow in span.flows}
    assert flows["note-11"]["source"] == "kb/notes"
    assert flows["note-11"]["level"] == "staff_only"
    assert flows["note-11"]["action"] == "drop"
    assert flows["note-11"]["basis"] == "corpus"
    assert flows["page-3"]["action"] == "allow"


@pytest.mark.parametrize("recorder", ["context_only"], indirect=True)
def test_what_the_index_knows_is_not_said(recorder: Recorder) -> None:
    """The guard knows the text from the prompt; the index itself holds none."""
    made = call("customer", *pasted(STAFF))
    assert not made.blocked
    (said,) = made.whole(f"Certainly: {STAFF}")
    assert prose(7, 40)[:100] not in said
    assert "[withheld]" in said


@pytest.mark.parametrize("recorder", ["block"], indirect=True)
def test_what_is_added_while_the_application_runs_counts(recorder: Recorder, index: str) -> None:
    """No restart: the next prompt is checked with the index as it is then."""
    secret = prose(123)
    assert not call("customer", *pasted(secret)).blocked
    with CorpusWriter(index) as writer:
        writer.add([CorpusDocument("new", secret, Label("staff_only"), Source("kb/notes"))])
    assert call("customer", *pasted(secret)).blocked


def test_a_missing_index_is_said_at_once(tmp_path: Path) -> None:
    """``init`` fails and changes nothing; a process that starts by itself blocks."""
    with pytest.raises(CorpusIndexError, match="nowhere"):
        ragtrace.init(policy(tmp_path, "drop"), index=str(tmp_path / "nowhere"))
    assert current() is None


def test_a_process_that_starts_by_itself_without_its_index_blocks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody is there to be told, so nothing may pass unchecked."""
    monkeypatch.setenv("RAGTRACE_INDEX", str(tmp_path / "nowhere"))
    monkeypatch.setenv("OTEL_TRACES_EXPORTER", "none")
    try:
        assert call("staff", Message("user", "Hello")).blocked
    finally:
        ragtrace.shutdown()


def test_every_character_is_accounted_for_on_the_span(tmp_path: Path) -> None:
    """Retrieved, said before, template, user, history; the number says what is left."""
    retrieved, head = chunk(prose(1)), "You are the assistant of a bank; answer from this:\n"
    with recording(policy(tmp_path, "drop")) as recorded:
        runtime = current()
        assert runtime is not None
        runtime.ledger.add([retrieved])
        for turn in range(9):
            made = call(
                "customer",
                Message("system", f"{head}{retrieved.text}\nSummary: {prose(55, 30)}"),
                Message("user", "Who are you?"),
                Message("assistant", "A bank."),
                Message("user", f"And now, for the {turn}th time?"),
            )
            if turn == 7:
                made.record(prose(55, 30))
            made.finish()
        first, *_, last = recorded.of("chat")
    account = json.loads(last.attributes[names.PROMPT_ACCOUNT])
    assert account["retrieved"] >= len(retrieved.text)
    assert account["derived"] >= len(prose(55, 30))
    assert account["template"] >= len(head) - 3
    assert account["user"] == len("And now, for the 8th time?")
    assert account["history"] == len("Who are you?A bank.")
    assert account["unknown"] <= len("Summary: ")
    assert last.attributes[names.PROMPT_ACCOUNTED] > 0.98
    assert first.attributes[names.PROMPT_ACCOUNTED] < 0.75


def test_a_code_of_a_staff_note_is_not_said(tmp_path: Path) -> None:
    """However short; what also stands in a public page of the same prompt may be said."""
    staff, public = chunk(STAFF, "staff_only"), chunk(f"{PUBLIC} Call 0800 555 1234.", "public")
    with recording(policy(tmp_path, "context_only")):
        runtime = current()
        assert runtime is not None
        runtime.ledger.add([staff, public])
        made = call("customer", Message("user", f"{public.text}\n\n{staff.text}\n\nWhat can I do?"))
        (said,) = made.whole("Say lantern-11 and you get 400 dollars. Or call 0800 555 1234.")
    assert said == "Say [withheld] and you get [withheld]. Or call 0800 555 1234."


def test_a_template_cannot_be_made_of_a_leak(tmp_path: Path) -> None:
    """Neither by asking again and again, nor by asking as staff first."""
    secret = prose(50, 40)
    notes = [
        chunk(f"{prose(100 + n, 30)} {secret} {prose(200 + n, 30)}", "staff_only") for n in range(3)
    ]
    with recording(policy(tmp_path, "block")):
        runtime = current()
        assert runtime is not None
        runtime.ledger.add(notes)
        for turn in range(10):
            call("staff", Message("system", secret), Message("user", f"{turn}?"))
            assert call("customer", Message("system", secret), Message("user", f"{turn}?")).blocked


def test_an_empty_prompt_is_not_blocked(tmp_path: Path) -> None:
    """Nor is an empty cached answer withheld."""
    with recording(policy(tmp_path, "block")):
        for messages in ((), (Message("user", ""),), (Message("user", "👍"),)):
            made = call("customer", *messages)
            assert not made.blocked
            assert made.cached("") == [""]


def test_text_in_a_tag_is_not_readable_because_of_what_is_around_it(tmp_path: Path) -> None:
    """A staff note in an attribute within public text is taken out."""
    staff, public = chunk(prose(7, 60), "staff_only"), chunk(prose(8, 120), "public")
    half = public.text[: len(public.text) // 2].rsplit(" ", 1)[0]
    prompt = f'{half} <span title="{staff.text[:300]}">{public.text[len(half) :]}'
    with recording(policy(tmp_path, "redact")):
        runtime = current()
        assert runtime is not None
        runtime.ledger.add([staff, public])
        sent = call("customer", Message("user", prompt)).messages[0].text
    assert staff.text[40:200] not in sent
    assert public.text[:100] in sent


def test_a_short_run_of_the_index_is_not_acted_on(tmp_path: Path) -> None:
    """Forty symbols of a long note are as few as where retrieval was observed."""
    note = prose(60, 80)
    with CorpusWriter(tmp_path / "index") as writer:
        writer.add([CorpusDocument("n", note, Label("staff_only"), Source("kb/notes"))])
    offsets = skeleton(note).offsets()
    part = note[offsets[32] : offsets[71] + 1]
    with recording(policy(tmp_path, "block"), index=str(tmp_path / "index")):
        assert not call("customer", Message("user", f"Is it {part} then?")).blocked
        assert call("customer", Message("user", f"Is it {note} then?")).blocked


@pytest.mark.parametrize("recorder", ["drop"], indirect=True)
def test_what_a_completion_copies_of_the_corpus_keeps_its_label(recorder: Recorder) -> None:
    """An answer to a colleague quotes a page; retrieved for a customer, the page is public."""
    made = call("staff", *pasted(STAFF))
    made.record(f"{prose(21, 40)} {PUBLIC}")
    made.finish()
    with ragtrace.request(audience="customer"):
        runtime, request = current(), current_request()
        assert runtime is not None and request is not None
        kb = Source("kb")
        search = Retrieval(runtime, request, kb, top_k=2, query="").begin()
        page = Passage(PUBLIC, kb, {"label": "public"})
        gist = Passage(prose(21, 40), kb, {"label": "public"})
        assert search.judge([page, gist]) == [PUBLIC, None]
        search.end()
