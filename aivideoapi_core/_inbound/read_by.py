"""The loop in which a reader goes through a stream of a framework's, in both colours: what it makes is its own business."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterable, Callable, Generator, Iterable
from typing import TYPE_CHECKING, Any, Final, TypeVar

if TYPE_CHECKING:  # making a protocol takes a third of a millisecond
    from typing import Protocol

    _Item = TypeVar("_Item", contravariant=True)
    _Made = TypeVar("_Made", covariant=True)

    class ItemReader(Protocol[_Item, _Made]):
        def take(self, item: _Item, /) -> Iterable[_Made]: ...  # what is known with one more item
        def last(
            self, item: _Item, /
        ) -> Iterable[_Made]: ...  # what the end adds, after ``item``; it may raise


_NOTHING: Final[Any] = object()


def read_by(
    make: Callable[[], ItemReader[_Item, _Made]], items: Iterable[_Item]
) -> Generator[_Made, None, None]:
    """All that a new reader makes of ``items``; nothing if there are none."""
    reader, item = make(), _NOTHING
    for item in items:
        yield from reader.take(item)
    if item is not _NOTHING:
        yield from reader.last(item)


async def aread_by(
    make: Callable[[], ItemReader[_Item, _Made]], items: AsyncIterable[_Item]
) -> AsyncGenerator[_Made, None]:
    """The asynchronous twin of ``read_by``."""
    reader, item = make(), _NOTHING
    async for item in items:
        for made in reader.take(item):
            yield made
    for made in () if item is _NOTHING else reader.last(item):
        yield made
