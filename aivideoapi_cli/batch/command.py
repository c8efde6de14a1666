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
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from aivideoapi_cli._terminal import FAILED, INTERRUPTED, WRONG_USE, CommandError, output

if TYPE_CHECKING:
    from rich.console import Console

    from aivideoapi_batch import BatchEstimate, BatchJob
    from aivideoapi_core import CreditBudget

REMAIN: Final = 3
"""Exit code while rows of the input have no result."""
_MODEL: Final = "claude-haiku-4-5/anthropic"
_PASSWORD: Final = re.compile(r"(rediss?://[^:/@\s]*:)[^@\s]*@")
"""Of a Redis: the command to go on with is printed without it."""
_LONGEST_NAME: Final = 255
"""Longer text is no file name on any system."""


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
    model: Annotated[str, typer.Option(help="Model id; see 'aivideoapi models'.")] = _MODEL,
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
    from aivideoapi_cli.batch.rows import rows_of
    from aivideoapi_cli.batch.show import report_view

    rows_of(source)  # whether it can be read is said before anything is made
    job, kept = _job(
        out.absolute(),  # an engine's processes may be elsewhere
        prompt=_text_of(prompt),
        schema=None if schema is None else _schema_of(schema),
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
    survey = _survey(job, rows_of(source), dry_run=dry_run)
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
    results = _write_results(job, out)
    report = job.report()
    remaining = max(0, survey.open_rows - ended)
    job.close()
    console.print(report_view(report, remaining=remaining))
    console.print(f"Results: {results}", markup=False, soft_wrap=True)
    if not_ok := [status for status in report.totals.rows if status != "ok"]:
        console.print(
            f"To call those that are not ok again, add --retry {','.join(sorted(not_ok))}", style="dim"
        )
    if remaining:
        console.print(f"{remaining:,} rows remain. To go on, run the same command again:", style="bold")
        command = _PASSWORD.sub(r"\1...@", shlex.join(["aivideoapi", *sys.argv[1:]]))
        console.print(f"  {command}", markup=False, soft_wrap=True)
        raise typer.Exit(REMAIN)


@dataclass(slots=True)
class _Survey:
    """What there is to do: rows of the input, those without a result, what they may cost."""

    rows: int = 0
    open_rows: int = 0
    estimate: BatchEstimate | None = None
    fields: str = ""

    def counted(self, rows: Iterable[Any]) -> Iterator[Any]:
        for row in rows:
            if not self.rows:
                names = ", ".join(map(str, row)) if isinstance(row, dict) else ""
                self.fields = f"the fields {names}" if names else "no fields"
            self.rows += 1
            yield row


def _survey(job: BatchJob, rows: Iterable[Any], *, dry_run: bool) -> _Survey:
    survey = _Survey()
    job.journal.check(job.manifest)
    totals = job.journal.totals()
    spent_micro = totals.credits_micro + totals.at_most_micro
    counted = job.open_rows(survey.counted(rows))
    budget = job.call.budget
    limit_micro = 0 if budget is None else budget.limit_micro
    survey.estimate = job.estimate(counted, available_micro=max(0, limit_micro - spent_micro))
    survey.open_rows = survey.estimate.rows
    if survey.open_rows and survey.estimate.bad_rows == survey.rows:
        raise CommandError(
            f"no row can be called: the first has {survey.fields}, --id asks for {job.id_field!r}, "
            "and --prompt for a field for each {name} in it",
            exit_code=WRONG_USE,
        )
    if dry_run:
        job.close()
    return survey


def _say(console: Console, survey: _Survey) -> None:
    done = survey.rows - survey.open_rows
    if done:
        console.print(f"{done:,} of {survey.rows:,} rows have their result.")
    console.print(f"{survey.estimate}." if survey.open_rows else "Nothing is left to call.", markup=False)


def _agreed() -> bool:
    if not sys.stdin.isatty():
        raise CommandError("nobody is there to ask: add --yes to begin", exit_code=WRONG_USE)
    return typer.confirm("Begin?")


def _job(
    out: Path,
    *,
    prompt: str,
    schema: dict[str, Any] | None,
    budget: str,
    shared: tuple[str, str] | None,
    dry_run: bool,
    options: dict[str, Any],
    settings: dict[str, Any],
) -> tuple[BatchJob, CreditBudget]:
    from aivideoapi_batch import BatchJob, Pace, RedisJournal, prompt_call
    from aivideoapi_core import API_KEY_ENV, CreditBudget, SpendLedger
    from langchain_aivideoapi import ChatAIVideoAPI

    # In one place figure, row of the ledger and result are one write: a kill leaves the books equal.
    place, name = shared or (str(out / "batch.sqlite"), "batch")
    journal, pace = (
        (place, None) if shared is None else (RedisJournal(place, name=name), Pace.shared(place, name=name))
    )
    kept, ledger = CreditBudget(budget), None
    if not dry_run:
        try:
            out.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise CommandError(f"cannot make the folder {out}: {error.strerror or error}") from error
        # A process that dies has perhaps been billed for what it had in flight.
        kept = CreditBudget(budget, store=place, name=name, when_owner_dies="count", lease_s=20)
        ledger = SpendLedger(place) if shared is None else SpendLedger(place, name=name)
    elif not os.environ.get(API_KEY_ENV):
        settings["api_key"] = "none is needed for an estimate"
    call = prompt_call(ChatAIVideoAPI(**settings, ledger=ledger, budget=kept), prompt, schema=schema)
    return BatchJob(call, name=name, journal=journal, pace=pace, **options), kept


def _text_of(prompt: str) -> str:
    """The text of the file ``prompt``, if it is one; else ``prompt``."""
    if len(prompt) <= _LONGEST_NAME and "\n" not in prompt and Path(prompt).is_file():
        try:
            return Path(prompt).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise CommandError(f"cannot read the prompt in {prompt}: {error}", exit_code=WRONG_USE) from error
    return prompt


def _schema_of(path: Path) -> dict[str, Any]:
    try:
        schema = json.loads(path.read_bytes())
    except (OSError, ValueError) as error:
        raise CommandError(f"cannot read a JSON schema from {path}: {error}", exit_code=WRONG_USE) from error
    found = (
        re.fullmatch(r"#/(\$defs|definitions)/([^/~]+)", str(schema.get("$ref")))
        if isinstance(schema, dict)
        else None
    )
    if found is not None:  # a class that refers to itself comes so from generators of schemas
        named = schema.get(found[1], {}).get(found[2])
        schema = (
            {**named, **{key: value for key, value in schema.items() if key != "$ref"}}
            if isinstance(named, dict)
            else schema
        )
    if not isinstance(schema, dict) or schema.get("type") != "object":
        raise CommandError(
            f'{path} must be a JSON schema with "type": "object"; put anything else into a property of one, '
            'such as {"type": "object", "properties": {"items": ...}, "required": ["items"]}',
            exit_code=WRONG_USE,
        )
    return schema


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


def _write_results(job: BatchJob, out: Path) -> Path:
    """``results.jsonl``: every row's result once, whole or not at all."""
    path = out / "results.jsonl"
    whole = out / f".results-{os.getpid()}.jsonl"
    try:
        with whole.open("w", encoding="utf-8") as file:
            for result in job.results():
                file.write(json.dumps(result.to_dict()) + "\n")
        whole.replace(path)
    except OSError as error:
        raise CommandError(f"cannot write {path}: {error.strerror or error}") from error
    return path
