"""The JSON-schema subset that structured output and strict tools accept, as the official format has it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from aivideoapi_core.sandbox._platform.errors import bad_request

_REFUSED: Final = frozenset(
    [
        "minimum",
        "maximum",
        "exclusiveMinimum",
        "exclusiveMaximum",
        "multipleOf",
        "minLength",
        "maxLength",
        "maxItems",
        "uniqueItems",
        "contains",
        "minContains",
        "maxContains",
        "patternProperties",
        "propertyNames",
        "minProperties",
        "maxProperties",
        "dependentRequired",
        "dependentSchemas",
        "unevaluatedProperties",
        "prefixItems",
        "oneOf",
        "not",
        "if",
        "then",
        "else",
    ]
)
_PROPERTY: Final = re.compile(r"[a-zA-Z0-9_.-]{1,64}")
_TYPES: Final = frozenset(["object", "array", "string", "integer", "number", "boolean", "null"])
_FORMATS: Final = frozenset(
    ["date-time", "time", "date", "duration", "email", "hostname", "uri", "ipv4", "ipv6", "uuid"]
)


def check_output_schema(schema: Mapping[str, Any], path: str) -> None:
    """Raise a 400 that names the place for anything outside the subset."""
    _check(schema, path, root=schema, open_refs=())
    for group in ("$defs", "definitions"):
        for name, definition in (schema.get(group) or {}).items():
            _check(definition, f"{path}.{group}.{name}", root=schema, open_refs=(f"#/{group}/{name}",))


def check_tool_schema(schema: Mapping[str, Any], path: str) -> None:
    """Raise a 400 for what no tool may have: a choice at the root, a property whose name the format refuses."""
    for keyword in ("oneOf", "allOf", "anyOf"):
        if keyword in schema:
            raise bad_request(
                f"{path}: input_schema does not support oneOf, allOf, or anyOf at the top level, found {keyword}"
            )
    _check_names(schema, path)


def _check_names(schema: Any, path: str) -> None:
    if not isinstance(schema, Mapping):
        return
    for group in ("properties", "$defs", "definitions"):
        children = schema.get(group)
        for name, child in children.items() if isinstance(children, Mapping) else ():
            if group == "properties" and not _PROPERTY.fullmatch(str(name)):
                raise bad_request(
                    f"{path}.properties: Property keys should match pattern '^[a-zA-Z0-9_.-]{{1,64}}$', not {name!r}"
                )
            _check_names(child, f"{path}.{group}.{name}")
    for group in ("anyOf", "oneOf", "allOf", "prefixItems"):
        listed = schema.get(group)
        for number, child in enumerate(listed if isinstance(listed, list) else ()):
            _check_names(child, f"{path}.{group}.{number}")
    for group in ("items", "additionalProperties", "not", "if", "then", "else", "contains"):
        _check_names(schema.get(group), f"{path}.{group}")


def resolve(reference: str, root: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """What a local ``$ref`` (``#/...``) points to; ``None`` if it points nowhere or outside."""
    if not reference.startswith("#"):
        return None
    value: Any = root
    for part in reference[1:].strip("/").split("/"):
        if part:
            key = part.replace("~1", "/").replace("~0", "~")
            value = value.get(key) if isinstance(value, Mapping) else None
    return value if isinstance(value, Mapping) else None


def _check(schema: Any, path: str, *, root: Mapping[str, Any], open_refs: tuple[str, ...]) -> None:
    if not isinstance(schema, Mapping):
        raise bad_request(f"{path}: Input should be a valid object")
    for keyword in schema:
        if keyword in _REFUSED:
            raise bad_request(f"{path}.{keyword}: this schema keyword is not supported")
    if "$ref" in schema:
        _follow(str(schema["$ref"]), path, root=root, open_refs=open_refs)
    kinds = schema.get("type", [])
    for kind in kinds if isinstance(kinds, list) else [kinds]:
        if kind not in _TYPES:
            raise bad_request(f"{path}.type: {kind!r} is not a supported type")
    if (kinds == "object" or "properties" in schema) and schema.get("additionalProperties") is not False:
        raise bad_request(f"{path}.additionalProperties: must be set to false for 'object' types")
    if schema.get("minItems", 0) not in (0, 1):
        raise bad_request(f"{path}.minItems: only 0 and 1 are supported")
    if "format" in schema and schema["format"] not in _FORMATS:
        raise bad_request(f"{path}.format: {schema['format']!r} is not a supported format")
    if any(isinstance(value, dict | list) for value in schema.get("enum") or ()):
        raise bad_request(f"{path}.enum: only strings, numbers, booleans and null are supported")
    for name, child in (schema.get("properties") or {}).items():
        _check(child, f"{path}.properties.{name}", root=root, open_refs=open_refs)
    if "items" in schema:
        _check(schema["items"], f"{path}.items", root=root, open_refs=open_refs)
    for group in ("anyOf", "allOf"):
        for number, child in enumerate(schema.get(group) or ()):
            _check(child, f"{path}.{group}.{number}", root=root, open_refs=open_refs)


def _follow(reference: str, path: str, *, root: Mapping[str, Any], open_refs: tuple[str, ...]) -> None:
    if reference in open_refs or reference == "#":
        raise bad_request(f"{path}.$ref: recursive schemas are not supported")
    target = resolve(reference, root)
    if target is None:
        raise bad_request(
            f"{path}.$ref: {reference!r} cannot be resolved, only local references are supported"
        )
    _check(target, path, root=root, open_refs=(*open_refs, reference))
