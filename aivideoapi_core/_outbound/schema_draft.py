"""A schema of any draft or dialect as JSON Schema 2020-12, which the wire checks tools against.

MCP servers, OpenAPI documents and older generators write ``exclusiveMinimum: true``, ``type: "float"``,
``description: null``. One such keyword has every call refused, so each is written as the newest draft has
it. What that draft cannot say is told in the description: nothing is lost.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from aivideoapi_core._outbound.schema_keywords import (
    ANY_NAME,
    HOLDERS,
    LISTS,
    MAPS,
    TYPES,
    is_pattern,
    is_plain,
    is_right,
)
from aivideoapi_core._outbound.text import as_json

_SAME_TYPE: Final = {
    **dict.fromkeys(("str", "text", "char", "file", "date", "datetime", "date-time", "time", "uuid", "uri", "url",
                     "email", "binary", "bytes", "enum"), "string"),
    **dict.fromkeys(("float", "double", "decimal", "real", "num"), "number"),
    **dict.fromkeys(("int", "int32", "int64", "long", "short"), "integer"),
    **dict.fromkeys(("list", "tuple", "set"), "array"),
    **dict.fromkeys(("dict", "map", "mapping", "struct", "record"), "object"),
    "bool": "boolean",
    **dict.fromkeys(("none", "nil", "undefined", "void"), "null"),
}  # fmt: skip
"""What other dialects call the types."""
_SILENT: Final = frozenset(
    {"$schema", "$id", "$anchor", "$dynamicAnchor", "$recursiveAnchor", "$comment", "$vocabulary"}
)
"""Keywords that say nothing about values, and go where they are not right."""


def modern(node: Mapping[Any, Any]) -> dict[str, Any]:
    """``node`` and all in it as the newest draft has it; a copy."""
    result: dict[str, Any] = {}
    lost: dict[str, Any] = {}
    given = {str(key): value for key, value in node.items()}
    for key, value in given.items():
        if key in HOLDERS:
            _take_children(key, value, result, lost)
        elif is_right(key, value):
            result[key] = value
        else:
            _take_value(key, value, result, lost)
    _settle_null(result, lost)
    _settle_tuples(given, result)
    _settle_limits(result, lost)
    _settle_dependencies(lost, result)
    for key in ("$dynamicRef", "$recursiveRef"):
        if isinstance(reference := lost.pop(key, None), str):
            result.setdefault("$ref", reference)
    return _told(result, lost)


def _take_children(key: str, value: Any, result: dict[str, Any], lost: dict[str, Any]) -> None:
    if key in MAPS:
        children = _by_name(value)
        if children is None:
            if value:
                lost[key] = value
        elif key == "patternProperties":
            _take_patterns(children, result, lost)
        else:
            if key == "properties":
                _take_required(children, result)
            result[key] = {name: _child(part) for name, part in children.items()}
    elif key in LISTS:
        if isinstance(value, (list, tuple)) and value:
            result[key] = [_child(part) for part in value]
        elif value:
            lost[key] = value
    elif isinstance(value, (list, tuple)):
        if key == "items" and value:
            result["prefixItems"] = [_child(part) for part in value]
    elif isinstance(value, (Mapping, bool)) or (key == "items" and isinstance(value, str)):
        if key != "additionalItems":
            result[key] = _child(value)
    elif value in ("true", "false"):
        result[key] = value == "true"
    elif value is not None:
        lost[key] = value


def _by_name(value: Any) -> dict[str, Any] | None:
    """Schemas by name, from a mapping or from a list of schemas that have a name."""
    if isinstance(value, Mapping):
        return {str(name): part for name, part in value.items()}
    if isinstance(value, (list, tuple)):
        named = [part for part in value if isinstance(part, Mapping) and isinstance(part.get("name"), str)]
        names = [part for part in value if isinstance(part, str)]
        if value and len(named) + len(names) == len(value):
            parts = {part["name"]: {key: part[key] for key in part if key != "name"} for part in named}
            return parts | {name: {} for name in names}
    return None


def _child(part: Any) -> Any:
    if isinstance(part, bool):
        return part
    if isinstance(part, Mapping):
        return modern(part)
    if isinstance(part, str):  # the name of a type, or a word about the value
        kind = _type_of(part)
        return {"type": kind} if kind else {"description": part} if part.strip() else {}
    return {} if part is None else _told({}, {"schema": part})


def _take_required(children: Mapping[str, Any], result: dict[str, Any]) -> None:
    """``required: true`` of a property, as the third draft had it."""
    names = [
        name for name, part in children.items() if isinstance(part, Mapping) and part.get("required") is True
    ]
    if names:
        result["required"] = [*dict.fromkeys([*result.get("required", ()), *names])]


def _take_patterns(children: Mapping[str, Any], result: dict[str, Any], lost: dict[str, Any]) -> None:
    kept = {}
    for pattern, part in children.items():
        if pattern in ANY_NAME:
            result["additionalProperties"] = _child(part)
        elif is_pattern(pattern):
            kept[pattern] = _child(part)
        else:
            lost.setdefault("patternProperties", {})[pattern] = part
    if kept:
        result["patternProperties"] = kept


def _take_value(key: str, value: Any, result: dict[str, Any], lost: dict[str, Any]) -> None:
    """A value that the newest draft does not take as it stands."""
    if value is None or key in _SILENT:
        if key in ("default", "const"):
            result[key] = value
        return
    if key == "type":
        _take_type(value, result, lost)
    elif key in ("enum", "examples") and isinstance(value, (list, tuple, set, frozenset)):
        result[key] = _as_plain(list(value))
    elif key == "enum" and isinstance(value, str):
        result["enum"] = [value]
    elif key == "examples":
        result["examples"] = _as_plain([value])
    elif key == "required" and isinstance(value, (list, tuple, set, frozenset, str)):
        names = [value] if isinstance(value, str) else list(value)
        result["required"] = [
            *dict.fromkeys([*result.get("required", ()), *(n for n in names if isinstance(n, str))])
        ]
    elif key in ("description", "title", "format") and not isinstance(value, (bool, Mapping)):
        parts = value if isinstance(value, (list, tuple)) else [value]
        result[key] = "\n".join(map(str, parts))
    elif key in ("default", "const", "example"):
        result[key] = _as_plain(value)
    elif key == "deprecated":
        result[key], lost[key] = True, value
    elif key == "required" and isinstance(value, bool):
        return  # a property's own, which ``_take_required`` has read
    elif isinstance(value, str) and (number := _number_in(value)) is not None and is_right(key, number):
        result[key] = number
    else:
        lost[key] = value


def _number_in(text: str) -> int | float | None:
    try:
        return int(text)
    except ValueError:
        try:
            return float(text)
        except ValueError:
            return None


def _take_type(value: Any, result: dict[str, Any], lost: dict[str, Any]) -> None:
    given = list(value) if isinstance(value, (list, tuple)) else [value]
    kinds = [*dict.fromkeys(kind for each in given if (kind := _type_of(each)) is not None)]
    if len(kinds) == len({*map(str, given)}) and kinds:
        result["type"] = kinds if len(kinds) > 1 else kinds[0]
    elif any(str(each).lower() not in ("any", "unknown", "none", "") for each in given):
        lost["type"] = value  # of some kind that no draft has: any value, and the word for it


def _type_of(name: Any) -> str | None:
    name = str(name).strip().lower()
    return name if name in TYPES else _SAME_TYPE.get(name)


def _settle_null(result: dict[str, Any], lost: dict[str, Any]) -> None:
    """``nullable`` of OpenAPI and Gemini, which is one more type since."""
    if not isinstance(is_nullable := lost.get("nullable"), bool) or (is_nullable and "type" not in result):
        return
    del lost["nullable"]
    kinds = result.get("type", [])
    kinds = kinds if isinstance(kinds, list) else [kinds]
    if is_nullable and "null" not in kinds:
        result["type"] = [*kinds, "null"]
        if "enum" in result and None not in result["enum"]:
            result["enum"] = [*result["enum"], None]


def _settle_tuples(given: Mapping[str, Any], result: dict[str, Any]) -> None:
    """``additionalItems`` of the older drafts, which speaks of what comes after a tuple."""
    if isinstance(given.get("items"), (list, tuple)) and "additionalItems" in given:
        result["items"] = _child(given["additionalItems"])


def _settle_limits(result: dict[str, Any], lost: dict[str, Any]) -> None:
    """``exclusiveMinimum: true`` beside a ``minimum``, as the fourth draft had it."""
    for key, limit in (("exclusiveMinimum", "minimum"), ("exclusiveMaximum", "maximum")):
        if isinstance(is_exclusive := lost.get(key), bool):
            del lost[key]
            if is_exclusive and limit in result:
                result[key] = result.pop(limit)


def _settle_dependencies(lost: dict[str, Any], result: dict[str, Any]) -> None:
    """``dependencies`` of the older drafts, in two keywords since."""
    given = lost.get("dependencies")
    if not isinstance(given, Mapping):
        return
    del lost["dependencies"]
    for name, value in given.items():
        if isinstance(value, (Mapping, bool)):
            result.setdefault("dependentSchemas", {})[str(name)] = _child(value)
        else:
            names = [value] if isinstance(value, str) else list(value or ())
            result.setdefault("dependentRequired", {})[str(name)] = [*dict.fromkeys(map(str, names))]


def _as_plain(value: Any) -> Any:
    """``value`` as JSON can say it."""
    if isinstance(value, Mapping):
        return {str(name): _as_plain(item) for name, item in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [_as_plain(item) for item in value]
    return value if is_plain(value) else _text_of(value)


def _text_of(value: Any) -> str:
    return str(value) if isinstance(value, float) else as_json(value).strip('"')


def _told(result: dict[str, Any], lost: Mapping[str, Any]) -> dict[str, Any]:
    if not lost:
        return result
    said = f"({', '.join(f'{key}: {_text_of(_as_plain(value))}' for key, value in lost.items())})"
    before = result.get("description")
    return {**result, "description": f"{before} {said}" if before else said}
