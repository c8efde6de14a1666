"""Calls in every form, what they send, what they report, and how they refuse."""

from __future__ import annotations

import asyncio
import copy
import json
import pickle
import threading
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest
from llama_index.core.base.llms.types import ChatMessage, ChatResponse, MessageRole, ThinkingBlock
from llama_index.core.callbacks import CallbackManager, TokenCountingHandler
from llama_index.core.instrumentation import get_dispatcher
from llama_index.core.instrumentation.event_handlers import BaseEventHandler
from llama_index.core.instrumentation.events.llm import (
    LLMChatEndEvent,
    LLMChatStartEvent,
    LLMCompletionEndEvent,
    LLMCompletionStartEvent,
)
from llama_index.core.node_parser import SentenceSplitter
from llama_index.core.utils import Tokenizer

from aivideoapi_core import (
    AuthenticationError,
    CreditBudget,
    InsufficientCreditsError,
    InvalidInputError,
    RateLimitError,
    Route,
    SpendLedger,
    SpendLimitError,
    UnsupportedOptionError,
    estimate_text_tokens,
)
from aivideoapi_core.sandbox import Fault, Reply, Sandbox
from llamaindex_aivideoapi import AIVideoAPI

MakeLLM = Callable[..., AIVideoAPI]
KEY = "sk-for-tests"
QUESTION = [ChatMessage("Hello there, how are you?")]

MCP_SERVER = {"type": "url", "url": "https://x", "name": "x"}
MCP_TOOLSET = {"type": "mcp_toolset", "mcp_server_name": "x"}
VOLATILE = ("id", "request_id")


def facts(response: Any) -> dict[str, Any]:
    """A response as a whole value, without what differs from call to call."""
    dumped = response.model_dump()
    dumped["raw"] = {name: value for name, value in dumped["raw"].items() if name not in VOLATILE}
    dumped.pop("delta")
    return dict(dumped)


class Recorder(BaseEventHandler):
    """Keeps the events of LLM calls."""

    events: list[Any] = []  # noqa: RUF012 - pydantic copies it

    @classmethod
    def class_name(cls) -> str:
        return "Recorder"

    def handle(self, event: Any, **_: Any) -> None:
        if isinstance(
            event, (LLMChatStartEvent, LLMChatEndEvent, LLMCompletionStartEvent, LLMCompletionEndEvent)
        ):
            self.events.append(event)


@pytest.fixture
def recorder() -> Iterator[Recorder]:
    handler = Recorder()
    dispatcher = get_dispatcher()
    dispatcher.add_event_handler(handler)
    yield handler
    dispatcher.event_handlers.remove(handler)


async def all_of(stream: Any) -> list[Any]:
    return [response async for response in await stream]


class TestForms:
    """Whole and streamed, sync and async, chat and completion: one answer."""

    def test_chat_forms_agree(self, llm: AIVideoAPI) -> None:
        whole = llm.chat(QUESTION)
        streamed = list(llm.stream_chat(QUESTION))
        awaited = asyncio.run(llm.achat(QUESTION))
        astreamed = asyncio.run(all_of(llm.astream_chat(QUESTION)))
        assert facts(whole) == facts(awaited) == facts(streamed[-1]) == facts(astreamed[-1])
        assert "".join(r.delta for r in streamed) == whole.message.content
        assert [r.delta for r in streamed] == [r.delta for r in astreamed]
        assert whole.message.role is MessageRole.ASSISTANT

    def test_completion_forms_agree(self, llm: AIVideoAPI) -> None:
        whole = llm.complete("Hello there")
        streamed = list(llm.stream_complete("Hello there", formatted=True))
        awaited = asyncio.run(llm.acomplete("Hello there"))
        astreamed = asyncio.run(all_of(llm.astream_complete("Hello there")))
        assert facts(whole) == facts(awaited) == facts(streamed[-1]) == facts(astreamed[-1])
        assert "".join(r.delta for r in streamed) == whole.text
        assert [r.text for r in streamed] == [r.text for r in astreamed]
        for response in streamed[:-1]:
            assert whole.text.startswith(response.text)
            assert "stop_reason" not in response.additional_kwargs

    def test_the_peers_order_of_a_stream_holds(self, llm: AIVideoAPI) -> None:
        """Cumulative messages, a final empty delta, and the reason for the end with it."""
        so_far = ""
        for response in llm.stream_chat(QUESTION):
            so_far += response.delta
            assert (response.message.content or "") == so_far
        assert response.delta == ""
        assert response.additional_kwargs["stop_reason"] == "end_turn"

    def test_messages_are_left_untouched(self, llm: AIVideoAPI) -> None:
        messages = [ChatMessage("Be kind.", role="system"), ChatMessage("Hello")]
        before = copy.deepcopy(messages)
        llm.chat(messages)
        assert messages == before


class TestUsageAndCredits:
    @pytest.mark.parametrize(
        ("model", "tokens", "micro", "reported"),
        [
            pytest.param("claude-sonnet-4-6", (18, 42), 68_400, 0.06, id="published example"),
            pytest.param("claude-opus-4-6", (20, 661), 1_662_500, 1.66, id="second published example"),
            pytest.param("claude-haiku-4-5/anthropic", (10, 5), 10_305, None, id="direct: computed only"),
        ],
    )
    def test_the_three_places(
        self, make_llm: MakeLLM, sandbox: Sandbox, model: str, tokens: Any, micro: int, reported: float | None
    ) -> None:
        llm = make_llm(model)
        usage = {"input_tokens": tokens[0], "output_tokens": tokens[1]}
        sandbox.enqueue(Reply("hi", usage=usage), Reply("hi", usage=usage))
        for response in (llm.chat(QUESTION), list(llm.stream_chat(QUESTION))[-1]):
            for place in (
                response.raw["usage"],
                response.additional_kwargs,
                response.message.additional_kwargs["usage"],
            ):
                assert place["credits_consumed_micro"] == micro
                assert place.get("credits_consumed") == reported
            assert response.raw["usage"]["input_tokens"] == tokens[0]
            json.dumps(response.raw)
        assert [entry.credits_micro for entry in sandbox.ledger] == [micro, micro]

    def test_unknown_is_left_out(self, make_llm: MakeLLM) -> None:
        with Sandbox(extra_models={"new-model/anthropic": None}) as other:
            llm = make_llm("new-model/anthropic", base_url=other.url)
            response = llm.chat(QUESTION)
        assert "credits_consumed_micro" not in response.raw["usage"]
        assert "credits_consumed" not in response.additional_kwargs

    @pytest.mark.parametrize(
        "credits_at", ["message_start", "message_delta", "usage", "message_stop", "event"]
    )
    def test_credits_anywhere_in_a_stream(self, make_llm: MakeLLM, sandbox: Sandbox, credits_at: Any) -> None:
        sandbox.enqueue(Reply("hello", credits_at=credits_at))
        last = list(make_llm().stream_chat(QUESTION))[-1]
        assert last.additional_kwargs["credits_consumed"] == float(sandbox.ledger[0].credits_reported or 0)

    @pytest.mark.parametrize("usage_at", ["delta", "both"])
    def test_usage_anywhere_in_a_stream(self, llm: AIVideoAPI, sandbox: Sandbox, usage_at: Any) -> None:
        sandbox.enqueue(Reply("hello", usage={"input_tokens": 11, "output_tokens": 7}, usage_at=usage_at))
        usage = list(llm.stream_chat(QUESTION))[-1].raw["usage"]
        assert (usage["input_tokens"], usage["output_tokens"]) == (11, 7)

    def test_the_output_count_of_the_start_is_no_figure(self, llm: AIVideoAPI, sandbox: Sandbox) -> None:
        usage = {"input_tokens": 11, "output_tokens": 1}
        sandbox.enqueue(Reply("hello", usage=usage, usage_at="start", credits_at=None))
        last = list(llm.stream_chat(QUESTION))[-1].raw["usage"]
        assert last["input_tokens"] == 11
        assert not {"output_tokens", "credits_consumed_micro"} & last.keys()

    def test_cache_tokens_survive_a_stream(self, make_llm: MakeLLM) -> None:
        llm = make_llm("claude-sonnet-4-6/anthropic", cache_control={"type": "ephemeral"})
        first = list(llm.stream_chat(QUESTION))[-1].raw["usage"]
        second = list(llm.stream_chat(QUESTION))[-1].raw["usage"]
        assert first["cache_creation_input_tokens"] > 0
        assert second["cache_read_input_tokens"] == first["cache_creation_input_tokens"]

    def test_balance(self, llm: AIVideoAPI) -> None:
        assert llm.credits() == asyncio.run(llm.acredits())
        assert llm.credits().total_purchased == 10_000

    def test_null_counts_are_not_passed_on(self, llm: AIVideoAPI, sandbox: Sandbox) -> None:
        sandbox.enqueue(Reply("hi", usage={"cache_read_input_tokens": None, "input_tokens": 3}))
        assert None not in llm.chat(QUESTION).raw["usage"].values()


class TestEvents:
    """One pair of events, and one count of tokens, for each call over the wire."""

    FORMS: tuple[tuple[str, Callable[[AIVideoAPI], Any]], ...] = (
        ("chat", lambda llm: llm.chat(QUESTION)),
        ("stream_chat", lambda llm: list(llm.stream_chat(QUESTION))),
        ("achat", lambda llm: asyncio.run(llm.achat(QUESTION))),
        ("astream_chat", lambda llm: asyncio.run(all_of(llm.astream_chat(QUESTION)))),
        ("complete", lambda llm: llm.complete("Hello")),
        ("stream_complete", lambda llm: list(llm.stream_complete("Hello"))),
        ("acomplete", lambda llm: asyncio.run(llm.acomplete("Hello"))),
        ("astream_complete", lambda llm: asyncio.run(all_of(llm.astream_complete("Hello")))),
    )

    @pytest.mark.parametrize("form", [form for _, form in FORMS], ids=[name for name, _ in FORMS])
    def test_one_pair_and_one_count(
        self,
        make_llm: MakeLLM,
        model: str,
        sandbox: Sandbox,
        recorder: Recorder,
        form: Callable[[AIVideoAPI], Any],
    ) -> None:
        counter = TokenCountingHandler(tokenizer=str.split)
        llm = make_llm(model, callback_manager=CallbackManager([counter]))
        form(llm)
        assert len(recorder.events) == 2
        assert len(sandbox.ledger) == len(counter.llm_token_counts) == 1
        usage = sandbox.ledger[0].usage or {}
        assert counter.prompt_llm_token_count == usage["input_tokens"]
        assert counter.completion_llm_token_count == usage["output_tokens"]
        end = recorder.events[-1]
        assert end.response.raw["id"] == sandbox.ledger[0].message_id
        assert end.response.raw["usage"]["output_tokens"] == usage["output_tokens"]

    def test_the_start_event_says_what_was_asked_and_never_the_key(
        self, make_llm: MakeLLM, recorder: Recorder
    ) -> None:
        make_llm(temperature=0.5, max_tokens=20).chat(QUESTION)
        said = recorder.events[0].model_dict
        assert (said["model"], said["temperature"], said["max_tokens"]) == ("claude-sonnet-4-6", 0.5, 20)
        assert "sk-sandbox" not in json.dumps(said, default=str)


class TestMetadata:
    def test_a_tokenizer_that_counts_without_a_request(self, llm: AIVideoAPI, sandbox: Sandbox) -> None:
        assert isinstance(llm.tokenizer, Tokenizer)
        tokens = llm.tokenizer.encode("Hello, world!")
        assert tokens == [*range(estimate_text_tokens("Hello, world!"))]
        assert llm.tokenizer.encode("") == []
        pieces = SentenceSplitter(chunk_size=20, chunk_overlap=0, tokenizer=llm.tokenizer.encode).split_text(
            "One sentence of some words stands here. " * 8
        )
        assert 1 < len(pieces) <= 8
        assert all(len(llm.tokenizer.encode(piece)) <= 20 for piece in pieces)
        assert sandbox.requests == []

    @pytest.mark.parametrize("model", ["", " "])
    def test_a_blank_model_is_refused_when_the_model_is_made(self, model: str) -> None:
        with pytest.raises(InvalidInputError, match="must be a model id"):
            AIVideoAPI(model=model, api_key=KEY)

    @pytest.mark.parametrize(
        ("model", "window", "output"),
        [
            ("claude-sonnet-4-6", 200_000, 32_000),
            ("claude-sonnet-4-6/anthropic", 1_000_000, 32_000),
            ("claude-haiku-4-5/anthropic", 200_000, 32_000),
            ("no-such-model", 200_000, 8_192),
        ],
    )
    def test_limits_by_model(self, model: str, window: int, output: int) -> None:
        metadata = AIVideoAPI(model=model, api_key=KEY).metadata
        assert (metadata.context_window, metadata.num_output) == (window, output)
        assert metadata.is_chat_model
        assert metadata.is_function_calling_model
        assert metadata.model_name == model

    def test_limits_can_be_set(self) -> None:
        metadata = AIVideoAPI(api_key=KEY, context_window=10_000, num_output=500, max_tokens=900).metadata
        assert (metadata.context_window, metadata.num_output) == (10_000, 500)
        assert AIVideoAPI(api_key=KEY, max_tokens=900).metadata.num_output == 900

    def test_an_unknown_model_can_be_called(self, make_llm: MakeLLM) -> None:
        with Sandbox(extra_models={"new-model": None, "new-model/anthropic": None}) as other:
            for name in ("new-model", "new-model/anthropic"):
                assert make_llm(name, base_url=other.url).complete("hi").text


def body_of(sandbox: Sandbox) -> dict[str, Any]:
    return dict(sandbox.requests[-1].body)


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


class TestSecrets:
    KEY = "sk-canary-0000"

    def test_the_key_is_nowhere(self) -> None:
        llm = AIVideoAPI(
            api_key=self.KEY,
            default_headers={"x-secret": "sk-canary-0001"},
            mcp_servers=[
                {"type": "url", "url": "https://x.org", "name": "m", "authorization_token": "sk-canary-0002"}
            ],
        )
        for shown in (
            repr(llm), str(llm), llm.to_json(), str(llm.to_dict()), str(llm.to_payload()), str(llm.metadata)
        ):  # fmt: skip
            assert "sk-canary" not in shown

    def test_a_key_of_the_environment_does_not_travel(
        self, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("AIVIDEOAPI_API_KEY", self.KEY)
        monkeypatch.setenv("AIVIDEOAPI_BASE_URL", sandbox.url)
        llm = AIVideoAPI()
        llm.complete("hi")
        pickled = pickle.dumps(llm)
        assert self.KEY.encode() not in pickled
        assert pickle.loads(pickled).complete("hi").text
        monkeypatch.delenv("AIVIDEOAPI_API_KEY")
        with pytest.raises(InvalidInputError, match="no API key"):
            pickle.loads(pickled).complete("hi")


class TestCopies:
    def test_pickle_and_deepcopy_before_and_after_calls(self, llm: AIVideoAPI) -> None:
        def check(copied: AIVideoAPI) -> None:
            assert copied.to_dict() == llm.to_dict()
            assert len(copied._clients) == 0
            assert copied.complete("hi").text == llm.complete("hi").text

        for _ in range(2):
            check(pickle.loads(pickle.dumps(llm)))
            check(copy.deepcopy(llm))
            check(copy.copy(llm))
            asyncio.run(llm.acomplete("hi"))

    def test_a_given_http_client_is_shared_by_copies_and_never_lost_by_pickles(
        self, make_llm: MakeLLM
    ) -> None:
        with httpx.Client() as client:
            llm = make_llm(http_client=client)
            assert copy.deepcopy(llm).http_client is client
            assert copy.deepcopy(llm).complete("hi").text
            with pytest.raises(pickle.PicklingError, match="http_client"):
                pickle.dumps(llm)

    def test_a_copy_with_another_address_uses_it(self, llm: AIVideoAPI, sandbox: Sandbox) -> None:
        llm.complete("hi")
        with Sandbox() as other:
            llm.model_copy(update={"base_url": other.url}).complete("hi")
            assert len(other.requests) == len(sandbox.requests) == 1
            llm.base_url = other.url
            llm.complete("hi")
            assert len(other.requests) == 2

    @pytest.mark.parametrize("setting", [{"budget": CreditBudget(1)}, {"ledger": SpendLedger()}])
    def test_books_in_memory_are_never_lost_by_pickles(self, setting: dict[str, Any]) -> None:
        model = AIVideoAPI(model="claude-sonnet-4-6", api_key="sk-test", **setting)
        with pytest.raises(TypeError, match="cannot go to another process") as caught:
            pickle.dumps(model)
        assert f"AIVideoAPI.{next(iter(setting))} " in caught.value.__notes__[0]

    def test_messages_and_responses_pickle(self, llm: AIVideoAPI) -> None:
        responses = list(llm.stream_chat(QUESTION))
        assert pickle.loads(pickle.dumps(responses)) == responses


class TestManyPlaces:
    def test_many_event_loops(self, llm: AIVideoAPI) -> None:
        for _ in range(4):
            assert asyncio.run(llm.acomplete("hi")).text
            assert asyncio.run(all_of(llm.astream_chat(QUESTION)))

    def test_many_threads(self, llm: AIVideoAPI, sandbox: Sandbox) -> None:
        answers: list[str] = []
        threads = [
            threading.Thread(target=lambda: answers.append(str(llm.complete("hi")))) for _ in range(16)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(answers) == len(sandbox.ledger) == 16
        assert len(set(answers)) == 1

    def test_loops_in_threads(self, llm: AIVideoAPI) -> None:
        failures: list[BaseException] = []

        def work() -> None:
            try:
                asyncio.run(llm.acomplete("hi"))
            except BaseException as error:  # noqa: BLE001 - reported by the assertion below
                failures.append(error)

        threads = [threading.Thread(target=work) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert failures == []

    def test_closing_and_going_on(self, llm: AIVideoAPI) -> None:
        llm.complete("hi")
        llm.close()
        assert llm.complete("hi").text

        async def twice() -> None:
            await llm.acomplete("hi")
            await llm.aclose()
            await llm.acomplete("hi")

        asyncio.run(twice())


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
