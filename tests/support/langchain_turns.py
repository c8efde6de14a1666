"""Blocks, calls and turns as the wire has them, for the tests of LangChain's translators."""

from __future__ import annotations

from typing import Any

from golden import recorded
from langchain_core.messages import (
    AIMessage,
    HumanMessage,
)

from langchain_aivideoapi._outbound.conversation import to_conversation as translated_conversation

to_conversation = recorded(translated_conversation)
PNG = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAIAAACQd1PeAAAADElEQVR4nGP4z8AAAAMBAQDJ/pLvAAAAAElFTkSuQmCC"
FIVE = {"type": "ephemeral"}
OURS = {"model_provider": "aivideoapi"}
CALL = {"name": "look", "args": {"at": "sky"}, "id": "toolu_1", "type": "tool_call"}
DEEP = "[" * 100_000
USE = {"type": "tool_use", "id": "toolu_1", "name": "look", "input": {"at": "sky"}}
RESULT = {"type": "tool_result", "tool_use_id": "toolu_1", "content": "blue", "is_error": False}
NO_RESULT = {**RESULT, "content": "No result: this call was not carried out.", "is_error": True}
TOLD = "Result of an earlier tool call (toolu_1):"
HI = {"role": "user", "content": "hi"}


def text_block(text: str, **more: Any) -> dict[str, Any]:
    return {"type": "text", "text": text, **more}


def turn_of(content: Any, role: str = "user") -> dict[str, Any]:
    """One text alone is a string."""
    if isinstance(content, list) and len(content) == 1 and content[0].keys() == {"type", "text"}:
        content = content[0]["text"]
    return {"role": role, "content": content}


def png_block(**more: Any) -> dict[str, Any]:
    return {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PNG}, **more}


def result_of(**more: Any) -> dict[str, Any]:
    return {**RESULT, **more}


ASKED = [HumanMessage("hi"), AIMessage("", tool_calls=[CALL])]
ASKED_TURNS = [HI, turn_of([USE], "assistant")]
