"""Chunks and text answers without validation, a clever corner of its own: the one place that makes pydantic objects by hand.

A stream makes two objects for each piece of text. Validating them costs 7.0 µs for text and 23.5 µs for
a piece of tool arguments (core tries to parse every piece as JSON); filling them in costs 1.5 and 1.7 µs.
A whole text's message, generation and result cost 11.8 µs together, 2.7 filled in: 4 % of a call without the wire.
So the fields come from templates that were validated once, at import, and only what differs from
chunk to chunk is put in. Every mutable value is fresh: frameworks assign to chunks and merge them.
``tests/langchain/test_streaming_fast.py`` compares each with its validated twin, field by field, so
a field that langchain-core adds or changes shows there.
"""

from __future__ import annotations

from typing import Any, Final

from langchain_core.messages import AIMessage, AIMessageChunk
from langchain_core.messages.ai import UsageMetadata
from langchain_core.messages.tool import tool_call_chunk
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult

from aivideoapi_core.adapter_kit import filled

PROVIDER: Final = "aivideoapi"
"""``model_provider`` of every message, ``ls_provider`` of every trace; one name for one thing."""

_MESSAGE: Final = AIMessageChunk(content="x", response_metadata={"model_provider": PROVIDER})
_MESSAGE_FIELDS: Final = dict(_MESSAGE.__dict__)
_GENERATION_FIELDS: Final = dict(ChatGenerationChunk(message=_MESSAGE).__dict__)
_ANSWER: Final = AIMessage(
    "x", tool_calls=[], invalid_tool_calls=[], usage_metadata=None, response_metadata={}
)
_ANSWER_FIELDS: Final = dict(_ANSWER.__dict__)
_WHOLE: Final = ChatGeneration(message=_ANSWER)
_WHOLE_FIELDS: Final = dict(_WHOLE.__dict__)
_RESULT_FIELDS: Final = dict(ChatResult(generations=[_WHOLE]).__dict__)


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
    message = filled(AIMessageChunk, fields, fields_set, extra={})
    outer = {**_GENERATION_FIELDS, "text": text, "message": message}
    return filled(ChatGenerationChunk, outer, {"message", "text"})


def text_result(text: str, usage: UsageMetadata | None, metadata: dict[str, Any]) -> ChatResult:
    """A whole reply that is nothing but ``text``; the other two are handed over, not copied."""
    fields = {
        **_ANSWER_FIELDS,
        **{"content": text, "additional_kwargs": {}, "response_metadata": metadata},
        **{"tool_calls": [], "invalid_tool_calls": [], "usage_metadata": usage},
    }
    message = filled(AIMessage, fields, set(_ANSWER.__pydantic_fields_set__), extra={})
    outer = {**_WHOLE_FIELDS, "text": text, "message": message}
    generation = filled(ChatGeneration, outer, {"message", "text"})
    return filled(ChatResult, {**_RESULT_FIELDS, "generations": [generation]}, {"generations"})


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
    fields_set = message.__pydantic_fields_set__ | changes.keys()
    return filled(cls, {**message.__dict__, **changes}, fields_set, extra={})
