"""Scenes: a bank's assistant at work, request by request, as a seeded script has it."""

from collections import deque
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from random import Random
from typing import Any

from knowledge import Article
from langchain_core.caches import InMemoryCache
from langchain_core.documents import Document
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, SystemMessage
from pipeline import document
from prompts import Scripted
from shelves import Shelf
from speech import Speech
from truth import Found, Text, Told, Truth, named, prompt_named, together

import ragtrace

ROLES = {"system": "system", "human": "user", "ai": "assistant"}
ASSISTANT = "You are the assistant of Rho-Bank. Answer from what you are given."
EXPERT = "You are the expert whom the assistant of Rho-Bank asks. Answer from the articles."
EDITOR = "You rewrite articles of Rho-Bank for its customers."
KEEPER = "You sum up a conversation with a customer of Rho-Bank, for whoever goes on with it."

CUSTOMERS, COLLEAGUES, OPEN_SESSIONS = 60, 8, 12
# Of so many requests one is a colleague's; of a colleague's so many one rewrites an article.
COLLEAGUE_EVERY, REWRITE_EVERY = 5, 3
TURNS = (3, 9)
# After so many turns what was said is summed up, with the summary before it.
SUMMED_UP_AFTER = 3
REMEMBERED_TURNS = 2
# How often a customer's turn is answered in which way.
WAYS = ("retrieved", "handed on", "remembered", "cached")
OFTEN = (62, 14, 12, 12)
# Requests for which a filed article, or an answer, stays in use: the process remembers 2,048
# answers made from labelled text (docs/lineage.md), so all that is used again is still known.
IN_USE = 300
POPULAR, FREQUENT = 40, 20
MOST_POPULAR = 0.6


class ScriptError(Exception):
    """The application did not do what the script had it do."""


@dataclass
class Session:
    """One conversation.

    Attributes:
        memory: The summary of what is not in `turns` any more.
        turns: Questions and answers since.
    """

    name: str
    user: str
    left: int
    memory: Text | None = None
    turns: list[tuple[str, Text]] = field(default_factory=list)


class Scenes:
    """The application and its script.

    Args:
        articles: The knowledge base; those for staff are on a shelf of their own.
        sprint: The request from which on the customers' assistant searches that shelf too.
    """

    def __init__(self, articles: Sequence[Article], sprint: int, seed: int = 7) -> None:
        self.truth = Truth()
        self._dice = Random(seed)
        self._sprint = sprint
        self._speech = Speech(articles, self._dice)
        self._public = Shelf(collection_name="bank_articles", k=3, heard=self._heard)
        self._handbook = Shelf(collection_name="staff_handbook", k=2, heard=self._heard)
        self._filed = Shelf(collection_name="rewritten", k=1, heard=self._heard)
        for article in articles:
            shelf = self._handbook if article.label == "staff_only" else self._public
            shelf.put(document(article), self._speech.article(article))
        self._articles = {article.id: article for article in articles}
        self._staff = [one.id for one in articles if one.label == "staff_only"]
        self._topics = self._dice.sample(list(self._articles), POPULAR)
        self._frequent = [self._question(self._topic()) for _ in range(FREQUENT)]
        self._model = Scripted()
        self._caching = Scripted(cache=InMemoryCache())
        self._cached: dict[str, Text] = {}
        self._answers: deque[tuple[int, Text]] = deque()
        self._on_file: deque[tuple[int, str]] = deque()
        self._sessions: list[Session] = []
        self._number = self._opened = 0
        self._who = ("", "", "")

    def play(self, requests: int, told: Callable[[int], None]) -> Truth:
        """Have so many requests happen, telling after each how many there were; return the truth.

        Raises:
            ScriptError: An answer came out otherwise than it was scripted.
        """
        for self._number in range(requests):
            self._forget()
            if self._number % COLLEAGUE_EVERY == 0:
                self._colleague()
            else:
                self._customer()
            told(self._number + 1)
        return self.truth

    # --- requests ---------------------------------------------------------------------------

    def _customer(self) -> None:
        while len(self._sessions) < OPEN_SESSIONS:
            self._opened += 1
            user = f"customer-{self._dice.randrange(CUSTOMERS)}"
            session = Session(f"session-{self._opened}", user, self._dice.randint(*TURNS))
            self._sessions.append(session)
        session = self._dice.choice(self._sessions)
        if len(session.turns) >= SUMMED_UP_AFTER:
            self._sum_up(session)
            return
        (way,) = self._dice.choices(WAYS, OFTEN)
        with self._request("customer", session.name, session.user):
            question, answer = self._answered(way, session)
        session.turns.append((question, answer))
        self._answers.append((self._number, answer))
        session.left -= 1
        if not session.left:
            self._sessions.remove(session)

    def _answered(self, way: str, session: Session) -> tuple[str, Text]:
        question = self._question(self._topic())
        if way == "handed on":
            return question, self._hand_on(question)
        if way == "remembered" and self._answers:
            _, before = self._dice.choice(self._answers)
            asked = f"This was answered before:\n{before.words}\n\nQuestion: {question}"
            return question, self._call("remembered", ASSISTANT, [before], asked)
        if way == "cached":
            question = self._dice.choice(self._frequent)
            found = self._search(question)
            return question, self._call("cached", ASSISTANT, found, _asked(found, question))
        found = self._search(question)
        past = [answer for _, answer in session.turns[-REMEMBERED_TURNS:]]
        past += [session.memory] if session.memory else []
        messages = self._past(session)
        shown, asked = [*found, *past], _asked(found, question)
        return question, self._call("retrieved", ASSISTANT, shown, asked, messages)

    def _hand_on(self, question: str) -> Text:
        """One agent asks another, and answers from what that one says."""
        found = self._search(question)
        expert = self._call("expert", EXPERT, found, _asked(found, question))
        asked = f"The expert says:\n{expert.words}\n\nQuestion: {question}"
        return self._call("handed on", ASSISTANT, [expert], asked)

    def _sum_up(self, session: Session) -> None:
        """The conversation so far becomes a summary; of the summary before, a summary of that."""
        said = [answer for _, answer in session.turns]
        shown = [*([session.memory] if session.memory else []), *said]
        transcript = "\n\n".join(one.words for one in shown)
        with self._request("customer", session.name, session.user):
            session.memory = self._call("summed up", KEEPER, shown, f"Sum up:\n\n{transcript}")
        session.turns.clear()

    def _colleague(self) -> None:
        name = self._dice.choice(self._staff)
        user = f"colleague-{self._dice.randrange(COLLEAGUES)}"
        if self._number // COLLEAGUE_EVERY % REWRITE_EVERY == 0:
            with self._request("staff", f"desk-{user}", user):
                self._rewrite(name)
            return
        question = self._question(name)
        with self._request("staff", f"desk-{user}", user):
            found = self._take(self._handbook, question)
            answer = self._call("colleague", ASSISTANT, found, _asked(found, question))
        self._answers.append((self._number, answer))

    def _rewrite(self, name: str) -> None:
        """A model rewrites an internal article, and it is filed as one for customers."""
        found = self._take(self._handbook, self._question(name))[:1]
        about = self._words(name)
        text = self._speech.rewrite(found, found, f"{about.capitalize()}. ")
        asked = f"Rewrite this:\n\n{found[0].words}"
        self._call("rewritten", EDITOR, found, asked, planned=text)
        filed = f"filed-{self._number}"
        self._filed.put(Document(text.words, id=filed, metadata={"label": "public"}), text)
        self._on_file.append((self._number, filed))
        self.truth.filed[filed], self.truth.digests[filed] = text.shown, named(text.words)

    # --- steps ------------------------------------------------------------------------------

    def _request(self, audience: str, session: str, user: str) -> AbstractContextManager[Any]:
        self._who = audience, session, user
        return ragtrace.request(audience=audience, session=session, user=user)

    def _search(self, question: str) -> list[Text]:
        """What the customers' assistant finds; from the sprint on, in the handbook too."""
        shelves = [self._public, self._filed]
        if self._number >= self._sprint:
            shelves.append(self._handbook)
        return [text for shelf in shelves for text in self._take(shelf, question)]

    def _take(self, shelf: Shelf, question: str) -> list[Text]:
        return [shelf.texts[str(one.id)] for one in shelf.invoke(question)]

    def _heard(self, shelf: str, documents: Sequence[str]) -> None:
        audience, _, _ = self._who
        self.truth.searches.append(Found(self._number, shelf, audience, tuple(documents)))

    def _past(self, session: Session) -> list[BaseMessage]:
        past: list[BaseMessage] = []
        if session.memory:
            past.append(SystemMessage(f"So far:\n{session.memory.words}"))
        for question, answer in session.turns[-REMEMBERED_TURNS:]:
            past += [HumanMessage(question), AIMessage(answer.words)]
        return past

    def _call(
        self,
        kind: str,
        system: str,
        shown: Sequence[Text],
        asked: str,
        past: Sequence[BaseMessage] = (),
        planned: Text | None = None,
    ) -> Text:
        """Ask a model, and note what truly was in its prompt."""
        messages = [SystemMessage(system), *past, HumanMessage(asked)]
        prompt = prompt_named([(ROLES[one.type], str(one.content)) for one in messages])
        said = planned or self._speech.say(shown)
        model = self._model
        if kind == "cached":
            model, said = self._caching, self._cached.setdefault(prompt, said)
        model.says = said.words
        if model.invoke(messages).content != said.words:
            raise ScriptError(f"request {self._number}: {kind}: another answer than was scripted")
        who, of = self._who, together(shown)
        given = frozenset(name for one in shown for name in one.holds if one.given)
        fresh = self._judged_anew(messages, shown)
        call = Told(self._number, kind, *who, prompt, named(said.words), given, fresh, **of)
        self.truth.calls.append(call)
        return said

    def _judged_anew(
        self, messages: Sequence[BaseMessage], shown: Sequence[Text]
    ) -> tuple[tuple[str, frozenset[str]], ...]:
        """What a model made of that is shown, but for what stands only where it was told before.

        An answer that quotes an article stands where that article does as well, unless that is for
        staff itself: then the words there are the article's, which is judged as strictly.
        """
        history = {str(one.content) for one in messages if one.type == "ai"}
        rest = "\n".join(str(one.content) for one in messages if one.type != "ai")
        made = {
            named(one.words): one.shown
            for one in shown
            if not one.is_copy
            and (
                one.words not in history
                or any(
                    quote.words in rest and quote.document not in self._staff
                    for quote in one.quotes
                )
            )
        }
        return tuple(made.items())

    # --- what is asked ----------------------------------------------------------------------

    def _topic(self) -> str:
        popular = self._dice.random() < MOST_POPULAR
        return self._dice.choice(self._topics if popular else list(self._articles))

    def _question(self, name: str) -> str:
        return f"I would like to know about {self._words(name)}, please."

    def _words(self, name: str) -> str:
        """Three words of an article, in an order of their own: what is asked is no copy of it."""
        words = sorted({word.lower() for word in self._articles[name].text.split()})
        long = [word for word in words if word.isalpha() and len(word) >= 5]
        one, two, three = self._dice.sample(long, 3)
        return f"{one}, {two} and {three}"

    def _forget(self) -> None:
        oldest = self._number - IN_USE
        while self._answers and self._answers[0][0] < oldest:
            self._answers.popleft()
        while self._on_file and self._on_file[0][0] < oldest:
            self._filed.remove(self._on_file.popleft()[1])


def _asked(found: Sequence[Text], question: str) -> str:
    articles = "\n\n".join(one.words for one in found)
    return f"Articles:\n\n{articles}\n\nQuestion: {question}"
