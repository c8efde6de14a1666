"""Output classes whose root is no plain object: wrapped in one field on the way out, unwrapped on the way in."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import enum
import json
import typing
from typing import Any, Final, Literal

import pytest
from langchain.agents import create_agent
from langchain.agents.structured_output import ProviderStrategy
from langchain_core.runnables import RunnableLambda
from llama_index.core.prompts import PromptTemplate
from pydantic import BaseModel, RootModel
from strict import complaints
from typing_extensions import TypedDict

from aivideoapi_core._inbound.wrapped_value import BareValue
from aivideoapi_core.adapter_kit import is_object, output_format, wrapper_of
from aivideoapi_core.sandbox import Reply, Sandbox
from langchain_aivideoapi import ChatAIVideoAPI
from llamaindex_aivideoapi import AIVideoAPI


class Row(BaseModel):
    n: int


class Cat(BaseModel):
    kind: Literal["cat"]
    lives: int


class Dog(BaseModel):
    kind: Literal["dog"]
    name: str


class Color(enum.Enum):
    RED = "red"
    BLUE = "blue"


class Rows(RootModel[list[Row]]):
    """Rows of a table."""


ROOTS: list[Any] = [
    pytest.param(Rows, [{"n": 1}, {"n": 2}], id="list"),
    pytest.param(RootModel[Cat | Dog], {"kind": "dog", "name": "Rex"}, id="union"),
    pytest.param(RootModel[Row | None], None, id="optional"),
    pytest.param(RootModel[Color], "blue", id="enum"),
    pytest.param(RootModel[str], "text", id="str"),
    pytest.param(RootModel[dict[Literal["a", "b"], int]], {"a": 1}, id="keyed dict"),
]
NATIVE, DIRECT = "claude-sonnet-4-6", "claude-sonnet-4-6/anthropic"


def schema_sent(sandbox: Sandbox) -> tuple[str | None, dict[str, Any]]:
    """The name of the tool, if one was asked for, and the schema."""
    body = sandbox.requests[-1].body
    if "output_config" in body:
        return None, body["output_config"]["format"]["schema"]
    (tool,) = body["tools"]
    return tool["name"], tool["input_schema"]


def answer(sandbox: Sandbox, ask: Any, value: Any) -> None:
    """Ask twice: once to see what goes out, so that the reply can be made of it."""
    name, schema = schema_sent(sandbox)
    assert schema["required"] == ["value"], "one field"
    said = {"value": value}
    reply = Reply(json.dumps(said)) if name is None else Reply(tool_uses=[{"name": name, "input": said}])
    sandbox.enqueue(reply)


def probe(sandbox: Sandbox, ask: Any, value: Any) -> Any:
    sandbox.enqueue(Reply("no"))
    with pytest.raises(Exception):  # noqa: B017, PT011 - what is sent is looked at
        ask()
    answer(sandbox, ask, value)
    return ask()


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("model", [NATIVE, DIRECT])
@pytest.mark.parametrize("method", ["function_calling", "json_schema", "json_mode"])
@pytest.mark.parametrize(("output_cls", "value"), ROOTS)
def test_langchain(
    sandbox: Sandbox, output_cls: Any, value: Any, method: Any, model: str, stream: bool
) -> None:
    llm = ChatAIVideoAPI(model=model, base_url=sandbox.url, api_key=sandbox.api_key)
    if method == "json_mode" and output_format(model, wrapper_of(output_cls).model_json_schema()) is None:
        pytest.skip("asked for in words")
    runnable = llm.with_structured_output(output_cls, method=method)
    found = probe(sandbox, lambda: list(runnable.stream("x"))[-1] if stream else runnable.invoke("x"), value)
    assert found == output_cls.model_validate(value)


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("model", [NATIVE, DIRECT])
@pytest.mark.parametrize(("output_cls", "value"), ROOTS)
def test_llamaindex(sandbox: Sandbox, output_cls: Any, value: Any, model: str, stream: bool) -> None:
    llm = AIVideoAPI(model=model, base_url=sandbox.url, api_key=sandbox.api_key)
    prompt = PromptTemplate("x")

    def ask() -> Any:
        if stream:
            return list(llm.stream_structured_predict(output_cls, prompt))[-1]
        return llm.structured_predict(output_cls, prompt)

    assert probe(sandbox, ask, value) == output_cls.model_validate(value)


@pytest.mark.parametrize(
    ("schema", "value", "expected"),
    [
        (list[Row], [{"n": 1}], [Row(n=1)]),
        (Color, "red", Color.RED),
    ],
)
@pytest.mark.parametrize("method", ["function_calling", "json_schema"])
def test_langchain_takes_types(sandbox: Sandbox, schema: Any, value: Any, expected: Any, method: Any) -> None:
    llm = ChatAIVideoAPI(model=DIRECT, base_url=sandbox.url, api_key=sandbox.api_key)
    runnable = llm.with_structured_output(schema, method=method)
    assert probe(sandbox, lambda: runnable.invoke("x"), value) == expected


def as_schema(output_cls: Any) -> dict[str, Any]:
    return {"title": "Answer", **output_cls.model_json_schema()}


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("model", [NATIVE, DIRECT])
@pytest.mark.parametrize("method", ["function_calling", "json_schema"])
@pytest.mark.parametrize(("output_cls", "value"), ROOTS)
def test_langchain_takes_json_schemas(
    sandbox: Sandbox, output_cls: Any, value: Any, method: Any, model: str, stream: bool
) -> None:
    schema = as_schema(output_cls)
    if is_object(schema):
        pytest.skip("a plain object")
    runnable = ChatAIVideoAPI(
        model=model, base_url=sandbox.url, api_key=sandbox.api_key
    ).with_structured_output(schema, method=method)
    assert (
        told(sandbox, lambda: list(runnable.stream("x"))[-1] if stream else runnable.invoke("x"), value)
        == value
    )


def told(sandbox: Sandbox, ask: Any, value: Any) -> Any:
    """As ``probe``, where the first answer need not raise."""
    with contextlib.suppress(Exception):
        ask()
    answer(sandbox, ask, value)
    return ask()


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("model", [NATIVE, DIRECT])
@pytest.mark.parametrize(("output_cls", "value"), ROOTS)
def test_langchain_response_format(
    sandbox: Sandbox, output_cls: Any, value: Any, model: str, stream: bool
) -> None:
    """The text is the value's own JSON, which LangChain's ``ProviderStrategy`` reads."""
    schema = as_schema(output_cls)
    bound = ChatAIVideoAPI(model=model, base_url=sandbox.url, api_key=sandbox.api_key).bind(
        **ProviderStrategy(output_cls).to_model_kwargs()
    )

    def ask() -> Any:
        return sum_of(bound.stream("x")) if stream else bound.invoke("x")

    if is_object(schema):
        sandbox.enqueue(Reply("no"))
        with contextlib.suppress(Exception):
            ask()
        name, _ = schema_sent(sandbox)
        said = json.dumps(value)
        sandbox.enqueue(Reply(said) if name is None else Reply(tool_uses=[{"name": name, "input": value}]))
        message = ask()
    else:
        message = told(sandbox, ask, value)
    assert json.loads(message.text) == value
    assert output_cls.model_validate_json(message.text) == output_cls.model_validate(value)


def sum_of(chunks: Any) -> Any:
    total = None
    for chunk in chunks:
        total = chunk if total is None else total + chunk
    return total


@pytest.mark.parametrize("model", [NATIVE, DIRECT])
@pytest.mark.parametrize("stream", [False, True])
def test_an_agent_with_a_provider_strategy(sandbox: Sandbox, model: str, stream: bool) -> None:
    llm = ChatAIVideoAPI(model=model, base_url=sandbox.url, api_key=sandbox.api_key)
    agent = create_agent(llm, [], response_format=ProviderStrategy(Rows))
    ask: Any = {"messages": [("user", "x")]}

    def run() -> Any:
        if stream:
            return [
                state
                for mode, state in agent.stream(ask, stream_mode=["messages", "values"])
                if mode == "values"
            ][-1]
        return agent.invoke(ask)

    result = told(sandbox, run, [{"n": 1}])
    assert result["structured_response"] == Rows([Row(n=1)])
    sandbox.enqueue(Reply("no"))
    with contextlib.suppress(Exception):
        agent.invoke({"messages": [*result["messages"], ("user", "again")]})
    assert complaints(sandbox.requests[-1].body) == []


@dataclasses.dataclass
class Point:
    """A point."""

    x: int


class Spot(TypedDict):
    """A spot."""

    x: int


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("model", [NATIVE, DIRECT])
@pytest.mark.parametrize(
    ("output_cls", "value", "expected"),
    [
        (Point, {"x": 1}, Point(1)),
        (Spot, {"x": 1}, {"x": 1}),
        (tuple[int, ...], [1], (1,)),  # a stream of lists is refused by LlamaIndex itself
        (dict[str, int], {"a": 1}, {"a": 1}),
        (int, 3, 3),
        (Literal["a", "b"], "a", "a"),
    ],
)
def test_llamaindex_takes_types(
    sandbox: Sandbox, output_cls: Any, value: Any, expected: Any, model: str, stream: bool
) -> None:
    """What ``structured_predict`` lets through besides pydantic's classes."""
    llm = AIVideoAPI(model=model, base_url=sandbox.url, api_key=sandbox.api_key)

    def ask() -> Any:
        if stream:
            return list(llm.stream_structured_predict(output_cls, PromptTemplate("x")))[-1]
        return llm.structured_predict(output_cls, PromptTemplate("x"))

    assert probe(sandbox, ask, value) == expected
    assert complaints(sandbox.requests[-1].body) == []


def test_a_bare_value_is_taken_too(sandbox: Sandbox) -> None:
    llm = AIVideoAPI(model=DIRECT, base_url=sandbox.url, api_key=sandbox.api_key)
    sandbox.enqueue(Reply('[{"n": 3}]'))
    assert llm.structured_predict(Rows, PromptTemplate("x")) == Rows([Row(n=3)])


@pytest.mark.parametrize(
    ("model", "thinking", "by_format"),
    [
        (DIRECT, None, True),
        (NATIVE, None, False),
        (NATIVE, True, False),
        ("claude-next-9/anthropic", None, False),
        ("claude-next-9/anthropic", {"type": "enabled", "budget_tokens": 2048}, True),
        ("claude-next-9/anthropic", {"type": "adaptive"}, False),
    ],
)
def test_the_way_is_decided_once(sandbox: Sandbox, model: str, thinking: Any, by_format: bool) -> None:
    schema = Row.model_json_schema()
    assert (output_format(model, schema, thinking=thinking) is not None) is by_format


def test_plain_objects_are_not_wrapped() -> None:
    class Tree(BaseModel):
        kids: list[Tree] = []

    for plain in (Row, Tree, type("Empty", (BaseModel,), {})):
        assert wrapper_of(plain) is None


ROWS_SAID: Final = [{"n": 1}, {"n": 2}, {"n": 3}]
LONG: Final = "A text of many words, of which the first ones come before the last ones."


@pytest.mark.parametrize("is_async", [False, True])
@pytest.mark.parametrize("model", [NATIVE, DIRECT])
@pytest.mark.parametrize("method", ["function_calling", "json_schema"])
@pytest.mark.parametrize(
    ("wanted", "value"),
    [
        pytest.param(list[Row], ROWS_SAID, id="list"),
        pytest.param(str, LONG, id="text"),
        pytest.param({"title": "digits", "type": "array", "items": {"type": "integer"}}, [*range(10)], id="JSON schema"),
    ],
)  # fmt: skip
def test_a_value_fills_up_in_a_stream(
    sandbox: Sandbox, wanted: Any, value: Any, method: Any, model: str, is_async: bool
) -> None:
    llm = ChatAIVideoAPI(model=model, base_url=sandbox.url, api_key=sandbox.api_key)
    runnable = llm.with_structured_output(wanted, method=method)
    whole = probe(sandbox, lambda: runnable.invoke("x"), value)

    async def astreamed(asked: Any) -> list[Any]:
        return [part async for part in asked.astream("x")]

    def streamed(asked: Any) -> list[Any]:
        answer(sandbox, None, value)
        return asyncio.run(astreamed(asked)) if is_async else list(asked.stream("x"))

    *parts, last = streamed(runnable)
    assert (last, type(last)) == (whole, type(whole))
    assert parts
    assert all(part == whole[: len(part)] for part in parts)
    assert streamed(runnable | RunnableLambda(lambda found: found)) == [whole], "parts do not add up"


@pytest.mark.parametrize("model", [NATIVE, DIRECT])
def test_the_text_of_a_value_comes_as_it_is_made(sandbox: Sandbox, model: str) -> None:
    llm = ChatAIVideoAPI(model=model, base_url=sandbox.url, api_key=sandbox.api_key)
    bound = llm.bind(response_format=Rows)
    sandbox.enqueue(Reply("no"))
    bound.invoke("x")
    answer(sandbox, None, ROWS_SAID)
    texts = [chunk.text for chunk in bound.stream("x")]
    assert (json.loads("".join(texts)), len([text for text in texts if text]) > 1) == (ROWS_SAID, True)
    answer(sandbox, None, ROWS_SAID)
    assert bound.invoke("x").text == "".join(texts)


TEXTS: Final = [
    ('{"value": [1, {"value": "}"}]}', '[1, {"value": "}"}]'),
    (' {\n "value" : "a\\"}\\\\" } ', '"a\\"}\\\\"'),
    ('{"value":12}', "12"),
    ('{"value": null }', "null"),
    ('{"value": {"a": 1}, "more": 2}', '{"a": 1}'),
    ('{"value": [1,', "[1,"),
    ('{"values": 1}', '{"values": 1}'),
    ('{"val', '{"val'),
    ("in words", "in words"),
    ("", ""),
]


@pytest.mark.parametrize(("text", "expected"), TEXTS)
def test_a_value_is_found_wherever_its_text_is_cut(text: str, expected: str) -> None:
    for size in range(1, len(text) + 2):
        value = BareValue()
        pieces = [text[start : start + size] for start in range(0, len(text), size)]
        assert "".join(map(value.take, pieces)) + value.rest() == expected


class Older(typing.TypedDict):
    """Of the standard library, which pydantic does not read before Python 3.12."""

    n: int


@pytest.mark.parametrize("model", ["claude-sonnet-4-6", "claude-sonnet-4-6/anthropic"])
def test_a_typed_dict_of_the_standard_library(sandbox: Sandbox, model: str) -> None:
    settings = {"model": model, "api_key": sandbox.api_key, "base_url": sandbox.url}
    by_langchain = ChatAIVideoAPI(**settings).with_structured_output(Older).invoke("x")
    by_llamaindex = AIVideoAPI(**settings).structured_predict(Older, PromptTemplate("x"))
    assert by_langchain.keys() == by_llamaindex.keys() == {"n"}
