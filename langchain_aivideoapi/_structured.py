"""``with_structured_output``: schema in, runnable out."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final

from langchain_core.language_models import LanguageModelInput
from langchain_core.runnables import Runnable, RunnableConfig, RunnableLambda, RunnableMap
from langchain_core.utils.function_calling import convert_to_json_schema
from langchain_core.utils.pydantic import is_basemodel_subclass
from pydantic import BaseModel, TypeAdapter

from aivideoapi_core import InvalidInputError
from aivideoapi_core.adapter_kit import check_flag, enforceable, is_object, rooted, wrapped_schema, wrapper_of
from langchain_aivideoapi._inbound.bare_values import bare_values
from langchain_aivideoapi._inbound.parsers import (
    JsonOutputKeyToolsParser,
    JsonOutputParser,
    PydanticOutputParser,
    PydanticToolsParser,
)
from langchain_aivideoapi._inbound.required_call import required_call
from langchain_aivideoapi._outbound.output import is_plain_dataclass, json_schema_of, titled
from langchain_aivideoapi._outbound.tools import to_tools
from langchain_aivideoapi._retrying import retrying

if TYPE_CHECKING:
    from langchain_aivideoapi._settings import Settings

_METHODS: Final = ("function_calling", "json_schema", "json_mode")


def structured_output(
    model: Settings,
    schema: Any,
    *,
    include_raw: bool,
    method: str,
    strict: bool | None,
    options: Mapping[str, Any],
) -> Runnable[LanguageModelInput, Any]:
    """See ``ChatAIVideoAPI.with_structured_output``."""
    if method not in _METHODS:
        raise InvalidInputError(f"method={method!r} is not known; use one of {', '.join(_METHODS)}")
    if schema is None and method != "json_mode":
        raise InvalidInputError(f"method={method!r} needs a schema; only 'json_mode' works without")
    check_flag("include_raw", include_raw)
    check_flag("strict", strict)
    _check_schema(schema)
    schema, unwrap = _wrapped(titled(schema))
    if method == "function_calling":
        llm, parser = _by_tool(model, schema, strict=strict, options=options)
    else:
        llm, parser = _by_text(model, schema, method=method, options=options)
    if unwrap is not None:
        parser = parser | unwrap
    return retrying(_with_raw(llm, parser) if include_raw else llm | parser)


def _check_schema(schema: Any) -> None:
    """Raise ``InvalidInputError`` for what is a value, not the description of one."""
    wanted = "a pydantic, TypedDict or dataclass class, a type such as list[str], or a JSON schema"
    if isinstance(schema, (bool, int, float, str, bytes, list, tuple, set, BaseModel)):
        said = (
            repr(schema)
            if isinstance(schema, (int, float, str))
            else f"an instance of {type(schema).__name__}"
        )
        raise InvalidInputError(f"schema must be {wanted}, not {said[:80]}")


def _wrapped(schema: Any) -> tuple[Any, Runnable[Any, Any] | None]:
    """A class in the field of an object, if it is none, and what takes the value out of that again.

    A JSON schema of an object stays as the caller wrote it.
    """
    if isinstance(schema, Mapping) and not _names_a_tool(schema):
        return (schema, None) if is_object(schema) else (wrapped_schema(schema), bare_values())
    wrapper = wrapper_of(schema)
    return (schema, None) if wrapper is None else (wrapper, bare_values())


def _names_a_tool(schema: Mapping[str, Any]) -> bool:
    """Whether a schema comes in the form of a tool, which has an object of its own inside."""
    return not schema.keys().isdisjoint({"input_schema", "parameters", "function", "toolSpec", "name"})


def _with_raw(llm: Runnable[Any, Any], parser: Runnable[Any, Any]) -> Runnable[Any, Any]:
    """The message, the object or ``None``, and why there is none; of a stream too, whose end alone can tell."""

    def parse(found: dict[str, Any], config: RunnableConfig) -> dict[str, Any]:
        try:
            return {**found, "parsed": parser.invoke(found["raw"], config), "parsing_error": None}
        except Exception as error:  # noqa: BLE001 - whatever a validator of the user's raises is told
            return {**found, "parsed": None, "parsing_error": error}

    async def aparse(found: dict[str, Any], config: RunnableConfig) -> dict[str, Any]:
        try:
            return {**found, "parsed": await parser.ainvoke(found["raw"], config), "parsing_error": None}
        except Exception as error:  # noqa: BLE001 - see above
            return {**found, "parsed": None, "parsing_error": error}

    return RunnableMap(raw=llm) | RunnableLambda(parse, aparse)


def _by_tool(
    model: Settings, schema: Any, *, strict: bool | None, options: Mapping[str, Any]
) -> tuple[Runnable[Any, Any], Runnable[Any, Any]]:
    (tool,) = to_tools([json_schema_of(schema) if is_plain_dataclass(schema) else schema], strict=strict)
    name: str = tool["name"]
    thinks = model._excludes_forced_tools(options)
    if thinks:
        warnings.warn(
            "Thinking is on, which excludes a forced tool call: the model may answer without calling "
            f"{name!r}, and ToolChoiceIgnoredError is raised then. Switch thinking off, or use "
            "method='json_schema' on the direct-forward route.",
            stacklevel=4,
        )
    llm: Runnable[Any, Any] = model.bind_tools(
        [tool],
        tool_choice="auto" if thinks else name,
        ls_structured_output_format={
            "kwargs": {"method": "function_calling", "strict": strict},
            "schema": {"title": name, "description": tool.get("description", ""), **tool["input_schema"]},
        },
        **options,
    )
    call = required_call(tool, advice=" Thinking leaves it free not to." if thinks else "")
    if _is_pydantic(schema):
        return llm, call | PydanticToolsParser(tools=[schema], first_tool_only=True)
    by_key = JsonOutputKeyToolsParser(key_name=name, first_tool_only=True)
    return llm, call | _with_instance(by_key, schema)


def _by_text(
    model: Settings, schema: Any, *, method: str, options: Mapping[str, Any]
) -> tuple[Runnable[Any, Any], Runnable[Any, Any]]:
    response_format: dict[str, Any] = {"type": "json_object"}
    traced: dict[str, Any] = {"kwargs": {"method": method}}
    if schema is not None:
        json_schema = json_schema_of(schema)
        # Traces show core's form of a schema, whatever goes over the wire.
        traced["schema"] = convert_to_json_schema(schema) if _is_pydantic(schema) else json_schema
        if method == "json_schema" or enforceable(json_schema) is not None:
            # rooted() raises now rather than at the first call.
            name = str(rooted(json_schema).get("title") or "answer")
            response_format = {"type": "json_schema", "json_schema": {"name": name, "schema": json_schema}}
    bound: dict[str, Any] = {"response_format": response_format, **options}
    if "schema" in traced:
        bound["ls_structured_output_format"] = traced
    llm: Runnable[Any, Any] = model.bind(**bound)
    if _is_pydantic(schema):
        return llm, PydanticOutputParser(pydantic_object=schema)
    return llm, _with_instance(JsonOutputParser(), schema)


def _is_pydantic(schema: Any) -> bool:
    return isinstance(schema, type) and is_basemodel_subclass(schema)


def _with_instance(parser: Runnable[Any, Any], schema: Any) -> Runnable[Any, Any]:
    """``parser``, and for a dataclass the instance made of what it parsed."""
    if not is_plain_dataclass(schema):
        return parser
    make: Callable[[Any], Any] = TypeAdapter(schema).validate_python
    return parser | RunnableLambda(lambda parsed: None if parsed is None else make(parsed))
