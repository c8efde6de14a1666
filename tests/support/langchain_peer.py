"""``ChatAnthropic`` and our model side by side, and their bodies in one spelling.

langchain-anthropic is the reference for what the wire takes; both speak to a sandbox that takes any
body. Two differences are everywhere and taken out by ``normal``: we always send ``stream`` (its
default differs between the platform's routes), and a plain string may be one text block.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from langchain_anthropic import ChatAnthropic
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, HumanMessage, ToolMessage
from langchain_core.tools import tool

from aivideoapi_core.sandbox import Reply, Sandbox
from langchain_aivideoapi import ChatAIVideoAPI

DIRECT = "claude-sonnet-4-6/anthropic"
PDF = "JVBERi0xLjQKJSVFT0YK"
FIVE = {"type": "ephemeral"}
HOUR = {"type": "ephemeral", "ttl": "1h"}


@tool
def now() -> str:
    """What time it is."""
    return "noon"


def both_models(server: Sandbox, **fields: Any) -> tuple[ChatAIVideoAPI, ChatAnthropic]:
    common: dict[str, Any] = {
        "model": DIRECT,
        "base_url": server.url,
        "max_tokens": 2_000,
        "max_retries": 0,
        **fields,
    }
    ours = ChatAIVideoAPI(api_key=server.api_key, **common)
    headers = {"authorization": f"Bearer {server.api_key}"}
    theirs = ChatAnthropic(api_key="sk-test", default_headers=headers, **common)
    return ours, theirs


def normal(value: Any, key: str = "") -> Any:
    """A body in one spelling: text as blocks, nothing that is ``None``, no ``stream: false``."""
    if isinstance(value, str) and key in ("content", "system"):
        return [{"type": "text", "text": value}]
    if isinstance(value, dict):
        return {
            name: normal(item, "" if key in ("input", "input_schema", "schema") else name)
            for name, item in value.items()
            if item is not None and not (name == "stream" and item is False)
        }
    if isinstance(value, list):
        return [normal(item) for item in value]
    return value


def bodies_of(
    server: Sandbox, messages: list[Any], fields: dict[str, Any], prepare: Callable[[BaseChatModel], Any]
) -> tuple[Any, Any]:
    for model in both_models(server, **fields):
        server.enqueue(Reply('{"name": "Erick", "age": 27}'))
        prepare(model).invoke(messages)
    ours, theirs = (request.body for request in server.requests)
    return normal(ours), normal(theirs)


def unchanged(model: BaseChatModel) -> Any:
    return model


CALL = {"name": "get_weather", "args": {"city": "Paris"}, "id": "toolu_01", "type": "tool_call"}
SECOND_CALL = {"name": "now", "args": {}, "id": "toolu_02", "type": "tool_call"}
HELLO = [HumanMessage("Hello")]
TOOL_TURN = [
    HumanMessage("What is the weather in Paris, and the time?"),
    AIMessage("Let me look.", tool_calls=[CALL, SECOND_CALL]),
    ToolMessage("Sunny.", tool_call_id="toolu_01"),
    ToolMessage("noon", tool_call_id="toolu_02"),
]


def text_block(text: str, **more: Any) -> dict[str, Any]:
    return {"type": "text", "text": text, **more}
