"""``Sandbox``: the public face, a context manager around the server and its state."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Self

from aivideoapi_core.sandbox._platform.catalog import SandboxPrices
from aivideoapi_core.sandbox._script.replies import Fault, Reply
from aivideoapi_core.sandbox._server.app import App
from aivideoapi_core.sandbox._server.books import LedgerEntry
from aivideoapi_core.sandbox._server.config import Config, with_extra_models
from aivideoapi_core.sandbox._server.http import Server
from aivideoapi_core.sandbox._server.requests import RecordedRequest


class Sandbox:
    """A stand-in for the platform on the loopback address.

    ::

        with Sandbox() as sandbox:
            sandbox.enqueue(Reply("Hello"))
            ...  # point a client at sandbox.url with sandbox.api_key

    ``balance_credits``: what the account holds at the start. ``port=0`` takes a free port.
    ``keys``: see ``Config``; without it every key that starts with ``sk-`` is good, except
    ``sk-sandbox-disabled``, ``sk-sandbox-ip`` and ``sk-sandbox-spend-limit``, which always fail.
    ``extra_models``: model id to prices (``SandboxPrices``, a mapping, or ``None`` for no price).
    ``cache_min_tokens``: shortest prefix that is cached (officially 1,024 or more; 0 here).
    ``validate=False`` takes any request. ``record_limit`` keeps only the newest requests (long runs). ``seed`` makes ids repeatable. ``coalesce`` sends a whole
    stream in one write. ``tokens_per_s`` and ``first_token_s`` have answers come at the speed of a model.
    ``on_answer`` is called with the ledger's entry of each answer. It is no evidence of how the platform behaves.
    """

    def __init__(
        self,
        *,
        balance_credits: int = 10_000,
        port: int = 0,
        host: str = "127.0.0.1",
        keys: Mapping[str, str | int | None] | None = None,
        extra_models: Mapping[str, SandboxPrices | Mapping[str, int] | None] | None = None,
        cache_min_tokens: int = 0,
        validate: bool = True,
        record_limit: int | None = None,
        coalesce: bool = False,
        seed: str | None = None,
        tokens_per_s: float | None = None,
        first_token_s: float = 0.0,
        on_answer: Callable[[LedgerEntry], None] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        if not isinstance(port, int) or not 0 <= port <= 65_535:
            raise ValueError(
                f"Sandbox: port must be a whole number up to 65535, or 0 for a free one, not {port!r}"
            )
        self._host = host
        self._port = port
        self._coalesce = coalesce
        self._app = App(
            Config(
                balance_credits=balance_credits,
                keys=keys,
                models=with_extra_models(extra_models or {}),
                cache_min_tokens=cache_min_tokens,
                validate=validate,
                record_limit=record_limit,
                seed=seed,
                tokens_per_s=tokens_per_s,
                first_token_s=first_token_s,
                on_answer=on_answer,
                clock=clock,
            )
        )
        self._server: Server | None = None
        self.api_key = next(iter(keys)) if keys else "sk-sandbox-0000"

    def start(self) -> Self:
        """Listen and serve; a second call does nothing."""
        if self._server is None:
            self._server = Server(self._app, host=self._host, port=self._port, coalesce=self._coalesce)
        return self

    def close(self) -> None:
        """Close every connection and join every thread; a second call does nothing."""
        if self._server is not None:
            self._server.close()
            self._server = None

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def url(self) -> str:
        """Base URL without ``/v1``. Raises RuntimeError when not started."""
        if self._server is None:
            raise RuntimeError("the sandbox is not running: use it in a with statement, or call start()")
        return f"http://{self._host}:{self._server.port}"

    def shell_lines(self, *, system: str = os.name) -> list[str]:
        """The lines that point programs at this sandbox, for the shell of ``system`` (as ``os.name`` has it)."""
        setting = '$env:{}="{}"' if system == "nt" else "export {}={}"
        variables = {"AIVIDEOAPI_BASE_URL": self.url, "AIVIDEOAPI_API_KEY": self.api_key}
        return [setting.format(name, value) for name, value in variables.items()]

    def wait(self, stop: threading.Event | None = None) -> None:
        """Wait until ``stop`` is set, or Ctrl-C raises."""
        stop = stop or threading.Event()
        while not stop.wait(timeout=0.5):  # on Windows no Ctrl-C wakes a wait, so each is short
            pass

    def enqueue(self, *items: Reply | Fault) -> None:
        """Script the next valid ``/v1/messages`` requests, in order; then the rules answer again."""
        self._app.enqueue(items)

    @property
    def unused(self) -> list[Reply | Fault]:
        """What was scripted with ``enqueue`` and no request has asked for yet."""
        return self._app.unused

    def reset(self) -> None:
        """Forget script, records, charges and cached prefixes."""
        self._app.reset()

    @property
    def requests(self) -> list[RecordedRequest]:
        """Every request that was read, in order of arrival."""
        return self._app.requests

    @property
    def ledger(self) -> list[LedgerEntry]:
        """One entry per answered ``/v1/messages`` request."""
        return self._app.ledger.entries

    @property
    def balance_micro(self) -> int:
        """What is left, in microcredits."""
        return self._app.ledger.balance_micro

    @property
    def charged_micro(self) -> int:
        """Sum of all charges, in microcredits."""
        return self._app.ledger.charged_micro
