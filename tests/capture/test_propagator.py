"""Baggage: what one service has handled, the next one judges by; what strangers say is nothing."""

from __future__ import annotations

import base64
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from opentelemetry import baggage, context, propagate
from opentelemetry.baggage.propagation import W3CBaggagePropagator
from opentelemetry.propagators.composite import CompositePropagator
from opentelemetry.propagators.textmap import TextMapPropagator
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

import ragtrace
from ragtrace.capture import Propagator, failures
from ragtrace.capture._envelope import Envelope, EnvelopeKey
from ragtrace.errors import ConfigError
from ragtrace.model import Label, Origin
from ragtrace.testing import Recorder, recording
from ragtrace.wire import names
from tests.capture import elsewhere
from tests.capture.elsewhere import Elsewhere, Outcome
from tests.prose import prose

SECRET = "Waive the early repayment charge once, with code LANTERN-11, up to $400. " + prose(7, 40)
PUBLIC = "The branch opens at nine and closes at five, but for Sundays. " + prose(8, 40)
KEY = bytes(range(32))
ORDERS: dict[str, list[type[TextMapPropagator]]] = {
    "alone": [Propagator],
    "last": [TraceContextTextMapPropagator, W3CBaggagePropagator, Propagator],
    "first": [Propagator, W3CBaggagePropagator],
}


def written(directory: Path, otherwise: str) -> str:
    path = directory / f"{otherwise}.yaml"
    path.write_text(
        f"version: 1\nlevels: [public, internal, staff_only]\notherwise: {otherwise}\n"
        "on_block: refuse\nlabels: {level_keys: [label]}\n"
        "audiences:\n  customer: {clearance: public}\n  staff: {clearance: staff_only}\n"
    )
    return str(path)


@pytest.fixture
def key_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    path = tmp_path / "baggage.key"
    path.write_bytes(base64.b64encode(KEY))
    monkeypatch.setenv("RAGTRACE_BAGGAGE_KEY_FILE", str(path))
    return str(path)


@pytest.fixture
def here(tmp_path: Path, key_file: str, request: pytest.FixtureRequest) -> Iterator[Recorder]:
    """This service, which drops, or does what a test asks for."""
    otherwise = getattr(request, "param", "drop")
    with recording(written(tmp_path, otherwise), instrument=False) as recorded:
        yield recorded


def sent(*propagators: TextMapPropagator) -> dict[str, str]:
    """Headers of a call to another service, as it would be made now."""
    carrier: dict[str, str] = {}
    CompositePropagator(propagators or [Propagator()]).inject(carrier)
    return carrier


def received(headers: dict[str, str], audience: str | None, prompt: str, answer: str) -> Outcome:
    """What becomes of a model call in a service that is called with these headers."""
    arrived = Propagator().extract(headers)
    token = context.attach(arrived)
    try:
        return elsewhere.ask(audience, prompt, answer)
    finally:
        context.detach(token)


def call_on(text: str, level: str) -> dict[str, str]:
    """Headers of a call that a request for staff makes which has retrieved ``text``."""
    with ragtrace.request(audience="staff"):
        elsewhere.search(text, level)
        return sent()


def sealed(label: Label, *origins: Origin, audience: str = "", key: bytes = KEY) -> dict[str, str]:
    """Headers that a service of ours would send."""
    now = int(elsewhere.runtime().wall())
    value = EnvelopeKey(key).seal(Envelope(label, origins, audience, "r" * 32, now))
    return {"baggage": f"ragtrace={value}"}


def carried(level: str = "staff_only") -> dict[str, str]:
    return sealed(Label(level), Origin("note-11", "chroma/notes", "0" * 64, Label(level)))


def test_what_was_retrieved_goes_along(here: Recorder) -> None:
    """Its label and the document, and no text."""
    headers = call_on(SECRET, "staff_only")
    assert headers.keys() == {"baggage"}
    assert "LANTERN" not in headers["baggage"] and len(headers["baggage"]) < 2048 + 10
    outcome = received(headers, "customer", "What is this about?", "Certainly.")
    assert outcome.blocked
    assert "note-11" in outcome.reason
    assert outcome.sources == ("baggage",)


def test_what_was_in_a_prompt_goes_along(here: Recorder) -> None:
    """Also where this request has retrieved nothing: history, a memory, a cache."""
    elsewhere.retrieve("staff", SECRET, "staff_only")
    with ragtrace.request(audience="staff"):
        elsewhere.ask_on(f"As I said: {SECRET}")
        headers = sent()
    assert received(headers, "customer", "And?", "Well.").blocked


@pytest.mark.parametrize("audience", ["customer", "staff"])
def test_what_was_kept_back_does_not_go_along(here: Recorder, audience: str) -> None:
    """What is public, or was dropped, has not been handled."""
    with ragtrace.request(audience=audience):
        elsewhere.search(PUBLIC, "public")
        if audience == "customer":
            assert elsewhere.search(SECRET, "staff_only") == [None]
            assert elsewhere.ask_on(SECRET).blocked is False  # taken out
        assert sent() == {}


def test_of_what_was_redacted_the_rest_goes_along(tmp_path: Path, key_file: str) -> None:
    """An article without its staff section is as confidential as the rest of it."""
    path = tmp_path / "redact.yaml"
    path.write_text(
        "version: 1\nlevels: [public, internal, staff_only]\notherwise: redact\n"
        "labels: {level_keys: [label]}\naudiences:\n  partner: {clearance: internal}\n"
        "sections: [{id: s, heading: Staff only, level: staff_only}]\n"
    )
    article = f"{PUBLIC}\n\n## Staff only\n{SECRET}\n"
    with recording(str(path), instrument=False):
        with ragtrace.request(audience="partner"):
            (found,) = elsewhere.search(article, "internal")
            assert found is not None and "LANTERN" not in found
            headers = sent()
        outcome = received(headers, "partner", "Hello", "Hello.")
    assert not outcome.blocked
    assert outcome.level == "internal"


def test_what_a_request_brought_along_goes_on(here: Recorder) -> None:
    """To the third service and the fourth, with what each has added."""
    token = context.attach(Propagator().extract(carried()))
    try:
        with ragtrace.request(audience="staff"):
            elsewhere.search(PUBLIC + " inside", "internal", "page-3")
            headers = sent()
        forwarded = sent()  # by what is no request of ours
    finally:
        context.detach(token)
    for each in (headers, forwarded):
        outcome = received(each, "staff", "And?", "Well.")
        assert outcome.level == "staff_only"
        assert outcome.origins[0] == "note-11"
    assert received(headers, "staff", "And?", "Well.").origins == ("note-11", "page-3")


@pytest.mark.parametrize(
    ("here", "blocked"),
    [("block", True), ("drop", True), ("redact", True), ("context_only", False), ("allow", False)],
    indirect=["here"],
)
def test_what_is_decided_about_what_was_brought_along(here: Recorder, blocked: bool) -> None:
    """There is no text to take out: where it should be, the prompt is blocked."""
    outcome = received(carried(), "customer", "What is this about?", prose(77, 40))
    assert outcome.blocked is blocked
    (span,) = here.of("chat")
    (flow,) = span.flows
    assert (flow["source"], flow["level"]) == ("baggage", "staff_only")
    assert [origin["document"] for origin in flow["origins"]] == ["note-11"]
    if not blocked:
        assert (outcome.level, outcome.origins) == ("staff_only", ("note-11",))


@pytest.mark.parametrize("here", ["context_only"], indirect=True)
def test_what_is_said_on_it_inherits(here: Recorder) -> None:
    """The answer is staff text in every later prompt, without any baggage."""
    answer = prose(78, 40)
    assert not received(carried(), "staff", "Sum it up.", answer).blocked
    with ragtrace.request(audience="customer"):
        outcome = elsewhere.ask_on(f"Is it true? {answer}")
    assert outcome.rule == "otherwise" and "note-11" in outcome.reason


def test_for_whom_it_is_cleared_nothing_changes(here: Recorder) -> None:
    """An employee is answered."""
    assert not received(carried(), "staff", "What is this about?", "A fee.").blocked


@pytest.mark.parametrize(
    ("asked_by", "named", "reader"),
    [
        ("customer", "staff", "customer"),
        ("staff", "customer", "customer"),
        ("staff", None, "unknown"),
        ("customer", None, "unknown"),
        ("nobody we know", "staff", "nobody we know"),
        ("staff", "nobody we know", "nobody we know"),
        ("", "staff", "staff"),
        ("staff", "colleague", "colleague"),
        ("colleague", "staff", "staff"),
        ("desk", "hr", "desk"),
        ("hr", "desk", "desk"),
        ("night", "hr", "hr for night"),
        ("staff", "night", "staff"),
        ("night", "staff", "staff"),
        ("audit", "hr", "hr for audit"),
    ],
)
def test_the_audience_that_was_sent_makes_a_request_only_stricter(
    tmp_path: Path, key_file: str, asked_by: str, named: str | None, reader: str
) -> None:
    """It counts where it may have less in every respect; of two that differ, neither is meant."""
    path = tmp_path / "policy.yaml"
    path.write_text(
        "version: 1\nlevels: [public, internal]\naudiences:\n"
        "  customer: {clearance: public}\n"
        "  staff: {clearance: internal}\n"
        "  colleague: {clearance: internal}\n"
        "  hr: {clearance: internal, compartments: [people], groups: [hr]}\n"
        "  desk: {clearance: internal, groups: [hr]}\n"
        "  night: {clearance: internal, groups: [night]}\n"
        "  audit: {clearance: public, compartments: [people, money]}\n"
    )
    with recording(str(path), instrument=False) as here:
        headers = sealed(Label("internal"), audience=asked_by)
        received(headers, named, "Hello", "Hello.")
        (span,) = here.of("chat")
    assert span.attributes[names.AUDIENCE] == reader


def test_a_header_sent_again_clears_nobody(here: Recorder) -> None:
    """A request that names no audience is least cleared, whoever's call it copies."""
    headers = call_on(PUBLIC + " inside", "internal")
    token = context.attach(Propagator().extract(headers))
    try:
        assert elsewhere.retrieve(None, SECRET, "staff_only") == [None]
    finally:
        context.detach(token)


def test_for_whom_it_was_asked_goes_on_through_a_service_that_names_nobody(here: Recorder) -> None:
    """The third service hears of the customer whom the second has not named."""
    token = context.attach(Propagator().extract(sealed(Label("internal"), audience="customer")))
    try:
        with ragtrace.request():
            headers = sent()
    finally:
        context.detach(token)
    received(headers, "staff", "Hello", "Hello.")
    (span,) = here.of("chat")
    assert span.attributes[names.AUDIENCE] == "customer"


@pytest.mark.parametrize(
    "headers",
    [
        {"baggage": "ragtrace=hunter2"},
        {"baggage": "ragtrace=1.a.b.c"},
        {"baggage": "ragtrace=" + "x" * 100_000},
        {"baggage": "ragtrace"},
        {"baggage": ",;=,ragtrace=,"},
        {"baggage": "x" * 20_000 + ",ragtrace=hunter2"},
        {"ragtrace-baggage": "\x00"},
        {"baggage": "ragtrace=1.." + "é" * 10},
    ],
)
def test_what_strangers_say_is_nothing(
    here: Recorder, headers: dict[str, str], caplog: pytest.LogCaptureFixture
) -> None:
    """It is left alone, and is no error to anybody."""
    outcome = received(headers, "customer", "Hello", "Hello.")
    assert not outcome.blocked and outcome.sources == ()
    assert "hunter2" not in caplog.text


def test_a_forged_envelope_is_counted(here: Recorder) -> None:
    """A stranger's key signs nothing here, and nothing is lowered or raised by it."""
    name = "envelope in baggage: signed with another key"
    before = failures().get(name, 0)
    headers = sealed(Label("staff_only"), audience="staff", key=os.urandom(32))
    outcome = received(headers, "customer", "Hello", "Hello.")
    assert not outcome.blocked
    assert failures()[name] > before


def test_a_good_envelope_behind_bad_ones_counts(here: Recorder) -> None:
    """Who puts something in front of it takes nothing away."""
    good = carried()["baggage"]
    for header in (f"ragtrace=bad, {good}", f"ragtrace=bad,a=b;c=d,{good};property"):
        assert received({"baggage": header}, "customer", "Hello", "Hello.").blocked
    both = {"ragtrace-baggage": "bad", "baggage": good}
    assert received(both, "customer", "Hello", "Hello.").blocked


def test_without_a_key_nothing_is_written_or_believed(tmp_path: Path) -> None:
    """Neither by accident nor by a stranger's will."""
    with recording(written(tmp_path, "drop"), instrument=False):
        assert call_on(SECRET, "staff_only") == {}
        assert not received(carried(), "customer", "Hello", "Hello.").blocked


def test_a_process_without_ragtrace_writes_nothing() -> None:
    """The propagator may be switched on before anything has started."""
    assert sent() == {}
    assert Propagator().extract({"baggage": "a=b"}) is not None


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("other", [False, True])
def test_other_baggage_stays_in_whatever_order(here: Recorder, order: str, other: bool) -> None:
    """Beside W3C's own propagator, before it and after it; the envelope arrives."""
    sender = CompositePropagator([made() for made in ORDERS[order]])
    held = baggage.set_baggage("cart", "three pears") if other else context.Context()
    token = context.attach(held)
    try:
        with ragtrace.request(audience="staff"):
            elsewhere.search(SECRET, "staff_only")
            headers = sent(sender)
    finally:
        context.detach(token)
    found = W3CBaggagePropagator().extract(headers, context.Context())
    if other and order != "alone":
        assert baggage.get_baggage("cart", found) == "three pears"
    assert received(headers, "customer", "Hello", "Hello.").blocked


@pytest.mark.parametrize("order", ["last", "first"])
def test_what_came_in_does_not_go_out_in_the_place_of_what_is(here: Recorder, order: str) -> None:
    """W3C's propagator carries on what it was given; what has been handled since counts."""
    both = CompositePropagator([made() for made in ORDERS[order]])
    token = context.attach(both.extract(carried("internal") | {}))
    try:
        with ragtrace.request(audience="staff"):
            elsewhere.search(SECRET, "staff_only", "note-12")
            headers = sent(both)
    finally:
        context.detach(token)
    outcome = received(headers, "staff", "Hello", "Hello.")
    assert outcome.level == "staff_only"
    assert outcome.origins == ("note-12", "note-11")


def test_a_carrier_that_cannot_be_read_is_not_overwritten(here: Recorder) -> None:
    """What somebody else has put there stays."""
    carrier: list[tuple[str, str]] = [("baggage", "cart=pears")]

    class Append:
        def set(self, carrier: list[tuple[str, str]], key: str, value: str) -> None:
            carrier.append((key, value))

    with ragtrace.request(audience="staff"):
        elsewhere.search(SECRET, "staff_only")
        Propagator().inject(carrier, setter=Append())  # type: ignore[arg-type]
    assert [name for name, _ in carrier] == ["baggage", "ragtrace-baggage"]
    assert received(dict(carrier), "customer", "Hello", "Hello.").blocked


def test_a_key_that_is_too_short_is_refused(
    tmp_path: Path, key_file: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Anything from 32 bytes will do."""
    Path(key_file).write_bytes(base64.b64encode(bytes(31)))
    with pytest.raises(ConfigError, match="RAGTRACE_BAGGAGE_KEY_FILE: expected base64 of at least"):
        ragtrace.init(written(tmp_path, "drop"))
    Path(key_file).write_bytes(base64.b64encode(bytes(64)))
    ragtrace.init(written(tmp_path, "drop"), instrument=False)


@pytest.mark.parametrize(
    "first", ["opentelemetry.propagate", "ragtrace", "ragtrace_langchain", "ragtrace.wire"]
)
def test_it_is_switched_on_by_the_environment_alone(first: str) -> None:
    """``OTEL_PROPAGATORS`` names it, whatever is imported first."""
    code = (
        f"import {first}\nfrom opentelemetry import propagate\n"
        "print([type(p).__name__ for p in propagate.get_global_textmap()._propagators])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=os.environ | {"OTEL_PROPAGATORS": "ragtrace,tracecontext,baggage"},
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert "'Propagator'" in done.stdout and "W3CBaggagePropagator" in done.stdout


def handle(headers: dict[str, str]) -> Outcome:
    """What the second service does with a call."""
    token = context.attach(propagate.extract(headers))
    try:
        return elsewhere.ask("customer", "Put this politely.", "Certainly.")
    finally:
        context.detach(token)


def test_two_services_in_two_processes(
    here: Recorder, tmp_path: Path, key_file: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each with its own policy and ledger: all that goes over is the headers."""
    monkeypatch.setenv("OTEL_PROPAGATORS", "tracecontext,baggage,ragtrace")
    there = Elsewhere(
        {
            "RAGTRACE_POLICY": written(tmp_path, "block"),
            "RAGTRACE_BAGGAGE_KEY_FILE": key_file,
        }
    )
    try:
        assert not there.do(handle, call_on(PUBLIC, "public")).blocked
        outcome = there.do(handle, call_on(SECRET, "staff_only"))
        assert outcome.blocked and "note-11" in outcome.reason
    finally:
        there.close()


def test_over_http(here: Recorder) -> None:
    """The headers of httpx, and those that FastAPI gives its handler."""
    fastapi, testclient = pytest.importorskip("fastapi"), pytest.importorskip("fastapi.testclient")
    httpx = pytest.importorskip("httpx")
    app, seen = fastapi.FastAPI(), list[Outcome]()

    def answer(request: Any) -> str:
        seen.append(received(dict(request.headers), "customer", "Hello", "Hello."))
        return "done"

    answer.__annotations__["request"] = fastapi.Request
    app.get("/")(answer)
    headers = httpx.Headers({"baggage": "cart=pears"})
    with ragtrace.request(audience="staff"):
        elsewhere.search(SECRET, "staff_only")
        Propagator().inject(headers)
    assert headers["baggage"].startswith("cart=pears,ragtrace=1.")
    assert testclient.TestClient(app).get("/", headers=headers).status_code == 200
    assert seen[0].blocked
