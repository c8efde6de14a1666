"""One LlamaIndex content block as one wire block, or a clear error."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from llama_index.core.base.llms.types import (
    AudioBlock,
    BaseContentBlock,
    CitableBlock,
    CitationBlock,
    DocumentBlock,
    ImageBlock,
    TextBlock,
    ThinkingBlock,
    ToolCallBlock,
    VideoBlock,
)
from pydantic_core import from_json

from aivideoapi_core import InvalidInputError
from llamaindex_aivideoapi._outbound.media import to_document, to_image

WireBlock = dict[str, Any]

_NAME_REFUSED: Final = re.compile(r"[^a-zA-Z0-9_-]")
_LONGEST_NAME: Final = 128


def to_block(block: BaseContentBlock) -> WireBlock | None:
    """The wire block for any block but ``CachePoint``; ``None`` for what has nothing to send.

    A tool call's ``id`` is left as the framework has it (``None`` included) for the caller to settle.
    """
    translate = _TRANSLATORS.get(type(block))
    if translate is None:
        translate = next((way for cls, way in _TRANSLATORS.items() if isinstance(block, cls)), _refuse)
    return translate(block)


def to_arguments(arguments: Any) -> dict[str, Any]:
    """A tool call's arguments as an object; text is parsed, nothing at all is ``{}``.

    Text that is not a JSON object (arguments that an output limit cut) goes back to the model as
    ``{"partial_json": text}``: it is what was said, and the wire takes objects only.
    """
    if isinstance(arguments, str):
        parsed = parse_arguments(arguments)
        return {"partial_json": arguments} if parsed is None else parsed
    if arguments is None:
        return {}
    if isinstance(arguments, Mapping):
        return dict(arguments)
    raise InvalidInputError(f"tool arguments must be an object or JSON text, not {type(arguments).__name__}")


def parse_arguments(text: str) -> dict[str, Any] | None:
    """JSON text as an object; blank text is ``{}``; ``None`` if it is anything else."""
    if not text.strip():
        return {}
    try:
        parsed = from_json(text, allow_inf_nan=False)
    except ValueError:
        return None
    return parsed if isinstance(parsed, dict) else None


def to_tool_name(name: str) -> str:
    """A name from another provider's history, in the characters that the wire takes."""
    return _NAME_REFUSED.sub("_", name)[:_LONGEST_NAME] or "tool"


def _to_text(block: TextBlock) -> WireBlock | None:
    # The wire refuses blank text, and frameworks make a lot of it.
    return {"type": "text", "text": block.text} if block.text and not block.text.isspace() else None


def _to_thinking(block: ThinkingBlock) -> WireBlock | None:
    """The block as it came. Thinking without a signature, another provider's, goes as text: the wire
    refuses it as thinking, and the conversation may rest on it.
    """
    known = block.additional_information
    if known.get("type") == "redacted_thinking" or ("data" in known and not known.get("signature")):
        return {"type": "redacted_thinking", "data": known["data"]} if known.get("data") else None
    signature = known.get("signature")
    thought = block.content or ""
    if not signature:
        text = f"<thinking>\n{thought.strip()}\n</thinking>"
        return {"type": "text", "text": text} if thought.strip() else None
    return {"type": "thinking", "thinking": thought, "signature": signature}


def _to_tool_use(block: ToolCallBlock) -> WireBlock:
    return {
        "type": "tool_use",
        "id": block.tool_call_id,
        "name": to_tool_name(block.tool_name),
        "input": to_arguments(block.tool_kwargs),
    }


def _to_citable(block: CitableBlock) -> WireBlock:
    """Text as a search result; one document as a document whose citations are on."""
    if len(block.content) == 1 and isinstance(block.content[0], DocumentBlock):
        document = {**to_document(block.content[0]), "title": block.title, "citations": {"enabled": True}}
        return {**document, "context": block.source} if block.source else document
    content = []
    for part in block.content:
        if not isinstance(part, TextBlock):
            raise InvalidInputError(
                f"a CitableBlock can hold text or one document, not {type(part).__name__}: the wire cites nothing else"
            )
        if (text := _to_text(part)) is not None:
            content.append(text)
    if not content:
        raise InvalidInputError(f"the CitableBlock {block.title!r} has no text")
    return {
        "type": "search_result",
        "source": block.source,
        "title": block.title,
        "content": content,
        "citations": {"enabled": True},
    }


def _no_block(_: Any) -> None:
    """A received citation: it belongs to text that is sent anyway."""


def _refuse(block: Any) -> WireBlock:
    if isinstance(block, (AudioBlock, VideoBlock)):
        kind = "audio" if isinstance(block, AudioBlock) else "video"
        raise InvalidInputError(
            f"{kind} cannot be sent: the Messages format has no {kind}; send a transcript"
        )
    raise InvalidInputError(f"a {type(block).__name__} cannot be sent over the Messages format")


_TRANSLATORS: Final[Mapping[type, Callable[[Any], WireBlock | None]]] = {
    TextBlock: _to_text,
    ToolCallBlock: _to_tool_use,
    ThinkingBlock: _to_thinking,
    ImageBlock: to_image,
    DocumentBlock: to_document,
    CitableBlock: _to_citable,
    CitationBlock: _no_block,
}


def text_of(blocks: Sequence[WireBlock]) -> str:
    """The text parts of wire blocks, one below the other."""
    return "\n".join(block["text"] for block in blocks if block.get("type") == "text")
