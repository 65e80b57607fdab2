"""What the server promises of the chain of decisions."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from ragtrace.errors import StoreError
from ragtrace.server import create_app
from ragtrace.server._chainer import Chainer
from ragtrace.store import Chain, ChainBrokenError, SealKey, Store, check_chains, count_unchained
from tests.engine import flow, span, store
from tests.web import get, run

__all__ = ["store"]

DECIDED = {"ragtrace__decision__action": "drop", "ragtrace__decision__mode": "enforce"}


@pytest.fixture
def chain(store: Store, tmp_path: Path) -> Chain:
    return Chain(store, SealKey.new(tmp_path / "seal.pem"))


def test_what_was_stored_before_and_what_is_noted_is_linked_and_sealed(
    store: Store, chain: Chain
) -> None:
    """Also where the server ends before its first round."""
    spans = [span(n, flow(0), **DECIDED) for n in range(1, 6)]
    store.write(spans)
    chainer = Chainer(chain)
    chainer.start()
    chainer.note(spans[3:])
    chainer.close()
    (state,) = check_chains(store)
    assert (state.entries, state.sealed, state.faults) == (5, 5, ())
    assert count_unchained(store) == 0


def test_more_than_can_wait_is_looked_for_again(
    store: Store, chain: Chain, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is lost, and little is held."""
    monkeypatch.setattr("ragtrace.server._chainer.WAITING", 2)
    spans = [span(n, flow(0), **DECIDED) for n in range(1, 6)]
    chainer = Chainer(chain)
    chainer._missed = False
    store.write(spans)
    chainer.note(spans)
    assert not chainer._waiting
    chainer.close()
    assert chain.last.seq == 5


def test_what_fails_is_tried_again(
    store: Store, chain: Chain, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A store that does not answer for a while costs no entry."""
    spans = [span(1, flow(0), **DECIDED)]
    store.write(spans)
    chainer = Chainer(chain)
    chainer._missed = False
    chainer.note(spans)
    with monkeypatch.context() as patch:
        patch.setattr(chain, "append", _fails(StoreError("gone")))
        chainer._round(float("inf"))
    assert len(chainer._waiting) == 1
    chainer._round(float("inf"))
    assert (len(chainer._waiting), chain.last.seq) == (0, 1)


def test_a_broken_chain_is_left_as_it_is(chain: Chain, monkeypatch: pytest.MonkeyPatch) -> None:
    """Telemetry goes on; nothing is linked or sealed any more, and that is said."""
    chainer = Chainer(chain)
    monkeypatch.setattr(chain, "append", _fails(ChainBrokenError("entry 3 was changed")))
    chainer._missed = False
    chainer.note([span(1, flow(0), **DECIDED)])
    chainer.close()
    assert chainer.broken == "entry 3 was changed"


def test_a_server_without_spans_has_a_chain_without_entries(store: Store, chain: Chain) -> None:
    """And a server ends as quickly with one as without."""
    app = create_app(store, chain=chain)
    assert app.state.chain is chain
    (answer,) = run(store, get("/v1/chain/check"))
    assert answer.json() == {"chains": [], "unchained": 0}
    assert not [one for one in threading.enumerate() if one.name == "ragtrace-chain"]


def _fails(error: Exception) -> object:
    def fail(*_: object) -> None:
        raise error

    return fail
