"""Account: where every character of a prompt came from."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from ragtrace.attribution._cover import Cover
from ragtrace.model import Attribution, Message

__all__ = ["Account", "account"]

_TRAILING: Final = 64
"""Characters without letters or digits that go with the text before them; a full stop, a bracket
or an empty line between two passages is nobody's secret."""


@dataclass(frozen=True, slots=True)
class Account:
    """Characters of a prompt by where they came from; together all there are.

    Attributes:
        retrieved: Text of documents.
        derived: Text that a model of this process has said before, outside its own turns.
        template: What stands in this application's prompts whatever is asked.
        user: The rest of the last message of the user.
        history: The rest of the other messages of the user and the assistant.
        unknown: What nothing accounts for.
    """

    retrieved: int = 0
    derived: int = 0
    template: int = 0
    user: int = 0
    history: int = 0
    unknown: int = 0

    @property
    def total(self) -> int:
        """Characters of the prompt."""
        return (
            self.retrieved + self.derived + self.template + self.user + self.history + self.unknown
        )

    @property
    def accounted(self) -> float:
        """Share of the characters that something accounts for, 0 to 1; 1 of an empty prompt."""
        return 1 - self.unknown / self.total if self.total else 1.0


def account(
    messages: Sequence[Message],
    found: Iterable[Attribution],
    derived: Sequence[Attribution],
    template: Cover,
) -> Account:
    """Give each character to the first that claims it, in the order of the attributes.

    Args:
        messages: The prompt.
        found: Documents found in it.
        derived: Earlier completions found in it.
        template: Template text found in it.
    """
    claimed = _of(found, messages)
    retrieved = len(claimed)
    if derived:
        claimed.update(_of(derived, messages))
    of_derived = len(claimed) - retrieved
    if template:
        claimed.update(template)
    of_template = len(claimed) - retrieved - of_derived
    last = max([at for at, one in enumerate(messages) if one.role == "user"], default=-1)
    user = history = unknown = 0
    for at, message in enumerate(messages):
        rest = claimed.missing_of(at, len(message.text))
        if at == last:
            user = rest
        elif message.role in ("user", "assistant"):
            history += rest
        else:
            unknown += rest
    return Account(retrieved, of_derived, of_template, user, history, unknown)


def _of(found: Iterable[Attribution], messages: Sequence[Message]) -> Cover:
    """The places of what was found, each stretch with what goes with it on either side."""
    stretches = []
    for one in found:
        for message, start, end, *_ in one.spans:
            text = messages[message].text
            first, last = max(0, start - _TRAILING), min(len(text), end + _TRAILING)
            while start > first and not text[start - 1].isalnum():
                start -= 1
            while end < last and not text[end].isalnum():
                end += 1
            stretches.append((message, start, end))
    return Cover.of(stretches)
