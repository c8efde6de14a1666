"""From fields of the model and arguments of a call to one request: pure, and every refusal is here."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from llama_index.core.base.llms.types import ChatMessage, MessageRole

from aivideoapi_core import InvalidInputError, RequestOptions, TextBlockParam, build_payload
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
    wire_choice,
    wire_tools,
    with_wire_names,
)
from llamaindex_aivideoapi._outbound.conversation import to_messages
from llamaindex_aivideoapi._outbound.tools import IN_WORDS, to_tools

if TYPE_CHECKING:
    from aivideoapi_core import Timeout
    from aivideoapi_core.adapter_kit import Budgets, ForcedCall

_WIRE_OPTIONS: Final = frozenset(RequestOptions.__annotations__) - {"system", "extra_body", "tools"}
_CALL_ONLY: Final = frozenset(
    {
        "additional_kwargs", "allow_parallel_tool_calls", "betas", "budget", "extra_body", "extra_headers",
        "honours_tool_choice", "model", "reuse_last_container",
        "stop", "timeout", "tool_required", "tools", "verbose",
    }
)  # fmt: skip
CALL_ARGUMENTS: Final = _WIRE_OPTIONS | _CALL_ONLY


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One call, checked: the body, the headers besides the client's own, and a timeout in seconds.

    ``one_call``: of several tool calls in the reply the first one counts. ``changed``: what the reply is read by.
    ``budget``: of this call, beside the model's own.
    """

    payload: dict[str, Any]
    headers: dict[str, str] | None
    timeout: Timeout
    budget: Budgets
    one_call: bool
    changed: Changed


def build_request(
    messages: Sequence[ChatMessage], *, defaults: Mapping[str, Any], call: Mapping[str, Any], stream: bool
) -> Request:
    """One request from the model's own settings and a call's arguments, which win.

    Nothing passed in is changed. Raises ``InvalidInputError`` for an unknown argument and for
    everything that the core refuses for this model.
    """
    settings = _flatten(defaults)
    for name, value in _flatten(_known(call)).items():
        if value is not None:
            settings[name] = _merged(name, settings.get(name), value)
    model = settings.pop("model")
    tools = to_tools(settings.pop("tools", None) or ())
    header_settings = {
        name: settings.pop(name, None) for name in ("default_headers", "extra_headers", "betas")
    }
    timeout, budget = settings.pop("timeout", None), settings.pop("budget", None)
    honours_tool_choice = settings.pop("honours_tool_choice", None)
    one_call = settings.get("allow_parallel_tool_calls") is False
    in_words = settings.get("tool_required") == IN_WORDS
    if settings.pop("reuse_last_container", None):
        earlier = (message.additional_kwargs.get("container") for message in reversed(messages))
        settings["container"] = reused_container(settings.get("container"), earlier)
    options = _wire_options(settings, tools)
    tools, names = wire_tools(tools)
    system, turns = to_messages(messages, prefill=may_prefill(model, options.get("thinking")))
    reserved = 1 if options.get("cache_control") is not None else 0
    tools = limit_marks(tools=tools, system=system, messages=turns, reserved=reserved)
    if names is not None:
        turns = with_wire_names(turns, names)
        if "tool_choice" in options:
            options["tool_choice"] = wire_choice(options["tool_choice"], names)
    choice = {"type": "any"} if in_words else options.get("tool_choice")
    if honours_tool_choice is False:
        system = _choice_in_words(options, tools, system)
    payload = build_payload(
        model,
        turns,
        stream=stream,
        system=system,
        tools=tools or None,
        **options,
    )
    headers = call_headers(payload, **header_settings)
    choice = choice or payload.get("tool_choice")
    return Request(
        payload=payload,
        headers=headers,
        timeout=timeout,
        budget=budget,
        one_call=one_call,
        changed=Changed(
            names=names,
            forced=_forced({**payload, "tool_choice": choice}, messages) if choice else None,
        ),
    )


def _choice_in_words(
    options: dict[str, Any], tools: Sequence[Mapping[str, Any]], system: str | list[TextBlockParam] | None
) -> str | list[TextBlockParam] | None:
    """``system`` with what a forced choice says in words; the choice is taken out of ``options``."""
    words = forced_in_words(options.get("tool_choice"), tools)
    if words is None:
        return system
    options["tool_choice"] = words[1]
    said: list[TextBlockParam] = (
        [{"type": "text", "text": system}] if isinstance(system, str) else [*(system or ())]
    )
    return [*said, {"type": "text", "text": words[0]}]


def _forced(payload: Mapping[str, Any], messages: Sequence[ChatMessage]) -> ForcedCall | None:
    """The call that the reply must hold."""
    from aivideoapi_core.adapter_kit import forced_call

    marks = (
        message.additional_kwargs.get("tool_choice_ignored") is True
        if message.role in (MessageRole.ASSISTANT, MessageRole.CHATBOT, MessageRole.MODEL)
        else None
        for message in reversed(messages)
    )
    return forced_call(payload, before=marks)


_OTHER_NAMES: Final[Mapping[str, str]] = {
    "cache_idx": "put a CachePoint block where the cached part ends, or set cache_control=",
    "disable_parallel_tool_use": "use allow_parallel_tool_calls=",
    "output_format": "use output_config={'format': ...}, or as_structured_llm",
    "parallel_tool_calls": "use allow_parallel_tool_calls=",
    "response_format": "use output_config={'format': ...}, or as_structured_llm",
    "stream": "use stream_chat or stream_complete",
    "streaming": "use stream_chat or stream_complete",
    "strict": "set strict on the tool, as a dictionary of the wire's form",
    "system": "use system_prompt= on the model, or a system message in the call",
    "system_prompt": "use system_prompt= on the model, or a system message in the call",
    "user": "use metadata={'user_id': ...} per call, or additional_kwargs={'metadata': {'user_id': ...}} on the model",
}
"""Names that other integrations have, and what to use here, where that is LlamaIndex's."""
_ALIASES: Final = {"reasoning_effort": "effort"}
_CALL: Final = ArgumentNames(CALL_ARGUMENTS, aliases=_ALIASES, advice=_OTHER_NAMES)


@functools.cache
def model_names(fields: frozenset[str]) -> ArgumentNames:
    """The names of the arguments of a model with these fields."""
    return ArgumentNames(fields, aliases=_ALIASES, advice=_OTHER_NAMES)


def _known(call: Mapping[str, Any]) -> Mapping[str, Any]:
    if call.keys() <= CALL_ARGUMENTS:
        return call
    named = {}
    for name, value in call.items():
        if (known := _CALL.canonical(name)) is None:
            raise _CALL.refuse(name, place="a call of this model", body="additional_kwargs")
        named[known] = value
    return named


def _flatten(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """One level of settings: ``additional_kwargs`` spread out, names that mean the same made one.

    What is not an option of ours in ``additional_kwargs`` is a field of the body.
    """
    flat = {name: value for name, value in arguments.items() if value is not None}
    extra = flat.pop("additional_kwargs", None) or {}
    body = dict(flat.pop("extra_body", None) or {})
    for name, value in extra.items():
        if (known := _CALL.canonical(name)) is not None:
            flat[known] = value
        else:
            body[name] = value
    if body:
        flat["extra_body"] = body
    stop = flat.pop("stop", None)
    if stop is not None:
        stops = [stop] if isinstance(stop, str) else list(stop)
        if flat.get("stop_sequences") not in (None, stops):
            raise InvalidInputError("stop and stop_sequences differ; they are the same thing, so set one")
        flat["stop_sequences"] = stops
    return flat


def _merged(name: str, default: Any, value: Any) -> Any:
    """A call's value beside the model's: lists of additions add up, each once, everything else is replaced."""
    if default is None:
        return value
    if name in ("tools", "betas", "mcp_servers"):
        return merged_lists(name, default, value)
    if name in ("extra_body", "extra_headers", "output_config"):
        return {**default, **value}
    return value


def _wire_options(settings: dict[str, Any], tools: Sequence[Any]) -> dict[str, Any]:
    settings.pop("verbose", None)  # the frameworks pass it on; it is about their own printing
    required = settings.pop("tool_required", False) not in (False, None, IN_WORDS)
    parallel = settings.pop("allow_parallel_tool_calls", None)
    choice = settings.pop("tool_choice", None)
    if choice is not None or (tools and (required or parallel is False)):
        choice = "any" if choice is None and required else choice
        choice = read_tool_choice(choice, tools, parallel=False if parallel is False else None)
        choice = None if choice == {"type": "auto"} else choice  # the wire's default
    if choice is not None and (tools or settings.get("mcp_servers") or choice["type"] in ("any", "tool")):
        settings["tool_choice"] = choice  # without any tool, "auto" and "none" say nothing, and are refused
    return settings
