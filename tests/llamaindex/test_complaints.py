"""What users of the other Anthropic integration for LlamaIndex complain about; each must hold here.

``test_peer.py`` runs this file against llama-index-llms-anthropic 0.12.3 (on anthropic 0.125.0, the last SDK
that it works with), where all of these fail but those that say "fine there by now". Other files test
the same behaviour in depth; here each complaint has its name.
"""

from __future__ import annotations

import asyncio
import copy
import functools
import json
import pickle
import subprocess
import sys
from collections.abc import Callable
from typing import Any, Literal

import pytest
from llama_index.core.agent.workflow import AgentStream, FunctionAgent, ReActAgent
from llama_index.core.base.llms.types import CacheControl, CachePoint, ChatMessage, TextBlock, ThinkingBlock
from llama_index.core.callbacks import CallbackManager, TokenCountingHandler
from llama_index.core.prompts import PromptTemplate
from llama_index.core.tools import FunctionTool
from pydantic import BaseModel

from aivideoapi_core.sandbox import Reply, Sandbox
from llamaindex_aivideoapi import AIVideoAPI

MakeLLM = Callable[..., AIVideoAPI]
QUESTION = [ChatMessage("Hello there")]
DIRECT = "claude-sonnet-4-6/anthropic"


def get_weather(city: str) -> str:
    """Tell the weather of a city."""
    return f"{city}: sunny, 21 degrees"


WEATHER = FunctionTool.from_defaults(get_weather)


@functools.cache
def imports_the_sdk() -> bool:
    code = "import sys, llamaindex_aivideoapi; print('anthropic' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return done.stdout.strip() == "True"


def test_it_makes_a_call_beside_the_newest_sdk(llm: AIVideoAPI) -> None:
    """No provider SDK is imported, so none can break us."""
    assert not imports_the_sdk()
    assert llm.complete("hi").text


async def test_thinking_with_tools(make_llm: MakeLLM, model: str, thinking_of: Callable[[str], Any]) -> None:
    agent = FunctionAgent(tools=[WEATHER], llm=make_llm(model, thinking=thinking_of(model)))
    assert "sunny" in str(await agent.run("What is the weather in Paris?"))


def test_adaptive_thinking_with_a_required_tool(
    make_llm: MakeLLM, model: str, thinking_of: Callable[[str], Any]
) -> None:
    """As selectors and extractors ask for it; the wire refuses a forced choice while thinking."""
    llm = make_llm(model, thinking=thinking_of(model))
    response = llm.chat_with_tools([WEATHER], "What is the weather in Paris?", tool_required=True)
    assert llm.get_tool_calls_from_response(response)


async def test_thinking_delta_reaches_agents(
    make_llm: MakeLLM, model: str, thinking_of: Callable[[str], Any]
) -> None:
    agent = FunctionAgent(tools=[WEATHER], llm=make_llm(model, thinking=thinking_of(model)))
    handler = agent.run("What is the weather in Paris?")
    deltas = [
        event.thinking_delta async for event in handler.stream_events() if isinstance(event, AgentStream)
    ]
    await handler
    assert any(deltas)


def test_signature_only_and_redacted_thinking_is_not_lost(make_llm: MakeLLM, sandbox: Sandbox) -> None:
    content = [{"type": "redacted_thinking", "data": "c2VjcmV0"}, {"type": "text", "text": "Yes."}]
    sandbox.enqueue(Reply(content=content))
    llm = make_llm(thinking=True)
    reply = list(llm.stream_chat(QUESTION))[-1].message
    llm.chat([*QUESTION, reply, ChatMessage("Sure?")])
    assert sandbox.requests[-1].body["messages"][1]["content"] == content


def test_never_more_than_four_cache_breakpoints(make_llm: MakeLLM, sandbox: Sandbox) -> None:
    point = CachePoint(cache_control=CacheControl(type="ephemeral"))
    messages = [
        ChatMessage(role=role, blocks=[TextBlock(text=f"m{number}"), point])
        for number, role in enumerate(["system", "user", "assistant", "user", "assistant", "user"])
    ]
    make_llm(DIRECT).chat(messages)
    assert json.dumps(sandbox.requests[-1].body).count("cache_control") == 4


def test_the_system_prompt_can_be_cached(make_llm: MakeLLM) -> None:
    point = CachePoint(cache_control=CacheControl(type="ephemeral"))
    messages = [ChatMessage(role="system", blocks=[TextBlock(text="Long rules."), point]), *QUESTION]
    llm = make_llm(DIRECT)
    assert dict(llm.chat(messages).raw["usage"])["cache_creation_input_tokens"] > 0
    assert dict(llm.chat(messages).raw["usage"])["cache_read_input_tokens"] > 0


@pytest.mark.parametrize("usage_at", ["start", "both"])
def test_cache_tokens_survive_streaming(
    make_llm: MakeLLM, sandbox: Sandbox, usage_at: Literal["start", "both"]
) -> None:
    """Servers that count the input once say so at the start alone."""
    sandbox.enqueue(Reply("Hello", usage={"cache_read_input_tokens": 50}, usage_at=usage_at))
    usage = dict(list(make_llm(DIRECT).stream_chat(QUESTION))[-1].raw["usage"])
    assert usage["cache_read_input_tokens"] == 50


def test_new_model_names_work(make_llm: MakeLLM) -> None:
    with Sandbox(extra_models={"claude-next-9": None, "claude-next-9/anthropic": None}) as other:
        for name in ("claude-next-9", "claude-next-9/anthropic"):
            llm = make_llm(name, base_url=other.url)
            assert llm.metadata.context_window == 200_000
            assert llm.complete("hi").text


async def test_react_streams(llm: AIVideoAPI) -> None:
    """The peer's events have pieces of the answer, but not the answer so far."""
    run = ReActAgent(tools=[WEATHER], llm=llm, streaming=True).run("What is the weather in Paris?")
    events = [event async for event in run.stream_events() if isinstance(event, AgentStream) and event.delta]
    assert "sunny" in str(await run)
    assert events
    assert all(event.response.endswith(event.delta) for event in events)


async def test_react_without_streaming(llm: AIVideoAPI) -> None:
    """Fine there by now."""
    agent = ReActAgent(tools=[WEATHER], llm=llm, streaming=False)
    assert "sunny" in str(await agent.run("What is the weather in Paris?"))


def test_it_pickles_after_a_call(llm: AIVideoAPI) -> None:
    llm.complete("hi")
    assert pickle.loads(pickle.dumps(llm)).complete("hi").text
    assert copy.deepcopy(llm).complete("hi").text


def test_event_loops_come_and_go(llm: AIVideoAPI) -> None:
    for _ in range(3):
        assert asyncio.run(llm.acomplete("hi")).text


def test_completions_are_counted_once(make_llm: MakeLLM, model: str, sandbox: Sandbox) -> None:
    counter = TokenCountingHandler(tokenizer=str.split)
    llm = make_llm(model, callback_manager=CallbackManager([counter]))
    llm.complete("hi")
    list(llm.stream_complete("hi"))
    assert len(counter.llm_token_counts) == 2
    assert counter.prompt_llm_token_count == sum(
        entry.usage["input_tokens"] for entry in sandbox.ledger if entry.usage
    )


def test_cached_tokens_are_counted(make_llm: MakeLLM, model: str, sandbox: Sandbox) -> None:
    usage = {
        "input_tokens": 3,
        "output_tokens": 9,
        "cache_read_input_tokens": 200,
        "cache_creation_input_tokens": 10,
    }
    sandbox.enqueue(*[Reply("Hello", usage=usage)] * 2)
    counter = TokenCountingHandler(tokenizer=str.split)
    llm = make_llm(model, callback_manager=CallbackManager([counter]))
    llm.chat([ChatMessage("hi")])
    list(llm.stream_chat([ChatMessage("hi")]))
    assert (counter.prompt_llm_token_count, counter.completion_llm_token_count) == (2 * 213, 2 * 9)


def test_image_urls_are_not_downloaded(llm: AIVideoAPI, sandbox: Sandbox) -> None:
    message = ChatMessage(
        role="user",
        content=[{"block_type": "image", "url": "https://example.invalid/a.png"}, TextBlock(text="What?")],
    )
    llm.chat([message])
    assert sandbox.requests[0].body["messages"][0]["content"][0]["source"]["type"] == "url"


def test_tool_choice_by_name_is_obeyed(llm: AIVideoAPI, sandbox: Sandbox) -> None:
    llm.chat_with_tools([WEATHER], "Paris?", tool_choice="get_weather")
    assert sandbox.requests[0].body["tool_choice"]["name"] == "get_weather"


def test_the_callers_history_stays_as_it_was(llm: AIVideoAPI) -> None:
    history = list(QUESTION)
    llm.chat_with_tools([WEATHER], "And Paris?", chat_history=history)
    assert history == QUESTION


def test_a_question_as_a_message_is_not_lost(llm: AIVideoAPI, sandbox: Sandbox) -> None:
    llm.chat_with_tools([WEATHER], ChatMessage("The weather in Oslo?"))
    assert "Oslo" in json.dumps(sandbox.requests[0].body["messages"])


def test_tool_results_may_be_empty(llm: AIVideoAPI) -> None:
    """Fine there by now."""
    first = llm.chat_with_tools([WEATHER], "What is the weather in Paris?")
    call_id = llm.get_tool_calls_from_response(first)[0].tool_id
    empty = ChatMessage(role="tool", content="", additional_kwargs={"tool_call_id": call_id})
    assert llm.chat_with_tools(
        [WEATHER], chat_history=[ChatMessage("What is the weather in Paris?"), first.message, empty]
    )


class City(BaseModel):
    name: str
    people: int


def test_structured_streams_fill_up(llm: AIVideoAPI, sandbox: Sandbox) -> None:
    value = {"name": "Llanfairpwllgwyngyll", "people": 3107}
    sandbox.enqueue(
        Reply(json.dumps(value), pieces=4)
        if llm.model == DIRECT
        else Reply(tool_uses=[{"name": "City", "input": value}], pieces=4)
    )
    seen = list(llm.stream_structured_predict(City, PromptTemplate("{x}"), x="A city"))
    names = [item.name for item in seen]
    assert len(set(names)) > 2
    assert seen[-1] == City(**value)


def test_structured_output_keeps_settings_of_the_call(llm: AIVideoAPI, sandbox: Sandbox) -> None:
    """The peer passes max_tokens twice, which is a TypeError, and forgets the model's own settings."""
    llm.structured_predict(City, PromptTemplate("{x}"), {"max_tokens": 333}, x="A city of 12 people")
    assert sandbox.requests[0].body["max_tokens"] == 333


def test_thinking_blocks_keep_their_place(make_llm: MakeLLM, sandbox: Sandbox) -> None:
    """Fine there by now."""
    sandbox.enqueue(
        Reply("Let me look.", thinking="Hm.", tool_uses=[{"name": "get_weather", "input": {"city": "Oslo"}}])
    )
    last = list(make_llm(thinking=True).stream_chat_with_tools([WEATHER], "Oslo?"))[-1]
    assert isinstance(last.message.blocks[0], ThinkingBlock)
    assert [block.block_type for block in last.message.blocks] == ["thinking", "text", "tool_call"]
