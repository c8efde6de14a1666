"""Messages to the wire: every form of content, each row checked by the official SDK's types as well."""

from __future__ import annotations

import base64
import copy
import json
from typing import Any

import pytest
from golden import recorded
from langchain_core.messages import (
    AIMessage,
    AIMessageChunk,
    AnyMessage,
    BaseMessage,
    ChatMessage,
    FunctionMessage,
    HumanMessage,
    RemoveMessage,
    SystemMessage,
    ToolMessage,
)
from official import TURNS, assert_accepted

from aivideoapi_core import InvalidInputError
from aivideoapi_core.sandbox import Sandbox
from langchain_aivideoapi import ChatAIVideoAPI
from langchain_aivideoapi._outbound.conversation import to_conversation as translated_conversation

to_conversation = recorded(translated_conversation)

PNG = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAIAAACQd1PeAAAADElEQVR4nGP4z8AAAAMBAQDJ/pLvAAAAAElFTkSuQmCC"
JPEG = "/9j/4AAQSkZJRgABAQEASABIAAD/2Q=="
PDF = base64.b64encode(b"%PDF-1.4\n%%EOF\n").decode()
FIVE = {"type": "ephemeral"}
OURS = {"model_provider": "aivideoapi"}
CALL = {"name": "look", "args": {"at": "sky"}, "id": "toolu_1", "type": "tool_call"}
DEEP = "[" * 100_000
USE = {"type": "tool_use", "id": "toolu_1", "name": "look", "input": {"at": "sky"}}
RESULT = {"type": "tool_result", "tool_use_id": "toolu_1", "content": "blue", "is_error": False}
NO_RESULT = {**RESULT, "content": "No result: this call was not carried out.", "is_error": True}
TOLD = "Result of an earlier tool call (toolu_1):"
HI = {"role": "user", "content": "hi"}


def _text(text: str, **more: Any) -> dict[str, Any]:
    return {"type": "text", "text": text, **more}


def _turn(content: Any, role: str = "user") -> dict[str, Any]:
    """One text alone is a string."""
    if isinstance(content, list) and len(content) == 1 and content[0].keys() == {"type", "text"}:
        content = content[0]["text"]
    return {"role": role, "content": content}


def _png(**more: Any) -> dict[str, Any]:
    return {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PNG}, **more}


def _pdf(**more: Any) -> dict[str, Any]:
    source = {"type": "base64", "media_type": "application/pdf", "data": PDF}
    return {"type": "document", "source": source, **more}


def _plain_document(text: str, **more: Any) -> dict[str, Any]:
    source = {"type": "text", "media_type": "text/plain", "data": text}
    return {"type": "document", "source": source, **more}


BLOCKS: list[Any] = [
    pytest.param("hello", [_text("hello")], id="a string in a list"),
    pytest.param(_text("hello", id="lc_1", index=0), [_text("hello")], id="text with LangChain's own fields"),
    pytest.param(_text("hello", cache_control=FIVE), [_text("hello", cache_control=FIVE)], id="cached text"),
    pytest.param(
        _text("hello", extras={"cache_control": FIVE}), [_text("hello", cache_control=FIVE)], id="cached, in extras"
    ),
    pytest.param({"type": "input_text", "text": "hello"}, [_text("hello")], id="OpenAI's input_text"),
    pytest.param({"text": "hello"}, [_text("hello")], id="text without a type"),
    pytest.param(
        {"type": "image_url", "image_url": "https://example.com/a.png"},
        [{"type": "image", "source": {"type": "url", "url": "https://example.com/a.png"}}],
        id="image_url as a string",
    ),
    pytest.param(
        {"type": "image_url", "image_url": {"url": "https://example.com/a.png", "detail": "high"}},
        [{"type": "image", "source": {"type": "url", "url": "https://example.com/a.png"}}],
        id="image_url as a dict",
    ),
    pytest.param(
        {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PNG}"}}, [_png()], id="image_url, data URI"
    ),
    pytest.param(
        {"type": "input_image", "image_url": f"data:image/png;base64,{PNG}"}, [_png()], id="OpenAI's input_image"
    ),
    pytest.param(
        {"type": "image", "base64": PNG, "mime_type": "image/png", "id": "lc_1"}, [_png()], id="v1 image, base64"
    ),
    pytest.param({"type": "image", "base64": PNG}, [_png()], id="v1 image, type from its bytes"),
    pytest.param(
        {"type": "image", "base64": JPEG, "mime_type": "image/jpg"},
        [{"type": "image", "source": {"type": "base64", "media_type": "image/jpeg", "data": JPEG}}],
        id="image/jpg",
    ),
    pytest.param(
        {"type": "image", "url": "https://example.com/a.png", "cache_control": FIVE},
        [{"type": "image", "source": {"type": "url", "url": "https://example.com/a.png"}, "cache_control": FIVE}],
        id="v1 image, url, cached",
    ),
    pytest.param({"type": "image", "url": f"data:image/png;base64,{PNG}"}, [_png()], id="v1 image, data URI"),
    pytest.param(
        {"type": "image", "file_id": "file_1"},
        [{"type": "image", "source": {"type": "file", "file_id": "file_1"}}],
        id="v1 image, file id",
    ),
    pytest.param(
        {"type": "image", "id": "file_1"},
        [{"type": "image", "source": {"type": "file", "file_id": "file_1"}}],
        id="an image that core translated from a file source",
    ),
    pytest.param(
        {"type": "image", "source_type": "base64", "data": PNG, "mime_type": "image/png"}, [_png()], id="v0 image, base64"
    ),
    pytest.param(
        {"type": "image", "source_type": "url", "url": "https://example.com/a.png"},
        [{"type": "image", "source": {"type": "url", "url": "https://example.com/a.png"}}],
        id="v0 image, url",
    ),
    pytest.param(
        {"type": "image", "source_type": "id", "id": "file_1"},
        [{"type": "image", "source": {"type": "file", "file_id": "file_1"}}],
        id="v0 image, id",
    ),
    pytest.param(_png(index=3, cache_control=FIVE), [_png(cache_control=FIVE)], id="wire image"),
    pytest.param({"type": "file", "base64": PDF, "mime_type": "application/pdf"}, [_pdf()], id="v1 file, PDF"),
    pytest.param(
        {
            "type": "file",
            "base64": PDF,
            "mime_type": "application/pdf",
            "filename": "a.pdf",
            "extras": {"citations": {"enabled": True}, "context": "old"},
        },
        [_pdf(title="a.pdf", citations={"enabled": True}, context="old")],
        id="v1 file with name, citations, context",
    ),
    pytest.param(
        {"type": "file", "url": "https://example.com/a.pdf"},
        [{"type": "document", "source": {"type": "url", "url": "https://example.com/a.pdf"}}],
        id="v1 file, url",
    ),
    pytest.param(
        {"type": "file", "file_id": "file_1"},
        [{"type": "document", "source": {"type": "file", "file_id": "file_1"}}],
        id="v1 file, file id",
    ),
    pytest.param(
        {"type": "file", "source_type": "base64", "data": PDF, "mime_type": "application/pdf", "metadata": {"title": "T"}},
        [_pdf(title="T")],
        id="v0 file, base64",
    ),
    pytest.param(
        {"type": "file", "source_type": "text", "text": "body", "mime_type": "text/plain"},
        [_plain_document("body")],
        id="v0 file, text",
    ),
    pytest.param(
        {"type": "file", "base64": base64.b64encode("größe".encode()).decode(), "mime_type": "text/csv"},
        [_plain_document("größe")],
        id="a text file in base64",
    ),
    pytest.param({"type": "file", "base64": PNG, "mime_type": "image/png"}, [_png()], id="a picture sent as a file"),
    pytest.param(
        {"type": "file", "file": {"file_data": f"data:application/pdf;base64,{PDF}", "filename": "a.pdf"}},
        [_pdf(title="a.pdf")],
        id="OpenAI's file",
    ),
    pytest.param(
        {"type": "file", "file": {"file_id": "file_1"}},
        [{"type": "document", "source": {"type": "file", "file_id": "file_1"}}],
        id="OpenAI's file id",
    ),
    pytest.param({"type": "text-plain", "text": "body", "title": "T"}, [_plain_document("body", title="T")], id="text-plain"),
    pytest.param(_pdf(title="T", citations={"enabled": True}), [_pdf(title="T", citations={"enabled": True})], id="wire document"),
    pytest.param(
        {"type": "search_result", "source": "s", "title": "t", "content": [_text("x")], "citations": {"enabled": True}},
        [{"type": "search_result", "source": "s", "title": "t", "content": [_text("x")], "citations": {"enabled": True}}],
        id="search result",
    ),
    pytest.param(
        {"type": "non_standard", "value": {"type": "container_upload", "file_id": "file_1"}},
        [{"type": "container_upload", "file_id": "file_1"}],
        id="non_standard, known to the wire",
    ),
    pytest.param({"type": "non_standard", "value": _png()}, [_png()], id="non_standard, known to us"),
]  # fmt: skip


@pytest.mark.parametrize(("block", "expected"), BLOCKS)
def test_human_blocks(block: Any, expected: list[dict[str, Any]]) -> None:
    turns = to_conversation([HumanMessage([block])]).messages
    assert turns == [_turn(expected)]
    assert_accepted(TURNS, turns)


def test_a_block_type_that_nobody_knows_goes_out_in_non_standard() -> None:
    wrapped = {"type": "non_standard", "value": {"type": "hologram", "data": "x"}}
    assert to_conversation([HumanMessage([wrapped])]).messages == [_turn([{"type": "hologram", "data": "x"}])]


def _result(**more: Any) -> dict[str, Any]:
    return {**RESULT, **more}


_NO_CONTENT = {"type": "tool_result", "tool_use_id": "toolu_1", "is_error": False}
_ASKED = [HumanMessage("hi"), AIMessage("", tool_calls=[CALL])]
_ASKED_TURNS = [HI, _turn([USE], "assistant")]

RESULTS: list[Any] = [
    pytest.param("blue", [_result()], id="string"),
    pytest.param("", [_NO_CONTENT], id="empty string"),
    pytest.param([], [_NO_CONTENT], id="empty list"),
    pytest.param([_text(" ")], [_NO_CONTENT], id="blank text"),
    pytest.param(["blue"], [_result()], id="list of strings"),
    pytest.param(
        [_text("blue"), {"type": "image", "base64": PNG, "mime_type": "image/png"}],
        [_result(content=[_text("blue"), _png()])],
        id="text and image",
    ),
    pytest.param(
        [{"type": "file", "base64": PDF, "mime_type": "application/pdf"}],
        [_result(content=[_pdf()])],
        id="PDF",
    ),
    pytest.param(
        [_text("blue", cache_control=FIVE)],
        [_result(content=[_text("blue", cache_control=FIVE)])],
        id="cached",
    ),
    pytest.param(
        [
            {
                "type": "tool_result",
                "tool_use_id": "toolu_1",
                "content": [_text("blue")],
                "cache_control": FIVE,
            }
        ],
        [
            {
                "type": "tool_result",
                "tool_use_id": "toolu_1",
                "content": "blue",
                "cache_control": FIVE,
            }
        ],
        id="results in the wire's own form",
    ),
]


@pytest.mark.parametrize(("content", "expected"), RESULTS)
def test_tool_results(content: Any, expected: Any) -> None:
    conversation = to_conversation([*_ASKED, ToolMessage(content, tool_call_id="toolu_1")])
    assert conversation.messages == [*_ASKED_TURNS, _turn(expected)]
    assert_accepted(TURNS, conversation.messages)


def test_a_failed_tool() -> None:
    failed = ToolMessage("no", tool_call_id="toolu_1", status="error")
    assert to_conversation([*_ASKED, failed]).messages[-1] == _turn([_result(content="no", is_error=True)])


SECOND = {"name": "look", "args": {}, "id": "toolu_2", "type": "tool_call"}
ODD = "functions.look:0"
ODD_WIRE = "functions_look_0"

CONVERSATIONS: list[Any] = [
    pytest.param([HumanMessage("hi")], None, [HI], id="one string"),
    pytest.param(
        [SystemMessage("be brief"), HumanMessage("hi")], "be brief", [HI], id="one system message stays a string"
    ),
    pytest.param(
        [SystemMessage("one"), SystemMessage([_text("two", cache_control=FIVE)]), HumanMessage("hi")],
        [_text("one"), _text("two", cache_control=FIVE)],
        [HI],
        id="two system messages, a breakpoint on one",
    ),
    pytest.param(
        [SystemMessage("one"), HumanMessage("hi"), AIMessage("yes?"), SystemMessage("two"), HumanMessage("go")],
        [_text("one"), _text("two")],
        [HI, _turn("yes?", "assistant"), _turn("go")],
        id="a system message later on is hoisted",
    ),
    pytest.param(
        [HumanMessage("hi"), SystemMessage("two"), HumanMessage("go")],
        "two",
        [_turn([_text("hi"), _text("go")])],
        id="hoisting joins the turns around it",
    ),
    pytest.param([SystemMessage(" "), HumanMessage("hi")], None, [HI], id="a blank system message"),
    pytest.param(
        [HumanMessage("hi"), HumanMessage([_png()]), HumanMessage("go")],
        None,
        [_turn([_text("hi"), _png(), _text("go")])],
        id="human messages in a row",
    ),
    pytest.param(
        [HumanMessage("hi"), AIMessage("a"), AIMessage("b"), HumanMessage("go")],
        None,
        [HI, _turn([_text("a"), _text("b")], "assistant"), _turn("go")],
        id="AI messages in a row",
    ),
    pytest.param(
        [HumanMessage("hi"), AIMessage(""), AIMessage([]), AIMessage([_text(" \n")]), HumanMessage("go")],
        None,
        [_turn([_text("hi"), _text("go")])],
        id="empty AI turns",
    ),
    pytest.param(
        [HumanMessage(["", _text("hi"), _text("  ")]), HumanMessage("")],
        None,
        [_turn([_text("hi")])],
        id="blank text beside text",
    ),
    pytest.param(
        [HumanMessage([_text("hi"), _text(" ", cache_control=FIVE)])],
        None,
        [_turn([_text("hi", cache_control=FIVE)])],
        id="the breakpoint of a blank block moves forward",
    ),
    pytest.param(
        [HumanMessage("hi"), AIMessage("so: \n")], None, [HI, _turn("so:", "assistant")], id="a final AI turn is stripped"
    ),
    pytest.param(
        [HumanMessage("hi"), AIMessage([_text("a "), _text("so: ")])],
        None,
        [HI, _turn([_text("a "), _text("so:")], "assistant")],
        id="a final AI turn in blocks is stripped",
    ),
    pytest.param(
        [HumanMessage("hi"), AIMessage("so: "), HumanMessage("go")],
        None,
        [HI, _turn("so: ", "assistant"), _turn("go")],
        id="other AI turns are not stripped",
    ),
    pytest.param(
        [*_ASKED, HumanMessage("and?"), ToolMessage("blue", tool_call_id="toolu_1"), HumanMessage("now?")],
        None,
        [*_ASKED_TURNS, _turn([RESULT, _text("and?"), _text("now?")])],
        id="tool results first in their turn",
    ),
    pytest.param(
        [
            HumanMessage("hi"),
            AIMessage("let me see", tool_calls=[CALL, SECOND]),
            ToolMessage("blue", tool_call_id="toolu_1"),
            ToolMessage("b", tool_call_id="toolu_2"),
        ],
        None,
        [
            HI,
            _turn(
                [_text("let me see"), USE, {"type": "tool_use", "id": "toolu_2", "name": "look", "input": {}}],
                "assistant",
            ),
            _turn([RESULT, _result(tool_use_id="toolu_2", content="b")]),
        ],
        id="calls beside string content are appended",
    ),
    pytest.param(
        [HumanMessage("hi"), AIMessage([_text("x"), {**USE, "index": 1}], tool_calls=[CALL]), ToolMessage("blue", tool_call_id="toolu_1")],
        None,
        [HI, _turn([_text("x"), USE], "assistant"), _turn([RESULT])],
        id="calls in both places are not doubled",
    ),
    pytest.param(
        [
            HumanMessage("hi"),
            AIMessage([USE], tool_calls=[{**CALL, "args": {"at": "sea"}}]),
            ToolMessage("blue", tool_call_id="toolu_1"),
        ],
        None,
        [HI, _turn([{**USE, "input": {"at": "sea"}}], "assistant"), _turn([RESULT])],
        id="the call as a reviewer edited it",
    ),
    pytest.param(
        [
            HumanMessage("hi"),
            AIMessage("", tool_calls=[{**CALL, "id": ODD}]),
            ToolMessage("blue", tool_call_id=ODD),
        ],
        None,
        [HI, _turn([{**USE, "id": ODD_WIRE}], "assistant"), _turn([_result(tool_use_id=ODD_WIRE)])],
        id="an id that the wire refuses",
    ),
    pytest.param(
        [
            HumanMessage("hi"),
            AIMessage("", tool_calls=[{**CALL, "id": None}, {**SECOND, "id": ""}]),
            ToolMessage("blue", tool_call_id=""),
            ToolMessage("b", tool_call_id=""),
        ],
        None,
        [
            HI,
            _turn(
                [{**USE, "id": "call_look"}, {"type": "tool_use", "id": "call_look_2", "name": "look", "input": {}}],
                "assistant",
            ),
            _turn([_result(tool_use_id="call_look"), _result(tool_use_id="call_look_2", content="b")]),
        ],
        id="calls without ids, as some providers make them",
    ),
    pytest.param(
        [
            HumanMessage("hi"),
            AIMessage("", invalid_tool_calls=[{"name": "look", "args": '{"at": "sk', "id": "toolu_1", "error": None, "type": "invalid_tool_call"}]),
            HumanMessage("go"),
        ],
        None,
        [
            HI,
            _turn([{**USE, "input": {"unparsed_arguments": '{"at": "sk'}}], "assistant"),
            _turn(
                [
                    _result(content="This call was not made: its arguments were not valid JSON.", is_error=True),
                    _text("go"),
                ]
            ),
        ],
        id="an invalid call keeps its arguments and gets a result",
    ),
    pytest.param(
        [
            HumanMessage("hi"),
            AIMessage(
                [{**USE, "input": {}, "partial_json": '{"at": "sk', "index": 0}],
                invalid_tool_calls=[{"name": "look", "args": '{"at": "sk"]', "id": "toolu_1", "error": None, "type": "invalid_tool_call"}],
            ),
            ToolMessage("cannot read that", tool_call_id="toolu_1", status="error"),
        ],
        None,
        [
            HI,
            _turn([{**USE, "input": {"unparsed_arguments": '{"at": "sk'}}], "assistant"),
            _turn([_result(content="cannot read that", is_error=True)]),
        ],
        id="an invalid call that was streamed and answered",
    ),
    pytest.param(
        [HumanMessage("hi"), AIMessage("", invalid_tool_calls=[{"name": None, "args": "x", "id": None, "error": None, "type": "invalid_tool_call"}])],
        None,
        [
            HI,
            _turn([{"type": "tool_use", "id": "call_unknown", "name": "unknown", "input": {"unparsed_arguments": "x"}}], "assistant"),
            _turn([{"type": "tool_result", "tool_use_id": "call_unknown", "content": "This call was not made: its arguments were not valid JSON.", "is_error": True}]),
        ],
        id="an invalid call without anything, at the end",
    ),
    pytest.param(
        [
            HumanMessage("hi"),
            AIMessage("", invalid_tool_calls=[{"name": "look", "args": DEEP, "id": "toolu_1", "error": None, "type": "invalid_tool_call"}]),
            ToolMessage("cannot read that", tool_call_id="toolu_1", status="error"),
        ],
        None,
        [
            HI,
            _turn([{**USE, "input": {"unparsed_arguments": DEEP}}], "assistant"),
            _turn([_result(content="cannot read that", is_error=True)]),
        ],
        id="an invalid call deeper than Python goes",
    ),
    pytest.param(
        [
            HumanMessage("hi"),
            AIMessage("", additional_kwargs={"tool_calls": [{"id": "toolu_1", "type": "function", "function": {"name": "look", "arguments": '{"at": "sky"}'}}]}),
            ToolMessage("blue", tool_call_id="toolu_1"),
        ],
        None,
        [*_ASKED_TURNS, _turn([RESULT])],
        id="OpenAI's calls in additional_kwargs",
    ),
    pytest.param(
        [
            HumanMessage("hi"),
            AIMessage("", additional_kwargs={"function_call": {"name": "look", "arguments": '{"at": "sky"}'}}),
            FunctionMessage("blue", name="look"),
        ],
        None,
        [
            HI,
            _turn([{**USE, "id": "call_look"}], "assistant"),
            _turn([_result(tool_use_id="call_look")]),
        ],
        id="OpenAI's first function calling",
    ),
    pytest.param(
        [
            HumanMessage("hi"),
            AIMessage(
                [
                    {"type": "reasoning", "id": "rs_1", "summary": [{"type": "summary_text", "text": "hm"}]},
                    {"type": "function_call", "call_id": "toolu_1", "name": "look", "arguments": '{"at": "sky"}', "id": "fc_1"},
                ],
                tool_calls=[CALL],
                response_metadata={"model_provider": "openai"},
            ),
            ToolMessage("blue", tool_call_id="toolu_1"),
        ],
        None,
        [HI, _turn([_text("<thinking>\nhm\n</thinking>"), USE], "assistant"), _turn([RESULT])],
        id="OpenAI's responses format",
    ),
    pytest.param(
        [
            HumanMessage("hi"),
            AIMessage([{"type": "thinking", "thinking": "hm", "signature": "g"}, _text("so")], response_metadata={"model_provider": "google_genai"}),
            HumanMessage("go"),
        ],
        None,
        [HI, _turn([_text("<thinking>\nhm\n</thinking>"), _text("so")], "assistant"), _turn("go")],
        id="Gemini's thoughts, whose signature is not ours",
    ),
    pytest.param(
        [
            HumanMessage([{"type": "media", "mime_type": "image/png", "data": "iVBORw0KGgo="}, {"type": "media", "mime_type": "application/pdf", "file_uri": "https://example.org/a.pdf"}]),
            AIMessage([{"type": "executable_code", "executable_code": "print(1)", "language": 1}, {"type": "code_execution_result", "code_execution_result": "1", "outcome": 1}, _text("so")], response_metadata={"model_provider": "google_genai"}),
            HumanMessage("go"),
        ],
        None,
        [
            _turn([
                {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "iVBORw0KGgo="}},
                {"type": "document", "source": {"type": "url", "url": "https://example.org/a.pdf"}},
            ]),
            _turn([_text("```\nprint(1)\n```"), _text("```\n1\n```"), _text("so")], "assistant"),
            _turn("go"),
        ],
        id="Gemini's media and code",
    ),
    pytest.param(
        [
            HumanMessage("hi"),
            AIMessage(
                [{"type": "reasoning_content", "reasoning_content": {"text": "hm", "signature": "s"}}, _text("so")],
                response_metadata={"model_provider": "bedrock_converse"},
            ),
            HumanMessage("go"),
        ],
        None,
        [HI, _turn([{"type": "thinking", "thinking": "hm", "signature": "s"}, _text("so")], "assistant"), _turn("go")],
        id="Bedrock's thoughts, which the same models signed",
    ),
    pytest.param(
        [HumanMessage("hi"), AIMessage("so", additional_kwargs={"reasoning_content": "hm"}), HumanMessage("go")],
        None,
        [HI, _turn([_text("<thinking>\nhm\n</thinking>"), _text("so")], "assistant"), _turn("go")],
        id="DeepSeek's thoughts",
    ),
    pytest.param(
        [
            HumanMessage("hi"),
            AIMessage([_text("so"), {"type": "thinking", "thinking": "hm", "signature": "s"}, {"type": "redacted_thinking", "data": "d", "index": 2}], response_metadata=OURS),
            HumanMessage("go"),
        ],
        None,
        [
            HI,
            _turn([_text("so"), _text("<thinking>\nhm\n</thinking>")], "assistant"),
            _turn("go"),
        ],
        id="thinking last in its turn",
    ),
    pytest.param(
        [
            HumanMessage("hi"),
            AIMessage([{"type": "thinking", "thinking": "", "signature": "s", "index": 0}, _text("so")], response_metadata=OURS),
            HumanMessage("go"),
        ],
        None,
        [HI, _turn([{"type": "thinking", "thinking": "", "signature": "s"}, _text("so")], "assistant"), _turn("go")],
        id="thinking with a signature only",
    ),
    pytest.param(
        [HumanMessage("hi"), AIMessage([{"type": "thinking", "thinking": "hm"}, _text("so")], response_metadata=OURS), HumanMessage("go")],
        None,
        [HI, _turn([_text("<thinking>\nhm\n</thinking>"), _text("so")], "assistant"), _turn("go")],
        id="thinking that a broken stream left unsigned",
    ),
    pytest.param(
        [ChatMessage("be brief", role="developer"), ChatMessage("hi", role="user"), ChatMessage("so", role="assistant"), ChatMessage("go", role="human")],
        "be brief",
        [HI, _turn("so", "assistant"), _turn("go")],
        id="ChatMessage by role",
    ),
    pytest.param(
        [HumanMessage("hi"), AIMessageChunk("so"), HumanMessage("go")],
        None,
        [HI, _turn("so", "assistant"), _turn("go")],
        id="chunks count as messages",
    ),
    pytest.param(
        [*_ASKED, HumanMessage([_text("x"), {**RESULT, "index": 0}])],
        None,
        [*_ASKED_TURNS, _turn([RESULT, _text("x")])],
        id="tool results inside a human message",
    ),
    pytest.param(_ASKED, None, [*_ASKED_TURNS, _turn([NO_RESULT])], id="a call without a result at the end"),
    pytest.param(
        [*_ASKED, HumanMessage("Never mind."), AIMessage("Well."), HumanMessage("go")],
        None,
        [*_ASKED_TURNS, _turn([NO_RESULT, _text("Never mind.")]), _turn("Well.", "assistant"), _turn("go")],
        id="a call without a result, and the user goes on",
    ),
    pytest.param(
        [*_ASKED, HumanMessage("Never mind."), AIMessage("Well."), ToolMessage("blue", tool_call_id="toolu_1")],
        None,
        [*_ASKED_TURNS, _turn([NO_RESULT, _text("Never mind.")]), _turn("Well.", "assistant"), _turn([_text(f"{TOLD}\nblue")])],
        id="a result that comes too late",
    ),
    pytest.param(
        [
            HumanMessage("hi"),
            AIMessage("", tool_calls=[{"name": "look", "args": {}, "id": name} for name in ("a", "b", "c")]),
            ToolMessage("C", tool_call_id="c"),
            ToolMessage("A", tool_call_id="a"),
        ],
        None,
        [
            HI,
            _turn([{"type": "tool_use", "id": name, "name": "look", "input": {}} for name in ("a", "b", "c")], "assistant"),
            _turn([_result(tool_use_id="c", content="C"), _result(tool_use_id="a", content="A"), {**NO_RESULT, "tool_use_id": "b"}]),
        ],
        id="parallel calls, one without a result, in another order",
    ),
    pytest.param(
        [ToolMessage("blue", tool_call_id="toolu_1"), HumanMessage("hi")],
        None,
        [_turn([_text(f"{TOLD}\nblue"), _text("hi")])],
        id="a result whose call was forgotten",
    ),
    pytest.param(
        [ToolMessage([_text("blue"), _png()], tool_call_id="toolu_1", status="error"), HumanMessage("hi")],
        None,
        [_turn([_text(TOLD.replace("Result", "Error")), _text("blue"), _png(), _text("hi")])],
        id="a failed result in blocks whose call was forgotten",
    ),
    pytest.param(
        [*_ASKED, ToolMessage("blue", tool_call_id="toolu_1"), ToolMessage("red", tool_call_id="toolu_1")],
        None,
        [*_ASKED_TURNS, _turn([RESULT, _text(f"{TOLD}\nred")])],
        id="a second result for one call",
    ),
    pytest.param(
        [*_ASKED, ToolMessage("blue", tool_call_id="toolu_1"), *_ASKED[1:], ToolMessage("red", tool_call_id="toolu_1")],
        None,
        [
            *_ASKED_TURNS,
            _turn([RESULT]),
            _turn([{**USE, "id": "toolu_1_2"}], "assistant"),
            _turn([_result(tool_use_id="toolu_1_2", content="red")]),
        ],
        id="one id for two calls, as providers give them that count from 1 in each turn",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("messages", "system", "turns"), CONVERSATIONS)
def test_conversations(messages: list[BaseMessage], system: Any, turns: list[Any]) -> None:
    before = copy.deepcopy(messages)
    conversation = to_conversation(messages)
    assert conversation.system == system
    assert conversation.messages == turns
    assert messages == before, "the caller's messages were changed"
    assert_accepted(TURNS, conversation.messages)


WEB = [
    {"type": "thinking", "thinking": "hm", "signature": "s"},
    {"type": "server_tool_use", "id": "srvtoolu_1", "name": "web_search", "input": {"query": "sky"}},
    {
        "type": "web_search_tool_result",
        "tool_use_id": "srvtoolu_1",
        "content": [{"type": "web_search_result", "url": "https://x", "title": "X", "encrypted_content": "e", "page_age": None}],
    },
    {"type": "thinking", "thinking": "aha", "signature": "s2"},
    _text(
        "blue",
        citations=[
            {
                "type": "web_search_result_location",
                "cited_text": "blue",
                "url": "https://x",
                "title": "X",
                "encrypted_index": "i",
            }
        ],
    ),
    {"type": "mcp_tool_use", "id": "mcptoolu_1", "name": "echo", "server_name": "s", "input": {}},
    {"type": "mcp_tool_result", "tool_use_id": "mcptoolu_1", "is_error": False, "content": [_text("x")]},
    {"type": "server_tool_use", "id": "srvtoolu_2", "name": "code_execution", "input": {"code": "1"}},
    {"type": "code_execution_tool_result", "tool_use_id": "srvtoolu_2", "content": {"type": "code_execution_result", "stdout": "1", "stderr": "", "return_code": 0, "content": []}},
    _text("ä", citations=[{"type": "char_location", "cited_text": "a", "document_index": 0, "document_title": "D", "start_char_index": 0, "end_char_index": 1}]),
    _text("b", citations=[{"type": "page_location", "cited_text": "b", "document_index": 0, "document_title": "D", "start_page_number": 1, "end_page_number": 2}]),
    _text("c", citations=[{"type": "content_block_location", "cited_text": "c", "document_index": 0, "document_title": "D", "start_block_index": 0, "end_block_index": 1}]),
    _text("d", citations=[{"type": "search_result_location", "cited_text": "d", "search_result_index": 0, "source": "s", "title": "T", "start_block_index": 0, "end_block_index": 1}]),
    {"type": "redacted_thinking", "data": "d"},
    USE,
]  # fmt: skip


def _sent(message: AIMessage) -> Any:
    (_, turn, *_) = to_conversation(
        [HumanMessage("hi"), message, ToolMessage("x", tool_call_id="toolu_1")]
    ).messages
    return turn["content"]


def test_everything_the_wire_sends_goes_back_as_it_came() -> None:
    message = AIMessage(copy.deepcopy(WEB), tool_calls=[CALL], response_metadata=OURS)
    assert _sent(message) == WEB


def test_standard_content_goes_back_as_it_came() -> None:
    """The round trip over ``content_blocks``: what ``output_version="v1"`` and v3 events keep in history."""
    first = AIMessage(copy.deepcopy(WEB), tool_calls=[CALL], response_metadata=OURS)
    standard = AIMessage(
        content=copy.deepcopy(first.content_blocks),
        tool_calls=[CALL],
        response_metadata={**OURS, "output_version": "v1"},
    )
    assert _sent(standard) == _sent(first)


def test_a_new_block_type_of_the_platform_goes_back() -> None:
    new = {"type": "hologram", "data": "x", "index": 0}
    message = AIMessage([new, USE], tool_calls=[CALL], response_metadata=OURS)
    assert _sent(message) == [{"type": "hologram", "data": "x"}, USE]


def test_null_file_ids_of_received_citations_are_not_sent() -> None:
    citation = {"type": "char_location", "cited_text": "a", "document_index": 0, "document_title": None, "start_char_index": 0, "end_char_index": 1}  # fmt: skip
    message = AIMessage([_text("a", citations=[{**citation, "file_id": None}]), USE], tool_calls=[CALL])
    assert _sent(message) == [_text("a", citations=[citation]), USE]


ERRORS: list[Any] = [
    pytest.param([HumanMessage([{"type": "hologram"}])], r"messages\[0\].content\[0\].*'hologram'.*non_standard", id="unknown type"),
    pytest.param([HumanMessage("x"), HumanMessage([_text("x"), {"a": 1}])], r"messages\[1\].content\[1\].*None", id="no type"),
    pytest.param([HumanMessage([{"type": "audio", "base64": "x"}])], r"messages\[0\].content\[0\].*'audio'", id="audio"),
    pytest.param([HumanMessage([{"type": "video", "url": "x"}])], "'video'", id="video"),
    pytest.param([HumanMessage([{"type": "input_audio", "input_audio": {}}])], "'input_audio'", id="OpenAI's audio"),
    pytest.param([HumanMessage([{"type": "image"}])], "without url, base64 data or file id", id="empty image"),
    pytest.param([HumanMessage([{"type": "image", "base64": "AAAA"}])], "mime_type", id="image of unknown type"),
    pytest.param([HumanMessage([{"type": "image_url", "image_url": "gs://x"}])], "'gs://x'.*https", id="other scheme"),
    pytest.param([HumanMessage([{"type": "image_url", "image_url": "data:image/png,x"}])], "data URI", id="bad data URI"),
    pytest.param([HumanMessage([{"type": "image_url"}])], "without a URL", id="no URL"),
    pytest.param([HumanMessage([{"type": "file", "base64": "AA==", "mime_type": "application/zip"}])], "application/zip", id="zip"),
    pytest.param([HumanMessage([{"type": "file", "base64": "/w==", "mime_type": "text/plain"}])], "UTF-8", id="text that is none"),
    pytest.param([HumanMessage([{"type": "file"}])], "file without", id="empty file"),
    pytest.param([HumanMessage([{"type": "text-plain", "text": " "}])], "without text", id="empty document"),
    pytest.param([HumanMessage([_text(" ", cache_control=FIVE)])], "cache_control.*has content", id="cached nothing"),
    pytest.param([SystemMessage([_png()]), HumanMessage("x")], r"messages\[0\] is a system message with a 'image'", id="image in system"),
    pytest.param([RemoveMessage(id="x")], "RemoveMessage", id="no message to send"),
    pytest.param([ChatMessage("x", role="critic")], "'critic'", id="unknown role"),
    pytest.param([HumanMessage([{"type": "non_standard", "value": "x"}])], "non_standard", id="nothing in non_standard"),
]  # fmt: skip


@pytest.mark.parametrize(("messages", "pattern"), ERRORS)
def test_what_cannot_be_sent_is_named(messages: list[AnyMessage], pattern: str) -> None:
    with pytest.raises(InvalidInputError, match=pattern):
        to_conversation(messages)


def test_content_that_is_no_block() -> None:
    message = HumanMessage("x")
    message.content = [1]
    with pytest.raises(InvalidInputError, match="is a int"):
        to_conversation([message])


# Results of calls that were never made are refused, and so are made-up signatures.
ACCEPTED = [
    row
    for row in CONVERSATIONS
    if "inside a human" not in str(row.id) and "signature" not in json.dumps(row.values[2])
]


@pytest.mark.parametrize(("messages", "system", "turns"), ACCEPTED)
def test_the_sandbox_takes_it(sandbox: Sandbox, messages: list[BaseMessage], system: Any, turns: Any) -> None:
    """Its rules about tool results, thinking and blanks are the platform's documented ones."""
    model = ChatAIVideoAPI(
        model="claude-sonnet-4-5/anthropic", api_key=sandbox.api_key, base_url=sandbox.url, max_retries=0
    )
    model.invoke(messages)
    body = sandbox.requests[-1].body
    assert body["messages"] == turns
    assert body.get("system") == system


def test_the_sandbox_takes_its_own_thinking_back(sandbox: Sandbox) -> None:
    model = ChatAIVideoAPI(
        model="claude-sonnet-4-5/anthropic",
        api_key=sandbox.api_key,
        base_url=sandbox.url,
        thinking={"type": "enabled", "budget_tokens": 1024},
    )
    first = model.invoke("Why is the sky blue?")
    assert first.content[0]["type"] == "thinking"
    model.invoke([HumanMessage("Why is the sky blue?"), first, HumanMessage("Are you sure?")])
    assert sandbox.requests[-1].body["messages"][1]["content"] == first.content
