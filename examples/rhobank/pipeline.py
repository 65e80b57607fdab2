"""The assistant: a LangChain chain that retrieves articles and lets a model answer from them."""

import json
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from subprocess import PIPE, Popen

from knowledge import Article
from langchain_core.documents import Document
from langchain_core.language_models import BaseChatModel
from langchain_core.output_parsers import StrOutputParser
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.retrievers import BaseRetriever
from langchain_core.runnables import Runnable, RunnablePassthrough
from langchain_core.vectorstores import InMemoryVectorStore, VectorStore
from langchain_openai import ChatOpenAI
from pydantic import SecretStr

# The embeddings and the model server are those of the bank example next door.
sys.path.append(str(Path(__file__).parent.with_name("bank")))

from embeddings import HashedWordEmbeddings
from endpoint import MODEL_SERVER, STOP_SECONDS, base_url
from extract import NOT_FOUND

__all__ = [
    "NOT_FOUND",
    "READERS",
    "build_chain",
    "build_store",
    "chain_of",
    "document",
    "recording_model",
]

# Model servers by what they do when no sentence fits the question well: say so, or quote anyhow.
READERS = {"cautious": MODEL_SERVER, "obliging": Path(__file__).with_name("obliging_server.py")}

MODEL = "extractive-context-reader"
# A server on loopback asks for no key, but the client insists on one.
KEY = SecretStr("not-needed")

PROMPT = ChatPromptTemplate.from_messages(
    [
        (
            "system",
            "You are the assistant of Rho-Bank. Answer from the articles you are given and from "
            "nothing else. If they do not hold the answer, say so.",
        ),
        ("human", "Articles:\n\n{context}\n\nQuestion: {question}"),
    ]
)


def build_store(articles: Sequence[Article]) -> VectorStore:
    """Return an exact in-memory store of `articles`, one chunk each, with their labels."""
    store = InMemoryVectorStore(HashedWordEmbeddings())
    store.add_documents([document(article) for article in articles])
    return store


def build_chain(store: VectorStore, url: str, top_k: int) -> Runnable[str, str]:
    """Return the chain from a question to its answer, which may see `top_k` articles."""
    model = ChatOpenAI(base_url=url, api_key=KEY, model=MODEL, temperature=0)
    return chain_of(store.as_retriever(search_kwargs={"k": top_k}), model)


def chain_of(retriever: BaseRetriever, model: BaseChatModel) -> Runnable[str, str]:
    """Return the chain from a question to what `model` answers from what `retriever` finds."""
    inputs = {"context": retriever | _format, "question": RunnablePassthrough()}
    chain: Runnable[str, str] = inputs | PROMPT | model | StrOutputParser()
    return chain


@contextmanager
def recording_model(reader: str, record: Path) -> Iterator[str]:
    """Give the base URL (str) of the model server of `reader`, which records in `record`."""
    # The model is another party: what watches this app is not meant to watch the model too.
    environment = {k: v for k, v in os.environ.items() if not k.startswith("RAGTRACE_")}
    command = [sys.executable, str(READERS[reader]), "--until-stdin-closes"]
    command += ["--record", str(record)]
    with Popen(command, stdin=PIPE, stdout=PIPE, text=True, env=environment) as server:
        try:
            yield base_url(server)
        finally:
            server.terminate()
            server.wait(STOP_SECONDS)


def document(article: Article) -> Document:
    """Return `article` as it is retrieved, with its label and its ranges."""
    spans = [{"start": a, "end": b, "label": "staff_only"} for a, b in article.ranges]
    # As JSON text, because many stores keep only scalars.
    metadata = {"id": article.id, "label": article.label, "restricted_spans": json.dumps(spans)}
    return Document(id=article.id, page_content=article.text, metadata=metadata)


def _format(documents: list[Document]) -> str:
    return "\n\n".join(document.page_content for document in documents)
