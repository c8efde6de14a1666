"""Blocks that only other providers' histories have, as blocks that we know: Bedrock's by key, others by type."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from aivideoapi_core._outbound.blocks import Block


def _cache_point(value: Any) -> Block:
    """Bedrock's cache point marks what stands before it."""
    return {"type": "text", "text": "", "cache_control": {"type": "ephemeral"}}


def _reasoning(value: Any) -> Block | None:
    inner = value.get("reasoningText", value) if isinstance(value, Mapping) else {"text": value}
    return _reasoning_content({"reasoning_content": inner})


def _reasoning_content(item: Mapping[str, Any]) -> Block:
    """As Bedrock's Converse has it."""
    inner = item.get("reasoning_content")
    inner = inner if isinstance(inner, Mapping) else {"text": inner}
    return {"type": "thinking", "thinking": str(inner.get("text") or ""), "signature": inner.get("signature")}


def _guarded(value: Any) -> Block:
    inner = value.get("text", value) if isinstance(value, Mapping) else value
    return {"type": "text", "text": inner.get("text") if isinstance(inner, Mapping) else inner}


def _cited(value: Any) -> Block:
    parts = value.get("content") if isinstance(value, Mapping) else None
    texts = [part.get("text") or "" for part in parts or () if isinstance(part, Mapping)]
    return {"type": "text", "text": "".join(texts)}


def _tool_use(value: Mapping[str, Any]) -> Block:
    return {
        "type": "tool_use",
        "id": value.get("toolUseId"),
        "name": value.get("name"),
        "input": value.get("input"),
    }


def _tool_result(value: Mapping[str, Any]) -> Block:
    result = {"type": "tool_result", "tool_use_id": value.get("toolUseId"), "content": value.get("content")}
    return {**result, "is_error": True} if value.get("status") == "error" else result


def _file(kind: str) -> Callable[[Mapping[str, Any]], Block]:
    """An image or a document in Bedrock's form: a format and the bytes."""

    def read(value: Mapping[str, Any]) -> Block:
        source = value.get("source") or {}
        form, link = str(value.get("format") or ""), (source.get("s3Location") or {}).get("uri")
        mime_type = f"image/{form}" if kind == "image" else None
        block = {"type": kind, "mime_type": mime_type, "name": value.get("name"), "url": link}
        return {**block, "base64": source.get("bytes")}

    return read


def _inline(value: Mapping[str, Any]) -> Block:
    """A file in Gemini's own form, its bytes or where it is."""
    kind, link = (
        value.get("mime_type") or value.get("mimeType"),
        value.get("file_uri") or value.get("fileUri"),
    )
    return {"type": "media", "mime_type": kind, "data": value.get("data"), "file_uri": link}


BY_KEY: Final[Mapping[str, Callable[[Any], Block | None]]] = {
    "cachePoint": _cache_point,
    "cache_point": _cache_point,
    "reasoningContent": _reasoning,
    "guardContent": _guarded,
    "citationsContent": _cited,
    "toolUse": _tool_use,
    "toolResult": _tool_result,
    "image": _file("image"),
    "document": _file("file"),
    "video": lambda value: {**_file("video")(value), "type": "video"},
    "audio": lambda value: {**_file("audio")(value), "type": "audio"},
    "searchResult": lambda value: {**value, "type": "search_result"},
    **dict.fromkeys(("inline_data", "inlineData", "file_data", "fileData"), _inline),
}
"""Bedrock's blocks and Gemini's parts have no type: their only key is the kind."""


def _by(key: str, read: Callable[[Any], Block | None]) -> Callable[[Mapping[str, Any]], Block | None]:
    return lambda item: read(item.get(key))


def _google_code(item: Mapping[str, Any]) -> Block | None:
    """Code that another provider's tool ran, or what came of it: told as text, as nobody here can run it."""
    text = item.get("executable_code") or item.get("code_execution_result")
    text = text.get("code") or text.get("output") if isinstance(text, Mapping) else text
    return {"type": "text", "text": f"```\n{text}\n```"} if isinstance(text, str) and text.strip() else None


def _refusal(item: Mapping[str, Any]) -> Block:
    """OpenAI's: the words with which a model refused."""
    return {"type": "text", "text": str(item.get("refusal") or "")}


FOREIGN: Final[Mapping[str, Callable[[Mapping[str, Any]], Block | None]]] = {
    "cachePoint": _by("cachePoint", _cache_point),
    "cache_point": _by("cache_point", _cache_point),
    "guard_content": _by("guard_content", _guarded),
    "guardContent": _by("guardContent", _guarded),
    "citations_content": _by("citations_content", _cited),
    "citationsContent": _by("citationsContent", _cited),
    "refusal": _refusal,
    "reasoning_content": _reasoning_content,
    "redacted_thinking": lambda item: {"type": "redacted_thinking", "data": item.get("data")},
    "executable_code": _google_code,
    "code_execution_result": _google_code,
}
"""What OpenAI's models say, and what integrations of Bedrock and Google make of theirs."""


def said_beside(extra: Mapping[str, Any]) -> list[Block]:
    """What OpenAI's models said beside an empty content: that they refuse, or something to be heard."""
    audio = extra.get("audio")
    words = extra.get("refusal") or (audio.get("transcript") if isinstance(audio, Mapping) else None)
    return [{"type": "text", "text": words}] if isinstance(words, str) else []
