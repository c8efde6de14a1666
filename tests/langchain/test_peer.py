"""The same conversation sent by ``ChatAnthropic`` and by us: the same body, or a difference with a reason.

langchain-anthropic is the reference for what the wire takes; both speak to a sandbox that takes any
body. Two differences are everywhere and taken out by ``_normal``: we always send ``stream`` (its
default differs between the platform's routes), and a plain string may be one text block.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from langchain.agents import create_agent
from langchain_anthropic import ChatAnthropic
from langchain_anthropic.middleware import AnthropicPromptCachingMiddleware
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage, ToolMessage
from langchain_core.tools import tool
from pydantic import BaseModel, Field

from aivideoapi_core.sandbox import Reply, Sandbox
from langchain_aivideoapi import AIVideoAPIPromptCachingMiddleware, ChatAIVideoAPI

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


@tool(extras={"cache_control": {"type": "ephemeral"}, "defer_loading": True})
def cached_tool(place: str) -> str:
    """A tool that says how it is to be sent."""
    return place


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


WEATHER = {"name": "get_weather", "input": {"city": "Paris"}}
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
    pytest.param([SystemMessage("Be brief."), SystemMessage("Be kind."), *HELLO], id="two system messages"),
    pytest.param([HumanMessage(["One.", _text("Two.")])], id="a string among the blocks"),
    pytest.param(
        [HumanMessage("Hi", name="bob"), AIMessage("Hello.", name="al"), HumanMessage("So?")], id="names"
    ),
    pytest.param([HumanMessage([_text("One."), _text("")])], id="an empty text block"),
    pytest.param(
        [HumanMessage("Hi"), AIMessage([_text("Hello.", cache_control=FIVE)]), HumanMessage("So?")],
        id="an answer, cached",
    ),
    pytest.param(
        [HumanMessage([{"type": "file", "url": "https://x.example/a.pdf", "mime_type": "application/pdf"}])],
        id="standard PDF block by url",
    ),
    pytest.param([HumanMessage([{"type": "file", "file_id": "file_1"}])], id="a file's id"),
    pytest.param([HumanMessage([{"type": "image", "file_id": "file_1"}])], id="an image's file id"),
    pytest.param([HumanMessage([{"type": "file", "source_type": "id", "id": "file_1"}])], id="v0 file id"),
    pytest.param(
        [HumanMessage([{"type": "image", "source_type": "url", "url": "https://x.example/a.png"}])],
        id="v0 image by url",
    ),
    pytest.param(
        [
            HumanMessage(
                [
                    {
                        "type": "image",
                        "source_type": "base64",
                        "data": PNG,
                        "mime_type": "image/png",
                        "cache_control": FIVE,
                    }
                ]
            )
        ],
        id="v0 image, cached",
    ),
    pytest.param(
        [
            HumanMessage(
                [
                    {
                        "type": "image",
                        "base64": PNG,
                        "mime_type": "image/png",
                        "extras": {"cache_control": FIVE},
                    }
                ]
            )
        ],
        id="standard image block, cached",
    ),
    pytest.param(
        [HumanMessage([{"type": "text-plain", "text": "Cats.", "mime_type": "text/plain"}])],
        id="standard plain text block",
    ),
    pytest.param(
        [HumanMessage([{"type": "container_upload", "file_id": "file_1"}, _text("Run it.")])], id="upload"
    ),
    pytest.param([*TOOL_TURN, HumanMessage("One."), HumanMessage("Two.")], id="results, then two questions"),
    pytest.param(
        [
            HumanMessage("Look."),
            AIMessage("", tool_calls=[CALL]),
            ToolMessage(
                [{"type": "search_result", "source": "s", "title": "t", "content": [_text("c")]}],
                tool_call_id="toolu_01",
            ),
        ],
        id="a search result from a tool",
    ),
    pytest.param(
        [
            HumanMessage("Look."),
            AIMessage(
                [
                    _text("Let me look."),
                    {"type": "tool_use", "id": "toolu_01", "name": "get_weather", "input": {}, "index": 1},
                ],
                tool_calls=[CALL],
            ),
            ToolMessage("Sunny.", tool_call_id="toolu_01"),
        ],
        id="a streamed tool call goes back with its arguments",
    ),
    pytest.param(
        [
            HumanMessage("Why?"),
            AIMessage(
                [
                    _text(
                        "So.",
                        citations=[
                            {
                                "type": "char_location",
                                "cited_text": "c",
                                "document_index": 0,
                                "document_title": None,
                                "start_char_index": 0,
                                "end_char_index": 1,
                            }
                        ],
                    )
                ]
            ),
            HumanMessage("Sure?"),
        ],
        id="citations go back",
    ),
    pytest.param(
        [
            HumanMessage("Why?"),
            AIMessage(
                [
                    {"type": "reasoning", "reasoning": "Because.", "extras": {"signature": "c2ln"}},
                    _text("So it is."),
                ],
                response_metadata={"output_version": "v1", "model_provider": "anthropic"},
            ),
            HumanMessage("Sure?"),
        ],
        id="standard reasoning goes back",
    ),
    pytest.param(
        [
            HumanMessage("Why?"),
            AIMessage([{"type": "thinking", "thinking": "", "signature": "c2ln"}, _text("So it is.")]),
            HumanMessage("Sure?"),
        ],
        id="a signature without thinking goes back",
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
    pytest.param({"betas": ["files-api-2025-04-14"]}, _plain, id="betas"),
    pytest.param({"inference_geo": "us"}, _plain, id="inference_geo"),
    pytest.param({"output_config": {"effort": "low"}}, _plain, id="output_config"),
    pytest.param(
        {"mcp_servers": [{"type": "url", "url": "https://x.example", "name": "m"}]}, _plain, id="mcp"
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
    ours, theirs = _bodies(anything, HELLO, fields, prepare)
    assert ours == theirs


@pytest.mark.parametrize("messages", CONVERSATIONS[:8])
def test_streamed_it_is_the_same_body(anything: Sandbox, messages: list[Any]) -> None:
    for model in _both(anything):
        list(model.stream(messages))
    ours, theirs = (_normal(request.body) for request in anything.requests)
    assert ours == theirs


@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize("caching", [False, True], ids=["plain", "cached"])
def test_an_agent_sends_the_same_bodies(sandbox: Sandbox, *, caching: bool, streamed: bool) -> None:
    """Two tool turns with thinking, each with its own prompt-caching middleware, on a sandbox that checks."""
    bodies: list[Any] = []
    middleware = (AIVideoAPIPromptCachingMiddleware(ttl="1h"), AnthropicPromptCachingMiddleware(ttl="1h"))
    for model, cache in zip(
        _both(sandbox, thinking={"type": "enabled", "budget_tokens": 1024}), middleware, strict=True
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
        bodies.append([_normal(request.body) for request in sandbox.requests])
    assert len(bodies[0]) == 3
    assert bodies[0] == bodies[1]


def _one_by_one(
    server: Sandbox, messages: list[Any], prepare: Callable[[BaseChatModel], Any] = _plain, **fields: Any
) -> tuple[Any, Any]:
    """The body that each sends, or the error that each raises instead."""
    seen: list[Any] = []
    for model in _both(server, **fields):
        before = len(server.requests)
        server.enqueue(Reply("Fine."))
        try:
            prepare(model).invoke(messages)
        except (ValueError, TypeError) as error:
            seen.append(error)
        if len(server.requests) > before:
            seen.append(_normal(server.requests[-1].body))
        server.reset()
    return seen[0], seen[1]


def test_difference_system_messages_that_are_not_first(anything: Sandbox) -> None:
    """Theirs refuses the conversation; ours sends the words where the wire has a place for them."""
    ours, theirs = _one_by_one(anything, [SystemMessage("One."), *HELLO, SystemMessage("Two.")])
    assert isinstance(theirs, ValueError)
    assert [block["text"] for block in ours["system"]] == ["One.", "Two."]


def test_difference_default_max_tokens(anything: Sandbox) -> None:
    """Theirs does not know the id with the route's suffix and cuts every answer at 4,096 tokens."""
    ours, theirs = _one_by_one(anything, HELLO, max_tokens=None)
    assert theirs["max_tokens"] == 4_096
    assert ours["max_tokens"] == 32_000


def test_difference_wire_metadata(anything: Sandbox) -> None:
    """``metadata`` is a field of LangChain's models, for traces; theirs never sends the wire's."""
    with pytest.warns(UserWarning, match="metadata"):
        ours, theirs = _one_by_one(anything, HELLO, model_kwargs={"metadata": {"user_id": "u1"}})
    assert "metadata" not in theirs
    assert ours["metadata"] == {"user_id": "u1"}


def test_difference_tool_choice_none(anything: Sandbox) -> None:
    """Theirs asks for a tool of the name "none"; ours says that no tool may be called."""
    ours, theirs = _one_by_one(anything, HELLO, lambda model: model.bind_tools([now], tool_choice="none"))
    assert theirs["tool_choice"] == {"type": "tool", "name": "none"}
    assert ours["tool_choice"] == {"type": "none"}


def test_difference_a_cached_tool_result(anything: Sandbox) -> None:
    """Theirs moves the breakpoint from the text to the result around it; ours leaves it where it was put."""
    messages = [
        *TOOL_TURN[:2],
        ToolMessage([_text("Sunny.", cache_control=FIVE)], tool_call_id="toolu_01"),
        TOOL_TURN[3],
    ]
    ours, theirs = _one_by_one(anything, messages)
    assert theirs["messages"][2]["content"][0]["cache_control"] == FIVE
    assert ours["messages"][2]["content"][0]["content"] == [_text("Sunny.", cache_control=FIVE)]


def test_difference_an_empty_tool_result(anything: Sandbox) -> None:
    """The wire's content is optional there; theirs sends an empty list or string, ours leaves it out."""
    ours, theirs = _one_by_one(
        anything, [*TOOL_TURN[:2], ToolMessage([], tool_call_id="toolu_01"), TOOL_TURN[3]]
    )
    assert theirs["messages"][2]["content"][0].pop("content") == []
    assert ours == theirs


def test_difference_arguments_that_do_not_parse(anything: Sandbox) -> None:
    """Theirs shows the model an empty call; ours shows it the text that it wrote, so that it can do better."""
    broken = {"name": "now", "args": '{"a', "id": "toolu_01", "error": "cut", "type": "invalid_tool_call"}
    messages = [
        HumanMessage("Hi"),
        AIMessage("", invalid_tool_calls=[broken]),
        ToolMessage("?", tool_call_id="toolu_01"),
    ]
    ours, theirs = _one_by_one(anything, messages)
    assert theirs["messages"][1]["content"][0]["input"] == {}
    assert '{"a' in str(ours["messages"][1]["content"][0]["input"])


def test_difference_a_pdf_has_its_name(anything: Sandbox) -> None:
    """OpenAI's file block names the file; theirs drops the name, ours sends it as the document's title."""
    file = {"filename": "cats.pdf", "file_data": f"data:application/pdf;base64,{PDF}"}
    ours, theirs = _one_by_one(anything, [HumanMessage([{"type": "file", "file": file}])])
    assert ours["messages"][0]["content"][0].pop("title") == "cats.pdf"
    assert ours == theirs


def test_difference_thinking_without_a_signature(anything: Sandbox) -> None:
    """The wire refuses it, so theirs gets a 400; ours keeps the words, as text."""
    messages = [
        HumanMessage("Why?"),
        AIMessage([{"type": "thinking", "thinking": "Because."}, _text("So.")]),
        *HELLO,
    ]
    ours, theirs = _one_by_one(anything, messages)
    assert "signature" not in theirs["messages"][1]["content"][0]
    assert ours["messages"][1]["content"][0]["type"] == "text"
    assert "Because." in ours["messages"][1]["content"][0]["text"]


def test_difference_beta_fields_of_the_body(anything: Sandbox) -> None:
    """Theirs passes it to an SDK method that lacks it unless a beta is named, too; ours sends it."""
    edits = {"edits": [{"type": "clear_tool_uses_20250919"}]}
    ours, theirs = _one_by_one(anything, HELLO, context_management=edits)
    assert isinstance(theirs, TypeError)
    assert ours["context_management"] == edits


def test_difference_unknown_content_is_an_error_that_names_it(anything: Sandbox) -> None:
    """Theirs sends anything and lets the wire say 400; ours names the place and how to send it all the same."""
    block = {"type": "mystery", "x": 1}
    ours, theirs = _one_by_one(anything, [HumanMessage([block])])
    assert theirs["messages"][0]["content"] == [block]
    assert "messages[0].content[0]" in str(ours)
    ours, _ = _one_by_one(anything, [HumanMessage([{"type": "non_standard", "value": block}])])
    assert ours["messages"][0]["content"] == [block]


def test_difference_headers(anything: Sandbox) -> None:
    """The platform wants a Bearer key and shows no version header; theirs sends the official pair."""
    for model in _both(anything):
        model.invoke("Hello")
    ours, theirs = (request.headers for request in anything.requests)
    assert "anthropic-version" in theirs
    assert not {"x-api-key", "anthropic-version"} & ours.keys()
    assert ours["authorization"] == "Bearer ***"
