"""``StreamedCall``: one streamed call as far as it has come, for the streams of both colours."""

from __future__ import annotations

from weakref import WeakMethod

import httpx

from aivideoapi_core._errors import InvalidInputError
from aivideoapi_core._http.attempts import Attempts
from aivideoapi_core._http.exchange import Exchange
from aivideoapi_core._http.requests import Request
from aivideoapi_core._inbound.accumulator import MessageAccumulator
from aivideoapi_core._inbound.reader import StreamReader
from aivideoapi_core._inbound.reply import Reply
from aivideoapi_core._metering.meter import CallMeter
from aivideoapi_core._received import Message, StreamEvent


class StreamedCall:
    """What was asked, what has come of the message, and who keeps the books.

    The base of both streams, which open, read and close the connection; nothing here waits.
    """

    def __init__(self, exchange: Exchange, request: Request, call: CallMeter) -> None:
        self._exchange = exchange
        self._request = request
        self._call = call
        call.owner = WeakMethod(self._partial)
        self._attempts = Attempts(exchange.retry, call)
        self._response: httpx.Response | None = None
        self._reader = StreamReader()
        self._reply: Reply | None = None
        self._first: list[StreamEvent] = []

    @property
    def reply(self) -> Reply:
        """The whole reply. Raises ``IncompleteStreamError`` before the last event."""
        if self._reply is None:
            reader = self._reader
            self._reply = self._exchange.reply(
                reader.accumulator.message(), self._request, reader.head.request_id, self._attempts.made + 1
            )
        return self._reply

    def _check_entered(self) -> None:
        """Raise ``InvalidInputError`` for a stream that nothing was asked of: its events would be none at all."""
        if self._response is None:
            way = "async with" if hasattr(self, "__aenter__") else "with"
            raise InvalidInputError(f"a stream is opened by its block: {way} client.stream(...) as stream")

    @property
    def accumulator(self) -> MessageAccumulator:
        """The message so far, in step with the events: each is folded in before it is yielded."""
        return self._reader.accumulator

    def _partial(self) -> Message | None:
        """What has come of a message that is not whole; a whole one is the answer."""
        accumulator = self._reader.accumulator
        if not accumulator.done:
            return accumulator.partial()
        self._call.answered(self.reply)
        return None

    def _reader_of(self, response: httpx.Response) -> StreamReader:
        """A fresh reader for ``response``, which is the stream's from now on."""
        self._reader = StreamReader(self._exchange.head_of(response, model=self._request.model))
        self._first = []
        return self._reader

    def _begins_with(self, event: StreamEvent) -> bool:
        """Keep an event until somebody reads; whether the message has begun with it, so that there is no other try."""
        self._first.append(event)
        if self._reader.begun:
            self._call.answers()
        return self._reader.begun
