"""Content blocks to the wire: every form that LangChain or a provider's history has for a piece of content.

Blocks that are in the wire's form already go through as they are, less what streaming left on them.
What the user wrote and cannot be sent is an error that names the place and the fix; what a tool or
another model made is told in words. ``{"type": "non_standard", "value": {...}}`` sends any block untouched.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple

from aivideoapi_core import InvalidInputError
from aivideoapi_core.adapter_kit import (
    BY_KEY,
    FOREIGN,
    LEFTOVERS,
    MEDIA_FORMS,
    Block,
    Content,
    as_json,
    as_text,
    thought_as_text,
    to_call_input,
    told,
    told_file,
    told_media,
)
from langchain_aivideoapi._outbound.citations import to_citation
from langchain_aivideoapi._outbound.media import extra, plain_file, with_cache_control

TRUSTED: Final = frozenset({None, "aivideoapi", "anthropic", "bedrock", "bedrock_converse"})
"""Providers (``model_provider``) whose thinking signatures the wire can verify; ``None``: not said."""

_SERVER_IDS: Final = ("srvtoolu_", "mcptoolu_")
"""How the ids of the platform's own server tools' calls begin."""


class Place(NamedTuple):
    """The message that a block stands in, and which provider made it (``None``: not said)."""

    message: int
    provider: str | None = None
    assistant: bool = False


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
    place = Place(message, provider, assistant)
    for number, item in enumerate(content):
        if isinstance(item, str):
            blocks.append({"type": "text", "text": item})
            continue
        if type(item) is dict and len(item) == 2 and item.get("type") == "text":
            text = item.get("text")  # the commonest block by far, on the short way
            if isinstance(text, str):
                blocks.append({"type": "text", "text": text})
                continue
        try:
            block = _to_block(item, place)
        except _UNSENDABLE as error:
            if not (made or assistant):
                said = error if isinstance(error, InvalidInputError) else f"is malformed: {error}"
                raise InvalidInputError(f"messages[{message}].content[{number}] {said}") from error
            block = _told(item)
        if block is not None:
            blocks.append(block)
        elif isinstance(item, Mapping) and item.get("cache_control") is not None:
            blocks.append({"type": "text", "text": "", "cache_control": item["cache_control"]})
    return blocks


_UNSENDABLE: Final = (InvalidInputError, AttributeError, KeyError, TypeError, ValueError)
"""What a block raises that cannot be sent: one of a shape that nobody documents, too."""


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
    if type(item) is not dict and not isinstance(item, Mapping):
        raise InvalidInputError(f"is a {type(item).__name__}; content must be text or blocks with a type")
    kind = item.get("type")
    if kind is None and (key := next((key for key in item if key in BY_KEY), None)) is not None:
        item = BY_KEY[key](item[key])
        if item is None:
            return None
        kind = item["type"]
    elif kind is None and "text" in item:
        kind = "text"
    name = kind if isinstance(kind, str) else ""
    if (convert := _CONVERTERS.get(name)) is not None:
        return convert(item, place)
    if name in MEDIA_FORMS:
        return MEDIA_FORMS[name](plain_file({**item, "type": name}))
    if name in FOREIGN:
        return FOREIGN[name](item)
    is_ours = place.provider in TRUSTED
    may_pass = is_ours if place.assistant else name.endswith("_tool_result") or name in _PASSED
    if name and may_pass:
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
    return told_media(plain_file(item)) if kind in MEDIA_FORMS or kind == "resource_link" else told(item)


def _as_it_is(item: Mapping[str, Any], place: Place) -> Block:
    return {name: value for name, value in item.items() if name not in LEFTOVERS}


def _text(item: Mapping[str, Any], place: Place) -> Block | None:
    text = item.get("text")
    if not isinstance(text, str):
        text = "" if text is None else str(text)
    if item.get("thought") is True:
        return thought_as_text(text)
    block: Block = {"type": "text", "text": text}
    if place.provider in TRUSTED:
        notes = item.get("annotations")
        citations = item.get("citations") or (isinstance(notes, list) and [*map(to_citation, notes)])
        if citations:
            block["citations"] = citations
    return with_cache_control(block, item)


def _thinking(item: Mapping[str, Any], place: Place) -> Block:
    block = {
        "type": "thinking",
        "thinking": _joined(item.get("thinking")),
        "signature": item.get("signature"),
    }
    return with_cache_control(block, item)


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
    return {"type": "thinking", "thinking": str(text), "signature": extra(item, "signature")}


def _tool_use(item: Mapping[str, Any], place: Place) -> Block:
    block = {name: value for name, value in item.items() if value is not None and name not in LEFTOVERS}
    block["input"] = to_call_input(item.get("input"), raw=item.get("partial_json"))
    block["id"], block["name"] = item.get("id"), str(item.get("name") or "")
    return block


def _standard_tool_call(item: Mapping[str, Any], place: Place) -> Block:
    """``tool_call`` and its kin of LangChain's standard content."""
    block: Block = {
        "type": "tool_use",
        "id": item.get("call_id") or item.get("id"),
        "name": item.get("name") or "",
        "input": to_call_input(item.get("args", item.get("arguments", item.get("input")))),
    }
    for name in ("caller", "toolset_name") if place.provider in TRUSTED else ():
        if (value := extra(item, name)) is not None:
            block[name] = value
    return with_cache_control(block, item)


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
    value = value if isinstance(value, Mapping) else {}
    if value and (
        place.provider not in TRUSTED or value.get("type") in _KNOWN or value.keys() & BY_KEY.keys()
    ):
        return _to_block(value, place)
    if not isinstance(value.get("type"), str):
        raise InvalidInputError("is a non_standard block whose value is no block with a type")
    return _as_it_is(value, place)


_PASSED: Final = frozenset(
    {
        *("server_tool_use", "mcp_tool_use", "mcp_tool_listing", "container_upload", "compaction"),
        *("search_result", "tool_reference", "tool_addition", "tool_removal", "browser_state"),
    }
)
"""Blocks of the wire's own that need no change."""
_CONVERTERS: Final[Mapping[str, Callable[[Mapping[str, Any], Place], Block | None]]] = {
    "text": _text,
    "input_text": _text,
    "output_text": _text,
    "thinking": _thinking,
    "reasoning": _reasoning,
    "tool_use": _tool_use,
    "input_json_delta": lambda item, place: None,  # a piece of a stream that nobody put together
    "tool_call": _standard_tool_call,
    "tool_call_chunk": _standard_tool_call,
    "invalid_tool_call": _standard_tool_call,
    "function_call": _standard_tool_call,
    "custom_tool_call": _standard_tool_call,
    "tool_result": _tool_result,
    "server_tool_call": _server_tool_call,
    "server_tool_call_chunk": _server_tool_call,
    "server_tool_result": _server_tool_result,
    "non_standard": _non_standard,
}
_KNOWN: Final = _CONVERTERS.keys() | MEDIA_FORMS.keys() | FOREIGN.keys()
