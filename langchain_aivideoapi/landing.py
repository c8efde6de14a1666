"""A run that ends with an answer when its budget does: ``create_agent(model, middleware=[BudgetLandingMiddleware()])``.

Needs the ``langchain`` package; nothing else of ours imports it.
"""

from __future__ import annotations

import functools
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import Any, Final

from langchain.agents.middleware.types import AgentMiddleware, ModelCallResult, ModelRequest, ModelResponse
from langchain.agents.structured_output import ToolStrategy
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, ToolMessage

from aivideoapi_core import Route, route_of
from aivideoapi_core.adapter_kit import NO_ANSWER, Approach, Landing, cut_results, with_known_arguments
from langchain_aivideoapi._errors import langchain_errors
from langchain_aivideoapi.chat_models import ChatAIVideoAPI

_ADVICE: Final = {
    "budget": "the budget is the model's: ChatAIVideoAPI(..., budget=CreditBudget(...)), or a use_budget block"
}


class BudgetLandingMiddleware(AgentMiddleware[Any, Any, Any]):
    """Ends a run with an answer instead of ``BudgetExceededError`` when its budget is nearly used up.

    Before each call of the model: if what is left has no room for this call at its worst and for one
    last call without tools after it, this one is the last. No tool may be called in it, and one line with
    the figures, for the model alone, tells it to finish; ``max_tokens`` is lowered to what has room, and
    tool results that are too long for that are cut. What a model calls all the same is dropped.

    The budgets are those that the call is held to: the model's own, those of ``use_budget`` blocks and runs around the
    agent, and ``budget=`` of the model's settings; the one with the least left decides. Every
    agent that has the middleware lands by itself, sub-agents first. Models of other providers, and models
    without a budget, are left alone. Set ``max_tokens``: the worst case of a call rests on it.

    On the wire the definitions of tools stay where the conversation has calls of them, which the format
    wants, with ``tool_choice: none``; without any calls they go.

    Args:
        tool_result_tokens: Bytes that tool results between two calls have at most, as a rule: kept free for the landing.
    """

    @functools.partial(with_known_arguments, advice=_ADVICE)
    def __init__(self, *, tool_result_tokens: int = 2_000) -> None:
        super().__init__()
        if type(tool_result_tokens) is not int or tool_result_tokens < 0:
            raise ValueError(
                f"tool_result_tokens must be a whole number, 0 or more, not {tool_result_tokens!r}"
            )
        self.tool_result_tokens = tool_result_tokens

    def wrap_model_call(
        self, request: ModelRequest[Any], handler: Callable[[ModelRequest[Any]], ModelResponse[Any]]
    ) -> ModelCallResult[Any]:
        """Make the call, as the last one if it has to be."""
        with langchain_errors():
            approach = _Approach.of(request, self.tool_result_tokens)
            return approach.call(lambda landing: handler(approach.request(landing)))

    async def awrap_model_call(
        self,
        request: ModelRequest[Any],
        handler: Callable[[ModelRequest[Any]], Awaitable[ModelResponse[Any]]],
    ) -> ModelCallResult[Any]:
        """Make the call, as the last one if it has to be."""
        with langchain_errors():
            approach = _Approach.of(request, self.tool_result_tokens)
            return await approach.acall(lambda landing: handler(approach.request(landing)))


@dataclass(slots=True, kw_only=True)
class _Approach(Approach):
    """One call of an agent that may have to be its last."""

    asked: ModelRequest[Any]
    model: Any

    @classmethod
    def of(cls, request: ModelRequest[Any], tool_result_tokens: int) -> _Approach:
        """A call of a model that is not ours has no budget that we know of."""
        model, runway = request.model, None
        if isinstance(model, ChatAIVideoAPI):
            runway = model._client.runway(request.model_settings.get("budget"))
        return cls(runway=runway, tool_result_tokens=tool_result_tokens, asked=request, model=model)

    def request(self, landing: Landing | None) -> ModelRequest[Any]:
        """The request as it was asked for, or the last one."""
        if landing is None:
            return self.asked
        messages = cut_results(
            self.asked.messages,
            landing.cut_bytes,
            is_result=lambda message: isinstance(message, ToolMessage),
            text_of=lambda message: message.content if isinstance(message.content, str) else None,
            with_text=lambda message, text: message.model_copy(update={"content": text}),
        )
        return self._without_tools().override(
            messages=[*messages, HumanMessage(landing.line)],
            model_settings={**self.asked.model_settings, **landing.arguments},
        )

    def landed(self, response: ModelResponse[Any]) -> ModelResponse[Any]:
        """The response without calls that nobody may make any more."""
        if isinstance(self.asked.response_format, ToolStrategy) or not isinstance(response, ModelResponse):
            return response
        return replace(response, result=[_without_calls(message) for message in response.result])

    def _without_tools(self) -> ModelRequest[Any]:
        asked = self.asked
        if not asked.tools:
            return asked
        calls = any(isinstance(message, ToolMessage) for message in asked.messages)
        answers_by_tool = isinstance(asked.response_format, ToolStrategy) or (
            asked.response_format is not None and route_of(self.model.model) is Route.NATIVE
        )
        if calls and not answers_by_tool:
            return asked.override(tool_choice="none")
        return asked.override(tools=[], tool_choice=None)

    def payload(self, *, with_tools: bool) -> dict[str, Any]:
        """But for what the response format adds."""
        request = self.asked if with_tools else self._without_tools()
        messages = [each for each in (request.system_message, *request.messages) if each is not None]
        arguments: dict[str, Any] = {**request.model_settings}
        if request.tools:
            arguments["tools"] = request.tools
            if request.tool_choice is not None:
                arguments["tool_choice"] = request.tool_choice
        payload: dict[str, Any] = self.model._call(messages, None, arguments, stream=False).request.payload
        return payload


def _without_calls(message: BaseMessage) -> BaseMessage:
    if not isinstance(message, AIMessage) or not (message.tool_calls or message.invalid_tool_calls):
        return message
    content: Any = message.content
    if isinstance(content, list):
        content = [
            block
            for block in content
            if not (isinstance(block, dict) and block.get("type") in ("tool_use", "tool_call"))
        ]
    changed = message.model_copy(update={"content": content, "tool_calls": [], "invalid_tool_calls": []})
    return changed if changed.text else changed.model_copy(update={"content": NO_ANSWER})


__all__ = ["BudgetLandingMiddleware"]
