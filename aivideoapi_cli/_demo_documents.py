"""Second part of the demo: a LlamaIndex query engine over real files, with a BM25 retriever."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

from rich.text import Text

from aivideoapi_cli._demo_bill import Call, call_of_llamaindex
from aivideoapi_cli._writer import INDENT, StreamWriter, label, said

if TYPE_CHECKING:
    from llama_index.core.schema import NodeWithScore
    from rich.console import Console

    from aivideoapi_cli._demo_files import TextFile
    from aivideoapi_cli._target import Target

_PASSAGE_TOKENS: Final = 200
_PASSAGES: Final = 4
_STARTS: Final = re.compile(r"\s*(?:[-*+]\s|\d+[.)]\s|#|\||>)|    ")
"""A line that begins something of its own: list item, heading, table row, quotation, code."""
_ALONE: Final = re.compile(r"\s*(?:#|\||>|```|~~~)|    ")
"""A line that nothing is added to."""


def ask_documents(
    console: Console, target: Target, files: Sequence[TextFile], *, model: str, question: str
) -> Iterator[Call]:
    """Retrieve passages, show them, and answer from them; yields each call made."""
    from llama_index.core.query_engine import RetrieverQueryEngine

    from llamaindex_aivideoapi import AIVideoAPI

    llm = AIVideoAPI(model=model, api_key=target.api_key, base_url=target.base_url, max_tokens=2_000)
    retriever = _retriever(files)
    engine = RetrieverQueryEngine.from_args(retriever, llm=llm, streaming=True)
    said(console, "You", question, style="bold green")
    with _replies() as replies:
        response = engine.query(question)
        _show_sources(console, response.source_nodes)
        label(console, "Answer", "bold magenta")
        writer = StreamWriter(console)
        for piece in getattr(response, "response_gen", None) or [str(response)]:
            writer.write(piece)
        writer.close()
    for raw in replies:
        yield call_of_llamaindex(raw, model=model)


def _retriever(files: Sequence[TextFile]) -> Any:
    from llama_index.core import Document
    from llama_index.core.node_parser import MarkdownNodeParser, SentenceSplitter
    from llama_index.retrievers.bm25 import BM25Retriever

    documents = [
        Document(
            text=unwrapped(file.text) if file.name.endswith(".md") else file.text,
            metadata={"file_name": file.name},
            excluded_embed_metadata_keys=["file_name"],  # a section's title counts, a file's name does not
        )
        for file in files
    ]
    sections = MarkdownNodeParser(include_metadata=True).get_nodes_from_documents(documents)
    for section in sections:
        section.metadata = {
            "file_name": section.metadata["file_name"],
            "section": _heading_of(section.get_content()),
        }
    split = SentenceSplitter(chunk_size=_PASSAGE_TOKENS, chunk_overlap=0, paragraph_separator="\n\n")
    passages = split(sections)
    return BM25Retriever.from_defaults(nodes=passages, similarity_top_k=min(_PASSAGES, len(passages)))


def _heading_of(text: str) -> str:
    first, _, _ = text.partition("\n")
    return first.strip("# ") if first.startswith("#") else ""


def unwrapped(text: str) -> str:
    """Markdown with each paragraph and list item on one line, as it reads; code and tables stay as they are."""
    lines: list[str] = []
    in_code = False
    for line in text.splitlines():
        fence = line.lstrip().startswith(("```", "~~~"))
        before = lines[-1] if lines else ""
        if (
            fence
            or in_code
            or not line.strip()
            or _STARTS.match(line)
            or not before.strip()
            or _ALONE.match(before)
        ):
            lines.append(line)
        else:
            lines[-1] = f"{before.rstrip()} {line.strip()}"
        in_code ^= fence
    return "\n".join(lines) + "\n"


@contextmanager
def _replies() -> Iterator[list[Mapping[str, Any]]]:
    """The ``raw`` of every chat reply inside the context, as LlamaIndex' instrumentation shows it."""
    from llama_index.core.instrumentation.event_handlers import BaseEventHandler
    from llama_index.core.instrumentation.events.llm import LLMChatEndEvent
    from llama_index_instrumentation import get_dispatcher

    found: list[Mapping[str, Any]] = []

    class Replies(BaseEventHandler):
        @classmethod
        def class_name(cls) -> str:
            return "DemoReplies"

        def handle(self, event: Any, **_: Any) -> None:
            raw = event.response.raw if isinstance(event, LLMChatEndEvent) and event.response else None
            if isinstance(raw, Mapping):
                found.append(raw)

    dispatcher = get_dispatcher()
    handler = Replies()
    dispatcher.add_event_handler(handler)
    try:
        yield found
    finally:
        dispatcher.event_handlers.remove(handler)


def _show_sources(console: Console, nodes: Sequence[NodeWithScore]) -> None:
    for number, node in enumerate(nodes, start=1):
        label(console, "Sources" if number == 1 else "", "bold blue")
        name = str(node.metadata.get("file_name", "?"))
        section = str(node.metadata.get("section", ""))
        head = Text.assemble(
            (f"{number}. ", "dim"), (name, "blue"), (f"  score {node.score or 0.0:.2f}", "dim")
        )
        if section:
            head.append(f"  {section}", style="dim")
        head.truncate(max(console.width - INDENT, 20), overflow="ellipsis")
        console.print(head)
        excerpt = Text(" " * (INDENT + 3) + _excerpt(node.node.get_content()), style="dim italic")
        excerpt.truncate(max(console.width - 1, 40), overflow="ellipsis")
        console.print(excerpt)


def _excerpt(text: str) -> str:
    lines = [line for line in text.splitlines() if line.strip() and not line.startswith(("#", "```", "|--"))]
    return " ".join(" ".join(lines or [text]).split())
