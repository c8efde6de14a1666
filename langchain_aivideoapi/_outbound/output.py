"""Output formats: JSON by a schema on either route.

The direct-forward route has ``output_config.format``. The native route documents nothing of the
kind, and some shapes (recursion, mappings with free keys) cannot be said there, so then a tool that takes the schema's object as its input stands in: the model must call it,
and what it passes is handed on as the text of the reply, streamed or whole. Callers see the same on
both routes: text that is JSON.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping
from typing import Any, Final

from langchain_core.utils.function_calling import convert_to_json_schema
from langchain_core.utils.pydantic import is_basemodel_subclass
from pydantic import BaseModel, TypeAdapter

from aivideoapi_core import (
    InvalidInputError,
    UnsupportedOptionError,
)
from aivideoapi_core.adapter_kit import excludes_forced_tools, output_format

_NOT_IN_NAMES: Final = re.compile(r"[^a-zA-Z0-9_-]+")
_JSON_ONLY: Final = "Answer with one JSON object and nothing else: no other text, no Markdown fences."
_USE_THE_TOOL: Final = "Give your final answer by calling the tool {name!r}, without any other text."


def add_output_format(model: str, options: dict[str, Any], response_format: Any) -> str | None:
    """Set ``response_format`` in ``options`` the way the route of ``model`` can say it.

    Takes OpenAI's ``{"type": "json_schema", "json_schema": {"name", "schema"}}`` (what LangChain's
    agents bind), ``{"type": "json_object"}``, a JSON schema, and classes that have one.
    """
    found = _schema_of(response_format)
    if found is None:
        add_instruction(options, _JSON_ONLY)
        return None
    name, schema = found
    wanted = output_format(model, schema, thinking=options.get("thinking"))
    if wanted is not None:
        options["output_config"] = {**options.get("output_config", {}), "format": wanted}
        return None
    return _add_output_tool(options, name, rooted(schema))


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
    if root.get("type") != "object":
        raise UnsupportedOptionError(
            "the schema must be of type object at its root; put the value into a field of an object"
        )
    return root


def _add_output_tool(options: dict[str, Any], name: str, schema: Mapping[str, Any]) -> str:
    taken = {tool.get("name") for tool in options.get("tools", ())}
    name = _NOT_IN_NAMES.sub("_", name)[:120] or "answer"
    while name in taken:
        name += "_"
    description = schema.get("description") or "The final answer, in the form that was asked for."
    tool = {"name": name, "description": description, "input_schema": dict(schema)}
    options["tools"] = [*options.get("tools", ()), tool]
    if excludes_forced_tools(options.get("thinking")):
        # Ask for it in words.
        add_instruction(options, _USE_THE_TOOL.format(name=name))
    elif options.get("tool_choice", {}).get("type", "auto") == "auto":
        options["tool_choice"] = {**options.get("tool_choice", {}), "type": "any"}
    return name


def _schema_of(response_format: Any) -> tuple[str, dict[str, Any]] | None:
    """Name and JSON schema, or ``None`` for "any JSON object"."""
    match response_format:
        case {"type": "json_object"}:
            return None
        case {"type": "json_schema", "json_schema": {"schema": dict(schema), **rest}}:
            return str(rest.get("name") or schema.get("title") or "answer"), schema
        case {"type": "json_schema", "schema": dict(schema)}:
            return str(schema.get("title") or "answer"), schema
    schema = json_schema_of(response_format)
    return str(schema.get("title") or "answer"), schema


def json_schema_of(schema: Any) -> dict[str, Any]:
    """The JSON schema of a class (pydantic, dataclass, TypedDict) or of a schema in any tool's form."""
    if isinstance(schema, type) and issubclass(schema, BaseModel):
        return schema.model_json_schema()
    if is_plain_dataclass(schema):
        generated = {"title": schema.__name__, **TypeAdapter(schema).json_schema()}
        generated.setdefault("description", (schema.__doc__ or schema.__name__).strip())
        return generated
    if isinstance(schema, Mapping) and "input_schema" in schema:
        return {"title": schema["name"], **schema["input_schema"]}
    try:
        return convert_to_json_schema(schema)
    except (ValueError, TypeError, KeyError) as error:
        raise InvalidInputError(
            f"{schema!r} is neither a schema nor a class that has one: {error}"
        ) from error


def is_plain_dataclass(schema: Any) -> bool:
    """Whether ``schema`` is a dataclass of the standard library's kind."""
    return isinstance(schema, type) and dataclasses.is_dataclass(schema) and not is_basemodel_subclass(schema)


def add_instruction(options: dict[str, Any], text: str) -> None:
    """Put ``text`` after the system prompt."""
    system = options.get("system")
    if system is None:
        options["system"] = text
    elif isinstance(system, str):
        options["system"] = f"{system}\n\n{text}"
    else:
        options["system"] = [*system, {"type": "text", "text": text}]
