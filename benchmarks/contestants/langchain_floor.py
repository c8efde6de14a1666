"""The cheapest LangChain chat model there can be: it yields prebuilt objects, so all cost is the framework's."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from typing import Any

from langchain_core.language_models.chat_models import BaseChatModel
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage, ToolMessage
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult

from benchmarks.wire import AGENT_TURNS, ANSWER, SIGNATURE, TOOL_NAME, cut, tool_input, words

USAGE = {"input_tokens": 21, "output_tokens": 9, "total_tokens": 30}


@dataclass(frozen=True, slots=True)
class Prebuilt:
    """What the floor model gives back: whole results by agent turn, chunks, native events."""

    results: list[ChatResult]
    chunks: list[ChatGenerationChunk] = field(default_factory=list)
    events: list[Any] = field(default_factory=list)


def prebuilt(kind: str, size: int) -> Prebuilt:
    """The objects for a scenario of ``benchmarks.wire``."""
    answer = AIMessage(ANSWER, id="msg_bench", usage_metadata=USAGE)
    results = [ChatResult(generations=[ChatGeneration(message=answer)])]
    if kind == "agent":
        calls = [
            AIMessage(
                "",
                id=f"msg_{turn}",
                tool_calls=[{"name": TOOL_NAME, "args": {"key": f"k{turn}"}, "id": f"toolu_{turn:03d}"}],
            )
            for turn in range(AGENT_TURNS)
        ]
        results = [ChatResult(generations=[ChatGeneration(message=call)]) for call in calls] + results
    messages = _chunk_messages(kind, size)
    last = AIMessageChunk("", usage_metadata=USAGE, chunk_position="last")
    chunks = [ChatGenerationChunk(message=message) for message in (*messages, last)]
    return Prebuilt(results, chunks, list(_events(words(size))) if kind == "text" else [])


def _chunk_messages(kind: str, size: int) -> Iterator[AIMessageChunk]:
    if kind == "tool":
        for number, piece in enumerate(cut(json.dumps(tool_input(size)), size)):
            call = {"name": None, "args": piece, "id": None, "index": 0, "type": "tool_call_chunk"}
            if number == 0:
                call |= {"name": TOOL_NAME, "id": "toolu_000"}
            yield AIMessageChunk("", tool_call_chunks=[call])
    elif kind == "think":
        for word in words(size):
            yield AIMessageChunk([{"type": "thinking", "thinking": word, "index": 0}])
        signature = {"type": "thinking", "signature": SIGNATURE, "index": 0}
        yield AIMessageChunk([signature])
        yield AIMessageChunk([{"type": "text", "text": ANSWER, "index": 1}])
    else:
        for word in words(size):
            yield AIMessageChunk(word)


def _events(texts: list[str]) -> Iterator[dict[str, Any]]:
    yield {"event": "message-start", "role": "ai", "id": "msg_bench"}
    yield {"event": "content-block-start", "index": 0, "content": {"type": "text", "text": ""}}
    for text in texts:
        yield {"event": "content-block-delta", "index": 0, "delta": {"type": "text-delta", "text": text}}
    yield {"event": "content-block-finish", "index": 0, "content": {"type": "text", "text": "".join(texts)}}
    yield {"event": "message-finish", "usage": USAGE}


class FloorChat(BaseChatModel):
    """Yields what it was given."""

    replies: Any

    @property
    def _llm_type(self) -> str:
        return "floor"

    def bind_tools(self, tools: Any, **kwargs: Any) -> Any:
        return self.bind(tools=list(tools))

    def _result(self, messages: list[BaseMessage]) -> ChatResult:
        results: list[ChatResult] = self.replies.results
        return results[
            sum(isinstance(message, ToolMessage) for message in messages) if len(results) > 1 else 0
        ]

    def _generate(self, messages: list[BaseMessage], *args: Any, **kwargs: Any) -> ChatResult:
        return self._result(messages)

    async def _agenerate(self, messages: list[BaseMessage], *args: Any, **kwargs: Any) -> ChatResult:
        return self._result(messages)

    def _stream(self, *args: Any, **kwargs: Any) -> Iterator[ChatGenerationChunk]:
        yield from self.replies.chunks

    async def _astream(self, *args: Any, **kwargs: Any) -> AsyncIterator[ChatGenerationChunk]:
        for chunk in self.replies.chunks:
            yield chunk

    def _stream_chat_model_events(self, *args: Any, **kwargs: Any) -> Iterator[Any]:
        yield from self.replies.events

    async def _astream_chat_model_events(self, *args: Any, **kwargs: Any) -> AsyncIterator[Any]:
        for event in self.replies.events:
            yield event
