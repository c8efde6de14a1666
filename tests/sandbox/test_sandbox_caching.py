"""Prompt caching: writes, reads, lifetimes, and who shares a prefix."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from aivideoapi_core.sandbox import Fault, Sandbox

DIRECT = "claude-sonnet-4-5/anthropic"
LONG = "A long document about credits. " * 50
MARK = {"type": "ephemeral"}


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def usage_of(sandbox: Sandbox, *, key: str = "sk-test", **body: Any) -> dict[str, Any]:
    request = {
        "model": DIRECT,
        "stream": False,
        "system": [{"type": "text", "text": LONG, "cache_control": MARK}],
        "messages": [{"role": "user", "content": "Hello"}],
        **body,
    }
    response = httpx.post(
        f"{sandbox.url}/v1/messages", json=request, headers={"authorization": f"Bearer {key}"}
    )
    assert response.status_code == 200, response.text
    found: dict[str, Any] = response.json()["usage"]
    return found


def counts(usage: dict[str, Any]) -> tuple[int, int, int]:
    return usage["input_tokens"], usage["cache_creation_input_tokens"], usage["cache_read_input_tokens"]


def test_the_first_call_writes_and_the_next_reads(sandbox: Sandbox) -> None:
    rest, written, read = counts(first := usage_of(sandbox))
    assert written > 400
    assert read == 0
    assert first["cache_creation"] == {"ephemeral_5m_input_tokens": written, "ephemeral_1h_input_tokens": 0}
    assert counts(usage_of(sandbox)) == (rest, 0, written)
    other = usage_of(sandbox, messages=[{"role": "user", "content": "Hello, and something else"}])
    assert counts(other)[1:] == (0, written)
    first_charge, second_charge, _ = (entry.credits_micro or 0 for entry in sandbox.ledger)
    assert first_charge - second_charge == written * (1103 - 89)


def test_a_growing_conversation_writes_only_what_is_new(sandbox: Sandbox) -> None:
    turns: list[Any] = [
        {"role": "user", "content": [{"type": "text", "text": "One " * 40, "cache_control": MARK}]}
    ]
    _, written, _ = counts(usage_of(sandbox, messages=turns))
    turns = [
        {"role": "user", "content": [{"type": "text", "text": "One " * 40}]},
        {"role": "assistant", "content": "Two " * 40},
        {"role": "user", "content": [{"type": "text", "text": "Three " * 40, "cache_control": MARK}]},
    ]
    _, more, read = counts(usage_of(sandbox, messages=turns))
    assert read == written
    assert 0 < more < written


def test_a_string_and_its_block_are_the_same_prefix(sandbox: Sandbox) -> None:
    as_block = [{"role": "user", "content": [{"type": "text", "text": "Hello"}]}]
    usage_of(sandbox)
    assert counts(usage_of(sandbox, messages=as_block))[1] == 0


def test_lifetimes() -> None:
    clock = Clock()
    hour = {"type": "text", "text": LONG, "cache_control": {"type": "ephemeral", "ttl": "1h"}}
    short = {"type": "text", "text": "B " * 70, "cache_control": MARK}
    with Sandbox(clock=clock) as sandbox:
        split = usage_of(sandbox, system=[hour, short])["cache_creation"]
        assert split["ephemeral_1h_input_tokens"] > split["ephemeral_5m_input_tokens"] > 0
        both = sum(split.values())
        clock.now = 290
        assert counts(usage_of(sandbox, system=[hour, short]))[1:] == (0, both)
        clock.now = 580  # the hit renewed the five minutes
        assert counts(usage_of(sandbox, system=[hour, short]))[1:] == (0, both)
        clock.now = 900
        assert counts(usage_of(sandbox, system=[hour, short]))[1:] == (
            split["ephemeral_5m_input_tokens"],
            split["ephemeral_1h_input_tokens"],
        )
        clock.now = 10_000
        assert counts(usage_of(sandbox, system=[hour, short]))[1:] == (both, 0)


def test_keys_models_and_failed_calls_do_not_share(sandbox: Sandbox) -> None:
    sandbox.enqueue(Fault.cut(0))
    with pytest.raises(httpx.RemoteProtocolError):
        usage_of(sandbox)
    _, written, read = counts(usage_of(sandbox))
    assert read == 0
    assert counts(usage_of(sandbox, key="sk-other"))[2] == 0
    assert counts(usage_of(sandbox, model="claude-haiku-4-5/anthropic"))[2] == 0
    assert counts(usage_of(sandbox))[2] == written


@pytest.mark.parametrize(
    "body",
    [
        pytest.param({"model": "claude-sonnet-4-6"}, id="native: no caching prices, all is plain input"),
        pytest.param({"system": LONG}, id="no breakpoint"),
    ],
)
def test_not_cached(sandbox: Sandbox, body: dict[str, Any]) -> None:
    for _ in range(2):
        total, written, read = counts(usage_of(sandbox, **body))
        assert total > 400
        assert (written, read) == (0, 0)


def test_a_top_level_mark_caches_up_to_the_last_block(sandbox: Sandbox) -> None:
    body = {"system": LONG, "cache_control": MARK}
    rest, written, _ = counts(usage_of(sandbox, **body))
    assert rest == 0
    assert counts(usage_of(sandbox, **body)) == (0, 0, written)


def test_short_prefixes_can_be_left_out() -> None:
    with Sandbox(cache_min_tokens=10_000) as sandbox:
        assert counts(usage_of(sandbox))[1:] == (0, 0)
