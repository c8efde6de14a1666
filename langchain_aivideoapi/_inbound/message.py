"""Wire to LangChain: usage, metadata and whole replies."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from langchain_core.messages import AIMessage
from langchain_core.messages.ai import InputTokenDetails, OutputTokenDetails, UsageMetadata
from langchain_core.outputs import ChatGeneration, ChatResult

from aivideoapi_core import ContentBlock, Reply
from aivideoapi_core.adapter_kit import call_error, clean_block, cut_place, invalid_arguments
from langchain_aivideoapi._inbound.fast import PROVIDER, text_result

_NOT_METADATA: Final = frozenset({"content", "role", "type", "credits_consumed"})


def is_plain_text(block: ContentBlock) -> bool:
    """Whether ``block`` holds nothing but text."""
    return block.get("type") == "text" and block.keys() <= {"type", "text"}


def to_content(blocks: list[ContentBlock]) -> str | list[str | dict[Any, Any]]:
    """A text-only reply as a ``str``, anything else as a list of (fresh) wire blocks."""
    cleaned = [
        block for block in map(clean_block, blocks) if not (is_plain_text(block) and not block["text"])
    ]
    if not cleaned:
        return ""
    if len(cleaned) == 1 and is_plain_text(cleaned[0]):
        return str(cleaned[0]["text"])
    return [dict(block) for block in cleaned]


def to_result(reply: Reply) -> ChatResult:
    """A whole reply as the result, of one message, that ``invoke`` takes it from."""
    blocks = reply.message["content"]
    content, usage, metadata = to_content(blocks), to_usage(reply), to_response_metadata(reply)
    if isinstance(content, str):  # then there is no call
        return text_result(content, usage, metadata)
    tool_calls, invalid = to_calls(blocks, reply.message["stop_reason"])
    message = AIMessage(
        content=content,
        tool_calls=tool_calls,
        invalid_tool_calls=invalid,
        usage_metadata=usage,
        response_metadata=metadata,
    )
    return ChatResult(generations=[ChatGeneration(message=message)])


def as_cached(message: AIMessage) -> AIMessage:
    """A message that a cache gave: no request was made, so it has no credits and no request's facts."""
    usage: Any = message.usage_metadata and {**message.usage_metadata, "credits_consumed_micro": 0}
    of_request = ("credits_consumed", "request_id", "attempts")
    noted = {name: value for name, value in message.response_metadata.items() if name not in of_request}
    return message.model_copy(
        update={"usage_metadata": usage or None, "response_metadata": {**noted, "cache_hit": True}}
    )


def to_calls(
    blocks: Sequence[ContentBlock], stop_reason: str | None
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """The tool calls of a whole reply's blocks, and those whose arguments are not whole."""
    cut = cut_place(blocks, stop_reason)
    calls = [
        to_call(block, stop_reason if place == cut else None)
        for place, block in enumerate(blocks)
        if block.get("type") == "tool_use"
    ]
    valid = [call for call in calls if call["type"] == "tool_call"]
    return valid, [call for call in calls if call["type"] != "tool_call"]


def to_call(block: ContentBlock, cut_by: str | None) -> dict[str, Any]:
    """A ``tool_use`` as a tool call, or as an invalid one if its arguments are not whole.

    ``cut_by``: the stop reason, if it cut this call (``cut_place``).
    """
    raw = invalid_arguments(block, cut=cut_by is not None)
    call = {"name": block.get("name"), "id": block.get("id")}
    if raw is not None:
        return {**call, "args": raw, "error": call_error(block, cut_by), "type": "invalid_tool_call"}
    return {**call, "args": block.get("input") or {}, "type": "tool_call"}


def to_response_metadata(reply: Reply) -> dict[str, Any]:
    """Everything of a reply that is neither content nor token counts.

    ``model_name`` is the id that was asked for, by which prices and limits are known; ``model`` is
    what the platform says answered. ``credits_consumed`` is the platform's number as it was sent,
    absent if it sent none; ``max_tokens_sent`` is there where a budget lowered ``max_tokens``. Fields that the platform adds stay under their own names.
    """
    message: Mapping[str, Any] = reply.message
    metadata = {name: value for name, value in message.items() if name not in _NOT_METADATA}
    metadata["usage"] = dict(message["usage"])
    metadata["model_name"] = reply.model
    metadata["model_provider"] = PROVIDER
    metadata |= reply.facts
    if message.get("credits_consumed") is not None:
        metadata["credits_consumed"] = message["credits_consumed"]
    return metadata


def to_usage(reply: Reply) -> UsageMetadata | None:
    """Token counts in LangChain's terms, or ``None`` if the reply states none.

    ``input_tokens`` includes cache writes and reads, which the wire counts apart. ``cache_creation`` is all
    writes, which is where the tools that trace runs look for them; their split by lifetime is in
    ``response_metadata["usage"]``, because details must not add up to more than the input.
    ``credits_consumed_micro`` is the exact cost by the published prices, in microcredits: an
    ``int`` at top level, because LangChain adds those up right wherever it adds usage, and left
    out when it cannot be known.
    """
    tokens = reply.tokens
    if tokens is None:
        return None
    details = InputTokenDetails(cache_read=tokens.cache_read, cache_creation=tokens.cache_write)
    usage = UsageMetadata(
        input_tokens=tokens.total_input,
        output_tokens=tokens.output,
        total_tokens=tokens.total_input + tokens.output,
        input_token_details=details,
    )
    if tokens.thinking is not None:
        usage["output_token_details"] = OutputTokenDetails(reasoning=tokens.thinking)
    credits_computed = reply.credits_computed
    if credits_computed is not None:
        usage["credits_consumed_micro"] = credits_computed.micro  # type: ignore[typeddict-unknown-key]  # ours
    return usage
