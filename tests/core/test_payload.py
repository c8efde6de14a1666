"""Options to a request body: what is sent, what raises, and what the official SDK says of it."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from contextlib import nullcontext
from typing import Any

import pytest
from core_kit import DIRECT, NATIVE, QUESTION, ROUTES, payload
from official import REQUEST, assert_accepted

from aivideoapi_core import (
    CreditBudget,
    InvalidInputError,
    MessagesClient,
    UnsupportedOptionError,
    build_payload,
    known_models,
)
from aivideoapi_core._outbound.params import RequestOptions
from aivideoapi_core._outbound.request import prepare_request
from aivideoapi_core._outbound.turns import Turns
from aivideoapi_core.sandbox import Sandbox

TOOL: dict[str, Any] = {
    "name": "weather",
    "description": "d",
    "input_schema": {"type": "object", "properties": {}},
}
PIXEL = "iVBORw0KGgo="


def assert_official(body: Mapping[str, Any]) -> None:
    """The official types take ``body`` as it is: the round trip through them loses no field.

    Apart from it: ``thinkingFlag`` and an absent ``max_tokens`` are the platform's own; the sampling
    fields belong to the version of the format before the newest, which is what the platform speaks.
    """
    sent = {"max_tokens": 1, **body}
    for field in ("thinkingFlag", "temperature", "top_p", "top_k"):
        sent.pop(field, None)
    assert_accepted(REQUEST, sent)


def test_the_judge_can_say_no() -> None:
    with pytest.raises(ValueError, match="text"):
        assert_official({"model": "m", "messages": [{"role": "user", "content": [{"type": "text"}]}]})
    with pytest.raises(AssertionError):
        assert_official({"model": "m", "messages": [{"role": "user", "content": "a"}], "temprature": 1})


OPTIONS: list[tuple[str, dict[str, Any]]] = [
    ("none", {}),
    ("max_tokens", {"max_tokens": 7}),
    ("system text", {"system": "Be brief."}),
    ("system blocks", {"system": [{"type": "text", "text": "Be brief.", "cache_control": {"type": "ephemeral", "ttl": "1h"}}]}),
    ("tools", {"tools": [TOOL]}),
    ("tools as a tuple", {"tools": (TOOL,)}),
    ("server tool", {"tools": [{"type": "web_search_20250305", "name": "web_search"}]}),
    ("choice auto", {"tools": [TOOL], "tool_choice": {"type": "auto", "disable_parallel_tool_use": True}}),
    ("choice any", {"tools": [TOOL], "tool_choice": {"type": "any"}}),
    ("choice tool", {"tools": [TOOL], "tool_choice": {"type": "tool", "name": "weather"}}),
    ("choice none", {"tools": [TOOL], "tool_choice": {"type": "none"}}),
    ("stop", {"stop_sequences": ["END", "\n\n"]}),
    ("sampling", {"temperature": 0.5, "top_p": 0.9, "top_k": 4}),
    ("zero temperature", {"temperature": 0}),
    ("effort", {"effort": "high"}),
    ("output format", {"output_config": {"format": {"type": "json_schema", "schema": {"type": "object"}}}}),
    ("effort and format", {"effort": "low", "output_config": {"format": {"type": "json_schema", "schema": {}}}}),
    ("metadata", {"metadata": {"user_id": "u"}}),
    ("service tier", {"service_tier": "auto"}),
    ("cache_control", {"cache_control": {"type": "ephemeral"}}),
    ("container", {"container": "c"}),
    ("geo", {"inference_geo": "us"}),
]  # fmt: skip


@pytest.mark.parametrize(("name", "options"), OPTIONS, ids=[name for name, _ in OPTIONS])
@pytest.mark.parametrize("model", ROUTES)
@pytest.mark.parametrize("stream", [True, False])
def test_nothing_is_dropped_and_the_official_types_agree(
    name: str, options: dict[str, Any], model: str, stream: bool
) -> None:
    before = copy.deepcopy(options)
    body = payload(model, stream=stream, **options)
    assert options == before
    assert body["stream"] is stream
    assert body["messages"] == list(QUESTION)
    assert ("max_tokens" in body) is (model == DIRECT or "max_tokens" in options)
    for field, value in options.items():
        if field == "effort":
            assert body["output_config"]["effort"] == value
        elif field == "output_config":
            assert body["output_config"].items() >= value.items()
        else:
            assert body[field] == value
    assert_official(body)


@pytest.mark.parametrize("model", ROUTES)
@pytest.mark.parametrize("option", sorted(RequestOptions.__annotations__))
def test_none_is_not_set(model: str, option: str) -> None:
    assert payload(model, **{option: None}) == payload(model)


@pytest.mark.parametrize(
    "options", [{"system": ""}, {"system": []}, {"tools": []}, {"tools": ()}, {"extra_body": {}}]
)
def test_empty_is_not_set(options: dict[str, Any]) -> None:
    assert payload(DIRECT, **options) == payload(DIRECT)


@pytest.mark.parametrize("field", ["context_management", "mcp_servers"])
def test_beta_fields_pass(field: str) -> None:
    value: Any = (
        [{"type": "url", "url": "https://example.com", "name": "n"}]
        if field == "mcp_servers"
        else {"edits": []}
    )
    assert payload(DIRECT, **{field: value})[field] == value


def test_extra_body_passes_and_wins() -> None:
    body = payload(DIRECT, max_tokens=5, extra_body={"max_tokens": 6, "speed": "fast"})
    assert (body["max_tokens"], body["speed"]) == (6, "fast")


@pytest.mark.parametrize(
    ("model", "thinking", "fields"),
    [
        (NATIVE, True, {"thinkingFlag": True}),
        (NATIVE, False, {}),
        (NATIVE, {"type": "disabled"}, {}),
        (DIRECT, False, {}),
        (DIRECT, {"type": "disabled"}, {"thinking": {"type": "disabled"}}),
        (DIRECT, {"type": "adaptive"}, {"thinking": {"type": "adaptive"}}),
        (DIRECT, {"type": "adaptive", "display": "omitted"}, {"thinking": {"type": "adaptive", "display": "omitted"}}),
        (DIRECT, {"type": "enabled", "budget_tokens": 1024}, {"thinking": {"type": "enabled", "budget_tokens": 1024}}),
    ],
)  # fmt: skip
def test_thinking(model: str, thinking: Any, fields: dict[str, Any]) -> None:
    body = payload(model, thinking=thinking)
    assert {key: body[key] for key in ("thinking", "thinkingFlag") if key in body} == fields
    assert_official(body)


@pytest.mark.parametrize("info", known_models(), ids=lambda info: info.id)
def test_the_default_output_leaves_room_for_thinking(info: Any) -> None:
    if "enabled" not in info.thinking or info.id in ROUTES[:1] or not info.id.endswith("/anthropic"):
        pytest.skip("no thinking budget here")
    budget = 20_000
    body = payload(info.id, thinking={"type": "enabled", "budget_tokens": budget})
    assert budget < body["max_tokens"] <= info.max_output_tokens


def test_unknown_models_work() -> None:
    body = payload("claude-next/anthropic", temperature=1.0, effort="extreme", thinking={"type": "new"})
    assert body["model"] == "claude-next/anthropic"
    assert body["max_tokens"] == 8192
    assert "max_tokens" not in payload("claude-next")


CONVERSATION: list[dict[str, Any]] = [
    {"role": "user", "content": [
        {"type": "text", "text": "See.", "cache_control": {"type": "ephemeral"}},
        {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PIXEL}},
        {"type": "image", "source": {"type": "url", "url": "https://example.com/a.png"}},
        {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "d"}, "title": "t"},
    ]},
    {"role": "assistant", "content": [
        {"type": "thinking", "thinking": "hm", "signature": "s"},
        {"type": "redacted_thinking", "data": "x"},
        {"type": "text", "text": "Looking."},
        {"type": "tool_use", "id": "toolu_1", "name": "weather", "input": {"city": "Paris"}},
    ]},
    {"role": "user", "content": [
        {"type": "tool_result", "tool_use_id": "toolu_1", "content": [{"type": "text", "text": "warm"}], "is_error": False},
        {"type": "text", "text": "And?"},
    ]},
]  # fmt: skip


@pytest.mark.parametrize("model", ROUTES)
def test_a_conversation_passes_untouched(model: str) -> None:
    before = copy.deepcopy(CONVERSATION)
    body = build_payload(model, CONVERSATION, stream=False, tools=[TOOL])
    assert body["messages"] == before == CONVERSATION
    assert body["messages"] is not CONVERSATION
    assert_official(body)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        pytest.param({"temprature": 1}, "unknown options", id="typo"),
        pytest.param({"max_tokens": 0}, "max_tokens", id="no output"),
        pytest.param({"max_tokens": True}, "max_tokens", id="boolean"),
        pytest.param({"max_tokens": 1.5}, "max_tokens", id="fraction"),
        pytest.param({"temperature": 1.1}, "temperature", id="hot"),
        pytest.param({"temperature": -0.1}, "temperature", id="cold"),
        pytest.param({"temperature": float("nan")}, "temperature", id="nan"),
        pytest.param({"temperature": "1"}, "temperature", id="temperature as text"),
        pytest.param({"top_p": 2}, "top_p", id="top_p"),
        pytest.param({"top_k": -1}, "top_k", id="top_k"),
        pytest.param({"stop_sequences": "END"}, "stop_sequences", id="stop as text"),
        pytest.param({"stop_sequences": [""]}, "stop_sequences", id="empty stop"),
        pytest.param({"tools": {"name": "x"}}, "tools", id="tools as a mapping"),
        pytest.param({"tools": ["weather"]}, "tools", id="tools as names"),
        pytest.param({"tools": [{"name": "a b"}]}, "tool name", id="tool name with a blank"),
        pytest.param({"tools": [{"name": "x" * 129}]}, "tool name", id="long tool name"),
        pytest.param({"tools": [{"name": ""}]}, "tool name", id="no tool name"),
        pytest.param({"tools": [{"name": "a\n"}]}, "tool name", id="tool name with a newline"),
        pytest.param({"tool_choice": "auto"}, "tool_choice", id="choice as text"),
        pytest.param({"tool_choice": {"type": "any"}}, "needs tools", id="choice without tools"),
        pytest.param({"tools": [TOOL], "tool_choice": {"type": "tool", "name": "x"}}, "not among", id="choice of another"),
        pytest.param({"effort": "low", "output_config": {"effort": "high"}}, "disagree", id="two efforts"),
        pytest.param({"extra_body": {"stream": True}}, "extra_body", id="stream by the back door"),
        pytest.param({"extra_body": [1]}, "extra_body", id="extra_body as a list"),
        pytest.param({"system": [{"type": "text", "text": "a", "cache_control": {"type": "ephemeral"}}] * 5}, "at most 4", id="five breakpoints"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("model", ROUTES)
def test_bad_options(model: str, options: dict[str, Any], words: str) -> None:
    with pytest.raises(InvalidInputError, match=words):
        payload(model, **options)


@pytest.mark.parametrize(
    ("model", "options", "words"),
    [
        pytest.param(NATIVE, {"thinking": {"type": "enabled", "budget_tokens": 2048}}, "native route", id="budget, native"),
        pytest.param(NATIVE, {"thinking": {"type": "adaptive"}}, "native route", id="adaptive, native"),
        pytest.param(NATIVE, {"thinking": 1}, "native route", id="one is not true"),
        pytest.param(DIRECT, {"thinking": True}, "direct-forward route", id="switch, direct"),
        pytest.param(DIRECT, {"thinking": {}}, "direct-forward route", id="empty object"),
        pytest.param(DIRECT, {"thinking": {"type": "adaptive"}, "temperature": 0.5}, "temperature=0.5 .*thinking", id="temperature while thinking"),
        pytest.param(DIRECT, {"thinking": {"type": "enabled", "budget_tokens": 1024}, "top_k": 3}, "top_k=3 .*thinking", id="top_k while thinking"),
        pytest.param(DIRECT, {"thinking": {"type": "adaptive"}, "top_p": 0.9}, "top_p=0.9 .*thinking", id="top_p while thinking"),
        pytest.param("claude-opus-4-7/anthropic", {"temperature": 0.5}, "temperature", id="fixed sampling"),
        pytest.param("claude-opus-4-7/anthropic", {"thinking": {"type": "enabled", "budget_tokens": 2048}}, "thinking", id="budget where only adaptive"),
        pytest.param("claude-haiku-4-5/anthropic", {"thinking": {"type": "adaptive"}}, "thinking", id="adaptive where only budget"),
        pytest.param("claude-haiku-4-5/anthropic", {"temperature": 0.5, "top_p": 0.5}, "not both", id="both samplings"),
        pytest.param("claude-haiku-4-5/anthropic", {"effort": "low"}, "effort", id="no effort"),
        pytest.param("claude-sonnet-4-6/anthropic", {"effort": "xhigh"}, "effort", id="an effort of another model"),
        pytest.param("claude-haiku-4-5/anthropic", {"max_tokens": 64_001}, "max_tokens", id="too much output"),
    ],
)  # fmt: skip
def test_unsupported_options(model: str, options: dict[str, Any], words: str) -> None:
    with pytest.raises(UnsupportedOptionError, match=words):
        payload(model, **options)


@pytest.mark.parametrize("budget", [1023, 0, -1, True, 1024.0, None, 4096, 5000])
def test_bad_thinking_budgets(budget: Any) -> None:
    with pytest.raises(InvalidInputError, match="budget_tokens"):
        payload(DIRECT, max_tokens=4096, thinking={"type": "enabled", "budget_tokens": budget})


USER = {"role": "user", "content": "a"}


@pytest.mark.parametrize(
    ("messages", "words"),
    [
        pytest.param([], "must not be empty", id="none"),
        pytest.param("Hello", "must be a list", id="text"),
        pytest.param(USER, "must be a list", id="one message"),
        pytest.param(["Hello"], r"messages\[0\]", id="texts"),
        pytest.param([USER, {"role": "human", "content": "a"}], r"messages\[1\] has role 'human'", id="role"),
        pytest.param([{"content": "a"}], "role None", id="no role"),
        pytest.param([{"role": "user"}], "no content", id="no content"),
        pytest.param([{"role": "user", "content": ""}], "no content", id="empty"),
        pytest.param([{"role": "user", "content": []}], "no content", id="no blocks"),
        pytest.param([{"role": "user", "content": 5}], "no content", id="number"),
        pytest.param([{"role": "user", "content": ["a"]}], "not a content block", id="blocks as texts"),
        pytest.param([{"role": "user", "content": [{"text": "a"}]}], "not a content block", id="block without a type"),
        pytest.param([{"role": "user", "content": [{"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "A" * 8_000_000}}]}], "image of", id="large image"),
        pytest.param([{"role": "user", "content": [{"type": "image", "source": {"type": "base64", "media_type": "image/bmp", "data": "Qk0="}}]}], "image of type 'image/bmp'", id="kind of image"),
        pytest.param([{"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t", "content": [{"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "A" * 8_000_000}}]}]}], "image of", id="large image in a tool result"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("model", ROUTES)
def test_bad_messages(model: str, messages: Any, words: str) -> None:
    with pytest.raises(InvalidInputError, match=words):
        build_payload(model, messages, stream=False)


def test_prefill() -> None:
    messages: Any = [USER, {"role": "assistant", "content": "The"}]
    with pytest.raises(UnsupportedOptionError, match="assistant turn"):
        build_payload(DIRECT, messages, stream=False)
    for model in (NATIVE, "claude-haiku-4-5/anthropic", "claude-next/anthropic"):
        assert_official(build_payload(model, messages, stream=False))


@pytest.mark.parametrize("model", ["", "  ", None, 5])
def test_bad_models(model: Any) -> None:
    with pytest.raises(InvalidInputError, match="model"):
        build_payload(model, [USER], stream=False)


def test_breakpoints_are_counted_everywhere() -> None:
    mark = {"type": "ephemeral"}
    text = {"type": "text", "text": "a", "cache_control": mark}
    result = {"type": "tool_result", "tool_use_id": "t", "content": [text]}
    messages: Any = [{"role": "user", "content": [result, text]}]
    options: dict[str, Any] = {"tools": [{**TOOL, "cache_control": mark}], "cache_control": mark}
    assert build_payload(DIRECT, messages, stream=False, **options)
    with pytest.raises(InvalidInputError, match="5 cache_control"):
        build_payload(DIRECT, messages, stream=False, system=[text], **options)


ENABLED = {"type": "enabled", "budget_tokens": 2048}


@pytest.mark.parametrize(
    ("model", "thinking", "softened"),
    [
        (NATIVE, True, True),
        (DIRECT, ENABLED, True),
        (DIRECT, {"type": "adaptive"}, False),
        (DIRECT, None, False),
    ],
)
def test_a_forced_choice_beside_thinking(model: str, thinking: Any, softened: bool) -> None:
    """A budget excludes it, adaptive thinking takes it (wire: recorded 200s)."""
    choice: Any = {"type": "tool", "name": "weather", "disable_parallel_tool_use": True}
    options: Any = {"tools": [TOOL], "tool_choice": choice, "thinking": thinking}
    with pytest.warns(UserWarning, match="goes out as 'auto'") if softened else nullcontext():
        body = build_payload(model, QUESTION, stream=False, **options)
    expected = {"type": "auto", "disable_parallel_tool_use": True} if softened else choice
    assert body["tool_choice"] == expected


@pytest.mark.parametrize("budget", [None, CreditBudget(1_000)], ids=["no budget", "budget"])
def test_half_a_surrogate_pair_outside_the_messages_goes_out_mended(
    sandbox: Sandbox, caplog: pytest.LogCaptureFixture, budget: CreditBudget | None
) -> None:
    tool = {"name": "look", "description": "a\ud83d b", "input_schema": {"type": "object", "properties": {}}}
    body = build_payload(
        "claude-sonnet-4-6", [{"role": "user", "content": "hi"}], stream=False, tools=[tool], system="\udc00"
    )
    with MessagesClient(api_key=sandbox.api_key, base_url=sandbox.url, budget=budget) as client:
        client.create(body)
    sent = sandbox.requests[-1].body
    assert sent["tools"][0]["description"] == "a\ufffd b"
    assert sent["system"] == "\ufffd"
    assert "U+FFFD" in caplog.text


@pytest.mark.parametrize(
    ("extra", "match"),
    [
        pytest.param({"tools": [{"name": "no name!"}]}, "tool name", id="a tool"),
        pytest.param(
            {"system": [{"type": "text", "text": "a", "cache_control": {"type": "ephemeral"}}] * 5},
            "5 cache_control breakpoints",
            id="breakpoints",
        ),
    ],
)
def test_body_fields_that_replace_what_a_conversation_made_are_checked(
    extra: dict[str, Any], match: str
) -> None:
    turns = Turns(None, [{"role": "user", "content": "hi"}])
    with pytest.raises(InvalidInputError, match=match):
        prepare_request(turns, {"model": "claude-sonnet-4-6", "extra_body": extra}, stream=False)
