"""The web example in a real browser: tokens arrive, the bill is shown, errors are readable."""

from __future__ import annotations

import os
import re
import runpy
import shutil
import socket
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlencode

import httpx
import pytest
import uvicorn
from doc_pages import ROOT

from aivideoapi_core.sandbox import Fault, Reply, Sandbox

APP = ROOT / "examples" / "web" / "app.py"


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


def page_after(site: str, question: str, folder: Path) -> str:
    """The page as it stands after a question was answered, as HTML."""
    command = [
        *(
            chromium(),
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-dev-shm-usage",
            "--disable-extensions",
        ),
        *(f"--user-data-dir={folder}", "--virtual-time-budget=10000", "--dump-dom"),
        f"{site}?{urlencode({'ask': question})}",
    ]
    result = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)  # noqa: S603 - our own page
    return result.stdout


def shown(page: str, element: str) -> str:
    found = re.search(rf'id="{element}"[^>]*>([^<]*)<', page)
    assert found, f"no {element} on the page"
    return found[1]


def test_tokens_and_credits_reach_the_browser(site: str, sandbox: Sandbox, tmp_path: Path) -> None:
    usage = {"input_tokens": 18, "output_tokens": 42}
    sandbox.enqueue(Reply("Lisbon lies on seven hills.", usage=usage, pieces=5))
    page = page_after(site, "Tell me about Lisbon.", tmp_path)
    assert shown(page, "answer") == "Lisbon lies on seven hills."
    assert (shown(page, "computed"), shown(page, "reported")) == ("0.068400", "0.06")
    assert (shown(page, "input_tokens"), shown(page, "output_tokens")) == ("18", "42")
    assert shown(page, "spent") == "0.068400 of 20 credits of this hour are spent."
    assert 'data-state="done"' in page


def test_an_error_is_shown_as_one_line(site: str, sandbox: Sandbox, tmp_path: Path) -> None:
    sandbox.enqueue(Fault.error("insufficient_credits"))
    page = page_after(site, "Tell me about Lisbon.", tmp_path)
    assert shown(page, "answer").startswith("InsufficientCreditsError: 402 insufficient_credits")
    assert sandbox.api_key not in page


def test_pieces_are_sent_one_by_one(site: str, sandbox: Sandbox) -> None:
    sandbox.enqueue(Reply("one two three", pieces=["one ", "two ", "three"]))
    with httpx.stream("GET", site + "ask", params={"question": "Count."}, trust_env=False) as response:
        lines = list(response.iter_lines())
    assert lines[:3] == ['{"text": "one "}', '{"text": "two "}', '{"text": "three"}']
    assert lines[3].startswith('{"credits": ')
