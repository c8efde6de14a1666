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
from aivideoapi_core.sandbox import Sandbox
from aivideoapi_core.sandbox.__main__ import main
from aivideoapi_core.sandbox.pytest_plugin import aivideoapi_sandbox, aivideoapi_sandbox_env

__all__ = ["aivideoapi_sandbox", "aivideoapi_sandbox_env"]  # fixtures, also where the plugin is not installed

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
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:  # noqa: S603  # our own module
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
