"""The tallies: what is counted over many answers, and added up."""

from collections import Counter
from dataclasses import dataclass, field, fields

from witness import Testimony


@dataclass
class Leaks:
    """What became of leaking answers.

    Attributes:
        answers: How many.
        ranges: Answers that left with a run of restricted text.
        figures: Answers that left with a restricted figure.
        undone: Answers that disclose either once their layout is undone.
        longest: Letters and digits of the longest run of restricted text that left.
        unchanged: Answers that left as they came.
    """

    answers: int = 0
    ranges: int = 0
    figures: int = 0
    undone: int = 0
    longest: int = 0
    unchanged: int = 0

    def add(self, heard: Testimony, undone: Testimony, *, unchanged: bool) -> None:
        """Count one answer: as it left, and as it reads with its layout undone."""
        self.answers += 1
        self.ranges += heard.run
        self.figures += bool(heard.figures)
        self.undone += undone.guilty
        self.longest = max(self.longest, heard.longest)
        self.unchanged += unchanged

    @property
    def disclosing(self) -> int:
        """Answers that disclose anything, counted in whichever column has the most."""
        return max(self.ranges, self.figures, self.undone)

    def __add__(self, other: "Leaks") -> "Leaks":
        sums = {
            one.name: getattr(self, one.name) + getattr(other, one.name) for one in fields(self)
        }
        return Leaks(**{**sums, "longest": max(self.longest, other.longest)})


@dataclass
class Alarms:
    """What became of ordinary answers.

    Attributes:
        answers: How many, each of them whole and streamed.
        changed: Answers that left changed, either way.
        by_run: Answers of which a run was withheld.
        by_figure: Answers of which a figure was withheld.
        characters: In all answers.
        withheld: Characters of them that did not leave.
        examples: What was withheld, how often; of a run its first words.
    """

    answers: int = 0
    changed: int = 0
    by_run: int = 0
    by_figure: int = 0
    characters: int = 0
    withheld: int = 0
    examples: Counter[str] = field(default_factory=Counter)

    def __add__(self, other: "Alarms") -> "Alarms":
        return Alarms(*(getattr(self, one.name) + getattr(other, one.name) for one in fields(self)))


@dataclass
class Kept:
    """What of the required articles stands whole in what the model was sent.

    Attributes:
        questions: Questions that need an internal article.
        reached: Prompts that hold restricted text.
        required: Required articles that were retrieved.
        internal: Those of them that are internal, or in part.
        whole: Required articles that stand whole in the prompt.
        questions_kept: Questions of which all that was retrieved and required stands whole.
        complete: Questions of which every required article was retrieved.
    """

    questions: int = 0
    complete: int = 0
    reached: int = 0
    required: int = 0
    internal: int = 0
    whole: int = 0
    questions_kept: int = 0

    def __add__(self, other: "Kept") -> "Kept":
        return Kept(*(getattr(self, one.name) + getattr(other, one.name) for one in fields(self)))
