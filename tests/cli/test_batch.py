"""``aivideoapi batch``: estimate, question, run, report; and going on where it stopped."""

from __future__ import annotations

import contextlib
import csv
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from redis_kit import redis_server, redis_url

from aivideoapi_core.sandbox import Fault, Sandbox

__all__ = ["redis_server", "redis_url"]  # fixtures
pty = pytest.importorskip("pty", reason="needs a Unix terminal")


@pytest.fixture(autouse=True)
def _to_the_sandbox(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("AIVIDEOAPI_API_KEY", sandbox.api_key)
    monkeypatch.setenv("AIVIDEOAPI_BASE_URL", sandbox.url)
    monkeypatch.chdir(tmp_path)
    write([{"id": n, "text": f"City {n}"} for n in range(30)])


def write(rows: list[Any], name: str = "rows.jsonl") -> None:
    Path(name).write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


def arguments(*more: str, source: str = "rows.jsonl", budget: str = "100") -> list[str]:
    fixed = ["--prompt", "Say {text}", "--out", "out", "--budget", budget, "--max-tokens", "50"]
    return ["batch", source, *fixed, *more]


def results() -> dict[str, dict[str, Any]]:
    rows = [json.loads(line) for line in Path("out/results.jsonl").read_text().splitlines()]
    assert len({row["id"] for row in rows}) == len(rows)
    return {row["id"]: row for row in rows}


def test_why_rows_were_refused(cli: Callable[..., Any], sandbox: Sandbox) -> None:
    done = cli(*arguments("--yes", budget="0.00001"))
    assert (done.code, sandbox.requests) == (0, [])
    assert "refused: 30 by BudgetExceededError; a higher --budget" in done.out
    write([])
    assert "The input has no rows." in cli(*arguments("--yes")).out


def test_from_the_estimate_to_the_report(cli: Callable[..., Any], sandbox: Sandbox) -> None:
    done = cli(*arguments("--dry-run"))
    assert (done.code, sandbox.requests, Path("out").exists()) == (0, [], False)
    assert "30 rows: " in done.out
    assert "all fit the budget of 100" in done.out
    done = cli(*arguments("--yes"))
    assert done.code == 0
    assert [results()[str(n)]["answer"] for n in range(30)] == [f"City {n}" for n in range(30)]
    amount = f"{sandbox.charged_micro / 1e6:.4f}"
    for book in ("results", "ledger", "budget"):
        assert [book, amount] in [line.split()[-2:] for line in done.out.splitlines()]
    assert "Paid twice: at most 0 calls." in done.out
    done = cli(*arguments("--yes"))
    assert (done.code, len(sandbox.requests)) == (0, 30)
    assert "Nothing is left to call." in done.out


def test_a_used_up_budget_leaves_rows_and_a_higher_one_goes_on(
    cli: Callable[..., Any], sandbox: Sandbox
) -> None:
    done = cli(*arguments("--yes", budget="0.2"))
    assert done.code == 3
    assert "rows remain. To go on, run the same command again with a higher --budget:" in done.out
    assert "That call may cost up to 0.1" in done.out
    assert "Stopped: the budget has no room for another call." in done.out
    assert sandbox.charged_micro <= 200_000
    some = len(results())
    assert 0 < some < 30
    done = cli(*arguments("--yes", budget="100"))
    assert (done.code, len(results()), len(sandbox.requests)) == (0, 30, 30)
    assert f"{some} of 30 rows have their result." in done.out


def test_two_machines_share_a_journal_in_redis(
    cli: Callable[..., Any], sandbox: Sandbox, redis_url: str
) -> None:
    """Journal, books and pace are there: the second machine, with a folder of its own, goes on where the first stopped."""
    shared = redis_url.replace("redis://", "redis://default:hunter2@")
    import redis

    with redis.Redis.from_url(redis_url) as client:
        client.acl_setuser("default", enabled=True, passwords=["+hunter2"], nopass=False)
    try:
        more = ["--journal", shared, "--name", "cities", "--yes"]
        first = cli(*arguments(*more, budget="0.12"))
        assert first.code == 3, first.err
        assert 0 < len(results()) < 30
        assert "hunter2" not in first.out + first.err
        assert "redis://default:...@" in first.out
        done = cli(*[("there" if part == "out" else part) for part in arguments(*more)])
        assert done.code == 0, done.err
        rows = [json.loads(line) for line in Path("there/results.jsonl").read_text().splitlines()]
        assert len({row["id"] for row in rows}) == len(rows) == len(sandbox.requests) == 30
        amount = f"{sandbox.charged_micro / 1e6:.4f}"
        for book in ("results", "ledger", "budget"):
            assert [book, amount] in [line.split()[-2:] for line in done.out.splitlines()]
        assert sorted(path.name for path in Path("there").iterdir()) == ["results.jsonl"]
    finally:
        with redis.Redis.from_url(shared) as client:
            client.acl_setuser("default", enabled=True, nopass=True)


def test_failed_rows_are_called_again_when_asked(cli: Callable[..., Any], sandbox: Sandbox) -> None:
    sandbox.enqueue(*(Fault.error("invalid_request") for _ in range(4)))
    done = cli(*arguments("--yes"))
    assert done.code == 0
    assert "add --retry failed" in done.out
    assert "4 of 30" not in done.out
    before = len(sandbox.requests)
    done = cli(*arguments("--yes", "--retry", "failed,refused"))
    assert (done.code, len(sandbox.requests) - before) == (0, 4)
    assert {row["status"] for row in results().values()} == {"ok"}


def test_a_prompt_of_no_field_is_told(cli: Callable[..., Any], sandbox: Sandbox) -> None:
    done = cli(*arguments("--dry-run"), "--prompt", 'Say {} and {"a": 1}')
    assert (done.code, "--prompt has no {field}: every row asks the same." in done.out) == (0, True)


def test_csv_and_rows_that_are_none(cli: Callable[..., Any], sandbox: Sandbox) -> None:
    with Path("rows.csv").open("w", newline="", encoding="utf-8-sig") as file:
        writer = csv.writer(file)
        writer.writerows([["id", "text"], ["1", "two, and a comma"], ["2"], ["", "no id"]])
    done = cli(*arguments("--yes", source="rows.csv"))
    assert done.code == 0
    assert "──" not in done.out, "it is no terminal"
    assert "Not called: 1 that are no rows, or without an id of their own: 1 no_id." in done.out
    assert results()["1"]["answer"] == "two, and a comma"
    assert results()["2"]["error"] == "BadRow missing_field"
    Path("torn.jsonl").write_text('\ufeff{"id": 8, "text": "a"}\n\n{"id": 9, "te\n[1]\n', encoding="utf-8")
    done = cli(*arguments("--yes", source="torn.jsonl"))
    assert "Not called: 2 that are no rows, or without an id of their own: 2 not_a_mapping." in done.out
    assert results()["8"]["answer"] == "a"


def test_no_rows_and_rows_with_more_cells_than_columns(cli: Callable[..., Any], sandbox: Sandbox) -> None:
    """A comma without quotes: half of the text would be asked for and paid. Cells that are empty are no harm."""
    Path("empty.csv").write_text("id,text\n")
    done = cli(*arguments("--yes", source="empty.csv"))
    assert (done.code, "The input has no rows." in done.out) == (0, True)
    Path("more.csv").write_text("id,text\n1,half, of it\n2,whole,,\n")
    done = cli(*arguments("--yes", source="more.csv"))
    assert [row["answer"] for row in results().values()] == ["whole"]
    assert "1 not_a_mapping" in done.out


def test_a_prompt_from_a_file_and_objects_of_a_schema(cli: Callable[..., Any], sandbox: Sandbox) -> None:
    Path("prompt.txt").write_text("Which city is in {text}?", encoding="utf-8")
    schema = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
    schema = {"$ref": "#/$defs/City", "$defs": {"City": schema}}
    Path("city.json").write_text(json.dumps(schema), encoding="utf-8")
    fixed = ["batch", "rows.jsonl", "--out", "out", "--budget", "9", "--yes"]
    done = cli(*fixed, "--prompt", "prompt.txt", "--schema", "city.json")
    assert (done.code, "every row asks the same" in done.out) == (0, False)
    assert isinstance(results()["3"]["answer"]["city"], str)
    assert "Which city is in City 3?" in json.dumps([entry.body["messages"] for entry in sandbox.requests])


def test_parquet_where_it_can_be_read(cli: Callable[..., Any]) -> None:
    try:
        import pyarrow
        import pyarrow.parquet
    except ModuleNotFoundError:
        Path("rows.parquet").write_bytes(b"PAR1")
        done = cli(*arguments("--yes", source="rows.parquet"))
        assert done.code == 1
        assert "[parquet]" in done.err
        return
    pyarrow.parquet.write_table(pyarrow.table({"id": [1, 2], "text": ["a", "b"]}), "rows.parquet")
    assert cli(*arguments("--yes", source="rows.parquet")).code == 0
    assert results()["2"]["answer"] == "b"


@pytest.mark.parametrize(
    ("more", "says", "code"),
    [
        (["array.jsonl", "--yes"], "jq -c '.[]' array.jsonl > rows.jsonl", 2),
        (["semicolons.csv", "--yes"], "has ';' between its columns: save it with commas", 2),
        (["twice.csv", "--yes"], "has two columns 'text': rename one of them", 2),
        (["latin.csv", "--yes"], "save it as UTF-8", 1),
        (["blank.csv", "--yes", "--out", "else"], "the first has the fields id, ' text'", 2),
        (["missing.jsonl"], "there is no file missing.jsonl", 2),
        (["rows.txt"], "must end in .jsonl, .ndjson, .csv, .parquet", 2),
        (["rows.jsonl", "--budget", "much"], "number of credits", 2),
        (["rows.jsonl", "--schema", "rows.jsonl"], "JSON schema", 2),
        (["rows.jsonl", "--retry", "ok"], "retry must name some of", 2),
        (["rows.jsonl"], "add --yes", 2),
        (
            ["rows.jsonl", "--id", "number", "--yes", "--out", "else"],
            "no row can be called: the first has the fields id, text",
            2,
        ),
        (["rows.jsonl", "--prompt", "Say {nothing}", "--yes", "--out", "else"], "no row can be called", 2),
        (["text.jsonl", "--yes", "--out", "else"], "no row can be called: the first is no JSON object", 2),
        (["rows.jsonl", "--model", "claude-3", "--yes", "--out", "else"], "has no published price", 2),
        (["rows.jsonl", "--journal", "journal.sqlite"], "journal must be the URL of a Redis", 2),
        (["rows.jsonl", "--schema", "list.json"], "put anything else into a property", 2),
        (["rows.jsonl", "--prompt", "Tell {text}", "--yes"], "another job", 2),
    ],
)
def test_wrong_use_is_told_before_any_call(
    cli: Callable[..., Any], sandbox: Sandbox, more: list[str], says: str, code: int
) -> None:
    Path("one.jsonl").write_text('{"id": 1, "text": "x"}\n')
    Path("text.jsonl").write_text("a line of text\n")
    Path("list.json").write_text('{"type": "array", "items": {"type": "string"}}')
    Path("array.jsonl").write_text('[\n{"id": 1, "text": "x"}\n]')
    Path("semicolons.csv").write_text("id;text\n1;x\n")
    Path("twice.csv").write_text("id,text,text\n1,x,y\n")
    Path("latin.csv").write_bytes("id,text\n1,café\n".encode("latin-1"))
    Path("blank.csv").write_text("id, text\n1, x\n")
    assert cli(*arguments("--yes", source="one.jsonl")).code == 0
    done = cli(
        "batch", "--prompt", "Say {text}", "--out", "out", "--budget", "100", "--max-tokens", "50", *more
    )
    assert done.code == code
    assert says in done.err
    assert len(sandbox.requests) == 1


def test_ctrl_c_saves_and_says_how_to_go_on(sandbox: Sandbox, tmp_path: Path) -> None:
    """On a terminal: how far the estimate is, the question, the bar, Ctrl-C, the report; then the same command again."""
    write([{"id": n, "text": f"City {n}"} for n in range(2000)])
    terminal, other_end = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "aivideoapi_cli", *arguments("--concurrency", "2")],
        stdin=other_end,
        stdout=other_end,
        stderr=other_end,
        cwd=tmp_path,
        env={**os.environ, "COLUMNS": "100", "TERM": "xterm"},
        start_new_session=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL) and None,
    )
    os.close(other_end)
    screen = Screen(terminal)
    screen.wait_for("Begin? [y/N]")
    assert "Estimating: 1,000 rows" in screen.seen
    os.write(terminal, b"y\n")
    while len(sandbox.requests) < 4:
        assert process.poll() is None, screen.seen
        time.sleep(0.001)
    process.send_signal(signal.SIGINT)
    assert process.wait(timeout=60) == 3
    screen.reader.join()
    seen = screen.seen
    assert "Stopping: the calls in flight get their results." in seen
    assert "Stopped: interrupted." in seen
    assert "Paid twice: at most 0 calls." in seen
    assert 4 <= len(sandbox.requests) == len(results()) < 2000
    assert "aivideoapi batch rows.jsonl" in seen


class Screen:
    """What a terminal was sent, read as it comes: a program waits while nobody reads."""

    def __init__(self, terminal: int) -> None:
        self.seen = ""
        self._terminal = terminal
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()

    def _read(self) -> None:
        # OSError (EIO): nobody holds the other end any more.
        with contextlib.suppress(OSError):
            while piece := os.read(self._terminal, 4096):
                self.seen += piece.decode(errors="replace")

    def wait_for(self, text: str) -> None:
        while text not in self.seen:
            assert self.reader.is_alive(), self.seen
            time.sleep(0.001)


def test_an_estimate_needs_no_key(cli: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """What stood in for the key was refused as one with blanks."""
    monkeypatch.delenv("AIVIDEOAPI_API_KEY")
    done = cli(*arguments("--dry-run"))
    assert (done.code, done.err) == (0, "")
    assert "all fit the budget of 100" in done.out


def test_a_budget_that_is_no_number_is_called_as_the_option(cli: Callable[..., Any]) -> None:
    for done in (cli(*arguments("--yes", budget="ten")), cli("chat", "--sandbox", "--budget", "ten", "hi")):
        assert done.code == 2
        assert "error: --budget must be a number of credits, 0 or more, not 'ten'" in " ".join(
            done.err.split()
        )
