"""Tools and tool choice in every spelling, and what bind_tools sends."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, TypedDict

import pytest
import typing_extensions
from anthropic.types import ToolChoiceParam, ToolUnionParam
from langchain_core.tools import StructuredTool, Tool, tool
from official import assert_accepted
from pydantic import BaseModel, Field, TypeAdapter
from strict import complaints

from aivideoapi_core import InvalidInputError
from aivideoapi_core.adapter_kit import read_tool_choice, wire_tools
from aivideoapi_core.sandbox import Sandbox
from langchain_aivideoapi import ChatAIVideoAPI
from langchain_aivideoapi._outbound.tools import to_tools

NATIVE = "claude-sonnet-4-6"
DIRECT = "claude-sonnet-4-6/anthropic"
FIVE = {"type": "ephemeral"}

_tools = TypeAdapter(list[ToolUnionParam])
_choice: TypeAdapter[Any] = TypeAdapter(ToolChoiceParam)


def look(at: str, often: int = 1) -> str:
    """Look at something.

    Args:
        at: Where to look.
        often: How many times.
    """
    return at


@tool
def now() -> str:
    """What time it is, größe."""
    return "noon"


class Look(BaseModel):
    """Look at something."""

    at: str = Field(description="Where to look.")


class LookDict(TypedDict):
    """Look at something."""

    at: Annotated[str, ..., "Where to look."]


AT = {"at": {"type": "string", "description": "Where to look."}}
SCHEMA = {
    "title": "Look",
    "description": "Look at something.",
    "type": "object",
    "properties": AT,
    "required": ["at"],
}
LOOK = {
    "name": "Look",
    "description": "Look at something.",
    "input_schema": {"type": "object", "properties": AT, "required": ["at"]},
}
OPENAI = {"name": "Look", "description": "Look at something.", "parameters": LOOK["input_schema"]}
SERVER = {"type": "web_search_20260318", "name": "web_search", "max_uses": 2}

TOOLS: list[Any] = [
    pytest.param(Look, LOOK, id="pydantic"),
    pytest.param(LookDict, {**LOOK, "name": "LookDict"}, id="TypedDict"),
    pytest.param(SCHEMA, LOOK, id="JSON schema"),
    pytest.param({"type": "function", "function": OPENAI}, LOOK, id="OpenAI tool"),
    pytest.param(OPENAI, LOOK, id="OpenAI function"),
    pytest.param({"type": "function", **OPENAI}, LOOK, id="OpenAI responses tool"),
    pytest.param(LOOK, LOOK, id="wire"),
    pytest.param({**LOOK, "type": "custom", "cache_control": FIVE}, {**LOOK, "type": "custom", "cache_control": FIVE}, id="wire, cached"),
    pytest.param({"name": "bare", "input_schema": {"type": "object"}}, {"name": "bare", "input_schema": {"type": "object"}}, id="wire, no description"),
    pytest.param(SERVER, SERVER, id="server tool"),
    pytest.param(
        now,
        {"name": "now", "description": "What time it is, größe.", "input_schema": {"type": "object", "properties": {}}},
        id="BaseTool without arguments",
    ),
    pytest.param(
        look,
        {
            "name": "look",
            "description": "Look at something.",
            "input_schema": {
                "type": "object",
                "properties": {
                    "at": {"type": "string", "description": "Where to look."},
                    "often": {"type": "integer", "default": 1, "description": "How many times."},
                },
                "required": ["at"],
            },
        },
        id="function",
    ),
    pytest.param(
        StructuredTool.from_function(look, name="seen", description="D", extras={"cache_control": FIVE, "defer_loading": True, "mine": 1}, args_schema=Look),
        {"name": "seen", "description": "D", "input_schema": LOOK["input_schema"], "cache_control": FIVE, "defer_loading": True},
        id="BaseTool with extras",
    ),
    pytest.param(
        StructuredTool.from_function(look, name="seen", extras={"provider_tool_definition": SERVER}),
        SERVER,
        id="BaseTool that stands for a server tool",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("given", "expected"), TOOLS)
def test_to_tools(given: Any, expected: dict[str, Any]) -> None:
    converted = to_tools([given])
    assert converted == [expected]
    assert to_tools(converted) == converted, "what is converted already stays"
    if expected.get("type", "custom") == "custom":
        assert_accepted(_tools, converted)


def test_a_tool_that_is_marked_as_free_text_for_another_provider() -> None:
    tool = Tool("look", str.upper, "Look.", metadata={"type": "custom_tool", "format": {"type": "text"}})
    (converted,) = to_tools([tool])
    (wired,), _ = wire_tools([converted])
    assert (wired["name"], list(wired["input_schema"]["properties"])) == ("look", ["__arg1"])
    assert_accepted(_tools, [wired])


@pytest.mark.parametrize("strict", [None, True, False])
@pytest.mark.parametrize("given", [Look, SCHEMA, LOOK, look])
def test_strict(given: Any, strict: bool | None) -> None:
    (converted,) = to_tools([given], strict=strict)
    assert converted.get("strict") is strict
    if strict:
        (wired,), _ = wire_tools([converted])
        assert wired["input_schema"]["additionalProperties"] is False
    (server,) = to_tools([SERVER], strict=strict)
    assert server == SERVER


def takes_a_function(call: Callable[[], None]) -> None:
    """Call it."""


def test_not_a_tool() -> None:
    with pytest.raises(InvalidInputError, match="cannot make a tool"):
        to_tools([{"type": "object"}])
    with pytest.raises(InvalidInputError, match="cannot make a tool"):
        to_tools([takes_a_function])


ONE, TWO = [LOOK], [LOOK, SERVER]
ANY, AUTO, FORCED = {"type": "any"}, {"type": "auto"}, {"type": "tool", "name": "Look"}
CHOICES: list[Any] = [
    (None, None, None), (False, None, None), ("", None, None),
    ("auto", None, AUTO), ("any", None, ANY), ("required", None, ANY), ("none", None, {"type": "none"}),
    ("Look", None, FORCED), (True, None, FORCED),
    ({"type": "auto"}, None, AUTO), ({"type": "any"}, None, ANY), ({"type": "required"}, None, ANY),
    ({"type": "none"}, None, {"type": "none"}), (FORCED, None, FORCED),
    ({"type": "function", "function": {"name": "Look"}}, None, FORCED), ({"type": "function", "name": "Look"}, None, FORCED),
    (None, False, {**AUTO, "disable_parallel_tool_use": True}),
    (None, True, {**AUTO, "disable_parallel_tool_use": False}),
    ("any", False, {**ANY, "disable_parallel_tool_use": True}),
    ("Look", False, {**FORCED, "disable_parallel_tool_use": True}),
    ("none", False, {"type": "none"}),
]  # fmt: skip


@pytest.mark.parametrize(("choice", "parallel", "expected"), CHOICES, ids=str)
def test_read_tool_choice(choice: Any, parallel: bool | None, expected: Any) -> None:
    found = read_tool_choice(choice, ONE, parallel=parallel)
    assert found == expected
    if found is not None:
        assert_accepted(_choice, found)


def test_true_means_any_of_several() -> None:
    assert read_tool_choice(True, TWO) == ANY


@pytest.mark.parametrize("choice", [3, {"type": "tools"}, {"name": "Look"}, []])
def test_unknown_choice(choice: Any) -> None:
    with pytest.raises(InvalidInputError, match="tool_choice"):
        read_tool_choice(choice, ONE)


def _model(sandbox: Sandbox, model_id: str = DIRECT, **fields: Any) -> ChatAIVideoAPI:
    return ChatAIVideoAPI(
        model=model_id, api_key=sandbox.api_key, base_url=sandbox.url, max_retries=0, **fields
    )


@pytest.mark.parametrize("model_id", [NATIVE, DIRECT])
def test_bind_tools_sends_tools_choice_and_settings(sandbox: Sandbox, model_id: str) -> None:
    bound = _model(sandbox, model_id).bind_tools(
        [look, now], tool_choice="any", parallel_tool_calls=False, max_tokens=77, cache_control=None
    )
    reply = bound.invoke("Look at the sky.")
    assert reply.tool_calls
    body = sandbox.requests[-1].body
    assert [each["name"] for each in body["tools"]] == ["look", "now"]
    assert body["tool_choice"] == {"type": "any", "disable_parallel_tool_use": True}
    assert body["max_tokens"] == 77
    assert "cache_control" not in body


def test_cache_control_as_a_setting(sandbox: Sandbox) -> None:
    _model(sandbox).bind_tools([look], tool_choice="any", cache_control=FIVE).invoke("Look at the sky.")
    assert sandbox.requests[-1].body["cache_control"] == FIVE


def test_no_tools_are_no_field(sandbox: Sandbox) -> None:
    _model(sandbox).bind_tools([], parallel_tool_calls=False).invoke("Hello")
    _model(sandbox).bind_tools([], tool_choice="auto").invoke("Hello")
    _model(sandbox).invoke("Hello", tool_choice="none")
    for request in sandbox.requests:
        assert not {"tools", "tool_choice"} & request.body.keys()


def test_tools_straight_in_the_call(sandbox: Sandbox) -> None:
    reply = _model(sandbox).invoke(
        "Look at the sky.", tools=[look], tool_choice="look", parallel_tool_calls=False
    )
    assert reply.tool_calls[0]["name"] == "look"
    assert sandbox.requests[-1].body["tool_choice"]["disable_parallel_tool_use"] is True


def test_choice_none_keeps_the_tools(sandbox: Sandbox) -> None:
    reply = _model(sandbox).bind_tools([look], tool_choice="none").invoke("Look at the sky.")
    assert reply.tool_calls == []
    assert sandbox.requests[-1].body["tool_choice"] == {"type": "none"}


@pytest.mark.parametrize(
    ("model_id", "thinking"), [(NATIVE, True), (DIRECT, {"type": "enabled", "budget_tokens": 2048})]
)
def test_a_forced_choice_with_thinking_is_softened(sandbox: Sandbox, model_id: str, thinking: Any) -> None:
    bound = _model(sandbox, model_id, thinking=thinking).bind_tools([look], tool_choice="any")
    with pytest.warns(UserWarning, match="thinking excludes a forced tool call"):
        bound.invoke("Look at the sky.")
    assert sandbox.requests[-1].body["tool_choice"] == {"type": "auto"}


@pytest.mark.parametrize(
    "tools", [[{"type": "object", "title": "bad name", "description": "x", "properties": {}}]]
)
def test_a_name_that_the_wire_refuses(sandbox: Sandbox, tools: Any) -> None:
    bound = _model(sandbox).bind_tools(tools, tool_choice="bad name")
    assert [call["name"] for call in bound.invoke("x").tool_calls] == ["bad name"]
    assert sandbox.requests[-1].body["tools"][0]["name"] == "bad_name"


MCP_SERVER = {"type": "url", "url": "https://x", "name": "x"}
MCP_TOOLSET = {"type": "mcp_toolset", "mcp_server_name": "x"}
BETAS: list[Any] = [
    ({"tools": [{"type": "memory_20250818", "name": "memory"}]}, "context-management-2025-06-27"),
    ({"mcp_servers": [MCP_SERVER]}, "mcp-client-2025-04-04"),
    ({"mcp_servers": [MCP_SERVER], "tools": [MCP_TOOLSET]}, "mcp-client-2025-11-20"),
    ({"tools": [{**LOOK, "input_examples": [{"at": "sky"}]}]}, "advanced-tool-use-2025-11-20"),
]


@pytest.mark.parametrize(("arguments", "beta"), BETAS, ids=[row[1] for row in BETAS])
def test_betas_that_a_request_needs(arguments: dict[str, Any], beta: str) -> None:
    with Sandbox(validate=False) as sandbox:
        model = _model(sandbox, betas=["mine"], default_headers={"anthropic-beta": "theirs", "x-a": "b"})
        model.invoke("x", **arguments)
        headers = sandbox.requests[-1].headers
        assert headers["anthropic-beta"] == f"theirs,mine,{beta}"
        assert headers["x-a"] == "b"


class Tree(BaseModel):
    """A tree."""

    kids: list[Tree] = []


def plant(tree: Tree, deep: bool = False) -> None:
    """Plant it."""


class LINKED(typing_extensions.TypedDict):
    rest: list[LINKED]


MCP = {
    "type": "object",
    "properties": {"kids": {"type": "array", "items": {"$ref": "#"}}, "a": {"$ref": "#/$defs/Lost"}},
}


@pytest.mark.parametrize(
    ("tool", "place", "reference"),
    [
        pytest.param(plant, "tree", "#/$defs/Tree", id="function"),
        pytest.param(StructuredTool.from_function(plant), "tree", "#/$defs/Tree", id="tool"),
        pytest.param(Tree, "kids", {"$ref": "#/$defs/Tree"}, id="class"),
        pytest.param(LINKED, "rest", {"$ref": "#/$defs/LINKED"}, id="TypedDict"),
        pytest.param(StructuredTool(name="t", description="d", args_schema=MCP, func=plant), "kids", {"$ref": "#"}, id="MCP"),
    ],
)  # fmt: skip
def test_what_contains_itself_is_not_cut(tool: Any, place: str, reference: Any) -> None:
    (wire,), _ = wire_tools(to_tools([tool]))
    part = wire["input_schema"]["properties"][place]
    assert part.get("items", part.get("$ref")) == reference
    assert complaints({"tools": [wire], "messages": [{"role": "user", "content": "x"}]}) == []


def test_strict_of_a_tool_that_says_itself() -> None:
    own = {"type": "function", "function": {"name": "t", "parameters": {"type": "object"}, "strict": True}}
    assert [tool["strict"] for tool in to_tools([own, {"name": "u"}], strict=False)] == [True, False]
