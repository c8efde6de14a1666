"""Tools, tool choice and tool calls, in both directions."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from llama_index.core.base.llms.types import ChatMessage, ToolCallBlock
from llama_index.core.llms.llm import ToolSelection
from llama_index.core.tools.types import BaseTool, ToolMetadata
from pydantic import BaseModel

from aivideoapi_core import InvalidInputError
from aivideoapi_core.adapter_kit import parse_arguments


def to_tools(tools: Iterable[Any]) -> list[dict[str, Any]]:
    """LlamaIndex tools in the form of the wire's, with their own names; dictionaries pass through.

    The core's ``wire_tools`` does the rest when the request is made.
    """
    return [dict(tool) if isinstance(tool, Mapping) else _to_tool(tool) for tool in tools]


def _to_tool(tool: Any) -> dict[str, Any]:
    if not isinstance(tool, BaseTool):
        raise InvalidInputError(
            f"tools must be LlamaIndex tools or wire dictionaries, not {type(tool).__name__}; "
            "wrap a function in FunctionTool.from_defaults"
        )
    schema = _parameters_of(tool.metadata)
    # A copy, for the schema of a class is kept.
    wire = {"name": tool.metadata.name, "input_schema": {"type": "object", "properties": {}, **schema}}
    if tool.metadata.description:
        wire["description"] = tool.metadata.description
    return wire


def _parameters_of(metadata: ToolMetadata) -> dict[str, Any]:
    """``metadata``'s own schema. Pydantic takes 0.2 ms to make it, and every turn of an agent asks again."""
    own = type(metadata).get_parameters_dict is ToolMetadata.get_parameters_dict
    if own and metadata.fn_schema is not None:
        return _parameters_of_class(metadata.fn_schema)
    return metadata.get_parameters_dict()


@functools.lru_cache(maxsize=256)
def _parameters_of_class(fn_schema: type[BaseModel]) -> dict[str, Any]:
    return ToolMetadata("", fn_schema=fn_schema).get_parameters_dict()


def tool_selections(message: ChatMessage) -> list[ToolSelection]:
    """The tool calls of a reply.

    Raises ``ValueError`` for arguments that are not a JSON object: they were cut by the output limit,
    and running the tool with what is left of them would do something that was not asked for.
    """
    blocks = [block for block in message.blocks if isinstance(block, ToolCallBlock)]
    calls: Iterable[tuple[str | None, str, Any]]
    if blocks:
        calls = [(block.tool_call_id, block.tool_name, block.tool_kwargs) for block in blocks]
    else:
        calls = read_tool_calls(message.additional_kwargs.get("tool_calls"))
    selections = []
    for call_id, name, arguments in calls:
        parsed = parse_arguments(arguments) if isinstance(arguments, str) else arguments
        if parsed is None:
            raise ValueError(
                f"the arguments of the call to {name!r} are not a JSON object, most likely cut by max_tokens; "
                f"raise max_tokens and try again. Received: {arguments[-200:]!r}"
            )
        selections.append(ToolSelection(tool_id=call_id or "", tool_name=name, tool_kwargs=parsed))
    return selections


def read_tool_calls(calls: Any) -> list[tuple[str | None, str, Any]]:
    """(id, name, arguments) of ``additional_kwargs["tool_calls"]``, whichever integration wrote it."""
    if not isinstance(calls, Sequence) or isinstance(calls, str):
        return []
    found = (_read_tool_call(call) for call in calls)
    return [call for call in found if call is not None]


def _read_tool_call(call: Any) -> tuple[str | None, str, Any] | None:
    function = _first(call, "function")
    name = _first(call, "name", "tool_name") or _first(function, "name")
    if not isinstance(name, str) or not name:
        return None
    call_id = _first(call, "id", "tool_call_id", "tool_id", "toolUseId", "call_id")
    arguments = _first(call, *_ARGUMENTS)
    if arguments is None:
        arguments = _first(function, *_ARGUMENTS)
    return (str(call_id) if call_id else None), name, arguments


_ARGUMENTS: Final = ("input", "arguments", "args", "tool_kwargs", "parameters")


def _first(holder: Any, *names: str) -> Any:
    """The first of these keys or attributes that is set."""
    for name in names:
        value = holder.get(name) if isinstance(holder, Mapping) else getattr(holder, name, None)
        if value is not None and not callable(value):
            return value
    return None
