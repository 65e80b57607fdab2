"""Shelves: collections of articles that LangChain searches, each a source by itself."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from langchain_core.callbacks import CallbackManagerForRetrieverRun
from langchain_core.documents import Document
from langchain_core.retrievers import BaseRetriever
from pipeline import HashedWordEmbeddings
from pydantic import Field
from truth import Text

EMBEDDINGS = HashedWordEmbeddings()
Heard = Callable[[str, Sequence[str]], None]


class Shelf(BaseRetriever):
    """An exact search by hashed words; it tells the script what it found, before anybody else.

    Attributes:
        collection_name: What the shelf is called.
        k: How many documents it gives, at most.
        heard: Told the shelf's name and the ids of what was found.
    """

    collection_name: str
    k: int
    heard: Heard
    documents: dict[str, Document] = Field(default_factory=dict)
    texts: dict[str, Text] = Field(default_factory=dict)
    vectors: dict[str, Any] = Field(default_factory=dict)
    matrix: Any = None

    def put(self, document: Document, text: Text) -> None:
        """Add a document, and what it is of."""
        name = str(document.id)
        self.documents[name], self.texts[name] = document, text
        self.vectors[name] = np.array(EMBEDDINGS.embed_query(document.page_content))
        self.matrix = None

    def remove(self, name: str) -> None:
        """Take a document away."""
        for kept in (self.documents, self.texts, self.vectors):
            kept.pop(name, None)
        self.matrix = None

    def _get_relevant_documents(
        self, query: str, *, run_manager: CallbackManagerForRetrieverRun
    ) -> list[Document]:
        if not self.vectors:
            return []
        if self.matrix is None:
            self.matrix = np.stack(list(self.vectors.values()))
        names = list(self.vectors)
        scores = self.matrix @ EMBEDDINGS.embed_query(query)
        best = [names[place] for place in np.argsort(-scores, kind="stable")[: self.k]]
        self.heard(self.collection_name, best)
        return [self.documents[name] for name in best]
