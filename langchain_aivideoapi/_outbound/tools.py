"""LangChain's tools in the form of the wire's; what the wire refuses in them is the core's business."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final, cast

from langchain_core.tools import BaseTool
from langchain_core.tools.base import create_schema_from_function
from langchain_core.utils.function_calling import convert_to_openai_function
from langchain_core.utils.pydantic import is_basemodel_subclass
from pydantic import PydanticUserError

from aivideoapi_core import InvalidInputError
from aivideoapi_core.adapter_kit import (
    OWN_FIELDS,
    are_in_wire_form,
    check_flag,
    each_tool,
    has_references,
    is_custom,
    is_recursive,
    own_tool,
    read_tool_choice,
    typed_dict_schema,
)
from langchain_aivideoapi._strategies import is_strategy_tool, strategy_schema
from langchain_aivideoapi._types import ToolLike

_DESCRIBING: Final = frozenset({"title", "description"})


def to_tools(tools: Sequence[ToolLike], *, strict: bool | None = None) -> list[dict[str, Any]]:
    """Every kind of tool that LangChain knows, in the form of the wire's tools, with the caller's own names.

    A dict whose ``type`` names a server tool, and a ``BaseTool`` that brings its
    ``provider_tool_definition``, go through as they are. ``strict`` is set on the caller's own tools
    that do not say themselves. The core's ``wire_tools`` does the rest when the request is made.
    """
    given: Iterable[Any] = map(dict, tools) if are_in_wire_form(tools) else each_tool(tools)
    return [_to_tool(tool, strict=strict) for tool in given]


def bound_tools(
    tools: Sequence[ToolLike], *, tool_choice: Any, parallel: bool | None, strict: bool | None
) -> dict[str, Any]:
    """The arguments of a call that ``bind_tools`` stands for."""
    check_flag("strict", strict)
    bound: dict[str, Any] = {"tools": to_tools(tools, strict=strict)}
    check_flag("parallel_tool_calls", parallel)
    choice = read_tool_choice(tool_choice, bound["tools"], parallel=parallel if bound["tools"] else None)
    if choice is not None:
        bound["tool_choice"] = choice
        if len({*map(is_strategy_tool, tools)}) > 1:  # an agent ends with a reply that calls none of them
            bound["is_last_try"] = True
    return bound


def _to_tool(tool: ToolLike, *, strict: bool | None) -> dict[str, Any]:
    if isinstance(tool, dict):
        return _with_strict(tool, strict)
    base = tool if isinstance(tool, BaseTool) else None
    extras: Mapping[str, Any] = {} if base is None else base.extras or {}
    if "provider_tool_definition" in extras:
        own = {name: value for name, value in extras.items() if name in OWN_FIELDS}
        return {**extras["provider_tool_definition"], **own}
    own_schema = (None if base is None else strategy_schema(base)) or _recursive_schema(tool, base)
    if own_schema is not None and base is not None:
        function: dict[str, Any] = {"name": base.name, "description": base.description, "strict": strict}
    else:
        try:
            function = convert_to_openai_function(tool, strict=strict)
        except (ValueError, TypeError, KeyError, RecursionError, PydanticUserError) as error:
            if (schema := typed_dict_schema(tool)) is None:
                raise InvalidInputError(f"cannot make a tool of {tool!r}: {error}") from error
            return to_tools([schema], strict=strict)[0]
    parameters = own_schema or function.get("parameters") or {}
    converted = own_tool(function["name"], parameters, function.get("description"))
    if isinstance(function.get("strict"), bool):
        converted["strict"] = function["strict"]
    if extras:
        converted.update((name, value) for name, value in extras.items() if name in OWN_FIELDS)
    return converted


def _recursive_schema(tool: ToolLike, base: BaseTool | None) -> dict[str, Any] | None:
    """The schema of what contains itself, which LangChain would cut where it does; else ``None``.

    A JSON schema with any reference too: LangChain raises for one that it cannot follow. ``base``: the tool, if it is one.
    """
    given: Any = tool if base is None else base.args_schema
    if base is None and not isinstance(tool, type) and callable(tool):
        given = _arguments_of(tool)
    if isinstance(given, type):
        # Pydantic has definitions there for what is used twice, and recursion is a case of that.
        kind = getattr(given, "__pydantic_core_schema__", {}).get("type")
        if kind not in ("definitions", "definition-ref") or not is_basemodel_subclass(given):
            return None
        shown: Any = given if base is None else base.tool_call_schema
        schema: dict[str, Any] = shown.model_json_schema()
        if not is_recursive(schema):
            return None
    elif base is not None and isinstance(given, Mapping) and has_references(given):
        schema = cast("dict[str, Any]", base.tool_call_schema)  # as MCP's servers say it
    else:
        return None
    return {name: value for name, value in schema.items() if name not in _DESCRIBING}


def _arguments_of(function: Callable[..., Any]) -> Any:
    """A function's arguments as a class, as LangChain reads them; ``None`` if it will say why it cannot."""
    try:
        return create_schema_from_function(
            getattr(function, "__name__", "tool"), function, filter_args=(), parse_docstring=True,
            error_on_invalid_docstring=False, include_injected=False,
        )  # fmt: skip
    except (ValueError, TypeError, NameError):
        return None


def _with_strict(tool: dict[str, Any], strict: bool | None) -> dict[str, Any]:
    if strict is not None and is_custom(tool):
        tool.setdefault("strict", strict)
    return tool
