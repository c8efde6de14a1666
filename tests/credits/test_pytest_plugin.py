"""The pytest plugin: a test costs at most so many credits, whatever it calls and from where."""

from __future__ import annotations

import pytest

# pytester forgets what a run inside has loaded, and neither numpy nor a model's class can be loaded twice.
import langchain_aivideoapi  # noqa: F401
import llamaindex_aivideoapi  # noqa: F401

pytest_plugins = ["pytester"]

HEAD = """
import asyncio
import pytest
from aivideoapi_core import BudgetExceededError, use_budget
from aivideoapi_core.sandbox import Sandbox
from langchain_aivideoapi import ChatAIVideoAPI
from llamaindex_aivideoapi import AIVideoAPI

DIRECT = "claude-haiku-4-5/anthropic"

@pytest.fixture(autouse=True)
def sandbox(monkeypatch):
    with Sandbox() as sandbox:
        monkeypatch.setenv("AIVIDEOAPI_API_KEY", sandbox.api_key)
        monkeypatch.setenv("AIVIDEOAPI_BASE_URL", sandbox.url)
        yield sandbox
"""
CONFTEST = """
import aivideoapi_core.pytest_plugin as plugin

def pytest_configure(config):  # an installed copy has it by its entry point
    if not config.pluginmanager.is_registered(plugin):
        config.pluginmanager.register(plugin)
"""


def run(pytester: pytest.Pytester, body: str, *options: str) -> pytest.RunResult:
    pytester.makeconftest(CONFTEST)
    pytester.makepyfile(HEAD + body)
    return pytester.runpytest_inprocess(
        "-p",
        "no:cacheprovider",
        "-o",
        "asyncio_default_fixture_loop_scope=function",
        "--strict-markers",
        *options,
    )


def test_a_marked_test_cannot_cost_more(pytester: pytest.Pytester) -> None:
    result = run(
        pytester,
        """
@pytest.mark.max_credits(0.5)
def test_fits(sandbox):
    ChatAIVideoAPI(model=DIRECT, max_tokens=100).invoke("Hi")
    asyncio.run(AIVideoAPI(model=DIRECT, max_tokens=100).acomplete("Hi"))

@pytest.mark.max_credits(0.1)
@pytest.mark.parametrize("make", [ChatAIVideoAPI, AIVideoAPI])
def test_does_not(sandbox, make):
    model = make(model=DIRECT, max_tokens=100)
    with pytest.raises(BudgetExceededError, match="test_does_not"):
        (model.invoke if make is ChatAIVideoAPI else model.complete)("Hi")
    assert not sandbox.requests

@pytest.mark.max_credits("0.1")
def test_fails():
    ChatAIVideoAPI(model=DIRECT, max_tokens=100).invoke("Hi")

def test_has_no_limit():
    ChatAIVideoAPI(model=DIRECT, max_tokens=10000).invoke("Hi")

@pytest.fixture
def summary(sandbox):
    return AIVideoAPI(model=DIRECT, max_tokens=100).complete("Hi")

@pytest.mark.max_credits(0.1)
def test_its_fixtures_count(summary):
    pass
""",
    )
    result.assert_outcomes(passed=4, failed=1, errors=1)
    result.stdout.fnmatch_lines(["*BudgetExceededError*test_fails*"])


def test_a_limit_from_inside(pytester: pytest.Pytester) -> None:
    result = run(
        pytester,
        """
def test_it(credit_limit):
    model = ChatAIVideoAPI(model=DIRECT, max_tokens=100)
    budget = credit_limit(1)
    model.invoke("Hi")
    assert budget.standing().spent_micro > 0
    credit_limit(0)
    with pytest.raises(BudgetExceededError, match="test_it"):
        model.invoke("Hi")

def test_after_it():
    ChatAIVideoAPI(model=DIRECT, max_tokens=100).invoke("Hi")
""",
    )
    result.assert_outcomes(passed=2)


def test_what_was_spent_is_in_the_report(pytester: pytest.Pytester) -> None:
    run(
        pytester,
        """
@pytest.mark.max_credits(5)
def test_it():
    ChatAIVideoAPI(model=DIRECT, max_tokens=100).invoke("Hi")
""",
        "--junitxml=report.xml",
    ).assert_outcomes(passed=1)
    report = (pytester.path / "report.xml").read_text()
    assert '<property name="credits" value="0.' in report
    assert 'of 5"' in report


@pytest.mark.parametrize(
    "marker", ["max_credits", "max_credits('much')", "max_credits(1, 2)", "max_credits(credits=1)"]
)
def test_a_marker_without_an_amount_is_told_before_any_test(pytester: pytest.Pytester, marker: str) -> None:
    result = run(pytester, f"@pytest.mark.{marker}\ndef test_it():\n    pass\n")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*max_credits takes one number*"])
