"""Settings and arguments of a call on the wire, and what is refused before it."""

from __future__ import annotations

from typing import Any

import pytest
from llama_index.core.base.llms.types import ChatMessage
from llamaindex_kit import KEY, QUESTION, MakeLLM, body_of

from aivideoapi_core import (
    InvalidInputError,
    Route,
    UnsupportedOptionError,
)
from aivideoapi_core.sandbox import Sandbox
from llamaindex_aivideoapi import AIVideoAPI

MCP_SERVER = {"type": "url", "url": "https://x", "name": "x"}
MCP_TOOLSET = {"type": "mcp_toolset", "mcp_server_name": "x"}


class TestOptions:
    def test_settings_reach_the_wire(self, make_llm: MakeLLM, sandbox: Sandbox) -> None:
        llm = make_llm(
            "claude-sonnet-4-6/anthropic",
            max_tokens=300,
            temperature=0.2,
            top_k=4,
            stop="END",
            effort="low",
            service_tier="auto",
            betas=["one"],
            default_headers={"x-team": "a", "anthropic-beta": "zero"},
            additional_kwargs={"metadata": {"user_id": "u"}, "top_p": 0.9},
        )
        llm.chat(QUESTION)
        body = body_of(sandbox)
        assert body["max_tokens"] == 300
        assert (body["temperature"], body["top_p"], body["top_k"]) == (0.2, 0.9, 4)
        assert body["stop_sequences"] == ["END"]
        assert body["output_config"] == {"effort": "low"}
        assert body["metadata"] == {"user_id": "u"}
        headers = sandbox.requests[-1].headers
        assert headers["x-team"] == "a"
        assert headers["anthropic-beta"] == "zero,one"

    def test_nothing_is_sent_that_was_not_set(self, make_llm: MakeLLM, sandbox: Sandbox) -> None:
        make_llm().chat(QUESTION)
        assert body_of(sandbox).keys() == {"model", "messages", "stream"}
        make_llm("claude-opus-4-7/anthropic").chat(QUESTION)
        assert body_of(sandbox).keys() == {"model", "messages", "stream", "max_tokens"}

    def test_a_call_wins(self, make_llm: MakeLLM, sandbox: Sandbox) -> None:
        llm = make_llm(max_tokens=300, temperature=0.2, stop_sequences=["A"], betas=["one"])
        llm.chat(
            QUESTION,
            max_tokens=50,
            stop=["B"],
            betas=["two"],
            extra_headers={"x-call": "1"},
            temperature=None,
            verbose=True,
        )
        body = body_of(sandbox)
        assert (body["max_tokens"], body["stop_sequences"], body["temperature"]) == (50, ["B"], 0.2)
        assert sandbox.requests[-1].headers["anthropic-beta"] == "one,two"
        assert sandbox.requests[-1].headers["x-call"] == "1"

    def test_model_of_a_call(self, make_llm: MakeLLM, sandbox: Sandbox) -> None:
        """Route, limits and prices follow it."""
        llm = make_llm()
        response = llm.chat(QUESTION, model="claude-haiku-4-5/anthropic")
        assert body_of(sandbox)["model"] == "claude-haiku-4-5/anthropic"
        assert body_of(sandbox)["max_tokens"] == 32_000
        assert response.additional_kwargs["credits_consumed_micro"] == sandbox.ledger[0].credits_micro
        assert llm.model == "claude-sonnet-4-6"

    def test_server_tools_go_along(self, make_llm: MakeLLM, sandbox: Sandbox) -> None:
        search = {"type": "web_search_20260318", "name": "web_search"}
        make_llm("claude-sonnet-4-6/anthropic", tools=[search]).chat(QUESTION)
        assert body_of(sandbox)["tools"] == [search]

    def test_more_than_four_breakpoints_are_cut_to_the_last_four(
        self, make_llm: MakeLLM, sandbox: Sandbox, caplog: pytest.LogCaptureFixture
    ) -> None:
        cached = {"cache_control": {"type": "ephemeral"}}
        messages = [
            ChatMessage("rules", role="system", additional_kwargs=cached),
            *(
                ChatMessage(f"m{number}", role=role, additional_kwargs=cached)
                for number, role in enumerate(["user", "assistant"] * 3)
            ),
            ChatMessage("end"),
        ]
        make_llm("claude-sonnet-4-5/anthropic").chat(messages)
        body = body_of(sandbox)
        blocks = [*body["system"], *(block for turn in body["messages"] for block in turn["content"])]
        assert [block["text"] for block in blocks if "cache_control" in block] == ["m2", "m3", "m4", "m5"]
        assert "the first 3 are left out" in caplog.text

    @pytest.mark.parametrize("thinking", [True, False])
    def test_thinking_on_the_native_route(self, make_llm: MakeLLM, sandbox: Sandbox, thinking: bool) -> None:
        make_llm(thinking=thinking).chat(QUESTION)
        assert body_of(sandbox).get("thinkingFlag", False) is thinking

    def test_thinking_on_the_other(self, make_llm: MakeLLM, sandbox: Sandbox) -> None:
        thinking = {"type": "enabled", "budget_tokens": 2048}
        make_llm("claude-sonnet-4-5/anthropic", thinking=thinking).chat(QUESTION)
        assert body_of(sandbox)["thinking"] == thinking
        assert body_of(sandbox)["max_tokens"] == 34_048

    def test_to_a_model_that_cannot_prefill_the_turn_is_handed_over(
        self, make_llm: MakeLLM, sandbox: Sandbox
    ) -> None:
        messages = [*QUESTION, ChatMessage("I am ", role="assistant")]
        make_llm("claude-haiku-4-5/anthropic").chat(messages)
        assert body_of(sandbox)["messages"][-1] == {
            "role": "assistant",
            "content": "I am",
        }
        make_llm("claude-opus-4-6/anthropic").chat(messages)
        assert [turn["role"] for turn in body_of(sandbox)["messages"]] == ["user", "assistant", "user"]


class TestRefusals:
    """One clear error that names the argument and the fix, before anything is sent."""

    @pytest.mark.parametrize(
        ("settings", "words"),
        [
            pytest.param({"temprature": 1}, "did you mean 'temperature'", id="typo"),
            pytest.param({"thinking_dict": {}}, "use thinking=", id="the peer's name"),
            pytest.param({"cache_idx": 1}, "CachePoint", id="the peer's cache index"),
            pytest.param({"apikey": "sk-very-secret-1"}, "did you mean 'api_key'", id="typo of the key"),
            pytest.param({"base_url": "http://example.org"}, "unencrypted", id="http"),
            pytest.param({"default_headers": {"a": "x\n"}}, "control characters", id="header"),
            pytest.param({"default_headers": {"Authorization": "x"}}, "api_key=", id="authorization"),
        ],
    )
    def test_of_settings(self, settings: dict[str, Any], words: str) -> None:
        with pytest.raises(InvalidInputError, match=words) as caught:
            AIVideoAPI(**settings)
        assert "sk-very" not in str(caught.value)

    @pytest.mark.parametrize(
        ("call", "words"),
        [
            pytest.param({"max_token": 5}, "did you mean 'max_tokens'", id="typo"),
            pytest.param({"frequency_penalty": 1}, "additional_kwargs=", id="unknown"),
            pytest.param({"system": "x"}, "system_prompt=", id="system"),
            pytest.param({"stream": True}, "stream_chat", id="stream"),
            pytest.param({"temperature": 3}, "outside 0 to 1", id="range"),
            pytest.param({"stop": ["a"], "stop_sequences": ["b"]}, "set one", id="stop twice"),
            pytest.param({"tool_choice": "any"}, "needs tools", id="choice without tools"),
            pytest.param(
                {"thinking": {"type": "adaptive"}}, "thinking=True", id="thinking of the other route"
            ),
            pytest.param({"extra_headers": {"x-api-key\n": "1"}}, "header name", id="header"),
        ],
    )
    def test_of_calls(self, make_llm: MakeLLM, sandbox: Sandbox, call: dict[str, Any], words: str) -> None:
        llm = make_llm()
        for attempt in (lambda: llm.chat(QUESTION, **call), lambda: llm.stream_chat(QUESTION, **call)):
            with pytest.raises(InvalidInputError, match=words):
                attempt()
        assert sandbox.requests == []

    def test_of_models(self, make_llm: MakeLLM) -> None:
        with pytest.raises(UnsupportedOptionError, match="cannot be set for claude-opus-4-7"):
            make_llm("claude-opus-4-7/anthropic", temperature=0.5).complete("hi")

    def test_without_a_key(self) -> None:
        with pytest.raises(InvalidInputError, match="AIVIDEOAPI_API_KEY"):
            AIVideoAPI()

    def test_without_content(self, llm: AIVideoAPI, sandbox: Sandbox) -> None:
        for messages in ([], [ChatMessage("  ")]):
            with pytest.raises(InvalidInputError, match="messages must not be empty"):
                llm.chat(messages)
        assert sandbox.requests == []


def test_routes() -> None:
    assert AIVideoAPI(model="claude-opus-4-6", api_key=KEY).route is Route.NATIVE
    assert AIVideoAPI(model="claude-opus-4-6/anthropic", api_key=KEY).route is Route.DIRECT


@pytest.mark.parametrize(
    ("arguments", "betas"),
    [
        ({"mcp_servers": [MCP_SERVER]}, "theirs,mine,mcp-client-2025-04-04"),
        ({"mcp_servers": [MCP_SERVER], "tools": [MCP_TOOLSET]}, "theirs,mine,mcp-client-2025-11-20"),
        (
            {"tools": [{"type": "memory_20250818", "name": "memory"}]},
            "theirs,mine,context-management-2025-06-27",
        ),
        (
            {"mcp_servers": [MCP_SERVER], "betas": ["mcp-client-2099-01-01"]},
            "theirs,mine,mcp-client-2099-01-01",
        ),
    ],
    ids=["servers alone", "servers and toolset", "tool", "another version that the caller named"],
)
def test_betas_that_a_request_needs(arguments: dict[str, Any], betas: str) -> None:
    with Sandbox(validate=False) as sandbox:
        llm = AIVideoAPI(
            model="claude-sonnet-4-6/anthropic",
            api_key=sandbox.api_key,
            base_url=sandbox.url,
            betas=["mine"],
            default_headers={"anthropic-beta": "theirs"},
        )
        llm.complete("x", **arguments)
        assert sandbox.requests[-1].headers["anthropic-beta"] == betas
