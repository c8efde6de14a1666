"""``aivideoapi spend``: tables and bars in the terminal, and a page that a real browser draws by itself."""

from __future__ import annotations

import json
import subprocess
from decimal import Decimal
from pathlib import Path

import pytest
from typer.testing import CliRunner

from aivideoapi_cli._app import app
from aivideoapi_cli.spend import bar
from aivideoapi_core import CallRecord, Outcome, SpendLedger, TokenCounts

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
    assert "1970-01-02" not in run("--ledger", str(ledger), "--days", "2")
    assert run("--ledger", str(ledger), "--tag", "nobody").strip() == "No calls."


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
    page = tmp_path / "spend.html"
    run("--ledger", str(ledger), "--html", str(page))
    source = page.read_text(encoding="utf-8")
    assert EVIL not in source
    dom = subprocess.run(  # noqa: S603 - our own arguments
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
            page.as_uri(),
        ],
        capture_output=True,
        text=True,
        timeout=180,
        check=True,
    ).stdout
    assert "<title>Spend: ledger.sqlite</title>" in dom  # the hostile tag ran no script
    assert dom.count('class="main-svg"') >= 4  # one plot each: days, tokens, tags, single calls
    for text in ("0.1271", "unknown", "team-a", "claude-next-9", "1970-01-02"):
        assert text in dom
    assert " src=" not in dom.replace(' src="data:', "")  # nothing is fetched
