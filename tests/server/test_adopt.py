"""What becomes of spans that other tracers wrote, in one server and in memory."""

from __future__ import annotations

import json
import threading
from dataclasses import replace
from typing import Any

import pytest

from ragtrace.model import Message, Prompt, digest
from ragtrace.policy import parse_policy
from ragtrace.server import _adopt
from ragtrace.server._adopt import UNLABELLED, Adopter
from ragtrace.wire import Rope, SpanRecord, decode_chunks, names, unweave
from tests.engine import flow
from tests.engine import span as ours
from tests.server import foreign
from tests.server.foreign import (
    ANSWER,
    ARTICLE,
    NOTE,
    QUESTION,
    article,
    call,
    note,
    retrieval,
)

POLICY = """
version: 1
levels: [public, staff_only, restricted]
unlabelled: restricted
audiences: {customer: {clearance: public}}
"""


def flows(span: SpanRecord) -> dict[str, dict[str, Any]]:
    """The flows of a span by document."""
    return {flow["document"]: flow for flow in json.loads(span.attributes[names.FLOWS])}


def adopted(*spans: SpanRecord, policy: str | None = None) -> list[SpanRecord]:
    adopter = Adopter(parse_policy(policy.encode()) if policy else None)
    return adopter.adopt(spans)[0]


def test_a_retrieval_and_a_call_get_flows_as_ours_have_them() -> None:
    """The call is attributed to what the retrieval brought, and nobody has decided about it."""
    _, search, chat = adopted(foreign.root(), retrieval(2, note(), article()), call(3, NOTE))
    assert search.attributes[names.STAGE] == "retrieval"
    assert search.attributes[names.TRACER] == "openinference"
    assert flows(search).keys() == {"note", "article"}
    (found,) = flows(chat).values()
    assert (found["document"], found["verdict"], found["roles"]) == ("note", "certain", ["user"])
    message, start, end, chunk_start, chunk_end = found["spans"][0]
    assert (message, start, chunk_start) == (0, 0, 0)
    assert end == chunk_end >= len(NOTE) - 1
    assert "action" not in found
    assert chat.attributes[names.PROMPT_LEVEL] == "staff_only"
    prompt = Prompt((Message("user", f"{NOTE}\n{QUESTION}"),))
    assert chat.attributes[names.PROMPT_DIGEST] == prompt.digest
    assert chat.attributes[names.COMPLETION_DIGEST] == digest(ANSWER)


def test_no_attribute_of_a_foreign_span_holds_text() -> None:
    """Of chains, tools, searches and calls alike, texts are replaced by their digests."""
    spans = [foreign.root(), retrieval(2, note()), call(3, NOTE)]
    assert foreign.holds_text(spans)
    made = adopted(*spans)
    assert foreign.holds_text(made) == []
    assert made[0].attributes["input.value"] == f"sha256:{digest(QUESTION)}"
    place = "retrieval.documents.0.document.content"
    assert made[1].attributes[place] == f"sha256:{digest(NOTE)}"
    assert made[0].attributes["openinference.span.kind"] == "CHAIN"


def test_the_texts_are_told_apart_and_the_prompt_refers_to_them() -> None:
    """A chunk has its own level; the prompt is a rope that proves itself by its digest."""
    _, contents = Adopter().adopt([foreign.root(), retrieval(2, note(), article()), call(3, NOTE)])
    kept = {(one.kind, one.level): one for one in contents}
    assert kept["chunk", "staff_only"].text == NOTE
    assert kept["chunk", UNLABELLED].text == ARTICLE
    assert kept["completion", "staff_only"].text == ANSWER
    rope = Rope.from_json(kept["prompt", "staff_only"].text)
    assert rope.references == {digest(NOTE)}
    assert unweave(rope, {digest(NOTE): NOTE}).messages[0].text == f"{NOTE}\n{QUESTION}"


def test_without_a_policy_what_nobody_labelled_is_called_so() -> None:
    """It is neither public nor restricted: nobody has said either."""
    _, search, chat = adopted(foreign.root(), retrieval(2, article()), call(3, ARTICLE))
    assert flows(search)["article"]["level"] == UNLABELLED
    assert flows(search)["article"]["basis"] == "unlabelled"
    assert chat.attributes[names.PROMPT_LEVEL] == UNLABELLED


def test_with_a_policy_its_labels_hold() -> None:
    """The level of the unlabelled is then the policy's."""
    made = adopted(foreign.root(), retrieval(2, note(), article()), call(3, NOTE), policy=POLICY)
    found = flows(made[1])
    assert (found["note"]["level"], found["note"]["basis"]) == ("staff_only", "metadata:label")
    assert found["article"]["level"] == "restricted"


def test_a_prompt_of_an_unfinished_trace_is_filed_for_the_fewest() -> None:
    """A search may yet come in that it holds a secret of; until then hardly anybody reads it."""
    _, contents = Adopter(parse_policy(POLICY.encode())).adopt([call(3, NOTE)])
    assert {one.level for one in contents} == {"restricted"}


def test_a_search_of_an_earlier_batch_is_remembered() -> None:
    """A tracer sends a trace in pieces; what is found does not depend on where they end."""
    adopter = Adopter()
    adopter.adopt([retrieval(2, note())])
    (chat, _), contents = adopter.adopt([call(3, NOTE), foreign.root()])
    assert flows(chat).keys() == {"note"}
    assert {one.level for one in contents} == {"staff_only"}


def test_searches_of_other_traces_play_no_part() -> None:
    """What another trace retrieved is not behind this one's prompt."""
    adopter = Adopter()
    adopter.adopt([retrieval(2, note(), trace=7)])
    ((chat,), _) = adopter.adopt([call(3, NOTE)])
    assert flows(chat) == {}


def test_memory_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """The oldest trace is forgotten first; its texts leave with it."""
    adopter = Adopter()
    adopter._window = _adopt.Window(traces=2)
    for trace in (1, 2, 3):
        adopter.adopt([retrieval(2, note(), trace=trace)])
    assert adopter.recall(f"{1:032x}") == {}
    assert adopter.recall(f"{3:032x}").keys() == {foreign.span_id(2, 3)}
    small = _adopt.Window(characters=1)
    adopter._window = small
    adopter.adopt([retrieval(2, note(), trace=4)])
    assert adopter.recall(f"{4:032x}") == {}
    assert small._held == 0


def test_our_own_spans_pass_as_they_are() -> None:
    """What ragtrace wrote in the application is not looked into again."""
    own = ours(1, ragtrace__tool__text=NOTE)
    made, contents = Adopter().adopt([own])
    assert made[0] is own
    assert contents == []


def test_a_call_that_ragtrace_has_traced_too_is_counted_once() -> None:
    """The foreign span is stored, and its flows are set aside."""
    prompt = Prompt((Message("user", f"{NOTE}\n{QUESTION}"),))
    search = ours(
        8, {"document": "note", "id": "note", "digest": digest(NOTE), "source": "chroma/kb",
            "level": "staff_only", "basis": "metadata:label"},
        ragtrace__stage="retrieval", ragtrace__prompt__digest=None,
    )  # fmt: skip
    chat = ours(9, ragtrace__prompt__digest=prompt.digest)
    mine = [replace(one, trace_id=f"{1:032x}") for one in (search, chat)]
    made = adopted(foreign.root(), retrieval(2, note()), call(3, NOTE), *mine)
    for one in made[1:3]:
        assert one.attributes[names.FLOWS] == "[]"
        assert "note" in one.attributes[names.DUPLICATE]
    assert made[3:] == mine


def test_of_two_tracers_of_one_call_one_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    """The tracer that saw more of the calls is believed, and the other one set aside."""
    read = _adopt.wire.observed

    def observed(span: SpanRecord) -> Any:
        seen = read(span)
        return replace(seen, tracer=span.attributes["tracer"]) if seen else None

    monkeypatch.setattr(_adopt.wire, "observed", observed)
    made = adopted(
        call(2, NOTE, tracer="genai"),
        call(3, NOTE, tracer="langfuse"),
        call(4, NOTE, tracer="langfuse"),
        call(5, ARTICLE, tracer="genai"),
    )
    assert [names.DUPLICATE in one.attributes for one in made] == [True, False, False, False]


def test_a_client_within_a_framework_is_one_call() -> None:
    """Two spans of one tracer, one within the other, with the same messages: the outer counts."""
    outer = replace(call(2, NOTE), end_ns=foreign.START_NS + 90_000)
    made = adopted(outer, call(3, NOTE))
    assert [names.DUPLICATE in one.attributes for one in made] == [False, True]


def test_a_text_beyond_bounds_keeps_its_digest(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is refused to nobody: it is not searched, not filed, and counted."""
    monkeypatch.setattr(_adopt, "MOST_CHARACTERS", len(NOTE) - 1)
    adopter = Adopter()
    (_, search), contents = adopter.adopt([foreign.root(), retrieval(2, note())])
    assert flows(search)["note"]["digest"] == digest(NOTE)
    assert contents == []
    assert adopter.too_long == 1


def test_a_passage_without_text_is_known_by_its_name() -> None:
    """Some tracers record ids and scores alone."""
    adopter = Adopter()
    (search,), contents = adopter.adopt([retrieval(2, ("note", "", {}))])
    assert flows(search)["note"]["digest"] == ""
    assert contents == []


def test_a_span_that_cannot_be_read_is_sealed_all_the_same(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A fault of ours stores no text and loses no span."""

    def broken(_: SpanRecord) -> None:
        raise RuntimeError(NOTE)

    monkeypatch.setattr(_adopt.wire, "observed", broken)
    adopter = Adopter()
    (search,), _ = adopter.adopt([retrieval(2, note())])
    assert foreign.holds_text([search]) == []
    assert adopter.failed == 1


def test_what_claims_to_be_adopted_is_not_believed() -> None:
    """It is not taken for text again, and what it says in our names is left out."""
    once = adopted(foreign.root(), retrieval(2, note()), call(3, NOTE))
    twice, contents = Adopter().adopt(once)
    assert contents == []
    assert foreign.holds_text(twice) == []
    for one in twice:
        assert {k for k in one.attributes if k.startswith("ragtrace.")} <= {names.OBSERVED}
        assert one.attributes.get(names.OBSERVED, "1") == "1"


def test_a_sender_cannot_say_of_which_version_its_span_is() -> None:
    """Nor what was decided about it; who it was for, an application may say."""
    raw = retrieval(2, note())
    claims = {
        names.OBSERVED: "18446744073709551615",
        names.DECISION_ACTION: "allow",
        f"{names.FLOWS}.1": "[]",
        names.AUDIENCE: "customer",
        names.TENANT: "acme",
    }
    made = adopted(foreign.root(), replace(raw, attributes={**raw.attributes, **claims}))[1]
    assert made.attributes[names.OBSERVED] == "2"
    assert names.DECISION_ACTION not in made.attributes
    assert f"{names.FLOWS}.1" not in made.attributes
    assert made.attributes[names.AUDIENCE] == "customer"
    assert made.attributes[names.TENANT] == "acme"


def test_a_span_id_of_ours_is_no_step_of_another_tracer() -> None:
    """Whoever knows the id of our span changes nothing of what it told."""
    adopter = Adopter()
    own = replace(ours(9), trace_id=f"{1:032x}", span_id=foreign.span_id(3))
    adopter.adopt([foreign.root(), retrieval(2, note()), own])
    (forged,), contents = adopter.adopt([call(3, NOTE)])
    assert names.STAGE not in forged.attributes
    assert contents == []
    assert adopter.recall(own.trace_id)[own.span_id].ours


def test_of_spans_that_are_no_steps_little_is_remembered() -> None:
    """Neither what they say at length, nor without a bound."""
    long = {f"app.{place}": "word " * 2_000 for place in range(10)}
    chain = foreign.root()
    adopter = Adopter()
    adopter._window = _adopt.Window(characters=20_000)
    adopter.adopt([replace(chain, attributes=chain.attributes | long), retrieval(2, note())])
    assert adopter.recall(chain.trace_id)
    assert 0 < adopter._window._held < 5_000
    for number in range(3, 50):
        adopter.adopt([foreign.span(number, said="a word")])
    assert adopter._window._held <= 20_000


def test_of_our_own_steps_flows_and_times_are_remembered_within_bounds() -> None:
    """The service that was told of longest ago is forgotten first."""
    from ragtrace.server._beside import Beside

    told = told_by_us(retrieval(2, article()), ARTICLE)
    size = len(told.attributes[names.FLOWS])
    beside = Beside(most=size * 3 // 2)
    beside.note([replace(told, service=name) for name in ("a", "b")])
    assert ("a" in beside, "b" in beside) == (False, True)
    assert beside._held == size


def test_our_own_flows_are_not_read_until_another_tracer_tells_of_the_same_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """All that comes in is ours as a rule, and reading it takes longer than storing it."""
    from ragtrace.server import _beside

    read: list[object] = []
    real = _beside.decode_chunks
    monkeypatch.setattr(_beside, "decode_chunks", lambda said: read.append(said) or real(said))
    adopter = Adopter()
    search = retrieval(2, article())
    adopter.adopt([told_by_us(search, ARTICLE)])
    assert not read
    adopter.adopt([search])
    assert len(read) == 1


def test_asking_whether_a_trace_is_open_waits_for_no_attribution(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It is asked where all requests are answered."""
    adopter = Adopter()
    asked: list[bool] = []
    real = _adopt.derive

    def derive(*given: Any) -> Any:
        thread = threading.Thread(target=lambda: asked.append(adopter.is_open(f"{1:032x}")))
        thread.start()
        thread.join(20)
        return real(*given)

    monkeypatch.setattr(_adopt, "derive", derive)
    adopter.adopt([foreign.root(), retrieval(2, note())])
    assert asked == [False]


def test_the_session_of_the_root_is_that_of_the_trace() -> None:
    """A tracer says it once; a question asks it of every flow."""
    _, search = adopted(foreign.root(), retrieval(2, note()))
    assert search.attributes["session.id"] == "s1"


def test_a_span_that_only_copies_our_attribute_is_sealed() -> None:
    """An application may put the request's id on its own spans; their scope tells them apart."""
    raw = call(3, NOTE)
    (sealed,) = adopted(replace(raw, attributes={**raw.attributes, names.REQUEST_ID: "r1"}))
    assert foreign.holds_text([sealed]) == []


def test_what_an_exception_said_is_sealed() -> None:
    """A provider's error may quote the prompt that it refused."""
    (sealed,) = adopted(replace(call(3, NOTE), status="Error", status_message=f"no: {NOTE}"))
    assert sealed.status_message.startswith("sha256:")


def told_by_us(at: SpanRecord, *texts: str, stage: str = "retrieval") -> SpanRecord:
    """Our own step, in a trace of its own, at the time of ``at`` and in the same service."""
    said = [
        flow(place, id=f"chunk-{place}", document=f"doc-{place}", digest=digest(text))
        for place, text in enumerate(texts)
    ]
    step = ours(77, *said, ragtrace__stage=stage)
    return replace(step, trace_id="77" * 16, start_ns=at.start_ns + 1, end_ns=at.end_ns - 1)


def test_what_ragtrace_told_in_another_trace_is_not_told_twice() -> None:
    """A framework's tracer beside ragtrace often has its own traces; ours saw what was dropped."""
    search, chat = retrieval(2, article()), call(3, ARTICLE)
    adopter = Adopter()
    adopter.adopt([told_by_us(search, ARTICLE, NOTE), told_by_us(chat, ARTICLE, stage="prompt")])
    made, _ = adopter.adopt([foreign.root(), search, chat])
    assert [one.attributes.get(names.FLOWS) for one in made] == [None, "[]", "[]"]
    assert foreign.holds_text(made) == []


@pytest.mark.parametrize("change", ["service", "time", "document", "stage"])
def test_what_ragtrace_did_not_tell_is_not_hidden(change: str) -> None:
    """Of another service, at another time, of another document or step: it counts."""
    search = retrieval(2, article(), note())
    own = told_by_us(search, ARTICLE, *(() if change == "document" else (NOTE,)))
    if change == "service":
        own = replace(own, service="another")
    if change == "time":
        own = replace(own, start_ns=search.end_ns + 1, end_ns=search.end_ns + 2)
    if change == "stage":
        own = replace(own, attributes={**own.attributes, names.STAGE: "prompt"})
    adopter = Adopter()
    adopter.adopt([own])
    made, _ = adopter.adopt([search])
    assert flows(made[0]).keys() == {"article", "note"}


def test_a_prompt_in_which_nothing_is_found_is_as_what_nobody_labelled() -> None:
    """It may hold anything; the policy says what that means, and its lowest level does not."""
    adopter = Adopter(parse_policy(POLICY.encode()))
    (_, chat), contents = adopter.adopt([foreign.root(), call(3, "of no document")])
    assert chat.attributes[names.PROMPT_LEVEL] == "restricted"
    assert {one.level for one in contents} == {"restricted"}


def test_what_came_without_its_text_may_be_in_any_prompt() -> None:
    """It is looked for in vain, so a prompt of its trace has its level at least."""
    secret = ("board", "", {"label": "restricted"})
    _, _, chat = adopted(foreign.root(), retrieval(2, secret, note()), call(3, NOTE), policy=POLICY)
    assert flows(chat).keys() == {"note"}
    assert chat.attributes[names.PROMPT_LEVEL] == "restricted"


def test_the_same_short_answer_to_another_question_is_another_call() -> None:
    """Only what was asked says whether ragtrace has told of the call."""
    own = ours(9, ragtrace__completion__digest=digest("Yes"))
    own = replace(own, trace_id=f"{1:032x}")
    _, chat = adopted(foreign.root(), call(3, NOTE, answer="Yes"), own)[:2]
    assert names.DUPLICATE not in chat.attributes


def test_of_a_step_that_ragtrace_told_no_text_is_filed() -> None:
    """The application has decided which of its texts leave it."""
    prompt = Prompt((Message("user", f"{NOTE}\n{QUESTION}"),))
    own = replace(ours(9, ragtrace__prompt__digest=prompt.digest), trace_id=f"{1:032x}")
    _, contents = Adopter().adopt([foreign.root(), call(3, NOTE), own])
    assert contents == []
    search = retrieval(2, note())
    adopter = Adopter()
    adopter.adopt([told_by_us(search, NOTE)])
    assert adopter.adopt([search])[1] == []


@pytest.mark.parametrize("recorded", ["too much", "nothing"])
def test_a_prompt_that_is_not_at_hand_has_the_strictest_level(
    recorded: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody has looked into it; the call is a step of the trace all the same."""
    raw = call(3, NOTE)
    if recorded == "too much":
        monkeypatch.setattr(_adopt, "MOST_CHARACTERS", len(NOTE))
    else:
        kept = {k: v for k, v in raw.attributes.items() if "input" not in k}
        raw = replace(raw, attributes=kept)
    adopter = Adopter(
        parse_policy(POLICY.replace("unlabelled: restricted", "unlabelled: public").encode())
    )
    (_, chat), contents = adopter.adopt([foreign.root(), raw])
    assert chat.attributes[names.STAGE] == "prompt"
    assert chat.attributes[names.PROMPT_LEVEL] == "restricted"
    assert {one.level for one in contents} == {"restricted"}


def test_a_text_behind_the_word_of_a_seal_is_sealed() -> None:
    """Only a digest and nothing beside it passes for what was sealed before."""
    for text in (f"sha256:{NOTE}", f"sha256:{digest(NOTE)} {NOTE}", f"sha256:{digest(NOTE)}\n"):
        made, _ = Adopter().adopt([foreign.span(1, input__value=text)])
        assert made[0].attributes["input.value"] == f"sha256:{digest(text)}"


def test_a_text_in_a_name_is_sealed() -> None:
    """Of an attribute, and of a document, an address, a level that its metadata names."""
    made, _ = Adopter().adopt([replace(foreign.span(1), attributes={NOTE: "1", "a.b": "2"})])
    said = made[0].attributes
    assert (said[f"sha256:{digest(NOTE)}"], said["a.b"]) == ("1", "2")
    long = NOTE * 20
    metadata = {"label": long, "url": long, "doc_id": long}
    made, _ = Adopter().adopt([foreign.retrieval(2, ("note", NOTE, metadata))])
    assert long not in repr(made)
    (chunk,) = decode_chunks(made[0].attributes)
    sealed = f"sha256:{digest(long)}"
    assert (chunk.document.id, chunk.document.uri, chunk.label.level) == (sealed, sealed, sealed)
