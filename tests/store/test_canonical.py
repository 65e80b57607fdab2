"""What is hashed of a decision is what the verifier, who knows JSON alone, would hash."""

from __future__ import annotations

import hashlib
import json
from dataclasses import fields
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from ragtrace.forensics import verify
from ragtrace.store._canonical import canonical, quoted
from ragtrace.store._commitments import Commitments
from ragtrace.store._entries import FlowsOf, body_of, entry_hash, flows_digest
from ragtrace.store._rows import DecisionRow

NAMES = Commitments(bytes(range(32)))
WORDS = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
ROWS = st.fixed_dictionaries(
    {one.name: st.integers(0, 2**62) if one.type == "int" else WORDS for one in fields(DecisionRow)}
).map(lambda said: DecisionRow(**said))
FLOWS = st.builds(
    lambda lines, texts, readers: FlowsOf(0, "", "", lines, tuple(texts), tuple(readers)),
    WORDS,
    st.lists(WORDS, max_size=3),
    st.lists(WORDS, max_size=3),
)


def sha256(tree: Any) -> str:
    return hashlib.sha256(verify.canonical(tree)).hexdigest()


@given(st.text())
def test_a_string_is_written_as_the_rfc_says(text: str) -> None:
    """By the encoder too; of half a character there is no UTF-8, and both say so alike."""
    assert canonical([text]) == f"[{quoted(text)}]".encode("utf-8", "replace")


@given(row=ROWS, flows=FLOWS)
def test_a_body_is_canonical_and_says_what_the_row_says(row: DecisionRow, flows: FlowsOf) -> None:
    """Whatever stands in it: a quote ends no string, and a key is where its order puts it."""
    body = body_of(row, flows, NAMES)
    said = json.loads(body)
    assert verify.canonical(said) == body.encode()
    plain = ("action", "audience", "clearance", "mode", "policy", "rule", "service", "stage")
    assert [said[name] for name in plain] == [getattr(row, name) for name in plain]
    assert (said["time"], said["trace"]) == (str(row.time_ns), row.trace_id)
    assert said["user"] == NAMES.of("user", row.user)
    assert said["prompt"] == NAMES.of("text", row.prompt_digest)
    assert said["flows"] == {"count": len(flows.texts), "digest": flows_digest(flows, NAMES)}


@given(flows=FLOWS)
def test_flows_are_hashed_as_the_verifier_hashes_them(flows: FlowsOf) -> None:
    """Lines, and what stands for texts and readers."""
    texts = [NAMES.of("text", one) for one in flows.texts]
    readers = [NAMES.of("reader", one) for one in flows.readers]
    assert flows_digest(flows, NAMES) == sha256([flows.lines, texts, readers])


@given(chain=WORDS, seq=st.integers(0, 2**53), before=WORDS, body=WORDS, supersedes=WORDS)
def test_an_entry_is_hashed_as_the_verifier_hashes_it(
    chain: str, seq: int, before: str, body: str, supersedes: str
) -> None:
    """So that nothing that was put into a field is taken for another one."""
    said = {
        "chain": chain,
        "seq": seq,
        "prev": before,
        "body": hashlib.sha256(body.encode()).hexdigest(),
        "supersedes": supersedes,
    }
    assert entry_hash(chain, seq, before, body, supersedes) == sha256(said)
