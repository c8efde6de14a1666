"""with_structured_output: schemas, methods, routes, streaming, and what agents bind."""

from __future__ import annotations

import dataclasses
import json
from typing import Annotated, Any

import pytest
from langchain.agents import create_agent
from langchain.agents.structured_output import ProviderStrategy, ToolStrategy
from langchain_core.exceptions import OutputParserException
from langchain_core.messages import AIMessage
from pydantic import BaseModel, Field
from pydantic.v1 import BaseModel as BaseModelV1
from typing_extensions import TypedDict  # pydantic wants this one before Python 3.12

from aivideoapi_core.sandbox import Reply, Sandbox
from langchain_aivideoapi import ChatAIVideoAPI

NATIVE = "claude-sonnet-4-6"
DIRECT = "claude-sonnet-4-6/anthropic"
ROUTES = [NATIVE, DIRECT]
METHODS = ["function_calling", "json_schema", "json_mode"]
VALUE = {"name": "Ada", "age": 36}


class Person(BaseModel):
    """Somebody."""

    name: str = Field(description="The name of the person.")
    age: int


class PersonV1(BaseModelV1):
    """Somebody."""

    name: str
    age: int


class PersonDict(TypedDict):
    """Somebody."""

    name: Annotated[str, ..., "The name of the person."]
    age: Annotated[int, ..., "Years."]


@dataclasses.dataclass
class PersonData:
    """Somebody."""

    name: str
    age: int


SCHEMA = {"title": "Person", "description": "Somebody.", "type": "object", "properties": {"name": {"type": "string"}, "age": {"type": "integer"}}, "required": ["name", "age"]}  # fmt: skip
TOOL = {"name": "Person", "description": "Somebody.", "input_schema": {key: SCHEMA[key] for key in ("type", "properties", "required")}}  # fmt: skip
SCHEMAS: list[Any] = [
    pytest.param(Person, Person(name="Ada", age=36), id="pydantic"),
    pytest.param(PersonV1, PersonV1(name="Ada", age=36), id="pydantic v1"),
    pytest.param(PersonDict, VALUE, id="TypedDict"),
    pytest.param(PersonData, PersonData("Ada", 36), id="dataclass"),
    pytest.param(SCHEMA, VALUE, id="JSON schema"),
    pytest.param(TOOL, VALUE, id="tool dict"),
    pytest.param({name: SCHEMA[name] for name in ("type", "properties", "required")}, VALUE, id="no title"),
]


def _model(sandbox: Sandbox, model_id: str, **fields: Any) -> ChatAIVideoAPI:
    return ChatAIVideoAPI(
        model=model_id, api_key=sandbox.api_key, base_url=sandbox.url, max_retries=0, **fields
    )


def _answer(model_id: str, method: str, schema: Any) -> Reply:
    """What the platform would answer: JSON text where a format was sent, else the forced call."""
    if method != "function_calling" and model_id == DIRECT:
        return Reply(json.dumps(VALUE))
    named = (
        schema.get("title") or schema.get("name", "answer") if isinstance(schema, dict) else schema.__name__
    )
    return Reply(tool_uses=[{"name": named, "input": VALUE}])


@pytest.mark.parametrize("model_id", ROUTES)
@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(("schema", "expected"), SCHEMAS)
async def test_every_schema_by_every_method(
    sandbox: Sandbox, schema: Any, expected: Any, method: Any, model_id: str
) -> None:
    runnable = _model(sandbox, model_id).with_structured_output(schema, method=method)
    sandbox.enqueue(*[_answer(model_id, method, schema)] * 4)
    assert runnable.invoke("Ada, 36") == expected
    assert await runnable.ainvoke("Ada, 36") == expected
    assert list(runnable.stream("Ada, 36"))[-1] == expected
    raw = _model(sandbox, model_id).with_structured_output(schema, method=method, include_raw=True)
    found: Any = raw.invoke("Ada, 36")
    assert isinstance(found["raw"], AIMessage)
    assert found["parsed"] == expected
    assert found["parsing_error"] is None
    body = sandbox.requests[0].body
    if method != "function_calling" and model_id == DIRECT:
        assert body["output_config"]["format"]["type"] == "json_schema"
        assert body["output_config"]["format"]["schema"]["additionalProperties"] is False
        assert "tools" not in body
    else:
        assert body["tool_choice"]["type"] in ("tool", "any")
        assert "output_config" not in body


@pytest.mark.parametrize("model_id", ROUTES)
@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("strict", [None, True, False])
def test_rule_made_answers_fit_the_schema(
    sandbox: Sandbox, method: Any, model_id: str, strict: bool | None
) -> None:
    """Nothing scripted: the sandbox reads the schema from the request itself, so it must be there."""
    runnable = _model(sandbox, model_id).with_structured_output(Person, method=method, strict=strict)
    assert isinstance(runnable.invoke("Ada is 36 years old."), Person)


@pytest.mark.parametrize("model_id", ROUTES)
@pytest.mark.parametrize("method", METHODS)
def test_partial_objects(sandbox: Sandbox, method: Any, model_id: str) -> None:
    value = {"name": "Ada Lovelace of London", "age": 36}
    answer = _answer(model_id, method, SCHEMA)
    sandbox.enqueue(dataclasses.replace(answer, pieces=4, **({"text": json.dumps(value)} if answer.text else {"tool_uses": [{"name": "Person", "input": value}]})))  # fmt: skip
    parts: list[Any] = list(
        _model(sandbox, model_id).with_structured_output(SCHEMA, method=method).stream("x")
    )
    assert len(parts) > 3
    assert parts[-1] == value
    assert any(set(part) < {"name", "age"} or part["name"] != value["name"] for part in parts[:-1])


@pytest.mark.parametrize("model_id", ROUTES)
def test_json_schema_text_is_the_same_on_both_routes(sandbox: Sandbox, model_id: str) -> None:
    """On the native route a tool stands in, and its arguments are the text, streamed or whole."""
    bound = _model(sandbox, model_id).bind(
        response_format={"type": "json_schema", "json_schema": {"name": "Person", "schema": SCHEMA}}
    )
    sandbox.enqueue(*[_answer(model_id, "json_schema", SCHEMA)] * 3)
    whole = bound.invoke("x")
    pieces: Any = list(bound.stream("x"))
    total = pieces[0]
    for piece in pieces[1:]:
        total += piece
    for message in (whole, total, bound.stream_events("x", version="v3").output):
        assert json.loads(message.text) == VALUE
        assert message.tool_calls == []
        assert message.response_metadata["stop_reason"] == "end_turn"
    assert isinstance(total.content, str)
    assert whole.content == json.dumps(VALUE)


@pytest.mark.parametrize("model_id", ROUTES)
@pytest.mark.parametrize("method", ["json_schema", "json_mode"])
def test_the_route_is_that_of_the_call(sandbox: Sandbox, model_id: str, method: Any) -> None:
    """``model=`` per call, a fallback or a configurable model may change it after the binding."""
    other = DIRECT if model_id == NATIVE else NATIVE
    runnable = _model(sandbox, other).with_structured_output(Person, method=method, model=model_id)
    sandbox.enqueue(_answer(model_id, method, Person))
    assert runnable.invoke("x") == Person(name="Ada", age=36)
    assert ("output_config" in sandbox.requests[-1].body) is (model_id == DIRECT)


THINKING: dict[str, Any] = {NATIVE: True, DIRECT: {"type": "enabled", "budget_tokens": 2048}}


@pytest.mark.parametrize("model_id", ROUTES)
def test_function_calling_with_thinking_asks_instead_of_forcing(sandbox: Sandbox, model_id: str) -> None:
    model = _model(sandbox, model_id, thinking=THINKING[model_id])
    with pytest.warns(UserWarning, match="Thinking is on"):
        runnable = model.with_structured_output(Person)
    sandbox.enqueue(Reply(tool_uses=[{"name": "Person", "input": VALUE}], thinking="Hm."), Reply("No."))
    assert runnable.invoke("x") == Person(name="Ada", age=36)
    assert sandbox.requests[-1].body["tool_choice"] == {"type": "auto"}
    with pytest.raises(OutputParserException, match="did not call 'Person'"):
        runnable.invoke("x")


def test_function_calling_with_adaptive_thinking_forces(sandbox: Sandbox) -> None:
    model = _model(sandbox, DIRECT, thinking={"type": "adaptive"})
    assert isinstance(model.with_structured_output(Person).invoke("x"), Person)
    assert sandbox.requests[-1].body["tool_choice"] == {"type": "tool", "name": "Person"}


@pytest.mark.parametrize("model_id", ROUTES)
def test_json_schema_with_thinking(sandbox: Sandbox, model_id: str) -> None:
    model = _model(sandbox, model_id, thinking=THINKING[model_id])
    answer = dataclasses.replace(_answer(model_id, "json_schema", Person), thinking="Hm.")
    sandbox.enqueue(answer, answer)
    runnable = model.with_structured_output(Person, method="json_schema")
    assert runnable.invoke("x") == Person(name="Ada", age=36)
    assert list(runnable.stream("x"))[-1] == Person(name="Ada", age=36)


class Tree(BaseModel):
    """A tree, which refers to itself."""

    children: list[Tree] = []


class Counts(BaseModel):
    """A mapping with free keys, which the wire's output format cannot say."""

    counts: dict[str, int]


@pytest.mark.parametrize("model_id", ROUTES)
@pytest.mark.parametrize(
    ("schema", "value"), [(Tree, {"children": [{"children": []}]}), (Counts, {"counts": {"a": 1}})]
)
def test_a_tool_stands_in_where_a_format_cannot_say_the_schema(
    sandbox: Sandbox, model_id: str, schema: type[BaseModel], value: dict[str, Any]
) -> None:
    model, expected = _model(sandbox, model_id), schema.model_validate(value)
    answer = Reply(tool_uses=[{"name": schema.__name__, "input": value}])
    sandbox.enqueue(answer, answer, answer)
    runnable = model.with_structured_output(schema, method="json_schema")
    assert runnable.invoke("x") == expected
    assert list(runnable.stream("x"))[-1] == expected
    agent: Any = create_agent(model, tools=[look], response_format=schema)
    assert agent.invoke({"messages": [("user", "x")]})["structured_response"] == expected
    for request in sandbox.requests:
        assert "output_config" not in request.body
        assert request.body["tools"][-1]["input_schema"]["type"] == "object"


@pytest.mark.parametrize("model_id", ROUTES)
def test_a_schema_that_nothing_can_say(sandbox: Sandbox, model_id: str) -> None:
    schema = {"title": "X", "description": "d", "$ref": "#/$defs/Gone"}
    with pytest.raises(ValueError, match="the schema"):
        _model(sandbox, model_id).with_structured_output(schema, method="json_schema").invoke("x")
    assert sandbox.requests == []


def test_json_mode_asks_in_words_where_a_format_cannot_say_the_schema(sandbox: Sandbox) -> None:
    model = _model(sandbox, DIRECT)
    sandbox.enqueue(Reply('{"children": []}'), Reply(tool_uses=[{"name": "Tree", "input": {"children": []}}]))
    assert model.with_structured_output(Tree, method="json_mode").invoke("x") == Tree()
    assert "one JSON object" in sandbox.requests[-1].body["system"]
    assert model.with_structured_output(Tree).invoke("x") == Tree()


def test_json_mode_without_a_schema(sandbox: Sandbox) -> None:
    sandbox.enqueue(Reply('```json\n{"a": 1}\n```'))
    model = _model(sandbox, NATIVE).with_structured_output(method="json_mode")
    assert model.invoke([("system", "Be brief."), ("user", "x")]) == {"a": 1}
    assert sandbox.requests[-1].body["system"].startswith("Be brief.\n\n")


@pytest.mark.parametrize("method", METHODS)
def test_an_answer_that_does_not_fit(sandbox: Sandbox, method: Any) -> None:
    bad = {"name": "Ada", "age": "old"}
    answer = (
        Reply(tool_uses=[{"name": "Person", "input": bad}])
        if method == "function_calling"
        else Reply(json.dumps(bad))
    )
    sandbox.enqueue(answer, answer)
    with pytest.raises((OutputParserException, ValueError)):
        _model(sandbox, DIRECT).with_structured_output(Person, method=method).invoke("x")
    found: Any = (
        _model(sandbox, DIRECT).with_structured_output(Person, method=method, include_raw=True).invoke("x")
    )
    assert found["parsed"] is None
    assert found["parsing_error"] is not None


@pytest.mark.parametrize(
    ("arguments", "pattern"), [({"schema": Person, "method": "magic"}, "magic"), ({}, "needs a schema")]
)
def test_bad_arguments(sandbox: Sandbox, arguments: dict[str, Any], pattern: str) -> None:
    with pytest.raises(ValueError, match=pattern):
        _model(sandbox, NATIVE).with_structured_output(**arguments)


def look(at: str) -> str:
    """Look at something."""
    return f"{at} is blue"


@pytest.mark.parametrize("model_id", ROUTES)
@pytest.mark.parametrize("strategy", [ProviderStrategy, ToolStrategy, None])
@pytest.mark.parametrize("schema", [Person, PersonData, PersonDict])
def test_agents_answer_in_the_form_asked_for(
    sandbox: Sandbox, strategy: Any, schema: Any, model_id: str
) -> None:
    response_format: Any = schema if strategy is None else strategy(schema)
    agent = create_agent(_model(sandbox, model_id), tools=[look], response_format=response_format)
    by_tool = strategy is ToolStrategy or model_id == NATIVE
    answer = (
        Reply(tool_uses=[{"name": schema.__name__, "input": VALUE}]) if by_tool else Reply(json.dumps(VALUE))
    )
    sandbox.enqueue(Reply(tool_uses=[{"name": "look", "input": {"at": "sky"}}]), answer)
    result: Any = agent.invoke({"messages": [("user", "Who looked at the sky?")]})
    found = result["structured_response"]
    assert found == (VALUE if schema is PersonDict else schema(**VALUE))
    assert "sky is blue" in str(result["messages"])


def test_a_stand_in_never_takes_the_name_of_a_tool(sandbox: Sandbox) -> None:
    sandbox.enqueue(Reply(tool_uses=[{"name": "Person_", "input": VALUE}]))
    bound = _model(sandbox, NATIVE).bind_tools(
        [Person], response_format={"type": "json_schema", "json_schema": {"name": "Person", "schema": SCHEMA}}
    )
    assert json.loads(bound.invoke("x").text) == VALUE
    assert [tool["name"] for tool in sandbox.requests[-1].body["tools"]] == ["Person", "Person_"]
