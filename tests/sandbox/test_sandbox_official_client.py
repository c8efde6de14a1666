"""The official client as an outside judge: whole, streamed, tools, thinking, errors, credits, oddities."""

from __future__ import annotations

from typing import Any

import anthropic
import pytest

from aivideoapi_core.sandbox import Fault, Reply, Sandbox

NATIVE, DIRECT = "claude-sonnet-4-6", "claude-sonnet-4-6/anthropic"
WEATHER: Any = {
    "name": "get_weather",
    "description": "Get the current weather in a place.",
    "input_schema": {
        "type": "object",
        "properties": {"location": {"type": "string"}, "days": {"type": "integer"}},
        "required": ["location"],
    },
}
RICH = Reply(
    content=[
        {"type": "thinking", "thinking": "Hm. Let me see.", "signature": "c2ln"},
        {"type": "redacted_thinking", "data": "ZGF0YQ=="},
        {
            "type": "text",
            "text": "Grüße, 你好, 🎬 and more words than one delta holds.",
            "citations": [
                {
                    "type": "char_location",
                    "cited_text": "x",
                    "document_index": 0,
                    "document_title": None,
                    "start_char_index": 0,
                    "end_char_index": 1,
                    "file_id": None,
                }
            ],
        },
        {"type": "server_tool_use", "id": "srvtoolu_1", "name": "web_search", "input": {"query": "ü"}},
        {
            "type": "web_search_tool_result",
            "tool_use_id": "srvtoolu_1",
            "content": [
                {
                    "type": "web_search_result",
                    "url": "https://example.com",
                    "title": "t",
                    "encrypted_content": "e",
                    "page_age": None,
                }
            ],
        },
        {"type": "tool_use", "id": "toolu_1", "name": "no_arguments", "input": {}},
        {
            "type": "tool_use",
            "id": "toolu_2",
            "name": "deep",
            "input": {"a": [1, 2.5, None, {"b": "\u201cé\u201d\n"}]},
        },
    ],
    stop_reason="tool_use",
    usage={"input_tokens": 11, "output_tokens": 222, "cache_read_input_tokens": 0},
    model="claude-sonnet-4-6-20260201",
)


def client_of(sandbox: Sandbox) -> anthropic.Anthropic:
    return anthropic.Anthropic(auth_token=sandbox.api_key, api_key=None, base_url=sandbox.url, max_retries=0)


def ask(
    sandbox: Sandbox, messages: Any = "Hello", *, model: str = DIRECT, stream: bool = False, **more: Any
) -> Any:
    """The final message, whole or accumulated by the client from the stream."""
    if isinstance(messages, str):
        messages = [{"role": "user", "content": messages}]
    request: Any = {"model": model, "max_tokens": 2_000, "messages": messages} | more
    with client_of(sandbox) as client:
        if not stream:
            return client.messages.create(**request, stream=False)
        with client.messages.stream(**request) as events:
            return events.get_final_message()


def plain(message: Any) -> dict[str, Any]:
    found: dict[str, Any] = message.model_dump(exclude_none=True, exclude_unset=True)
    found.pop("id")
    for block in found["content"]:
        block.pop("parsed_output", None)
    return found


@pytest.mark.parametrize("model", [NATIVE, DIRECT])
@pytest.mark.parametrize(
    "style",
    [
        pytest.param({}, id="default"),
        pytest.param({"pieces": 1}, id="one character per delta"),
        pytest.param({"newline": "\r\n"}, id="CRLF"),
        pytest.param({"newline": "\r"}, id="CR"),
        pytest.param({"comments": True}, id="comments"),
        pytest.param({"multiline": True}, id="several data lines"),
        pytest.param({"pings": 5}, id="pings"),
    ],
)
def test_a_stream_accumulates_to_the_whole_reply(sandbox: Sandbox, model: str, style: dict[str, Any]) -> None:
    rich = {name: getattr(RICH, name) for name in ("content", "stop_reason", "usage", "model")}
    sandbox.enqueue(Reply(**rich), Reply(**rich, credits_at="message_start", **style))
    whole, streamed = plain(ask(sandbox, model=model)), plain(ask(sandbox, model=model, stream=True))
    assert [block["type"] for block in whole["content"]] == [block["type"] for block in RICH.content or ()]
    assert streamed == whole
    assert whole["model"] == "claude-sonnet-4-6-20260201"


@pytest.mark.parametrize("model", [NATIVE, DIRECT])
def test_rule_made_replies_stream_as_they_are_whole(sandbox: Sandbox, model: str) -> None:
    for question in ("Hello", "What is the weather in Paris?"):
        whole = ask(sandbox, question, model=model, tools=[WEATHER])
        streamed = ask(sandbox, question, model=model, tools=[WEATHER], stream=True)
        for message in (whole, streamed):
            for block in message.content:
                if block.type == "tool_use":
                    block.id = "same"
        assert plain(streamed)["content"] == plain(whole)["content"]
        assert streamed.usage.output_tokens == whole.usage.output_tokens
        assert whole.id.startswith("msg_sandbox_")


def test_the_event_order_is_the_official_one(sandbox: Sandbox) -> None:
    with client_of(sandbox) as client, client.messages.stream(
        model=NATIVE, max_tokens=100, messages=[{"role": "user", "content": "Hello"}]
    ) as events:  # fmt: skip
        first = next(iter(events))
        assert first.type == "message_start"
        assert first.message.usage.output_tokens == 1
        assert events.response.headers["request-id"] == sandbox.ledger[0].request_id
        assert "Hello" in events.get_final_text()


@pytest.mark.parametrize("model", [NATIVE, DIRECT])
@pytest.mark.parametrize("stream", [False, True])
def test_a_tool_loop_ends_with_an_answer_from_the_result(sandbox: Sandbox, model: str, stream: bool) -> None:
    messages: list[Any] = [{"role": "user", "content": "What is the weather in San Francisco, CA?"}]
    first = ask(sandbox, messages, model=model, stream=stream, tools=[WEATHER])
    (use,) = [block for block in first.content if block.type == "tool_use"]
    assert (first.stop_reason, use.name, use.input) == (
        "tool_use",
        "get_weather",
        {"location": "San Francisco, CA"},
    )
    assert use.id.startswith("toolu_sandbox_")
    messages.append({"role": "assistant", "content": first.content})
    result = {"type": "tool_result", "tool_use_id": use.id, "content": "It's sunny, 21 degrees."}
    messages.append({"role": "user", "content": [result]})
    second = ask(sandbox, messages, model=model, stream=stream, tools=[WEATHER])
    assert second.stop_reason == "end_turn"
    assert "It's sunny, 21 degrees." in second.content[0].text


@pytest.mark.parametrize("display", [None, "omitted"])
@pytest.mark.parametrize("stream", [False, True])
def test_thinking_goes_round_with_its_signature(sandbox: Sandbox, stream: bool, display: str | None) -> None:
    thinking = {"type": "enabled", "budget_tokens": 1024, **({"display": display} if display else {})}
    more: Any = {"thinking": thinking, "tools": [WEATHER], "stream": stream}
    messages: list[Any] = [{"role": "user", "content": "What is the weather in Oslo?"}]
    first = ask(sandbox, messages, **more)
    thought, *_, use = first.content
    assert thought.type == "thinking"
    assert thought.signature
    assert bool(thought.thinking) == (display is None)
    assert first.usage.output_tokens_details.thinking_tokens > 0
    result = {"type": "tool_result", "tool_use_id": use.id, "content": "rain"}
    kept = [*messages, {"role": "assistant", "content": first.content}, {"role": "user", "content": [result]}]
    assert ask(sandbox, kept, **more).content[-1].text == "The answer is: rain"
    for broken in (
        first.content[1:],  # lost
        [thought.model_copy(update={"thinking": "changed"}), *first.content[1:]],
        [thought.model_copy(update={"signature": thought.signature[:-8] + "AAAAAAA="}), *first.content[1:]],
        [thought.model_copy(update={"signature": "short"}), *first.content[1:]],
    ):
        turns = [*messages, {"role": "assistant", "content": broken}, {"role": "user", "content": [result]}]
        with pytest.raises(anthropic.BadRequestError, match=r"messages\.1\.content\.0"):
            ask(sandbox, turns, **more)


def test_thinking_on_the_native_route_is_a_flag(sandbox: Sandbox) -> None:
    message = ask(sandbox, model=NATIVE, extra_body={"thinkingFlag": True})
    assert [block.type for block in message.content] == ["thinking", "text"]


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("invalid_request", anthropic.BadRequestError),
        ("invalid_api_key", anthropic.AuthenticationError),
        ("ip_not_allowed", anthropic.PermissionDeniedError),
        ("model_not_found", anthropic.NotFoundError),
        ("rate_limit_exceeded", anthropic.RateLimitError),
        ("spend_limit_exceeded", anthropic.RateLimitError),
        ("insufficient_credits", anthropic.APIStatusError),
        ("internal_error", anthropic.InternalServerError),
        ("upstream_error", anthropic.InternalServerError),
        ("overloaded_error", anthropic.InternalServerError),
        ("request_too_large", anthropic.APIStatusError),
    ],
)
@pytest.mark.parametrize("stream", [False, True])
def test_errors_become_the_clients_exceptions(sandbox: Sandbox, code: str, kind: type, stream: bool) -> None:
    sandbox.enqueue(Fault.error(code))
    with pytest.raises(kind) as caught:
        ask(sandbox, stream=stream)
    assert caught.value.request_id == sandbox.ledger[0].request_id


def test_an_error_event_inside_a_stream(sandbox: Sandbox) -> None:
    sandbox.enqueue(Fault.error_event("overloaded_error", 3))
    with pytest.raises(anthropic.APIStatusError, match="Overloaded"):
        ask(sandbox, stream=True)


@pytest.mark.parametrize("stream", [False, True])
def test_stop_sequences_and_max_tokens(sandbox: Sandbox, stream: bool) -> None:
    stopped = ask(sandbox, "Count from 1 to 50", stream=stream, stop_sequences=["zzz", ", 7"])
    assert stopped.content[0].text == "1, 2, 3, 4, 5, 6"
    assert (stopped.stop_reason, stopped.stop_sequence) == ("stop_sequence", ", 7")
    cut = ask(sandbox, "Count from 1 to 50", stream=stream, max_tokens=4)
    assert (cut.content[0].text, cut.stop_reason) == ("1, 2, 3, 4, 5,", "max_tokens")
    assert cut.usage.output_tokens == 4
    empty = ask(sandbox, "Count from 1 to 50", stream=stream, stop_sequences=["1"])
    assert (empty.content, empty.stop_reason) == ([], "stop_sequence")


def test_max_tokens_may_cut_inside_a_tools_json(sandbox: Sandbox) -> None:
    request: Any = {
        "model": DIRECT,
        "max_tokens": 8,
        "messages": [{"role": "user", "content": "Weather in Paris?"}],
    }
    with client_of(sandbox) as client, client.messages.stream(
        **request, tools=[WEATHER], tool_choice={"type": "any"}
    ) as events:  # fmt: skip
        text = "".join(event.partial_json for event in events if event.type == "input_json")
        final = events.get_final_message()
    assert text == '{"location": "Par'
    assert final.stop_reason == "max_tokens"
    whole = ask(sandbox, request["messages"], max_tokens=8, tools=[WEATHER], tool_choice={"type": "any"})
    assert (whole.content[0].input, whole.usage.output_tokens) == ({}, final.usage.output_tokens)


def test_unknown_events_and_deltas_do_not_stop_the_stream(sandbox: Sandbox) -> None:
    sandbox.enqueue(
        Reply(
            "fine", extra_events=[{"type": "future_event", "x": 1}], extra_deltas=[{"type": "future_delta"}]
        )
    )
    events = [line for line in _raw_stream(sandbox).splitlines() if line.startswith("event: ")]
    assert "event: future_event" in events


@pytest.mark.parametrize(
    ("place", "holder"),
    [
        ("message_start", '"stop_sequence":null,"usage":{"input_tokens":1,'),
        ("message_delta", '},"credits_consumed":0.12}'),
        ("usage", ',"credits_consumed":0.12}}'),
        ("message_stop", '{"type":"message_stop","credits_consumed":0.12}'),
        ("event", '{"type":"credits","credits_consumed":0.12}'),
        (None, '{"type":"message_stop"}'),
    ],
)
def test_where_a_stream_reports_credits(sandbox: Sandbox, place: Any, holder: str) -> None:
    sandbox.enqueue(Reply("x", credits="0.12", credits_at=place, usage={"input_tokens": 1}))
    text = _raw_stream(sandbox)
    assert holder in text
    assert text.count('"credits_consumed":0.12') == (0 if place is None else 1)


@pytest.mark.parametrize(
    ("place", "first", "last"),
    [
        ("both", '"usage":{"input_tokens":3,', '"usage":{"input_tokens":3,'),
        ("start", '"usage":{"input_tokens":3,', '"stop_sequence":null}'),
        ("delta", '"usage":{"input_tokens":0,"output_tokens":0}', '"usage":{"input_tokens":3,'),
        ("none", '"stop_sequence":null}', '"stop_sequence":null}'),
    ],
)
def test_where_a_stream_tells_its_usage(sandbox: Sandbox, place: Any, first: str, last: str) -> None:
    sandbox.enqueue(Reply("x", usage_at=place, credits_at=None, usage={"input_tokens": 3}))
    lines = [line for line in _raw_stream(sandbox).splitlines() if line.startswith("data: ")]
    assert first in lines[0]
    assert last in lines[-2]


@pytest.mark.parametrize(
    ("style", "opened", "deltas"),
    [
        ("deltas", '"input":{}', 2),
        ("start", '"input":{"a":1}', 0),
        ("none", '"name":"t"}', 2),
    ],
)
def test_how_a_stream_gives_tool_input(sandbox: Sandbox, style: Any, opened: str, deltas: int) -> None:
    sandbox.enqueue(Reply(tool_uses=[{"name": "t", "input": {"a": 1}}], tool_input_style=style))
    text = _raw_stream(sandbox)
    assert opened in text
    assert text.count("input_json_delta") == deltas


def test_a_stream_may_lack_event_names_and_begin_with_a_bom(sandbox: Sandbox) -> None:
    sandbox.enqueue(Reply("x", event_names=False, bom=True))
    text = _raw_stream(sandbox)
    assert text.startswith("\ufeffdata: ")
    assert "event:" not in text


def _raw_stream(sandbox: Sandbox) -> str:
    request: Any = {
        "model": NATIVE,
        "max_tokens": 9,
        "messages": [{"role": "user", "content": "Hi"}],
        "stream": True,
    }
    with (
        client_of(sandbox) as client,
        client.messages.with_streaming_response.create(**request) as response,
    ):
        return b"".join(response.iter_bytes()).decode()


async def test_the_async_client(sandbox: Sandbox) -> None:
    async with (
        anthropic.AsyncAnthropic(auth_token=sandbox.api_key, api_key=None, base_url=sandbox.url) as client,
        client.messages.stream(
            model=NATIVE, max_tokens=100, messages=[{"role": "user", "content": "Say pong"}]
        ) as events,
    ):
        assert await events.get_final_text() == "pong"
