"""Conversations in LangChain's messages, each with its system prompt and its turns on the wire."""

from __future__ import annotations

from typing import Any

import pytest
from langchain_core.messages import (
    AIMessage,
    AIMessageChunk,
    ChatMessage,
    FunctionMessage,
    HumanMessage,
    SystemMessage,
    ToolMessage,
)
from langchain_turns import (
    ASKED,
    ASKED_TURNS,
    CALL,
    DEEP,
    FIVE,
    HI,
    NO_RESULT,
    OURS,
    RESULT,
    TOLD,
    USE,
    png_block,
    result_of,
    text_block,
    turn_of,
)

SECOND = {"name": "look", "args": {}, "id": "toolu_2", "type": "tool_call"}
ODD = "functions.look:0"
ODD_WIRE = "functions_look_0"
CONVERSATIONS: list[Any] = [
    pytest.param([HumanMessage("hi")], None, [HI], id="one string"),
    pytest.param(
        [SystemMessage("be brief"), HumanMessage("hi")], "be brief", [HI], id="one system message stays a string"
    ),
    pytest.param(
        [SystemMessage("one"), SystemMessage([text_block("two", cache_control=FIVE)]), HumanMessage("hi")],
        [text_block("one"), text_block("two", cache_control=FIVE)],
        [HI],
        id="two system messages, a breakpoint on one",
    ),
    pytest.param(
        [SystemMessage("one"), HumanMessage("hi"), AIMessage("yes?"), SystemMessage("two"), HumanMessage("go")],
        [text_block("one"), text_block("two")],
        [HI, turn_of("yes?", "assistant"), turn_of("go")],
        id="a system message later on is hoisted",
    ),
    pytest.param(
        [HumanMessage("hi"), SystemMessage("two"), HumanMessage("go")],
        "two",
        [turn_of([text_block("hi"), text_block("go")])],
        id="hoisting joins the turns around it",
    ),
    pytest.param([SystemMessage(" "), HumanMessage("hi")], None, [HI], id="a blank system message"),
    pytest.param(
        [HumanMessage("hi"), HumanMessage([png_block()]), HumanMessage("go")],
        None,
        [turn_of([text_block("hi"), png_block(), text_block("go")])],
        id="human messages in a row",
    ),
    pytest.param(
        [HumanMessage("hi"), AIMessage("a"), AIMessage("b"), HumanMessage("go")],
        None,
        [HI, turn_of([text_block("a"), text_block("b")], "assistant"), turn_of("go")],
        id="AI messages in a row",
    ),
    pytest.param(
        [HumanMessage("hi"), AIMessage(""), AIMessage([]), AIMessage([text_block(" \n")]), HumanMessage("go")],
        None,
        [turn_of([text_block("hi"), text_block("go")])],
        id="empty AI turns",
    ),
    pytest.param(
        [HumanMessage(["", text_block("hi"), text_block("  ")]), HumanMessage("")],
        None,
        [turn_of([text_block("hi")])],
        id="blank text beside text",
    ),
    pytest.param(
        [HumanMessage([text_block("hi"), text_block(" ", cache_control=FIVE)])],
        None,
        [turn_of([text_block("hi", cache_control=FIVE)])],
        id="the breakpoint of a blank block moves forward",
    ),
    pytest.param(
        [HumanMessage("hi"), AIMessage("so: \n")], None, [HI, turn_of("so:", "assistant")], id="a final AI turn is stripped"
    ),
    pytest.param(
        [HumanMessage("hi"), AIMessage([text_block("a "), text_block("so: ")])],
        None,
        [HI, turn_of([text_block("a "), text_block("so:")], "assistant")],
        id="a final AI turn in blocks is stripped",
    ),
    pytest.param(
        [HumanMessage("hi"), AIMessage("so: "), HumanMessage("go")],
        None,
        [HI, turn_of("so: ", "assistant"), turn_of("go")],
        id="other AI turns are not stripped",
    ),
    pytest.param(
        [*ASKED, HumanMessage("and?"), ToolMessage("blue", tool_call_id="toolu_1"), HumanMessage("now?")],
        None,
        [*ASKED_TURNS, turn_of([RESULT, text_block("and?"), text_block("now?")])],
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
            turn_of(
                [text_block("let me see"), USE, {"type": "tool_use", "id": "toolu_2", "name": "look", "input": {}}],
                "assistant",
            ),
            turn_of([RESULT, result_of(tool_use_id="toolu_2", content="b")]),
        ],
        id="calls beside string content are appended",
    ),
    pytest.param(
        [HumanMessage("hi"), AIMessage([text_block("x"), {**USE, "index": 1}], tool_calls=[CALL]), ToolMessage("blue", tool_call_id="toolu_1")],
        None,
        [HI, turn_of([text_block("x"), USE], "assistant"), turn_of([RESULT])],
        id="calls in both places are not doubled",
    ),
    pytest.param(
        [
            HumanMessage("hi"),
            AIMessage([USE], tool_calls=[{**CALL, "args": {"at": "sea"}}]),
            ToolMessage("blue", tool_call_id="toolu_1"),
        ],
        None,
        [HI, turn_of([{**USE, "input": {"at": "sea"}}], "assistant"), turn_of([RESULT])],
        id="the call as a reviewer edited it",
    ),
    pytest.param(
        [
            HumanMessage("hi"),
            AIMessage("", tool_calls=[{**CALL, "id": ODD}]),
            ToolMessage("blue", tool_call_id=ODD),
        ],
        None,
        [HI, turn_of([{**USE, "id": ODD_WIRE}], "assistant"), turn_of([result_of(tool_use_id=ODD_WIRE)])],
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
            turn_of(
                [{**USE, "id": "call_look"}, {"type": "tool_use", "id": "call_look_2", "name": "look", "input": {}}],
                "assistant",
            ),
            turn_of([result_of(tool_use_id="call_look"), result_of(tool_use_id="call_look_2", content="b")]),
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
            turn_of([{**USE, "input": {"unparsed_arguments": '{"at": "sk'}}], "assistant"),
            turn_of(
                [
                    result_of(content="This call was not made: its arguments were not valid JSON.", is_error=True),
                    text_block("go"),
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
            turn_of([{**USE, "input": {"unparsed_arguments": '{"at": "sk'}}], "assistant"),
            turn_of([result_of(content="cannot read that", is_error=True)]),
        ],
        id="an invalid call that was streamed and answered",
    ),
    pytest.param(
        [HumanMessage("hi"), AIMessage("", invalid_tool_calls=[{"name": None, "args": "x", "id": None, "error": None, "type": "invalid_tool_call"}])],
        None,
        [
            HI,
            turn_of([{"type": "tool_use", "id": "call_unknown", "name": "unknown", "input": {"unparsed_arguments": "x"}}], "assistant"),
            turn_of([{"type": "tool_result", "tool_use_id": "call_unknown", "content": "This call was not made: its arguments were not valid JSON.", "is_error": True}]),
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
            turn_of([{**USE, "input": {"unparsed_arguments": DEEP}}], "assistant"),
            turn_of([result_of(content="cannot read that", is_error=True)]),
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
        [*ASKED_TURNS, turn_of([RESULT])],
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
            turn_of([{**USE, "id": "call_look"}], "assistant"),
            turn_of([result_of(tool_use_id="call_look")]),
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
        [HI, turn_of([text_block("<thinking>\nhm\n</thinking>"), USE], "assistant"), turn_of([RESULT])],
        id="OpenAI's responses format",
    ),
    pytest.param(
        [
            HumanMessage("hi"),
            AIMessage([{"type": "thinking", "thinking": "hm", "signature": "g"}, text_block("so")], response_metadata={"model_provider": "google_genai"}),
            HumanMessage("go"),
        ],
        None,
        [HI, turn_of([text_block("<thinking>\nhm\n</thinking>"), text_block("so")], "assistant"), turn_of("go")],
        id="Gemini's thoughts, whose signature is not ours",
    ),
    pytest.param(
        [
            HumanMessage([{"type": "media", "mime_type": "image/png", "data": "iVBORw0KGgo="}, {"type": "media", "mime_type": "application/pdf", "file_uri": "https://example.org/a.pdf"}]),
            AIMessage([{"type": "executable_code", "executable_code": "print(1)", "language": 1}, {"type": "code_execution_result", "code_execution_result": "1", "outcome": 1}, text_block("so")], response_metadata={"model_provider": "google_genai"}),
            HumanMessage("go"),
        ],
        None,
        [
            turn_of([
                {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "iVBORw0KGgo="}},
                {"type": "document", "source": {"type": "url", "url": "https://example.org/a.pdf"}},
            ]),
            turn_of([text_block("```\nprint(1)\n```"), text_block("```\n1\n```"), text_block("so")], "assistant"),
            turn_of("go"),
        ],
        id="Gemini's media and code",
    ),
    pytest.param(
        [
            HumanMessage("hi"),
            AIMessage(
                [{"type": "reasoning_content", "reasoning_content": {"text": "hm", "signature": "s"}}, text_block("so")],
                response_metadata={"model_provider": "bedrock_converse"},
            ),
            HumanMessage("go"),
        ],
        None,
        [HI, turn_of([{"type": "thinking", "thinking": "hm", "signature": "s"}, text_block("so")], "assistant"), turn_of("go")],
        id="Bedrock's thoughts, which the same models signed",
    ),
    pytest.param(
        [HumanMessage("hi"), AIMessage("so", additional_kwargs={"reasoning_content": "hm"}), HumanMessage("go")],
        None,
        [HI, turn_of([text_block("<thinking>\nhm\n</thinking>"), text_block("so")], "assistant"), turn_of("go")],
        id="DeepSeek's thoughts",
    ),
    pytest.param(
        [
            HumanMessage("hi"),
            AIMessage([text_block("so"), {"type": "thinking", "thinking": "hm", "signature": "s"}, {"type": "redacted_thinking", "data": "d", "index": 2}], response_metadata=OURS),
            HumanMessage("go"),
        ],
        None,
        [
            HI,
            turn_of([text_block("so"), text_block("<thinking>\nhm\n</thinking>")], "assistant"),
            turn_of("go"),
        ],
        id="thinking last in its turn",
    ),
    pytest.param(
        [
            HumanMessage("hi"),
            AIMessage([{"type": "thinking", "thinking": "", "signature": "s", "index": 0}, text_block("so")], response_metadata=OURS),
            HumanMessage("go"),
        ],
        None,
        [HI, turn_of([{"type": "thinking", "thinking": "", "signature": "s"}, text_block("so")], "assistant"), turn_of("go")],
        id="thinking with a signature only",
    ),
    pytest.param(
        [HumanMessage("hi"), AIMessage([{"type": "thinking", "thinking": "hm"}, text_block("so")], response_metadata=OURS), HumanMessage("go")],
        None,
        [HI, turn_of([text_block("<thinking>\nhm\n</thinking>"), text_block("so")], "assistant"), turn_of("go")],
        id="thinking that a broken stream left unsigned",
    ),
    pytest.param(
        [ChatMessage("be brief", role="developer"), ChatMessage("hi", role="user"), ChatMessage("so", role="assistant"), ChatMessage("go", role="human")],
        "be brief",
        [HI, turn_of("so", "assistant"), turn_of("go")],
        id="ChatMessage by role",
    ),
    pytest.param(
        [HumanMessage("hi"), AIMessageChunk("so"), HumanMessage("go")],
        None,
        [HI, turn_of("so", "assistant"), turn_of("go")],
        id="chunks count as messages",
    ),
    pytest.param(
        [*ASKED, HumanMessage([text_block("x"), {**RESULT, "index": 0}])],
        None,
        [*ASKED_TURNS, turn_of([RESULT, text_block("x")])],
        id="tool results inside a human message",
    ),
    pytest.param(ASKED, None, [*ASKED_TURNS, turn_of([NO_RESULT])], id="a call without a result at the end"),
    pytest.param(
        [*ASKED, HumanMessage("Never mind."), AIMessage("Well."), HumanMessage("go")],
        None,
        [*ASKED_TURNS, turn_of([NO_RESULT, text_block("Never mind.")]), turn_of("Well.", "assistant"), turn_of("go")],
        id="a call without a result, and the user goes on",
    ),
    pytest.param(
        [*ASKED, HumanMessage("Never mind."), AIMessage("Well."), ToolMessage("blue", tool_call_id="toolu_1")],
        None,
        [*ASKED_TURNS, turn_of([NO_RESULT, text_block("Never mind.")]), turn_of("Well.", "assistant"), turn_of([text_block(f"{TOLD}\nblue")])],
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
            turn_of([{"type": "tool_use", "id": name, "name": "look", "input": {}} for name in ("a", "b", "c")], "assistant"),
            turn_of([result_of(tool_use_id="c", content="C"), result_of(tool_use_id="a", content="A"), {**NO_RESULT, "tool_use_id": "b"}]),
        ],
        id="parallel calls, one without a result, in another order",
    ),
    pytest.param(
        [ToolMessage("blue", tool_call_id="toolu_1"), HumanMessage("hi")],
        None,
        [turn_of([text_block(f"{TOLD}\nblue"), text_block("hi")])],
        id="a result whose call was forgotten",
    ),
    pytest.param(
        [ToolMessage([text_block("blue"), png_block()], tool_call_id="toolu_1", status="error"), HumanMessage("hi")],
        None,
        [turn_of([text_block(TOLD.replace("Result", "Error")), text_block("blue"), png_block(), text_block("hi")])],
        id="a failed result in blocks whose call was forgotten",
    ),
    pytest.param(
        [*ASKED, ToolMessage("blue", tool_call_id="toolu_1"), ToolMessage("red", tool_call_id="toolu_1")],
        None,
        [*ASKED_TURNS, turn_of([RESULT, text_block(f"{TOLD}\nred")])],
        id="a second result for one call",
    ),
    pytest.param(
        [*ASKED, ToolMessage("blue", tool_call_id="toolu_1"), *ASKED[1:], ToolMessage("red", tool_call_id="toolu_1")],
        None,
        [
            *ASKED_TURNS,
            turn_of([RESULT]),
            turn_of([{**USE, "id": "toolu_1_2"}], "assistant"),
            turn_of([result_of(tool_use_id="toolu_1_2", content="red")]),
        ],
        id="one id for two calls, as providers give them that count from 1 in each turn",
    ),
]  # fmt: skip
