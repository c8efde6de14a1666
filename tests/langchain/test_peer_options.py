"""The same options and the same agent, of ``ChatAnthropic`` and of ours: the same bodies."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from langchain.agents import create_agent
from langchain_anthropic.middleware import AnthropicPromptCachingMiddleware
from langchain_core.language_models import BaseChatModel
from langchain_core.tools import tool
from langchain_peer import FIVE, HELLO, HOUR, bodies_of, both_models, normal, now, unchanged
from pydantic import BaseModel, Field

from aivideoapi_core.sandbox import Reply, Sandbox
from langchain_aivideoapi import AIVideoAPIPromptCachingMiddleware


@tool
def get_weather(city: str, unit: str = "celsius") -> str:
    """The weather in a city."""
    return f"Sunny in {city}, in {unit}."


class Person(BaseModel):
    """Somebody."""

    name: str = Field(description="The name of the person.")
    age: int


WEATHER = {"name": "get_weather", "input": {"city": "Paris"}}
OPTIONS = [
    pytest.param({"temperature": 0.3}, unchanged, id="temperature"),
    pytest.param({"top_p": 0.9, "top_k": 5}, unchanged, id="top_p, top_k"),
    pytest.param({"stop": ["END", "STOP"]}, unchanged, id="stop"),
    pytest.param({}, lambda model: model.bind(stop=["END"]), id="stop, per call"),
    pytest.param({"thinking": {"type": "enabled", "budget_tokens": 1024}}, unchanged, id="thinking"),
    pytest.param({"thinking": {"type": "adaptive"}, "effort": "max"}, unchanged, id="adaptive, effort"),
    pytest.param({"betas": ["files-api-2025-04-14"]}, unchanged, id="betas"),
    pytest.param({"inference_geo": "us"}, unchanged, id="inference_geo"),
    pytest.param({"output_config": {"effort": "low"}}, unchanged, id="output_config"),
    pytest.param(
        {"mcp_servers": [{"type": "url", "url": "https://x.example", "name": "m"}]}, unchanged, id="mcp"
    ),
    pytest.param({}, lambda model: model.bind(container="c1"), id="container"),
    pytest.param({}, lambda model: model.bind(max_tokens=77), id="max_tokens, per call"),
    pytest.param({}, lambda model: model.bind(model="claude-haiku-4-5/anthropic"), id="model, per call"),
    pytest.param({}, lambda model: model.bind(cache_control=HOUR), id="cache_control, per call"),
    pytest.param({}, lambda model: model.bind(service_tier="auto"), id="service_tier"),
    pytest.param({}, lambda model: model.bind_tools([get_weather, now]), id="tools"),
    pytest.param({}, lambda model: model.bind_tools([Person]), id="a pydantic class as a tool"),
    pytest.param({}, lambda model: model.bind_tools([get_weather], strict=True), id="strict tools"),
    pytest.param({}, lambda model: model.bind_tools([get_weather], tool_choice="any"), id="tool_choice any"),
    pytest.param(
        {}, lambda model: model.bind_tools([get_weather], tool_choice="auto"), id="tool_choice auto"
    ),
    pytest.param(
        {}, lambda model: model.bind_tools([get_weather], tool_choice="get_weather"), id="tool_choice name"
    ),
    pytest.param(
        {},
        lambda model: model.bind_tools([get_weather], parallel_tool_calls=False),
        id="no parallel calls",
    ),
    pytest.param(
        {},
        lambda model: model.bind_tools(
            [{"type": "web_search_20260318", "name": "web_search", "max_uses": 2}]
        ),
        id="a server tool",
    ),
    pytest.param(
        {},
        lambda model: model.bind_tools(
            [
                {
                    "name": "look",
                    "description": "Look.",
                    "input_schema": {"type": "object"},
                    "cache_control": FIVE,
                }
            ]
        ),
        id="a tool in the wire's own shape, cached",
    ),
    pytest.param(
        {}, lambda model: model.with_structured_output(Person, method="json_schema"), id="json_schema"
    ),
]


@pytest.mark.parametrize(("fields", "prepare"), OPTIONS)
def test_the_same_options_are_the_same_body(
    anything: Sandbox, fields: dict[str, Any], prepare: Callable[[BaseChatModel], Any]
) -> None:
    ours, theirs = bodies_of(anything, HELLO, fields, prepare)
    assert ours == theirs


@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize("caching", [False, True], ids=["plain", "cached"])
def test_an_agent_sends_the_same_bodies(sandbox: Sandbox, *, caching: bool, streamed: bool) -> None:
    """Two tool turns with thinking, each with its own prompt-caching middleware, on a sandbox that checks."""
    bodies: list[Any] = []
    middleware = (AIVideoAPIPromptCachingMiddleware(ttl="1h"), AnthropicPromptCachingMiddleware(ttl="1h"))
    for model, cache in zip(
        both_models(sandbox, thinking={"type": "enabled", "budget_tokens": 1024}), middleware, strict=True
    ):
        sandbox.reset()
        sandbox.enqueue(
            Reply("Let me look.", thinking="Weather.", tool_uses=[{"id": "toolu_01", **WEATHER}]),
            Reply(thinking="Time.", tool_uses=[{"id": "toolu_02", "name": "now", "input": {}}]),
            Reply("Sunny, at noon.", thinking="Done."),
        )
        agent = create_agent(
            model, [get_weather, now], system_prompt="Be brief.", middleware=[cache] if caching else []
        )
        question: Any = {"messages": [("user", "What is the weather in Paris, and the time?")]}
        if streamed:
            list(agent.stream(question, stream_mode="messages"))
        else:
            agent.invoke(question)
        bodies.append([normal(request.body) for request in sandbox.requests])
    assert len(bodies[0]) == 3
    assert bodies[0] == bodies[1]
