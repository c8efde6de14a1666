"""Runs of agents that end with an answer when their budget does, in both frameworks and colours, streamed and whole."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from langchain.agents import create_agent
from langchain_core.tools import tool
from llama_index.core.agent.workflow import AgentWorkflow, FunctionAgent, ReActAgent
from pydantic import BaseModel

from aivideoapi_core import BudgetExceededError, CreditBudget, build_payload, prices_of, use_budget
from aivideoapi_core._metering.landing import CUT, LEAST_ANSWER_TOKENS, Runway, cut_texts
from aivideoapi_core.sandbox import Reply, Sandbox
from langchain_aivideoapi import AIVideoAPIPromptCachingMiddleware, BudgetLandingMiddleware, ChatAIVideoAPI
from llamaindex_aivideoapi import BudgetLandingLLM

NATIVE, DIRECT = "claude-sonnet-4-6", "claude-haiku-4-5/anthropic"
STEP = Reply("So far: 7.", tool_uses=[{"name": "search", "input": {"words": "more"}}])
RESULT = "one thing after another " * 5


@tool
def search(words: str) -> str:
    """Search for words."""
    return RESULT


def find(words: str) -> str:
    """Search for words."""
    return RESULT


def where(sandbox: Sandbox, model: str, **more: Any) -> dict[str, Any]:
    return {"model": model, "max_tokens": 300, "api_key": sandbox.api_key, "base_url": sandbox.url, **more}


def graph(sandbox: Sandbox, model: str = DIRECT, *, middleware: Any = (), **more: Any) -> Any:
    landing = BudgetLandingMiddleware(tool_result_tokens=500)
    return create_agent(
        ChatAIVideoAPI(**where(sandbox, model)), [search], middleware=[landing, *middleware], **more
    )


QUESTION: dict[str, Any] = {"messages": [{"role": "user", "content": "What is it?"}]}


def _invoke(agent: Any) -> str:
    return str(agent.invoke(QUESTION)["messages"][-1].text)


def _ainvoke(agent: Any) -> str:
    async def run() -> Any:
        return await agent.ainvoke(QUESTION)

    return str(asyncio.run(run())["messages"][-1].text)


def _stream(agent: Any) -> str:
    *_, (_, last) = agent.stream(QUESTION, stream_mode=["messages", "values"])
    return str(last["messages"][-1].text) if isinstance(last, dict) else ""


def _astream(agent: Any) -> str:
    async def run() -> Any:
        return [part async for part in agent.astream(QUESTION, stream_mode=["messages", "values"])]

    return str(asyncio.run(run())[-1][1]["messages"][-1].text)


def check(sandbox: Sandbox, budget: CreditBudget, *, least: int = 2) -> None:
    """The run went on for a while, ended with a call without tools, and never passed its limit."""
    *before, last = sandbox.requests
    assert len(before) >= least
    assert all(
        "tool_choice" not in request.body or request.body["tool_choice"]["type"] == "auto"
        for request in before
    )
    assert "budget of this run" not in str([request.body for request in before])
    assert last.body["tool_choice"] == {"type": "none"}
    text = last.body["messages"][-1]["content"][-1]["text"]
    assert f"{budget.limit_micro / 1e6:g} credits are spent" in text
    standing = budget.standing()
    assert standing.reserved_micro == 0
    assert 0 < standing.spent_micro <= standing.limit_micro


@pytest.mark.parametrize("ask", [_invoke, _ainvoke, _stream, _astream])
@pytest.mark.parametrize(("model", "limit"), [(DIRECT, 5), (NATIVE, 6)])
def test_a_graph_ends_with_an_answer(
    ask: Callable[[Any], str], model: str, limit: int, sandbox: Sandbox
) -> None:
    sandbox.enqueue(*[STEP] * 60)
    budget = CreditBudget(limit)
    with use_budget(budget):
        assert ask(graph(sandbox, model)) == "So far: 7."
    check(sandbox, budget)


def test_without_it_the_run_is_lost(sandbox: Sandbox) -> None:
    sandbox.enqueue(*[STEP] * 60)
    agent = create_agent(ChatAIVideoAPI(**where(sandbox, DIRECT, budget=CreditBudget(5))), [search])
    with pytest.raises(BudgetExceededError):
        agent.invoke(QUESTION)


def test_the_budget_with_the_least_left_decides(sandbox: Sandbox) -> None:
    sandbox.enqueue(*[STEP] * 60)
    team = CreditBudget(500, name="team")
    with team.run(5) as run:
        assert _invoke(graph(sandbox)) == "So far: 7."
    assert run.standing().spent_micro == team.standing().spent_micro <= 5_000_000
    assert sandbox.requests[-1].body["tool_choice"] == {"type": "none"}


def test_a_run_inside_a_tight_team_lands_too(sandbox: Sandbox) -> None:
    sandbox.enqueue(*[STEP] * 60)
    team = CreditBudget(5, name="team")
    with team.run(500):
        assert _invoke(graph(sandbox)) == "So far: 7."
    check(sandbox, team)


def test_there_is_nothing_to_say_where_there_is_room(sandbox: Sandbox) -> None:
    sandbox.enqueue(STEP, Reply("Seven."))
    with use_budget(CreditBudget(500)):
        assert _invoke(graph(sandbox)) == "Seven."
    sandbox.enqueue(STEP, Reply("Seven."))
    assert _invoke(graph(sandbox)) == "Seven."
    assert "budget of this run" not in str([request.body for request in sandbox.requests])


def test_before_any_call_the_tools_go(sandbox: Sandbox) -> None:
    sandbox.enqueue(Reply("Nothing yet."))
    with use_budget(CreditBudget(2)):
        assert _invoke(graph(sandbox)) == "Nothing yet."
    assert "tools" not in sandbox.requests[-1].body
    assert LEAST_ANSWER_TOKENS <= sandbox.requests[-1].body["max_tokens"] <= 300


def test_what_does_not_fit_at_all_is_refused(sandbox: Sandbox) -> None:
    with use_budget(CreditBudget("0.01")), pytest.raises(BudgetExceededError):
        graph(sandbox).invoke(QUESTION)
    assert not sandbox.requests


def test_a_long_tool_result_is_cut_so_that_the_landing_fits(sandbox: Sandbox) -> None:
    @tool
    def read(words: str) -> str:
        """Read all of it."""
        return "much to read " * 4_000

    sandbox.enqueue(
        Reply("I read.", tool_uses=[{"name": "read", "input": {"words": "all"}}]), Reply("In short: much.")
    )
    budget = CreditBudget(8)
    agent = create_agent(
        ChatAIVideoAPI(**where(sandbox, DIRECT, budget=budget)),
        [read],
        middleware=[BudgetLandingMiddleware()],
    )
    assert _invoke(agent) == "In short: much."
    assert CUT.strip() in str(sandbox.requests[-1].body["messages"])
    assert budget.standing().spent_micro <= 8_000_000


def test_with_prompt_caching_after_it_the_landing_still_fits(sandbox: Sandbox) -> None:
    sandbox.enqueue(*[STEP] * 60)
    budget = CreditBudget(5)
    with use_budget(budget):
        agent = graph(sandbox, middleware=[AIVideoAPIPromptCachingMiddleware(ttl="1h")])
        assert _invoke(agent) == "So far: 7."
    check(sandbox, budget, least=1)


def test_thinking_that_has_no_room_is_switched_off(sandbox: Sandbox) -> None:
    sandbox.enqueue(*[Reply("So far: 7.", thinking="Let me see.", tool_uses=STEP.tool_uses)] * 60)
    budget = CreditBudget(16)
    thinking = {"type": "enabled", "budget_tokens": 1_024}
    agent = create_agent(
        ChatAIVideoAPI(**where(sandbox, DIRECT, budget=budget, thinking=thinking) | {"max_tokens": 1_100}),
        [search],
        middleware=[BudgetLandingMiddleware()],
    )
    assert _invoke(agent) == "So far: 7."
    last = sandbox.requests[-1].body
    assert last["thinking"] == {"type": "disabled"} or last["max_tokens"] >= 1_280


def test_structured_answers_are_given_in_the_end(sandbox: Sandbox) -> None:
    class Answer(BaseModel):
        number: int

    sandbox.enqueue(STEP, *[Reply(tool_uses=[{"name": "Answer", "input": {"number": 7}}])] * 2)
    from langchain.agents.structured_output import ToolStrategy

    with use_budget(CreditBudget(2)):
        result = graph(sandbox, response_format=ToolStrategy(Answer)).invoke(QUESTION)
    assert result["structured_response"] == Answer(number=7) or len(sandbox.requests) == 1


def test_sub_agents_land_first_and_the_run_goes_on(sandbox: Sandbox) -> None:
    team = CreditBudget(100)

    @tool
    def ask_another(question: str) -> str:
        """Ask another agent."""
        with team.run(3, name="sub-agent"):
            return _invoke(graph(sandbox))

    sandbox.enqueue(
        Reply("I ask.", tool_uses=[{"name": "ask_another", "input": {"question": "?"}}]),
        Reply("So far: 7.", tool_uses=STEP.tool_uses),
    )
    sandbox.enqueue(*[Reply("It is 7.", tool_uses=())] * 3)
    agent = create_agent(
        ChatAIVideoAPI(**where(sandbox, DIRECT, budget=team)),
        [ask_another],
        middleware=[BudgetLandingMiddleware()],
    )
    assert _invoke(agent) == "It is 7."


# LlamaIndex.


def _llm(sandbox: Sandbox, model: str = DIRECT, **more: Any) -> BudgetLandingLLM:
    return BudgetLandingLLM(**where(sandbox, model, tool_result_tokens=500, **more))


STEP_FIND = Reply("So far: 7.", tool_uses=[{"name": "find", "input": {"words": "more"}}])


@pytest.mark.parametrize("streaming", [True, False])
@pytest.mark.parametrize(("model", "limit"), [(DIRECT, 5), (NATIVE, 6)])
def test_a_function_agent_ends_with_an_answer(
    streaming: bool, model: str, limit: int, sandbox: Sandbox
) -> None:
    sandbox.enqueue(*[STEP_FIND] * 60)
    budget = CreditBudget(limit)
    agent = FunctionAgent(tools=[find], llm=_llm(sandbox, model, budget=budget), streaming=streaming)

    async def run() -> Any:
        return await agent.run("What is it?")

    assert str(asyncio.run(run())) == "So far: 7."
    check(sandbox, budget)


def test_a_workflow_of_agents_lands_by_a_block_around_it(sandbox: Sandbox) -> None:
    sandbox.enqueue(*[STEP_FIND] * 60)
    budget = CreditBudget(5)
    first = FunctionAgent(name="first", description="first", tools=[find], llm=_llm(sandbox))
    workflow = AgentWorkflow(agents=[first], root_agent="first")

    async def run() -> Any:
        with use_budget(budget):
            return await workflow.run("What is it?")

    assert str(asyncio.run(run())) == "So far: 7."
    check(sandbox, budget)


@pytest.mark.parametrize("streaming", [True, False])
def test_a_react_agent_ends_with_an_answer(streaming: bool, sandbox: Sandbox) -> None:
    step = 'Thought: So far it is 7.\nAction: find\nAction Input: {"words": "more"}'
    sandbox.enqueue(*[Reply(step)] * 60)
    budget = CreditBudget(5)
    agent = ReActAgent(tools=[find], llm=_llm(sandbox, budget=budget), streaming=streaming)

    async def run() -> Any:
        return await agent.run("What is it?")

    assert str(asyncio.run(run())) == "So far it is 7."
    assert "without an 'Action:'" in str(sandbox.requests[-1].body["messages"][-1])
    assert budget.standing().spent_micro <= 5_000_000


def test_synchronous_calls_land_too(sandbox: Sandbox) -> None:
    from llama_index.core.tools import FunctionTool

    tools = [FunctionTool.from_defaults(find)]
    sandbox.enqueue(STEP_FIND, STEP_FIND)
    llm = _llm(sandbox, budget=CreditBudget(2))
    reply = llm.chat_with_tools(tools, "What is it?")
    assert reply.message.content == "So far: 7."
    assert llm.get_tool_calls_from_response(reply, error_on_no_tool_call=False) == []
    *_, last = llm.stream_chat_with_tools(tools, "What is it?")
    assert llm.get_tool_calls_from_response(last, error_on_no_tool_call=False) == []
    assert "tools" not in sandbox.requests[-1].body


# The rule itself.


class Left:
    def __init__(self, micro: int) -> None:
        self.limit_micro = self.available_micro = micro
        self.spent_micro = 0


@pytest.mark.parametrize("size", [10, 1_000, 20_000])
def test_the_landing_after_a_call_that_was_allowed_fits(size: int) -> None:
    """Whatever the conversation's length: allowed means that the worst of it leaves room for a whole answer."""
    tools: Any = [{"name": "search", "input_schema": {"type": "object"}}]
    asked: Any = [{"role": "user", "content": "x" * size}]
    payload = build_payload(DIRECT, asked, stream=False, max_tokens=300, tools=tools)
    runway = Runway(CreditBudget(1), prices_of, requests=1)
    micro = 1_000_000
    while runway.must_land(payload, Left(micro), tool_result_tokens=500):
        micro += 1_000
    from aivideoapi_core import worst_case

    worst = worst_case(payload, prices_of(DIRECT)).micro or 0
    later: Any = [
        *asked,
        {
            "role": "assistant",
            "content": [
                {"type": "text", "text": "y" * 1_100},
                {"type": "tool_use", "id": "a", "name": "search", "input": {}},
            ],
        },
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "a", "content": "z" * 490}]},
    ]
    last = build_payload(
        DIRECT, later, stream=False, max_tokens=300, tools=tools, tool_choice={"type": "none"}
    )
    landing = runway.landing(last, Left(micro - worst))
    assert landing is not None
    assert (landing.max_tokens, landing.cut_bytes) == (300, 0)


@pytest.mark.parametrize(
    ("sizes", "cut", "longest"),
    [([1000], 100, 900), ([1000, 1000], 500, 800), ([1000, 10], 990, 100), ([10], 5, 10), ([], 5, 0)],
)
def test_texts_are_cut_the_longest_first(sizes: list[int], cut: int, longest: int) -> None:
    texts = ["x" * size for size in sizes]
    shorter = cut_texts(texts, cut)
    assert max(map(len, shorter), default=0) <= longest
    if sum(sizes) > cut + len(CUT) * len(sizes):
        assert sum(map(len, texts)) - sum(map(len, shorter)) >= cut
    assert Decimal(len(shorter)) == len(texts)
