"""Content blocks to the wire: every form that LangChain or a provider's history has for a piece of content.

Blocks that are in the wire's form already go through as they are, less what streaming left on them.
What the user wrote and cannot be sent is an error that names the place and the fix; what a tool or
another model made is told in words. ``{"type": "non_standard", "value": {...}}`` sends any block untouched.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, NamedTuple, TypeAlias

from aivideoapi_core import InvalidInputError
from aivideoapi_core.adapter_kit import (
    Content,
    as_json,
    as_text,
    block_at,
    document_block,
    image_block,
    text_document,
    thought_as_text,
    to_call_input,
    told,
    told_file,
)
from langchain_aivideoapi._outbound.citations import from_annotation
from langchain_aivideoapi._outbound.foreign import BY_KEY, FOREIGN

Block: TypeAlias = dict[str, Any]

TRUSTED: Final = frozenset({None, "aivideoapi", "anthropic", "bedrock", "bedrock_converse"})
"""Providers (``model_provider``) whose thinking signatures the wire can verify; ``None``: not said."""

_LEFTOVERS: Final = frozenset({"index", "partial_json"})
"""What streaming leaves on blocks."""
_CARRIED: Final = ("cache_control", "citations", "title", "context")
"""Fields of documents that LangChain's own blocks may carry, in ``extras`` or ``metadata`` too."""
_SERVER_IDS: Final = ("srvtoolu_", "mcptoolu_")
"""How the ids of the platform's own server tools' calls begin."""


class Place(NamedTuple):
    """Where a block stands, and which provider made it (``None``: not said)."""

    message: int
    block: int
    provider: str | None = None
    assistant: bool = False

    def __str__(self) -> str:
        return f"messages[{self.message}].content[{self.block}]"


def to_blocks(
    content: Any, *, message: int, provider: str | None = None, assistant: bool = False, made: bool = False
) -> list[Block]:
    """The wire blocks of a message's content.

    ``made``, or ``assistant``: a tool or a model made it, so what cannot be sent is told in words. Else
    it raises ``InvalidInputError``.
    """
    if isinstance(content, str):
        return [{"type": "text", "text": content}]
    blocks: list[Block] = []
    for number, item in enumerate(content):
        if isinstance(item, str):
            blocks.append({"type": "text", "text": item})
            continue
        if type(item) is dict and len(item) == 2 and item.get("type") == "text":
            text = item.get("text")  # the commonest block by far, on the short way
            if isinstance(text, str):
                blocks.append({"type": "text", "text": text})
                continue
        place = Place(message, number, provider, assistant)
        try:
            block = _to_block(item, place)
        except InvalidInputError as error:
            if not (made or assistant):
                raise InvalidInputError(f"{place} {error}") from error
            block = _told(item)
        except (AttributeError, KeyError, TypeError, ValueError) as error:  # of a shape that nobody documents
            if not (made or assistant):
                raise InvalidInputError(f"{place} is malformed: {error}") from error
            block = _told(item)
        if block is not None:
            blocks.append(block)
        elif isinstance(item, Mapping) and item.get("cache_control") is not None:
            blocks.append({"type": "text", "text": "", "cache_control": item["cache_control"]})
    return blocks


def to_result(content: Any, *, message: int) -> Content:
    """A tool's result, whatever it is: text, blocks, or the JSON of anything else."""
    if isinstance(content, str):
        return content
    if content is None:
        return ""
    if isinstance(content, (list, tuple)):
        return to_blocks(content, message=message, made=True)
    return to_blocks([content], message=message, made=True)


def _to_block(item: Any, place: Place) -> Block | None:
    """One block for the wire, a new object; ``None`` if there is nothing in it to send."""
    if not isinstance(item, Mapping):
        raise InvalidInputError(f"is a {type(item).__name__}; content must be text or blocks with a type")
    kind = item.get("type")
    if kind is None:
        key = next((key for key in item if key in BY_KEY), None)
        if key is not None:
            item, kind = BY_KEY[key](item[key]), "foreign"
            if item is None:
                return None
            kind = item["type"]
        elif "text" in item:
            kind = "text"
    convert = _CONVERTERS.get(kind) if isinstance(kind, str) else None
    if convert is not None:
        return convert(item, place)
    if isinstance(kind, str) and kind in FOREIGN:
        return FOREIGN[kind](item)
    is_ours = place.provider in TRUSTED
    if isinstance(kind, str) and (
        (place.assistant and is_ours) or (_is_server_kind(kind) and (is_ours or not place.assistant))
    ):
        # What the platform itself sent goes back as it came, known to us or not.
        return _as_it_is(item, place)
    raise InvalidInputError(
        f"has type {kind!r}, which the Messages format does not have; "
        "wrap it as {'type': 'non_standard', 'value': {...}} to send it as it is"
    )


def _told(item: Any) -> Block | None:
    """What a tool or another model made and the wire does not take, in words."""
    if isinstance(item, bytes):
        text = as_text(item)
        return told_file("bytes", size=len(item)) if text is None else {"type": "text", "text": text}
    kind = item.get("type") if isinstance(item, Mapping) else None
    if not isinstance(kind, str):
        return None if item is None else {"type": "text", "text": as_json(item)}
    if kind not in _MEDIA:
        return told(item)
    inner: Any = next((item[key] for key in _INNER if item.get(key)), {})
    inner = inner if isinstance(inner, Mapping) else {"url": inner}
    both = {**inner, **item}
    data = _base64_of(both) or inner.get("blob")
    words = told_file(
        kind,
        name=next((name for key in _NAMES if (name := _extra(both, key))), None),
        media_type=both.get("mime_type") or both.get("mimeType") or both.get("format"),
        size=len(data) * 3 // 4 if isinstance(data, (str, bytes)) else None,
        link=next((link for key in _LINKS if (link := both.get(key))), None) or _file_id_of(both),
    )
    return _with_cache_control(words, item)


_INNER: Final = ("file", "input_audio", "image_url", "video_url", "resource")
_NAMES: Final = ("filename", "name", "title")
_LINKS: Final = ("url", "file_uri", "file_url", "uri")


def _is_server_kind(kind: str) -> bool:
    return kind.endswith("_tool_result") or kind in _PASSED


def _as_it_is(item: Mapping[str, Any], place: Place) -> Block:
    return {name: value for name, value in item.items() if name not in _LEFTOVERS}


def _extra(item: Mapping[str, Any], name: str) -> Any:
    """A field that may stand on the block, in its ``extras`` or (older) in its ``metadata``."""
    value = item.get(name)
    for holder in ("extras", "metadata"):
        if value is None and isinstance(item.get(holder), Mapping):
            value = item[holder].get(name)
    return value


def _with_cache_control(block: Block, item: Mapping[str, Any]) -> Block:
    if (cache_control := _extra(item, "cache_control")) is not None:
        block["cache_control"] = cache_control
    return block


def _text(item: Mapping[str, Any], place: Place) -> Block | None:
    text = item.get("text")
    if not isinstance(text, str):
        text = "" if text is None else str(text)
    if item.get("thought") is True:
        return thought_as_text(text)
    block: Block = {"type": "text", "text": text}
    citations = item.get("citations") or (
        [from_annotation(note) for note in annotations]
        if place.provider in TRUSTED and isinstance(annotations := item.get("annotations"), list)
        else None
    )
    if citations:
        block["citations"] = citations
    return _with_cache_control(block, item)


def _refusal(item: Mapping[str, Any], place: Place) -> Block:
    """OpenAI's: the words with which a model refused."""
    return {"type": "text", "text": str(item.get("refusal") or "")}


def _thinking(item: Mapping[str, Any], place: Place) -> Block:
    block = {
        "type": "thinking",
        "thinking": _joined(item.get("thinking")),
        "signature": item.get("signature"),
    }
    return _with_cache_control(block, item)


def _joined(thought: Any) -> str:
    """A thought, which one provider has in parts."""
    parts = thought if isinstance(thought, list) else [thought]
    return "\n\n".join(
        str(part.get("text") or "") if isinstance(part, Mapping) else str(part or "") for part in parts
    )


def _reasoning(item: Mapping[str, Any], place: Place) -> Block:
    text = item.get("reasoning")
    if text is None:
        text = _joined(item.get("summary") or item.get("content"))
    return {"type": "thinking", "thinking": str(text), "signature": _extra(item, "signature")}


def _reasoning_content(item: Mapping[str, Any], place: Place) -> Block:
    """As Bedrock's Converse has it."""
    inner = item.get("reasoning_content")
    inner = inner if isinstance(inner, Mapping) else {"text": inner}
    return {"type": "thinking", "thinking": str(inner.get("text") or ""), "signature": inner.get("signature")}


def _resource(item: Mapping[str, Any], place: Place) -> Block:
    """What an MCP server embeds: text, or the bytes of a file."""
    inner = item["resource"]
    if isinstance(text := inner.get("text"), str):
        return _with_cache_control({"type": "text", "text": text}, item)
    kind = inner.get("mimeType") or inner.get("mime_type")
    file = {"type": "file", "base64": inner.get("blob"), "mime_type": kind, "name": inner.get("uri")}
    return _with_cache_control(_file(file, place), item)


def _redacted(item: Mapping[str, Any], place: Place) -> Block:
    return {"type": "redacted_thinking", "data": item.get("data")}


def _image(item: Mapping[str, Any], place: Place) -> Block:
    if "source" in item and "source_type" not in item:
        return _in_wire_form(item)
    kind = item.get("mime_type")
    if isinstance(url := item.get("url"), str) and url:
        return _with_cache_control(block_at(url, "image", kind), item)
    if (data := _base64_of(item)) is not None:
        return _with_cache_control(image_block(data, kind), item)
    if (file_id := _file_id_of(item)) is not None:
        return _with_cache_control({"type": "image", "source": {"type": "file", "file_id": file_id}}, item)
    raise InvalidInputError("is an image without url, base64 data or file id")


def _in_wire_form(item: Mapping[str, Any], place: Place | None = None) -> Block:
    """An image or document in the wire's form; ``id`` is LangChain's own and unknown to the wire."""
    return {name: value for name, value in item.items() if name not in _LEFTOVERS and name != "id"}


def _image_url(item: Mapping[str, Any], place: Place) -> Block:
    """``image_url`` as a string or as ``{"url": ...}``; ``detail`` is another provider's setting."""
    value = item.get("image_url", item.get("url"))
    url = value.get("url") if isinstance(value, Mapping) else value
    if not isinstance(url, str) or not url:
        raise InvalidInputError("is an image_url block without a URL")
    return _with_cache_control(block_at(url, "image"), item)


def _base64_of(item: Mapping[str, Any]) -> str | bytes | None:
    data = item.get("base64") or (item.get("data") if item.get("source_type") in (None, "base64") else None)
    return data if isinstance(data, (str, bytes)) and data else None


def _file_id_of(item: Mapping[str, Any]) -> str | None:
    file_id = item.get("file_id") or (item.get("id") if item.get("source_type") == "id" else None)
    if file_id is None and isinstance(own := item.get("id"), str) and not own.startswith("lc_"):
        file_id = own  # LangChain's own view of a received file block keeps the file id there
    return file_id if isinstance(file_id, str) and file_id else None


def _file(item: Mapping[str, Any], place: Place) -> Block:
    if isinstance(inner := item.get("file"), Mapping):
        return _openai_file(inner, item)
    mime_type = item.get("mime_type") or ""
    if mime_type.startswith("image/"):
        return _image(item, place)
    if isinstance(url := item.get("url"), str) and url:
        return _carried(block_at(url, "document", mime_type or None), item)
    if item.get("source_type") == "text" or (mime_type.startswith("text/") and "text" in item):
        return _text_document(item, place)
    if (data := _base64_of(item)) is not None:
        return _carried(document_block(data, mime_type), item)
    if (file_id := _file_id_of(item)) is not None:
        return _carried({"type": "document", "source": {"type": "file", "file_id": file_id}}, item)
    raise InvalidInputError("is a file without url, base64 data, text or file id")


def _google_media(item: Mapping[str, Any], place: Place) -> Block:
    """An image or a file as Google's models have it: base64 data, or where it is."""
    kind = str(item.get("mime_type") or "").partition("/")[0]
    if kind in ("audio", "video"):
        return _refuse_media({**item, "type": kind}, place)
    return _file({**item, "type": "file", "url": item.get("file_uri")}, place)


def _input_file(item: Mapping[str, Any], place: Place) -> Block:
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


def _text_document(item: Mapping[str, Any], place: Place) -> Block:
    text = item.get("text") or item.get("data")
    if text is None and (data := item.get("base64")):
        return _carried(document_block(data, item.get("mime_type")), item)
    if text is None and isinstance(url := item.get("url"), str) and url:
        return _carried(block_at(url, "document"), item)
    return _carried(text_document(text if isinstance(text, str) else ""), item)


def _carried(block: Block, item: Mapping[str, Any]) -> Block:
    if block["type"] != "document":
        return _with_cache_control(block, item)
    for name in _CARRIED:
        if (value := _extra(item, name)) is not None:
            block[name] = value
    if "title" not in block and isinstance(name := _extra(item, "filename") or _extra(item, "name"), str):
        block["title"] = name
    return block


def _tool_use(item: Mapping[str, Any], place: Place) -> Block:
    block = {name: value for name, value in _as_it_is(item, place).items() if value is not None}
    block["input"] = to_call_input(item.get("input"), raw=item.get("partial_json"))
    return {**block, "id": item.get("id"), "name": str(item.get("name") or "")}


def _standard_tool_call(item: Mapping[str, Any], place: Place) -> Block:
    """``tool_call`` and its kin of LangChain's standard content."""
    block: Block = {
        "type": "tool_use",
        "id": item.get("call_id") or item.get("id"),
        "name": item.get("name") or "",
        "input": to_call_input(item.get("args", item.get("arguments"))),
    }
    for name in ("caller", "toolset_name") if place.provider in TRUSTED else ():
        if (value := _extra(item, name)) is not None:
            block[name] = value
    return _with_cache_control(block, item)


def _tool_result(item: Mapping[str, Any], place: Place) -> Block:
    return {**_as_it_is(item, place), "content": to_result(item.get("content"), message=place.message)}


_SERVER_NAMES: Final = {"code_interpreter": "code_execution"}
"""LangChain's standard names of server tools, and the wire's."""


def _server_tool_call(item: Mapping[str, Any], place: Place) -> Block | None:
    call_id = item.get("id")
    if place.provider not in TRUSTED or not (isinstance(call_id, str) and call_id.startswith(_SERVER_IDS)):
        return told(item)  # another provider's server carried it out
    extras = dict(item.get("extras") or {})
    tool_name, args = extras.pop("tool_name", None), item.get("args")
    block: Block = {"id": call_id, "input": to_call_input(args), **extras}
    block.pop("partial_json", None)
    if item.get("name") == "remote_mcp":
        return {"type": "mcp_tool_use", "name": tool_name, **block}
    name = str(item.get("name"))
    return {"type": "server_tool_use", "name": _SERVER_NAMES.get(name, name), **block}


def _server_tool_result(item: Mapping[str, Any], place: Place) -> Block | None:
    extras = dict(item.get("extras") or {})
    kind = extras.pop("block_type", None)
    if not kind or place.provider not in TRUSTED:
        return told({"type": "server_tool_result", "content": item.get("output")})
    block: Block = {
        "type": kind,
        "tool_use_id": item.get("tool_call_id"),
        "content": item.get("output", []),
        **extras,
    }
    if kind == "mcp_tool_result":
        block["is_error"] = item.get("status") == "error"
    return block


def _non_standard(item: Mapping[str, Any], place: Place) -> Block | None:
    value = item.get("value")
    if not isinstance(value, Mapping):
        raise InvalidInputError("is a non_standard block whose value is no block with a type")
    if place.provider not in TRUSTED or value.get("type") in _CONVERTERS or value.keys() & BY_KEY.keys():
        return _to_block(value, place)
    if not isinstance(value.get("type"), str):
        raise InvalidInputError("is a non_standard block whose value is no block with a type")
    return _as_it_is(value, place)


def _nothing(item: Mapping[str, Any], place: Place) -> None:
    """A piece of a stream that nobody put together."""


def _refuse_media(item: Mapping[str, Any], place: Place) -> Block:
    raise InvalidInputError(
        f"has type {item['type']!r}; these models take text, images and documents. Send a transcript or images"
    )


_PASSED: Final = frozenset(
    {
        *("server_tool_use", "mcp_tool_use", "mcp_tool_listing", "container_upload", "compaction"),
        *("search_result", "tool_reference", "tool_addition", "tool_removal", "browser_state"),
    }
)
"""Blocks of the wire's own that need no change."""
_MEDIA: Final = frozenset(
    {
        *("image", "image_url", "input_image", "file", "input_file", "media", "document", "text-plain"),
        *("audio", "input_audio", "video", "video_url", "resource", "resource_link", "computer_screenshot"),
    }
)
"""Blocks that hold a file, or say where one is."""

_CONVERTERS: Final[Mapping[str, Callable[[Mapping[str, Any], Place], Block | None]]] = {
    "text": _text,
    "input_text": _text,
    "output_text": _text,
    "refusal": _refusal,
    "thinking": _thinking,
    "redacted_thinking": _redacted,
    "reasoning": _reasoning,
    "reasoning_content": _reasoning_content,
    "image": _image,
    "image_url": _image_url,
    "input_image": _image_url,
    "document": _in_wire_form,
    "file": _file,
    "input_file": _input_file,
    "resource": _resource,
    "computer_screenshot": _image_url,
    "media": _google_media,
    "text-plain": _text_document,
    "tool_use": _tool_use,
    "input_json_delta": _nothing,
    "tool_call": _standard_tool_call,
    "tool_call_chunk": _standard_tool_call,
    "invalid_tool_call": _standard_tool_call,
    "function_call": _standard_tool_call,
    "tool_result": _tool_result,
    "server_tool_call": _server_tool_call,
    "server_tool_call_chunk": _server_tool_call,
    "server_tool_result": _server_tool_result,
    "non_standard": _non_standard,
    "audio": _refuse_media,
    "input_audio": _refuse_media,
    "video": _refuse_media,
    "video_url": _refuse_media,
}


def has_citing_content(turns: Sequence[Mapping[str, Any]]) -> bool:
    """Whether any document or search result of the conversation may be cited in the reply."""
    contents = [content for turn in turns if type(content := turn["content"]) is not str]
    return any(_may_be_cited(block) for content in contents for block in _listed(content))


def _may_be_cited(block: Mapping[str, Any]) -> bool:
    if block.get("type") == "tool_result":
        return any(_may_be_cited(part) for part in _listed(block.get("content")))
    citations = block.get("citations")
    return (
        block.get("type") in ("document", "search_result")
        and isinstance(citations, Mapping)
        and bool(citations.get("enabled"))
    )


def _listed(content: Any) -> Sequence[Mapping[str, Any]]:
    return content if isinstance(content, (list, tuple)) else ()
