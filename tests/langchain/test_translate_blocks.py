"""Blocks and results of tools to the wire: every form of content, judged by the official SDK's types as well."""

from __future__ import annotations

import base64
from typing import Any

import pytest
from langchain_core.messages import (
    AnyMessage,
    ChatMessage,
    HumanMessage,
    RemoveMessage,
    SystemMessage,
    ToolMessage,
)
from langchain_turns import (
    ASKED,
    ASKED_TURNS,
    FIVE,
    PNG,
    png_block,
    result_of,
    text_block,
    to_conversation,
    turn_of,
)
from official import TURNS, assert_accepted

from aivideoapi_core import InvalidInputError

JPEG = "/9j/4AAQSkZJRgABAQEASABIAAD/2Q=="
PDF = base64.b64encode(b"%PDF-1.4\n%%EOF\n").decode()


def pdf_block(**more: Any) -> dict[str, Any]:
    source = {"type": "base64", "media_type": "application/pdf", "data": PDF}
    return {"type": "document", "source": source, **more}


def _plain_document(text: str, **more: Any) -> dict[str, Any]:
    source = {"type": "text", "media_type": "text/plain", "data": text}
    return {"type": "document", "source": source, **more}


BLOCKS: list[Any] = [
    pytest.param("hello", [text_block("hello")], id="a string in a list"),
    pytest.param(text_block("hello", id="lc_1", index=0), [text_block("hello")], id="text with LangChain's own fields"),
    pytest.param(text_block("hello", cache_control=FIVE), [text_block("hello", cache_control=FIVE)], id="cached text"),
    pytest.param(
        text_block("hello", extras={"cache_control": FIVE}), [text_block("hello", cache_control=FIVE)], id="cached, in extras"
    ),
    pytest.param({"type": "input_text", "text": "hello"}, [text_block("hello")], id="OpenAI's input_text"),
    pytest.param({"text": "hello"}, [text_block("hello")], id="text without a type"),
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
        {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PNG}"}}, [png_block()], id="image_url, data URI"
    ),
    pytest.param(
        {"type": "input_image", "image_url": f"data:image/png;base64,{PNG}"}, [png_block()], id="OpenAI's input_image"
    ),
    pytest.param(
        {"type": "image", "base64": PNG, "mime_type": "image/png", "id": "lc_1"}, [png_block()], id="v1 image, base64"
    ),
    pytest.param({"type": "image", "base64": PNG}, [png_block()], id="v1 image, type from its bytes"),
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
    pytest.param({"type": "image", "url": f"data:image/png;base64,{PNG}"}, [png_block()], id="v1 image, data URI"),
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
        {"type": "image", "source_type": "base64", "data": PNG, "mime_type": "image/png"}, [png_block()], id="v0 image, base64"
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
    pytest.param(png_block(index=3, cache_control=FIVE), [png_block(cache_control=FIVE)], id="wire image"),
    pytest.param({"type": "file", "base64": PDF, "mime_type": "application/pdf"}, [pdf_block()], id="v1 file, PDF"),
    pytest.param(
        {
            "type": "file",
            "base64": PDF,
            "mime_type": "application/pdf",
            "filename": "a.pdf",
            "extras": {"citations": {"enabled": True}, "context": "old"},
        },
        [pdf_block(title="a.pdf", citations={"enabled": True}, context="old")],
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
        [pdf_block(title="T")],
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
    pytest.param({"type": "file", "base64": PNG, "mime_type": "image/png"}, [png_block()], id="a picture sent as a file"),
    pytest.param(
        {"type": "file", "file": {"file_data": f"data:application/pdf;base64,{PDF}", "filename": "a.pdf"}},
        [pdf_block(title="a.pdf")],
        id="OpenAI's file",
    ),
    pytest.param(
        {"type": "file", "file": {"file_id": "file_1"}},
        [{"type": "document", "source": {"type": "file", "file_id": "file_1"}}],
        id="OpenAI's file id",
    ),
    pytest.param({"type": "text-plain", "text": "body", "title": "T"}, [_plain_document("body", title="T")], id="text-plain"),
    pytest.param(pdf_block(title="T", citations={"enabled": True}), [pdf_block(title="T", citations={"enabled": True})], id="wire document"),
    pytest.param(
        {"type": "search_result", "source": "s", "title": "t", "content": [text_block("x")], "citations": {"enabled": True}},
        [{"type": "search_result", "source": "s", "title": "t", "content": [text_block("x")], "citations": {"enabled": True}}],
        id="search result",
    ),
    pytest.param(
        {"type": "non_standard", "value": {"type": "container_upload", "file_id": "file_1"}},
        [{"type": "container_upload", "file_id": "file_1"}],
        id="non_standard, known to the wire",
    ),
    pytest.param({"type": "non_standard", "value": png_block()}, [png_block()], id="non_standard, known to us"),
]  # fmt: skip


@pytest.mark.parametrize(("block", "expected"), BLOCKS)
def test_human_blocks(block: Any, expected: list[dict[str, Any]]) -> None:
    turns = to_conversation([HumanMessage([block])]).messages
    assert turns == [turn_of(expected)]
    assert_accepted(TURNS, turns)


def test_a_block_type_that_nobody_knows_goes_out_in_non_standard() -> None:
    wrapped = {"type": "non_standard", "value": {"type": "hologram", "data": "x"}}
    assert to_conversation([HumanMessage([wrapped])]).messages == [
        turn_of([{"type": "hologram", "data": "x"}])
    ]


_NO_CONTENT = {"type": "tool_result", "tool_use_id": "toolu_1", "is_error": False}
RESULTS: list[Any] = [
    pytest.param("blue", [result_of()], id="string"),
    pytest.param("", [_NO_CONTENT], id="empty string"),
    pytest.param([], [_NO_CONTENT], id="empty list"),
    pytest.param([text_block(" ")], [_NO_CONTENT], id="blank text"),
    pytest.param(["blue"], [result_of()], id="list of strings"),
    pytest.param(
        [text_block("blue"), {"type": "image", "base64": PNG, "mime_type": "image/png"}],
        [result_of(content=[text_block("blue"), png_block()])],
        id="text and image",
    ),
    pytest.param(
        [{"type": "file", "base64": PDF, "mime_type": "application/pdf"}],
        [result_of(content=[pdf_block()])],
        id="PDF",
    ),
    pytest.param(
        [text_block("blue", cache_control=FIVE)],
        [result_of(content=[text_block("blue", cache_control=FIVE)])],
        id="cached",
    ),
    pytest.param(
        [
            {
                "type": "tool_result",
                "tool_use_id": "toolu_1",
                "content": [text_block("blue")],
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
    conversation = to_conversation([*ASKED, ToolMessage(content, tool_call_id="toolu_1")])
    assert conversation.messages == [*ASKED_TURNS, turn_of(expected)]
    assert_accepted(TURNS, conversation.messages)


def test_a_failed_tool() -> None:
    failed = ToolMessage("no", tool_call_id="toolu_1", status="error")
    assert to_conversation([*ASKED, failed]).messages[-1] == turn_of([result_of(content="no", is_error=True)])


ERRORS: list[Any] = [
    pytest.param([HumanMessage([{"type": "hologram"}])], r"messages\[0\].content\[0\].*'hologram'.*non_standard", id="unknown type"),
    pytest.param([HumanMessage("x"), HumanMessage([text_block("x"), {"a": 1}])], r"messages\[1\].content\[1\].*None", id="no type"),
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
    pytest.param([HumanMessage([text_block(" ", cache_control=FIVE)])], "cache_control.*has content", id="cached nothing"),
    pytest.param([SystemMessage([png_block()]), HumanMessage("x")], r"messages\[0\] is a system message with a 'image'", id="image in system"),
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
