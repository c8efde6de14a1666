"""The same turns in either framework's message types are the same request, which two judges take.

The lists are drawn: orders that no program should make are what memories, interrupted runs and other
providers leave behind.
"""

from __future__ import annotations

import copy
import json
import random
import re
from typing import Any, Final

import pytest
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, SystemMessage, ToolMessage
from llama_index.core.base.llms.types import ImageBlock, TextBlock, ThinkingBlock, ToolCallBlock
from llama_index.core.llms import ChatMessage
from official import TURNS, assert_accepted

from aivideoapi_core import InvalidInputError, model_info
from aivideoapi_core.sandbox._judge.requests import validate
from aivideoapi_core.sandbox._platform.catalog import MODELS
from langchain_aivideoapi._outbound.request import build_request as langchain_request
from llamaindex_aivideoapi._outbound.request import build_request as llamaindex_request

PNG: Final = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAIAAACQd1PeAAAADElEQVR4nGP4z8AAAAMBAQDJ/pLvAAAAAElFTkSuQmCC"
SIGNATURE: Final = "c2ln" * 20
IDS: Final = (None, "a", "b", "call:1", "ä", "toolu_9")
NAMES: Final = ("look", "listen")


class Said:
    """A drawn list, in both frameworks' types. Every text of it is numbered, so that it can be found again."""

    def __init__(self, seed: int) -> None:
        self.draw = random.Random(seed)
        self.texts: list[str] = []
        self.langchain: list[BaseMessage] = []
        self.llamaindex: list[ChatMessage] = []
        for _ in range(self.draw.randint(1, 9)):
            self.draw.choice(
                (self.user, self.user, self.assistant, self.assistant, self.result, self.system)
            )()

    def text(self) -> str:
        """A text that is said once, or a blank one."""
        if self.draw.random() < 0.1:
            return self.draw.choice(("", " \n"))
        self.texts.append(f"<{len(self.texts)}>")
        return self.texts[-1]

    def parts(self, *kinds: str) -> tuple[list[Any], list[Any]]:
        """The same content twice: LangChain's blocks and LlamaIndex's."""
        pairs = [getattr(self, f"_{self.draw.choice(kinds)}")() for _ in range(self.draw.randint(0, 4))]
        return [one for one, _ in pairs], [other for _, other in pairs]

    def _words(self) -> Any:
        text = self.text()
        return {"type": "text", "text": text}, TextBlock(text=text)

    def _image(self) -> Any:
        return {"type": "image", "base64": PNG, "mime_type": "image/jpeg"}, ImageBlock(image=PNG.encode())

    def _thinking(self) -> Any:
        text, signature = self.text(), self.draw.choice((SIGNATURE, None))
        known = {"signature": signature} if signature else {}
        return (
            {"type": "thinking", "thinking": text, **known},
            ThinkingBlock(content=text, additional_information=known),
        )

    def _call(self) -> Any:
        given = self.draw.choice(IDS), self.draw.choice(NAMES), {"said": self.text()}
        call_id, name, arguments = given
        return (
            {"type": "tool_use", "id": call_id, "name": name, "input": arguments},
            ToolCallBlock(tool_call_id=call_id, tool_name=name, tool_kwargs=arguments),
        )

    def user(self) -> None:
        if self.draw.random() < 0.5:
            text = self.text()
            self.langchain.append(HumanMessage(text))
            self.llamaindex.append(ChatMessage(text))
        else:
            one, other = self.parts("words", "words", "image")
            self.langchain.append(HumanMessage(one))
            self.llamaindex.append(ChatMessage(role="user", blocks=other))

    def system(self) -> None:
        text = self.text()
        self.langchain.append(SystemMessage(text))
        self.llamaindex.append(ChatMessage(text, role="system"))

    def assistant(self) -> None:
        one, other = self.parts("words", "words", "thinking", "call", "call")
        stop_reason = self.draw.choice(("end_turn", "pause_turn"))
        calls = [
            {"name": block["name"], "args": block["input"], "id": block["id"], "type": "tool_call"}
            for block in one
            if block["type"] == "tool_use"
        ]
        self.langchain.append(
            AIMessage(one, tool_calls=calls, response_metadata={"stop_reason": stop_reason})
        )
        extra = {"stop_reason": stop_reason}
        self.llamaindex.append(ChatMessage(role="assistant", blocks=other, additional_kwargs=extra))

    def result(self) -> None:
        one, other = self.parts("words", "words", "image")
        call_id, name, failed = self.draw.choice(IDS), self.draw.choice(NAMES), self.draw.random() < 0.3
        self.langchain.append(
            ToolMessage(one, tool_call_id=call_id or "", name=name, status="error" if failed else "success")
        )
        extra = {"tool_call_id": call_id, "name": name, "is_error": failed}
        self.llamaindex.append(ChatMessage(role="tool", blocks=other, additional_kwargs=extra))


@pytest.mark.parametrize("model", ["claude-sonnet-4-5/anthropic", "claude-opus-4-6/anthropic"])
@pytest.mark.parametrize("hundred", range(6))
def test_the_same_turns_are_the_same_request(hundred: int, model: str) -> None:
    """Of two models, of which the first goes on with a turn of its own, and the second does not."""
    assert model_info(model).prefill is model.startswith("claude-sonnet")
    for seed in range(100 * hundred, 100 * hundred + 100):
        said = Said(seed)
        before = copy.deepcopy(said.langchain), copy.deepcopy(said.llamaindex)
        try:
            body = from_langchain(said.langchain, model)
        except InvalidInputError as error:
            assert not said.texts, seed
            with pytest.raises(InvalidInputError, match=re.escape(error.message)):
                from_llamaindex(said.llamaindex, model)
            continue
        assert from_llamaindex(said.llamaindex, model) == body, seed
        assert (said.langchain, said.llamaindex) == before, seed
        assert_accepted(TURNS, copy.deepcopy(body["messages"]))
        whole = json.dumps(body)
        validate(json.loads(whole), MODELS[model], version=None, thought={})
        assert [text for text in said.texts if whole.count(text) != 1] == [], seed


def from_langchain(messages: list[BaseMessage], model: str) -> dict[str, Any]:
    """The body of the request."""
    asked = langchain_request(messages, defaults={"model": model}, stop=None, arguments={}, stream=False)
    return asked.payload


def from_llamaindex(messages: list[ChatMessage], model: str) -> dict[str, Any]:
    """The same of the other adapter."""
    return llamaindex_request(messages, defaults={"model": model}, arguments={}, stream=False).payload
