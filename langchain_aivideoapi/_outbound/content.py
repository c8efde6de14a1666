"""Content blocks to the wire: every form that LangChain or a provider's history has for a piece of content.

Blocks that are in the wire's form already go through as they are, less what streaming left on them.
An unknown type is an error that names the type and the place; ``{"type": "non_standard", "value":
{...}}`` sends any block untouched.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, NamedTuple, TypeAlias

from pydantic_core import from_json

from aivideoapi_core import InvalidInputError
from langchain_aivideoapi._outbound.citations import from_annotation

Block: TypeAlias = dict[str, Any]

TRUSTED: Final = frozenset({None, "aivideoapi", "anthropic", "bedrock", "bedrock_converse"})
"""Providers (``model_provider``) whose thinking signatures the wire can verify; ``None``: not said."""

_TOOL_ID: Final = re.compile(r"[a-zA-Z0-9_-]+")
_DATA_URI: Final = re.compile(r"data:(?P<mime>[^;,]*)(?:;[^;,]*)*?;base64,(?P<data>.*)", re.DOTALL)
_LEFTOVERS: Final = frozenset({"index", "partial_json"})
"""What streaming leaves on blocks."""
_IMAGE_STARTS: Final = {
    "/9j/": "image/jpeg",
    "iVBORw0KGgo": "image/png",
    "R0lGOD": "image/gif",
    "UklGR": "image/webp",
}
"""How base64 images of the types that the wire takes begin."""
_PDF: Final = "application/pdf"
_CARRIED: Final = ("cache_control", "citations", "title", "context")
"""Fields of documents that LangChain's own blocks may carry, in ``extras`` or ``metadata`` too."""


class Place(NamedTuple):
    """Where a block stands, for error texts, and which provider made it (``None``: the caller)."""

    message: int
    block: int
    provider: str | None = None
    assistant: bool = False

    def __str__(self) -> str:
        return f"messages[{self.message}].content[{self.block}]"


def wire_id(tool_call_id: str) -> str:
    """``tool_call_id`` if the wire takes it, else one made from it, the same each time."""
    if _TOOL_ID.fullmatch(tool_call_id):
        return tool_call_id
    return f"toolu_{hashlib.sha256(tool_call_id.encode('utf-8', 'surrogatepass')).hexdigest()[:24]}"


def to_blocks(
    content: Any, *, message: int, provider: str | None = None, assistant: bool = False
) -> list[Block]:
    """The wire blocks of a message's content; blank text is left out, since the wire refuses it."""
    if isinstance(content, str):
        return [{"type": "text", "text": content}] if content and not content.isspace() else []
    blocks: list[Block] = []
    for number, item in enumerate(content):
        if isinstance(item, str):
            if item and not item.isspace():
                blocks.append({"type": "text", "text": item})
            continue
        if type(item) is dict and len(item) == 2 and item.get("type") == "text":
            text = item.get("text")  # the commonest block by far, on the short way
            if isinstance(text, str) and text and not text.isspace():
                blocks.append({"type": "text", "text": text})
                continue
        place = Place(message, number, provider, assistant)
        if not isinstance(item, Mapping):
            raise InvalidInputError(
                f"{place} is a {type(item).__name__}; content must be text or blocks with a type"
            )
        block = to_block(item, place)
        if block is not None:
            blocks.append(block)
        elif item.get("cache_control") is not None:
            _keep_breakpoint(blocks, item, place)
    return blocks


def _keep_breakpoint(blocks: list[Block], item: Mapping[str, Any], place: Place) -> None:
    """Move the breakpoint of a blank block, which cannot be sent, to the block before it."""
    if not blocks:
        raise InvalidInputError(f"{place} has cache_control but no text; put it on a block that has content")
    blocks[-1].setdefault("cache_control", item["cache_control"])


def to_block(item: Mapping[str, Any], place: Place) -> Block | None:
    """One block for the wire, a new object; ``None`` if there is nothing in it to send."""
    kind = item.get("type")
    if kind is None and "text" in item:
        kind = "text"
    convert = _CONVERTERS.get(kind) if isinstance(kind, str) else None
    if convert is not None:
        return convert(item, place)
    if isinstance(kind, str) and (_is_server_kind(kind) or (place.assistant and place.provider in TRUSTED)):
        # What the platform itself sent goes back as it came, known to us or not.
        return _as_it_is(item, place)
    raise InvalidInputError(
        f"{place} has type {kind!r}, which the Messages format does not have; "
        "wrap it as {'type': 'non_standard', 'value': {...}} to send it as it is"
    )


def _is_server_kind(kind: str) -> bool:
    return kind.endswith("_tool_result") or kind in _PASSED


def _as_it_is(item: Mapping[str, Any], place: Place) -> Block:
    block = {name: value for name, value in item.items() if name not in _LEFTOVERS}
    if isinstance(block.get("tool_use_id"), str):
        block["tool_use_id"] = wire_id(block["tool_use_id"])
    return block


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
    if not text or text.isspace():
        return None
    block: Block = {"type": "text", "text": text}
    if len(item) == 2:
        return block
    citations = item.get("citations") or (
        [from_annotation(note) for note in item.get("annotations") or ()]
        if place.provider in TRUSTED
        else None
    )
    if citations:
        # file_id is null on received citations, and no field of sent ones.
        block["citations"] = [
            {name: value for name, value in citation.items() if name != "file_id" or value is not None}
            for citation in citations
        ]
    return _with_cache_control(block, item)


def _thinking(item: Mapping[str, Any], place: Place) -> Block | None:
    if item.get("cache_control") is not None:
        raise InvalidInputError(
            f"{place} has cache_control, which a thinking block cannot carry; put it on another"
        )
    return _thought(str(item.get("thinking") or ""), item.get("signature"), place)


def _reasoning(item: Mapping[str, Any], place: Place) -> Block | None:
    text = item.get("reasoning")
    if text is None:
        parts = item.get("summary") or item.get("content") or ()
        text = "\n\n".join(part.get("text") or "" for part in parts if isinstance(part, Mapping))
    return _thought(str(text), _extra(item, "signature"), place)


def _reasoning_content(item: Mapping[str, Any], place: Place) -> Block | None:
    """As Bedrock's Converse has it."""
    inner = item.get("reasoning_content")
    inner = inner if isinstance(inner, Mapping) else {"text": inner}
    return _thought(str(inner.get("text") or ""), inner.get("signature"), place)


def _thought(text: str, signature: Any, place: Place) -> Block | None:
    """A thinking block; without a signature that the wire can verify, the same words as text.

    Neither thought of another provider nor thinking that a broken stream left unsigned may be sent
    as thinking. Dropping it would change the conversation unseen, so it stays, marked as what it is.
    """
    if signature and place.provider in TRUSTED:
        return {"type": "thinking", "thinking": text, "signature": signature}
    return thought_as_text(text)


def thought_as_text(text: str) -> Block | None:
    """Reasoning as the text that stands for it, or ``None`` if there is none."""
    return {"type": "text", "text": f"<thinking>\n{text.strip()}\n</thinking>"} if text.strip() else None


def _redacted(item: Mapping[str, Any], place: Place) -> Block | None:
    return {"type": "redacted_thinking", "data": item.get("data")}


def _image(item: Mapping[str, Any], place: Place) -> Block:
    if "source" in item and "source_type" not in item:
        return _in_wire_form(item)
    return _with_cache_control({"type": "image", "source": _image_source(item, place)}, item)


def _in_wire_form(item: Mapping[str, Any]) -> Block:
    """An image or document in the wire's form; ``id`` is LangChain's own and unknown to the wire."""
    return {name: value for name, value in item.items() if name not in _LEFTOVERS and name != "id"}


def _image_source(item: Mapping[str, Any], place: Place) -> Block:
    if isinstance(url := item.get("url"), str) and url:
        return _url_source(url, place)
    if (data := _base64_of(item)) is not None:
        mime_type = _image_type(item.get("mime_type"), data, place)
        return {"type": "base64", "media_type": mime_type, "data": data}
    if (file_id := _file_id_of(item)) is not None:
        return {"type": "file", "file_id": file_id}
    raise InvalidInputError(f"{place} is an image without url, base64 data or file id")


def _image_url(item: Mapping[str, Any], place: Place) -> Block:
    """``image_url`` as a string or as ``{"url": ...}``; ``detail`` is another provider's setting."""
    value = item.get("image_url", item.get("url"))
    url = value.get("url") if isinstance(value, Mapping) else value
    if not isinstance(url, str) or not url:
        raise InvalidInputError(f"{place} is an image_url block without a URL")
    return _with_cache_control({"type": "image", "source": _url_source(url, place)}, item)


def _url_source(url: str, place: Place) -> Block:
    if url.startswith("data:"):
        match = _DATA_URI.fullmatch(url)
        if match is None:
            raise InvalidInputError(f"{place} has a data URI that is not 'data:<type>;base64,<data>'")
        data = match["data"].strip()
        return {"type": "base64", "media_type": _image_type(match["mime"], data, place), "data": data}
    if url.startswith(("https://", "http://")):
        return {"type": "url", "url": url}
    raise InvalidInputError(f"{place} has the URL {url[:80]!r}; use an https URL or a data URI")


def _image_type(mime_type: str | None, data: str, place: Place) -> str:
    if not mime_type:
        mime_type = next((known for start, known in _IMAGE_STARTS.items() if data.startswith(start)), None)
        if mime_type is None:
            raise InvalidInputError(
                f"{place} is a base64 image of unknown type; set mime_type, such as 'image/png'"
            )
    return "image/jpeg" if mime_type == "image/jpg" else mime_type


def _base64_of(item: Mapping[str, Any]) -> str | None:
    data = item.get("base64") or (item.get("data") if item.get("source_type") in (None, "base64") else None)
    if isinstance(data, bytes):
        return base64.b64encode(data).decode("ascii")
    return data if isinstance(data, str) and data else None


def _file_id_of(item: Mapping[str, Any]) -> str | None:
    file_id = item.get("file_id") or (item.get("id") if item.get("source_type") == "id" else None)
    if file_id is None and isinstance(own := item.get("id"), str) and not own.startswith("lc_"):
        file_id = own  # LangChain's own view of a received file block keeps the file id there
    return file_id if isinstance(file_id, str) and file_id else None


def _document(item: Mapping[str, Any], place: Place) -> Block:
    return _in_wire_form(item)


def _file(item: Mapping[str, Any], place: Place) -> Block:
    if isinstance(inner := item.get("file"), Mapping):
        return _openai_file(inner, item, place)
    mime_type = item.get("mime_type") or ""
    if mime_type.startswith("image/"):
        return _image(item, place)
    if isinstance(url := item.get("url"), str) and url:
        return _carried(_file_at(url, place), item)
    if item.get("source_type") == "text" or (mime_type.startswith("text/") and "text" in item):
        return _text_document(item, place)
    if (data := _base64_of(item)) is not None:
        return _carried(_base64_document(mime_type or _PDF, data, place), item)
    if (file_id := _file_id_of(item)) is not None:
        return _carried({"type": "file", "file_id": file_id}, item)
    raise InvalidInputError(f"{place} is a file without url, base64 data, text or file id")


def _google_media(item: Mapping[str, Any], place: Place) -> Block:
    """An image or a file as Google's models have it: base64 data, or where it is."""
    kind = str(item.get("mime_type") or "").partition("/")[0]
    if kind in ("audio", "video"):
        return _refuse_media({**item, "type": kind}, place)
    return _file({**item, "type": "file", "url": item.get("file_uri")}, place)


def _google_code(item: Mapping[str, Any], place: Place) -> Block | None:
    """Code that another provider's tool ran, or what came of it: told as text, as nobody here can run it."""
    text = item.get("executable_code") or item.get("code_execution_result")
    return {"type": "text", "text": f"```\n{text}\n```"} if isinstance(text, str) and text.strip() else None


def _openai_file(inner: Mapping[str, Any], item: Mapping[str, Any], place: Place) -> Block:
    """A file as OpenAI's chat format has it: a data URI, or an id."""
    if isinstance(data := inner.get("file_data"), str) and data:
        source = _file_at(data, place) if data.startswith("data:") else _base64_document(_PDF, data, place)
        return _carried(source, {**item, "filename": inner.get("filename")})
    if inner.get("file_id"):
        return _carried({"type": "file", "file_id": inner["file_id"]}, item)
    raise InvalidInputError(f"{place} is a file without file_data or file_id")


def _file_at(url: str, place: Place) -> Block:
    if not url.startswith("data:"):
        if not url.startswith(("https://", "http://")):
            raise InvalidInputError(f"{place} has the URL {url[:80]!r}; use an https URL or a data URI")
        return {"type": "url", "url": url}
    match = _DATA_URI.fullmatch(url)
    if match is None:
        raise InvalidInputError(f"{place} has a data URI that is not 'data:<type>;base64,<data>'")
    return _base64_document(match["mime"] or _PDF, match["data"].strip(), place)


def _base64_document(mime_type: str, data: str, place: Place) -> Block:
    if mime_type == _PDF:
        return {"type": "base64", "media_type": _PDF, "data": data}
    if not mime_type.startswith("text/"):
        raise InvalidInputError(
            f"{place} is a file of type {mime_type!r}; the wire takes PDF, plain text and images"
        )
    try:
        text = base64.b64decode(data, validate=True).decode("utf-8")
    except (binascii.Error, UnicodeDecodeError) as error:
        raise InvalidInputError(f"{place} is a text file whose data is not base64 of UTF-8 text") from error
    return {"type": "text", "media_type": "text/plain", "data": text}


def _text_document(item: Mapping[str, Any], place: Place) -> Block:
    text = item.get("text") or item.get("data")
    if text is None and isinstance(url := item.get("url"), str) and url:
        return _carried(_file_at(url, place), item)
    if not isinstance(text, str) or not text.strip():
        raise InvalidInputError(f"{place} is a text document without text")
    return _carried({"type": "text", "media_type": "text/plain", "data": text}, item)


def _carried(source: Block, item: Mapping[str, Any]) -> Block:
    block: Block = {"type": "document", "source": source}
    for name in _CARRIED:
        if (value := _extra(item, name)) is not None:
            block[name] = value
    if "title" not in block and isinstance(name := _extra(item, "filename") or _extra(item, "name"), str):
        block["title"] = name
    return block


def _tool_use(item: Mapping[str, Any], place: Place) -> Block:
    block = {name: value for name, value in item.items() if name not in _LEFTOVERS}
    block["input"] = parsed_input(item.get("input"), item.get("partial_json"))
    block["id"] = wire_id(str(item.get("id") or ""))
    return block


def parsed_input(value: Any, raw: Any = None) -> dict[str, Any]:
    """Tool arguments as the object that the wire wants; text that is none is kept under one key."""
    if isinstance(value, Mapping) and (value or not raw):
        return dict(value)
    text = raw if raw else value
    if text is None or text == "":
        return {}
    if isinstance(text, str):
        try:
            parsed = from_json(text)
        except ValueError:
            return {"unparsed_arguments": text}
        return parsed if isinstance(parsed, dict) else {"unparsed_arguments": text}
    return {"unparsed_arguments": text}


def _standard_tool_call(item: Mapping[str, Any], place: Place) -> Block:
    """``tool_call`` and its kin of LangChain's standard content."""
    block: Block = {
        "type": "tool_use",
        "id": wire_id(str(item.get("call_id") or item.get("id") or "")),
        "name": item.get("name") or "",
        "input": parsed_input(item.get("args", item.get("arguments"))),
    }
    for name in ("caller", "toolset_name"):
        if (value := _extra(item, name)) is not None:
            block[name] = value
    return _with_cache_control(block, item)


def _tool_result(item: Mapping[str, Any], place: Place) -> Block:
    block = {name: value for name, value in item.items() if name not in _LEFTOVERS}
    block["tool_use_id"] = wire_id(str(item.get("tool_use_id") or ""))
    content = item.get("content")
    block.pop("content", None)
    if isinstance(content, str) or content is None:
        if content:
            block["content"] = content
    elif blocks := to_blocks(content, message=place.message, provider=place.provider):
        block["content"] = blocks
    return block


_SERVER_NAMES: Final = {"code_interpreter": "code_execution"}
"""LangChain's standard names of server tools, and the wire's."""


def _server_tool_call(item: Mapping[str, Any], place: Place) -> Block:
    extras = dict(item.get("extras") or {})
    tool_name, args = extras.pop("tool_name", None), item.get("args")
    block: Block = {"id": item.get("id"), "input": parsed_input(args), **extras}
    block.pop("partial_json", None)
    if item.get("name") == "remote_mcp":
        return {"type": "mcp_tool_use", "name": tool_name, **block}
    name = str(item.get("name"))
    return {"type": "server_tool_use", "name": _SERVER_NAMES.get(name, name), **block}


def _server_tool_result(item: Mapping[str, Any], place: Place) -> Block:
    extras = dict(item.get("extras") or {})
    kind = extras.pop("block_type", None)
    if not kind:
        raise InvalidInputError(
            f"{place} is a server_tool_result that does not say of which tool (extras.block_type)"
        )
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
    if not isinstance(value, Mapping) or not isinstance(value.get("type"), str):
        raise InvalidInputError(f"{place} is a non_standard block whose value is no block with a type")
    return to_block(value, place) if value["type"] in _CONVERTERS else _as_it_is(value, place)


def _refuse_media(item: Mapping[str, Any], place: Place) -> Block:
    raise InvalidInputError(
        f"{place} has type {item['type']!r}; these models take text, images and documents. Send a transcript or images"
    )


_PASSED: Final = frozenset(
    {"server_tool_use", "mcp_tool_use", "container_upload", "compaction", "search_result", "tool_reference"}
)
"""Blocks of the wire's own that need no change."""

_CONVERTERS: Final[Mapping[str, Callable[[Mapping[str, Any], Place], Block | None]]] = {
    "text": _text,
    "input_text": _text,
    "output_text": _text,
    "thinking": _thinking,
    "redacted_thinking": _redacted,
    "reasoning": _reasoning,
    "reasoning_content": _reasoning_content,
    "image": _image,
    "image_url": _image_url,
    "input_image": _image_url,
    "document": _document,
    "file": _file,
    "media": _google_media,
    "executable_code": _google_code,
    "code_execution_result": _google_code,
    "text-plain": _text_document,
    "tool_use": _tool_use,
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
}


def has_citing_content(turns: Sequence[Mapping[str, Any]]) -> bool:
    """Whether any document or search result of the conversation may be cited in the reply."""
    return any(_may_be_cited(block) for turn in turns for block in _listed(turn["content"]))


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
