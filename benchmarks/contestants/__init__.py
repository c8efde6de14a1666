"""Who is measured: a name, the framework, the role, and how a fresh process imports it and asks once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

from benchmarks.wire import ANSWER

Role = Literal["ours", "peer", "floor", "raw"]
Framework = Literal["langchain", "llamaindex", "httpx"]

KEY: Final = "sk-benchmark"
QUESTION: Final = "What does the fox do?"


@dataclass(frozen=True, slots=True)
class Contestant:
    """One measured party. ``ask`` is code that makes one call to ``URL`` and checks the answer."""

    name: str
    framework: Framework
    role: Role
    imports: str
    ask: str


CONTESTANTS: Final = (
    Contestant(
        "httpx",
        "httpx",
        "raw",
        "import httpx",
        f"assert {ANSWER!r} in httpx.post(URL + '/v1/messages', json={{'stream': False}}).text",
    ),
    Contestant(
        "langchain-floor",
        "langchain",
        "floor",
        "from langchain_core.language_models.chat_models import BaseChatModel",
        "from benchmarks.contestants.langchain_floor import FloorChat, prebuilt\n"
        f"assert FloorChat(replies=prebuilt('answer', 0)).invoke({QUESTION!r}).text == {ANSWER!r}",
    ),
    Contestant(
        "langchain-ours",
        "langchain",
        "ours",
        "from langchain_aivideoapi import ChatAIVideoAPI",
        f"model = ChatAIVideoAPI(model='claude-sonnet-4-5/anthropic', api_key={KEY!r}, base_url=URL)\n"
        f"assert model.invoke({QUESTION!r}).text == {ANSWER!r}",
    ),
    Contestant(
        "langchain-peer",
        "langchain",
        "peer",
        "from langchain_anthropic import ChatAnthropic",
        f"model = ChatAnthropic(model='claude-sonnet-4-5', api_key={KEY!r}, base_url=URL)\n"
        f"assert model.invoke({QUESTION!r}).text == {ANSWER!r}",
    ),
    Contestant(
        "llamaindex-floor",
        "llamaindex",
        "floor",
        "from llama_index.core.llms.function_calling import FunctionCallingLLM",
        "from benchmarks.contestants.llamaindex_floor import FloorLLM, prebuilt\n"
        "from llama_index.core.llms import ChatMessage\n"
        "model = FloorLLM(replies=prebuilt('answer', 0))\n"
        f"assert model.chat([ChatMessage({QUESTION!r})]).message.content == {ANSWER!r}",
    ),
    Contestant(
        "llamaindex-ours",
        "llamaindex",
        "ours",
        "from llamaindex_aivideoapi import AIVideoAPI",
        "from llama_index.core.llms import ChatMessage\n"
        f"model = AIVideoAPI(model='claude-sonnet-4-5/anthropic', api_key={KEY!r}, base_url=URL)\n"
        f"assert model.chat([ChatMessage({QUESTION!r})]).message.content == {ANSWER!r}",
    ),
    Contestant(
        "llamaindex-peer",
        "llamaindex",
        "peer",
        "from llama_index.llms.anthropic import Anthropic",
        "from llama_index.core.llms import ChatMessage\n"
        f"model = Anthropic(model='claude-sonnet-4-5', api_key={KEY!r}, base_url=URL)\n"
        f"assert model.chat([ChatMessage({QUESTION!r})]).message.content == {ANSWER!r}",
    ),
)


def contestant(name: str) -> Contestant:
    """The contestant called ``name``."""
    return next(one for one in CONTESTANTS if one.name == name)
