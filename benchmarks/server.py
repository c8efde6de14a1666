"""The loopback server, in a process of its own: raw asyncio protocol, prebuilt bytes, no framework.

Prints its port on the first line and ends when its standard input is closed.
"""

from __future__ import annotations

import asyncio
import contextlib
import sys
from typing import Final

from benchmarks.wire import WireReply, reply_to

_BLANK_LINE: Final = b"\r\n\r\n"


class _Connection(asyncio.Protocol):
    """One keep-alive connection: whole requests in, prebuilt replies out, in order."""

    def __init__(self) -> None:
        self._data = bytearray()
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._data += data
        while (head_end := self._data.find(_BLANK_LINE)) >= 0:
            head = bytes(self._data[:head_end])
            body_start = head_end + len(_BLANK_LINE)
            body_end = body_start + _content_length(head)
            if len(self._data) < body_end:
                return
            body = bytes(self._data[body_start:body_end])
            del self._data[:body_end]
            self._send(reply_to(_scenario(head), body))

    def _send(self, reply: WireReply, piece: int = 0) -> None:
        if self._transport is None or self._transport.is_closing():
            return
        self._transport.write(reply.pieces[piece])
        if piece + 1 < len(reply.pieces):
            asyncio.get_running_loop().call_later(reply.pace_s, self._send, reply, piece + 1)


def _content_length(head: bytes) -> int:
    for line in head.split(b"\r\n")[1:]:
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            return int(value)
    return 0


def _scenario(head: bytes) -> str:
    """``POST /any/prefix/text-500/v1/messages HTTP/1.1`` names ``text-500``."""
    path = head.split(b" ", 2)[1].partition(b"?")[0]
    return path.split(b"/")[-3].decode()


async def _serve() -> None:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(_Connection, "127.0.0.1", 0, backlog=1024)
    print(server.sockets[0].getsockname()[1], flush=True)
    await loop.run_in_executor(None, sys.stdin.read)
    server.close()


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(_serve())
