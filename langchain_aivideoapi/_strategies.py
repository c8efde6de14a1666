"""LangChain's ``ToolStrategy`` for a schema that is no object: a list, text, an enum, a choice.

A tool's arguments are an object, so the value goes into one field of it (``wrapped_schema``), and what is to be the
agent's ``structured_response`` is that field's value. LangChain (1.5 too) has no place between a call's arguments and
the schema that it validates them by, and so its private function for that is replaced, once, when such a tool is
bound, by one that takes the value out first. It differs for schemas that are no object only, whose arguments could
never be valid before. Where that function is gone or takes other arguments, binding raises with the way out.
"""

from __future__ import annotations

import functools
import inspect
import sys
from collections.abc import Mapping
from typing import Any, Final

from langchain_core.tools import BaseTool, StructuredTool
from pydantic import PydanticUserError, TypeAdapter

from aivideoapi_core.adapter_kit import VALUE, is_object, wrapped_schema

_MODULE: Final = "langchain.agents.structured_output"
_PARSE: Final = "_parse_with_schema"
_TAKES: Final = ["schema", "schema_kind", "data"]
_OURS: Final = "unwraps_values"


def is_strategy_tool(tool: Any) -> bool:
    """Whether a tool stands for a strategy's answer: nothing is to be called."""
    return isinstance(tool, StructuredTool) and tool.func is None and tool.coroutine is None


def strategy_schema(tool: BaseTool) -> dict[str, Any] | None:
    """The schema, in one field, of a tool that stands for a strategy's answer; ``None`` for any other tool."""
    schema = tool.args_schema if is_strategy_tool(tool) else None
    if not isinstance(schema, Mapping) or is_object(schema) or not _unwraps_values():
        return None
    return wrapped_schema(schema)


def _unwraps_values() -> bool:
    """Whether LangChain takes values out of their field now; not if its insides are others than we know."""
    module = sys.modules.get(_MODULE)
    parse: Any = getattr(module, _PARSE, None)
    if not callable(parse):
        return False
    if not hasattr(parse, _OURS):
        if [*inspect.signature(parse).parameters] != _TAKES:
            return False

        @functools.wraps(parse)
        def parse_value(schema: Any, schema_kind: Any, data: Any) -> Any:
            if isinstance(data, dict) and data.keys() == {VALUE} and not _is_object(schema):
                return parse(schema, schema_kind, data[VALUE])
            return parse(schema, schema_kind, data)

        setattr(parse_value, _OURS, True)
        setattr(module, _PARSE, parse_value)
    return True


def _is_object(schema: Any) -> bool:
    if isinstance(schema, Mapping):
        return is_object(schema)
    try:
        return is_object(TypeAdapter(schema).json_schema())
    except (PydanticUserError, ValueError, TypeError):
        return True
