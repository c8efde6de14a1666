"""Running the command line: in this process, or as its own where signals and pipes matter."""

from __future__ import annotations

import functools
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import typer

from aivideoapi_cli._app import run


@dataclass(frozen=True, slots=True)
class Done:
    code: int
    out: str
    err: str


_command_of = functools.cache(typer.main.get_command)
"""Typer makes it of all functions for each command line, in 15 ms."""


@pytest.fixture
def cli(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., Done]:
    """Run one command line in this process, 100 columns wide."""
    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.setattr(typer.main, "get_command", _command_of)

    def call(*arguments: str) -> Done:
        monkeypatch.setattr(sys, "argv", ["aivideoapi", *arguments])
        code = run()
        captured = capsys.readouterr()
        return Done(code, captured.out, captured.err)

    return call


@pytest.fixture
def cli_process(tmp_path: Path) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Start one command line as a process of its own, in another directory; killed if it outlives the test."""
    started: list[subprocess.Popen[str]] = []

    def start(*arguments: str, **environ: str) -> subprocess.Popen[str]:
        env = {name: value for name, value in os.environ.items() if not name.startswith("AIVIDEOAPI_")}
        process = subprocess.Popen(
            [sys.executable, "-m", "aivideoapi_cli", *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            encoding="utf-8",
            cwd=tmp_path,
            env={**env, "COLUMNS": "100", **environ},
            preexec_fn=listen_to_ctrl_c if os.name == "posix" else None,
        )
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


def listen_to_ctrl_c() -> None:
    """Undo what a process inherits from a shell that started the tests in the background: SIGINT ignored."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
