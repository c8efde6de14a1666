"""A canary key given to both models: it is in nothing that is written down, whatever goes wrong."""

from __future__ import annotations

import asyncio
import copy
import json
import logging
import pickle
import traceback
from collections.abc import Callable
from typing import Any

import pytest
from langchain_core.load import dumps
from llama_index.core.llms import ChatMessage

from aivideoapi_core import API_KEY_ENV, AIVideoAPIError
from aivideoapi_core.sandbox import Fault, Sandbox
from langchain_aivideoapi import ChatAIVideoAPI
from llamaindex_aivideoapi import AIVideoAPI

CANARY = "sk-canary-5b7a"
MESSAGES = [ChatMessage(role="user", content="Hello")]
MODELS: dict[str, Callable[..., Any]] = {"LangChain": ChatAIVideoAPI, "LlamaIndex": AIVideoAPI}
CALLS: dict[str, tuple[str, Callable[[Any], Any]]] = {
    "invoke": ("LangChain", lambda model: model.invoke("Hello")),
    "ainvoke": ("LangChain", lambda model: asyncio.run(model.ainvoke("Hello"))),
    "stream": ("LangChain", lambda model: list(model.stream("Hello"))),
    "events v3": ("LangChain", lambda model: list(model.stream_events("Hello", version="v3"))),
    "chat": ("LlamaIndex", lambda llm: llm.chat(MESSAGES)),
    "achat": ("LlamaIndex", lambda llm: asyncio.run(llm.achat(MESSAGES))),
    "stream_chat": ("LlamaIndex", lambda llm: list(llm.stream_chat(MESSAGES))),
}
FAULTS = [
    Fault.error("invalid_api_key", message="you sent {key}, is that right?"),
    Fault.error("billing_error", message="{key} is empty", official_shape=True),
    Fault.envelope(401, f"bad key {CANARY}"),
    Fault.error_event("permission_error", 3, message=f"bad key {CANARY}"),
    Fault.malformed(3),
    Fault.cut(3),
]


def build(framework: str, sandbox: Sandbox) -> Any:
    return MODELS[framework](
        model="claude-sonnet-4-6", api_key=CANARY, base_url=sandbox.url, timeout=2.0, max_retries=0
    )


def shown(error: BaseException) -> str:
    """The error as text, as data, pickled, and the local variables of our own frames."""
    exception = traceback.TracebackException.from_exception(error, capture_locals=True)
    frames = [
        str(frame.locals)
        for frame in exception.stack
        if "aivideoapi" in frame.filename and "/sandbox/" not in frame.filename
    ]
    facts = [repr(error), str(error), repr(error.__dict__), repr(pickle.dumps(error)), repr(copy.copy(error))]
    return "\n".join([*frames, *facts])


@pytest.mark.filterwarnings("ignore:.*is in beta")
@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: f"{fault.kind}-{fault.code}")
@pytest.mark.parametrize("call", CALLS)
def test_failures(sandbox: Sandbox, caplog: pytest.LogCaptureFixture, call: str, fault: Fault) -> None:
    caplog.set_level(logging.DEBUG)
    framework, make_call = CALLS[call]
    sandbox.enqueue(fault)
    with pytest.raises(AIVideoAPIError) as caught:
        make_call(build(framework, sandbox))
    text = shown(caught.value)
    assert "canary" not in text, text[max(0, text.index("canary") - 400) :][:800]
    logged = "\n".join(f"{record.getMessage()} {record.__dict__}" for record in caplog.records)
    assert "canary" not in logged


@pytest.mark.parametrize("framework", MODELS)
def test_models(sandbox: Sandbox, framework: str) -> None:
    model = build(framework, sandbox)
    name = "invoke" if framework == "LangChain" else "chat"
    CALLS[name][1](model)
    texts = [repr(model), str(model), str(model.__dict__), model.model_dump_json()]
    if framework == "LangChain":
        texts += [dumps(model), repr(model._identifying_params), repr(model._get_ls_params())]
    else:
        texts += [json.dumps(model.to_dict(), default=str), json.dumps(model.to_payload(), default=str)]
    for text in texts:
        assert "canary" not in text


@pytest.mark.parametrize("framework", MODELS)
@pytest.mark.parametrize("key", ["sk-canary\nx", "canary", "sk-canary x"])
def test_refused_keys_are_not_shown(framework: str, key: str) -> None:
    def use() -> None:
        model = MODELS[framework](model="claude-sonnet-4-6", api_key=key)
        (model.invoke if framework == "LangChain" else model.complete)("Hello")

    with pytest.raises((ValueError, AIVideoAPIError)) as caught:
        use()
    assert "canary" not in str(caught.value)
    assert "canary" not in repr(caught.value)


@pytest.mark.parametrize("framework", MODELS)
def test_a_key_of_the_environment_stays_out_of_a_pickle(
    sandbox: Sandbox, framework: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(API_KEY_ENV, CANARY)
    model = MODELS[framework](model="claude-sonnet-4-6", base_url=sandbox.url)
    data = pickle.dumps(model)
    assert b"canary" not in data
    again = pickle.loads(data)
    name = "invoke" if framework == "LangChain" else "chat"
    assert CALLS[name][1](again)
    assert sandbox.requests[-1].key_was_sent


@pytest.mark.parametrize("framework", MODELS)
def test_a_key_passed_explicitly_travels(sandbox: Sandbox, framework: str) -> None:
    again = pickle.loads(pickle.dumps(build(framework, sandbox)))
    name = "invoke" if framework == "LangChain" else "chat"
    assert CALLS[name][1](again)
