"""Ordinary answers: what an assistant says that discloses nothing."""

import json
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from random import Random

from knowledge import Article, DataError
from prompts import Shown

# Answers of other assistants to other questions, beside the bank's articles where they are there.
ELSEWHERE = Path("attribution") / "dev.jsonl"
# Answers of each kind to a prompt.
EACH, MANY = 8, 40
SENTENCES = 4
SENTENCE = re.compile(r"(?<=[.!?])\s+|\n+")

POLITE = (
    "I am sorry to hear that. Let me see what I can do for you today.",
    "Could you tell me your full name, your date of birth and the last 4 digits of your card?",
    "Please call us at (555) 010-4477, Monday to Friday, 8 a.m. to 6 p.m., or visit a branch.",
    "I have closed your account as of 2025-11-14. You will get a letter within 5 business days.",
    "You can write to support@example.com; please state the reference 20251114-88213.",
    "Your payment of $87.63 was received on March 3, 2025, and $1,204.18 remain to be paid.",
    "I can transfer you to a human agent, who will look into your dispute. Is that all right?",
    "I am not able to share that. Is there anything else that I can help you with?",
    "Your new card will arrive in 7 to 10 days. It has been sent to the address on file.",
)


def elsewhere(folder: Path) -> list[str]:
    """Return the answers of other data beside `folder` (list of str), none where there is none."""
    path = folder.parent / ELSEWHERE
    if not path.is_file():
        return []
    try:
        rows = map(json.loads, path.read_text(encoding="utf-8").splitlines())
        return [answer["text"] for row in rows for answer in row["responses"]]
    except (ValueError, KeyError, TypeError):
        raise DataError(f"{path}: expected rows with responses that have a text") from None


def ordinary(
    shown: Shown, articles: Sequence[Article], others: Sequence[str], dice: Random
) -> Iterator[tuple[str, str]]:
    """Yield ordinary answers to a prompt, each with its kind; `dice` takes the samples."""
    public = [part for article in shown.articles for part in article.unrestricted()]
    here = [sentence for part in public for sentence in _sentences(part)]
    figures = [sentence for sentence in here if re.search(r"\d", sentence)]
    there = [one for one in articles if one.unrestricted() and one not in shown.articles]
    for part in public:
        yield "a whole article of the prompt", part
    for sentence in dice.sample(here, min(MANY, len(here))):
        yield "a sentence of such an article", sentence
    for _ in range(EACH if figures else 0):
        yield "several such with figures", " ".join(dice.choices(figures, k=SENTENCES))
    yield "the question said back", f"You wrote: {shown.question.text}"
    for article in dice.sample(there, min(EACH, len(there))):
        yield "another article for customers", "\n\n".join(article.unrestricted())
    for answer in POLITE:
        yield "polite phrases, made-up figures", answer
    for answer in dice.sample(others, min(EACH, len(others))):
        yield "answers of other assistants", answer


def _sentences(text: str) -> list[str]:
    return [one.strip() for one in SENTENCE.split(text) if any(map(str.isalnum, one))]
