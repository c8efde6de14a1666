"""The chat on a terminal: Ctrl-C stops the answer, keeps what came, and the session goes on."""

from __future__ import annotations

import os
import re
import select
import subprocess
import sys
from pathlib import Path

import pytest

from aivideoapi_core.sandbox import Fault, Reply, Sandbox

pty = pytest.importorskip("pty", reason="needs a Unix terminal")

PATIENCE_S = 30.0


def _until(terminal: int, text: str) -> str:
    """Read the terminal until ``text`` appears."""
    seen = ""
    while text not in seen:
        assert select.select([terminal], [], [], PATIENCE_S)[0], f"{text!r} never came: {seen!r}"
        seen += os.read(terminal, 65_536).decode("utf-8", "replace")
    return seen


def test_ctrl_c_stops_the_answer_and_keeps_the_session(sandbox: Sandbox, tmp_path: Path) -> None:
    sandbox.enqueue(
        Fault.stall(5, reply=Reply("wonderful Lisbon and more", pieces=10)), Reply("Second answer")
    )
    terminal, other_end = pty.openpty()
    env = {
        **os.environ,
        "AIVIDEOAPI_API_KEY": sandbox.api_key,
        "AIVIDEOAPI_BASE_URL": sandbox.url,
        "TERM": "xterm",
        "COLUMNS": "80",
        "XDG_STATE_HOME": str(tmp_path),
        "PROMPT_TOOLKIT_NO_CPR": "1",  # nobody answers where the cursor is
    }
    command = [sys.executable, "-m", "aivideoapi_cli", "chat"]
    process = subprocess.Popen(
        command, stdin=other_end, stdout=other_end, stderr=other_end, cwd=tmp_path, env=env, start_new_session=True,
        preexec_fn=_take_terminal,
    )  # fmt: skip
    os.close(other_end)
    try:
        _until(terminal, ">")
        os.write(terminal, b"Hello\n")
        _until(terminal, "wonderful")
        os.write(terminal, b"\x03")
        assert re.search(r"cost at most \d", _until(terminal, "credits."))
        os.write(terminal, b"And then?\n")
        _until(terminal, "charged")
        os.write(terminal, b"/cred\t")
        _until(terminal, "its")  # drawn with what was typed, or after it
        os.write(terminal, b"\n")
        assert "+ 1 unknown" in _until(terminal, "balance: ")
        os.write(terminal, b"/quit\n")
        assert process.wait(timeout=PATIENCE_S) == 0
    finally:
        process.kill()
        process.wait()
        os.close(terminal)
    first, second = (
        request.body["messages"] for request in sandbox.requests if request.path == "/v1/messages"
    )
    assert second[: len(first)] == first
    assert second[1]["role"] == "assistant"
    assert second[1]["content"][0]["text"].startswith("wonderful")
    assert second[2] == {"role": "user", "content": "And then?"}


def _take_terminal() -> None:
    """Make the terminal the process' own, so that Ctrl-C is a signal to it, and one that it hears.

    Tests started in the background are started with SIGINT ignored, and so would this process be.
    """
    import fcntl
    import signal
    import termios

    fcntl.ioctl(0, termios.TIOCSCTTY, 0)
    signal.signal(signal.SIGINT, signal.SIG_DFL)
