"""Forks: the locks, connections and threads that a child begins anew (gunicorn --preload, Celery, multiprocessing).

A lock that another thread held while the process was forked is never let go of in the child. And what a
lock guards may be half done then, so guards that can be had soon are taken before the fork.
What a child must not inherit at all is let go of by the parent, while its guards are held.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from typing import Any, Final, Protocol, TypeVar
from weakref import WeakKeyDictionary, WeakSet

_T = TypeVar("_T")

_PATIENCE_S: Final = 0.5
"""How long a fork waits for what a guard guards; a file that is busy for longer is left as it is."""


class _Guard(Protocol):
    def acquire(self, blocking: bool = True, timeout: float = -1) -> bool: ...
    def release(self) -> None: ...


_begin: Final[WeakKeyDictionary[Any, Callable[[Any], None]]] = WeakKeyDictionary()
_guarded: Final[WeakSet[Any]] = WeakSet()
_taken: list[_Guard] = []
_registry = threading.Lock()


def renew_in_child(thing: _T, begin: Callable[[_T], None], *, guarded: bool = False) -> None:
    """Have ``begin(thing)`` called in each forked child, as long as ``thing`` lives.

    ``guarded``: it has ``fork_guards()``, locks that are taken before the fork; and if it has ``let_go_before_fork()``,
    that is called then, unless one of them could not be had.
    """
    with _registry:
        _begin[thing] = begin
        if guarded:
            _guarded.add(thing)


def _before() -> None:
    if _registry.acquire(timeout=_PATIENCE_S):
        _taken.append(_registry)
    for thing in list(_guarded):
        guards = [guard for guard in thing.fork_guards() if guard.acquire(timeout=_PATIENCE_S)]
        _taken.extend(guards)
        if hasattr(thing, "let_go_before_fork") and len(guards) == len(thing.fork_guards()):
            thing.let_go_before_fork()


def _in_parent() -> None:
    while _taken:
        _taken.pop().release()


def _in_child() -> None:
    global _registry
    _taken.clear()
    _registry = threading.Lock()
    for thing, begin in list(_begin.items()):
        begin(thing)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_before, after_in_parent=_in_parent, after_in_child=_in_child)
