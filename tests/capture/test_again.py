"""What is kept of passages that were found before changes nothing but the time that it takes.

Sessions are made up and run twice: as they are, and with everything that is kept or told without
reading switched off. What every step returns and every span says is the same.
"""

from __future__ import annotations

import itertools
import random
import secrets
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from ragtrace.attribution import Quotations
from ragtrace.capture import (
    Call,
    Model,
    Request,
    Retrieval,
    Runtime,
    _labelled,
    _retrieval,
    current,
)
from ragtrace.errors import PolicyBlocked
from ragtrace.model import Message, Passage, Source
from ragtrace.policy import _prompt
from ragtrace.testing import recording
from ragtrace.wire import names
from tests.prose import SCRIPTS, prose

RULES = """
version: 1
levels: [public, internal, secret]
labels: {{ranges_key: parts}}
mode: {mode}
on_block: raise
audiences:
  customer: {{clearance: public}}
  adviser: {{clearance: internal}}
rules:
  - {{id: manual, when: {{document: "manual/*", audience: customer}}, decide: context_only}}
  - {{id: notes, when: {{label: secret, source: notes}}, decide: redact}}
  - {{id: secrets, when: {{label: secret, audience: adviser}}, decide: {secret}}}
  - {{id: inside, when: {{label: internal, audience: customer}}, decide: {inside}}}
otherwise: {otherwise}
"""
BASES = [prose(seed, 30) for seed in range(8)]
TEXTS = [
    *BASES,
    BASES[0].replace("a", "\u0430", 3),  # letters that look alike
    " ".join(["Otherwise", *BASES[1].split()[1:12], "indeed", *BASES[1].split()[13:]]),
    f"{BASES[2][60:]} {BASES[3][:80]}",
    f"{BASES[4]}\n\nAll rights are reserved by the bank and its owners, whoever they may be.",
    f"{BASES[5]}\n\nAll rights are reserved by the bank and its owners, whoever they may be.",
    f"<p>{BASES[6]}</p> &amp; more",
    "Code 4711-AB",
    *SCRIPTS.values(),
]
PARTS = '[{"start": 20, "end": 90, "label": "secret"}]'
JOINTS = ("\n\n", "\n---\n", " ", "</doc>\n<doc>", "\nSource: ")


class Session:
    """One session of an application, and what it was given at every step."""

    def __init__(self, runtime: Runtime, seed: int) -> None:
        self._runtime, self._dice = runtime, random.Random(seed)
        self.given: list[Any] = []
        self._had: list[str] = []
        self._shelf = [self._passage(text) for text in self._dice.sample(TEXTS, 9)]

    def turn(self) -> None:
        """A question, one search or two, one prompt or two, and the answers."""
        dice = self._dice
        request = self._runtime.request(dice.choice(["customer", "adviser", None]))
        request.enter()
        texts: list[str] = []
        for _ in range(dice.choice([1, 1, 2])):
            texts += self._search(request)
        for _ in range(dice.choice([1, 1, 2])):
            self._ask(request, texts)
        self.given.append(request.taint.all)
        request.leave()
        request.end()

    def _passage(self, text: str) -> Passage:
        dice, source = self._dice, Source(self._dice.choice(["notes", "kb"]))
        name = dice.choice(["manual/", "other/"]) + str(len(text))
        metadata: dict[str, object] = {"source": name, "page": dice.choice([1, True, 1.0])}
        metadata |= dice.choice([{}, *({"label": one} for one in ("public", "internal", "secret"))])
        if dice.random() < 0.2:
            metadata["parts"] = PARTS
        return Passage(text, source, metadata, dice.choice([None, name]))

    def _search(self, request: Request) -> list[str]:
        dice = self._dice
        source = Source(dice.choice(["notes", "kb"]))
        outer = None
        if dice.random() < 0.2:
            outer = Retrieval(
                self._runtime, request, Source("kb/way"), top_k=None, query=""
            ).begin()
        inner = Retrieval(self._runtime, request, source, top_k=None, query="").begin()
        found = dice.choices(self._shelf, k=dice.randint(1, 6))
        scores = dice.random() < 0.3
        told = inner.judge(
            [
                Passage(one.text, one.source, dict(one.metadata), one.id, rank, rank / 8 or None)
                if scores
                else Passage(one.text, one.source, dict(one.metadata), one.id, rank)
                for rank, one in enumerate(found)
            ]
        )
        inner.end()
        if outer is not None:
            again = [Passage(text, source, {}) for text in told if text is not None]
            told = [*outer.judge([*again, *self._shelf[:1]])]
            outer.end()
        self.given.append(told)
        return [text for text in told if text is not None]

    def _begun(self, request: Request, source: Source) -> Retrieval:
        return Retrieval(self._runtime, request, source, top_k=None, query="").begin()

    def _ask(self, request: Request, texts: Sequence[str]) -> None:
        dice = self._dice
        context = list(dict.fromkeys(texts))
        dice.shuffle(context)
        if self._had and dice.random() < 0.4:
            context.append(dice.choice(self._had))
        if context and dice.random() < 0.2:
            context.append(dice.choice(context)[10:80])
        messages = [
            Message("system", "You are the assistant of a bank. Answer from the context only."),
            Message("user", f"Context:\n{dice.choice(JOINTS).join(context)}\n\n{self._question()}"),
        ]
        if self._had and dice.random() < 0.3:
            messages.insert(1, Message("assistant", dice.choice(self._had)))
        call = Call(self._runtime, request, Model("chat", "scripted"), messages)
        self.given += [call.blocked, call.messages, call.armed]
        if call.blocked:
            with pytest.raises(PolicyBlocked) as refused:
                call.refuse()
            self.given.append(refused.value.decision)
            return
        answer = self._answer(context)
        said = call.whole(answer)
        call.record(*said)
        call.finish()
        self.given.append(said)
        self._had += [answer, *context[:1]]

    def _question(self) -> str:
        return f"Question: {prose(self._dice.randint(100, 120), 9)}?"

    def _answer(self, context: Sequence[str]) -> str:
        dice = self._dice
        words = prose(dice.randint(200, 260), dice.choice([5, 30]))
        quoted = dice.choice([*context, *BASES])
        return dice.choice([words, words, f"{words} {quoted[5:90]}", quoted, "Yes."])


def _outcome(seed: int, policy: Path) -> list[Any]:
    counted = itertools.count()
    with pytest.MonkeyPatch.context() as patch, recording(str(policy), content=False) as recorder:
        patch.setattr(secrets, "token_hex", lambda size: f"{next(counted):0{2 * size}x}")
        runtime = current()
        assert runtime is not None
        session = Session(runtime, seed)
        for _ in range(4):
            session.turn()
        spans = [(one.name, _said(one.attributes)) for one in recorder.spans]
        return [*session.given, *spans]


def _said(attributes: dict[str, Any]) -> dict[str, Any]:
    return {name: said for name, said in attributes.items() if name != names.REQUEST_ID}


def _read_everything(patch: pytest.MonkeyPatch) -> None:
    """Switch off whatever is kept, or told without reading."""
    patch.setattr(Quotations, "find", lambda *_: None)
    patch.setattr(Quotations, "is_strange", lambda *_: False)
    patch.setattr(Quotations, "are_strange", lambda *_: False)
    patch.setattr(_retrieval, "remembered", lambda _, passages, *__: [None for _ in passages])
    patch.setattr(_labelled, "_question", lambda *_: None)
    patch.setattr(_prompt, "judge_alike", lambda *_: None)


@pytest.fixture(params=["enforce", "shadow"])
def modes(request: pytest.FixtureRequest) -> Iterator[str]:
    yield request.param


def _same(seed: int, mode: str, folder: Path) -> None:
    dice = random.Random(seed)
    policy = folder / "policy.yaml"
    policy.write_text(
        RULES.format(
            mode=mode,
            secret=dice.choice(["drop", "redact", "context_only", "block"]),
            inside=dice.choice(["context_only", "redact"]),
            otherwise=dice.choice(["block", "redact", "drop", "context_only"]),
        )
    )
    kept = _outcome(seed, policy)
    with pytest.MonkeyPatch.context() as patch:
        _read_everything(patch)
        assert kept == _outcome(seed, policy)


@pytest.mark.parametrize("seed", range(12))
def test_a_session_is_judged_as_if_nothing_were_kept(seed: int, modes: str, tmp_path: Path) -> None:
    """Also with near-copies, duplicates, parts with labels of their own, and answers that quote."""
    _same(seed, modes, tmp_path)


@pytest.mark.slow
def test_many_sessions_are_judged_as_if_nothing_were_kept(tmp_path: Path) -> None:
    """Some ten thousand searches, prompts and spans."""
    for seed in range(1_000, 1_400):
        _same(seed, "enforce" if seed % 4 else "shadow", tmp_path)
