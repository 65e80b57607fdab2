"""What a framework asks by way of an SDK: judged once; and prompts that cannot be seen whole."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import ragtrace
from ragtrace.capture import TEXT, Call, Model, Turn, asked_by, asking, current, is_asked, search
from ragtrace.model import Message, Passage, Source

POLICY = """\
version: 1
levels: [public, secret]
audiences: {reader: {clearance: public}, chief: {clearance: secret}}
labels: {level_keys: [level]}
rules: [{id: secrets, when: {label: secret, audience: [reader]}, decide: %s}]
"""
SECRET = "The vault behind the painting opens with seven, nine and twelve."


@pytest.fixture(autouse=True)
def _stopped() -> Iterator[None]:
    yield
    ragtrace.shutdown()


def start(folder: Path, decide: str = "context_only", failures: str = "") -> None:
    """Start, with the secret seen."""
    path = folder / "policy.yaml"
    path.write_text(POLICY % decide + failures)
    ragtrace.init(str(path), instrument=False)
    with ragtrace.request("chief"), search(Source("store/notes")) as step:
        assert step is not None
        step.judge([Passage(SECRET, Source("store/notes"), {"level": "secret"})])


def call(*texts: str, **how: Any) -> Call:
    """A call with these messages, in the request that is open."""
    runtime = current()
    assert runtime is not None
    messages = [Message("user", text) for text in texts]
    return Call(runtime, Turn.here(runtime).request, Model("chat"), messages, **how)


def test_what_a_call_sends_is_asked_and_nothing_else(tmp_path: Path) -> None:
    """Beneath a call its own texts are judged already; other texts are not, nor are they after."""
    start(tmp_path)
    with ragtrace.request("reader"):
        one = call("How?", "Why?")
        with asking(one):
            assert is_asked([Message("system", "Why?"), Message("user", "")])
            assert not is_asked([Message("user", "Why?"), Message("user", "And who?")])
            with asking(call("Inner?")):
                assert not is_asked([Message("user", "Why?")])
        assert not is_asked([Message("user", "Why?")])


def test_what_an_integration_is_doing_is_found_where_it_asks_and_nowhere_else(
    tmp_path: Path,
) -> None:
    """Innermost first, by its kind; and around each delta only while the model makes it."""
    start(tmp_path)
    with ragtrace.request("reader"):
        around = asking(call("How?"), value="ours")

        def deltas() -> Iterator[str | None]:
            yield asked_by(str)
            with asking(call("Inner?"), value=7):
                assert (asked_by(int), asked_by(str)) == (7, None)
            yield asked_by(str)
            raise ValueError

        source = deltas()
        for _ in range(2):
            assert around.next(source) == "ours"
            assert asked_by(str) is None
        with pytest.raises(ValueError):
            around.next(source)
        assert asked_by(str) is None
        assert around.next(source) is None


def test_the_rest_of_one_channel_leaves_the_others_open(tmp_path: Path) -> None:
    """A channel that has ended gives what it held back; the others go on."""
    start(tmp_path)
    with ragtrace.request("reader"):
        one = call(SECRET, stream=True)
        begun = {name: one.say(SECRET[:9], name) for name in (TEXT, "tool")}
        assert one.rest("tool", "never") == {"tool": SECRET[len(begun["tool"]) : 9]}
        said = begun[TEXT] + one.say(SECRET[9:]) + one.rest().get(TEXT, "")
        assert said == "[withheld]."
        one.finish()


def test_what_the_provider_holds_is_guarded(tmp_path: Path) -> None:
    """Messages of earlier calls are judged with the rest, and are not among what is sent."""
    start(tmp_path)
    with ragtrace.request("reader"):
        one = call("And again?", before=[Message("user", SECRET)])
    assert [message.text for message in one.messages] == ["And again?"]
    assert one.armed and not one.blocked


@pytest.mark.parametrize("decide", ["redact", "drop", "block"])
def test_what_would_have_to_be_taken_out_of_it_blocks(decide: str, tmp_path: Path) -> None:
    """Nobody can take it out there."""
    start(tmp_path, decide)
    with ragtrace.request("reader"):
        assert call("And again?", before=[Message("user", SECRET)]).blocked
    with ragtrace.request("chief"):
        assert not call("And again?", before=[Message("user", SECRET)]).blocked


def test_a_prompt_that_cannot_be_seen_is_what_the_policy_says(tmp_path: Path) -> None:
    """Blocked, unless a failing judge allows; what can be seen of it is judged then."""
    start(tmp_path)
    with ragtrace.request("reader"):
        assert call("Why?", unseen="it is in tokens").blocked
    start(tmp_path, failures="failures: {judge-error: allow}\n")
    with ragtrace.request("reader"):
        one = call(SECRET, unseen="it is in tokens")
        assert one.armed and not one.blocked
