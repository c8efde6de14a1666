"""Tools and tool choice as the wire takes them, and the way back of names that it would have refused."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest
from anthropic.types import ToolUnionParam
from official import assert_accepted
from pydantic import TypeAdapter

from aivideoapi_core import InvalidInputError
from aivideoapi_core._inbound.tool_names import KeyRenamer
from aivideoapi_core.adapter_kit import (
    OwnNamesStream,
    read_tool_choice,
    wire_choice,
    wire_tool_name,
    wire_tools,
    with_own_names,
    with_wire_names,
)

TOOLS: TypeAdapter[Any] = TypeAdapter(list[ToolUnionParam])
TEXT = {"type": "string"}
PATH_OR_URL = {"type": "object", "anyOf": [{"properties": {"path": TEXT}}, {"properties": {"url": TEXT}}]}
CAT = {
    "title": "Cat",
    "type": "object",
    "properties": {"kind": {"const": "cat", "type": "string"}, "lives": {"type": "integer", "minimum": 1}},
    "required": ["kind", "lives"],
}
DOG = {
    "title": "Dog",
    "type": "object",
    "properties": {"kind": {"const": "dog", "type": "string"}, "breed": TEXT},
    "required": ["kind"],
}
PETS = {
    "$defs": {"Cat": CAT, "Dog": DOG},
    "oneOf": [{"$ref": "#/$defs/Cat"}, {"$ref": "#/$defs/Dog"}],
    "discriminator": {"propertyName": "kind"},
}
TREE = {
    "$ref": "#/$defs/Tree",
    "$defs": {
        "Tree": {
            "type": "object",
            "properties": {"kids": {"type": "array", "items": {"$ref": "#/$defs/Tree"}}},
        }
    },
}


def wired(schema: Any, **fields: Any) -> dict[str, Any]:
    before = copy.deepcopy(schema)
    (tool,), _ = wire_tools([{"name": "t", "input_schema": schema, **fields}])
    assert schema == before, "the caller's schema is left untouched"
    assert_accepted(TOOLS, [tool])
    root = tool["input_schema"]
    assert root["type"] == "object"
    assert not root.keys() & {"anyOf", "oneOf", "allOf", "$ref"}
    return tool


ROOTS = [
    pytest.param(None, {"properties": {}}, id="none"),
    pytest.param({}, {"properties": {}}, id="empty"),
    pytest.param({"properties": {"a": TEXT}}, {"properties": {"a": TEXT}}, id="no type"),
    pytest.param({"type": ["object", "null"]}, {"properties": {}}, id="type list"),
    pytest.param({"type": "object", "properties": None, "required": None}, {}, id="nulls"),
    pytest.param(PATH_OR_URL, {"properties": {"path": TEXT, "url": TEXT}}, id="anyOf"),
    pytest.param(
        {"type": "object", "properties": {"a": TEXT, "b": TEXT}, "oneOf": [{"required": ["a"]}, {"required": ["b"]}]},
        {"properties": {"a": TEXT, "b": TEXT}},
        id="oneOf of requirements",
    ),
    pytest.param(
        {"allOf": [{"properties": {"a": TEXT}, "required": ["a"]}, {"properties": {"b": TEXT}, "required": ["b"]}]},
        {"properties": {"a": TEXT, "b": TEXT}, "required": ["a", "b"]},
        id="allOf",
    ),
    pytest.param(
        {"anyOf": [{"type": "object", "properties": {"a": TEXT}, "required": ["a"]}, {"type": "null"}]},
        {"properties": {"a": TEXT}, "required": ["a"]},
        id="optional",
    ),
    pytest.param(
        PETS,
        {
            "properties": {
                "kind": {"type": "string", "enum": ["cat", "dog"]},
                "lives": {"type": "integer", "minimum": 1},
                "breed": TEXT,
            },
            "required": ["kind"],
            "discriminator": {"propertyName": "kind"},
            "$defs": PETS["$defs"],
        },
        id="union of references",
    ),
    pytest.param(TREE, {**TREE["$defs"]["Tree"], "$defs": TREE["$defs"]}, id="recursion"),
    pytest.param(
        {"type": "object", "properties": {"a": {"type": "array", "items": [TEXT, TEXT]}}},
        {"properties": {"a": {"type": "array", "prefixItems": [TEXT, TEXT]}}},
        id="a tuple of an older draft",
    ),
    pytest.param(
        {"type": "object", "allOf": [{"properties": {"a": TEXT}}], "properties": {"b": {"$ref": "#/allOf/0/properties/a"}}},
        {"properties": {"b": {"$ref": "#/$defs/allOf_0_properties_a"}, "a": TEXT}, "$defs": {"allOf_0_properties_a": TEXT}},
        id="a reference into what was folded",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("schema", "expected"), ROOTS)
def test_roots(schema: Any, expected: dict[str, Any]) -> None:
    assert wired(schema)["input_schema"] == {"type": "object", **expected}


def test_the_choice_is_told() -> None:
    assert wired(PETS, description="Adopt.")["description"] == (
        'Adopt.\n\nThe input must have exactly one of these forms: (1) Cat, with kind = "cat", lives; '
        '(2) Dog, with kind = "dog", optional breed.'
    )


@pytest.mark.parametrize(
    ("schema", "strict", "words"),
    [
        ({"type": "array", "items": TEXT}, None, "tool 't' is of type 'array'"),
        ({"anyOf": [TEXT, PATH_OR_URL]}, None, r"tool 't', anyOf\[0\] is of type 'string'"),
        ({"$ref": "#/$defs/Lost"}, None, "tool 't'.*leads nowhere"),
        (TREE, True, "tool 't' cannot be strict: .*refers to itself.*leave strict out"),
        ({"type": "object", "properties": {"m": {"type": "object", "additionalProperties": TEXT}}}, True, "t.*the schema.m"),
    ],
)  # fmt: skip
def test_what_cannot_be_said(schema: Any, strict: Any, words: str) -> None:
    with pytest.raises(InvalidInputError, match=words):
        wire_tools([{"name": "t", "input_schema": schema, "strict": strict}])


def test_strict_limits_are_told() -> None:
    limited = {"type": "object", "properties": {"n": {"type": "integer", "minimum": 1, "maximum": 9}}}
    assert wired(limited, strict=True)["input_schema"] == {
        "type": "object",
        "properties": {"n": {"type": "integer", "description": "(minimum: 1, maximum: 9)"}},
        "additionalProperties": False,
    }
    assert wired(limited)["input_schema"] == limited


REFUSED_KEYS = {
    "type": "object",
    "properties": {
        "$filter": TEXT,
        "_filter": TEXT,
        "in": {"type": "object", "properties": {"straße": {"$ref": "#/properties/$filter"}}, "required": ["straße"]},
        "k" * 70: TEXT,
    },
    "required": ["$filter"],
}  # fmt: skip
OWN = {"$filter": "a", "_filter": "b", "in": {"straße": "c"}, "k" * 70: "d"}
ON_WIRE = {"_filter_2": "a", "_filter": "b", "in": {"stra_e": "c"}, "k" * 64: "d"}


def test_names_there_and_back() -> None:
    tools = [
        {"name": "a.b/c", "input_schema": REFUSED_KEYS, "input_examples": [OWN]},
        {"name": "a_b_c", "input_schema": {"type": "object"}},
        {"type": "web_search_20260318", "name": "web_search"},
    ]
    (first, second, third), names = wire_tools(tools)
    assert_accepted(TOOLS, [first, second, third])
    assert (first["name"], second["name"], third) == ("a_b_c_2", "a_b_c", tools[2])
    assert first["input_examples"] == [ON_WIRE]
    assert first["input_schema"]["required"] == ["_filter_2"]
    assert [*first["input_schema"]["properties"]] == [*ON_WIRE]
    assert wire_choice({"type": "tool", "name": "a.b/c"}, names) == {"type": "tool", "name": "a_b_c_2"}
    own: Any = {"type": "tool_use", "id": "1", "name": "a.b/c", "input": OWN}
    on_wire = {**own, "name": "a_b_c_2", "input": ON_WIRE}
    turns = [{"role": "user", "content": "x"}, {"role": "assistant", "content": [own]}]
    assert with_wire_names(turns, names)[1]["content"] == [on_wire]
    assert turns[1]["content"] == [own]
    message: Any = {"content": [{"type": "text", "text": "x"}, on_wire]}
    assert with_own_names(message, names)["content"] == [{"type": "text", "text": "x"}, own]


def test_nothing_to_rename_costs_no_map() -> None:
    _, names = wire_tools([{"name": "t", "input_schema": PATH_OR_URL}])
    assert names is None
    assert wire_tool_name("t") == "t"
    assert with_wire_names([], names) == []


def test_keys_in_text_cut_anywhere() -> None:
    keys = {"_filter": "$filter", "stra_e": "straße"}
    given = {"_filter": "_filter", 'q"': [{"stra_e": ["stra_e", '{"_filter": 1}']}], "n": {"_filter": {}}}
    expected = {"$filter": "_filter", 'q"': [{"straße": ["stra_e", '{"_filter": 1}']}], "n": {"$filter": {}}}
    text = json.dumps(given, indent=1)
    for cut in range(len(text)):
        renamer = KeyRenamer(keys)
        assert json.loads(renamer.feed(text[:cut]) + renamer.feed(text[cut:]) + renamer.rest()) == expected
    cut_short = KeyRenamer(keys)
    assert cut_short.feed('{"_fil') + cut_short.rest() == '{"_fil'


def test_a_stream_with_the_callers_names() -> None:
    names = {"t": ("a.b", {"_filter": "$filter"})}
    events: list[dict[str, Any]] = [
        {"type": "message_start", "message": {"id": "m", "type": "message", "role": "assistant", "model": "x", "content": [], "usage": {"input_tokens": 1, "output_tokens": 1}}},
        {"type": "content_block_start", "index": 0, "content_block": {"type": "tool_use", "id": "1", "name": "t", "input": {}}},
        {"type": "content_block_delta", "index": 0, "delta": {"type": "input_json_delta", "partial_json": '{"_fil'}},
        {"type": "content_block_delta", "index": 0, "delta": {"type": "input_json_delta", "partial_json": 'ter": 1}'}},
        {"type": "content_block_stop", "index": 0},
    ]  # fmt: skip
    stream = OwnNamesStream(names)
    rewritten = [each for event in events for each in stream.push(event)]
    assert [event["delta"]["partial_json"] for event in rewritten if "delta" in event] == [
        "{",
        '"$filter": 1}',
    ]
    closed = stream.accumulator.closed_block
    assert closed is not None
    assert (closed["name"], closed["input"]) == ("a.b", {"$filter": 1})


@pytest.mark.parametrize(
    ("choice", "parallel", "expected"),
    [
        (None, None, None),
        ("required", None, {"type": "any"}),
        ("t", False, {"type": "tool", "name": "t", "disable_parallel_tool_use": True}),
        (None, False, {"type": "auto", "disable_parallel_tool_use": True}),
        ("none", False, {"type": "none"}),
        ({"type": "function", "function": {"name": "t"}}, None, {"type": "tool", "name": "t"}),
        (True, None, {"type": "tool", "name": "t"}),
    ],
)
def test_choices(choice: Any, parallel: bool | None, expected: Any) -> None:
    assert read_tool_choice(choice, [{"name": "t"}], parallel=parallel) == expected


@pytest.mark.parametrize("choice", [5, {"type": "magic"}, {"type": "tool"}, ["auto"]])
def test_choices_that_nobody_knows(choice: Any) -> None:
    with pytest.raises(InvalidInputError, match="not understood"):
        read_tool_choice(choice)
