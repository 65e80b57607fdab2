"""A recorded prompt put to a model again: what leaves, what comes back, and what follows."""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ragtrace.forensics import Endpoint, Plan, Prices, RerunError, plan_rerun, rerun, similarity
from ragtrace.forensics import _rerun_endpoint as endpoints
from ragtrace.model import Attribution, Chunk, Document, Label, Message, Prompt, Source, digest
from ragtrace.model import Span as Found
from ragtrace.store import OWNER, Access, Reader, Store
from ragtrace.wire import ContentRecord, weave
from tests.chat_endpoint import ChatEndpoint, chat_endpoint
from tests.engine import flow, span, store

__all__ = ["store"]  # the fixture

NOTES = {
    "doc-fee": "A cash advance costs five per cent of it, and at least ten dollars each time. "
    "A fee for cash drawn abroad comes on top.",
    "doc-hours": "Branches are open from nine to five on weekdays, and on Saturdays until noon. "
    "In December they are open for longer.",
}
RECORDED = f"What you asked for: {NOTES['doc-fee']} That is all that I know about it."
OTHERWISE = "Nothing of the kind can be found anywhere, so you had better telephone somebody else."


@pytest.fixture
def asked(store: Store) -> Iterator[Reader]:
    """A store with one model call: two documents in its prompt, one of which it answered from."""
    store.write([_call()], _texts())
    yield store.seen_by(OWNER)


def _prompt() -> tuple[Prompt, list[Attribution]]:
    context, found = "Notes:\n", []
    for text in NOTES.values():
        place = Found(1, len(context), len(context) + len(text), 0, len(text), 80, True)
        found.append(Attribution(digest(text), "certain", (place,), whole=True))
        context += f"{text}\n\n"
    said = Message("system", "Answer."), Message("tool", f"{context}What is the fee?")
    return Prompt(said), found


def _call(number: int = 1, **change: Any) -> Any:
    prompt, found = _prompt()
    flows = [
        flow(
            place,
            document=name,
            digest=one.chunk,
            level=level,
            action="allow",
            verdict="certain",
            spans=[[s.message, s.start, s.end, s.chunk_start, s.chunk_end] for s in one.spans],
            runs=[[s.symbols, 60, 1] for s in one.spans],
            whole=True,
            roles=["tool"],
        )
        for place, (name, level, one) in enumerate(
            zip(NOTES, ("internal", "staff_only"), found, strict=True)
        )
    ]
    named = {
        "ragtrace__prompt__digest": prompt.digest,
        "ragtrace__completion__digest": digest(RECORDED),
        "ragtrace__decision__action": "allow",
        "ragtrace__decision__rule": "clearance",
        "ragtrace__decision__reason": "may be disclosed",
        "ragtrace__decision__mode": "enforce",
    }
    return span(number, *flows, **named | change)


def _texts() -> list[ContentRecord]:
    prompt, found = _prompt()
    texts = {digest(text): text for text in NOTES.values()}
    rope = weave(prompt, found, texts)
    return [
        ContentRecord(rope.digest, "prompt", "internal", rope.to_json()),
        ContentRecord(digest(RECORDED), "completion", "internal", RECORDED),
        *(
            ContentRecord(digest(text), "chunk", level, text)
            for text, level in zip(NOTES.values(), ("internal", "staff_only"), strict=True)
        ),
    ]


def honest(messages: list[dict[str, str]]) -> str:
    """Answers from the note about fees, if it is there."""
    return RECORDED if NOTES["doc-fee"] in messages[-1]["content"] else OTHERWISE


def at(there: ChatEndpoint, **settings: Any) -> Endpoint:
    """The endpoint, which never waits between two tries."""
    return Endpoint(there.url, "m", sleep=lambda seconds: None, **settings)


def test_leaving_one_out_shows_what_an_answer_depended_on(asked: Reader) -> None:
    """Without the note that was quoted the answer is another one; without the other it is not."""
    plan = plan_rerun(asked, "0" * 31 + "1", leave_one_out=True, samples=2)
    with chat_endpoint(honest) as there, at(there) as endpoint:
        found = rerun(plan, endpoint)
    assert found.against == "recorded" and found.noise == 0
    assert {one.variant.name: one.dependence for one in found.variants} == {
        "as it was": None,
        "without doc-fee": "depended",
        "without doc-hours": "not shown to depend",
    }
    first, fee, hours = (one["messages"][-1]["content"] for one in there.asked[::2])
    assert first == _prompt()[0].messages[1].text
    assert fee == first.replace(NOTES["doc-fee"], "")
    assert hours == first.replace(NOTES["doc-hours"], "")
    assert all(one["temperature"] == 0 and one["model"] == "m" for one in there.asked)
    tree = json.dumps(found.as_json())
    assert found.tokens == (6000, 600)
    assert not any(text in tree for text in (*NOTES.values(), RECORDED, OTHERWISE))


def test_the_plan_says_what_leaves(asked: Reader) -> None:
    """Calls, characters, tokens, levels and the cost, before anything is sent."""
    plan = plan_rerun(asked, "0" * 31 + "1", without=["doc-hours"], samples=3)
    sizes = [sum(len(m.text) for m in one.messages) for one in plan.variants]
    assert plan.calls == 6 and plan.characters == 3 * sum(sizes)
    assert plan.levels == ("internal", "staff_only")
    assert plan.variants[1].levels == ("internal",)
    assert plan.renamed == ("tool",)
    assert plan.tokens == (3 * sum(size // 4 for size in sizes), 6 * (len(RECORDED) // 4 + 1))
    assert plan.cost(2.0, 10.0) == (plan.tokens[0] * 2 + plan.tokens[1] * 10) / 1e6
    assert not any(text in repr(plan) + repr(plan.variants) for text in NOTES.values())


def test_what_the_reader_may_not_have_is_not_sent(store: Store) -> None:
    """A reader below the level of one text gets no plan: a part of a prompt is no prompt."""
    store.write([_call()], _texts())
    below = store.seen_by(Access("bob", frozenset({"read"}), frozenset({"internal"}), None))
    with pytest.raises(RerunError, match="not for this reader"):
        plan_rerun(below, "0" * 31 + "1")


@pytest.mark.parametrize(
    ("id", "options", "says"),
    [
        ("0" * 31 + "1", {"without": ["doc-x"]}, "doc-x: not found in this prompt: doc-fee"),
        ("0" * 31 + "1", {"samples": 0}, "expected 1 to 100"),
        ("0" * 31 + "1/ff", {}, "no model call"),
        ("0" * 31 + "2", {}, "expected one of its 2 model calls: 0"),
        ("0" * 31 + "3", {}, "is not kept"),
        ("0" * 31 + "4", {}, "was blocked"),
    ],
)
def test_what_cannot_be_sent_is_said(
    store: Store, id: str, options: dict[str, Any], says: str
) -> None:
    """No prompt, more than one, a document that is not in it: a clear error, and no call."""
    from dataclasses import replace

    two = replace(_call(22), trace_id="0" * 31 + "2")
    other = {"ragtrace__prompt__digest": digest("another")}
    blocked = {"ragtrace__decision__action": "block"}
    store.write([_call(), _call(2), two, _call(3, **other), _call(4, **blocked)], _texts())
    with pytest.raises(RerunError, match=says):
        plan_rerun(store.seen_by(OWNER), id, **options)


@pytest.mark.parametrize("trouble", [429, 500, 503, None, (429, {"retry-after": "7"}, b"")])
def test_an_endpoint_that_is_busy_is_asked_again(asked: Reader, trouble: Any) -> None:
    """Rate limits, errors of the server and closed connections pass, and waits have bounds."""
    script, waited = [trouble, trouble, RECORDED], list[float]()
    plan = plan_rerun(asked, "0" * 31 + "1", samples=1)
    with chat_endpoint(lambda messages: script.pop(0)) as there:
        with Endpoint(there.url, "m", sleep=waited.append) as endpoint:
            found = rerun(plan, endpoint)
    assert found.variants[0].similarities == (1.0,) and not found.failures
    assert len(waited) == 2 and all(0 < one <= endpoints.LONGEST_WAIT for one in waited)
    if isinstance(trouble, tuple):
        assert min(waited) >= 7


@pytest.mark.parametrize(
    ("trouble", "says"),
    [
        (500, "status 500, 5 times"),
        (b"not json", "no chat completion"),
        (b'{"choices": []}', "no chat completion"),
        (b'[{"choices": 1}]', "no chat completion"),
        (b'{"choices": [{"message": {"content": null}}]}', "has no text"),
        (b"[" * 100_000, "no chat completion"),
        (0.3, "ReadTimeout, 5 times"),
    ],
)
def test_a_call_without_an_answer_is_missing(
    asked: Reader, monkeypatch: pytest.MonkeyPatch, trouble: Any, says: str
) -> None:
    """The other calls are made, and what lacks an answer is undecided."""
    monkeypatch.setattr(endpoints, "SECONDS", 0.2)

    def reply(messages: list[dict[str, str]]) -> Any:
        return RECORDED if NOTES["doc-hours"] in messages[-1]["content"] else trouble

    plan = plan_rerun(asked, "0" * 31 + "1", without=["doc-hours"], samples=2)
    with chat_endpoint(reply) as there, at(there) as endpoint:
        found = rerun(plan, endpoint)
    first, other = found.variants
    assert (first.missing, other.missing, other.dependence) == (0, 2, "undecided")
    assert len(found.failures) == 1 and says in found.failures[0]


@pytest.mark.parametrize("status", [400, 401, 404, 301])
def test_a_refusal_ends_it_and_shows_nothing(asked: Reader, status: int) -> None:
    """A wrong key, model or prompt stays wrong; the body, which may quote it, is kept back."""
    plan = plan_rerun(asked, "0" * 31 + "1", samples=3)
    location = {"location": "http://127.0.0.1:9/elsewhere"}
    with chat_endpoint(lambda messages: (status, location, b"SECRET")) as there:
        with at(there, key="sk-not-to-be-seen") as endpoint:
            with pytest.raises(RerunError, match=f"status {status}") as raised:
                rerun(plan, endpoint)
    assert len(there.asked) == 1
    assert there.headers[0]["authorization"] == "Bearer sk-not-to-be-seen"
    assert not any(one in f"{raised.value} {endpoint!r}" for one in ("SECRET", "sk-not"))


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("http://models.example/v1", "expected https"),
        ("ftp://models.example/v1", "expected a URL"),
        ("models.example", "expected a URL"),
        ("https://me:key@models.example/v1", "without user"),
        ("https://models.example/v1?key=1", "without user"),
    ],
)
def test_where_nothing_is_sent_to(url: str, says: str) -> None:
    """Protected text leaves over an encrypted connection, or not the machine."""
    with pytest.raises(RerunError, match=says):
        Endpoint(url, "m")


def test_a_restart_goes_on(asked: Reader, tmp_path: Path) -> None:
    """Killed in the midst of a line, it asks for what is missing and for nothing else."""
    out, plan = tmp_path / "out.jsonl", plan_rerun(asked, "0" * 31 + "1", samples=4)
    said = iter([RECORDED, RECORDED, 401])
    with chat_endpoint(lambda messages: next(said)) as there, at(there) as endpoint:
        with pytest.raises(RerunError):
            rerun(plan, endpoint, out)
        assert stat.S_IMODE(os.stat(out).st_mode) == 0o600
        with out.open("ab") as file:
            file.write(b'{"prompt": "torn')
        there.reply, there.asked[:] = honest, []
        found = rerun(plan, endpoint, out)
        assert len(there.asked) == 2
        assert rerun(plan, endpoint, out) == found and len(there.asked) == 2
    assert found.variants[0].similarities == (1.0,) * 4
    assert len(out.read_text().splitlines()) == 4


@pytest.mark.parametrize("line", [b"{}\n", b"nonsense\n", b'{"answer": 1}\n', b"[]\n", b"\xff\n"])
def test_a_file_of_something_else_is_left_alone(asked: Reader, tmp_path: Path, line: bytes) -> None:
    """The message names file and line, and the file is as it was."""
    out = tmp_path / "out.jsonl"
    out.write_bytes(line)
    plan = plan_rerun(asked, "0" * 31 + "1")
    with chat_endpoint(honest) as there, at(there) as endpoint:
        with pytest.raises(RerunError, match=r"out\.jsonl:1: expected an answer"):
            rerun(plan, endpoint, out)
    assert out.read_bytes() == line and not there.asked


@pytest.mark.parametrize(
    ("held", "mode", "said"),
    [
        (b"a note without an end of line", 0o600, "expected answers of an earlier rerun"),
        (b"", 0o644, "others can read the file"),
        (b'{"prompt": "torn', 0o644, "others can read the file"),
    ],
)
def test_a_file_that_is_not_for_answers_is_left_alone(
    asked: Reader, tmp_path: Path, held: bytes, mode: int, said: str
) -> None:
    """It is not cut off as a torn answer is, and nothing protected is put where others read."""
    out = tmp_path / "out.jsonl"
    out.write_bytes(held)
    out.chmod(mode)
    plan = plan_rerun(asked, "0" * 31 + "1")
    with chat_endpoint(honest) as there, at(there) as endpoint:
        with pytest.raises(RerunError, match=said):
            rerun(plan, endpoint, out)
    assert out.read_bytes() == held and not there.asked


def test_no_more_is_spent_than_may_be(asked: Reader) -> None:
    """A call that would go beyond it is not made; what counts is what the endpoint says."""
    plan = plan_rerun(asked, "0" * 31 + "1", samples=5)
    prices = Prices(sent=1000.0, received=1000.0, most=2.5)  # 1.1 a call, says the endpoint
    with chat_endpoint(honest) as there, at(there) as endpoint:
        with pytest.raises(RerunError, match=r"beyond 2\.5: 3\.3 is spent|beyond 2\.5: 2\.2 is"):
            rerun(plan, endpoint, prices=prices)
    assert len(there.asked) in (2, 3)


def _dependence(
    asked: Reader, with_it: list[str], without: list[str], samples: int = 2
) -> str | None:
    said = {True: iter(with_it), False: iter(without)}

    def reply(messages: list[dict[str, str]]) -> str:
        return next(said[NOTES["doc-fee"] in messages[-1]["content"]])

    plan: Plan = plan_rerun(asked, "0" * 31 + "1", without=["doc-fee"], samples=samples)
    with chat_endpoint(reply) as there, at(there) as endpoint:
        return rerun(plan, endpoint).variants[1].dependence


HALF = RECORDED[: len(RECORDED) // 2]


@pytest.mark.parametrize(
    ("with_it", "without", "verdict"),
    [
        ([RECORDED, RECORDED], [OTHERWISE, OTHERWISE], "depended"),
        ([RECORDED, HALF], [HALF, RECORDED], "not shown to depend"),
        ([RECORDED, RECORDED], [OTHERWISE, RECORDED], "undecided"),
        ([OTHERWISE, OTHERWISE], ["Yes.", "No."], "undecided"),
        ([RECORDED], [OTHERWISE], "undecided"),
    ],
)
def test_a_verdict_follows_from_what_the_answers_share(
    asked: Reader, with_it: list[str], without: list[str], verdict: str
) -> None:
    """One answer of each, or a model that says something else anyhow, decides nothing."""
    assert _dependence(asked, with_it, without, len(with_it)) == verdict


@given(st.text(), st.text())
def test_similarity_is_a_share(one: str, other: str) -> None:
    """Between 0 and 1, the same both ways, and 1 for the same words."""
    assert 0 <= similarity(one, other) == similarity(other, one) <= 1
    assert similarity(one, f"  {one.upper().lower()} ") == similarity(one, one.upper().lower())
    assert similarity(one, one) == 1


def test_chunks_of_the_tests_are_found() -> None:
    """The material is what it says it is: both notes stand in the prompt where they are said to."""
    prompt, found = _prompt()
    for one, text in zip(found, NOTES.values(), strict=True):
        (place,) = one.spans
        assert prompt.messages[place.message].text[place.start : place.end] == text
        chunk = Chunk(one.chunk, Document("d"), Source("s"), text, one.chunk, Label(""), "test")
        assert chunk.digest == digest(text)
