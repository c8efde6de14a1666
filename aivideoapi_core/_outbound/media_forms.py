"""Images and files as providers and MCP's servers write them down, as wire blocks. URLs are passed on, never fetched.

A plain file is a mapping with ``url``, ``base64`` (bytes too), ``text`` or ``file_id``, and with ``mime_type``,
``filename``, ``name`` and the wire's own fields where they are known. OpenAI's, Google's and MCP's forms come to it.
Each converter raises ``InvalidInputError`` for what cannot be sent, with the fix.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from aivideoapi_core._errors import InvalidInputError
from aivideoapi_core._outbound.blocks import Block
from aivideoapi_core._outbound.media import block_at, document_block, image_block, text_document
from aivideoapi_core._outbound.text import told_file

LEFTOVERS: Final = frozenset({"index", "partial_json"})
"""What streaming leaves on blocks."""
_CARRIED: Final = ("cache_control", "citations", "title", "context")
"""Fields of the wire's documents that a plain file may have."""


def to_image(item: Mapping[str, Any]) -> Block:
    """A plain file that is an image."""
    if "source" in item and "source_type" not in item:
        return in_wire_form(item)
    kind = item.get("mime_type")
    if (url := _text_in(item, "url")) is not None:
        return with_mark(block_at(url, "image", kind), item)
    if (data := _data_of(item)) is not None:
        return with_mark(image_block(data, kind), item)
    if (file_id := _text_in(item, "file_id")) is not None:
        return with_mark({"type": "image", "source": {"type": "file", "file_id": file_id}}, item)
    raise InvalidInputError("is an image without url, base64 data or file id")


def in_wire_form(item: Mapping[str, Any]) -> Block:
    """An image or document in the wire's form; an ``id`` is a framework's own and unknown to the wire."""
    return {name: value for name, value in item.items() if name not in LEFTOVERS and name != "id"}


def to_file(item: Mapping[str, Any]) -> Block:
    """A plain file, or OpenAI's, which is in a field of that name."""
    if isinstance(inner := item.get("file"), Mapping):
        return _openai_file(inner, item)
    mime_type = item.get("mime_type") or ""
    if mime_type.startswith("image/"):
        return to_image(item)
    if (url := _text_in(item, "url")) is not None:
        return _carried(block_at(url, "document", mime_type or None), item)
    if "text" in item:
        return _to_text_document(item)
    if (data := _data_of(item)) is not None:
        return _carried(document_block(data, mime_type), item)
    if (file_id := _text_in(item, "file_id")) is not None:
        return _carried({"type": "document", "source": {"type": "file", "file_id": file_id}}, item)
    raise InvalidInputError("is a file without url, base64 data, text or file id")


def _to_image_url(item: Mapping[str, Any]) -> Block:
    """``image_url`` as a string or as ``{"url": ...}``; ``detail`` is another provider's setting."""
    value = item.get("image_url", item.get("url"))
    url = value.get("url") if isinstance(value, Mapping) else value
    if not isinstance(url, str) or not url:
        raise InvalidInputError("is an image_url block without a URL")
    return with_mark(block_at(url, "image"), item)


def _to_google_media(item: Mapping[str, Any]) -> Block:
    """An image or a file as Google's models have it: base64 data, or where it is."""
    kind = str(item.get("mime_type") or "").partition("/")[0]
    if kind in ("audio", "video"):
        return _refuse({**item, "type": kind})
    return to_file({**item, "type": "file", "url": item.get("file_uri")})


def _to_input_file(item: Mapping[str, Any]) -> Block:
    """A file as OpenAI's responses format has it."""
    if (url := _text_in(item, "file_url")) is not None:
        return _carried(block_at(url, "document"), item)
    return _openai_file(item, item)


def _openai_file(inner: Mapping[str, Any], item: Mapping[str, Any]) -> Block:
    """A file as OpenAI's chat format has it: a data URI, or an id."""
    item = {**item, "filename": inner.get("filename")}
    if (data := _text_in(inner, "file_data")) is not None:
        found = block_at(data, "document") if data.startswith("data:") else document_block(data)
        return _carried(found, item)
    if inner.get("file_id"):
        return _carried({"type": "document", "source": {"type": "file", "file_id": inner["file_id"]}}, item)
    raise InvalidInputError("is a file without file_data or file_id")


def _to_text_document(item: Mapping[str, Any]) -> Block:
    text = item.get("text") or item.get("data")
    if text is None and (data := _data_of(item)) is not None:
        return _carried(document_block(data, item.get("mime_type")), item)
    if text is None and (url := _text_in(item, "url")) is not None:
        return _carried(block_at(url, "document"), item)
    return _carried(text_document(text if isinstance(text, str) else ""), item)


def _to_resource(item: Mapping[str, Any]) -> Block:
    """What an MCP server embeds: text, or the bytes of a file."""
    inner = item["resource"]
    if isinstance(text := inner.get("text"), str):
        return with_mark({"type": "text", "text": text}, item)
    kind = inner.get("mimeType") or inner.get("mime_type")
    file = {"type": "file", "base64": inner.get("blob"), "mime_type": kind, "name": inner.get("uri")}
    return with_mark(to_file(file), item)


def _refuse(item: Mapping[str, Any]) -> Block:
    raise InvalidInputError(
        f"has type {item['type']!r}; these models take text, images and documents. Send a transcript or images"
    )


def _carried(block: Block, item: Mapping[str, Any]) -> Block:
    if block["type"] != "document":
        return with_mark(block, item)
    block |= {name: value for name in _CARRIED if (value := item.get(name)) is not None}
    if "title" not in block and isinstance(name := item.get("filename") or item.get("name"), str):
        block["title"] = name
    return block


def with_mark(block: Block, item: Mapping[str, Any]) -> Block:
    """``block``, with the breakpoint that ``item`` has."""
    if (mark := item.get("cache_control")) is not None:
        block["cache_control"] = mark
    return block


def _text_in(item: Mapping[str, Any], name: str) -> str | None:
    value = item.get(name)
    return value if isinstance(value, str) and value else None


def _data_of(item: Mapping[str, Any]) -> str | bytes | None:
    data = item.get("base64")
    return data if isinstance(data, (str, bytes)) and data else None


def told_media(item: Mapping[str, Any]) -> Block:
    """A file that cannot be sent, in words: its kind, name, type, size and where it is."""
    inner: Any = next((item[key] for key in _INNER if item.get(key)), {})
    inner = inner if isinstance(inner, Mapping) else {"url": inner}
    both = {**inner, **item}
    data = both.get("base64") or both.get("data") or inner.get("blob")
    words = told_file(
        item["type"],
        name=_first_of(both, "filename", "name", "title"),
        media_type=_first_of(both, "mime_type", "mimeType", "format"),
        size=len(data) * 3 // 4 if isinstance(data, (str, bytes)) else None,
        link=_first_of(both, "url", "file_uri", "file_url", "uri", "file_id"),
    )
    return with_mark(words, item)


_INNER: Final = ("file", "input_audio", "image_url", "video_url", "resource")


def _first_of(item: Mapping[str, Any], *names: str) -> Any:
    return next((value for name in names if (value := item.get(name))), None)


MEDIA_FORMS: Final[Mapping[str, Callable[[Mapping[str, Any]], Block]]] = {
    "image": to_image,
    "image_url": _to_image_url,
    "input_image": _to_image_url,
    "computer_screenshot": _to_image_url,
    "document": in_wire_form,
    "file": to_file,
    "input_file": _to_input_file,
    "media": _to_google_media,
    "text-plain": _to_text_document,
    "resource": _to_resource,
    **dict.fromkeys(("audio", "input_audio", "video", "video_url"), _refuse),
}
"""By the type of the block that holds a file, or says where one is."""
