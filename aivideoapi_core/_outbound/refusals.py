"""Refusals that the format, a route or a model of the catalogue is known for, told before any I/O with the fix."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from aivideoapi_core._catalogue.models import ModelInfo
from aivideoapi_core._catalogue.routes import Route
from aivideoapi_core._errors import InvalidInputError, UnsupportedOptionError
from aivideoapi_core._outbound.cache_marks import MAX_CACHE_BREAKPOINTS, marked_in_request
from aivideoapi_core._outbound.media import IMAGE_TYPES, MAX_IMAGE_BYTES
from aivideoapi_core._outbound.option_values import check_numbers
from aivideoapi_core._outbound.server_calls import goes_on
from aivideoapi_core._outbound.thinking import FORCED, thinking_is_on
from aivideoapi_core._outbound.tool_forms import warn_of_type

TOOL_NAME: Final = re.compile(r"[a-zA-Z0-9_-]{1,128}")
"""What the wire accepts as a tool's name (match the whole name)."""

MIN_THINKING_BUDGET: Final = 1024
MIN_THINKING_TOP_P: Final = 0.95

_ROLES: Final = frozenset({"user", "assistant", "system"})


def refuse(body: Mapping[str, Any], info: ModelInfo, *, is_made: bool) -> None:
    """Raise ``InvalidInputError`` for what no route can take, ``UnsupportedOptionError`` for what this one cannot.

    ``is_made``: turns and tools are ours (``Conversation``, ``wire_tools``), in the wire's form and with few breakpoints.
    """
    check_numbers(body)
    if not body["messages"]:
        raise InvalidInputError(
            "messages must not be empty: give at least one turn that is neither blank nor a system prompt"
        )
    if not is_made:
        _check_tools(body)
        _check_messages(body["messages"])
        _check_cache_breakpoints(body)
    _check_tool_choice(body)
    if info.route is Route.DIRECT:
        _check_thinking(body)
        if info.known:
            _check_model_rules(body, info)


def _check_tools(body: Mapping[str, Any]) -> None:
    tools = body.get("tools") or ()
    if not isinstance(tools, (list, tuple)) or not all(isinstance(tool, Mapping) for tool in tools):
        raise InvalidInputError("tools must be a list of mappings with name and input_schema")
    for tool in tools:
        if tool.get("type", "custom") != "custom":
            warn_of_type(tool["type"])  # a server tool: its fields are the platform's business
            continue
        name = tool.get("name")
        if not isinstance(name, str) or not TOOL_NAME.fullmatch(name):
            raise InvalidInputError(
                f"tool name {name!r} is not accepted: use 1 to 128 letters, digits, '_' or '-'"
            )


def _check_tool_choice(body: Mapping[str, Any]) -> None:
    choice = body.get("tool_choice")
    if choice is not None and not isinstance(choice, Mapping):
        raise InvalidInputError(f"tool_choice must be a mapping such as {{'type': 'auto'}}, not {choice!r}")
    if not choice or choice.get("type") not in FORCED:
        return
    tools = body.get("tools") or ()
    if not tools and "mcp_servers" not in body:
        raise InvalidInputError(f"tool_choice={choice!r} needs tools, and none were given")
    names = {tool.get("name") for tool in tools}
    if choice["type"] == "tool" and choice.get("name") not in names and "mcp_servers" not in body:
        raise InvalidInputError(
            f"tool_choice names {choice.get('name')!r}, which is not among the tools {sorted(map(str, names))}"
        )


def _check_messages(messages: Sequence[Mapping[str, Any]]) -> None:
    for position, message in enumerate(messages):
        if not isinstance(message, Mapping) or message.get("role") not in _ROLES:
            role = message.get("role") if isinstance(message, Mapping) else message
            raise InvalidInputError(f"messages[{position}] has role {role!r}; use 'user' or 'assistant'")
        content = message.get("content")
        if not content or not isinstance(content, (str, list, tuple)):
            raise InvalidInputError(f"messages[{position}] has no content; leave it out or give it some")
        if not isinstance(content, str):
            _check_blocks(content, position)


def _check_blocks(blocks: Iterable[Any], position: int) -> None:
    for block in blocks:
        if not isinstance(block, Mapping) or not isinstance(kind := block.get("type"), str):
            raise InvalidInputError(
                f"messages[{position}] holds {block!r}, which is not a content block with a type"
            )
        if kind == "image":
            _check_image(block, position)
        elif kind == "tool_result" and type(block.get("content")) is not str:
            _check_blocks(_blocks(block.get("content")), position)


def _check_image(block: Mapping[str, Any], position: int) -> None:
    source = block.get("source")
    if not isinstance(source, Mapping) or source.get("type") != "base64":
        return
    data, media_type = source.get("data"), source.get("media_type")
    if media_type not in IMAGE_TYPES:
        raise InvalidInputError(
            f"messages[{position}] holds an image of type {media_type!r}; "
            f"use one of {', '.join(IMAGE_TYPES)}, or convert the image"
        )
    if isinstance(data, str) and len(data) * 3 // 4 > MAX_IMAGE_BYTES:
        raise InvalidInputError(
            f"messages[{position}] holds an image of {len(data) * 3 // 4:,} bytes; "
            f"the limit is {MAX_IMAGE_BYTES:,}: scale it down, or send it by URL"
        )


def _check_cache_breakpoints(body: Mapping[str, Any]) -> None:
    count = len(marked_in_request(body))
    if count > MAX_CACHE_BREAKPOINTS:
        raise InvalidInputError(
            f"the request has {count} cache_control breakpoints; at most {MAX_CACHE_BREAKPOINTS} are allowed"
        )


def _blocks(content: Any) -> Iterable[Mapping[str, Any]]:
    return content if isinstance(content, (list, tuple)) else ()


def _check_thinking(body: Mapping[str, Any]) -> None:
    if thinking_is_on(body):
        _check_sampling_while_thinking(body)
    thinking = body.get("thinking")
    if thinking is None or not isinstance(thinking, Mapping) or thinking.get("type") != "enabled":
        return
    budget = thinking.get("budget_tokens")
    if type(budget) is not int or budget < MIN_THINKING_BUDGET:
        raise InvalidInputError(
            f"thinking['budget_tokens'] must be a whole number of at least {MIN_THINKING_BUDGET}, not {budget!r}"
        )
    if budget >= body["max_tokens"]:
        raise InvalidInputError(
            f"thinking['budget_tokens']={budget} must be less than max_tokens={body['max_tokens']}"
        )


def _check_sampling_while_thinking(body: Mapping[str, Any]) -> None:
    """Official documentation, "Extended thinking": no temperature and no top_k, top_p from 0.95 to 1."""
    temperature, top_p = body.get("temperature"), body.get("top_p")
    for name, is_refused in (
        ("temperature", temperature is not None and temperature != 1),
        ("top_k", body.get("top_k") is not None),
        ("top_p", top_p is not None and top_p < MIN_THINKING_TOP_P),
    ):
        if is_refused:
            raise UnsupportedOptionError(
                f"{name}={body[name]!r} cannot be combined with thinking: leave it out, "
                "or switch thinking off for this call"
            )


def _check_model_rules(body: Mapping[str, Any], info: ModelInfo) -> None:
    """What a model of the catalogue is known to refuse on the direct-forward route."""
    if body["max_tokens"] > info.max_output_tokens:
        raise UnsupportedOptionError(
            f"max_tokens={body['max_tokens']} is more than {info.id} can give ({info.max_output_tokens})"
        )
    thinking, output_config = body.get("thinking"), body.get("output_config")
    kind = thinking.get("type") if thinking and isinstance(thinking, Mapping) else None
    if kind is not None and kind not in info.thinking:
        raise UnsupportedOptionError(
            f"thinking type {kind!r} is not supported by {info.id}; it takes {sorted(info.thinking)}"
        )
    effort = output_config.get("effort") if output_config and isinstance(output_config, Mapping) else None
    if effort is not None and effort not in info.efforts:
        levels = sorted(info.efforts) if info.efforts else "no effort setting"
        raise UnsupportedOptionError(f"effort={effort!r} is not supported by {info.id}; it takes {levels}")
    if info.sampling == "one" and body.get("temperature") is not None and body.get("top_p") is not None:
        raise UnsupportedOptionError(f"{info.id} takes temperature or top_p, not both; set one")
    if info.sampling == "fixed":
        for name in ("temperature", "top_p", "top_k"):
            if body.get(name) is not None and body[name] != 1:
                raise UnsupportedOptionError(f"{name} cannot be set for {info.id}; leave it out")
    last = body["messages"][-1]
    if not info.prefill and last["role"] == "assistant" and not goes_on(last["content"]):
        raise UnsupportedOptionError(
            f"the last of messages is an assistant turn, which {info.id} cannot continue; "
            "end with a user turn, or use a model that takes a prefilled answer"
        )
