"""The cheapest LlamaIndex LLM there can be: it yields prebuilt objects, so all cost is the framework's."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from llama_index.core.base.llms.types import (
    ChatMessage,
    ChatResponse,
    ChatResponseAsyncGen,
    ChatResponseGen,
    CompletionResponse,
    LLMMetadata,
    MessageRole,
    ThinkingBlock,
    ToolCallBlock,
)
from llama_index.core.llms.callbacks import llm_chat_callback
from llama_index.core.llms.function_calling import FunctionCallingLLM
from llama_index.core.llms.llm import ToolSelection

from benchmarks.wire import AGENT_TURNS, ANSWER, SIGNATURE, TOOL_NAME, tool_input, words


@dataclass(frozen=True, slots=True)
class Prebuilt:
    """What the floor model gives back: whole responses by agent turn, and the responses of a stream."""

    responses: list[ChatResponse]
    stream: list[ChatResponse]


def prebuilt(kind: str, size: int) -> Prebuilt:
    """The objects for a scenario of ``benchmarks.wire``."""
    answer = ChatResponse(message=ChatMessage(ANSWER, role=MessageRole.ASSISTANT), raw={})
    if kind == "agent":
        calls = [
            ChatResponse(message=_called(f"toolu_{turn:03d}", {"key": f"k{turn}"}), raw={})
            for turn in range(AGENT_TURNS)
        ]
        return Prebuilt([*calls, answer], [])
    if kind == "tool":
        message = _called("toolu_000", tool_input(size))
        return Prebuilt([answer], [ChatResponse(message=message, delta="", raw={}) for _ in range(size)])
    if kind == "think":
        thought = ThinkingBlock(content="".join(words(size)), additional_information={"signature": SIGNATURE})
        message = ChatMessage(ANSWER, role=MessageRole.ASSISTANT)
        message.blocks.insert(0, thought)
        deltas = [
            ChatResponse(message=message, delta="", raw={}, additional_kwargs={"thinking_delta": word})
            for word in words(size)
        ]
        return Prebuilt([answer], [*deltas, ChatResponse(message=message, delta=ANSWER, raw={})])
    message = ChatMessage("".join(words(size)), role=MessageRole.ASSISTANT)
    return Prebuilt([answer], [ChatResponse(message=message, delta=word, raw={}) for word in words(size)])


def _called(call_id: str, arguments: dict[str, Any]) -> ChatMessage:
    block = ToolCallBlock(tool_call_id=call_id, tool_name=TOOL_NAME, tool_kwargs=arguments)
    return ChatMessage(role=MessageRole.ASSISTANT, blocks=[block])


class FloorLLM(FunctionCallingLLM):
    """Yields what it was given."""

    replies: Any

    @property
    def metadata(self) -> LLMMetadata:
        return LLMMetadata(is_chat_model=True, is_function_calling_model=True, model_name="floor")

    def _response(self, messages: Sequence[ChatMessage]) -> ChatResponse:
        responses: list[ChatResponse] = self.replies.responses
        turn = sum(message.role is MessageRole.TOOL for message in messages) if len(responses) > 1 else 0
        return responses[turn]

    @llm_chat_callback()
    def chat(self, messages: Sequence[ChatMessage], **kwargs: Any) -> ChatResponse:
        return self._response(messages)

    @llm_chat_callback()
    async def achat(self, messages: Sequence[ChatMessage], **kwargs: Any) -> ChatResponse:
        return self._response(messages)

    @llm_chat_callback()
    def stream_chat(self, messages: Sequence[ChatMessage], **kwargs: Any) -> ChatResponseGen:
        def responses() -> ChatResponseGen:
            yield from self.replies.stream

        return responses()

    @llm_chat_callback()
    async def astream_chat(self, messages: Sequence[ChatMessage], **kwargs: Any) -> ChatResponseAsyncGen:
        async def responses() -> ChatResponseAsyncGen:
            for response in self.replies.stream or [self._response(messages)]:
                yield response

        return responses()

    def _prepare_chat_with_tools(
        self,
        tools: Any,
        user_msg: Any = None,
        chat_history: list[ChatMessage] | None = None,
        **kwargs: Any,
    ) -> dict[str, Any]:
        asked = [ChatMessage(user_msg)] if isinstance(user_msg, str) else []
        return {"messages": [*(chat_history or []), *asked]}

    def get_tool_calls_from_response(self, response: ChatResponse, **kwargs: Any) -> list[ToolSelection]:
        return [
            ToolSelection(
                tool_id=block.tool_call_id or "",
                tool_name=block.tool_name,
                tool_kwargs=block.tool_kwargs if isinstance(block.tool_kwargs, dict) else {},
            )
            for block in response.message.blocks
            if isinstance(block, ToolCallBlock)
        ]

    def complete(self, prompt: str, formatted: bool = False, **kwargs: Any) -> CompletionResponse:
        raise NotImplementedError

    acomplete = stream_complete = astream_complete = complete  # type: ignore[assignment]  # never called
