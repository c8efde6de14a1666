"""Lists and objects where words belong: an ``InvalidInputError`` that names the place, from both adapters, before any I/O.

What constructors raise is a ``ValueError`` too; what LlamaIndex' calls raise is none, see ``InvalidInputError``.
"""

from __future__ import annotations

import argparse
import copy
import pickle
from typing import Any, Final

import pytest
from langchain_core.messages import AIMessage, HumanMessage, ToolMessage
from llama_index.core import Document, PromptTemplate, SummaryIndex
from llama_index.core.base.llms.types import CachePoint, TextBlock, ThinkingBlock, ToolCallBlock
from llama_index.core.llms import ChatMessage, MessageRole
from pydantic import BaseModel, TypeAdapter

from aivideoapi_core import (
    AsyncMessagesClient,
    CreditBudget,
    InvalidInputError,
    MessagesClient,
    SpendLedger,
    UnsupportedOptionError,
)
from aivideoapi_core.sandbox import Sandbox
from langchain_aivideoapi import ChatAIVideoAPI
from llamaindex_aivideoapi import AIVideoAPI

MODEL: Final = "claude-sonnet-4-6/anthropic"
UNHASHABLE: Final = (["text"], {}, {"a": 1})


class City(BaseModel):
    name: str


def chat_model(sandbox: Sandbox, **settings: Any) -> ChatAIVideoAPI:
    return ChatAIVideoAPI(**{"model": MODEL, "api_key": sandbox.api_key, "base_url": sandbox.url, **settings})


def llm(sandbox: Sandbox, **settings: Any) -> AIVideoAPI:
    return AIVideoAPI(**{"model": MODEL, "api_key": sandbox.api_key, "base_url": sandbox.url, **settings})


@pytest.mark.parametrize("odd", UNHASHABLE)
@pytest.mark.parametrize("name", ["type", "source_type"])
def test_a_block_whose_type_is_no_text(sandbox: Sandbox, name: str, odd: Any) -> None:
    block = {"type": "image", "url": "https://example.org/a.png", name: odd}
    if name == "source_type" and not odd:
        return  # as good as none
    with pytest.raises(InvalidInputError, match=r"messages\[1\]\.content\[1\]"):
        chat_model(sandbox).invoke([HumanMessage("a"), HumanMessage([{"type": "text", "text": "b"}, block])])
    assert not sandbox.requests


@pytest.mark.parametrize("odd", UNHASHABLE)
def test_a_block_of_a_tools_whose_type_is_no_text_is_told_in_words(sandbox: Sandbox, odd: Any) -> None:
    called = AIMessage("", tool_calls=[{"name": "look", "args": {}, "id": "a"}])
    result = ToolMessage([{"type": odd, "found": "seven cats"}], tool_call_id="a")
    model = chat_model(sandbox).bind_tools([{"name": "look", "input_schema": {"type": "object"}}])
    model.invoke([HumanMessage("q"), called, result, HumanMessage("go on")])
    assert "seven cats" in str(sandbox.requests[-1].body)
    assert result.content == [{"type": odd, "found": "seven cats"}]


@pytest.mark.parametrize("odd", UNHASHABLE)
def test_a_source_whose_type_is_no_text(sandbox: Sandbox, odd: Any) -> None:
    for kind in ("image", "document"):
        with pytest.raises(InvalidInputError, match=rf"messages\[0\] is of type '{kind}'"):
            chat_model(sandbox).invoke([HumanMessage([{"type": kind, "source": {"type": odd, "url": "x"}}])])
    assert not sandbox.requests


@pytest.mark.parametrize(
    "mark", ["ephemeral", ["x"], {"type": ["ephemeral"]}, {"type": "ephemeral", "ttl": ["5m"]}]
)
def test_a_breakpoint_that_is_none_names_its_place(sandbox: Sandbox, mark: Any) -> None:
    with pytest.raises(InvalidInputError, match=r"messages\[0\]: cache_control"):
        chat_model(sandbox).invoke([HumanMessage([{"type": "text", "text": "a", "cache_control": mark}])])
    tool = {"name": "look", "input_schema": {"type": "object"}, "cache_control": mark}
    with pytest.raises(InvalidInputError, match="tool 'look': cache_control"):
        chat_model(sandbox).bind_tools([tool]).invoke("a")
    with pytest.raises(InvalidInputError, match="tool 'look': cache_control"):
        llm(sandbox).chat_with_tools([tool], user_msg="a")  # type: ignore[list-item]  # a tool of the wire
    assert not sandbox.requests


@pytest.mark.parametrize(
    "said",
    [
        {"role": ["user"], "content": "x"}, {"role": {}, "content": "x"}, {"content": "x"}, ("user",), None, 5, b"x",
        {"role": "user", "content": 5}, {"role": "tool", "content": "x"}, {"role": "assistant", "content": "", "tool_calls": "x"},
        {"role": "tool", "content": "x", "tool_call_id": ["a"]}, {"role": "assistant", "content": "", "tool_calls": [{"name": "x"}]},
    ],
)  # fmt: skip
async def test_what_langchain_cannot_read_names_its_place(sandbox: Sandbox, said: Any) -> None:
    model, asked = chat_model(sandbox), [("user", "hi"), said]
    with pytest.raises(
        InvalidInputError, match=r"messages\[1\] is no message that LangChain can read"
    ) as caught:
        model.invoke(asked)
    assert isinstance(caught.value, ValueError)
    with pytest.raises(InvalidInputError, match=r"messages\[1\]"):
        await model.ainvoke(asked)
    with pytest.raises(InvalidInputError, match=r"messages\[1\]"):
        list(model.stream(asked))
    assert not sandbox.requests


def _made(**fields: Any) -> ChatMessage:
    """A message made past LlamaIndex' own checks, as from a store."""
    return ChatMessage.model_construct(**{"role": MessageRole.USER, "blocks": [TextBlock(text="x")], "additional_kwargs": {}, **fields})  # fmt: skip


@pytest.mark.parametrize(
    "message",
    [
        {"role": "user", "content": "x"}, _made(role=["user"]), _made(role={}), _made(role=None), _made(role="critic"),
        _made(blocks=None), _made(blocks="x"), _made(blocks=[{"type": ["text"]}]), _made(blocks=[None]),
        _made(blocks=[TextBlock.model_construct(block_type="text", text=["x"])]),
        _made(blocks=[TextBlock.model_construct(block_type="text", text=None)]),
        _made(blocks=[CachePoint.model_construct(block_type="cache", cache_control="x")]),
        _made(blocks=[ThinkingBlock.model_construct(block_type="thinking", content="x", additional_information="x")]),
        _made(role=MessageRole.ASSISTANT, blocks=[ToolCallBlock.model_construct(block_type="tool_call", tool_call_id=["a"], tool_name=["x"], tool_kwargs={})]),
    ],
)  # fmt: skip
def test_a_message_that_is_none_names_its_place(sandbox: Sandbox, message: Any) -> None:
    with pytest.raises(InvalidInputError, match=r"messages\[1\]"):
        llm(sandbox)._chat([ChatMessage("hi"), message, ChatMessage("go on")])
    assert not sandbox.requests


@pytest.mark.parametrize(
    ("tools", "said"),
    [
        ([{"type": ["function"]}], "type must be text"), ([{"type": {}, "name": "x"}], "type must be text"),
        ([{"name": ["x"], "input_schema": {}}], "needs a name"), ([None], "None is among the tools"),
        ("look", "must be a list"), ({"name": "x", "input_schema": {}}, "must be a list"), (5, "must be a list"),
    ],
)  # fmt: skip
def test_tools_that_are_none(sandbox: Sandbox, tools: Any, said: str) -> None:
    with pytest.raises(InvalidInputError, match=said):
        chat_model(sandbox).bind_tools(tools).invoke("hi")
    with pytest.raises(InvalidInputError, match=said):
        llm(sandbox).chat_with_tools(tools, user_msg="hi")
    assert not sandbox.requests


@pytest.mark.parametrize(
    "option",
    [
        {"thinking": {"type": ["enabled"]}}, {"metadata": "x"}, {"container": 5}, {"mcp_servers": {}}, {"mcp_servers": ["x"]},
        {"context_management": "x"}, {"inference_geo": 5}, {"betas": {"a": 1}}, {"service_tier": ["auto"]},
    ],
)  # fmt: skip
def test_options_of_another_shape(sandbox: Sandbox, option: dict[str, Any]) -> None:
    (name,) = option
    with pytest.raises(InvalidInputError, match=name):
        chat_model(sandbox).invoke("hi", **option)
    with pytest.raises(InvalidInputError, match=name):
        llm(sandbox).complete("hi", **option)
    assert not sandbox.requests


@pytest.mark.parametrize(
    "option", [{"spend_tags": "team=search"}, {"spend_tags": None}, {"spend_for": "acme"}]
)
def test_tags_that_are_one_text(sandbox: Sandbox, option: dict[str, Any]) -> None:
    """A text is a list of its letters, each of them a tag."""
    with pytest.raises(InvalidInputError, match=next(iter(option))):
        chat_model(sandbox).invoke("hi", **option)
    assert not sandbox.requests


@pytest.mark.parametrize("output_cls", [5, None, "City", City(name="x"), {"type": "object"}])
def test_an_output_class_that_is_none(sandbox: Sandbox, output_cls: Any) -> None:
    with pytest.raises(InvalidInputError, match="output_cls must be a pydantic class"):
        llm(sandbox).structured_predict(output_cls, PromptTemplate("hi"))
    with pytest.raises(InvalidInputError, match="prompt must be a template"):
        llm(sandbox).structured_predict(City, "hi")  # type: ignore[arg-type]  # the mistake
    assert not sandbox.requests


@pytest.mark.parametrize("setting", [{"stop_sequences": ["a", 5]}, {"tools": [{"name": "x"}, 5]}])
def test_a_setting_names_the_item_that_is_wrong(sandbox: Sandbox, setting: dict[str, Any]) -> None:
    (name,) = setting
    with pytest.raises(InvalidInputError, match=rf"{name}\[1\] must be"):
        llm(sandbox, **setting)


async def read(response: Any) -> None:
    if hasattr(response, "async_response_gen"):
        async for _ in response.async_response_gen():
            pass


@pytest.mark.parametrize("output_cls", [None, City])
@pytest.mark.parametrize("mode", ["compact", "refine", "tree_summarize", "accumulate", "simple_summarize"])
async def test_a_query_engine_says_what_cannot_be_sent(sandbox: Sandbox, mode: str, output_cls: Any) -> None:
    """It makes an "Empty Response" of each ``ValueError``, and of each ``TypeError``."""
    ours = llm(sandbox, model="claude-sonnet-4-6", thinking={"type": "enabled", "budget_tokens": 2000})
    index = SummaryIndex.from_documents([Document(text="Riga is in Latvia.")])
    for streaming in (False, True) if mode != "accumulate" else (False,):
        engine = index.as_query_engine(
            llm=ours, response_mode=mode, output_cls=output_cls, streaming=streaming
        )
        with pytest.raises(UnsupportedOptionError, match="only has a switch"):
            str(engine.query("Where is Riga?"))
        with pytest.raises(UnsupportedOptionError, match="only has a switch"):
            await read(await engine.aquery("Where is Riga?"))
    assert not sandbox.requests


@pytest.mark.parametrize("make", [ChatAIVideoAPI, AIVideoAPI])
@pytest.mark.parametrize("wrong", [{"temperature": 5}, {"max_tokens": "x"}, {"temprature": 0}, {"base_url": "ftp://x"}, {"thinking": 5}])  # fmt: skip
def test_what_a_constructor_raises_is_a_value_error(make: Any, wrong: dict[str, Any]) -> None:
    with pytest.raises(InvalidInputError) as caught:
        make(model=MODEL, api_key="sk-test", **wrong)
    assert isinstance(caught.value, ValueError)
    for again in (pickle.loads(pickle.dumps(caught.value)), copy.copy(caught.value)):
        assert (type(again), str(again)) == (type(caught.value), str(caught.value))


def test_validators_and_parsers_read_constructors_errors(capsys: pytest.CaptureFixture[str]) -> None:
    """They know ``ValueError``: a field that may be several things tries the next one."""
    field: TypeAdapter[Any] = TypeAdapter(AIVideoAPI | dict[str, Any])
    assert field.validate_python({"modle": "x"}) == {"modle": "x"}
    for make in (
        CreditBudget,
        lambda _: CreditBudget(1, window="fortnight"),
        lambda _: CreditBudget(1, store=[]),
        lambda _: SpendLedger(5),
    ):
        parser = argparse.ArgumentParser(exit_on_error=False)
        parser.add_argument("--given", type=make)
        with pytest.raises((argparse.ArgumentError, SystemExit)):
            parser.parse_args(["--given", "much"])


@pytest.mark.parametrize(
    "payload", [None, "hi", {}, {"model": MODEL, "messages": []}, {"messages": [], "stream": False}]
)
async def test_a_payload_that_is_no_request(sandbox: Sandbox, payload: Any) -> None:
    with MessagesClient(api_key=sandbox.api_key, base_url=sandbox.url) as client:
        for call in (client.create, client.stream):
            with pytest.raises(InvalidInputError, match="payload must say model, messages and stream"):
                call(payload)
    async with AsyncMessagesClient(api_key=sandbox.api_key, base_url=sandbox.url) as client:
        with pytest.raises(InvalidInputError, match="payload must say model, messages and stream"):
            await client.create(payload)
    assert not sandbox.requests


async def test_a_balance_that_nobody_tells() -> None:
    with pytest.raises(InvalidInputError, match="told by a client"):
        CreditBudget.from_balance("100")  # type: ignore[arg-type]  # the mistake
    with pytest.raises(InvalidInputError, match="told by a client"):
        await CreditBudget.afrom_balance("100")  # type: ignore[arg-type]  # the mistake
