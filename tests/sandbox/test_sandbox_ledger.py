"""Money: exact charges, cut reports, balance, and the two price tables side by side."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from typing import Any

import httpx
import pytest

import aivideoapi_core
from aivideoapi_core.sandbox import Fault, Reply, Sandbox, SandboxPrices
from aivideoapi_core.sandbox._platform.catalog import MODELS, charge_micro, cost_micro
from aivideoapi_core.sandbox._server.books import as_json_number, reported_credits

NATIVE, DIRECT = "claude-sonnet-4-6", "claude-sonnet-4-6/anthropic"


def call(sandbox: Sandbox, model: str = NATIVE, *, stream: bool = False, **more: Any) -> httpx.Response:
    body = {"model": model, "stream": stream, "messages": [{"role": "user", "content": "Hello"}], **more}
    headers = {"authorization": f"Bearer {sandbox.api_key}"}
    return httpx.post(f"{sandbox.url}/v1/messages", json=body, headers=headers)


@pytest.mark.parametrize(
    ("model", "input_tokens", "output_tokens", "micro", "reported"),
    [
        pytest.param("claude-sonnet-4-6", 18, 42, 68_400, "0.06", id="docs example sonnet"),
        pytest.param("claude-opus-4-6", 20, 661, 1_662_500, "1.66", id="docs example opus"),
        pytest.param("claude-sonnet-4-6", 0, 2_000, 3_000_000, "3", id="whole credits"),
        pytest.param("claude-sonnet-4-6", 1, 0, 300, "0", id="less than a cent"),
    ],
)
@pytest.mark.parametrize("stream", [False, True])
def test_native_calls_are_charged_exactly_and_reported_cut(
    sandbox: Sandbox,
    model: str,
    input_tokens: int,
    output_tokens: int,
    micro: int,
    reported: str,
    stream: bool,
) -> None:
    sandbox.enqueue(Reply("x", usage={"input_tokens": input_tokens, "output_tokens": output_tokens}))
    response = call(sandbox, model, stream=stream)
    (entry,) = sandbox.ledger
    assert entry.credits_micro == micro
    assert entry.credits_reported == Decimal(reported)
    assert f'"credits_consumed":{reported}' in response.text
    assert (entry.charged, entry.outcome, entry.route, entry.stream) == (True, "ok", "native", stream)
    assert sandbox.charged_micro == micro
    assert sandbox.balance_micro == 10_000_000_000 - micro


def test_the_direct_route_reports_no_credits(sandbox: Sandbox) -> None:
    response = call(sandbox, DIRECT)
    (entry,) = sandbox.ledger
    assert "credits_consumed" not in response.text
    assert entry.credits_reported is None
    usage = response.json()["usage"]
    assert entry.credits_micro == 883 * usage["input_tokens"] + 4412 * usage["output_tokens"]


@pytest.mark.parametrize(
    ("usage", "micro"),
    [
        pytest.param({"input_tokens": 2, "output_tokens": 3}, 2 * 883 + 3 * 4412, id="plain"),
        pytest.param({"cache_read_input_tokens": 10}, 890, id="read"),
        pytest.param({"cache_creation_input_tokens": 10}, 11_030, id="writes without split are 5m"),
        pytest.param(
            {
                "cache_creation_input_tokens": 10,
                "cache_creation": {"ephemeral_5m_input_tokens": 4, "ephemeral_1h_input_tokens": 6},
            },
            4 * 1103 + 6 * 1765,
            id="split writes",
        ),
        pytest.param({"input_tokens": -5, "output_tokens": None}, 0, id="absurd counts charge nothing"),
    ],
)
def test_cost_micro(usage: dict[str, Any], micro: int) -> None:
    assert cost_micro(usage, MODELS[DIRECT].prices) == micro


@pytest.mark.parametrize(
    ("entry", "beside"),
    [
        pytest.param({"type": "message", "input_tokens": 220, "output_tokens": 8}, 0, id="on top"),
        pytest.param({"type": "compaction", "input_tokens": 55_196, "output_tokens": 125},
                     55_196 * 883 + 125 * 4412, id="a compaction"),
        pytest.param({"type": "advisor_message", "model": "claude-opus-4-6", "input_tokens": 10}, 14_710, id="an advisor"),
        pytest.param({"type": "advisor_message", "model": "unknown", "input_tokens": 10}, None, id="no price"),
    ],
)  # fmt: skip
def test_iterations_are_charged_beside_the_counts(entry: dict[str, Any], beside: int | None) -> None:
    usage = {"input_tokens": 220, "output_tokens": 8, "iterations": [entry]}
    charged = charge_micro(usage, DIRECT, MODELS[DIRECT].prices)
    assert charged == (None if beside is None else 220 * 883 + 8 * 4412 + beside)


def test_an_unpublished_price_is_unknown_not_zero() -> None:
    assert cost_micro({"input_tokens": 1}, None) is None
    assert cost_micro({"cache_read_input_tokens": 1}, MODELS[NATIVE].prices) is None
    assert cost_micro({}, MODELS[NATIVE].prices) == 0


@pytest.mark.parametrize(
    ("micro", "text"),
    [(68_400, "0.06"), (1_669_999, "1.66"), (2_000_000, "2"), (100_000, "0.1"), (9_999, "0")],
)
def test_reports_are_cut_to_two_decimals(micro: int, text: str) -> None:
    assert str(as_json_number(reported_credits(micro))) == text


def test_the_two_price_tables_agree() -> None:
    """The sandbox's table was transcribed on its own; a slip in either shows here."""
    names = ("input", "output", "cache_read", "cache_write_5m", "cache_write_1h")
    listed = {info.id: info.prices for info in aivideoapi_core.known_models()}
    assert listed.keys() == MODELS.keys()
    for model, rules in MODELS.items():
        theirs = listed[model]
        assert theirs is not None
        assert [getattr(theirs, name) for name in names] == [getattr(rules.prices, name) for name in names], (
            model
        )


def test_balance_goes_down_and_ends_in_402() -> None:
    with Sandbox(balance_credits=1) as sandbox:
        sandbox.enqueue(Reply("x", usage={"input_tokens": 1, "output_tokens": 700}))
        assert call(sandbox).status_code == 200
        refused = call(sandbox)
        balance = httpx.get(f"{sandbox.url}/v1/credits", headers={"authorization": "Bearer sk-test"}).json()
        assert sandbox.balance_micro == 1_000_000 - 300 - 700 * 1500
    assert refused.status_code == 402
    assert refused.json()["error"]["code"] == "insufficient_credits"
    assert refused.json()["error"]["type"] == "billing_error"
    assert balance == {
        "code": 200,
        "msg": "success",
        "data": {"balance": 0, "total_purchased": 1, "total_consumed": 1},
    }


def test_a_spend_limit_per_key_stops_that_key_alone() -> None:
    with Sandbox(keys={"sk-limited": 1, "sk-free": "ok"}) as sandbox:
        sandbox.enqueue(Reply("x", usage={"output_tokens": 1_000}))
        assert call(sandbox).status_code == 200
        refused = call(sandbox)
        assert (refused.status_code, refused.json()["error"]["code"]) == (429, "spend_limit_exceeded")
        sandbox.api_key = "sk-free"
        assert call(sandbox).status_code == 200


def test_failed_work_is_not_charged(sandbox: Sandbox) -> None:
    sandbox.enqueue(Fault.error("upstream_error"), Fault.error_event("overloaded_error", 4))
    call(sandbox)
    call(sandbox, stream=True)
    assert [(entry.charged, entry.credits_micro) for entry in sandbox.ledger] == [(False, 0), (False, 0)]
    assert sandbox.charged_micro == 0


def test_concurrent_charges_add_up(sandbox: Sandbox) -> None:
    with ThreadPoolExecutor(16) as pool:
        list(pool.map(lambda n: call(sandbox, NATIVE if n % 2 else DIRECT, stream=n % 3 == 0), range(60)))
    entries = sandbox.ledger
    assert len(entries) == 60
    assert len({entry.request_id for entry in entries}) == len({entry.message_id for entry in entries}) == 60
    total = sum(entry.credits_micro or 0 for entry in entries)
    assert sandbox.charged_micro == total == 10_000_000_000 - sandbox.balance_micro


def test_extra_models_with_and_without_prices() -> None:
    extra = {"claude-next/anthropic": None, "claude-next": SandboxPrices(input=1, output=2)}
    with Sandbox(extra_models=extra) as sandbox:
        assert call(sandbox, "claude-next/anthropic").status_code == 200
        assert call(sandbox, "claude-next").status_code == 200
        unknown = call(sandbox, "claude-other")
        entries = sandbox.ledger
    assert entries[0].credits_micro is None
    assert entries[0].charged
    assert entries[1].credits_micro is not None
    assert (unknown.status_code, unknown.json()["error"]["code"]) == (404, "model_not_found")


def test_reset_starts_afresh(sandbox: Sandbox) -> None:
    sandbox.enqueue(Reply("kept?"), Reply("never sent"))
    first = call(sandbox).json()["id"]
    sandbox.reset()
    assert (sandbox.ledger, sandbox.requests, sandbox.charged_micro) == ([], [], 0)
    again = call(sandbox).json()
    assert again["content"][0]["text"] != "never sent"
    assert again["id"] != first
