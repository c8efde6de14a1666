"""Every odd reply of the core's table through the roads of both adapters: one answer, whatever the road."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import inspect
import itertools
import json
import operator
import socketserver
import threading
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import httpx
import pytest
from langchain_core.messages import BaseMessage, HumanMessage, ToolMessage
from llama_index.core.agent.workflow import FunctionAgent
from llama_index.core.llms import ChatMessage
from llama_index.core.tools import FunctionTool
from odd_replies import (
    ANSWERS,
    CALL,
    DIRECT,
    END,
    ENDED_IN_A_CALL,
    STOP,
    arguments,
    closed,
    delta,
    opened,
    wire,
)
from odd_replies import START as STARTED
from official import TURNS, assert_accepted

from aivideoapi_core import CreditBudget, SpendLedger
from langchain_aivideoapi import ChatAIVideoAPI
from llamaindex_aivideoapi import AIVideoAPI


class Server(socketserver.ThreadingTCPServer):
    """Answers everything with ``body``, by hand."""

    daemon_threads = True
    body = b""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.requests: list[Any] = []

    def answers(self, body: bytes) -> None:
        """Answer with ``body`` from here on, and forget what was asked before."""
        self.body = body
        self.requests.clear()


class _Handler(socketserver.StreamRequestHandler):
    disable_nagle_algorithm = True
    server: Server

    def handle(self) -> None:
        while self.rfile.readline():  # connections are kept
            length = 0
            while header := self.rfile.readline().strip().lower():
                name, _, value = header.partition(b":")
                length = int(value) if name == b"content-length" else length
            self.server.requests.append(json.loads(self.rfile.read(length)))
            body = self.server.body
            head = (
                f"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ncontent-length: {len(body)}\r\n\r\n"
            )
            self.request.sendall(head.encode() + body)


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with Server(("127.0.0.1", 0), _Handler) as made:
        threading.Thread(target=made.serve_forever, daemon=True).start()
        yield made
        made.shutdown()


def settings(server: Server) -> dict[str, Any]:
    return {
        "model": DIRECT,
        "api_key": "sk-test-1234",
        "base_url": f"http://127.0.0.1:{server.server_address[1]}",
    }


ROWS = pytest.mark.parametrize("body", [row[1] for row in ANSWERS], ids=[row[0] for row in ANSWERS])
QUESTION = "q"
MESSAGES = [ChatMessage(QUESTION)]


@pytest.fixture(scope="module")
def runner() -> Iterator[asyncio.Runner]:
    with asyncio.Runner() as made:
        yield made


def summed(chunks: Iterable[Any]) -> Any:
    return functools.reduce(operator.add, chunks)


async def asummed(model: Any) -> Any:
    return summed([chunk async for chunk in model.astream(QUESTION)])


async def av3(model: Any) -> Any:
    return await (await model.astream_events(QUESTION, version="v3")).output


async def abatch(model: Any) -> Any:
    (message,) = await model.abatch([QUESTION])
    return message


async def alisted(responses: Any) -> list[Any]:
    return [response async for response in await responses]


LANGCHAIN: dict[str, Callable[[Any], Any]] = {
    "invoke": lambda model: model.invoke(QUESTION),
    "ainvoke": lambda model: model.ainvoke(QUESTION),
    "batch": lambda model: model.batch([QUESTION])[0],
    "abatch": abatch,
    "stream": lambda model: summed(model.stream(QUESTION)),
    "astream": asummed,
    "invoke, streamed": lambda model: model.invoke(QUESTION, stream=True),
    "ainvoke, streamed": lambda model: model.ainvoke(QUESTION, stream=True),
    "v3": lambda model: model.stream_events(QUESTION, version="v3").output,
    "async v3": av3,
}
CHATS: dict[str, Callable[[Any], Any]] = {
    "chat": lambda llm: [llm.chat(MESSAGES)],
    "achat": lambda llm: llm.achat(MESSAGES),
    "stream_chat": lambda llm: list(llm.stream_chat(MESSAGES)),
    "astream_chat": lambda llm: alisted(llm.astream_chat(MESSAGES)),
}
COMPLETIONS: dict[str, Callable[[Any], Any]] = {
    "complete": lambda llm: [llm.complete(QUESTION)],
    "acomplete": lambda llm: llm.acomplete(QUESTION),
    "stream_complete": lambda llm: list(llm.stream_complete(QUESTION)),
    "astream_complete": lambda llm: alisted(llm.astream_complete(QUESTION)),
}


def given_by(runner: asyncio.Runner, road: Callable[[Any], Any], model: Any) -> Any:
    """What one road gives, of either colour."""
    found = road(model)
    return runner.run(found) if inspect.iscoroutine(found) else found


@pytest.mark.filterwarnings("ignore:.*is in beta")
@pytest.mark.parametrize("version", ["v0", "v1"])
@ROWS
def test_langchain(server: Server, runner: asyncio.Runner, body: bytes, version: str) -> None:
    server.answers(body)
    model = ChatAIVideoAPI(**settings(server), output_version=version)
    found = {name: given_by(runner, road, model) for name, road in LANGCHAIN.items()}
    assert len(server.requests) == len(found)
    whole = found["invoke"]
    for name, message in found.items():
        assert message.tool_calls == whole.tool_calls, name
        assert message.invalid_tool_calls == whole.invalid_tool_calls, name
        assert (message.text, message.usage_metadata) == (whole.text, whole.usage_metadata), name
        assert message.response_metadata["stop_reason"] == whole.response_metadata["stop_reason"], name
        if "v3" not in name:  # whose content is standard blocks
            assert message.content == whole.content, name
    with going_on(server, output_version=version) as turns_after:
        sent = {name: turns_after(message) for name, message in found.items()}
    assert_accepted(TURNS, sent["invoke"])
    assert [name for name, turns in sent.items() if turns != sent["invoke"]] == []


@ROWS
def test_llamaindex(server: Server, runner: asyncio.Runner, body: bytes) -> None:
    server.answers(body)
    llm = AIVideoAPI(**settings(server))
    found = {name: given_by(runner, road, llm) for name, road in {**CHATS, **COMPLETIONS}.items()}
    assert len(server.requests) == len(found)
    responses = {name: value if isinstance(value, list) else [value] for name, value in found.items()}
    whole = responses["chat"][-1]
    for name in CHATS:
        last = responses[name][-1]
        assert last.message == whole.message, name
        assert last.additional_kwargs == whole.additional_kwargs, name
    text = responses["complete"][-1].text
    for name in COMPLETIONS:
        assert responses[name][-1].text == text, name
    for name in ("stream_chat", "astream_chat"):
        said = "".join(response.delta or "" for response in responses[name])
        assert said == "".join(block.text for block in whole.message.blocks if block.block_type == "text")
    for response in itertools.chain.from_iterable(responses.values()):
        response.model_dump_json().encode()


@ROWS
def test_both_say_the_same_of_calls(server: Server, body: bytes) -> None:
    server.answers(body)
    message = ChatAIVideoAPI(**settings(server)).invoke(QUESTION)
    llm = AIVideoAPI(**settings(server))
    for last in (llm.chat(MESSAGES), list(llm.stream_chat(MESSAGES))[-1]):
        if any(call["name"] for call in message.invalid_tool_calls):
            with pytest.raises(ValueError, match="not a whole JSON object"):
                llm.get_tool_calls_from_response(last)
        else:
            calls = llm.get_tool_calls_from_response(last, error_on_no_tool_call=False)
            named = [call for call in calls if call.tool_name]
            assert [(call.tool_id, call.tool_kwargs) for call in named] == [
                (call["id"], call["args"]) for call in message.tool_calls
            ]


@ROWS
def test_both_book_the_same(server: Server, body: bytes) -> None:
    server.answers(body)
    booked = set()
    for adapter, ask in itertools.product((ChatAIVideoAPI, AIVideoAPI), (True, False)):
        budget, ledger = CreditBudget(9), SpendLedger()
        model: Any = adapter(**settings(server), budget=budget, ledger=ledger, max_tokens=9)
        if adapter is ChatAIVideoAPI:
            model.invoke(QUESTION, stream=ask)
        else:
            list(model.stream_chat(MESSAGES)) if ask else model.chat(MESSAGES)
        (row,) = ledger.records()
        assert budget.standing().spent_micro == (row.at_most_micro if row.is_unknown else row.credits_micro)
        booked.add(budget.standing().spent_micro)
    (micro,) = booked
    assert micro > 0


@contextlib.contextmanager
def going_on(server: Server, **fields: Any) -> Iterator[Callable[[Any], list[Any]]]:
    """Gives the turns of a conversation that goes on after a message, as they leave the client."""
    sent: list[Any] = []

    def answer(request: httpx.Request) -> httpx.Response:
        sent.append(json.loads(request.content))
        return httpx.Response(200, headers={"content-type": "text/event-stream"}, content=server.body)

    with httpx.Client(transport=httpx.MockTransport(answer)) as client:
        model = ChatAIVideoAPI(**settings(server), http_client=client, **fields)

        def turns_after(message: Any) -> list[Any]:
            calls = [*message.tool_calls, *message.invalid_tool_calls]
            results: list[BaseMessage] = [ToolMessage("r", tool_call_id=call["id"]) for call in calls]
            model.invoke([HumanMessage(QUESTION), message, *(results or [HumanMessage("And?")])])
            turns: list[Any] = sent[-1]["messages"]
            return turns

        yield turns_after


def test_texts_side_by_side(server: Server) -> None:
    server.answers(
        wire([STARTED, opened(), opened(1), delta(text="h"), delta(1, text="ho"), delta(text="i"), closed(), closed(1), END, STOP])
    )  # fmt: skip
    model = ChatAIVideoAPI(**settings(server))
    assert summed(model.stream(QUESTION)).content == model.invoke(QUESTION).content
    assert AIVideoAPI(**settings(server)).complete(QUESTION).text == "hiho"


CITED = [{"type": "char_location", "cited_text": "b", "document_index": 0, "start_char_index": number, "end_char_index": 9} for number in (1, 2)]  # fmt: skip


def test_citations_that_nothing_announced(server: Server) -> None:
    server.answers(wire(
        [STARTED, opened(), delta(text="One."), delta(kind="citations_delta", citation=CITED[0]), delta(text=" More."),
         {"type": "content_block_stop", "index": 0}, opened(1), delta(1, text=" Two."),
         delta(1, kind="citations_delta", citation=CITED[1]), {"type": "content_block_stop", "index": 1}, END, STOP]
    ))  # fmt: skip
    model = ChatAIVideoAPI(**settings(server))
    streamed = functools.reduce(lambda total, chunk: total + chunk, model.stream("q"))
    assert streamed.content == model.invoke("q").content
    assert [block["citations"] for block in streamed.content] == [[CITED[0]], [CITED[1]]]
    llm = AIVideoAPI(**settings(server))
    for message in (
        llm.chat([ChatMessage("q")]).message,
        list(llm.stream_chat([ChatMessage("q")]))[-1].message,
    ):
        spans = [
            (block.additional_location_info["answer_start_char_index"], block.additional_location_info["answer_end_char_index"])
            for block in message.blocks if block.block_type == "citation"
        ]  # fmt: skip
        assert [(message.content or "")[start:end] for start, end in spans] == ["One. More.", " Two."]


def test_an_agent_that_cannot_read_a_call_leaves_no_stream_open(
    server: Server, runner: asyncio.Runner
) -> None:
    """LlamaIndex asks for the calls of each response of a stream; what raises there keeps what was reserved."""
    server.answers(wire([STARTED, CALL, arguments('{"a": 1e400}'), closed(), ENDED_IN_A_CALL, STOP]))
    budget = CreditBudget(9)
    llm = AIVideoAPI(**settings(server), budget=budget, max_tokens=9)
    agent = FunctionAgent(
        tools=[FunctionTool.from_defaults(lambda: None, name="roll", description="Roll.")], llm=llm
    )

    async def run() -> None:
        await agent.run(QUESTION)

    with pytest.raises(ValueError, match=r"not a whole JSON object \(stop_reason 'tool_use'\)"):
        runner.run(run())
    standing = budget.standing()
    assert (standing.reserved_micro, standing.spent_micro) == (0, 3 * 883 + 4 * 4412)
