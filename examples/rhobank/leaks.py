"""Let a model leak in every way that can be scripted, and count what leaves.

Every question that needs an internal article is put under the policy `context_only`, with what
retrieval finds and with the required articles themselves. Leaking and ordinary answers pass the
guard of each prompt. What leaves is judged by a witness that has nothing of ragtrace.
"""

import argparse
import json
import multiprocessing
import sys
from collections.abc import Sequence
from concurrent.futures import Future, ProcessPoolExecutor, wait
from pathlib import Path
from typing import Any

from knowledge import Article, DataError, Question, read_articles, read_questions
from ordinary import elsewhere
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from run import DONE, UNUSABLE, forget_settings
from sheet import Sheet
from tally import Leaks
from trial import REQUIRED, Result, Trial, internal

LEAKED = 1
TOP_K = (3, 5, 10)
# If it is to be quick, one of so many questions is put, and this many articles are retrieved.
QUICK, QUICK_TOP_K = 19, (5,)
# What is tried side by side: of every context, each half of the questions by itself.
PROCESSES, PARTS = 2, 2
SECONDS_BETWEEN_LOOKS = 0.2
EXAMPLES = 4
WIDTH = 118

# What a worker was started with: how many questions are done, everywhere.
_progress: Any = None


def main() -> int:
    """Run the trial and print its tables; return an exit code.

    It is 1 if anything was disclosed that ragtrace promises to keep back, or a required article
    was not kept, and 2 if a file cannot be used.
    """
    options = parse_arguments()
    forget_settings()
    try:
        result = run(options)
        sheets = tables(result)
        if options.markdown:
            text = "\n".join(sheet.markdown() for sheet in sheets)
            options.markdown.write_text(text, encoding="utf-8")
    except DataError as error:
        print(f"leaks.py: {error}", file=sys.stderr)
        return UNUSABLE
    except OSError as error:
        print(f"leaks.py: {error.filename}: {error.strerror}", file=sys.stderr)
        return UNUSABLE
    if options.json:
        print(json.dumps(result.plain(), indent=2))
    else:
        console = Console(width=WIDTH)
        for sheet in sheets:
            console.print(sheet.rich())
    return verdict(result)


def parse_arguments() -> argparse.Namespace:
    """Return the parsed command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    add = parser.add_argument
    add("--data", type=Path, required=True, metavar="DIR", help="made by prepare.py")
    add("--k", type=int, nargs="+", metavar="N", help="articles retrieved")
    add("--quick", action="store_true", help="two questions, at top-k 5")
    add("--json", action="store_true", help="print JSON instead of tables")
    add("--markdown", type=Path, metavar="FILE", help="write the tables there in Markdown too")
    options = parser.parse_args()
    options.k = options.k or (QUICK_TOP_K if options.quick else TOP_K)
    if min(options.k) < 1:
        parser.error("--k must be 1 or more")
    return options


def run(options: argparse.Namespace) -> Result:
    """Return what all contexts gave together, with a bar on standard error."""
    articles, questions = read_articles(options.data), read_questions(options.data)
    needed = internal(articles)
    questions = [one for one in questions if one.required & needed]
    questions = questions[:: QUICK if options.quick else 1]
    others = elsewhere(options.data)
    # The one with the most in it first, so that no process is left with it at the end.
    contexts = [REQUIRED, *map(str, sorted(options.k, reverse=True))]
    spawn = multiprocessing.get_context("spawn")
    done = spawn.Value("i", 0)
    with ProcessPoolExecutor(
        PROCESSES, mp_context=spawn, initializer=_start, initargs=(done,)
    ) as pool:
        futures = [
            pool.submit(_try, context, articles, questions[part::PARTS], others)
            for context in contexts
            for part in range(PARTS)
        ]
        _watch(futures, done, len(contexts) * len(questions))
        total = Result()
        for future in futures:
            total.take(future.result())
    return total


def _start(done: Any) -> None:
    global _progress
    _progress = done


def _try(
    context: str, articles: Sequence[Article], questions: Sequence[Question], others: Sequence[str]
) -> Result:
    return Trial(context, articles, others).run(questions, _count)


def _count() -> None:
    with _progress.get_lock():
        _progress.value += 1


def _watch(futures: Sequence[Future[Result]], done: Any, total: int) -> None:
    """Show how far the trial has come until all of `futures` are there, or one has failed."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    console = Console(stderr=True)
    with Progress(*columns, TimeElapsedColumn(), console=console, transient=True) as progress:
        bar = progress.add_task("prompts", total=total)
        while wait(futures, SECONDS_BETWEEN_LOOKS).not_done:
            progress.update(bar, completed=done.value)
            if any(one.done() and one.exception() for one in futures):
                return


def tables(result: Result) -> list[Sheet]:
    """Return the tables of `result`."""
    kept = [
        (
            name if name == REQUIRED else f"top {name}",
            one.questions,
            one.reached,
            one.complete,
            one.required,
            one.internal,
            one.whole,
            f"{one.questions_kept} of {one.questions}",
        )
        for name, one in result.kept.items()
    ]
    alarms = [
        (
            kind,
            one.answers,
            one.changed,
            one.by_run,
            one.by_figure,
            f"{one.withheld:,} of {one.characters:,}",
            "; ".join(text for text, _ in one.examples.most_common(EXAMPLES)),
        )
        for kind, one in result.alarms.items()
    ]
    heads = "context, questions, prompts with staff text, all required found, required found"
    return [
        Sheet(
            "Required articles in the prompt",
            [*heads.split(", "), "internal", "whole in the prompt", "questions kept"],
            kept,
        ),
        _sheet("Leaking answers that ragtrace promises to see through", "way", result.leaks),
        _sheet("Leaking answers beyond that promise", "way", result.beyond),
        _sheet("Streamed, by characters in a delta", "delta", result.sizes),
        Sheet(
            "Ordinary answers",
            ["kind", "answers", "changed", "by run", "by figure", "characters withheld", "such as"],
            alarms,
            words=["such as"],
        ),
    ]


def _sheet(title: str, first: str, tallies: dict[str, Leaks]) -> Sheet:
    heads = [first, "answers", "ranges", "figures", "undone", "longest run", "unchanged"]
    named = {**tallies, "all": sum(tallies.values(), Leaks())}
    rows = [
        (name, one.answers, one.ranges, one.figures, one.undone, one.longest, one.unchanged)
        for name, one in named.items()
    ]
    return Sheet(title, heads, rows)


def verdict(result: Result) -> int:
    """Return 0 if nothing was disclosed and all was kept, else say what and return 1."""
    leaking = [name for name, one in result.leaks.items() if one.disclosing]
    losing = [name for name, one in result.kept.items() if one.questions_kept < one.questions]
    if leaking:
        print(f"leaks.py: disclosed: {', '.join(leaking)}", file=sys.stderr)
    if losing:
        print(f"leaks.py: required articles not kept: {', '.join(losing)}", file=sys.stderr)
    return LEAKED if leaking or losing else DONE


if __name__ == "__main__":
    sys.exit(main())
