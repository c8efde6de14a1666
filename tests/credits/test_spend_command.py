"""``aivideoapi spend``: tables and bars in the terminal, and a page that a real browser draws by itself."""

from __future__ import annotations

import csv
import json
import subprocess
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from aivideoapi_cli._app import app
from aivideoapi_cli._spend_page import page
from aivideoapi_cli._spend_tables import bar
from aivideoapi_core import CallRecord, CreditsTotals, Outcome, SpendLedger, TokenCounts

DAY_S = 86_400.0
EVIL = "</script><script>document.title='broken'</script>"


@pytest.fixture
def ledger(tmp_path: Path) -> Path:
    path = tmp_path / "ledger.sqlite"
    book = SpendLedger(path)
    known = {"tokens": TokenCounts(input=18, output=42), "latency_s": 1.5}
    for record in (
        CallRecord(
            model="claude-sonnet-4-6",
            started_at=1 * DAY_S,
            credits_micro=68_400,
            credits_reported=Decimal("0.06"),
            tags=("team-a",),
            **known,
        ),
        CallRecord(
            model="claude-haiku-4-5/anthropic",
            started_at=2 * DAY_S,
            credits_micro=67_092,
            tags=("team-b", EVIL),
            **known,
        ),
        CallRecord(model="claude-next-9", started_at=2 * DAY_S, **known),
        CallRecord(model="claude-sonnet-4-6", started_at=3 * DAY_S, outcome=Outcome.LOST, at_most_micro=9),
        CallRecord(model="claude-sonnet-4-6", started_at=3 * DAY_S, outcome=Outcome.FAILED),
    ):
        book.append(record)
    book.close()
    return path


def run(*arguments: str, columns: int = 120) -> str:
    result = CliRunner().invoke(app, ["spend", *arguments], env={"COLUMNS": str(columns), "NO_COLOR": "1"})
    assert result.exit_code == 0, result.output
    return result.stdout


def test_tables_by_model_day_and_tag(ledger: Path) -> None:
    shown = run("--ledger", str(ledger))
    lines = shown.splitlines()
    assert lines[0] == "4 calls, 0.13 credits ($0.0006), 2 of unknown cost, 1 failed and not billed"
    by_first = {line.split()[0]: line.split() for line in lines if line.split()}
    assert by_first["claude-haiku-4-5/anthropic"][1:6] == ["1", "18", "42", "0.0671", "0.000335"]
    assert by_first["claude-haiku-4-5/anthropic"][-1] == "█" * 24
    assert by_first["claude-next-9"][1:7] == ["1", "18", "42", "unknown", "unknown", "1"]
    assert by_first["1970-01-02"][4] == "0.0600"
    assert by_first["1970-01-04"][2:6] == ["unknown"] * 4
    assert by_first["team-a"][-1].startswith("█")


def test_figures_are_whole_where_there_is_no_room_for_bars(ledger: Path) -> None:
    shown = run("--ledger", str(ledger), "--tag", "team-b", columns=40)
    assert max(map(len, shown.splitlines())) <= 40
    assert "█" not in shown
    assert "…" not in shown
    assert "calls input output credits" in shown


@pytest.mark.parametrize("columns", [60, 80, 100])
def test_narrow_terminals_get_every_row_in_one_line(ledger: Path, columns: int) -> None:
    lines = run("--ledger", str(ledger), "--tag", "team-b", columns=columns).splitlines()
    assert max(map(len, lines)) <= columns
    (day,) = (line for line in lines if line.startswith("1970-01-03 ") and "UTC" not in line)
    assert day.split()[1:4] == ["1", "18", "42"]
    assert day.rstrip().endswith("█" * 8)


def test_the_two_figures_and_how_many_calls_they_stand_for(ledger: Path) -> None:
    second = run("--ledger", str(ledger)).splitlines()[1]
    assert second.startswith("1970-01-02 to 1970-01-04 (UTC), reported by the platform 0.06 (1 of 4)")
    assert "computed from prices 0.1355 (2 of 4)" in run("--ledger", str(ledger), columns=200)


def test_selections(ledger: Path) -> None:
    assert "claude-haiku" not in run("--ledger", str(ledger), "--tag", "team-a")
    assert run("--ledger", str(ledger), "--days", "2").strip() == "No calls."
    assert "1970-01-02" not in run("--ledger", str(ledger), "--since", "1970-01-03")
    shown = run("--ledger", str(ledger), "--since", "1970-01-02", "--until", "1970-01-03")
    assert "1970-01-03" in shown
    assert "1970-01-04" not in shown
    assert run("--ledger", str(ledger), "--tag", "nobody").strip() == "No calls."


def test_days_are_calendar_days(tmp_path: Path) -> None:
    book = SpendLedger(tmp_path / "ledger.sqlite")
    midnight = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0).timestamp()
    for at in (midnight, midnight - 1, midnight - DAY_S, midnight - DAY_S - 1):
        book.append(CallRecord(model="m", started_at=at, credits_micro=1))
    book.close()
    for days, calls in ((1, 1), (2, 3), (3, 4)):
        shown = run("--ledger", str(tmp_path / "ledger.sqlite"), "--days", str(days))
        assert shown.startswith(f"{calls} call")


def test_what_an_agent_cost_a_customer(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"
    book = SpendLedger(path)
    yesterday = datetime.now(UTC).timestamp() - DAY_S
    for agent, customer, at in (
        ("x", "y", yesterday),
        ("x", "z", yesterday),
        ("w", "y", yesterday),
        ("x", "y", 0.0),
    ):
        book.append(
            CallRecord(
                model="m", agent=agent, customer=customer, thread="t", started_at=at, credits_micro=10**6
            )
        )
    book.append(CallRecord(model="m", outcome=Outcome.REFUSED, started_at=yesterday))
    book.close()
    asked = (
        "--ledger",
        str(path),
        "--agent",
        "x",
        "--customer",
        "y",
        "--since",
        "yesterday",
        "--until",
        "yesterday",
    )
    assert run(*asked).splitlines()[0] == "1 call, 1.00 credits ($0.0050)"
    heads = {line.split()[0] for line in run(*asked).splitlines() if " calls " in line}
    assert "model" in heads
    assert heads.isdisjoint({"agent", "customer"})  # of one there is no table
    shown = run("--ledger", str(path), "--by", "agent")
    assert shown.splitlines()[0].endswith("1 refused by a budget")
    assert {line.split()[0]: line.split()[1] for line in shown.splitlines()[2:]} == {
        "agent": "calls", "x": "3", "w": "1", "(none)": "0",
    }  # fmt: skip
    assert "─" not in shown  # a pipe gets columns alone
    rows = list(csv.DictReader(run("--ledger", str(path), "--by", "customer", "--csv").splitlines()))
    assert [(row["customer"], row["calls"], row["credits"], row["usd"]) for row in rows] == [
        ("y", "3", "3.00", "0.01500"),
        ("z", "1", "1.00", "0.00500"),
        ("(none)", "0", "0", "0.000"),
    ]
    data = json.loads(run("--ledger", str(path), "--by", "thread", "--json"))
    assert data["by_thread"]["t"]["calls"] == data["calls"] == 4
    hours = json.loads(run("--ledger", str(path), "--by", "hour", "--tz", "Asia/Kathmandu", "--json"))[
        "by_hour"
    ]
    assert "1970-01-01T05:00+0530" in hours


@pytest.mark.parametrize(
    "options",
    [
        ("--by", "colour"),
        ("--tz", "Mars/Olympus"),
        ("--since", "the other day"),
        ("--days", "1", "--since", "today"),
        ("--csv", "--json"),
    ],
)
def test_wrong_questions_are_one_line(
    ledger: Path, options: tuple[str, ...], monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    from aivideoapi_cli._app import run as run_command

    monkeypatch.setattr("sys.argv", ["aivideoapi", "spend", "--ledger", str(ledger), *options])
    assert run_command() == 2
    assert capfd.readouterr().err.count("\n") == 1


def test_a_ledger_in_redis_by_name(redis_url: str) -> None:
    book = SpendLedger(redis_url, name="team")
    book.append(CallRecord(model="claude-sonnet-4-6", credits_micro=10**6))
    book.close()
    assert run("--ledger", redis_url, "--name", "team").startswith("1 call, 1.00 credits")
    assert run("--ledger", redis_url).strip() == "No calls."


def test_a_page_of_many_calls_stays_small() -> None:
    class Book(SpendLedger):
        """As if there were a row for each of these."""

        def sums(self, by: Any, **asked: Any) -> dict[Any, CreditsTotals]:
            totals = CreditsTotals(calls=2, charged_sum=Decimal(1))
            unit = by[0]
            months = [f"2026-{month:02}" for month in range(1, 7)]
            return {
                (
                    f"{month}-01" if unit == "day" else month,
                    "m",
                    f"agent-{number % 100}",
                    f'["tag-{number}"]',
                ): totals
                for month in months
                for number in range(4_000)
            }

    text = page(Book(), {}, title="many")
    assert len(text) < 1_000_000
    data = json.loads(text.split('type="application/json">')[1].split("</script>")[0])
    assert data["unit"] == "month"
    assert sum(cell[4] for cell in data["cells"]) == 2 * 6 * 4_000
    assert "(other)" in data["tags"]


def test_json(ledger: Path) -> None:
    data = json.loads(run("--ledger", str(ledger), "--json"))
    assert data["credits_micro"] == 68_400 + 67_092
    assert data["by_day"]["1970-01-04"]["credits"] is None
    assert data["by_model"]["claude-next-9"]["usd"] is None
    assert set(data["by_day"]["1970-01-04"]["tokens"].values()) == {None}  # nobody stated them
    assert data["tokens"]["input"] == 3 * 18
    assert data["tokens"]["thinking"] is None


@pytest.mark.parametrize(
    "content", [None, b"this is no database at all, it is a text"], ids=["missing", "no ledger"]
)
def test_no_ledger_is_one_line(
    tmp_path: Path, content: bytes | None, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    from aivideoapi_cli._app import run as run_command

    path = tmp_path / "other.sqlite"
    if content is not None:
        path.write_bytes(content)
    monkeypatch.setattr("sys.argv", ["aivideoapi", "spend", "--ledger", str(path)])
    assert run_command() == 1
    error = capfd.readouterr().err
    assert error.count("\n") == 1
    assert error.startswith("error: ")
    assert content is not None or not path.exists()


@pytest.mark.parametrize(
    ("share", "shown"),
    [("0", ""), ("0.0001", "▏"), ("0.5", "████"), ("0.55", "████▍"), ("1", "████████")],
)
def test_bar(share: str, shown: str) -> None:
    assert bar(Decimal(share), cells=8) == shown


def test_the_page_draws_in_a_browser_without_network(ledger: Path, tmp_path: Path, browser: str) -> None:
    file = tmp_path / "spend.html"
    run("--ledger", str(ledger), "--html", str(file))
    source = file.read_text(encoding="utf-8")
    assert EVIL not in source
    dom = subprocess.run(
        [
            browser,
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--host-resolver-rules=MAP * ~NOTFOUND",
            "--virtual-time-budget=10000",
            f"--user-data-dir={tmp_path / 'profile'}",
            f"--screenshot={tmp_path / 'page.png'}",
            "--window-size=1200,2400",
            "--dump-dom",
            file.as_uri(),
        ],
        capture_output=True,
        text=True,
        timeout=180,
        check=True,
    ).stdout
    assert "<title>Spend: ledger.sqlite</title>" in dom  # the hostile tag ran no script
    assert "<svg" in dom
    assert dom.count('class="bar"') >= 2 + 4  # tags, and kinds of tokens
    assert file.stat().st_size < 40_000
    for text in ("0.1271", "$0.0006", "unknown", "team-a", "claude-next-9", "1970-01-02"):
        assert text in dom
    assert " src=" not in dom.replace(' src="data:', "")  # nothing is fetched
