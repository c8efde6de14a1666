"""Replies as servers really send them: what each comes to, whole, streamed, and cut at every byte."""

from __future__ import annotations

import itertools
import json
import time
from typing import Any

import pytest
from core_kit import accumulate, cut_at, wire
from odd_replies import (
    ANSWERS,
    DIRECT,
    END,
    HI,
    MESSAGE,
    START,
    STOP,
    TEXT,
    USAGE,
    data,
    delta,
    opened,
    whole_in_start,
)

from aivideoapi_core import (
    AIVideoAPIError,
    Credits,
    IncompleteStreamError,
    InsufficientCreditsError,
    Reply,
    ReplyHead,
    StreamError,
    StreamReader,
    events_of,
    parse_body,
    parse_reported,
    read_usage,
    worst_case,
)
from aivideoapi_core._catalogue import prices as prices_module
from aivideoapi_core._catalogue.prices import ModelPrices, PriceRow, prices_of


def read(pieces: list[bytes]) -> tuple[StreamReader, list[Any]]:
    reader, events = StreamReader(ReplyHead()), []
    for piece in pieces:
        events += reader.feed(piece)
    return reader, [*events, *reader.finish()]


def telling_cuts(body: bytes) -> list[int]:
    """Where a cut can matter: near an end of a line, among bytes beyond ASCII, and now and then within a line.

    Until its line has ended nothing of a piece is read but how it begins, so that a cut within a line is like the
    one beside it; ``test_reader`` cuts its streams at every byte.
    """
    near = {0, len(body)}
    for at, byte in enumerate(body):
        if byte in b"\r\n" or byte > 127:
            near.update(range(at - 1, at + 8))
    return [cut for cut in range(len(body)) if cut in near or cut < 16 or cut % 9 == 0]


@pytest.mark.parametrize(
    ("body", "content", "reason"), [row[1:] for row in ANSWERS], ids=[row[0] for row in ANSWERS]
)
def test_answers(body: bytes, content: list[Any], reason: str) -> None:
    reader, events = read([body])
    message = reader.accumulator.message()
    assert message["content"] == content
    assert (message["stop_reason"] or "") == reason
    json.dumps(events, ensure_ascii=False).encode()
    # Whatever the wording: the events alone make the message again, in the official order.
    again = accumulate(events)
    assert again["content"] == content
    assert again["stop_reason"] == message["stop_reason"]
    assert [event["index"] for event in events if event["type"] == "content_block_start"] == list(
        range(len(content))
    )
    stops = [event["index"] for event in events if event["type"] == "content_block_stop"]
    assert sorted(stops) == list(range(len(content)))
    assert parse_body(body)["content"] == content
    for cut in telling_cuts(body):
        assert read(cut_at(body, [cut]))[1] == events, cut
    assert read([bytes([byte]) for byte in body])[1] == events


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(data({"type": "conversation.message", "text": "hi"}), id="unknown type"),
        pytest.param(data({"object": "chat.completion.chunk", "choices": [{"delta": {"content": "hi"}}]}, "[DONE]"), id="another family"),
        pytest.param(b"hi, I am plain text", id="text"),
        pytest.param(b": hello\n\nhi, I am plain text", id="text after a comment"),
        pytest.param(b"event: hi\ndata: not JSON\n\n", id="text in an event"),
        pytest.param(b"<html>hi</html>", id="HTML"),
        pytest.param(b'[{"type": "text", "text": "hi"}]', id="array"),
        pytest.param(b'"hi"', id="JSON text"),
        pytest.param(b'data: {"type": "message_start", "message": {"id": "hi', id="half an event"),
        pytest.param(b'data: ["hi"]\n\n', id="array in an event"),
        pytest.param(data({"code": 200, "msg": "hi", "data": None}), id="empty envelope"),
        pytest.param(data({"code": 200, "msg": "hi", "data": {"type": {}}}), id="envelope of a kind that is no text"),
        pytest.param(json.dumps({"code": 200, "msg": "hi", "data": {}}).encode(), id="empty envelope, whole"),
        pytest.param(data({"type": "content_block_stop", "index": 0, "of": "hi"}), id="a stop of nothing"),
        pytest.param(json.dumps({**MESSAGE, "error": {"type": "api_error", "message": "hi"}}).encode(), id="an answer and an error"),
        pytest.param(data({**MESSAGE, "error": {"type": "api_error", "message": "hi"}}), id="an answer and an error in a frame"),
        pytest.param(json.dumps({"code": 500, "msg": "hi", "data": MESSAGE}).encode(), id="an answer in a failing envelope"),
        pytest.param(data({"code": 500, "msg": "hi", "data": MESSAGE}), id="an answer in a failing envelope in a frame"),
        pytest.param(b"\xef\xbb\xbf: hello\n\nhi, I am text\n\n" + data({"code": 429, "msg": "hi"}), id="text before an error"),
        pytest.param(wire([START, opened(), delta(text="hi")]), id="cut"),
        pytest.param(wire([START, opened(), delta(text="hi"), END]), id="cut in an open block"),
        pytest.param(wire([START, *HI, END]) + b'data: {"type": "message_s', id="cut in the stop"),
        pytest.param(wire([START, *HI]) + b"data: [DONE]\n\n", id="done without a reason"),
    ],
)  # fmt: skip
def test_what_is_no_answer_is_one_error(body: bytes) -> None:
    for cut in (0, *range(0, len(body), 3)):
        with pytest.raises(AIVideoAPIError, match=r"hi|message_stop") as caught:
            read(cut_at(body, [cut]))
        assert caught.value.retryable is False


@pytest.mark.parametrize(
    "body", [b"", b": hi\n\n", b": h", b"\n\n", b"\xef\xbb", data({"type": "ping"}), b"data:\n\n", b"id: 1\n"]
)
def test_nothing_has_come(body: bytes) -> None:
    reader = StreamReader()
    list(reader.feed(body))
    assert not reader.touched
    with pytest.raises(IncompleteStreamError) as caught:
        list(reader.finish())
    assert caught.value.retryable


@pytest.mark.parametrize(
    "payload",
    [
        {"code": 402, "message": "no"},
        {"code": 402, "msg": "no"},
        {"code": 402},
        {"code": 200, "data": {"code": 402, "msg": "no"}},
    ],
)
def test_billing_errors(payload: Any) -> None:
    with pytest.raises(InsufficientCreditsError):
        parse_body(json.dumps(payload).encode())
    if "data" not in payload:
        with pytest.raises(InsufficientCreditsError):
            read([data(payload)])


def test_credits_beside_the_message_in_an_envelope() -> None:
    for body in (
        {"code": 200, "data": MESSAGE, "credits_consumed": 0.06},
        {"code": 200, "data": {**MESSAGE, "credits_consumed": 0.06}},
    ):
        assert parse_body(json.dumps(body).encode())["credits_consumed"] == 0.06


def test_the_model_that_answered() -> None:
    content = [{"type": "fallback", "from": {"model": "a"}, "to": {"model": "b"}, "trigger": {}}, TEXT]
    body = json.dumps({**MESSAGE, "model": "a", "content": content}).encode()
    assert parse_body(body)["model"] == "b"
    assert accumulate(events_of(parse_body(body)))["model"] == "b"


# --- counts


def usage_of(start: Any, last: Any) -> Any:
    head = {"type": "message_start", "message": {**START["message"], "usage": start}}
    return accumulate([head, *HI, {**END, "usage": last}, STOP])["usage"]


@pytest.mark.parametrize(
    ("start", "last", "expected"),
    [
        pytest.param({"input_tokens": 181, "cache_read_input_tokens": 55096, "output_tokens": 1}, {"input_tokens": 181, "cache_read_input_tokens": 0, "output_tokens": 136}, {"input_tokens": 181, "cache_read_input_tokens": 0, "output_tokens": 136}, id="a read that was none"),
        pytest.param({"input_tokens": 9, "output_tokens": 1}, {"output_tokens": 0}, {"input_tokens": 9, "output_tokens": 0}, id="refusal"),
        pytest.param({"input_tokens": 9, "cache_read_input_tokens": 4}, {"input_tokens": 0, "cache_read_input_tokens": 0, "output_tokens": 5}, {"input_tokens": 9, "cache_read_input_tokens": 4, "output_tokens": 5}, id="who knows nothing of the input"),
        pytest.param({"input_tokens": 9}, {"input_tokens": 7, "output_tokens": 5}, {"input_tokens": 7, "output_tokens": 5}, id="less"),
        pytest.param({"input_tokens": 9, "cache_creation_input_tokens": 5, "cache_creation": {"ephemeral_5m_input_tokens": 5}}, {"input_tokens": 14, "cache_creation_input_tokens": 0, "output_tokens": 5}, {"input_tokens": 14, "cache_creation_input_tokens": 0, "output_tokens": 5}, id="a split that no longer holds"),
    ],
)  # fmt: skip
def test_counts_can_fall(start: Any, last: Any, expected: Any) -> None:
    assert usage_of(start, last) == expected


def test_the_output_of_the_start_is_no_figure() -> None:
    assert read_usage(usage_of(USAGE, {})) is None
    reader, _ = read([wire([whole_in_start(TEXT), STOP])])
    assert reader.accumulator.message()["usage"] == USAGE  # the whole answer was in it


COMPACTION = {"type": "compaction", "input_tokens": 55196, "output_tokens": 125}
SPELLINGS = [
    "us.anthropic.claude-opus-4-7-v1:0",
    "us.anthropic.claude-opus-4-7-20261001-v1:0",
    "arn:aws:bedrock:us-east-1::foundation-model/anthropic.claude-opus-4-7-v1:0",
    "anthropic/claude-opus-4.7",
    "openrouter/anthropic/claude-4.7-opus-20261001",
    "claude-opus-4-7@20261001",
    "claude-opus-4-7@default",
    "Claude-Opus-4-7-latest",
]
ADVISOR = {"type": "advisor_message", "model": "claude-opus-4-7", "input_tokens": 1000, "output_tokens": 10}
TOP = {"type": "message", "input_tokens": 220, "output_tokens": 8}
DECLINED = {"type": "message", "model": "claude-sonnet-4-6", "input_tokens": 216, "output_tokens": 0}
FALLBACK = {"type": "fallback_message", "model": "claude-opus-4-7", "input_tokens": 220, "output_tokens": 8}


@pytest.mark.parametrize(
    ("iterations", "micro", "total"),
    [
        pytest.param([COMPACTION, TOP], 49_519_124, (55416, 133), id="compaction"),
        pytest.param([TOP], 220 * 883 + 8 * 4412, (220, 8), id="messages only"),
        pytest.param([TOP, ADVISOR], 220 * 883 + 8 * 4412 + 1000 * 1471 + 10 * 7353, (1220, 18), id="advisor"),
        pytest.param([TOP, {**ADVISOR, "model": "claude-opus-4-7-20261001"}], 220 * 883 + 8 * 4412 + 1000 * 1471 + 10 * 7353, (1220, 18), id="a dated advisor"),
        *(
            pytest.param([TOP, {**ADVISOR, "model": spelling}], 220 * 883 + 8 * 4412 + 1000 * 1471 + 10 * 7353, (1220, 18), id=spelling)
            for spelling in SPELLINGS
        ),
        pytest.param([TOP, {**ADVISOR, "model": "claude-opus-4-7-fast"}], None, (1220, 18), id="a dearer kind of a known one"),
        pytest.param([TOP, {**ADVISOR, "model": "claude-next"}], None, (1220, 18), id="an advisor without a price"),
        pytest.param([TOP, {**ADVISOR, "model": None}], None, (1220, 18), id="an advisor without a name"),
        pytest.param([DECLINED, FALLBACK], 220 * 1471 + 8 * 7353, (220, 8), id="a fallback model"),
        pytest.param([TOP, {**FALLBACK, "input_tokens": 20, "output_tokens": 3}], 200 * 883 + 5 * 4412 + 20 * 1471 + 3 * 7353, (220, 8), id="a fallback model after calls of the server's"),
        pytest.param([COMPACTION, FALLBACK], 55196 * 883 + 125 * 4412 + 220 * 1471 + 8 * 7353, (55416, 133), id="a fallback model after a compaction"),
        pytest.param([DECLINED, {**FALLBACK, "model": "claude-next"}], None, (220, 8), id="a fallback model without a price"),
        pytest.param([DECLINED, {**FALLBACK, "model": "claude-sonnet-4-6"}], 220 * 883 + 8 * 4412, (220, 8), id="a fallback to what was asked"),
        pytest.param([TOP, {**FALLBACK, "input_tokens": 1000, "output_tokens": 10}], 220 * 883 + 8 * 4412 + 1000 * 1471 + 10 * 7353, (1220, 18), id="a fallback model's counts that are not at the top"),
        pytest.param([TOP, {"type": "compaction"}], None, None, id="an entry that does not say"),
        pytest.param([TOP, {**COMPACTION, "input_tokens": -1}], None, None, id="nonsense"),
        pytest.param(["x"], None, None, id="no entry"),
        pytest.param(None, 220 * 883 + 8 * 4412, (220, 8), id="null"),
        pytest.param([], 220 * 883 + 8 * 4412, (220, 8), id="none"),
    ],
)  # fmt: skip
def test_iterations(iterations: Any, micro: int | None, total: tuple[int, int] | None) -> None:
    message: Any = {"usage": {"input_tokens": 220, "output_tokens": 8, "iterations": iterations}}
    reply = Reply(message, DIRECT)
    assert reply.credits_computed == (None if micro is None else Credits(micro))
    tokens = reply.tokens
    assert (None if tokens is None else (tokens.total_input, tokens.output)) == total


def test_a_compaction_pause_is_not_free() -> None:
    message: Any = {"usage": {"input_tokens": 0, "output_tokens": 0, "iterations": [COMPACTION]}}
    assert Reply(message, DIRECT).credits_computed == Credits(55196 * 883 + 125 * 4412)


def test_an_advisor_at_the_callers_own_price() -> None:
    message: Any = {"usage": {**USAGE, "iterations": [{**ADVISOR, "model": "claude-next"}]}}
    given = {"claude-next/anthropic": ModelPrices(input=1, output=1)}
    computed = Reply(message, DIRECT, given_prices=given).credits_computed
    assert computed == Credits(3 * 883 + 4 * 4412 + 1010)


@pytest.mark.parametrize(
    "value",
    ["1e999990", "1e-999999", "9" * 5000, 10**400, 10**5000, float("nan"), float("inf"), -1, -0.5, True, [1], {}, "", "x", "NaN", "-1", "1e10", 10**10],
    ids=lambda value: repr(value)[:12] if not isinstance(value, int) else str(value.bit_length()),
)  # fmt: skip
def test_no_amount_of_credits(value: Any) -> None:
    began_s = time.process_time()
    assert parse_reported(value) is None
    assert time.process_time() - began_s < 0.1
    if isinstance(value, str):
        message = accumulate([START, *HI, {**END, "credits_consumed": value}, STOP])
        assert "credits_consumed" not in message
        assert "credits_consumed" not in parse_body(
            json.dumps({**MESSAGE, "credits_consumed": value}).encode()
        )


def test_a_zero_of_any_length_is_a_zero() -> None:
    assert f"{parse_reported('0e999999'):f}" == f"{parse_reported('0e-999999'):f}" == "0"


def test_a_price_of_tomorrow(monkeypatch: pytest.MonkeyPatch) -> None:
    dated = [
        PriceRow(model="m", prices=ModelPrices(input=price, output=price), source="test", since=since)
        for price, since in (
            (1, None),
            (2, prices_module.date(2020, 1, 1)),
            (3, prices_module.date(9999, 1, 1)),
        )
    ]
    for rows in itertools.permutations(dated):
        monkeypatch.setattr(prices_module, "PRICES", rows)
        assert prices_of("m") == ModelPrices(input=2, output=2)
        assert prices_of("m", on=prices_module.date(9999, 1, 1)) == ModelPrices(input=3, output=3)
        assert prices_of("m", on=prices_module.date(2019, 1, 1)) == ModelPrices(input=1, output=1)


def test_another_message_is_no_repetition() -> None:
    with pytest.raises(StreamError):
        accumulate([START, {"type": "message_start", "message": {"id": "msg_2"}}])


@pytest.mark.parametrize(
    "options",
    [
        {"context_management": {"edits": [{"type": "compact_20260112"}]}},
        {"compaction": {"type": "summarize"}},
        {"tools": [{"type": "advisor_20260301", "name": "advisor", "model": "claude-opus-4-7"}]},
    ],
)
def test_what_is_billed_beside_the_answer_has_no_bound(options: dict[str, Any]) -> None:
    request = {"model": DIRECT, "messages": [], "max_tokens": 9, "stream": True}
    prices = prices_of(DIRECT)
    assert worst_case(request, prices).micro
    assert worst_case(
        {**request, "context_management": {"edits": [{"type": "clear_thinking_20251015"}]}}, prices
    ).micro
    worst = worst_case({**request, **options}, prices)
    assert (worst.input, worst.micro) == (None, None)


def test_what_an_error_quotes_does_not_depend_on_the_pieces() -> None:
    odd = {"type": "content_block_delta", "index": 0, "delta": {"type": "odd_delta"}}
    body = wire([odd, odd])  # of no message

    def said(pieces: list[bytes]) -> str:
        with pytest.raises(AIVideoAPIError) as caught:
            read(pieces)
        return str(caught.value)

    assert {said(cut_at(body, [cut])) for cut in range(len(body))} == {said([body])}
