"""What frameworks' own parts do to a history (cut, clear, reject, hand over, restore): a strict server takes every request after."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any, Final

import pytest
from langchain.agents import create_agent
from langchain.agents.middleware import (
    ClearToolUsesEdit,
    ContextEditingMiddleware,
    HumanInTheLoopMiddleware,
    LLMToolSelectorMiddleware,
    ModelCallLimitMiddleware,
    PIIMiddleware,
    TodoListMiddleware,
    ToolCallLimitMiddleware,
    ToolRetryMiddleware,
)
from langchain_core.messages import (
    AIMessage,
    HumanMessage,
    RemoveMessage,
    SystemMessage,
    ToolMessage,
    trim_messages,
)
from langchain_core.tools import tool
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.types import Command
from llama_index.core.agent.workflow import AgentWorkflow, CodeActAgent, FunctionAgent, ReActAgent
from llama_index.core.base.llms.types import TextBlock, ToolCallBlock
from llama_index.core.llms import ChatMessage
from llama_index.core.memory import ChatMemoryBuffer
from llama_index.core.tools import FunctionTool
from llama_index.core.workflow import Context
from strict import complaints

from aivideoapi_core.sandbox import Reply, Sandbox
from langchain_aivideoapi import ChatAIVideoAPI
from llamaindex_aivideoapi import AIVideoAPI

BOTH: Final = pytest.mark.parametrize("model", ["claude-sonnet-4-6", "claude-sonnet-4-6/anthropic"])
THREAD: Final[Any] = {"configurable": {"thread_id": "1"}}


def calls(*named: str) -> Reply:
    return Reply(
        "hm", tool_uses=[{"name": name, "input": {"city": f"{at}@x.org"}} for at, name in enumerate(named)]
    )


@tool
def look(city: str) -> str:
    """Look."""
    return f"sunny in {city}"


@tool
def fail(city: str) -> str:
    """Fail."""
    raise RuntimeError(city)


def chat_of(sandbox: Sandbox, model: str) -> ChatAIVideoAPI:
    return ChatAIVideoAPI(model=model, api_key=sandbox.api_key, base_url=sandbox.url, max_retries=0)


def remove(agent: Any) -> None:
    """The call, then its result, then the first question."""
    for place in (1, 1, 0):
        victim = agent.get_state(THREAD).values["messages"][place]
        agent.update_state(THREAD, {"messages": [RemoveMessage(id=victim.id)]})
        agent.invoke({"messages": [HumanMessage("and?")]}, THREAD)


def decide(agent: Any) -> None:
    edited = {"type": "edit", "edited_action": {"name": "look", "args": {"city": "Oslo"}}}
    agent.invoke(Command(resume={"decisions": [edited, {"type": "reject", "message": ""}]}), THREAD)


MIDDLEWARES: Final[dict[str, tuple[Callable[[Any], list[Any]], Callable[[Any], None] | None]]] = {
    "messages removed": (lambda _: [], remove),
    "an unknown tool": (lambda _: [], None),
    "retried": (lambda _: [ToolRetryMiddleware(max_retries=1, initial_delay=0, on_failure="continue")], None),
    "cleared": (lambda _: [ContextEditingMiddleware(edits=[ClearToolUsesEdit(trigger=1, keep=0, clear_tool_inputs=True)])], None),
    "decided": (lambda _: [HumanInTheLoopMiddleware(interrupt_on={"look": True})], decide),
    "never decided": (lambda _: [HumanInTheLoopMiddleware(interrupt_on={"look": True})], None),
    "redacted": (lambda _: [PIIMiddleware("email", apply_to_output=True, apply_to_tool_results=True)], None),
    "planned": (lambda _: [TodoListMiddleware()], None),
    "limited": (lambda _: [ToolCallLimitMiddleware(run_limit=1, exit_behavior="continue"), ModelCallLimitMiddleware(run_limit=2)], None),
    "ended by a limit": (lambda _: [ToolCallLimitMiddleware(tool_name="look", run_limit=1, exit_behavior="end")], None),
    "selected": (lambda chat: [LLMToolSelectorMiddleware(model=chat, max_tools=1)], None),
}  # fmt: skip
CALLED: Final = {
    "an unknown tool": ["nope", "look"],
    "retried": ["fail", "fail"],
    "ended by a limit": ["look"],
}


@BOTH
@pytest.mark.parametrize("name", MIDDLEWARES)
def test_langchain(sandbox: Sandbox, model: str, name: str) -> None:
    make, then = MIDDLEWARES[name]
    chat = chat_of(sandbox, model)
    agent: Any = create_agent(
        chat, [look] if name != "retried" else [fail], middleware=make(chat), checkpointer=InMemorySaver()
    )
    if name == "selected":
        sandbox.enqueue(Reply(tool_uses=[{"name": "ToolSelectionResponse", "input": {"tools": ["look"]}}]))
    sandbox.enqueue(calls(*CALLED.get(name, ["look", "look"])))
    agent.invoke({"messages": [HumanMessage("hi")]}, THREAD)
    if then is not None:
        then(agent)
    assert agent.invoke({"messages": [HumanMessage("never mind")]}, THREAD)["messages"][-1].text
    assert [found for request in sandbox.requests for found in complaints(request.body)] == []


@BOTH
@pytest.mark.parametrize("strategy", ["first", "last"])
def test_trimmed_anywhere(sandbox: Sandbox, model: str, strategy: Any) -> None:
    two: list[Any] = [{"name": "look", "args": {}, "id": each} for each in "ab"]
    results = [ToolMessage(each, tool_call_id=each) for each in "ab"]
    history = [
        SystemMessage("s"),
        HumanMessage("q"),
        AIMessage("", tool_calls=two),
        *results,
        AIMessage("ok"),
    ]
    chat = chat_of(sandbox, model)
    for length in range(2, 6):
        kept = trim_messages(history, max_tokens=length, token_counter=len, strategy=strategy)
        chat.bind_tools([look]).invoke([*kept, HumanMessage("x")])
    assert [found for request in sandbox.requests for found in complaints(request.body)] == []


def sunny(city: str) -> str:
    """Look."""
    return f"sunny in {city}"


LOOK: Final = FunctionTool.from_defaults(sunny, name="look")


async def hand_over(llm: AIVideoAPI, sandbox: Sandbox) -> tuple[Any, Any]:
    first = FunctionAgent(name="a", description="A", tools=[LOOK], llm=llm, can_handoff_to=["b"])
    second = FunctionAgent(name="b", description="B", tools=[LOOK], llm=llm, can_handoff_to=["a"])
    workflow = AgentWorkflow(agents=[first, second], root_agent="a")
    for to in ("b", "nobody"):
        handoff = {"name": "handoff", "input": {"to_agent": to, "reason": "r"}}
        sandbox.enqueue(Reply(tool_uses=[handoff, {"name": "look", "input": {"city": "Oslo"}}]))
    return workflow, Context(workflow)


async def direct(llm: AIVideoAPI, sandbox: Sandbox) -> tuple[Any, Any]:
    ends = FunctionTool.from_defaults(sunny, name="ends", return_direct=True)
    agent = FunctionAgent(tools=[ends, LOOK], llm=llm)
    sandbox.enqueue(calls("ends", "look"))
    return agent, Context(agent)


async def reason(llm: AIVideoAPI, sandbox: Sandbox) -> tuple[Any, Any]:
    agent = ReActAgent(tools=[LOOK], llm=llm)
    for said in ('look\nAction Input: {"city": "Oslo"}', "nope\nAction Input: {bad"):
        sandbox.enqueue(Reply(f"Thought: I look\nAction: {said}"))
    for _ in range(2):
        sandbox.enqueue(Reply("Thought: done\nAnswer: sunny"))
    return agent, Context(agent)


async def code(llm: AIVideoAPI, sandbox: Sandbox) -> tuple[Any, Any]:
    async def execute(code: str) -> str:
        return "42\x00\ud83d"

    agent = CodeActAgent(tools=[LOOK], llm=llm, code_execute_fn=execute)
    sandbox.enqueue(Reply("Run\n<execute>\nprint(1)\n</execute>"))
    return agent, Context(agent)


@BOTH
@pytest.mark.parametrize("begin", [hand_over, direct, reason, code])
def test_llamaindex(sandbox: Sandbox, model: str, begin: Any) -> None:
    """Two turns; before the second one the context is written down and restored, where it can be."""

    async def run() -> None:
        llm = AIVideoAPI(model=model, api_key=sandbox.api_key, base_url=sandbox.url, max_retries=0)
        agent, context = await begin(llm, sandbox)
        await agent.run("hi", ctx=context)
        if begin is not code:
            context = Context.from_dict(agent, json.loads(json.dumps(context.to_dict())))
        assert str(await agent.run("again", ctx=context))

    asyncio.run(run())
    assert [found for request in sandbox.requests for found in complaints(request.body)] == []


@BOTH
def test_a_memory_cut_in_a_tool_loop(sandbox: Sandbox, model: str) -> None:
    llm = AIVideoAPI(model=model, api_key=sandbox.api_key, base_url=sandbox.url, max_retries=0)
    memory = ChatMemoryBuffer.from_defaults(token_limit=30)
    for turn in range(4):
        call = ToolCallBlock(tool_name="look", tool_call_id=f"c{turn}", tool_kwargs={"city": "a"})
        memory.put(ChatMessage("look " * 5))
        memory.put(ChatMessage(role="assistant", blocks=[TextBlock(text="I look"), call]))
        memory.put(
            ChatMessage(role="tool", content="sunny " * 6, additional_kwargs={"tool_call_id": f"c{turn}"})
        )
        if kept := memory.get():
            llm.chat_with_tools([LOOK], chat_history=kept)
    assert sandbox.requests
    assert [found for request in sandbox.requests for found in complaints(request.body)] == []
