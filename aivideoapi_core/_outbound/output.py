"""The way to ask for an object of a schema: by an output format, or by a tool that takes it; for both adapters."""

from __future__ import annotations

import enum
import functools
import re
import types
from collections.abc import Mapping
from typing import Any, Final, Literal, NamedTuple, Union, cast, get_origin

from pydantic import BaseModel, Field, PydanticUserError, create_model, model_validator
from pydantic_core import SchemaError

from aivideoapi_core._catalogue.models import model_info
from aivideoapi_core._catalogue.routes import Route
from aivideoapi_core._errors import InvalidInputError, UnsupportedOptionError
from aivideoapi_core._outbound.in_words import with_instruction
from aivideoapi_core._outbound.output_schema import enforceable
from aivideoapi_core._outbound.schema_references import DEFINITIONS, resolved
from aivideoapi_core._outbound.thinking import excludes_forced_tools
from aivideoapi_core._outbound.typed_dicts import readable

VALUE: Final = "value"
"""The one field of an object that stands for a value which is none."""

_SCALARS: Final = (str, int, float, bool, bytes)
_COLLECTIONS: Final = (list, tuple, set, frozenset, dict)


def output_format(model: str, schema: Mapping[str, Any], *, thinking: Any = None) -> dict[str, Any] | None:
    """``schema`` as ``output_config.format`` if that is the way for ``model``, else ``None``: ask by a tool.

    The native route documents no format, and some shapes (recursion, free keys) can be said by a tool only.
    Of a model that is not in the catalogue it is not known whether it has formats, while all have tools:
    so a tool is asked for, unless ``thinking`` excludes that it is forced.
    """
    info = model_info(model)
    if info.route is not Route.DIRECT or not (info.structured_output or excludes_forced_tools(thinking)):
        return None
    wanted = enforceable(schema)
    return None if wanted is None else {"type": "json_schema", "schema": wanted}


class Asked(NamedTuple):
    """How JSON was asked for: by a ``tool`` of that name, ``None`` without; and whether the value is in one field."""

    tool: str | None
    is_wrapped: bool = False


def add_output_format(
    model: str, options: dict[str, Any], wanted: tuple[str, Mapping[str, Any]] | None
) -> Asked:
    """Ask in ``options`` for JSON that follows the schema ``wanted``, which has a name; without, for any JSON object.

    Where ``output_format`` has no way, a tool that takes the schema's object stands in: the model must call it.
    """
    if wanted is None:
        options["system"] = with_instruction(options.get("system"), _JSON_ONLY)
        return Asked(None)
    name, schema = wanted
    if is_wrapped := not is_object(schema):
        schema = wrapped_schema(schema)
    form = output_format(model, schema, thinking=options.get("thinking"))
    if form is not None:
        options["output_config"] = {**options.get("output_config", {}), "format": form}
        return Asked(None, is_wrapped)
    return Asked(_add_output_tool(options, name, rooted(schema)), is_wrapped)


_NOT_IN_NAMES: Final = re.compile(r"[^a-zA-Z0-9_-]+")
_JSON_ONLY: Final = "Answer with one JSON object and nothing else: no other text, no Markdown fences."
_USE_THE_TOOL: Final = "Give your final answer by calling the tool {name!r}, without any other text."


def _add_output_tool(options: dict[str, Any], name: str, schema: Mapping[str, Any]) -> str:
    taken = {tool.get("name") for tool in options.get("tools", ())}
    name = _NOT_IN_NAMES.sub("_", name)[:120] or "answer"
    while name in taken:
        name += "_"
    description = schema.get("description") or "The final answer, in the form that was asked for."
    tool = {"name": name, "description": description, "input_schema": dict(schema)}
    options["tools"] = [*options.get("tools", ()), tool]
    if excludes_forced_tools(options.get("thinking")):
        options["system"] = with_instruction(options.get("system"), _USE_THE_TOOL.format(name=name))
    elif options.get("tool_choice", {}).get("type", "auto") == "auto":
        options["tool_choice"] = {**options.get("tool_choice", {}), "type": "any"}
    return name


def rooted(schema: Mapping[str, Any]) -> dict[str, Any]:
    """``schema`` with the object itself, not a reference to it, at the root, where tools want it.

    Raises ``UnsupportedOptionError`` if that is no object: neither a tool nor an output format can say it.
    """
    root = dict(schema)
    while isinstance(reference := root.pop("$ref", None), str):
        place, _, name = reference.removeprefix("#/").partition("/")
        found = schema.get(place, {}).get(name)
        if not isinstance(found, Mapping) or found.get("$ref") == reference:
            raise UnsupportedOptionError(f"the schema's reference {reference!r} leads nowhere")
        root = {**found, **root}
    if _type_of(root) != "object":
        raise UnsupportedOptionError(
            "the schema must be of type object at its root; put the value into a field of an object"
        )
    return root if "type" in root else {"type": "object", **root}


def is_object(schema: Mapping[str, Any]) -> bool:
    """Whether the root of a JSON schema is an object, which all that is asked for has to be."""
    root = _root_of(schema)
    return root is None or bool(_type_of(root) == "object")  # None: as ``rooted`` says with more words


def _root_of(schema: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """What the references at the root lead to; ``None`` if that is nowhere."""
    root: Any = schema
    seen: set[str] = set()
    while isinstance(reference := root.get("$ref"), str) and reference not in seen:
        seen.add(reference)
        root = resolved(reference, schema)
        if not isinstance(root, Mapping):
            return None
    return cast("Mapping[str, Any]", root)


def _type_of(root: Mapping[str, Any]) -> Any:
    return root.get("type", "object" if "properties" in root else None)


def wrapped_schema(schema: Mapping[str, Any]) -> dict[str, Any]:
    """The schema of an object that has a value of ``schema`` in its one field."""
    definitions = {group: schema[group] for group in DEFINITIONS if group in schema}
    inner = {name: part for name, part in schema.items() if name not in (*DEFINITIONS, "title", "$schema")}
    return {
        "title": schema.get("title") or "answer",
        "type": "object",
        "properties": {VALUE: inner},
        "required": [VALUE],
        **definitions,
    }


def wrapper_of(schema: Any) -> type[BaseModel] | None:
    """A class with one field ``value`` for an output class whose root is no plain object, else ``None``.

    Such are ``RootModel`` of a list, a union, an enum, text or a mapping, and types such as ``list[Row]``.
    The class takes the bare value too, for models that leave the field out.
    """
    return wrapper_for(schema) if _needs_wrapper(schema) else None


def wrapper_for(schema: Any) -> type[BaseModel]:
    """The class that ``wrapper_of`` makes, for any type."""
    name = getattr(schema, "__name__", None) or "Answer"
    if not isinstance(schema, type) or schema in (*_SCALARS, *_COLLECTIONS) or get_origin(schema):
        name = "Answer"
    described = (
        schema.__doc__ if isinstance(schema, type) and schema not in (*_SCALARS, *_COLLECTIONS) else None
    )
    if described is not None and described == BaseModel.__doc__:
        described = None
    fields: dict[str, Any] = {VALUE: (readable(schema), Field())}
    return create_model(name, __base__=_wrapper_base(), __doc__=described, **fields)


def schema_class_of(output_cls: Any) -> tuple[type[Any], dict[str, Any], bool]:
    """The class to ask for, its schema, and whether it wraps ``output_cls``. Raises ``InvalidInputError``."""
    try:
        if output_cls is None:
            raise TypeError("None is no class")
        is_model = isinstance(output_cls, type) and issubclass(output_cls, BaseModel)
        wrapper = wrapper_of(output_cls) if is_model else wrapper_for(output_cls)
        asked_for: type[Any] = wrapper or output_cls
        return asked_for, asked_for.model_json_schema(), wrapper is not None
    except (PydanticUserError, SchemaError, TypeError) as error:
        said = str(error).partition("\n")[0]
        raise InvalidInputError(
            f"output_cls must be a pydantic class, or a type that pydantic knows, not {output_cls!r}: {said}"
        ) from error


@functools.cache
def _wrapper_base() -> type[BaseModel]:
    """The base of the classes that wrap a value, made when the first one is: not all programs need one."""

    class Wrapper(BaseModel):
        @model_validator(mode="before")
        @classmethod
        def _take_the_bare_value(cls, given: Any) -> Any:
            if given is None:
                return given  # nothing that could be read is no value
            return given if isinstance(given, dict) and given.keys() == {VALUE} else {VALUE: given}

    return Wrapper


def _needs_wrapper(schema: Any) -> bool:
    if isinstance(schema, type) and get_origin(schema) is None:
        if issubclass(schema, BaseModel):
            return not _is_plain_object(schema.model_json_schema())
        return issubclass(schema, enum.Enum) or schema in (*_SCALARS, *_COLLECTIONS)
    return get_origin(schema) in (*_COLLECTIONS, Union, types.UnionType, Literal)


def _is_plain_object(schema: Mapping[str, Any]) -> bool:
    """Whether the root of a JSON schema is an object with fields of its own, not a mapping and not a choice."""
    root = _root_of(schema)
    if root is None or _type_of(root) != "object":
        return False
    if "properties" in root:
        return True
    return not (root.keys() & {"anyOf", "oneOf", "allOf", "patternProperties", "propertyNames"}) and not (
        root.get("additionalProperties")
    )
