"""The HTTP shell: loopback sockets, one thread per connection, keep-alive, chunked event streams.

Written on sockets so that the bytes on the wire are exactly those of the plan. It decides nothing.
"""

from __future__ import annotations

import contextlib
import functools
import selectors
import socket
import struct
import threading
import time
from collections.abc import Callable, Mapping
from email.utils import formatdate
from http import HTTPStatus
from typing import Final

from aivideoapi_core.sandbox._platform.errors import error_body
from aivideoapi_core.sandbox._server.app import App
from aivideoapi_core.sandbox._server.plan import Plan, json_plan
from aivideoapi_core.sandbox._server.requests import HttpRequest

_MAX_HEAD_BYTES: Final = 256 * 1024
_MAX_BODY_BYTES: Final = 32 * 1024 * 1024
_MAX_DIGITS: Final = 16
"""Of a length; Python refuses to read thousands of them, and no length has so many."""
_HEX_DIGITS: Final = frozenset(b"0123456789abcdefABCDEF")
_STACK_BYTES: Final = 4 * 1024 * 1024
"""CPython 3.13 lets its C code recurse deeper than 1 MiB holds. What is not used takes no memory."""
_BACKLOG: Final = 2048
_POLL_S: Final = 0.2


class _BadHttpError(Exception):
    """A request that cannot be read; ``status`` is answered and the connection closed."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class _ClientLeftError(Exception):
    """The peer closed the connection."""


class Server:
    """Accepts connections and serves each in its own thread until closed."""

    def __init__(self, app: App, *, host: str, port: int, coalesce: bool) -> None:
        self._app = app
        self._coalesce = coalesce
        self._closing = threading.Event()
        self._lock = threading.Lock()
        self._connections: dict[socket.socket, threading.Thread] = {}
        self._listener = socket.create_server((host, port), backlog=_BACKLOG, reuse_port=False)
        self.port: int = self._listener.getsockname()[1]
        self._acceptor = _small_thread(self._accept, name=f"sandbox-accept-{self.port}")

    def close(self) -> None:
        """Stop accepting, end every connection (held ones too), wait for all threads."""
        if self._closing.is_set():
            return
        self._closing.set()
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)  # wakes accept() on Linux
        with contextlib.suppress(OSError), socket.create_connection(self._listener.getsockname()[:2], 1):
            pass  # wakes accept() elsewhere
        self._acceptor.join()
        self._listener.close()
        with self._lock:
            open_now = dict(self._connections)
        for connection in open_now:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        for thread in open_now.values():
            thread.join()

    def _accept(self) -> None:
        number = 0
        while not self._closing.is_set():
            try:
                connection, _ = self._listener.accept()
            except OSError:
                if self._closing.is_set():
                    return
                time.sleep(0.01)  # out of file descriptors: let some connections end
                continue
            if self._closing.is_set():
                connection.close()
                return
            number += 1
            with self._lock:
                serve = functools.partial(self._serve, connection, number)
                self._connections[connection] = _small_thread(serve, name=f"sandbox-{self.port}-{number}")

    def _serve(self, connection: socket.socket, number: int) -> None:
        try:
            with contextlib.suppress(OSError, _ClientLeftError):
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                _Connection(
                    connection, number, app=self._app, closing=self._closing, coalesce=self._coalesce
                ).run()
        finally:
            connection.close()
            with self._lock:
                self._connections.pop(connection, None)


class _Connection:
    """One client connection: read a request, carry out its plan, repeat."""

    def __init__(
        self, sock: socket.socket, number: int, *, app: App, closing: threading.Event, coalesce: bool
    ) -> None:
        self._sock = sock
        self._number = number
        self._app = app
        self._closing = closing
        self._coalesce = coalesce
        self._buffer = b""
        self._chunks = True

    def run(self) -> None:
        while not self._closing.is_set():
            try:
                request = self._read_request()
            except _BadHttpError as error:
                self._refuse(error)
                return
            if request is None:
                return
            plan, request_id = self._app.handle(request)
            keep = request.headers.get("connection", "").lower() != "close"
            try:
                finished = self._send(plan, request_id, head_only=request.method == "HEAD", keep=keep)
            except (OSError, _ClientLeftError):
                if not self._closing.is_set() and plan.ending == "keep":
                    self._app.client_left(request_id)
                raise
            if not finished or not keep:
                return

    def _refuse(self, error: _BadHttpError) -> None:
        official = error.status == 413
        body = error_body("request_too_large" if official else "invalid_request", message=str(error))
        self._send(json_plan(error.status, body), self._app.new_id("req"), head_only=False, keep=False)

    def _read_request(self) -> HttpRequest | None:
        head = self._read_until(b"\r\n\r\n", at_start=True)
        if head is None:
            return None
        first, *lines = head.decode("latin-1").split("\r\n")
        words = first.split(" ")
        if len(words) != 3 or not words[2].startswith("HTTP/1."):
            raise _BadHttpError(400, "malformed request line")
        headers: dict[str, str] = {}
        for line in lines:
            name, colon, value = line.partition(":")
            if not colon:
                raise _BadHttpError(400, "malformed header line")
            headers[name.strip().lower()] = value.strip()
        self._chunks = words[2] != "HTTP/1.0"
        if not self._chunks:
            headers["connection"] = "close"
        if headers.get("expect", "").lower() == "100-continue":
            self._sock.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
        body = self._read_body(headers)
        return HttpRequest(
            method=words[0], path=words[1], headers=headers, body=body, connection_id=self._number
        )

    def _read_body(self, headers: Mapping[str, str]) -> bytes:
        if "chunked" in headers.get("transfer-encoding", "").lower():
            return self._read_chunks()
        length = headers.get("content-length", "0")
        if not (length.isascii() and length.isdecimal()):
            raise _BadHttpError(400, "content-length: not a number")
        if len(length) > _MAX_DIGITS or int(length) > _MAX_BODY_BYTES:
            raise _BadHttpError(413, f"the body is larger than {_MAX_BODY_BYTES} bytes")
        return self._read_exactly(int(length))

    def _read_chunks(self) -> bytes:
        chunks: list[bytes] = []
        total = 0
        while True:
            line = self._read_until(b"\r\n") or b""
            digits = line.partition(b";")[0].strip()
            if (
                not digits or not set(digits) <= _HEX_DIGITS
            ):  # int() would take a sign, underscores and 0x too
                raise _BadHttpError(400, "malformed chunk size")
            size = int(digits, 16) if len(digits) <= _MAX_DIGITS else _MAX_BODY_BYTES + 1
            total += size
            if total > _MAX_BODY_BYTES:
                raise _BadHttpError(413, f"the body is larger than {_MAX_BODY_BYTES} bytes")
            if size == 0:
                while self._read_until(b"\r\n"):
                    pass
                return b"".join(chunks)
            chunks.append(self._read_exactly(size))
            self._read_exactly(2)

    def _read_until(self, mark: bytes, *, at_start: bool = False) -> bytes | None:
        """Bytes before ``mark``; ``None`` if the client left before the first byte of a request."""
        while mark not in self._buffer:
            if len(self._buffer) > _MAX_HEAD_BYTES:
                raise _BadHttpError(431, "the request head is too large")
            more = self._sock.recv(65_536)
            if not more:
                if at_start:
                    return None
                raise _ClientLeftError
            self._buffer += more
        found, _, self._buffer = self._buffer.partition(mark)
        return found

    def _read_exactly(self, size: int) -> bytes:
        parts = [self._buffer[:size]]
        self._buffer = self._buffer[size:]
        missing = size - len(parts[0])
        while missing:
            more = self._sock.recv(min(missing, 1 << 20))
            if not more:
                raise _ClientLeftError
            parts.append(more)
            missing -= len(more)
        return b"".join(parts)

    def _send(self, plan: Plan, request_id: str, *, head_only: bool, keep: bool) -> bool:
        """Carry out the plan; True if the connection can go on."""
        if plan.wait_s:
            self._wait(plan.wait_s)
        if plan.respond:
            chunked = plan.content_length is None and self._chunks
            head = _head(plan, request_id, chunked=chunked, keep=keep and plan.ending == "keep")
            self._send_body(plan, head, chunked=chunked, head_only=head_only)
        if plan.ending == "hold":
            self._wait(None)
        if plan.ending == "reset":
            self._sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        return plan.ending == "keep"

    def _send_body(self, plan: Plan, head: bytes, *, chunked: bool, head_only: bool) -> None:
        pending = [head]
        for piece in () if head_only else plan.body:
            if not piece:
                continue
            pending.append(b"%x\r\n%b\r\n" % (len(piece), piece) if chunked else piece)
            if not self._coalesce:
                self._sock.sendall(b"".join(pending))
                pending.clear()
                if plan.pause_s:
                    self._wait(plan.pause_s)
        if chunked and plan.complete and not head_only:
            pending.append(b"0\r\n\r\n")
        if pending:
            self._sock.sendall(b"".join(pending))

    def _wait(self, seconds: float | None) -> None:
        """Wait, but no longer than the client stays and the sandbox is open (``None``: just that)."""
        end = None if seconds is None else time.monotonic() + seconds
        with selectors.DefaultSelector() as selector:
            selector.register(self._sock, selectors.EVENT_READ)
            while not self._closing.is_set():
                left = _POLL_S if end is None else min(end - time.monotonic(), _POLL_S)
                if left <= 0:
                    return
                if selector.select(left):
                    if not self._sock.recv(1, socket.MSG_PEEK):
                        raise _ClientLeftError
                    self._closing.wait(left)  # a pipelined request: it has to wait, and so do we
        raise _ClientLeftError


def _head(plan: Plan, request_id: str, *, chunked: bool, keep: bool) -> bytes:
    try:
        phrase = HTTPStatus(plan.status).phrase
    except ValueError:
        phrase = "Overloaded" if plan.status == 529 else "Status"
    lines = [
        f"HTTP/1.1 {plan.status} {phrase}",
        f"date: {formatdate(usegmt=True)}",
        "server: aivideoapi-sandbox",
        f"request-id: {request_id}",
    ]
    lines += [f"{name}: {value}" for name, value in plan.headers.items()]
    if chunked:
        lines.append("transfer-encoding: chunked")
    elif plan.content_length is not None:
        lines.append(f"content-length: {plan.content_length}")
    if not keep:
        lines.append("connection: close")
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")


def _small_thread(target: Callable[[], None], *, name: str) -> threading.Thread:
    """Start a daemon thread with a small stack; the process-wide stack size is put back."""
    before = threading.stack_size(_STACK_BYTES)
    try:
        thread = threading.Thread(target=target, name=name, daemon=True)
        thread.start()
    finally:
        threading.stack_size(before)
    return thread
