"""A ChatAIVideoAPI dumped and loaded, copied and pickled: its settings travel, a key of the environment does not."""

from __future__ import annotations

import copy
import json
import os
import pickle
import subprocess
import sys
from typing import Any

import httpx
import pytest
from langchain_core.load import dumpd, dumps, load, loads
from langchain_kit import FIVE, KEY, NATIVE, ROUTES, model_at

from aivideoapi_core.sandbox import Sandbox
from langchain_aivideoapi import ChatAIVideoAPI


def _loaded(value: Any, **secrets: str) -> ChatAIVideoAPI:
    options: dict[str, Any] = {
        "secrets_map": secrets,
        "secrets_from_env": True,
        "valid_namespaces": ["langchain_aivideoapi"],
        "allowed_objects": [ChatAIVideoAPI],
    }
    found = loads(value, **options) if isinstance(value, str) else load(value, **options)
    assert isinstance(found, ChatAIVideoAPI)
    return found


FULL: dict[str, Any] = {
    "temperature": 0.5, "max_tokens": 9, "stop": ["A"], "timeout": 7.0, "max_retries": 1, "max_retry_wait_s": 3.0,
    "thinking": {"type": "adaptive"}, "effort": "low", "betas": ["b"], "request_metadata": {"user_id": "u"},
    "cache_control": FIVE, "streaming": True, "stream_usage": False, "model_kwargs": {"speed": "fast"},
}  # fmt: skip


@pytest.mark.parametrize("model_id", ROUTES)
def test_round_trip_by_dumps_and_loads(model_id: str) -> None:
    model = ChatAIVideoAPI(model=model_id, api_key=KEY, **FULL)
    for dump in (dumps(model), dumpd(model)):
        again = _loaded(dump, AIVIDEOAPI_API_KEY=KEY)
        assert again == model
        assert again._identifying_params == model._identifying_params


def test_round_trip_of_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    model = ChatAIVideoAPI(model=NATIVE, api_key=KEY, default_headers={"x-token": "t"})
    monkeypatch.setenv("AIVIDEOAPI_API_KEY", KEY)
    monkeypatch.setenv("AIVIDEOAPI_DEFAULT_HEADERS", json.dumps({"x-token": "t"}))
    assert _loaded(dumps(model)) == model


COPIES: list[Any] = [
    pytest.param(lambda model: pickle.loads(pickle.dumps(model)), id="pickle"),
    pytest.param(copy.deepcopy, id="deepcopy"),
    pytest.param(copy.copy, id="copy"),
    pytest.param(lambda model: model.model_copy(), id="model_copy"),
    pytest.param(lambda model: model.model_copy(deep=True), id="model_copy deep"),
]


@pytest.mark.parametrize("make", COPIES)
async def test_copies_work_before_and_after_a_call(sandbox: Sandbox, make: Any) -> None:
    model = model_at(sandbox, temperature=0.5)
    for _ in range(2):
        again = make(model)
        assert again == model
        assert again.invoke("x").text
        assert (await again.ainvoke("x")).text
        assert model.invoke("x").text
        assert (await model.ainvoke("x")).text


def test_a_copy_with_other_settings_uses_them(sandbox: Sandbox) -> None:
    model = model_at(sandbox)
    model.invoke("x")
    model._get_llm_string()
    with Sandbox() as other:
        changed = model.model_copy(update={"base_url": other.url, "temperature": 0.25})
        changed.invoke("x")
        assert len(other.requests) == 1
        assert other.requests[0].body["temperature"] == 0.25
    assert changed._get_llm_string() != model._get_llm_string(), "two models would share a cache entry"


def test_a_key_from_the_environment_does_not_travel(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIVIDEOAPI_API_KEY", "sk-canary")
    data = pickle.dumps(ChatAIVideoAPI(model=NATIVE, base_url="https://example.com"))
    assert b"canary" not in data
    monkeypatch.setenv("AIVIDEOAPI_API_KEY", "sk-other")
    again: Any = pickle.loads(data)
    assert again.api_key.get_secret_value() == "sk-other"
    monkeypatch.delenv("AIVIDEOAPI_API_KEY")
    keyless: Any = pickle.loads(data)
    with pytest.raises(ValueError, match="AIVIDEOAPI_API_KEY"):
        keyless.invoke("x")


def test_an_explicit_key_travels() -> None:
    again: Any = pickle.loads(pickle.dumps(ChatAIVideoAPI(model=NATIVE, api_key=KEY)))
    assert again.api_key.get_secret_value() == KEY


def test_a_pickle_works_in_another_process(sandbox: Sandbox) -> None:
    model = model_at(sandbox, NATIVE)
    model.invoke("x")
    code = "import pickle, sys; print(pickle.load(sys.stdin.buffer).invoke('x').text)"
    done = subprocess.run(
        [sys.executable, "-c", code],
        input=pickle.dumps(model),
        capture_output=True,
        check=True,
        env=dict(os.environ),
    )
    assert done.stdout.strip()


def test_a_timeout_of_httpx_survives_json(sandbox: Sandbox) -> None:
    timeout = httpx.Timeout(5.0, connect=1.0)
    model = ChatAIVideoAPI(
        model="claude-sonnet-4-6", api_key="sk-test", base_url=sandbox.url, timeout=timeout
    )
    dumped = json.loads(model.model_dump_json(exclude={"api_key"}))
    assert ChatAIVideoAPI(**dumped, api_key="sk-test").timeout == timeout
