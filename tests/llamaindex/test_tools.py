"""Function calling: what is sent for each way to ask, and what comes back."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from llama_index.core.base.llms.types import ChatMessage, ChatResponse, ToolCallBlock
from llama_index.core.llms.function_calling import FunctionCallingLLM
from llama_index.core.tools import FunctionTool

from aivideoapi_core import InvalidInputError
from aivideoapi_core.sandbox import Reply, Sandbox
from llamaindex_aivideoapi import AIVideoAPI
from llamaindex_aivideoapi._inbound.message import to_message

MakeLLM = Callable[..., AIVideoAPI]


def get_weather(city: str, days: int = 1) -> str:
    """Tell the weather of a city."""
    return f"{city}: sunny for {days} day(s)"


def now() -> str:
    """Tell the time."""
    return "12:00"


def 天気(都市: str) -> str:  # noqa: N802, N803 - the names are what is tested
    """Say hello in Japanese."""
    return f"{都市}は晴れ"


def takes_a_function(call: Callable[[], None]) -> None:
    """Call it."""


WEATHER = FunctionTool.from_defaults(get_weather)
NOW = FunctionTool.from_defaults(now)
UNICODE = FunctionTool.from_defaults(天気, name="tenki")
TOOLS = [WEATHER, NOW]


def body_of(sandbox: Sandbox) -> dict[str, Any]:
    return dict(sandbox.requests[-1].body)


SEQUENTIAL = {"type": "auto", "disable_parallel_tool_use": True}


class TestWhatIsSent:
    @pytest.mark.parametrize(
        ("arguments", "choice"),
        [
            pytest.param({}, SEQUENTIAL, id="nothing"),
            pytest.param({"tool_choice": None}, SEQUENTIAL, id="none given"),
            pytest.param({"allow_parallel_tool_calls": True}, None, id="parallel"),
            pytest.param({"tool_required": True}, {"type": "any", "disable_parallel_tool_use": True}, id="required"),
            pytest.param(
                {"tool_required": True, "allow_parallel_tool_calls": True}, {"type": "any"}, id="required parallel"
            ),
            pytest.param({"tool_choice": "auto"}, SEQUENTIAL, id="auto"),
            pytest.param({"tool_choice": "any", "allow_parallel_tool_calls": True}, {"type": "any"}, id="any"),
            pytest.param(
                {"tool_choice": "required", "allow_parallel_tool_calls": True}, {"type": "any"}, id="required word"
            ),
            pytest.param({"tool_choice": "none"}, {"type": "none"}, id="none"),
            pytest.param(
                {"tool_choice": "now"}, {"type": "tool", "name": "now", "disable_parallel_tool_use": True}, id="name"
            ),
            pytest.param(
                {"tool_choice": {"type": "tool", "name": "now"}, "allow_parallel_tool_calls": True},
                {"type": "tool", "name": "now"},
                id="wire object",
            ),
            pytest.param(
                {
                    "tool_choice": {"type": "function", "function": {"name": "now"}},
                    "allow_parallel_tool_calls": True,
                },
                {"type": "tool", "name": "now"},
                id="other provider's object",
            ),
            pytest.param(
                {"tool_choice": "auto", "tool_required": True, "allow_parallel_tool_calls": True},
                None,
                id="explicit choice wins",
            ),
        ],
    )  # fmt: skip
    def test_tool_choice(
        self, llm: AIVideoAPI, sandbox: Sandbox, arguments: dict[str, Any], choice: dict[str, Any] | None
    ) -> None:
        llm.chat_with_tools(TOOLS, "What is the weather in Paris?", **arguments)
        assert body_of(sandbox).get("tool_choice") == choice

    def test_a_tool(self, llm: AIVideoAPI, sandbox: Sandbox) -> None:
        llm.chat_with_tools(TOOLS, "What is the weather in Paris?")
        weather, time = body_of(sandbox)["tools"]
        assert weather["name"] == "get_weather"
        assert "Tell the weather" in weather["description"]
        assert weather["input_schema"]["required"] == ["city"]
        assert time["input_schema"] == {"type": "object", "properties": {}}

    def test_no_tools_means_no_field(self, llm: AIVideoAPI, sandbox: Sandbox) -> None:
        llm.chat_with_tools([], "Hi", tool_required=True)
        assert not {"tools", "tool_choice"} & body_of(sandbox).keys()

    @pytest.mark.parametrize("user_msg", ["And Oslo?", ChatMessage("And Oslo?")])
    def test_history_and_question(self, llm: AIVideoAPI, sandbox: Sandbox, user_msg: Any) -> None:
        history = [ChatMessage("Hi"), ChatMessage("Hello!", role="assistant")]
        llm.chat_with_tools(TOOLS, user_msg=user_msg, chat_history=history)
        assert len(history) == 2
        assert body_of(sandbox)["messages"][-1]["content"] == "And Oslo?"

    def test_server_tools_come_along(self, make_llm: MakeLLM, sandbox: Sandbox) -> None:
        search = {"type": "web_search_20260318", "name": "web_search"}
        make_llm("claude-sonnet-4-6/anthropic", tools=[search]).chat_with_tools([NOW], "Hi")
        assert [tool["name"] for tool in body_of(sandbox)["tools"]] == ["web_search", "now"]

    def test_tools_in_a_plain_chat(self, llm: AIVideoAPI, sandbox: Sandbox) -> None:
        response = llm.chat(
            [ChatMessage("What is the weather in Paris?")], tools=[WEATHER], tool_choice="any"
        )
        assert body_of(sandbox)["tool_choice"] == {"type": "any"}
        assert llm.get_tool_calls_from_response(response)[0].tool_kwargs["city"] == "Paris"

    def test_options_of_the_call_go_along(self, llm: AIVideoAPI, sandbox: Sandbox) -> None:
        llm.chat_with_tools(TOOLS, "Hi", max_tokens=77, verbose=True, extra_headers={"x-a": "b"})
        assert body_of(sandbox)["max_tokens"] == 77


class TestRefusals:
    @pytest.mark.parametrize(
        ("arguments", "words"),
        [
            ({"tool_choice": "no_such_tool"}, "not among the tools"),
            ({"tool_choice": 5}, "not understood"),
            ({"tool_choice": {"type": "magic"}}, "not understood"),
        ],
    )
    def test_choices(self, llm: AIVideoAPI, sandbox: Sandbox, arguments: dict[str, Any], words: str) -> None:
        with pytest.raises(InvalidInputError, match=words):
            llm.chat_with_tools(TOOLS, "Hi", **arguments)
        assert sandbox.requests == []

    def test_things_that_are_no_tools(self, llm: AIVideoAPI) -> None:
        with pytest.raises(InvalidInputError, match="FunctionTool"):
            llm.chat([ChatMessage("Hi")], tools=[now])
        with pytest.raises(InvalidInputError, match="cannot make a tool of 'takes_a_function'"):
            llm.chat([ChatMessage("Hi")], tools=[FunctionTool.from_defaults(takes_a_function)])

    def test_a_forced_choice_while_thinking(
        self, make_llm: MakeLLM, model: str, budget_of: Callable[[str], Any], sandbox: Sandbox
    ) -> None:
        llm = make_llm(model, thinking=budget_of(model))
        for choice in ("any", "now"):
            with pytest.warns(UserWarning, match="thinking excludes a forced tool call"):
                llm.chat_with_tools(TOOLS, "Hi", tool_choice=choice)
            assert body_of(sandbox)["tool_choice"] == SEQUENTIAL

    def test_what_frameworks_require_is_asked_for_in_words_while_thinking(
        self, make_llm: MakeLLM, model: str, budget_of: Callable[[str], Any], sandbox: Sandbox
    ) -> None:
        llm = make_llm(model, thinking=budget_of(model))
        response = llm.chat_with_tools([WEATHER], "What is the weather in Paris?", tool_required=True)
        assert body_of(sandbox)["tool_choice"] == SEQUENTIAL
        assert "Answer only by calling get_weather." in str(body_of(sandbox)["messages"])
        assert llm.get_tool_calls_from_response(response)


class TestWhatComesBack:
    CALLS = ({"name": "get_weather", "input": {"city": "Paris"}}, {"name": "now", "input": {}})

    def test_one_call_unless_parallel_ones_are_allowed(self, llm: AIVideoAPI, sandbox: Sandbox) -> None:
        sandbox.enqueue(*[Reply("Both.", tool_uses=self.CALLS)] * 2)
        both = llm.chat_with_tools(TOOLS, "Hi", allow_parallel_tool_calls=True)
        one = llm.chat_with_tools(TOOLS, "Hi")
        assert [c.tool_name for c in llm.get_tool_calls_from_response(both)] == ["get_weather", "now"]
        assert [c.tool_name for c in llm.get_tool_calls_from_response(one)] == ["get_weather"]
        assert len(one.message.additional_kwargs["tool_calls"]) == 1
        assert len(one.raw["content"]) == 3
        # What is left can be answered and goes on.
        result = ChatMessage(
            "sunny", role="tool", additional_kwargs={"tool_call_id": one.message.blocks[-1].tool_call_id}
        )
        assert llm.chat_with_tools(
            TOOLS, chat_history=[ChatMessage("Hi"), one.message, result]
        ).message.content

    def test_no_call(self, llm: AIVideoAPI) -> None:
        response = llm.chat([ChatMessage("Hello")])
        assert llm.get_tool_calls_from_response(response, error_on_no_tool_call=False) == []
        with pytest.raises(ValueError, match="expected a tool call"):
            llm.get_tool_calls_from_response(response)

    def test_arguments_that_were_cut_are_never_run(self, llm: AIVideoAPI) -> None:
        cut = {
            "type": "tool_use",
            "id": "toolu_1",
            "name": "get_weather",
            "input": {},
            "partial_json": '{"city": "Par',
        }
        message = to_message({"content": [cut]}, usage={}, marks={})
        assert message.blocks[0].tool_kwargs == '{"city": "Par'
        response = ChatResponse(message=message)
        with pytest.raises(ValueError, match="raise max_tokens"):
            llm.get_tool_calls_from_response(response)

    @pytest.mark.parametrize(
        ("blocks", "extra"),
        [
            ([ToolCallBlock(tool_call_id="a", tool_name="now", tool_kwargs="")], {}),
            ([], {"tool_calls": [{"id": "a", "function": {"name": "now", "arguments": "{}"}}]}),
        ],
    )
    def test_other_integrations_messages(self, llm: AIVideoAPI, blocks: Any, extra: Any) -> None:
        response = ChatResponse(message=ChatMessage(role="assistant", blocks=blocks, additional_kwargs=extra))
        (selection,) = llm.get_tool_calls_from_response(response)
        assert (selection.tool_id, selection.tool_name, selection.tool_kwargs) == ("a", "now", {})

    @pytest.mark.parametrize(
        ("tool", "question", "answer"),
        [
            pytest.param(WEATHER, "What is the weather in Paris for 3 days?", "Paris: sunny", id="arguments"),
            pytest.param(NOW, "What time is it now?", "12:00", id="no arguments"),
        ],
    )
    @pytest.mark.parametrize("async_", [False, True])
    def test_predict_and_call(
        self, llm: AIVideoAPI, tool: FunctionTool, question: str, answer: str, async_: bool
    ) -> None:
        call: Any = llm.apredict_and_call if async_ else llm.predict_and_call
        result = call([tool], question, tool_required=True)
        assert answer in str(asyncio.run(result) if async_ else result)

    def test_predict_and_call_in_parallel(self, llm: AIVideoAPI, sandbox: Sandbox) -> None:
        sandbox.enqueue(Reply(tool_uses=self.CALLS))
        result = llm.predict_and_call(TOOLS, "Both, please", allow_parallel_tool_calls=True)
        assert [source.tool_name for source in result.sources] == ["get_weather", "now"]

    @pytest.mark.parametrize("async_", [False, True])
    def test_unicode_arguments(self, llm: AIVideoAPI, sandbox: Sandbox, async_: bool) -> None:
        sandbox.enqueue(Reply(tool_uses=[{"name": "tenki", "input": {"都市": "東京 🗼"}}], pieces=1))
        result = "東京 🗼は晴れ"

        async def stream() -> Any:
            return [r async for r in await llm.astream_chat_with_tools([UNICODE], "tenki")]

        responses = asyncio.run(stream()) if async_ else list(llm.stream_chat_with_tools([UNICODE], "tenki"))
        (selection,) = llm.get_tool_calls_from_response(responses[-1])
        assert UNICODE(**selection.tool_kwargs).content == result

    def test_streamed_equals_whole(self, llm: AIVideoAPI, sandbox: Sandbox) -> None:
        calls = [{"id": f"toolu_{n}", **call} for n, call in enumerate(self.CALLS)]
        sandbox.enqueue(*[Reply("Both.", thinking=None, tool_uses=calls)] * 2)
        whole = llm.chat_with_tools(TOOLS, "Hi", allow_parallel_tool_calls=True)
        *_, last = llm.stream_chat_with_tools(TOOLS, "Hi", allow_parallel_tool_calls=True)
        assert whole.message.blocks == last.message.blocks
        assert whole.message.additional_kwargs == last.message.additional_kwargs


def test_core_finds_our_keyword() -> None:
    """LlamaIndex looks at the signature before it passes ``tool_required``."""
    from llama_index.core.llms.function_calling import _supports_tool_required

    assert issubclass(AIVideoAPI, FunctionCallingLLM)
    assert _supports_tool_required(AIVideoAPI, True)
