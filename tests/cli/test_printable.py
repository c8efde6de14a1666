"""What others wrote reaches a console as text, never as a command to the terminal."""

from __future__ import annotations

import io
import json
import re

import pytest
from rich.markdown import Markdown
from rich.table import Table
from rich.text import Text

from aivideoapi_cli._terminal import CommandError, SafeConsole, complain, print_json, printable

EVIL = "a\x1b]0;owned\x07b\x9b31mc\x7f\x00\x08d\te\nf"
COMMANDS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f]")


def test_printable() -> None:
    assert printable(EVIL) == "a]0;ownedb31mcd\te\nf"
    assert "".join(map(printable, "x\x1b[2Jy")) == "x[2Jy"  # in pieces


@pytest.mark.parametrize("what", [EVIL, Text(EVIL), Markdown(f"# {EVIL}\n\n`{EVIL}`\n\n{EVIL}")])
@pytest.mark.parametrize("in_table", [False, True])
def test_no_command_reaches_a_console(what: object, in_table: bool) -> None:
    out = io.StringIO()
    console = SafeConsole(file=out, force_terminal=False, width=80)
    if in_table:
        table = Table("name")
        table.add_row(what)
        what = table
    console.print(what)
    assert "owned" in out.getvalue()
    assert not COMMANDS.search(out.getvalue())


def test_errors_and_json(capsys: pytest.CaptureFixture[str]) -> None:
    complain(CommandError(EVIL))
    print_json({EVIL: [EVIL]})
    captured = capsys.readouterr()
    assert not COMMANDS.search(captured.out + captured.err)
    assert json.loads(captured.out) == {EVIL: [EVIL]}


@pytest.mark.parametrize(("on_a_terminal", "lines"), [(True, 3), (False, 1)])
def test_an_error_is_broken_between_words_and_for_a_terminal_alone(
    on_a_terminal: bool, lines: int, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    monkeypatch.setenv("FORCE_COLOR", "1" if on_a_terminal else "")
    said = "of the 0.010000 credits of budget 'default' 0.000000 are spent and 0.000000 are reserved by running calls"
    complain(CommandError(said))
    shown = re.sub("\x1b\\[[0-9;]*m", "", capsys.readouterr().err)
    assert " ".join(shown.split()) == f"error: {said}"
    assert [len(line) <= 40 for line in shown.splitlines()] == [on_a_terminal] * lines
