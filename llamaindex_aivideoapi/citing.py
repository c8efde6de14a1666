"""``CitationSynthesizer``: answers of query engines that say which passage each sentence rests on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple, TypedDict

from llama_index.core.base.llms.types import (
    ChatMessage,
    ChatResponse,
    CitableBlock,
    CitationBlock,
    ContentBlock,
    TextBlock,
)
from llama_index.core.base.response.schema import RESPONSE_TYPE
from llama_index.core.llms.llm import LLM
from llama_index.core.prompts.mixin import PromptDictType
from llama_index.core.response_synthesizers.base import BaseSynthesizer, QueryTextType
from llama_index.core.schema import MetadataMode, NodeWithScore
from llama_index.core.types import RESPONSE_TEXT_TYPE

from aivideoapi_core import InvalidInputError
from aivideoapi_core.adapter_kit import aread_by, check_flag, read_by, with_known_arguments

_TITLES = ("title", "file_name", "file", "file_path", "source", "url")
"""Keys of a node's metadata that name it for a reader, the best first."""


class Citation(TypedDict):
    """Where a stretch of the answer rests: ``answer[start:end]`` on ``cited_text`` of the node ``node_id``.

    ``start`` and ``end`` count characters of the answer; both are ``None`` if the reply did not say.
    """

    node_id: str
    title: str
    cited_text: str
    start: int | None
    end: int | None


class CitationSynthesizer(BaseSynthesizer):
    """A response synthesizer whose answers carry citations: one call, each node as a search result of its own.

    For any query engine: ``index.as_query_engine(response_synthesizer=CitationSynthesizer(llm=llm))``. The
    answer is the model's text; ``answer.metadata["citations"]`` is a list of ``Citation``, in the order of the
    answer, complete once a streamed answer was read to its end.

    All nodes go into one request: retrieve no more than fit the model's context window. Citations are a
    feature of the direct-forward route (model ids that end in ``/anthropic``).
    UNVERIFIED: whether the native route honours them is undocumented; without, the list is empty.
    """

    def __init__(self, llm: LLM | None = None, *arguments: Any, **options: Any) -> None:
        """As ``BaseSynthesizer``. Raises ``InvalidInputError`` for what is no LLM of LlamaIndex."""
        if llm is not None and not isinstance(llm, LLM):
            raise InvalidInputError(
                "llm must be an LLM of LlamaIndex, such as AIVideoAPI(model='claude-sonnet-4-6/anthropic'), not "
                f"{type(llm).__name__}"
            )
        check_flag("streaming", options.get("streaming"))
        make: Any = with_known_arguments(super().__init__, name=type(self).__name__)
        make(llm, *arguments, **options)

    def get_response(self, query_str: str, text_chunks: Sequence[str], **kwargs: Any) -> RESPONSE_TEXT_TYPE:
        """The answer, or its pieces if the synthesizer streams."""
        nodes, found = kwargs.pop("passages", ()), kwargs.pop("citations", [])
        message = _question(query_str, text_chunks, nodes)
        if self._streaming:
            return read_by(lambda: _AnswerReader(found), self._llm.stream_chat([message], **kwargs))
        return _told(self._llm.chat([message], **kwargs), found)

    async def aget_response(
        self, query_str: str, text_chunks: Sequence[str], **kwargs: Any
    ) -> RESPONSE_TEXT_TYPE:
        """The asynchronous twin of ``get_response``."""
        nodes, found = kwargs.pop("passages", ()), kwargs.pop("citations", [])
        message = _question(query_str, text_chunks, nodes)
        if self._streaming:
            return aread_by(lambda: _AnswerReader(found), await self._llm.astream_chat([message], **kwargs))
        return _told(await self._llm.achat([message], **kwargs), found)

    def synthesize(
        self, query: QueryTextType, nodes: list[NodeWithScore], *args: Any, **kwargs: Any
    ) -> RESPONSE_TYPE:
        """See ``BaseSynthesizer.synthesize``; the answer's metadata has ``citations`` besides."""
        _check_nodes(nodes)
        found: list[Citation] = []
        answer: RESPONSE_TYPE = super().synthesize(
            query, nodes, *args, passages=nodes, citations=found, **kwargs
        )
        return _with(answer, found)

    async def asynthesize(
        self, query: QueryTextType, nodes: list[NodeWithScore], *args: Any, **kwargs: Any
    ) -> RESPONSE_TYPE:
        """The asynchronous twin of ``synthesize``."""
        _check_nodes(nodes)
        found: list[Citation] = []
        answer: RESPONSE_TYPE = await super().asynthesize(
            query, nodes, *args, passages=nodes, citations=found, **kwargs
        )
        return _with(answer, found)

    def _get_prompts(self) -> PromptDictType:
        return {}  # the passages are blocks of the wire, the question is the caller's: there is no template

    def _update_prompts(self, prompts_dict: PromptDictType) -> None:
        """Nothing to update; see ``_get_prompts``."""


def _check_nodes(nodes: Any) -> None:
    several = nodes if isinstance(nodes, (list, tuple)) else [nodes]
    if wrong := [node for node in several if not isinstance(node, NodeWithScore)]:
        raise InvalidInputError(
            "nodes must be a list of NodeWithScore, as a retriever gives them, such as "
            f"[NodeWithScore(node=TextNode(text='...'))]; one is a {type(wrong[0]).__name__}"
        )


def _with(answer: RESPONSE_TYPE, found: list[Citation]) -> RESPONSE_TYPE:
    # The list itself: a stream fills it while it is read.
    answer.metadata = {**(answer.metadata or {}), "citations": found}
    return answer


def _question(query: str, texts: Sequence[str], nodes: Sequence[NodeWithScore]) -> ChatMessage:
    """One user message: each passage as a search result named by its node, then the question."""
    if isinstance(texts, str):
        raise InvalidInputError("text_chunks must be a list of texts, not a text")
    blocks: list[ContentBlock] = [
        CitableBlock(
            title=_title_of(found), source=found.node.node_id, content=[TextBlock(text=_passage_of(found))]
        )
        for found in nodes
        if _passage_of(found).strip()
    ] or [
        CitableBlock(title=f"Passage {n}", source=str(n), content=[TextBlock(text=t)])
        for n, t in enumerate(texts, 1)
    ]
    return ChatMessage(role="user", blocks=[*blocks, TextBlock(text=query)])


def _passage_of(found: NodeWithScore) -> str:
    return found.node.get_content(metadata_mode=MetadataMode.LLM)


def _title_of(found: NodeWithScore) -> str:
    named = (found.node.metadata.get(key) for key in _TITLES)
    return next((str(name) for name in named if name), found.node.node_id)


def _told(response: ChatResponse, found: list[Citation]) -> str:
    found += _citations_of(response.message)
    return response.message.content or ""


class _AnswerReader(NamedTuple):
    """Hands the pieces of the text on; the citations are among those ``found`` at its end."""

    found: list[Citation]

    def take(self, response: ChatResponse) -> list[str]:
        return [response.delta] if response.delta else []

    def last(self, response: ChatResponse) -> tuple[()]:
        _told(response, self.found)
        return ()


def _citations_of(message: ChatMessage) -> list[Citation]:
    return [
        Citation(
            node_id=block.source,
            title=block.title,
            cited_text=block.cited_content.text if isinstance(block.cited_content, TextBlock) else "",
            start=(block.additional_location_info or {}).get("answer_start_char_index"),
            end=(block.additional_location_info or {}).get("answer_end_char_index"),
        )
        for block in message.blocks
        if isinstance(block, CitationBlock)
    ]
