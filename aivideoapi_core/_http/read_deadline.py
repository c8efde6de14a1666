"""The read deadline: a clever corner of its own.

What calls it: the clients, once a stream has said all it had to (``message_stop``) and its body has not ended yet.
What we answer: the rest of the body must arrive within ``END_GRACE_S`` in total, else it is httpx's read timeout.
How: httpx takes a timeout per read and none but the one that a request began with, so for this while the ``read`` of
the network stream below the response is another one. It is put back in any case.
What breaks without it: a server that does not end its bodies holds every caller for the read timeout of 600 s, or for
ever if it goes on talking (``test_a_server_that_does_not_end_the_body``, ``test_a_server_that_talks_on``).
What it buys: connections are used again, since a body that is left before its end costs its connection.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from typing import Any, Final

import httpx

END_GRACE_S: Final = 1.0
"""For the end of a body that has said all it had to: much for a server that ends it, little for a caller."""


@contextlib.contextmanager
def near_the_end(response: httpx.Response) -> Iterator[None]:
    """While this is active, the rest of ``response`` must arrive within ``END_GRACE_S`` seconds in total."""
    stream = response.extensions.get("network_stream")
    # Compressed bodies give the connection back by themselves, maybe to a call with all the time it wants.
    if (
        stream is None
        or response.http_version not in ("HTTP/1.1", "HTTP/1.0")
        or "content-encoding" in response.headers
    ):
        yield
        return
    read = stream.read
    deadline = time.monotonic() + END_GRACE_S

    def read_in_time(max_bytes: int, timeout: float | None = None) -> Any:
        left_s = deadline - time.monotonic()
        if left_s <= 0:
            raise httpx.ReadTimeout("the body does not end")
        return read(max_bytes, timeout=left_s if timeout is None else min(timeout, left_s))

    stream.read = read_in_time
    try:
        yield
    finally:
        del stream.read
