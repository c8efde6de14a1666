"""The same conversation sent by ``ChatAnthropic`` and by us: the same body, or a difference with a reason.

langchain-anthropic is the reference for what the wire takes; both speak to a sandbox that takes any
body. Two differences are everywhere and taken out by ``_normal``: we always send ``stream`` (its
default differs between the platform's routes), and a plain string may be one text block.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from langchain_anthropic import ChatAnthropic
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage, ToolMessage
from langchain_core.tools import tool
from pydantic import BaseModel, Field

from aivideoapi_core.sandbox import Reply, Sandbox
from langchain_aivideoapi import ChatAIVideoAPI

DIRECT = "claude-sonnet-4-6/anthropic"
PNG = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAIAAACQd1PeAAAADElEQVR4nGP4z8AAAAMBAQDJ/pLvAAAAAElFTkSuQmCC"
PDF = "JVBERi0xLjQKJSVFT0YK"
FIVE = {"type": "ephemeral"}
HOUR = {"type": "ephemeral", "ttl": "1h"}


@tool
def get_weather(city: str, unit: str = "celsius") -> str:
    """The weather in a city."""
    return f"Sunny in {city}, in {unit}."


@tool
def now() -> str:
    """What time it is."""
    return "noon"


class Person(BaseModel):
    """Somebody."""

    name: str = Field(description="The name of the person.")
    age: int


@pytest.fixture
def anything() -> Iterator[Sandbox]:
    """A sandbox that answers any body."""
    with Sandbox(validate=False) as server:
        yield server


def _both(server: Sandbox, **fields: Any) -> tuple[ChatAIVideoAPI, ChatAnthropic]:
    common: dict[str, Any] = {
        "model": DIRECT,
        "base_url": server.url,
        "max_tokens": 2_000,
        "max_retries": 0,
        **fields,
    }
    ours = ChatAIVideoAPI(api_key=server.api_key, **common)
    headers = {"authorization": f"Bearer {server.api_key}"}
    theirs = ChatAnthropic(api_key="sk-test", default_headers=headers, **common)
    return ours, theirs


def _normal(value: Any, key: str = "") -> Any:
    """A body in one spelling: text as blocks, nothing that is ``None``, no ``stream: false``."""
    if isinstance(value, str) and key in ("content", "system"):
        return [{"type": "text", "text": value}]
    if isinstance(value, dict):
        return {
            name: _normal(item, "" if key in ("input", "input_schema", "schema") else name)
            for name, item in value.items()
            if item is not None and not (name == "stream" and item is False)
        }
    if isinstance(value, list):
        return [_normal(item) for item in value]
    return value


def _bodies(
    server: Sandbox, messages: list[Any], fields: dict[str, Any], prepare: Callable[[BaseChatModel], Any]
) -> tuple[Any, Any]:
    for model in _both(server, **fields):
        server.enqueue(Reply('{"name": "Erick", "age": 27}'))
        prepare(model).invoke(messages)
    ours, theirs = (request.body for request in server.requests)
    return _normal(ours), _normal(theirs)


def _plain(model: BaseChatModel) -> Any:
    return model


CALL = {"name": "get_weather", "args": {"city": "Paris"}, "id": "toolu_01", "type": "tool_call"}
SECOND_CALL = {"name": "now", "args": {}, "id": "toolu_02", "type": "tool_call"}
HELLO = [HumanMessage("Hello")]
TOOL_TURN = [
    HumanMessage("What is the weather in Paris, and the time?"),
    AIMessage("Let me look.", tool_calls=[CALL, SECOND_CALL]),
    ToolMessage("Sunny.", tool_call_id="toolu_01"),
    ToolMessage("noon", tool_call_id="toolu_02"),
]


def _text(text: str, **more: Any) -> dict[str, Any]:
    return {"type": "text", "text": text, **more}


CONVERSATIONS = [
    pytest.param(HELLO, id="one question"),
    pytest.param([SystemMessage("Be brief."), *HELLO], id="system"),
    pytest.param([SystemMessage([_text("Be brief.", cache_control=FIVE)]), *HELLO], id="system, cached"),
    pytest.param([HumanMessage("Hi"), AIMessage("Hello."), HumanMessage("And now?")], id="three turns"),
    pytest.param([HumanMessage("Hi"), HumanMessage("Are you there?")], id="two questions in a row"),
    pytest.param(TOOL_TURN, id="two tools and their results"),
    pytest.param([*TOOL_TURN, HumanMessage("Thanks. And tomorrow?")], id="results, then a question"),
    pytest.param(
        [*TOOL_TURN[:2], ToolMessage("no such city", tool_call_id="toolu_01", status="error"), TOOL_TURN[3]],
        id="a failed tool",
    ),
    pytest.param(
        [
            *TOOL_TURN[:2],
            ToolMessage(
                [_text("Sunny."), {"type": "image", "base64": PNG, "mime_type": "image/png"}],
                tool_call_id="toolu_01",
            ),
            TOOL_TURN[3],
        ],
        id="a picture from a tool",
    ),
    pytest.param(
        [
            HumanMessage(
                [
                    _text("What is this?"),
                    {"type": "image_url", "image_url": {"url": "https://x.example/a.png"}},
                ]
            )
        ],
        id="image by url, as OpenAI has it",
    ),
    pytest.param(
        [
            HumanMessage(
                [_text("What?"), {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PNG}"}}]
            )
        ],
        id="image as a data URI",
    ),
    pytest.param(
        [HumanMessage([_text("What?"), {"type": "image", "base64": PNG, "mime_type": "image/png"}])],
        id="standard image block",
    ),
    pytest.param(
        [HumanMessage([_text("What?"), {"type": "image", "url": "https://x.example/a.png"}])],
        id="standard image block by url",
    ),
    pytest.param(
        [
            HumanMessage(
                [{"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PNG}}]
            )
        ],
        id="the wire's own image block",
    ),
    pytest.param(
        [HumanMessage([_text("Sum up."), {"type": "file", "base64": PDF, "mime_type": "application/pdf"}])],
        id="standard PDF block",
    ),
    pytest.param(
        [
            HumanMessage(
                [
                    {
                        "type": "document",
                        "source": {"type": "text", "media_type": "text/plain", "data": "Cats purr."},
                        "title": "Cats",
                        "citations": {"enabled": True},
                    },
                    _text("What do cats do?", cache_control=HOUR),
                ]
            )
        ],
        id="document with citations, cached for an hour",
    ),
    pytest.param(
        [
            HumanMessage("Why?"),
            AIMessage(
                [
                    {"type": "thinking", "thinking": "Because.", "signature": "c2ln"},
                    {"type": "redacted_thinking", "data": "ZGF0YQ=="},
                    _text("So it is."),
                    {"type": "tool_use", "id": "toolu_01", "name": "get_weather", "input": {"city": "Paris"}},
                ],
                tool_calls=[CALL],
            ),
            ToolMessage("Sunny.", tool_call_id="toolu_01"),
        ],
        id="thinking goes back",
    ),
    pytest.param(
        [
            HumanMessage("Search."),
            AIMessage(
                [
                    {
                        "type": "server_tool_use",
                        "id": "srvtoolu_1",
                        "name": "web_search",
                        "input": {"query": "cats"},
                    },
                    {"type": "web_search_tool_result", "tool_use_id": "srvtoolu_1", "content": []},
                    _text("Nothing."),
                ]
            ),
            HumanMessage("Try again."),
        ],
        id="server tools go back",
    ),
]


@pytest.mark.parametrize("messages", CONVERSATIONS)
def test_the_same_conversation_is_the_same_body(anything: Sandbox, messages: list[Any]) -> None:
    ours, theirs = _bodies(anything, messages, {}, _plain)
    assert ours == theirs


OPTIONS = [
    pytest.param({"temperature": 0.3}, _plain, id="temperature"),
    pytest.param({"top_p": 0.9, "top_k": 5}, _plain, id="top_p, top_k"),
    pytest.param({"stop": ["END", "STOP"]}, _plain, id="stop"),
    pytest.param({}, lambda model: model.bind(stop=["END"]), id="stop, per call"),
    pytest.param({"thinking": {"type": "enabled", "budget_tokens": 1024}}, _plain, id="thinking"),
    pytest.param({"thinking": {"type": "adaptive"}, "effort": "max"}, _plain, id="adaptive, effort"),
    pytest.param({"model_kwargs": {"metadata": {"user_id": "u1"}}}, _plain, id="metadata"),
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
    ours, theirs = _bodies(anything, HELLO, fields, prepare)
    assert ours == theirs
