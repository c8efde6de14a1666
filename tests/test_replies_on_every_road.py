"""Every odd reply of the core's table through the roads of both adapters: one answer, whatever the road."""

from __future__ import annotations

import functools
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from llama_index.core.llms import ChatMessage
from odd_replies import ANSWERS, DIRECT, END, STOP, delta, opened, wire
from odd_replies import START as STARTED

from langchain_aivideoapi import ChatAIVideoAPI
from llamaindex_aivideoapi import AIVideoAPI


class Server(ThreadingHTTPServer):
    """Answers everything with ``body``, by hand."""

    body = b""
    requests = 0


class _Handler(BaseHTTPRequestHandler):
    server: Server

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["content-length"]))
        self.server.requests += 1
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        self.send_header("content-length", str(len(self.server.body)))
        self.end_headers()
        self.wfile.write(self.server.body)

    def log_message(self, *_: object) -> None:
        """Quietly."""


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with Server(("127.0.0.1", 0), _Handler) as made:
        threading.Thread(target=made.serve_forever, daemon=True).start()
        yield made
        made.shutdown()


def settings(server: Server) -> dict[str, Any]:
    return {"model": DIRECT, "api_key": "sk-test-1234", "base_url": f"http://127.0.0.1:{server.server_port}"}


ROWS = pytest.mark.parametrize("body", [row[1] for row in ANSWERS], ids=[row[0] for row in ANSWERS])


@ROWS
def test_langchain(server: Server, body: bytes) -> None:
    server.body, server.requests = body, 0
    model = ChatAIVideoAPI(**settings(server))
    whole = model.invoke("q")
    streamed = functools.reduce(lambda total, chunk: total + chunk, model.stream("q"))
    forced = ChatAIVideoAPI(**settings(server), streaming=True).invoke("q")
    for other in (streamed, forced):
        assert other.content == whole.content
        assert other.tool_calls == whole.tool_calls
        assert other.invalid_tool_calls == whole.invalid_tool_calls
    events: list[Any] = list(model.stream_events("q", version="v3"))
    blocks = [event["content"] for event in events if event["event"] == "content-block-finish"]
    assert "".join(block.get("text", "") for block in blocks if block["type"] == "text") == whole.text
    calls = [block["args"] for block in blocks if block["type"] == "tool_call"]
    assert calls == [call["args"] for call in whole.tool_calls]
    assert server.requests == 4


@ROWS
def test_llamaindex(server: Server, body: bytes) -> None:
    server.body, server.requests = body, 0
    llm = AIVideoAPI(**settings(server))
    whole = llm.chat([ChatMessage("q")]).message
    streamed = list(llm.stream_chat([ChatMessage("q")]))
    assert streamed[-1].message.blocks == whole.blocks
    assert "".join(response.delta or "" for response in streamed) == (whole.content or "")
    for response in streamed:
        response.model_dump_json().encode()
    assert server.requests == 2


CITED = [{"type": "char_location", "cited_text": "b", "document_index": 0, "start_char_index": number, "end_char_index": 9} for number in (1, 2)]  # fmt: skip


def test_citations_that_nothing_announced(server: Server) -> None:
    server.body = wire(
        [STARTED, opened(), delta(text="One."), delta(kind="citations_delta", citation=CITED[0]), delta(text=" More."),
         {"type": "content_block_stop", "index": 0}, opened(1), delta(1, text=" Two."),
         delta(1, kind="citations_delta", citation=CITED[1]), {"type": "content_block_stop", "index": 1}, END, STOP]
    )  # fmt: skip
    model = ChatAIVideoAPI(**settings(server))
    streamed = functools.reduce(lambda total, chunk: total + chunk, model.stream("q"))
    assert streamed.content == model.invoke("q").content
    assert [block["citations"] for block in streamed.content] == [[CITED[0]], [CITED[1]]]  # type: ignore[index]  # blocks
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
