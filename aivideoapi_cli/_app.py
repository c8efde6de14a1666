"""The command tree. Sub-commands import what they need when they run, so that ``--help`` is quick."""

from __future__ import annotations

import contextlib
import errno
import os
import sys
from typing import Annotated, Final

import typer

from aivideoapi_cli._commands import Command
from aivideoapi_cli._terminal import INTERRUPTED, CommandError, complain, explain
from aivideoapi_cli.batch.command import batch
from aivideoapi_cli.budget import app as budget
from aivideoapi_cli.chat.command import chat
from aivideoapi_cli.credits import credits as credits_command
from aivideoapi_cli.demo.command import demo
from aivideoapi_cli.doctor import doctor
from aivideoapi_cli.models import models
from aivideoapi_cli.sandbox import sandbox
from aivideoapi_cli.spend import spend

_FULL: Final = frozenset({errno.ENOSPC, errno.EFBIG, getattr(errno, "EDQUOT", errno.ENOSPC)})

app = typer.Typer(
    name="aivideoapi",
    help="Claude on the AI Video API platform: a demo, a local sandbox, models and prices, your balance.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    epilog="Exit codes: 0 done, 1 failed, 2 wrong use, 3 rows of a batch remain, 130 interrupted.",
)
app.command("demo", cls=Command)(demo)
app.command("chat", cls=Command)(chat)
app.command("batch", cls=Command)(batch)
app.command("sandbox", cls=Command)(sandbox)
app.command("models", cls=Command)(models)
app.command("credits", cls=Command)(credits_command)
app.command("spend", cls=Command)(spend)
app.add_typer(budget, name="budget")
app.command("doctor", cls=Command)(doctor)


def _print_version(wanted: bool) -> None:
    if wanted:
        from aivideoapi_core import __version__

        typer.echo(f"aivideoapi-adapters {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    """Options before the sub-command."""


def run() -> int:
    """Run one command line; its exit code. A known failure is one line on stderr, never a traceback."""
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)  # absent where a test replaced the stream
        if reconfigure is not None:
            reconfigure(errors="replace")  # a terminal without UTF-8 shows "?" instead of failing
    code = _run()
    try:
        sys.stdout.flush()
    except OSError as error:
        _write_no_more()
        return complain(CommandError(f"cannot write the output: {error.strerror or error}"))
    return code


def _run() -> int:
    try:
        app(prog_name="aivideoapi")
    except KeyboardInterrupt:
        return INTERRUPTED
    except Exception as error:  # the last place of all: what is not known goes on as it is
        failure = explain(error)
        if failure is None and isinstance(error, OSError) and error.errno in _FULL:
            _write_no_more()
            failure = CommandError(f"cannot write: {error.strerror}")
        if failure is None:
            raise
        return complain(failure)
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else 1 if end.code else 0
    return 0


def _write_no_more() -> None:
    """What is left to be written to a full disk is dropped: the interpreter would try, and complain, once more."""
    with contextlib.suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
