"""What may stand in one tool's result: the official API refuses the whole request for the rest."""

from __future__ import annotations

from typing import Any, Final

import pytest

from aivideoapi_core._outbound.result_content import FAILED_IN_SILENCE, STANDS_BELOW
from aivideoapi_core.adapter_kit import Conversation

IMAGE: Final = {"type": "image", "source": {"type": "url", "url": "https://example.org/a.png"}}
FOUND: Final = {
    "type": "search_result",
    "source": "s",
    "title": "t",
    "content": [{"type": "text", "text": "f"}],
}
LABEL: Final = {"type": "text", "text": "[From the result of the tool call a:]"}
OF_CODE: Final = {"caller": {"type": "code_execution_20260521", "tool_id": "srvtoolu_1"}}
CODE: Final = {"type": "server_tool_use", "id": "srvtoolu_1", "name": "code_execution", "input": {}}
SEEN: Final = "[image: at https://example.org/a.png; it cannot be shown here]"


def text(words: str, **more: Any) -> dict[str, Any]:
    return {"type": "text", "text": words, **more}


@pytest.mark.parametrize(
    ("content", "is_error", "kept", "below"),
    [
        pytest.param("", True, FAILED_IN_SILENCE, [], id="an error without a word"),
        pytest.param(" \n", True, FAILED_IN_SILENCE, [], id="a blank error"),
        pytest.param([], True, FAILED_IN_SILENCE, [], id="an empty error"),
        pytest.param("", False, None, [], id="nothing"),
        pytest.param([text("a"), IMAGE], True, [text("a")], [IMAGE], id="an error with an image"),
        pytest.param([IMAGE], True, STANDS_BELOW, [IMAGE], id="an error that is an image"),
        pytest.param([FOUND], True, STANDS_BELOW, [FOUND], id="an error that is a search result"),
        pytest.param([text("a"), text("b")], True, [text("a"), text("b")], [], id="an error in two texts"),
        pytest.param([text("a"), FOUND, IMAGE], False, [FOUND], [text("a"), IMAGE], id="search results beside others"),
        pytest.param([FOUND, FOUND], False, [FOUND, FOUND], [], id="search results alone"),
        pytest.param([text("a"), IMAGE], False, [text("a"), IMAGE], [], id="an image"),
        pytest.param(
            [FOUND, {"type": "tool_reference", "tool_name": "f", "cache_control": {"type": "ephemeral"}}], False,
            [FOUND], [text('[tool reference: {"tool_name":"f"}]', cache_control={"type": "ephemeral"})],
            id="what no turn takes",
        ),
    ],
)  # fmt: skip
def test_what_stands_in_a_result(content: Any, is_error: bool, kept: Any, below: list[Any]) -> None:
    turn = answered(content, is_error=is_error)
    assert [block["type"] for block in turn[:2]] == ["tool_result", "tool_result"]
    assert turn[0].get("content") == kept
    assert turn[2:] == ([LABEL, *below] if below else []) + [text("go on")]


@pytest.mark.parametrize(
    ("content", "is_error", "kept"),
    [
        pytest.param([text("a"), IMAGE], True, [text("a"), text(SEEN)], id="an error with an image"),
        pytest.param([text("a"), FOUND], False, [text("a"), text("[search result: f]")], id="mixed"),
    ],
)  # fmt: skip
def test_nothing_stands_beside_a_result_that_code_waits_for(content: Any, is_error: bool, kept: Any) -> None:
    conversation = Conversation()
    conversation.user("hi", at=0)
    call = {"type": "tool_use", "id": "a", "name": "look", "input": {}, **OF_CODE}
    conversation.assistant([CODE, call], at=1, ours=True)
    conversation.result("a", content, at=2, is_error=is_error)
    (result,) = conversation.turns().messages[-1]["content"]
    assert result["content"] == kept  # type: ignore[index]  # the one block of the turn


def answered(content: Any, *, is_error: bool) -> Any:
    """The user's turn with that result, one of another call, and words of the user's."""
    conversation = Conversation()
    conversation.user("hi", at=0)
    calls = [{"type": "tool_use", "id": name, "name": "look", "input": {}} for name in "ab"]
    conversation.assistant(calls, at=1)
    conversation.result("a", content, at=2, is_error=is_error)
    conversation.result("b", "blue", at=3)
    conversation.user("go on", at=4)
    return conversation.turns().messages[-1]["content"]
