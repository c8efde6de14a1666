"""LlamaIndex's images and documents: where their bytes are. URLs are passed on, never fetched; files are read."""

from __future__ import annotations

import base64
import binascii
from io import IOBase
from pathlib import Path
from typing import Any, Final

from llama_index.core.base.llms.types import BaseContentBlock, DocumentBlock, ImageBlock

from aivideoapi_core import InvalidInputError
from aivideoapi_core.adapter_kit import as_text, block_at, document_block, image_block

_DEFAULT_TITLE: Final = "input_document"
"""What LlamaIndex calls a document without a title; it says nothing, so it is not sent."""


def to_image(block: ImageBlock) -> dict[str, Any]:
    """An image block; a PDF in an ``ImageBlock`` becomes a document, since users put it there.

    Raises ``InvalidInputError`` for an image of a kind that the wire does not take.
    """
    # LlamaIndex keeps bytes as base64.
    given = (
        block.image.decode("latin-1") if isinstance(block.image, bytes) else _read(block.image, block.path)
    )
    if given is not None:
        return image_block(given, block.image_mimetype)
    if block.url is not None:
        return block_at(str(block.url), "image", block.image_mimetype)
    raise InvalidInputError("has no image, path or url")


def to_document(block: DocumentBlock) -> dict[str, Any]:
    """A document block: PDF as base64, anything that is text as ``text/plain``, a URL as it is.

    Raises ``InvalidInputError`` for what is neither (an office file, say).
    """
    kind = block.document_mimetype
    given = _decoded(block.data, kind) if isinstance(block.data, bytes) else _read(block.data, block.path)
    if given is not None:
        document = document_block(given, kind)
    elif block.url is not None:
        document = block_at(block.url, "document", kind)
    else:
        raise InvalidInputError(f"{block.title!r} has no data, path or url")
    if document["type"] == "document" and block.title and block.title != _DEFAULT_TITLE:
        document["title"] = block.title
    return document


def plain_file(block: BaseContentBlock) -> dict[str, Any]:
    """A block that holds a file as the core's ``told_media`` reads it; nothing is read from a disk."""
    path, title = getattr(block, "path", None), getattr(block, "title", None)
    return {
        "type": type(block).__name__.removesuffix("Block").lower(),
        "name": title if title != _DEFAULT_TITLE else path and Path(path).name,
        "mime_type": next((kind for field in _TYPES if (kind := getattr(block, field, None))), None),
        "base64": next((data for field in _DATA if (data := getattr(block, field, None)) is not None), None),
        "url": getattr(block, "url", None),
    }


_DATA: Final = ("data", "image", "audio", "video")
_TYPES: Final = ("document_mimetype", "image_mimetype", "format", "video_mimetype")


def _decoded(data: bytes, kind: str | None) -> bytes:
    """LlamaIndex keeps bytes as base64, but takes short texts such as b"test" for base64 already."""
    try:
        raw = base64.b64decode(data, validate=True)
    except binascii.Error:
        return data
    return data if (kind or "").startswith("text/") and as_text(raw) is None else raw


def _read(stream: IOBase | None, path: Path | str | None) -> bytes | None:
    """All that a stream holds, or the file at ``path``."""
    if stream is not None:
        stream.seek(0)
        data: bytes = stream.read()
        stream.seek(0)
        return data
    try:
        return None if path is None else Path(path).read_bytes()
    except OSError as error:
        raise InvalidInputError(
            f"is at {str(path)!r}, which we cannot read: {error.strerror or error}"
        ) from error
