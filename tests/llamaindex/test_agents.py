"""LlamaIndex's agents on our model: tools, thinking, handoff, and events that survive a restart."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from llama_index.core.agent.workflow import (
    AgentInput,
    AgentOutput,
    AgentStream,
    AgentWorkflow,
    CodeActAgent,
    FunctionAgent,
    ReActAgent,
    ToolCall,
    ToolCallResult,
)
from llama_index.core.base.llms.types import ChatMessage, ThinkingBlock, ToolCallBlock
from llama_index.core.memory import ChatMemoryBuffer, Memory
from llama_index.core.tools import FunctionTool
from llama_index.core.workflow import Context, JsonSerializer
from pydantic import BaseModel

from aivideoapi_core.sandbox import Reply, Sandbox
from llamaindex_aivideoapi import AIVideoAPI

MakeLLM = Callable[..., AIVideoAPI]

pytestmark = pytest.mark.filterwarnings("ignore:.*unserializable key.*")


def get_weather(city: str) -> str:
    """Tell the weather of a city."""
    return f"{city}: sunny, 21 degrees"


def add(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b


def multiply(a: int, b: int) -> int:
    """Multiply two numbers."""
    return a * b


def population(country: str) -> str:
    """Tell the population of a country."""
    return f"{country} has 5 million people"


def capital(country: str) -> str:
    """Tell the capital of a country."""
    return f"The capital of {country} is Oslo"


FIVE_TOOLS = [get_weather, add, multiply, population, capital]


async def run(agent: Any, *args: Any, **kwargs: Any) -> tuple[Any, list[Any]]:
    handler = agent.run(*args, **kwargs)
    events = [event async for event in handler.stream_events()]
    return await handler, events


@pytest.mark.parametrize("streaming", [True, False], ids=["streaming", "whole"])
class TestFunctionAgent:
    async def test_a_tool_loop(self, llm: AIVideoAPI, sandbox: Sandbox, streaming: bool) -> None:
        agent = FunctionAgent(tools=FIVE_TOOLS, llm=llm, streaming=streaming, system_prompt="You help.")
        answer, events = await run(agent, "What is the weather in Paris?")
        assert "Paris: sunny, 21 degrees" in str(answer)
        assert [event.tool_kwargs for event in events if type(event) is ToolCall] == [{"city": "Paris"}]
        assert len(sandbox.requests) == 2
        pieces = "".join(event.delta for event in events if isinstance(event, AgentStream))
        assert (str(answer) in pieces) is streaming

    async def test_thinking_goes_through_the_loop(
        self,
        make_llm: MakeLLM,
        model: str,
        thinking_of: Callable[[str], Any],
        sandbox: Sandbox,
        streaming: bool,
    ) -> None:
        llm = make_llm(model, thinking=thinking_of(model))
        agent = FunctionAgent(tools=FIVE_TOOLS, llm=llm, streaming=streaming)
        _, events = await run(agent, "What is the weather in Paris?")
        thought = "".join(event.thinking_delta or "" for event in events if isinstance(event, AgentStream))
        block = next(
            block for event in events if isinstance(event, AgentOutput) for block in event.response.blocks
        )
        assert isinstance(block, ThinkingBlock)
        assert (str(block.content) in thought) is streaming
        # The signed block came back to the wire as it was: the sandbox checks signatures.
        sent = sandbox.requests[-1].body["messages"][1]["content"][0]
        assert sent == {
            "type": "thinking",
            "thinking": block.content,
            "signature": block.additional_information["signature"],
        }

    async def test_initial_tool_choice(self, llm: AIVideoAPI, sandbox: Sandbox, streaming: bool) -> None:
        agent = FunctionAgent(
            tools=[get_weather, add], llm=llm, streaming=streaming, initial_tool_choice="add"
        )
        await run(agent, "What is the weather in Paris, with 3 and 4?")
        first, second = (request.body.get("tool_choice") for request in sandbox.requests[:2])
        assert first == {"type": "tool", "name": "add"}
        assert second is None

    async def test_parallel_calls_and_failing_tools(
        self, llm: AIVideoAPI, sandbox: Sandbox, streaming: bool
    ) -> None:
        def broken() -> str:
            """Never works."""
            raise RuntimeError("out of order")

        sandbox.enqueue(
            Reply(
                "Both.",
                tool_uses=[{"name": "add", "input": {"a": 1, "b": 2}}, {"name": "broken", "input": {}}],
            )
        )
        _, events = await run(FunctionAgent(tools=[add, broken], llm=llm, streaming=streaming), "Do both")
        results = [event.tool_output.content for event in events if type(event) is ToolCallResult]
        assert sorted(results) == ["3", "out of order"]
        contents = [part["content"] for part in sandbox.requests[-1].body["messages"][-1]["content"]]
        assert sorted(contents) == ["3", "out of order"]

    async def test_a_conversation_goes_on_after_a_direct_return(
        self, llm: AIVideoAPI, sandbox: Sandbox, streaming: bool
    ) -> None:
        """One of two parallel calls returns directly; the other's result never reaches the memory."""
        direct = FunctionTool.from_defaults(add, return_direct=True)
        agent = FunctionAgent(
            tools=[direct, FunctionTool.from_defaults(multiply)], llm=llm, streaming=streaming
        )
        memory = ChatMemoryBuffer.from_defaults(token_limit=10_000, tokenizer_fn=str.split)
        sandbox.enqueue(
            Reply(
                tool_uses=[
                    {"name": "add", "input": {"a": 1, "b": 2}},
                    {"name": "multiply", "input": {"a": 1, "b": 2}},
                ]
            )
        )
        answer, _ = await run(agent, "Both", memory=memory)
        assert str(answer) == "3"
        answer, _ = await run(agent, "Hello again", memory=memory)
        assert str(answer)

    async def test_output_cls(self, llm: AIVideoAPI, streaming: bool) -> None:
        class Weather(BaseModel):
            city: str
            degrees: int

        agent = FunctionAgent(tools=[get_weather], llm=llm, streaming=streaming, output_cls=Weather)
        answer, _ = await run(agent, "What is the weather in Paris?")
        assert isinstance(answer.get_pydantic_model(Weather), Weather)

    async def test_other_agents(self, llm: AIVideoAPI, streaming: bool) -> None:
        answer, events = await run(
            ReActAgent(tools=[get_weather, add], llm=llm, streaming=streaming),
            "What is the weather in Paris?",
        )
        assert "Paris: sunny, 21 degrees" in str(answer)
        assert any(type(event) is ToolCall for event in events)

    async def test_code_act(self, llm: AIVideoAPI, sandbox: Sandbox, streaming: bool) -> None:
        def execute(code: str) -> str:
            assert code.strip() == "print(add(1, 2))"
            return "3"

        sandbox.enqueue(Reply("I compute.\n<execute>\nprint(add(1, 2))\n</execute>"), Reply("It is 3."))
        agent = CodeActAgent(
            tools=[add], llm=llm, code_execute_fn=execute, streaming=streaming, system_prompt="You compute."
        )
        answer, _ = await run(agent, "What is 1 plus 2?")
        assert str(answer) == "It is 3."

    async def test_handoff(self, llm: AIVideoAPI, streaming: bool) -> None:
        writer = FunctionAgent(
            name="writer",
            description="Writes.",
            tools=[add],
            llm=llm,
            can_handoff_to=["weather"],
            streaming=streaming,
        )
        weather = FunctionAgent(
            name="weather",
            description="Knows the weather.",
            tools=[get_weather],
            llm=llm,
            streaming=streaming,
        )
        workflow = AgentWorkflow(agents=[writer, weather], root_agent="writer")
        answer, events = await run(workflow, "Hand off to weather: what is the weather in Paris?")
        assert "Paris: sunny, 21 degrees" in str(answer)
        assert {event.current_agent_name for event in events if isinstance(event, AgentInput)} == {
            "writer",
            "weather",
        }


QUESTIONS = (
    ("What is the weather in Paris?", "Paris: sunny"),
    ("Please add 3 and 4", "7"),
    ("Please multiply 6 by 7", "42"),
    ("What is the population of Norway?", "5 million"),
    ("What is the capital of Norway?", "Oslo"),
)


async def test_ten_turns_with_five_tools_and_thinking_and_events_that_restore(
    make_llm: MakeLLM, model: str, thinking_of: Callable[[str], Any], sandbox: Sandbox
) -> None:
    """Every turn starts from what the turn before left behind as JSON, and every event restores."""
    llm = make_llm(model, thinking=thinking_of(model))
    agent = FunctionAgent(tools=FIVE_TOOLS, llm=llm, system_prompt="You help.")
    history: list[str] = []
    micro = 0
    for turn in range(10):
        question, expected = QUESTIONS[turn % len(QUESTIONS)]
        memory = Memory.from_defaults(token_limit=100_000, tokenizer_fn=str.split)
        if history:
            await memory.aput_messages([ChatMessage.model_validate_json(message) for message in history])
        answer, events = await run(agent, question, memory=memory)
        assert expected in str(answer), (turn, str(answer))
        for event in events:
            serializer = JsonSerializer()
            restored = serializer.deserialize(serializer.serialize(event))
            assert type(restored) is type(event)
            assert json.loads(restored.model_dump_json()) == json.loads(event.model_dump_json())
        outputs = [event for event in events if isinstance(event, AgentOutput)]
        assert len(outputs) == 2
        micro += sum(event.response.additional_kwargs["usage"]["credits_consumed_micro"] for event in outputs)
        history = [message.model_dump_json() for message in await memory.aget()]
    assert len(sandbox.ledger) == 20
    assert micro == sandbox.charged_micro
    kinds = [type(block) for message in history for block in ChatMessage.model_validate_json(message).blocks]
    assert kinds.count(ThinkingBlock) == 20
    assert kinds.count(ToolCallBlock) == 10


async def test_a_context_restores(llm: AIVideoAPI) -> None:
    agent = FunctionAgent(tools=[get_weather], llm=llm)
    context = Context(agent)
    await run(agent, "What is the weather in Paris?", ctx=context)
    restored = Context.from_dict(
        agent, context.to_dict(serializer=JsonSerializer()), serializer=JsonSerializer()
    )
    answer, _ = await run(agent, "And the weather in Rome?", ctx=restored)
    assert "Rome" in str(answer)
