"""Retrieval pipelines over several hundred real passages, with checked answers and checked bills.

The passages are the docstrings of Python's own library, which every machine has.
"""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from llama_index.core.base.llms.types import ChatMessage, ImageBlock, TextBlock
from llama_index.core.chat_engine import (
    CondensePlusContextChatEngine,
    CondenseQuestionChatEngine,
    ContextChatEngine,
    SimpleChatEngine,
)
from llama_index.core.evaluation import FaithfulnessEvaluator, RelevancyEvaluator
from llama_index.core.extractors import (
    DocumentContextExtractor,
    KeywordExtractor,
    QuestionsAnsweredExtractor,
    SummaryExtractor,
    TitleExtractor,
)
from llama_index.core.ingestion import IngestionPipeline
from llama_index.core.instrumentation import get_dispatcher
from llama_index.core.instrumentation.event_handlers import BaseEventHandler
from llama_index.core.memory import ChatMemoryBuffer
from llama_index.core.node_parser import SentenceSplitter
from llama_index.core.postprocessor import LLMRerank
from llama_index.core.query_engine import (
    CitationQueryEngine,
    RetrieverQueryEngine,
    RouterQueryEngine,
    SubQuestionQueryEngine,
)
from llama_index.core.question_gen import LLMQuestionGenerator
from llama_index.core.response_synthesizers import get_response_synthesizer
from llama_index.core.schema import Document, ImageNode, NodeWithScore, TextNode
from llama_index.core.selectors import LLMSingleSelector, PydanticSingleSelector
from llama_index.core.storage.docstore import SimpleDocumentStore
from llama_index.core.tools import QueryEngineTool
from llama_index.retrievers.bm25 import BM25Retriever
from pydantic import BaseModel

from aivideoapi_core import read_usage
from aivideoapi_core.sandbox import Reply, Sandbox
from llamaindex_aivideoapi import AIVideoAPI

MakeLLM = Callable[..., AIVideoAPI]

MODULES = [
    "bisect",
    "colorsys",
    "copy",
    "csv",
    "difflib",
    "fnmatch",
    "functools",
    "gettext",
    "glob",
    "heapq",
    "html",
    "inspect",
    "ipaddress",
    "json",
    "linecache",
    "mimetypes",
    "operator",
    "pprint",
    "random",
    "re",
    "shlex",
    "shutil",
    "statistics",
    "string",
    "tempfile",
    "textwrap",
    "tokenize",
    "types",
    "uuid",
]

QUESTIONS = (
    ("What does textwrap.dedent remove from every line in text?", "common leading whitespace"),
    ("What does fnmatch.translate turn a shell pattern into?", "regular expression"),
    ("Which function inserts an item and keeps the list sorted?", "bisect.insort"),
    ("What does heapq.nlargest find?", "n largest elements"),
    ("What does statistics.median return?", "median"),
)


@pytest.fixture(scope="module")
def passages() -> list[TextNode]:
    """One passage for each documented function or class."""
    found = []
    for module_name in MODULES:
        module = importlib.import_module(module_name)
        for name, value in sorted(vars(module).items()):
            own = getattr(value, "__module__", None) in (module_name, f"_{module_name}")
            text = inspect.getdoc(value) if own and callable(value) and not name.startswith("_") else None
            if text and len(text) > 30:
                found.append(TextNode(id_=f"{module_name}.{name}", text=f"{module_name}.{name}: {text}"))
    assert len(found) >= 200
    return found


@pytest.fixture(scope="module")
def retriever(passages: list[TextNode]) -> BM25Retriever:
    return BM25Retriever.from_defaults(nodes=passages, similarity_top_k=4)


class Bill(BaseEventHandler):
    """Adds up what the end events say, as any observer outside our package would."""

    seen: dict[str, dict[str, Any]] = {}  # noqa: RUF012 - pydantic copies it

    @classmethod
    def class_name(cls) -> str:
        return "Bill"

    def handle(self, event: Any, **_: Any) -> None:
        raw = getattr(getattr(event, "response", None), "raw", None)
        if event.class_name() in ("LLMChatEndEvent", "LLMCompletionEndEvent") and isinstance(raw, dict):
            assert raw["id"] not in self.seen
            self.seen[raw["id"]] = raw["usage"]


@pytest.fixture(autouse=True)
def bill(sandbox: Sandbox) -> Iterator[Bill]:
    """Every test of this file must leave a bill that equals the sandbox's books, call by call."""
    handler = Bill()
    dispatcher = get_dispatcher()
    dispatcher.add_event_handler(handler)
    yield handler
    dispatcher.event_handlers.remove(handler)
    assert sandbox.ledger
    assert len(handler.seen) == len(sandbox.ledger)
    for entry in sandbox.ledger:
        usage = handler.seen[str(entry.message_id)]
        assert read_usage(usage) == read_usage(entry.usage)
        assert usage["credits_consumed_micro"] == entry.credits_micro
        reported = usage.get("credits_consumed")
        assert reported == (None if entry.credits_reported is None else float(entry.credits_reported))
    assert sum(usage["credits_consumed_micro"] for usage in handler.seen.values()) == sandbox.charged_micro


MODES = ["compact", "refine", "tree_summarize", "accumulate", "compact_accumulate"]


class TestQueryEngines:
    @pytest.mark.parametrize("mode", MODES)
    def test_questions_are_answered(self, llm: AIVideoAPI, retriever: BM25Retriever, mode: Any) -> None:
        engine = RetrieverQueryEngine.from_args(retriever, llm=llm, response_mode=mode)
        for question, expected in QUESTIONS:
            response = engine.query(question)
            assert expected in str(response)
            assert response.source_nodes

    @pytest.mark.parametrize("mode", ["compact", "refine", "tree_summarize"])
    def test_streaming(self, llm: AIVideoAPI, retriever: BM25Retriever, mode: Any) -> None:
        engine = RetrieverQueryEngine.from_args(retriever, llm=llm, response_mode=mode, streaming=True)
        for question, expected in QUESTIONS[:2]:
            pieces = list(engine.query(question).response_gen)
            assert expected in "".join(pieces)
            assert len(pieces) > 2

    @pytest.mark.parametrize("mode", ["compact", "refine", "tree_summarize"])
    async def test_async(self, llm: AIVideoAPI, retriever: BM25Retriever, mode: Any) -> None:
        engine = RetrieverQueryEngine.from_args(retriever, llm=llm, response_mode=mode, use_async=False)
        question, expected = QUESTIONS[0]
        assert expected in str(await engine.aquery(question))

    async def test_async_streaming(self, llm: AIVideoAPI, retriever: BM25Retriever) -> None:
        engine = RetrieverQueryEngine.from_args(retriever, llm=llm, streaming=True)
        question, expected = QUESTIONS[0]
        response = await engine.aquery(question)
        assert expected in "".join([piece async for piece in response.async_response_gen()])

    @pytest.mark.parametrize("mode", ["compact", "refine"])
    def test_structured_answer_filtering(self, llm: AIVideoAPI, retriever: BM25Retriever, mode: Any) -> None:
        synthesizer = get_response_synthesizer(llm=llm, response_mode=mode, structured_answer_filtering=True)
        engine = RetrieverQueryEngine(retriever, synthesizer)
        assert str(engine.query(QUESTIONS[0][0]))

    def test_output_cls(self, llm: AIVideoAPI, retriever: BM25Retriever) -> None:
        class Answer(BaseModel):
            """An answer with its function."""

            function: str
            says: str

        engine = RetrieverQueryEngine.from_args(retriever, llm=llm, output_cls=Answer)
        assert isinstance(engine.query(QUESTIONS[0][0]).response, Answer)

    def test_citations(self, llm: AIVideoAPI, retriever: BM25Retriever) -> None:
        engine = CitationQueryEngine(retriever, llm=llm)
        response = engine.query(QUESTIONS[0][0])
        assert "common leading whitespace" in str(response)
        assert "[1]" in str(response)
        assert response.source_nodes[0].text.startswith("Source 1:")

    def test_rerank(self, llm: AIVideoAPI, retriever: BM25Retriever) -> None:
        rerank = LLMRerank(llm=llm, top_n=2)
        engine = RetrieverQueryEngine.from_args(retriever, llm=llm, node_postprocessors=[rerank])
        response = engine.query(QUESTIONS[0][0])
        assert len(response.source_nodes) <= 2
        assert "common leading whitespace" in str(response)

    @pytest.mark.parametrize("selector", [LLMSingleSelector, PydanticSingleSelector])
    def test_router(
        self,
        llm: AIVideoAPI,
        retriever: BM25Retriever,
        passages: list[TextNode],
        selector: Any,
        sandbox: Sandbox,
    ) -> None:
        other = BM25Retriever.from_defaults(nodes=passages[:50], similarity_top_k=2)
        tools = [
            QueryEngineTool.from_defaults(
                RetrieverQueryEngine.from_args(part, llm=llm), name=name, description=description
            )
            for part, name, description in (
                (other, "sorting", "Questions about colours and copying."),
                (retriever, "library", "Questions about textwrap, fnmatch, heapq and statistics."),
            )
        ]
        engine = RouterQueryEngine(
            selector=selector.from_defaults(llm=llm),
            query_engine_tools=tools,
            llm=llm,
            summarizer=get_response_synthesizer(llm=llm, response_mode="tree_summarize"),
        )
        if selector is PydanticSingleSelector:
            sandbox.enqueue(
                Reply(tool_uses=[{"name": "SingleSelection", "input": {"index": 2, "reason": "textwrap"}}])
            )
        assert "common leading whitespace" in str(engine.query(QUESTIONS[0][0]))

    def test_sub_questions(self, llm: AIVideoAPI, retriever: BM25Retriever) -> None:
        tool = QueryEngineTool.from_defaults(
            RetrieverQueryEngine.from_args(retriever, llm=llm), name="library", description="Python's library"
        )
        engine = SubQuestionQueryEngine.from_defaults(
            [tool],
            llm=llm,
            question_gen=LLMQuestionGenerator.from_defaults(llm=llm),
            response_synthesizer=get_response_synthesizer(llm=llm),
            use_async=False,
            verbose=False,
        )
        response = engine.query("What does textwrap.dedent remove and what does heapq.nlargest find?")
        assert "leading whitespace" in str(response) or "largest" in str(response)
        assert response.source_nodes

    def test_more_than_a_window_is_repacked(
        self, make_llm: MakeLLM, retriever: BM25Retriever, sandbox: Sandbox
    ) -> None:
        """The prompt helper keeps to the limits that our metadata states."""
        llm = make_llm(context_window=1000, num_output=100)
        engine = RetrieverQueryEngine.from_args(retriever, llm=llm, response_mode="compact")
        assert "common leading whitespace" in str(engine.query(QUESTIONS[0][0]))
        assert len(sandbox.ledger) > 1


class TestChatEngines:
    def test_context(self, llm: AIVideoAPI, retriever: BM25Retriever) -> None:
        engine = ContextChatEngine.from_defaults(retriever, llm=llm, memory=_memory())
        assert "common leading whitespace" in str(engine.chat(QUESTIONS[0][0]))
        assert "n largest" in "".join(engine.stream_chat(QUESTIONS[3][0]).response_gen)

    async def test_condense_plus_context(self, llm: AIVideoAPI, retriever: BM25Retriever) -> None:
        engine = CondensePlusContextChatEngine.from_defaults(retriever, llm=llm, memory=_memory())
        assert "common leading whitespace" in str(await engine.achat(QUESTIONS[0][0]))
        streamed = await engine.astream_chat(QUESTIONS[3][0])
        assert "n largest" in "".join([piece async for piece in streamed.async_response_gen()])

    def test_condense_question(self, llm: AIVideoAPI, retriever: BM25Retriever) -> None:
        engine = CondenseQuestionChatEngine.from_defaults(
            RetrieverQueryEngine.from_args(retriever, llm=llm), llm=llm, memory=_memory()
        )
        assert "common leading whitespace" in str(engine.chat(QUESTIONS[0][0]))
        assert "n largest" in str(engine.chat(QUESTIONS[3][0]))

    def test_simple(self, llm: AIVideoAPI) -> None:
        engine = SimpleChatEngine.from_defaults(llm=llm, memory=_memory(), system_prompt="Be brief.")
        assert str(engine.chat("Hello"))
        assert "".join(engine.stream_chat("Hello again").response_gen)
        assert len(engine.chat_history) == 4


def _memory() -> ChatMemoryBuffer:
    return ChatMemoryBuffer.from_defaults(token_limit=20_000, tokenizer_fn=str.split)


class TestIngestion:
    def test_extractors(self, llm: AIVideoAPI, passages: list[TextNode]) -> None:
        documents = [Document(text=node.text, id_=node.node_id) for node in passages[:3]]
        pipeline = IngestionPipeline(
            transformations=[
                SentenceSplitter(chunk_size=256, chunk_overlap=0),
                TitleExtractor(llm=llm, nodes=1, num_workers=1),
                KeywordExtractor(llm=llm, keywords=3, num_workers=1),
                QuestionsAnsweredExtractor(llm=llm, questions=1, num_workers=1),
                SummaryExtractor(llm=llm, num_workers=1),
            ]
        )
        nodes = pipeline.run(documents=documents)
        assert len(nodes) >= 3
        for node in nodes:
            keys = {
                "document_title",
                "excerpt_keywords",
                "questions_this_excerpt_can_answer",
                "section_summary",
            }
            assert keys <= node.metadata.keys()
            assert all(node.metadata[key] for key in keys)

    async def test_document_context(
        self, llm: AIVideoAPI, passages: list[TextNode], sandbox: Sandbox
    ) -> None:
        """This extractor passes ``extra_headers`` and ``max_tokens``, and marks a message for the cache."""
        store = SimpleDocumentStore()
        document = Document(text=passages[0].text, id_="doc")
        store.add_documents([document])
        nodes = SentenceSplitter(chunk_size=200, chunk_overlap=0).get_nodes_from_documents([document])
        extractor = DocumentContextExtractor(store, llm=llm, max_output_tokens=64, num_workers=1)
        found = await extractor.aextract(nodes)
        assert all(item["context"] for item in found)
        request = sandbox.requests[0]
        assert request.headers["anthropic-beta"] == "prompt-caching-2024-07-31"
        assert request.body["max_tokens"] == 64
        assert request.body["messages"][0]["content"][0]["cache_control"] == {"type": "ephemeral"}


class TestEvaluation:
    def test_faithfulness(self, llm: AIVideoAPI, retriever: BM25Retriever) -> None:
        response = RetrieverQueryEngine.from_args(retriever, llm=llm).query(QUESTIONS[0][0])
        assert FaithfulnessEvaluator(llm=llm).evaluate_response(response=response).passing

    async def test_relevancy(self, llm: AIVideoAPI, retriever: BM25Retriever) -> None:
        question = QUESTIONS[0][0]
        response = await RetrieverQueryEngine.from_args(retriever, llm=llm).aquery(question)
        result = await RelevancyEvaluator(llm=llm).aevaluate_response(query=question, response=response)
        assert result.passing


PNG = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="


def test_multi_modal_synthesis(llm: AIVideoAPI, sandbox: Sandbox, passages: list[TextNode]) -> None:
    nodes = [
        NodeWithScore(node=passages[0], score=1.0),
        NodeWithScore(node=ImageNode(image=PNG, image_mimetype="image/png"), score=0.5),
    ]
    synthesizer = get_response_synthesizer(llm=llm, multimodal=True)
    assert str(synthesizer.synthesize("What is shown?", nodes=nodes))
    sent = [block for turn in sandbox.requests[0].body["messages"] for block in turn["content"]]
    assert [block["source"]["type"] for block in sent if block["type"] == "image"] == ["base64"]


def test_multi_modal_chat(llm: AIVideoAPI, sandbox: Sandbox) -> None:
    blocks = [TextBlock(text="What is this?"), ImageBlock(url="https://example.org/a.png")]
    assert llm.chat([ChatMessage(role="user", blocks=blocks)]).message.content
    source = sandbox.requests[0].body["messages"][0]["content"][1]["source"]
    assert source == {"type": "url", "url": "https://example.org/a.png"}
