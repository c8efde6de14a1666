"""Answers from a folder of documents, each sentence with the passage that it rests on.

python examples/rag_with_citations.py [FOLDER] [QUESTION]

The passages go to the model as search results with citations on (direct-forward route), so that what is cited is
what the model says it used, not what we guess afterwards.
"""

from __future__ import annotations

import sys
from pathlib import Path

from _connect import connect
from llama_index.core import Document
from llama_index.core.llms import ChatMessage, CitableBlock, TextBlock
from llama_index.core.node_parser import SentenceSplitter
from llama_index.core.schema import NodeWithScore
from llama_index.retrievers.bm25 import BM25Retriever

from llamaindex_aivideoapi import AIVideoAPI

HANDBOOK = Path(__file__).parent / "data" / "handbook"
QUESTION = "Within how many days may goods be returned?"


def retriever_over(folder: Path) -> BM25Retriever:
    """An offline retriever over the Markdown and text files of a folder."""
    documents = [
        Document(text=path.read_text(encoding="utf-8"), metadata={"file": path.name})
        for path in sorted(folder.rglob("*"))
        if path.suffix in (".md", ".txt")
    ]
    if not documents:
        raise SystemExit(f"{folder} has no .md or .txt files")
    nodes = SentenceSplitter(chunk_size=200, chunk_overlap=20).get_nodes_from_documents(documents)
    return BM25Retriever.from_defaults(nodes=nodes, similarity_top_k=min(3, len(nodes)))


def as_block(found: NodeWithScore) -> CitableBlock:
    """A passage that the model can cite."""
    name = str(found.metadata["file"])
    return CitableBlock(title=name, source=name, content=[TextBlock(text=found.node.get_content())])


def main(folder: Path, question: str) -> None:
    connect()
    passages = retriever_over(folder).retrieve(question)
    llm = AIVideoAPI(model="claude-sonnet-4-6/anthropic", max_tokens=800)
    blocks = [*map(as_block, passages), TextBlock(text=question)]
    response = llm.chat([ChatMessage(role="user", blocks=blocks)])
    print(f"Q: {question}")
    for block in response.message.blocks:
        if block.block_type == "text":
            print(f"A: {block.text.strip()}")
        elif block.block_type == "citation":
            print(f'   from {block.source}: "{block.cited_content.text.strip()}"')
    usage = response.raw["usage"]
    print(f"\n{usage['input_tokens']} tokens in, {usage['output_tokens']} out", end="; ")
    print(f"{usage['credits_consumed_micro'] / 1e6:.6f} credits computed")


if __name__ == "__main__":
    main(
        Path(sys.argv[1]) if len(sys.argv) > 1 else HANDBOOK,
        sys.argv[2] if len(sys.argv) > 2 else QUESTION,
    )
