"""The check of a value against a JSON schema: the part of JSON Schema that tools use, in bounded work.

Unknown keywords and ``format`` say nothing here, as the standard has it. Neither framework brings a
validator along, and pydantic makes none from a schema.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

from pydantic_core import SchemaError, SchemaValidator, ValidationError, core_schema

_MAX_STEPS: Final = 200_000
"""Pairs of a value and a schema that are looked at; schemas that refer to themselves can need 2^depth."""
_MAX_DEPTH: Final = 200
_NUMBERS: Final = (int, float)


class _TooMuch(Exception):  # noqa: N818 - it never leaves this file
    """The schema asks for more work than we do."""


def fits(value: Any, schema: Any) -> bool:
    """Whether ``value``, parsed JSON, follows ``schema``; ``False`` too if that takes too much to find out."""
    try:
        return _Check(schema).fits(value, schema, 0)
    except _TooMuch:
        return False
    except (TypeError, AttributeError, ArithmeticError):
        return False  # the schema is not one ("minimum": "1"): nothing is known to follow it


class _Check:
    def __init__(self, root: Any) -> None:
        self._root = root
        self._steps = 0

    def fits(self, value: Any, schema: Any, depth: int) -> bool:
        self._steps += 1
        if self._steps > _MAX_STEPS or depth > _MAX_DEPTH:
            raise _TooMuch
        if not isinstance(schema, Mapping):
            return schema is not False
        if value is None and schema.get("nullable") is True:
            return True
        depth += 1
        return (
            _has_type(value, schema.get("type"))
            and ("const" not in schema or same(value, schema["const"]))
            and ("enum" not in schema or any(same(value, item) for item in schema["enum"]))
            and self._combined(value, schema, depth)
            and self._within(value, schema, depth)
        )

    def _combined(self, value: Any, schema: Mapping[str, Any], depth: int) -> bool:
        if "$ref" in schema and not self.fits(value, self._resolve(schema["$ref"]), depth):
            return False
        if not all(self.fits(value, part, depth) for part in schema.get("allOf") or ()):
            return False
        if schema.get("anyOf") and not any(self.fits(value, part, depth) for part in schema["anyOf"]):
            return False
        if schema.get("oneOf") and sum(self.fits(value, part, depth) for part in schema["oneOf"]) != 1:
            return False
        return "not" not in schema or not self.fits(value, schema["not"], depth)

    def _resolve(self, reference: Any) -> Any:
        found = self._root
        for name in str(reference).removeprefix("#").split("/")[1:]:
            name = name.replace("~1", "/").replace("~0", "~")
            if not isinstance(found, Mapping) or name not in found:
                return False  # a reference that leads nowhere lets nothing through
            found = found[name]
        return found

    def _within(self, value: Any, schema: Mapping[str, Any], depth: int) -> bool:
        if isinstance(value, str):
            pattern = schema.get("pattern")
            return _in_limits(len(value), schema, "Length") and (pattern is None or _matches(pattern, value))
        if isinstance(value, dict):
            return self._object(value, schema, depth)
        if isinstance(value, list):
            return self._array(value, schema, depth)
        return isinstance(value, bool) or not isinstance(value, _NUMBERS) or _in_range(value, schema)

    def _object(self, value: dict[str, Any], schema: Mapping[str, Any], depth: int) -> bool:
        known = schema.get("properties") or {}
        by_pattern = schema.get("patternProperties") or {}
        if not all(name in value for name in schema.get("required") or ()):
            return False
        if not _in_limits(len(value), schema, "Properties"):
            return False
        for name, item in value.items():
            parts = [known[name]] if name in known else []
            parts += [part for pattern, part in by_pattern.items() if _matches(pattern, name)]
            if not parts:
                parts = [schema.get("additionalProperties", True)]
            if not all(self.fits(item, part, depth) for part in parts):
                return False
        return "propertyNames" not in schema or all(
            self.fits(name, schema["propertyNames"], depth) for name in value
        )

    def _array(self, value: list[Any], schema: Mapping[str, Any], depth: int) -> bool:
        first: Sequence[Any] = schema.get("prefixItems") or ()
        rest = schema.get("items", True)
        if not _in_limits(len(value), schema, "Items"):
            return False
        if schema.get("uniqueItems") is True and len({_text_of(item) for item in value}) < len(value):
            return False
        return all(
            self.fits(item, first[number] if number < len(first) else rest, depth)
            for number, item in enumerate(value)
        )


def same(one: Any, other: Any) -> bool:
    """Whether two JSON values are equal: ``1`` is ``1.0``, and no number is ``true``."""
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(same, one, other))
    return bool(one == other) and isinstance(one, bool) == isinstance(other, bool)


def _text_of(value: Any) -> str:
    return json.dumps(value, sort_keys=True)


def _has_type(value: Any, wanted: Any) -> bool:
    if wanted is None:
        return True
    return any(_is_of(value, kind) for kind in ([wanted] if isinstance(wanted, str) else wanted))


def _is_of(value: Any, kind: str) -> bool:
    match kind:
        case "object":
            return isinstance(value, dict)
        case "array":
            return isinstance(value, list)
        case "string":
            return isinstance(value, str)
        case "boolean":
            return isinstance(value, bool)
        case "null":
            return value is None
        case "number":
            return isinstance(value, _NUMBERS) and not isinstance(value, bool)
        case "integer":
            whole = isinstance(value, int) or (isinstance(value, float) and value.is_integer())
            return whole and not isinstance(value, bool)
        case _:
            return False


def _in_limits(size: int, schema: Mapping[str, Any], what: str) -> bool:
    low, high = schema.get(f"min{what}"), schema.get(f"max{what}")
    return (low is None or size >= low) and (high is None or size <= high)


def _in_range(value: float, schema: Mapping[str, Any]) -> bool:
    low, high = schema.get("minimum"), schema.get("maximum")
    above, below, step = (schema.get(name) for name in ("exclusiveMinimum", "exclusiveMaximum", "multipleOf"))
    return (
        (low is None or value >= low)
        and (high is None or value <= high)
        # Older schemas have a boolean here, which changes the limit beside it.
        and (above is None or isinstance(above, bool) or value > above)
        and (below is None or isinstance(below, bool) or value < below)
        and (not step or _is_multiple(value, step))
    )


def _is_multiple(value: float, step: float) -> bool:
    if isinstance(value, int) and isinstance(step, int):
        return value % step == 0
    times = value / step
    return abs(times - round(times)) < 1e-9


def _matches(pattern: str, text: str) -> bool:
    """Whether ``pattern`` is found in ``text``; a pattern that our engine has no words for lets all through.

    Pydantic's engine takes time linear in the text, whatever the pattern is.
    """
    validator = _pattern(pattern)
    if validator is None:
        return True
    try:
        validator.validate_python(text)
    except ValidationError:
        return False
    return True


@functools.lru_cache(maxsize=256)
def _pattern(pattern: str) -> SchemaValidator | None:
    try:
        return SchemaValidator(core_schema.str_schema(pattern=pattern, regex_engine="rust-regex"))
    except SchemaError:
        return None
