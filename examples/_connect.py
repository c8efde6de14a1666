"""For every example: the platform if a key is set, else a sandbox on this machine, and a line that says which."""

from __future__ import annotations

import atexit
import os

from aivideoapi_core.sandbox import Sandbox


def connect() -> None:
    """Make sure that models made without a key and an address work. Starts a sandbox if no key is set."""
    if os.environ.get("AIVIDEOAPI_API_KEY"):
        where = os.environ.get("AIVIDEOAPI_BASE_URL") or "the platform"
        print(
            f"AIVIDEOAPI_API_KEY is set: using {where}. The platform charges credits, a sandbox does not.\n"
        )
        return
    sandbox = Sandbox().start()
    atexit.register(sandbox.close)
    os.environ["AIVIDEOAPI_API_KEY"] = sandbox.api_key
    os.environ["AIVIDEOAPI_BASE_URL"] = sandbox.url
    print(f"AIVIDEOAPI_API_KEY is not set: using a sandbox at {sandbox.url}. Answers are made by rules.\n")
