"""Tokens and credits are the same figure wherever LangChain shows them."""

from __future__ import annotations

import pickle
import uuid
from collections.abc import Callable
from typing import Any

import pytest
from langchain.agents import create_agent
from langchain_core.callbacks import get_usage_metadata_callback
from langchain_core.load import dumps, loads
from langchain_core.messages import AIMessage, AIMessageChunk
from langchain_core.tools import tool
from langchain_core.tracers.base import BaseTracer
from langchain_core.tracers.schemas import Run
from langgraph.checkpoint.memory import InMemorySaver

from aivideoapi_core.sandbox import Reply, Sandbox
from langchain_aivideoapi import AIVideoAPIPromptCachingMiddleware, ChatAIVideoAPI

NATIVE = "claude-sonnet-4-6"
DIRECT = "claude-sonnet-4-6/anthropic"
BOTH_ROUTES = pytest.mark.parametrize("model_id", [NATIVE, DIRECT])
USAGE = {"input_tokens": 18, "output_tokens": 42}
CACHED = {
    "input_tokens": 18,
    "output_tokens": 42,
    "cache_read_input_tokens": 1_000,
    "cache_creation_input_tokens": 300,
    "cache_creation": {"ephemeral_5m_input_tokens": 100, "ephemeral_1h_input_tokens": 200},
}
MICRO = {NATIVE: 18 * 300 + 42 * 1_500, DIRECT: 18 * 883 + 42 * 4_412}
CACHED_MICRO = MICRO[DIRECT] + 1_000 * 89 + 100 * 1_103 + 200 * 1_765
REPORTED = {NATIVE: {"credits_consumed": 0.06}, DIRECT: {}}

Model = Callable[..., ChatAIVideoAPI]


@pytest.fixture
def model(sandbox: Sandbox) -> Model:
    def make(model_id: str) -> ChatAIVideoAPI:
        return ChatAIVideoAPI(model=model_id, api_key=sandbox.api_key, base_url=sandbox.url)

    return make


def _summed(chunks: Any) -> AIMessageChunk:
    total: AIMessageChunk | None = None
    for chunk in chunks:
        total = chunk if total is None else total + chunk
    assert total is not None
    return total


def _facts(message: AIMessage) -> tuple[Any, Any]:
    """Usage as a plain dict, and the platform's own figure where there is one."""
    reported = {key: value for key, value in message.response_metadata.items() if key == "credits_consumed"}
    return dict(message.usage_metadata or {}), reported


async def _every_road(chat: ChatAIVideoAPI) -> dict[str, AIMessage]:
    """The answer by each way to get it."""
    async_chunks = [chunk async for chunk in chat.astream("Hello")]
    v2 = [event async for event in chat.astream_events("Hello", version="v2")]
    return {
        "invoke": chat.invoke("Hello"),
        "ainvoke": await chat.ainvoke("Hello"),
        "stream": _summed(chat.stream("Hello")),
        "astream": _summed(async_chunks),
        "events v2": v2[-1]["data"]["output"],
        "events v3": chat.stream_events("Hello", version="v3").output,
        "async events v3": await (await chat.astream_events("Hello", version="v3")),
        "batch": chat.batch(["Hello"])[0],
    }


@BOTH_ROUTES
async def test_every_road_has_the_same_usage_and_credits(
    model: Model, sandbox: Sandbox, model_id: str
) -> None:
    sandbox.enqueue(*[Reply("Hi there.", usage=USAGE)] * 8)
    roads = await _every_road(model(model_id))
    for road, message in roads.items():
        usage, reported = _facts(message)
        assert usage["credits_consumed_micro"] == MICRO[model_id], road
        assert (usage["input_tokens"], usage["output_tokens"], usage["total_tokens"]) == (18, 42, 60), road
        assert reported == REPORTED[model_id], road
        assert (usage, reported) == _facts(roads["invoke"]), road


async def test_cached_tokens_and_their_price_on_every_road(model: Model, sandbox: Sandbox) -> None:
    sandbox.enqueue(*[Reply("Hi there.", usage=CACHED)] * 8)
    for road, message in (await _every_road(model(DIRECT))).items():
        usage = _facts(message)[0]
        assert usage["input_tokens"] == 18 + 1_000 + 300, road
        assert usage["total_tokens"] == 18 + 1_000 + 300 + 42, road
        assert usage["input_token_details"]["cache_read"] == 1_000, road
        assert usage["credits_consumed_micro"] == CACHED_MICRO, road


@BOTH_ROUTES
def test_usage_callback_over_five_calls(model: Model, sandbox: Sandbox, model_id: str) -> None:
    sandbox.enqueue(*[Reply("Hi there.", usage=USAGE)] * 5)
    chat = model(model_id)
    with get_usage_metadata_callback() as callback:
        chat.invoke("Hello")
        list(chat.stream("Hello"))
        chat.batch(["Hello", "Hello"])
        chat.stream_events("Hello", version="v3").output.text  # noqa: B018 - reading it runs the call
    (usage,) = callback.usage_metadata.values()
    assert usage["total_tokens"] == 5 * 60
    assert usage["credits_consumed_micro"] == 5 * MICRO[model_id] == sandbox.charged_micro


@tool
def get_weather(city: str) -> str:
    """The weather in a city."""
    return f"It is sunny in {city}."


@BOTH_ROUTES
def test_agent_run_adds_up_to_the_ledger(model: Model, sandbox: Sandbox, model_id: str) -> None:
    agent = create_agent(model(model_id), [get_weather], checkpointer=InMemorySaver())
    config: Any = {"configurable": {"thread_id": "one"}}
    with get_usage_metadata_callback() as callback:
        result = agent.invoke({"messages": [("user", "What is the weather in Paris?")]}, config)
    usages = [message.usage_metadata for message in result["messages"] if isinstance(message, AIMessage)]
    (total,) = callback.usage_metadata.values()
    stored = agent.get_state(config).values["messages"]
    assert [message.usage_metadata for message in stored if isinstance(message, AIMessage)] == usages
    assert len(usages) == 2
    assert sum(usage["credits_consumed_micro"] for usage in usages) == sandbox.charged_micro
    assert total["credits_consumed_micro"] == sandbox.charged_micro


def test_a_cached_agent_run_adds_up_to_the_ledger(model: Model, sandbox: Sandbox) -> None:
    """Writes for an hour, reads and fresh tokens have four prices; the sum is exact."""
    agent = create_agent(
        model(DIRECT),
        [get_weather],
        system_prompt="Be brief. " * 200,
        middleware=[AIVideoAPIPromptCachingMiddleware(ttl="1h")],
    )
    result = agent.invoke({"messages": [("user", "What is the weather in Paris?")]})
    usages: list[Any] = [m.usage_metadata for m in result["messages"] if isinstance(m, AIMessage)]
    assert usages[0]["input_token_details"]["cache_creation"] > 0
    assert usages[1]["input_token_details"]["cache_read"] > 0
    assert sum(usage["credits_consumed_micro"] for usage in usages) == sandbox.charged_micro


@BOTH_ROUTES
def test_round_trips_keep_the_figures(model: Model, sandbox: Sandbox, model_id: str) -> None:
    sandbox.enqueue(Reply("Hi there.", usage=USAGE))
    message = model(model_id).invoke("Hello")
    for again in (pickle.loads(pickle.dumps(message)), loads(dumps(message), allowed_objects="messages")):
        assert _facts(again) == _facts(message)


class Tracer(BaseTracer):
    """Keeps what a LangSmith-style tracer would send."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: dict[uuid.UUID, Run] = {}

    def _persist_run(self, run: Run) -> None:
        self.seen[run.id] = run


@BOTH_ROUTES
@pytest.mark.parametrize("road", ["invoke", "stream", "events v3"])
def test_a_tracer_sees_the_same(model: Model, sandbox: Sandbox, model_id: str, road: str) -> None:
    sandbox.enqueue(Reply("Hi there.", usage=USAGE))
    tracer = Tracer()
    chat, config = model(model_id), {"callbacks": [tracer]}
    match road:
        case "invoke":
            chat.invoke("Hello", config)
        case "stream":
            list(chat.stream("Hello", config))
        case _:
            chat.stream_events("Hello", config, version="v3").output.text  # noqa: B018
    (run,) = tracer.seen.values()
    assert run.outputs is not None
    message = run.outputs["generations"][0][0]["message"]["kwargs"]
    assert message["usage_metadata"]["credits_consumed_micro"] == MICRO[model_id]
    assert message["usage_metadata"]["total_tokens"] == 60
    assert message["response_metadata"].get("credits_consumed") == REPORTED[model_id].get("credits_consumed")
    assert (
        run.extra["metadata"]["ls_provider"] == message["response_metadata"]["model_provider"] == "aivideoapi"
    )
    assert run.extra["metadata"]["ls_model_name"] == model_id
    assert sandbox.api_key not in str((run.inputs, run.outputs, run.extra, run.serialized))
