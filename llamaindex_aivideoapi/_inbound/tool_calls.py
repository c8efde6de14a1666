"""The tool calls of a reply: as LlamaIndex's selections, and the first one alone."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from llama_index.core.base.llms.types import ChatResponse, ToolCallBlock
from llama_index.core.llms.llm import ToolSelection

from aivideoapi_core.adapter_kit import CUT_REASONS, parse_arguments, read_tool_calls, unreadable_call
from llamaindex_aivideoapi._inbound.message import with_blocks


def keep_first_call(response: ChatResponse) -> ChatResponse:
    """The response with its first tool call only, for models that make several although they were told not to."""
    blocks = response.message.blocks
    calls = [block for block in blocks if isinstance(block, ToolCallBlock)]
    if len(calls) < 2:
        return response
    return with_blocks(
        response, [block for block in blocks if not isinstance(block, ToolCallBlock) or block is calls[0]]
    )


def tool_selections(response: ChatResponse) -> list[ToolSelection]:
    """The tool calls of a reply; of one that streams, those that can be read so far.

    Raises ``ValueError`` for arguments that are not a JSON object: running the tool with what is left of them would do
    something that was not asked for.
    """
    message = response.message
    blocks = [block for block in message.blocks if isinstance(block, ToolCallBlock)]
    calls: Iterable[tuple[str | None, str, Any]]
    if blocks:
        calls = [(block.tool_call_id, block.tool_name, block.tool_kwargs) for block in blocks]
    else:
        calls = read_tool_calls(message.additional_kwargs.get("tool_calls"))
    reason = message.additional_kwargs.get("stop_reason")
    selections = []
    for call_id, name, arguments in calls:
        parsed = arguments
        if isinstance(arguments, str):
            # Of a cut reply the call at the end is text, which may be JSON all the same.
            parsed = None if reason in CUT_REASONS else parse_arguments(arguments)
        if parsed is not None:
            selections.append(ToolSelection(tool_id=call_id or "", tool_name=name, tool_kwargs=parsed))
        # Not amid a stream, where ``raw`` is an event: whoever raises there leaves it open, and its books.
        elif not (isinstance(response.raw, dict) and "index" in response.raw):
            raise ValueError(unreadable_call(name, arguments, reason))
    return selections
