"""Arguments of LlamaIndex's Anthropic LLM on ours: each works, or raises and says what to use.

``test_peer.py`` does it for every name in the signatures of the peer and its SDK.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from llama_index.core.base.llms.types import ChatMessage
from llama_index.core.callbacks import CallbackManager
from llama_index.core.types import PydanticProgramMode

from aivideoapi_core import InvalidInputError
from aivideoapi_core.sandbox import Sandbox
from llamaindex_aivideoapi import AIVideoAPI

MakeLLM = Callable[..., AIVideoAPI]
QUESTION = [ChatMessage("Hello")]
DIRECT = "claude-sonnet-4-6/anthropic"
SECRET = "sk-" + "x" * 12
SEARCH = {"type": "web_search_20250305", "name": "web_search"}
SERVER = {"type": "url", "url": "https://mcp.example.com/sse", "name": "one"}


class TestTheModel:
    @pytest.mark.parametrize(
        ("name", "value", "sent"),
        [
            ("model", "claude-haiku-4-5/anthropic", {"model": "claude-haiku-4-5/anthropic"}),
            ("temperature", 0.5, {"temperature": 0.5}),
            ("max_tokens", 99, {"max_tokens": 99}),
            ("additional_kwargs", {"top_k": 3}, {"top_k": 3}),
            ("additional_kwargs", {"stop_sequences": ["END"]}, {"stop_sequences": ["END"]}),
            ("tools", [SEARCH], {"tools": [SEARCH]}),
            ("mcp_servers", [SERVER], {"mcp_servers": [SERVER]}),
            ("system_prompt", "Be brief.", {}),
            ("timeout", 3.0, {}),
            ("max_retries", 1, {}),
            ("callback_manager", CallbackManager([]), {}),
            ("default_headers", {"x-team": "a"}, {}),
            ("messages_to_prompt", lambda messages: str(messages), {}),
            ("completion_to_prompt", lambda prompt: prompt, {}),
            ("pydantic_program_mode", PydanticProgramMode.LLM, {}),
            ("output_parser", None, {}),
        ],
    )  # fmt: skip
    def test_same_names(self, sandbox: Sandbox, name: str, value: Any, sent: dict[str, Any]) -> None:
        settings = {"model": DIRECT, "api_key": sandbox.api_key, "base_url": sandbox.url, name: value}
        AIVideoAPI(**settings).chat(QUESTION)
        assert sent.items() <= sandbox.requests[-1].body.items()

    @pytest.mark.parametrize(
        ("name", "remedy"),
        [
            ("thinking_dict", "use thinking="),
            ("cache_idx", "CachePoint"),
            ("anthropic_api_key", "use api_key="),
            ("auth_token", "use api_key="),
            ("max_tokens_to_sample", "use max_tokens="),
            ("region", "leave it out"),
            ("project_id", "leave it out"),
            ("aws_region", "leave it out"),
            ("aws_access_key_id", "leave it out"),
            ("aws_secret_access_key", "leave it out"),
            ("aws_session_token", "leave it out"),
            ("aws_profile", "leave it out"),
        ],
    )
    def test_other_names(self, name: str, remedy: str) -> None:
        with pytest.raises(InvalidInputError, match=remedy) as caught:
            AIVideoAPI(**{name: SECRET})
        assert SECRET not in str(caught.value)
        assert "additional_kwargs" not in str(caught.value)


class TestACall:
    @pytest.mark.parametrize(
        ("name", "value"),
        [
            ("model", "claude-haiku-4-5/anthropic"),
            ("max_tokens", 99),
            ("temperature", 0.5),
            ("top_k", 3),
            ("top_p", 0.5),
            ("stop_sequences", ["END"]),
            ("thinking", {"type": "adaptive"}),
            ("metadata", {"user_id": "u"}),
            ("service_tier", "auto"),
            ("cache_control", {"type": "ephemeral"}),
            ("container", "container_1"),
            ("inference_geo", "us"),
            ("output_config", {"effort": "low"}),
            ("context_management", {"edits": []}),
            ("mcp_servers", [SERVER]),
            ("tools", [SEARCH]),
        ],
    )  # fmt: skip
    def test_same_names(self, name: str, value: Any) -> None:
        with Sandbox(validate=False) as sandbox:
            llm = AIVideoAPI(model=DIRECT, api_key=sandbox.api_key, base_url=sandbox.url)
            llm.chat(QUESTION, **{name: value})
            assert sandbox.requests[-1].body[name] == value

    @pytest.mark.parametrize(
        ("name", "remedy"),
        [
            ("system", "system_prompt="),
            ("stream", "use stream_chat"),
            ("output_format", "use output_config="),
            ("extra_query", "no query parameters"),
            ("thinking_dict", "use thinking="),
            ("cache_idx", "CachePoint"),
            ("disable_parallel_tool_use", "use allow_parallel_tool_calls="),
        ],
    )
    def test_other_names(self, make_llm: MakeLLM, sandbox: Sandbox, name: str, remedy: str) -> None:
        with pytest.raises(InvalidInputError, match=remedy):
            make_llm().chat(QUESTION, **{name: "x"})
        assert sandbox.requests == []
