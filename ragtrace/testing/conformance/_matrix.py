"""Matrix: one secret through every path, under every decision that a policy can make about it.

Staff may have the note, the customer may not. Each path is taken by a customer, by staff, and by a
customer again. What was sent is read off the wire, and what came back off the caller's hands.
"""

from __future__ import annotations

from ragtrace.capture import request
from ragtrace.testing.conformance._adapter import Claim, Path
from ragtrace.testing.conformance._replayed import check_replayed
from ragtrace.testing.conformance._secret import PUBLIC, REFUSAL, SECRET, leaks, question
from ragtrace.testing.conformance._stage import Stage, told

__all__ = [
    "check_customer",
    "check_told_once",
    "everything_leaks_without_hooks",
    "one_secret",
    "stays_blocked",
]


def one_secret(stage: Stage, path: Path, decision: str) -> None:
    """Whatever the path, each reader gets what the policy says, every call is told of once, and
    what was decided is decided again by a replay.
    """
    stage.start(decision)
    for audience in ("customer", "staff", "customer"):
        stage.wire.clear()
        stage.recorder.clear()
        received = stage.take(path, audience)
        cleared = audience == "staff" and path.known
        if Claim.PROMPTS not in stage.adapter.claims:
            _check_found(decision, received, cleared=cleared)
        elif cleared:
            _check_staff(stage.wire.of(audience), received)
        else:
            _check_customer(path, decision, stage.wire.of(audience), received)
        check_told_once(stage)
        check_replayed(stage, apart=not path.opens)
        assert not leaks(stage.recorder.written), "the secret is in a span"


def _check_staff(bodies: list[str], received: str) -> None:
    assert any(SECRET in body for body in bodies), "staff's model was not shown the note"
    assert "[withheld]" not in received and "[redacted]" not in received, received


def _check_customer(path: Path, decision: str, bodies: list[str], received: str) -> None:
    before, after = bodies[: path.before], bodies[path.before :]
    assert not any(map(leaks, before)), "the secret was sent before anything was found"
    if decision.startswith("block") and not (path.verdict and not path.apart):
        assert not leaks(received), f"the caller got or heard the secret: {received}"
        assert not any(map(leaks, after)), "the secret reached the model"
        assert path.apart or after == [], "a blocked call reached the model"
        return
    check_customer(decision, after, received)
    if decision == "context_only" and path.whole:
        assert "[withheld]" in received, f"nothing was withheld: {received}"
        assert PUBLIC in received.replace("\\n", "\n"), f"what may be said is gone: {received}"


def check_customer(decision: str, bodies: list[str], received: str) -> None:
    """What one who may not have the note was sent to a model for, and what came back.

    Args:
        decision: One of ``DECISIONS``.
        bodies: What reached the model, from when something had been found on.
        received: All that the caller got and heard.
    """
    assert not leaks(received), f"the caller got or heard the secret: {received}"
    if decision.startswith("block"):
        assert bodies == [], "a blocked call reached the model"
        verdict = "staff-notes" if decision == "block" else REFUSAL
        assert verdict in received, f"the caller got no verdict: {received}"
        return
    assert bodies, "the model was not asked"
    if decision == "context_only":
        assert any(SECRET in body for body in bodies), "what may be used did not reach the model"
        return
    assert not any(map(leaks, bodies)), "the secret reached the model"
    assert any(PUBLIC in body for body in bodies), "what is public did not reach the model"


def _check_found(decision: str, received: str, *, cleared: bool) -> None:
    if cleared or decision == "context_only":
        assert SECRET in received, f"what may be used was not given: {received}"
    else:
        assert not leaks(received), f"the caller got the secret: {received}"
    assert PUBLIC in received, f"what is public was not given: {received}"


def check_told_once(stage: Stage) -> None:
    """Every call on the wire has one model span; others were refused or came from a cache."""
    asked = [
        span
        for span in stage.recorder.spans
        if span.attributes.get("gen_ai.operation.name") in ("chat", "text_completion")
        and not span.attributes.get("ragtrace.completion.cached")
        and span.attributes.get("ragtrace.decision.action") != "block"
    ]
    calls = len(stage.wire.texts)
    assert len(asked) == calls, f"{calls} calls of the model have {len(asked)} spans"


def stays_blocked(stage: Stage, on_block: str) -> None:
    """After one refusal every later call of the request is refused, and none of the next one."""
    stage.start("block" if on_block == "raise" else "block-refuse")
    with stage.kit() as kit:
        with request("customer"):
            first = told(lambda: stage.adapter.paths[0].run(kit, question("customer")))
            again = told(lambda: kit.ask(PUBLIC, question("customer")))
        expected = "PolicyBlocked" if on_block == "raise" else REFUSAL
        assert expected in repr(first) and expected in repr(again), (first, again)
        assert stage.wire.bodies == [], "a refused request reached the model"
        with request("customer"):
            kit.ask(PUBLIC, question("customer"))
        assert len(stage.wire.of("customer")) == 1, "the next request was refused too"


def everything_leaks_without_hooks(stage: Stage, path: Path) -> None:
    """The suite can fail: without the hooks the secret is on the wire and in the caller's hands."""
    stage.start("drop", hooks=False)
    received = stage.take(path, "customer")
    assert leaks(received) or not path.whole, "the path does not bring the secret"
    if Claim.PROMPTS in stage.adapter.claims:
        assert any(map(leaks, stage.wire.of("customer"))), "the path does not send the secret"
