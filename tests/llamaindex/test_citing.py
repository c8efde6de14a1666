"""``CitationSynthesizer``: query engines whose answers say where each sentence rests."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pytest
from llama_index.core.base.response.schema import AsyncStreamingResponse, StreamingResponse
from llama_index.core.query_engine import CustomQueryEngine, RetrieverQueryEngine
from llama_index.core.retrievers import BaseRetriever
from llama_index.core.schema import MetadataMode, NodeWithScore, QueryBundle, TextNode

from aivideoapi_core.sandbox import Reply, Sandbox
from llamaindex_aivideoapi import AIVideoAPI, CitationSynthesizer

LAMPS = TextNode(
    text="Every lamp has a warranty of five years.", id_="lamps", metadata={"file_name": "lamps.md"}
)
BULBS = TextNode(text="Bulbs have one year.", id_="bulbs")
DIRECT = "claude-sonnet-4-6/anthropic"


class Fixed(BaseRetriever):
    """Finds the same nodes for every question."""

    def __init__(self, *nodes: TextNode) -> None:
        super().__init__()
        self.nodes = nodes

    def _retrieve(self, query_bundle: QueryBundle) -> list[NodeWithScore]:
        return [NodeWithScore(node=node, score=1.0) for node in self.nodes]


def _cited(n: int, text: str) -> dict[str, Any]:
    node = (LAMPS, BULBS)[n]
    return {
        "type": "search_result_location",
        "cited_text": text,
        "source": node.node_id,
        "title": "lamps.md" if n == 0 else node.node_id,
        "search_result_index": n,
        "start_block_index": 0,
        "end_block_index": 1,
    }


@pytest.fixture
def two_citations(sandbox: Sandbox) -> None:
    sandbox.enqueue(
        Reply(
            content=[
                {"type": "text", "text": "Lamps: "},
                {"type": "text", "text": "five years", "citations": [_cited(0, LAMPS.text)]},
                {"type": "text", "text": ", "},
                {"type": "text", "text": "bulbs: one", "citations": [_cited(1, BULBS.text)]},
                {"type": "text", "text": "."},
            ]
        )
    )


MakeEngine = Callable[..., RetrieverQueryEngine]


@pytest.fixture
def engine_of(make_llm: Callable[..., AIVideoAPI]) -> MakeEngine:
    def make(*nodes: TextNode, streaming: bool = False) -> RetrieverQueryEngine:
        synthesizer = CitationSynthesizer(llm=make_llm(DIRECT), streaming=streaming)
        return RetrieverQueryEngine(Fixed(*nodes), response_synthesizer=synthesizer)

    return make


def _check(text: str, citations: Sequence[Any]) -> None:
    assert text == "Lamps: five years, bulbs: one."
    assert [text[one["start"] : one["end"]] for one in citations] == ["five years", "bulbs: one"]
    assert [(one["node_id"], one["title"], one["cited_text"]) for one in citations] == [
        ("lamps", "lamps.md", LAMPS.text),
        ("bulbs", "bulbs", BULBS.text),
    ]


@pytest.mark.usefixtures("two_citations")
def test_whole_answers_cite(engine_of: MakeEngine, sandbox: Sandbox) -> None:
    answer = engine_of(LAMPS, BULBS).query("Which warranties are there?")
    _check(str(answer), answer.metadata["citations"])
    assert answer.metadata["lamps"] == {"file_name": "lamps.md"}  # as other synthesizers have it
    content = sandbox.requests[0].body["messages"][0]["content"]
    assert [block["type"] for block in content] == ["search_result", "search_result", "text"]
    assert content[0]["source"] == "lamps"
    assert content[0]["content"][0]["text"] == LAMPS.get_content(MetadataMode.LLM)
    assert content[0]["citations"] == {"enabled": True}


@pytest.mark.usefixtures("two_citations")
async def test_whole_answers_cite_asynchronously(engine_of: MakeEngine) -> None:
    answer = await engine_of(LAMPS, BULBS).aquery("Which warranties are there?")
    _check(str(answer), answer.metadata["citations"])


@pytest.mark.usefixtures("two_citations")
def test_streamed_answers_cite_once_they_were_read(engine_of: MakeEngine) -> None:
    answer = engine_of(LAMPS, BULBS, streaming=True).query("Which warranties are there?")
    assert isinstance(answer, StreamingResponse)
    assert answer.metadata["citations"] == []
    _check("".join(answer.response_gen), answer.metadata["citations"])


@pytest.mark.usefixtures("two_citations")
async def test_streamed_answers_cite_asynchronously(engine_of: MakeEngine) -> None:
    answer = await engine_of(LAMPS, BULBS, streaming=True).aquery("Which warranties are there?")
    assert isinstance(answer, AsyncStreamingResponse)
    text = "".join([piece async for piece in answer.response_gen])
    _check(text, answer.metadata["citations"])


def test_no_nodes_are_no_call(engine_of: MakeEngine, sandbox: Sandbox) -> None:
    answer = engine_of().query("Which warranties are there?")
    assert (str(answer), answer.metadata["citations"], sandbox.requests) == ("Empty Response", [], [])


def test_blank_passages_are_left_out(engine_of: MakeEngine, sandbox: Sandbox) -> None:
    engine_of(TextNode(text=" \n"), LAMPS).query("Which warranties are there?")
    assert [block["type"] for block in sandbox.requests[0].body["messages"][0]["content"]] == [
        "search_result",
        "text",
    ]


def test_used_without_nodes_it_cites_the_texts_by_number(
    make_llm: Callable[..., AIVideoAPI], sandbox: Sandbox
) -> None:
    class Bare(CustomQueryEngine):
        """Calls the synthesizer's lower door, as some of LlamaIndex's own engines do."""

        llm: Any

        def custom_query(self, query_str: str) -> str:
            return str(CitationSynthesizer(llm=self.llm).get_response(query_str, [LAMPS.text]))

    Bare(llm=make_llm(DIRECT)).query("Which warranties are there?")
    assert sandbox.requests[0].body["messages"][0]["content"][0]["source"] == "1"
