"""The examples run to the end, with a key and without, and say what they should."""

from __future__ import annotations

import atexit
import contextlib
import json
import os
import runpy
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from doc_pages import ROOT

from aivideoapi_core import SpendLedger
from aivideoapi_core.sandbox import Sandbox

EXAMPLES = ROOT / "examples"
NO_KEY = "AIVIDEOAPI_API_KEY is not set: using a sandbox"
WITH_KEY = "AIVIDEOAPI_API_KEY is set: using http://127.0.0.1"

SAYS = {
    "agent_with_budget.py": ("A: The answer is: 39.00 euros", "A: The answer is: 268.92", "credits spent"),
    "deep_agent.py": ("stock_of({'product': 'chair'})", "4 in stock", "read from it"),
    "rag_with_citations.py": ("A: Goods may be returned within 30 days", 'from returns.md: "Goods may be'),
    "look_at_image.py": ("LangChain : ", "LlamaIndex: ", "1 image(s)", "1 document(s)"),
    "one_budget.py": ("4.90 euros", "#handbook", "refused before it was sent"),
    "extract_folder.py": ("0 done before, 5 to do", "5 lines in invoices.jsonl"),
}


class Runner:
    """Runs an example as if from the command line, in a folder of its own; returns what it printed."""

    def __init__(
        self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], folder: Path
    ) -> None:
        self._monkeypatch = monkeypatch
        self._capsys = capsys
        self.folder = folder

    def __call__(self, name: str, *arguments: str) -> str:
        path = EXAMPLES / name
        self._monkeypatch.setattr(sys, "argv", [str(path), *arguments])
        runpy.run_path(str(path), run_name="__main__")
        return self._capsys.readouterr().out


@pytest.fixture
def run(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> Iterator[Runner]:
    # What an example sets is taken back after the test.
    for name in ("AIVIDEOAPI_API_KEY", "AIVIDEOAPI_BASE_URL"):
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)
    monkeypatch.syspath_prepend(str(EXAMPLES))
    monkeypatch.setenv("PYTHONPATH", str(ROOT))  # for examples that start a process
    monkeypatch.chdir(tmp_path)
    register = atexit.register
    with contextlib.ExitStack() as at_end:

        def sooner(function: Callable[..., Any], *arguments: Any, **named: Any) -> Any:
            """The sandbox of an example closes at the end of its process; here, of its test."""
            ours = isinstance(getattr(function, "__self__", None), Sandbox)
            return (at_end.callback if ours else register)(function, *arguments, **named)

        monkeypatch.setattr(atexit, "register", sooner)
        yield Runner(monkeypatch, capsys, tmp_path)


@pytest.fixture
def with_key(run: Runner, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> Sandbox:
    """What an example takes for the platform."""
    monkeypatch.setenv("AIVIDEOAPI_API_KEY", sandbox.api_key)
    monkeypatch.setenv("AIVIDEOAPI_BASE_URL", sandbox.url)
    return sandbox


@pytest.mark.parametrize("name", SAYS)
def test_runs_without_a_key(run: Runner, name: str) -> None:
    printed = run(name)
    assert printed.startswith(NO_KEY)
    assert [text for text in SAYS[name] if text not in printed] == []


@pytest.mark.parametrize("name", SAYS)
def test_runs_with_a_key(run: Runner, with_key: Sandbox, name: str) -> None:
    printed = run(name)
    assert printed.startswith(WITH_KEY)
    assert with_key.api_key not in printed
    assert [text for text in SAYS[name] if text not in printed] == []
    assert with_key.charged_micro > 0


def test_checkpointer_goes_on_in_another_process(run: Runner) -> None:
    printed = run("langgraph_checkpointer.py")
    assert printed.startswith(NO_KEY)
    draft = printed.split("draft : ")[1].splitlines()[0]
    assert "My lamp arrived broken" in draft
    assert f"sent  : {draft}" in printed
    assert "waits : ('approve',)" in printed


def test_agent_stops_at_its_budget(run: Runner, with_key: Sandbox) -> None:
    printed = run("agent_with_budget.py", "1")
    assert "stopped: a call of 'claude-sonnet-4-6' could cost" in printed
    assert with_key.charged_micro <= 1_000_000


def test_extraction_goes_on_where_it_stopped(run: Runner, with_key: Sandbox) -> None:
    output = run.folder / "out.jsonl"
    folder = str(EXAMPLES / "data" / "invoices")
    first = run("extract_folder.py", folder, str(output), "1.0")
    assert "stopped: " in first
    done = len(output.read_text(encoding="utf-8").splitlines())
    assert 0 < done < 5
    calls = len(with_key.ledger)
    second = run("extract_folder.py", folder, str(output), "50")
    assert f"{done} done before, {5 - done} to do" in second
    assert len(with_key.ledger) - calls == 5 - done
    rows = [json.loads(line) for line in output.read_text(encoding="utf-8").splitlines()]
    assert [row["city"] for row in rows] == ["Hamburg", "Lyon", "Porto", "Vienna", "Dublin"]


def test_one_budget_writes_a_ledger_that_agrees_with_the_bill(run: Runner, with_key: Sandbox) -> None:
    file = run.folder / "spend.sqlite"
    run("one_budget.py", str(file))
    assert SpendLedger(file).summary.credits_micro == with_key.charged_micro


def test_every_program_is_on_the_page_of_examples() -> None:
    page = (ROOT / "docs" / "examples.md").read_text(encoding="utf-8")
    programs = {
        path.relative_to(EXAMPLES).as_posix() for path in EXAMPLES.rglob("*.py") if path.name[0] != "_"
    }
    notebooks = {path.relative_to(EXAMPLES).as_posix() for path in EXAMPLES.rglob("*.ipynb")}
    assert {name for name in programs | notebooks if f"`{name}`" not in page} == set()
    assert programs - {"web/app.py", "langgraph_checkpointer.py"} == set(SAYS)


def test_no_example_holds_a_key() -> None:
    for path in EXAMPLES.rglob("*"):
        if path.is_file() and "__pycache__" not in path.parts:
            assert b"sk-" not in path.read_bytes().replace(b"task-", b""), path
    assert "AIVIDEOAPI_API_KEY" not in os.environ
