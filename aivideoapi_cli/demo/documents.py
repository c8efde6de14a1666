"""Second part of the demo: a LlamaIndex query engine over real files, with a BM25 retriever."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

from rich.text import Text

from aivideoapi_cli.demo.bill import Call, call_of_llamaindex
from aivideoapi_cli.demo.markdown import Section, sections_of
from aivideoapi_cli.demo.writer import INDENT, StreamWriter, label, said

if TYPE_CHECKING:
    from llama_index.core.schema import NodeWithScore
    from rich.console import Console

    from aivideoapi_cli._target import Target
    from aivideoapi_cli.demo.files import TextFile

_PASSAGE_TOKENS: Final = 200
_PASSAGES: Final = 4
_WORD: Final = re.compile(r"\w+")
_SENTENCE_END: Final = re.compile(r"(?<=[.!?])\s+|\n\s*\n")
_MARKDOWN: Final = (".md", ".markdown")


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
        _show_sources(console, response.source_nodes, question=question)
        label(console, "Answer", "bold magenta")
        writer = StreamWriter(console)
        for piece in getattr(response, "response_gen", None) or [str(response)]:
            writer.write(piece)
        writer.close()
    for raw in replies:
        yield call_of_llamaindex(raw, model=model)


def _retriever(files: Sequence[TextFile]) -> Any:
    from llama_index.core import Document
    from llama_index.core.node_parser import SentenceSplitter
    from llama_index.retrievers.bm25 import BM25Retriever

    documents = [
        Document(
            text="\n\n".join(section.paragraphs),
            # What ends in _name or _title is shown to the model above the passage. A section's title
            # counts in the search, a file's name does not.
            metadata={"file_name": file.name, "section_title": section.title},
            excluded_embed_metadata_keys=["file_name"],
        )
        for file in files
        for section in _sections(file)
    ]
    split = SentenceSplitter(chunk_size=_PASSAGE_TOKENS, chunk_overlap=0, paragraph_separator="\n\n")
    passages = split(documents)
    return BM25Retriever.from_defaults(nodes=passages, similarity_top_k=min(_PASSAGES, len(passages)))


def _sections(file: TextFile) -> list[Section]:
    """The parts of a file that passages are cut from; what is not Markdown is one part, as it is."""
    whole = [Section("", (file.text,))]
    return (sections_of(file.text) or whole) if file.name.lower().endswith(_MARKDOWN) else whole


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


def _show_sources(console: Console, nodes: Sequence[NodeWithScore], *, question: str) -> None:
    for number, node in enumerate(nodes, start=1):
        label(console, "Sources" if number == 1 else "", "bold blue")
        name = str(node.metadata.get("file_name", "?"))
        section = str(node.metadata.get("section_title", ""))
        head = Text.assemble(
            (f"{number}. ", "dim"), (name, "blue"), (f"  score {node.score or 0.0:.2f}", "dim")
        )
        if section:
            head.append(f"  {section}", style="dim")
        head.truncate(max(console.width - INDENT, 20), overflow="ellipsis")
        console.print(head)
        excerpt = Text(
            " " * (INDENT + 3) + excerpt_of(node.node.get_content(), question=question), style="dim italic"
        )
        excerpt.truncate(max(console.width - 1, 40), overflow="ellipsis")
        console.print(excerpt)


def excerpt_of(passage: str, *, question: str) -> str:
    """The passage on one line, from the first of its sentences that shares most words with the question."""
    wanted = set(_WORD.findall(question.lower()))
    sentences = [" ".join(sentence.split()) for sentence in _SENTENCE_END.split(passage.strip())]
    shared = [len(wanted & set(_WORD.findall(sentence.lower()))) for sentence in sentences]
    start = shared.index(max(shared))
    return ("… " if start else "") + " ".join(sentences[start:])
