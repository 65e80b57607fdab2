"""Several models and caches: nobody gets by another way what was kept from them by the first."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from langchain_core.caches import BaseCache
from langchain_core.globals import set_llm_cache

import ragtrace
from ragtrace.testing.conformance import BROKEN, DECISIONS
from tests.integrations.conftest import Start
from tests.integrations.kit import REFUSAL, Kit, leaks, question


@pytest.mark.parametrize("on_block", ["raise", "refuse"])
def test_block_is_sticky(on_block: str, kit: Kit, start: Start) -> None:
    """A second model is not asked instead, and neither is any later call of the request."""
    start("block", on_block)
    models = kit.broken.with_fallbacks([kit.chat(), kit.text()])
    with ragtrace.request("customer"):
        for asked in (kit.chain(models), kit.chat(), kit.text(), kit.chat(streaming=True)):
            try:
                got = asked.invoke(question("customer"))
            except ragtrace.PolicyBlocked:
                assert on_block == "raise"
            else:
                assert REFUSAL in str(got)
    assert kit.wire.bodies == []
    with ragtrace.request("customer"):
        kit.chat().invoke(question("customer"))
    assert len(kit.wire.of("customer")) == 1


def test_fallback_is_asked_without_the_secret(kit: Kit, start: Start) -> None:
    """Where the first model fails, the second is asked with no more than the first was."""
    start("drop")
    with ragtrace.request("customer"):
        kit.chain(kit.broken.with_fallbacks([kit.chat()])).invoke(question("customer"))
    assert [body["model"] for body in kit.wire.bodies] == [BROKEN, "chat"]
    assert not any(map(leaks, kit.wire.of("customer")))


class AnyPrompt(BaseCache):
    """A cache that takes every prompt for the last one, as a semantic cache may."""

    def __init__(self) -> None:
        self.kept: Any = None

    def lookup(self, prompt: str, llm_string: str) -> Any:
        """The last answer."""
        return self.kept

    def update(self, prompt: str, llm_string: str, return_val: Any) -> None:
        """Keep an answer."""
        self.kept = return_val

    def clear(self, **kwargs: Any) -> None:
        """Keep none."""
        self.kept = None


@pytest.mark.parametrize("decision", DECISIONS)
@pytest.mark.parametrize("kind", ["chat", "text"])
@pytest.mark.parametrize("how", ["invoke", "ainvoke", "batch"])
def test_staffs_cached_answer(decision: str, kind: str, how: str, kit: Kit, start: Start) -> None:
    """An answer that was made for staff reaches a customer out of the cache without the note."""
    start(decision)
    set_llm_cache(AnyPrompt())
    model: Any = getattr(kit, kind)()
    with ragtrace.request("staff"):
        assert leaks(kit.chain(model).invoke(question("staff")))
    with ragtrace.request("customer"):
        if how == "batch":
            got: Any = model.batch([question("customer")] * 2, kit.config)
        elif how == "invoke":
            got = model.invoke(question("customer"), kit.config)
        else:
            got = asyncio.run(model.ainvoke(question("customer"), kit.config))
    assert kit.wire.of("customer") == []
    assert "[withheld]" in repr(got)
    assert not leaks(f"{got!r} {kit.ear.all}")
    with ragtrace.request("staff"):
        assert leaks(repr(model.invoke(question("staff"))))
