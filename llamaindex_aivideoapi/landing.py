"""A run that ends with an answer when its budget does: ``FunctionAgent(tools=..., llm=BudgetLandingLLM(...))``."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from llama_index.core.base.llms.types import (
    ChatMessage,
    ChatResponse,
    ChatResponseAsyncGen,
    ChatResponseGen,
    MessageRole,
    TextBlock,
    ToolCallBlock,
)
from llama_index.core.bridge.pydantic import Field

from aivideoapi_core.adapter_kit import NO_ANSWER, Approach, Landing, cut_results
from llamaindex_aivideoapi._inbound.message import with_blocks
from llamaindex_aivideoapi.base import AIVideoAPI

_T = TypeVar("_T")
_RESULTS: Final = (MessageRole.TOOL, MessageRole.FUNCTION)
_IN_THE_FORM: Final = (
    " If you were asked for a form with 'Thought:' and 'Answer:', use it, without an 'Action:'."
)


class BudgetLandingLLM(AIVideoAPI):
    """An ``AIVideoAPI`` for agents whose runs end with an answer when their budget is nearly used up.

    For ``FunctionAgent``, ``ReActAgent`` and the agents of an ``AgentWorkflow``, each of which lands by itself. Before each
    call: if what is left has no room for this call at its worst and for one last call without tools after
    it, this one is the last. No tool may be called in it, and one line with the figures, for the model
    alone, tells it to finish; ``max_tokens`` is lowered to what has room, and tool results that are too long
    for that are cut. What a model calls all the same is dropped. Calls that force a tool are left alone.

    The budgets are those that the call is held to: ``budget``, those of ``use_budget`` blocks and runs around the agent;
    the one with the least left decides. Set ``max_tokens``: the worst case of a call rests on it.

    On the wire the definitions of tools stay where the conversation has calls of them, which the format
    wants, with ``tool_choice: none``; without any calls they go.
    """

    tool_result_tokens: int = Field(
        default=2_000,
        ge=0,
        exclude=True,
        description="Bytes that tool results between two calls have at most, as a rule: kept free for the landing.",
    )

    def _chat(self, messages: Sequence[ChatMessage], **kwargs: Any) -> ChatResponse:
        approach = _Approach.of(self, messages, kwargs)
        return approach.call(approach.over(super()._chat))

    async def _achat(self, messages: Sequence[ChatMessage], **kwargs: Any) -> ChatResponse:
        approach = _Approach.of(self, messages, kwargs)
        return await approach.acall(approach.over(super()._achat))

    def _stream_chat(self, messages: Sequence[ChatMessage], **kwargs: Any) -> ChatResponseGen:
        approach = _Approach.of(self, messages, kwargs)
        return approach.stream(approach.over(super()._stream_chat))

    async def _astream_chat(self, messages: Sequence[ChatMessage], **kwargs: Any) -> ChatResponseAsyncGen:
        approach = _Approach.of(self, messages, kwargs)
        return await approach.astream(approach.over(super()._astream_chat))


@dataclass(slots=True, kw_only=True)
class _Approach(Approach):
    """One call of an agent that may have to be its last."""

    llm: BudgetLandingLLM
    messages: Sequence[ChatMessage]
    arguments: Mapping[str, Any]

    @classmethod
    def of(
        cls, llm: BudgetLandingLLM, messages: Sequence[ChatMessage], arguments: Mapping[str, Any]
    ) -> _Approach:
        """A call that forces a tool is never the last one."""
        forces = arguments.get("tool_required") or arguments.get("tool_choice") not in (None, "auto", "none")
        return cls(
            runway=None if forces else llm._client.runway(arguments.get("budget")),
            tool_result_tokens=llm.tool_result_tokens,
            llm=llm,
            messages=messages,
            arguments=arguments,
        )

    def payload(self, *, with_tools: bool) -> dict[str, Any]:
        """See ``Approach.payload``."""
        arguments = self.arguments if with_tools else self._without_tools()
        return self.llm._call(self.messages, arguments, stream=False).request.payload

    def over(self, chat: Callable[..., _T]) -> Callable[[Landing | None], _T]:
        """The call, made by ``chat``: as it was asked for, or the last one."""

        def send(landing: Landing | None) -> _T:
            if landing is None:
                return chat(self.messages, **self.arguments)
            return chat(self._messages(landing), **{**self._without_tools(), **landing.arguments})

        return send

    def _messages(self, landing: Landing) -> list[ChatMessage]:
        """The last conversation."""
        line = landing.line if self.arguments.get("tools") else landing.line + _IN_THE_FORM
        messages = cut_results(
            self.messages,
            landing.cut_bytes,
            is_result=lambda message: message.role in _RESULTS,
            text_of=lambda message: (message.content or "") if _is_text(message) else None,
            with_text=lambda message, text: message.model_copy(update={"blocks": [TextBlock(text=text)]}),
        )
        return [*messages, ChatMessage(role=MessageRole.USER, content=line)]

    def _without_tools(self) -> dict[str, Any]:
        if any(message.role in _RESULTS for message in self.messages):
            return {**self.arguments, **({"tool_choice": "none"} if self.arguments.get("tools") else {})}
        without = ("tools", "tool_choice", "allow_parallel_tool_calls")
        return {name: value for name, value in self.arguments.items() if name not in without}

    def landed(self, response: ChatResponse) -> ChatResponse:
        """The response without calls that nobody may make any more."""
        given = response.message.blocks
        blocks = [block for block in given if not isinstance(block, ToolCallBlock)]
        called = len(blocks) < len(given)
        if called and not any(isinstance(block, TextBlock) and block.text for block in blocks):
            blocks = [*blocks, TextBlock(text=NO_ANSWER)]
        answers = [_as_answer(block) if isinstance(block, TextBlock) else block for block in blocks]
        if not called and answers == blocks:
            return response
        return with_blocks(response, answers)


def _is_text(message: ChatMessage) -> bool:
    return all(isinstance(block, TextBlock) for block in message.blocks)


def _as_answer(block: TextBlock) -> TextBlock:
    """A ReAct step that would act, as one that answers with its thought."""
    thought, action, _ = block.text.partition("\nAction:")
    if not action or not block.text.lstrip().startswith("Thought:") or "Answer:" in block.text:
        return block
    said = thought.partition("Thought:")[2].strip() or NO_ANSWER
    return TextBlock(text=f"{thought}\nAnswer: {said}")


__all__ = ["BudgetLandingLLM"]
