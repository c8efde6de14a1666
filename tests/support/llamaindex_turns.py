"""Messages in LlamaIndex's classes and their translation, which the official SDK's types judge."""

from __future__ import annotations

import base64
import copy
import itertools
from typing import Any

from golden import recorded
from llama_index.core.base.llms.types import (
    ChatMessage,
    MessageRole,
    TextBlock,
    ToolCallBlock,
)
from official import REQUEST, assert_accepted

from llamaindex_aivideoapi._outbound.conversation import to_conversation as translated

_noted = recorded(translated)


def to_messages(messages: list[ChatMessage], **options: Any) -> tuple[Any, Any]:
    """The system prompt and the turns."""
    system, turns, *_ = _noted(messages, **options)
    return system, turns


PNG = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)
PDF = b"%PDF-1.4\n%%EOF\n"


def b64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def user(*blocks: Any, **extra: Any) -> ChatMessage:
    return ChatMessage(role=MessageRole.USER, blocks=list(blocks), additional_kwargs=extra)


def assistant(*blocks: Any, **extra: Any) -> ChatMessage:
    return ChatMessage(role=MessageRole.ASSISTANT, blocks=list(blocks), additional_kwargs=extra)


def result(call_id: str | None, *blocks: Any, role: str = "tool", **extra: Any) -> ChatMessage:
    known = {"tool_call_id": call_id} if call_id else {}
    return ChatMessage(role=role, blocks=list(blocks), additional_kwargs={**known, **extra})


def text(value: str) -> TextBlock:
    return TextBlock(text=value)


def call(call_id: str | None, name: str = "look", arguments: Any = None) -> ToolCallBlock:
    return ToolCallBlock(
        tool_call_id=call_id, tool_name=name, tool_kwargs={} if arguments is None else arguments
    )


def translate(messages: list[ChatMessage], **options: Any) -> tuple[list[Any], list[Any]]:
    """Translate, and let the official types judge; the caller's messages must stay as they were."""
    before = [message.model_dump() for message in messages]
    system, turns = to_messages(messages, **options)
    assert [message.model_dump() for message in messages] == before
    body = {"model": "m", "max_tokens": 10, "messages": turns, **({"system": system} if system else {})}
    assert_accepted(REQUEST, copy.deepcopy(body))
    roles = [turn["role"] for turn in turns]
    assert all(one != other for one, other in itertools.pairwise(roles)), roles
    return _in_blocks(system or []), [{**turn, "content": _in_blocks(turn["content"])} for turn in turns]


def _in_blocks(content: Any) -> Any:
    """``content`` in the long form: one text is sent as a string."""
    if isinstance(content, str):
        return [{"type": "text", "text": content}]
    return [
        {
            name: value
            for name, value in {**block, "content": _in_blocks(block["content"])}.items()
            if name != "is_error"
        }
        if block["type"] == "tool_result" and block.get("content") and not block.get("is_error")
        else block
        for block in content
    ]


def image_source(kind: str, data: bytes) -> dict[str, Any]:
    return {"type": "image", "source": {"type": "base64", "media_type": kind, "data": b64(data)}}
