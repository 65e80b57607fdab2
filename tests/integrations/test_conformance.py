"""The page on how to write an integration, followed to the letter; and the suite can fail."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from ragtrace.capture import Instrumentor
from ragtrace.testing.conformance import (
    NOTES,
    Adapter,
    Claim,
    Conformance,
    Paths,
    Stage,
    never_mixes_threads,
    one_secret,
    stage,
)

PAGE = Path(__file__).parents[2] / "docs" / "integrations.md"


def block(name: str) -> ModuleType:
    """A block of the page as the module that it is said to be."""
    (code,) = re.findall(rf"^```python {name}\.py\n(.*?)^```", PAGE.read_text(), re.S | re.M)
    module = sys.modules[name] = ModuleType(name)
    exec(compile(code, f"{PAGE}: {name}.py", "exec"), module.__dict__)
    return module


tiny: Any = block("tiny")
ragtrace_tiny: Any = block("ragtrace_tiny")
test_tiny: Any = block("test_tiny")
TINY: Adapter = test_tiny.TestTiny.adapter


class TestTiny(test_tiny.TestTiny):  # type: ignore[misc]
    """What stands on the page holds."""


SHELF = Paths()


@SHELF.path()
def search(kit: Any, asked: str) -> list[str]:
    """What a store's client gives."""
    return list(kit.find(NOTES))


class TestShelf(Conformance):
    """An integration that has no models claims none, and is asked for none."""

    adapter = Adapter(TINY.instrumentor, TINY.kit, SHELF, TINY.hooked, frozenset({Claim.RETRIEVAL}))


def forgets_to_judge(patches: Any) -> None:
    """Searches are not wrapped, and prompts are."""
    patches.overrides(tiny.Model, ["ask"], ragtrace_tiny._ask)


def forgets_to_guard(patches: Any) -> None:
    """An answer leaves as it came."""

    def ask(original: Callable[..., str]) -> Callable[..., str]:
        def call(self: Any, prompt: str) -> str:
            _, one = ragtrace_tiny._call(prompt, stream=False)
            with one.ended():
                return original(self, one.messages[0].text)

        return call

    patches.overrides(tiny.Shelf, ["search"], ragtrace_tiny._search)
    patches.overrides(tiny.Model, ["ask"], ask)


def judges_twice(patches: Any) -> None:
    """Every call is told of by two hooks."""
    patches.overrides(tiny.Shelf, ["search"], ragtrace_tiny._search)
    patches.overrides(
        tiny.Model, ["ask"], lambda original: ragtrace_tiny._ask(ragtrace_tiny._ask(original))
    )


def keeps_the_last_reader(patches: Any) -> None:
    """State is kept by class, and so every reader is the first one."""
    first: list[Any] = []

    def ask(original: Callable[..., str]) -> Callable[..., str]:
        judged = ragtrace_tiny._ask(original)

        def call(self: Any, prompt: str) -> Any:
            first.append(judged(self, prompt))
            return first[0]

        return call

    patches.overrides(tiny.Shelf, ["search"], ragtrace_tiny._search)
    patches.overrides(tiny.Model, ["ask"], ask)


@pytest.mark.parametrize(
    ("patch", "check", "said"),
    [
        (forgets_to_judge, lambda on: one_secret(on, TINY.paths[0], "drop"), "secret"),
        (forgets_to_guard, lambda on: one_secret(on, TINY.paths[0], "context_only"), "secret"),
        (judges_twice, lambda on: one_secret(on, TINY.paths[0], "drop"), "calls of the model"),
        (keeps_the_last_reader, never_mixes_threads, "got"),
    ],
    ids=lambda one: getattr(one, "__name__", None),
)
def test_an_integration_that_breaks_a_rule_is_found_out(
    patch: Callable[[Any], None], check: Callable[[Stage], None], said: str, tmp_path: Path
) -> None:
    """What is forgotten, done twice or mixed up is an assertion that says so."""
    methods = {
        "modules": ("tiny",),
        "patch": lambda self, patches, module: patch(patches),
        "instrumentation_dependencies": lambda self: (),
    }
    made = type(patch.__name__, (Instrumentor,), methods)
    broken = Adapter(made, TINY.kit, TINY.paths, TINY.hooked)
    with stage(broken, tmp_path) as on, pytest.raises(AssertionError, match=said):
        check(on)
