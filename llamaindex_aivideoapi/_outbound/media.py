"""LlamaIndex's images and documents: where their bytes are. URLs are passed on, never fetched; files are read."""

from __future__ import annotations

import base64
import binascii
from io import IOBase
from pathlib import Path
from typing import Any, Final

from llama_index.core.base.llms.types import (
    BaseContentBlock,
    CitableBlock,
    DocumentBlock,
    ImageBlock,
    TextBlock,
)

from aivideoapi_core import InvalidInputError
from aivideoapi_core.adapter_kit import as_text, block_at, document_block, image_block, told_file

_DEFAULT_TITLE: Final = "input_document"
"""What LlamaIndex calls a document without a title; it says nothing, so it is not sent."""


def to_image(block: ImageBlock) -> dict[str, Any]:
    """An image block; a PDF in an ``ImageBlock`` becomes a document, since users put it there.

    Raises ``InvalidInputError`` for an image of a kind that the wire does not take.
    """
    if isinstance(block.image, bytes):  # LlamaIndex keeps bytes as base64
        return image_block(block.image.decode("latin-1"), block.image_mimetype)
    if isinstance(block.image, IOBase):
        return image_block(_read_stream(block.image), block.image_mimetype)
    if block.path is not None:
        return image_block(_read_file(block.path), block.image_mimetype)
    if block.url is not None:
        return block_at(str(block.url), "image", block.image_mimetype)
    raise InvalidInputError("has no image, path or url")


def to_document(block: DocumentBlock) -> dict[str, Any]:
    """A document block: PDF as base64, anything that is text as ``text/plain``, a URL as it is.

    Raises ``InvalidInputError`` for what is neither (an office file, say).
    """
    kind = block.document_mimetype
    if block.data is None and block.path is None and block.url is not None:
        document = block_at(block.url, "document", kind)
    else:
        document = document_block(_document_bytes(block), kind)
    if document["type"] == "document" and block.title and block.title != _DEFAULT_TITLE:
        document["title"] = block.title
    return document


def told_media(block: BaseContentBlock) -> dict[str, Any]:
    """A block that cannot be sent, in words: its kind, name, type, size and where it is."""
    if isinstance(block, CitableBlock):
        texts = [part.text for part in block.content if isinstance(part, TextBlock)]
        return {"type": "text", "text": "\n".join([f"[{block.title}: {block.source}]", *texts])}
    name = type(block).__name__.removesuffix("Block").lower()
    data = next((value for field in _DATA if isinstance(value := getattr(block, field, None), bytes)), None)
    path, title = getattr(block, "path", None), getattr(block, "title", None)
    return told_file(
        name,
        name=title if title != _DEFAULT_TITLE else path and Path(path).name,
        media_type=next((kind for field in _TYPES if (kind := getattr(block, field, None))), None),
        size=None if data is None else len(data) * 3 // 4,
        link=getattr(block, "url", None),
    )


_DATA: Final = ("data", "image", "audio", "video")
_TYPES: Final = ("document_mimetype", "image_mimetype", "format", "video_mimetype")


def _document_bytes(block: DocumentBlock) -> bytes:
    if isinstance(block.data, bytes):
        # LlamaIndex keeps bytes as base64, but takes short texts such as b"test" for base64 already.
        try:
            raw = base64.b64decode(block.data, validate=True)
        except binascii.Error:
            return block.data
        text_wanted = (block.document_mimetype or "").startswith("text/")
        return block.data if text_wanted and as_text(raw) is None else raw
    if isinstance(block.data, IOBase):
        return _read_stream(block.data)
    if block.path is not None:
        return _read_file(block.path)
    raise InvalidInputError(f"{block.title!r} has no data, path or url")


def _read_stream(stream: IOBase) -> bytes:
    stream.seek(0)
    data: bytes = stream.read()
    stream.seek(0)
    return data


def _read_file(path: Path | str) -> bytes:
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise InvalidInputError(
            f"is at {str(path)!r}, which we cannot read: {error.strerror or error}"
        ) from error
