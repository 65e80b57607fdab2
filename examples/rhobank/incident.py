"""Stage an incident whose every detail is known, and hold ragtrace's answers against it.

Sixty customers and eight colleagues talk to an assistant over the whole knowledge base, request by
request: with histories, summaries of summaries, cached answers, answers that one agent hands to
another, and internal articles that a model rewrites and that are filed as articles for customers.
From one request on the assistant searches the internal handbook too. The models are scripted, and
the script knows which text is of which article; nothing of ragtrace takes part in that.
"""

import argparse
import base64
import json
import secrets
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from knowledge import DataError, read_articles
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from run import DONE, UNUSABLE, forget_settings
from scenes import Scenes
from score import Score, score_reach
from score_whatif import score_whatif
from sheet import Sheet
from truth import Truth

from ragtrace.errors import RagtraceError
from ragtrace.store import OWNER, Store
from ragtrace.testing import storing

WRONG = 1
REQUESTS = 5000
# The internal shelf is connected when this share of the requests is over.
SPRINT = 0.2
POLICIES = Path(__file__).with_name("policies")
AS_IT_WAS = POLICIES / "enrichment.yaml"
NEW_RULE = POLICIES / "handbook_stays_inside.yaml"
WIDTH = 130


@dataclass(frozen=True)
class Result:
    """What happened, and how well it was told."""

    truth: Truth
    documents: int
    flows: int
    seconds: float
    scores: dict[str, Score]

    def rows(self) -> list[dict[str, object]]:
        """Return every figure with its bar, as the benches of ragtrace print them."""
        kinds = {call.kind for call in self.truth.calls}
        rows = [
            _row("staff documents", self.documents),
            _row("model calls", len(self.truth.calls)),
            *(_row(f"model calls, {kind}", self._calls(kind)) for kind in sorted(kinds)),
            _row("searches", len(self.truth.searches)),
            _row("flows", self.flows),
            _row("the incident took", round(self.seconds, 1), "s"),
        ]
        for name, score in self.scores.items():
            bar = 1.0 if barred(name) else None
            rows += [
                _row(f"{name}: true", score.right + score.missed),
                _row(f"{name}: precision", score.precision, bar=bar),
                _row(f"{name}: recall", score.recall, bar=bar),
            ]
        return rows

    def _calls(self, kind: str) -> int:
        return sum(call.kind == kind for call in self.truth.calls)


def main() -> int:
    """Stage the incident and print the table; return an exit code.

    It is 1 if anything that has to be exact is not, and 2 if a file cannot be used.
    """
    options = parse_arguments()
    forget_settings()
    try:
        result = run(options)
    except (DataError, RagtraceError) as error:
        print(f"incident.py: {error}", file=sys.stderr)
        return UNUSABLE
    except OSError as error:
        print(f"incident.py: {error.filename}: {error.strerror}", file=sys.stderr)
        return UNUSABLE
    if options.json:
        print(json.dumps({"rows": result.rows()}, indent=2))
    else:
        console = Console(width=WIDTH)
        for sheet in tables(result):
            console.print(sheet.rich())
    return verdict(result)


def parse_arguments() -> argparse.Namespace:
    """Return the parsed command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    add = parser.add_argument
    add("--data", type=Path, required=True, metavar="DIR", help="made by prepare.py")
    add("--requests", type=int, default=REQUESTS, metavar="N", help="how many there are")
    add("--out", type=Path, metavar="DIR", help="keep the store, its key and the truth there")
    add("--json", action="store_true", help="print JSON instead of tables")
    options = parser.parse_args()
    if options.requests < 1:
        parser.error("--requests must be 1 or more")
    return options


def run(options: argparse.Namespace) -> Result:
    """Stage the incident, and return what happened and how well it was told."""
    articles = read_articles(options.data)
    staff = [one.id for one in articles if one.restricted()]
    with _folder(options.out) as folder, Store.open(str(folder / "store"), _key(folder)) as store:
        begun = time.perf_counter()
        scenes = Scenes(articles, int(SPRINT * options.requests))
        with _bar("requests", options.requests) as told, storing(store, str(AS_IT_WAS)):
            truth = scenes.play(options.requests, told)
        took = time.perf_counter() - begun
        truth.write(folder)
        reader = store.seen_by(OWNER)
        scores = score_reach(reader, staff, truth)
        inside = [one.id for one in articles if one.label == "staff_only"]
        scores["whatif: flows touched"] = score_whatif(reader, str(NEW_RULE), truth, inside)
        return Result(truth, len(staff), store.stats(access=OWNER).flows, took, scores)


def tables(result: Result) -> list[Sheet]:
    """Return the tables of `result`."""
    figures = [(row["name"], row["value"]) for row in result.rows() if row["bar"] is None]
    happened = [one for one in figures if str(one[0]).partition(":")[0] not in _questions(result)]
    heads = "question, true, found, missed, wrong, documents exact, precision, recall"
    told = [
        (
            name,
            score.right + score.missed,
            score.right,
            score.missed,
            score.wrong,
            f"{score.exact} of {score.exact + len(score.differing)}",
            f"{score.precision:.3f}",
            f"{score.recall:.3f}",
        )
        for name, score in result.scores.items()
    ]
    return [
        Sheet("What happened", ["what", "figure"], happened),
        Sheet("What ragtrace says of it", heads.split(", "), told),
    ]


def verdict(result: Result) -> int:
    """Return 0 if all is exact that has to be, else say what is not and return 1."""
    inexact = {name: one for name, one in result.scores.items() if barred(name) and one.differing}
    for name, score in inexact.items():
        some = ", ".join(score.differing[:3])
        print(f"incident.py: {name}: not what truly happened, as of {some}", file=sys.stderr)
    return WRONG if inexact else DONE


def barred(name: str) -> bool:
    """Return whether a question has to be answered exactly: taint is only counted."""
    return not name.startswith("taint")


def _questions(result: Result) -> set[str]:
    return {name.partition(":")[0] for name in result.scores}


def _row(name: str, value: float, unit: str = "", bar: float | None = None) -> dict[str, object]:
    ok = bar is None or value >= bar
    return {"name": name, "value": value, "unit": unit, "bar": bar, "ok": ok}


@contextmanager
def _folder(out: Path | None) -> Iterator[Path]:
    if out is not None:
        out.mkdir(parents=True, exist_ok=True)
        if any(out.iterdir()):
            raise DataError(f"{out}: expected an empty directory, or none")
        yield out.resolve()
        return
    with tempfile.TemporaryDirectory(prefix="ragtrace-incident-") as made:
        yield Path(made)


def _key(folder: Path) -> bytes:
    """The key of the store's texts, in a file beside it that only its owner reads."""
    path, key = folder / "vault.key", secrets.token_bytes(32)
    path.touch(mode=0o600)
    path.write_text(base64.b64encode(key).decode("ascii"))
    return key


@contextmanager
def _bar(what: str, total: int) -> Iterator[Callable[[int], None]]:
    """Show on standard error how far it has come."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    console = Console(stderr=True)
    with Progress(*columns, TimeElapsedColumn(), console=console, transient=True) as progress:
        bar = progress.add_task(what, total=total)
        yield lambda done: progress.update(bar, completed=done)


if __name__ == "__main__":
    sys.exit(main())
