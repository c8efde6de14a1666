"""``chat_with_tools``, but for the calls themselves: pure functions over messages and arguments."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from llama_index.core.base.llms.types import ChatMessage, MessageRole

from llamaindex_aivideoapi._outbound.request import IN_WORDS


def prepare_call(
    tools: list[dict[str, Any]], *, user_msg: str | ChatMessage | None, history: Sequence[ChatMessage] | None
) -> dict[str, Any]:
    """The messages of the call, and its tools if there are any."""
    messages = list(history or ())
    if isinstance(user_msg, str):
        user_msg = ChatMessage(role=MessageRole.USER, content=user_msg)
    if user_msg is not None:
        messages.append(user_msg)
    return {"messages": messages, "tools": tools} if tools else {"messages": messages}


def cache_tools(call: dict[str, Any], headers: Mapping[str, str] | None) -> dict[str, Any]:
    """The same call with its tools cached, if ``headers`` name the beta of prompt caching.

    The wire needs that beta no more, but LlamaIndex's users have learnt to ask for cached tools by it.
    """
    betas = [value for name, value in (headers or {}).items() if name.lower() == "anthropic-beta"]
    tools = call.get("tools")
    if not tools or not any("prompt-caching" in value for value in betas) or "cache_control" in tools[-1]:
        return call
    return {**call, "tools": [*tools[:-1], {**tools[-1], "cache_control": {"type": "ephemeral"}}]}


def prepare_required_call(call: dict[str, Any], *, thinking: bool) -> dict[str, Any]:
    """The same call with a tool required.

    While thinking is on the wire refuses a forced choice, so the model is asked in words; it then
    nearly always calls, but may not.
    """
    if not thinking:
        return {**call, "tool_required": True}
    names = " or ".join(str(tool.get("name")) for tool in call["tools"])
    request = ChatMessage(role=MessageRole.USER, content=f"Answer only by calling {names}.")
    return {**call, "messages": [*call["messages"], request], "tool_required": IN_WORDS}
