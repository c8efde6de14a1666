"""Validation of one content block of a message: its fields, its media, its signature."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping
from typing import Any, Final

from aivideoapi_core.sandbox._judge.checks import (
    check_cache_control,
    check_tool_name,
    require_list,
    require_mapping,
    require_string,
)
from aivideoapi_core.sandbox._judge.signatures import is_own, is_plausible, is_valid
from aivideoapi_core.sandbox._platform.errors import bad_request

_ID: Final = re.compile(r"[a-zA-Z0-9_-]+")
_IMAGE_MAGIC: Final = {
    "image/jpeg": (b"\xff\xd8\xff",),
    "image/png": (b"\x89PNG\r\n\x1a\n",),
    "image/gif": (b"GIF87a", b"GIF89a"),
    "image/webp": (b"RIFF",),
}
_PASSED_ON: Final = frozenset(
    [
        *(
            "server_tool_use",
            "mcp_tool_use",
            "mcp_tool_listing",
            "container_upload",
            "compaction",
            "fallback",
        ),
        *("tool_reference", "tool_addition", "tool_removal"),
    ]
)
_FIELDS: Final = {
    "image": ("source",),
    "document": ("source", "title", "context", "citations"),
    "search_result": ("content", "source", "title", "citations"),
    "thinking": ("thinking", "signature"),
    "redacted_thinking": ("data",),
    "tool_use": ("id", "name", "input", "caller", "toolset_name"),
    "tool_result": ("tool_use_id", "content", "is_error", "toolset_name"),
}  # besides type and cache_control
_ASSISTANT_ONLY: Final = frozenset(["thinking", "redacted_thinking", "tool_use"])
THINKING: Final = ("thinking", "redacted_thinking")


def check_block(block: Any, path: str, *, role: str) -> None:
    kind = require_string(require_mapping(block, path).get("type"), f"{path}.type")
    if kind in _ASSISTANT_ONLY and role != "assistant":
        raise bad_request(f"{path}.type: {kind} blocks are only allowed in assistant messages")
    if kind in ("tool_result", "image", "document") and role != "user":
        raise bad_request(f"{path}.type: {kind} blocks are only allowed in user messages")
    if role == "system" and kind != "text":
        raise bad_request(f"{path}.type: Input should be 'text'")
    match kind:
        case "text":
            check_text(block, path)
            return
        case "image":
            _check_image(block, path)
        case "document":
            _check_document(block, path)
        case "search_result":
            for field in ("source", "title"):
                require_string(block.get(field), f"{path}.{field}")
            for number, item in enumerate(require_list(block.get("content"), f"{path}.content")):
                check_text(require_mapping(item, f"{path}.content.{number}"), f"{path}.content.{number}")
        case "thinking":
            _check_signature(block, path)
        case "redacted_thinking":
            require_string(block.get("data"), f"{path}.data")
        case "tool_use":
            _check_tool_use(block, path)
        case "tool_result":
            _check_tool_result(block, path)
        case _ if not _passes(kind):
            raise bad_request(f"{path}.type: Input tag {kind!r} does not match any of the expected tags")
    for field in block if kind in _FIELDS else ():
        if field not in ("type", "cache_control", *_FIELDS[kind]):
            raise bad_request(f"{path}.{field}: Extra inputs are not permitted")
    if kind in THINKING and block.get("cache_control") is not None:
        raise bad_request(f"{path}.cache_control: cannot be set on thinking blocks")
    check_cache_control(block.get("cache_control"), f"{path}.cache_control")


def _passes(kind: str) -> bool:
    """Blocks of server tools and the like, which go through unchanged."""
    return kind in _PASSED_ON or kind.endswith("_tool_result")


def check_text(block: Mapping[str, Any], path: str, *, field: str = ".text") -> None:
    text = require_string(block.get("text"), f"{path}{field}")
    if not text:
        raise bad_request(f"{path}{field}: text content blocks must be non-empty")
    if not text.strip():
        raise bad_request(f"{path}{field}: text content blocks must contain non-whitespace text")
    for name in block:
        if name not in ("type", "text", "cache_control", "citations"):
            raise bad_request(f"{path}.{name}: Extra inputs are not permitted")
    for number, citation in enumerate(block.get("citations") or ()):
        if "file_id" in citation:
            raise bad_request(f"{path}.citations.{number}.file_id: Extra inputs are not permitted")
    check_cache_control(block.get("cache_control"), f"{path}.cache_control")


def _check_image(block: Mapping[str, Any], path: str) -> None:
    source = require_mapping(block.get("source"), f"{path}.source")
    at = f"{path}.source"
    match source.get("type"):
        case "base64":
            media_type = source.get("media_type")
            if media_type not in _IMAGE_MAGIC:
                names = ", ".join(_IMAGE_MAGIC)
                raise bad_request(f"{at}.media_type: Input should be one of {names}")
            data = _decoded(source.get("data"), f"{at}.data")
            if not data.startswith(_IMAGE_MAGIC[media_type]):
                raise bad_request(f"{at}.data: the image was specified using the {media_type} media type, "
                                  "but does not appear to be one")  # fmt: skip
        case "url":
            _check_url(source.get("url"), f"{at}.url")
        case "file":
            require_string(source.get("file_id"), f"{at}.file_id")
        case _:
            raise bad_request(f"{at}.type: Input should be 'base64', 'url' or 'file'")


def _check_document(block: Mapping[str, Any], path: str) -> None:
    source = require_mapping(block.get("source"), f"{path}.source")
    at = f"{path}.source"
    for field in ("title", "context"):
        if block.get(field) is not None:
            require_string(block[field], f"{path}.{field}")
    match source.get("type"):
        case "base64":
            if source.get("media_type") != "application/pdf":
                raise bad_request(f"{at}.media_type: Input should be 'application/pdf'")
            if not _decoded(source.get("data"), f"{at}.data").startswith(b"%PDF"):
                raise bad_request(f"{at}.data: the PDF specified was not valid")
        case "text":
            if source.get("media_type") != "text/plain":
                raise bad_request(f"{at}.media_type: Input should be 'text/plain'")
            if not require_string(source.get("data"), f"{at}.data").strip():
                raise bad_request(f"{at}.data: document text must be non-empty")
        case "content":
            content = source.get("content")
            if not isinstance(content, str):
                for number, item in enumerate(require_list(content, f"{at}.content")):
                    check_block(item, f"{at}.content.{number}", role="user")
        case "url":
            _check_url(source.get("url"), f"{at}.url")
        case "file":
            require_string(source.get("file_id"), f"{at}.file_id")
        case _:
            raise bad_request(f"{at}.type: Input should be 'base64', 'text', 'content', 'url' or 'file'")


def _check_url(value: Any, path: str) -> None:
    if not require_string(value, path).startswith(("https://", "http://")):
        raise bad_request(f"{path}: Only HTTP and HTTPS URLs are supported")


def _decoded(value: Any, path: str) -> bytes:
    text = require_string(value, path)
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise bad_request(f"{path}: invalid base64 data") from None
    if not data:
        raise bad_request(f"{path}: the data is empty")
    return data


def _check_signature(block: Mapping[str, Any], path: str) -> None:
    thinking = require_string(block.get("thinking"), f"{path}.thinking")
    signature = require_string(block.get("signature"), f"{path}.signature")
    if is_valid(signature, thinking):
        return
    # A signature of another provider cannot be checked here; its form can.
    if is_own(signature) or not is_plausible(signature):
        raise bad_request(f"{path}.signature: Invalid `signature` in `thinking` block")


def _check_tool_use(block: Mapping[str, Any], path: str) -> None:
    _check_id(block.get("id"), f"{path}.id")
    check_tool_name(block.get("name"), f"{path}.name")
    require_mapping(block.get("input"), f"{path}.input")


def _check_tool_result(block: Mapping[str, Any], path: str) -> None:
    _check_id(block.get("tool_use_id"), f"{path}.tool_use_id")
    if block.get("is_error") is not None and not isinstance(block["is_error"], bool):
        raise bad_request(f"{path}.is_error: Input should be a valid boolean")
    content = block.get("content")
    if block.get("is_error") and (not content or (isinstance(content, str) and not content.strip())):
        raise bad_request(f"{path}: content cannot be empty if `is_error` is true")
    if content is None or isinstance(content, str):
        return
    for number, item in enumerate(require_list(content, f"{path}.content")):
        at = f"{path}.content.{number}"
        kind = require_mapping(item, at).get("type")
        if kind not in ("text", "image", "search_result", "document", "tool_reference"):
            raise bad_request(f"{at}.type: Input should be 'text', 'image', 'search_result' or 'document'")
        check_block(item, at, role="user")
    kinds = {item["type"] for item in content}
    if block.get("is_error") and kinds - {"text"}:
        raise bad_request(f"{path}: all content must be type `text` if `is_error` is true")
    if "search_result" in kinds and len(kinds) > 1:
        raise bad_request(
            f"{path}.content: search_result blocks cannot be mixed with other types in a tool_result"
        )


def _check_id(value: Any, path: str) -> None:
    if not _ID.fullmatch(require_string(value, path)):
        raise bad_request(f"{path}: String should match pattern '^[a-zA-Z0-9_-]+$'")
