"""From settings of the model and arguments of a call to one request: pure, and every refusal is here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from langchain_core.messages import AIMessage, BaseMessage

from aivideoapi_core import InvalidInputError, build_payload
from aivideoapi_core.adapter_kit import (
    ArgumentNames,
    Changed,
    call_headers,
    forced_in_words,
    limit_marks,
    may_prefill,
    merged_lists,
    read_tool_choice,
    reused_container,
    thinking_is_on,
    wire_choice,
    wire_tools,
    with_wire_names,
)
from langchain_aivideoapi._outbound.content import has_citing_content
from langchain_aivideoapi._outbound.conversation import to_conversation
from langchain_aivideoapi._outbound.output import add_instruction, add_output_format
from langchain_aivideoapi._outbound.tools import to_tools

if TYPE_CHECKING:
    from aivideoapi_core import Timeout
    from aivideoapi_core.adapter_kit import Budgets, ForcedCall

WIRE_OPTIONS: Final = (
    "max_tokens",
    "temperature",
    "top_p",
    "top_k",
    "thinking",
    "effort",
    "output_config",
    "cache_control",
    "service_tier",
    "container",
    "reuse_last_container",
    "inference_geo",
    "context_management",
    "mcp_servers",
)
"""Options that have one name everywhere: as a field, as a call argument and in the core."""

_ALIASES: Final = {
    "model_name": "model",
    "max_tokens_to_sample": "max_tokens",
    "stop": "stop_sequences",
    "reasoning_effort": "effort",
    "request_metadata": "metadata",
    "default_request_timeout": "timeout",
}
OTHER_NAMES: Final = {
    "anthropic_api_key": "use api_key on the model",
    "anthropic_api_url": "use base_url on the model",
    "anthropic_proxy": "use http_client and http_async_client on the model, made with the proxy",
    "api_key": "use api_key on the model",
    "base_url": "use base_url on the model",
    "default_headers": "use default_headers on the model, or extra_headers per call",
    "disable_parallel_tool_use": "use parallel_tool_calls=False",
    "functions": "use bind_tools, or tools=",
    "max_retries": "use max_retries on the model",
    "output_format": "use response_format per call, or output_config with a format",
    "response_format": "use response_format per call, or with_structured_output",
    "streaming": "use streaming on the model",
    "system": "use a system message",
    "system_prompt": "use a system message",
    "tool_choice": "use bind_tools(..., tool_choice=)",
    "tools": "use bind_tools, or tools= per call",
    "user": "use request_metadata={'user_id': ...} on the model, or metadata={'user_id': ...} per call",
    "user_profile_id": "use user_profile_id per call, or model_kwargs on the model",
}
"""Names that other integrations and the official client have, and what to use here, where that is LangChain's."""
_BODY_ONLY: Final = frozenset({"speed", "diagnostics", "user_profile_id"})
"""Fields of the wire that the core has no rule for; they go into the body as they are."""
_CALL_ONLY: Final = frozenset(
    {
        "budget",
        "model",
        "stop_sequences",
        "metadata",
        "betas",
        "timeout",
        "tools",
        "tool_choice",
        "parallel_tool_calls",
        "strict",
        "response_format",
        "extra_headers",
        "extra_body",
        "stream_usage",
        "honours_tool_choice",
    }
)
_FRAMEWORK: Final = frozenset({"stream", "ls_structured_output_format", "structured_output_format"})
"""What langchain-core itself adds to a call's arguments; it has done its work by then."""
_KNOWN: Final = frozenset(WIRE_OPTIONS) | _CALL_ONLY | _BODY_ONLY
_NAMES: Final = ArgumentNames(_KNOWN, aliases=_ALIASES, advice=OTHER_NAMES)


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One call, checked: the body, the headers besides the client's own, and a timeout in seconds.

    ``structured``: the reply may hold more than text. ``changed``: what the reply is read by.
    ``budget``: of this call, beside the model's own.
    """

    payload: dict[str, Any]
    headers: dict[str, str] | None
    timeout: Timeout
    budget: Budgets
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

    ``defaults`` are the model's settings by the names of ``WIRE_OPTIONS`` and of the call's
    arguments; ``arguments`` are the call's own and win, ``None`` taking a default back. Raises
    ``InvalidInputError`` and ``UnsupportedOptionError`` for what cannot be sent.
    """
    given = _named(arguments)
    if stop:
        given["stop_sequences"] = stop
    options = _merged(defaults, given)
    model = options.pop("model")
    timeout = options.pop("timeout", None)
    budget = options.pop("budget", None)
    default_headers, extra_headers = options.pop("default_headers", None), options.pop("extra_headers", None)
    betas = options.pop("betas", None)
    with_usage = bool(options.pop("stream_usage", True))
    honours_tool_choice = options.pop("honours_tool_choice", None)
    extra_body = {
        **options.pop("extra_body", {}),
        **{name: options.pop(name) for name in _BODY_ONLY & options.keys()},
    }
    if extra_body:
        options["extra_body"] = extra_body
    if options.pop("reuse_last_container", None):
        earlier = (
            m.response_metadata.get("container") for m in reversed(messages) if isinstance(m, AIMessage)
        )
        if (container := reused_container(options.get("container"), earlier)) is not None:
            options["container"] = container
    if (stops := options.get("stop_sequences")) is not None:
        options["stop_sequences"] = [stops] if isinstance(stops, str) else list(stops) or None
    system, turns = to_conversation(messages, prefill=may_prefill(model, options.get("thinking")))
    if system is not None:
        options["system"] = system
    _add_tools(options)
    response_format = options.pop("response_format", None)
    output_tool = None
    if response_format is not None:
        output_tool = add_output_format(model, options, response_format)
    names = None
    if options.get("tools"):
        options["tools"], names = wire_tools(options["tools"])
        if names is not None:
            turns = with_wire_names(turns, names)
            if "tool_choice" in options:
                options["tool_choice"] = wire_choice(options["tool_choice"], names)
    choice = options.get("tool_choice")
    if honours_tool_choice is False and (words := forced_in_words(choice, options.get("tools") or ())):
        add_instruction(options, words[0])
        options["tool_choice"] = words[1]
    options["tools"] = limit_marks(
        tools=options.get("tools") or (),
        system=options.get("system"),
        messages=turns,
        reserved=1 if options.get("cache_control") is not None else 0,
    )
    payload = build_payload(model, turns, stream=stream, **options)
    return Request(
        payload=payload,
        headers=call_headers(
            payload, default_headers=default_headers, extra_headers=extra_headers, betas=betas
        ),
        timeout=timeout,
        budget=budget,
        structured=_is_structured(payload, output_tool),
        with_usage=with_usage,
        changed=Changed(
            names=names,
            forced=_forced(payload, choice or payload.get("tool_choice"), messages, output_tool),
            output_tool=output_tool,
            text_format=None if response_format is None or output_tool else _text_format(payload),
        ),
    )


def countable(messages: Sequence[BaseMessage], arguments: Mapping[str, Any]) -> dict[str, Any]:
    """What a request would hold that counts as input, be it sendable or not: callers count pieces of
    a conversation too, down to none at all, to find out what they can keep of it.
    """
    options = _named(arguments)
    system, turns = to_conversation(messages)
    _add_tools(options)
    return {"messages": turns, "system": system, "tools": options.get("tools")}


def _named(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """The call's arguments under one name each. Raises ``UnsupportedOptionError`` for one we do not know."""
    given: dict[str, Any] = {}
    for name, value in arguments.items():
        if name in _FRAMEWORK:
            continue
        known = _NAMES.canonical(name)
        if known is None:
            raise _NAMES.refuse(name, place="a call of this model", body="extra_body")
        given[known] = value
    return given


def _merged(defaults: Mapping[str, Any], given: dict[str, Any]) -> dict[str, Any]:
    """The model's settings with the call's on top. Output settings are merged field by field."""
    options = {**defaults, **given}
    if options["model"] is None:
        options["model"] = defaults["model"]  # a call cannot be made without one
    for name in ("betas", "mcp_servers", "tools"):
        if defaults.get(name) and given.get(name):
            options[name] = merged_lists(name, defaults[name], given[name])
    for name in ("extra_body", "extra_headers"):
        if defaults.get(name) and given.get(name):
            options[name] = {**defaults[name], **given[name]}
    if given.get("output_config") and defaults.get("output_config"):
        options["output_config"] = {**defaults["output_config"], **given["output_config"]}
    if given.get("effort") is not None and options.get("output_config"):
        options["output_config"] = {
            name: value for name, value in options["output_config"].items() if name != "effort"
        }
    elif "effort" not in given and (given.get("output_config") or {}).get("effort") is not None:
        options.pop("effort", None)
    return {name: value for name, value in options.items() if value is not None}


def _add_tools(options: dict[str, Any]) -> None:
    """Tools and tool choice in the wire's form; both may come straight from a call's arguments."""
    strict, parallel = options.pop("strict", None), options.pop("parallel_tool_calls", None)
    tools = options.get("tools")
    if tools is not None:
        options["tools"] = tools = to_tools(tools, strict=strict)
    choice = options.pop("tool_choice", None)
    if choice is not None or (parallel is not None and tools):
        choice = read_tool_choice(choice, tools or (), parallel=parallel)
        # Without any tool, "auto" and "none" say nothing, and the wire refuses them.
        if choice is not None and (
            tools or options.get("mcp_servers") or choice["type"] not in ("auto", "none")
        ):
            options["tool_choice"] = choice


def _forced(
    payload: Mapping[str, Any], choice: Any, messages: Sequence[BaseMessage], output_tool: str | None
) -> ForcedCall | None:
    """The call that the reply must hold, asked for by ``tool_choice`` or, for an output format, in words.

    ``choice`` is what was chosen: thinking may have kept it from the request.
    """
    if output_tool is None and choice is None:
        return None
    from aivideoapi_core.adapter_kit import forced_call

    marks = (
        message.response_metadata.get("tool_choice_ignored") is True
        if isinstance(message, AIMessage)
        else None
        for message in reversed(messages)
    )
    forced = forced_call({**payload, "tool_choice": choice}, before=marks)
    if forced is None and output_tool is not None:
        forced = forced_call({**payload, "tool_choice": {"type": "tool", "name": output_tool}})
    return forced


def _text_format(payload: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """The schema of the JSON that the text is to be, by its name; any object where none was sent."""
    wanted = (payload.get("output_config") or {}).get("format") or {}
    schema = wanted.get("schema") or {"type": "object"}
    return {str(schema.get("title") or "answer"): schema}


def _is_structured(payload: Mapping[str, Any], output_tool: str | None) -> bool:
    """Whether the reply may hold more than text."""
    tools = payload.get("tools") or ()
    return (
        len(tools) > (output_tool is not None)
        or "mcp_servers" in payload
        or "context_management" in payload
        or thinking_is_on(payload)
        or has_citing_content(payload["messages"])
    )


def defaults_from_kwargs(model_kwargs: Mapping[str, Any]) -> dict[str, Any]:
    """``model_kwargs`` sorted into options that have a name, and body fields that have none."""
    named: dict[str, Any] = {}
    body: dict[str, Any] = {}
    for name, value in model_kwargs.items():
        known = _ALIASES.get(name, name)
        if known == "model":
            raise InvalidInputError("model_kwargs must not set the model; use model=")
        (named if known in _KNOWN else body)[known] = value
    if body:
        named["extra_body"] = {**named.get("extra_body", {}), **body}
    return named
