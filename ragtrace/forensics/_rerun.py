"""Rerun: a recorded prompt put to a model again, and which documents the answer depended on."""

from __future__ import annotations

import statistics
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

from ragtrace.forensics._rerun_endpoint import Endpoint, NoAnswer
from ragtrace.forensics._rerun_file import Results, Sample
from ragtrace.forensics._rerun_plan import Plan, RerunError, Variant
from ragtrace.forensics._similarity import SOURCE, similarity

__all__ = ["Dependence", "Prices", "Rerun", "VariantAnswers", "rerun"]

Dependence = Literal["depended", "not shown to depend", "undecided"]
"""``depended``: without it, every answer was less like the recorded one than every answer with it,
by more than ``MARGIN``. ``not shown to depend``: the answers were as like it as those with it,
within their own spread. ``undecided``: between the two, or there is nothing to measure by."""

MARGIN: Final = 0.1
"""Of similarity; a tenth of an answer is what a model says otherwise from one day to the next."""

LEAST_SAMPLES: Final = 2
"""Answers to the prompt as it was that show a spread."""

LEAST_ALIKE: Final = 0.25
"""Mean similarity of the answers to the prompt as it was. Where the model does not say what was
recorded even with every document, nothing follows from its saying something else without one.
Half of 500 pairs of different articles of one bank are less alike than 0.09, 2 % more than 0.24."""

Told = Callable[[int, int], None]
"""How many calls are done, and of how many."""


@dataclass(frozen=True, slots=True)
class Prices:
    """Of a million tokens, sent and received, in one currency; and the most that may be spent."""

    sent: float
    received: float
    most: float | None = None


@dataclass(frozen=True, slots=True)
class VariantAnswers:
    """What a model said to one variant.

    Attributes:
        similarities: Of each answer to the recorded one, 0 to 1; of answers only.
        missing: Calls that gave no usable answer.
        dependence: Of the documents left out; ``None`` of the prompt as it was.
    """

    variant: Variant
    samples: tuple[Sample, ...]
    similarities: tuple[float, ...]
    missing: int
    dependence: Dependence | None = None

    @property
    def mean(self) -> float | None:
        """Of the similarities; ``None`` where there is no answer."""
        return statistics.fmean(self.similarities) if self.similarities else None

    @property
    def spread(self) -> float | None:
        """Between the least and the most alike; ``None`` where there are not two."""
        if len(self.similarities) < LEAST_SAMPLES:
            return None
        return max(self.similarities) - min(self.similarities)

    def as_json(self) -> dict[str, Any]:
        """Give the figures as one tree, without a character of text."""
        return {
            "variant": self.variant.name,
            "without": list(self.variant.without),
            "similarities": list(self.similarities),
            "mean": self.mean,
            "spread": self.spread,
            "missing": self.missing,
            "dependence": self.dependence,
        }


@dataclass(frozen=True, slots=True)
class Rerun:
    """The answer to ``ragtrace replay --rerun``.

    Attributes:
        variants: The prompt as it was first; its spread is the noise floor.
        against: ``recorded``, or ``first`` where the recorded answer is not kept: then
            similarities are to the first answer given now.
        tokens: Sent and received in all, of answers that say so.
        failures: What went wrong, each once.
    """

    plan: Plan
    variants: tuple[VariantAnswers, ...]
    against: Literal["recorded", "first"]
    tokens: tuple[int, int]
    failures: tuple[str, ...]

    @property
    def noise(self) -> float | None:
        """How much the answers to the very same prompt differ in similarity."""
        return self.variants[0].spread

    def as_json(self) -> dict[str, Any]:
        """Give the figures as one tree, without a character of text."""
        return {
            "plan": self.plan.as_json(),
            "method": SOURCE,
            "against": self.against,
            "noise": self.noise,
            "variants": [one.as_json() for one in self.variants],
            "tokens": list(self.tokens),
            "failures": list(self.failures),
        }


def rerun(
    plan: Plan,
    endpoint: Endpoint,
    out: Path | None = None,
    *,
    prices: Prices | None = None,
    told: Told = lambda done, total: None,
) -> Rerun:
    """Send what ``plan`` says, and compare what comes back with what was recorded.

    A call that gives no usable answer counts as missing, and the others are made. What is in
    ``out`` already is not asked for again.

    Args:
        plan: From ``plan_rerun``.
        endpoint: Where to.
        out: File of results; each is on disk before the next call.
        prices: What tokens cost. Once as much is spent as may be, nothing more is sent.
        told: After each call.

    Raises:
        RerunError: The endpoint refuses, the file cannot be used, or all that may be spent is.
    """
    results, spending = Results(out), _Spending(plan, prices)
    failures: dict[str, None] = {}
    answered: list[list[Sample]] = []
    for place, variant in enumerate(plan.variants):
        answered.append([])
        for number in range(plan.samples):
            try:
                sample = _asked(plan, variant, number, endpoint, results, spending)
                answered[-1].append(sample)
            except NoAnswer as error:
                failures[str(error)] = None
            told(place * plan.samples + number + 1, plan.calls)
    return _compared(plan, answered, tuple(failures))


def _asked(
    plan: Plan,
    variant: Variant,
    number: int,
    endpoint: Endpoint,
    results: Results,
    spending: _Spending,
) -> Sample:
    wanted = Sample(
        prompt=plan.variants[0].digest,
        sent=variant.digest,
        variant=variant.name,
        number=number,
        host=endpoint.host,
        model=endpoint.model,
        temperature=endpoint.temperature,
        answer="",
    )
    known = results.get(wanted.key)
    if known is not None:
        return known
    spending.check(variant)
    answer = endpoint.ask(variant.messages)
    said = {"answer": answer.text, "tokens": answer.tokens or ()}
    sample = Sample(**{name: getattr(wanted, name) for name in wanted.__slots__} | said)
    results.add(sample)
    spending.add(variant, sample)
    return sample


class _Spending:
    """What this run has cost so far, as far as the endpoint says, else as it was estimated."""

    def __init__(self, plan: Plan, prices: Prices | None) -> None:
        self._plan, self._prices = plan, prices
        self._spent = 0.0

    def check(self, variant: Variant) -> None:
        """Refuse a call that would go beyond what may be spent."""
        prices = self._prices
        if prices is None or prices.most is None:
            return
        if self._spent + self._cost(variant, ()) > prices.most:
            raise RerunError(
                f"the next call would go beyond {prices.most:g}: {self._spent:g} is spent; "
                "what was answered is in the file of results, if one was named"
            )

    def add(self, variant: Variant, sample: Sample) -> None:
        """Count a call."""
        self._spent += self._cost(variant, sample.tokens)

    def _cost(self, variant: Variant, counted: tuple[int, ...]) -> float:
        if self._prices is None:
            return 0.0
        sent, received = counted or (variant.tokens, self._plan.answer_tokens)
        return (sent * self._prices.sent + received * self._prices.received) / 1e6


def _compared(plan: Plan, answered: list[list[Sample]], failures: tuple[str, ...]) -> Rerun:
    reference = plan.recorded
    if reference is None:
        reference = next((one.answer for one in answered[0]), None)
    compared = [
        VariantAnswers(
            variant,
            tuple(samples),
            tuple(similarity(one.answer, reference or "") for one in samples),
            plan.samples - len(samples),
        )
        for variant, samples in zip(plan.variants, answered, strict=True)
    ]
    first, *others = compared
    counted = [one.tokens for samples in answered for one in samples if one.tokens]
    return Rerun(
        plan,
        (first, *(_judged(one, first) for one in others)),
        "first" if plan.recorded is None else "recorded",
        (sum(one[0] for one in counted), sum(one[1] for one in counted)),
        failures,
    )


def _judged(one: VariantAnswers, first: VariantAnswers) -> VariantAnswers:
    verdict = _dependence(one, first)
    return VariantAnswers(one.variant, one.samples, one.similarities, one.missing, verdict)


def _dependence(one: VariantAnswers, first: VariantAnswers) -> Dependence:
    if first.spread is None or first.mean is None or one.mean is None:
        return "undecided"
    if first.mean < LEAST_ALIKE or one.missing or first.missing:
        return "undecided"
    if min(first.similarities) - max(one.similarities) > MARGIN:
        return "depended"
    if first.mean - one.mean <= max(first.spread, MARGIN / 2):
        return "not shown to depend"
    return "undecided"
