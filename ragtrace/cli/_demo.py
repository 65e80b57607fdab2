"""``ragtrace demo``: the incident, and the same app under ragtrace."""

from __future__ import annotations

import base64
import json
import os
import secrets
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click
from rich.markup import escape
from rich.panel import Panel

from ragtrace.attribution import Guard
from ragtrace.cli import _options
from ragtrace.cli._flows import edges_table
from ragtrace.cli._reach import reach_sentence, reach_table
from ragtrace.cli._run import traced_environment
from ragtrace.cli._table import console, table
from ragtrace.config import CONTENT, STORE, VAULT_KEY_FILE
from ragtrace.errors import MissingDependencyError, RagtraceError

if TYPE_CHECKING:
    from rich.console import Console

    from ragtrace.forensics import Reach

__all__ = ["command"]

NOTE: Final = "staff-overdraft-fee-refund-goodwill"
"""The staff note of the incident."""

QUESTION: Final = "Can I get my overdraft fee refunded?"
"""The question that draws it, from customers and from staff."""

NEEDED: Final = ("langchain_chroma", "langchain_openai", "chdb", "fastapi")

APP_SECONDS: Final = 300
"""The app takes 3 to 10 seconds on two cores; a first run reads its packages from disk."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What the app answered to one question."""

    id: str
    audience: str
    question: str
    answer: str


@click.command("demo")
@click.option(
    "--keep", type=click.Path(file_okay=False, path_type=Path), help="Keep the store in DIR."
)
@_options.as_json
def command(keep: Path | None, as_json: bool) -> None:
    """Run a bank's assistant twice: as it leaked, and under ragtrace. Needs no key, no network."""
    for package in NEEDED:
        if find_spec(package) is None:
            raise MissingDependencyError(package, "demo")
    out = console(stderr=as_json)
    bank = _bank()
    staff_texts = _staff_texts(bank)
    with _directory(keep) as folder:
        out.rule("[bold]Act 1[/]: after the enrichment sprint")
        with out.status("indexing the bank's articles and asking 19 questions"):
            bare = _ask(bank, dict(os.environ))
        _show(out, bare, staff_texts)
        out.rule("[bold]Act 2[/]: the same app under ragtrace")
        with _governed(bank, folder) as env:
            with out.status("the same articles, the same questions"):
                traced = _ask(bank, env)
            _show(out, traced, staff_texts)
            found = _look(out, folder / "store")
        if as_json:
            acts = {"ungoverned": bare, "governed": traced}
            said = {name: _counts(act, staff_texts) for name, act in acts.items()}
            click.echo(json.dumps({**said, "reach": found.counts.as_json()}, indent=2))
        if keep is not None:
            _show_next(out, folder)


def _bank() -> Path:
    """The example as it stands: beside the package in a wheel, in the checkout otherwise."""
    here = Path(__file__)
    for place in (here.parent / "_examples" / "bank", here.parents[2] / "examples" / "bank"):
        if (place / "app.py").is_file():
            return place
    raise RagtraceError("examples/bank is neither in this installation nor beside it")


@contextmanager
def _directory(keep: Path | None) -> Iterator[Path]:
    if keep is not None:
        keep.mkdir(parents=True, exist_ok=True)
        yield keep.resolve()
        return
    with tempfile.TemporaryDirectory(prefix="ragtrace-demo-") as made:
        yield Path(made)


@contextmanager
def _governed(bank: Path, folder: Path) -> Iterator[dict[str, str]]:
    """The app's environment under ``ragtrace run``, texts kept in a vault of its own."""
    key = folder / "vault.key"
    if not key.exists():
        key.touch(mode=0o600)
        key.write_text(base64.b64encode(secrets.token_bytes(32)).decode("ascii"))
    os.environ[VAULT_KEY_FILE.variable] = str(key)  # for the back end, started from here
    for name in [name for name in os.environ if name.startswith("OTEL_")]:
        del os.environ[name]  # the demo's spans go to the demo's back end, whatever is set up
    with traced_environment(str(bank / "policy.yaml"), None, str(folder / "store")) as (env, _):
        yield {**env, CONTENT.variable: "full", "RAGTRACE_ENABLED": "1"}


def _ask(bank: Path, environment: dict[str, str]) -> list[Answer]:
    """Every question of the example, put to the app in a process of its own."""
    app, questions = str(bank / "app.py"), str(bank / "questions.jsonl")
    done = subprocess.run(
        [sys.executable, app, "--questions", questions, "--json"],
        env=environment,
        capture_output=True,
        text=True,
        timeout=APP_SECONDS,
        check=False,
    )
    if done.returncode != 0:
        last = done.stderr.strip().splitlines()[-1:] or ["no message"]
        raise RagtraceError(f"the app ended with status {done.returncode}: {last[0]}")
    rows = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    return [Answer(r["id"], r["audience"], r["question"], r["answer"]) for r in rows]


def _staff_texts(bank: Path) -> list[str]:
    """What no customer may be told, read off the corpus and not off what ragtrace says."""
    notes = [path.read_text("utf-8") for path in sorted((bank / "corpus/staff").glob("*.md"))]
    mixed = [path.read_text("utf-8") for path in sorted((bank / "corpus/mixed").glob("*.md"))]
    return notes + [text.split("## Staff only", 1)[1].split("\n## ", 1)[0] for text in mixed]


def _counts(answers: list[Answer], staff_texts: list[str]) -> dict[str, dict[str, int]]:
    """By audience: questions, and answers that repeat staff text."""
    counts: dict[str, dict[str, int]] = {}
    for answer in answers:
        said = counts.setdefault(answer.audience, {"questions": 0, "with_staff_text": 0})
        guard = Guard(staff_texts)
        guard.filter(answer.answer)
        said["questions"] += 1
        said["with_staff_text"] += guard.withheld > 0
    return counts


def _show(out: Console, answers: list[Answer], staff_texts: list[str]) -> None:
    for audience in ("customer", "staff"):
        answer = next(a for a in answers if a.audience == audience and a.question == QUESTION)
        guard = Guard(staff_texts)
        guard.filter(answer.answer)
        wrong = audience == "customer" and guard.withheld > 0
        out.print(
            Panel(
                escape(answer.answer),
                title=f"{audience} asks: {escape(answer.question)}",
                title_align="left",
                subtitle="a staff note, word for word" if guard.withheld else None,
                border_style="red" if wrong else "green",
            )
        )
    out.print(
        table(
            "Answers that repeat staff text",
            ("audience", "questions", "with staff text"),
            [
                (audience, said["questions"], said["with_staff_text"])
                for audience, said in _counts(answers, staff_texts).items()
            ],
        )
    )


def _look(out: Console, store: Path) -> Reach:
    """The flow table and the reach of the note, as the commands show them."""
    from ragtrace.forensics import reach
    from ragtrace.server import open_reader

    with closing(open_reader(str(store))) as reader:
        # Another tracer that is installed tells of the same searches to nobody by name, until the
        # back end has settled them some seconds from now.
        edges = [edge for edge in reader.edges() if edge.audience]
        found = reach(reader, NOTE)
    out.print("[bold]ragtrace flows[/]")
    out.print(edges_table(edges))
    out.print(f"[bold]ragtrace reach {NOTE}[/]")
    out.print(reach_table(found))
    out.print(reach_sentence(found), markup=False)
    return found


def _show_next(out: Console, folder: Path) -> None:
    out.print("\nKept. To look further:", markup=False)
    out.print(
        f"  export {VAULT_KEY_FILE.variable}={folder}/vault.key {STORE.variable}={folder}/store"
    )
    out.print(f"  ragtrace flows --each\n  ragtrace reach {NOTE}\n  ragtrace trace TRACE")
