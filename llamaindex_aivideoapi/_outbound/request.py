"""From fields of the model and arguments of a call to one request: pure, and every refusal is here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from llama_index.core.base.llms.types import ChatMessage

from aivideoapi_core import InvalidInputError
from aivideoapi_core.adapter_kit import ModelRequest, merged_options, settle_tools, stop_list
from llamaindex_aivideoapi._outbound.conversation import ASSISTANT, to_conversation
from llamaindex_aivideoapi._outbound.names import NAMES, named
from llamaindex_aivideoapi._outbound.tools import IN_WORDS, to_tools


@dataclass(slots=True, kw_only=True)
class Request(ModelRequest):
    """The core's; ``one_call``: of several tool calls in the reply the first one counts."""

    one_call: bool


def build_request(
    messages: Sequence[ChatMessage],
    *,
    defaults: Mapping[str, Any],
    arguments: Mapping[str, Any],
    stream: bool,
) -> Request:
    """One request from the model's own settings and a call's arguments, which win.

    Nothing passed in is changed. Raises ``InvalidInputError`` for an unknown argument and for
    everything that the core refuses for this model.
    """
    options = merged_options(_flatten(defaults), _flatten(named(arguments)))
    options.pop("verbose", None)  # the frameworks pass it on; it is about their own printing
    one_call = options.get("allow_parallel_tool_calls") is False
    in_words = options.get("tool_required") == IN_WORDS
    _add_tools(options)
    return Request.prepared(
        options,
        messages,
        turns=to_conversation,
        noted=_noted,
        stream=stream,
        forced={"type": "any"} if in_words else None,
        one_call=one_call,
    )


def _noted(message: ChatMessage) -> Mapping[str, Any] | None:
    return message.additional_kwargs if message.role in ASSISTANT else None


def _flatten(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """One level of settings: ``additional_kwargs`` spread out, names that mean the same made one.

    What is not an option of ours in ``additional_kwargs`` is a field of the body.
    """
    flat = {name: value for name, value in arguments.items() if value is not None}
    if extra := flat.pop("additional_kwargs", None):
        named_too = NAMES.spread(extra)
        if "extra_body" in named_too:
            named_too["extra_body"] = {**(flat.get("extra_body") or {}), **named_too["extra_body"]}
        flat |= named_too
    if "stop" in flat or "stop_sequences" in flat:
        stop, stops = stop_list(flat.pop("stop", None)), stop_list(flat.pop("stop_sequences", None))
        if stop and stops and stop != stops:
            raise InvalidInputError("stop and stop_sequences differ; they are the same thing, so set one")
        if stop or stops:
            flat["stop_sequences"] = stop or stops
    return flat


def _add_tools(options: dict[str, Any]) -> None:
    """Tools and tool choice in the wire's form; both may come straight from a call's arguments."""
    required = options.pop("tool_required", False) not in (False, None, IN_WORDS)
    parallel = False if options.pop("allow_parallel_tool_calls", None) is False else None
    if required and options.get("tools") and options.get("tool_choice") is None:
        options["tool_choice"] = "any"
    settle_tools(options, to_tools, parallel=parallel)
    if options.get("tool_choice") == {"type": "auto"}:  # the wire's default
        del options["tool_choice"]
