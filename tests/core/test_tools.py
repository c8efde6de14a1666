"""Tools and tool choice as the wire takes them, and the way back of names that it would have refused."""

from __future__ import annotations

import contextlib
import copy
import json
import logging
from typing import Any

import pytest
from anthropic.types import ToolUnionParam
from official import assert_accepted
from pydantic import TypeAdapter
from strict import complaints

from aivideoapi_core import InvalidInputError, UnsupportedOptionError
from aivideoapi_core._inbound.tool_names import KeyRenamer, OwnNamesStream, with_own_names
from aivideoapi_core._outbound.conversation import Conversation
from aivideoapi_core.adapter_kit import (
    WireNames,
    read_tool_choice,
    wire_choice,
    wire_tool_name,
    wire_tools,
)


def nested(levels: int) -> Any:
    schema: Any = {"type": "string"}
    for _ in range(levels):
        schema = {"type": "object", "properties": {"n": schema}}
    return schema


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
    assert complaints({"tools": [tool], "messages": [{"role": "user", "content": "x"}]}) == []
    assert "$ref" not in tool["input_schema"]
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
        },
        id="union of references",
    ),
    pytest.param({"anyOf": [TEXT, False, {"properties": {"a": TEXT}}]}, {"properties": {"a": TEXT}}, id="one branch is an object"),
    pytest.param(TREE, {**TREE["$defs"]["Tree"], "$defs": TREE["$defs"]}, id="recursion"),
    pytest.param(
        {"type": "object", "properties": {"b": TEXT}, "required": ["b"], "$ref": "#/$defs/A", "$defs": {"A": {"type": "object", "properties": {"a": TEXT}, "required": ["a"]}}},
        {"properties": {"a": TEXT, "b": TEXT}, "required": ["a", "b"]},
        id="a reference and more",
    ),
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


def of(part: Any, **rest: Any) -> dict[str, Any]:
    return {"type": "object", "properties": {"a": part}, **rest}


DIALECTS = [
    pytest.param(of({"type": "number", "minimum": 0, "exclusiveMinimum": True}), of({"type": "number", "exclusiveMinimum": 0}), id="draft 4: exclusiveMinimum"),
    pytest.param(of({"type": "number", "maximum": 9, "exclusiveMaximum": False}), of({"type": "number", "maximum": 9}), id="draft 4: exclusiveMaximum"),
    pytest.param(of({"type": "string", "required": True}), of(TEXT, required=["a"]), id="draft 3: required"),
    pytest.param(of(TEXT, required=True), of(TEXT), id="required at the root"),
    pytest.param(of(TEXT, required=["a", "a", None]), of(TEXT, required=["a"]), id="required twice"),
    pytest.param(of({"type": "float"}), of({"type": "number"}), id="float"),
    pytest.param(of({"type": "any", "description": "x"}), of({"description": "x"}), id="any"),
    pytest.param(of({"type": ["string", {"type": "object"}]}), of({"description": '(type: ["string",{"type":"object"}])'}), id="draft 3: a schema among the types"),
    pytest.param(of({"default": b"\xff"}), of({"default": "\ufffd"}), id="bytes"),
    pytest.param(of({"contentSchema": {"type": "str"}}), of({"contentSchema": TEXT}), id="contentSchema"),
    pytest.param({"$vocabulary": {"x": "y"}, **of(TEXT)}, of(TEXT), id="vocabulary"),
    pytest.param({"$dynamicAnchor": "node", **of({"$dynamicRef": "#node"})}, of({"$ref": "#"}), id="dynamic recursion"),
    pytest.param({"$recursiveAnchor": True, **of({"$recursiveRef": "#"})}, of({"$ref": "#"}), id="draft 2019: recursion"),
    pytest.param(of({"type": ["str", "None"]}), of({"type": ["string", "null"]}), id="Python's names"),
    pytest.param(of({"type": "hologram"}), of({"description": "(type: hologram)"}), id="a type of its own"),
    pytest.param({"type": "OBJECT", "properties": {"a": {"type": "STRING", "nullable": True}}}, of({"type": ["string", "null"]}), id="Gemini's"),
    pytest.param(of({"type": "string", "enum": ["x"], "nullable": True}), of({"type": ["string", "null"], "enum": ["x", None]}), id="OpenAPI's nullable enum"),
    pytest.param(of({"type": ["string", "null"], "nullable": True}), of({"type": ["string", "null"]}), id="nullable twice"),
    pytest.param(of({"type": "string", "nullable": False}), of(TEXT), id="not nullable"),
    pytest.param(of({"anyOf": [TEXT], "nullable": True}), of({"anyOf": [TEXT], "description": "(nullable: true)"}), id="nullable without a type"),
    pytest.param(of({"type": "string", "description": None, "title": None, "enum": None, "format": None, "minLength": None, "pattern": None}), of(TEXT), id="nulls"),
    pytest.param(of({"type": "array", "items": None}), of({"type": "array"}), id="null items"),
    pytest.param(of({"type": "array", "items": "string"}), of({"type": "array", "items": TEXT}), id="items by name"),
    pytest.param(of({"type": "array", "items": [], "anyOf": []}), of({"type": "array"}), id="empty lists"),
    pytest.param(of({"type": "array", "items": [TEXT], "additionalItems": False}), of({"type": "array", "prefixItems": [TEXT], "items": False}), id="closed tuple"),
    pytest.param(of("string"), of(TEXT), id="a property by name"),
    pytest.param(of(None), of({}), id="a null property"),
    pytest.param({"type": "object", "properties": [{"name": "a", "type": "string"}]}, of(TEXT), id="a list of properties"),
    pytest.param(of(TEXT, additionalProperties=None), of(TEXT), id="additionalProperties null"),
    pytest.param(of(TEXT, additionalProperties="false"), of(TEXT, additionalProperties=False), id="additionalProperties as text"),
    pytest.param(of({"patternProperties": {"^(.*)$": TEXT}}), of({"additionalProperties": TEXT}), id="any name"),
    pytest.param(of({"type": "string", "pattern": "^\\p{L}$"}), of({"type": "string", "description": '(pattern: ^\\\\p{L}$)'}), id="another language's pattern"),
    pytest.param(of({"type": "string", "maxLength": "5", "minLength": -1}), of({"type": "string", "maxLength": 5, "description": "(minLength: -1)"}), id="limits"),
    pytest.param(of({"type": "number", "default": float("nan")}), of({"type": "number", "default": "nan"}), id="no number"),
    pytest.param(of({"type": "string", "examples": "x", "deprecated": "use b"}), of({"type": "string", "examples": ["x"], "deprecated": True, "description": "(deprecated: use b)"}), id="examples"),
    pytest.param({"$schema": "http://json-schema.org/draft-07/schema#", **of(TEXT, dependencies={"a": ["b"]})}, of(TEXT, dependentRequired={"a": ["b"]}), id="draft 7: dependencies"),
    pytest.param(of({"$ref": "#item"}, definitions={"A": {"$id": "#item", "type": "string"}}), of({"$ref": "#/definitions/A"}, definitions={"A": TEXT}), id="draft 7: names"),
    pytest.param({"$id": "https://x.org/a", **of({"$ref": "https://x.org/a#/$defs/A"}, **{"$defs": {"A": TEXT}})}, of({"$ref": "#/$defs/A"}, **{"$defs": {"A": TEXT}}), id="its own address"),
    pytest.param(of({"$ref": "#/$defs/List%3Cint%3E"}, **{"$defs": {"List<int>": TEXT}}), of({"$ref": "#/$defs/defs_List_int"}, **{"$defs": {"defs_List_int": TEXT}}), id="escaped"),
    pytest.param(of({"$ref": "#/components/schemas/Pet"}, components={"schemas": {"Pet": {"type": "str"}}}), of({"$ref": "#/$defs/components_schemas_Pet"}, **{"$defs": {"components_schemas_Pet": TEXT}}), id="OpenAPI"),
    pytest.param(of({"type": "array", "items": {"$recursiveRef": "#"}}), of({"type": "array", "items": {"$ref": "#"}}), id="2019's recursion"),
    pytest.param({"type": "object", "properties": {1: TEXT}}, {"type": "object", "properties": {"1": TEXT}}, id="a number for a name"),
]  # fmt: skip


@pytest.mark.parametrize("strict", [None, True])
@pytest.mark.parametrize(("schema", "expected"), DIALECTS)
def test_every_dialect_becomes_the_newest_draft(schema: Any, expected: dict[str, Any], strict: Any) -> None:
    if strict is None:
        assert wired(schema)["input_schema"] == expected
        return
    with contextlib.suppress(UnsupportedOptionError):  # or it is said that it cannot be strict
        wired(schema, strict=True)


def test_the_choice_is_told() -> None:
    assert wired(PETS, description="Adopt.")["description"] == (
        'Adopt.\n\nThe input must have exactly one of these forms: (1) Cat, with kind = "cat", lives; '
        '(2) Dog, with kind = "dog", optional breed.'
    )


@pytest.mark.parametrize(
    ("schema", "strict", "words"),
    [
        ({"type": "array", "items": TEXT}, None, "tool 't' is of type 'array'"),
        ({"anyOf": [TEXT, {"type": "array"}]}, None, r"tool 't', anyOf\[0\] is of type 'string'"),
        ({"enum": ["a", "b"]}, None, "tool 't' is one of few values"),
        ({"type": "object", "properties": {"a": {"enum": [{"x": 1}]}}}, True, "t.*the schema.a names objects"),
        ({"type": "object", "properties": {"kids": {"type": "array", "items": {"$ref": "#"}}}}, True, "t.*refers to itself"),
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
    conversation = Conversation(WireNames(names))
    conversation.assistant([own], at=0)
    assert conversation.turns().messages[0]["content"] == [on_wire]
    assert (own["name"], own["input"]) == ("a.b/c", OWN)
    message: Any = {"content": [{"type": "text", "text": "x"}, on_wire]}
    assert with_own_names(message, names)["content"] == [{"type": "text", "text": "x"}, own]


def test_nothing_to_rename_costs_no_map() -> None:
    _, names = wire_tools([{"name": "t", "input_schema": PATH_OR_URL}])
    assert names is None
    assert wire_tool_name("t") == "t"


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
    closed = stream.accumulator.closed_at(0)
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


def test_a_tool_as_mcp_and_bedrock_have_it() -> None:
    mcp = {
        "name": "t",
        "title": "T",
        "description": None,
        "inputSchema": of(TEXT),
        "outputSchema": of(TEXT),
        "annotations": {"readOnlyHint": True},
        "icons": None,
        "_meta": {},
    }
    spec = {"toolSpec": {"name": "t", "description": "d", "inputSchema": {"json": of(TEXT)}}}
    assert wire_tools([mcp])[0] == [{"name": "t", "input_schema": of(TEXT)}]
    assert wire_tools([spec])[0] == [{"name": "t", "description": "d", "input_schema": of(TEXT)}]


def test_tools_of_one_name(caplog: pytest.LogCaptureFixture) -> None:
    first, second = ({"name": "t", "description": said, "input_schema": of(TEXT)} for said in "ab")
    with caplog.at_level(logging.WARNING, "aivideoapi"):
        assert wire_tools([first, dict(first)])[0] == [first]
        assert caplog.records == []
        assert wire_tools([first, second])[0] == [second], "the one that frameworks run"
    assert "several tools are called 't'" in caplog.text


@pytest.mark.parametrize(
    ("tool", "words"),
    [
        pytest.param({"name": "deep", "input_schema": nested(200)}, "tool 'deep': input_schema cannot be written", id="a deep schema"),
        pytest.param({"name": "odd", "input_examples": [object()]}, "tool 'odd': input_examples cannot be written", id="an object"),
    ],
)  # fmt: skip
def test_a_tool_that_no_request_can_hold_is_named(tool: Any, words: str) -> None:
    with pytest.raises(UnsupportedOptionError, match=words):
        wire_tools([tool])


@pytest.mark.parametrize(
    ("given", "later", "expected"),
    [
        pytest.param(["a_b"], ["a.b"], ["a_b_2"], id="beside a plain one"),
        pytest.param(["a.b"], ["a_b"], ["a_b_2"], id="a plain one beside a renamed"),
        pytest.param(["a.b"], ["a/b", "a b", "a/b"], ["a_b_2", "a_b_3", "a_b_2"], id="several"),
        pytest.param(["c"], ["a.b", "a_b"], ["a_b", "a_b_2"], id="among themselves"),
        pytest.param(["a.b"], ["a.b", "c"], ["a_b", "c"], id="one that is there already"),
    ],
)  # fmt: skip
def test_tools_that_come_later_have_names_of_their_own(
    given: list[str], later: list[str], expected: list[str]
) -> None:
    tools, names = wire_tools([{"name": name, "input_schema": of(TEXT)} for name in given])
    conversation = Conversation(WireNames(names, tools))
    for at, name in enumerate(later):
        definition = {"type": "tool_definition", "definition": {"name": name, "input_schema": of(TEXT)}}
        conversation.user([{"type": "tool_addition", "tool": definition}], at=at)
    calls: Any = [
        {"type": "tool_use", "id": name, "name": name, "input": {}}
        for name in (*given, *dict.fromkeys(later))
    ]
    conversation.assistant(calls, at=9)
    turns = conversation.turns()
    added: Any = turns.messages[0]["content"]
    assert [block["tool"]["definition"]["name"] for block in added] == expected
    called: Any = turns.messages[1]["content"]
    assert len({block["name"] for block in called}) == len({*given, *later})
    own = {name: whose for name, (whose, _) in {**(names or {}), **(turns.names or {})}.items()}
    assert [own.get(block["name"], block["name"]) for block in called] == [block["name"] for block in calls]


def test_calls_of_tools_that_are_gone_keep_their_names_apart() -> None:
    (tool,), names = wire_tools([{"name": "a.b", "input_schema": of(TEXT)}])
    conversation = Conversation(WireNames(names))
    for number, name in enumerate(["a/b", "a.b", "a:b", "a/b", "a_b", "c"]):
        call: Any = {"type": "tool_use", "id": str(number), "name": name, "input": {}}
        conversation.assistant([call], at=number)
    said: Any = conversation.turns().messages[0]["content"]
    assert tool["name"] == "a_b"
    assert [block["name"] for block in said] == ["a_b_2", "a_b", "a_b_3", "a_b_2", "a_b", "c"]
