"""Chunk objects without validation, a clever corner of its own: the one place that makes pydantic objects by hand.

A stream makes two objects for each piece of text. Validating them costs 7.0 µs for text and 23.5 µs for
a piece of tool arguments (core tries to parse every piece as JSON); filling them in costs 1.5 and 1.7 µs.
So the fields come from templates that were validated once, at import, and only what differs from
chunk to chunk is put in. Every mutable value is fresh: frameworks assign to chunks and merge them.
``tests/langchain/test_streaming_fast.py`` compares each with its validated twin, field by field, so
a field that langchain-core adds or changes shows there.

``model_construct`` is no way out: on pydantic 2.14 it is slower than validation.
"""

from __future__ import annotations

from typing import Any, Final

from langchain_core.messages import AIMessageChunk
from langchain_core.messages.tool import tool_call_chunk
from langchain_core.outputs import ChatGenerationChunk

PROVIDER: Final = "aivideoapi"
"""``model_provider`` of every message, ``ls_provider`` of every trace; one name for one thing."""

_new = object.__new__
_set = object.__setattr__

_MESSAGE: Final = AIMessageChunk(content="x", response_metadata={"model_provider": PROVIDER})
_MESSAGE_FIELDS: Final = dict(_MESSAGE.__dict__)
_GENERATION_FIELDS: Final = dict(ChatGenerationChunk(message=_MESSAGE).__dict__)


def _chunk(
    content: str | list[Any], text: str, fields_set: set[str], tool_call_chunks: list[Any]
) -> ChatGenerationChunk:
    fields = _MESSAGE_FIELDS.copy()
    fields["content"] = content
    fields["additional_kwargs"] = {}
    fields["response_metadata"] = {"model_provider": PROVIDER}
    fields["tool_calls"] = []
    fields["invalid_tool_calls"] = []
    fields["tool_call_chunks"] = tool_call_chunks
    message = _new(AIMessageChunk)
    _set(message, "__dict__", fields)
    _set(message, "__pydantic_fields_set__", fields_set)
    _set(message, "__pydantic_extra__", {})
    _set(message, "__pydantic_private__", None)
    outer = _GENERATION_FIELDS.copy()
    outer["text"] = text
    outer["message"] = message
    generation = _new(ChatGenerationChunk)
    _set(generation, "__dict__", outer)
    _set(generation, "__pydantic_fields_set__", {"message", "text"})
    _set(generation, "__pydantic_extra__", None)
    _set(generation, "__pydantic_private__", None)
    return generation


def text_chunk(text: str) -> ChatGenerationChunk:
    """``text`` as plain string content, for replies that hold nothing but text."""
    return _chunk(text, text, {"content", "response_metadata"}, [])


def block_chunk(block: dict[str, Any]) -> ChatGenerationChunk:
    """One piece of a content block; ``block`` is handed over, not copied. Its ``index`` joins the pieces."""
    text = block.get("text", "") if block["type"] == "text" else ""
    return _chunk([block], text, {"content", "response_metadata"}, [])


def arguments_chunk(partial_json: str, index: int) -> ChatGenerationChunk:
    """A piece of the arguments of the tool call at ``index``.

    ``tool_calls`` stays empty on the piece itself, since half a JSON text is no call; core fills it
    in when the pieces are added up.
    """
    piece = {"name": None, "args": partial_json, "id": None, "index": index, "type": "tool_call_chunk"}
    return _chunk([], "", {"content", "response_metadata", "tool_call_chunks"}, [piece])


def tool_start_chunk(block: dict[str, Any], index: int) -> ChatGenerationChunk:
    """The start of a tool call: its block without input, and the first piece with id and name.

    The piece is checked by core's own function; it comes once per call.
    """
    piece = tool_call_chunk(name=block.get("name"), args="", id=block.get("id"), index=index)
    return _chunk([block], "", {"content", "response_metadata", "tool_call_chunks"}, [piece])


def recast(message: AIMessageChunk, cls: type[AIMessageChunk], **changes: Any) -> AIMessageChunk:
    """The same chunk with ``changes``, which must be valid, as an object of ``cls``; nothing is parsed anew."""
    copied = _new(cls)
    _set(copied, "__dict__", {**message.__dict__, **changes})
    _set(copied, "__pydantic_fields_set__", message.__pydantic_fields_set__ | changes.keys())
    _set(copied, "__pydantic_extra__", {})
    _set(copied, "__pydantic_private__", None)
    return copied
