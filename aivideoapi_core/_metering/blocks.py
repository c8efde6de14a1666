"""Blocks of a program that each add something to the calls inside: ``spend_tags``, ``track_spend``."""

from __future__ import annotations

from contextlib import AbstractContextManager, ContextDecorator
from contextvars import ContextVar
from types import TracebackType
from typing import Generic, Self, TypeVar

_T = TypeVar("_T")


class _Block(ContextDecorator, Generic[_T]):
    """One block, and the one around it. Shared by every context that was copied inside.

    A class and no generator: each call of a batch job opens two, and so they cost half. Made once and entered once; as
    a decorator it is another one for each call, as those of ``contextlib`` are.
    """

    __slots__ = ("innermost", "is_closed", "outer", "value", "was_entered")

    def __init__(self, value: _T, innermost: ContextVar[_Block[_T] | None]) -> None:
        self.value = value
        self.innermost = innermost
        self.outer: _Block[_T] | None = None
        self.is_closed = self.was_entered = False

    def _recreate_cm(self) -> Self:
        return type(self)(self.value, self.innermost)

    def __enter__(self) -> None:
        if self.was_entered:
            raise RuntimeError("a block is entered once: make another one for each `with`")
        self.was_entered = True
        self.outer = _open_one(self.innermost.get())
        self.innermost.set(self)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.is_closed = True
        seen = self.innermost.get()
        if seen is not None and seen.is_closed:
            self.innermost.set(_open_one(seen))


def _open_one(block: _Block[_T] | None) -> _Block[_T] | None:
    """The innermost block that is still open, from ``block`` outwards."""
    while block is not None and block.is_closed:
        block = block.outer
    return block


class Blocks(Generic[_T]):
    """The open blocks of one kind in the context of whoever asks.

    Blocks may be closed in any order, by another task or thread, or with a generator that somebody
    else closes: each closes itself alone. Resetting a context variable would raise there, or bring
    back what another block had put in the meantime.
    """

    def __init__(self, name: str) -> None:
        self._innermost: ContextVar[_Block[_T] | None] = ContextVar(name, default=None)

    def open(self, value: _T) -> AbstractContextManager[None]:
        """A block with ``value`` inside those that are open."""
        return _Block(value, self._innermost)

    def values(self) -> tuple[_T, ...]:
        """The values of the open blocks, outermost first."""
        block = self._innermost.get()
        if block is None:
            return ()
        values = []
        while block is not None:
            if not block.is_closed:
                values.append(block.value)
            block = block.outer
        return tuple(reversed(values))
