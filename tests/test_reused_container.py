"""``reuse_last_container=True``: the container of the newest reply is sent again, in both adapters."""

from __future__ import annotations

from typing import Any

import pytest
from langchain_core.messages import AIMessage, HumanMessage
from llama_index.core.base.llms.types import ChatMessage, MessageRole

from aivideoapi_core.sandbox import Sandbox
from langchain_aivideoapi import ChatAIVideoAPI
from llamaindex_aivideoapi import AIVideoAPI

DIRECT = "claude-sonnet-4-6/anthropic"


def langchain(sandbox: Sandbox, containers: list[Any], **settings: Any) -> None:
    history: list[Any] = [HumanMessage("x")]
    for container in containers:
        history += [
            AIMessage("y", response_metadata={"container": container} if container else {}),
            HumanMessage("z"),
        ]
    ChatAIVideoAPI(model=DIRECT, api_key=sandbox.api_key, base_url=sandbox.url, **settings).invoke(history)


def llamaindex(sandbox: Sandbox, containers: list[Any], **settings: Any) -> None:
    history = [ChatMessage("x")]
    for container in containers:
        extra = {"container": container} if container else {}
        history += [
            ChatMessage(role=MessageRole.ASSISTANT, content="y", additional_kwargs=extra),
            ChatMessage("z"),
        ]
    AIVideoAPI(model=DIRECT, api_key=sandbox.api_key, base_url=sandbox.url, **settings).chat(history)


@pytest.mark.parametrize("ask", [langchain, llamaindex])
@pytest.mark.parametrize(
    ("containers", "settings", "sent"),
    [
        ([{"id": "c_1"}, {"id": "c_2"}, None], {}, None),
        ([{"id": "c_1"}, {"id": "c_2"}, None], {"reuse_last_container": True}, "c_2"),
        ([None], {"reuse_last_container": True}, None),
        ([{"id": "c_1", "expires_at": "2999-01-01T00:00:00Z"}], {"reuse_last_container": True}, "c_1"),
        (
            [{"id": "c_1"}, {"id": "c_2", "expires_at": "2026-01-01T00:00:00Z"}],
            {"reuse_last_container": True},
            None,
        ),
        (
            [{"id": "c_1", "expires_at": "2026-01-01T00:00:00"}],
            {"reuse_last_container": True, "container": {"skills": []}},
            {"skills": []},
        ),
        ([{"id": "c_1", "expires_at": "soon"}], {"reuse_last_container": True}, "c_1"),
        ([{"id": "c_1"}], {"reuse_last_container": True, "container": "mine"}, "mine"),
        (
            [{"id": "c_1"}],
            {"reuse_last_container": True, "container": {"skills": []}},
            {"skills": [], "id": "c_1"},
        ),
    ],
)
def test_what_is_sent(ask: Any, containers: list[Any], settings: dict[str, Any], sent: Any) -> None:
    with Sandbox(validate=False) as sandbox:
        ask(sandbox, containers, **settings)
        assert sandbox.requests[-1].body.get("container") == sent
