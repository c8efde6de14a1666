"""Calls in every form, what they report, and calls from many places."""

from __future__ import annotations

import asyncio
import copy
import json
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from llama_index.core.base.llms.types import ChatMessage, MessageRole
from llama_index.core.callbacks import CallbackManager, TokenCountingHandler
from llama_index.core.instrumentation import get_dispatcher
from llama_index.core.instrumentation.event_handlers import BaseEventHandler
from llama_index.core.instrumentation.events.llm import (
    LLMChatEndEvent,
    LLMChatStartEvent,
    LLMCompletionEndEvent,
    LLMCompletionStartEvent,
)
from llamaindex_kit import QUESTION, MakeLLM

from aivideoapi_core.sandbox import Reply, Sandbox
from llamaindex_aivideoapi import AIVideoAPI

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
