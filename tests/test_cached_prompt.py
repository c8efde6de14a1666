"""``cache_prompt`` of a call: the same breakpoints from both adapters."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from aivideoapi_core import InvalidInputError
from aivideoapi_core.sandbox import Sandbox
from langchain_aivideoapi import ChatAIVideoAPI
from llamaindex_aivideoapi import AIVideoAPI

DIRECT = "claude-sonnet-4-6/anthropic"
TOOL = {"name": "look", "input_schema": {"type": "object", "properties": {}}}


def _langchain(model: Any, text: str, **call: Any) -> None:
    model.invoke([("system", "Be brief."), ("user", text)], **call)


def _llamaindex(model: Any, text: str, **call: Any) -> None:
    from llama_index.core.llms import ChatMessage

    model.chat([ChatMessage("Be brief.", role="system"), ChatMessage(text)], **call)


ASK: dict[Any, Callable[..., None]] = {ChatAIVideoAPI: _langchain, AIVideoAPI: _llamaindex}


@pytest.mark.parametrize("cls", ASK)
@pytest.mark.parametrize("life", ["5m", "1h"])
def test_tools_system_and_the_end_of_the_conversation(sandbox: Sandbox, cls: Any, life: str) -> None:
    model = cls(model=DIRECT, api_key=sandbox.api_key, base_url=sandbox.url)
    tools = [TOOL, {**TOOL, "name": "find"}]
    ASK[cls](model, "x", tools=tools, cache_prompt=life)
    (request,) = sandbox.requests
    mark = {"type": "ephemeral", "ttl": life}
    assert request.body["cache_control"] == mark
    assert request.body["system"] == [{"type": "text", "text": "Be brief.", "cache_control": mark}]
    assert [tool.get("cache_control") for tool in request.body["tools"]] == [None, mark]
    assert "cache_control" not in tools[-1]


@pytest.mark.parametrize("cls", ASK)
def test_another_life(sandbox: Sandbox, cls: Any) -> None:
    model = cls(model=DIRECT, api_key=sandbox.api_key, base_url=sandbox.url)
    with pytest.raises(InvalidInputError, match="'5m' or '1h'"):
        ASK[cls](model, "x", cache_prompt="2h")
    assert sandbox.requests == []
