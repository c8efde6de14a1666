"""Tools whose names the wire refuses, through both adapters: out under other names, back under their own."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

import pytest
from langchain_core.messages import AIMessage, HumanMessage, ToolMessage
from llama_index.core.base.llms.types import ChatMessage, MessageRole
from llama_index.core.tools import FunctionTool, ToolMetadata

from aivideoapi_core.sandbox import Reply, Sandbox
from langchain_aivideoapi import ChatAIVideoAPI
from llamaindex_aivideoapi import AIVideoAPI

SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {"$filter": {"type": "string"}, "deep": {"type": "object", "properties": {"straße": {"type": "string"}}}},
    "required": ["$filter"],
}  # fmt: skip
TOOL: dict[str, Any] = {"name": "odata.query/v4", "description": "Query.", "input_schema": SCHEMA}
OWN = {"$filter": "a eq 'b'", "deep": {"straße": "Weg"}}
ON_WIRE = {"_filter": "a eq 'b'", "deep": {"stra_e": "Weg"}}
REPLY = Reply("Wait.", tool_uses=[{"name": "odata_query_v4", "input": ON_WIRE}])
ROUTES = ("claude-sonnet-4-6", "claude-sonnet-4-6/anthropic")


def langchain(sandbox: Sandbox, model: str) -> Any:
    return ChatAIVideoAPI(model=model, base_url=sandbox.url, api_key="sk-test").bind_tools([TOOL])


def whole(runnable: Any) -> Any:
    return runnable.invoke("x")


def streamed(runnable: Any) -> Any:
    chunks = list(runnable.stream("x"))
    total = chunks[0]
    for chunk in chunks[1:]:
        total += chunk
    return total


def events(runnable: Any) -> Any:
    return runnable.stream_events("x", version="v3").output


def astreamed(runnable: Any) -> Any:
    async def run() -> Any:
        total = None
        async for chunk in runnable.astream("x"):
            total = chunk if total is None else total + chunk
        return total

    return asyncio.run(run())


@pytest.mark.parametrize("model", ROUTES)
@pytest.mark.parametrize("road", [whole, streamed, events, astreamed])
def test_langchain(sandbox: Sandbox, model: str, road: Callable[[Any], Any]) -> None:
    runnable = langchain(sandbox, model)
    sandbox.enqueue(REPLY)
    message = road(runnable)
    assert [(call["name"], call["args"]) for call in message.tool_calls] == [(TOOL["name"], OWN)]
    sandbox.enqueue(Reply("Done."))
    result = ToolMessage("ok", tool_call_id=message.tool_calls[0]["id"])
    assert runnable.invoke([HumanMessage("x"), message, result]).text == "Done."
    sent = json.dumps(sandbox.requests[-1].body["messages"], ensure_ascii=False)
    assert "odata_query_v4" in sent
    assert "_filter" in sent
    assert "$filter" not in sent
    assert "odata.query" not in sent


def test_langchain_with_history_of_another_provider(sandbox: Sandbox) -> None:
    call = {"name": TOOL["name"], "args": OWN, "id": "1", "type": "tool_call"}
    history = [HumanMessage("x"), AIMessage("", tool_calls=[call]), ToolMessage("ok", tool_call_id="1")]
    assert langchain(sandbox, ROUTES[1]).invoke(history).text
    (block,) = sandbox.requests[-1].body["messages"][1]["content"]
    assert (block["name"], block["input"]) == ("odata_query_v4", ON_WIRE)


@pytest.mark.parametrize("model", ROUTES)
def test_a_tool_that_the_conversation_defines(sandbox: Sandbox, model: str) -> None:
    definition = {"type": "tool_definition", "definition": {"name": TOOL["name"], "input_schema": SCHEMA}}
    chat = ChatAIVideoAPI(model=model, base_url=sandbox.url, api_key="sk-test")
    history: list[Any] = [
        HumanMessage([{"type": "text", "text": "x"}, {"type": "tool_addition", "tool": definition}])
    ]
    sandbox.enqueue(REPLY)
    message = chat.invoke(history)
    assert [(call["name"], call["args"]) for call in message.tool_calls] == [(TOOL["name"], OWN)]
    chat.invoke([*history, message, ToolMessage("ok", tool_call_id=message.tool_calls[0]["id"])])
    (block,) = (b for b in sandbox.requests[-1].body["messages"][1]["content"] if b["type"] == "tool_use")
    assert (block["name"], block["input"]) == ("odata_query_v4", ON_WIRE)


class Metadata(ToolMetadata):
    def get_parameters_dict(self) -> dict[str, Any]:
        return SCHEMA


def query(**arguments: Any) -> str:
    return json.dumps(arguments)


LLAMAINDEX_TOOL = FunctionTool(query, metadata=Metadata("Query.", name=TOOL["name"]))


@pytest.mark.parametrize("model", ROUTES)
@pytest.mark.parametrize("stream", [False, True])
def test_llamaindex(sandbox: Sandbox, model: str, stream: bool) -> None:
    llm = AIVideoAPI(model=model, base_url=sandbox.url, api_key="sk-test")
    sandbox.enqueue(REPLY)
    if stream:
        responses = list(llm.stream_chat_with_tools([LLAMAINDEX_TOOL], "x"))
        partial = [llm.get_tool_calls_from_response(r, error_on_no_tool_call=False) for r in responses]
        assert {call.tool_name for calls in partial for call in calls} == {TOOL["name"]}
        response = responses[-1]
    else:
        response = llm.chat_with_tools([LLAMAINDEX_TOOL], "x")
    (call,) = llm.get_tool_calls_from_response(response)
    assert (call.tool_name, call.tool_kwargs) == (TOOL["name"], OWN)
    history = [
        ChatMessage("x"),
        response.message,
        ChatMessage(role=MessageRole.TOOL, content="ok", additional_kwargs={"tool_call_id": call.tool_id}),
    ]
    sandbox.enqueue(Reply("Done."))
    assert llm.chat_with_tools([LLAMAINDEX_TOOL], chat_history=history).message.content == "Done."
    block = sandbox.requests[-1].body["messages"][1]["content"][-1]
    assert (block["name"], block["input"]) == ("odata_query_v4", ON_WIRE)


TWO = ({"name": "odata_query_v4", "input": ON_WIRE}, {"name": "odata_query_v4", "input": {"_filter": "c"}})


@pytest.mark.parametrize(
    "tools", [[LLAMAINDEX_TOOL], [FunctionTool.from_defaults(query, name="odata_query_v4")]]
)
@pytest.mark.parametrize("parallel", [False, True])
def test_llamaindex_parallel_calls_switched_off_hold_in_streams(
    sandbox: Sandbox, tools: Any, parallel: bool
) -> None:
    llm = AIVideoAPI(model=ROUTES[0], base_url=sandbox.url, api_key="sk-test")
    sandbox.enqueue(Reply("Both.", tool_uses=TWO))
    responses = list(llm.stream_chat_with_tools(tools, "x", allow_parallel_tool_calls=parallel))
    counts = {
        len(llm.get_tool_calls_from_response(response, error_on_no_tool_call=False)) for response in responses
    }
    assert counts == ({0, 1, 2} if parallel else {0, 1})
    assert len(llm.get_tool_calls_from_response(responses[-1])) == (2 if parallel else 1)
    assert len([block for block in responses[-1].raw["content"] if block["type"] == "tool_use"]) == 2
