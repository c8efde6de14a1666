"""``aivideoapi batch``: estimate, ask, run, report."""

from __future__ import annotations

import asyncio
import json
import os
import re
import shlex
import signal
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from aivideoapi_cli._terminal import FAILED, INTERRUPTED, WRONG_USE, CommandError, output

if TYPE_CHECKING:
    from rich.console import Console

    from aivideoapi_batch import BatchJob
    from aivideoapi_cli.batch.survey import Survey

REMAIN: Final = 3
"""Exit code while rows of the input have no result."""
_MODEL: Final = "claude-haiku-4-5/anthropic"
_NO_ROOM: Final = "BudgetExceededError"
_FIELD: Final = re.compile(r"\{[^\W\d][\w.\-]*\}")
_PASSWORD: Final = re.compile(r"(rediss?://[^:/@\s]*:)[^@\s]*@")
"""Of a Redis: the command to go on with is printed without it."""


class Engine(StrEnum):
    """What runs the calls."""

    LOCAL = "local"
    RAY = "ray"


def batch(
    source: Annotated[
        Path,
        typer.Argument(metavar="INPUT", help="Rows: a .jsonl, .csv or .parquet file.", show_default=False),
    ],
    prompt: Annotated[
        str, typer.Option(metavar="TEXT|FILE", help="The prompt; {field} stands for a field of the row.")
    ],
    out: Annotated[Path, typer.Option(metavar="DIR", help="Folder for results.jsonl, journal and books.")],
    budget: Annotated[
        str, typer.Option(metavar="CREDITS", help="Most that all runs with this folder may cost together.")
    ],
    schema: Annotated[
        Path | None, typer.Option(metavar="FILE", help="A JSON schema; answers are objects of it.")
    ] = None,
    model: Annotated[str, typer.Option("--model", "-m", help="Model id; see 'aivideoapi models'.")] = _MODEL,
    max_tokens: Annotated[int, typer.Option(min=1, help="Longest answer, in tokens.")] = 1024,
    id_field: Annotated[str, typer.Option("--id", metavar="FIELD", help="The field with a row's id.")] = "id",
    concurrency: Annotated[int, typer.Option(min=1, help="Calls at once, at best.")] = 32,
    journal: Annotated[
        str, typer.Option(metavar="REDIS_URL", help="For many machines: journal, books and pace are there.")
    ] = "",
    name: Annotated[
        str,
        typer.Option(help="Of the job in that Redis, the same on all machines.", show_default="DIR's name"),
    ] = "",
    engine: Annotated[Engine, typer.Option(help="This process, or Ray Data.")] = Engine.LOCAL,
    workers: Annotated[int, typer.Option(min=1, help="Processes of the engine 'ray'.")] = 2,
    retry: Annotated[
        str, typer.Option(metavar="STATUSES", help="Call these rows again: failed,refused,lost.")
    ] = "",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Estimate and leave.")] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Begin without asking.")] = False,
) -> None:
    """Call a model once for each row of a file, under a budget; run it again to go on where it stopped.

    Exit code 3 while rows remain.
    """
    from aivideoapi_cli.batch.making import job_of, schema_of, text_of
    from aivideoapi_cli.batch.rows import rows_of
    from aivideoapi_cli.batch.show import report_view
    from aivideoapi_cli.batch.survey import surveyed

    rows_of(source)  # whether it can be read is said before anything is made
    job, kept = job_of(
        out.absolute(),  # an engine's processes may be elsewhere
        prompt=text_of(prompt),
        schema=None if schema is None else schema_of(schema),
        budget=budget,
        shared=(journal, name or out.absolute().name) if journal else None,
        dry_run=dry_run,
        options={
            "id": id_field,
            "concurrency": concurrency,
            "retry": [name for name in retry.split(",") if name],
        },
        settings={"model": model, "max_tokens": max_tokens},
    )
    console = output(piped_width=100)
    if not _FIELD.search(text_of(prompt)):
        console.print("--prompt has no {field}: every row asks the same.", style="yellow", markup=False)
    survey = surveyed(console, job, rows_of(source), dry_run=dry_run)
    _say(console, survey)
    if dry_run:
        return
    if survey.open_rows and not yes and not _agreed():
        raise CommandError("not begun", exit_code=FAILED)
    kept.set_limit(budget)  # a later run may move it
    ended = 0
    if survey.open_rows and engine is Engine.RAY:
        from aivideoapi_cli.batch.on_ray import run_on_ray

        ended = run_on_ray(console, job, rows_of(source), workers=workers, total=survey.open_rows)
    elif survey.open_rows:
        _run(console, job, rows_of(source), total=survey.open_rows)
        counts = job.counts
        ended = counts.called + counts.bad + counts.resumed - (survey.rows - survey.open_rows)
    needed = job.counts.needed_micro
    results, reasons = _write_results(job, out)
    report = job.report()
    remaining = max(0, survey.open_rows - ended)
    job.close()
    console.print(report_view(report, remaining=remaining, lines=console.is_terminal))
    console.print(f"Results: {results}", markup=False, soft_wrap=True)
    for (status, error), count in sorted(reasons.items()):
        more = "; a higher --budget or a smaller --max-tokens lets them in" if error == _NO_ROOM else ""
        console.print(f"{status}: {count:,} by {error}{more}", markup=False, soft_wrap=True)
    if not_ok := [status for status in report.totals.rows if status != "ok"]:
        console.print(
            f"To call those that are not ok again, add --retry {','.join(sorted(not_ok))}", style="dim"
        )
    if remaining:
        more = " with a higher --budget" if needed is not None else ""
        console.print(f"{remaining:,} rows remain. To go on, run the same command again{more}:", style="bold")
        command = _PASSWORD.sub(r"\1...@", shlex.join(["aivideoapi", *sys.argv[1:]]))
        console.print(f"  {command}", markup=False, soft_wrap=True)
        raise typer.Exit(REMAIN)


def _say(console: Console, survey: Survey) -> None:
    done = survey.rows - survey.open_rows
    if done:
        console.print(f"{done:,} of {survey.rows:,} rows have their result.")
    idle = "Nothing is left to call." if survey.rows else "The input has no rows."
    console.print(f"{survey.estimate}." if survey.open_rows else idle, markup=False)


def _agreed() -> bool:
    if not sys.stdin.isatty():
        raise CommandError("nobody is there to ask: add --yes to begin", exit_code=WRONG_USE)
    return typer.confirm("Begin?")


def _run(console: Console, job: BatchJob, rows: Iterable[Any], *, total: int) -> None:
    from aivideoapi_cli.batch.show import Bar

    bar = Bar(console, total=total)

    async def work() -> None:
        with _stopping(job, asyncio.get_running_loop(), say=lambda text: console.print(text, style="yellow")):
            async for result in job.arun(rows, replay=False):
                bar.add(result.status.value, result.credits_micro)

    with bar.progress:
        asyncio.run(work())


@contextmanager
def _stopping(
    job: BatchJob, loop: asyncio.AbstractEventLoop, *, say: Callable[[str], None]
) -> Iterator[None]:
    """Ctrl-C ends the run once the calls in flight have their results; a second one leaves at once."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    asked = False

    def stop(*_: object) -> None:
        nonlocal asked
        if asked:
            output().show_cursor()
            os._exit(INTERRUPTED)  # what was in flight is in the journal, and counted
        asked = True
        loop.call_soon_threadsafe(
            say, "Stopping: the calls in flight get their results. Ctrl-C again leaves at once."
        )
        loop.call_soon_threadsafe(job.stop, "interrupted")

    before = signal.signal(signal.SIGINT, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _write_results(job: BatchJob, out: Path) -> tuple[Path, Counter[tuple[str, str]]]:
    """``results.jsonl``: every row's result once, whole or not at all; and how many are not ok, by status and error."""
    reasons: Counter[tuple[str, str]] = Counter()
    path = out / "results.jsonl"
    whole = out / f".results-{os.getpid()}.jsonl"
    try:
        with whole.open("w", encoding="utf-8") as file:
            for result in job.results():
                file.write(json.dumps(result.to_dict()) + "\n")
                if result.status != "ok":
                    reasons[result.status.value, result.error or "no error"] += 1
        whole.replace(path)
    except OSError as error:
        raise CommandError(f"cannot write {path}: {error.strerror or error}") from error
    return path, reasons
