"""What the tests of LlamaIndex's Anthropic LLM say of it, and no other test here says of ours."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from llama_index.core.base.llms.base import BaseLLM
from llama_index.core.base.llms.types import ChatMessage, ChatResponse, TextBlock, ToolCallBlock
from llama_index.core.llms.function_calling import FunctionCallingLLM
from llama_index.core.tools import FunctionTool

from aivideoapi_core.sandbox import Reply, Sandbox
from llamaindex_aivideoapi import AIVideoAPI

MakeLLM = Callable[..., AIVideoAPI]
QUESTION = [ChatMessage("Hello")]
EPHEMERAL = {"type": "ephemeral"}


def search(query: str) -> str:
    """Search for information about a query."""
    return f"Results for {query}"


SEARCH = FunctionTool.from_defaults(search)


def calls_of(response: ChatResponse) -> list[str]:
    return [block.tool_name for block in response.message.blocks if isinstance(block, ToolCallBlock)]


async def _last(responses: Any) -> ChatResponse:
    *_, last = [response async for response in responses]
    return last


class TestTools:
    def test_its_bases(self) -> None:
        assert issubclass(AIVideoAPI, (BaseLLM, FunctionCallingLLM))

    def test_a_tool_is_called_when_required_and_not_for_a_greeting(self, llm: AIVideoAPI) -> None:
        assert calls_of(llm.chat_with_tools([SEARCH], "Hello", tool_required=True)) == ["search"]
        assert calls_of(llm.chat_with_tools([SEARCH], "Say hello!", tool_required=False)) == []

    @pytest.mark.parametrize("required", [True, False])
    def test_no_tools_at_all(self, llm: AIVideoAPI, sandbox: Sandbox, required: bool) -> None:
        """As agents without tools do it; a choice without tools would be refused."""
        assert calls_of(llm.chat_with_tools([], "Say hello!", tool_required=required)) == []
        assert not {"tools", "tool_choice"} & sandbox.requests[-1].body.keys()

    def test_a_response_without_too_many_calls_stays_itself(self, llm: AIVideoAPI) -> None:
        response = ChatResponse(message=ChatMessage("Test", role="assistant"))
        assert llm._validate_chat_with_tools_response(response, []) is response


class TestCachedTools:
    """The header with which users of the peer ask for it."""

    @pytest.mark.parametrize("name", ["anthropic-beta", "Anthropic-Beta"])
    def test_the_last_tool_is_marked(self, llm: AIVideoAPI, sandbox: Sandbox, name: str) -> None:
        first = {"name": "first", "input_schema": {"type": "object"}}
        headers = {name: "prompt-caching-2024-07-31"}
        llm.chat_with_tools([first, SEARCH], "Hello", extra_headers=headers)
        request = sandbox.requests[-1]
        assert [tool.get("cache_control") for tool in request.body["tools"]] == [None, EPHEMERAL]
        assert request.headers["anthropic-beta"] == "prompt-caching-2024-07-31"

    def test_a_mark_of_the_callers_own_stays(self, llm: AIVideoAPI, sandbox: Sandbox) -> None:
        hour = {"type": "ephemeral", "ttl": "1h"}
        tool = {"name": "first", "input_schema": {"type": "object"}, "cache_control": hour}
        llm.chat_with_tools([tool], "Hello", extra_headers={"anthropic-beta": "prompt-caching-2024-07-31"})
        assert sandbox.requests[-1].body["tools"][0]["cache_control"] == hour

    def test_the_callers_tools_stay_as_they_were(self, llm: AIVideoAPI) -> None:
        tool = {"name": "first", "input_schema": {"type": "object"}}
        llm.chat_with_tools([tool], "Hello", extra_headers={"anthropic-beta": "prompt-caching-2024-07-31"})
        assert tool == {"name": "first", "input_schema": {"type": "object"}}

    @pytest.mark.parametrize("headers", [None, {}, {"anthropic-beta": "other"}, {"x-team": "prompt-caching"}])
    def test_nothing_else_marks_tools(self, llm: AIVideoAPI, sandbox: Sandbox, headers: Any) -> None:
        llm.chat_with_tools([SEARCH], "Hello", extra_headers=headers)
        assert "cache_control" not in sandbox.requests[-1].body["tools"][0]

    def test_without_tools_there_is_nothing_to_mark(self, llm: AIVideoAPI, sandbox: Sandbox) -> None:
        llm.chat_with_tools([], "Hello", extra_headers={"anthropic-beta": "prompt-caching-2024-07-31"})
        assert "tools" not in sandbox.requests[-1].body


@pytest.mark.parametrize("count", [1, 5, 29])
def test_a_message_that_is_cached_is_marked_at_its_last_block_alone(
    llm: AIVideoAPI, sandbox: Sandbox, count: int
) -> None:
    blocks = [TextBlock(text=f"block {number}") for number in range(count)]
    llm.chat([ChatMessage(role="user", blocks=blocks, additional_kwargs={"cache_control": EPHEMERAL})])
    sent = sandbox.requests[-1].body["messages"][0]["content"]
    assert [block.get("cache_control") for block in sent] == [*[None] * (count - 1), EPHEMERAL]


@pytest.mark.parametrize("form", ["chat", "stream_chat", "achat", "astream_chat"])
@pytest.mark.parametrize("reason", ["end_turn", "max_tokens"])
async def test_usage_and_stop_reason_are_in_the_message(
    llm: AIVideoAPI, sandbox: Sandbox, form: str, reason: str
) -> None:
    sandbox.enqueue(Reply("One two", stop_reason=reason, usage={"input_tokens": 11, "output_tokens": 7}))
    result: Any = getattr(llm, form)(QUESTION)
    if form.startswith("a"):
        result = await result
    if "stream" in form:
        result = await _last(result) if form.startswith("a") else list(result)[-1]
    told = result.message.additional_kwargs
    assert told["stop_reason"] == reason
    assert (told["usage"]["input_tokens"], told["usage"]["output_tokens"]) == (11, 7)


def test_the_words_about_a_message_are_not_sent_back(llm: AIVideoAPI, sandbox: Sandbox) -> None:
    llm.chat([*QUESTION, llm.chat(QUESTION).message, ChatMessage("And?")])
    for turn in sandbox.requests[-1].body["messages"]:
        assert turn.keys() == {"role", "content"}
