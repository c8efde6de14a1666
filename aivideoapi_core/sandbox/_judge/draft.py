"""JSON Schema draft 2020-12, the form of schemas that the official format checks a tool's ``input_schema`` against.

The draft's own metaschema, written out: what the value of each keyword has to be. Keywords that it does not know may
be anything, as in every draft.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from aivideoapi_core.sandbox._platform.errors import bad_request

_TYPES: Final = ("array", "boolean", "integer", "null", "number", "object", "string")


def check_draft(schema: Any, path: str) -> None:
    """Raise a 400 that names the first keyword, at any depth, whose value the draft does not allow."""
    for place in _faults(schema, path):
        raise bad_request(
            f"{place}: JSON schema is invalid. It must match JSON Schema draft 2020-12 "
            "(https://json-schema.org/draft/2020-12)"
        )


def _faults(schema: Any, path: str) -> Iterator[str]:
    if isinstance(schema, bool):
        return
    if not isinstance(schema, Mapping):
        yield path
        return
    for keyword, value in schema.items():
        at = f"{path}.{keyword}"
        if keyword in _VALUES:
            if not _VALUES[keyword](value):
                yield at
        elif keyword in _ONE:
            yield from _faults(value, at)
        elif keyword in _SEVERAL:
            if not isinstance(value, list) or not value:
                yield at
            else:
                for number, part in enumerate(value):
                    yield from _faults(part, f"{at}.{number}")
        elif keyword in _NAMED:
            yield from _named_faults(keyword, value, at)
        elif keyword == "dependencies":
            yield from _dependency_faults(value, at)


def _named_faults(keyword: str, value: Any, at: str) -> Iterator[str]:
    if not isinstance(value, Mapping):
        yield at
        return
    for name, part in value.items():
        if keyword == "patternProperties" and not _is_pattern(name):
            yield f"{at}.{name}"
        yield from _faults(part, f"{at}.{name}")


def _dependency_faults(value: Any, at: str) -> Iterator[str]:
    if not isinstance(value, Mapping):
        yield at
        return
    for name, part in value.items():
        if not _are_names(part):
            yield from _faults(part, f"{at}.{name}")


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _is_flag(value: Any) -> bool:
    return isinstance(value, bool)


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _is_count(value: Any) -> bool:
    return _is_number(value) and value >= 0 and value == int(value)


def _is_anchor(value: Any) -> bool:
    return isinstance(value, str) and re.fullmatch(r"[A-Za-z_][-A-Za-z0-9._]*", value) is not None


def _is_pattern(value: Any) -> bool:
    if not isinstance(value, str):
        return False
    try:
        re.compile(value)
    except re.error:
        return False
    return True


def _are_names(value: Any) -> bool:
    return isinstance(value, list) and all(map(_is_text, value)) and len(set(value)) == len(value)


def _is_type(value: Any) -> bool:
    if isinstance(value, str):
        return value in _TYPES
    return _are_names(value) and bool(value) and all(name in _TYPES for name in value)


def _is_map_of(check: Callable[[Any], bool]) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, Mapping) and all(map(check, value.values()))


_VALUES: Final[Mapping[str, Callable[[Any], bool]]] = {
    **dict.fromkeys(("$schema", "$ref", "$dynamicRef", "$recursiveRef", "$comment", "title", "description"), _is_text),
    **dict.fromkeys(("format", "contentEncoding", "contentMediaType"), _is_text),
    "$id": lambda value: isinstance(value, str) and re.fullmatch(r"[^#]*#?", value) is not None,
    **dict.fromkeys(("$anchor", "$dynamicAnchor", "$recursiveAnchor"), _is_anchor),
    "$vocabulary": _is_map_of(_is_flag),
    "type": _is_type,
    **dict.fromkeys(("enum", "examples"), lambda value: isinstance(value, list)),
    **dict.fromkeys(("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"), _is_number),
    "multipleOf": lambda value: _is_number(value) and value > 0,
    **dict.fromkeys(("minLength", "maxLength", "minItems", "maxItems", "minContains", "maxContains"), _is_count),
    **dict.fromkeys(("minProperties", "maxProperties"), _is_count),
    **dict.fromkeys(("uniqueItems", "readOnly", "writeOnly", "deprecated"), _is_flag),
    "pattern": _is_pattern,
    "required": _are_names,
    "dependentRequired": _is_map_of(_are_names),
}  # fmt: skip
"""Keywords of plain values."""
_ONE: Final = frozenset(
    [
        *("items", "contains", "additionalProperties", "propertyNames", "if", "then", "else", "not"),
        *("unevaluatedItems", "unevaluatedProperties", "contentSchema"),
    ]
)
"""Keywords that hold one schema."""
_SEVERAL: Final = frozenset(["allOf", "anyOf", "oneOf", "prefixItems"])
"""Keywords that hold schemas in a list, at least one."""
_NAMED: Final = frozenset(["$defs", "definitions", "properties", "patternProperties", "dependentSchemas"])
"""Keywords that hold schemas by name."""
