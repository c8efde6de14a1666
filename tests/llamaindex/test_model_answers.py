"""What an error of the platform becomes, and what of a reply comes through."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from llama_index.core.base.llms.types import ChatMessage, ChatResponse, ThinkingBlock
from llamaindex_kit import QUESTION, MakeLLM, body_of

from aivideoapi_core import (
    AuthenticationError,
    InsufficientCreditsError,
    RateLimitError,
    SpendLimitError,
)
from aivideoapi_core.sandbox import Fault, Reply, Sandbox
from llamaindex_aivideoapi import AIVideoAPI


class TestErrors:
    @pytest.mark.parametrize(
        ("code", "cls", "status", "says_rate_limit"),
        [
            ("invalid_api_key", AuthenticationError, 401, False),
            ("insufficient_credits", InsufficientCreditsError, 402, False),
            ("rate_limit_exceeded", RateLimitError, 429, True),
            ("spend_limit_exceeded", SpendLimitError, 429, False),
        ],
    )
    @pytest.mark.parametrize("form", ["chat", "stream_chat", "achat", "astream_chat"])
    def test_are_typed_in_every_form(
        self,
        make_llm: MakeLLM,
        sandbox: Sandbox,
        code: str,
        cls: Any,
        status: int,
        says_rate_limit: bool,
        form: str,
    ) -> None:
        llm = make_llm(max_retries=0)
        sandbox.enqueue(Fault.error(code, message="429 Too Many Requests: rate limit reached"))

        async def acall() -> None:
            result = await getattr(llm, form)(QUESTION)
            if form == "astream_chat":
                [response async for response in result]

        def call() -> None:
            if form.startswith("a"):
                asyncio.run(acall())
            else:
                list(getattr(llm, form)(QUESTION))

        with pytest.raises(cls) as caught:
            call()
        assert caught.value.status_code == status
        text = str(caught.value).lower()
        # The very words that LlamaIndex's DocumentContextExtractor waits and retries on.
        assert any(word in text for word in ("rate limit", "too many requests", "429")) is says_rate_limit
        assert len(sandbox.requests) == 1

    def test_a_rate_limit_is_waited_for(self, llm: AIVideoAPI, sandbox: Sandbox) -> None:
        sandbox.enqueue(Fault.error("rate_limit_exceeded", retry_after=0), Reply("there"))
        response = llm.chat(QUESTION)
        assert response.message.content == "there"
        assert response.raw["attempts"] == 2

    def test_max_retry_wait_s_is_a_ceiling(self, make_llm: MakeLLM, sandbox: Sandbox) -> None:
        sandbox.enqueue(Fault.error("rate_limit_exceeded", retry_after=30), Reply("there"))
        with pytest.raises(RateLimitError):
            make_llm(max_retry_wait_s=1).chat(QUESTION)
        assert len(sandbox.requests) == 1


class TestInbound:
    """What a reply becomes."""

    def test_thinking_with_signature_and_redacted(
        self, make_llm: MakeLLM, model: str, sandbox: Sandbox, thinking_of: Callable[[str], Any]
    ) -> None:
        llm = make_llm(model, thinking=thinking_of(model))
        sandbox.enqueue(Reply("Four.", thinking="Two and two.", redacted_thinking="c2VjcmV0"))
        first = llm.chat([ChatMessage("2+2?")])
        blocks = [block for block in first.message.blocks if isinstance(block, ThinkingBlock)]
        assert blocks[0].content == "Two and two."
        assert blocks[0].additional_information["signature"]
        assert blocks[1].content is None
        assert blocks[1].additional_information == {"type": "redacted_thinking", "data": "c2VjcmV0"}
        restored = ChatMessage.model_validate_json(first.message.model_dump_json())
        llm.chat([ChatMessage("2+2?"), restored, ChatMessage("And 3+3?")])
        assert body_of(sandbox)["messages"][1]["content"] == first.raw["content"]

    def test_citations_are_kept_and_go_back(self, make_llm: MakeLLM, sandbox: Sandbox) -> None:
        cited = {
            "type": "char_location",
            "cited_text": "blue",
            "document_index": 0,
            "document_title": "Sky",
            "start_char_index": 4,
            "end_char_index": 8,
            "file_id": None,
        }
        content = [
            {"type": "text", "text": "The sky is ", "citations": None},
            {"type": "text", "text": "blue", "citations": [cited]},
            {"type": "text", "text": ".", "citations": None},
        ]
        sandbox.enqueue(Reply(content=content), Reply(content=content))
        llm = make_llm("claude-sonnet-4-6/anthropic")
        whole, last = llm.chat(QUESTION), list(llm.stream_chat(QUESTION))[-1]
        for response in (whole, last):
            assert response.message.content == "The sky is blue."
            assert response.additional_kwargs["citations"] == [cited]
            citation = response.message.blocks[1]
            assert citation.title == "Sky"
            assert citation.additional_location_info["start_char_index"] == 4
        restored = ChatMessage.model_validate_json(whole.message.model_dump_json())
        llm.chat([*QUESTION, restored, ChatMessage("Sure?")])
        sent = body_of(sandbox)["messages"][1]["content"]
        assert [block["text"] for block in sent] == ["The sky is ", "blue", "."]
        assert sent[1]["citations"] == [{name: cited[name] for name in cited if name != "file_id"}]

    def test_server_tool_blocks_go_back_unchanged(self, make_llm: MakeLLM, sandbox: Sandbox) -> None:
        content = [
            {"type": "text", "text": "I search."},
            {"type": "server_tool_use", "id": "srvtoolu_1", "name": "web_search", "input": {"query": "x"}},
            {"type": "web_search_tool_result", "tool_use_id": "srvtoolu_1", "content": []},
            {"type": "text", "text": "Found."},
        ]
        llm = make_llm("claude-sonnet-4-6/anthropic")
        for streamed in (False, True):
            sandbox.enqueue(Reply(content=content))
            response = list(llm.stream_chat(QUESTION))[-1] if streamed else llm.chat(QUESTION)
            llm.chat([*QUESTION, response.message, ChatMessage("Go on")])
            assert body_of(sandbox)["messages"][1]["content"] == content

    @pytest.mark.parametrize(
        "reason", ["max_tokens", "refusal", "pause_turn", "model_context_window_exceeded"]
    )
    def test_stop_reasons_are_told(self, llm: AIVideoAPI, sandbox: Sandbox, reason: str) -> None:
        sandbox.enqueue(Reply("part", stop_reason=reason))
        assert llm.chat(QUESTION).additional_kwargs["stop_reason"] == reason

    def test_an_empty_answer(self, llm: AIVideoAPI, sandbox: Sandbox) -> None:
        sandbox.enqueue(Reply(content=[]), Reply(content=[]))
        assert llm.chat(QUESTION).message.blocks == []
        responses = list(llm.stream_chat(QUESTION))
        assert isinstance(responses[-1], ChatResponse)
        assert responses[-1].message.content is None
