"""What a user sent and cannot be sent raises once, and does not end a conversation that has gone on since."""

from __future__ import annotations

import base64
import logging
import struct
import zlib
from typing import Any, Final

import pytest
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, SystemMessage
from llama_index.core.base.llms.types import (
    AudioBlock,
    CacheControl,
    CachePoint,
    CitableBlock,
    DocumentBlock,
    ImageBlock,
    TextBlock,
    VideoBlock,
)
from llama_index.core.llms import ChatMessage
from strict import complaints

from aivideoapi_core import InvalidInputError
from aivideoapi_core.sandbox import Sandbox
from langchain_aivideoapi import ChatAIVideoAPI
from llamaindex_aivideoapi import AIVideoAPI

MODELS: Final = pytest.mark.parametrize("model", ["claude-sonnet-4-6", "claude-sonnet-4-6/anthropic"])
ZIP: Final = b"PK\x03\x04\x00\xff"


def picture(side: int) -> bytes:
    """A black PNG, so many pixels wide and one high."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", side, 1, 1, 0, 0, 0, 0)
    pixels = zlib.compress(b"\0" * (1 + (side + 7) // 8))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")


def shown(side: int) -> dict[str, Any]:
    return {"type": "image", "base64": base64.b64encode(picture(side)).decode(), "mime_type": "image/png"}


SMALL, LARGE, HUGE = 1, 2_500, 9_000
ENCODED_ZIP: Final = base64.b64encode(ZIP).decode()
IN_LANGCHAIN: Final = [
    pytest.param(HumanMessage([shown(HUGE)]), "image", id="a huge image"),
    pytest.param(HumanMessage([{"type": "image", "base64": "####", "mime_type": "image/png"}]), "image/png", id="no base64"),
    pytest.param(HumanMessage([{"type": "audio", "base64": "AAAA", "mime_type": "audio/wav"}]), "audio/wav", id="audio"),
    pytest.param(HumanMessage([{"type": "input_audio", "input_audio": {"data": "AAAA", "format": "wav"}}]), "audio", id="OpenAI's audio"),
    pytest.param(HumanMessage([{"type": "file", "base64": ENCODED_ZIP, "filename": "a.docx"}]), "a.docx", id="an office file"),
    pytest.param(HumanMessage([{"type": "media", "mime_type": "image/png", "file_uri": "gs://b/x.png"}]), "gs://b/x.png", id="Gemini's link"),
    pytest.param(HumanMessage([{"type": "gizmo", "x": 3}]), "gizmo", id="an unknown block"),
    pytest.param(SystemMessage([shown(SMALL)]), "image", id="an image in a system message"),
]  # fmt: skip
IN_LLAMAINDEX: Final = [
    pytest.param(ChatMessage(blocks=[ImageBlock(image=picture(HUGE))]), "image", id="a huge image"),
    pytest.param(ChatMessage(blocks=[AudioBlock(audio=b"x", format="wav")]), "audio", id="audio"),
    pytest.param(ChatMessage(blocks=[VideoBlock(video=b"x", video_mimetype="video/mp4")]), "video", id="video"),
    pytest.param(ChatMessage(blocks=[DocumentBlock(data=ZIP, title="a.docx")]), "a.docx", id="an office file"),
    pytest.param(ChatMessage(blocks=[CitableBlock(title="t", source="s", content=[ImageBlock(image=picture(SMALL))])]), "t: s", id="an image to cite"),
    pytest.param(ChatMessage(role="system", blocks=[ImageBlock(image=picture(SMALL))]), "image", id="an image in a system message"),
    pytest.param(ChatMessage(blocks=[TextBlock(text="x"), CachePoint(cache_control=CacheControl(type="forever"))]), "x", id="no breakpoint"),
]  # fmt: skip


@MODELS
@pytest.mark.parametrize(("message", "words"), IN_LANGCHAIN)
def test_in_langchain(sandbox: Sandbox, model: str, message: BaseMessage, words: str) -> None:
    chat = ChatAIVideoAPI(model=model, api_key=sandbox.api_key, base_url=sandbox.url)
    with pytest.raises(InvalidInputError, match=r"messages\[0\]"):
        chat.invoke([message, HumanMessage("so?")])
    chat.invoke([message, HumanMessage("so?"), AIMessage("so"), HumanMessage("and now?")])
    told_once(sandbox, words)


@MODELS
@pytest.mark.parametrize(("message", "words"), IN_LLAMAINDEX)
def test_in_llamaindex(sandbox: Sandbox, model: str, message: ChatMessage, words: str) -> None:
    llm = AIVideoAPI(model=model, api_key=sandbox.api_key, base_url=sandbox.url)
    with pytest.raises(InvalidInputError):
        llm.chat([message, ChatMessage("so?")])
    llm.chat([message, ChatMessage("so?"), ChatMessage("so", role="assistant"), ChatMessage("and now?")])
    told_once(sandbox, words)


def told_once(sandbox: Sandbox, words: str) -> None:
    (request,) = sandbox.requests
    assert complaints(request.body) == []
    system = request.body.get("system") or ""
    first = request.body["messages"][0]["content"]
    said = [
        *([system] if isinstance(system, str) else system),
        *([first] if isinstance(first, str) else first),
    ]
    texts = [part if isinstance(part, str) else part["text"] for part in said]
    assert len([text for text in texts if words in text]) == 1


def asked(*images: int, text: str = "see") -> HumanMessage:
    return HumanMessage([*(shown(side) for side in images), {"type": "text", "text": text}])


MANY: Final = [SMALL] * 21


@pytest.mark.parametrize(
    ("messages", "model", "error", "left"),
    [
        pytest.param([asked(LARGE), AIMessage("a"), asked(*MANY)], "claude-sonnet-4-6", None, 21, id="large, in an answered turn"),
        pytest.param([asked(LARGE, *MANY)], "claude-sonnet-4-6", r"side of 2,500 pixels.*2,000", None, id="large, in a new turn"),
        pytest.param([asked(*MANY), AIMessage("a"), asked(LARGE, *MANY)], "claude-sonnet-4-6", r"side of 2,500 pixels", None, id="many in both"),
        pytest.param([asked(LARGE), AIMessage("a"), asked(LARGE)], "claude-sonnet-4-6", None, 2, id="few"),
        pytest.param([asked(*[SMALL] * 60), AIMessage("a"), asked(*[SMALL] * 60)], "claude-haiku-4-5/anthropic", None, 100, id="the oldest go"),
        pytest.param([asked(*[SMALL] * 101)], "claude-haiku-4-5/anthropic", r"101 images; the limit is 100", None, id="too many new ones"),
        pytest.param([asked(*[SMALL] * 101)], "claude-sonnet-4-6/anthropic", None, 101, id="a larger window"),
    ],
)  # fmt: skip
def test_images_of_a_request(
    sandbox: Sandbox, messages: Any, model: str, error: str | None, left: int, caplog: Any
) -> None:
    chat = ChatAIVideoAPI(model=model, api_key=sandbox.api_key, base_url=sandbox.url)
    if error is not None:
        with pytest.raises(InvalidInputError, match=error):
            chat.invoke(messages)
        return
    with caplog.at_level(logging.WARNING, "aivideoapi"):
        chat.invoke(messages)
        warned = len(caplog.records)
        chat.invoke(messages)
    assert len(caplog.records) == warned
    body = sandbox.requests[-1].body
    blocks = [block for turn in body["messages"] for block in turn["content"] if not isinstance(block, str)]
    assert len([block for block in blocks if block["type"] == "image"]) == left
