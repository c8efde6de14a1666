"""The same conversation sent by ``ChatAnthropic`` and by us, whole and streamed: the same body."""

from __future__ import annotations

from typing import Any

import pytest
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage, ToolMessage
from langchain_peer import (
    CALL,
    FIVE,
    HELLO,
    HOUR,
    PDF,
    TOOL_TURN,
    bodies_of,
    both_models,
    normal,
    text_block,
    unchanged,
)

from aivideoapi_core.sandbox import Sandbox

PNG = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAIAAACQd1PeAAAADElEQVR4nGP4z8AAAAMBAQDJ/pLvAAAAAElFTkSuQmCC"
CONVERSATIONS = [
    pytest.param(HELLO, id="one question"),
    pytest.param([SystemMessage("Be brief."), *HELLO], id="system"),
    pytest.param([SystemMessage([text_block("Be brief.", cache_control=FIVE)]), *HELLO], id="system, cached"),
    pytest.param([HumanMessage("Hi"), AIMessage("Hello."), HumanMessage("And now?")], id="three turns"),
    pytest.param([HumanMessage("Hi"), HumanMessage("Are you there?")], id="two questions in a row"),
    pytest.param(TOOL_TURN, id="two tools and their results"),
    pytest.param([*TOOL_TURN, HumanMessage("Thanks. And tomorrow?")], id="results, then a question"),
    pytest.param(
        [*TOOL_TURN[:2], ToolMessage("no such city", tool_call_id="toolu_01", status="error"), TOOL_TURN[3]],
        id="a failed tool",
    ),
    pytest.param(
        [
            *TOOL_TURN[:2],
            ToolMessage(
                [text_block("Sunny."), {"type": "image", "base64": PNG, "mime_type": "image/png"}],
                tool_call_id="toolu_01",
            ),
            TOOL_TURN[3],
        ],
        id="a picture from a tool",
    ),
    pytest.param(
        [
            HumanMessage(
                [
                    text_block("What is this?"),
                    {"type": "image_url", "image_url": {"url": "https://x.example/a.png"}},
                ]
            )
        ],
        id="image by url, as OpenAI has it",
    ),
    pytest.param(
        [
            HumanMessage(
                [
                    text_block("What?"),
                    {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PNG}"}},
                ]
            )
        ],
        id="image as a data URI",
    ),
    pytest.param(
        [HumanMessage([text_block("What?"), {"type": "image", "base64": PNG, "mime_type": "image/png"}])],
        id="standard image block",
    ),
    pytest.param(
        [HumanMessage([text_block("What?"), {"type": "image", "url": "https://x.example/a.png"}])],
        id="standard image block by url",
    ),
    pytest.param(
        [
            HumanMessage(
                [{"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PNG}}]
            )
        ],
        id="the wire's own image block",
    ),
    pytest.param(
        [
            HumanMessage(
                [text_block("Sum up."), {"type": "file", "base64": PDF, "mime_type": "application/pdf"}]
            )
        ],
        id="standard PDF block",
    ),
    pytest.param(
        [
            HumanMessage(
                [
                    {
                        "type": "document",
                        "source": {"type": "text", "media_type": "text/plain", "data": "Cats purr."},
                        "title": "Cats",
                        "citations": {"enabled": True},
                    },
                    text_block("What do cats do?", cache_control=HOUR),
                ]
            )
        ],
        id="document with citations, cached for an hour",
    ),
    pytest.param(
        [
            HumanMessage("Why?"),
            AIMessage(
                [
                    {"type": "thinking", "thinking": "Because.", "signature": "c2ln"},
                    {"type": "redacted_thinking", "data": "ZGF0YQ=="},
                    text_block("So it is."),
                    {"type": "tool_use", "id": "toolu_01", "name": "get_weather", "input": {"city": "Paris"}},
                ],
                tool_calls=[CALL],
            ),
            ToolMessage("Sunny.", tool_call_id="toolu_01"),
        ],
        id="thinking goes back",
    ),
    pytest.param(
        [
            HumanMessage("Search."),
            AIMessage(
                [
                    {
                        "type": "server_tool_use",
                        "id": "srvtoolu_1",
                        "name": "web_search",
                        "input": {"query": "cats"},
                    },
                    {"type": "web_search_tool_result", "tool_use_id": "srvtoolu_1", "content": []},
                    text_block("Nothing."),
                ]
            ),
            HumanMessage("Try again."),
        ],
        id="server tools go back",
    ),
    pytest.param([SystemMessage("Be brief."), SystemMessage("Be kind."), *HELLO], id="two system messages"),
    pytest.param([HumanMessage(["One.", text_block("Two.")])], id="a string among the blocks"),
    pytest.param(
        [HumanMessage("Hi", name="bob"), AIMessage("Hello.", name="al"), HumanMessage("So?")], id="names"
    ),
    pytest.param([HumanMessage([text_block("One."), text_block("")])], id="an empty text block"),
    pytest.param(
        [HumanMessage("Hi"), AIMessage([text_block("Hello.", cache_control=FIVE)]), HumanMessage("So?")],
        id="an answer, cached",
    ),
    pytest.param(
        [HumanMessage([{"type": "file", "url": "https://x.example/a.pdf", "mime_type": "application/pdf"}])],
        id="standard PDF block by url",
    ),
    pytest.param([HumanMessage([{"type": "file", "file_id": "file_1"}])], id="a file's id"),
    pytest.param([HumanMessage([{"type": "image", "file_id": "file_1"}])], id="an image's file id"),
    pytest.param([HumanMessage([{"type": "file", "source_type": "id", "id": "file_1"}])], id="v0 file id"),
    pytest.param(
        [HumanMessage([{"type": "image", "source_type": "url", "url": "https://x.example/a.png"}])],
        id="v0 image by url",
    ),
    pytest.param(
        [
            HumanMessage(
                [
                    {
                        "type": "image",
                        "source_type": "base64",
                        "data": PNG,
                        "mime_type": "image/png",
                        "cache_control": FIVE,
                    }
                ]
            )
        ],
        id="v0 image, cached",
    ),
    pytest.param(
        [
            HumanMessage(
                [
                    {
                        "type": "image",
                        "base64": PNG,
                        "mime_type": "image/png",
                        "extras": {"cache_control": FIVE},
                    }
                ]
            )
        ],
        id="standard image block, cached",
    ),
    pytest.param(
        [HumanMessage([{"type": "text-plain", "text": "Cats.", "mime_type": "text/plain"}])],
        id="standard plain text block",
    ),
    pytest.param(
        [HumanMessage([{"type": "container_upload", "file_id": "file_1"}, text_block("Run it.")])],
        id="upload",
    ),
    pytest.param([*TOOL_TURN, HumanMessage("One."), HumanMessage("Two.")], id="results, then two questions"),
    pytest.param(
        [
            HumanMessage("Look."),
            AIMessage("", tool_calls=[CALL]),
            ToolMessage(
                [{"type": "search_result", "source": "s", "title": "t", "content": [text_block("c")]}],
                tool_call_id="toolu_01",
            ),
        ],
        id="a search result from a tool",
    ),
    pytest.param(
        [
            HumanMessage("Look."),
            AIMessage(
                [
                    text_block("Let me look."),
                    {"type": "tool_use", "id": "toolu_01", "name": "get_weather", "input": {}, "index": 1},
                ],
                tool_calls=[CALL],
            ),
            ToolMessage("Sunny.", tool_call_id="toolu_01"),
        ],
        id="a streamed tool call goes back with its arguments",
    ),
    pytest.param(
        [
            HumanMessage("Why?"),
            AIMessage(
                [
                    text_block(
                        "So.",
                        citations=[
                            {
                                "type": "char_location",
                                "cited_text": "c",
                                "document_index": 0,
                                "document_title": None,
                                "start_char_index": 0,
                                "end_char_index": 1,
                            }
                        ],
                    )
                ]
            ),
            HumanMessage("Sure?"),
        ],
        id="citations go back",
    ),
    pytest.param(
        [
            HumanMessage("Why?"),
            AIMessage(
                [
                    {"type": "reasoning", "reasoning": "Because.", "extras": {"signature": "c2ln"}},
                    text_block("So it is."),
                ],
                response_metadata={"output_version": "v1", "model_provider": "anthropic"},
            ),
            HumanMessage("Sure?"),
        ],
        id="standard reasoning goes back",
    ),
    pytest.param(
        [
            HumanMessage("Why?"),
            AIMessage([{"type": "thinking", "thinking": "", "signature": "c2ln"}, text_block("So it is.")]),
            HumanMessage("Sure?"),
        ],
        id="a signature without thinking goes back",
    ),
]


@pytest.mark.parametrize("messages", CONVERSATIONS)
def test_the_same_conversation_is_the_same_body(anything: Sandbox, messages: list[Any]) -> None:
    ours, theirs = bodies_of(anything, messages, {}, unchanged)
    assert ours == theirs


@pytest.mark.parametrize("messages", CONVERSATIONS[:8])
def test_streamed_it_is_the_same_body(anything: Sandbox, messages: list[Any]) -> None:
    for model in both_models(anything):
        list(model.stream(messages))
    ours, theirs = (normal(request.body) for request in anything.requests)
    assert ours == theirs
