"""Parallel tool calls switched off: of a reply that makes several all the same, the first one counts."""

from __future__ import annotations

from llama_index.core.base.llms.types import ChatResponse, ToolCallBlock

from llamaindex_aivideoapi._inbound.message import WIRE_CONTENT, tool_call_dicts


def keep_first_call(response: ChatResponse) -> ChatResponse:
    """The response with its first tool call only; ``raw`` keeps them all."""
    message = response.message
    calls = [block for block in message.blocks if isinstance(block, ToolCallBlock)]
    if len(calls) < 2:
        return response
    blocks = [block for block in message.blocks if not isinstance(block, ToolCallBlock) or block is calls[0]]
    extra = {name: value for name, value in message.additional_kwargs.items() if name != WIRE_CONTENT}
    extra["tool_calls"] = tool_call_dicts(blocks)
    kept = message.model_copy(update={"blocks": blocks, "additional_kwargs": extra})
    return response.model_copy(update={"message": kept})
