"""The keywords of JSON Schema 2020-12: which of them hold schemas, and what the values of the others have to be."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

MAPS: Final = frozenset({"properties", "patternProperties", "dependentSchemas", "$defs", "definitions"})
"""Keywords that hold schemas by name."""
LISTS: Final = frozenset({"anyOf", "oneOf", "allOf", "prefixItems"})
"""Keywords that hold a list of schemas."""
SINGLES: Final = frozenset(
    {
        "items", "additionalProperties", "additionalItems", "not", "if", "then", "else", "contains",
        "propertyNames", "unevaluatedProperties", "unevaluatedItems", "contentSchema",
    }
)  # fmt: skip
"""Keywords that hold one schema."""
HOLDERS: Final = MAPS | LISTS | SINGLES
"""All of them."""

TYPES: Final = frozenset({"object", "array", "string", "integer", "number", "boolean", "null"})
_DRAFT: Final = "2020-12"
ANY_NAME: Final = frozenset({"", ".*", "^.*$", "^(.*)$", "(.*)", "^.*", ".+", "^.+$", "^(.+)$"})
"""Patterns that every name matches: ``additionalProperties`` says the same, and the wire takes that."""


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _is_number(value: Any) -> bool:
    return type(value) is int or (type(value) is float and math.isfinite(value))


def _is_count(value: Any) -> bool:
    return type(value) is int and value >= 0


def _is_flag(value: Any) -> bool:
    return isinstance(value, bool)


def is_pattern(value: Any) -> bool:
    if not isinstance(value, str):
        return False
    try:
        re.compile(value)
    except re.error:
        return False
    return True


def _is_type(value: Any) -> bool:
    if isinstance(value, str):
        return value in TYPES
    return _is_names(value) and bool(value) and TYPES.issuperset(value)


def _is_names(value: Any) -> bool:
    return (
        isinstance(value, list)
        and all(isinstance(name, str) for name in value)
        and len({*value}) == len(value)
    )


def is_plain(value: Any) -> bool:
    """Whether a value is JSON as it stands."""
    if value is None or isinstance(value, (str, bool, int)):
        return True
    if isinstance(value, float):
        return math.isfinite(value)
    if isinstance(value, dict):
        return all(isinstance(name, str) and is_plain(item) for name, item in value.items())
    return isinstance(value, list) and all(map(is_plain, value))


def _is_list(value: Any) -> bool:
    return isinstance(value, list) and is_plain(value)


def _is_factor(value: Any) -> bool:
    return _is_number(value) and value > 0


RIGHT: Final[Mapping[str, Callable[[Any], bool]]] = {
    **dict.fromkeys(("title", "description", "$comment", "format", "contentEncoding", "contentMediaType", "$ref"), _is_text),
    **dict.fromkeys(("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"), _is_number),
    **dict.fromkeys(("minLength", "maxLength", "minItems", "maxItems", "minContains", "maxContains", "minProperties",
                     "maxProperties"), _is_count),
    **dict.fromkeys(("uniqueItems", "readOnly", "writeOnly", "deprecated"), _is_flag),
    "multipleOf": _is_factor,
    "pattern": is_pattern,
    "type": _is_type,
    "required": _is_names,
    "enum": _is_list,
    "examples": _is_list,
    "default": is_plain,
    "const": is_plain,
    "example": is_plain,
    "$schema": lambda value: isinstance(value, str) and _DRAFT in value,
    **dict.fromkeys(("$id", "$anchor", "$dynamicAnchor", "$dynamicRef", "$recursiveAnchor", "$recursiveRef",
                     "dependencies", "nullable", "$vocabulary"), lambda value: False),
}  # fmt: skip
"""What a keyword's value has to be; for one that is not here, and holds no schemas, any JSON will do."""


def is_right(key: str, value: Any) -> bool:
    """Whether the newest draft takes ``value`` for the keyword ``key``, subschemas not looked into."""
    if key in MAPS:
        if not isinstance(value, dict) or not all(isinstance(name, str) for name in value):
            return False
        return key != "patternProperties" or (
            ANY_NAME.isdisjoint(value) and all(is_pattern(name) for name in value)
        )
    if key in LISTS:
        return isinstance(value, list) and bool(value)
    if key in SINGLES:
        return isinstance(value, (dict, bool)) and key != "additionalItems"
    return RIGHT.get(key, is_plain)(value)


def children_of(key: str, value: Any) -> Iterable[Any]:
    """The schemas that the keyword ``key`` holds."""
    if key in MAPS:
        return value.values() if isinstance(value, Mapping) else ()
    if key in LISTS:
        return value if isinstance(value, list) else ()
    return (value,) if key in SINGLES else ()
