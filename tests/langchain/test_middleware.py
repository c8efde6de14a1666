"""Prompt caching for agents: where the breakpoints are on the wire, and what becomes of them on a fallback."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from langchain.agents import create_agent
from langchain.agents.middleware import ModelFallbackMiddleware, wrap_model_call
from langchain_core.exceptions import ModelInvalidRequestError
from langchain_core.language_models import GenericFakeChatModel
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage
from langchain_core.tools import tool

from aivideoapi_core.sandbox import Fault, Sandbox
from langchain_aivideoapi import AIVideoAPIPromptCachingMiddleware, ChatAIVideoAPI

DIRECT = "claude-sonnet-4-6/anthropic"
OTHER_DIRECT = "claude-opus-4-6/anthropic"
NATIVE = "claude-sonnet-4-6"
FIVE = {"type": "ephemeral", "ttl": "5m"}
HOUR = {"type": "ephemeral", "ttl": "1h"}
BARE = {"type": "ephemeral"}

Model = Callable[..., ChatAIVideoAPI]


@tool
def get_weather(city: str) -> str:
    """The weather in a city."""
    return f"It is sunny in {city}."


@tool
def get_time(city: str) -> str:
    """The time in a city."""
    return f"It is noon in {city}."


@tool(extras={"provider_tool_definition": {"type": "memory_20250818", "name": "memory"}})
def memory(command: str) -> str:
    """Where the platform's memory tool keeps its files."""
    return command


@pytest.fixture
def model(sandbox: Sandbox) -> Model:
    def make(name: str = DIRECT, **fields: Any) -> ChatAIVideoAPI:
        return ChatAIVideoAPI(
            model=name, api_key=sandbox.api_key, base_url=sandbox.url, max_tokens=200, max_retries=0, **fields
        )

    return make


def breakpoints(value: Any, path: str = "") -> Iterator[tuple[str, dict[str, str]]]:
    """Every ``cache_control`` of a body, in the order of the body, with the path to it."""
    if isinstance(value, dict):
        for key, item in value.items():
            if key == "cache_control":
                yield path or ".", item
            elif key not in ("input_schema", "input"):
                yield from breakpoints(item, f"{path}.{key}" if path else key)
    elif isinstance(value, list):
        for number, item in enumerate(value):
            yield from breakpoints(item, f"{path}[{number}]")


def sent(sandbox: Sandbox) -> list[dict[str, dict[str, str]]]:
    """The breakpoints of each request, by path."""
    return [dict(breakpoints(request.body)) for request in sandbox.requests]


ALL_THREE = {"system[0]": FIVE, "tools[1]": FIVE, ".": FIVE}


def _run(agent: Any, text: str = "Hello") -> dict[str, Any]:
    result: dict[str, Any] = agent.invoke({"messages": [("user", text)]})
    return result


@pytest.mark.parametrize("ttl", ["5m", "1h"])
def test_breakpoints_on_system_tools_and_last_message(model: Model, sandbox: Sandbox, ttl: Any) -> None:
    agent = create_agent(
        model(),
        [get_time, get_weather],
        system_prompt="Be brief.",
        middleware=[AIVideoAPIPromptCachingMiddleware(ttl=ttl)],
    )
    result = _run(agent, "What is the weather in Paris?")
    mark = {"type": "ephemeral", "ttl": ttl}
    assert sent(sandbox) == [{"system[0]": mark, "tools[1]": mark, ".": mark}] * 2
    usage = [message.usage_metadata for message in result["messages"] if isinstance(message, AIMessage)]
    written = [sum(v for k, v in u["input_token_details"].items() if k != "cache_read") for u in usage]
    assert written[0] > 0
    assert usage[1]["input_token_details"]["cache_read"] >= written[0]


async def test_async_is_the_same(model: Model, sandbox: Sandbox) -> None:
    agent = create_agent(
        model(),
        [get_time, get_weather],
        system_prompt="Be brief.",
        middleware=[AIVideoAPIPromptCachingMiddleware()],
    )
    await agent.ainvoke({"messages": [("user", "Hello")]})
    assert sent(sandbox) == [ALL_THREE]


@pytest.mark.parametrize(
    ("system", "tools", "expected"),
    [
        pytest.param(None, [], {".": FIVE}, id="no system, no tools"),
        pytest.param("Be brief.", [], {"system[0]": FIVE, ".": FIVE}, id="no tools"),
        pytest.param(None, [get_time], {"tools[0]": FIVE, ".": FIVE}, id="no system"),
        pytest.param(
            SystemMessage([{"type": "text", "text": "Be brief."}, {"type": "text", "text": "Be kind."}]),
            [get_time],
            {"system[1]": FIVE, "tools[0]": FIVE, ".": FIVE},
            id="two system blocks",
        ),
        pytest.param(
            None,
            [{"name": "lookup", "description": "Look it up.", "input_schema": {"type": "object"}}],
            {"tools[0]": FIVE, ".": FIVE},
            id="tool as a dict",
        ),
        pytest.param(None, [memory], {"tools[0]": FIVE, ".": FIVE}, id="tool of the platform's own"),
    ],
)
def test_what_there_is_gets_a_breakpoint(
    model: Model, sandbox: Sandbox, system: Any, tools: Any, expected: Any
) -> None:
    _run(create_agent(model(), tools, system_prompt=system, middleware=[AIVideoAPIPromptCachingMiddleware()]))
    assert sent(sandbox) == [expected]


def _text(text: str, mark: dict[str, str] | None = None) -> dict[str, Any]:
    block: dict[str, Any] = {"type": "text", "text": text}
    return {**block, "cache_control": mark} if mark else block


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        pytest.param(
            [_text("one", BARE), _text("two")],
            {**ALL_THREE, "messages[0].content[0]": BARE},
            id="one of the caller's: all of ours",
        ),
        pytest.param(
            [_text("one", BARE), _text("two", BARE), _text("three")],
            {"system[0]": FIVE, ".": FIVE, "messages[0].content[0]": BARE, "messages[0].content[1]": BARE},
            id="two: no room for the tools",
        ),
        pytest.param(
            [_text("one", BARE), _text("two", BARE), _text("three", BARE), _text("four")],
            {"system[0]": FIVE, **{f"messages[0].content[{n}]": BARE for n in range(3)}},
            id="three: the system prompt alone",
        ),
        pytest.param(
            [_text("one", BARE), _text("two", BARE), _text("three", BARE), _text("four", BARE)],
            {f"messages[0].content[{n}]": BARE for n in range(4)},
            id="four: none of ours",
        ),
        pytest.param(
            [_text("one", BARE)],
            {"system[0]": FIVE, "tools[1]": FIVE, "messages[0].content[0]": BARE},
            id="the last block has one already",
        ),
        pytest.param(
            [_text("one", HOUR), _text("two")],
            {"system[0]": HOUR, "tools[1]": HOUR, ".": FIVE, "messages[0].content[0]": HOUR},
            id="an hour later on: ours before it too",
        ),
    ],
)
def test_the_callers_own_breakpoints_count(
    model: Model, sandbox: Sandbox, content: Any, expected: Any
) -> None:
    agent = create_agent(
        model(),
        [get_time, get_weather],
        system_prompt="Be brief.",
        middleware=[AIVideoAPIPromptCachingMiddleware()],
    )
    agent.invoke({"messages": [HumanMessage(content)]})
    assert sent(sandbox) == [expected]


def test_a_short_life_before_ours_shortens_ours(model: Model, sandbox: Sandbox) -> None:
    """The wire refuses an hour after five minutes."""
    system = SystemMessage([_text("Be brief.", FIVE), _text("Be kind.")])
    agent = create_agent(
        model(), [get_time], system_prompt=system, middleware=[AIVideoAPIPromptCachingMiddleware(ttl="1h")]
    )
    _run(agent)
    assert sent(sandbox) == [{"tools[0]": HOUR, "system[0]": FIVE, "system[1]": FIVE, ".": FIVE}]


def test_nothing_of_the_callers_is_changed(model: Model) -> None:
    system = SystemMessage([_text("Be brief.")])
    messages = [HumanMessage([_text("Hello")])]
    tools: list[Any] = [get_time, get_weather]

    def seen() -> Any:
        return system.content, messages[0].content, [item.extras for item in tools]

    before = copy.deepcopy(seen())
    agent = create_agent(
        model(), tools, system_prompt=system, middleware=[AIVideoAPIPromptCachingMiddleware()]
    )
    agent.invoke({"messages": messages})
    assert seen() == before


def test_from_how_many_messages_on(model: Model, sandbox: Sandbox) -> None:
    agent = create_agent(
        model(),
        [get_time, get_weather],
        system_prompt="Be brief.",
        middleware=[AIVideoAPIPromptCachingMiddleware(min_messages_to_cache=3)],
    )
    _run(agent, "What is the weather in Paris?")
    assert sent(sandbox) == [{}, ALL_THREE]


def test_the_native_route_is_told_about_and_works(model: Model, sandbox: Sandbox) -> None:
    agent = create_agent(
        model(NATIVE), system_prompt="Be brief.", middleware=[AIVideoAPIPromptCachingMiddleware()]
    )
    with pytest.warns(UserWarning, match=r"native route.*model='claude-sonnet-4-6/anthropic'"):
        _run(agent)
    assert sent(sandbox) == [{}]


def test_ignore_is_silent(model: Model, sandbox: Sandbox) -> None:
    agent = create_agent(
        model(NATIVE), middleware=[AIVideoAPIPromptCachingMiddleware(unsupported_model_behavior="ignore")]
    )
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        _run(agent)
    assert sent(sandbox) == [{}]


def test_raise_stops_before_any_request(model: Model, sandbox: Sandbox) -> None:
    agent = create_agent(
        model(NATIVE), middleware=[AIVideoAPIPromptCachingMiddleware(unsupported_model_behavior="raise")]
    )
    with pytest.raises(ModelInvalidRequestError, match="native route"):
        _run(agent)
    assert not sandbox.requests


def test_another_providers_model_is_named(sandbox: Sandbox) -> None:
    fake = GenericFakeChatModel(messages=iter([AIMessage("Hi")]))
    agent = create_agent(fake, middleware=[AIVideoAPIPromptCachingMiddleware()])
    with pytest.warns(UserWarning, match="GenericFakeChatModel is not ChatAIVideoAPI"):
        _run(agent)


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ({"ttl": "2h"}, "ttl"),
        ({"unsupported_model_behavior": "explode"}, "unsupported_model_behavior"),
    ],
)
def test_bad_arguments(arguments: dict[str, Any], named: str) -> None:
    with pytest.raises(ValueError, match=named):
        AIVideoAPIPromptCachingMiddleware(**arguments)


@pytest.mark.parametrize("caching_first", [True, False], ids=["caching, fallback", "fallback, caching"])
@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        pytest.param(DIRECT, OTHER_DIRECT, [ALL_THREE, ALL_THREE], id="direct to direct keeps them"),
        pytest.param(DIRECT, NATIVE, [ALL_THREE, {}], id="direct to native drops them"),
        pytest.param(NATIVE, DIRECT, [{}, ALL_THREE], id="native to direct gains them"),
    ],
)
def test_fallback(
    model: Model, sandbox: Sandbox, first: str, second: str, expected: Any, *, caching_first: bool
) -> None:
    caching = AIVideoAPIPromptCachingMiddleware(unsupported_model_behavior="ignore")
    fallback = ModelFallbackMiddleware(model(second))
    agent = create_agent(
        model(first),
        [get_time, get_weather],
        system_prompt="Be brief.",
        middleware=[caching, fallback] if caching_first else [fallback, caching],
    )
    sandbox.enqueue(Fault.error("upstream_error"))
    assert _run(agent)["messages"][-1].text
    assert sent(sandbox) == expected
    assert [request.body["model"] for request in sandbox.requests] == [first, second]


async def test_fallback_async_through_three_models(model: Model, sandbox: Sandbox) -> None:
    agent = create_agent(
        model(),
        [get_time, get_weather],
        system_prompt="Be brief.",
        middleware=[
            AIVideoAPIPromptCachingMiddleware(unsupported_model_behavior="ignore"),
            ModelFallbackMiddleware(model(NATIVE), model(OTHER_DIRECT)),
        ],
    )
    sandbox.enqueue(Fault.error("upstream_error"), Fault.error("upstream_error"))
    await agent.ainvoke({"messages": [("user", "Hello")]})
    assert sent(sandbox) == [ALL_THREE, {}, ALL_THREE]


def test_the_callers_own_breakpoints_survive_a_fallback(model: Model, sandbox: Sandbox) -> None:
    """LangChain's fallback takes every ``cache_control`` away from models that it does not know."""
    agent = create_agent(
        model(),
        [get_time, get_weather],
        system_prompt=SystemMessage([_text("Be brief.", FIVE)]),
        middleware=[AIVideoAPIPromptCachingMiddleware(), ModelFallbackMiddleware(model(OTHER_DIRECT))],
    )
    sandbox.enqueue(Fault.error("upstream_error"))
    agent.invoke({"messages": [HumanMessage([_text("one", FIVE), _text("two")])]})
    first, second = sent(sandbox)
    assert first == second == {**ALL_THREE, "messages[0].content[0]": FIVE}


def test_a_fallback_to_another_provider_is_clean(model: Model, sandbox: Sandbox) -> None:
    seen: list[Any] = []

    class Spy(GenericFakeChatModel):
        def _generate(self, messages: Any, stop: Any = None, run_manager: Any = None, **kwargs: Any) -> Any:
            seen.append((messages, kwargs))
            return super()._generate(messages, stop, run_manager, **kwargs)

    agent = create_agent(
        model(),
        system_prompt="Be brief.",
        middleware=[
            AIVideoAPIPromptCachingMiddleware(),
            ModelFallbackMiddleware(Spy(messages=iter([AIMessage("Hi")]))),
        ],
    )
    sandbox.enqueue(Fault.error("upstream_error"))
    with pytest.warns(UserWarning, match="Spy is not ChatAIVideoAPI"):
        _run(agent)
    ((messages, kwargs),) = seen
    assert "cache_control" not in str([message.content for message in messages])
    assert "cache_control" not in kwargs


@pytest.mark.parametrize(
    ("target", "expected"), [(NATIVE, {}), (OTHER_DIRECT, ALL_THREE)], ids=["native", "direct"]
)
def test_a_router_after_us_may_change_the_model(
    model: Model, sandbox: Sandbox, target: str, expected: Any
) -> None:
    @wrap_model_call
    def route(request: Any, handler: Any) -> Any:
        return handler(request.override(model=model(target)))

    agent = create_agent(
        model(),
        [get_time, get_weather],
        system_prompt="Be brief.",
        middleware=[AIVideoAPIPromptCachingMiddleware(unsupported_model_behavior="ignore"), route],
    )
    _run(agent)
    assert sent(sandbox) == [expected]


def test_middleware_after_us_may_change_the_rest(model: Model, sandbox: Sandbox) -> None:
    """What later middleware changed stays changed, through a fallback too."""

    @wrap_model_call
    def edit(request: Any, handler: Any) -> Any:
        return handler(
            request.override(
                tools=request.tools[1:],
                system_message=SystemMessage([*request.system_message.content_blocks, _text("Be kind.")]),
                model_settings={**request.model_settings, "temperature": 0.5},
            )
        )

    agent = create_agent(
        model(),
        [get_time, get_weather],
        system_prompt="Be brief.",
        middleware=[
            AIVideoAPIPromptCachingMiddleware(unsupported_model_behavior="ignore"),
            edit,
            ModelFallbackMiddleware(model(NATIVE), model(OTHER_DIRECT)),
        ],
    )
    sandbox.enqueue(Fault.error("upstream_error"), Fault.error("upstream_error"))
    _run(agent)
    bodies = [request.body for request in sandbox.requests]
    assert [body["temperature"] for body in bodies] == [0.5] * 3
    assert [[item["name"] for item in body["tools"]] for body in bodies] == [["get_weather"]] * 3
    assert [len(body["system"]) for body in bodies] == [2] * 3
    assert sent(sandbox)[1] == {}
    assert sent(sandbox)[2] == {"system[1]": FIVE, "tools[0]": FIVE, ".": FIVE}


def test_a_model_named_in_the_settings_decides(model: Model, sandbox: Sandbox) -> None:
    @wrap_model_call
    def settle(request: Any, handler: Any) -> Any:
        return handler(request.override(model_settings={**request.model_settings, "model": NATIVE}))

    caching = AIVideoAPIPromptCachingMiddleware(unsupported_model_behavior="ignore")
    for order in ([settle, caching], [caching, settle]):
        _run(create_agent(model(), system_prompt="Be brief.", middleware=order))
    assert sent(sandbox) == [{}, {}]
    assert {request.body["model"] for request in sandbox.requests} == {NATIVE}
