"""Images and documents as wire sources. URLs are passed on, never fetched; files are read."""

from __future__ import annotations

import base64
import binascii
from io import IOBase
from pathlib import Path
from typing import Any, Final

from llama_index.core.base.llms.types import DocumentBlock, ImageBlock

from aivideoapi_core import InvalidInputError

_IMAGE_MAGIC: Final = (
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"GIF87a", "image/gif"),
    (b"GIF89a", "image/gif"),
)
_IMAGE_TYPES: Final = frozenset({"image/png", "image/jpeg", "image/gif", "image/webp"})
_MAGIC_BYTES: Final = 16
_PDF: Final = "application/pdf"
_DEFAULT_TITLE: Final = "input_document"
"""What LlamaIndex calls a document without a title; it says nothing, so it is not sent."""


def to_image(block: ImageBlock) -> dict[str, Any]:
    """An image block; a PDF in an ``ImageBlock`` becomes a document, since users put it there.

    Raises ``InvalidInputError`` for an image of a kind that the wire does not take.
    """
    url = str(block.url) if block.url is not None else None
    if block.image is None and block.path is None and url is not None and not url.startswith("data:"):
        return {"type": "image", "source": {"type": "url", "url": url}}
    declared, data = _read_image(block, url)
    kind = _sniff(data) or declared
    if kind == _PDF:
        return {"type": "document", "source": {"type": "base64", "media_type": _PDF, "data": data}}
    if kind not in _IMAGE_TYPES:
        raise InvalidInputError(
            f"an ImageBlock holds {kind or 'an unknown kind of data'}; use JPEG, PNG, GIF or WebP"
        )
    return {"type": "image", "source": {"type": "base64", "media_type": kind, "data": data}}


def to_document(block: DocumentBlock) -> dict[str, Any]:
    """A document block: PDF as base64, anything that is text as ``text/plain``, a URL as it is.

    Raises ``InvalidInputError`` for what is neither (an office file, say).
    """
    document: dict[str, Any] = {"type": "document", "source": _document_source(block)}
    if block.title and block.title != _DEFAULT_TITLE:
        document["title"] = block.title
    return document


def _document_source(block: DocumentBlock) -> dict[str, Any]:
    if block.data is None and block.path is None and block.url is not None:
        if not block.url.startswith("data:"):
            return {"type": "url", "url": block.url}
        kind, data = _split_data_url(block.url)
        raw = _decoded(data)
    else:
        kind = block.document_mimetype
        raw = _document_bytes(block)
    if not raw:
        raise InvalidInputError(f"the document {block.title!r} is empty")
    if raw.startswith(b"%PDF"):
        return {"type": "base64", "media_type": _PDF, "data": base64.b64encode(raw).decode("ascii")}
    text = _as_text(raw)
    if text is None:
        raise InvalidInputError(
            f"the document {block.title!r} is {kind or 'neither a PDF nor text'}; "
            "send a PDF or plain text, or convert it first"
        )
    return {"type": "text", "media_type": "text/plain", "data": text}


def _document_bytes(block: DocumentBlock) -> bytes:
    if isinstance(block.data, bytes):
        # LlamaIndex keeps bytes as base64, but takes short texts such as b"test" for base64 already.
        raw = _decoded(block.data)
        text_wanted = (block.document_mimetype or "").startswith("text/")
        return block.data if text_wanted and _as_text(raw) is None else raw
    if isinstance(block.data, IOBase):
        return _read_stream(block.data)
    if block.path is not None:
        return _read_file(block.path)
    raise InvalidInputError(f"the document {block.title!r} has no data, path or url")


def _read_image(block: ImageBlock, url: str | None) -> tuple[str | None, str]:
    """The declared media type and the data as base64 text."""
    if isinstance(block.image, bytes):
        return block.image_mimetype, block.image.decode("ascii")
    if isinstance(block.image, IOBase):
        return block.image_mimetype, base64.b64encode(_read_stream(block.image)).decode("ascii")
    if block.path is not None:
        return block.image_mimetype, base64.b64encode(_read_file(block.path)).decode("ascii")
    if url is not None:
        kind, data = _split_data_url(url)
        return kind or block.image_mimetype, data
    raise InvalidInputError("an ImageBlock has no image, path or url")


def _read_stream(stream: IOBase) -> bytes:
    stream.seek(0)
    data: bytes = stream.read()
    stream.seek(0)
    return data


def _read_file(path: Path | str) -> bytes:
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise InvalidInputError(f"cannot read {str(path)!r}: {error.strerror or error}") from error


def _split_data_url(url: str) -> tuple[str | None, str]:
    head, comma, data = url.partition(",")
    if not comma or not head.endswith(";base64"):
        raise InvalidInputError("a data: URL must be base64, such as 'data:image/png;base64,...'")
    return head.removeprefix("data:").removesuffix(";base64").split(";")[0] or None, data


def _decoded(data: bytes | str) -> bytes:
    try:
        return base64.b64decode(data, validate=True)
    except (binascii.Error, ValueError) as error:
        raise InvalidInputError(f"a block holds data that is not base64: {error}") from error


def _sniff(data: str) -> str | None:
    """The media type by the first bytes; a wrong declaration would be refused by the wire."""
    head = _decoded(data[: _MAGIC_BYTES * 2])  # a multiple of four characters, so it decodes alone
    for magic, kind in _IMAGE_MAGIC:
        if head.startswith(magic):
            return kind
    if head.startswith(b"RIFF") and head[8:12] == b"WEBP":
        return "image/webp"
    return _PDF if head.startswith(b"%PDF") else None


def _as_text(raw: bytes) -> str | None:
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        return None
    return None if "\x00" in text else text
