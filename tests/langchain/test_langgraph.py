"""LangGraph: a graph of our own, its retry policy, and a run that is stopped and resumed in another process."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from langchain_core.messages import AIMessage, AIMessageChunk
from langchain_core.tools import tool
from langgraph.graph import END, START, MessagesState, StateGraph
from langgraph.prebuilt import ToolNode, tools_condition
from langgraph.types import RetryPolicy
from ready_process import ReadyProcess

import aivideoapi_core as core
from aivideoapi_core.sandbox import Fault, Reply, Sandbox
from langchain_aivideoapi import ChatAIVideoAPI

NATIVE = "claude-sonnet-4-6"
DIRECT = "claude-sonnet-4-6/anthropic"
BOTH_ROUTES = pytest.mark.parametrize("model_id", [NATIVE, DIRECT])
ASK: Any = {"messages": [("user", "What is the weather in Paris?")]}


@tool
def get_weather(city: str) -> str:
    """The weather in a city."""
    return f"It is 21 degrees and sunny in {city}."


def _graph(chat: ChatAIVideoAPI, *, retry: RetryPolicy | None = None) -> Any:
    bound = chat.bind_tools([get_weather])

    def ask(state: MessagesState) -> dict[str, Any]:
        return {"messages": [bound.invoke(state["messages"])]}

    graph = StateGraph(MessagesState)
    graph.add_node("model", ask, retry_policy=retry)
    graph.add_node("tools", ToolNode([get_weather]))
    graph.add_edge(START, "model")
    graph.add_conditional_edges("model", tools_condition, {"tools": "tools", END: END})
    graph.add_edge("tools", "model")
    return graph.compile()


@pytest.fixture
def chat(sandbox: Sandbox) -> Callable[..., ChatAIVideoAPI]:
    def make(model_id: str = NATIVE, **fields: Any) -> ChatAIVideoAPI:
        return ChatAIVideoAPI(
            model=model_id, api_key=sandbox.api_key, base_url=sandbox.url, max_retries=0, **fields
        )

    return make


@BOTH_ROUTES
def test_graph_runs_and_streams(chat: Callable[..., ChatAIVideoAPI], model_id: str) -> None:
    graph = _graph(chat(model_id))
    result = graph.invoke(ASK)
    assert "21 degrees" in result["messages"][-1].text
    pieces = [
        (chunk.text, details["langgraph_node"])
        for chunk, details in graph.stream(ASK, stream_mode="messages")
        if isinstance(chunk, AIMessageChunk)
    ]
    assert {node for _, node in pieces} == {"model"}
    assert "21 degrees" in "".join(text for text, _ in pieces)


@pytest.mark.parametrize(
    ("fault", "error", "requests"),
    [
        pytest.param(Fault.error("insufficient_credits"), core.InsufficientCreditsError, 1, id="402"),
        pytest.param(Fault.error("spend_limit_exceeded"), core.SpendLimitError, 1, id="429 spend limit"),
        pytest.param(Fault.error("invalid_api_key"), core.AuthenticationError, 1, id="401"),
        pytest.param(Fault.error("invalid_request"), core.InvalidRequestError, 1, id="400"),
        pytest.param(Fault.error("model_not_found"), core.ModelNotFoundError, 1, id="404"),
        pytest.param(Fault.envelope(402), core.InsufficientCreditsError, 1, id="200 with a 402 inside"),
        pytest.param(Fault.error("rate_limit_exceeded"), core.RateLimitError, 3, id="429 rate limit"),
        pytest.param(Fault.error("internal_error"), core.InternalServerError, 3, id="500"),
        pytest.param(Fault.error("upstream_error"), core.UpstreamError, 3, id="503"),
    ],
)
def test_default_retry_policy(
    chat: Callable[..., ChatAIVideoAPI],
    sandbox: Sandbox,
    fault: Fault,
    error: type[core.AIVideoAPIError],
    requests: int,
) -> None:
    """LangGraph retries whatever is no ``ValueError``; ours are exactly what must not be retried."""
    sandbox.enqueue(*[fault] * 3)
    graph = _graph(chat(), retry=RetryPolicy(initial_interval=0.001, max_attempts=3, jitter=False))
    with pytest.raises(error):
        graph.invoke(ASK)
    assert len(sandbox.requests) == requests


def test_retry_policy_gets_through(chat: Callable[..., ChatAIVideoAPI], sandbox: Sandbox) -> None:
    sandbox.enqueue(Fault.error("upstream_error"), Reply("Here I am."))
    graph = _graph(chat(), retry=RetryPolicy(initial_interval=0.001, jitter=False))
    assert graph.invoke(ASK)["messages"][-1].text == "Here I am."


_SCRIPT = '''
import json, os, sqlite3, sys
from langchain.agents import create_agent
from langchain_core.messages import AIMessage
from langchain_core.tools import tool
from langgraph.checkpoint.sqlite import SqliteSaver
from langgraph.types import Command, interrupt
from langchain_aivideoapi import ChatAIVideoAPI

@tool
def book_flight(city: str) -> str:
    """Book a flight to a city."""
    answer = interrupt({"approve": city})
    return f"Booked for {city}: {answer}."

model_id, database, step = sys.argv[1:4]
thinking = True if not model_id.endswith("/anthropic") else {"type": "enabled", "budget_tokens": 1024}
connection = sqlite3.connect(database, check_same_thread=False)
agent = create_agent(
    ChatAIVideoAPI(model=model_id, thinking=thinking), [book_flight], checkpointer=SqliteSaver(connection)
)
config = {"configurable": {"thread_id": "one"}}
question = {"messages": [("user", "Book a flight to Paris.")]}
result = agent.invoke(question if step == "start" else Command(resume="yes, seat 12A"), config)
print(json.dumps({
    "pid": os.getpid(),
    "waiting": [item.value for item in result.get("__interrupt__", ())],
    "last": result["messages"][-1].text,
    "kinds": [message.type for message in result["messages"]],
    "micro": [m.usage_metadata["credits_consumed_micro"] for m in result["messages"] if isinstance(m, AIMessage)],
}))
'''


def _in_a_new_process(script: Path, sandbox: Sandbox, *arguments: str) -> dict[str, Any]:
    env = {"AIVIDEOAPI_API_KEY": sandbox.api_key, "AIVIDEOAPI_BASE_URL": sandbox.url}
    process = ReadyProcess(script, *arguments, env=env)
    said = process.communicate()
    assert process.returncode == 0
    result: dict[str, Any] = json.loads(said.splitlines()[-1])
    return result


@BOTH_ROUTES
def test_stopped_and_resumed_in_a_new_process(tmp_path: Path, sandbox: Sandbox, model_id: str) -> None:
    script = tmp_path / "agent.py"
    script.write_text(_SCRIPT)
    database = str(tmp_path / "checkpoints.sqlite")
    first = _in_a_new_process(script, sandbox, model_id, database, "start")
    assert first["waiting"] == [{"approve": "Paris"}]
    assert len(sandbox.requests) == 1
    second = _in_a_new_process(script, sandbox, model_id, database, "resume")
    assert second["pid"] != first["pid"]
    assert second["waiting"] == []
    assert second["kinds"] == ["human", "ai", "tool", "ai"]
    assert "seat 12A" in second["last"]
    _, resumed = (request.body for request in sandbox.requests)
    roles = [(turn["role"], turn["content"]) for turn in resumed["messages"]]
    assert [role for role, _ in roles] == ["user", "assistant", "user"]
    kinds = [block["type"] for block in roles[1][1]]
    assert kinds[0] == "thinking"
    assert roles[1][1][0]["signature"]
    assert "tool_use" in kinds
    assert roles[2][1][0]["type"] == "tool_result"
    assert second["micro"][:1] == first["micro"]
    assert sum(second["micro"]) == sandbox.charged_micro
    assert sandbox.api_key not in Path(database).read_bytes().decode("latin-1")


def test_async_graph_with_two_loops(chat: Callable[..., ChatAIVideoAPI]) -> None:
    """One model object in two event loops, one after the other."""
    import asyncio

    model = chat()

    async def once() -> AIMessage:
        return await model.ainvoke("Hello")

    assert asyncio.run(once()).text == asyncio.run(once()).text
