"""``aivideoapi doctor``: look for what could be wrong here, and say what to do."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table
from rich.text import Text

from aivideoapi_cli._terminal import FAILED, output, print_json

if TYPE_CHECKING:
    from aivideoapi_cli._checks import Finding

_STYLES = {"ok": ("ok", "green"), "note": ("note", "yellow"), "wrong": ("wrong", "bold red")}


_PIPED_WIDTH = 200
"""A finding is one line where nobody looks at it."""


_NARROW = 72
"""Columns of a terminal in which what was found stands below what was looked at."""


def _row(finding: Finding, *, width: int) -> Table:
    """One finding: the verdict, what was looked at, and what was found with the advice below it."""
    word, style = _STYLES[finding.verdict.value]
    row = Table.grid(padding=(0, 1))
    row.add_column(width=5, style=style)
    if width < _NARROW:
        row.add_column(overflow="fold")
        row.add_row(word, Text(finding.what, style="bold"))
        row.add_row("", Text(finding.found))
        if finding.advice:
            row.add_row("", Text(finding.advice, style="cyan"))
        return row
    row.add_column(width=28, style="bold")
    row.add_column(overflow="fold")
    row.add_row(word, finding.what, Text(finding.found))
    if finding.advice:
        row.add_row("", "", Text(finding.advice, style="cyan"))
    return row


def doctor(
    everything: Annotated[
        bool, typer.Option("--all", help="Packages of extras that are not installed too.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of text.")] = False,
) -> None:
    """Check key, connection, clock, settings, registries and versions, in this order; fails if something is wrong."""
    from aivideoapi_cli._checks import Verdict, all_checks

    console = output(piped_width=_PIPED_WIDTH)
    findings = []
    for finding in all_checks(everything=everything):
        findings.append(finding)
        if as_json:
            continue
        console.print(_row(finding, width=console.width))
    wrong = sum(finding.verdict is Verdict.WRONG for finding in findings)
    if as_json:
        print_json(
            [
                {"verdict": item.verdict.value, "what": item.what, "found": item.found, "advice": item.advice}
                for item in findings
            ]
        )
    else:
        console.print()
        console.print(f"{wrong} to put right" if wrong else "nothing to put right", style="bold")
    if wrong:
        raise typer.Exit(FAILED)
