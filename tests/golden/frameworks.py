"""The same small application in each framework: look it up, put it into a prompt, ask a model.

The store is in memory, and the model is served by the recorder or says what it is told to.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

from bank import ANSWER, COLLECTION, DOCUMENTS, QUESTION, embed

__all__ = ["langchain", "llama_index"]


def langchain(config: dict[str, Any] | None = None, *, chroma: bool = False) -> Callable[[], None]:
    """A chain of LangChain that can be asked; ``config`` is the configuration of the run."""
    from langchain_core.embeddings import Embeddings
    from langchain_core.prompts import ChatPromptTemplate
    from langchain_core.runnables import RunnableLambda
    from langchain_core.vectorstores import InMemoryVectorStore
    from langchain_openai import ChatOpenAI

    class Words(Embeddings):
        def embed_documents(self, texts: list[str]) -> list[list[float]]:
            return [embed(text) for text in texts]

        def embed_query(self, text: str) -> list[float]:
            return embed(text)

    texts = [text for _, text, _ in DOCUMENTS]
    metadatas = [dict(metadata) for _, _, metadata in DOCUMENTS]
    ids = [name for name, _, _ in DOCUMENTS]
    if chroma:
        from langchain_chroma import Chroma

        store: Any = Chroma.from_texts(
            texts, Words(), metadatas=metadatas, ids=ids, collection_name=COLLECTION
        )
    else:
        store = InMemoryVectorStore.from_texts(texts, Words(), metadatas=metadatas, ids=ids)
    retriever = store.as_retriever(search_kwargs={"k": 2})
    model = ChatOpenAI(model="scripted", base_url=os.environ["OPENAI_BASE_URL"], api_key="none")
    prompt = ChatPromptTemplate.from_messages(
        [("system", "Answer from this:\n{context}"), ("human", "{question}")]
    )

    def assistant(question: str) -> str:
        found = retriever.invoke(question)
        context = "\n\n".join(one.page_content for one in found)
        messages = prompt.invoke({"context": context, "question": question})
        return str(model.invoke(messages).content)

    def ask() -> None:
        assert RunnableLambda(assistant).invoke(QUESTION, config) == ANSWER

    return ask


def llama_index() -> Callable[[], None]:
    """A query engine of LlamaIndex that can be asked."""
    from llama_index.core import VectorStoreIndex
    from llama_index.core.base.llms.types import ChatMessage, ChatResponse, LLMMetadata
    from llama_index.core.embeddings import BaseEmbedding
    from llama_index.core.llms import CompletionResponse, CustomLLM
    from llama_index.core.llms.callbacks import llm_chat_callback, llm_completion_callback
    from llama_index.core.schema import TextNode

    class Words(BaseEmbedding):
        def _get_text_embedding(self, text: str) -> list[float]:
            return embed(text)

        def _get_query_embedding(self, query: str) -> list[float]:
            return embed(query)

        async def _aget_query_embedding(self, query: str) -> list[float]:
            return embed(query)

    class Scripted(CustomLLM):
        @property
        def metadata(self) -> LLMMetadata:
            return LLMMetadata(model_name="scripted", is_chat_model=True)

        @llm_chat_callback()
        def chat(self, messages: Any, **kwargs: Any) -> ChatResponse:
            return ChatResponse(message=ChatMessage(role="assistant", content=ANSWER))

        @llm_completion_callback()
        def complete(self, prompt: str, formatted: bool = False, **kwargs: Any) -> Any:
            return CompletionResponse(text=ANSWER)

        @llm_completion_callback()
        def stream_complete(self, prompt: str, formatted: bool = False, **kwargs: Any) -> Any:
            yield CompletionResponse(text=ANSWER, delta=ANSWER)

    nodes = [TextNode(id_=name, text=text, metadata=dict(m)) for name, text, m in DOCUMENTS]
    index = VectorStoreIndex(nodes, embed_model=Words())
    engine = index.as_query_engine(llm=Scripted(), similarity_top_k=2)

    def ask() -> None:
        assert str(engine.query(QUESTION)) == ANSWER

    return ask
