"""Documentation that a test keeps: what can be used is written down."""

from __future__ import annotations

from pathlib import Path

import pytest

from ragtrace import config
from ragtrace.cli._main import COMMANDS
from ragtrace.model import Action
from ragtrace.policy import schema
from ragtrace.wire import names

ROOT = Path(__file__).parents[1]
NOT_DOCUMENTED = {"SCOPE"}
"""The scope is a name of ours, not an attribute."""


def page(name: str) -> str:
    return (ROOT / "docs" / name).read_text("utf-8")


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_is_documented(command: str) -> None:
    """A command that the help lists stands in docs/commands.md."""
    assert f"`ragtrace {command}" in page("commands.md")


@pytest.mark.parametrize("setting", [s.variable for s in config.SETTINGS])
def test_every_setting_is_documented(setting: str) -> None:
    """A variable that is read stands in docs/settings.md."""
    assert f"`{setting}`" in page("settings.md")


@pytest.mark.parametrize(
    "attribute",
    sorted(
        value
        for name, value in vars(names).items()
        if name.isupper() and isinstance(value, str) and name not in NOT_DOCUMENTED
    ),
)
def test_every_attribute_is_documented(attribute: str) -> None:
    """An attribute that is written or read stands in docs/attributes.md."""
    assert f"`{attribute}`" in page("attributes.md")


@pytest.mark.parametrize("action", list(Action))
def test_every_decision_is_documented(action: Action) -> None:
    """A decision that a policy may make stands in docs/policy.md."""
    assert f"| `{action}` |" in page("policy.md")


@pytest.mark.parametrize("key", sorted(schema()["properties"]))
def test_every_policy_key_is_documented(key: str) -> None:
    """A key that a policy file may hold stands in docs/policy.md."""
    assert f"`{key}" in page("policy.md")


@pytest.mark.parametrize(
    "rule",
    [
        "clearance",
        "otherwise",
        "no-policy",
        "policy-in-shadow",
        "policy-unreadable",
        "judge-error",
        "already-blocked",
        "explained",
        "short-run",
        "unknown-level",
    ],
)
def test_every_rule_of_our_own_is_documented_and_used(rule: str) -> None:
    """A rule id that no policy wrote stands in docs/policy.md, and in the code."""
    assert f"| `{rule}` |" in page("policy.md")
    import ragtrace

    sources = Path(ragtrace.__file__).parent.rglob("*.py")
    assert any(f'"{rule}"' in source.read_text("utf-8") for source in sources)


@pytest.mark.parametrize("kind", sorted(schema()["properties"]["failures"]["properties"]))
def test_every_failure_is_documented_and_used(kind: str) -> None:
    """A failure that a policy may speak of stands in docs/policy.md with its default."""
    assert f"| `{kind}` |" in page("policy.md")
    import ragtrace

    capture = (Path(ragtrace.__file__).parent / "capture" / "_failed.py").read_text("utf-8")
    ruling = (Path(ragtrace.__file__).parent / "policy" / "_shortlist.py").read_text("utf-8")
    prompt = (Path(ragtrace.__file__).parent / "policy" / "_prompt.py").read_text("utf-8")
    assert f'"{kind}"' in capture + ruling + prompt


def test_every_row_of_the_failure_table_has_its_test() -> None:
    """A row of docs/failures.md names a test, and each test has a row."""
    rows = {
        line.split("`")[1]
        for line in page("failures.md").splitlines()
        if line.startswith("| `the_")
        or line.startswith("| `a")
        or line.startswith("| `j")
        or line.startswith("| `texts_")
    }
    text = (ROOT / "tests" / "test_failures.py").read_text("utf-8")
    tests = {
        line.split("def test_")[1].split("(")[0]
        for line in text.splitlines()
        if "def test_" in line
    }
    assert rows == tests


def test_no_line_makes_pip_resolve_a_strangers_package() -> None:
    """Nowhere is the bare name installed: on the index it belongs to somebody else."""
    pages = [ROOT / "README.md", *ROOT.glob("docs/*.md"), *ROOT.glob("examples/*/README.md")]
    for path in [*pages, ROOT / "pyproject.toml", ROOT / "Makefile"]:
        if path.exists():
            for line in path.read_text("utf-8").splitlines():
                assert not (
                    "pip install" in line and "ragtrace" in line.replace("ragtrace-otel", "")
                )
