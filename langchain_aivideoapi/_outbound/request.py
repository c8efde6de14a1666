"""From settings of the model and arguments of a call to one request: pure, and every refusal is here."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from langchain_core.messages import AIMessage, BaseMessage

from aivideoapi_core.adapter_kit import (
    ModelRequest,
    add_output_format,
    are_in_wire_form,
    choice_for,
    merged_options,
    stop_list,
)
from langchain_aivideoapi._outbound.conversation import to_conversation
from langchain_aivideoapi._outbound.names import named
from langchain_aivideoapi._outbound.output import schema_of
from langchain_aivideoapi._outbound.tools import to_tools


@dataclass(slots=True, kw_only=True)
class Request(ModelRequest):
    """The core's; ``with_usage``: streamed messages have ``usage_metadata``."""

    with_usage: bool


def build_request(
    messages: Sequence[BaseMessage],
    *,
    defaults: Mapping[str, Any],
    stop: str | Sequence[str] | None,
    arguments: Mapping[str, Any],
    stream: bool,
) -> Request:
    """One request from the model's own settings and a call's arguments, which win.

    ``defaults`` are the model's settings by the names of ``REQUEST_FIELDS`` and of the call's
    arguments; ``arguments`` are the call's own and win, ``None`` taking a default back. Raises
    ``InvalidInputError`` and ``UnsupportedOptionError`` for what cannot be sent.
    """
    given = named(arguments)
    if stop not in (None, []):
        given["stop_sequences"] = stop
    options = merged_options(defaults, given)
    options = {name: value for name, value in options.items() if value is not None}
    model = options.setdefault("model", defaults["model"])  # a call cannot be made without one
    with_usage = bool(options.pop("stream_usage", True))
    options["stop_sequences"] = stop_list(options.get("stop_sequences"))
    _add_tools(options)
    response_format = options.pop("response_format", None)
    output = None
    if response_format is not None:
        output = add_output_format(model, options, schema_of(response_format))
    return Request.prepared(
        options,
        turns=functools.partial(to_conversation, messages),
        replies=functools.partial(_newest_first, messages),
        stream=stream,
        output=output,
        with_usage=with_usage,
    )


def _newest_first(messages: Sequence[BaseMessage]) -> Iterator[Mapping[str, Any] | None]:
    """What is noted of each reply, ``None`` for what is no reply."""
    for message in reversed(messages):
        yield message.response_metadata if isinstance(message, AIMessage) else None


def countable(messages: Sequence[BaseMessage], arguments: Mapping[str, Any]) -> dict[str, Any]:
    """What a request would hold that counts as input, be it sendable or not: callers count pieces of
    a conversation too, down to none at all, to find out what they can keep of it.
    """
    options = named(arguments)
    system, turns, *_ = to_conversation(messages)
    _add_tools(options)
    return {"messages": turns, "system": system, "tools": options.get("tools")}


def _add_tools(options: dict[str, Any]) -> None:
    """Tools and tool choice in the wire's form; both may come straight from a call's arguments."""
    strict, parallel = options.pop("strict", None), options.pop("parallel_tool_calls", None)
    tools = options.get("tools")
    if tools is not None and (strict is not None or not are_in_wire_form(tools)):
        options["tools"] = tools = to_tools(tools, strict=strict)
    choice = choice_for(
        options.pop("tool_choice", None), tools or (), parallel=parallel, servers=options.get("mcp_servers")
    )
    if choice is not None:
        options["tool_choice"] = choice
