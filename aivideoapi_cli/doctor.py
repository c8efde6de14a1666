"""``aivideoapi doctor``: look for what could be wrong here, and say what to do."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.text import Text

from aivideoapi_cli._terminal import FAILED, output, print_json

_STYLES = {"ok": ("ok", "green"), "note": ("note", "yellow"), "wrong": ("wrong", "bold red")}


def doctor(
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of text.")] = False,
) -> None:
    """Check versions, settings, registries, the connection and the clock; fails if something is wrong."""
    from aivideoapi_cli._checks import Verdict, all_checks

    console = output()
    findings = []
    for finding in all_checks():
        findings.append(finding)
        if as_json:
            continue
        word, style = _STYLES[finding.verdict.value]
        line = Text.assemble((f"{word:<6}", style), (f"{finding.what:<28} ", "bold"), finding.found)
        console.print(line, soft_wrap=True)
        if finding.advice:
            console.print(Text(f"{'':<6}{'':<28} {finding.advice}", style="cyan"), soft_wrap=True)
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
