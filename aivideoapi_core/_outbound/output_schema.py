"""JSON schemas for ``output_config.format``: rewrite any schema into the part that the wire accepts.

Source: official documentation, "Structured outputs", limitations, November 2026. Objects are closed
(``additionalProperties: false``), constraints on numbers, lengths and patterns are not enforced, and
references must neither leave the document nor recur.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

from aivideoapi_core._errors import UnsupportedOptionError
from aivideoapi_core._outbound.schema_references import hoisted, resolved
from aivideoapi_core._outbound.tool_schema import PROPERTY_NAME, in_newest_draft

_STRING_FORMATS: Final = frozenset(
    {"date-time", "time", "date", "duration", "email", "hostname", "uri", "ipv4", "ipv6", "uuid"}
)
_TYPES: Final = frozenset({"object", "array", "string", "integer", "number", "boolean", "null"})
_COMBINERS: Final = {"anyOf": "anyOf", "oneOf": "anyOf", "allOf": "allOf"}
_KEPT: Final = ("title", "description", "default")
_SILENT: Final = frozenset({"$schema", "$id", "$comment", "discriminator", "examples"})
"""Keywords that say nothing about which values are right."""
_DEFINITIONS: Final = ("$defs", "definitions")
_ANOTHER_WAY: Final = "use a tool (function calling) for this shape"


def output_schema(schema: Mapping[str, Any]) -> dict[str, Any]:
    """``schema`` in the wire's terms; the argument is left untouched.

    A constraint that the wire does not enforce moves into the description, where the model reads it.
    Raises ``UnsupportedOptionError`` for what would change its meaning: recursion, references to
    other documents, open mappings, values of any type, and a root that is not an object.
    """
    schema = _local(in_newest_draft(schema))
    definitions = _definitions_of(schema)
    cleared: set[str] = set()
    for pointer in definitions:
        _refuse_recursion(pointer, definitions, (), cleared)
    root = schema
    while "$ref" in root:  # the wire wants the object itself at the root
        root = _resolve(root["$ref"], definitions)
    result = _rewrite({key: value for key, value in root.items() if key not in _DEFINITIONS}, "the schema")
    if result.get("type") != "object":
        raise UnsupportedOptionError(f"the schema must be of type object at its root; {_ANOTHER_WAY}")
    for place in _DEFINITIONS:
        if place in schema:
            result[place] = {name: _rewrite(part, name) for name, part in schema[place].items()}
    return result


def _local(schema: Mapping[str, Any]) -> Mapping[str, Any]:
    """``schema`` with all that it refers to among its definitions, the only place that is looked at here."""
    known = _definitions_of(schema)
    lost = {reference for reference in _references(schema) if reference not in known}
    if "#" in lost:
        raise UnsupportedOptionError(f"the schema refers to itself at '#'; {_ANOTHER_WAY}")
    found = {reference for reference in lost if resolved(reference, schema) is not None}
    return hoisted(dict(schema), found, schema) if found else schema


def _definitions_of(schema: Mapping[str, Any]) -> dict[str, Any]:
    return {
        f"#/{place}/{name}": definition
        for place in _DEFINITIONS
        for name, definition in schema.get(place, {}).items()
    }


def strict_schema(schema: Mapping[str, Any], *, tool: str) -> dict[str, Any]:
    """The schema of a strict tool, which the wire wants in the terms of an output schema.

    Raises ``UnsupportedOptionError``, naming the tool, as ``output_schema`` does.
    """
    try:
        return output_schema(schema)
    except UnsupportedOptionError as error:
        reason = error.message.replace(_ANOTHER_WAY, "leave strict out")
        raise UnsupportedOptionError(f"tool {tool!r} cannot be strict: {reason}") from None


def has_references(schema: Any) -> bool:
    """Whether ``$ref`` stands anywhere in a schema: as a reference, or as the name of a property."""
    if isinstance(schema, Mapping):
        return "$ref" in schema or any(map(has_references, schema.values()))
    return isinstance(schema, (list, tuple)) and any(map(has_references, schema))


def is_recursive(schema: Mapping[str, Any]) -> bool:
    """Whether a schema or its definitions contain themselves."""
    definitions = _definitions_of(schema)
    if "#" in _references(schema):
        return True
    try:
        for pointer in definitions:
            _refuse_recursion(pointer, definitions, (), set())
    except UnsupportedOptionError:
        return True
    return False


def enforceable(schema: Mapping[str, Any]) -> dict[str, Any] | None:
    """``schema`` as ``output_config.format`` takes it, or ``None`` if only a tool can say it."""
    try:
        return output_schema(schema)
    except UnsupportedOptionError:
        return None


def _rewrite(schema: Any, place: str) -> dict[str, Any]:
    if not isinstance(schema, Mapping) or not schema.keys() - _SILENT - set(_KEPT):
        raise UnsupportedOptionError(
            f"{place} may hold a value of any type; name its type, or {_ANOTHER_WAY}"
        )
    rest = {key: value for key, value in schema.items() if key not in _SILENT}
    kept = {key: rest.pop(key) for key in _KEPT if key in rest}
    if "$ref" in rest:
        reference = {"$ref": rest.pop("$ref")}
        return _described({"anyOf": [reference], **kept}, rest) if kept or rest else reference
    for keyword, spelled in _COMBINERS.items():
        if keyword in rest:
            variants = [_rewrite(variant, f"{place} ({keyword})") for variant in rest.pop(keyword)]
            return _described({spelled: variants, **kept}, rest)
    if isinstance(rest.get("type"), list):
        variants = [_rewrite({**rest, "type": kind}, place) for kind in rest.pop("type")]
        return {"anyOf": variants, **kept}
    return _described({**_rewrite_value(rest, place), **kept}, rest)


def _rewrite_value(rest: dict[str, Any], place: str) -> dict[str, Any]:
    """The part of one plain value's schema that the wire takes; it is taken out of ``rest``."""
    literals: dict[str, Any] = {key: rest.pop(key) for key in ("enum", "const") if key in rest}
    kind = rest.pop("type", None)
    if literals:
        values = [*literals.get("enum", ()), *([literals["const"]] if "const" in literals else [])]
        if any(isinstance(value, (Mapping, list)) for value in values):
            raise UnsupportedOptionError(f"{place} names objects or lists as its values; {_ANOTHER_WAY}")
        return literals
    if kind is None and "properties" in rest:
        kind = "object"
    if kind not in _TYPES:
        raise UnsupportedOptionError(f"{place} has type {kind!r}, which is not a JSON type")
    result: dict[str, Any] = {"type": kind}
    if kind == "object":
        result |= _rewrite_object(rest, place)
    elif kind == "array":
        if rest.get("minItems") in (0, 1):
            result["minItems"] = rest.pop("minItems")
        if "prefixItems" in rest:
            variants = [
                _rewrite(item, f"{place}[{index}]") for index, item in enumerate(rest.pop("prefixItems"))
            ]
            result["items"] = {"anyOf": variants}
            rest["items"] = f"{len(variants)}, in the order of their schemas"
        elif "items" in rest:
            result["items"] = _rewrite(rest.pop("items"), f"{place}[]")
    elif kind == "string" and rest.get("format") in _STRING_FORMATS:
        result["format"] = rest.pop("format")
    return result


def _rewrite_object(rest: dict[str, Any], place: str) -> dict[str, Any]:
    properties = rest.pop("properties", {})
    extra = rest.pop("additionalProperties", None)
    if extra or "patternProperties" in rest:  # objects are closed there: free keys would vanish
        raise UnsupportedOptionError(f"{place} is a mapping with free keys; {_ANOTHER_WAY}")
    if refused := [name for name in properties if not PROPERTY_NAME.fullmatch(name)]:
        raise UnsupportedOptionError(
            f"{place} has a property {refused[0]!r}, a name that the wire refuses; {_ANOTHER_WAY}"
        )
    result: dict[str, Any] = {
        "properties": {name: _rewrite(part, f"{place}.{name}") for name, part in properties.items()},
        "additionalProperties": False,
    }
    required = rest.pop("required", ())
    if required:
        result["required"] = [name for name in required if name in properties]
    if unknown := [name for name in required if name not in properties]:
        rest["required"] = unknown  # the object is closed there, so it cannot have them
    return result


def _described(schema: dict[str, Any], leftover: Mapping[str, Any]) -> dict[str, Any]:
    """``schema`` with the constraints that the wire does not take as words for the model."""
    if not leftover:
        return schema
    words = ", ".join(f"{key}: {json.dumps(value, ensure_ascii=False)}" for key, value in leftover.items())
    description = schema.get("description")
    return {**schema, "description": f"{description} ({words})" if description else f"({words})"}


def _refuse_recursion(
    pointer: str, definitions: Mapping[str, Any], above: tuple[str, ...], cleared: set[str]
) -> None:
    if pointer in above:
        raise UnsupportedOptionError(f"the schema refers to itself at {pointer}; {_ANOTHER_WAY}")
    if pointer in cleared:
        return
    for reference in _references(_resolve(pointer, definitions)):
        _refuse_recursion(reference, definitions, (*above, pointer), cleared)
    cleared.add(pointer)


def _references(node: Any) -> list[str]:
    if isinstance(node, Mapping):
        own = [node["$ref"]] if isinstance(node.get("$ref"), str) else []
        return own + [ref for value in node.values() for ref in _references(value)]
    return [ref for value in node for ref in _references(value)] if isinstance(node, list) else []


def _resolve(pointer: str, definitions: Mapping[str, Any]) -> Mapping[str, Any]:
    try:
        found: Mapping[str, Any] = definitions[pointer]
    except KeyError:
        raise UnsupportedOptionError(
            f"the schema refers to {pointer!r}, which is not among its own definitions"
        ) from None
    return found
