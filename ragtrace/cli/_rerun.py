"""``ragtrace replay --rerun``: a recorded prompt put to a model again."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from ragtrace.cli._line import printable
from ragtrace.cli._table import console, table

if TYPE_CHECKING:
    from ragtrace.forensics import Candidate, Endpoint, JudgedVariant, Plan, Prices, Rerun
    from ragtrace.store import Reader

__all__ = ["Wanted", "options", "run"]

F = TypeVar("F", bound=Callable[..., Any])


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What the command line asks for; its fields are the options' names."""

    endpoint: str | None
    model: str | None
    key_env: str
    without: tuple[str, ...]
    leave_one_out: bool
    samples: int
    temperature: float
    price_sent: float | None
    price_received: float | None
    max_cost: float | None
    yes: bool
    out: Path | None


def options(command: F) -> F:
    """The options of a rerun, under the names of ``Wanted``."""
    for option in reversed(
        (
            click.option("--endpoint", metavar="URL", help="An API as OpenAI's: https://…/v1."),
            click.option("--model", metavar="M", help="Its name there."),
            click.option(
                "--key-env",
                default="OPENAI_API_KEY",
                show_default=True,
                metavar="NAME",
                help="Environment variable that holds the endpoint's key, if it asks for one.",
            ),
            click.option(
                "--without", multiple=True, metavar="DOC", help="A document to be left out."
            ),
            click.option("--leave-one-out", is_flag=True, help="Leave out each by itself."),
            click.option(
                "--samples", type=int, default=3, show_default=True, help="Answers to each prompt."
            ),
            click.option("--temperature", type=click.FloatRange(0, 2), default=0.0),
            click.option("--price-sent", type=click.FloatRange(0), help="Of a million tokens."),
            click.option("--price-received", type=click.FloatRange(0), help="Of a million tokens."),
            click.option("--max-cost", type=click.FloatRange(0), help="The most to be spent."),
            click.option("--yes", is_flag=True, help="Send without asking."),
            click.option(
                "--out",
                type=click.Path(dir_okay=False, path_type=Path),
                metavar="FILE",
                help="Keep the answers there; those that are there are not asked for again.",
            ),
        )
    ):
        command = option(command)
    return command


def run(
    reader: Reader, id: str, wanted: Wanted, candidate: Candidate | None, *, as_json: bool
) -> None:
    """Say what would leave for where, ask, send it, and show what follows.

    Raises:
        RagtraceError: Something cannot be sent, or the endpoint refuses.
    """
    from ragtrace.forensics import Endpoint, judge_rerun, plan_rerun, rerun

    prices = _prices(wanted)
    if not wanted.endpoint or not wanted.model:
        raise click.UsageError("--rerun: expected --endpoint and --model")
    plan = plan_rerun(
        reader,
        id,
        without=wanted.without,
        leave_one_out=wanted.leave_one_out,
        samples=wanted.samples,
    )
    key = os.environ.get(wanted.key_env)
    with Endpoint(wanted.endpoint, wanted.model, key, temperature=wanted.temperature) as endpoint:
        _announce(plan, endpoint, prices, wanted.key_env if key else None)
        if not wanted.yes:
            click.confirm("Send it?", abort=True, err=True)
        with _bar(plan.calls) as told:
            found = rerun(plan, endpoint, wanted.out, prices=prices, told=told)
    judged = [] if candidate is None else judge_rerun(found, candidate)
    if as_json:
        said = found.as_json() | {"judged": [one.as_json() for one in judged]}
        click.echo(json.dumps(said, indent=2))
    else:
        _show(found, judged)


def _prices(wanted: Wanted) -> Prices | None:
    from ragtrace.forensics import Prices

    if wanted.price_sent is None or wanted.price_received is None:
        if wanted.max_cost is not None or wanted.price_sent != wanted.price_received:
            raise click.UsageError("expected --price-sent and --price-received, both")
        return None
    return Prices(wanted.price_sent, wanted.price_received, wanted.max_cost)


def _announce(plan: Plan, endpoint: Endpoint, prices: Prices | None, key: str | None) -> None:
    """What leaves, how much of it, of which levels, for where, and at what cost."""
    from ragtrace.forensics import RerunError

    sent, received = plan.tokens
    levels = ", ".join(map(printable, plan.levels)) or "none"
    said = [
        f"{plan.calls} calls to {endpoint.host} ({printable(endpoint.model)}): "
        f"{len(plan.variants)} prompts, {plan.samples} times each",
        f"{plan.characters:,} characters leave, about {sent:,} tokens; "
        f"about {received:,} tokens come back",
        f"levels of what leaves: {levels}",
    ]
    if plan.renamed:
        said.append(f"sent under the role user: {', '.join(map(printable, plan.renamed))}")
    said.append(f"with the key in {key}" if key else "without a key")
    if prices is not None:
        cost = plan.cost(prices.sent, prices.received)
        said.append(f"estimated cost {cost:.4g}, at the prices given")
        if prices.most is not None and cost > prices.most:
            raise RerunError(f"the estimated cost {cost:.4g} is above --max-cost {prices.most:g}")
    for line in said:
        click.echo(f"ragtrace: {line}", err=True)


@contextmanager
def _bar(total: int) -> Iterator[Callable[[int, int], None]]:
    from rich.progress import Progress

    screen = console(stderr=True)
    with Progress(console=screen, transient=True, disable=not screen.is_terminal) as bar:
        task = bar.add_task("asking the model", total=total)
        yield lambda done, of: bar.update(task, completed=done)


def _show(found: Rerun, judged: list[JudgedVariant]) -> None:
    out = console()
    columns = ["prompt", "answers", "least", "mean", "most", "the answer"]
    rows: list[tuple[object, ...]] = []
    for place, one in enumerate(found.variants):
        alike = one.similarities
        figures = [min(alike), one.mean, max(alike)] if alike else [None] * 3
        cells = ["" if figure is None else f"{figure:.2f}" for figure in figures]
        row: tuple[object, ...] = (printable(one.variant.name), len(alike), *cells)
        row += (one.dependence or "",)
        if judged:
            row += _said(judged[place])
        rows.append(row)
    if judged:
        columns += ["the policy of the prompt", "of the answers"]
    out.print(table("Similarity to the answer that was recorded", columns, rows))
    noise = "not known" if found.noise is None else f"{found.noise:.2f}"
    lines = [f"Answers to the prompt as it was differ by {noise} among themselves."]
    if found.against == "first":
        lines.append("The recorded answer is not kept: similarities are to the first one of now.")
    lines += [f"missing: {printable(one)}" for one in found.failures]
    for line in lines:
        out.print(line, markup=False)


def _said(judged: JudgedVariant) -> tuple[object, ...]:
    prompt = judged.prompt
    about = printable(judged.unjudged) if prompt is None else f"{prompt.action} by {prompt.rule}"
    counts = judged.as_json()["answers"]
    answers = ", ".join(f"{count} {action}" for action, count in sorted(counts.items()))
    return about, answers or printable(judged.unjudged)
