"""What a type checker sees of the public names; ``mypy`` reads this file (see pyproject.toml), nothing runs it."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any, assert_type

from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage
from langchain_core.runnables import Runnable
from llama_index.core.llms import ChatResponse, CompletionResponse

from aivideoapi_core import (
    AIVideoAPIError,
    Balance,
    CallRecord,
    CreditBudget,
    Credits,
    CreditsSummary,
    MessagesClient,
    ModelInfo,
    SpendLedger,
    cost_of,
    known_models,
    model_info,
)
from aivideoapi_core import Reply as CoreReply
from aivideoapi_core.sandbox import Fault, Reply, Sandbox
from langchain_aivideoapi import ChatAIVideoAPI
from llamaindex_aivideoapi import AIVideoAPI


def langchain(model: ChatAIVideoAPI) -> None:
    assert_type(model.invoke("Hello"), AIMessage)
    assert_type(model.stream("Hello"), Iterator[AIMessageChunk])
    assert_type(model.bind_tools([]).invoke("Hello"), AIMessage)
    bound: Runnable[Any, Any] = model.with_structured_output({"title": "X", "type": "object"})
    history: list[BaseMessage] = [model.invoke("Hello")]
    model.invoke(history)
    del bound


async def langchain_async(model: ChatAIVideoAPI) -> None:
    assert_type(await model.ainvoke("Hello"), AIMessage)


def llamaindex(llm: AIVideoAPI) -> None:
    # The framework's decorators hide what they return from a type checker.
    completed: CompletionResponse = llm.complete("Hello")
    answered: ChatResponse = llm.chat([])
    assert_type(completed.text, str)
    assert_type(answered.delta, str | None)


async def llamaindex_async(llm: AIVideoAPI) -> None:
    completed: CompletionResponse = await llm.acomplete("Hello")
    assert_type(completed.text, str)


def core(client: MessagesClient, payload: dict[str, Any], error: AIVideoAPIError) -> None:
    assert_type(client.create(payload), CoreReply)
    assert_type(client.credits(), Balance)
    assert_type(model_info("claude-sonnet-4-6"), ModelInfo)
    prices = model_info("claude-sonnet-4-6").prices
    tokens = client.create(payload).tokens
    if prices is not None and tokens is not None:
        assert_type(cost_of(tokens, prices), Credits | None)
    for info in known_models():
        assert_type(info, ModelInfo)
    assert_type(error.retry_after_s, float | None)
    assert_type(error.retryable, bool)


def books(budget: CreditBudget, ledger: SpendLedger) -> None:
    for record in ledger.records():
        assert_type(record, CallRecord)
        assert_type(record.credits_reported, Decimal | None)
        assert_type(record.credits_micro, int | None)
    assert_type(ledger.summary, CreditsSummary)
    assert_type(budget.limit_micro, int)


def sandbox() -> None:
    with Sandbox() as server:
        assert_type(server, Sandbox)
        server.enqueue(Reply("Hello"), Fault.error("upstream_error"))
        assert_type(server.charged_micro, int)
