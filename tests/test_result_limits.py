"""What tools made and no request can hold: told in words in both adapters, with one warning; the conversation goes on."""

from __future__ import annotations

import base64
import json
import logging
import struct
from typing import Any

import pytest
from langchain_core.messages import AIMessage, HumanMessage, ToolMessage
from llama_index.core.base.llms.types import ImageBlock, TextBlock, ToolCallBlock
from llama_index.core.llms import ChatMessage
from strict import complaints

from aivideoapi_core import InvalidInputError
from aivideoapi_core._outbound.image_size import longest_side
from aivideoapi_core.sandbox import Sandbox
from langchain_aivideoapi import ChatAIVideoAPI
from llamaindex_aivideoapi import AIVideoAPI

NATIVE, DIRECT = "claude-sonnet-4-6", "claude-sonnet-4-6/anthropic"


def png(width: int, height: int, *, size: int = 0) -> str:
    head = b"\x89PNG\r\n\x1a\n" + struct.pack(">I4sII", 13, b"IHDR", width, height)
    return base64.b64encode(head + b"\x08\x02\0\0\0" + b"\0" * size).decode()


def jpeg(width: int, height: int, *, before: int = 40_000, padding: int = 1) -> str:
    first = b"\xff\xd8\xff\xe1" + struct.pack(">H", before + 2) + b"\0" * before
    return base64.b64encode(
        first + b"\xff" * padding + b"\xff\xc2\0\x11\x08" + struct.pack(">HH", height, width) + b"\3"
    ).decode()


def webp(kind: bytes, rest: bytes) -> str:
    return base64.b64encode(b"RIFF\0\0\0\0WEBP" + kind + b"\0\0\0\0" + rest + b"\0" * 20).decode()


@pytest.mark.parametrize(
    ("data", "side"),
    [
        (png(3, 9_000), 9_000),
        (jpeg(700, 20), 700),
        (jpeg(700, 20, padding=5_000), None),  # work is bounded: it may be five million
        (base64.b64encode(b"GIF89a" + struct.pack("<HH", 5, 6) + b"\0" * 40).decode(), 6),
        (webp(b"VP8 ", b"\0\0\0\x9d\x01\x2a" + struct.pack("<HH", 300, 200)), 300),
        (webp(b"VP8L", b"\x2f" + (299 | 199 << 14).to_bytes(4, "little")), 300),
        (webp(b"VP8X", b"\0\0\0\0" + (8_999).to_bytes(3, "little") + (9).to_bytes(3, "little")), 9_000),
        (base64.b64encode(b"\xff\xd8\xff\xe0" + b"\0" * 40).decode(), None),
        (base64.b64encode(b"BM" + b"\0" * 40).decode(), None),
    ],
)
def test_sides(data: str, side: int | None) -> None:
    assert longest_side(data) == side


def told_by(framework: str, sandbox: Sandbox, model: str, results: list[Any]) -> list[Any]:
    """The contents of tools' results as they were sent, each of its own call."""
    settings = {"model": model, "api_key": sandbox.api_key, "base_url": sandbox.url, "max_retries": 0}
    if framework == "langchain":
        said: list[Any] = [HumanMessage("hi")]
        for number, result in enumerate(results):
            said.append(AIMessage("", tool_calls=[{"name": "look", "args": {}, "id": f"c{number}"}]))
            content = (
                [{"type": "image", "base64": result}] if result.startswith(("iVBOR", "/9j/")) else result
            )
            said.append(ToolMessage(content, tool_call_id=f"c{number}"))
        ChatAIVideoAPI(**settings).invoke(said)
    else:
        said = [ChatMessage("hi")]
        for number, result in enumerate(results):
            call = ToolCallBlock(tool_call_id=f"c{number}", tool_name="look", tool_kwargs={})
            said.append(ChatMessage(role="assistant", blocks=[call]))
            is_image = result.startswith(("iVBOR", "/9j/"))
            block = ImageBlock(image=result.encode()) if is_image else TextBlock(text=result)
            said.append(
                ChatMessage(role="tool", blocks=[block], additional_kwargs={"tool_call_id": f"c{number}"})
            )
        AIVideoAPI(**settings).chat(said)
    body = sandbox.requests[-1].body
    assert complaints(body) == []
    return [turn["content"][0]["content"] for turn in body["messages"][2::2]]


BOTH = pytest.mark.parametrize("framework", ["langchain", "llamaindex"])


@BOTH
@pytest.mark.parametrize("model", [NATIVE, DIRECT])
def test_a_result_longer_than_the_window(
    sandbox: Sandbox, framework: str, model: str, caplog: pytest.LogCaptureFixture
) -> None:
    long = f"begin{'word ' * 1_000_000}end"
    with caplog.at_level(logging.WARNING, "aivideoapi"):
        for _ in range(2):
            (said,) = told_by(framework, sandbox, model, [long])
    assert len(said) < 41_000
    assert "5,000,008 characters is more than the model can read" in said
    assert said.endswith("word end")
    assert "begin" in said
    assert len(caplog.records) == 1


@pytest.mark.parametrize(
    "block",
    [
        {"type": "text-plain", "text": "word " * 200_000, "mime_type": "text/plain"},
        {
            "type": "document",
            "source": {"type": "text", "media_type": "text/plain", "data": "word " * 200_000},
        },
        {
            "type": "search_result",
            "source": "s",
            "title": "t",
            "content": [{"type": "text", "text": "word " * 200_000}],
        },
        {"type": "text", "text": "word " * 200_000, "annotations": []},
    ],
    ids=["a file", "a document", "a search result", "a text"],
)
def test_blocks_longer_than_the_window(sandbox: Sandbox, block: dict[str, Any]) -> None:
    before = json.dumps(block)
    call = {"name": "look", "args": {}, "id": "c1"}
    model = ChatAIVideoAPI(model=NATIVE, api_key=sandbox.api_key, base_url=sandbox.url)
    model.invoke(
        [HumanMessage("q"), AIMessage("", tool_calls=[call]), ToolMessage([block], tool_call_id="c1")]
    )
    body = sandbox.requests[-1].body
    assert complaints(body) == []
    assert len(json.dumps(body)) < 45_000
    assert json.dumps(block) == before


@BOTH
def test_results_that_are_too_much_together_lose_the_longest(sandbox: Sandbox, framework: str) -> None:
    said = told_by(framework, sandbox, NATIVE, ["a" * 500_000, "b" * 390_000, "c" * 30_000])
    assert list(map(len, said[1:])) == [390_000, 30_000]
    assert len(said[0]) < 41_000


@BOTH
def test_a_result_that_fits_is_sent(sandbox: Sandbox, framework: str) -> None:
    assert told_by(framework, sandbox, NATIVE, ["word " * 20_000]) == ["word " * 20_000]


@BOTH
@pytest.mark.parametrize("large", [png(9_000, 3), jpeg(20, 9_000)])
def test_an_image_that_is_too_large(sandbox: Sandbox, framework: str, large: str) -> None:
    (said,) = told_by(framework, sandbox, DIRECT, [large])
    assert "it cannot be shown here" in said


def test_an_image_of_the_user_that_is_too_large(sandbox: Sandbox) -> None:
    model = ChatAIVideoAPI(model=DIRECT, api_key=sandbox.api_key, base_url=sandbox.url)
    with pytest.raises(InvalidInputError, match="a side of 9,000 pixels; the limit is 8,000: scale it down"):
        model.invoke([HumanMessage([{"type": "image", "base64": png(9_000, 3)}])])


@BOTH
@pytest.mark.parametrize(
    ("model", "images", "told"),
    [
        (DIRECT, [png(2_560, 1_440)] * 20, []),
        (DIRECT, [png(2_560, 1_440)] + [png(800, 600)] * 20, [0]),
        (NATIVE, [png(8, 8)] * 102, [0, 1]),
        (DIRECT, [png(8, 8)] * 102, []),
        (DIRECT, [png(8, 8, size=3_500)] * 7, [0]),
    ],
    ids=["twenty", "large among many", "over a hundred", "a larger window", "too many bytes"],
)
def test_images_that_are_too_much_together(
    sandbox: Sandbox, monkeypatch: Any, framework: str, model: str, images: list[str], told: list[int]
) -> None:
    monkeypatch.setattr("aivideoapi_core._outbound.result_limits._MOST_DATA", 30_000)
    said = told_by(framework, sandbox, model, images)
    assert [at for at, content in enumerate(said) if "it cannot be shown here" in str(content)[:400]] == told


@pytest.mark.parametrize(("name", "is_told"), [("a.b", False), ("gone", True)])
def test_a_reference_to_a_tool(sandbox: Sandbox, name: str, is_told: bool) -> None:
    """The wire refuses one to a tool that is not in the request, and knows tools by their names on the wire."""
    model = ChatAIVideoAPI(model=DIRECT, api_key=sandbox.api_key, base_url=sandbox.url).bind_tools(
        [{"name": "a.b", "description": "x", "input_schema": {"type": "object"}}]
    )
    call = {"name": "find", "args": {}, "id": "c1"}
    found = ToolMessage([{"type": "tool_reference", "tool_name": name}], tool_call_id="c1")
    model.invoke([HumanMessage("q"), AIMessage("", tool_calls=[call]), found])
    content = sandbox.requests[-1].body["messages"][-1]["content"][0]["content"]
    expected: Any = [{"type": "tool_reference", "tool_name": "a_b"}]
    assert content == (
        [{"type": "text", "text": "[tool gone: it is not available now]"}] if is_told else expected
    )
