"""A tool's schema as the wire takes it: a plain object at the root, names in the wire's characters.

Schemas come from MCP servers, classes and other providers, and one that the wire refuses has every call
of the conversation refused. The wire wants no ``oneOf``, ``anyOf`` or ``allOf`` at the root, so the
branches are folded into one object that has the properties of all, requires what all require, and the
choice is told in words. Property names of other characters are replaced; the way back is ``Keys``.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from typing import Any, Final, TypeAlias

from aivideoapi_core._errors import UnsupportedOptionError
from aivideoapi_core._outbound.schema_draft import modern
from aivideoapi_core._outbound.schema_keywords import HOLDERS, RIGHT, children_of, is_plain, is_right
from aivideoapi_core._outbound.schema_references import (
    DEFINITIONS,
    REFERRING,
    hoisted,
    lost_references,
    resolved,
    with_children,
    with_pointers,
    without_unused,
)

PROPERTY_NAME: Final = re.compile(r"[a-zA-Z0-9_.-]{1,64}")
"""What the wire accepts as the name of a property (match the whole name)."""

Keys: TypeAlias = dict[str, str]
"""The names of a tool's properties on the wire, and the caller's own; those that differ."""

_LONGEST_NAME: Final = 64
_REFUSED: Final = re.compile(r"[^a-zA-Z0-9_.-]")
_COMBINERS: Final = ("allOf", "anyOf", "oneOf")
_LITERAL: Final = frozenset({"const", "enum", "type", "title", "default", "description"})


def tool_schema(schema: Any, *, tool: str) -> tuple[dict[str, Any], str, Keys]:
    """``schema`` as an ``input_schema``, the words for what that cannot say, and the names that were replaced.

    The argument is left untouched. Raises ``UnsupportedOptionError``, naming tool and place, for a root
    that is no object.
    """
    if schema is True:
        schema = {}
    if schema is not None and not isinstance(schema, Mapping):
        raise UnsupportedOptionError(f"tool {tool!r}: input_schema must be a JSON schema, not {schema!r}")
    names, references = dict[str, None](), set[str]()
    source = in_newest_draft(schema or {}, names, references)
    words: list[str] = []
    result = {"type": "object", **source}
    is_folded = "$ref" in source or source.get("type") != "object" or not source.keys().isdisjoint(_COMBINERS)
    if is_folded:
        result = {"type": "object"} | _as_object(source, source, words, place=f"tool {tool!r}")
        for group in DEFINITIONS:
            if group in source:
                result[group] = source[group]
        result.setdefault("properties", {})
        names, references = {}, set()
        _survey(result, names, references)
    refused = [name for name in names if not PROPERTY_NAME.fullmatch(name)]
    lost = lost_references(references, result, refused)
    if lost:
        result = hoisted(result, lost, source)
        names = {}
        _survey(result, names, set())
        refused = [name for name in names if not PROPERTY_NAME.fullmatch(name)]
    if lost or is_folded:
        result = without_unused(result)
    keys = _replacements(refused, names) if refused else {}
    if keys:
        result = _rewritten(result, {own: wire for wire, own in keys.items()})
    return result, "\n".join(words), keys


def in_newest_draft(
    schema: Mapping[str, Any],
    names: dict[str, None] | None = None,
    references: set[str] | None = None,
) -> Mapping[str, Any]:
    """``schema`` as JSON Schema 2020-12 has it, the same object if it is so; its names and references are collected."""
    names = {} if names is None else names
    references = set() if references is None else references
    if _survey(schema, names, references):
        return schema
    schema = modern(with_pointers(schema, references))
    names.clear()
    references.clear()
    _survey(schema, names, references)
    return schema


def _survey(node: Mapping[Any, Any], names: dict[str, None], references: set[str]) -> bool:
    """Collect property names and references; false where something is not as the newest draft has it."""
    is_modern = True
    for key, value in node.items():
        if (right := RIGHT.get(key)) is not None:
            if not right(value):
                is_modern = False
            if key in REFERRING and isinstance(value, str):
                references.add(value)
        elif key in HOLDERS:
            if not is_right(key, value):
                is_modern = False
            elif key == "properties":
                names.update(dict.fromkeys(value))
            for child in children_of(key, value):
                if isinstance(child, Mapping):
                    is_modern = _survey(child, names, references) and is_modern
                elif not isinstance(child, bool):
                    is_modern = False
        elif not is_plain(value):
            is_modern = False
    return is_modern


# Names.


def _replacements(refused: Iterable[str], taken: Iterable[str]) -> Keys:
    used = set(taken)
    keys: Keys = {}
    for name in refused:
        base = _REFUSED.sub("_", name)[:_LONGEST_NAME] or "_"
        wire, number = base, 1
        while wire in used:
            number += 1
            wire = f"{base[: _LONGEST_NAME - 4]}_{number}"
        used.add(wire)
        keys[wire] = name
    return keys


def _rewritten(node: Mapping[str, Any], wire: Mapping[str, str]) -> dict[str, Any]:
    """``node`` with its properties by their names on the wire."""
    result = with_children(node, lambda child: _rewritten(child, wire))
    for keyword in ("properties", "dependentSchemas", "dependentRequired"):
        if isinstance(result.get(keyword), Mapping):
            result[keyword] = {
                wire.get(name, name): _called(part, name)
                if keyword == "properties" and name in wire
                else part
                for name, part in result[keyword].items()
            }
    if isinstance(result.get("required"), list):
        result["required"] = [wire.get(name, name) for name in result["required"]]
    if isinstance(result.get("dependentRequired"), Mapping):
        result["dependentRequired"] = {
            name: [wire.get(other, other) for other in others]
            for name, others in result["dependentRequired"].items()
        }
    return result


def _called(part: Any, name: str) -> Any:
    """A property's schema that tells the model its own name, which the rest of the tool may speak of."""
    if not isinstance(part, Mapping):
        return part
    said = f"(its name is {json.dumps(name, ensure_ascii=False)})"
    return {**part, "description": f"{part['description']} {said}" if part.get("description") else said}


def renamed_keys(value: Any, keys: Mapping[str, str]) -> Any:
    """``value`` with the keys of its objects, at any depth, replaced by ``keys``; a copy."""
    if isinstance(value, Mapping):
        return {keys.get(name, name): renamed_keys(part, keys) for name, part in value.items()}
    return [renamed_keys(part, keys) for part in value] if isinstance(value, list) else value


# The root.


def _as_object(
    node: Any, root: Mapping[str, Any], words: list[str], *, place: str, above: tuple[str, ...] = ()
) -> dict[str, Any]:
    """``node`` as one object without a reference or a choice at its root; the choice goes to ``words``."""
    if node is True:
        return {}
    if not isinstance(node, Mapping):
        raise UnsupportedOptionError(f"{place}: {node!r} is not the schema of an object")
    result = {key: value for key, value in node.items() if key not in DEFINITIONS}
    while "$ref" in result:
        reference = result.pop("$ref")
        target = resolved(reference, root) if isinstance(reference, str) else None
        if not isinstance(target, Mapping) or reference in above:
            raise UnsupportedOptionError(f"{place}: the reference {reference!r} leads nowhere")
        above = (*above, reference)
        target = {key: value for key, value in target.items() if key not in DEFINITIONS}
        for key in ("properties", "required"):  # what stands beside a reference adds to it
            if target.get(key) and key in result:
                result[key] = (
                    {**target[key], **result[key]}
                    if key == "properties"
                    else [*dict.fromkeys([*target[key], *result[key]])]
                )
        result = {**target, **result}
    if not _may_be_object(result, root):
        what = (
            f"of type {result['type']!r}"
            if result.get("type") not in (None, "object")
            else "one of few values"
        )
        raise UnsupportedOptionError(
            f"{place} is {what} at its root, and the wire takes an object only: put the value into a field of an object"
        )
    result["type"] = "object"
    for keyword in _COMBINERS:
        branches = result.pop(keyword, None)
        if isinstance(branches, list):
            meant = [
                (number, branch)
                for number, branch in enumerate(branches)
                if keyword == "allOf" or _may_be_object(branch, root)
            ]
            folded = [
                _as_object(branch, root, words, place=f"{place}, {keyword}[{number}]", above=above)
                for number, branch in meant or enumerate(branches)
            ]
            _fold(result, folded, keyword, words)
    return result


def _may_be_object(branch: Any, root: Mapping[str, Any]) -> bool:
    """Whether a branch has objects among its values: a tool's input is one, so no other branch is ever meant."""
    seen: set[Any] = set()
    while isinstance(branch, Mapping) and isinstance(reference := branch.get("$ref"), str):
        if reference in seen:
            return True
        seen.add(reference)
        branch = resolved(reference, root)
    if not isinstance(branch, Mapping):
        return branch is not False
    kind = branch.get("type")
    literals = branch.get("enum", [branch["const"]] if "const" in branch else [{}])
    return (kind is None or kind == "object" or (isinstance(kind, list) and "object" in kind)) and any(
        isinstance(literal, Mapping) for literal in literals
    )


def _fold(result: dict[str, Any], branches: list[dict[str, Any]], keyword: str, words: list[str]) -> None:
    """Take ``branches`` into ``result``."""
    together = keyword == "allOf" or len(branches) == 1
    properties = dict(result.get("properties") or {})
    for branch in branches:
        for name, part in (branch.get("properties") or {}).items():
            properties[name] = (
                _both(properties[name], part, together=together) if name in properties else part
            )
    lists = [branch.get("required") or [] for branch in branches]
    required = list(result.get("required") or [])
    for name in dict.fromkeys(name for names in lists for name in names):
        if name not in required and (together or all(name in names for names in lists)):
            required.append(name)
    closed = [branch.get("additionalProperties") is False for branch in branches]
    if any(closed) if together else closed and all(closed):
        result["additionalProperties"] = False
    elif not together and result.get("additionalProperties") is not False:
        result.pop("additionalProperties", None)
    if together:
        for branch in branches:
            for key, value in branch.items():
                result.setdefault(key, value)
    elif branches:
        amount = "exactly one" if keyword == "oneOf" else "at least one"
        forms = "; ".join(f"({number}) {_form(branch)}" for number, branch in enumerate(branches, start=1))
        words.append(f"The input must have {amount} of these forms: {forms}.")
    if properties:
        result["properties"] = properties
    if required:
        result["required"] = required


def _both(one: Any, other: Any, *, together: bool) -> Any:
    """One property that two branches have: of both kinds at once (``together``), or of either."""
    if one == other or other is True or not isinstance(other, Mapping):
        return one
    if not isinstance(one, Mapping):
        return other
    if together:
        return {**one, **other}
    literals = [part.get("enum", [part["const"]] if "const" in part else None) for part in (one, other)]
    if all(literals) and not (one.keys() | other.keys()) - _LITERAL and one.get("type") == other.get("type"):
        kept = {key: one[key] for key in ("type", "title", "description") if key in one}
        values = literals[0] + [value for value in literals[1] if value not in literals[0]]
        return {**kept, "enum": values}
    variants = one["anyOf"] if one.keys() == {"anyOf"} else [one]
    return one if other in variants else {"anyOf": [*variants, other]}


def _form(branch: Mapping[str, Any]) -> str:
    properties: Mapping[str, Any] = branch.get("properties") or {}
    required = list(branch.get("required") or ())
    optional = [name for name in properties if name not in required]
    label = ": ".join(str(branch[key]).strip() for key in ("title", "description") if branch.get(key))
    parts = [
        f"{kind} {', '.join(_said(name, properties.get(name)) for name in names)}"
        for kind, names in (("with", required), ("optional", optional))
        if names
    ]
    text = ", ".join(parts) or "any object"
    return f"{label}, {text}" if label else text


def _said(name: str, part: Any) -> str:
    literal = part.get("const", part.get("enum")) if isinstance(part, Mapping) else None
    return name if literal is None else f"{name} = {json.dumps(literal, ensure_ascii=False)}"
