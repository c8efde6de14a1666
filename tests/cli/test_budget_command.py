"""``aivideoapi budget``: what a store keeps, in tables, in columns, as JSON; and limits moved from outside."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from aivideoapi_cli._app import app
from aivideoapi_cli._terminal import shown_place
from aivideoapi_core import CreditBudget, WorstCase


@pytest.fixture
def store(tmp_path: Path) -> Path:
    path = tmp_path / "b.sqlite"
    for name, window, limit in (("user:17", "calendar month Europe/Berlin", 200), ("[red]x", "day", "12.5")):
        budget = CreditBudget(limit, window=window, store=path, name=name, wait_s=0)
        held = budget.hold("m", WorstCase(input=1, output=1, micro=1_234_567))
        budget.settle(held, 1_234_000, unknown=name == "[red]x")
        budget.close()
    return path


def run(*arguments: str, code: int = 0, columns: int = 120) -> str:
    result = CliRunner().invoke(app, ["budget", *arguments], env={"COLUMNS": str(columns), "NO_COLOR": "1"})
    assert result.exit_code == code or result.exception is not None, result.output
    return result.stdout if code == 0 else str(result.exception)


def test_list_is_columns_in_a_pipe(store: Path) -> None:
    lines = run("list", "--store", str(store)).splitlines()
    assert lines[0].split() == ["name", "limit", "spent", "reserved", "left", "window", "raised", "until"]
    assert lines[1].split() == ["[red]x", "12.50", "1.234000", "0.00", "11.266000", "day", "-"]
    assert lines[2].split()[:3] == ["user:17", "200.00", "1.234000"]
    assert "calendar month Europe/Berlin" in lines[2]


def test_list_and_show_as_json(store: Path) -> None:
    listed = json.loads(run("list", "--store", str(store), "--json"))
    assert [budget["name"] for budget in listed] == ["[red]x", "user:17"]
    assert json.loads(run("show", "user:17", "--store", str(store), "--json")) == listed[1]
    assert listed[0]["unknown_micro"] == 1_234_000
    assert listed[1]["window_end"].endswith("+00:00")


def test_show_is_one_line_for_each_fact(store: Path) -> None:
    shown = run("show", "--store", str(store), "--name", "[red]x")
    assert shown.splitlines() == [
        "budget   [red]x",
        "limit    12.50",
        "spent    1.234000, 1.234000 of it a bound, for calls of unknown cost",
        "reserved 0.00",
        "left     11.266000",
        "window   day",
    ]


def test_raise_for_a_while_and_for_good(store: Path) -> None:
    said = run("raise", "--store", str(store), "--name", "user:17", "--by", "50", "--for", "2h")
    assert "limit    250.00 until " in said
    assert ", then 200.00" in said
    budget = CreditBudget.of_store(store, name="user:17", wait_s=0)
    assert budget.standing().raised_micro == 50_000_000
    run("raise", "--store", str(store), "--name", "user:17", "--to", "300", "--until", "2125-01-01")
    assert budget.standing().limit_micro == 300_000_000
    run("raise", "user:17", "--store", str(store), "--to", "220")
    assert (budget.standing().limit_micro, budget.standing().raised_until) == (220_000_000, None)
    budget.close()


def test_to_look_on_does_not_decide_what_becomes_of_the_dead(tmp_path: Path) -> None:
    path = tmp_path / "b.sqlite"
    dead = CreditBudget(10, store=path, when_owner_dies="count", lease_s=1e-6, wait_s=0)
    dead.hold("m", WorstCase(input=1, output=1, micro=5_000_000))
    listed = json.loads(run("list", "--store", str(path), "--json"))
    run("raise", "--store", str(path), "--to", "11")
    assert [budget["reserved_micro"] for budget in listed] == [5_000_000]
    assert dead.standing().spent_micro == 5_000_000
    dead.close()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("show", "nobody", "--name", "user:17"), "give NAME or --name, not both"),
        (("show", "nobody"), "keeps no budget 'nobody'; it has '[red]x', 'user:17'"),
        (("raise", "--name", "nobody", "--to", "1"), "keeps no budget 'nobody'; it has '[red]x', 'user:17'"),
        (("raise", "--name", "user:17"), "--to CREDITS, or --by CREDITS"),
        (("raise", "--to", "1", "--by", "1"), "--to CREDITS, or --by CREDITS"),
        (("raise", "--to", "1", "--for", "1h", "--until", "2125-01-01"), "not both"),
        (("raise", "--to", "1", "--for", "soon"), "90m, 2h, 3d or 1w"),
        (("raise", "--to", "1", "--until", "soon"), "2026-12-01T09:00+01:00"),
        (("raise", "--name", "user:17", "--to", "300", "--until", "2000-01-01"), "later datetime"),
        (("raise", "--name", "user:17", "--to", "much"), "no number of credits"),
        (("raise", "--name", "user:17", "--to", "200", "--for", "1h"), "the limit agreed on is 200.00"),
    ],
)
def test_failures_are_told_in_words(store: Path, arguments: tuple[str, ...], said: str) -> None:
    assert said in run(arguments[0], "--store", str(store), *arguments[1:], code=1)


@pytest.mark.parametrize(
    ("store", "shown"),
    [
        ("books/me@home.sqlite", "books/me@home.sqlite"),
        ("redis://host:1/0", "host:1/0"),
        ("redis://me:secret@host:1/0", "host:1/0"),
        ("redis://me:sec/ret@host:1/0", "host:1/0"),
        ("redis://host:1/0?password=secret", "host:1/0"),
        ("redis://host:1/0?password=se@cret", "redis://…"),
        ("rediss://me:se?cret@host:1/0", "rediss://…"),
        ("unix://me:secret@/run/redis.sock?db=1", "/run/redis.sock"),
    ],
)
def test_a_place_is_shown_without_its_password(store: str, shown: str) -> None:
    assert shown_place(store) == shown


def test_a_server_that_is_away_is_told_without_its_password(tmp_path: Path) -> None:
    said = run("list", "--store", "redis://me:secret@127.0.0.1:1/0", code=1)
    assert "the budgets at 127.0.0.1:1/0 cannot be read" in said
    assert "secret" not in said
    assert "there is no file" in run("list", "--store", str(tmp_path / "no.sqlite"), code=1)
