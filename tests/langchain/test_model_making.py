"""How a ChatAIVideoAPI is made, what it says of itself, and what stays secret."""

from __future__ import annotations

import subprocess
import sys
import warnings
from typing import Any

import httpx
import pytest
from langchain_core.load import dumps
from langchain_kit import DIRECT, KEY, NATIVE, model_at

from aivideoapi_core import InvalidInputError, known_models
from aivideoapi_core._http import pools
from aivideoapi_core.sandbox import Sandbox
from langchain_aivideoapi import ChatAIVideoAPI

CONSTRUCTIONS: list[Any] = [
    pytest.param({"temprature": 0.1}, "temprature", id="mistyped"),
    pytest.param({"model": " "}, "must be a model id", id="blank model"),
    pytest.param({"temperature": "hot"}, "temperature", id="wrong type"),
    pytest.param({"max_retries": -1}, "max_retries", id="bad number"),
    pytest.param({"base_url": "http://example.com"}, "allow_http", id="key in the clear"),
    pytest.param({"base_url": "https://api.aivideoapi.ai", "api_key": "hello"}, "sk-", id="no platform key"),
    pytest.param(
        {"default_headers": {"Authorization": "x"}}, "authorization|Authorization", id="the client's header"
    ),
    pytest.param({"model_kwargs": {"model": "x"}}, "model", id="model twice"),
]


@pytest.mark.parametrize(("fields", "pattern"), CONSTRUCTIONS)
def test_bad_constructions_say_so_without_the_key(fields: dict[str, Any], pattern: str) -> None:
    with pytest.raises(InvalidInputError, match=pattern) as caught:
        ChatAIVideoAPI(**{"model": NATIVE, "api_key": "sk-canary", **fields})
    assert "canary" not in str(caught.value)
    assert "canary" not in repr(caught.value)


def test_no_key() -> None:
    with pytest.raises(InvalidInputError, match="AIVIDEOAPI_API_KEY"):
        ChatAIVideoAPI(model=NATIVE)


def test_names_that_users_of_other_models_know() -> None:
    model: Any = ChatAIVideoAPI(
        model_name=NATIVE,
        aivideoapi_api_key=KEY,
        max_tokens_to_sample=5,
        stop_sequences=["A"],
        default_request_timeout=7,
    )
    assert (model.model, model.model_name, model.max_tokens, model.stop, model.timeout) == (
        NATIVE,
        NATIVE,
        5,
        ["A"],
        7.0,
    )
    assert model.api_key.get_secret_value() == KEY


def test_key_and_address_from_the_environment(monkeypatch: pytest.MonkeyPatch, sandbox: Sandbox) -> None:
    monkeypatch.setenv("AIVIDEOAPI_API_KEY", KEY)
    monkeypatch.setenv("AIVIDEOAPI_BASE_URL", f"{sandbox.url}/v1/")
    model = ChatAIVideoAPI(model=NATIVE)
    assert model.invoke("x").text
    assert model.base_url == f"{sandbox.url}/v1/"
    assert KEY not in repr(model) + str(model) + str(model._identifying_params) + dumps(model)


def test_identity(sandbox: Sandbox) -> None:
    model = model_at(
        sandbox, temperature=0.5, max_tokens=9, stop=["A"], thinking={"type": "adaptive"}, effort="low"
    )
    assert model._llm_type == "anthropic-chat-aivideoapi"
    params = model._identifying_params
    for name, value in (
        ("model", DIRECT),
        ("temperature", 0.5),
        ("stop_sequences", ["A"]),
        ("effort", "low"),
    ):
        assert params[name] == value
    assert model._get_ls_params(stop=["B"], temperature=0.1, max_tokens=3) == {
        "ls_provider": "aivideoapi",
        "ls_model_name": DIRECT,
        "ls_model_type": "chat",
        "ls_temperature": 0.1,
        "ls_max_tokens": 3,
        "ls_stop": ["B"],
    }
    assert model.profile is not None
    assert model.lc_secrets["api_key"] == "AIVIDEOAPI_API_KEY"
    for info in known_models():
        profile: Any = model_at(sandbox, info.id).profile
        assert profile["max_input_tokens"] == info.context_window


def test_secrets_stay_out_of_params_and_dumps(sandbox: Sandbox) -> None:
    server = {"type": "url", "url": "https://x", "name": "x", "authorization_token": "canary-1"}
    model = model_at(sandbox, mcp_servers=[server], default_headers={"x-token": "canary-2"})
    text = dumps(model) + str(model._identifying_params) + repr(model) + str(model.asdict())
    assert "canary" not in text
    assert sandbox.api_key not in text


def test_importing_needs_no_langchain() -> None:
    code = (
        "import sys, langchain_aivideoapi; "
        "print(sorted({name.split('.')[0] for name in sys.modules} & {'langchain', 'langgraph', 'anthropic', 'deepagents'}))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_profile_with_unknown_keys_is_named() -> None:
    """LangChain's warning; only our own profiles are spared its check."""
    with pytest.warns(UserWarning, match="zzz"):
        ChatAIVideoAPI(model="claude-sonnet-4-6", api_key="sk-test", profile={"zzz": 1})
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert ChatAIVideoAPI(model="claude-sonnet-4-6", api_key="sk-test").profile


def test_making_a_model_reads_no_certificates(monkeypatch: pytest.MonkeyPatch) -> None:
    """They are read once a process, by the first call."""
    monkeypatch.setattr(httpx, "create_ssl_context", lambda *_, **__: pytest.fail("read"))
    pools._authorities.cache_clear()
    ChatAIVideoAPI(model="claude-sonnet-4-6", api_key="sk-test")
