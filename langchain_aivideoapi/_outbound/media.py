"""LangChain's and other providers' images and files as wire blocks. URLs are passed on, never fetched.

Every form that a history has: LangChain's standard blocks of either version, OpenAI's, Google's and MCP's.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, TypeAlias

from aivideoapi_core import InvalidInputError
from aivideoapi_core.adapter_kit import block_at, document_block, image_block, text_document, told_file

Block: TypeAlias = dict[str, Any]

MEDIA: Final = frozenset(
    {
        *("image", "image_url", "input_image", "file", "input_file", "media", "document", "text-plain"),
        *("audio", "input_audio", "video", "video_url", "resource", "resource_link", "computer_screenshot"),
    }
)
"""Blocks that hold a file, or say where one is."""
LEFTOVERS: Final = frozenset({"index", "partial_json"})
"""What streaming leaves on blocks."""
_CARRIED: Final = ("cache_control", "citations", "title", "context")
"""Fields of documents that LangChain's own blocks may carry, in ``extras`` or ``metadata`` too."""


def to_image(item: Mapping[str, Any], place: object) -> Block:
    if "source" in item and "source_type" not in item:
        return in_wire_form(item)
    kind = item.get("mime_type")
    if isinstance(url := item.get("url"), str) and url:
        return with_cache_control(block_at(url, "image", kind), item)
    if (data := _base64_of(item)) is not None:
        return with_cache_control(image_block(data, kind), item)
    if (file_id := _file_id_of(item)) is not None:
        return with_cache_control({"type": "image", "source": {"type": "file", "file_id": file_id}}, item)
    raise InvalidInputError("is an image without url, base64 data or file id")


def in_wire_form(item: Mapping[str, Any], place: object = None) -> Block:
    """An image or document in the wire's form; ``id`` is LangChain's own and unknown to the wire."""
    return {name: value for name, value in item.items() if name not in LEFTOVERS and name != "id"}


def to_image_url(item: Mapping[str, Any], place: object) -> Block:
    """``image_url`` as a string or as ``{"url": ...}``; ``detail`` is another provider's setting."""
    value = item.get("image_url", item.get("url"))
    url = value.get("url") if isinstance(value, Mapping) else value
    if not isinstance(url, str) or not url:
        raise InvalidInputError("is an image_url block without a URL")
    return with_cache_control(block_at(url, "image"), item)


def _base64_of(item: Mapping[str, Any]) -> str | bytes | None:
    data = item.get("base64") or (item.get("data") if item.get("source_type") in (None, "base64") else None)
    return data if isinstance(data, (str, bytes)) and data else None


def _file_id_of(item: Mapping[str, Any]) -> str | None:
    file_id = item.get("file_id") or (item.get("id") if item.get("source_type") == "id" else None)
    if file_id is None and isinstance(own := item.get("id"), str) and not own.startswith("lc_"):
        file_id = own  # LangChain's own view of a received file block keeps the file id there
    return file_id if isinstance(file_id, str) and file_id else None


def to_file(item: Mapping[str, Any], place: object) -> Block:
    if isinstance(inner := item.get("file"), Mapping):
        return _openai_file(inner, item)
    mime_type = item.get("mime_type") or ""
    if mime_type.startswith("image/"):
        return to_image(item, place)
    if isinstance(url := item.get("url"), str) and url:
        return _carried(block_at(url, "document", mime_type or None), item)
    if item.get("source_type") == "text" or (mime_type.startswith("text/") and "text" in item):
        return to_text_document(item, place)
    if (data := _base64_of(item)) is not None:
        return _carried(document_block(data, mime_type), item)
    if (file_id := _file_id_of(item)) is not None:
        return _carried({"type": "document", "source": {"type": "file", "file_id": file_id}}, item)
    raise InvalidInputError("is a file without url, base64 data, text or file id")


def to_google_media(item: Mapping[str, Any], place: object) -> Block:
    """An image or a file as Google's models have it: base64 data, or where it is."""
    kind = str(item.get("mime_type") or "").partition("/")[0]
    if kind in ("audio", "video"):
        return refuse_media({**item, "type": kind}, place)
    return to_file({**item, "type": "file", "url": item.get("file_uri")}, place)


def to_input_file(item: Mapping[str, Any], place: object) -> Block:
    """A file as OpenAI's responses format has it."""
    if isinstance(url := item.get("file_url"), str) and url:
        return _carried(block_at(url, "document"), item)
    return _openai_file(item, item)


def _openai_file(inner: Mapping[str, Any], item: Mapping[str, Any]) -> Block:
    """A file as OpenAI's chat format has it: a data URI, or an id."""
    item = {**item, "filename": inner.get("filename")}
    if isinstance(data := inner.get("file_data"), str) and data:
        found = block_at(data, "document") if data.startswith("data:") else document_block(data)
        return _carried(found, item)
    if inner.get("file_id"):
        return _carried({"type": "document", "source": {"type": "file", "file_id": inner["file_id"]}}, item)
    raise InvalidInputError("is a file without file_data or file_id")


def to_text_document(item: Mapping[str, Any], place: object) -> Block:
    text = item.get("text") or item.get("data")
    if text is None and (data := item.get("base64")):
        return _carried(document_block(data, item.get("mime_type")), item)
    if text is None and isinstance(url := item.get("url"), str) and url:
        return _carried(block_at(url, "document"), item)
    return _carried(text_document(text if isinstance(text, str) else ""), item)


def to_resource(item: Mapping[str, Any], place: object) -> Block:
    """What an MCP server embeds: text, or the bytes of a file."""
    inner = item["resource"]
    if isinstance(text := inner.get("text"), str):
        return with_cache_control({"type": "text", "text": text}, item)
    kind = inner.get("mimeType") or inner.get("mime_type")
    file = {"type": "file", "base64": inner.get("blob"), "mime_type": kind, "name": inner.get("uri")}
    return with_cache_control(to_file(file, place), item)


def _carried(block: Block, item: Mapping[str, Any]) -> Block:
    if block["type"] != "document":
        return with_cache_control(block, item)
    for name in _CARRIED:
        if (value := extra(item, name)) is not None:
            block[name] = value
    if "title" not in block and isinstance(name := extra(item, "filename") or extra(item, "name"), str):
        block["title"] = name
    return block


def refuse_media(item: Mapping[str, Any], place: object) -> Block:
    raise InvalidInputError(
        f"has type {item['type']!r}; these models take text, images and documents. Send a transcript or images"
    )


def told_media(item: Mapping[str, Any]) -> Block:
    """A file that cannot be sent, in words: its kind, name, type, size and where it is."""
    inner: Any = next((item[key] for key in _INNER if item.get(key)), {})
    inner = inner if isinstance(inner, Mapping) else {"url": inner}
    both = {**inner, **item}
    data = _base64_of(both) or inner.get("blob")
    words = told_file(
        item["type"],
        name=next((name for key in _NAMES if (name := extra(both, key))), None),
        media_type=both.get("mime_type") or both.get("mimeType") or both.get("format"),
        size=len(data) * 3 // 4 if isinstance(data, (str, bytes)) else None,
        link=next((link for key in _LINKS if (link := both.get(key))), None) or _file_id_of(both),
    )
    return with_cache_control(words, item)


_INNER: Final = ("file", "input_audio", "image_url", "video_url", "resource")
_NAMES: Final = ("filename", "name", "title")
_LINKS: Final = ("url", "file_uri", "file_url", "uri")


def extra(item: Mapping[str, Any], name: str) -> Any:
    """A field that may stand on the block, in its ``extras`` or (older) in its ``metadata``."""
    value = item.get(name)
    for holder in ("extras", "metadata"):
        if value is None and isinstance(item.get(holder), Mapping):
            value = item[holder].get(name)
    return value


def with_cache_control(block: Block, item: Mapping[str, Any]) -> Block:
    if (cache_control := extra(item, "cache_control")) is not None:
        block["cache_control"] = cache_control
    return block
