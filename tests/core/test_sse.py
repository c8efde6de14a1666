"""The plain decoder of server-sent events, against the letter of the standard."""

from __future__ import annotations

import pytest
from core_kit import STREAM_NAMES, PlainDecoder, cut_at, stream_bytes
from hypothesis import given
from hypothesis import strategies as st

from aivideoapi_core import SSEDecoder, StreamError
from aivideoapi_core._inbound import sse

LINES = st.sampled_from(
    ["data: {}", "data:x", "data", "data:", "event: ping", "event:", ": comment", "id: 1", "retry: 5",
     "nonsense", "data:  two", "datax: 1", " data: 1", "data: é🗼", "", "", ""]
)  # fmt: skip
NEWLINES = st.sampled_from(["\n", "\r\n", "\r"])


def feed(pieces: list[bytes]) -> list[tuple[str, str]]:
    decoder = SSEDecoder()
    return [tuple(event) for piece in pieces for event in decoder.feed(piece)]


def reference(data: bytes) -> list[tuple[str, str]]:
    """A CR at the very end may be half of a CRLF, which the reference waits for."""
    plain = PlainDecoder()
    return plain.feed(data) + plain.feed(b"", final=True)


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        pytest.param(b"data: a\n\n", [("message", "a")], id="nameless"),
        pytest.param(b"event: x\ndata: a\n\n", [("x", "a")], id="named"),
        pytest.param(b"data: a\ndata: b\n\n", [("message", "a\nb")], id="two lines of data"),
        pytest.param(b"data:a\r\ndata:b\r\r\n", [("message", "a\nb")], id="CRLF, CR"),
        pytest.param(b"data\n\n", [("message", "")], id="data without a colon is empty data"),
        pytest.param(b"data:  a\n\n", [("message", " a")], id="only one blank goes"),
        pytest.param(b"event: x\n\ndata: a\n\n", [("message", "a")], id="a name without data is forgotten"),
        pytest.param(b": hello\n\n", [], id="comment"),
        pytest.param(b"id: 1\nretry: 2\nfoo: 3\ndata: a\n\n", [("message", "a")], id="other fields"),
        pytest.param(b"\xef\xbb\xbfdata: a\n\n", [("message", "a")], id="byte-order mark"),
        pytest.param(b"\n\xef\xbb\xbfdata: a\n\n", [], id="byte-order mark, but not at the start"),
        pytest.param(b"data: a\n", [], id="no blank line, no event"),
        pytest.param(
            b": \xff\xfe\nevent: \xff\ndata: a\n\n", [("\ufffd", "a")], id="bad bytes beside the data"
        ),
        pytest.param(b"", [], id="nothing"),
    ],
)
def test_table(data: bytes, expected: list[tuple[str, str]]) -> None:
    assert feed([data]) == expected
    for cut in range(len(data) + 1):
        assert feed([data[:cut], data[cut:]]) == expected
    assert feed([bytes([byte]) for byte in data]) == expected


@given(
    st.lists(st.tuples(LINES, NEWLINES), max_size=25),
    st.booleans(),
    st.lists(st.integers(0, 999), max_size=6),
)
def test_same_as_the_standard(pairs: list[tuple[str, str]], bom: bool, cuts: list[int]) -> None:
    data = (b"\xef\xbb\xbf" if bom else b"") + "".join(line + end for line, end in pairs).encode()
    assert feed(cut_at(data, cuts)) == reference(data)


@pytest.mark.parametrize("name", STREAM_NAMES)
def test_real_streams(name: str) -> None:
    data = stream_bytes(name)
    expected = reference(data)
    assert feed([data]) == expected
    assert feed([bytes([byte]) for byte in data]) == expected


def test_what_came_before_a_bad_byte_is_yielded_first() -> None:
    decoder = SSEDecoder()
    events = decoder.feed(b"data: a\n\ndata: \xff\n\ndata: b\n\n")
    assert next(events).data == "a"
    with pytest.raises(StreamError, match="not UTF-8"):
        next(events)


@pytest.mark.parametrize(
    "piece",
    [b"x" * 100, b"data: x\n", b"data\n"],
    ids=["a line without end", "data without end", "empty data"],
)
def test_an_event_without_end_is_refused(monkeypatch: pytest.MonkeyPatch, piece: bytes) -> None:
    monkeypatch.setattr(sse, "MAX_EVENT_BYTES", 1000)
    with pytest.raises(StreamError, match="more than 1000 bytes"):
        feed([piece] * 1000)


def test_the_limit_is_per_event(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sse, "MAX_EVENT_BYTES", 1000)
    decoder = SSEDecoder()
    # Cut in the middle of each line: half lines must not add up over events and comments.
    pieces = [b": keep-al", b"ive\n", b"data: 1234567890", b"1234567890\n", b"\n"] * 200
    assert sum(len(list(decoder.feed(piece))) for piece in pieces) == 200


@pytest.mark.parametrize(
    ("data", "pending"),
    [(b"", False), (b"data: a\n\n", False), (b": x\n", False), (b": x", True), (b"data: a\n", True),
     (b"event: a\n", True), (b"data: a\n\nd", True)],
)  # fmt: skip
def test_pending(data: bytes, pending: bool) -> None:
    decoder = SSEDecoder()
    list(decoder.feed(data))
    assert decoder.pending is pending
    assert decoder.half_event is (pending and data != b": x")
