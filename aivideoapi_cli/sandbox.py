"""``aivideoapi sandbox``: run the local stand-in for the platform until interrupted."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.text import Text

from aivideoapi_cli._terminal import WRONG_USE, CommandError, output


def sandbox(
    port: Annotated[
        int, typer.Option(help="Port on 127.0.0.1; 0 takes any free one.", min=0, max=65535)
    ] = 8085,
    balance: Annotated[int, typer.Option(help="Credits on the account at the start.", min=0)] = 10_000,
    pace: Annotated[
        float | None, typer.Option("--pace", metavar="TOKENS_PER_S", help="Answer at the speed of a model.")
    ] = None,
    first_token: Annotated[
        float, typer.Option("--first-token", metavar="SECONDS", min=0, help="Wait before each answer.")
    ] = 0.0,
    verbose: Annotated[bool, typer.Option("--verbose", help="Print a line for each answer.")] = False,
) -> None:
    """Run a local stand-in for the platform, for trying things out without a key."""
    from aivideoapi_core.sandbox import Sandbox

    console = output()
    if pace is not None and pace <= 0:
        raise CommandError("--pace must be more than 0 tokens per second", exit_code=WRONG_USE)
    server = Sandbox(
        port=port,
        balance_credits=balance,
        tokens_per_s=pace,
        first_token_s=first_token,
        on_answer=(lambda entry: console.print(entry.line(), markup=False, soft_wrap=True))
        if verbose
        else None,
    )
    try:
        server.start()
    except OSError as error:
        reason = error.strerror or str(error)
        raise CommandError(f"cannot listen on 127.0.0.1:{port}: {reason}; choose another --port") from error
    try:
        console.print(
            Text.assemble(("Sandbox", "bold"), f" at {server.url} with {balance:,} credits. To use it:")
        )
        console.print()
        for line in server.shell_lines():
            console.print(f"  {line}", markup=False)
        console.print()
        console.print(
            "Its answers are made by rules, not by a model; they say nothing of how the platform behaves.",
            style="dim",
        )
        console.print("Ctrl-C stops it.", style="dim")
        server.wait()
    finally:
        server.close()
