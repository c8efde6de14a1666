"""One reply, whole or streamed: what is a message, what is an error in disguise, what may be retried."""

from __future__ import annotations

import json
from typing import Any

import pytest
from core_kit import STREAM_NAMES, cut_at, frame, stream_bytes, stream_message, wire
from hypothesis import example, given
from hypothesis import strategies as st
from pydantic import SecretStr

from aivideoapi_core import (
    AIVideoAPIError,
    APIStatusError,
    IncompleteStreamError,
    InsufficientCreditsError,
    OverloadedError,
    RateLimitError,
    ReplyHead,
    ResponseFormatError,
    SpendLimitError,
    StreamError,
    StreamReader,
    events_of,
    parse_body,
)
from aivideoapi_core._inbound import reader as reader_module

MESSAGE: dict[str, Any] = {
    "id": "msg_1",
    "type": "message",
    "role": "assistant",
    "model": "m",
    "content": [{"type": "text", "text": "Hello"}],
    "stop_reason": "end_turn",
    "stop_sequence": None,
    "usage": {"input_tokens": 1, "output_tokens": 2},
}
BODY = json.dumps(MESSAGE).encode()


def read(pieces: list[bytes], head: ReplyHead | None = None) -> tuple[StreamReader, list[Any]]:
    """Run a reader over a reply that arrives in pieces."""
    reader = StreamReader(head or ReplyHead())
    events = [event for piece in pieces for event in reader.feed(piece)]
    events += reader.finish()
    return reader, events


def changed(**fields: Any) -> bytes:
    return json.dumps({**MESSAGE, **fields}).encode()


# --- whole replies


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        pytest.param(BODY, MESSAGE, id="official"),
        pytest.param(b"\n \xef\xbb\xbf"[2:] + BODY, MESSAGE, id="byte-order mark"),
        pytest.param(b" \n" + BODY + b"\n", MESSAGE, id="blanks around it"),
        pytest.param(changed(credits_consumed=0.06), {**MESSAGE, "credits_consumed": 0.06}, id="credits"),
        pytest.param(
            changed(usage={**MESSAGE["usage"], "credits_consumed": 1}),
            {**MESSAGE, "credits_consumed": 1},
            id="credits inside usage",
        ),
        pytest.param(changed(credits_consumed=None), MESSAGE, id="null credits are none"),
        pytest.param(changed(usage=None), {**MESSAGE, "usage": {}}, id="no usage"),
        pytest.param(changed(usage=[1]), {**MESSAGE, "usage": {}}, id="usage that is a list"),
        pytest.param(changed(error=None), {**MESSAGE, "error": None}, id="error: null"),
        pytest.param(changed(content=[]), {**MESSAGE, "content": []}, id="no content"),
        pytest.param(
            json.dumps({"content": MESSAGE["content"]}).encode(),
            {**MESSAGE, "id": "", "model": "", "stop_reason": None, "usage": {}},
            id="only content",
        ),
        pytest.param(changed(id=7, model=None), {**MESSAGE, "id": "", "model": ""}, id="texts that are none"),
        pytest.param(changed(new={"a": 1}), {**MESSAGE, "new": {"a": 1}}, id="unknown fields stay"),
        pytest.param(
            changed(content=[{"type": "hologram", "depth": 1}]),
            {**MESSAGE, "content": [{"type": "hologram", "depth": 1}]},
            id="unknown blocks stay",
        ),
        pytest.param(
            changed(content=[{"type": "tool_use", "id": "t", "name": "n"}]),
            {**MESSAGE, "content": [{"type": "tool_use", "id": "t", "name": "n", "input": {}}]},
            id="call without arguments",
        ),
        pytest.param(
            changed(content=[{"type": "tool_use", "id": "t", "name": "n", "input": '{"a": 1}'}]),
            {**MESSAGE, "content": [{"type": "tool_use", "id": "t", "name": "n", "input": {"a": 1}}]},
            id="arguments as text",
        ),
        pytest.param(
            changed(content=[{"type": "tool_use", "id": "t", "name": "n", "input": [1]}]),
            {**MESSAGE, "content": [{"type": "tool_use", "id": "t", "name": "n", "input": {}, "partial_json": "[1]"}]},
            id="arguments that are no object",
        ),
        pytest.param(
            changed(content=[{"type": "thinking", "thinking": None, "signature": "s"}, {"type": "text", "text": None}]),
            {**MESSAGE, "content": [{"type": "thinking", "thinking": "", "signature": "s"}, {"type": "text", "text": ""}]},
            id="texts that are null",
        ),
    ],
)  # fmt: skip
def test_a_message(body: bytes, expected: dict[str, Any]) -> None:
    assert parse_body(body) == expected
    reader, _ = read([body])  # a server that sent it whole to a request that asked for a stream
    assert reader.accumulator.message() == expected


@pytest.mark.parametrize("name", STREAM_NAMES)
def test_a_stream_in_place_of_a_whole_reply(name: str) -> None:
    assert parse_body(stream_bytes(name)) == stream_message(name)


@pytest.mark.parametrize(
    "start", [b": hello\n\n", b"id: 1\n", b"retry: 1\n\n", b"\n\n", b"\xef\xbb\xbf", b""]
)
def test_a_stream_is_told_by_its_first_line(start: bytes) -> None:
    body = start + stream_bytes("text")
    assert parse_body(body) == stream_message("text")
    assert read([body])[0].accumulator.message() == stream_message("text")


ENVELOPES: list[tuple[Any, type[APIStatusError], int | None]] = [
    ({"code": 402, "msg": "insufficient credits", "data": None}, InsufficientCreditsError, 402),
    ({"code": "402", "msg": "insufficient credits"}, InsufficientCreditsError, 402),
    ({"code": 429, "msg": "slow down"}, RateLimitError, 429),
    ({"code": 429, "msg": "the key's daily spend limit is reached"}, SpendLimitError, 429),
    ({"code": "insufficient_credits", "msg": "no"}, InsufficientCreditsError, 402),
    ({"code": -1, "msg": "no"}, APIStatusError, None),
    ({"code": 10001, "msg": "no"}, APIStatusError, None),
    ({"error": {"type": "overloaded_error", "message": "busy"}}, OverloadedError, 529),
    ({"type": "error", "error": {"type": "rate_limit_error", "message": "busy"}}, RateLimitError, 429),
    ({"error": "something broke"}, APIStatusError, None),
]


@pytest.mark.parametrize(("payload", "cls", "status"), ENVELOPES)
@pytest.mark.parametrize("streamed", [False, True])
def test_an_error_in_disguise(
    payload: Any, cls: type[APIStatusError], status: int | None, streamed: bool
) -> None:
    head = ReplyHead(request_id="req_1", retry_after_s=3.0)
    body = json.dumps(payload).encode()
    with pytest.raises(APIStatusError) as caught:
        read([body], head) if streamed else parse_body(body, head)
    error = caught.value
    # A type fixes the status, if nothing else does.
    assert (type(error), error.status_code, error.request_id) == (cls, status, "req_1")
    assert error.retry_after_s == 3.0


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"  \n", id="blank"),
        pytest.param(b"<html><body>hello</body></html>", id="HTML"),
        pytest.param(b"hello", id="text"),
        pytest.param(b"null", id="null"),
        pytest.param(b"[]", id="list"),
        pytest.param(b"{}", id="empty object"),
        pytest.param(BODY[:-1], id="cut JSON"),
        pytest.param(BODY.replace(b"Hello", b"\xff\xfe"), id="not UTF-8"),
        pytest.param(b'{"code": 200, "msg": "success", "data": {}}', id="envelope that claims success"),
        pytest.param(changed(content=["Hello"]), id="blocks that are texts"),
        pytest.param(changed(content=[{"text": "Hello"}]), id="blocks without a type"),
        pytest.param(b"[" * 5000, id="deep"),
        pytest.param(b'{"id": ' + b"1" * 5000 + b', "text": "x"}', id="a number of 5000 digits"),
    ],
)
def test_not_a_message(body: bytes) -> None:
    with pytest.raises(ResponseFormatError) as caught:
        parse_body(body, ReplyHead(request_id="req_1"))
    assert caught.value.request_id == "req_1"
    assert not caught.value.retryable
    assert len(str(caught.value)) < 700
    if body.lstrip()[:1] in (b"{", b"<"):
        with pytest.raises(ResponseFormatError):
            read([body])


def test_a_message_with_an_error_beside_it_is_no_success() -> None:
    with pytest.raises(OverloadedError):
        parse_body(changed(error={"type": "overloaded_error", "message": "busy"}))


@given(st.binary(max_size=200))
def test_any_body_gives_a_message_or_a_typed_error(body: bytes) -> None:
    for give in (parse_body, lambda data: read([data])):
        try:
            give(body)
        except AIVideoAPIError as error:
            assert str(error)  # noqa: PT017 - either outcome is fine, but nothing else is


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
        lambda inner: st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["content", "type", "error", "code", "msg", "usage", "id", "message", "details", "input"]),
            inner,
            max_size=5,
        ),
        max_leaves=12,
    )
)  # fmt: skip
def test_any_json_gives_a_message_or_a_typed_error(payload: Any) -> None:
    try:
        body = json.dumps(payload).encode()
        message = parse_body(body)
    except AIVideoAPIError:
        return
    assert message["content"] == [] or all(isinstance(block["type"], str) for block in message["content"])


# --- streams


@pytest.mark.parametrize("name", STREAM_NAMES)
def test_every_prefix_is_incomplete(name: str) -> None:
    data = stream_bytes(name).removesuffix(b"data: [DONE]\n\n")
    for size in range(data.rindex(b"message_stop")):
        reader = StreamReader()
        list(reader.feed(data[:size]))
        if _has_arrived(data[:size]):
            list(reader.finish())
            assert reader.accumulator.message()["content"] == stream_message(name)["content"]
            continue
        with pytest.raises(IncompleteStreamError) as caught:
            list(reader.finish())
        assert caught.value.partial == reader.accumulator.partial()
        assert caught.value.retryable is not reader.touched


def _has_arrived(data: bytes) -> bool:
    """Whether a stop reason is in ``data`` and nothing is half at its end."""
    text = data.removeprefix(b"\xef\xbb\xbf").decode(errors="replace")
    frames = text.replace("\r\n", "\n").replace("\r", "\n").split("\n\n")
    last = [line for line in frames[-1].split("\n") if line and not line.startswith((":", "id:"))]
    said = "".join(line.removeprefix("data:") for line in last if line.startswith("data:"))
    try:
        whole = not last or bool(json.loads(said))
    except ValueError:
        whole = False
    return whole and '"stop_reason": "' in text.replace('":"', '": "')


@pytest.mark.parametrize("name", STREAM_NAMES)
def test_pieces_do_not_matter(name: str) -> None:
    data = stream_bytes(name)
    events = read([data])[1]
    for cut in range(0, len(data), 7):
        reader, again = read(cut_at(data, [cut]))
        assert again == events
        assert reader.accumulator.message() == stream_message(name)
    assert read([bytes([byte]) for byte in data])[1] == events


def test_what_is_said_of_nonsense_does_not_depend_on_its_pieces() -> None:
    data = b"\n\r\n \n\r\n data:}\n {}\n {\n\x00"
    said = set()
    for cut in range(len(data)):
        with pytest.raises(IncompleteStreamError) as caught:
            read(cut_at(data, [cut]))
        said.add((str(caught.value), caught.value.retryable))
    assert len(said) == 1
    assert "holds no message" in said.pop()[0]


def test_pieces_of_a_whole_reply_do_not_matter() -> None:
    body = b" \n" + BODY
    events = list(events_of(MESSAGE))
    for cut in range(len(body)):
        assert read(cut_at(body, [cut]))[1] == events
    assert read([bytes([byte]) for byte in body])[1] == events


def test_blanks_without_end_are_not_hoarded() -> None:
    reader = StreamReader()
    for _ in range(100):
        list(reader.feed(b"\n" * 1000))
    assert not reader.touched


@pytest.mark.parametrize(
    ("data", "touched"),
    [
        pytest.param(b"", False, id="nothing"),
        pytest.param(b": hello\n\n", False, id="comment"),
        pytest.param(frame({"type": "ping"}), False, id="ping"),
        pytest.param(frame({"type": "message_start", "message": {}})[:20], True, id="half an event"),
        pytest.param(frame({"type": "message_start", "message": {}}), True, id="the start"),
        pytest.param(BODY[:20], True, id="half a whole reply"),
    ],
)
def test_touched(data: bytes, touched: bool) -> None:
    reader = StreamReader()
    list(reader.feed(data))
    assert reader.touched is touched
    assert reader.begun is False


START = {"type": "message_start", "message": {"id": "msg_1", "usage": {"input_tokens": 3}}}
OPENED = {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}}
BUSY = {"type": "error", "error": {"type": "overloaded_error", "message": "busy"}}


@pytest.mark.parametrize(
    ("before", "retryable", "partial"),
    [
        pytest.param([], True, False, id="first of all"),
        pytest.param([{"type": "ping"}], True, False, id="after a ping"),
        pytest.param([START], False, True, id="after the start, before content"),
        pytest.param([{"type": "new", "n": 1}], False, False, id="after what nobody knows"),
        pytest.param([START, OPENED], False, True, id="after content"),
    ],
)
def test_error_events(before: list[Any], retryable: bool, partial: bool) -> None:
    head = ReplyHead(request_id="req_1", retry_after_s=2.0)
    with pytest.raises(OverloadedError) as caught:
        read([wire([*before, BUSY])], head)
    error = caught.value
    assert (error.retryable, error.partial is not None) == (retryable, partial)
    assert (error.status_code, error.type, error.request_id) == (529, "overloaded_error", "req_1")


@pytest.mark.parametrize("junk", [b"data: {\n\n", b"data: \xff\n\n", b'data: {"type":"message_start"}\n\n'])
def test_a_broken_event_carries_what_is_known(junk: bytes) -> None:
    with pytest.raises(StreamError) as caught:
        read([wire([START, OPENED]) + junk], ReplyHead(request_id="req_1"))
    error = caught.value
    assert error.request_id == "req_1"
    assert error.partial is not None
    assert error.partial["usage"] == {"input_tokens": 3}
    assert not error.retryable


@pytest.mark.parametrize("junk", [b"data: {\n\n", b"data: \xff\n\n", frame(BUSY), frame(START), b"garbage"])
def test_nothing_can_fail_after_the_end(junk: bytes) -> None:
    reader, _ = read([stream_bytes("text") + junk])
    assert reader.accumulator.message() == stream_message("text")


def test_what_follows_the_end_is_not_handed_over() -> None:
    events = read([stream_bytes("text")])[1]
    again = stream_bytes("text") + frame({"type": "bill", "credits_consumed": 9})
    for pieces in (
        [stream_bytes("text") + again],
        [stream_bytes("text"), again],
        cut_at(stream_bytes("text") + again, [1500]),
    ):
        reader, seen = read(pieces)
        assert seen == events
        assert reader.accumulator.message() == {**stream_message("text"), "credits_consumed": 9}


def test_after_what_is_no_event_nothing_counts_however_it_is_cut() -> None:
    junk, bill = b"data: {\n\n", frame({"type": "bill", "credits_consumed": 9})
    for pieces in ([stream_bytes("text") + junk + bill], [stream_bytes("text"), junk, bill]):
        reader, _ = read(pieces)
        assert reader.accumulator.message() == stream_message("text")


def test_a_key_in_a_broken_event_is_not_shown() -> None:
    key = "canary key, not of the usual form"
    with pytest.raises(StreamError) as caught:
        read([f"data: {{{key}\n\n".encode()], ReplyHead(secret=SecretStr(key)))
    assert "canary" not in repr(caught.value) + str(caught.value) + str(caught.value.__dict__)


def test_a_whole_body_without_end_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reader_module, "MAX_BODY_BYTES", 10_000)
    with pytest.raises(ResponseFormatError, match="more than 10000 bytes"):
        read([b'{"id": "'] + [b"x" * 1000] * 20)


@pytest.mark.parametrize("body", [BODY, stream_bytes("text")], ids=["whole", "stream"])
@pytest.mark.parametrize("step", [1, 4096, 100_000])
def test_blank_lines_without_end_are_patience(body: bytes, step: int) -> None:
    sent = b"\n" * 9_000 + body
    reader, _ = read([sent[start : start + step] for start in range(0, len(sent), step)])
    assert (
        reader.accumulator.message()["content"] == parse_body(sent)["content"] == parse_body(body)["content"]
    )


@given(
    st.lists(
        st.sampled_from([START, OPENED, BUSY, {"type": "ping"}, {"type": "message_stop"}]).map(frame)
        | st.sampled_from([b"{", b"<", b"\n", b"data: ", b"\xef\xbb\xbf", b'{"code":429,"msg":"no"}'])
        | st.sampled_from(
            [stream_bytes("text"), b"data: {\n\n", frame({"type": "bill", "credits_consumed": 9})]
        )
        | st.binary(max_size=10),
        max_size=12,
    )
)
@example([b"\xef\xbb\xbf", b"\n", b"{"])
@example([b"\n" * 3, b" ", b"data: {"])
@example([b"\r", b"\n", b"\n", b"\xef", b"\xbb\xbf{"])
@example([frame({"type": "ping"}), b"{", frame(BUSY), b"\r"])
def test_any_pieces_give_events_or_a_typed_error(pieces: list[bytes]) -> None:
    def outcome(given: list[bytes]) -> Any:
        try:
            reader, events = read(given)
        except AIVideoAPIError as error:
            return type(error), error.partial, error.retryable
        return events, reader.accumulator.message()

    assert outcome(pieces) == outcome([b"".join(pieces)])
