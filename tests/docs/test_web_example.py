"""The web example in a real browser: tokens arrive, the bill is shown, errors are readable."""

from __future__ import annotations

import json
import os
import runpy
import shutil
import socket
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote, urlencode

import httpx
import pytest
import uvicorn
from doc_pages import ROOT
from websockets.sync.client import connect

from aivideoapi_core.sandbox import Fault, Reply, Sandbox

APP = ROOT / "examples" / "web" / "app.py"
ONCE_DONE = """new Promise((resolve) => {
  const look = () => {
    if (document.body?.dataset.state !== "done") { requestAnimationFrame(look); return; }
    const named = [...document.querySelectorAll("[id]")];
    resolve(Object.fromEntries(named.map((element) => [element.id, element.textContent])));
  };
  look();
})"""
"""Waits, in the page, for the end of the answer."""


def chromium() -> str:
    """A Chromium; without one the test says what to install, and fails in CI."""
    path = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if path is None:
        reason = "this test needs a browser: apt-get install chromium"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    return path


@pytest.fixture
def site(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The example, served in a thread against a sandbox."""
    monkeypatch.setenv("AIVIDEOAPI_API_KEY", sandbox.api_key)
    monkeypatch.setenv("AIVIDEOAPI_BASE_URL", sandbox.url)
    monkeypatch.syspath_prepend(str(APP.parents[1]))
    app = runpy.run_path(str(APP))["make_app"]()
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        server = uvicorn.Server(uvicorn.Config(app, log_level="warning", lifespan="off"))
        thread = threading.Thread(target=server.run, args=([listener],))
        thread.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/"
        server.should_exit = True
        thread.join()


@pytest.fixture
def browser(tmp_path: Path) -> Iterator[str]:
    """A headless browser; the address at which it takes commands (DevTools protocol)."""
    command = [
        *(chromium(), "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"),
        *(
            "--disable-extensions",
            "--no-first-run",
            f"--user-data-dir={tmp_path}",
            "--remote-debugging-port=0",
        ),
    ]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        ready = next(line for line in process.stderr if "DevTools listening on" in line)
        yield "http://" + ready.split("ws://")[1].split("/")[0]
        process.kill()


def page_after(browser: str, site: str, question: str) -> dict[str, str]:
    """What the page shows once a question was answered: the texts of its elements, by id."""
    address = f"{browser}/json/new?{quote(site + '?' + urlencode({'ask': question}), safe='')}"
    target = httpx.put(address, trust_env=False, timeout=60).json()["webSocketDebuggerUrl"]
    call = {"expression": ONCE_DONE, "awaitPromise": True, "returnByValue": True}
    with connect(target, open_timeout=60, proxy=None) as devtools:
        for number in range(5):  # the wait is broken off when the empty first page gives way to ours
            devtools.send(json.dumps({"id": number, "method": "Runtime.evaluate", "params": call}))
            answer = json.loads(devtools.recv(timeout=60))
            if "result" in answer and "value" in answer["result"]["result"]:
                texts: dict[str, str] = answer["result"]["result"]["value"]
                return texts
    pytest.fail(f"the page did not come to an end: {answer}")


def test_tokens_and_credits_reach_the_browser(browser: str, site: str, sandbox: Sandbox) -> None:
    usage = {"input_tokens": 18, "output_tokens": 42}
    sandbox.enqueue(Reply("Lisbon lies on seven hills.", usage=usage, pieces=5))
    shown = page_after(browser, site, "Tell me about Lisbon.")
    assert shown["answer"] == "Lisbon lies on seven hills."
    assert (shown["computed"], shown["reported"]) == ("0.068400", "0.06")
    assert (shown["input_tokens"], shown["output_tokens"]) == ("18", "42")
    assert shown["spent"] == "0.068400 of 20 credits of this hour are spent."


def test_an_error_is_shown_as_one_line(browser: str, site: str, sandbox: Sandbox) -> None:
    sandbox.enqueue(Fault.error("insufficient_credits"))
    shown = page_after(browser, site, "Tell me about Lisbon.")
    assert shown["answer"].startswith("InsufficientCreditsError: 402 insufficient_credits")
    assert sandbox.api_key not in str(shown)


def test_pieces_are_sent_one_by_one(site: str, sandbox: Sandbox) -> None:
    sandbox.enqueue(Reply("one two three", pieces=["one ", "two ", "three"]))
    with httpx.stream("GET", site + "ask", params={"question": "Count."}, trust_env=False) as response:
        lines = list(response.iter_lines())
    assert lines[:3] == ['{"text": "one "}', '{"text": "two "}', '{"text": "three"}']
    assert lines[3].startswith('{"credits": ')
