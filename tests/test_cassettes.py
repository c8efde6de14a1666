"""Every cassette is played, by the core and by both adapters, and holds nothing that it should not."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import yaml
from cassette_kit import ROOT, played
from cassette_scenarios import SCENARIOS, Scenario
from record_cassettes import play_steps
from vcr.errors import CannotOverwriteExistingCassetteException

from aivideoapi_core import (
    AIVideoAPIError,
    AsyncMessagesClient,
    Balance,
    InsufficientCreditsError,
    MessagesClient,
    RateLimitError,
    Reply,
    RetryPolicy,
    build_payload,
)
from langchain_aivideoapi import ChatAIVideoAPI
from llamaindex_aivideoapi import AIVideoAPI

KEY = "sk-test"
ONCE = RetryPolicy(max_retries=0)
ALL_FILES = sorted(ROOT.rglob("*.yaml"))
RECORDED = [
    pytest.param(scenario, path, id=f"{path.parent.name}-{scenario.name}")
    for scenario in SCENARIOS
    for path in (ROOT / "sandbox" / f"{scenario.name}.yaml", ROOT / "live" / f"{scenario.name}.yaml")
    if path.parent.name == "sandbox" or path.exists()
]
PLAIN = [case for case in RECORDED if case.values[0].prompt]


def _holds(scenario: Scenario, play: Callable[[], list[Reply]]) -> list[Reply]:
    """Play a scenario and check what must hold of it: the typed error, or the replies."""
    if scenario.error is None:
        replies = play()
        if scenario.check is not None:
            scenario.check(replies)
        return replies
    with pytest.raises(scenario.error) as caught:
        play()
    _holds_for_error(caught.value)
    return []


def _holds_for_error(error: AIVideoAPIError) -> None:
    assert error.status_code in (401, 402, 429)
    assert error.request_id
    assert error.retryable is isinstance(error, RateLimitError)
    if isinstance(error, RateLimitError):
        assert error.retry_after_s is not None


@pytest.fixture
def client() -> Iterator[MessagesClient]:
    with MessagesClient(api_key=KEY, retry=ONCE) as client:
        yield client


@pytest.mark.parametrize(("scenario", "path"), RECORDED)
def test_core(scenario: Scenario, path: Path, client: MessagesClient) -> None:
    with played(path):
        _holds(scenario, lambda: play_steps(client, scenario))


@pytest.mark.parametrize(("scenario", "path"), RECORDED)
async def test_core_async_says_the_same(scenario: Scenario, path: Path, client: MessagesClient) -> None:
    async with AsyncMessagesClient(api_key=KEY, retry=ONCE) as twin:
        with played(path):
            if scenario.error is not None:
                with pytest.raises(scenario.error):
                    await _play_steps_async(twin, scenario)
                return
            replies = await _play_steps_async(twin, scenario)
    with played(path):
        assert replies == play_steps(client, scenario)


async def _play_steps_async(client: AsyncMessagesClient, scenario: Scenario) -> list[Reply]:
    replies: list[Reply] = []
    for step in scenario.steps:
        payload = step(replies)
        if payload["stream"]:
            async with client.stream(payload) as events:
                async for _ in events:
                    pass
            replies.append(events.reply)
        else:
            replies.append(await client.create(payload))
    return replies


def _langchain(scenario: Scenario) -> ChatAIVideoAPI:
    return ChatAIVideoAPI(model=scenario.model, api_key=KEY, max_retries=0, **(scenario.options or {}))


@pytest.mark.parametrize(("scenario", "path"), PLAIN)
async def test_langchain_sends_the_same_and_reads_the_same(
    scenario: Scenario, path: Path, client: MessagesClient
) -> None:
    assert scenario.prompt is not None
    prompt = scenario.prompt
    model = _langchain(scenario)
    streams = "streamed" in scenario.name

    def ask() -> Any:
        return _summed(list(model.stream(prompt))) if streams else model.invoke(prompt)

    async def aask() -> Any:
        return (
            _summed([part async for part in model.astream(prompt)])
            if streams
            else await model.ainvoke(prompt)
        )

    if scenario.error is not None:
        with played(path), pytest.raises(scenario.error) as caught:
            ask()
        _holds_for_error(caught.value)
        with played(path), pytest.raises(scenario.error):
            await aask()
        return
    with played(path):
        (reply,) = play_steps(client, scenario)
    with played(path):
        message = ask()
    with played(path):
        twin = await aask()
    assert message.text == twin.text == _text_of(reply)
    for answer in (message, twin):
        assert answer.usage_metadata["output_tokens"] == reply.tokens.output
        assert answer.usage_metadata["credits_consumed_micro"] == reply.credits_computed.micro
        assert answer.response_metadata.get("credits_consumed") == reply.message.get("credits_consumed")


@pytest.mark.parametrize(("scenario", "path"), PLAIN)
async def test_llamaindex_sends_the_same_and_reads_the_same(
    scenario: Scenario, path: Path, client: MessagesClient
) -> None:
    from llama_index.core.llms import ChatMessage

    assert scenario.prompt is not None
    turns = [ChatMessage(role="user", content=scenario.prompt)]
    llm = AIVideoAPI(model=scenario.model, api_key=KEY, max_retries=0, **(scenario.options or {}))
    streams = "streamed" in scenario.name

    def ask() -> Any:
        return list(llm.stream_chat(turns))[-1] if streams else llm.chat(turns)

    async def aask() -> Any:
        return (
            [part async for part in await llm.astream_chat(turns)][-1] if streams else await llm.achat(turns)
        )

    if scenario.error is not None:
        with played(path), pytest.raises(scenario.error) as caught:
            ask()
        _holds_for_error(caught.value)
        with played(path), pytest.raises(scenario.error):
            await aask()
        return
    with played(path):
        (reply,) = play_steps(client, scenario)
    with played(path):
        response = ask()
    with played(path):
        twin = await aask()
    for answer in (response, twin):
        assert answer.message.content == _text_of(reply)
        assert answer.raw["usage"]["output_tokens"] == reply.tokens.output
        assert answer.raw["usage"]["credits_consumed_micro"] == reply.credits_computed.micro
        assert answer.raw["usage"].get("credits_consumed") == reply.message.get("credits_consumed")


def _summed(chunks: list[Any]) -> Any:
    total = chunks[0]
    for chunk in chunks[1:]:
        total += chunk
    return total


def _text_of(reply: Reply) -> str:
    return "".join(block.get("text", "") for block in reply.message["content"])


@pytest.mark.parametrize(
    ("name", "model", "micro", "reported"),
    [
        ("example-sonnet", "claude-sonnet-4-6", 68_400, "0.06"),
        ("example-opus", "claude-opus-4-6", 1_662_500, "1.66"),
    ],
)
def test_published_examples(name: str, model: str, micro: int, reported: str, client: MessagesClient) -> None:
    payload = build_payload(model, [{"role": "user", "content": "Hello"}], stream=False)
    with played(ROOT / "docs" / f"{name}.yaml"):
        reply = client.create(payload)
    assert reply.credits_computed is not None
    assert reply.credits_computed.micro == micro
    assert reply.credits_reported == Decimal(reported)


def test_published_balance(client: MessagesClient) -> None:
    with played(ROOT / "docs" / "balance.yaml"):
        assert client.credits() == Balance(balance=9800, total_purchased=10000, total_consumed=200)


def test_published_error_body(client: MessagesClient) -> None:
    payload = build_payload("claude-sonnet-4-6", [{"role": "user", "content": "Hello"}], stream=False)
    with (
        played(ROOT / "docs" / "insufficient-credits.yaml"),
        pytest.raises(InsufficientCreditsError) as caught,
    ):
        client.create(payload)
    assert caught.value.code == "insufficient_credits"
    assert caught.value.type == "billing_error"


def test_every_cassette_is_played() -> None:
    scenarios = {scenario.name for scenario in SCENARIOS}
    found = {
        folder: {path.stem for path in (ROOT / folder).glob("*.yaml")}
        for folder in ("sandbox", "docs", "live")
    }
    assert found["sandbox"] == scenarios
    assert found["live"] <= scenarios
    assert found["docs"] == {"balance", "example-sonnet", "example-opus", "insufficient-credits"}
    assert len(ALL_FILES) == sum(map(len, found.values())), "a cassette outside the three folders"


def test_an_unknown_request_fails(client: MessagesClient) -> None:
    payload = build_payload("claude-sonnet-4-6", [{"role": "user", "content": "Not recorded"}], stream=False)
    path = ROOT / "docs" / "example-sonnet.yaml"
    with pytest.raises(AssertionError, match="1 recorded, 0 played"), played(path):  # noqa: SIM117 - two failures
        with pytest.raises(CannotOverwriteExistingCassetteException):
            client.create(payload)


@pytest.mark.parametrize("path", ALL_FILES, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_nothing_private_and_nothing_odd(path: Path) -> None:
    text = path.read_bytes().decode("utf-8")
    assert not re.search(r"sk-|bearer|authorization|x-api-key|cookie", text, re.IGNORECASE)
    assert not re.search(r"localhost|127\.0\.0\.1:\d", text)
    for interaction in yaml.safe_load(text)["interactions"]:
        request, response = interaction["request"], interaction["response"]
        assert set(request["headers"]) <= {"content-type"}
        assert set(response["headers"]) <= {"content-type", "retry-after", "request-id", "x-request-id"}
        body = response["body"]["string"]
        if "event-stream" in response["headers"]["content-type"][0]:
            assert body.startswith("event: message_start\n")
            assert "      string: |" in text, "a stream must be a literal block"
            assert json.dumps(body)[1:-1] not in text
