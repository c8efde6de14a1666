"""References within a JSON schema: what they point to, and how they outlive a rewriting of the schema."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final
from urllib.parse import unquote

from aivideoapi_core._outbound.schema_draft import modern
from aivideoapi_core._outbound.schema_keywords import HOLDERS, LISTS, MAPS, SINGLES, children_of

DEFINITIONS: Final = ("$defs", "definitions")
"""The keywords that hold what references point to."""
REFERRING: Final = ("$ref", "$dynamicRef", "$recursiveRef")
"""The keywords that point there, two of them in some drafts only."""
_PLAIN: Final = re.compile(r"#(/[a-zA-Z0-9_.~$-]+)*")
"""A reference that every reader follows: a pointer in which nothing is escaped."""
_ELSEWHERE: Final = ("components",)
"""Where documents of OpenAPI have their schemas, which no draft knows of."""


def _path(reference: str) -> list[str]:
    return [part.replace("~1", "/").replace("~0", "~") for part in unquote(reference).split("/")[1:]]


def resolved(reference: str, root: Mapping[str, Any]) -> Any:
    """What a reference within ``root`` points to, ``None`` if it points nowhere or to another document."""
    if reference != "#" and not reference.startswith("#/"):
        return None
    node: Any = root
    path = _path(reference)
    for number, key in enumerate(path):
        if isinstance(node, Mapping):
            if (
                key == "items"
                and "prefixItems" in node
                and path[number + 1 :][:1]
                and path[number + 1].isdecimal()
            ):
                key = "prefixItems"  # a tuple of the older drafts
            node = node.get(key)
        elif isinstance(node, list) and key.isdecimal() and int(key) < len(node):
            node = node[int(key)]
        else:
            return None
    return node if isinstance(node, (Mapping, bool)) else None


def lost_references(references: Iterable[str], schema: Mapping[str, Any], refused: Iterable[str]) -> set[str]:
    """The references that a reader of ``schema`` could not follow once the ``refused`` names are replaced."""
    gone = set(refused)
    lost = set()
    for reference in references:
        path = _path(reference)
        if reference != "#" and (
            not _PLAIN.fullmatch(reference)
            or resolved(reference, schema) is None
            or not path
            or path[0] not in HOLDERS
            or "items" in path[:-1]
            or not gone.isdisjoint(path)
        ):
            lost.add(reference)
    return lost


def with_pointers(schema: Mapping[str, Any], references: Iterable[str]) -> Mapping[str, Any]:
    """``schema`` with pointers where it refers to names that its parts give themselves (``$id``, ``$anchor``)."""
    named: dict[str, str] = {}
    if any(not reference.startswith("#/") for reference in references):
        _collect_names(schema, "#", named)
    base = schema.get("$id")
    if isinstance(base, str) and (base := base.partition("#")[0]):
        named |= {
            reference: named.get(rest, rest)
            for reference in references
            if reference.startswith(base) and (rest := reference.removeprefix(base)).startswith("#")
        }
    return _renamed(schema, named) if named else schema


def _collect_names(node: Mapping[str, Any], pointer: str, named: dict[str, str]) -> None:
    if isinstance(name := node.get("$id"), str):
        named.setdefault(name, pointer)
    for keyword in ("$anchor", "$dynamicAnchor"):
        if isinstance(name := node.get(keyword), str):
            named.setdefault(f"#{name}", pointer)
    for key, value in node.items():
        if key in MAPS and isinstance(value, Mapping):
            parts: Iterable[tuple[Any, Any]] = value.items()
        elif key in LISTS and isinstance(value, list):
            parts = enumerate(value)
        else:
            if key in SINGLES and isinstance(value, Mapping):
                _collect_names(value, f"{pointer}/{key}", named)
            continue
        for name, part in parts:
            if isinstance(part, Mapping):
                escaped = str(name).replace("~", "~0").replace("/", "~1")
                _collect_names(part, f"{pointer}/{key}/{escaped}", named)


def _renamed(node: Mapping[str, Any], named: Mapping[str, str]) -> dict[str, Any]:
    result = with_children(node, lambda child: _renamed(child, named))
    for keyword in REFERRING:
        if isinstance(reference := result.get(keyword), str) and reference in named:
            result[keyword] = named[reference]
    return result


def hoisted(schema: dict[str, Any], lost: set[str], source: Mapping[str, Any]) -> dict[str, Any]:
    """``schema`` with what its ``lost`` references point to in ``source`` among its definitions.

    One that points nowhere, or to another document, becomes a value of any type, told in words.
    """
    places: dict[str, str] = {}
    definitions = dict(schema.get("$defs") or {})

    def place_of(reference: str) -> Mapping[str, Any]:
        target = resolved(reference, source)
        if target is None:
            return {"description": f"As in {reference}, which is not given here."}
        if reference not in places:
            name = re.sub(r"\W+", "_", unquote(reference), flags=re.ASCII).strip("_") or "root"
            while name in definitions:
                name += "_"
            places[reference] = name
            definitions[name] = {}  # it may contain itself
            if isinstance(target, Mapping):
                is_known = _path(reference)[0] in HOLDERS
                target = visit(target if is_known else modern(target))
            definitions[name] = target
        return {"$ref": f"#/$defs/{places[reference]}"}

    def visit(node: Mapping[str, Any]) -> dict[str, Any]:
        reference = node.get("$ref")
        if not isinstance(reference, str) or not (
            reference in lost or lost_references((reference,), schema, ())
        ):
            return with_children(node, visit)
        rest = {key: value for key, value in node.items() if key != "$ref"}
        return {**place_of(reference), **with_children(rest, visit)}

    result = visit(schema)
    definitions = {**(result.get("$defs") or {}), **{name: definitions[name] for name in places.values()}}
    return {**result, "$defs": definitions} if definitions else result


def without_unused(schema: Mapping[str, Any]) -> dict[str, Any]:
    """``schema`` without the definitions that nothing in it refers to."""
    used: set[str] = set()
    todo = [{key: value for key, value in schema.items() if key not in DEFINITIONS}]
    while todo:
        for reference in _references(todo.pop()):
            if reference not in used:
                used.add(reference)
                target = resolved(reference, schema)
                if isinstance(target, Mapping):
                    todo.append({**target})
    result = {key: value for key, value in schema.items() if key not in _ELSEWHERE}
    for group in DEFINITIONS:
        if group in result:
            result[group] = {
                name: part
                for name, part in result[group].items()
                if any(
                    reference == f"#/{group}/{name}" or reference.startswith(f"#/{group}/{name}/")
                    for reference in used
                )
            }
            if not result[group]:
                del result[group]
    return result


def _references(node: Mapping[str, Any]) -> Iterable[str]:
    for key, value in node.items():
        if key == "$ref" and isinstance(value, str):
            yield value
        for child in children_of(key, value):
            if isinstance(child, Mapping):
                yield from _references(child)


def with_children(node: Mapping[str, Any], visit: Callable[[Mapping[str, Any]], Any]) -> dict[str, Any]:
    """A copy of ``node`` whose subschemas are what ``visit`` makes of them."""

    def child(value: Any) -> Any:
        return visit(value) if isinstance(value, Mapping) else value

    result: dict[str, Any] = {}
    for key, value in node.items():
        if key in MAPS and isinstance(value, Mapping):
            result[key] = {name: child(part) for name, part in value.items()}
        elif (key in LISTS or key == "items") and isinstance(value, list):
            result[key] = [child(part) for part in value]
        else:
            result[key] = child(value) if key in SINGLES else value
    return result
