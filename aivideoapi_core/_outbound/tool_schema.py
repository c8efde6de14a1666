"""A tool's schema as the wire takes it: a plain object at the root, names in the wire's characters.

Schemas come from MCP servers, classes and other providers, and one that the wire refuses has every call
of the conversation refused. The wire wants no ``oneOf``, ``anyOf`` or ``allOf`` at the root, so the
branches are folded into one object that has the properties of all, requires what all require, and the
choice is told in words. Property names of other characters are replaced; the way back is ``Keys``.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final, TypeAlias

from aivideoapi_core._errors import UnsupportedOptionError

PROPERTY_NAME: Final = re.compile(r"[a-zA-Z0-9_.-]{1,64}")
"""What the wire accepts as the name of a property (match the whole name)."""

Keys: TypeAlias = dict[str, str]
"""The names of a tool's properties on the wire, and the caller's own; those that differ."""

_LONGEST_NAME: Final = 64
_REFUSED: Final = re.compile(r"[^a-zA-Z0-9_.-]")
_COMBINERS: Final = ("allOf", "anyOf", "oneOf")
_MAPS: Final = frozenset({"properties", "patternProperties", "dependentSchemas", "$defs", "definitions"})
_LISTS: Final = frozenset({"anyOf", "oneOf", "allOf", "prefixItems", "items"})
_SINGLES: Final = frozenset(
    {
        "items", "additionalProperties", "additionalItems", "not", "if", "then", "else", "contains",
        "propertyNames", "unevaluatedProperties", "unevaluatedItems",
    }
)  # fmt: skip
_DEFINITIONS: Final = ("$defs", "definitions")
_LITERAL: Final = frozenset({"const", "enum", "type", "title", "default", "description"})


def tool_schema(schema: Any, *, tool: str) -> tuple[dict[str, Any], str, Keys]:
    """``schema`` as an ``input_schema``, the words for what that cannot say, and the names that were replaced.

    The argument is left untouched. Raises ``UnsupportedOptionError``, naming tool and place, for a root
    that is no object.
    """
    if schema is not None and not isinstance(schema, Mapping):
        raise UnsupportedOptionError(f"tool {tool!r}: input_schema must be a JSON schema, not {schema!r}")
    source: Mapping[str, Any] = schema or {}
    words: list[str] = []
    result = dict(source)
    if "$ref" in source or source.get("type") != "object" or any(key in source for key in _COMBINERS):
        result = _as_object(source, source, words, place=f"tool {tool!r}")
        for group in _DEFINITIONS:
            if group in source:
                result[group] = source[group]
    for name in ("properties", "required"):
        if name in result and result[name] is None:
            del result[name]
    if source.get("type") != "object":
        result.setdefault("properties", {})
    result = {"type": "object"} | result
    names: dict[str, None] = {}
    references: set[str] = set()
    is_modern = _survey(result, names, references)
    lost = {ref for ref in references if ref != "#" and _resolved(ref, result) is None}
    refused = [name for name in names if not PROPERTY_NAME.fullmatch(name)]
    if refused:  # what leads through a property that is going to have another name
        lost |= {ref for ref in references if ref != "#" and not set(_path(ref)).isdisjoint(refused)}
    if lost:
        result = _hoisted(result, lost, source)
    keys = _replacements(refused, names) if refused else {}
    if keys or not is_modern:
        result = _rewritten(result, {own: wire for wire, own in keys.items()})
    return result, "\n".join(words), keys


def _survey(node: Mapping[str, Any], names: dict[str, None], references: set[str]) -> bool:
    """Collect property names and references; false where lists of ``items`` are as in older drafts."""
    is_modern = True
    for key, value in node.items():
        if key in _MAPS and isinstance(value, Mapping):
            if key == "properties":
                names.update(dict.fromkeys(value))
            children: Iterable[Any] = value.values()
        elif key in _LISTS and isinstance(value, list):
            is_modern = is_modern and key != "items"
            children = value
        elif key in _SINGLES:
            children = (value,)
        else:
            if key == "$ref" and isinstance(value, str):
                references.add(value)
            continue
        for child in children:
            if isinstance(child, Mapping):
                is_modern = _survey(child, names, references) and is_modern
    return is_modern


# References.


def _path(reference: str) -> list[str]:
    return [part.replace("~1", "/").replace("~0", "~") for part in reference.split("/")[1:]]


def _resolved(reference: str, root: Mapping[str, Any]) -> Any:
    """What a reference within ``root`` points to, ``None`` if it points nowhere."""
    if not reference.startswith("#"):
        return None
    node: Any = root
    for key in _path(reference):
        if isinstance(node, Mapping):
            node = node.get(key)
        elif isinstance(node, list) and key.isdecimal() and int(key) < len(node):
            node = node[int(key)]
        else:
            return None
    return node if isinstance(node, (Mapping, bool)) else None


def _hoisted(schema: dict[str, Any], lost: set[str], source: Mapping[str, Any]) -> dict[str, Any]:
    """``schema`` with what its ``lost`` references point to in ``source`` among its definitions.

    One that points nowhere, or to another document, becomes a value of any type, told in words.
    """
    places: dict[str, str] = {}
    definitions = dict(schema.get("$defs") or {})

    def place_of(reference: str) -> Mapping[str, Any]:
        target = _resolved(reference, source)
        if target is None:
            return {"description": f"As in {reference}, which is not given here."}
        if reference not in places:
            name = re.sub(r"\W+", "_", reference).strip("_") or "root"
            while name in definitions:
                name += "_"
            places[reference] = name
            definitions[name] = {}  # it may contain itself
            definitions[name] = visit(target) if isinstance(target, Mapping) else target
        return {"$ref": f"#/$defs/{places[reference]}"}

    def visit(node: Mapping[str, Any]) -> dict[str, Any]:
        reference = node.get("$ref")
        is_lost = isinstance(reference, str) and (
            reference in lost or (reference != "#" and _resolved(reference, schema) is None)
        )
        if not is_lost:
            return _with_children(node, visit)
        rest = {key: value for key, value in node.items() if key != "$ref"}
        return {**place_of(str(reference)), **_with_children(rest, visit)}

    result = visit(schema)
    definitions = {**(result.get("$defs") or {}), **{name: definitions[name] for name in places.values()}}
    return {**result, "$defs": definitions} if definitions else result


def _with_children(node: Mapping[str, Any], visit: Callable[[Mapping[str, Any]], Any]) -> dict[str, Any]:
    """A copy of ``node`` whose subschemas are what ``visit`` makes of them."""

    def child(value: Any) -> Any:
        return visit(value) if isinstance(value, Mapping) else value

    result: dict[str, Any] = {}
    for key, value in node.items():
        if key in _MAPS and isinstance(value, Mapping):
            result[key] = {name: child(part) for name, part in value.items()}
        elif key in _LISTS and isinstance(value, list):
            result[key] = [child(part) for part in value]
        else:
            result[key] = child(value) if key in _SINGLES else value
    return result


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
    """``node`` with its properties by their names on the wire, and tuples as the newest draft has them."""
    result = _with_children(node, lambda child: _rewritten(child, wire))
    if isinstance(result.get("items"), list):
        result["prefixItems"] = result.pop("items")
        if "additionalItems" in result:
            result["items"] = result.pop("additionalItems")
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
    result = {key: value for key, value in node.items() if key not in _DEFINITIONS}
    while "$ref" in result:
        reference = result.pop("$ref")
        target = _resolved(reference, root) if isinstance(reference, str) else None
        if not isinstance(target, Mapping) or reference in above:
            raise UnsupportedOptionError(f"{place}: the reference {reference!r} leads nowhere")
        above = (*above, reference)
        result = {**{key: value for key, value in target.items() if key not in _DEFINITIONS}, **result}
    kind = result.get("type")
    if kind is not None and kind != "object" and not (isinstance(kind, list) and "object" in kind):
        raise UnsupportedOptionError(
            f"{place} is of type {kind!r} at its root, and the wire takes an object only: "
            "put the value into a field of an object"
        )
    result["type"] = "object"
    for keyword in _COMBINERS:
        branches = result.pop(keyword, None)
        if isinstance(branches, list):
            folded = [
                _as_object(branch, root, words, place=f"{place}, {keyword}[{number}]", above=above)
                for number, branch in enumerate(branches)
                if not (isinstance(branch, Mapping) and branch.get("type") == "null")
            ]
            _fold(result, folded, keyword, words)
    return result


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
