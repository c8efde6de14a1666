"""Tools as other providers write them: one form on the wire, from both adapters and on both routes."""

from __future__ import annotations

import copy
import json
from typing import Any, Final

import pytest
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage
from llama_index.core.llms import ChatMessage
from official import TURNS, assert_accepted, exhausted
from strict import complaints

from aivideoapi_core import InvalidInputError
from aivideoapi_core.sandbox import Sandbox
from langchain_aivideoapi import ChatAIVideoAPI
from llamaindex_aivideoapi import AIVideoAPI

MODELS: Final = ("claude-sonnet-4-6", "claude-sonnet-4-6/anthropic")
SCHEMA: Final = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
GEMINI: Final = {"type": "OBJECT", "properties": {"city": {"type": "STRING"}}, "required": ["city"]}
TOOL: Final = {"name": "weather", "description": "Look.", "input_schema": SCHEMA}
BARE: Final = {"name": "now", "input_schema": {"type": "object", "properties": {}}}
MARK: Final = {"cache_control": {"type": "ephemeral"}}


def of(name: str, schema: Any) -> dict[str, Any]:
    return {"name": "weather", "description": "Look.", name: schema}


FORMS: Final = [
    pytest.param([{"type": "function", "function": of("parameters", SCHEMA)}], [TOOL], id="OpenAI's"),
    pytest.param([{"type": "function", **of("parameters", SCHEMA), "strict": None}], [TOOL], id="OpenAI's responses"),
    pytest.param([of("parameters", SCHEMA)], [TOOL], id="OpenAI's functions"),
    pytest.param([{"type": "function", "function": {"name": "now", "description": None, "parameters": None}}], [BARE], id="nulls"),
    pytest.param([{"type": "function", "name": "now"}], [BARE], id="no arguments"),
    pytest.param([{**of("inputSchema", SCHEMA), "title": "W", "annotations": {"readOnlyHint": True}}], [TOOL], id="MCP's"),
    pytest.param([{"toolSpec": of("inputSchema", {"json": SCHEMA})}], [TOOL], id="Bedrock's"),
    pytest.param([{"toolSpec": of("inputSchema", {"json": json.dumps(SCHEMA)})}], [TOOL], id="Bedrock's, as text"),
    pytest.param([{"tools": [{"toolSpec": of("inputSchema", {"json": SCHEMA})}, {"cachePoint": {"type": "default"}}]}], [TOOL | MARK], id="Bedrock's toolConfig"),
    pytest.param([{"toolSpec": of("inputSchema", {"json": SCHEMA})}, {"cachePoint": {"type": "default"}}, BARE], [TOOL | MARK, BARE], id="Bedrock's cache point"),
    pytest.param([{"function_declarations": [of("parameters", GEMINI), {"name": "now"}]}], [TOOL, BARE], id="Gemini's"),
    pytest.param([{"functionDeclarations": [{**of("parametersJsonSchema", SCHEMA), "response": {"type": "STRING"}}]}, BARE], [TOOL, BARE], id="Gemini's, over HTTP"),
    pytest.param([{"name": "weather", "description": "Look.", "parameter_definitions": {"city": {"type": "str", "required": True}}}], [TOOL], id="Cohere's"),
    pytest.param([{"title": "weather", "description": "Look.", **SCHEMA}], [TOOL], id="a JSON schema"),
    pytest.param([{"type": "custom", **TOOL}], [{"type": "custom", **TOOL}], id="the wire's"),
    pytest.param([of("input_schema", json.dumps(SCHEMA))], [TOOL], id="the wire's, with the schema as text"),
    pytest.param([{**TOOL, "description": None}, {**BARE, "description": ["a", 1]}], [{"name": "weather", "input_schema": SCHEMA}, {**BARE, "description": "['a', 1]"}], id="descriptions that are no texts"),
]  # fmt: skip
REFUSED: Final = [
    pytest.param({"type": "web_search_preview"}, "web_search_20260318", id="OpenAI's search"),
    pytest.param({"google_search": {}}, "web_search_20260318", id="Gemini's search"),
    pytest.param({"function_declarations": [TOOL], "url_context": {}}, "web_fetch_20260318", id="beside declarations"),
    pytest.param({"type": "code_interpreter", "container": {"type": "auto"}}, "code_execution_20260521", id="OpenAI's code"),
    pytest.param({"type": "file_search", "vector_store_ids": ["v"]}, "of your own", id="OpenAI's files"),
    pytest.param({"type": "mcp", "server_label": "x", "server_url": "https://x.org"}, "mcp_servers", id="OpenAI's MCP"),
    pytest.param({"type": "custom", "name": "weather", "format": {"type": "text"}}, "one field for the text", id="free text"),
    pytest.param({"title": "weather", "type": "array"}, "field of an object", id="a schema of a list"),
    pytest.param({"type": "function", "function": {"parameters": SCHEMA}}, "needs a name", id="no name"),
]  # fmt: skip


def ask(sandbox: Sandbox, framework: str, model: str, tools: list[Any]) -> dict[str, Any]:
    where: dict[str, Any] = {"model": model, "api_key": sandbox.api_key, "base_url": sandbox.url}
    if framework == "langchain":
        ChatAIVideoAPI(**where).bind_tools(tools).invoke("hi")
    else:
        AIVideoAPI(**where).chat([ChatMessage("hi")], tools=tools)
    return sandbox.requests[-1].body


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("framework", ["langchain", "llamaindex"])
@pytest.mark.parametrize(("tools", "expected"), FORMS)
def test_forms(sandbox: Sandbox, framework: str, model: str, tools: list[Any], expected: list[Any]) -> None:
    before = copy.deepcopy(tools)
    body = ask(sandbox, framework, model, tools)
    assert (exhausted(body["tools"]), tools) == (expected, before)
    assert complaints(body) == []


@pytest.mark.parametrize("framework", ["langchain", "llamaindex"])
@pytest.mark.parametrize(("tool", "advice"), REFUSED)
def test_what_the_caller_wrote_raises_with_the_fix(
    sandbox: Sandbox, framework: str, tool: dict[str, Any], advice: str
) -> None:
    with pytest.raises(InvalidInputError, match=advice):
        ask(sandbox, framework, MODELS[1], [tool])
    assert not sandbox.requests


@pytest.mark.parametrize("framework", ["langchain", "llamaindex"])
def test_toolsets_have_no_names_of_their_own(sandbox: Sandbox, framework: str) -> None:
    toolsets = [{"type": "mcp_toolset", "mcp_server_name": name} for name in ("a", "b", "a")]
    assert ask(sandbox, framework, MODELS[1], toolsets)["tools"] == toolsets[1:]


REFERENCE: Final = {"type": "tool_reference", "name": "a.b"}
DEFINITION: Final = {"type": "tool_definition", "definition": {"name": "c", "parameters": GEMINI}}


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("message", [HumanMessage, SystemMessage])
def test_tools_that_come_and_go(model: str, message: Any) -> None:
    """By their names on the wire, in a user's turn, with the betas that the official API asks for."""
    changes: list[Any] = [
        {"type": "tool_addition", "tool": REFERENCE},
        {"type": "tool_removal", "tool": REFERENCE},
        {"type": "tool_addition", "tool": DEFINITION},
    ]
    tools = [{"name": "a.b", "input_schema": SCHEMA}, BARE]
    with Sandbox() as sandbox:
        chat = ChatAIVideoAPI(model=model, api_key=sandbox.api_key, base_url=sandbox.url)
        chat.bind_tools(tools).invoke(
            [HumanMessage("hi"), AIMessage("ho"), HumanMessage("x"), message(changes)]
        )
        request = sandbox.requests[-1]
    said = request.body["messages"][-1]["content"]
    assert [block.get("tool") for block in said[1:]] == [
        {"type": "tool_reference", "name": "a_b"},
        {"type": "tool_reference", "name": "a_b"},
        {"type": "tool_definition", "definition": {"name": "c", "input_schema": SCHEMA}},
    ]
    assert_accepted(TURNS, request.body["messages"])
    betas = request.headers["anthropic-beta"].split(",")
    assert betas == ["mid-conversation-tool-changes-2026-07-01", "inline-tools-2026-09-15"]
