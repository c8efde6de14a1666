"""From settings of the model and arguments of a call to one request: pure, and every refusal is here."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from langchain_core.messages import AIMessage, BaseMessage

from aivideoapi_core import adapter_kit
from aivideoapi_core.adapter_kit import (
    add_output_format,
    choice_for,
    may_hold_more_than_text,
    may_prefill,
    merged_options,
    prepare_request,
    wire_tools_in,
)
from langchain_aivideoapi._outbound.conversation import to_conversation
from langchain_aivideoapi._outbound.names import BODY_ONLY, named
from langchain_aivideoapi._outbound.output import schema_of
from langchain_aivideoapi._outbound.tools import to_tools

if TYPE_CHECKING:
    from aivideoapi_core import Timeout
    from aivideoapi_core.adapter_kit import Budgets, Changed


class Request(NamedTuple):
    """One call, checked: the body, the headers besides the client's own, and a timeout in seconds.

    ``structured``: the reply may hold more than text. ``changed``: what the reply is read by.
    ``budget``: of this call, beside the model's own. ``max_tokens_is_default``: neither set it.
    """

    payload: dict[str, Any]
    headers: dict[str, str] | None
    timeout: Timeout
    budget: Budgets
    max_tokens_is_default: bool
    structured: bool
    with_usage: bool
    changed: Changed


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
    if stop:
        given["stop_sequences"] = stop
    options = merged_options(defaults, given)
    options = {name: value for name, value in options.items() if value is not None}
    model = options.setdefault("model", defaults["model"])  # a call cannot be made without one
    budget = options.pop("budget", None)
    timeout, with_usage = options.pop("timeout", None), bool(options.pop("stream_usage", True))
    if not BODY_ONLY.isdisjoint(options):
        own = BODY_ONLY & options.keys()
        options["extra_body"] = {**options.get("extra_body", {}), **{name: options.pop(name) for name in own}}
    if (stops := options.get("stop_sequences")) is not None:
        options["stop_sequences"] = [stops] if isinstance(stops, str) else list(stops) or None
    _add_tools(options)
    response_format = options.pop("response_format", None)
    output_tool, is_wrapped = None, False
    if response_format is not None:
        output_tool, is_wrapped = add_output_format(model, options, schema_of(response_format))
    prefill = may_prefill(model, options.get("thinking"))
    names = wire_tools_in(options)
    turns = to_conversation(messages, prefill=prefill, names=names)
    payload, headers, choice, max_tokens_is_default = prepare_request(
        turns, options, stream=stream, replies=_newest_first(messages)
    )
    return Request(
        payload=payload,
        headers=headers,
        timeout=timeout,
        budget=budget,
        max_tokens_is_default=max_tokens_is_default,
        structured=may_hold_more_than_text(payload, output_tool),
        with_usage=with_usage,
        changed=adapter_kit.changed_by(
            payload,
            choice=choice,
            names=names,
            replies=_newest_first(messages),
            output_tool=output_tool,
            is_json=response_format is not None,
            is_wrapped=is_wrapped,
        ),
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
    system, turns = to_conversation(messages)
    _add_tools(options)
    return {"messages": turns, "system": system, "tools": options.get("tools")}


def _add_tools(options: dict[str, Any]) -> None:
    """Tools and tool choice in the wire's form; both may come straight from a call's arguments."""
    strict, parallel = options.pop("strict", None), options.pop("parallel_tool_calls", None)
    tools = options.get("tools")
    if tools is not None:
        options["tools"] = tools = to_tools(tools, strict=strict)
    choice = choice_for(
        options.pop("tool_choice", None), tools or (), parallel=parallel, servers=options.get("mcp_servers")
    )
    if choice is not None:
        options["tool_choice"] = choice
