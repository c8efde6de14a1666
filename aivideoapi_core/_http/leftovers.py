"""Connections that a cancelled task leaves half closed: a clever corner of its own.

What happens: a cancellation is thrown into httpcore, which begins to close the connection and waits for a lock on the
way. A second cancellation (LangGraph's inner tasks, anyio's scopes around them) ends that too: the pool then keeps
the socket for good, and the server goes on writing what nobody reads and somebody pays.
What we answer: after a cancellation the closing is done again, in a task that nobody else cancels, and connections
that serve no request any more are closed.
What breaks without it: ``test_cancelled_twice_the_upstream_ends`` counts open upstreams at the server.
What it rests on: httpcore's lists of requests and connections have no public names. Where they are not found nothing
is swept, and the close of the response alone has to do.
"""

from __future__ import annotations

import contextlib
from typing import Any

import httpx


async def end(response: httpx.Response) -> None:
    """Close ``response`` and its connection, also after a close that was interrupted."""
    await response.aclose()
    stream: Any = response.stream
    while stream is not None and not hasattr(stream, "_pool_request"):
        # httpx's own wrappers: the client's around the transport's around httpcore's
        stream = getattr(stream, "_stream", None) or getattr(stream, "_httpcore_stream", None)
    pool: Any = getattr(stream, "_pool", None)
    requests = getattr(pool, "_requests", None)
    if stream is not None and isinstance(requests, list) and stream._pool_request in requests:
        if not isinstance(requests, _Requests):
            pool._requests = requests = _Requests(requests)
        requests.remove(stream._pool_request)  # it has ended, and would be taken for one that runs
    await _sweep(pool)


class _Requests(list[Any]):
    """A pool's requests. A close of httpcore's own that was under way when ours ended it finds its request gone."""

    def remove(self, request: Any) -> None:
        with contextlib.suppress(ValueError):
            super().remove(request)


async def sweep(transport: httpx.AsyncBaseTransport | None) -> None:
    """Close those connections of ``transport`` that are at work for no request."""
    await _sweep(getattr(transport, "_pool", None))


async def _sweep(pool: Any) -> None:
    requests, connections = getattr(pool, "_requests", None), getattr(pool, "_connections", None)
    if not isinstance(requests, list) or not isinstance(connections, list):
        return
    served = {id(getattr(request, "connection", None)) for request in requests}
    for connection in list(connections):
        if id(connection) not in served and not connection.is_idle() and not connection.is_closed():
            await connection.aclose()
            if connection in connections:
                connections.remove(connection)
