"""Conversations to the wire, and back what came from it, judged by the official SDK's types and by the sandbox."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest
from langchain_conversations import CONVERSATIONS
from langchain_core.messages import (
    AIMessage,
    BaseMessage,
    HumanMessage,
    ToolMessage,
)
from langchain_turns import CALL, OURS, USE, text_block, to_conversation
from official import TURNS, assert_accepted

from aivideoapi_core.sandbox import Sandbox
from langchain_aivideoapi import ChatAIVideoAPI


@pytest.mark.parametrize(("messages", "system", "turns"), CONVERSATIONS)
def test_conversations(messages: list[BaseMessage], system: Any, turns: list[Any]) -> None:
    before = copy.deepcopy(messages)
    conversation = to_conversation(messages)
    assert conversation.system == system
    assert conversation.messages == turns
    assert messages == before, "the caller's messages were changed"
    assert_accepted(TURNS, conversation.messages)


WEB = [
    {"type": "thinking", "thinking": "hm", "signature": "s"},
    {"type": "server_tool_use", "id": "srvtoolu_1", "name": "web_search", "input": {"query": "sky"}},
    {
        "type": "web_search_tool_result",
        "tool_use_id": "srvtoolu_1",
        "content": [{"type": "web_search_result", "url": "https://x", "title": "X", "encrypted_content": "e", "page_age": None}],
    },
    {"type": "thinking", "thinking": "aha", "signature": "s2"},
    text_block(
        "blue",
        citations=[
            {
                "type": "web_search_result_location",
                "cited_text": "blue",
                "url": "https://x",
                "title": "X",
                "encrypted_index": "i",
            }
        ],
    ),
    {"type": "mcp_tool_use", "id": "mcptoolu_1", "name": "echo", "server_name": "s", "input": {}},
    {"type": "mcp_tool_result", "tool_use_id": "mcptoolu_1", "is_error": False, "content": [text_block("x")]},
    {"type": "server_tool_use", "id": "srvtoolu_2", "name": "code_execution", "input": {"code": "1"}},
    {"type": "code_execution_tool_result", "tool_use_id": "srvtoolu_2", "content": {"type": "code_execution_result", "stdout": "1", "stderr": "", "return_code": 0, "content": []}},
    text_block("ä", citations=[{"type": "char_location", "cited_text": "a", "document_index": 0, "document_title": "D", "start_char_index": 0, "end_char_index": 1}]),
    text_block("b", citations=[{"type": "page_location", "cited_text": "b", "document_index": 0, "document_title": "D", "start_page_number": 1, "end_page_number": 2}]),
    text_block("c", citations=[{"type": "content_block_location", "cited_text": "c", "document_index": 0, "document_title": "D", "start_block_index": 0, "end_block_index": 1}]),
    text_block("d", citations=[{"type": "search_result_location", "cited_text": "d", "search_result_index": 0, "source": "s", "title": "T", "start_block_index": 0, "end_block_index": 1}]),
    {"type": "redacted_thinking", "data": "d"},
    USE,
]  # fmt: skip


def _sent(message: AIMessage) -> Any:
    (_, turn, *_) = to_conversation(
        [HumanMessage("hi"), message, ToolMessage("x", tool_call_id="toolu_1")]
    ).messages
    return turn["content"]


def test_everything_the_wire_sends_goes_back_as_it_came() -> None:
    message = AIMessage(copy.deepcopy(WEB), tool_calls=[CALL], response_metadata=OURS)
    assert _sent(message) == WEB


def test_standard_content_goes_back_as_it_came() -> None:
    """The round trip over ``content_blocks``: what ``output_version="v1"`` and v3 events keep in history."""
    first = AIMessage(copy.deepcopy(WEB), tool_calls=[CALL], response_metadata=OURS)
    standard = AIMessage(
        content=copy.deepcopy(first.content_blocks),
        tool_calls=[CALL],
        response_metadata={**OURS, "output_version": "v1"},
    )
    assert _sent(standard) == _sent(first)


def test_a_new_block_type_of_the_platform_goes_back() -> None:
    new = {"type": "hologram", "data": "x", "index": 0}
    message = AIMessage([new, USE], tool_calls=[CALL], response_metadata=OURS)
    assert _sent(message) == [{"type": "hologram", "data": "x"}, USE]


def test_null_file_ids_of_received_citations_are_not_sent() -> None:
    citation = {"type": "char_location", "cited_text": "a", "document_index": 0, "document_title": None, "start_char_index": 0, "end_char_index": 1}  # fmt: skip
    message = AIMessage([text_block("a", citations=[{**citation, "file_id": None}]), USE], tool_calls=[CALL])
    assert _sent(message) == [text_block("a", citations=[citation]), USE]


# Results of calls that were never made are refused, and so are made-up signatures.
ACCEPTED = [
    row
    for row in CONVERSATIONS
    if "inside a human" not in str(row.id) and "signature" not in json.dumps(row.values[2])
]


@pytest.mark.parametrize(("messages", "system", "turns"), ACCEPTED)
def test_the_sandbox_takes_it(sandbox: Sandbox, messages: list[BaseMessage], system: Any, turns: Any) -> None:
    """Its rules about tool results, thinking and blanks are the platform's documented ones."""
    model = ChatAIVideoAPI(
        model="claude-sonnet-4-5/anthropic", api_key=sandbox.api_key, base_url=sandbox.url, max_retries=0
    )
    model.invoke(messages)
    body = sandbox.requests[-1].body
    assert body["messages"] == turns
    assert body.get("system") == system


def test_the_sandbox_takes_its_own_thinking_back(sandbox: Sandbox) -> None:
    model = ChatAIVideoAPI(
        model="claude-sonnet-4-5/anthropic",
        api_key=sandbox.api_key,
        base_url=sandbox.url,
        thinking={"type": "enabled", "budget_tokens": 1024},
    )
    first = model.invoke("Why is the sky blue?")
    assert first.content[0]["type"] == "thinking"
    model.invoke([HumanMessage("Why is the sky blue?"), first, HumanMessage("Are you sure?")])
    assert sandbox.requests[-1].body["messages"][1]["content"] == first.content
