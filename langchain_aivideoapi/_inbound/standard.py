"""``content_blocks`` of our messages: the wire's blocks as LangChain's standard ones.

Text, thinking, citations and server tools are core's own Anthropic translation, a block at a time;
tool calls are ours, because core's takes the one valid call for every ``tool_use`` of a message,
shows none of the invalid ones, and needs wire content where we stream plain strings.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from itertools import chain
from typing import Any, cast

from langchain_core.messages import AIMessage, AIMessageChunk
from langchain_core.messages import content as types
from langchain_core.messages.block_translators import register_translator
from langchain_core.messages.block_translators.anthropic import translate_content as translate_anthropic

from langchain_aivideoapi._inbound.fast import PROVIDER

_SERVER_USES = ("server_tool_use", "mcp_tool_use")
_CALL_EXTRAS = ("caller", "toolset_name")


def register() -> None:
    """Make ``content_blocks`` of messages with our ``model_provider`` use this module."""
    register_translator(PROVIDER, standard_blocks, standard_chunk_blocks)


def standard_block(block: dict[str, Any]) -> types.ContentBlock:
    """One wire block that is no ``tool_use`` as a standard block; ``block`` is left untouched."""
    if block.get("type") == "non_standard":
        return cast("types.ContentBlock", dict(block))  # one already, see OutputTool
    return translate_anthropic(AIMessage(content=[dict(block)]))[0]


def tool_call_block(block: dict[str, Any], args: dict[str, Any]) -> dict[str, Any]:
    """A ``tool_use`` block as a standard ``tool_call``."""
    call = {"type": "tool_call", "id": block.get("id"), "name": block.get("name"), "args": args}
    return _with_call_extras(call, block)


def invalid_call_block(block: dict[str, Any], raw: str | None, error: str | None) -> dict[str, Any]:
    """A ``tool_use`` block whose arguments are not whole as a standard ``invalid_tool_call``."""
    call = {
        "type": "invalid_tool_call",
        "id": block.get("id"),
        "name": block.get("name"),
        "args": raw,
        "error": error,
    }
    return _with_call_extras(call, block)


def _with_call_extras(call: dict[str, Any], block: dict[str, Any]) -> dict[str, Any]:
    extras = {name: block[name] for name in _CALL_EXTRAS if block.get(name)}
    if extras:
        call["extras"] = extras
    return call


def standard_blocks(message: AIMessage) -> list[types.ContentBlock]:
    """The standard blocks of a whole message."""
    return cast("list[types.ContentBlock]", list(_whole(message)))


def _wire_blocks(message: AIMessage) -> list[dict[str, Any]]:
    content = message.content
    if isinstance(content, str):
        return [{"type": "text", "text": content}] if content else []
    return [{"type": "text", "text": item} if isinstance(item, str) else item for item in content]


def _whole(message: AIMessage) -> Iterator[Any]:
    calls, invalid = _by_id(message.tool_calls), _by_id(message.invalid_tool_calls)
    for block in _wire_blocks(message):
        if block.get("type") != "tool_use":
            yield standard_block(block)
            continue
        known, spoilt = calls.get(use_id := block.get("id")), invalid.get(use_id)
        if spoilt and ("partial_json" in block or not (known and block.get("name"))):
            bad = spoilt.pop(0)
            yield invalid_call_block(block, bad["args"], bad["error"])
        else:
            call = known.pop(0) if known else None
            yield tool_call_block(block, call["args"] if call else block.get("input") or {})
    for call in chain.from_iterable(calls.values()):  # calls that the content does not show
        yield {"type": "tool_call", "id": call["id"], "name": call["name"], "args": call["args"]}
    for bad in chain.from_iterable(invalid.values()):
        yield invalid_call_block(dict(bad), bad["args"], bad["error"])


def _by_id(calls: Sequence[Any]) -> dict[str | None, list[Any]]:
    """Calls by id, in their order: some servers give all calls of a reply the same."""
    found: dict[str | None, list[Any]] = {}
    for call in calls:
        found.setdefault(call["id"], []).append(call)
    return found


def standard_chunk_blocks(chunk: AIMessageChunk) -> list[types.ContentBlock]:
    """The standard blocks of a piece of a stream, or of the sum of all pieces."""
    is_whole = chunk.chunk_position == "last" and not any(map(_is_piece, _wire_blocks(chunk)))
    blocks = _whole(chunk) if is_whole else _pieces(chunk)
    return cast("list[types.ContentBlock]", list(blocks))


def _is_piece(block: dict[str, Any]) -> bool:
    """Whether a block is the rest of a call that was announced before, or one that takes the place of all others."""
    is_call = block.get("type") in ("tool_use", *_SERVER_USES)
    return (is_call and "id" not in block) or isinstance(block.get("index"), str)


def _pieces(chunk: AIMessageChunk) -> Iterator[Any]:
    pending = {piece["index"]: piece for piece in chunk.tool_call_chunks}
    for block in _wire_blocks(chunk):
        kind, index = block.get("type"), block.get("index")
        if kind == "tool_use":
            if (piece := pending.pop(index, None)) is not None:
                yield _call_piece(dict(piece), block)
            elif block.get("id"):
                # Its announcement; or all of it, where a stream turned out to mean another text.
                said = json.dumps(block["input"], ensure_ascii=False) if block.get("input") else ""
                yield _call_piece(
                    {"id": block["id"], "name": block.get("name"), "args": said, "index": index}, block
                )
            # else the stop of a call: its arguments went out as pieces
        elif kind in _SERVER_USES:
            yield _server_piece(block)
        else:
            yield standard_block(block)
    for piece in pending.values():
        yield _call_piece(dict(piece), {})


def _call_piece(piece: dict[str, Any], block: dict[str, Any]) -> dict[str, Any]:
    found = {name: piece.get(name) for name in ("id", "name", "args")}
    if piece.get("index") is not None:
        found["index"] = piece["index"]
    call = _with_call_extras({"type": "tool_call_chunk", **found}, block)
    if "partial_json" in block:  # the pieces were spoilt: this is what the model wrote
        call.setdefault("extras", {})["partial_json"] = block["partial_json"]
    return call


def _server_piece(block: dict[str, Any]) -> dict[str, Any]:
    """A server tool's block: its announcement (without input), or the input that follows it."""
    if "input" not in block:
        return cast("dict[str, Any]", standard_server_start(block))
    if "id" in block:
        return cast("dict[str, Any]", standard_block(block))
    args = block.get("partial_json") or json.dumps(block["input"], ensure_ascii=False)
    return {"type": "server_tool_call_chunk", "args": args, "index": block.get("index")}


def standard_server_start(block: dict[str, Any]) -> types.ContentBlock:
    """The announcement of a server tool's call."""
    start = dict(standard_block({**block, "input": {}}))
    start["type"], start["args"] = "server_tool_call_chunk", ""
    return cast("types.ContentBlock", start)
