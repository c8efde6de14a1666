"""Readings of a text as a call of one of some tools: bare arguments, wrappers that name the tool, tags."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from aivideoapi_core._inbound.json_values import MAX_CHARS, MAX_VALUES, json_values, parse_json
from aivideoapi_core._inbound.schema_check import fits, same

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

_FENCED: Final = re.compile(r"(?:```|~~~)\w{0,20}+\s*+(.*)(?:```|~~~)", re.DOTALL)

Tools = Mapping[str, Mapping[str, Any]]
"""Input schemas by the tool's name."""


def read_call(text: str, tools: Tools) -> tuple[str, dict[str, Any]] | None:
    """The tool and the arguments that ``text`` means, or ``None`` if none is meant or more than one may be."""
    found: list[tuple[str, dict[str, Any]]] = []
    for name, arguments in _readings(text, tools):
        known = any(name == other and same(arguments, value) for other, value in found)
        if not known and fits(arguments, tools[name]):
            found.append((name, arguments))
            if len(found) > 1:
                return None
    return found[0] if found else _only_value(text, tools)


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


def _only_value(text: str, tools: Tools) -> tuple[str, dict[str, Any]] | None:
    """The one tool whose only property takes the value that the whole text is: a list of rows, say, for a tool
    that had to wrap it in an object.
    """
    stripped = text.strip()
    fenced = _FENCED.fullmatch(stripped)
    try:
        value = parse_json(fenced[1] if fenced else stripped)
    except ValueError:
        return None
    if not isinstance(value, (dict, list)):
        return None  # "no", say, is an answer of another kind
    wrapped = [
        (name, {next(iter(known)): value})
        for name, schema in tools.items()
        if len(known := schema.get("properties") or {}) == 1 and list(known) == schema.get("required")
    ]
    found = [call for call in wrapped if fits(call[1], tools[call[0]])]
    return found[0] if len(found) == 1 else None


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

    A wrapper whose own keys the tool does not know is not meant.
    """
    known = schema.get("properties") or {}
    return all(key in known for key in wrapper) and _is_for(value, schema)


def _is_for(value: Mapping[str, Any], schema: Mapping[str, Any]) -> bool:
    """Whether arguments that do not say whose they are can be those of a tool.

    A schema that says nothing of further properties takes any object: one that names none of the tool's is not
    meant, and a tool that has none is called with none.
    """
    known = schema.get("properties")
    if not value or known is None:
        return True
    return any(key in known for key in value) or bool(not known and schema.get("additionalProperties"))


def _unwrapped(value: Mapping[str, Any], tools: Tools, depth: int) -> Iterator[tuple[str, dict[str, Any]]]:
    keys = _wrapper_keys(value)
    if keys[0] in _AROUND and not isinstance(value[keys[0]], str):
        for key in keys:
            yield from _meanings(value[key], tools, depth + 1)
        return
    named = next((value[key] for key in keys if key in _NAMES), None)
    arguments = next((value[key] for key in keys if key in _ARGUMENTS), None)
    if named is None:
        for name, schema in tools.items():
            yield from (call for call in _call(name, arguments, tools) if _is_for(call[1], schema))
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
