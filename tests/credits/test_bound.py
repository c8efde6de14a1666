"""The bound that a budget reserves, against token counts that real tokenizers and servers gave."""

from __future__ import annotations

import base64
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from llama_index.core.utils import get_tokenizer

from aivideoapi_core import (
    MessagesClient,
    ModelPrices,
    build_payload,
    estimate_credits,
    known_models,
    max_input_tokens,
    prices_of,
    worst_case,
)
from aivideoapi_core.sandbox import Sandbox

DIRECT = "claude-opus-4-6/anthropic"
NATIVE = "claude-sonnet-4-6"
OPUS = ModelPrices(input=1471, cache_read=148, cache_write_5m=1839, cache_write_1h=2942, output=7353)

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
IMAGE = {"type": "image", "source": {"type": "url", "url": "https://example.com/ant.jpg"}}
PNG = base64.b64encode(bytes.fromhex("89504e470d0a1a0a") + bytes(3000)).decode()
PDF = {
    "type": "document",
    "source": {
        "type": "base64",
        "media_type": "application/pdf",
        "data": base64.b64encode(b"%PDF-1.4").decode(),
    },
}


def body(
    content: Any, *, model: str = DIRECT, max_tokens: int | None = 100, **options: Any
) -> dict[str, Any]:
    return build_payload(
        model, [{"role": "user", "content": content}], stream=False, max_tokens=max_tokens, **options
    )


@pytest.mark.parametrize(
    ("payload", "counted"),
    [
        # Counts that the official documentation prints ("Token counting") for these very requests.
        pytest.param(body("Hello, Claude", system="You are a scientist"), 14, id="basic"),
        pytest.param(body("What's the weather like in San Francisco?", tools=[WEATHER]), 403, id="tool"),
        pytest.param(body([IMAGE, {"type": "text", "text": "Describe this image"}]), 1551, id="image"),
        pytest.param(
            body([PDF, {"type": "text", "text": "Please summarize this document."}]), 2188, id="PDF"
        ),
    ],
)
def test_above_the_counts_of_the_documentation(payload: dict[str, Any], counted: int) -> None:
    bound = max_input_tokens(payload)
    assert bound is not None
    assert counted <= bound


@settings(max_examples=300, deadline=None)
@given(st.text(max_size=400))
def test_above_a_real_tokenizer_for_any_text(text: str) -> None:
    bound = max_input_tokens(body(f".{text}"))
    assert bound is not None
    assert len(get_tokenizer()(f".{text}")) <= bound


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("The quick brown fox jumps over the lazy dog. " * 50, id="English"),
        pytest.param("".join(chr(0x4E00 + 7 * n) for n in range(800)), id="Chinese"),
        pytest.param("👩‍👩‍👧‍👦🏴‍☠️" * 40, id="emoji"),
        pytest.param("a b\n" * 300, id="worst for words"),
        pytest.param("\u0c95\u0ccd\u0cb7" * 200, id="Kannada"),
        pytest.param("\ufdfa" * 100, id="grows eleven times under NFKC"),
    ],
)
def test_above_a_real_tokenizer_for_hard_text(text: str) -> None:
    import unicodedata

    bound = max_input_tokens(body(text))
    assert bound is not None
    tokenizer = get_tokenizer()
    assert len(tokenizer(text)) <= bound
    assert len(tokenizer(unicodedata.normalize("NFKC", text))) <= bound


def test_it_is_no_looser_than_said() -> None:
    """Three to five times the real count of plain English."""
    text = "It was the best of times, it was the worst of times, it was the age of wisdom. " * 100
    bound = max_input_tokens(body(text))
    assert bound is not None
    assert 3 <= bound / len(get_tokenizer()(text)) <= 5


REQUESTS = [
    pytest.param(body("Why is the sky blue?"), id="text"),
    pytest.param(body("Why?", model=NATIVE), id="native"),
    pytest.param(body("Wetter in Köln?", system="Be brief. " * 30, tools=[WEATHER]), id="system and tools"),
    pytest.param(body([IMAGE, {"type": "text", "text": "What is it?"}]), id="image by URL"),
    pytest.param(
        body(
            [
                {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PNG}},
                {"type": "text", "text": "What is it?"},
            ]
        ),
        id="image bytes",
    ),
    pytest.param(body([PDF, {"type": "text", "text": "Summarise."}]), id="PDF"),
    pytest.param(
        body(
            [{"type": "text", "text": "cache me " * 400, "cache_control": {"type": "ephemeral", "ttl": "1h"}}]
        ),
        id="cache write for an hour",
    ),
    pytest.param(
        body([{"type": "text", "text": "cache me " * 400, "cache_control": {"type": "ephemeral"}}]),
        id="cache write for five minutes",
    ),
]


@pytest.mark.parametrize("payload", REQUESTS)
def test_the_estimate_holds_against_the_sandbox(sandbox: Sandbox, payload: dict[str, Any]) -> None:
    estimate = estimate_credits(payload)
    with MessagesClient(api_key=sandbox.api_key, base_url=sandbox.url) as client:
        for _ in range(2):  # the second reads what the first has cached
            reply = client.create(payload)
            cost = reply.credits_computed
            assert cost is not None
            assert reply.tokens is not None
            assert estimate.low is not None
            assert estimate.high is not None
            assert estimate.low <= cost <= estimate.high
            assert reply.tokens.total_input <= (estimate.max_input_tokens or 0)
            assert reply.tokens.output <= (estimate.max_output_tokens or 0)


def test_the_estimate_is_offline_and_says_what_is_unknown() -> None:
    estimate = estimate_credits(body("Hi", model="claude-next-9"))
    assert (estimate.low, estimate.high) == (None, None)
    assert "unknown to unknown" in str(estimate)
    assert estimate.to_dict()["high_micro"] is None
    priced = estimate_credits(body("Hi", model="claude-next-9"), prices=ModelPrices(input=1, output=2))
    assert priced.high is not None


@pytest.mark.parametrize(
    ("mark", "price"),
    [(None, 1471), ({"type": "ephemeral"}, 1839), ({"type": "ephemeral", "ttl": "1h"}, 2942)],
    ids=["no cache", "5m", "1h"],
)
@pytest.mark.parametrize("place", ["request", "tool", "system", "message", "inside a tool result"])
def test_the_dearest_price_that_the_input_can_have(mark: Any, price: int, place: str) -> None:
    marked = {} if mark is None else {"cache_control": mark}
    text = {"type": "text", "text": "hello"}
    payload = build_payload(
        DIRECT,
        [
            {"role": "user", "content": [{**text, **(marked if place == "message" else {})}]},
            {
                "role": "assistant",
                "content": [{"type": "tool_use", "id": "t", "name": "get_weather", "input": {}}],
            },
            {
                "role": "user",
                "content": [
                    {
                        "type": "tool_result",
                        "tool_use_id": "t",
                        "content": [{**text, **(marked if place == "inside a tool result" else {})}],
                    }
                ],
            },
        ],
        stream=False,
        max_tokens=10,
        system=[{**text, **(marked if place == "system" else {})}],
        tools=[{**WEATHER, **(marked if place == "tool" else {})}],
        **({"cache_control": mark} if place == "request" and mark else {}),
    )
    worst = worst_case(payload, OPUS)
    assert worst.input is not None
    assert worst.micro == worst.input * price + 10 * 7353


@pytest.mark.parametrize(
    "options",
    [
        pytest.param({"tools": [{"type": "web_search_20260318", "name": "web_search"}]}, id="web search"),
        pytest.param({"mcp_servers": [{"type": "url", "url": "https://example.com", "name": "x"}]}, id="MCP"),
    ],
)
def test_tools_that_run_on_the_server_have_no_bound(options: Any) -> None:
    assert max_input_tokens(body("Hi", **options)) is None


def test_tools_that_the_caller_runs_have_one() -> None:
    assert max_input_tokens(body("Hi", tools=[{"type": "bash_20250124", "name": "bash"}])) is not None


def test_a_pdf_is_bounded_by_the_context_window() -> None:
    assert max_input_tokens(body([PDF])) == 1_000_000
    assert max_input_tokens(body([PDF], model="claude-next-9")) is None


@pytest.mark.parametrize("info", known_models(), ids=lambda info: info.id)
def test_without_max_tokens_the_most_that_the_family_gives(info: Any) -> None:
    prices = prices_of(info.id)
    payload = body("Hi", model=info.id, max_tokens=None)
    worst = worst_case(payload, prices)
    if "max_tokens" in payload:
        assert worst.output == payload["max_tokens"]
    else:
        assert worst.output == 128_000
