"""What the account promises: every character belongs to exactly one origin."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from ragtrace.attribution import Account, Cover, Index, account
from ragtrace.model import Message
from tests.laws import examples
from tests.prose import chunk, prose

ROLES = st.sampled_from(["system", "user", "assistant", "tool"])
MESSAGES = st.lists(st.builds(Message, ROLES, st.text(max_size=40)), max_size=6)


@settings(max_examples=examples(200))
@given(MESSAGES, st.data())
def test_the_shares_are_all_there_is(messages: list[Message], data: st.DataObject) -> None:
    """However claims overlap, the counts add up to the characters of the prompt."""
    template = Cover()
    for number, message in enumerate(messages):
        edges = sorted(data.draw(st.tuples(*[st.integers(0, len(message.text))] * 2)))
        template.add(number, *edges)
    counted = account(messages, [], [], template)
    assert counted.total == sum(len(message.text) for message in messages)
    assert counted.template == len(template)
    assert 0 <= counted.accounted <= 1


def test_each_character_goes_to_the_first_that_claims_it() -> None:
    """Documents before derived text, that before the template, the role last."""
    source, said = chunk(prose(1)), chunk(prose(2, 30))
    documents, derived = Index(), Index()
    documents.add(source)
    derived.add(said)
    head = "Answer from the context.\n"
    messages = [
        Message("system", f"{head}{source.text}\n\n{said.text}"),
        Message("user", "What was it again?"),
        Message("assistant", "That."),
        Message("user", "And now?"),
        Message("tool", "Nothing is known of this."),
    ]
    template = Cover()
    template.add(0, 0, len(head) + 40)
    found = documents.attribute(messages)
    assert account(messages, found, derived.attribute(messages), template) == Account(
        retrieved=len(source.text) + 4,
        derived=len(said.text),
        template=len(head) - 2,
        user=len("And now?"),
        history=len("What was it again?That."),
        unknown=len("Nothing is known of this."),
    )


def test_an_empty_prompt_is_accounted_for() -> None:
    """Nothing is missing where there is nothing."""
    assert account([], [], [], Cover()).accounted == 1
