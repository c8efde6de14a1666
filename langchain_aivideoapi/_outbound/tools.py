"""LangChain's tools in the form of the wire's; what the wire refuses in them is the core's business."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from langchain_core.tools import BaseTool
from langchain_core.utils.function_calling import convert_to_openai_tool
from langchain_core.utils.pydantic import is_basemodel_subclass

from aivideoapi_core import InvalidInputError
from aivideoapi_core.adapter_kit import is_recursive
from langchain_aivideoapi._types import ToolLike

_OWN_EXTRAS: Final = frozenset(
    {"cache_control", "defer_loading", "input_examples", "eager_input_streaming", "allowed_callers", "strict"}
)
"""Keys of ``BaseTool.extras`` that are fields of the wire's tools."""
_SCHEMA_TYPES: Final = frozenset({"object", "function", "custom"})
_SCHEMA_KEYS: Final = frozenset({"input_schema", "inputSchema"})
_NAMED: Final = frozenset({"name", "function", "toolSpec"})
_DESCRIBING: Final = frozenset({"title", "description"})


def to_tools(tools: Sequence[ToolLike], *, strict: bool | None = None) -> list[dict[str, Any]]:
    """Every kind of tool that LangChain knows, in the form of the wire's tools, with the caller's own names.

    A dict whose ``type`` names a server tool, and a ``BaseTool`` that brings its
    ``provider_tool_definition``, go through as they are. ``strict`` is set on the caller's own tools
    that do not say themselves. The core's ``wire_tools`` does the rest when the request is made.
    """
    return [_to_tool(tool, strict=strict) for tool in tools]


def _to_tool(tool: ToolLike, *, strict: bool | None) -> dict[str, Any]:
    if isinstance(tool, Mapping):
        if not _SCHEMA_KEYS.isdisjoint(tool) or tool.get("type", "custom") not in _SCHEMA_TYPES:
            return _with_strict(dict(tool), strict)
        if "title" in tool and _NAMED.isdisjoint(tool) and "properties" not in tool:
            return _with_strict(_from_json_schema(tool), strict)
        extras: Mapping[str, Any] = {name: tool[name] for name in _OWN_EXTRAS & tool.keys()}
        if tool.get("type") == "function" and "function" not in tool:  # as OpenAI's responses format has it
            tool = {name: value for name, value in tool.items() if name != "type"}
    else:
        extras = (tool.extras or {}) if isinstance(tool, BaseTool) else {}
    if "provider_tool_definition" in extras:
        own = {name: value for name, value in extras.items() if name in _OWN_EXTRAS}
        return {**extras["provider_tool_definition"], **own}
    try:
        function = convert_to_openai_tool(tool, strict=strict)["function"]
    except (ValueError, TypeError, KeyError) as error:
        raise InvalidInputError(f"cannot make a tool of {tool!r}: {error}") from error
    parameters = _recursive_schema(tool) or function.get("parameters") or {}
    converted: dict[str, Any] = {
        "name": function["name"],
        "input_schema": {"type": "object", "properties": {}, **parameters},
    }
    if function.get("description"):
        converted["description"] = function["description"]
    if isinstance(function.get("strict"), bool):
        converted["strict"] = function["strict"]
    converted.update((name, value) for name, value in extras.items() if name in _OWN_EXTRAS)
    return converted


def _from_json_schema(schema: Mapping[str, Any]) -> dict[str, Any]:
    """A JSON schema with a title as a tool of that name, which has no properties at its root."""
    own = _OWN_EXTRAS - {"strict"}
    parameters = {name: value for name, value in schema.items() if name not in _OWN_EXTRAS | _DESCRIBING}
    tool = {"name": schema["title"], "input_schema": parameters}
    tool.update(
        (name, schema[name]) for name in (*own, "strict", "description") if schema.get(name) is not None
    )
    return tool


def _recursive_schema(tool: ToolLike) -> dict[str, Any] | None:
    """The schema of a class that contains itself, which LangChain would cut where it does; else ``None``."""
    cls = tool.args_schema if isinstance(tool, BaseTool) else tool
    if not (isinstance(cls, type) and is_basemodel_subclass(cls)):
        return None
    # Pydantic has definitions there for what is used twice, and recursion is a case of that.
    if getattr(cls, "__pydantic_core_schema__", {}).get("type") not in ("definitions", "definition-ref"):
        return None
    shown: Any = tool.tool_call_schema if isinstance(tool, BaseTool) else cls
    schema: dict[str, Any] = shown.model_json_schema()
    if not is_recursive(schema):
        return None
    return {name: value for name, value in schema.items() if name not in _DESCRIBING}


def _with_strict(tool: dict[str, Any], strict: bool | None) -> dict[str, Any]:
    if strict is not None and not _SCHEMA_KEYS.isdisjoint(tool):
        tool.setdefault("strict", strict)
    return tool
