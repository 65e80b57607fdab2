"""Elsewhere: a colleague's chain in a process of its own; prints what its model said."""

from __future__ import annotations

import sys

from langchain_core.documents import Document
from langchain_core.embeddings import DeterministicFakeEmbedding
from langchain_core.vectorstores import InMemoryVectorStore

import ragtrace
from tests.integrations.scripted import Scripted

if __name__ == "__main__":
    note, said = sys.argv[1:]
    ragtrace.init()
    document = Document(note, id="note-secret", metadata={"level": "staff_only"})
    store = InMemoryVectorStore.from_documents([document], DeterministicFakeEmbedding(size=8))
    with ragtrace.request("staff"):
        (found,) = store.as_retriever().invoke("fees")
        print(Scripted(script=[said]).invoke(f"Sum up: {found.page_content}").content)
    ragtrace.shutdown()
