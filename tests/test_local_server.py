"""Both adapters against a Messages-format server that is not ours: a model on this machine, or a relay.

Runs where ``AIVIDEOAPI_LOCAL_URL`` names one (docs/howto/local-model.md says how to start it), with the model
``AIVIDEOAPI_LOCAL_MODEL``. What such a model says is its own affair; what is checked is the wire.
"""

from __future__ import annotations

import asyncio
import os
from typing import Any

import pytest

from langchain_aivideoapi import ChatAIVideoAPI
from llamaindex_aivideoapi import AIVideoAPI

URL = os.environ.get("AIVIDEOAPI_LOCAL_URL")

pytestmark = pytest.mark.skipif(
    URL is None, reason="AIVIDEOAPI_LOCAL_URL names no server: a model of gigabytes"
)


@pytest.fixture
def options() -> dict[str, Any]:
    """Of a model of either adapter."""
    return {
        "model": os.environ.get("AIVIDEOAPI_LOCAL_MODEL", "local/anthropic"),
        "base_url": URL,
        "api_key": "none",
        "max_tokens": 64,
        "timeout": 120,
    }


def test_langchain(options: dict[str, Any]) -> None:
    model = ChatAIVideoAPI(**options)
    whole = model.invoke("Say hello.")
    assert whole.text.strip()
    assert whole.usage_metadata is not None
    assert "credits_consumed_micro" not in whole.usage_metadata  # a price that nobody knows
    chunks = list(model.stream("Say hello."))
    total = chunks[0]
    for chunk in chunks[1:]:
        total += chunk
    assert total.text.strip()
    assert total.response_metadata["stop_reason"]
    assert asyncio.run(model.ainvoke([("user", "Say hello."), whole, ("user", "And again.")])).text.strip()


def test_llamaindex(options: dict[str, Any]) -> None:
    llm = AIVideoAPI(**options)
    assert llm.complete("Say hello.").text.strip()
    responses = list(llm.stream_complete("Say hello."))
    assert "".join(response.delta or "" for response in responses) == responses[-1].text
    assert asyncio.run(llm.acomplete("Say hello.")).text.strip()
