"""Questions and readers that several tests of the LlamaIndex model use."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from llama_index.core.base.llms.types import ChatMessage

from aivideoapi_core.sandbox import Sandbox
from llamaindex_aivideoapi import AIVideoAPI

MakeLLM = Callable[..., AIVideoAPI]
KEY = "sk-for-tests"
QUESTION = [ChatMessage("Hello there, how are you?")]


def body_of(sandbox: Sandbox) -> dict[str, Any]:
    return dict(sandbox.requests[-1].body)
