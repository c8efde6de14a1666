"""Limits of agents by name, in both frameworks and without one."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import pytest
from langchain.agents import create_agent
from langchain_core.messages import AIMessage
from llama_index.core.agent.workflow import FunctionAgent

from aivideoapi_core import (
    BudgetExceededError,
    CreditBudget,
    InvalidInputError,
    MessagesClient,
    budgets_in,
    build_payload,
    spend_for,
)
from aivideoapi_core.sandbox import Sandbox
from langchain_aivideoapi import ChatAIVideoAPI
from llamaindex_aivideoapi import AIVideoAPI

MODEL = "claude-haiku-4-5/anthropic"


@pytest.fixture(params=["memory", "sqlite", "redis"])
def budget(request: pytest.FixtureRequest, tmp_path: Path) -> CreditBudget:
    store: Any = {"memory": None, "sqlite": tmp_path / "b.sqlite"}.get(request.param)
    if request.param == "redis":
        store = request.getfixturevalue("redis_url")
    limits = {"researcher": "0.001", "the writer": 5}
    return CreditBudget(100, store=store, name="team", agent_limits=limits, wait_s=0)


def test_by_the_agents_name_in_both_frameworks(sandbox: Sandbox, budget: CreditBudget) -> None:
    given: dict[str, Any] = {"api_key": sandbox.api_key, "base_url": sandbox.url, "budget": budget}
    chat = ChatAIVideoAPI(model=MODEL, max_tokens=100, **given)
    asked: Any = {"messages": [{"role": "user", "content": "Hi"}]}
    with pytest.raises(BudgetExceededError, match=r"budget 'team/researcher'"):
        create_agent(chat, [], name="researcher").invoke(asked)
    answer = create_agent(chat, [], name="the writer").invoke(asked)
    assert isinstance(answer["messages"][-1], AIMessage)
    create_agent(chat, [], name="another").invoke(asked)
    writers = budget.for_agent("the_writer").budgets[0]
    assert writers.limit_micro == 5_000_000
    assert 0 < writers.standing().spent_micro < budget.standing().spent_micro
    assert budget.standing().reserved_micro == 0


async def test_in_llamaindex(sandbox: Sandbox, budget: CreditBudget) -> None:
    llm = AIVideoAPI(
        model=MODEL, max_tokens=100, api_key=sandbox.api_key, base_url=sandbox.url, budget=budget
    )
    with pytest.raises(Exception, match=r"budget 'team/researcher'"):
        await FunctionAgent(name="researcher", tools=[], llm=llm).run("Hi")
    await FunctionAgent(name="another", tools=[], llm=llm).run("Hi")
    assert budget.standing().spent_micro > 0


def test_without_a_framework_and_inside_a_run(sandbox: Sandbox, budget: CreditBudget) -> None:
    payload = build_payload(MODEL, [{"role": "user", "content": "Hi"}], stream=False, max_tokens=100)
    with MessagesClient(api_key=sandbox.api_key, base_url=sandbox.url, budget=budget) as client:
        with budget.run(50), spend_for(agent="researcher"), pytest.raises(BudgetExceededError) as refused:
            client.create(payload)
        assert refused.value.budget == "team/researcher"
        client.create(payload)


def test_in_a_store_it_is_a_budget_like_any_other(tmp_path: Path) -> None:
    path = tmp_path / "b.sqlite"
    budget = CreditBudget(9, window="calendar day", store=path, name="team", agent_limits={"a": 5})
    again = pickle.loads(pickle.dumps(budget))
    for each in (budget, again):
        each.for_agent("a").standing()
    assert [(kept.name, kept.limit_micro, kept.window) for kept in budgets_in(path)] == [
        ("team", 9_000_000, "calendar day UTC"),
        ("team/a", 5_000_000, "calendar day UTC"),
    ]
    assert budget.for_agent("b") is budget
    budget.close()


@pytest.mark.parametrize("limits", [{"": 5}, {7.5: 5}, {"two\nlines": 5}, {"x" * 200: 5}])
def test_names_that_no_agent_has_are_refused(limits: Any) -> None:
    with pytest.raises(InvalidInputError, match="names of agents"):
        CreditBudget(10, agent_limits=limits)


@pytest.mark.parametrize("limits", [{"a": -1}, {"a": "much"}])
def test_limits_that_are_none_are_refused_at_once(limits: Any) -> None:
    with pytest.raises(InvalidInputError, match="number of credits"):
        CreditBudget(10, agent_limits=limits)


def test_names_too_long_for_a_store_are_refused_at_once(tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError, match="1 to 200"):
        CreditBudget(10, store=tmp_path / "b.sqlite", name="n" * 150, agent_limits={"a" * 60: 1})
