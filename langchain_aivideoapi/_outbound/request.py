"""From settings of the model and arguments of a call to one request: pure, and every refusal is here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from langchain_core.messages import AIMessage, BaseMessage

from aivideoapi_core import InvalidInputError
from aivideoapi_core.adapter_kit import (
    ModelRequest,
    add_output_format,
    merged_options,
    settle_tools,
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
        messages,
        turns=to_conversation,
        noted=_noted,
        stream=stream,
        output=output,
        with_usage=with_usage,
    )


def _noted(message: BaseMessage) -> Mapping[str, Any] | None:
    return message.response_metadata if isinstance(message, AIMessage) else None


def countable(messages: Sequence[BaseMessage], arguments: Mapping[str, Any]) -> dict[str, Any]:
    """What a request would hold that counts as input, be it sendable or not: callers count pieces of
    a conversation too, down to none at all, to find out what they can keep of it.
    """
    options = named(arguments)
    if not isinstance(messages, Sequence):
        raise InvalidInputError(f"messages must be a list of messages, not a {type(messages).__name__}")
    system, turns, *_ = to_conversation(messages)
    _add_tools(options)
    return {"messages": turns, "system": system, "tools": options.get("tools")}


def _add_tools(options: dict[str, Any]) -> None:
    """Tools and tool choice in the wire's form; both may come straight from a call's arguments."""
    strict, parallel = options.pop("strict", None), options.pop("parallel_tool_calls", None)
    if strict is not None and options.get("tools") is not None:
        options["tools"] = to_tools(options["tools"], strict=strict)
    settle_tools(options, to_tools, parallel=parallel)
