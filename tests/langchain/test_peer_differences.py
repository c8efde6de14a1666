"""Where our body is another than that of ``ChatAnthropic``, each with its reason."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage, ToolMessage
from langchain_peer import FIVE, HELLO, PDF, TOOL_TURN, both_models, normal, now, text_block, unchanged

from aivideoapi_core.sandbox import Reply, Sandbox


def _one_by_one(
    server: Sandbox, messages: list[Any], prepare: Callable[[BaseChatModel], Any] = unchanged, **fields: Any
) -> tuple[Any, Any]:
    """The body that each sends, or the error that each raises instead."""
    seen: list[Any] = []
    for model in both_models(server, **fields):
        before = len(server.requests)
        server.enqueue(Reply("Fine."))
        try:
            prepare(model).invoke(messages)
        except (ValueError, TypeError) as error:
            seen.append(error)
        if len(server.requests) > before:
            seen.append(normal(server.requests[-1].body))
        server.reset()
    return seen[0], seen[1]


def test_difference_system_messages_that_are_not_first(anything: Sandbox) -> None:
    """Theirs refuses the conversation; ours sends the words where the wire has a place for them."""
    ours, theirs = _one_by_one(anything, [SystemMessage("One."), *HELLO, SystemMessage("Two.")])
    assert isinstance(theirs, ValueError)
    assert [block["text"] for block in ours["system"]] == ["One.", "Two."]


def test_difference_default_max_tokens(anything: Sandbox) -> None:
    """Theirs does not know the id with the route's suffix and cuts every answer at 4,096 tokens."""
    ours, theirs = _one_by_one(anything, HELLO, max_tokens=None)
    assert theirs["max_tokens"] == 4_096
    assert ours["max_tokens"] == 32_000


def test_difference_wire_metadata(anything: Sandbox) -> None:
    """``metadata`` is a field of LangChain's models, for traces; theirs never sends the wire's."""
    with pytest.warns(UserWarning, match="metadata"):
        ours, theirs = _one_by_one(anything, HELLO, model_kwargs={"metadata": {"user_id": "u1"}})
    assert "metadata" not in theirs
    assert ours["metadata"] == {"user_id": "u1"}


def test_difference_tool_choice_none(anything: Sandbox) -> None:
    """Theirs asks for a tool of the name "none"; ours says that no tool may be called."""
    ours, theirs = _one_by_one(anything, HELLO, lambda model: model.bind_tools([now], tool_choice="none"))
    assert theirs["tool_choice"] == {"type": "tool", "name": "none"}
    assert ours["tool_choice"] == {"type": "none"}


def test_difference_a_cached_tool_result(anything: Sandbox) -> None:
    """Theirs moves the breakpoint from the text to the result around it; ours leaves it where it was put."""
    messages = [
        *TOOL_TURN[:2],
        ToolMessage([text_block("Sunny.", cache_control=FIVE)], tool_call_id="toolu_01"),
        TOOL_TURN[3],
    ]
    ours, theirs = _one_by_one(anything, messages)
    assert theirs["messages"][2]["content"][0]["cache_control"] == FIVE
    assert ours["messages"][2]["content"][0]["content"] == [text_block("Sunny.", cache_control=FIVE)]


def test_difference_an_empty_tool_result(anything: Sandbox) -> None:
    """The wire's content is optional there; theirs sends an empty list or string, ours leaves it out."""
    ours, theirs = _one_by_one(
        anything, [*TOOL_TURN[:2], ToolMessage([], tool_call_id="toolu_01"), TOOL_TURN[3]]
    )
    assert theirs["messages"][2]["content"][0].pop("content") == []
    assert ours == theirs


def test_difference_arguments_that_do_not_parse(anything: Sandbox) -> None:
    """Theirs shows the model an empty call; ours shows it the text that it wrote, so that it can do better."""
    broken = {"name": "now", "args": '{"a', "id": "toolu_01", "error": "cut", "type": "invalid_tool_call"}
    messages = [
        HumanMessage("Hi"),
        AIMessage("", invalid_tool_calls=[broken]),
        ToolMessage("?", tool_call_id="toolu_01"),
    ]
    ours, theirs = _one_by_one(anything, messages)
    assert theirs["messages"][1]["content"][0]["input"] == {}
    assert '{"a' in str(ours["messages"][1]["content"][0]["input"])


def test_difference_a_pdf_has_its_name(anything: Sandbox) -> None:
    """OpenAI's file block names the file; theirs drops the name, ours sends it as the document's title."""
    file = {"filename": "cats.pdf", "file_data": f"data:application/pdf;base64,{PDF}"}
    ours, theirs = _one_by_one(anything, [HumanMessage([{"type": "file", "file": file}])])
    assert ours["messages"][0]["content"][0].pop("title") == "cats.pdf"
    assert ours == theirs


def test_difference_thinking_without_a_signature(anything: Sandbox) -> None:
    """The wire refuses it, so theirs gets a 400; ours keeps the words, as text."""
    messages = [
        HumanMessage("Why?"),
        AIMessage([{"type": "thinking", "thinking": "Because."}, text_block("So.")]),
        *HELLO,
    ]
    ours, theirs = _one_by_one(anything, messages)
    assert "signature" not in theirs["messages"][1]["content"][0]
    assert ours["messages"][1]["content"][0]["type"] == "text"
    assert "Because." in ours["messages"][1]["content"][0]["text"]


def test_difference_beta_fields_of_the_body(anything: Sandbox) -> None:
    """Theirs passes it to an SDK method that lacks it unless a beta is named, too; ours sends it."""
    edits = {"edits": [{"type": "clear_tool_uses_20250919"}]}
    ours, theirs = _one_by_one(anything, HELLO, context_management=edits)
    assert isinstance(theirs, TypeError)
    assert ours["context_management"] == edits


def test_difference_unknown_content_is_an_error_that_names_it(anything: Sandbox) -> None:
    """Theirs sends anything and lets the wire say 400; ours names the place and how to send it all the same."""
    block = {"type": "mystery", "x": 1}
    ours, theirs = _one_by_one(anything, [HumanMessage([block])])
    assert theirs["messages"][0]["content"] == [block]
    assert "messages[0].content[0]" in str(ours)
    ours, _ = _one_by_one(anything, [HumanMessage([{"type": "non_standard", "value": block}])])
    assert ours["messages"][0]["content"] == [block]


def test_difference_headers(anything: Sandbox) -> None:
    """The platform wants a Bearer key and shows no version header; theirs sends the official pair."""
    for model in both_models(anything):
        model.invoke("Hello")
    ours, theirs = (request.headers for request in anything.requests)
    assert "anthropic-version" in theirs
    assert not {"x-api-key", "anthropic-version"} & ours.keys()
    assert ours["authorization"] == "Bearer ***"
