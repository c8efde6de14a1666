"""SQLite's own locks in a forked child: a clever corner of its own.

What happens: SQLite guards its memory and its list of open files with locks of the process. A thread can be inside
of them without the GIL while another thread forks: a checkpointer's, a web framework's. In the child that thread is not
there, the lock is never let go of, and the first ``sqlite3.connect`` hangs for good.
What we answer: after a fork the child lets go of those that are held, as Python does with its own locks. Our own
connections are closed before a fork, so that nothing that we use can be half done.
What breaks without it: ``test_a_fork_while_a_thread_is_inside_sqlite``; of 100 forks beside three threads that use
SQLite all the time about ten hung.
What it rests on: SQLite's C functions, found by name in the library that Python's module is linked with. Where they are
not found, or the system is another than Linux, nothing is done.
"""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable
from typing import Any, Final

from aivideoapi_core._metering.forks import renew_in_child

_STATIC: Final = range(2, 14)
"""``SQLITE_MUTEX_STATIC_MAIN`` to ``SQLITE_MUTEX_STATIC_VFS3``."""


class _Mutexes:
    """The locks by address, and the two functions that are needed of them."""

    def __init__(self, library: Any) -> None:
        import ctypes

        pointer = ctypes.c_void_p
        alloc = library.sqlite3_mutex_alloc
        alloc.restype, alloc.argtypes = pointer, [ctypes.c_int]
        self._try: Callable[[int], int] = library.sqlite3_mutex_try
        self._leave: Callable[[int], None] = library.sqlite3_mutex_leave
        library.sqlite3_mutex_try.argtypes = library.sqlite3_mutex_leave.argtypes = [pointer]
        self._all: list[int] = [mutex for number in _STATIC if (mutex := alloc(number))]

    def let_go(self) -> None:
        """Leave each, whoever has it."""
        for mutex in self._all:
            self._try(mutex)
            self._leave(mutex)


@functools.cache
def mutexes() -> _Mutexes | None:
    """Those of the SQLite that Python uses; ``None`` where they cannot be found."""
    if not sys.platform.startswith("linux"):
        return None
    try:
        import _sqlite3
        import ctypes

        return _Mutexes(ctypes.PyDLL(_sqlite3.__file__))  # which keeps the GIL: none of them ever waits
    except (ImportError, OSError, AttributeError):
        return None


class _Ghosts:
    """Threads of a parent process, which hold locks in a child that they are not in."""

    def __init__(self) -> None:
        renew_in_child(self, _Ghosts._begin_in_child, guarded=True)

    def fork_guards(self) -> tuple[()]:
        """None: a thread of somebody else's is not to be waited for."""
        return ()

    def let_go_before_fork(self) -> None:
        """Find the functions: a child must not load a library before its locks are free."""
        mutexes()

    def _begin_in_child(self) -> None:
        found = mutexes()
        if found is not None:
            found.let_go()


GHOSTS: Final = _Ghosts()
"""One for the process."""
