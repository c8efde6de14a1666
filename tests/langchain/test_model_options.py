"""Settings of ChatAIVideoAPI and arguments of its calls on the wire, and what cannot be sent."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from langchain_core.messages import (
    HumanMessage,
)
from langchain_core.runnables import ConfigurableField
from langchain_kit import DIRECT, FIVE, NATIVE, ROUTES, model_at

from aivideoapi_core.sandbox import Reply, Sandbox

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
    model_at(anything, **{name: value}).invoke("x")
    model_at(anything).invoke("x", **{name: value})
    list(model_at(anything).stream("x", **{name: value}))
    if name != "metadata":  # core's own bind would clash with it
        model_at(anything).bind(**{name: value}).invoke("x")
    for request in anything.requests:
        assert {key: request.body.get(key) for key in expected} == expected


@pytest.mark.parametrize(("name", "value", "expected"), OPTIONS[2:], ids=[row[0] for row in OPTIONS[2:]])
def test_none_per_call_takes_a_setting_back(
    anything: Sandbox, name: str, value: Any, expected: dict[str, Any]
) -> None:
    if name in ("stop", "stop_sequences", "metadata"):
        name = {"metadata": "request_metadata"}.get(name, "stop_sequences")
    fields = {name: value}
    model_at(anything, **fields).invoke("x", **{name: None})
    assert not expected.keys() & anything.requests[-1].body.keys()


def test_no_model_per_call_is_the_own_one(anything: Sandbox) -> None:
    model_at(anything).invoke("x", model=None)
    assert anything.requests[-1].body["model"] == DIRECT


def test_the_call_wins_over_the_model(anything: Sandbox) -> None:
    model = model_at(
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
    model = model_at(anything, output_config={"effort": "low", "x": 1})
    model.invoke("x", effort="high")
    assert anything.requests[-1].body["output_config"] == {"effort": "high", "x": 1}
    model.invoke("x", output_config={"effort": "max"})
    assert anything.requests[-1].body["output_config"] == {"effort": "max", "x": 1}
    model_at(anything, effort="low").invoke("x", output_config={"effort": "max"})
    assert anything.requests[-1].body["output_config"] == {"effort": "max"}


@pytest.mark.parametrize("name", ["speed", "diagnostics", "user_profile_id"])
def test_wire_fields_that_only_pass_through(anything: Sandbox, name: str) -> None:
    model_at(anything).invoke("x", **{name: "v"})
    model_at(anything, model_kwargs={name: "v"}).invoke("x")
    assert [request.body[name] for request in anything.requests] == ["v", "v"]


def test_headers_and_betas(anything: Sandbox) -> None:
    model = model_at(anything, default_headers={"x-a": "1"}, betas=["one"])
    model.invoke("x", extra_headers={"x-b": "2"}, timeout=5)
    model.invoke("x", betas=["two", "three"])
    first, second = (request.headers for request in anything.requests)
    assert (first["x-a"], first["x-b"], first["anthropic-beta"]) == ("1", "2", "one")
    assert second["anthropic-beta"] == "one,two,three"


def test_default_headers_alone(anything: Sandbox) -> None:
    model_at(anything, default_headers={"x-a": "1"}).invoke("x")
    assert anything.requests[-1].headers["x-a"] == "1"
    assert "default_headers" not in anything.requests[-1].body


@pytest.mark.parametrize("model_id", ROUTES)
def test_the_route_follows_the_model_of_the_call(sandbox: Sandbox, model_id: str) -> None:
    other = DIRECT if model_id == NATIVE else NATIVE
    model = model_at(sandbox, other)
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
    reply = model_at(sandbox, model_id, thinking=thinking).invoke("Why?")
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
    model = model_at(sandbox, model_id)
    with pytest.raises(ValueError, match=pattern):
        model.invoke("x", **arguments)
    with pytest.raises(ValueError, match=pattern):
        list(model.stream("x", **arguments))
    assert sandbox.requests == []


def test_empty_conversations(sandbox: Sandbox) -> None:
    for messages in ([], [("user", " ")], [("system", " ")]):
        with pytest.raises(ValueError, match="messages"):
            model_at(sandbox).invoke(messages)
    assert sandbox.requests == []


def test_configurable_fields(sandbox: Sandbox) -> None:
    model: Any = model_at(sandbox).configurable_fields(model=ConfigurableField(id="model"))
    model.with_config(configurable={"model": NATIVE}).invoke("x")
    assert sandbox.requests[-1].body["model"] == NATIVE


def test_messages_of_a_call_are_never_changed(sandbox: Sandbox) -> None:
    blocks: list[Any] = [
        {"type": "text", "text": "x", "cache_control": dict(FIVE)},
        {"type": "image_url", "image_url": {"url": "https://example.com/a.png"}},
    ]
    messages = [HumanMessage(blocks)]
    fields: dict[str, Any] = {"output_config": {"effort": "low"}, "model_kwargs": {"speed": "fast"}}
    before = copy.deepcopy((messages, fields))
    with Sandbox(validate=False) as anything:
        model = model_at(anything, **fields)
        model.invoke(messages, effort="high", extra_body={"x": 1})
        list(model.stream(messages))
    assert (messages, fields) == before
