"""What the chain of decisions promises."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from ragtrace.errors import ConfigError
from ragtrace.store import (
    OWNER,
    Chain,
    ChainBrokenError,
    FlowFilter,
    SealKey,
    Store,
    check_chains,
    count_unchained,
    unchained,
)
from ragtrace.store._chain_sql import BEHIND
from ragtrace.store._entries import Entry
from ragtrace.wire import SpanRecord
from tests.engine import KEY, START_NS, flow, fresh_url, span, store

__all__ = ["store"]  # the fixture

DECIDED = {
    "ragtrace__decision__action": "drop",
    "ragtrace__decision__rule": "notes-stay-inside",
    "ragtrace__decision__reason": "Alice may not be told",
    "ragtrace__decision__mode": "enforce",
}


@pytest.fixture
def key(tmp_path: Path) -> SealKey:
    return SealKey.new(tmp_path / "seal.pem")


def decided(number: int, **change: str) -> SpanRecord:
    return span(number, flow(0), flow(1), **{**DECIDED, **change})


def names(*numbers: int) -> list[tuple[int, str, str]]:
    return [(START_NS + n, f"{n:032x}", f"{n:016x}") for n in numbers]


def entries(opened: Store, chain: str) -> list[Entry]:
    asked = {"chain": chain, "seq": 0, "limit": 100_000}
    return [Entry(*row) for row in opened._rows("chain", BEHIND, asked, OWNER)]


def test_a_decision_becomes_an_entry_once(store: Store, key: SealKey) -> None:
    """Told again, by the same or another object over the same store, it adds nothing."""
    store.write([decided(1), decided(2)])
    chain = Chain(store, key)
    assert chain.append(names(1, 2)) == 2
    assert chain.append(names(2, 1)) == 0
    store.write([decided(1), decided(2)])
    assert Chain(store, key).append(names(1, 2)) == 0
    assert [one.seq for one in entries(store, chain.id)] == [1, 2]


def test_an_entry_holds_no_name_no_reason_and_no_digest_of_a_text(
    store: Store, key: SealKey
) -> None:
    """What anybody could try out is there as a commitment."""
    store.write([decided(1)])
    chain = Chain(store, key)
    chain.append(names(1))
    (entry,) = entries(store, chain.id)
    body = json.loads(entry.body)
    assert body["action"] == "drop" and body["rule"] == "notes-stay-inside"
    plain = {*store.trace(f"{1:032x}", access=OWNER).spans[0].attributes.values()}
    assert len(body["user"]) == len(body["prompt"]) == 64
    for secret in ("u1", "s1", "Alice"):
        assert f'"{secret}"' not in entry.body and "Alice" not in entry.body
    assert not {body[name] for name in ("user", "session", "prompt", "completion")} & plain


def test_a_decision_told_otherwise_is_a_new_entry_that_names_the_old(
    store: Store, key: SealKey
) -> None:
    """Evidence that is rewritten shows that it was."""
    store.write([decided(1)])
    chain = Chain(store, key)
    chain.append(names(1))
    store.write([decided(1, ragtrace__decision__action="allow")])
    assert chain.append(names(1)) == 1
    first, second = entries(store, chain.id)
    assert second.supersedes == first.hash
    assert json.loads(second.body)["action"] == "allow"
    assert chain.append(names(1)) == 0


def test_a_flow_told_otherwise_shows_too(store: Store, key: SealKey) -> None:
    """The digest over the flows of a decision is in it."""
    store.write([decided(1)])
    chain = Chain(store, key)
    chain.append(names(1))
    store.write([span(1, flow(0), flow(1, level="public"), **DECIDED)])
    assert chain.append(names(1)) == 1


def test_a_shredded_name_leaves_the_chain_as_it_was(store: Store, key: SealKey) -> None:
    """The rows say that it was shredded, which is no other decision; nobody can tell the name."""
    store.write([decided(1), decided(2)])
    chain = Chain(store, key)
    chain.append(names(1, 2))
    store.shred("user", "u1", by="dpo", reason="request 17")
    assert store.decisions(FlowFilter(user="u1"), access=OWNER) == []
    assert chain.append(names(1, 2)) == 0
    assert chain.catch_up() == 0
    (state,) = check_chains(store)
    assert (state.entries, state.faults) == (2, ())
    # Only what the shredding put there: a sender who says so of itself rewrites evidence.
    store.write([decided(2, user__id="shredded-x")])
    assert chain.append(names(2)) == 1


def test_a_chain_goes_on_where_it_ended(store: Store, key: SealKey) -> None:
    """Sealed or not, and heads cover what they say."""
    store.write([decided(n) for n in range(1, 6)])
    chain = Chain(store, key)
    chain.append(names(1, 2))
    head = chain.seal()
    assert head is not None and (head.seq, chain.unsealed) == (2, 0)
    assert chain.seal() is None
    chain.append(names(3))
    again = Chain(store, key)
    assert (again.last, again.unsealed) == (chain.last, 1)
    again.append(names(4, 5))
    assert [one.seq for one in entries(store, key.id)] == [1, 2, 3, 4, 5]
    chain.append(names(5))  # the first object takes in what the other wrote
    assert chain.last.seq == 5


def test_what_has_no_entry_is_listed_and_caught_up_with(store: Store, key: SealKey) -> None:
    """A gap is not silent, and a server that starts closes it."""
    store.write([decided(1), replace(decided(2), start_ns=START_NS + 5 * 86_400 * 10**9)])
    chain = Chain(store, key)
    chain.append(names(1))
    left = [one for batch in unchained(store) for one in batch]
    assert [trace for _, trace, _ in left] == [f"{2:032x}"]
    assert chain.catch_up() == 1
    assert list(unchained(store)) == []


TAMPERED = [
    "ALTER TABLE chain DELETE WHERE Seq = 4",
    "ALTER TABLE chain DELETE WHERE Seq >= 2",
    "ALTER TABLE chain UPDATE Body = replace(Body, 'drop', 'allow') WHERE Seq = 4",
    "ALTER TABLE chain UPDATE Supersedes = 'x' WHERE Seq = 5",
    "ALTER TABLE heads UPDATE Hash = 'x' WHERE 1",
    "INSERT INTO heads SELECT * REPLACE('x' AS Signature, 5 AS Seq) FROM heads",
    "INSERT INTO chain SELECT * REPLACE('x' AS Hash) FROM chain WHERE Seq = 4",
]


@pytest.fixture
def sealed(store: Store, key: SealKey) -> Iterator[Store]:
    """Six entries, of which a head covers three."""
    store.write([decided(n) for n in range(1, 7)])
    chain = Chain(store, key)
    chain.append(names(1, 2, 3))
    chain.seal()
    chain.append(names(4, 5, 6))
    yield store


@pytest.mark.parametrize("statement", TAMPERED)
def test_a_chain_that_was_changed_behind_its_head_is_not_continued(
    sealed: Store, key: SealKey, statement: str
) -> None:
    """It is said, and nothing is appended to it."""
    with sealed._engine.writing("test") as client:
        client.command(statement, settings={"mutations_sync": 2})
    with pytest.raises(ChainBrokenError):
        Chain(sealed, key)


def test_a_chain_that_is_whole_is_found_so(sealed: Store) -> None:
    """With how far it is sealed, and how far it was read."""
    heard: list[int] = []
    (state,) = check_chains(sealed, lambda _, done, total: heard.append(done * 10 + total))
    assert (state.entries, state.sealed, state.faults) == (6, 3, ())
    assert heard == [66]
    assert count_unchained(sealed) == 0


FAULTS = [
    ("ALTER TABLE chain DELETE WHERE Seq = 2", "entries 2 to 2 are missing"),
    ("ALTER TABLE chain DELETE WHERE Seq >= 2", "cut off: sealed up to entry 3"),
    ("ALTER TABLE chain UPDATE Body = replace(Body, 'drop', 'allow') WHERE Seq = 4", "entry 4 was"),
    ("ALTER TABLE heads UPDATE Hash = 'x' WHERE 1", "was not sealed by the chain's key"),
    (
        "INSERT INTO heads SELECT * REPLACE('x' AS Signature, 5 AS Seq) FROM heads",
        "at entry 5 was not",
    ),
    ("ALTER TABLE heads UPDATE PublicKey = 'x' WHERE 1", "was not sealed by the chain's key"),
    ("INSERT INTO chain SELECT * REPLACE('x' AS Hash) FROM chain WHERE Seq = 4", "there twice"),
]


@pytest.mark.parametrize(("statement", "said"), FAULTS)
def test_what_is_wrong_with_a_chain_is_named(sealed: Store, statement: str, said: str) -> None:
    """Wherever in it that is, before the last head too."""
    with sealed._engine.writing("test") as client:
        client.command(statement, settings={"mutations_sync": 2})
    (state,) = check_chains(sealed)
    assert any(said in fault for fault in state.faults), state.faults


def test_two_writers_with_one_key_are_found_out(store: Store, key: SealKey) -> None:
    """Both entries of a number stay, and neither writer goes on."""
    store.write([decided(n) for n in (1, 2, 3)])
    chain = Chain(store, key)
    chain.append(names(1))
    other = Chain(store, key)
    ahead = chain._last
    chain.append(names(2))
    other._come_up = lambda: None  # type: ignore[method-assign]  # as if both asked at once
    assert other._last == ahead
    other.append(names(3))
    with pytest.raises(ChainBrokenError, match="another server"):
        Chain(store, key)


def test_without_the_vaults_key_names_stand_under_the_sealing_one(key: SealKey) -> None:
    """A store that keeps no text has a chain all the same."""
    with Store.open(fresh_url()) as opened:
        opened.write([decided(1)])
        chain = Chain(opened, key)
        assert chain.append(names(1)) == 1
        assert Chain(opened, key).append(names(1)) == 0


def test_two_servers_have_two_chains(tmp_path: Path) -> None:
    """What one has linked the other need not; each goes on with its own."""
    with Store.open(fresh_url(), KEY) as opened:
        opened.write([decided(1), decided(2)])
        one, two = (Chain(opened, SealKey.new(tmp_path / name)) for name in ("a", "b"))
        assert (one.append(names(1)), two.append(names(1, 2))) == (1, 1)
        assert one.id != two.id
        assert list(unchained(opened)) == []


def test_a_key_is_its_owners_alone(tmp_path: Path) -> None:
    """A file that others can read, one of another kind and one that is there are refused."""
    made = SealKey.new(tmp_path / "deep" / "seal.pem")
    path = tmp_path / "deep" / "seal.pem"
    assert path.stat().st_mode & 0o777 == 0o600
    assert SealKey.read(path).id == made.id
    assert made.id in repr(made) and len(repr(made)) < 60
    with pytest.raises(ConfigError, match="cannot be written"):
        SealKey.new(path)
    path.chmod(0o640)
    with pytest.raises(ConfigError, match="chmod 600"):
        SealKey.read(path)
    path.chmod(0o600)
    path.write_text("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n")
    with pytest.raises(ConfigError, match="expected an Ed25519 key"):
        SealKey.read(path)
    with pytest.raises(ConfigError, match="cannot be read"):
        SealKey.read(tmp_path / "none")
