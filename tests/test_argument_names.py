"""Names of arguments and what can be checked when a model is made: one answer in both adapters."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from aivideoapi_core import AIVideoAPIError, InvalidInputError, UnsupportedOptionError
from aivideoapi_core.adapter_kit import merged_options
from aivideoapi_core.sandbox import Sandbox
from langchain_aivideoapi import ChatAIVideoAPI
from llamaindex_aivideoapi import AIVideoAPI

NATIVE, DIRECT = "claude-sonnet-4-6", "claude-sonnet-4-6/anthropic"
MODELS: list[Callable[..., Any]] = [ChatAIVideoAPI, AIVideoAPI]
ASK: dict[Any, Callable[..., Any]] = {
    ChatAIVideoAPI: lambda model, **call: model.invoke("x", **call),
    AIVideoAPI: lambda model, **call: model.complete("x", **call),
}


@pytest.mark.parametrize("cls", MODELS)
def test_a_timeout_that_is_none_is_told_in_one_line(cls: Any) -> None:
    with pytest.raises(
        ValueError, match=r"must be a number of seconds, an httpx\.Timeout or None, not '10s'"
    ) as caught:
        cls(model=NATIVE, api_key="sk-canary-1", timeout="10s")
    assert "functools" not in str(caught.value)


@pytest.mark.parametrize("cls", MODELS)
@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"max_tokens": 0}, "max_tokens must be a whole number of at least 1"),
        ({"temperature": 3}, "outside 0 to 1"),
        ({"base_url": "ftp://x"}, "not an http"),
        ({"api_key": None}, "no API key"),
        ({"api_key": "Bearer sk-canary-1"}, "begins with 'Bearer': pass what comes after it"),
        ({"api_key": "'sk-canary-1'"}, "quotation marks: leave them out"),
        ({"thinking": "high"}, "effort='high'"),
        ({"thinking": 2000}, "'enabled', 'budget_tokens': 2000"),
        (
            {"thinking": {"budget_tokens": 2000}},
            "lacks its 'type': use {'type': 'enabled', 'budget_tokens': 2000}",
        ),
        ({"thinking": {"type": "enabled"}}, "lacks its 'budget_tokens'"),
        ({"max_token": 3}, "did you mean 'max_tokens'"),
        ({"seed": 1}, "repeatable"),
        ({"max_budget": 10}, "use budget=CreditBudget(...)"),
        ({"prices": {"claude-x": {"input": 3}}}, "prices['claude-x']['output'] is missing"),
        ({"n": 2}, "n times"),
        ({"logprobs": True}, "no such setting"),
        ({"functions": []}, "tools"),
        ({"request_timeout": 3}, "use timeout"),
        ({"aws_region": "x"}, "leave it out"),
        ({"response_format": {}}, "use "),
        ({"user": "u"}, "user_id"),
        ({"temperature": "hot"}, "temperature must be a valid number"),
        ({"max_tokens": 1.5}, "max_tokens must be a valid integer"),
        ({"model": None}, "model must be a model id such as"),
        ({"max_retries": None}, "max_retries must be a valid integer"),
        ({"stop": ["a", 3]}, "must be a valid string"),
        ({"budget": 100}, "budget must be an instance of CreditBudget"),
        ({"ledger": "x.db"}, "ledger must be an instance of SpendLedger"),
        ({"http_client": 3}, "http_client must be an instance of Client"),
        ({"betas": "x"}, "betas must be a valid list"),
        ({"mcp_servers": ["x"]}, "mcp_servers[0] must be a valid dictionary"),
        ({"default_headers": {"a": 1}}, "default_headers must be a valid string"),
        ({"output_config": "high"}, "output_config must be a valid dictionary"),
        ({"timeout": float("nan")}, "timeout must be a positive number"),
        ({"effort": "extreme"}, "use one of low, medium, high"),
        ({"effort": "HIGH"}, "use 'high'"),
        ({"reasoning_effort": "minimal"}, "use 'low'"),
        ({"reasoning_effort": "none"}, "leave it out"),
        ({"output_config": {"effort": "extreme"}}, "output_config['effort']='extreme' is no effort"),
        ({"output_config": {"efort": "low"}}, "did you mean 'effort'?"),
        ({"output_config": {"format": {"type": "json_object"}}}, "{'type': 'json_schema', 'schema': {...}}"),
        ({"service_tier": "flex"}, "'auto' or 'standard_only'"),
        ({"cache_control": {"type": "persistent"}}, "{'type': 'ephemeral'}"),
        ({"cache_control": {"type": "ephemeral", "ttl": "2h"}}, "'5m' or '1h'"),
        ({"thinking": {"type": "adaptive", "display": "full"}}, "'summarized' or 'omitted'"),
        ({"topP": 0.5}, "did you mean 'top_p'?"),
        ({"inferenceConfig": {}}, "by their own names"),
        ({"proxies": {}}, "http_client"),
        ({"endpoint_url": "x"}, "use base_url"),
        ({"provider": "anthropic"}, "the model id says it all"),
        ({"fallbacks": []}, "AIVideoAPIError"),
        ({"instructions": "x"}, "system message"),
        ({"prompt_cache_retention": "24h"}, "use cache_control"),
        ({"web_search_options": {}}, "web_search_20260318"),
        ({"anthropic_version": "x"}, "default_headers"),
        ({"max_thinking_tokens": 3}, "budget_tokens"),
    ],
)
def test_when_the_model_is_made(cls: Any, settings: dict[str, Any], words: str) -> None:
    with pytest.raises(AIVideoAPIError) as caught:
        cls(**{"model": NATIVE, "api_key": "sk-canary-1", **settings})
    assert isinstance(caught.value, InvalidInputError)
    assert isinstance(caught.value, ValueError)
    assert words in str(caught.value)
    assert "canary" not in str(caught.value)


@pytest.mark.parametrize("cls", MODELS)
@pytest.mark.parametrize(
    ("call", "words"),
    [
        ({"seed": 1}, "repeatable"),
        ({"system_prompt": "x"}, "system message"),
        ({"user": "u"}, "user_id"),
        ({"temprature": 1}, "did you mean 'temperature'"),
        ({"frequency_penalty": 1}, "leave it out"),
        ({"max_completion_tokens": 9}, "use max_tokens"),
        ({"max_retries": 3}, "use max_retries on the model"),
        ({"apiKey": "x"}, "use api_key on the model"),
        ({"http_clients": 3}, "use http_client on the model"),
        ({"stopSequences": []}, "did you mean 'stop_sequences'"),
    ],
)
def test_per_call(sandbox: Sandbox, cls: Any, call: dict[str, Any], words: str) -> None:
    model = cls(model=NATIVE, api_key=sandbox.api_key, base_url=sandbox.url)
    with pytest.raises(UnsupportedOptionError, match=words):
        ASK[cls](model, **call)
    assert sandbox.requests == []


@pytest.mark.parametrize("cls", MODELS)
@pytest.mark.parametrize(
    ("call", "words"),
    [
        ({"stop": ""}, "non-empty strings"),
        ({"stop": 3}, "stop must be a text or a list of texts"),
        ({"stop_sequences": 3}, "stop must be a text or a list of texts"),
        ({"output_config": "high"}, "output_config must be a mapping"),
        ({"effort": 3}, "effort'?]?=3 is no effort"),
        ({"reasoning_effort": "minimal"}, "use 'low'"),
        ({"output_config": {"format": "json"}}, "json_schema"),
        ({"service_tier": 3}, "service_tier must be"),
        ({"cache_control": True}, "cache_control must be"),
        ({"thinking": {"type": "adaptive", "display": "full"}}, "'display' must be"),
        ({"extra_headers": "x"}, "extra_headers must be a mapping"),
    ],
)
def test_values_of_a_call(sandbox: Sandbox, cls: Any, call: dict[str, Any], words: str) -> None:
    model = cls(model=DIRECT, api_key=sandbox.api_key, base_url=sandbox.url)
    with pytest.raises(InvalidInputError, match=words):
        ASK[cls](model, **call)
    assert sandbox.requests == []


@pytest.mark.parametrize("cls", MODELS)
def test_what_the_platform_takes_one_day_can_be_sent(cls: Any) -> None:
    with Sandbox(validate=False) as sandbox:
        model = cls(model=NATIVE, api_key=sandbox.api_key, base_url=sandbox.url)
        ASK[cls](model, stop_sequences="a", extra_body={"output_config": {"effort": "utmost"}})
        body = sandbox.requests[-1].body
    assert (body["stop_sequences"], body["output_config"]) == (["a"], {"effort": "utmost"})


@pytest.mark.parametrize("cls", MODELS)
@pytest.mark.parametrize(("thinking", "words"), [("high", "effort='high'"), (2000, "'budget_tokens': 2000"), ({"budget_tokens": 2000}, "lacks its 'type'")])  # fmt: skip
def test_thinking_of_a_call(sandbox: Sandbox, cls: Any, thinking: Any, words: str) -> None:
    model = cls(model=DIRECT, api_key=sandbox.api_key, base_url=sandbox.url)
    with pytest.raises(InvalidInputError, match=words):
        ASK[cls](model, thinking=thinking)
    assert sandbox.requests == []


@pytest.mark.parametrize("cls", MODELS)
@pytest.mark.parametrize("wrong", [{"max_retries": -1}, {"max_retry_wait_s": -1}, {"timeout": -1}, {"model": " "}, {"max_tokens": 0}])  # fmt: skip
def test_what_is_checked_when_a_model_is_made(cls: Any, wrong: dict[str, Any]) -> None:
    with pytest.raises(AIVideoAPIError):
        cls(**{"model": NATIVE, "api_key": "sk-test", **wrong})


@pytest.mark.parametrize("cls", MODELS)
def test_reasoning_effort_is_effort(sandbox: Sandbox, cls: Any) -> None:
    settings = {"model": DIRECT, "api_key": sandbox.api_key, "base_url": sandbox.url}
    ASK[cls](cls(**settings, reasoning_effort="low"))
    ASK[cls](cls(**settings), reasoning_effort="high")
    efforts = [request.body["output_config"]["effort"] for request in sandbox.requests]
    assert efforts == ["low", "high"]


@pytest.mark.parametrize("cls", MODELS)
@pytest.mark.parametrize(
    ("model", "advised", "not_advised"),
    [
        (DIRECT, "{'type': 'adaptive'}", "nothing"),
        ("claude-haiku-4-5/anthropic", "'enabled'", "'adaptive'"),
        ("claude-opus-4-7/anthropic", "'adaptive'", "'enabled'"),
    ],
)
def test_thinking_recommends_what_the_model_takes(
    sandbox: Sandbox, cls: Any, model: str, advised: str, not_advised: str
) -> None:
    made = cls(model=model, api_key=sandbox.api_key, base_url=sandbox.url, thinking=True)
    with pytest.raises(UnsupportedOptionError) as caught:
        ASK[cls](made)
    assert advised in str(caught.value)
    assert not_advised not in str(caught.value)


@pytest.mark.parametrize("cls", MODELS)
def test_lists_given_twice_add_up_without_doubles(cls: Any) -> None:
    search = {"type": "web_search_20260318", "name": "web_search"}
    server = {"type": "url", "url": "https://x", "name": "x"}
    with Sandbox(validate=False) as sandbox:
        kwargs = "model_kwargs" if cls is ChatAIVideoAPI else "additional_kwargs"
        made = cls(
            model=DIRECT, api_key=sandbox.api_key, base_url=sandbox.url, betas=["a-1", "b-1"], mcp_servers=[server],
            **{kwargs: {"tools": [search]}},
        )  # fmt: skip
        ASK[cls](made, betas=["b-1", "c-1"], tools=[search], mcp_servers=[server])
        request = sandbox.requests[-1]
    assert request.headers["anthropic-beta"].startswith("a-1,b-1,c-1")
    assert (request.body["tools"], request.body["mcp_servers"]) == ([search], [server])


@pytest.mark.parametrize("config", [{"effort": "low"}, {"effort": "low", "task_budget": 1}])
def test_an_effort_of_a_call_wins_over_the_model_s(config: dict[str, Any]) -> None:
    """In whichever of its two places the model has it; the rest of its settings stays."""
    rest = {name: value for name, value in config.items() if name != "effort"}
    assert merged_options({"output_config": config}, {"effort": "high"}) == {
        "effort": "high",
        "output_config": rest,
    }
    given = {"output_config": {"effort": "high"}}
    assert merged_options({"effort": "low"}, given) == given
    assert merged_options({"output_config": config}, given) == {"output_config": {**config, "effort": "high"}}
