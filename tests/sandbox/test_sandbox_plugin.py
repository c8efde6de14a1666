"""The pytest plugin and the command line."""

from __future__ import annotations

import ast
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

import aivideoapi_core.sandbox
from aivideoapi_core.sandbox import Fault, Reply, Sandbox
from aivideoapi_core.sandbox.__main__ import main
from aivideoapi_core.sandbox.pytest_plugin import aivideoapi_sandbox, aivideoapi_sandbox_env

__all__ = ["aivideoapi_sandbox", "aivideoapi_sandbox_env"]  # fixtures, also where the plugin is not installed

pytest_plugins = ["pytester"]

PACKAGE = Path(aivideoapi_core.sandbox.__file__).parent


def test_the_environment_points_at_the_sandbox(aivideoapi_sandbox_env: Sandbox) -> None:
    assert os.environ["AIVIDEOAPI_BASE_URL"] == aivideoapi_sandbox_env.url
    key = os.environ["AIVIDEOAPI_API_KEY"]
    balance = httpx.get(
        f"{aivideoapi_sandbox_env.url}/v1/credits", headers={"authorization": f"Bearer {key}"}
    )
    assert balance.json()["data"] == {"balance": 10_000, "total_purchased": 10_000, "total_consumed": 0}


def test_the_fixture_is_fresh(aivideoapi_sandbox: Sandbox) -> None:
    assert aivideoapi_sandbox.requests == []


def test_the_command_serves_until_it_is_stopped() -> None:
    command = [sys.executable, "-m", "aivideoapi_core.sandbox", "--port", "0", "--balance", "7"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        line = process.stdout.readline()
        url = line.partition(" at ")[2].partition(";")[0]
        response = httpx.get(f"{url}/v1/credits", headers={"authorization": "Bearer sk-test"})
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=30) == 0
    assert response.json()["data"]["balance"] == 7
    assert f"AIVIDEOAPI_BASE_URL={url}" in line


def test_a_port_in_use_is_one_clear_line(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        assert main(["--port", str(taken.getsockname()[1])]) == 1
    assert "cannot listen on 127.0.0.1" in capsys.readouterr().err


def test_the_sandbox_imports_the_standard_library_alone() -> None:
    """The plugin may import pytest; nothing may import the core that the sandbox is there to test."""
    for path in PACKAGE.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom):
                assert node.level == 0
                names = [node.module or ""]
            for name in names:
                top = name.partition(".")[0]
                if path.name == "pytest_plugin.py" and top == "pytest":
                    continue
                assert top in sys.stdlib_module_names or name.startswith("aivideoapi_core.sandbox"), (
                    path.name,
                    name,
                )


LEFT_OVER = """
from aivideoapi_core.sandbox import Reply

def test_asks_too_little(aivideoapi_sandbox):
    aivideoapi_sandbox.enqueue(Reply("never asked for"))

def test_says_that_it_is_meant(aivideoapi_sandbox):
    aivideoapi_sandbox.enqueue(Reply("never asked for"))
    assert aivideoapi_sandbox.unused == [Reply("never asked for")]
    aivideoapi_sandbox.reset()
"""


def test_the_fixture_fails_for_a_script_that_is_not_used(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(LEFT_OVER)
    result = pytester.runpytest_inprocess(
        "-q", "-p", "no:cacheprovider", "-o", "asyncio_default_fixture_loop_scope=function"
    )
    result.assert_outcomes(passed=2, errors=1)
    result.stdout.fnmatch_lines(["*scripted, but never asked for: Reply(text='never asked for'*"])


@pytest.mark.parametrize(
    ("code", "said"),
    [("ratelimit", "do you mean 'rate_limit_e"), ("teapot", "there are api_error, authentication_error")],
)
def test_an_error_that_does_not_exist_is_not_scripted(code: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        Fault.error(code)
    assert Fault.error(code, status=418).code == code


@pytest.mark.parametrize("stream", [True, False])
def test_answers_come_at_the_pace_asked_for(stream: bool) -> None:
    """10 tokens at 100 a second after 0.05 seconds: at least 0.15 seconds."""
    entries: list[str] = []
    with Sandbox(
        tokens_per_s=100, first_token_s=0.05, on_answer=lambda entry: entries.append(entry.line())
    ) as box:
        box.enqueue(Reply("one two three", usage={"input_tokens": 5, "output_tokens": 10}))
        body = {
            "model": "claude-sonnet-4-6",
            "stream": stream,
            "messages": [{"role": "user", "content": "Count"}],
        }
        headers = {"authorization": f"Bearer {box.api_key}"}
        reply = httpx.post(f"{box.url}/v1/messages", json=body, headers=headers)
    assert reply.elapsed.total_seconds() >= 0.05 if stream else 0.15
    assert entries == [
        f"ok  claude-sonnet-4-6  {'stream' if stream else 'whole'}  5 in, 10 out  0.016500 credits"
    ]


@pytest.mark.parametrize("pace", ["0", "-1"])
def test_a_pace_that_is_none(pace: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--port", "0", f"--pace={pace}"])
    assert "tokens_per_s must be more than 0" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("system", "line"), [("posix", "export AIVIDEOAPI_API_KEY={}"), ("nt", '$env:AIVIDEOAPI_API_KEY="{}"')]
)
def test_the_lines_to_copy_are_those_of_the_shell(system: str, line: str) -> None:
    with Sandbox() as sandbox:
        assert sandbox.shell_lines(system=system)[1] == line.format(sandbox.api_key)
