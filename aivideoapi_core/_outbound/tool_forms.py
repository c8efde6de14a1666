"""The forms in which tools are written: OpenAI's two, MCP's, Bedrock's, Gemini's, Cohere's and a bare JSON schema.

``each_tool`` brings them into the wire's form as far as the names of fields go; what is in their schemas is the
business of ``tool_schema``.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final, TypeGuard

from aivideoapi_core._errors import InvalidInputError, UnsupportedOptionError
from aivideoapi_core._outbound.schema_keywords import TYPES
from aivideoapi_core._outbound.text import warn_once

OWN_FIELDS: Final = frozenset(
    {"cache_control", "defer_loading", "input_examples", "eager_input_streaming", "allowed_callers", "strict"}
)
"""Fields of the wire's tools besides a tool's name, its description and its schema."""
TOOL_CHANGES: Final = frozenset({"tool_addition", "tool_removal"})
"""Blocks by which a tool comes or goes in the middle of a conversation."""
_OF_MCP: Final = frozenset({"annotations", "outputSchema", "title", "icons", "execution", "_meta", "meta"})
"""What MCP's servers say of a tool besides what the wire takes."""
_OF_GEMINI: Final = frozenset({"response", "responseJsonSchema", "response_json_schema", "behavior"})
_SCHEMA_KEYS: Final = ("inputSchema", "parameters", "parametersJsonSchema", "parameters_json_schema")
"""What others call ``input_schema``."""
_DECLARATIONS: Final = ("function_declarations", "functionDeclarations")
_CACHE_POINTS: Final = frozenset({"cachePoint", "cache_point"})
_WRAPPERS: Final = ("function", "toolSpec")
_CALLERS_OWN: Final = frozenset({None, "", "custom", "function"})

_SEARCH: Final = "use {'type': 'web_search_20260318', 'name': 'web_search'}"
_FETCH: Final = "use {'type': 'web_fetch_20260318', 'name': 'web_fetch'}"
_CODE: Final = "use {'type': 'code_execution_20260521', 'name': 'code_execution'}"
_BRING_YOUR_OWN: Final = "there is none like it here; give a tool of your own"
_FOREIGN: Final[Mapping[str, str]] = {
    **dict.fromkeys(
        (
            "web_search", "web_search_preview", "web_search_preview_2025_03_11", "google_search", "googleSearch",
            "google_search_retrieval", "googleSearchRetrieval", "enterprise_web_search",
        ),
        _SEARCH,
    ),
    **dict.fromkeys(("url_context", "urlContext"), _FETCH),
    **dict.fromkeys(("code_interpreter", "code_execution", "codeExecution"), _CODE),
    **dict.fromkeys(
        (
            "file_search", "fileSearch", "image_generation", "computer_use_preview", "computer_use", "computerUse",
            "google_maps", "googleMaps", "retrieval", "local_shell", "systemTool",
        ),
        _BRING_YOUR_OWN,
    ),
    "mcp": "use mcp_servers=, and {'type': 'mcp_toolset', 'mcp_server_name': ...} among the tools",
}  # fmt: skip
"""Other providers' server tools, by their type or their only key, and what to use here."""

_NEWEST: Final[Mapping[str, str]] = {
    "advisor": "advisor_20260301",
    "bash": "bash_20250124",
    "code_execution": "code_execution_20260521",
    "computer": "computer_20251124",
    "mcp_toolset": "mcp_toolset",
    "memory": "memory_20250818",
    "text_editor": "text_editor_20250728",
    "tool_search_tool_bm25": "tool_search_tool_bm25_20251119",
    "tool_search_tool_regex": "tool_search_tool_regex_20251119",
    "web_fetch": "web_fetch_20260318",
    "web_search": "web_search_20260318",
}
"""The server's tools, and the newest type of each that we know of."""
_DATED: Final = re.compile(r"_\d{8}$")


def misspelt_type(kind: str) -> str | None:
    """The type of a server's tool that ``kind`` nearly is; ``None`` for a known one, of any date, and for what may be new."""
    plain = _DATED.sub("", kind)
    if plain in _NEWEST:
        is_right = kind == _NEWEST[plain] or plain != kind
        return None if is_right else _NEWEST[plain]
    from difflib import get_close_matches  # only for types that we do not know

    near = get_close_matches(plain.rstrip("_0123456789"), _NEWEST, n=1, cutoff=0.8)
    return _NEWEST[near[0]] if near else None


def own_tool(name: str, schema: Mapping[str, Any], description: str | None) -> dict[str, Any]:
    """A tool of the caller's own in the wire's form; ``schema`` is copied."""
    tool = {"name": name, "input_schema": {"type": "object", "properties": {}, **schema}}
    return {**tool, "description": description} if description else tool


def warn_of_type(kind: object) -> None:
    """Log a type that is nearly that of a server's tool; it is sent all the same: the platform may have new ones."""
    if (meant := misspelt_type(str(kind))) is not None:
        warn_once(f"no tool of type {kind!r} is known; did you mean {meant!r}?")


def is_custom(tool: Mapping[str, Any]) -> bool:
    """Whether a tool is the caller's own, not one of the server's."""
    kind = tool.get("type")
    return (kind is None or isinstance(kind, str)) and kind in _CALLERS_OWN


def each_tool(tools: Iterable[Any]) -> Iterator[Any]:
    """Every tool by itself, a new dict in the wire's form; a server tool, and what is no mapping, as it is.

    Lists of declarations are taken apart, and Bedrock's cache point marks the tool before it. Raises
    ``InvalidInputError`` for a tool without a name, and for another provider's server tool, naming the one to use here.
    """
    if type(tools) is not list and (_is_one(tools) or not isinstance(tools, Iterable)):
        raise InvalidInputError(f"tools must be a list of tools, not {str(tools)[:80]!r}")
    waiting = None
    for given in tools:
        if given is None:
            raise InvalidInputError("None is among the tools: leave it out")
        is_written = type(given) is dict or isinstance(given, Mapping)
        for tool in _taken_apart(given) if is_written else (given,):
            if tool is not given:
                is_written = isinstance(tool, Mapping)
            if is_written and not _CACHE_POINTS.isdisjoint(tool):
                if isinstance(waiting, Mapping):
                    waiting = {**waiting, "cache_control": {"type": "ephemeral"}}
                continue
            if waiting is not None:
                yield waiting
            waiting = _in_wire_form(tool) if is_written else tool
    if waiting is not None:
        yield waiting


def _is_one(tools: Any) -> bool:
    """Whether what should be a list is a single thing that can be gone through all the same."""
    from pydantic import BaseModel  # its classes take long to import, and are for lists that are none

    return isinstance(tools, (str, bytes, Mapping, BaseModel))


def _taken_apart(tool: Mapping[str, Any]) -> Iterable[Any]:
    if "name" in tool:
        return (tool,)
    for key in _DECLARATIONS:
        if isinstance(declared := tool.get(key), (list, tuple)):
            rest = {name: value for name, value in tool.items() if name != key and value is not None}
            return (*declared, *({name: value} for name, value in rest.items()))
    if isinstance(listed := tool.get("tools"), (list, tuple)):  # Bedrock's ``toolConfig``
        return listed
    return (tool,)


def are_in_wire_form(tools: Any) -> TypeGuard[list[dict[str, Any]]]:
    """Whether ``tools`` are a list of nothing but the caller's own, for which ``each_tool`` would change nothing."""
    if type(tools) is not list:
        return False
    for tool in tools:  # noqa: SIM110 - with every request: a third less than a generator
        if type(tool) is not dict or not _is_in_wire_form(tool):
            return False
    return True


def _is_in_wire_form(tool: Mapping[str, Any]) -> bool:
    return (
        "type" not in tool
        and "input_schema" in tool
        and not isinstance(tool["input_schema"], str)
        and isinstance(tool.get("description", ""), str)
        and isinstance(name := tool.get("name"), str)
        and bool(name.strip())
    )


def _in_wire_form(tool: Mapping[str, Any]) -> dict[str, Any]:
    if _is_in_wire_form(tool):
        return dict(tool)
    if _is_json_schema(tool):
        return _from_json_schema(tool)
    if not is_custom(tool) and str(kind := tool["type"]) not in TYPES:
        if not isinstance(kind, str):
            raise InvalidInputError(f"cannot make a tool of {tool!r}: its type must be text, not {kind!r}")
        _refuse_foreign(tool, kind)
        return dict(tool)
    if len(tool) == 1:
        _refuse_foreign(tool, next(iter(tool)))
    result = _unwrapped(tool)
    if not isinstance(name := result.get("name"), str) or not name.strip():
        raise InvalidInputError(f"cannot make a tool of {tool!r}: a tool needs a name, and it has {name!r}")
    if "format" in result and "input_schema" not in result:
        raise InvalidInputError(
            f"tool {name!r} takes free text, which no tool does here: give it a schema of an object with "
            "one field for the text"
        )
    return result


def _refuse_foreign(tool: Mapping[str, Any], kind: str) -> None:
    if (advice := _FOREIGN.get(kind)) is not None and "name" not in tool:
        raise InvalidInputError(f"{kind!r} is another provider's server tool: {advice}")


def _is_json_schema(tool: Mapping[str, Any]) -> bool:
    """Whether a tool is no more than the schema of its arguments, with a title for its name."""
    return (
        isinstance(tool.get("title"), str)
        and str(tool.get("type", "object")) in TYPES
        and not {"name", "input_schema", *_SCHEMA_KEYS, *_WRAPPERS} & tool.keys()
    )


def _from_json_schema(schema: Mapping[str, Any]) -> dict[str, Any]:
    parameters = {
        name: value for name, value in schema.items() if name not in {*OWN_FIELDS, "title", "description"}
    }
    fields = {
        name: schema[name] for name in ("description", *sorted(OWN_FIELDS)) if schema.get(name) is not None
    }
    return {"name": schema["title"], "input_schema": parameters, **fields}


def _unwrapped(tool: Mapping[str, Any]) -> dict[str, Any]:
    """A tool of the caller's under the wire's names of its fields; a copy."""
    result = dict(tool)
    if result.get("type") == "function":
        del result["type"]
    for wrapper in _WRAPPERS:
        if isinstance(inner := result.pop(wrapper, None), Mapping):
            result = {**inner, **result}
    for key in _SCHEMA_KEYS:
        if key in result:
            schema = result.pop(key)
            result.setdefault("input_schema", schema)
    if isinstance(cohere := result.pop("parameter_definitions", None), Mapping):
        result.setdefault("input_schema", {"type": "object", "properties": cohere})
    if "input_schema" in result:
        result["input_schema"] = _schema_in(result["input_schema"], result.get("name"))
    if result.get("description") is not None and not isinstance(result["description"], str):
        result["description"] = str(result["description"])
    dropped = _OF_MCP | _OF_GEMINI
    return {
        key: value
        for key, value in result.items()
        if key not in dropped and not (value is None and key != "input_schema")
    }


def _schema_in(schema: Any, tool: Any) -> Any:
    """A schema out of Bedrock's ``{"json": ...}``, or of its JSON text."""
    if isinstance(schema, Mapping) and schema.keys() == {"json"}:
        schema = schema["json"]
    if isinstance(schema, str):
        try:
            return json.loads(schema)
        except ValueError:
            raise UnsupportedOptionError(
                f"tool {tool!r}: input_schema must be a JSON schema, not {schema!r}"
            ) from None
    return schema
