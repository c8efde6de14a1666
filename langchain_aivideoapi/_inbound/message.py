"""Wire to LangChain: usage, metadata and whole replies."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

from langchain_core.messages import AIMessage
from langchain_core.messages.ai import InputTokenDetails, OutputTokenDetails, UsageMetadata

from aivideoapi_core import ContentBlock, Message, Reply
from langchain_aivideoapi._inbound.fast import PROVIDER

CUT_REASONS: Final = frozenset({"max_tokens", "model_context_window_exceeded"})
"""Stop reasons that cut the last block off wherever it was."""

_NOT_METADATA: Final = frozenset({"content", "role", "type", "credits_consumed"})
_EMPTY_FIELDS: Final = ("citations", "caller")
"""Fields that servers send as null or empty where they have nothing to say."""


def clean_block(block: ContentBlock) -> ContentBlock:
    """``block`` without the fields that say nothing; the same object if there are none."""
    if any(name in block and not block[name] for name in _EMPTY_FIELDS):
        return {name: value for name, value in block.items() if name not in _EMPTY_FIELDS or value}
    return block


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


def invalid_arguments(block: ContentBlock, *, cut: bool) -> str | None:
    """The raw arguments of a ``tool_use`` that cannot be carried out as it is, else ``None``: whose arguments are
    not whole, or which names no tool.

    ``cut`` says that the reply ended inside this block. A server that answers whole repairs cut
    arguments into an object, which must not be taken for what the model meant to say.
    """
    if "partial_json" in block:
        return str(block["partial_json"])
    if cut or not is_named(block):
        return json.dumps(block.get("input") or {}, ensure_ascii=False)
    return None


def is_named(block: ContentBlock) -> bool:
    """Whether a call says which tool it calls."""
    return isinstance(block.get("name"), str) and bool(block["name"])


def is_cut(stop_reason: str | None) -> bool:
    """Whether a reply that stopped for this reason may have ended inside its last block."""
    return stop_reason in CUT_REASONS


def call_error(block: ContentBlock, stop_reason: str | None) -> str:
    """What ``invalid_tool_call["error"]`` says."""
    if not is_named(block):
        return "The call does not name its tool."
    reason = f" (stop_reason {stop_reason})" if stop_reason in CUT_REASONS else ""
    return f"The arguments are not complete JSON{reason}."


def to_message(reply: Reply) -> AIMessage:
    """A whole reply as the message that ``invoke`` returns."""
    blocks, stop_reason = reply.message["content"], reply.message["stop_reason"]
    tool_calls, invalid = to_calls(blocks, stop_reason)
    return AIMessage(
        content=to_content(blocks),
        tool_calls=tool_calls,
        invalid_tool_calls=invalid,
        usage_metadata=to_usage(reply),
        response_metadata=to_response_metadata(reply),
    )


def recovered_call(message: Message) -> ContentBlock | None:
    """The call that was read from the text of a reply; it stands after all that came over the wire."""
    block = message["content"][-1] if message.get("recovered_tool_call") else None
    return block if block is not None and block.get("type") == "tool_use" else None


def to_calls(
    blocks: Sequence[ContentBlock], stop_reason: str | None
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """The tool calls of a whole reply's blocks, and those whose arguments are not whole."""
    calls: list[dict[str, Any]] = []
    invalid: list[dict[str, Any]] = []
    for number, block in enumerate(blocks):
        if block.get("type") != "tool_use":
            continue
        raw = invalid_arguments(block, cut=number == len(blocks) - 1 and is_cut(stop_reason))
        call = {"name": block.get("name"), "id": block.get("id")}
        if raw is not None:
            said = {"args": raw, "error": call_error(block, stop_reason)}
            invalid.append({**call, **said, "type": "invalid_tool_call"})
        else:
            calls.append({**call, "args": block.get("input") or {}, "type": "tool_call"})
    return calls, invalid


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
    metadata["attempts"] = reply.attempts
    if reply.max_tokens_sent is not None:
        metadata["max_tokens_sent"] = reply.max_tokens_sent
    if reply.request_id is not None:
        metadata["request_id"] = reply.request_id
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
