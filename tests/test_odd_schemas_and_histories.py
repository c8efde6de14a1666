"""Schemas of tools and saved histories as bug reports of other integrations have them: every request is one that a strict
server takes, in both adapters and on both routes, and the conversation goes on for a further turn.
"""

from __future__ import annotations

import base64
import datetime
import uuid
from typing import Any, Final

import pytest
from langchain_core.messages import (
    AIMessage,
    BaseMessage,
    FunctionMessage,
    HumanMessage,
    SystemMessage,
    ToolMessage,
)
from langchain_core.tools import StructuredTool
from llama_index.core.base.llms.types import (
    AudioBlock,
    CacheControl,
    CachePoint,
    CitableBlock,
    CitationBlock,
    DocumentBlock,
    ImageBlock,
    TextBlock,
    ThinkingBlock,
    ToolCallBlock,
    VideoBlock,
)
from llama_index.core.llms import ChatMessage
from llama_index.core.tools import FunctionTool, ToolMetadata
from strict import complaints

from aivideoapi_core.sandbox import Reply, Sandbox
from langchain_aivideoapi import ChatAIVideoAPI
from llamaindex_aivideoapi import AIVideoAPI

BOTH: Final = pytest.mark.parametrize("model", ["claude-sonnet-4-6", "claude-sonnet-4-6/anthropic"])
PNG: Final = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAIAAACQd1PeAAAADElEQVR4nGP4z8AAAAMBAQDJ/pLvAAAAAElFTkSuQmCC"


def of(**properties: Any) -> dict[str, Any]:
    return {"type": "object", "properties": properties}


def text(**more: Any) -> dict[str, Any]:
    return of(x={"type": "string", **more})


def nested(levels: int) -> Any:
    value: Any = "x"
    for _ in range(levels):
        value = {"a": value}
    return value


SCHEMAS: Final[dict[str, Any]] = {
    "types as texts": of(x="number", y="number"),
    "anything": of(x=True, y={}, z=None),
    "a list for a schema": of(x=["a", "b"]),
    "Python's types": of(a={"type": "int"}, b={"type": "str"}, c={"type": "dict"}, d={"type": "list"}, e={"type": "None"}),
    "type of types": of(x={"type": [{"type": "string"}, "null"]}),
    "the same type twice": of(x={"type": ["string", "string"]}),
    "no type in the list": of(x={"type": []}),
    "object or null": {"type": ["object", "null"], "properties": {"x": {"type": "string"}}},
    "draft 3": text(required=True),
    "draft 4": of(x={"type": "number", "minimum": 0, "exclusiveMinimum": True}),
    "draft 7": of(x={"type": "array", "items": [{"type": "string"}], "additionalItems": False}),
    "dependencies": {**of(a={}, b={}), "dependencies": {"a": ["b"]}},
    "reference to nothing": of(x={"$ref": "#/$defs/Nope"}),
    "reference elsewhere": of(x={"$ref": "https://x.org/s.json#/a"}),
    "reference to itself": of(x={"$ref": "#"}),
    "reference into properties": of(x=of(a={"type": "string"}), y={"$ref": "#/properties/x/properties/a"}),
    "escaped reference": {**of(a={"$ref": "#/$defs/A%20b~1c"}), "$defs": {"A b/c": {"type": "string"}}},
    "generic's name": {**of(a={"$ref": "#/definitions/D<s,i>"}), "definitions": {"D<s,i>": {"type": "object"}}},
    "definitions as a list": {**of(a={}), "$defs": []},
    "dynamic reference": of(x={"$dynamicRef": "#meta"}),
    "no values": of(x={"enum": []}),
    "a text for values": of(x={"enum": "a"}),
    "a mapping for values": of(x={"enum": {"a": 1}}),
    "a value twice": text(enum=["a", "a"]),
    "no number for a default": of(x={"type": "number", "default": float("nan")}),
    "a date for a default": text(default=datetime.date(2020, 1, 1)),
    "JavaScript's pattern": text(pattern="^\\p{L}+$"),
    "pattern that is none": text(pattern="(?P<x"),
    "names by pattern": {"type": "object", "patternProperties": {"^(": {"type": "string"}}},
    "format, title and description": text(format=3, title=3, description=["a"]),
    "texts for limits": text(minLength="3", maxLength=-1),
    "multiple of nothing": of(x={"type": "number", "multipleOf": 0}),
    "PHP's empty properties": {"type": "object", "properties": []},
    "properties as a list": {"type": "object", "properties": [{"name": "x", "type": "string"}]},
    "required is a mapping": {**text(), "required": {}},
    "required is a text": {**text(), "required": "x"},
    "required twice and unknown": {**text(), "required": ["x", "x", "y", 1]},
    "closed by a text": {**text(), "additionalProperties": "false"},
    "no choice": of(x={"anyOf": []}),
    "choice of texts": of(x={"anyOf": ["string", "number"]}),
    "identifiers": {**of(x={"$anchor": "1 bad"}), "$id": "not a uri", "id": "#x", "$comment": 3},
    "notes": of(x={"examples": "a", "deprecated": "yes", "readOnly": "true", "x-order": 1}),
    "a keyword of a server's own that is no JSON": text(**{"x-type": object, "x-set": {1}}),
    "odd names": of(**{"": {}, "🙂": {}, "a b": {}, "ä": {}}),
    "names that are keywords": of(**{name: {"type": "string"} for name in ("type", "properties", "$ref", "enum")}),
    "half an emoji": of(**{"a\ud83d": {"type": "string", "description": "\ud83d", "enum": ["\ud83d"]}}),
    "names that are no texts": {"type": "object", "properties": {1: {"type": "string"}}},
    "texts for lists": of(x={"type": "array", "items": "string", "uniqueItems": "true", "minItems": -1}),
}  # fmt: skip


def judged(sandbox: Sandbox, requests: int) -> None:
    assert len(sandbox.requests) == requests
    assert [found for request in sandbox.requests for found in complaints(request.body)] == []


@BOTH
@pytest.mark.parametrize("name", SCHEMAS)
def test_schemas_in_langchain(sandbox: Sandbox, model: str, name: str) -> None:
    chat = ChatAIVideoAPI(model=model, api_key=sandbox.api_key, base_url=sandbox.url, max_retries=0)
    tool = StructuredTool(name="t", description="d", args_schema=SCHEMAS[name], func=lambda **_: "ok")
    bound = chat.bind_tools([tool])
    sandbox.enqueue(Reply(tool_uses=[{"name": "t", "input": {}}]))
    reply = bound.invoke("hi")
    bound.invoke([HumanMessage("hi"), reply, ToolMessage("ok", tool_call_id=reply.tool_calls[0]["id"])])
    judged(sandbox, 2)


@BOTH
@pytest.mark.parametrize("name", SCHEMAS)
def test_schemas_in_llamaindex(sandbox: Sandbox, model: str, name: str) -> None:
    class Metadata(ToolMetadata):
        def get_parameters_dict(self) -> dict[str, Any]:
            found: dict[str, Any] = SCHEMAS[name]
            return found

    llm = AIVideoAPI(model=model, api_key=sandbox.api_key, base_url=sandbox.url, max_retries=0)
    tool = FunctionTool(lambda **_: "ok", metadata=Metadata("d", name="t"))
    sandbox.enqueue(Reply(tool_uses=[{"name": "t", "input": {}}]))
    reply = llm.chat_with_tools([tool], "hi").message
    llm.chat_with_tools([tool], chat_history=[ChatMessage("hi"), reply, ChatMessage("and?")])
    judged(sandbox, 2)


ASKED: Final = HumanMessage("q")
NEXT: Final = HumanMessage("x")


def calls(*ids: str | None, args: Any = None, name: str = "t") -> AIMessage:
    return AIMessage("", tool_calls=[{"name": name, "args": args or {}, "id": each} for each in ids])


def result(content: Any = "ok", call: str = "c1") -> ToolMessage:
    return ToolMessage(content, tool_call_id=call)


def said(content: Any, provider: str | None = None, **more: Any) -> AIMessage:
    return AIMessage(content, response_metadata={"model_provider": provider} if provider else {}, **more)


CHATS: Final[dict[str, list[BaseMessage]]] = {
    "arguments nested deep": [ASKED, calls("c1", args=nested(400)), result()],
    "result nested deep": [ASKED, calls("c1"), result([{"x": nested(400)}])],
    "arguments that are no JSON": [ASKED, calls("c1", args={"a": b"\xff", "d": datetime.date(2020, 1, 1), "u": uuid.UUID(int=1), "s": {1}}), result()],
    "numbers for keys": [ASKED, calls("c1", args={"a": {1: 2, None: 3}}), result()],
    "one id in two turns": [ASKED, calls("c1"), result(), calls("c1"), result()],
    "one id in one turn": [ASKED, calls("c1", "c1"), result("1"), result("2")],
    "results the other way round": [ASKED, calls("a", "b"), result("2", "b"), result("1", "a")],
    "a word between results": [ASKED, calls("a", "b"), result("1", "a"), NEXT, result("2", "b")],
    "a thought before the result": [ASKED, calls("c1"), said("hm"), result()],
    "a system message before the result": [ASKED, calls("c1"), SystemMessage("s"), result()],
    "ids that become one": [ASKED, calls("a.b", "a_b"), result("1", "a.b"), result("2", "a_b")],
    "a long id": [ASKED, calls("x" * 200), result("1", "x" * 200)],
    "no ids": [ASKED, calls(None), result("1", "")],
    "a long name": [ASKED, calls("c1", name="n" * 300), result()],
    "a name of other letters": [ASKED, calls("c1", name="🙂 run!"), result()],
    "blank reply": [ASKED, said(" \n"), NEXT],
    "a reply first": [said("hello"), NEXT],
    "images in a reply": [ASKED, said([{"type": "image", "base64": PNG, "mime_type": "image/png"}]), NEXT],
    "a file in a reply": [ASKED, said([{"type": "file", "base64": PNG, "mime_type": "image/png"}]), NEXT],
    "OpenAI's pictures": [ASKED, said([{"type": "image_generation_call", "id": "ig_1", "result": PNG * 50}], "openai"), NEXT],
    "OpenAI's MCP": [ASKED, said([{"type": "mcp_call", "name": "t", "arguments": "{}"}, {"type": "mcp_list_tools"}, {"type": "mcp_approval_request"}], "openai"), NEXT],
    "OpenAI's own tools": [ASKED, said([{"type": "code_interpreter_call", "code": "1"}, {"type": "local_shell_call"}, {"type": "computer_call"}], "openai"), NEXT],
    "Mistral's references": [ASKED, said([{"type": "reference", "reference_ids": [1]}, {"type": "text", "text": "x"}], "mistralai"), NEXT],
    "another's citations": [ASKED, said([{"type": "text", "text": "x", "citations": [{"type": "page", "start": 0}]}], "cohere"), NEXT],
    "citations that nobody knows": [ASKED, said([{"type": "text", "text": "x", "citations": [{"type": "x"}]}]), NEXT],
    "invalid calls of nothing": [ASKED, AIMessage("", invalid_tool_calls=[{"name": None, "args": None, "id": None, "error": None}])],
    "half a function call": [ASKED, AIMessage("", additional_kwargs={"function_call": {"name": "t", "arguments": "{"}}), FunctionMessage(content="x", name="t")],
    "a search without its result": [ASKED, said([{"type": "server_tool_use", "id": "srvtoolu_1", "name": "web_search", "input": {}}]), NEXT],
    "a result without its search": [ASKED, said([{"type": "web_search_tool_result", "tool_use_id": "srvtoolu_1", "content": []}]), NEXT],
    "parts of nothing": [ASKED, calls("c1"), result([None, "", {"type": "text", "text": None}, {"type": "text"}])],
    "lists in lists": [ASKED, calls("c1"), result([["a", ["b"]], 1, True])],
    "control characters": [ASKED, calls("c1"), result("a\x00b\x1b[31m\uffff")],
    "calls in a result": [ASKED, calls("c1"), result([{"type": "tool_use", "id": "z", "name": "t", "input": {}}, {"type": "thinking", "thinking": "x"}])],
    "links to nothing": [ASKED, calls("c1"), result([{"type": "image_url"}, {"type": "resource", "resource": None}, {"type": "resource_link"}])],
    "text of another encoding": [ASKED, calls("c1"), result([{"type": "file", "base64": base64.b64encode("é".encode("latin-1")).decode(), "mime_type": "text/csv"}])],
    "a longer life after a shorter": [HumanMessage([{"type": "text", "text": life, "cache_control": {"type": "ephemeral", "ttl": life}} for life in ("1h", "5m", "1h")])],
    "a tool's longer life": [HumanMessage([{"type": "text", "text": "q", "cache_control": {"type": "ephemeral"}}]), calls("c1"), result([{"type": "text", "text": "x", "cache_control": {"type": "ephemeral", "ttl": "1h"}}])],
    "more breakpoints than four": [HumanMessage([{"type": "text", "text": str(i), "cache_control": {"type": "ephemeral"}} for i in range(7)])],
}  # fmt: skip
T: Final = {"name": "t", "description": "d", "input_schema": {"type": "object"}}


@BOTH
@pytest.mark.parametrize("name", CHATS)
def test_histories_in_langchain(sandbox: Sandbox, model: str, name: str) -> None:
    chat = ChatAIVideoAPI(model=model, api_key=sandbox.api_key, base_url=sandbox.url, max_retries=0)
    reply = chat.bind_tools([T]).invoke(CHATS[name])
    chat.invoke(
        [*CHATS[name], reply, *[result("z", call["id"]) for call in reply.tool_calls], HumanMessage("more")]
    )
    judged(sandbox, 2)


def test_a_search_for_tools_that_are_gone(sandbox: Sandbox) -> None:
    found = [{"type": "tool_reference", "tool_name": name} for name in ("t", "gone")]
    content = {"type": "tool_search_tool_search_result", "tool_references": found}
    blocks: list[Any] = [
        {"type": "server_tool_use", "id": "srvtoolu_1", "name": "tool_search_tool_regex", "input": {}},
        {"type": "tool_search_tool_result", "tool_use_id": "srvtoolu_1", "content": content},
    ]
    chat = ChatAIVideoAPI(model="claude-sonnet-4-6/anthropic", api_key=sandbox.api_key, base_url=sandbox.url)
    chat.bind_tools([T]).invoke([ASKED, AIMessage(blocks), NEXT])
    sent = sandbox.requests[-1].body["messages"][1]["content"][1]["content"]
    assert sent["tool_references"] == found[:1]
    assert content["tool_references"] == found


QUESTION: Final = ChatMessage("q")
MORE: Final = ChatMessage("x")


def reply_of(*blocks: Any, **more: Any) -> ChatMessage:
    return ChatMessage(role="assistant", blocks=list(blocks), additional_kwargs=more)


def a_call(call: str | None = "c1", arguments: Any = None) -> ChatMessage:
    return reply_of(ToolCallBlock(tool_call_id=call, tool_name="t", tool_kwargs=arguments or {}))


def answer(*blocks: Any, **more: Any) -> ChatMessage:
    return ChatMessage(role="tool", blocks=list(blocks), additional_kwargs={"tool_call_id": "c1", **more})


OK: Final = TextBlock(text="ok")
TOLD: Final[dict[str, list[ChatMessage]]] = {
    "arguments nested deep": [QUESTION, a_call(arguments=nested(400)), answer(OK)],
    "arguments as text": [QUESTION, a_call(arguments="{bad"), answer(OK)],
    "arguments that are no JSON": [QUESTION, a_call(arguments={"a": b"\xff", "d": datetime.date(2020, 1, 1), "f": float("nan")}), answer(OK)],
    "one id twice": [QUESTION, a_call(), answer(OK), a_call(), answer(OK)],
    "no ids": [QUESTION, a_call(None), ChatMessage(role="tool", content="x")],
    "a result first": [answer(OK), QUESTION],
    "a word between": [QUESTION, a_call(), MORE, answer(OK)],
    "two results": [QUESTION, a_call(), answer(OK), answer(TextBlock(text="b"))],
    "OpenAI's calls": [QUESTION, reply_of(tool_calls=[{"id": "c1", "function": {"name": "t", "arguments": "{"}}]), answer(OK)],
    "calls of nothing": [QUESTION, reply_of(TextBlock(text="x"), tool_calls=["x", {"a": 1}, None]), MORE],
    "no content": [QUESTION, ChatMessage(role="assistant", content=None), MORE],
    "other roles": [ChatMessage(role="model", content="a"), ChatMessage(role="chatbot", content="b"), ChatMessage(role="developer", content="c"), QUESTION],
    "unsigned thinking": [QUESTION, reply_of(ThinkingBlock(content="h"), TextBlock(text="x")), MORE],
    "OpenAI's thinking": [QUESTION, reply_of(ThinkingBlock(content="h", additional_information={"id": "rs_1", "encrypted_content": "x"})), MORE],
    "an image in a reply": [QUESTION, reply_of(ImageBlock(image=base64.b64decode(PNG))), MORE],
    "a file in a reply": [QUESTION, reply_of(DocumentBlock(data=b"%PDF-1.4 x", title="t")), MORE],
    "a citation in a reply": [QUESTION, reply_of(CitationBlock(cited_content=OK, source="s", title="t", additional_location_info={}), OK), MORE],
    "audio and video": [QUESTION, a_call(), answer(AudioBlock(audio=b"x", format="wav"), VideoBlock(video=b"x"))],
    "an office file": [QUESTION, a_call(), answer(DocumentBlock(data=b"PK\x03\x04x", title="a.docx"))],
    "no image": [QUESTION, a_call(), answer(ImageBlock(image=b"zzzz"), ImageBlock(url="file:///a.png"))],
    "search results without names": [QUESTION, a_call(), answer(CitableBlock(title="", source="s", content=[OK]), CitableBlock(title="t", source="", content=[OK]))],
    "nothing": [QUESTION, a_call(), answer()],
    "a call in a result": [QUESTION, a_call(), answer(ToolCallBlock(tool_call_id="z", tool_name="t", tool_kwargs={}))],
    "a cache point that is none": [QUESTION, a_call(), answer(CachePoint(cache_control=CacheControl(type="x", ttl="9m")), OK)],
    "a number for an id": [QUESTION, a_call("7"), answer(OK, tool_call_id=7)],
    "kept blocks that are none": [QUESTION, reply_of(OK, wire_content=[{"type": "text"}, {"type": "zz"}]), MORE],
    "kept blocks that were edited": [QUESTION, reply_of(OK, wire_content=[{"type": "text", "text": "x"}, {"type": "tool_use", "id": "q", "name": "t", "input": {}}]), MORE],
    "a search without its result": [QUESTION, reply_of(OK, wire_content=[{"type": "server_tool_use", "id": "srvtoolu_1", "name": "web_search", "input": {}}, {"type": "text", "text": "ok"}]), MORE],
}  # fmt: skip


@BOTH
@pytest.mark.parametrize("name", TOLD)
def test_histories_in_llamaindex(sandbox: Sandbox, model: str, name: str) -> None:
    llm = AIVideoAPI(model=model, api_key=sandbox.api_key, base_url=sandbox.url, max_retries=0)
    response = llm.chat_with_tools([T], chat_history=TOLD[name])
    made = llm.get_tool_calls_from_response(response, error_on_no_tool_call=False)
    llm.chat(
        [
            *TOLD[name],
            response.message,
            *[answer(OK, tool_call_id=call.tool_id) for call in made],
            ChatMessage("more"),
        ]
    )
    judged(sandbox, 2)
