"""Ctrl-C at every place of our own code where Python can raise it: nothing stays reserved, no figure is lost."""

from __future__ import annotations

import contextvars
import dis
import gc
import logging
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

from aivideoapi_core import CreditBudget, MessagesClient, SpendLedger, build_payload, use_budget
from aivideoapi_core._metering.dropped import DROPPED
from aivideoapi_core.sandbox import Sandbox

ROOMS = ("_metering", "_stores", "_http")
LOOKS_UP = {
    dis.opmap[name]
    for name in ("CALL", "CALL_KW", "CALL_FUNCTION_EX", "JUMP_BACKWARD", "RESUME")
    if name in dis.opmap
}
"""Python looks for signals when a function begins, after a call of a function in C, and when a loop goes round."""


class Interruption:
    """Raises ``KeyboardInterrupt`` at place number ``at`` of a call, counted from 1."""

    def __init__(self, at: int) -> None:
        self.places = 0
        self.where = ""
        self._at = at
        self._calls = 0
        self._last: dict[int, tuple[int, int]] = {}

    def run(self, work: Callable[[], Any]) -> bool:
        """Whether it came to that place."""
        usual = sys.gettrace()
        sys.settrace(self._begun)
        try:
            contextvars.copy_context().run(work)
        except KeyboardInterrupt:
            pass
        finally:
            sys.settrace(usual)
        return bool(self.where)

    def _begun(self, frame: FrameType, event: str, arg: Any) -> Any:
        self._calls += 1
        parts = Path(frame.f_code.co_filename).parts
        if "aivideoapi_core" not in parts or parts[-2] not in ROOMS:
            return None
        frame.f_trace_opcodes = True
        return self._inside

    def _inside(self, frame: FrameType, event: str, arg: Any) -> Any:
        if event == "return":
            self._last.pop(id(frame), None)
        elif event == "opcode" and not self.where:
            last = self._last.get(id(frame))
            self._last[id(frame)] = frame.f_code.co_code[frame.f_lasti], self._calls
            if last is None or (last[0] in LOOKS_UP and last[1] == self._calls):
                self.places += 1
                if self.places == self._at:
                    self.where = f"{frame.f_code.co_filename}:{frame.f_lineno} {frame.f_code.co_name}"
                    raise KeyboardInterrupt
        return self._inside


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize(("kind", "stride"), [("memory", 1), ("sqlite", 4), ("redis", 4), ("several", 2)])
def test_an_interruption_anywhere(
    sandbox: Sandbox, kind: str, stride: int, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    store: Any = tmp_path / "b.sqlite" if kind == "sqlite" else None
    if kind == "redis":
        store = request.getfixturevalue("redis_url")
    budget, outer = CreditBudget(10**6, store=store), CreditBudget(10**6)
    ledger = SpendLedger()
    client = MessagesClient(api_key=sandbox.api_key, base_url=sandbox.url, budget=budget, ledger=ledger)
    body = build_payload(
        "claude-sonnet-4-6", [{"role": "user", "content": "hi"}], stream=False, max_tokens=50
    )

    def call() -> None:
        if kind == "several":
            with use_budget(outer):
                client.create(body)
        else:
            client.create(body)

    call()
    Interruption(0).run(
        call
    )  # CPython 3.12 reports the first opcodes of a process when it traces a second time
    logging.disable(logging.ERROR)
    gc.collect()
    gc.freeze()  # else each collection below looks at all that pytest has imported
    spent_micro, rows, requests, at = (
        budget.standing().spent_micro, len(list(ledger.records())), len(sandbox.requests), 0,
    )  # fmt: skip
    try:
        while True:
            at += stride
            interruption = Interruption(at)
            came = interruption.run(call)
            gc.collect()
            DROPPED.do()
            standing = budget.standing()
            assert standing.reserved_micro == 0, interruption.where
            if kind == "several":
                assert outer.standing().reserved_micro == 0, interruption.where
                assert outer.standing().spent_micro == standing.spent_micro, interruption.where
            booked_micro = standing.spent_micro - spent_micro
            in_body = interruption.where.endswith("__iter__")
            if booked_micro and in_body:  # the server has it, and may still be reading
                deadline = time.monotonic() + 30
                while len(sandbox.requests) == requests and time.monotonic() < deadline:
                    time.sleep(0.001)
            made = len(sandbox.requests) - requests
            ids = {row.call_id for row in list(ledger.records())[rows:]}
            assert len(ids) == made or (made == 0 and len(ids) == 1), interruption.where
            assert (booked_micro > 0) == (made == 1), interruption.where
            spent_micro, rows, requests = (
                standing.spent_micro, len(list(ledger.records())), len(sandbox.requests),
            )  # fmt: skip
            if not came:
                break
    finally:
        logging.disable(logging.NOTSET)
        gc.unfreeze()
        gc.collect()  # what the test made and left
        gc.freeze()
        client.close()
    assert at > 100


@pytest.mark.parametrize("kind", ["memory", "sqlite", "redis"])
def test_what_is_given_back_before_it_is_made_is_not_reserved(
    kind: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    """The thread, or the connection, that gives back can be faster than the one that reserves."""
    store: Any = tmp_path / "b.sqlite" if kind == "sqlite" else None
    if kind == "redis":
        store = request.getfixturevalue("redis_url")
    purse = CreditBudget(1, store=store)._purse
    purse.store.settle(purse.terms, id="a", micro=0, unknown=False)
    purse.store.reserve(purse.terms, id="a", owner=purse.owner, micro=5)
    assert purse.store.standing(purse.terms).reserved_micro == 0
    purse.close()
