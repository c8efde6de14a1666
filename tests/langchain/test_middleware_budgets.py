"""Every middleware of LangChain's own, with a budget and a ledger: the agent ends, and the books are the server's."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import langchain.agents.middleware as theirs
import pytest
from langchain.agents import create_agent
from langchain.agents.middleware import AgentMiddleware
from langchain_core.tools import tool
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.types import Command

from aivideoapi_core import CreditBudget, Outcome, SpendLedger, use_budget
from aivideoapi_core.sandbox import Fault, Reply, Sandbox
from langchain_aivideoapi import ChatAIVideoAPI

DIRECT = "claude-sonnet-4-6/anthropic"
NATIVE = "claude-sonnet-4-6"

Make = Callable[[ChatAIVideoAPI, Path], AgentMiddleware[Any, Any, Any]]


@tool
def get_weather(city: str) -> str:
    """The weather in a city."""
    return f"sunny in {city}"


@tool
def broken(city: str) -> str:
    """Fails."""
    raise ValueError("it does not work")


MIDDLEWARE: dict[str, Make] = {
    "ContextEditing": lambda m, p: theirs.ContextEditingMiddleware(),
    "FilesystemFileSearch": lambda m, p: theirs.FilesystemFileSearchMiddleware(root_path=str(p)),
    "HumanInTheLoop": lambda m, p: theirs.HumanInTheLoopMiddleware(interrupt_on={"get_weather": True}),
    "LLMToolSelector": lambda m, p: theirs.LLMToolSelectorMiddleware(model=m, max_tools=2),
    "ModelCallLimit": lambda m, p: theirs.ModelCallLimitMiddleware(run_limit=2),
    "ModelFallback": lambda m, p: theirs.ModelFallbackMiddleware(m),
    "ModelRetry": lambda m, p: theirs.ModelRetryMiddleware(initial_delay=0.0, jitter=False),
    "PII": lambda m, p: theirs.PIIMiddleware("email", apply_to_output=True),
    "ShellTool": lambda m, p: theirs.ShellToolMiddleware(workspace_root=p),
    "Summarization": lambda m, p: theirs.SummarizationMiddleware(
        model=m, trigger=("messages", 3), keep=("messages", 1)
    ),
    "TodoList": lambda m, p: theirs.TodoListMiddleware(),
    "ToolCallLimit": lambda m, p: theirs.ToolCallLimitMiddleware(run_limit=1, exit_behavior="continue"),
    "ToolRetry": lambda m, p: theirs.ToolRetryMiddleware(initial_delay=0.0, jitter=False),
}


def replies(name: str) -> list[Reply]:
    calls = Reply(tool_uses=[{"name": "get_weather", "input": {"city": "Paris"}}])
    fails = Reply(tool_uses=[{"name": "broken", "input": {"city": "Paris"}}])
    if name == "LLMToolSelector":
        chosen = Reply(tool_uses=[{"name": "ToolSelectionResponse", "input": {"tools": ["get_weather"]}}])
        return [chosen, calls, chosen, Reply("It is sunny.")]
    return [fails if name == "ToolRetry" else calls, Reply("It is sunny.")]


@pytest.mark.parametrize("model_id", [NATIVE, DIRECT])
@pytest.mark.parametrize("name", MIDDLEWARE)
@pytest.mark.parametrize("is_async", [False, True])
async def test_the_books_are_the_servers(
    sandbox: Sandbox, tmp_path: Path, model_id: str, name: str, is_async: bool
) -> None:
    budget, around, ledger = CreditBudget(10_000), CreditBudget(10_000), SpendLedger()
    model = ChatAIVideoAPI(
        model=model_id,
        api_key=sandbox.api_key,
        base_url=sandbox.url,
        budget=budget,
        ledger=ledger,
        max_retries=0,
    )
    if name in ("ModelFallback", "ModelRetry"):
        sandbox.enqueue(Fault.error("internal_error"))
    sandbox.enqueue(*replies(name))
    agent = create_agent(
        model,
        tools=[get_weather, broken],
        middleware=[MIDDLEWARE[name](model, tmp_path)],
        checkpointer=InMemorySaver(),
    )
    config: Any = {"configurable": {"thread_id": "t"}}
    question: Any = {"messages": [("user", "The weather in Paris, for me@example.com?")]}
    with use_budget(around):
        steps: list[Any] = [question]
        if name == "HumanInTheLoop":
            steps.append(Command(resume={"decisions": [{"type": "approve"}]}))
        for step in steps:
            result = await agent.ainvoke(step, config) if is_async else agent.invoke(step, config)
    assert result["messages"][-1].text
    rows, standing = list(ledger.records()), budget.standing()
    charged_micro = sandbox.charged_micro
    assert standing.reserved_micro == around.standing().reserved_micro == 0
    assert standing.spent_micro == around.standing().spent_micro
    assert len(rows) == len(sandbox.requests) >= 2
    assert sum(row.credits_micro or 0 for row in rows if row.outcome is Outcome.OK) == charged_micro
    assert not standing.unknown_calls


@pytest.mark.parametrize("is_async", [False, True])
async def test_provider_tool_search(sandbox: Sandbox, is_async: bool) -> None:
    """It knows two providers; on the direct-forward route the wire is that of one of them."""
    search = getattr(theirs, "ProviderToolSearchMiddleware", None)
    if search is None:
        pytest.skip("of a newer LangChain")
    budget = CreditBudget(10_000, soft=True)  # how often the server searches has no bound
    sandbox.enqueue(*replies("any"))
    models = [
        ChatAIVideoAPI(model=model_id, api_key=sandbox.api_key, base_url=sandbox.url, budget=budget)
        for model_id in (DIRECT, NATIVE)
    ]
    direct, native = (
        create_agent(
            model, tools=[get_weather, broken], middleware=[search(searchable_tools=["get_weather"])]
        )
        for model in models
    )
    question: Any = {"messages": [("user", "The weather in Paris?")]}
    result = await direct.ainvoke(question) if is_async else direct.invoke(question)
    assert result["messages"][-1].text == "It is sunny."
    tools = {sent["name"]: sent for sent in sandbox.requests[0].body["tools"]}
    assert [name for name, sent in tools.items() if sent.get("defer_loading")] == ["get_weather"]
    assert tools["tool_search_tool_bm25"]["type"] == "tool_search_tool_bm25_20251119"
    assert "advanced-tool-use" in sandbox.requests[0].headers["anthropic-beta"]
    assert budget.standing().spent_micro == sandbox.charged_micro
    with pytest.raises(ValueError, match="requires a provider with server-side tool search"):
        native.invoke(question)
