"""The output format: the JSON schema of everything that LangChain takes for one.

How it is asked for is the core's business (``add_output_format``). Where a tool stands in, what the model passes to
it is handed on as the text of the reply: callers see the same on both routes, text that is JSON.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any, Final

from langchain_core.utils.function_calling import convert_to_json_schema
from langchain_core.utils.pydantic import is_basemodel_subclass
from pydantic import BaseModel, TypeAdapter

from aivideoapi_core import InvalidInputError
from aivideoapi_core.adapter_kit import typed_dict_schema


def schema_of(response_format: Any) -> tuple[str, dict[str, Any]] | None:
    """Name and JSON schema of what a reply is to be, or ``None`` for "any JSON object".

    Takes OpenAI's ``{"type": "json_schema", "json_schema": {"name", "schema"}}`` (what LangChain's
    agents bind), ``{"type": "json_object"}``, a JSON schema, and classes that have one.
    """
    match response_format:
        case {"type": "json_object"}:
            return None
        case {"type": "json_schema", "json_schema": {"schema": dict(schema), **rest}}:
            name = rest.get("name")
        case {"type": "json_schema", "schema": dict(schema)}:
            name = None
        case _:
            name, schema = None, json_schema_of(response_format)
    return str(name or schema.get("title") or "answer"), schema


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
    schema = titled(schema)
    try:
        return convert_to_json_schema(schema)
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        if (own := typed_dict_schema(schema)) is not None:
            return own
        raise InvalidInputError(
            f"{schema!r} is neither a schema nor a class that has one: {error}"
        ) from error


def titled(schema: Any) -> Any:
    """A JSON schema without a name as one that is called ``answer``; anything else as it is.

    Raises ``InvalidInputError`` for an object that is no schema.
    """
    if not isinstance(schema, Mapping) or schema.keys() & _NAMES:
        return schema
    if not schema.keys() & _SHAPES:
        raise InvalidInputError(
            "a JSON schema says what is wanted, {'type': 'object', 'properties': {...}}; "
            f"this object has {[*schema]} alone"
        )
    return {"title": "answer", **schema}


_NAMES: Final = frozenset({"title", "name", "function", "toolSpec"})
_SHAPES: Final = frozenset({"type", "properties", "anyOf", "oneOf", "allOf", "enum", "const", "$ref"})


def is_plain_dataclass(schema: Any) -> bool:
    """Whether ``schema`` is a dataclass of the standard library's kind."""
    return isinstance(schema, type) and dataclasses.is_dataclass(schema) and not is_basemodel_subclass(schema)
