"""The doctor finds what is wrong, says what to do, and never shows the key."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest

from aivideoapi_cli._checks import Verdict, check_clock, satisfies
from aivideoapi_core.sandbox import Sandbox

NOW = datetime(2026, 11, 1, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("version", "wanted", "expected"),
    [
        ("1.7.2", "<2,>=1.7", True),
        ("1.6.9", "<2,>=1.7", False),
        ("2.0", "<2,>=1.7", False),
        ("1.10", ">=1.7", True),
        ("0.14.25", "<0.15,>=0.14", True),
        ("9", "", True),
    ],
)
def test_satisfies(version: str, wanted: str, expected: bool) -> None:
    assert satisfies(version, wanted) is expected


@pytest.mark.parametrize(
    ("drift_s", "verdict", "said"),
    [(0, Verdict.GOOD, "agrees"), (-90, Verdict.GOOD, "agrees"), (600, Verdict.WRONG, "600 s ahead of"),
     (-600, Verdict.WRONG, "600 s behind")],
)  # fmt: skip
def test_check_clock(drift_s: int, verdict: Verdict, said: str) -> None:
    finding = check_clock(format_datetime(NOW - timedelta(seconds=drift_s)), now=NOW)
    assert finding.verdict is verdict
    assert said in finding.found


def test_check_clock_without_a_date() -> None:
    assert check_clock("soon", now=NOW).verdict is Verdict.NOTE


def test_all_is_well(cli: Callable[..., object], monkeypatch: pytest.MonkeyPatch, sandbox: Sandbox) -> None:
    monkeypatch.setenv("AIVIDEOAPI_API_KEY", sandbox.api_key)
    monkeypatch.setenv("AIVIDEOAPI_BASE_URL", sandbox.url)
    done = cli("doctor")
    assert (done.code, done.err) == (0, "")
    assert "nothing to put right" in done.out
    assert sandbox.api_key not in done.out
    found = {item["what"]: item for item in json.loads(cli("doctor", "--json").out)}
    assert found["account"]["found"] == "the key is good; 10,000 credits left"
    assert found["clock"]["verdict"] == "ok"
    assert found["langchain-core"]["verdict"] == "ok"
    assert "aivideoapi-adapters" in found
    assert "pytest" not in found
    assert "pytest" in {item["what"] for item in json.loads(cli("doctor", "--all", "--json").out)}
    assert [*found][:4] == ["API key", "account", "clock", "base URL"]
    assert [*found].index("HTTP engine") < [*found].index("Python")


@pytest.mark.parametrize(
    ("key", "what", "said"),
    [
        (None, "API key", "no API key"),
        ("nonsense", "API key", "does not start with sk-"),
        ("sk-sandbox-disabled", "account", "401 invalid_api_key"),
    ],
)
def test_a_bad_key(
    cli: Callable[..., object],
    monkeypatch: pytest.MonkeyPatch,
    sandbox: Sandbox,
    key: str | None,
    what: str,
    said: str,
) -> None:
    if key is not None:
        monkeypatch.setenv("AIVIDEOAPI_API_KEY", key)
    monkeypatch.setenv("AIVIDEOAPI_BASE_URL", sandbox.url)
    done = cli("doctor", "--json")
    assert done.code == 1
    (finding,) = (item for item in json.loads(done.out) if item["what"] == what)
    assert finding["verdict"] == "wrong"
    assert said in finding["found"]
    assert key is None or key not in done.out


def test_no_credits(cli: Callable[..., object], monkeypatch: pytest.MonkeyPatch) -> None:
    with Sandbox(balance_credits=0) as sandbox:
        monkeypatch.setenv("AIVIDEOAPI_API_KEY", sandbox.api_key)
        monkeypatch.setenv("AIVIDEOAPI_BASE_URL", sandbox.url)
        done = cli("doctor")
    assert done.code == 1
    assert "there are no credits" in done.out
    assert "top up" in done.out


@pytest.mark.parametrize(
    ("key", "said"),
    [("nonsense", "must start with 'sk-'"), ("sk-ant-api03-canary", "is one of Anthropic's")],
    ids=["nonsense", "anthropic"],
)
def test_a_key_that_cannot_be_the_platforms_is_not_sent(
    cli: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, key: str, said: str
) -> None:
    """All the rest is looked at all the same."""
    monkeypatch.setenv("AIVIDEOAPI_API_KEY", key)
    monkeypatch.delenv("AIVIDEOAPI_BASE_URL", raising=False)
    done = cli("doctor", "--json")
    found = {item["what"]: item for item in json.loads(done.out)}
    assert done.code == 1
    assert [*found][:3] == ["API key", "connection", "base URL"]
    assert found["API key"]["verdict"] == "wrong"
    assert said in found["API key"]["found"]
    assert found["connection"]["found"] == "not tried"
    assert "Python" in found
    assert "canary" not in done.out
