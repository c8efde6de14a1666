"""For whom a call was: taken from where the frameworks carry it, in every way a model is called."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from deepagents import create_deep_agent
from langchain.agents import create_agent
from langchain_core.messages import AIMessage
from langchain_core.runnables import RunnableLambda
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import START, MessagesState, StateGraph
from llama_index.core.agent.workflow import AgentWorkflow, FunctionAgent
from llama_index.core.instrumentation.dispatcher import instrument_tags
from llama_index.core.workflow import StartEvent, StopEvent, Workflow, step

from aivideoapi_core import CallRecord, SpendLedger, spend_for
from aivideoapi_core.sandbox import Reply, Sandbox
from langchain_aivideoapi import ChatAIVideoAPI
from llamaindex_aivideoapi import AIVideoAPI

MODEL = "claude-sonnet-4-6"
THREAD = "b0c5a8e0-0d5d-4f6f-9d4e-0a6a3c1f9f11"
SECRET = "do not keep what the user wrote"


@pytest.fixture
def ledger() -> SpendLedger:
    return SpendLedger()


@pytest.fixture
def chat(sandbox: Sandbox, ledger: SpendLedger) -> ChatAIVideoAPI:
    return ChatAIVideoAPI(model=MODEL, api_key=sandbox.api_key, base_url=sandbox.url, ledger=ledger)


@pytest.fixture
def llm(sandbox: Sandbox, ledger: SpendLedger) -> AIVideoAPI:
    return AIVideoAPI(model=MODEL, api_key=sandbox.api_key, base_url=sandbox.url, ledger=ledger)


def whose(record: CallRecord) -> tuple[str | None, ...]:
    return record.agent, record.thread, record.user, record.customer


def in_no_column(ledger: SpendLedger, text: str) -> bool:
    return all(text not in str(record.to_dict()) for record in ledger.records())


async def _all_async(chat: ChatAIVideoAPI, config: Any) -> None:
    await chat.ainvoke("Hi", config)
    async for _ in chat.astream("Hi", config):
        pass
    await chat.abatch(["Hi"], config)


def test_every_way_of_calling_a_chat_model(chat: ChatAIVideoAPI, ledger: SpendLedger) -> None:
    config: Any = {
        "metadata": {
            "lc_agent_name": "writer",
            "langfuse_session_id": THREAD,
            "user_id": 4711,
            "customer_id": "acme",
            "topic": SECRET,
            "run_id": "0a6a3c1f9f11",
        },
        "tags": ["nightly"],
    }
    chat.invoke("Hi", config)
    list(chat.stream("Hi", config))
    chat.batch(["Hi"], config)
    list(chat.stream_events("Hi", config, version="v3"))
    asyncio.run(_all_async(chat, config))
    rows = list(ledger.records())
    assert len(rows) == 7
    assert {whose(row) for row in rows} == {("writer", THREAD, "4711", "acme")}
    assert {row.tags for row in rows} == {("nightly",)}
    assert in_no_column(ledger, SECRET)


def test_a_chain_hands_it_on(chat: ChatAIVideoAPI, ledger: SpendLedger) -> None:
    chain = RunnableLambda(lambda text: f"Say {text}") | chat
    config: Any = {"configurable": {"thread_id": THREAD}, "metadata": {"customer_id": "acme"}}
    chain.invoke("Hi", config)
    list(chain.stream("Hi", config))
    RunnableLambda(lambda text: "".join(str(chunk.content) for chunk in chat.stream(text))).invoke(
        "Hi", config
    )
    assert [whose(row) for row in ledger.records()] == [(None, THREAD, None, "acme")] * 3


@pytest.mark.parametrize("colour", ["sync", "async"])
def test_agents_by_name_in_a_thread(chat: ChatAIVideoAPI, ledger: SpendLedger, colour: str) -> None:
    agent = create_agent(chat, tools=[], name="Support Desk", checkpointer=InMemorySaver())
    config: Any = {"configurable": {"thread_id": THREAD, "user_id": "u-1"}}
    talk: Any = {"messages": [("user", "Hi")]}
    if colour == "sync":
        agent.invoke(talk, config)
        list(agent.stream(talk, config, stream_mode="messages"))
    else:
        asyncio.run(agent.ainvoke(talk, config))
    assert {whose(row) for row in ledger.records()} == {("Support_Desk", THREAD, "u-1", None)}


def test_a_subgraph_or_node_is_the_agent_where_none_has_a_name(
    chat: ChatAIVideoAPI, ledger: SpendLedger
) -> None:
    def ask(state: MessagesState) -> dict[str, list[AIMessage]]:
        return {"messages": [chat.invoke(state["messages"])]}

    graph = StateGraph(MessagesState)
    graph.add_node("researcher", create_agent(chat, tools=[]))
    graph.add_node("editor", ask)
    graph.add_edge(START, "researcher")
    graph.add_edge("researcher", "editor")
    graph.compile().invoke({"messages": [("user", "Hi")]})
    assert [row.agent for row in ledger.records()] == ["researcher", "editor"]


def test_sub_agents_of_deepagents(sandbox: Sandbox, chat: ChatAIVideoAPI, ledger: SpendLedger) -> None:
    sandbox.enqueue(
        Reply(tool_uses=[{"name": "task", "input": {"description": "Look.", "subagent_type": "scout"}}]),
        Reply("Seen."),
        Reply("Done."),
    )
    scout: Any = {"name": "scout", "description": "Looks around.", "system_prompt": "Look.", "tools": []}
    agent = create_deep_agent(model=chat, subagents=[scout], name="chief", checkpointer=InMemorySaver())
    agent.invoke(
        {"messages": [("user", "Hi")]},
        {"configurable": {"thread_id": THREAD}, "metadata": {"customer_id": "acme"}},
    )
    assert [whose(row) for row in ledger.records()] == [
        ("chief", THREAD, None, "acme"),
        ("scout", THREAD, None, "acme"),
        ("chief", THREAD, None, "acme"),
    ]


def test_what_the_program_says_wins(chat: ChatAIVideoAPI, ledger: SpendLedger) -> None:
    with spend_for(customer="acme", user="u-2"):
        chat.invoke("Hi", {"metadata": {"customer_id": "other", "thread_id": THREAD}})
    assert [whose(row) for row in ledger.records()] == [(None, THREAD, "u-2", "acme")]


async def test_agents_of_llamaindex(sandbox: Sandbox, llm: AIVideoAPI, ledger: SpendLedger) -> None:
    def look(place: str) -> str:
        """Look at a place."""
        return f"Nothing in {place}"

    sandbox.enqueue(
        Reply(tool_uses=[{"name": "handoff", "input": {"to_agent": "scout", "reason": "look"}}]),
        Reply("Seen."),
    )
    chief = FunctionAgent(
        name="chief", description="Decides.", llm=llm, tools=[look], can_handoff_to=["scout"]
    )
    scout = FunctionAgent(name="scout", description="Looks.", llm=llm, tools=[look])
    team = AgentWorkflow(agents=[chief, scout], root_agent="chief")
    with instrument_tags({"session_id": THREAD, "user_id": "u-1", "customer_id": "acme", "team": "search"}):
        await team.run(SECRET)
        await FunctionAgent(name="Solo Agent", llm=llm, tools=[look], streaming=False).run("Hi")
    rows = list(ledger.records())
    assert [row.agent for row in rows] == ["chief", "scout", "Solo_Agent"]
    assert {whose(row)[1:] for row in rows} == {(THREAD, "u-1", "acme")}
    assert {row.tags for row in rows} == {("team=search",)}
    assert in_no_column(ledger, SECRET)


async def test_a_workflow_of_ones_own_and_no_workflow(llm: AIVideoAPI, ledger: SpendLedger) -> None:
    class Digest(Workflow):
        """Asks once."""

        @step
        async def ask(self, event: StartEvent) -> StopEvent:
            return StopEvent(result=(await llm.acomplete(event.text)).text)

    await Digest().run(text=SECRET)
    await llm.acomplete("Hi")
    with instrument_tags({"agent": "by-hand"}):
        llm.complete("Hi")
    assert [row.agent for row in ledger.records()] == ["Digest", None, "by-hand"]
    assert in_no_column(ledger, SECRET)
