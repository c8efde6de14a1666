"""Content blocks to the wire: each LlamaIndex block as one, or a clear error; what a tool or a model made never raises."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
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
from aivideoapi_core.adapter_kit import Block, to_call_input, told_media
from llamaindex_aivideoapi._outbound.media import plain_file, to_document, to_image


def to_blocks(content: Iterable[BaseContentBlock], *, message: int, made: bool = False) -> list[Block]:
    """The wire blocks of a message's content; a tool call's ``id`` is left as the framework has it (``None`` included).

    ``made``: a tool or a model made it, so what cannot be sent is told in words. Else it raises ``InvalidInputError``.
    """
    blocks: list[Block] = []
    for item in content:
        try:
            block = _to_block(item)
        except InvalidInputError as error:
            if not made:
                raise InvalidInputError(f"messages[{message}]: the {type(item).__name__} {error}") from error
            block = _told(item)
        if block is not None:
            blocks.append(block)
    return blocks


def _to_block(item: BaseContentBlock) -> Block | None:
    """One block for the wire; ``None`` if there is nothing in it to send."""
    convert = _CONVERTERS.get(type(item))
    if convert is None:
        convert = next((way for cls, way in _CONVERTERS.items() if isinstance(item, cls)), _refuse)
    return convert(item)


def _told(item: BaseContentBlock) -> Block:
    """What a tool or another model made and the wire does not take, in words."""
    if not isinstance(item, CitableBlock):
        return told_media(plain_file(item))
    texts = [part.text for part in item.content if isinstance(part, TextBlock)]
    return {"type": "text", "text": "\n".join([f"[{item.title}: {item.source}]", *texts])}


def to_mark(point: CachePoint) -> Block:
    """A ``CachePoint`` as the wire has it; Bedrock's ``default`` is the wire's ``ephemeral``."""
    kind = point.cache_control.type
    return {"type": "ephemeral" if kind == "default" else kind, "ttl": point.cache_control.ttl}


def _cache_point(point: CachePoint) -> Block:
    """A blank text: the breakpoint of one goes to what stands before it."""
    return {"type": "text", "text": "", "cache_control": to_mark(point)}


def _text(block: TextBlock) -> Block:
    return {"type": "text", "text": block.text or ""}


def _thinking(block: ThinkingBlock) -> Block:
    """The block as it came; without a signature, another provider's, it is told as text further on."""
    known = block.additional_information
    signature, data = known.get("signature"), known.get("data")
    if known.get("type") == "redacted_thinking" or (data and not signature and not block.content):
        return {"type": "redacted_thinking", "data": data}
    return {"type": "thinking", "thinking": block.content or "", "signature": signature}


def _tool_use(block: ToolCallBlock) -> Block:
    return {
        "type": "tool_use",
        "id": block.tool_call_id,
        "name": block.tool_name,
        "input": to_call_input(block.tool_kwargs),
    }


def _citable(block: CitableBlock) -> Block:
    """Text as a search result; one document as a document whose citations are on."""
    if len(block.content) == 1 and isinstance(block.content[0], DocumentBlock):
        document = {**to_document(block.content[0]), "title": block.title, "citations": {"enabled": True}}
        return {**document, "context": block.source} if block.source else document
    for part in block.content:
        if not isinstance(part, TextBlock):
            raise InvalidInputError(
                f"can hold text or one document, not {type(part).__name__}: the wire cites nothing else"
            )
    texts = [_text(part) for part in block.content if isinstance(part, TextBlock) and part.text.strip()]
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


def _refuse(block: Any) -> Block:
    if isinstance(block, (AudioBlock, VideoBlock)):
        kind = "audio" if isinstance(block, AudioBlock) else "video"
        raise InvalidInputError(
            f"holds {kind}: {kind} cannot be sent, the Messages format has none; send a transcript"
        )
    raise InvalidInputError("cannot be sent over the Messages format")


_CONVERTERS: Final[Mapping[type, Callable[[Any], Block | None]]] = {
    TextBlock: _text,
    ToolCallBlock: _tool_use,
    ThinkingBlock: _thinking,
    ImageBlock: to_image,
    DocumentBlock: to_document,
    CitableBlock: _citable,
    CitationBlock: _no_block,
    CachePoint: _cache_point,
}
