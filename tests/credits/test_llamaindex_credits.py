"""LlamaIndex: whatever the way a call is made, handlers, ledger and the server's own books agree."""

from __future__ import annotations

import asyncio
import copy
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from decimal import Decimal
from typing import Any

import pytest
from llama_index.core import Document, SummaryIndex
from llama_index.core.agent.workflow import FunctionAgent
from llama_index.core.instrumentation import get_dispatcher
from llama_index.core.instrumentation.events.llm import LLMChatEndEvent
from llama_index.core.llms import ChatMessage, ChatResponse
from llama_index.core.prompts import PromptTemplate
from llama_index_instrumentation.dispatcher import instrument_tags
from pydantic import BaseModel

from aivideoapi_core import BudgetExceededError, CreditBudget, CreditsSummary, SpendLedger, estimate_credits
from aivideoapi_core.sandbox import Fault, Reply, Sandbox
from llamaindex_aivideoapi import AIVideoAPI, CreditsEventHandler, track_credits

NATIVE = "claude-sonnet-4-6"
DIRECT = "claude-haiku-4-5/anthropic"
HI = [ChatMessage("Hi")]


class Song(BaseModel):
    title: str


def llm_for(sandbox: Sandbox, **more: Any) -> AIVideoAPI:
    settings = {"model": NATIVE, "api_key": sandbox.api_key, "base_url": sandbox.url, "max_tokens": 200}
    return AIVideoAPI(**{**settings, **more})


@contextmanager
def attached() -> Iterator[CreditsEventHandler]:
    """A handler on the root dispatcher, taken off again."""
    handler, root = CreditsEventHandler(), get_dispatcher()
    root.add_event_handler(handler)
    try:
        yield handler
    finally:
        root.event_handlers = [other for other in root.event_handlers if other is not handler]


def assert_books_agree(summary: CreditsSummary, ledger: SpendLedger, sandbox: Sandbox) -> None:
    assert summary.unknown == 0
    assert summary.calls == sum(entry.charged for entry in sandbox.ledger)
    assert summary.credits_micro == ledger.summary.credits_micro == sandbox.charged_micro
    reported = [entry.credits_reported for entry in sandbox.ledger if entry.credits_reported is not None]
    assert summary.reported_sum == sum(reported, Decimal(0))
    assert summary.tokens == ledger.summary.tokens


async def adrain(stream: Any) -> None:
    async for _ in await stream:
        pass


def query(llm: AIVideoAPI) -> None:
    documents = [Document(text=f"The tower number {n} is {n * 10} metres high.") for n in range(6)]
    engine = SummaryIndex.from_documents(documents).as_query_engine(llm=llm, response_mode="tree_summarize")
    assert str(engine.query("How high is tower number 3?"))


def double(number: int) -> int:
    """Twice a number."""
    return number * 2


async def agent(llm: AIVideoAPI) -> None:
    answer = await FunctionAgent(tools=[double], llm=llm).run("What is twice 21?")
    assert str(answer)


RUNS: dict[str, Callable[[AIVideoAPI], Any]] = {
    "chat": lambda llm: llm.chat(HI),
    "achat": lambda llm: asyncio.run(llm.achat(HI)),
    "stream_chat": lambda llm: list(llm.stream_chat(HI)),
    "astream_chat": lambda llm: asyncio.run(adrain(llm.astream_chat(HI))),
    "complete": lambda llm: llm.complete("Hi"),
    "acomplete": lambda llm: asyncio.run(llm.acomplete("Hi")),
    "stream_complete": lambda llm: list(llm.stream_complete("Hi")),
    "astream_complete": lambda llm: asyncio.run(adrain(llm.astream_complete("Hi"))),
    "structured llm": lambda llm: llm.as_structured_llm(Song).chat(HI),
    "structured predict": lambda llm: llm.structured_predict(Song, PromptTemplate("A song")),
    "query engine": query,
    "agent": lambda llm: asyncio.run(agent(llm)),
    "a copy": lambda llm: copy.deepcopy(llm).chat(HI),
}


@pytest.mark.parametrize("route", [NATIVE, DIRECT])
@pytest.mark.parametrize("run", RUNS)
def test_every_way_adds_up(sandbox: Sandbox, run: str, route: str) -> None:
    ledger = SpendLedger()
    with attached() as handler, track_credits() as spent:
        RUNS[run](llm_for(sandbox, model=route, ledger=ledger))
    assert sandbox.charged_micro > 0
    for summary in (handler.summary, spent.summary):
        assert_books_agree(summary, ledger, sandbox)
        assert summary.by_model.keys() == {route}


def test_tags_group(sandbox: Sandbox) -> None:
    llm = llm_for(sandbox, spend_tags=["app"])
    with attached() as handler:
        with instrument_tags({"team": "search"}):
            llm.chat(HI)
            list(llm.stream_chat(HI))
        with instrument_tags({"team": "chat", "user": 7}):
            asyncio.run(llm.achat(HI))
        llm.chat(HI)
    assert {name: totals.calls for name, totals in handler.summary.by_tag.items()} == {
        "app": 4,
        "team=search": 2,
        "team=chat": 1,
        "user=7": 1,
    }


@pytest.mark.parametrize("colour", ["sync", "async"])
def test_an_abandoned_stream_is_unknown(sandbox: Sandbox, colour: str) -> None:
    llm = llm_for(sandbox)
    sandbox.enqueue(Reply("word " * 100, pieces=5))

    async def leave() -> None:
        stream = await llm.astream_chat(HI)
        async for _ in stream:
            break
        await stream.aclose()

    with attached() as handler, track_credits() as spent:
        if colour == "async":
            asyncio.run(leave())
        else:
            stream = llm.stream_chat(HI)
            next(stream)
            stream.close()
    for summary in (handler.summary, spent.summary):
        assert (summary.calls, summary.unknown) == (1, 1)
        assert summary.credits_micro is None


def test_failures_are_not_billed(sandbox: Sandbox) -> None:
    sandbox.enqueue(Fault.error("insufficient_credits"))
    with track_credits() as spent, pytest.raises(Exception, match="402"):
        llm_for(sandbox).chat(HI)
    assert (spent.summary.calls, spent.summary.failed) == (0, 1)


def test_blocks_nest_and_do_not_hear_of_others(sandbox: Sandbox) -> None:
    llm = llm_for(sandbox)

    async def beside(started: asyncio.Event, go_on: asyncio.Event) -> None:
        started.set()
        await go_on.wait()
        await llm.achat(HI)

    async def main() -> tuple[CreditsSummary, CreditsSummary]:
        started, go_on = asyncio.Event(), asyncio.Event()
        other = asyncio.create_task(beside(started, go_on))
        await started.wait()
        with track_credits() as outer:
            await llm.achat(HI)
            with track_credits() as inner:
                await asyncio.gather(*(llm.achat(HI) for _ in range(5)))
            go_on.set()
            await other
        return outer.summary, inner.summary

    outer, inner = asyncio.run(main())
    assert (outer.calls, inner.calls) == (6, 5)


def test_an_end_event_from_elsewhere_counts_once(sandbox: Sandbox) -> None:
    """Events that another process sent, or that were restored, carry the figures in ``raw``."""
    response = llm_for(sandbox).chat(HI)
    handler = CreditsEventHandler()
    event = LLMChatEndEvent(messages=HI, response=response)
    handler.handle(event)
    handler.handle(event)
    handler.handle(
        LLMChatEndEvent(messages=HI, response=ChatResponse(message=ChatMessage("x"), raw=Song(title="x")))
    )
    handler.handle(LLMChatEndEvent(messages=HI, response=None))
    assert handler.summary.calls == 1
    assert handler.summary.credits_micro == sandbox.charged_micro


def test_a_handler_that_comes_during_a_call_hears_of_it(sandbox: Sandbox) -> None:
    """The client makes no record of a call that nobody listens to when it begins; the end event has the figures."""
    stream = llm_for(sandbox).stream_chat(HI)
    next(stream)
    with attached() as handler:
        for _ in stream:
            pass
    assert (handler.summary.calls, handler.summary.credits_micro) == (1, sandbox.charged_micro)


def test_a_budget_stops_before_any_request(sandbox: Sandbox) -> None:
    llm = llm_for(sandbox, budget=CreditBudget("0.01"))
    with pytest.raises(BudgetExceededError):
        llm.chat(HI)
    with pytest.raises(BudgetExceededError):
        list(llm.stream_complete("Hi"))
    with pytest.raises(BudgetExceededError):
        asyncio.run(llm.achat(HI))
    assert sandbox.requests == []
    llm.budget = CreditBudget(10)
    llm.chat(HI)
    assert llm.budget.standing().spent_micro == sandbox.charged_micro


def test_both_frameworks_share_a_budget_and_a_ledger(sandbox: Sandbox) -> None:
    from langchain_aivideoapi import ChatAIVideoAPI

    budget, ledger = CreditBudget(10), SpendLedger()
    llm_for(sandbox, budget=budget, ledger=ledger).chat(HI)
    ChatAIVideoAPI(
        model=NATIVE,
        api_key=sandbox.api_key,
        base_url=sandbox.url,
        max_tokens=200,
        budget=budget,
        ledger=ledger,
    ).invoke("Hi")
    assert [row.framework for row in ledger.records()] == ["llamaindex", "langchain"]
    assert budget.standing().spent_micro == ledger.summary.credits_micro == sandbox.charged_micro


def test_the_estimate_is_that_of_the_request(sandbox: Sandbox) -> None:
    llm = llm_for(sandbox)
    estimate = llm.estimate_credits(HI, max_tokens=50)
    assert sandbox.requests == []
    llm.chat(HI, max_tokens=50)
    assert estimate == estimate_credits(sandbox.requests[0].body)


def test_a_relay_with_one_id_for_all_messages(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    from aivideoapi_core._http.exchange import Exchange

    usual = Exchange.reply

    def same(self: Any, message: Any, *arguments: Any) -> Any:
        return usual(self, {**message, "id": "msg_same"}, *arguments)

    monkeypatch.setattr(Exchange, "reply", same)
    handler = CreditsEventHandler()
    get_dispatcher().add_event_handler(handler)
    try:
        with track_credits() as block:
            for _ in range(3):
                llm_for(sandbox).complete("hi")
    finally:
        get_dispatcher().event_handlers.remove(handler)
    assert (block.summary.calls, handler.summary.calls) == (3, 3)


def test_workflow_tags_are_not_written_down(sandbox: Sandbox) -> None:
    ledger = SpendLedger()
    own = {
        "team": "search",
        "llamaindex.step.input_summary": "my secret plan",
        "llamaindex.run_id": "abc",
        "note": "what I said to you",
        "run": "0192f7a0-5a5c-7cc0-a3a2-0123456789ab",
    }
    with instrument_tags(own):
        llm_for(sandbox, ledger=ledger).complete("hi")
    (row,) = ledger.records()
    assert row.tags == ("team=search",)


@pytest.mark.parametrize("mode", ["compact", "refine", "tree_summarize"])
async def test_a_query_engine_says_that_the_budget_refused(sandbox: Sandbox, mode: str) -> None:
    """It makes an "Empty Response" of each ``ValueError``."""
    llm = llm_for(sandbox, budget=CreditBudget("0.01"))
    index = SummaryIndex.from_documents([Document(text="Riga is in Latvia.")])
    engine = index.as_query_engine(llm=llm, response_mode=mode)
    with pytest.raises(BudgetExceededError, match="smaller max_tokens"):
        engine.query("Where is Riga?")
    with pytest.raises(BudgetExceededError, match="smaller max_tokens"):
        await engine.aquery("Where is Riga?")
    assert not sandbox.requests
