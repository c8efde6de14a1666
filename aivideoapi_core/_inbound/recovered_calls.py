"""A forced tool call that came as text.

A route that does not honour ``tool_choice`` lets the model answer in words: the call stands there as bare
JSON, in a fence, in tags or in a wrapper that names the tool. This file reads it, for forced calls alone:
text that nobody asked to be a call is never made one. A reading is taken only if it follows the schema of
a forced tool and no other reading does.
"""

from __future__ import annotations

import hashlib
import json
import re
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, cast

from aivideoapi_core._errors import ToolChoiceIgnoredError
from aivideoapi_core._inbound.json_values import MAX_CHARS, MAX_VALUES, json_values, parse_json
from aivideoapi_core._inbound.schema_check import fits, same
from aivideoapi_core._received import ContentBlock, Message

RECOVERED: Final = "recovered_tool_call"
"""Key of a message whose call was read from its text: ``True``."""
IGNORED: Final = "tool_choice_ignored"
"""Key of a message that should have been a call and is none: ``True``."""

_CALLS: Final = frozenset({"tool_use", "server_tool_use", "mcp_tool_use"})
_UNFINISHED: Final = frozenset({"max_tokens", "model_context_window_exceeded", "refusal", "pause_turn"})
"""Stop reasons after which the text is not what the model meant to say, or not all of it."""
_MAX_WARNED: Final = 256

_NAMES: Final = ("name", "tool", "tool_name", "function_name", "action", "function")
_ARGUMENTS: Final = ("arguments", "input", "parameters", "args", "tool_input", "action_input", "kwargs")
_AROUND: Final = (
    "tool_calls",
    "tool_call",
    "function_calls",
    "function_call",
    "tool_use",
    "calls",
    "function",
)
_BESIDE: Final = frozenset({"id", "type", "index", "role", "content", "call_id", "tool_call_id"})
"""What else stands in a wrapper; anything more makes it an object of its own."""
_MAX_NESTING: Final = 6

_INVOKE: Final = re.compile(r"""<(?:\w{1,20}:)?invoke\s{1,20}name=["']([^"'<>]{1,200})["']\s{0,20}>""")
_INVOKE_END: Final = re.compile(r"</(?:\w{1,20}:)?invoke>")
_PARAMETER: Final = re.compile(
    r"""<(?:\w{1,20}:)?parameter\s{1,20}name=["']([^"'<>]{1,200})["'][^<>]{0,100}>"""
)
_PARAMETER_END: Final = re.compile(r"</(?:\w{1,20}:)?parameter>")

Tools = Mapping[str, Mapping[str, Any]]
"""Input schemas by the tool's name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ForcedCall:
    """What a call of the model was forced to, whether the route was told so or the model in words.

    ``tools``: input schemas by name, as they were sent. ``ignored_before``: the reply before this one, in
    the same run, was no call either.
    """

    tools: Tools
    ignored_before: bool = False

    def settle(self, message: Message, *, model: str) -> Message:
        """``message`` if it holds a call; else with the call that its text is, or marked as without one.

        Raises ``ToolChoiceIgnoredError`` where it is the second without one: the next would be as well,
        and each is paid.
        """
        if holds_call(message) or message["stop_reason"] == "pause_turn":
            return message
        recovered = recover_call(message, self.tools)
        if recovered is not None:
            _warn_once(model)
            return recovered
        if self.ignored_before:
            raise ignored_error(message, self.tools, again=True)
        return cast("Message", {**message, IGNORED: True})


def settle_text(message: Message, tools: Tools) -> Message:
    """``message`` whose text was asked for as JSON: as it is if it is JSON, a call or not to be read, else with
    the object that stands in its text as a call of the one of ``tools``, which stands for the format.
    """
    text = text_of(message["content"]).strip()
    if text.startswith("{"):
        try:
            json.loads(text)
        except (ValueError, RecursionError):
            pass
        else:
            return message
    return recover_call(message, tools) or message


def forced_call(payload: Mapping[str, Any], *, ignored_before: bool = False) -> ForcedCall | None:
    """What the ``tool_choice`` of a request forces, or ``None`` if nothing that has a schema."""
    choice = payload.get("tool_choice") or {}
    if choice.get("type") not in ("any", "tool"):
        return None
    tools = tool_schemas(payload.get("tools") or (), only=choice.get("name"))
    return ForcedCall(tools=tools, ignored_before=ignored_before) if tools else None


def tool_schemas(tools: Sequence[Any], *, only: str | None = None) -> dict[str, Mapping[str, Any]]:
    """The input schemas of a request's tools by name; server tools have none."""
    return {
        tool["name"]: tool["input_schema"]
        for tool in tools
        if isinstance(tool.get("input_schema"), Mapping) and only in (None, tool.get("name"))
    }


def holds_call(message: Mapping[str, Any]) -> bool:
    """Whether the reply calls a tool, whole or cut."""
    return any(block.get("type") in _CALLS for block in message["content"])


def recover_call(message: Message, tools: Tools) -> Message | None:
    """``message`` with the call that its text is after the text, or ``None``.

    The new message is marked with ``RECOVERED`` and stops with ``tool_use``. The id of the call is ours,
    and the same whenever the same reply is read.
    """
    if holds_call(message) or message["stop_reason"] in _UNFINISHED:
        return None
    text = text_of(message["content"])
    call = read_call(text, tools)
    if call is None:
        return None
    name, arguments = call
    digest = hashlib.sha256(f"{message.get('id')}\n{text}".encode(errors="replace")).hexdigest()
    block = {"type": "tool_use", "id": f"toolu_recovered_{digest[:24]}", "name": name, "input": arguments}
    content = [*message["content"], block]
    return cast("Message", {**message, "content": content, "stop_reason": "tool_use", RECOVERED: True})


def read_call(text: str, tools: Tools) -> tuple[str, dict[str, Any]] | None:
    """The tool and the arguments that ``text`` means, or ``None`` if none is meant or more than one may be."""
    found: list[tuple[str, dict[str, Any]]] = []
    for name, arguments in _readings(text, tools):
        known = any(name == other and same(arguments, value) for other, value in found)
        if not known and fits(arguments, tools[name]):
            found.append((name, arguments))
            if len(found) > 1:
                return None
    return found[0] if found else None


def text_of(content: Sequence[ContentBlock]) -> str:
    """All text of a reply, without its thinking."""
    return "".join(block.get("text") or "" for block in content if block.get("type") == "text")


def ignored_error(message: Message, tools: Tools, *, again: bool = False) -> ToolChoiceIgnoredError:
    """The error for a reply that should have called one of ``tools``, with what it says instead."""
    names = " or ".join(repr(name) for name in tools)
    twice = ", for the second time in this run" if again else ""
    text = text_of(message["content"])
    return ToolChoiceIgnoredError(
        f"a call of {names} was forced, and the reply holds none that can be read{twice} "
        f"(stop_reason {message['stop_reason']!r}). It says: {text[:2000]!r}",
        text=text,
    )


def _readings(text: str, tools: Tools) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every tool with arguments that the text may mean; arguments are yet to be checked."""
    stripped = text.strip()
    if stripped.startswith('"') and len(stripped) <= MAX_CHARS:
        try:
            said = parse_json(stripped)
        except ValueError:
            said = None
        if isinstance(said, str):
            text = said  # JSON text as JSON text
    yield from _invocations(text, tools)
    for value in json_values(text):
        yield from _meanings(value, tools, 0)


def _meanings(value: Any, tools: Tools, depth: int) -> Iterator[tuple[str, dict[str, Any]]]:
    if depth > _MAX_NESTING:
        return
    if isinstance(value, list):
        # Several calls at once are not one call; one said twice is.
        if value and len(value) <= MAX_VALUES and all(same(item, value[0]) for item in value):
            yield from _meanings(value[0], tools, depth + 1)
        return
    if not isinstance(value, dict):
        return
    wrapper = _wrapper_keys(value)
    for name, schema in tools.items():
        if _is_bare(value, schema, wrapper):
            yield name, value
    if wrapper:
        yield from _unwrapped(value, tools, depth)
    elif len(value) == 1:
        ((name, arguments),) = value.items()
        if name in tools and name not in (tools[name].get("properties") or {}):
            yield from _call(name, arguments, tools)


def _wrapper_keys(value: Mapping[str, Any]) -> list[str]:
    """The keys by which ``value`` is a wrapper of a call; none if it is not."""
    around = [key for key in _AROUND if isinstance(value.get(key), (dict, list))]
    if around and not value.keys() - _BESIDE - {*around}:
        return around
    names = [key for key in _NAMES if isinstance(value.get(key), str)]
    arguments = [key for key in _ARGUMENTS if isinstance(value.get(key), (dict, str))]
    if arguments and (names or not value.keys() - _BESIDE - {*arguments}):
        return [*names[:1], arguments[0]]
    return names[:1] if "tool" in names or "tool_name" in names else []


def _is_bare(value: Mapping[str, Any], schema: Mapping[str, Any], wrapper: Sequence[str]) -> bool:
    """Whether ``value`` may be the arguments themselves.

    A schema that says nothing of further properties takes any object: one that names none of the tool's
    is not meant, nor is a wrapper whose own keys the tool does not know.
    """
    known = schema.get("properties") or {}
    if any(key not in known for key in wrapper):
        return False
    return not value or not known or any(key in known for key in value)


def _unwrapped(value: Mapping[str, Any], tools: Tools, depth: int) -> Iterator[tuple[str, dict[str, Any]]]:
    keys = _wrapper_keys(value)
    if keys[0] in _AROUND and not isinstance(value[keys[0]], str):
        for key in keys:
            yield from _meanings(value[key], tools, depth + 1)
        return
    named = next((value[key] for key in keys if key in _NAMES), None)
    arguments = next((value[key] for key in keys if key in _ARGUMENTS), None)
    if named is None:
        for name in tools:
            yield from _call(name, arguments, tools)
    elif named in tools:
        if arguments is None:
            arguments = {key: item for key, item in value.items() if key not in keys}
        yield from _call(named, arguments, tools)


def _call(name: str, arguments: Any, tools: Tools) -> Iterator[tuple[str, dict[str, Any]]]:
    if isinstance(arguments, str):
        values = json_values(arguments) if arguments.strip() else [{}]
        arguments = values[0] if len(values) == 1 else None
    if isinstance(arguments, dict):
        yield name, arguments


def _invocations(text: str, tools: Tools) -> Iterator[tuple[str, dict[str, Any]]]:
    """``<invoke name="..."><parameter name="...">...</parameter></invoke>``, whatever stands around it."""
    if len(text) > MAX_CHARS:
        return
    place = 0
    for _ in range(MAX_VALUES):
        opening = _INVOKE.search(text, place)
        closing = opening and _INVOKE_END.search(text, opening.end())
        if opening is None or closing is None:
            return
        place = closing.end()
        name = opening[1]
        if name in tools:
            known = tools[name].get("properties") or {}
            yield name, _parameters(text, opening.end(), closing.start(), known, tools[name])


def _parameters(
    text: str, start: int, end: int, known: Mapping[str, Any], schema: Mapping[str, Any]
) -> dict[str, Any]:
    arguments: dict[str, Any] = {}
    while True:
        opening = _PARAMETER.search(text, start, end)
        closing = opening and _PARAMETER_END.search(text, opening.end(), end)
        if opening is None or closing is None:
            return arguments
        name, raw = opening[1], text[opening.end() : closing.start()]
        part = known.get(name)
        part = {**part, "$defs": schema.get("$defs", {})} if isinstance(part, Mapping) else {}
        arguments[name] = _value_of(raw, part)
        start = closing.end()


def _value_of(raw: str, schema: Mapping[str, Any]) -> Any:
    """The JSON that a parameter's text is where the schema takes it, else the text."""
    if schema.get("type") == "string":
        return raw
    try:
        value = parse_json(raw)
    except ValueError:
        return raw
    return value if fits(value, schema) else raw


_warned: set[str] = set()
"""Models of which this process has been warned."""


def _warn_once(model: str) -> None:
    if model in _warned or len(_warned) >= _MAX_WARNED:
        return
    _warned.add(model)
    warnings.warn(
        f"{model} answered a forced tool call in text, which was read as the call that it means. Where "
        "tool_choice is not honoured, honours_tool_choice=False asks in words instead.",
        stacklevel=2,
    )
