"""Tools, tool choice and tool calls, in both directions."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from llama_index.core.base.llms.types import ChatMessage, ToolCallBlock
from llama_index.core.llms.llm import ToolSelection
from llama_index.core.tools.types import BaseTool, ToolMetadata
from pydantic import BaseModel

from aivideoapi_core import InvalidInputError, ToolChoiceParam
from llamaindex_aivideoapi._outbound.content import parse_arguments

_CHOICES: Final[Mapping[str, str]] = {"auto": "auto", "any": "any", "required": "any", "none": "none"}


def to_tools(tools: Iterable[Any]) -> list[dict[str, Any]]:
    """LlamaIndex tools as wire tools; dictionaries (server tools, ready-made ones) pass through."""
    return [dict(tool) if isinstance(tool, Mapping) else _to_tool(tool) for tool in tools]


def _to_tool(tool: Any) -> dict[str, Any]:
    if not isinstance(tool, BaseTool):
        raise InvalidInputError(
            f"tools must be LlamaIndex tools or wire dictionaries, not {type(tool).__name__}; "
            "wrap a function in FunctionTool.from_defaults"
        )
    schema = _parameters_of(tool.metadata)
    # A model without fields gives a schema without them, which the wire does not take.
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


def to_tool_choice(choice: Any, *, required: bool = False, parallel: bool = True) -> ToolChoiceParam | None:
    """The wire's tool choice, or ``None`` where its default (auto, parallel) is meant.

    ``choice``: ``auto``, ``any``, ``required``, ``none``, a tool's name, the wire's object or the
    ``{"type": "function", ...}`` object of other providers; ``None`` means that ``required`` decides.
    """
    wire = _read_choice(("any" if required else "auto") if choice is None else choice)
    if wire["type"] == "none":
        return wire
    if not parallel:
        wire.setdefault("disable_parallel_tool_use", True)
    return None if wire == {"type": "auto"} else wire


def _read_choice(choice: Any) -> ToolChoiceParam:
    if isinstance(choice, str) and choice:
        if choice in _CHOICES:
            return {"type": _CHOICES[choice]}  # type: ignore[typeddict-item]  # one of the literals, by the table
        return {"type": "tool", "name": choice}
    if isinstance(choice, Mapping):
        function = choice.get("function")
        if choice.get("type") == "function" and isinstance(function, Mapping) and function.get("name"):
            return {"type": "tool", "name": function["name"]}
        if choice.get("type") in ("auto", "any", "none") or (
            choice.get("type") == "tool" and choice.get("name")
        ):
            return dict(choice)  # type: ignore[return-value]  # checked above, as far as we know the wire
    raise InvalidInputError(
        f"tool_choice={choice!r} is not understood: use 'auto', 'any', 'required', 'none', a tool's name, "
        "or {'type': 'tool', 'name': ...}"
    )


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
