"""The shape of the house, kept by tests."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

HEAVY = ("fastapi", "starlette", "uvicorn", "chdb", "clickhouse_connect", "langchain_core", "rich")
HEAVY += ("cryptography", "jwt", "redis", "jsonschema", "presidio_analyzer", "pandas")


def run(code: str) -> str:
    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    ).stdout


def test_importing_ragtrace_pulls_in_no_server_engine_or_framework() -> None:
    """The user's process pays for OpenTelemetry and for what is tiny, and for nothing else."""
    code = f"import sys, ragtrace; print([m for m in {HEAVY!r} if m in sys.modules])"
    assert run(code).strip() == "[]"


def test_the_instrumentor_is_an_entry_point_of_its_own_name() -> None:
    """Other instrumentors call theirs langchain; ours can be disabled without theirs."""
    from importlib.metadata import entry_points

    points = entry_points(group="opentelemetry_instrumentor", name="ragtrace_langchain")
    assert [point.value for point in points] == ["ragtrace_langchain:LangChainInstrumentor"]


def test_no_extra_has_a_name_that_the_loader_reads() -> None:
    """An extra called instruments would make one missing framework disable every integration."""
    from importlib.metadata import metadata

    extras = metadata("ragtrace-otel").get_all("Provides-Extra") or []
    assert not {"instruments", "instruments-any"} & set(extras)


INTEGRATIONS = sorted(
    folder
    for folder in Path(__file__).parents[1].glob("integrations/*/ragtrace_*")
    if (folder / "__init__.py").exists()
)


@pytest.mark.parametrize("folder", INTEGRATIONS, ids=lambda folder: folder.name)
def test_every_integration_is_declared(folder: Path) -> None:
    """It is in the wheel, has an extra, and an entry point of its own name if it wraps anything."""
    said = tomllib.loads((folder.parents[2] / "pyproject.toml").read_text())
    project, extra = said["project"], folder.parent.name
    assert (
        f"integrations/{extra}/{folder.name}"
        in said["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]
    )
    assert extra in project["optional-dependencies"]
    assert (folder.parent / "README.md").exists()
    assert not (folder.parent / "__init__.py").exists()
    points = project["entry-points"]["opentelemetry_instrumentor"]
    assert (folder.name in points) == (folder / "_instrumentor.py").exists()
    assert points.get(folder.name, f"{folder.name}:").startswith(f"{folder.name}:")
