"""The sandbox of a soak run, in a process of its own that imports no framework."""

from __future__ import annotations

from multiprocessing.connection import Connection

from aivideoapi_core.sandbox import Sandbox
from benchmarks.soak_books import Charge


def serve(pipe: Connection) -> None:
    """Say where it is, then, asked once, what its ledger holds."""
    with Sandbox(balance_credits=10**9) as sandbox:
        pipe.send((sandbox.url, sandbox.api_key))
        pipe.recv()
        charges = [
            Charge(entry.message_id, entry.outcome == "ok", entry.credits_micro or 0)
            for entry in sandbox.ledger
            if entry.charged
        ]
        pipe.send(charges)
        pipe.recv()
