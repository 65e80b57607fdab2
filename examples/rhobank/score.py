"""The score: what ragtrace says was reached, held against what truly was."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from truth import Told, Truth

from ragtrace.forensics import outcome, reach
from ragtrace.store import GRADES, FlowRow, ReachRow, Reader

# The grade of a way into a prompt of which every step is certain.
CERTAIN = "certain"
# The verdict of what stands in a prompt on another document's account.
EXPLAINED = "explained"
COUNTED = "prompts", "completions", "sessions", "users"

Things = dict[str, set[str]]


@dataclass
class Score:
    """What was found of what is true, summed up over documents.

    Attributes:
        right: Found, and true.
        missed: True, and not found.
        wrong: Found, and not true.
        exact: Documents of which all was found and nothing else.
        differing: The others, by id.
    """

    right: int = 0
    missed: int = 0
    wrong: int = 0
    exact: int = 0
    differing: list[str] = field(default_factory=list)

    def add(self, document: str, found: set[str], true: set[str]) -> None:
        """Count one document."""
        self.right += len(found & true)
        self.missed += len(true - found)
        self.wrong += len(found - true)
        if found == true:
            self.exact += 1
        else:
            self.differing.append(document)

    @property
    def precision(self) -> float:
        """Share of what was found that is true; 1 where nothing was found."""
        return self.right / (self.right + self.wrong or 1) if self.right + self.wrong else 1.0

    @property
    def recall(self) -> float:
        """Share of what is true that was found; 1 where nothing is."""
        return self.right / (self.right + self.missed) if self.right + self.missed else 1.0


def score_reach(reader: Reader, documents: Sequence[str], truth: Truth) -> dict[str, Score]:
    """Return how well the reach of `documents` is told, by what is asked.

    - `certain: prompts` and the others: what text of a document is certainly in.
    - `certain: prompts, quoted`: those of them that were not given the document itself: its text
      stands in what a model has said before.
    - `taint, of what was used`: every prompt of whatever grade, of what was made of a document.
    - `taint, of what was shown`: the same, of what a model said that was shown it, used or not.
    - `taint but explained, of what was shown`: the same without ways on which all that was found of
      the document stands in others.
    """
    scores = {f"certain: {name}": Score() for name in COUNTED}
    quoted, used, shown, there = Score(), Score(), Score(), Score()
    for document in documents:
        rows = reach(reader, document).rows
        sure, true = _found(_reaching(rows, (CERTAIN,))), _true(truth.holding(document))
        for name in COUNTED:
            scores[f"certain: {name}"].add(document, sure[name], true[name])
        given = _true([one for one in truth.calls if document in one.given])["prompts"]
        quoted.add(document, sure["prompts"] - given, true["prompts"] - given)
        found = _found(_reaching(rows, GRADES))["prompts"]
        used.add(document, found, _true(truth.made_of(document))["prompts"])
        all_shown = _true(truth.shown(document))["prompts"]
        shown.add(document, found, all_shown)
        own = [row for row in rows if EXPLAINED not in _verdicts(row)]
        there.add(document, _found(_reaching(own, GRADES))["prompts"], all_shown)
    return {
        **scores,
        "certain: prompts, quoted": quoted,
        "taint, of what was used": used,
        "taint, of what was shown": shown,
        "taint but explained, of what was shown": there,
    }


def _verdicts(row: ReachRow) -> set[str]:
    return {row.flow.verdict, *(link.verdict for link in row.path)}


def _reaching(rows: Iterable[ReachRow], grades: Sequence[str]) -> list[FlowRow]:
    """The flows into prompts, of these grades: neither what was kept out nor a cache's answers."""
    return [
        row.flow
        for row in rows
        if row.grade in grades
        and row.flow.stage == "prompt"
        and outcome(row.flow) in ("disclosed", "used")
    ]


def _found(flows: Iterable[FlowRow]) -> Things:
    flows = list(flows)
    return {
        "prompts": {one.prompt_digest for one in flows},
        "completions": {one.completion_digest for one in flows},
        "sessions": {one.session for one in flows},
        "users": {one.user for one in flows},
    }


def _true(calls: Sequence[Told]) -> Things:
    return {
        "prompts": {one.prompt for one in calls},
        "completions": {one.completion for one in calls},
        "sessions": {one.session for one in calls},
        "users": {one.user for one in calls},
    }
