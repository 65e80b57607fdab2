"""What is promised about personal data in texts."""

from __future__ import annotations

import importlib
import socket
import subprocess
import sys
from typing import Any

import pytest

from ragtrace.errors import MissingDependencyError
from ragtrace.labels import LabelKeys, Labeller, Lattice, PiiFinder, PiiRule, _pii
from ragtrace.model import Audience, Chunk, Label, LabelledRange, Passage, Source, digest
from ragtrace.policy import REDACTED, judge, parse_policy, redact_chunk

LATTICE = Lattice(("public", "secret"))
ALL = tuple(_pii._RECOGNISERS)


def finder(*entities: str, **said: Any) -> PiiFinder:
    """A finder of these kinds, or of all."""
    pytest.importorskip("presidio_analyzer")
    return PiiFinder(PiiRule(entities or ALL, **said), LATTICE)


def found(text: str, by: PiiFinder) -> list[tuple[str, str]]:
    """What is found, and the compartment of each."""
    parts = by.ranges(text, digest(text))
    return [(text[p.start : p.end], ",".join(p.label.compartments)) for p in parts]


@pytest.mark.parametrize(
    ("kind", "text", "part"),
    [
        ("CREDIT_CARD", "card 4111 1111 1111 1111, thanks", "4111 1111 1111 1111"),
        ("CRYPTO", "to 1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa", "1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa"),
        ("EMAIL_ADDRESS", "write to ann@example.com.", "ann@example.com"),
        ("EMAIL_ADDRESS", "write to ann@corp.local.", "ann@corp.local"),
        ("IBAN_CODE", "DE89 3704 0044 0532 0130 00", "DE89 3704 0044 0532 0130 00"),
        ("IP_ADDRESS", "from 192.168.7.1", "192.168.7.1"),
        ("MEDICAL_LICENSE", "licence BB1388568", "BB1388568"),
        ("PHONE_NUMBER", "call 212-555-5555", "212-555-5555"),
        ("UK_NHS", "number 401-023-2137", "401-023-2137"),
        ("US_SSN", "ssn 536-22-1234", "536-22-1234"),
    ],
)
def test_each_kind_is_found_without_a_model(kind: str, text: str, part: str) -> None:
    """Patterns and check digits are enough, and the label stands just where the find does."""
    assert found(text, finder(kind)) == [(part, "pii")]
    assert found(text, finder(kind, by_entity=True)) == [(part, f"pii:{kind}")]


def test_ordinary_text_holds_none() -> None:
    """Dates, amounts, order numbers and numbers that fail their check are not personal data."""
    text = "On 2024-10-10 order 4711 cost $400; see card 4111 1111 1111 1112 and 24-hour help."
    assert found(text, finder("CREDIT_CARD", "EMAIL_ADDRESS", "IBAN_CODE", "US_SSN")) == []


def test_a_long_text_does_not_hide_an_address() -> None:
    """Text made to keep a pattern busy takes no time that anybody notices, and is not skipped."""
    assert found("a." * 50_000 + " ann@example.com", finder("EMAIL_ADDRESS")) == [
        ("ann@example.com", "pii")
    ]


def test_a_score_below_the_threshold_does_not_count() -> None:
    """A telephone number scores 0.4."""
    assert found("call 212-555-5555", finder("PHONE_NUMBER", threshold=0.5)) == []


def test_findings_are_ranges_of_a_chunk() -> None:
    """The rest of the text keeps its label; who holds the compartment may read all of it."""
    by = finder("EMAIL_ADDRESS", compartment="personal", level="secret")
    labeller = Labeller(LATTICE, LabelKeys(), (), (), "secret", pii=by)
    text = "Ask ann@example.com about fees."
    chunk: Chunk = labeller.label(Passage(text, Source("s"), {"label": "public"}))
    personal = Label("secret", frozenset({"personal"}))
    assert (chunk.label, chunk.basis) == (Label("public"), "metadata:label+pii")
    assert chunk.ranges == (LabelledRange(4, 19, personal),)
    staff = Audience("staff", "secret", frozenset({"personal"}))
    assert LATTICE.permits(staff, labeller.effective(chunk))
    assert not LATTICE.permits(Audience("a", "secret"), labeller.effective(chunk))
    assert labeller.label(Passage("Fees.", Source("s"), {})).basis == "unlabelled"


def test_redact_takes_out_the_findings_and_nothing_else() -> None:
    """A level of its own lets a rule speak of personal data alone."""
    pytest.importorskip("presidio_analyzer")
    policy = parse_policy(
        b"version: 1\nlevels: [public, personal, secret]\n"
        b"audiences: {customer: {clearance: public}}\n"
        b"pii: {entities: [EMAIL_ADDRESS, PHONE_NUMBER], level: personal}\n"
        b"rules: [{id: r, when: {label: personal}, decide: redact}]\n"
    )
    text = "Ask ann@example.com or 212-555-5555 about fees."
    chunk = policy.labeller.label(Passage(text, Source("s"), {"label": "public"}))
    customer = policy.audience("customer")
    assert judge(policy, chunk, policy.labeller.effective(chunk), customer).action == "redact"
    out = redact_chunk(policy, chunk, customer)
    assert out == f"Ask {REDACTED} or {REDACTED} about fees."


class Scripted:
    """A recogniser that counts its calls, and fails on demand."""

    supported_entities = ("EMAIL_ADDRESS",)

    def __init__(self) -> None:
        self.calls = 0

    def analyze(self, text: str, entities: object) -> list[Any]:
        """Find nothing."""
        self.calls += 1
        if text == "bad":
            raise RuntimeError("no")
        return []


@pytest.fixture
def scripted(monkeypatch: pytest.MonkeyPatch) -> Scripted:
    """In place of Presidio's recognisers."""
    recogniser = Scripted()
    monkeypatch.setattr(_pii, "_recognisers", lambda entities: [recogniser])
    return recogniser


def test_a_text_is_looked_through_once(scripted: Scripted, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of so many texts as are kept; of more, the one that came first goes."""
    monkeypatch.setattr(_pii, "MAX_KNOWN_TEXTS", 2)
    by = PiiFinder(PiiRule(("EMAIL_ADDRESS",)), LATTICE)
    for text in ("a", "a", "b", "a", "c", "b", "a"):
        by.ranges(text, digest(text))
    assert scripted.calls == 4


def test_a_text_that_cannot_be_looked_through_is_personal(scripted: Scripted) -> None:
    """What a recogniser fails on may hold anything."""
    by = PiiFinder(PiiRule(("EMAIL_ADDRESS",)), LATTICE)
    assert by.ranges("bad", digest("bad")) == (
        LabelledRange(0, 3, Label("public", frozenset({"pii"}))),
    )


def test_nothing_is_downloaded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not even the list of public suffixes, by which e-mail addresses are checked."""

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("a connection was opened")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    _pii._recognisers.cache_clear()
    assert found("ann@example.co.uk", finder("EMAIL_ADDRESS")) == [("ann@example.co.uk", "pii")]


def test_the_extra_is_named_where_it_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    """The message ends in the line that installs it."""

    def missing(name: str) -> None:
        raise ModuleNotFoundError(name)

    monkeypatch.setattr(_pii, "import_module", missing)
    _pii._recognisers.cache_clear()
    with pytest.raises(MissingDependencyError) as caught:
        PiiFinder(PiiRule(ALL), LATTICE)
    assert str(caught.value).endswith("pip install 'ragtrace-otel[pii]'")


def test_presidio_is_imported_by_those_who_need_it() -> None:
    """Neither ragtrace nor its labels bring it along."""
    assert importlib.util.find_spec("ragtrace.labels")
    code = "import sys, ragtrace, ragtrace.policy; print('presidio_analyzer' in sys.modules)"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "False"
