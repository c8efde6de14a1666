"""LlamaIndex's tools in the form of the wire's, and what ``chat_with_tools`` sends with them."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from llama_index.core.base.llms.types import ChatMessage, MessageRole
from llama_index.core.tools.types import BaseTool, ToolMetadata
from pydantic import BaseModel, PydanticUserError

from aivideoapi_core import InvalidInputError
from aivideoapi_core.adapter_kit import each_tool, own_tool

IN_WORDS: Final = "in words"
"""``tool_required`` of a call whose messages ask for the tool."""


def to_tools(tools: Iterable[Any]) -> list[dict[str, Any]]:
    """LlamaIndex tools in the form of the wire's, with their own names; dictionaries pass through.

    The core's ``wire_tools`` does the rest when the request is made.
    """
    return [tool if isinstance(tool, dict) else _to_tool(tool) for tool in each_tool(tools)]


def _to_tool(tool: Any) -> dict[str, Any]:
    if not isinstance(tool, BaseTool):
        raise InvalidInputError(
            f"tools must be LlamaIndex tools or wire dictionaries, not {type(tool).__name__}; "
            "wrap a function in FunctionTool.from_defaults"
        )
    try:
        schema = _parameters_of(tool.metadata)
    except (
        PydanticUserError,
        InvalidInputError,
        AttributeError,
        TypeError,
        ValueError,
    ) as error:  # a type that no schema can say
        raise InvalidInputError(f"cannot make a tool of {tool.metadata.name!r}: {error}") from error
    return own_tool(str(tool.metadata.name), schema, tool.metadata.description)


def _parameters_of(metadata: ToolMetadata) -> dict[str, Any]:
    """``metadata``'s own schema. Pydantic takes 0.2 ms to make it, and every turn of an agent asks again."""
    own = type(metadata).get_parameters_dict is ToolMetadata.get_parameters_dict
    if own and metadata.fn_schema is not None:
        return _parameters_of_class(metadata.fn_schema)
    return metadata.get_parameters_dict()


@functools.lru_cache(maxsize=256)
def _parameters_of_class(fn_schema: type[BaseModel]) -> dict[str, Any]:
    return ToolMetadata("", fn_schema=fn_schema).get_parameters_dict()


def bound_tools(
    tools: Iterable[Any],
    *,
    user_msg: str | ChatMessage | None,
    history: Sequence[ChatMessage] | None,
    headers: Mapping[str, str] | None,
) -> dict[str, Any]:
    """The arguments of a call that ``tools`` stand for, and its messages.

    The tools are cached if ``headers`` name the beta of prompt caching: the wire needs it no more, but LlamaIndex's users
    have learnt to ask for cached tools by it.
    """
    call = prepare_call(to_tools(tools), user_msg=user_msg, history=history)
    if headers and (wired := call.get("tools")):
        betas = [value for name, value in headers.items() if name.lower() == "anthropic-beta"]
        if any("prompt-caching" in value for value in betas):
            call["tools"] = [*wired[:-1], {"cache_control": {"type": "ephemeral"}, **wired[-1]}]
    return call


def prepare_call(
    tools: list[dict[str, Any]], *, user_msg: str | ChatMessage | None, history: Sequence[ChatMessage] | None
) -> dict[str, Any]:
    """The messages of the call, and its tools if there are any."""
    messages = list(history or ())
    if isinstance(user_msg, str):
        user_msg = ChatMessage(role=MessageRole.USER, content=user_msg)
    if user_msg is not None:
        messages.append(user_msg)
    return {"messages": messages, "tools": tools} if tools else {"messages": messages}


def prepare_required_call(call: dict[str, Any], *, thinking: bool) -> dict[str, Any]:
    """The same call with a tool required.

    While thinking is on the wire refuses a forced choice, so the model is asked in words; it then
    nearly always calls, but may not.
    """
    if not thinking:
        return {**call, "tool_required": True}
    names = " or ".join(str(tool.get("name")) for tool in call["tools"])
    request = ChatMessage(role=MessageRole.USER, content=f"Answer only by calling {names}.")
    return {**call, "messages": [*call["messages"], request], "tool_required": IN_WORDS}
