"""``aivideoapi sandbox``: run the local stand-in for the platform until interrupted."""

from __future__ import annotations

import threading
from typing import Annotated

import typer
from rich.text import Text

from aivideoapi_cli._terminal import CommandError, output


def sandbox(
    port: Annotated[
        int, typer.Option(help="Port on 127.0.0.1; 0 takes any free one.", min=0, max=65535)
    ] = 8085,
    balance: Annotated[int, typer.Option(help="Credits on the account at the start.", min=0)] = 10_000,
) -> None:
    """Run a local stand-in for the platform, for trying things out without a key."""
    from aivideoapi_core.sandbox import Sandbox

    console = output()
    server = Sandbox(port=port, balance_credits=balance)
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
        console.print(f"  export AIVIDEOAPI_BASE_URL={server.url}", markup=False)
        console.print(f"  export AIVIDEOAPI_API_KEY={server.api_key}", markup=False)
        console.print()
        console.print(
            "Its answers are made by rules, not by a model; they say nothing of how the platform behaves.",
            style="dim",
        )
        console.print("Ctrl-C stops it.", style="dim")
        threading.Event().wait()
    finally:
        server.close()
