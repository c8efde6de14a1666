"""The demo end to end: what it says, what it shows, that the figures add up, and how it ends."""

from __future__ import annotations

import re
import signal
import subprocess
import threading
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import pytest

from aivideoapi_cli.demo.documents import excerpt_of
from aivideoapi_core.sandbox import Fault, Sandbox


def _rows(out: str, part: str) -> list[list[str]]:
    return [line.split() for line in out.splitlines() if line.startswith(f"{part} ") and "$" in line]


def test_it_shows_everything_and_adds_up(cli: Callable[..., object]) -> None:
    done = cli("demo")
    assert (done.code, done.err) == (0, "")
    assert done.out.splitlines()[0] == "Sandbox: AIVIDEOAPI_API_KEY is not set, so a local stand-in answers."
    assert "look_up_prices(model='claude-opus-4-6')" in done.out
    assert "calculate(expression='(20 * 500 + 661 * 2500) / 1000000')" in done.out
    assert "calculate → (20 * 500 + 661 * 2500) / 1000000 = 1.6625." in done.out
    answer = done.out.rpartition("Agent ")[2].partition("\n\n")[0]
    assert [line.strip() for line in answer.splitlines()] == [
        "claude-opus-4-6 costs 500 credits per million input tokens and 2500 credits per million output tokens.",
        "(20 * 500 + 661 * 2500) / 1000000 = 1.6625.",
    ]
    assert re.search(r"1\. README\.md  score \d+\.\d\d", done.out)
    answer = done.out.partition("Answer ")[2].partition("\n\n")[0].strip()
    documents = " ".join((Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8").split())
    assert answer in documents, "the answer is not from the documents"
    assert 1 <= answer.count(". ") + 1 <= 2
    assert not set(answer) & set("|`*#"), "pieces of Markdown"
    rows = [*_rows(done.out, "agent"), *_rows(done.out, "docs")]
    assert {row[1] for row in rows} == {"claude-sonnet-4-6", "claude-haiku-4-5/anthropic"}
    computed = sum(Decimal(row[-2]) for row in rows)
    (total,) = (line.split() for line in done.out.splitlines() if line.split()[:1] == ["total"])
    assert Decimal(total[-2]) == computed
    assert all(row[-3] == "-" for row in rows if row[1].endswith("/anthropic"))
    assert "which fits" in done.out
    assert f"the sandbox's own books say {computed} credits were charged: equal to the last digit" in done.out
    assert "\x1b" not in done.out


def test_own_files_and_question(cli: Callable[..., object], tmp_path: Path) -> None:
    (tmp_path / "bees.md").write_text(
        "# Bees\n\nThe queen bee\nlays two thousand eggs a day.\n\n# Ants\n\nAnts walk.\n"
    )
    done = cli("demo", "--docs", str(tmp_path), "--ask", "How many eggs does the queen bee lay?")
    assert done.code == 0
    assert "1. bees.md" in done.out
    assert "lays two thousand eggs a day" in done.out.partition("Answer")[2]
    assert (
        cli("demo", "--docs", str(tmp_path / "bees.md")).out.count("What do the documents say about Bees?")
        == 1
    )


@pytest.mark.parametrize(
    ("name", "said"), [("missing", "no such file or folder"), ("empty", "no text in it")]
)
def test_nothing_to_read(cli: Callable[..., object], tmp_path: Path, name: str, said: str) -> None:
    (tmp_path / "empty").mkdir()
    done = cli("demo", "--docs", str(tmp_path / name))
    assert (done.code, done.out) == (2, "")
    assert done.err.startswith("error: --docs ")
    assert said in done.err
    assert done.err.count("\n") == 1


def test_with_a_key_it_talks_to_the_server_that_was_named(
    cli: Callable[..., object], monkeypatch: pytest.MonkeyPatch, sandbox: Sandbox
) -> None:
    monkeypatch.setenv("AIVIDEOAPI_API_KEY", sandbox.api_key)
    monkeypatch.setenv("AIVIDEOAPI_BASE_URL", sandbox.url)
    done = cli("demo")
    assert done.code == 0
    assert done.out.startswith(f"This machine: {sandbox.url} is asked, with the key in AIVIDEOAPI_API_KEY.\n")
    assert "Ledger" not in done.out
    assert len(sandbox.ledger) == 3
    assert sandbox.api_key not in done.out


@pytest.mark.parametrize("before", [0, 1, 2])
@pytest.mark.parametrize("code", ["insufficient_credits", "spend_limit_exceeded"])
def test_a_refusal_on_the_way_is_one_line(
    cli: Callable[..., object], monkeypatch: pytest.MonkeyPatch, sandbox: Sandbox, before: int, code: str
) -> None:
    from aivideoapi_core.sandbox import Reply

    monkeypatch.setenv("AIVIDEOAPI_API_KEY", sandbox.api_key)
    monkeypatch.setenv("AIVIDEOAPI_BASE_URL", sandbox.url)
    calculates = Reply(tool_uses=[{"name": "calculate", "input": {"expression": "1+1"}}])
    sandbox.enqueue(*[calculates, Reply("It is 2.")][:before], Fault.error(code))
    done = cli("demo")
    assert done.code == 1
    assert done.err.startswith("error: ")
    assert code in done.err
    assert done.err.count("\n") == 1
    assert "Traceback" not in done.out


def test_an_unknown_model_is_one_line(cli: Callable[..., object]) -> None:
    done = cli("demo", "--model", "no-such-model")
    assert done.code == 1
    assert done.err.startswith("error: 404 model_not_found")


def test_ctrl_c_leaves_cleanly(cli_process: Callable[..., subprocess.Popen[str]]) -> None:
    """In the middle of an answer that never ends, which LangGraph waits for in a thread."""
    with Sandbox() as sandbox:
        sandbox.enqueue(Fault.stall(5))
        process = cli_process("demo", AIVIDEOAPI_API_KEY=sandbox.api_key, AIVIDEOAPI_BASE_URL=sandbox.url)
        pause = threading.Event()
        while not any(request.path == "/v1/messages" for request in sandbox.requests):
            assert process.poll() is None, process.stderr.read() if process.stderr else ""
            pause.wait(0.05)
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=30)
    assert process.returncode == 130
    assert err == ""


def test_a_closed_pipe_is_no_traceback(cli_process: Callable[..., subprocess.Popen[str]]) -> None:
    process = cli_process("demo")
    assert process.stdout is not None
    assert process.stderr is not None
    assert process.stdout.readline().startswith("Sandbox: ")
    process.stdout.close()
    err = process.stderr.read()
    assert process.wait(timeout=60) != 0
    assert "Traceback" not in err


def test_nothing_is_cut_off_at_80_columns(
    cli: Callable[..., object], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    bill = cli("demo").out.partition("What it cost")[2]
    assert "…" not in bill
    assert max(map(len, bill.splitlines())) <= 80


@pytest.mark.parametrize(
    ("passage", "expected"),
    [
        ("Ants walk. Bees\nfly far.", "… Bees fly far."),
        ("Bees fly. Ants walk.", "Bees fly. Ants walk."),
        ("Nothing fits. At all.", "Nothing fits. At all."),
        ("item one\n\nbees fly", "… bees fly"),
        ("", ""),
    ],
)
def test_excerpt_begins_where_the_question_is_answered(passage: str, expected: str) -> None:
    assert excerpt_of(passage, question="Do bees fly?") == expected
