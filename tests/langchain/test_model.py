"""ChatAIVideoAPI itself: settings and call arguments on the wire, identity, copies, caches, estimates."""

from __future__ import annotations

import copy
import json
import os
import pickle
import subprocess
import sys
import warnings
from typing import Any

import httpx
import pytest
from langchain_core.caches import InMemoryCache
from langchain_core.callbacks import get_usage_metadata_callback
from langchain_core.load import dumpd, dumps, load, loads
from langchain_core.messages import (
    AIMessage,
    BaseMessage,
    HumanMessage,
    SystemMessage,
    ToolMessage,
    trim_messages,
)
from langchain_core.rate_limiters import InMemoryRateLimiter
from langchain_core.runnables import ConfigurableField

from aivideoapi_core import Balance, InvalidInputError, known_models
from aivideoapi_core._http import pools
from aivideoapi_core.sandbox import Reply, Sandbox
from langchain_aivideoapi import ChatAIVideoAPI

NATIVE = "claude-sonnet-4-6"
DIRECT = "claude-sonnet-4-6/anthropic"
ROUTES = [NATIVE, DIRECT]
KEY = "sk-sandbox-0000"
FIVE = {"type": "ephemeral"}


def _model(sandbox: Sandbox, model_id: str = DIRECT, **fields: Any) -> ChatAIVideoAPI:
    return ChatAIVideoAPI(
        model=model_id, api_key=sandbox.api_key, base_url=sandbox.url, max_retries=0, **fields
    )


@pytest.fixture
def anything() -> Any:
    """A sandbox that takes any body, for fields it has no opinion on."""
    with Sandbox(validate=False) as server:
        yield server


OPTIONS: list[Any] = [
    ("max_tokens", 77, {"max_tokens": 77}),
    ("max_tokens_to_sample", 77, {"max_tokens": 77}),
    ("temperature", 0.5, {"temperature": 0.5}),
    ("top_p", 0.5, {"top_p": 0.5}),
    ("top_k", 5, {"top_k": 5}),
    ("stop", ["END"], {"stop_sequences": ["END"]}),
    ("stop_sequences", ["END"], {"stop_sequences": ["END"]}),
    ("stop", "END", {"stop_sequences": ["END"]}),
    ("thinking", {"type": "adaptive"}, {"thinking": {"type": "adaptive"}}),
    ("effort", "low", {"output_config": {"effort": "low"}}),
    ("reasoning_effort", "low", {"output_config": {"effort": "low"}}),
    ("output_config", {"effort": "low"}, {"output_config": {"effort": "low"}}),
    ("request_metadata", {"user_id": "u1"}, {"metadata": {"user_id": "u1"}}),
    ("metadata", {"user_id": "u1"}, {"metadata": {"user_id": "u1"}}),
    ("service_tier", "standard_only", {"service_tier": "standard_only"}),
    ("container", "container_1", {"container": "container_1"}),
    ("inference_geo", "eu", {"inference_geo": "eu"}),
    ("context_management", {"edits": []}, {"context_management": {"edits": []}}),
    ("mcp_servers", [{"type": "url", "url": "https://x", "name": "x"}], {"mcp_servers": [{"type": "url", "url": "https://x", "name": "x"}]}),
    ("cache_control", FIVE, {"cache_control": FIVE}),
]  # fmt: skip


@pytest.mark.parametrize(("name", "value", "expected"), OPTIONS, ids=[row[0] for row in OPTIONS])
def test_every_option_on_the_model_and_per_call(
    anything: Sandbox, name: str, value: Any, expected: dict[str, Any]
) -> None:
    _model(anything, **{name: value}).invoke("x")
    _model(anything).invoke("x", **{name: value})
    list(_model(anything).stream("x", **{name: value}))
    if name != "metadata":  # core's own bind would clash with it
        _model(anything).bind(**{name: value}).invoke("x")
    for request in anything.requests:
        assert {key: request.body.get(key) for key in expected} == expected


@pytest.mark.parametrize(("name", "value", "expected"), OPTIONS[2:], ids=[row[0] for row in OPTIONS[2:]])
def test_none_per_call_takes_a_setting_back(
    anything: Sandbox, name: str, value: Any, expected: dict[str, Any]
) -> None:
    if name in ("stop", "stop_sequences", "metadata"):
        name = {"metadata": "request_metadata"}.get(name, "stop_sequences")
    fields = {name: value}
    _model(anything, **fields).invoke("x", **{name: None})
    assert not expected.keys() & anything.requests[-1].body.keys()


def test_no_model_per_call_is_the_own_one(anything: Sandbox) -> None:
    _model(anything).invoke("x", model=None)
    assert anything.requests[-1].body["model"] == DIRECT


def test_the_call_wins_over_the_model(anything: Sandbox) -> None:
    model = _model(
        anything,
        temperature=0.1,
        stop=["A"],
        effort="low",
        max_tokens=10,
        model_kwargs={"top_k": 3, "speed": "fast"},
    )
    model.invoke(
        "x",
        temperature=0.2,
        stop=["B"],
        effort="high",
        model="claude-opus-4-5/anthropic",
        extra_body={"diagnostics": {}},
    )
    body = anything.requests[-1].body
    assert (body["temperature"], body["stop_sequences"], body["max_tokens"], body["top_k"]) == (
        0.2,
        ["B"],
        10,
        3,
    )
    assert (body["speed"], body["diagnostics"]) == ("fast", {})
    assert body["model"] == "claude-opus-4-5/anthropic"


def test_output_settings_are_merged_field_by_field(anything: Sandbox) -> None:
    model = _model(anything, output_config={"effort": "low", "x": 1})
    model.invoke("x", effort="high")
    assert anything.requests[-1].body["output_config"] == {"effort": "high", "x": 1}
    model.invoke("x", output_config={"effort": "max"})
    assert anything.requests[-1].body["output_config"] == {"effort": "max", "x": 1}
    _model(anything, effort="low").invoke("x", output_config={"effort": "max"})
    assert anything.requests[-1].body["output_config"] == {"effort": "max"}


@pytest.mark.parametrize("name", ["speed", "diagnostics", "user_profile_id"])
def test_wire_fields_that_only_pass_through(anything: Sandbox, name: str) -> None:
    _model(anything).invoke("x", **{name: "v"})
    _model(anything, model_kwargs={name: "v"}).invoke("x")
    assert [request.body[name] for request in anything.requests] == ["v", "v"]


def test_headers_and_betas(anything: Sandbox) -> None:
    model = _model(anything, default_headers={"x-a": "1"}, betas=["one"])
    model.invoke("x", extra_headers={"x-b": "2"}, timeout=5)
    model.invoke("x", betas=["two", "three"])
    first, second = (request.headers for request in anything.requests)
    assert (first["x-a"], first["x-b"], first["anthropic-beta"]) == ("1", "2", "one")
    assert second["anthropic-beta"] == "one,two,three"


def test_default_headers_alone(anything: Sandbox) -> None:
    _model(anything, default_headers={"x-a": "1"}).invoke("x")
    assert anything.requests[-1].headers["x-a"] == "1"
    assert "default_headers" not in anything.requests[-1].body


@pytest.mark.parametrize("model_id", ROUTES)
def test_the_route_follows_the_model_of_the_call(sandbox: Sandbox, model_id: str) -> None:
    other = DIRECT if model_id == NATIVE else NATIVE
    model = _model(sandbox, other)
    sandbox.enqueue(*[Reply("x", usage={"input_tokens": 18, "output_tokens": 42})] * 2)
    for message in (model.invoke("x", model=model_id), list(model.stream("x", model=model_id))[-1]):
        usage: Any = message.usage_metadata
        assert usage["credits_consumed_micro"] == (68_400 if model_id == NATIVE else 18 * 883 + 42 * 4412)
        assert message.response_metadata["model_name"] == model_id
    assert ("max_tokens" in sandbox.requests[-1].body) is (model_id == DIRECT)
    assert model._get_ls_params(model=model_id)["ls_model_name"] == model_id


@pytest.mark.parametrize(
    ("model_id", "thinking", "sent"),
    [
        (NATIVE, True, {"thinkingFlag": True}),
        (NATIVE, False, {}),
        (DIRECT, {"type": "adaptive"}, {"thinking": {"type": "adaptive"}}),
        (DIRECT, False, {}),
    ],
)
def test_thinking_in_the_words_of_the_route(
    sandbox: Sandbox, model_id: str, thinking: Any, sent: dict[str, Any]
) -> None:
    reply = _model(sandbox, model_id, thinking=thinking).invoke("Why?")
    body = sandbox.requests[-1].body
    assert {name: body[name] for name in ("thinking", "thinkingFlag") if name in body} == sent
    assert isinstance(reply.content, str) is (thinking is False)


@pytest.mark.parametrize(
    ("model_id", "arguments", "pattern"),
    [
        (DIRECT, {"thinking": True}, "thinking"),
        (NATIVE, {"thinking": {"type": "enabled", "budget_tokens": 2000}}, "thinking"),
        (DIRECT, {"temperature": 3}, "temperature"),
        (DIRECT, {"max_tokens": 10**9}, "max_tokens"),
        (DIRECT, {"temprature": 0.1}, "'temprature'.*extra_body"),
        (DIRECT, {"functions": []}, "'functions'"),
        (DIRECT, {"effort": "extreme"}, "effort"),
        (DIRECT, {"extra_body": {"model": "x"}}, "extra_body"),
        (DIRECT, {"response_format": 3}, "response_format|schema"),
    ],
)
def test_what_cannot_be_sent_raises_before_any_request(
    sandbox: Sandbox, model_id: str, arguments: dict[str, Any], pattern: str
) -> None:
    model = _model(sandbox, model_id)
    with pytest.raises(ValueError, match=pattern):
        model.invoke("x", **arguments)
    with pytest.raises(ValueError, match=pattern):
        list(model.stream("x", **arguments))
    assert sandbox.requests == []


def test_empty_conversations(sandbox: Sandbox) -> None:
    for messages in ([], [("user", " ")], [("system", " ")]):
        with pytest.raises(ValueError, match="messages"):
            _model(sandbox).invoke(messages)
    assert sandbox.requests == []


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
    model = _model(
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
        profile: Any = _model(sandbox, info.id).profile
        assert profile["max_input_tokens"] == info.context_window


def test_secrets_stay_out_of_params_and_dumps(sandbox: Sandbox) -> None:
    server = {"type": "url", "url": "https://x", "name": "x", "authorization_token": "canary-1"}
    model = _model(sandbox, mcp_servers=[server], default_headers={"x-token": "canary-2"})
    text = dumps(model) + str(model._identifying_params) + repr(model) + str(model.asdict())
    assert "canary" not in text
    assert sandbox.api_key not in text


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
    model = _model(sandbox, temperature=0.5)
    for _ in range(2):
        again = make(model)
        assert again == model
        assert again.invoke("x").text
        assert (await again.ainvoke("x")).text
        assert model.invoke("x").text
        assert (await model.ainvoke("x")).text


def test_a_copy_with_other_settings_uses_them(sandbox: Sandbox) -> None:
    model = _model(sandbox)
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
    model = _model(sandbox, NATIVE)
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


def test_injected_clients(sandbox: Sandbox) -> None:
    with httpx.Client(headers={"x-mine": "1"}) as client:
        model = _model(sandbox, http_client=client)
        model.invoke("x")
        assert sandbox.requests[-1].headers["x-mine"] == "1"
        copied = copy.deepcopy(model)
        assert copied.http_client is client
        assert copied.invoke("x").text
        with pytest.raises(pickle.PicklingError, match="http_client"):
            pickle.dumps(model)
        assert "Client" not in dumps(model)
        model.close()
        assert not client.is_closed


async def test_injected_async_clients(sandbox: Sandbox) -> None:
    async with httpx.AsyncClient(headers={"x-mine": "1"}) as client:
        model = _model(sandbox, http_async_client=client)
        await model.ainvoke("x")
        assert sandbox.requests[-1].headers["x-mine"] == "1"
        await model.aclose()
        assert not client.is_closed


async def test_closing_and_going_on(sandbox: Sandbox) -> None:
    model = _model(sandbox)
    for _ in range(2):
        assert model.invoke("x").text
        assert (await model.ainvoke("x")).text
        model.close()
        await model.aclose()


async def test_balance(sandbox: Sandbox) -> None:
    model = _model(sandbox)
    assert isinstance(model.credits(), Balance)
    assert model.credits() == await model.acredits()


@pytest.mark.parametrize("model_id", ROUTES)
async def test_a_cache_hit_costs_no_credits(sandbox: Sandbox, model_id: str) -> None:
    model = _model(sandbox, model_id, cache=InMemoryCache())
    with get_usage_metadata_callback() as counted:
        first = model.invoke("x")
        second = model.invoke("x")
        third = await model.ainvoke("x")
    assert len(sandbox.requests) == 1
    cost = first.usage_metadata["credits_consumed_micro"]
    assert cost == sandbox.charged_micro
    for hit in (second, third):
        usage: Any = hit.usage_metadata
        assert usage["credits_consumed_micro"] == 0
        assert usage["input_tokens"] == first.usage_metadata["input_tokens"]
        assert "credits_consumed" not in hit.response_metadata
        assert hit.response_metadata["cache_hit"] is True
        assert hit.content == first.content
    (total,) = counted.usage_metadata.values()
    assert total["credits_consumed_micro"] == cost


def test_the_cache_knows_every_setting(sandbox: Sandbox) -> None:
    cache = InMemoryCache()
    for fields in (
        {},
        {"temperature": 0.5},
        {"thinking": {"type": "adaptive"}},
        {"effort": "low"},
        {"max_tokens": 9},
    ):
        _model(sandbox, cache=cache, **fields).invoke("x")
    _model(sandbox, cache=cache).invoke("x", temperature=0.25)
    assert len(sandbox.requests) == 6


def test_the_rate_limiter_is_asked(sandbox: Sandbox) -> None:
    limiter = InMemoryRateLimiter(requests_per_second=1000, max_bucket_size=1)
    asked: list[bool] = []

    class Counting(InMemoryRateLimiter):
        def acquire(self, *, blocking: bool = True) -> bool:
            asked.append(blocking)
            return limiter.acquire(blocking=blocking)

    model = _model(sandbox, rate_limiter=Counting(requests_per_second=1000, max_bucket_size=1))
    model.invoke("x")
    list(model.stream("x"))
    copy.deepcopy(model).invoke("x")
    assert len(asked) == 3


def test_any_part_of_a_conversation_can_be_counted() -> None:
    model = ChatAIVideoAPI(model=DIRECT, api_key=KEY, base_url="https://example.com")
    call = {"name": "look", "args": {"at": "sky"}, "id": "toolu_1"}
    conversation: list[BaseMessage] = [
        SystemMessage("Be brief."),
        HumanMessage("What is up? " * 20),
        AIMessage("", tool_calls=[call]),
        ToolMessage("The sky is blue. " * 20, tool_call_id="toolu_1"),
        AIMessage("Blue. "),
        HumanMessage(""),
    ]
    size = len(conversation)
    for start in range(size + 1):
        counts = [
            model.get_num_tokens_from_messages(conversation[start:end]) for end in range(start, size + 1)
        ]
        assert counts == sorted(counts)
        assert counts[0] == 0
    kept = trim_messages(conversation, max_tokens=130, token_counter=model, include_system=True)
    assert kept[0] == conversation[0]
    assert 1 < len(kept) < size


def test_estimates_need_no_network() -> None:
    model = ChatAIVideoAPI(model=NATIVE, api_key=KEY, base_url="https://example.com")

    def look(at: str) -> str:
        """Look at something."""
        return at

    few = model.get_num_tokens_from_messages([HumanMessage("hello there")])
    more = model.get_num_tokens_from_messages([HumanMessage("hello there " * 100)])
    with_tools = model.get_num_tokens_from_messages([HumanMessage("hello there")], tools=[look])
    image = {"type": "image", "url": "https://example.com/a.png"}
    with_image = model.get_num_tokens_from_messages([HumanMessage(["hello there", image])])
    assert 0 < few < with_tools
    assert few * 20 < more < few * 200
    assert with_image > few + 1000
    assert model.get_num_tokens("") == 0
    assert model.get_num_tokens("hello") == 2
    assert model.get_num_tokens("天空为什么是蓝色的") >= 7
    with pytest.raises(NotImplementedError, match="not public"):
        model.get_token_ids("hello")


def test_configurable_fields(sandbox: Sandbox) -> None:
    model: Any = _model(sandbox).configurable_fields(model=ConfigurableField(id="model"))
    model.with_config(configurable={"model": NATIVE}).invoke("x")
    assert sandbox.requests[-1].body["model"] == NATIVE


def test_streaming_under_invoke(sandbox: Sandbox) -> None:
    message = _model(sandbox, streaming=True).invoke("x")
    assert type(message) is AIMessage
    assert sandbox.requests[-1].body["stream"] is True
    _model(sandbox, disable_streaming=True).invoke("x")
    assert sandbox.requests[-1].body["stream"] is False


def test_messages_of_a_call_are_never_changed(sandbox: Sandbox) -> None:
    blocks: list[Any] = [
        {"type": "text", "text": "x", "cache_control": dict(FIVE)},
        {"type": "image_url", "image_url": {"url": "https://example.com/a.png"}},
    ]
    messages = [HumanMessage(blocks)]
    fields: dict[str, Any] = {"output_config": {"effort": "low"}, "model_kwargs": {"speed": "fast"}}
    before = copy.deepcopy((messages, fields))
    with Sandbox(validate=False) as anything:
        model = _model(anything, **fields)
        model.invoke(messages, effort="high", extra_body={"x": 1})
        list(model.stream(messages))
    assert (messages, fields) == before


def test_importing_needs_no_langchain() -> None:
    code = (
        "import sys, langchain_aivideoapi; "
        "print(sorted({name.split('.')[0] for name in sys.modules} & {'langchain', 'langgraph', 'anthropic', 'deepagents'}))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_timeout_of_httpx_survives_json(sandbox: Sandbox) -> None:
    timeout = httpx.Timeout(5.0, connect=1.0)
    model = ChatAIVideoAPI(
        model="claude-sonnet-4-6", api_key="sk-test", base_url=sandbox.url, timeout=timeout
    )
    dumped = json.loads(model.model_dump_json(exclude={"api_key"}))
    assert ChatAIVideoAPI(**dumped, api_key="sk-test").timeout == timeout


WEATHER = {
    "name": "get_weather",
    "description": "Get the current weather in a given location",
    "input_schema": {
        "type": "object",
        "properties": {
            "location": {"type": "string", "description": "The city and state, e.g. San Francisco, CA"}
        },
        "required": ["location"],
    },
}
ANT = {"type": "image_url", "image_url": {"url": "https://example.com/ant.jpg"}}


@pytest.mark.parametrize(
    ("messages", "tools", "counted"),
    [
        # Counts that the official documentation prints ("Token counting") for these very requests.
        pytest.param(
            [SystemMessage("You are a scientist"), HumanMessage("Hello, Claude")], [], 14, id="text"
        ),
        pytest.param([HumanMessage("What's the weather like in San Francisco?")], [WEATHER], 403, id="tool"),
        pytest.param([HumanMessage([ANT, "Describe this image"])], [], 1551, id="image"),
    ],
)
def test_estimates_are_near_the_counts_of_the_documentation(
    messages: list[Any], tools: list[Any], counted: int
) -> None:
    model = ChatAIVideoAPI(model=DIRECT, api_key=KEY, base_url="https://example.com")
    assert model.get_num_tokens_from_messages(messages, tools=tools) == pytest.approx(counted, rel=0.1)


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
