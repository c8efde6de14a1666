"""``python -m aivideoapi_core.sandbox``: run the stand-in until interrupted."""

from __future__ import annotations

import argparse
import contextlib
import signal
import sys
import threading
from collections.abc import Sequence

from aivideoapi_core.sandbox._sandbox import Sandbox


def main(argv: Sequence[str] | None = None) -> int:
    """Serve on the loopback address until Ctrl-C or SIGTERM; returns the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m aivideoapi_core.sandbox", description="Local stand-in for the AI Video API platform."
    )
    parser.add_argument("--port", type=int, default=8085, help="port on 127.0.0.1 (0: any free one)")
    parser.add_argument("--balance", type=int, default=10_000, help="credits on the account")
    parser.add_argument("--pace", type=float, metavar="TOKENS_PER_S", help="speed of answers")
    parser.add_argument(
        "--first-token", type=float, default=0.0, metavar="SECONDS", help="wait before answers"
    )
    parser.add_argument("--verbose", action="store_true", help="one line for each answer")
    options = parser.parse_args(argv)
    try:
        sandbox = Sandbox(
            port=options.port,
            balance_credits=options.balance,
            tokens_per_s=options.pace,
            first_token_s=options.first_token,
            on_answer=(lambda entry: print(entry.line(), flush=True)) if options.verbose else None,
        )
    except ValueError as error:
        parser.error(str(error))
    try:
        sandbox.start()
    except (OSError, OverflowError) as error:
        print(f"cannot listen on 127.0.0.1:{options.port}: {error}", file=sys.stderr)
        return 1
    stop = threading.Event()
    signal.signal(
        signal.SIGTERM, lambda *_: stop.set()
    )  # before the line: whoever reads it may stop us at once
    print(f"aivideoapi sandbox at {sandbox.url}; to use it: {'; '.join(sandbox.shell_lines())}", flush=True)
    with contextlib.suppress(KeyboardInterrupt):
        sandbox.wait(stop)
    sandbox.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
