"""Paths of retrievers: retrievers of retrievers, steps behind them, and stores without any."""

from __future__ import annotations

from typing import Any

from llama_index.core import StorageContext, SummaryIndex, VectorStoreIndex
from llama_index.core.postprocessor.types import BaseNodePostprocessor
from llama_index.core.query_engine import RetrieverQueryEngine
from llama_index.core.schema import IndexNode, NodeRelationship, NodeWithScore, TextNode
from llama_index.core.storage.docstore import SimpleDocumentStore
from llama_index.core.vector_stores.types import VectorStoreQuery

from ragtrace.testing.conformance import LEVEL, NOTES, SECRET
from tests.integrations.llamaindex.kit import EMBEDDING, Fixed, Kit, joined, node
from tests.integrations.llamaindex.paths import path

__all__: list[str] = []


def ask_with(kit: Kit, asked: str, retriever: Any, *behind: BaseNodePostprocessor) -> str:
    """The usual engine around a retriever."""
    engine = RetrieverQueryEngine.from_args(
        retriever, llm=kit.chat(), node_postprocessors=list(behind)
    )
    return str(engine.query(asked))


@path()
def fusion(kit: Kit, asked: str) -> Any:
    from llama_index.core.retrievers import QueryFusionRetriever

    both = QueryFusionRetriever([kit.retriever, kit.retriever], llm=kit.chat(), num_queries=1)
    return ask_with(kit, asked, both)


@path()
async def fusion_async(kit: Kit, asked: str) -> Any:
    from llama_index.core.retrievers import QueryFusionRetriever

    both = QueryFusionRetriever(
        [kit.retriever, kit.retriever], llm=kit.chat(), num_queries=1, mode="reciprocal_rerank"
    )
    engine = RetrieverQueryEngine.from_args(both, llm=kit.chat())
    return str(await engine.aquery(asked))


@path()
def auto_merging(kit: Kit, asked: str) -> Any:
    from llama_index.core.node_parser import HierarchicalNodeParser, get_leaf_nodes
    from llama_index.core.retrievers import AutoMergingRetriever
    from llama_index.core.schema import Document

    parser = HierarchicalNodeParser.from_defaults(chunk_sizes=[128, 32], chunk_overlap=0)
    nodes = parser.get_nodes_from_documents(
        [Document(text=note.text, id_=note.id, metadata={LEVEL: note.level}) for note in NOTES]
    )
    context = StorageContext.from_defaults(docstore=SimpleDocumentStore())
    context.docstore.add_documents(nodes)
    index = VectorStoreIndex(get_leaf_nodes(nodes), storage_context=context, embed_model=EMBEDDING)
    retriever = AutoMergingRetriever(index.as_retriever(similarity_top_k=20), context)

    def find() -> list[NodeWithScore]:  # all are as similar, so that their order is anybody's
        return sorted(retriever.retrieve(asked), key=lambda one: str(one.node.metadata[LEVEL]))

    return ask_with(kit, asked, Fixed(find))


@path()
def recursive_to_a_retriever(kit: Kit, asked: str) -> Any:
    pointer = IndexNode(text="All the notes.", index_id="notes", obj=kit.retriever)
    pointer.metadata[LEVEL] = "public"
    return ask_with(kit, asked, Fixed(lambda: [NodeWithScore(node=pointer, score=1.0)]))


@path()
def recursive_to_nodes(kit: Kit, asked: str) -> Any:
    def find() -> list[NodeWithScore]:
        pointers = [
            IndexNode(text="A note.", index_id=note.id, obj=node(note), metadata={LEVEL: "public"})
            for note in NOTES
        ]
        return [NodeWithScore(node=pointer, score=1.0) for pointer in pointers]

    return ask_with(kit, asked, Fixed(find))


@path(whole=False)  # an answer that was made of the secret is withheld from the next
def recursive_to_an_engine(kit: Kit, asked: str) -> Any:
    pointer = IndexNode(text="All the notes.", index_id="notes", obj=kit.engine())
    pointer.metadata[LEVEL] = "public"
    return ask_with(kit, asked, Fixed(lambda: [NodeWithScore(node=pointer, score=1.0)]))


@path()
def recursive_retriever(kit: Kit, asked: str) -> Any:
    from llama_index.core.retrievers import RecursiveRetriever

    pointer = IndexNode(text="All the notes.", index_id="notes", metadata={LEVEL: "public"})
    root = VectorStoreIndex([pointer], embed_model=EMBEDDING).as_retriever()
    both = {"root": root, "notes": kit.retriever}
    return ask_with(kit, asked, RecursiveRetriever("root", retriever_dict=both))


class Rewrapped(BaseNodePostprocessor):
    """Gives each text on lines of its own, and loses its labels."""

    def _postprocess_nodes(self, nodes: Any, query_bundle: Any = None) -> list[NodeWithScore]:
        return [
            NodeWithScore(node=TextNode(text="- " + one.text, metadata={LEVEL: "public"}), score=1)
            for one in nodes
        ]


@path()
def postprocessor_that_loses_labels(kit: Kit, asked: str) -> Any:
    return ask_with(kit, asked, kit.retriever, Rewrapped())


@path()
def previous_and_next(kit: Kit, asked: str) -> Any:
    from llama_index.core.postprocessor import PrevNextNodePostprocessor

    secret, public = kit.nodes
    public.relationships[NodeRelationship.PREVIOUS] = secret.as_related_node_info()
    secret.relationships[NodeRelationship.NEXT] = public.as_related_node_info()
    store = SimpleDocumentStore()
    store.add_documents([secret, public])
    found = Fixed(lambda: [NodeWithScore(node=public, score=1.0)])
    widened = PrevNextNodePostprocessor(docstore=store, num_nodes=1, mode="both")
    return ask_with(kit, asked, found, widened)


@path()
def window_of_sentences(kit: Kit, asked: str) -> Any:
    from llama_index.core.postprocessor import MetadataReplacementPostProcessor

    def find() -> list[NodeWithScore]:
        secret, public = kit.nodes
        secret.metadata["window"], secret.text = SECRET, "Waive the overdraft fee."
        secret.excluded_llm_metadata_keys = ["window"]
        return [NodeWithScore(node=one, score=1.0) for one in (secret, public)]

    replaced = MetadataReplacementPostProcessor(target_metadata_key="window")
    return ask_with(kit, asked, Fixed(find), replaced)


@path()
async def async_postprocessor(kit: Kit, asked: str) -> Any:
    engine = RetrieverQueryEngine.from_args(
        kit.retriever, llm=kit.chat(), node_postprocessors=[Rewrapped()]
    )
    return str(await engine.aquery(asked))


@path()
def summary_index(kit: Kit, asked: str) -> Any:
    return str(SummaryIndex(kit.nodes).as_query_engine(llm=kit.chat()).query(asked))


@path()
def tool_of_a_retriever(kit: Kit, asked: str) -> Any:
    from llama_index.core.tools import RetrieverTool

    found = RetrieverTool.from_defaults(kit.retriever, description="Notes.").call(asked)
    return kit.chat().chat(kit.messages(str(found.content), asked))


@path()
def chroma_index(kit: Kit, asked: str) -> Any:
    index = VectorStoreIndex.from_vector_store(chroma(kit), embed_model=EMBEDDING)
    return str(index.as_query_engine(llm=kit.chat(), similarity_top_k=2).query(asked))


@path()
def chroma_store(kit: Kit, asked: str) -> Any:
    query = VectorStoreQuery(query_embedding=[0.5] * 4, similarity_top_k=2)
    found = chroma(kit).query(query)
    assert len(found.nodes or []) == len(found.ids or []) == len(found.similarities or [])
    notes = joined([NodeWithScore(node=one) for one in found.nodes or []])
    return kit.chat().chat(kit.messages(notes, asked))


@path()
def chroma_nodes_by_id(kit: Kit, asked: str) -> Any:
    found = chroma(kit).get_nodes([note.id for note in NOTES])
    notes = joined([NodeWithScore(node=one) for one in found])
    return kit.chat().chat(kit.messages(notes, asked))


def chroma(kit: Kit) -> Any:
    """A store that keeps texts, with the notes in it."""
    import chromadb
    from llama_index.vector_stores.chroma import ChromaVectorStore

    collection = chromadb.EphemeralClient().get_or_create_collection("notes")
    store = ChromaVectorStore(chroma_collection=collection)
    nodes = kit.nodes
    for one in nodes:
        one.embedding = [0.5] * 4
    collection.delete([one.node_id for one in nodes])
    store.add(nodes)
    return store
