"""models, credits, sandbox, and how every command fails: one line on stderr, never a traceback."""

from __future__ import annotations

import json
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import typer

import aivideoapi_core
from aivideoapi_cli._app import app
from aivideoapi_core import CallRecord, CreditBudget, SpendLedger, known_models
from aivideoapi_core.adapter_kit import pip_install
from aivideoapi_core.sandbox import Sandbox


def _use(monkeypatch: pytest.MonkeyPatch, sandbox: Sandbox, key: str | None = None) -> None:
    monkeypatch.setenv("AIVIDEOAPI_API_KEY", key or sandbox.api_key)
    monkeypatch.setenv("AIVIDEOAPI_BASE_URL", sandbox.url)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def test_version(cli: Callable[..., object]) -> None:
    assert cli("--version").out == f"aivideoapi-adapters {aivideoapi_core.__version__}\n"


@pytest.mark.parametrize("arguments", [("--help",), ("demo", "--help"), ("chat", "--help"), ()])
def test_help(cli: Callable[..., object], arguments: tuple[str, ...]) -> None:
    done = cli(*arguments)
    assert "Usage: aivideoapi" in done.out + done.err


def test_models_table_fits_80_columns(cli: Callable[..., object], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    done = cli("models")
    assert done.code == 0
    for info in known_models():
        assert info.id in done.out
    assert "…" not in done.out
    assert max(map(len, done.out.splitlines())) <= 80


def test_models_json_is_the_catalogue(cli: Callable[..., object]) -> None:
    listed = json.loads(cli("models", "--json").out)
    assert [item["id"] for item in listed] == [info.id for info in known_models()]
    assert listed[0]["credits_per_million_tokens"] == {
        "input": 300,
        "output": 1500,
        "cache_read": None,
        "cache_write_5m": None,
        "cache_write_1h": None,
    }


def test_credits(cli: Callable[..., object], monkeypatch: pytest.MonkeyPatch) -> None:
    with Sandbox(balance_credits=1234) as sandbox:
        _use(monkeypatch, sandbox)
        done = cli("credits")
        assert (done.code, done.err) == (0, "")
        assert f"1,234 credits ($6.17) at {sandbox.url}" in done.out
        assert (
            "no call of the last 7 days is in nowhere.sqlite"
            in cli("credits", "--ledger", "nowhere.sqlite").out
        )
        assert json.loads(cli("credits", "--json").out) == {
            "balance": 1234,
            "total_purchased": 1234,
            "total_consumed": 0,
            "balance_usd": "6.170",
        }


@pytest.mark.parametrize("command", ["credits", "demo", "chat"])
@pytest.mark.parametrize(
    ("key", "expected", "code"),
    [
        (
            "sk-sandbox-disabled",
            "401 invalid_api_key: the API key is disabled. Advice: check AIVIDEOAPI_API_KEY.",
            1,
        ),
        ("sk-sandbox-ip", "403 ip_not_allowed", 1),
        ("nonsense", "401 invalid_api_key", 1),
        ("two words", "the API key has blanks", 2),
    ],
)
def test_bad_keys(
    cli: Callable[..., object],
    monkeypatch: pytest.MonkeyPatch,
    sandbox: Sandbox,
    command: str,
    key: str,
    expected: str,
    code: int,
) -> None:
    _use(monkeypatch, sandbox, key)
    monkeypatch.setattr(sys, "stdin", iter_stdin("hello\n"))
    done = cli(command)
    assert done.code == code
    assert done.err.startswith(f"error: {expected}")
    assert done.err.count("\n") == 1
    assert key not in done.out + done.err


def iter_stdin(text: str) -> object:
    import io

    return io.StringIO(text)


@pytest.mark.parametrize("command", ["credits", "demo"])
def test_refused_connection(
    cli: Callable[..., object], monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    monkeypatch.setenv("AIVIDEOAPI_API_KEY", "sk-test")
    monkeypatch.setenv("AIVIDEOAPI_BASE_URL", f"http://127.0.0.1:{_free_port()}")
    monkeypatch.setattr("time.sleep", lambda _: None)  # the waits between the tries
    done = cli(command)
    assert done.code == 1
    assert done.err.startswith("error: no answer from http://127.0.0.1:")
    assert done.err.count("\n") == 1


def test_no_key(cli: Callable[..., object]) -> None:
    done = cli("credits")
    assert (done.code, done.out) == (2, "")
    assert done.err == (
        "error: no API key: pass api_key=, or set AIVIDEOAPI_API_KEY; 'aivideoapi sandbox' works without one\n"
    )


def test_unknown_command(cli: Callable[..., object]) -> None:
    done = cli("nonsense")
    assert done.code == 2
    assert "No such command" in done.err


def test_sandbox_serves_until_interrupted(
    cli_process: Callable[..., subprocess.Popen[str]],
    cli: Callable[..., object],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    process = cli_process("sandbox", "--port", "0", "--balance", "77")
    assert process.stdout is not None
    text = ""
    while "API_KEY" not in text:
        line = process.stdout.readline()
        assert line, process.stderr.read() if process.stderr else ""
        text += line
    for name, value in re.findall(r"export (\w+)=(\S+)", text):
        monkeypatch.setenv(name, value)
    assert "77 credits" in cli("credits").out
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=30)
    assert process.returncode == 130
    assert "Traceback" not in err


def test_sandbox_on_a_port_that_is_taken(cli: Callable[..., object], sandbox: Sandbox) -> None:
    port = sandbox.url.rpartition(":")[2]
    done = cli("sandbox", "--port", port)
    assert done.code == 1
    assert done.err.startswith(f"error: cannot listen on 127.0.0.1:{port}: ")
    assert done.err.count("\n") == 1


def test_without_the_extra_it_says_what_to_install() -> None:
    code = "import sys; sys.modules['typer'] = None; import aivideoapi_cli; aivideoapi_cli.main()"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr == f"aivideoapi needs typer: {pip_install('cli')}\n"


@pytest.mark.parametrize(
    ("package", "arguments", "extra"),
    [
        ("langchain", ("demo",), "demo"),
        ("bm25s", ("demo",), "demo"),
    ],
)
def test_a_part_without_its_extra_says_what_to_install(
    package: str,
    arguments: tuple[str, ...],
    extra: str,
    tmp_path: Path,
) -> None:
    code = f"import sys; sys.modules[{package!r}] = None; from aivideoapi_cli import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
    )
    assert done.returncode == 1
    assert f"error: this needs {package}: pip install '" in done.stderr
    assert f"[{extra}]'" in done.stderr
    assert "Traceback" not in done.stderr


def test_columns_for_another_program(cli: Callable[..., object]) -> None:
    first, *rest = cli("models").out.splitlines()
    assert first.split() == ["model", "route", "window", "max", "in", "out", "read", "5m", "1h"]
    assert all(len(line.split()) == 9 for line in rest)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
def test_a_full_disk_is_one_line() -> None:
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "aivideoapi_cli", "models"],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert (done.returncode, done.stderr) == (1, "error: cannot write: No space left on device\n")


def test_doctor_on_a_narrow_terminal(
    cli: Callable[..., object], monkeypatch: pytest.MonkeyPatch, sandbox: Sandbox
) -> None:
    _use(monkeypatch, sandbox)
    monkeypatch.setenv("COLUMNS", "40")
    lines = cli("doctor").out.splitlines()
    assert max(map(len, lines)) <= 40
    assert "      characters, starts with sk-" in [line.rstrip() for line in lines]


def _options() -> list[tuple[str, ...]]:
    """Every option of every command that takes a value."""
    found: list[tuple[str, ...]] = []

    def walk(command: Any, path: tuple[str, ...]) -> None:
        for name, below in getattr(command, "commands", {}).items():
            walk(below, (*path, name))
        if path and not getattr(command, "commands", None):
            for one in command.params:
                if one.param_type_name == "option" and not one.is_flag:
                    found.extend((*path, spelled) for spelled in one.opts)

    walk(typer.main.get_command(app), ())
    return found


@pytest.mark.parametrize("arguments", _options(), ids=" ".join)
def test_an_empty_option_is_an_error(cli: Callable[..., object], arguments: tuple[str, ...]) -> None:
    """Such as ``-m "$MODEL"`` where no ``MODEL`` is set: most would go on with a default that nobody chose."""
    *command, option = arguments
    given = [[option, ""], [option, " "]] + ([[f"{option}="]] if option.startswith("--") else [])
    for words in given:
        done = cli(*command, *words)
        assert (done.code, done.out) == (2, "")
        assert done.err == f"error: {option} is empty: give it a value, or leave it out\n"


def test_what_comes_after_the_options_may_be_empty(cli: Callable[..., object]) -> None:
    done = cli("chat", "--sandbox", "--", "-m", "")
    assert "is empty: give it" not in done.err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (
            ("spend", "--since", "2026-12-01", "--until", "2026-01-01"),
            "since='2026-12-01' is after until='2026-01-01'",
        ),
        (("spend", "--export", "rows.xlsx"), "--export writes .csv, .parquet or .focus.csv, not rows.xlsx"),
        (("spend", "--name", "other"), "--name is for a ledger in Redis"),
        (("budget", "raise", "team", "--by", "-5"), "--by is more than 0"),
        (("budget", "show", ""), "an argument is empty"),
        (("budget", "raise", "", "--to", "5"), "an argument is empty"),
    ],
)
def test_what_would_do_something_else_is_an_error(
    cli: Callable[..., object], tmp_path: Path, arguments: tuple[str, ...], said: str
) -> None:
    """Each was taken: for no calls, for CSV by another name, for the ledger of the file, for a lower limit, for ``default``."""
    path = str(tmp_path / "books.db")
    SpendLedger(path).append(CallRecord(model="m"))
    CreditBudget(10, store=path, name="team").standing()
    done = cli(*arguments, "--ledger" if arguments[0] == "spend" else "--store", path)
    assert (done.code, done.out) == (2, "")
    assert said in " ".join(done.err.split())
    assert CreditBudget.of_store(path, name="team").limit_micro == 10_000_000


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("batch", "rows.jsonl", "--engine", "spark"), "Invalid value for '--engine': 'spark' is not one of"),
        (("spend", "--days", "0"), "Invalid value for '--days': it must be 1 or more"),
        (("spend", "--days", "x"), "Invalid value for '--days': it must be a number (integer)"),
        (("sandbox", "--port", "99999"), "Invalid value for '--port': it must be 65535 or less"),
    ],
    ids=["engine", "least", "number", "most"],
)
def test_a_value_that_is_none_is_told_in_plain_words(
    cli: Callable[..., Any], arguments: tuple[str, ...], said: str
) -> None:
    done = cli(*arguments)
    plain = " ".join(done.err.replace("│", " ").split())
    assert done.code == 2
    assert said in plain
    assert "Value error" not in plain
    assert "Input should" not in plain
