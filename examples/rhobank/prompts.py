"""The prompts: what each question puts before the model, assembled by LangChain under ragtrace."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from random import Random
from typing import Any

from knowledge import Article, Question
from langchain_core.callbacks import CallbackManagerForRetrieverRun
from langchain_core.documents import Document
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult
from langchain_core.retrievers import BaseRetriever
from langchain_core.runnables import Runnable
from leaking import deltas
from opentelemetry.sdk.trace import TracerProvider
from pipeline import chain_of
from pydantic import Field

import ragtrace
from ragtrace.capture import Call, Model, current, current_request
from ragtrace.model import Message

POLICY = Path(__file__).with_name("policies") / "context_only.yaml"
AUDIENCE = "customer"
MODEL = "scripted"
ROLES = {"system": "system", "human": "user"}
# Stands between what is left where restricted text is taken out.
CUT = "\x00"
# Characters in a delta of what the scripted model streams.
DELTA = 5


class Scripted(BaseChatModel):
    """A model that says what it is told to, and remembers what it was sent."""

    says: str = ""
    sent: list[BaseMessage] = Field(default_factory=list)

    @property
    def _llm_type(self) -> str:
        return MODEL

    def _generate(self, messages: list[BaseMessage], *args: Any, **kwargs: Any) -> ChatResult:
        self.sent = messages
        return ChatResult(generations=[ChatGeneration(message=AIMessage(self.says))])

    def _stream(
        self, messages: list[BaseMessage], *args: Any, **kwargs: Any
    ) -> Iterator[ChatGenerationChunk]:
        self.sent = messages
        for delta in deltas(self.says, DELTA, Random(0)):
            yield ChatGenerationChunk(message=AIMessageChunk(delta))


class Given(BaseRetriever):
    """A retriever that finds what it was given, whatever is asked."""

    documents: Sequence[Document]

    def _get_relevant_documents(
        self, query: str, *, run_manager: CallbackManagerForRetrieverRun
    ) -> list[Document]:
        return list(self.documents)


@dataclass(frozen=True)
class Shown:
    """One question's prompt, as the model was sent it; good while its request is open.

    Attributes:
        articles: What was retrieved.
        text: All of what was sent.
        call: The model call, to pass answers through.
    """

    question: Question
    articles: Sequence[Article]
    text: str
    call: Call
    _chain: Runnable[str, str]
    _model: Scripted
    _channels: Iterator[int] = field(default_factory=count)

    @property
    def restricted(self) -> list[str]:
        """The parts of the articles (list of str) that are for staff."""
        return [part for article in self.articles for part in article.restricted()]

    @property
    def readable(self) -> list[str]:
        """What else was sent (list of str): the customer may read all of it."""
        rest = self.text
        for part in self.restricted:
            rest = rest.replace(part, CUT)
        return rest.split(CUT)

    def whole(self, says: str) -> str:
        """Return what leaves of an answer that comes whole."""
        return self.call.whole(says)[0]

    def piecemeal(self, says: Iterable[str]) -> str:
        """Return what leaves of an answer that comes in deltas."""
        # A channel of its own: what comes in several is put together separately.
        channel = f"answer {next(self._channels)}"
        left = "".join(self.call.say(delta, channel) for delta in says)
        return left + self.call.rest().get(channel, "")

    def invoked(self, says: str) -> str:
        """Return what the caller of the chain gets if the model says `says`."""
        self._model.says = says
        return self._chain.invoke(self.question.text)

    def streamed(self, says: str) -> str:
        """Return the same of a chain that is streamed."""
        self._model.says = says
        return "".join(self._chain.stream(self.question.text))


@contextmanager
def shown(
    question: Question, articles: Sequence[Article], retriever: BaseRetriever
) -> Iterator[Shown]:
    """Put `question` to an assistant that retrieves `articles`, in a request of its own."""
    model = Scripted()
    chain = chain_of(retriever, model)
    with ragtrace.request(audience=AUDIENCE, session=question.id):
        chain.invoke(question.text)
        sent = [Message(ROLES[one.type], str(one.content)) for one in model.sent]
        text = "\n\n".join(message.text for message in sent)
        # Never finished: nobody was told what passes through it, so nothing is derived from that.
        call = Call(current(), current_request(), Model("chat", MODEL), sent)
        yield Shown(question, articles, text, call, chain, model)


@contextmanager
def governed() -> Iterator[None]:
    """Run ragtrace under the policy `context_only`, with nobody to look at its spans."""
    provider = TracerProvider()
    ragtrace.init(str(POLICY), tracer_provider=provider)
    try:
        yield
    finally:
        ragtrace.shutdown()
        provider.shutdown()
