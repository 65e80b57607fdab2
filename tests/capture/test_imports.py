"""Imports: a framework is wrapped when the application imports it, and not before."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

INSTRUMENTOR = """
import json, sys, threading, warnings
import ragtrace
from ragtrace.capture import Instrumentor, gaps, hooks_of

class Fake(Instrumentor):
    __module__ = "ragtrace_fake"
    modules = ("fakeframe", "otherframe")
    asked = []

    def instrumentation_dependencies(self):
        return ()

    def patch(self, patches, module):
        self.asked.append(module)
        frame = sys.modules[module]
        patches.method(frame.Base, "ask", lambda ask: lambda self: "judged " + ask(self))

fake = Fake()

def why():
    return [gap.why for gap in gaps() if gap.integration == "ragtrace_fake"]

def tell(**said):
    print(json.dumps(said))
"""
FRAME = """
import time
time.sleep({seconds})
class Base:
    def {method}(self): return "{name}"
"""
POLICY = """
version: 1
levels: [public, staff_only]
audiences:
  customer: {clearance: public}
failures:
  not-covered: {customer: block}
"""
FRAMEWORKS = "chromadb langchain_core langgraph llama_index openai psycopg qdrant_client sqlalchemy"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two modules of a framework, and a policy that refuses customers where one is not covered."""
    frame(tmp_path, "fakeframe")
    frame(tmp_path, "otherframe")
    (tmp_path / "policy.yaml").write_text(POLICY)
    return tmp_path


def frame(folder: Path, name: str, *, method: str = "ask", seconds: float = 0) -> None:
    """A module of a framework; ``seconds`` is how long it takes to import."""
    source = FRAME.format(method=method, name=name, seconds=seconds)
    (folder / f"{name}.py").write_text(source)


def told(folder: Path, program: str, **environ: str) -> tuple[dict[str, Any], str]:
    """What a process of its own tells, and what it logs."""
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(folder), **environ},
        capture_output=True,
        text=True,
        timeout=90,
    )
    assert done.returncode == 0, done.stderr
    said: dict[str, Any] = json.loads(done.stdout)
    return said, done.stderr


def run(folder: Path, program: str) -> tuple[dict[str, Any], str]:
    """What a process with an instrumentor tells, and what it logs."""
    return told(folder, INSTRUMENTOR + program)


def test_a_process_that_imports_no_framework_is_given_none(folder: Path) -> None:
    """Every installed integration is on, and nothing of what they are for has been imported."""
    said, _ = told(
        folder,
        f"""
import json, sys
import ragtrace
from importlib.metadata import entry_points
ragtrace.init("policy.yaml")
with ragtrace.request("customer"):
    pass
points = entry_points(group="opentelemetry_instrumentor")
on = [p.name for p in points if p.name.startswith("ragtrace_")
      and p.load()().is_instrumented_by_opentelemetry]
there = [name for name in {FRAMEWORKS!r}.split() if name in sys.modules]
print(json.dumps({{"on": on, "there": there}}))
""",
    )
    assert "ragtrace_openai" in said["on"] and "ragtrace_llamaindex" in said["on"]
    assert said["there"] == []


@pytest.mark.slow
@pytest.mark.parametrize(
    ("imports", "place"),
    [
        ("import openai", "openai._base_client"),
        ("from langchain_core.retrievers import BaseRetriever", "langchain_core.retrievers"),
        ("from langchain_openai import ChatOpenAI", "openai._base_client"),
        ("from llama_index.core.schema import TextNode", "llama_index.core.base.base_retriever"),
        ("from llama_index.llms.openai_like import OpenAILike", "llama_index.core.base"),
        ("import chromadb", "chromadb.api.models.Collection"),
        ("import qdrant_client", "qdrant_client.qdrant_client"),
        ("import psycopg", "psycopg"),
        ("from sqlalchemy import text", "sqlalchemy.engine.cursor"),
        ("from langgraph.store.memory import InMemoryStore", "langgraph.store.memory"),
        ("from langgraph.cache.memory import InMemoryCache", "langgraph.cache.memory"),
    ],
)
def test_every_framework_is_wrapped_when_it_is_imported(
    folder: Path, imports: str, place: str
) -> None:
    """Whatever of it is imported first."""
    pytest.importorskip(imports.split()[1].partition(".")[0])
    said, logged = told(
        folder,
        f"""
import json, logging
logging.basicConfig()
import ragtrace
from ragtrace.capture import gaps, hooks_of, integrations
ragtrace.init()
{imports}
bound = [b for p in integrations() for hooks in hooks_of(p.name) or () for b in hooks.bound]
print(json.dumps({{"bound": bound, "gaps": [str(gap) for gap in gaps()]}}))
""",
    )
    assert any(name.startswith(place) for name in said["bound"]), said
    assert said["gaps"] == [] and "ragtrace_" not in logged


def test_what_is_there_is_wrapped_now_and_the_rest_when_it_comes(folder: Path) -> None:
    """Each module by itself."""
    said, _ = run(
        folder,
        """
import fakeframe
fake.instrument()
first = list(fake.asked), fakeframe.Base().ask()
import otherframe
tell(first=first, then=[fake.asked, otherframe.Base().ask(), len(hooks_of("ragtrace_fake"))])
""",
    )
    assert said["first"] == [["fakeframe"], "judged fakeframe"]
    assert said["then"] == [["fakeframe", "otherframe"], "judged otherframe", 2]


def test_instrumenting_twice_wraps_once(folder: Path) -> None:
    """Also with an uninstrumenting between, before anything was imported."""
    said, _ = run(
        folder,
        """
fake.instrument(); fake.instrument(); fake.uninstrument(); fake.instrument()
import fakeframe
tell(asked=fake.asked, said=fakeframe.Base().ask())
""",
    )
    assert said == {"asked": ["fakeframe"], "said": "judged fakeframe"}


def test_uninstrumenting_before_the_import_cancels(folder: Path) -> None:
    """Nothing is wrapped then, and what was is put back."""
    said, _ = run(
        folder,
        """
fake.instrument()
import fakeframe
fake.uninstrument()
import otherframe
tell(asked=fake.asked, said=[fakeframe.Base().ask(), otherframe.Base().ask()], why=why())
""",
    )
    assert said == {"asked": ["fakeframe"], "said": ["fakeframe", "otherframe"], "why": []}


def test_hooks_that_do_not_fit_never_fail_the_import(folder: Path) -> None:
    """A warning names them, the other module stays wrapped, and who says so is refused."""
    (folder / "otherframe.py").write_text("class Other: ...\n")
    said, logged = run(
        folder,
        """
import logging
logging.basicConfig()
ragtrace.init("policy.yaml", instrument=False)
fake.instrument()
import fakeframe
with ragtrace.request("customer"):
    pass
import otherframe
try:
    ragtrace.request("customer")
except ragtrace.PolicyBlocked as error:
    tell(blocked=str(error), said=fakeframe.Base().ask(), why=why())
""",
    )
    assert "not-covered" in said["blocked"] and "AttributeError" in said["blocked"]
    assert said["said"] == "judged fakeframe" and len(said["why"]) == 1
    assert logged.count("ragtrace_fake is not instrumented: its hooks do not fit") == 1


def test_a_request_that_is_open_then_is_refused(folder: Path) -> None:
    """The one that imports what does not fit, there; and another that is open, from then on."""
    (folder / "otherframe.py").write_text("class Other: ...\n")
    said, _ = run(
        folder,
        """
ragtrace.init("policy.yaml", instrument=False)
fake.instrument()
other = ragtrace.request("customer")
try:
    with ragtrace.request("customer"):
        import otherframe
        tell(blocked="no")
except ragtrace.PolicyBlocked as error:
    tell(blocked=str(error), other=str(other._request.blocked))
""",
    )
    assert "not-covered" in said["blocked"] and "not-covered" in said["other"]


def test_a_hook_that_is_missing_is_said_when_its_module_comes(folder: Path) -> None:
    """And is a gap from then on."""
    frame(folder, "otherframe", method="tell")
    said, logged = run(
        folder,
        """
import logging
logging.basicConfig()
fake.instrument()
before = why()
import otherframe
tell(before=before, why=why())
""",
    )
    assert said["before"] == [] and "otherframe.Base.ask is not there" in said["why"][0]
    assert logged.count("otherframe.Base.ask is not there") == 1


def test_a_framework_that_fails_to_import_fails_as_without_us(folder: Path) -> None:
    """The application gets its own error, and the next attempt is wrapped."""
    (folder / "fakeframe.py").write_text("raise RuntimeError('its own')")
    said, _ = run(
        folder,
        """
from pathlib import Path
fake.instrument()
try:
    import fakeframe
except RuntimeError as error:
    own = str(error)
Path("fakeframe.py").write_text(Path("otherframe.py").read_text() + "# mended")
import fakeframe
tell(own=own, said=fakeframe.Base().ask())
""",
    )
    assert said == {"own": "its own", "said": "judged otherframe"}


def test_threads_that_import_at_once_all_see_it_wrapped(folder: Path) -> None:
    """Nobody has the module before it is."""
    frame(folder, "fakeframe", seconds=0.3)
    said, _ = run(
        folder,
        """
fake.instrument()
said, start = [], threading.Barrier(8)
def use():
    start.wait()
    import fakeframe
    said.append(fakeframe.Base().ask())
threads = [threading.Thread(target=use) for _ in range(8)]
for thread in threads: thread.start()
for thread in threads: thread.join()
tell(asked=fake.asked, said=said)
""",
    )
    assert said == {"asked": ["fakeframe"], "said": ["judged fakeframe"] * 8}


def test_a_module_that_came_past_the_hook_is_wrapped_at_the_next_turn(folder: Path) -> None:
    """Somebody else's finder, put before ours, tells nobody."""
    said, _ = run(
        folder,
        """
from importlib.machinery import PathFinder
fake.instrument()
sys.meta_path.insert(0, PathFinder)
import fakeframe
before = fakeframe.Base().ask()
with ragtrace.request("customer"):
    tell(before=before, said=fakeframe.Base().ask())
""",
    )
    assert said == {"before": "fakeframe", "said": "judged fakeframe"}


def test_one_that_is_switched_off_does_not_wait(folder: Path) -> None:
    """The standard variable names it."""
    said, _ = told(
        folder,
        """
import json
import ragtrace
from ragtrace.capture import hooks_of
ragtrace.init()
import openai
print(json.dumps([hooks_of("ragtrace_openai"), hooks_of("ragtrace_langchain")]))
""",
        OTEL_PYTHON_DISABLED_INSTRUMENTATIONS="ragtrace_openai",
    )
    assert said == [None, []]
