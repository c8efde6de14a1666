"""One LlamaIndex content block as one wire block, or a clear error; what a tool or a model made never raises."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from llama_index.core.base.llms.types import (
    AudioBlock,
    BaseContentBlock,
    CachePoint,
    CitableBlock,
    CitationBlock,
    DocumentBlock,
    ImageBlock,
    TextBlock,
    ThinkingBlock,
    ToolCallBlock,
    VideoBlock,
)

from aivideoapi_core import InvalidInputError
from aivideoapi_core.adapter_kit import to_call_input, told_media
from llamaindex_aivideoapi._outbound.media import plain_file, to_document, to_image

WireBlock = dict[str, Any]


def to_block(block: BaseContentBlock, at: int) -> WireBlock | None:
    """The wire block for any block; ``None`` for what has nothing to send.

    A tool call's ``id`` is left as the framework has it (``None`` included). Raises
    ``InvalidInputError`` for what cannot be sent, naming the message (``at``) and the fix.
    """
    translate = _TRANSLATORS.get(type(block))
    if translate is None:
        translate = next((way for cls, way in _TRANSLATORS.items() if isinstance(block, cls)), _refuse)
    try:
        return translate(block)
    except InvalidInputError as error:
        raise InvalidInputError(f"messages[{at}]: the {type(block).__name__} {error}") from error


def told_block(block: BaseContentBlock, at: int) -> WireBlock | None:
    """The same for a block that a tool or a model made: what cannot be sent is told in words."""
    try:
        return to_block(block, at)
    except InvalidInputError:
        if not isinstance(block, CitableBlock):
            return told_media(plain_file(block))
        texts = [part.text for part in block.content if isinstance(part, TextBlock)]
        return {"type": "text", "text": "\n".join([f"[{block.title}: {block.source}]", *texts])}


def to_mark(point: CachePoint) -> WireBlock:
    """A ``CachePoint`` as the wire has it; Bedrock's ``default`` is the wire's ``ephemeral``."""
    kind = point.cache_control.type
    return {"type": "ephemeral" if kind == "default" else kind, "ttl": point.cache_control.ttl}


def _to_cache_point(point: CachePoint) -> WireBlock:
    """A blank text: the breakpoint of one goes to what stands before it."""
    return {"type": "text", "text": "", "cache_control": to_mark(point)}


def _to_text(block: TextBlock) -> WireBlock:
    return {"type": "text", "text": block.text or ""}


def _to_thinking(block: ThinkingBlock) -> WireBlock:
    """The block as it came; without a signature, another provider's, it is told as text further on."""
    known = block.additional_information
    signature, data = known.get("signature"), known.get("data")
    if known.get("type") == "redacted_thinking" or (data and not signature and not block.content):
        return {"type": "redacted_thinking", "data": data}
    return {"type": "thinking", "thinking": block.content or "", "signature": signature}


def _to_tool_use(block: ToolCallBlock) -> WireBlock:
    return {
        "type": "tool_use",
        "id": block.tool_call_id,
        "name": block.tool_name,
        "input": to_call_input(block.tool_kwargs),
    }


def _to_citable(block: CitableBlock) -> WireBlock:
    """Text as a search result; one document as a document whose citations are on."""
    if len(block.content) == 1 and isinstance(block.content[0], DocumentBlock):
        document = {**to_document(block.content[0]), "title": block.title, "citations": {"enabled": True}}
        return {**document, "context": block.source} if block.source else document
    for part in block.content:
        if not isinstance(part, TextBlock):
            raise InvalidInputError(
                f"can hold text or one document, not {type(part).__name__}: the wire cites nothing else"
            )
    texts = [_to_text(part) for part in block.content if isinstance(part, TextBlock) and part.text.strip()]
    if not texts:
        raise InvalidInputError(f"{block.title!r} has no text")
    return {
        "type": "search_result",
        "source": block.source,
        "title": block.title,
        "content": texts,
        "citations": {"enabled": True},
    }


def _no_block(_: Any) -> None:
    """A received citation: it belongs to text that is sent anyway."""


def _refuse(block: Any) -> WireBlock:
    if isinstance(block, (AudioBlock, VideoBlock)):
        kind = "audio" if isinstance(block, AudioBlock) else "video"
        raise InvalidInputError(
            f"holds {kind}: {kind} cannot be sent, the Messages format has none; send a transcript"
        )
    raise InvalidInputError("cannot be sent over the Messages format")


_TRANSLATORS: Final[Mapping[type, Callable[[Any], WireBlock | None]]] = {
    TextBlock: _to_text,
    ToolCallBlock: _to_tool_use,
    ThinkingBlock: _to_thinking,
    ImageBlock: to_image,
    DocumentBlock: to_document,
    CitableBlock: _to_citable,
    CitationBlock: _no_block,
    CachePoint: _to_cache_point,
}
