"""Images and documents as wire blocks. What the bytes say wins over what was declared.

URLs are passed on, never fetched. Everything that the wire does not take raises ``InvalidInputError``
with the fix; where a tool made it, ``Conversation`` and the adapters tell it in words instead.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import unquote_to_bytes

from aivideoapi_core._errors import InvalidInputError
from aivideoapi_core._outbound.image_size import longest_side

IMAGE_TYPES: Final = ("image/jpeg", "image/png", "image/gif", "image/webp")
MAX_IMAGE_BYTES: Final = 5 * 1024 * 1024
"""Official limit for one base64 image, decoded."""
MAX_IMAGE_SIDE: Final = 8_000
"""Official limit for the longer side of an image, in pixels."""
PDF: Final = "application/pdf"
SOURCES: Final = ("base64", "url", "file", "text", "content")
"""Where the wire's images and documents can be."""

_STARTS: Final = (
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"GIF87a", "image/gif"),
    (b"GIF89a", "image/gif"),
    (b"%PDF", PDF),
    (b"BM", "image/bmp"),
    (b"II*\x00", "image/tiff"),
    (b"MM\x00*", "image/tiff"),
    (b"\x00\x00\x01\x00", "image/x-icon"),
    (b"PK\x03\x04", "application/zip"),
    (b"\x1f\x8b", "application/gzip"),
    (b"ID3", "audio/mpeg"),
    (b"OggS", "audio/ogg"),
    (b"fLaC", "audio/flac"),
)
_HEAD_CHARACTERS: Final = 32
"""So many characters of base64 say the type; a multiple of four, so that they decode alone."""
_LONGEST_START: Final = 200
"""Characters of a data URI before its data, at most."""
_ALPHABET: Final = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
_URL_SAFE: Final = str.maketrans("-_", "+/")
_DATA_URI: Final = re.compile(r"data:(?P<type>[^;,]*)(?P<parameters>[^,]*),", re.IGNORECASE)
_WEB: Final = re.compile(r"https?://[^/?#]", re.IGNORECASE)


def media_type_of(head: bytes) -> str | None:
    """The media type by the first bytes of a file; ``None`` if they do not say."""
    for start, kind in _STARTS:
        if head.startswith(start):
            return kind
    if head.startswith(b"RIFF"):
        return {b"WEBP": "image/webp", b"WAVE": "audio/wav", b"AVI ": "video/x-msvideo"}.get(head[8:12])
    if head[4:8] == b"ftyp":
        return "image/avif" if head[8:12] in (b"avif", b"heic") else "video/mp4"
    return None


def clean_base64(data: str) -> str:
    """Base64 text as the wire wants it: no line breaks, the standard alphabet, padded.

    A data URI is taken for the data in it. Raises ``InvalidInputError`` if it is no base64.
    """
    if data.lstrip()[:5].lower() == "data:":
        return split_data_uri(data.lstrip())[1]
    if not data.isascii() or any(blank in data for blank in "\n\r\t "):
        data = "".join(data.lstrip("\ufeff").split())
    if "-" in data or "_" in data:
        data = data.translate(_URL_SAFE)
    data = data.rstrip("=")
    if not data.isascii() or data.encode().translate(None, _ALPHABET) or len(data) % 4 == 1:
        raise InvalidInputError("holds data that is not base64")
    return data + "=" * (-len(data) % 4)


def decoded(data: str) -> bytes:
    """The bytes of base64 text; raises ``InvalidInputError`` if it is none."""
    return base64.b64decode(clean_base64(data))


def split_data_uri(uri: str) -> tuple[str | None, str]:
    """A data URI's media type in lower case, and its data as base64 text."""
    match = _DATA_URI.match(uri)
    if match is None:
        raise InvalidInputError("has a data URI without a comma; write 'data:<type>;base64,<data>'")
    kind, rest = match["type"].strip().lower() or None, uri[match.end() :]
    if match["parameters"].strip().lower().endswith(";base64"):
        return kind, clean_base64(unquote_to_bytes(rest).decode("latin-1") if "%" in rest else rest)
    return kind or "text/plain", base64.b64encode(unquote_to_bytes(rest)).decode("ascii")


def image_block(data: str | bytes, declared: str | None = None) -> dict[str, Any]:
    """A block for the image in ``data`` (bytes, or base64 text); a document if it is a PDF.

    ``declared`` is the media type to believe if the bytes do not say. Raises ``InvalidInputError``
    for an image of a kind or a size that the wire does not take.
    """
    text = base64.b64encode(data).decode("ascii") if isinstance(data, bytes) else clean_base64(data)
    if not text:
        raise InvalidInputError("is an image without data")
    found = media_type_of(base64.b64decode(text[:_HEAD_CHARACTERS]))
    if found is None and (inner := _base64_in(text)) is not None:
        return image_block(inner)
    kind = _image_type(found or _plain_type(declared))
    if kind == PDF:
        return _document({"type": "base64", "media_type": PDF, "data": text})
    if len(text) * 3 // 4 > MAX_IMAGE_BYTES:
        raise InvalidInputError(
            f"holds an image of {len(text) * 3 // 4:,} bytes; the limit is {MAX_IMAGE_BYTES:,}: "
            "scale it down, or send it by URL"
        )
    if (side := longest_side(text) or 0) > MAX_IMAGE_SIDE:
        raise InvalidInputError(
            f"holds an image with a side of {side:,} pixels; the limit is {MAX_IMAGE_SIDE:,}: scale it down"
        )
    return {"type": "image", "source": {"type": "base64", "media_type": kind, "data": text}}


def _base64_in(text: str) -> str | None:
    """The base64 text of an image or a PDF that was encoded twice: LlamaIndex takes base64 with line breaks for bytes."""
    head = base64.b64decode(text[: 2 * _HEAD_CHARACTERS])
    try:
        inner = clean_base64(head.decode("ascii"))[:_HEAD_CHARACTERS]
        known = media_type_of(base64.b64decode(inner))
        return clean_base64(base64.b64decode(text).decode("ascii")) if known in (*IMAGE_TYPES, PDF) else None
    except (InvalidInputError, ValueError):
        return None


def _image_type(kind: str | None) -> str:
    if kind is None:
        raise InvalidInputError("is a base64 image of unknown type; set mime_type, such as 'image/png'")
    if kind not in IMAGE_TYPES and kind != PDF:
        raise InvalidInputError(f"is an image of type {kind!r}: use JPEG, PNG, GIF or WebP")
    return kind


def _plain_type(declared: str | None) -> str | None:
    """A media type without its parameters; what browsers call JPEG is JPEG."""
    kind = (declared or "").partition(";")[0].strip().lower()
    return (
        None
        if kind in _SAYS_NOTHING
        else {"image/jpg": "image/jpeg", "image/pjpeg": "image/jpeg"}.get(kind, kind)
    )


_SAYS_NOTHING: Final = frozenset({"", "application/octet-stream", "binary/octet-stream"})


def document_block(data: str | bytes, declared: str | None = None) -> dict[str, Any]:
    """A block for the file in ``data`` (bytes, or base64 text): PDF, anything that is text, or an image.

    Raises ``InvalidInputError`` for what is none of them (an office file, an archive).
    """
    text = base64.b64encode(data).decode("ascii") if isinstance(data, bytes) else clean_base64(data)
    if not text:
        raise InvalidInputError("is an empty file")
    kind = media_type_of(base64.b64decode(text[:_HEAD_CHARACTERS]))
    if kind in IMAGE_TYPES or kind == PDF:
        return image_block(text)
    if kind is None and (inner := _base64_in(text)) is not None:
        return image_block(inner)
    plain = as_text(data if isinstance(data, bytes) else decoded(data))
    if plain is None:
        named = _plain_type(declared)
        if named is not None and named.startswith("text/"):
            raise InvalidInputError(f"is a file of type {named!r} whose data is not UTF-8 text")
        raise InvalidInputError(
            f"is a file of type {kind or named or 'unknown'!r}; send a PDF or plain text, or convert it first"
        )
    return text_document(plain)


def text_document(text: str) -> dict[str, Any]:
    """A document of plain text; raises ``InvalidInputError`` for a blank one."""
    if not text.strip():
        raise InvalidInputError("is a text document without text")
    return _document({"type": "text", "media_type": "text/plain", "data": text})


def block_at(url: str, kind: str, declared: str | None = None) -> dict[str, Any]:
    """An ``image`` or a ``document`` (``kind``) at ``url``, which may be a data URI.

    Raises ``InvalidInputError`` for an address that is not on the web, and for a declared type that
    the wire does not take by URL.
    """
    url = url.strip()
    if url[:5].lower() == "data:":
        found, data = split_data_uri(url)
        head = base64.b64decode(data[:_HEAD_CHARACTERS])
        if kind == "image" and ";base64," not in url[:_LONGEST_START].lower() and not media_type_of(head):
            raise InvalidInputError(
                f"has a data URI of type {found!r} that is not 'data:<type>;base64,<data>'"
            )
        return (image_block if kind == "image" else document_block)(data, found or declared)
    url = "%20".join(url.split())
    if not _WEB.match(url):
        raise InvalidInputError(f"has the URL {url[:80]!r}; use an https URL or a data URI")
    scheme, _, rest = url.partition(":")
    url = f"{scheme.lower()}:{rest}"
    named = _plain_type(declared)
    if named in IMAGE_TYPES:
        kind = "image"
    elif named == PDF:
        kind = "document"
    elif named is not None and not named.endswith("/*"):
        raise InvalidInputError(f"is a file of type {named!r} at a URL; only images and PDFs go by URL")
    return {"type": kind, "source": {"type": "url", "url": url}}


def settled(block: Mapping[str, Any]) -> dict[str, Any]:
    """An image or document block in the wire's form, with the type that its bytes say.

    Raises ``InvalidInputError`` for what the wire would refuse.
    """
    found = _settled_source(block["type"], block["source"])
    if found["type"] == block["type"]:
        return {**block, **found}
    return {**found, **{name: block[name] for name in ("cache_control",) if name in block}}


def _settled_source(kind: str, source: Mapping[str, Any]) -> dict[str, Any]:
    """The image or the document at a source in the wire's form."""
    match source:
        case {"type": "url", "url": str(url)}:
            return block_at(url, kind)
        case {"type": "base64", "data": str(data) | bytes(data)}:
            return (image_block if kind == "image" else document_block)(data, source.get("media_type"))
        case {"type": "file", "file_id": str(file_id)} if file_id:
            return {"type": kind, "source": {"type": "file", "file_id": file_id}}
        case {"type": "text", "data": str(text)} if kind == "document":
            return text_document(text)
        case {"type": "content", "content": str(text)} if kind == "document" and text.strip():
            return _document(dict(source))
        case {"type": "content", "content": list(parts)} if kind == "document":
            said = [
                part for part in parts if part.get("type") != "text" or str(part.get("text") or "").strip()
            ]
            if said:
                return _document({"type": "content", "content": said})
    raise InvalidInputError(
        f"is of type {kind!r} with a source that the wire does not know: {str(source)[:80]}"
    )


def as_text(raw: bytes) -> str | None:
    """The text that a file holds, or ``None`` if it is no text."""
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        return None
    return None if "\x00" in text else text


def _document(source: dict[str, Any]) -> dict[str, Any]:
    return {"type": "document", "source": source}
