"""Agents whose answer is to be no object: each strategy, both routes, whole and streamed, three turns of one thread."""

from __future__ import annotations

import asyncio
import enum
import json
from typing import Any, Final

import pytest
from langchain.agents import create_agent, structured_output
from langchain.agents.structured_output import ProviderStrategy, ToolStrategy
from langchain_core.tools import StructuredTool
from langgraph.checkpoint.memory import InMemorySaver
from pydantic import BaseModel, RootModel
from strict import complaints

from aivideoapi_core import UnsupportedOptionError
from aivideoapi_core.sandbox import Reply, Sandbox
from langchain_aivideoapi import ChatAIVideoAPI

MODELS: Final = ("claude-sonnet-4-6", "claude-sonnet-4-6/anthropic")


class Row(BaseModel):
    a: int


class Cat(BaseModel):
    lives: int = 9


class Color(enum.Enum):
    RED = "r"


class Rows(RootModel[list[Row]]):
    """Some rows."""


class Word(RootModel[str]): ...


class Chosen(RootModel[Color]): ...


class Either(RootModel[Cat | Row]): ...


class Mixed(RootModel[Row | list[Row]]): ...


class Perhaps(RootModel[Row | None]): ...


class Keyed(RootModel[dict[str, Row]]): ...


NUMBERS: Final = {"title": "numbers", "type": "array", "items": {"type": "integer"}}
COUNTS: Final = {"title": "counts", "type": "object", "additionalProperties": {"type": "integer"}}
CASES: Final = [
    pytest.param(Rows, [{"a": 1}], Rows([Row(a=1)]), id="list"),
    pytest.param(Word, "hi", Word("hi"), id="text"),
    pytest.param(Chosen, "r", Chosen(Color.RED), id="enum"),
    pytest.param(Either, {"a": 1}, Either(Row(a=1)), id="union"),
    pytest.param(Mixed, [{"a": 1}], Mixed([Row(a=1)]), id="object or list"),
    pytest.param(Perhaps, None, Perhaps(None), id="optional"),
    pytest.param(NUMBERS, [1, 2], [1, 2], id="JSON schema of a list"),
    pytest.param({"title": "pick", "enum": ["a", "b"]}, "a", "a", id="JSON schema of an enum"),
]
OBJECTS: Final = [
    pytest.param(Keyed, {"value": {"a": 1}}, Keyed({"value": Row(a=1)}), id="keyed dict"),
    pytest.param(COUNTS, {"value": 3}, {"value": 3}, id="JSON schema of a keyed dict"),
]


def ask_thrice(sandbox: Sandbox, model: str, response_format: Any, reply: Reply, *, streamed: bool) -> Any:
    chat = ChatAIVideoAPI(model=model, api_key=sandbox.api_key, base_url=sandbox.url, max_retries=0)
    agent: Any = create_agent(chat, [], response_format=response_format, checkpointer=InMemorySaver())
    thread: Any = {"configurable": {"thread_id": "1"}}

    async def stream() -> Any:
        states = agent.astream({"messages": [("user", "go")]}, thread, stream_mode=["messages", "values"])
        return [state async for mode, state in states if mode == "values"][-1]

    for _ in range(3):
        sandbox.enqueue(reply)
        said = {"messages": [("user", "go")]}
        state = asyncio.run(stream()) if streamed else agent.invoke(said, thread)
        assert complaints(sandbox.requests[-1].body) == []
    return state["structured_response"]


def name_of(schema: Any) -> str:
    return str(schema["title"] if isinstance(schema, dict) else schema.__name__)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize(("schema", "value", "expected"), CASES)
@pytest.mark.parametrize("strategy", [ToolStrategy, ProviderStrategy])
def test_a_value_in_one_field(
    sandbox: Sandbox, strategy: Any, schema: Any, value: Any, expected: Any, model: str, streamed: bool
) -> None:
    by_tool = strategy is ToolStrategy or model == MODELS[0]
    sent = {"value": value}
    reply = (
        Reply(tool_uses=[{"name": name_of(schema), "input": sent}]) if by_tool else Reply(json.dumps(sent))
    )
    assert ask_thrice(sandbox, model, strategy(schema), reply, streamed=streamed) == expected


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize(("schema", "value", "expected"), OBJECTS)
def test_a_field_called_value_of_an_object_stays(
    sandbox: Sandbox, schema: Any, value: Any, expected: Any, model: str
) -> None:
    reply = Reply(tool_uses=[{"name": name_of(schema), "input": value}])
    assert ask_thrice(sandbox, model, ToolStrategy(schema), reply, streamed=False) == expected


def test_where_langchain_has_other_insides_the_fix_is_named(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(structured_output, "_parse_with_schema")
    with pytest.raises(UnsupportedOptionError, match="put the value into a field of an object"):
        ask_thrice(sandbox, MODELS[0], ToolStrategy(Rows), Reply("x"), streamed=False)


def test_where_langchains_function_takes_other_arguments_it_is_left_alone(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    def parse(data: Any, *, spec: Any) -> Any:
        raise AssertionError("nothing is to be parsed")

    monkeypatch.setattr(structured_output, "_parse_with_schema", parse)
    with pytest.raises(UnsupportedOptionError, match="put the value into a field of an object"):
        ask_thrice(sandbox, MODELS[0], ToolStrategy(Rows), Reply("x"), streamed=False)
    assert structured_output._parse_with_schema is parse  # type: ignore[comparison-overlap]


def test_a_tool_that_runs_is_not_a_strategy(sandbox: Sandbox) -> None:
    tool = StructuredTool.from_function(lambda: None, name="t", description="d", args_schema=NUMBERS)
    chat = ChatAIVideoAPI(model=MODELS[0], api_key=sandbox.api_key, base_url=sandbox.url)
    with pytest.raises(UnsupportedOptionError, match="put the value into a field of an object"):
        chat.bind_tools([tool]).invoke("go")
