"""The ``aivideoapi`` command: an application on top of the core and both adapters (extra ``cli``)."""

from __future__ import annotations

import sys

__all__ = ["main"]


def main() -> None:
    """Run the command line and exit with its code (0 done, 1 failed, 2 wrong use, 130 interrupted)."""
    try:
        from aivideoapi_cli._app import run
    except ModuleNotFoundError as error:
        if error.name not in ("rich", "typer"):
            raise
        from aivideoapi_core.adapter_kit import pip_install

        sys.exit(f"aivideoapi needs {error.name}: {pip_install('cli')}")
    sys.exit(run())
