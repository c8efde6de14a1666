"""The read timeout of aiohttp's bodies, by a clock that the test turns."""

from __future__ import annotations

import gc
from collections.abc import Callable
from typing import Any

from aivideoapi_core._http.read_watch import ReadWatch


class _Timer:
    def __init__(self, due_s: float, run: Callable[[], None]) -> None:
        self.due_s, self.run, self.cancelled = due_s, run, False

    def cancel(self) -> None:
        self.cancelled = True


class _Loop:
    """The clock of an event loop, and its timers."""

    def __init__(self) -> None:
        self.now_s = 100.0
        self.timers: list[_Timer] = []

    def time(self) -> float:
        return self.now_s

    def call_later(self, delay_s: float, call: Callable[..., None], *args: Any) -> _Timer:
        self.timers.append(_Timer(self.now_s + delay_s, lambda: call(*args)))
        return self.timers[-1]

    def pass_s(self, seconds: float) -> None:
        """Let time go by, and ring what is due."""
        self.now_s += seconds
        due = [timer for timer in self.timers if timer.due_s <= self.now_s and not timer.cancelled]
        self.timers = [timer for timer in self.timers if timer not in due]
        for timer in due:
            timer.run()


def _watch(loop: _Loop, timeout_s: float | None, calls: list[float]) -> ReadWatch:
    return ReadWatch(lambda: calls.append(loop.now_s), timeout_s, loop)


def test_a_read_that_waits_too_long() -> None:
    loop, calls = _Loop(), list[float]()
    watch = _watch(loop, 10.0, calls)
    for _ in range(3):
        watch.begins()
        loop.pass_s(4.0)
        watch.ends()
    watch.begins()  # at 112
    loop.pass_s(9.5)
    assert not watch.expired
    loop.pass_s(0.5)
    assert watch.expired
    assert calls == [122.0]
    assert not loop.timers


def test_time_in_which_nobody_reads_is_not_counted() -> None:
    loop, calls = _Loop(), list[float]()
    watch = _watch(loop, 10.0, calls)
    watch.begins()
    watch.ends()
    for _ in range(5):
        loop.pass_s(10.0)
    watch.begins()
    loop.pass_s(9.0)
    watch.ends()
    assert not calls
    assert len(loop.timers) == 1


def test_one_timer_for_any_number_of_reads() -> None:
    loop = _Loop()
    watch = _watch(loop, 10.0, [])
    for _ in range(100):
        watch.begins()
        watch.ends()
    (timer,) = loop.timers
    watch.close()
    watch.close()
    assert timer.cancelled


def test_no_timeout_no_timer() -> None:
    loop, calls = _Loop(), list[float]()
    watch = _watch(loop, None, calls)
    watch.begins()
    loop.pass_s(1e6)
    assert not loop.timers
    assert not calls
    watch.close()


def test_the_timer_keeps_nothing_alive() -> None:
    loop, calls = _Loop(), list[float]()
    watch = _watch(loop, 10.0, calls)
    watch.begins()
    del watch
    gc.collect()
    loop.pass_s(20.0)
    assert not calls
