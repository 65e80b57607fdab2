"""Cached: what was kept from an earlier request is given to whom it may be given."""

from __future__ import annotations

from pathlib import Path

import pytest

import ragtrace
from ragtrace.capture import Ledger, Retrieval, current, current_request, may_have
from ragtrace.model import Passage, Source
from ragtrace.testing import recording

NOTE = (
    "Advisers may waive the early repayment charge of a mortgage once, with code LANTERN-11, "
    "where the customer threatens to leave."
)
POLICY = """
version: 1
levels: [public, staff_only]
audiences:
  customer: {clearance: public}
  staff: {clearance: staff_only}
"""


@pytest.fixture
def policy(tmp_path: Path) -> str:
    path = tmp_path / "policy.yaml"
    path.write_text(POLICY)
    return str(path)


def retrieve() -> None:
    """A colleague's search brings the note."""
    with ragtrace.request("staff"):
        runtime, request = current(), current_request()
        assert runtime is not None and request is not None
        step = Retrieval(runtime, request, Source("notes"), top_k=1, query="").begin()
        step.judge([Passage(NOTE, Source("notes"), {"label": "staff_only"})])
        step.end()


@pytest.mark.parametrize("text", [NOTE, f"It says: {NOTE} Well.", NOTE[20:90], NOTE.upper()])
def test_text_of_a_note_is_for_whom_the_note_is(policy: str, text: str) -> None:
    """Whole, quoted, in part or in other letters; beside others that anybody may have."""
    with recording(policy, instrument=False):
        retrieve()
        for audience, allowed in (("staff", True), ("customer", False), ("stranger", False)):
            with ragtrace.request(audience):
                assert may_have(["Good morning.", text]) is allowed
                assert may_have(["Good morning."]) and may_have([])


def test_where_nobody_opened_a_request_the_setting_says_who_asks(policy: str) -> None:
    """And without it, nobody known does."""
    for audience, allowed in (("staff", True), ("customer", False), (None, False)):
        with recording(policy, instrument=False, audience=audience):
            retrieve()
            assert may_have([NOTE]) is allowed


def test_without_ragtrace_nothing_is_kept_back() -> None:
    """Nor without a policy."""
    assert may_have([NOTE])
    with recording(instrument=False):
        retrieve()
        assert may_have([NOTE])


@pytest.mark.parametrize("more", ["", "failures: {judge-error: {customer: allow}}"])
def test_what_cannot_be_judged_may_not_be_had(
    policy: str, more: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Unless the policy says so."""

    def broken(*_: object) -> None:
        raise RuntimeError("the judge")

    Path(policy).write_text(POLICY + more)
    with recording(policy, instrument=False):
        monkeypatch.setattr(Ledger, "attribute", broken)
        with ragtrace.request("customer"):
            assert may_have(["Good morning."]) is bool(more)
