"""A forced call that came as text: what is read, and what is left alone."""

from __future__ import annotations

import json
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aivideoapi_core import Message, ToolChoiceIgnoredError
from aivideoapi_core._inbound import recovered_calls
from aivideoapi_core._inbound.call_readings import read_call
from aivideoapi_core._inbound.json_values import MAX_CHARS, JSONScanner, json_values
from aivideoapi_core._inbound.recovered_calls import ForcedCall, forced_call, recover_call
from aivideoapi_core._inbound.schema_check import fits

COUNT = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}
PERSON = {
    "type": "object",
    "properties": {"name": {"type": "string"}, "age": {"type": "integer"}},
    "required": ["name"],
}
NOTE = {"type": "object", "properties": {"text": {"type": "string"}, "tags": {"type": "array"}}}
NOTHING: dict[str, Any] = {"type": "object", "properties": {}}

ONE = ("count", {"n": 1})
ANYTHING: dict[str, Any] = {"type": "object", "properties": {}, "additionalProperties": True}
BARE = '{"n": 1}'
CALL = '{"name": "count", "arguments": {"n": 1}}'


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(BARE, id="bare"),
        pytest.param(f"  \n{BARE}\n", id="blanks around"),
        pytest.param(f"```json\n{BARE}\n```", id="fence"),
        pytest.param(f"```\n{BARE}\n```", id="fence without a language"),
        pytest.param(f"~~~json\n{BARE}\n~~~", id="tilde fence"),
        pytest.param(f"```json\n{BARE}", id="fence that does not close"),
        pytest.param(f"Here it is: {BARE}. Anything else?", id="in prose"),
        pytest.param(f"[see: {BARE}]", id="in brackets that are no JSON"),
        pytest.param(f"[{BARE} and so on", id="in a bracket that does not close"),
        pytest.param(f"f({{x}}) gives {BARE}", id="after braces of prose"),
        pytest.param(f'He said "{{" and {BARE}', id="after a brace in quotes"),
        pytest.param(f"{BARE}\n{BARE}", id="said twice"),
        pytest.param('{"n": 1}, that is {"n": 1.0}', id="said twice in two spellings"),
        pytest.param(f"[{BARE}]", id="list of one"),
        pytest.param(f"[{BARE}, {BARE}]", id="list of one said twice"),
        pytest.param(json.dumps(BARE), id="JSON text as JSON text"),
        pytest.param(f'{{"input": {BARE}}}', id="input alone"),
        pytest.param(f'<tool_calls>[{{"input": {BARE}}}]</tool_calls>', id="tool_calls with input alone"),
        pytest.param(CALL, id="name and arguments"),
        pytest.param(f"<tool_call>\n{CALL}\n</tool_call>", id="tool_call tag"),
        pytest.param(f"<function_calls>[{CALL}]</function_calls>", id="function_calls tag"),
        pytest.param('{"name": "count", "input": {"n": 1}}', id="name and input"),
        pytest.param('{"name": "count", "parameters": {"n": 1}}', id="name and parameters"),
        pytest.param('{"name": "count", "args": {"n": 1}}', id="name and args"),
        pytest.param('{"tool": "count", "args": {"n": 1}}', id="tool and args"),
        pytest.param('{"tool": "count", "n": 1}', id="tool and the arguments beside it"),
        pytest.param('{"tool_name": "count", "tool_input": {"n": 1}}', id="tool_name and tool_input"),
        pytest.param('{"action": "count", "action_input": {"n": 1}}', id="action and action_input"),
        pytest.param('{"name": "count", "arguments": "{\\"n\\": 1}"}', id="arguments as JSON text"),
        pytest.param('{"function": {"name": "count", "arguments": {"n": 1}}}', id="function"),
        pytest.param(
            '{"tool_calls": [{"id": "c1", "type": "function", "function": {"name": "count", "arguments": "{\\"n\\": 1}"}}]}',
            id="tool_calls of another wire",
        ),
        pytest.param('{"type": "tool_use", "id": "toolu_1", "name": "count", "input": {"n": 1}}', id="tool_use"),
        pytest.param('{"count": {"n": 1}}', id="name as the key"),
        pytest.param(
            '<invoke name="count"><parameter name="n">1</parameter></invoke>', id="invoke"
        ),
        pytest.param(
            '<function_calls>\n<invoke name="count">\n<parameter name="n">1</parameter>\n</invoke>\n</function_calls>',
            id="invoke in function_calls",
        ),
    ],
)  # fmt: skip
def test_a_call_is_read(text: str) -> None:
    assert read_call(text, {"count": COUNT}) == ONE
    assert read_call(text, {"count": COUNT, "person": PERSON}) == ONE


@pytest.mark.parametrize(
    ("text", "tools"),
    [
        pytest.param("I cannot do that.", {"count": COUNT}, id="words"),
        pytest.param("", {"count": COUNT}, id="nothing"),
        pytest.param('{"n": "one"}', {"count": COUNT}, id="breaks the schema"),
        pytest.param('{"n": true}', {"count": COUNT}, id="true is no integer"),
        pytest.param('{"m": 1}', {"count": COUNT}, id="lacks what is required"),
        pytest.param('{"n": 1,}', {"count": COUNT}, id="no JSON"),
        pytest.param("{'n': 1}", {"count": COUNT}, id="Python, no JSON"),
        pytest.param('{"n": 1, "n": 2}', {"count": COUNT}, id="one key twice"),
        pytest.param('{"n": 1} or {"n": 2}', {"count": COUNT}, id="two values that fit"),
        pytest.param('[{"n": 1}, {"n": 2}]', {"count": COUNT}, id="two calls"),
        pytest.param('{"n": 1}', {"count": COUNT, "tally": COUNT}, id="two tools that fit"),
        pytest.param(
            '{"name": "search", "arguments": {"n": 1}}', {"count": COUNT}, id="another tool by name"
        ),
        pytest.param(
            '{"name": "search", "arguments": {"q": 1}}', {"person": PERSON}, id="another tool, and name fits"
        ),
        pytest.param('{"error": "no such note"}', {"note": NOTE}, id="names nothing that the tool has"),
        pytest.param('{"tool": "search", "n": 1}', {"count": COUNT}, id="another tool, arguments beside"),
        pytest.param('{"n": 1e999}', {"count": COUNT}, id="number without a value"),
        pytest.param('{"n": NaN}', {"count": COUNT}, id="no JSON number"),
        pytest.param('<invoke name="other"><parameter name="n">1</parameter></invoke>', {"count": COUNT}, id="invoke of another"),
        pytest.param('<invoke name="count"><parameter name="n">1', {"count": COUNT}, id="invoke that does not close"),
        pytest.param("[" * 100 + '{"n": 1}' + "]" * 100, {"count": COUNT}, id="lists in lists"),
    ],
)  # fmt: skip
def test_nothing_is_guessed(text: str, tools: dict[str, Any]) -> None:
    assert read_call(text, tools) is None


ROWS = {"type": "object", "properties": {"value": {"type": "array", "items": COUNT}}, "required": ["value"]}
EITHER = {
    "type": "object",
    "properties": {"value": {"anyOf": [COUNT, {"enum": ["red"]}]}},
    "required": ["value"],
}
FREE = {"type": "object", "properties": {"value": {}}, "required": ["value"]}


@pytest.mark.parametrize(
    ("text", "tools", "expected"),
    [
        pytest.param('[{"n": 1}, {"n": 2}]', {"rows": ROWS}, {"value": [{"n": 1}, {"n": 2}]}, id="list"),
        pytest.param('```json\n[{"n": 1}]\n```', {"rows": ROWS}, {"value": [{"n": 1}]}, id="list in a fence"),
        pytest.param('{"value": [{"n": 1}]}', {"rows": ROWS}, {"value": [{"n": 1}]}, id="wrapped"),
        pytest.param('See [{"n": 1}] and [2].', {"rows": ROWS}, None, id="list in prose"),
        pytest.param('{"n": 1}', {"either": EITHER}, {"value": {"n": 1}}, id="one of a choice"),
        pytest.param('"red"', {"either": EITHER}, None, id="text"),
        pytest.param('{"value": {"value": 1}}', {"free": FREE}, {"value": {"value": 1}}, id="wrapped before bare"),
        pytest.param('{"n": 1}', {"either": EITHER, "free": FREE}, None, id="two that fit"),
    ],
)  # fmt: skip
def test_a_value_alone_for_the_only_property(text: str, tools: dict[str, Any], expected: Any) -> None:
    call = read_call(text, tools)
    assert (call and call[1]) == expected


@pytest.mark.parametrize(
    ("text", "tools", "expected"),
    [
        pytest.param('{"name": "person", "arguments": {"name": "Ada"}}', {"person": PERSON}, ("person", {"name": "Ada"}), id="wrapper before bare"),
        pytest.param('{"name": "Ada", "age": 36}', {"person": PERSON, "count": COUNT}, ("person", {"name": "Ada", "age": 36}), id="bare that looks like a wrapper"),
        pytest.param("{}", {"ping": NOTHING}, ("ping", {}), id="no arguments"),
        pytest.param('{"name": "ping", "arguments": ""}', {"ping": NOTHING}, ("ping", {}), id="arguments as empty text"),
        pytest.param('{"n": 1, "text": "x"} {"n": 2}', {"note": NOTE}, ("note", {"n": 1, "text": "x"}), id="one fits, one does not"),
        pytest.param(
            '<invoke name="note"><parameter name="text">5 < 6</parameter><parameter name="tags">["a"]</parameter></invoke>',
            {"note": NOTE}, ("note", {"text": "5 < 6", "tags": ["a"]}), id="invoke by schema",
        ),
        pytest.param('{"text": "a\nb"}', {"note": NOTE}, ("note", {"text": "a\nb"}), id="line break in a string"),
        pytest.param('{"text": "a\\ud83d b"}', {"note": NOTE}, ("note", {"text": "a\ufffd b"}), id="half an emoji"),
        pytest.param('{"text": "\\ud83d\\ude00"}', {"note": NOTE}, ("note", {"text": "\U0001f600"}), id="both halves"),
        pytest.param('{"text": "```{\\"text\\": 1}``` ]["}', {"note": NOTE}, ("note", {"text": '```{"text": 1}``` ]['}), id="fence and brackets in a string"),
    ],
)  # fmt: skip
def test_what_is_meant(text: str, tools: dict[str, Any], expected: Any) -> None:
    assert read_call(text, tools) == expected


# The depths are beyond what any stack holds; of lengths a twentieth of a million shows what is not linear.
HOSTILE = [
    pytest.param("[" * 300_000, id="opening brackets"),
    pytest.param("{" * 60_000, id="opening braces"),
    pytest.param("[{" * 30_000, id="both"),
    pytest.param('{"a":' * 12_000, id="objects in objects"),
    pytest.param('["' * 30_000, id="strings that do not close"),
    pytest.param('["\\"' * 15_000, id="escaped quotes"),
    pytest.param('[1,"' * 15_000, id="list and quote"),
    pytest.param("[" * 100_000 + "]" * 100_000, id="nested to the end"),
    pytest.param("[0," * 20_000, id="lists that do not end"),
    pytest.param("{}" * 30_000, id="values without end"),
    pytest.param("[ " + " " * 60_000, id="blanks"),
    pytest.param('<invoke name="a">' * 4_000, id="invocations that do not close"),
    pytest.param('<invoke name="count">' + '<parameter name="n">' * 4_000 + "</invoke>", id="parameters"),
]


@pytest.mark.parametrize("text", HOSTILE)
def test_work_is_linear(text: str) -> None:
    scanner = JSONScanner(text)
    scanner.scan()
    assert scanner.steps <= 3 * len(text) + 3
    assert read_call(text, {"count": COUNT}) is None


@pytest.mark.parametrize("text", HOSTILE)
def test_a_call_after_hostile_text_is_read_or_left(text: str) -> None:
    assert read_call(f"{text}\n{BARE}", {"count": COUNT}) in (None, ONE)


def test_longer_texts_than_any_answer_are_not_read() -> None:
    assert json_values(" " * MAX_CHARS + BARE) == []


def test_a_large_answer_is_read() -> None:
    value = {"rows": [{"id": number, "text": "x" * 50} for number in range(5000)]}
    schema = {"type": "object", "properties": {"rows": {"type": "array"}}, "required": ["rows"]}
    assert read_call(json.dumps(value, indent=1), {"rows": schema}) == ("rows", value)


LOOP = {"$ref": "#/$defs/loop", "$defs": {"loop": {"$ref": "#/$defs/loop"}}}
TREE: dict[str, Any] = {
    "$defs": {
        "node": {
            "anyOf": [
                {"properties": {"next": {"$ref": "#/$defs/node"}, "a": {"type": "string"}}, "required": ["a"]},
                {"properties": {"next": {"$ref": "#/$defs/node"}, "b": {"type": "string"}}, "required": ["b"]},
            ]
        }
    },
    "$ref": "#/$defs/node",
}  # fmt: skip


def _chain(depth: int) -> dict[str, Any]:
    value: dict[str, Any] = {"x": 1}
    for _ in range(depth):
        value = {"next": value, "a": "", "b": ""}
    return value


@pytest.mark.parametrize(
    ("value", "schema", "expected"),
    [
        pytest.param(1, True, True, id="true"),
        pytest.param(1, False, False, id="false"),
        pytest.param(1.0, {"type": "integer"}, True, id="whole float"),
        pytest.param(True, {"type": "number"}, False, id="true is no number"),
        pytest.param(None, {"type": ["string", "null"]}, True, id="list of types"),
        pytest.param(None, {"type": "string", "nullable": True}, True, id="nullable"),
        pytest.param(1, {"enum": [True, "1"]}, False, id="enum"),
        pytest.param([1], {"enum": [[1]]}, True, id="enum of lists"),
        pytest.param("a", {"const": "b"}, False, id="const"),
        pytest.param({"a": 1}, {"additionalProperties": False}, False, id="more than declared"),
        pytest.param({"a": 1}, {"additionalProperties": {"type": "string"}}, False, id="free keys"),
        pytest.param({"x-a": 1}, {"patternProperties": {"^x-": {"type": "string"}}}, False, id="keys by pattern"),
        pytest.param({"A": 1}, {"propertyNames": {"pattern": "^[a-z]+$"}}, False, id="names of keys"),
        pytest.param([1, "a"], {"prefixItems": [{"type": "integer"}], "items": {"type": "string"}}, True, id="tuple"),
        pytest.param([1, 1], {"uniqueItems": True}, False, id="unique"),
        pytest.param([1], {"minItems": 2}, False, id="too few"),
        pytest.param("abc", {"maxLength": 2}, False, id="too long"),
        pytest.param("abc", {"pattern": "b"}, True, id="pattern is searched for"),
        pytest.param("abc", {"pattern": "^b"}, False, id="pattern"),
        pytest.param("abc", {"pattern": "(?=x)"}, True, id="pattern beyond our engine"),
        pytest.param("a" * 5000 + "!", {"pattern": "^(a+)+$"}, False, id="pattern that backtracks"),
        pytest.param(5, {"minimum": 1, "maximum": 5}, True, id="in range"),
        pytest.param(5, {"exclusiveMaximum": 5}, False, id="at the limit"),
        pytest.param(0.3, {"multipleOf": 0.1}, True, id="multiple"),
        pytest.param(10**400, {"multipleOf": 3}, False, id="huge multiple"),
        pytest.param(1, {"minimum": "1"}, False, id="no schema"),
        pytest.param(1, {"anyOf": [{"type": "string"}, {"minimum": 2}]}, False, id="anyOf"),
        pytest.param(1, {"oneOf": [{"type": "integer"}, {"minimum": 0}]}, False, id="oneOf, both"),
        pytest.param(1, {"allOf": [{"type": "integer"}, {"minimum": 2}]}, False, id="allOf"),
        pytest.param(1, {"not": {"type": "integer"}}, False, id="not"),
        pytest.param({"a": 1}, {"properties": {"a": {"$ref": "#/$defs/s"}}, "$defs": {"s": {"type": "string"}}}, False, id="reference"),
        pytest.param(1, {"$ref": "#/$defs/gone"}, False, id="reference that leads nowhere"),
        pytest.param(1, LOOP, False, id="reference to itself"),
        pytest.param(_chain(60), TREE, False, id="exponential"),
    ],
)  # fmt: skip
def test_fits(value: Any, schema: Any, expected: bool) -> None:
    assert fits(value, schema) is expected


def _message(text: str, **fields: Any) -> Message:
    said = {
        "id": "msg_1",
        "content": [{"type": "text", "text": text}],
        "stop_reason": "end_turn",
        "usage": {},
    }
    return cast("Message", {**said, **fields})


def test_the_call_is_after_the_text_and_marked() -> None:
    message = _message(f"Sure: {BARE}")
    recovered = recover_call(message, {"count": COUNT})
    assert recovered is not None
    said, call = recovered["content"]
    assert said == {"type": "text", "text": f"Sure: {BARE}"}
    assert {**call, "id": ""} == {"type": "tool_use", "id": "", "name": "count", "input": {"n": 1}}
    assert call["id"].startswith("toolu_recovered_")
    assert (recovered["stop_reason"], recovered["recovered_tool_call"]) == ("tool_use", True)
    assert recovered == recover_call(message, {"count": COUNT})
    assert message == _message(f"Sure: {BARE}")


@pytest.mark.parametrize("reason", ["max_tokens", "model_context_window_exceeded", "refusal", "pause_turn"])
def test_replies_that_are_not_whole_are_left(reason: str) -> None:
    assert recover_call(_message(BARE, stop_reason=reason), {"count": COUNT}) is None


def test_replies_with_a_call_are_left() -> None:
    call = {"type": "tool_use", "id": "toolu_1", "name": "count", "input": {"n": 2}}
    message = _message("", content=[{"type": "text", "text": BARE}, call])
    assert ForcedCall(tools={"count": COUNT}).settle(message, model="m") is message


def test_what_the_server_called_is_no_call() -> None:
    search = {"type": "server_tool_use", "id": "srvtoolu_1", "name": "web_search", "input": {"query": "x"}}
    result = {"type": "web_search_tool_result", "tool_use_id": "srvtoolu_1", "content": []}
    message = _message("", content=[search, result, {"type": "text", "text": BARE}])
    recovered = recover_call(message, {"count": COUNT})
    assert recovered is not None
    assert recovered["content"][-1]["input"] == {"n": 1}


def test_thinking_is_no_answer() -> None:
    thought = {"type": "thinking", "thinking": BARE, "signature": "s"}
    assert recover_call(_message("", content=[thought]), {"count": COUNT}) is None


def test_ignored_once_is_marked_and_twice_raises() -> None:
    once = ForcedCall(tools={"count": COUNT}).settle(_message("no"), model="m")
    assert once == {**_message("no"), "tool_choice_ignored": True}
    with pytest.raises(ToolChoiceIgnoredError, match="'count' was forced") as caught:
        ForcedCall(tools={"count": COUNT}, is_last_try=True).settle(_message("no"), model="m")
    assert (caught.value.text, caught.value.retryable) == ("no", False)
    assert not isinstance(caught.value, ValueError)


def test_a_pause_is_no_answer_yet() -> None:
    paused = _message("", stop_reason="pause_turn")
    assert ForcedCall(tools={"count": COUNT}, is_last_try=True).settle(paused, model="m") is paused


TOOLS = [{"name": "count", "input_schema": COUNT}, {"name": "person", "input_schema": PERSON}, {"type": "web_search_20260318", "name": "web_search"}]  # fmt: skip


@pytest.mark.parametrize(
    ("payload", "expected"),
    [
        pytest.param({"tools": TOOLS}, None, id="no choice"),
        pytest.param({"tools": TOOLS, "tool_choice": {"type": "auto"}}, None, id="auto"),
        pytest.param({"tools": TOOLS, "tool_choice": {"type": "none"}}, None, id="none"),
        pytest.param({"tools": TOOLS, "tool_choice": {"type": "any"}}, {"count", "person"}, id="any"),
        pytest.param({"tools": TOOLS, "tool_choice": {"type": "tool", "name": "count"}}, {"count"}, id="tool"),
        pytest.param({"tools": TOOLS[2:], "tool_choice": {"type": "any"}}, None, id="server tools alone"),
    ],
)  # fmt: skip
def test_forced_call(payload: dict[str, Any], expected: set[str] | None) -> None:
    found = forced_call(payload)
    assert (found and set(found.tools)) == expected


@pytest.mark.parametrize(
    ("before", "expected"),
    [
        pytest.param([], False, id="nothing"),
        pytest.param([None], False, id="a question"),
        pytest.param([True, None], True, id="asked again"),
        pytest.param([False, None], False, id="an answer"),
        pytest.param([None, True, None], False, id="once, and another question"),
        pytest.param([None, True, None, True, None], True, id="twice in words"),
        pytest.param([None, True, None, False, None, True], False, id="a call between"),
        pytest.param([None, False, True], False, id="called at last"),
    ],
)
def test_which_try_is_the_last(before: list[bool | None], expected: bool) -> None:
    found = forced_call({"tools": TOOLS, "tool_choice": {"type": "any"}}, before=before)
    assert found is not None
    assert found.is_last_try is expected


def test_one_warning_for_each_model(
    recwarn: pytest.WarningsRecorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recovered_calls, "_warned", set())
    for model in ("a", "a", "b"):
        ForcedCall(tools={"count": COUNT}).settle(_message(BARE), model=model)
    assert [str(warning.message).split()[0] for warning in recwarn] == ["a", "b"]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=12,
)
ROOTS = st.lists(JSON, max_size=3) | st.dictionaries(st.text(max_size=4), JSON, max_size=3)
WORDS = st.text("abc .,:;-!?\n`~<>/()", max_size=12)


@given(st.lists(st.tuples(WORDS, ROOTS, st.sampled_from([None, 1])), max_size=4), WORDS)
def test_values_among_words_are_all_found(parts: list[tuple[str, Any, int | None]], end: str) -> None:
    text = "".join(f"{words}{json.dumps(value, indent=indent)}" for words, value, indent in parts) + end
    assert json_values(text) == [value for _, value, _ in parts]


@given(st.text('[]{}:,"\\\\ntrue01.-e \n', max_size=40))
def test_whatever_is_found_is_json_and_whole(text: str) -> None:
    end = 0
    for start, stop in JSONScanner(text).scan():
        assert start >= end
        assert isinstance(json.loads(text[start:stop], strict=False), (dict, list))
        end = stop


@pytest.mark.parametrize(
    ("text", "tools", "call"),
    [
        pytest.param(BARE, {"now": NOTHING, "count": COUNT}, ONE, id="it takes nothing, so it is not meant"),
        pytest.param(f'{{"input": {BARE}}}', {"now": NOTHING, "count": COUNT}, ONE, id="nor in a wrapper without a name"),
        pytest.param('{"n": "one"}', {"now": NOTHING, "count": COUNT}, None, id="nor by what fits nobody"),
        pytest.param('{"name": "now", "arguments": {}}', {"now": NOTHING, "count": COUNT}, ("now", {}), id="called by its name"),
        pytest.param("{}", {"now": NOTHING, "count": COUNT}, ("now", {}), id="called with nothing"),
        pytest.param(BARE, {"note": ANYTHING}, ("note", {"n": 1}), id="a tool that says that it takes anything"),
        pytest.param(BARE, {"note": {"type": "object"}}, ("note", {"n": 1}), id="a tool that says nothing of what it takes"),
        pytest.param(BARE, {"note": ANYTHING, "count": COUNT}, None, id="beside one that takes it"),
    ],
)  # fmt: skip
def test_a_tool_without_properties(text: str, tools: Any, call: Any) -> None:
    assert read_call(text, tools) == call
