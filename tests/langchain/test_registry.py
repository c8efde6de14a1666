"""Model strings: ``"aivideoapi:<id>"`` wherever LangChain takes one, after one ``register()``."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from typing import Any

import pytest
from langchain.agents import create_agent
from langchain.agents.middleware import ModelFallbackMiddleware
from langchain.chat_models import base, init_chat_model
from langgraph.checkpoint.memory import InMemorySaver

from aivideoapi_core.sandbox import Sandbox
from langchain_aivideoapi import ChatAIVideoAPI, register

IDS = ["claude-sonnet-4-6", "claude-opus-4-7/anthropic", "claude-next-9/anthropic"]


@pytest.fixture(autouse=True)
def _own_table(monkeypatch: pytest.MonkeyPatch) -> None:
    """A copy of LangChain's table, so that no test leaves a row behind."""
    rows = {name: row for name, row in base._BUILTIN_PROVIDERS.items() if name != "aivideoapi"}
    monkeypatch.setattr(base, "_BUILTIN_PROVIDERS", rows)
    base._get_chat_model_creator.cache_clear()


@pytest.fixture
def settings(sandbox: Sandbox) -> dict[str, Any]:
    return {"api_key": sandbox.api_key, "base_url": sandbox.url}


@pytest.mark.parametrize("model", IDS)
def test_init_chat_model(model: str) -> None:
    register()
    chat = init_chat_model(f"aivideoapi:{model}", api_key="sk-test", max_tokens=64, temperature=1)
    assert isinstance(chat, ChatAIVideoAPI)
    assert (chat.model, chat.max_tokens) == (model, 64)
    assert init_chat_model(model, model_provider="aivideoapi", api_key="sk-test").model == model


def test_before_register_langchain_does_not_know_us() -> None:
    with pytest.raises(ValueError, match="provider"):
        init_chat_model("aivideoapi:claude-sonnet-4-6", api_key="sk-test")
    register()
    init_chat_model("aivideoapi:claude-sonnet-4-6", api_key="sk-test")


def test_registering_again_changes_nothing() -> None:
    register()
    before = dict(base._BUILTIN_PROVIDERS)
    register()
    assert before == base._BUILTIN_PROVIDERS


def test_configurable_model(settings: dict[str, Any], sandbox: Sandbox) -> None:
    register()
    chat = init_chat_model(
        "aivideoapi:claude-sonnet-4-6",
        configurable_fields=("model", "max_tokens"),
        config_prefix="main",
        **settings,
    )
    chat.invoke("Hello")
    other = {"configurable": {"main_model": "aivideoapi:claude-opus-4-7/anthropic", "main_max_tokens": 77}}
    answer = chat.bind_tools([]).invoke("Hello", config=other)
    sent = [request.body for request in sandbox.requests]
    assert [body["model"] for body in sent] == ["claude-sonnet-4-6", "claude-opus-4-7/anthropic"]
    assert sent[1]["max_tokens"] == 77
    assert answer.usage_metadata["total_tokens"] > 0


@pytest.mark.parametrize(
    ("fields", "prefix"),
    [("any", None), (("model",), None), ("any", "main")],
    ids=["any", "listed", "prefixed"],
)
def test_configurable_model_in_an_agent(
    settings: dict[str, Any], sandbox: Sandbox, fields: Any, prefix: str | None
) -> None:
    """With "any", the graph's own settings arrive at the model too; they are no arguments of it."""
    register()
    chat: Any = init_chat_model(
        "aivideoapi:claude-sonnet-4-6", configurable_fields=fields, config_prefix=prefix, **settings
    )
    name = f"{prefix}_model" if prefix else "model"
    config: Any = {"configurable": {name: "aivideoapi:claude-opus-4-7/anthropic", "thread_id": "one"}}
    agent = create_agent(chat, checkpointer=InMemorySaver())
    assert agent.invoke({"messages": [("user", "Hello")]}, config)["messages"][-1].text
    assert [request.body["model"] for request in sandbox.requests] == ["claude-opus-4-7/anthropic"]


def test_agents_and_fallbacks_take_strings(monkeypatch: pytest.MonkeyPatch, sandbox: Sandbox) -> None:
    monkeypatch.setenv("AIVIDEOAPI_API_KEY", sandbox.api_key)
    monkeypatch.setenv("AIVIDEOAPI_BASE_URL", sandbox.url)
    register()
    agent = create_agent(
        "aivideoapi:claude-nobody/anthropic",
        middleware=[
            ModelFallbackMiddleware("aivideoapi:claude-nothing", "aivideoapi:claude-opus-4-7/anthropic")
        ],
    )
    result = agent.invoke({"messages": [("user", "Hello")]})
    assert result["messages"][-1].text
    models = [request.body["model"] for request in sandbox.requests]
    assert models == ["claude-nobody/anthropic", "claude-nothing", "claude-opus-4-7/anthropic"]


@pytest.mark.parametrize(
    "table",
    [
        pytest.param(None, id="gone"),
        pytest.param({}, id="empty"),
        pytest.param({"anthropic": ("langchain_anthropic", "ChatAnthropic")}, id="pairs"),
        pytest.param({"anthropic": {"module": "langchain_anthropic"}}, id="dicts"),
        pytest.param({"anthropic": ("langchain_anthropic", "ChatAnthropic", None)}, id="no creator"),
    ],
)
def test_a_changed_langchain_is_named(monkeypatch: pytest.MonkeyPatch, table: Any) -> None:
    monkeypatch.setattr(base, "_BUILTIN_PROVIDERS", table)
    with pytest.raises(RuntimeError, match=r"version of langchain.*pass ChatAIVideoAPI objects"):
        register()


def test_somebody_elses_row_is_not_overwritten(monkeypatch: pytest.MonkeyPatch) -> None:
    row = ("langchain_other", "ChatOther", lambda cls, **kwargs: cls(**kwargs))
    monkeypatch.setitem(base._BUILTIN_PROVIDERS, "aivideoapi", row)
    with pytest.raises(RuntimeError, match="ChatOther of langchain_other"):
        register()
    assert base._BUILTIN_PROVIDERS["aivideoapi"] is row


@pytest.fixture(scope="module")
def said() -> list[str]:
    """The lines of a program that imports the package, and then registers where there is no LangChain."""
    code = """
        import sys
        import langchain_aivideoapi
        from langchain_aivideoapi import ChatAIVideoAPI, register
        found = sorted({name.split('.')[0] for name in sys.modules} & {'langchain', 'langgraph', 'deepagents'})
        print(found)
        sys.modules['langchain'] = None
        try:
            register()
        except ImportError as error:
            print(error)
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def test_importing_the_package_imports_neither_langchain_nor_deepagents(said: list[str]) -> None:
    assert said[0] == "[]"


def test_without_langchain_the_error_says_what_to_install(said: list[str]) -> None:
    assert "pip install" in said[1]
