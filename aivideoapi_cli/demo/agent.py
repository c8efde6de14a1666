"""First part of the demo: a LangChain agent that calls two real tools, streamed to the terminal."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from aivideoapi_cli.demo.bill import Call, call_of_langchain
from aivideoapi_cli.demo.tools import calculate, look_up_prices
from aivideoapi_cli.demo.writer import StreamWriter, label, said

if TYPE_CHECKING:
    from langchain_core.messages import AIMessage
    from langchain_core.tools import BaseTool
    from rich.console import Console

    from aivideoapi_cli._target import Target

_SYSTEM = "Use the tools for every price and every calculation. Answer briefly."


def run_agent(console: Console, target: Target, *, model: str, questions: Sequence[str]) -> Iterator[Call]:
    """Put ``questions`` to one agent, one after the other in one conversation; yields each call made."""
    from langchain.agents import create_agent
    from pydantic import SecretStr

    from langchain_aivideoapi import ChatAIVideoAPI

    chat = ChatAIVideoAPI(
        model=model, api_key=SecretStr(target.api_key), base_url=target.base_url, max_tokens=2_000
    )
    agent = create_agent(chat, tools=_tools(), system_prompt=_SYSTEM)
    history: list[Any] = []
    for question in questions:
        if history:
            console.print()
        said(console, "You", question, style="bold green")
        history.append({"role": "user", "content": question})
        for message in _show_turn(
            console, agent.stream({"messages": history}, stream_mode=["messages", "updates"])
        ):
            history.append(message)
            if message.type == "ai":
                yield call_of_langchain(message, model=model)


def _tools() -> list[BaseTool]:
    """The two tools; the price list's own ids are the only models that can be looked up."""
    from langchain_core.tools import StructuredTool, tool

    from aivideoapi_core import known_models

    ids = [info.id for info in known_models()]
    schema = {
        "type": "object",
        "properties": {"model": {"type": "string", "enum": ids, "description": "model id"}},
        "required": ["model"],
    }
    return [StructuredTool.from_function(look_up_prices, args_schema=schema), tool(calculate)]


def _show_turn(console: Console, parts: Iterator[Any]) -> Iterator[AIMessage | Any]:
    """Print one turn as it comes in; yields the whole messages that it consists of."""
    writer: StreamWriter | None = None
    for mode, part in parts:
        if mode == "messages":
            chunk, _ = part
            if chunk.type == "AIMessageChunk" and chunk.text:
                if writer is None:
                    label(console, "Agent", "bold magenta")
                    writer = StreamWriter(console)
                writer.write(chunk.text)
            continue
        if writer is not None:
            writer.close()
            writer = None
        for update in part.values():
            for message in (update or {}).get("messages", ()):
                _show_tools(console, message)
                yield message
    if writer is not None:
        writer.close()


def _show_tools(console: Console, message: Any) -> None:
    for call in getattr(message, "tool_calls", ()):
        arguments = ", ".join(f"{name}={value!r}" for name, value in call["args"].items())
        said(console, "Tool", f"{call['name']}({arguments})", style="bold yellow")
    if message.type == "tool":
        said(console, "", f"{message.name} → {message.text}", text_style="yellow")
