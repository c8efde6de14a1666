"""Coverage-guided fuzzing of everything that reads what a server sends. By hand; needs ``atheris``.

    python tests/fuzz/fuzz_reader.py -max_total_time=60 CORPUS_DIR tests/core/streams

Whatever the bytes and however they are cut: typed errors only, the same result for every cut, no
event after the end, and a message that its own events make again.
"""

from __future__ import annotations

import itertools
import os
import sys
from typing import Any
from unittest.mock import patch

import atheris

with atheris.instrument_imports(include=["aivideoapi_core"]):
    from aivideoapi_core import (
        AIVideoAPIError,
        MessageAccumulator,
        ReplyHead,
        StreamReader,
        events_of,
        parse_body,
        read_usage,
    )

HEAD = ReplyHead(request_id="req_1")
# By chance calls without an id, in messages without one, get theirs.
patch.object(os, "urandom", bytes).start()


def run(pieces: list[bytes]) -> tuple[Any, ...]:
    """What one reader makes of a reply: its events, then its message or its error."""
    reader = StreamReader(HEAD)
    events: list[Any] = []
    try:
        for piece in pieces:
            events.extend(reader.feed(piece))
        events.extend(reader.finish())
    except AIVideoAPIError as error:
        assert str(error)  # noqa: PT017 - not a pytest file
        # Lines without blank ones between them are read at the end of the body, by a reader of their own.
        assert error.partial in (reader.accumulator.partial(), None) or not events  # noqa: PT017
        return type(error), str(error), error.retryable
    message = reader.accumulator.message()
    assert events, "a message without events"
    assert events[-1]["type"] == "message_stop", "an event after the end"
    read_usage(message["usage"])
    again = MessageAccumulator()
    for event in events_of(message):
        again.push(event)
    assert again.message()["content"] == message["content"]
    return events, message


def check(data: bytes) -> None:
    """One input: the first bytes say where to cut, the rest is the reply."""
    provider = atheris.FuzzedDataProvider(data)
    cuts = sorted(provider.ConsumeIntInRange(0, 4096) for _ in range(3))
    body = provider.ConsumeBytes(provider.remaining_bytes())
    edges = [0, *cuts, len(body)]
    pieces = [body[start:end] for start, end in itertools.pairwise(edges)]
    whole = run([body])
    assert run(pieces) == whole, "cuts matter"
    try:
        parse_body(body, HEAD)
    except AIVideoAPIError as error:
        assert str(error)  # noqa: PT017 - see above


if __name__ == "__main__":
    atheris.Setup(sys.argv, check)
    atheris.Fuzz()
