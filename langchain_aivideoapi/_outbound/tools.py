"""LangChain's tools in the form of the wire's; what the wire refuses in them is the core's business."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from langchain_core.tools import BaseTool
from langchain_core.tools.base import create_schema_from_function
from langchain_core.utils.function_calling import convert_to_openai_tool
from langchain_core.utils.pydantic import is_basemodel_subclass
from pydantic import PydanticUserError, TypeAdapter
from typing_extensions import TypedDict, get_type_hints, is_typeddict

from aivideoapi_core import InvalidInputError
from aivideoapi_core.adapter_kit import has_references, is_custom, is_recursive
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
        if isinstance(tool.get("name"), str) and "parameters" not in tool:  # it takes nothing
            return _with_strict({"input_schema": {}, **tool}, strict)
        if _says_strict(tool):
            strict = None
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
    own_schema = _recursive_schema(tool)
    if own_schema is not None and isinstance(tool, BaseTool):
        function: dict[str, Any] = {"name": tool.name, "description": tool.description, "strict": strict}
    else:
        try:
            function = convert_to_openai_tool(tool, strict=strict)["function"]
        except (ValueError, TypeError, KeyError, RecursionError) as error:
            if (schema := typed_dict_schema(tool)) is None:
                raise InvalidInputError(f"cannot make a tool of {tool!r}: {error}") from error
            return _with_strict(_from_json_schema(schema), strict)
    parameters = own_schema or function.get("parameters") or {}
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


def _says_strict(tool: Mapping[str, Any]) -> bool:
    function = tool.get("function")
    return any(isinstance(each, Mapping) and each.get("strict") is not None for each in (tool, function))


def typed_dict_schema(cls: Any) -> dict[str, Any] | None:
    """The schema of a ``TypedDict`` by pydantic, for one that LangChain cannot read; else ``None``.

    Such are those that contain themselves, and ``NotRequired`` where annotations are evaluated.
    """
    if not is_typeddict(cls):
        return None
    try:
        # Pydantic reads the newer class only, before Python 3.12.
        fields = get_type_hints(cls, include_extras=True)
        make: Any = TypedDict
        is_new = type(cls).__module__ == "typing_extensions"
        same = cls if is_new else make(cls.__name__, fields, total=cls.__total__)
        schema = {"title": cls.__name__, **TypeAdapter(same).json_schema()}
    except (PydanticUserError, NameError, TypeError) as error:
        raise InvalidInputError(f"{cls!r} has no schema: {error}") from error
    described = (cls.__doc__ or "").strip()
    return {**schema, "description": described} if described else schema


def _recursive_schema(tool: ToolLike) -> dict[str, Any] | None:
    """The schema of what contains itself, which LangChain would cut where it does; else ``None``.

    A JSON schema with any reference too: LangChain raises for one that it cannot follow.
    """
    shown: Any = tool.tool_call_schema if isinstance(tool, BaseTool) else tool
    if isinstance(shown, Mapping):  # as MCP's servers say it
        if not isinstance(tool, BaseTool) or not has_references(shown):
            return None
        return {name: value for name, value in shown.items() if name not in _DESCRIBING}
    if isinstance(tool, BaseTool):
        cls: Any = tool.args_schema
    elif not isinstance(tool, type) and callable(tool):
        cls = shown = _arguments_of(tool)
    else:
        cls = shown
    if not (isinstance(cls, type) and is_basemodel_subclass(cls)):
        return None
    # Pydantic has definitions there for what is used twice, and recursion is a case of that.
    if getattr(cls, "__pydantic_core_schema__", {}).get("type") not in ("definitions", "definition-ref"):
        return None
    schema: dict[str, Any] = shown.model_json_schema()
    if not is_recursive(schema):
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
