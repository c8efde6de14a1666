"""Tools and tool choice to the wire."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, TypeAlias

from langchain_core.tools import BaseTool
from langchain_core.utils.function_calling import convert_to_openai_tool

from aivideoapi_core import InvalidInputError

ToolLike: TypeAlias = Mapping[str, Any] | type | Callable[..., Any] | BaseTool

_OWN_EXTRAS: Final = frozenset(
    {"cache_control", "defer_loading", "input_examples", "eager_input_streaming", "allowed_callers", "strict"}
)
"""Keys of ``BaseTool.extras`` that are fields of the wire's tools."""
_SCHEMA_TYPES: Final = frozenset({"object", "function", "custom"})
_KEYWORDS: Final = {"auto": "auto", "any": "any", "required": "any", "none": "none"}


def to_tools(tools: Sequence[ToolLike], *, strict: bool | None = None) -> list[dict[str, Any]]:
    """Every kind of tool that LangChain knows as the wire's tools.

    A dict whose ``type`` names a server tool, and a ``BaseTool`` that brings its
    ``provider_tool_definition``, go through as they are. ``strict`` is set on the caller's own tools
    that do not say themselves.
    """
    return [_to_tool(tool, strict=strict) for tool in tools]


def _to_tool(tool: ToolLike, *, strict: bool | None) -> dict[str, Any]:
    if isinstance(tool, Mapping):
        if "input_schema" in tool or tool.get("type", "custom") not in _SCHEMA_TYPES:
            return _with_strict(dict(tool), strict)
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
    parameters = function.get("parameters") or {}
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


def _with_strict(tool: dict[str, Any], strict: bool | None) -> dict[str, Any]:
    if strict is not None and "input_schema" in tool:
        tool.setdefault("strict", strict)
    return tool


def to_tool_choice(
    choice: Any, tools: Sequence[Mapping[str, Any]], *, parallel_tool_calls: bool | None = None
) -> dict[str, Any] | None:
    """A choice in any spelling as the wire's; ``None`` leaves it to the model.

    Takes ``"auto"``, ``"any"`` or ``"required"``, ``"none"``, a tool's name, ``True`` (the only
    tool, or any), ``False`` and ``None``, and the objects of the Anthropic and OpenAI formats.
    """
    chosen = _chosen(choice, tools)
    if parallel_tool_calls is None or (chosen and chosen["type"] == "none"):
        return chosen
    return {**(chosen or {"type": "auto"}), "disable_parallel_tool_use": not parallel_tool_calls}


def _chosen(choice: Any, tools: Sequence[Mapping[str, Any]]) -> dict[str, Any] | None:
    match choice:
        case None | False | "":
            return None
        case True:
            return {"type": "tool", "name": tools[0]["name"]} if len(tools) == 1 else {"type": "any"}
        case str():
            return {"type": _KEYWORDS[choice]} if choice in _KEYWORDS else {"type": "tool", "name": choice}
        case {"type": "function", "function": {"name": str(name)}} | {"type": "function", "name": str(name)}:
            return {"type": "tool", "name": name}
        case {"type": "required"}:
            return {**choice, "type": "any"}
        case {"type": "auto" | "any" | "none" | "tool"}:
            return dict(choice)
        case _:
            raise InvalidInputError(
                f"tool_choice={choice!r} is not understood; use 'auto', 'any', 'none', a tool's name, "
                "or {'type': 'tool', 'name': ...}"
            )
