"""Names that other integrations have: an error that says what to use."""

from __future__ import annotations

from typing import Any

import pytest

from aivideoapi_core import UnsupportedOptionError
from aivideoapi_core.sandbox import Sandbox
from langchain_aivideoapi import ChatAIVideoAPI

KEY = "sk-" + "x" * 12


@pytest.mark.parametrize(
    ("name", "remedy"),
    [("anthropic_api_key", "api_key"), ("anthropic_api_url", "base_url"), ("anthropic_proxy", "http_client")],
)
def test_on_the_model(name: str, remedy: str) -> None:
    arguments: dict[str, Any] = {"model": "claude-sonnet-4-6", name: KEY}
    with pytest.raises(ValueError, match=f"use {remedy}") as caught:
        ChatAIVideoAPI(**arguments)
    assert KEY not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "remedy"),
    [
        ("api_key", "api_key on the model"),
        ("system", "a system message"),
        ("max_retries", "max_retries on"),
        ("output_format", "response_format per call"),
    ],
)
def test_per_call(name: str, remedy: str) -> None:
    with Sandbox() as sandbox:
        model = ChatAIVideoAPI(model="claude-sonnet-4-6", api_key=sandbox.api_key, base_url=sandbox.url)
        with pytest.raises(UnsupportedOptionError, match=f"use {remedy}"):
            model.invoke("Hello", **{name: KEY})
        assert sandbox.requests == []


def test_a_typo_gets_the_name_that_was_meant() -> None:
    with pytest.raises(
        ValueError, match="'max_token' is not an argument of ChatAIVideoAPI: did you mean"
    ) as caught:
        ChatAIVideoAPI(model="claude-sonnet-4-6", max_token=3, nonsense=KEY)
    assert "'nonsense' is not an argument of ChatAIVideoAPI: check the spelling" in str(caught.value)
    assert KEY not in str(caught.value)
    model = ChatAIVideoAPI(model_name="claude-sonnet-4-6", api_key=KEY, base_url="https://example.com")
    with pytest.raises(UnsupportedOptionError, match="did you mean 'temperature'"):
        model.invoke("Hello", temprature=1)
