"""Output formats: JSON by a schema on either route.

The direct-forward route has ``output_config.format``. The native route documents nothing of the
kind, and some shapes (recursion, mappings with free keys) cannot be said there, so then a tool that takes the schema's object as its input stands in: the model must call it,
and what it passes is handed on as the text of the reply, streamed or whole. Callers see the same on
both routes: text that is JSON.
"""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, cast

from langchain_core.utils.function_calling import convert_to_json_schema
from langchain_core.utils.pydantic import is_basemodel_subclass
from pydantic import BaseModel, TypeAdapter

from aivideoapi_core import (
    InvalidInputError,
    Message,
    MessageAccumulator,
    Route,
    StreamEvent,
    UnsupportedOptionError,
    output_schema,
    route_of,
)

_NOT_IN_NAMES: Final = re.compile(r"[^a-zA-Z0-9_-]+")
_JSON_ONLY: Final = "Answer with one JSON object and nothing else: no other text, no Markdown fences."
_USE_THE_TOOL: Final = "Give your final answer by calling the tool {name!r}, without any other text."


@dataclass(frozen=True, slots=True)
class OutputTool:
    """The tool that stands for an output format."""

    name: str

    def as_text(self, message: Message) -> Message:
        """``message`` with the tool's input as text; a new object."""
        content = [self._text_of(block) if self._is_mine(block) else block for block in message["content"]]
        rewritten = {**message, "content": content}
        if message["stop_reason"] == "tool_use" and not any(
            block.get("type") == "tool_use" for block in content
        ):
            rewritten["stop_reason"] = "end_turn"
        return cast("Message", rewritten)

    def rewriter(self) -> OutputToolRewriter:
        """The same for the events of one stream."""
        return OutputToolRewriter(self)

    def _is_mine(self, block: Mapping[str, Any]) -> bool:
        return block.get("type") == "tool_use" and block.get("name") == self.name

    @staticmethod
    def _text_of(block: Mapping[str, Any]) -> dict[str, Any]:
        text = block.get("partial_json") or json.dumps(block.get("input") or {}, ensure_ascii=False)
        return {"type": "text", "text": text}


class OutputToolRewriter:
    """Rewrites events so that the stand-in tool's arguments arrive as text.

    ``accumulator`` is in step with the rewritten events.
    """

    def __init__(self, tool: OutputTool) -> None:
        self._tool = tool
        self._mine: set[int] = set()
        self.accumulator = MessageAccumulator()

    def push(self, event: StreamEvent) -> StreamEvent:
        """The event to be translated in place of ``event``."""
        rewritten = self._rewrite(event)
        self.accumulator.push(rewritten)
        return rewritten

    def _rewrite(self, event: StreamEvent) -> StreamEvent:
        kind, index = event["type"], event.get("index")
        if kind == "content_block_start" and self._tool._is_mine(event["content_block"]):
            self._mine.add(cast("int", index))
            whole = event["content_block"].get("input")
            text = json.dumps(whole, ensure_ascii=False) if whole else ""
            return {**event, "content_block": {"type": "text", "text": text}}
        if kind == "content_block_delta" and index in self._mine and "partial_json" in event["delta"]:
            return {**event, "delta": {"type": "text_delta", "text": event["delta"]["partial_json"]}}
        return event


def add_output_format(model: str, options: dict[str, Any], response_format: Any) -> OutputTool | None:
    """Set ``response_format`` in ``options`` the way the route of ``model`` can say it.

    Takes OpenAI's ``{"type": "json_schema", "json_schema": {"name", "schema"}}`` (what LangChain's
    agents bind), ``{"type": "json_object"}``, a JSON schema, and classes that have one.
    """
    found = _schema_of(response_format)
    if found is None:
        _add_instruction(options, _JSON_ONLY)
        return None
    name, schema = found
    if route_of(model) is Route.DIRECT and (wanted := enforceable(schema)) is not None:
        options["output_config"] = {
            **options.get("output_config", {}),
            "format": {"type": "json_schema", "schema": wanted},
        }
        return None
    return _add_output_tool(options, name, rooted(schema))


def enforceable(schema: Mapping[str, Any]) -> dict[str, Any] | None:
    """``schema`` as ``output_config.format`` takes it, or ``None`` if only a tool can say it."""
    try:
        return output_schema(schema)
    except UnsupportedOptionError:
        return None


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


def _add_output_tool(options: dict[str, Any], name: str, schema: Mapping[str, Any]) -> OutputTool:
    taken = {tool.get("name") for tool in options.get("tools", ())}
    name = _NOT_IN_NAMES.sub("_", name)[:120] or "answer"
    while name in taken:
        name += "_"
    description = schema.get("description") or "The final answer, in the form that was asked for."
    tool = {"name": name, "description": description, "input_schema": dict(schema)}
    options["tools"] = [*options.get("tools", ()), tool]
    if options.get("thinking"):
        # Thinking and a forced choice exclude each other: ask for it in words.
        _add_instruction(options, _USE_THE_TOOL.format(name=name))
    elif options.get("tool_choice", {}).get("type", "auto") == "auto":
        options["tool_choice"] = {**options.get("tool_choice", {}), "type": "any"}
    return OutputTool(name)


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


def _add_instruction(options: dict[str, Any], text: str) -> None:
    system = options.get("system")
    if system is None:
        options["system"] = text
    elif isinstance(system, str):
        options["system"] = f"{system}\n\n{text}"
    else:
        options["system"] = [*system, {"type": "text", "text": text}]
