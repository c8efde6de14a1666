"""The reading of a JSON schema, its references and combinations resolved."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from aivideoapi_core.sandbox._judge.schemas import resolve


def resolved(schema: Any, root: Mapping[str, Any]) -> Mapping[str, Any]:
    """The schema, or what its ``$ref`` points to; empty if it is no schema object."""
    if not isinstance(schema, Mapping):
        return {}
    return (resolve(str(schema["$ref"]), root) or {}) if "$ref" in schema else schema


def merged(schema: Mapping[str, Any], root: Mapping[str, Any]) -> dict[str, Any]:
    merged: dict[str, Any] = {key: value for key, value in schema.items() if key != "allOf"}
    for part in schema["allOf"]:
        target = resolve(str(part["$ref"]), root) if "$ref" in part else part
        for key, value in (target or {}).items():
            if key == "properties":
                merged["properties"] = {**merged.get("properties", {}), **value}
            elif key == "required":
                merged["required"] = [*merged.get("required", []), *value]
            else:
                merged.setdefault(key, value)
    return merged


def enum_values(schema: Any, root: Mapping[str, Any]) -> Iterable[Any]:
    if not isinstance(schema, Mapping):
        return
    if "$ref" in schema:
        yield from enum_values(resolve(str(schema["$ref"]), root), root)
    yield from schema.get("enum") or ()
    for branch in schema.get("anyOf") or ():
        yield from enum_values(branch, root)


def guessed_type(schema: Mapping[str, Any]) -> str:
    if "properties" in schema:
        return "object"
    return "array" if "items" in schema else "string"
