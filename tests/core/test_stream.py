"""Bytes to events, events to a message: the fast decoder against the plain one, the accumulator by tables."""

from __future__ import annotations

import copy
import json
import random
from typing import Any

import pytest
from core_kit import (
    MESSAGES,
    STREAM_NAMES,
    accumulate,
    cut_at,
    decode,
    frame,
    split_events,
    stream_bytes,
    stream_message,
    wire,
)
from hypothesis import given
from hypothesis import strategies as st

from aivideoapi_core import (
    EventDecoder,
    IncompleteStreamError,
    MessageAccumulator,
    SSEDecoder,
    StreamError,
    events_of,
)
from aivideoapi_core._inbound import sse
from aivideoapi_core._inbound.events import parse_event, parse_events


def decode_plainly(data: bytes) -> list[Any]:
    return [parse_event(event.data, event.event) for event in SSEDecoder().feed(data)]


# --- bytes to events


@pytest.mark.parametrize("name", STREAM_NAMES)
def test_a_stream_is_its_message(name: str) -> None:
    # What follows message_stop may be anything; the reader, not the decoder, forgives that.
    data = stream_bytes(name).removesuffix(b"data: [DONE]\n\n")
    assert accumulate(decode([data])) == stream_message(name)


@pytest.mark.parametrize("name", STREAM_NAMES)
def test_one_cut_anywhere(name: str) -> None:
    data = stream_bytes(name).removesuffix(b"data: [DONE]\n\n")
    expected = decode_plainly(data)
    for cut in range(len(data) + 1):
        assert decode([data[:cut], data[cut:]]) == expected, cut


@pytest.mark.parametrize("name", STREAM_NAMES)
def test_two_cuts_at_random(name: str) -> None:
    data = stream_bytes(name).removesuffix(b"data: [DONE]\n\n")
    expected = decode_plainly(data)
    chosen = random.Random(name)
    for _ in range(300):
        pair = [chosen.randrange(len(data)), chosen.randrange(len(data))]
        assert decode(cut_at(data, pair)) == expected, pair


@pytest.mark.parametrize("name", STREAM_NAMES)
def test_byte_by_byte(name: str) -> None:
    data = stream_bytes(name).removesuffix(b"data: [DONE]\n\n")
    assert decode([bytes([byte]) for byte in data]) == decode_plainly(data)


JSON_LINES = st.sampled_from(
    ['{"type":"ping"}', '{"type":"content_block_stop","index":0}', '{"a":1}', '{"type":"new"}', '{"type":7}',
     '{"type":["ping"]}', '{"error":{"message":"no"}}', '{"code":402,"msg":"no"}', '{"code":200,"msg":"success"}',
     '{"type":', '"ping"}', "[1]", "null", "", " ", "x", '{"type":"ping","t":"é🗼"}', '{"t":"data:\\n\\n"}']
)  # fmt: skip
SSE_LINES = st.one_of(
    JSON_LINES.map("data: ".__add__),
    JSON_LINES.map("data:".__add__),
    st.sampled_from(
        ["", "", "", ": note", "event: ping", "event: error", "event: new", "event: data: x", "id: 1", "data",
         "event: message_stop", "\ufeffdata: {}", "xdata: {}"]
    ),
)  # fmt: skip


def outcome(decoder: EventDecoder | None, pieces: list[bytes]) -> tuple[list[Any], bool]:
    """The events up to the first error, and whether there was one."""
    events: list[Any] = []
    plain = SSEDecoder()
    try:
        for piece in pieces:
            if decoder is not None:
                for event in decoder.feed(piece):
                    events.append(event)
            else:
                for name, data in plain.feed(piece):
                    for event in parse_events(data, name):
                        events.append(event)
    except StreamError:
        return events, True
    return events, False


@given(
    st.lists(st.tuples(SSE_LINES, st.sampled_from(["\n", "\n", "\n", "\r\n", "\r"])), max_size=20),
    st.booleans(),
    st.lists(st.integers(0, 2000), max_size=5),
)
def test_fast_is_plain(lines: list[tuple[str, str]], bom: bool, cuts: list[int]) -> None:
    data = (b"\xef\xbb\xbf" if bom else b"") + "".join(line + end for line, end in lines).encode()
    assert outcome(EventDecoder(), cut_at(data, cuts)) == outcome(None, [data])


@pytest.mark.parametrize(
    ("second", "expected"),
    [
        ('{"type":"ping"}', ([{"type": "ping"}, {"type": "ping"}], False)),
        ('{"type":["ping"]}', ([], True)),
        ('{"type":{}}', ([], True)),
    ],
)
def test_two_lines_of_data_without_a_blank_one(second: str, expected: tuple[list[Any], bool]) -> None:
    data = f'data: {{"type":"ping"}}\ndata: {second}\n\n'.encode()
    assert outcome(EventDecoder(), [data]) == outcome(None, [data]) == expected


@given(st.lists(st.binary(max_size=40), max_size=8))
def test_any_bytes_give_events_or_a_typed_error(pieces: list[bytes]) -> None:
    assert outcome(EventDecoder(), pieces) == outcome(None, [b"".join(pieces)])


@given(st.lists(st.sampled_from([b"data:", b" {", b'"type":"ping"', b"}", b"\n", b"\n\n", b"\r", b"\xef\xbb\xbf", b"\xff", b":", b"event: error", b"\\ud800", b"1e999", b"[" * 300]), max_size=30))  # fmt: skip
def test_likely_bytes_give_events_or_a_typed_error(pieces: list[bytes]) -> None:
    assert outcome(EventDecoder(), pieces) == outcome(None, [b"".join(pieces)])


@pytest.mark.parametrize(
    ("data", "name", "expected"),
    [
        pytest.param('{"type":"ping"}', "message", {"type": "ping"}, id="type"),
        pytest.param('{"type":"ping"}', "other", {"type": "ping"}, id="type over name"),
        pytest.param(
            '{"index":0}', "content_block_stop", {"type": "content_block_stop", "index": 0}, id="name"
        ),
        pytest.param("", "ping", {"type": "ping"}, id="empty ping"),
        pytest.param("", "message", {"type": "message"}, id="empty heartbeat"),
        pytest.param("ok", "heartbeat", {"type": "heartbeat"}, id="unknown event, not JSON"),
        pytest.param("[1]", "heartbeat", {"type": "heartbeat"}, id="unknown event, not an object"),
        pytest.param(
            '{"error":{"message":"no"}}', "message", {"error": {"message": "no"}, "type": "error"}, id="shape"
        ),
        pytest.param(
            '{"code":402,"msg":"no"}', "message", {"code": 402, "msg": "no", "type": "error"}, id="envelope"
        ),
        pytest.param(
            '{"code":200,"msg":"success"}',
            "message",
            {"code": 200, "msg": "success", "type": "message"},
            id="envelope that claims success",
        ),
        pytest.param(
            '{"type":"overloaded_error","message":"busy"}',
            "error",
            {"type": "error", "error": {"type": "overloaded_error", "message": "busy"}},
            id="error without the outer object",
        ),
        pytest.param("busy", "error", {"type": "error", "error": {"message": "busy"}}, id="error, not JSON"),
        pytest.param(
            '{"type":"x","error":{"message":"no"}}',
            "error",
            {"type": "error", "error": {"message": "no"}},
            id="error by name, odd type",
        ),
    ],
)
def test_parse_event(data: str, name: str, expected: object) -> None:
    assert parse_event(data, name) == expected


@pytest.mark.parametrize("data", ["{", "[1]", "NaN", "1e400", "\x00", '"text"'])
@pytest.mark.parametrize("name", ["message", "content_block_delta"])
def test_data_that_is_no_event(data: str, name: str) -> None:
    with pytest.raises(StreamError, match="not a JSON object"):
        parse_event(data, name)


def test_a_line_without_end_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sse, "MAX_EVENT_BYTES", 10_000)
    decoder = EventDecoder()
    with pytest.raises(StreamError, match="more than 10000 bytes"):
        decode([b"x" * 200] * 100, decoder)


# --- events to a message

START: dict[str, Any] = {
    "type": "message_start",
    "message": {"id": "msg_1", "model": "m", "role": "assistant"},
}
STOP: dict[str, Any] = {"type": "message_stop"}
PING: dict[str, Any] = {"type": "ping"}


def opened(index: Any = 0, **block: Any) -> dict[str, Any]:
    return {
        "type": "content_block_start",
        "index": index,
        "content_block": {"type": "text", "text": ""} | block,
    }


def delta(kind: str = "text_delta", index: Any = 0, **fields: Any) -> dict[str, Any]:
    return {"type": "content_block_delta", "index": index, "delta": {"type": kind, **fields}}


def closed(index: Any = 0) -> dict[str, Any]:
    return {"type": "content_block_stop", "index": index}


def ended(usage: Any = None, **beside: Any) -> dict[str, Any]:
    event = {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, **beside}
    return event if usage is None else {**event, "usage": usage}


TEXT = [opened(), delta(text="a"), closed()]


@given(MESSAGES, st.lists(st.integers(1, 7), min_size=1, max_size=4))
def test_streamed_is_whole(message: dict[str, Any], sizes: list[int]) -> None:
    before = copy.deepcopy(message)
    assert accumulate(events_of(message)) == message
    assert accumulate(split_events(message, sizes)) == message
    assert accumulate(decode([wire(split_events(message, sizes))])) == message
    assert message == before


@given(MESSAGES, st.integers(0, 200))
def test_a_prefix_is_not_a_success(message: dict[str, Any], size: int) -> None:
    events = split_events(message, [3])
    accumulator = MessageAccumulator()
    for event in events[: min(size, len(events) - 1)]:
        accumulator.push(event)
    with pytest.raises(IncompleteStreamError) as caught:
        accumulator.message()
    assert caught.value.partial == accumulator.partial()
    if size == 0:
        assert caught.value.partial is None
    else:
        whole = json.dumps(message["content"])
        for block in accumulator.partial()["content"]:
            assert json.dumps(block.get("text", ""), ensure_ascii=True)[1:-1] in whole


JUNK = st.sampled_from(
    [None, 0, -1, 1.5, True, "x", "text_delta", [], {}, [1], {"type": "text"}, {"a": None}, 10**30]
)
EVENTS = st.one_of(
    st.sampled_from(
        [START, STOP, PING, opened(), opened(1), opened(type="tool_use", input={}), closed(), closed(1),
         delta(text="a"), delta("input_json_delta", partial_json="{"), delta("thinking_delta", thinking="t"),
         delta("signature_delta", signature="s"), delta("citations_delta", citation={}), ended(),
         ended({"output_tokens": 3}), {"type": "new"}, delta("new_delta")]
    ),
    st.fixed_dictionaries(
        {"type": st.sampled_from(["message_start", "content_block_start", "content_block_delta",
                                  "content_block_stop", "message_delta", "message_stop", "ping", "x"])},
        optional={"index": JUNK, "delta": JUNK, "content_block": JUNK, "usage": JUNK, "message": JUNK,
                  "credits_consumed": JUNK},
    ),
    st.builds(lambda kind, index, value: delta(kind, index, text=value, partial_json=value, thinking=value,
                                               signature=value, citation=value),
              st.sampled_from(["text_delta", "input_json_delta", "thinking_delta", "signature_delta",
                               "citations_delta", "x"]), st.sampled_from([0, 1]) | JUNK, JUNK),
    st.builds(lambda index, fields: {"type": "content_block_start", "index": index,
                                     "content_block": fields},
              st.sampled_from([0, 1]) | JUNK,
              st.dictionaries(st.sampled_from(["type", "text", "input", "citations", "thinking", "id"]), JUNK)),
    st.builds(lambda fields: {"type": "message_start", "message": fields},
              st.dictionaries(st.sampled_from(["id", "content", "usage", "model", "stop_reason"]), JUNK)),
)  # fmt: skip


@given(st.lists(EVENTS, max_size=15))
def test_events_in_any_order_give_a_message_or_a_typed_error(events: list[dict[str, Any]]) -> None:
    accumulator = MessageAccumulator()
    try:
        for event in copy.deepcopy(events):
            accumulator.push(event)
        accumulator.message()
    except StreamError:
        assert not accumulator.done
    partial = accumulator.partial()
    assert partial is None or isinstance(partial["content"], list)


@pytest.mark.parametrize(
    "events",
    [
        pytest.param([delta(text="a")], id="delta before the start"),
        pytest.param([STOP], id="stop before the start"),
        pytest.param([START, {**START, "message": {"id": "msg_2"}}], id="the start of another message"),
        pytest.param([START, delta(text="a")], id="delta of a block that was never opened"),
        pytest.param([START, *TEXT, delta(text="b")], id="delta after the end of its block"),
        pytest.param([START, ended(), opened()], id="content after the stop reason"),
        pytest.param([START, opened([])], id="an index that is none"),
        pytest.param([START, opened(), delta(text=5)], id="text that is a number"),
        pytest.param(
            [START, opened(), {"type": "content_block_delta", "index": 0, "delta": "a"}],
            id="delta that is a text",
        ),
        pytest.param([START, opened(type=None)], id="block without a type"),
        pytest.param([START, opened(text=5)], id="block whose text is a number"),
        pytest.param([{"type": "message_start"}], id="start without a message"),
        pytest.param([{"type": "message_start", "message": {"content": "text"}}], id="content that is text"),
    ],
)
def test_out_of_order_or_malformed(events: list[dict[str, Any]]) -> None:
    accumulator = MessageAccumulator()
    for event in events[:-1]:
        accumulator.push(event)
    before = accumulator.partial()
    with pytest.raises(StreamError) as caught:
        accumulator.push(events[-1])
    assert not accumulator.done
    if before is not None:
        assert caught.value.partial is not None
        assert caught.value.partial["id"] == "msg_1"


def test_the_partial_message_holds_what_arrived() -> None:
    accumulator = MessageAccumulator()
    for event in [START, *TEXT, opened(1), delta(text="b", index=1)]:
        accumulator.push(event)
    with pytest.raises(StreamError) as caught:
        accumulator.push(delta(text="c", index=7))
    assert [block["text"] for block in caught.value.partial["content"]] == ["a", "b"]


@pytest.mark.parametrize(
    "extra", [PING, {"type": "new", "index": 9}, delta("new_delta", x=1), delta("new_delta", 9)]
)
def test_unknown_events_and_deltas_are_skipped(extra: dict[str, Any]) -> None:
    expected = accumulate([START, *TEXT, ended(), STOP])
    events = [START, opened(), extra, delta(text="a"), closed(), ended(), STOP]
    assert accumulate(events) == expected


def test_nothing_after_the_stop_counts() -> None:
    expected = accumulate([START, *TEXT, ended(), STOP])
    assert accumulate([START, *TEXT, ended(), STOP, START, closed(9), *TEXT, ended()]) == expected


@pytest.mark.parametrize(
    ("start", "last", "expected"),
    [
        pytest.param({"input_tokens": 5, "output_tokens": 1}, None, {"input_tokens": 5}, id="start only: its output is provisional"),
        pytest.param(None, {"input_tokens": 5, "output_tokens": 2}, {"input_tokens": 5, "output_tokens": 2}, id="last only"),
        pytest.param({"input_tokens": 5, "output_tokens": 1}, {"output_tokens": 2}, {"input_tokens": 5, "output_tokens": 2}, id="both"),
        pytest.param({"input_tokens": 5}, {"input_tokens": 6, "output_tokens": 2}, {"input_tokens": 6, "output_tokens": 2}, id="later overwrites, not adds"),
        pytest.param({"input_tokens": 5}, {"input_tokens": None, "output_tokens": 2}, {"input_tokens": 5, "output_tokens": 2}, id="null stays out"),
        pytest.param({"input_tokens": 0, "output_tokens": 0}, {"input_tokens": 6, "output_tokens": 2}, {"input_tokens": 6, "output_tokens": 2}, id="zeros first"),
        pytest.param({"input_tokens": 5, "output_tokens": 1}, {"input_tokens": 0, "output_tokens": 2}, {"input_tokens": 5, "output_tokens": 2}, id="a count cannot fall to zero"),
        pytest.param({"cache_read_input_tokens": None}, {"cache_read_input_tokens": 0}, {"cache_read_input_tokens": 0}, id="zero where nothing was known"),
        pytest.param(None, None, {}, id="none"),
        pytest.param("many", ["few"], {}, id="nonsense"),
        pytest.param({"input_tokens": -5}, {"output_tokens": 10**30}, {"input_tokens": -5, "output_tokens": 10**30}, id="absurd counts stay visible"),
        pytest.param({"a_new_count": 1}, {"another": {"x": 1}}, {"a_new_count": 1, "another": {"x": 1}}, id="unknown fields"),
    ],
)  # fmt: skip
def test_usage(start: Any, last: Any, expected: Any) -> None:
    head = {"type": "message_start", "message": {**START["message"], "usage": start}}
    assert accumulate([head, *TEXT, ended(last), STOP])["usage"] == expected


CREDITS_AT = {
    "message_start": lambda value: [{**START, "credits_consumed": value}, *TEXT, ended(), STOP],
    "its message": lambda value: [
        {"type": "message_start", "message": {**START["message"], "credits_consumed": value}}, *TEXT, ended(), STOP
    ],
    "its usage": lambda value: [
        {"type": "message_start", "message": {**START["message"], "usage": {"credits_consumed": value}}},
        *TEXT, ended(), STOP,
    ],
    "ping": lambda value: [START, {**PING, "credits_consumed": value}, *TEXT, ended(), STOP],
    "block start": lambda value: [START, {**opened(), "credits_consumed": value}, closed(), ended(), STOP],
    "delta": lambda value: [START, opened(), {**delta(text="a"), "credits_consumed": value}, closed(), ended(), STOP],
    "delta's usage": lambda value: [
        START, opened(), {**delta(text="a"), "usage": {"credits_consumed": value}}, closed(), ended(), STOP
    ],
    "message_delta": lambda value: [START, *TEXT, ended(credits_consumed=value), STOP],
    "its usage too": lambda value: [START, *TEXT, ended({"credits_consumed": value}), STOP],
    "unknown event": lambda value: [START, *TEXT, ended(), {"type": "billing", "credits_consumed": value}, STOP],
    "message_stop": lambda value: [START, *TEXT, ended(), {**STOP, "credits_consumed": value}],
    "after the end": lambda value: [START, *TEXT, ended(), STOP, {"type": "bill", "credits_consumed": value}],
}  # fmt: skip


@pytest.mark.parametrize("place", CREDITS_AT)
def test_credits_anywhere(place: str) -> None:
    message = accumulate(CREDITS_AT[place](0.06))
    assert message["credits_consumed"] == 0.06
    assert "credits_consumed" not in message["usage"]
    assert "credits_consumed" not in accumulate(CREDITS_AT[place](None))


@pytest.mark.parametrize("first", CREDITS_AT)
def test_the_last_credits_win_and_null_does_not(first: str) -> None:
    events = CREDITS_AT[first](0.01)
    assert accumulate([*events, {"type": "bill", "credits_consumed": 0.02}])["credits_consumed"] == 0.02
    assert accumulate([*events, {"type": "bill", "credits_consumed": None}])["credits_consumed"] == 0.01


def test_no_credits_is_not_zero_credits() -> None:
    assert "credits_consumed" not in accumulate([START, *TEXT, ended(), STOP])


@pytest.mark.parametrize(
    ("start", "deltas", "expected"),
    [
        pytest.param({"input": {}}, ['{"a":', "1}"], {"input": {"a": 1}}, id="official"),
        pytest.param({}, ['{"a":1}'], {"input": {"a": 1}}, id="start without input"),
        pytest.param({"input": {"a": 1}}, [], {"input": {"a": 1}}, id="all in the start"),
        pytest.param(
            {"input": {"a": 1}}, [""], {"input": {"a": 1}}, id="all in the start, and an empty delta"
        ),
        pytest.param({"input": {}}, ["", " "], {"input": {}}, id="no arguments"),
        pytest.param({}, [], {"input": {}}, id="nothing at all"),
        pytest.param({"input": None}, [], {"input": {}}, id="null"),
        pytest.param(
            {"input": {}}, ['{"a": "Pa'], {"input": {}, "partial_json": '{"a": "Pa'}, id="cut short"
        ),
        pytest.param({"input": {}}, ["[1]"], {"input": {}, "partial_json": "[1]"}, id="not an object"),
    ],
)
@pytest.mark.parametrize("kind", ["tool_use", "server_tool_use", "mcp_tool_use"])
def test_tool_arguments(
    kind: str, start: dict[str, Any], deltas: list[str], expected: dict[str, Any]
) -> None:
    head = {
        "type": "content_block_start",
        "index": 0,
        "content_block": {"type": kind, "id": "t", "name": "n", **start},
    }
    pieces = [delta("input_json_delta", partial_json=piece) for piece in deltas]
    message = accumulate([START, head, *pieces, closed(), ended(), STOP])
    assert message["content"] == [{"type": kind, "id": "t", "name": "n", **expected}]


def test_a_finished_block_is_in_step() -> None:
    accumulator = MessageAccumulator()
    seen = []
    for event in [START, *TEXT, opened(1, text="so "), delta(text="far", index=1), closed(1), ended(), STOP]:
        accumulator.push(event)
        if event["type"] == "content_block_stop":
            seen.append(accumulator.closed_at(event["index"]))
    assert seen == [{"type": "text", "text": "a"}, {"type": "text", "text": "so far"}]


def test_a_later_null_does_not_erase_the_outcome() -> None:
    again = {"type": "message_delta", "delta": {"stop_reason": None}, "usage": {"output_tokens": 9}}
    message = accumulate([START, *TEXT, ended(), again, STOP])
    assert (message["stop_reason"], message["usage"]) == ("end_turn", {"output_tokens": 9})


def test_a_message_delta_cannot_change_who_speaks() -> None:
    event = ended(id="evt_1", model="other", content=["x"], context_management={"applied_edits": []})
    message = accumulate([START, *TEXT, event, STOP])
    assert (message["id"], message["model"], len(message["content"])) == ("msg_1", "m", 1)
    assert message["context_management"] == {"applied_edits": []}


def test_events_are_not_changed() -> None:
    events = [
        START,
        opened(type="tool_use", input={}),
        delta("input_json_delta", partial_json="{}"),
        closed(),
        ended(),
        STOP,
    ]
    before = copy.deepcopy(events)
    accumulate(events)
    assert events == before


def test_a_message_without_any_frame_is_incomplete() -> None:
    assert decode([frame(START)[:-1]]) == []
    assert EventDecoder().pending is False
    decoder = EventDecoder()
    decode([frame(START)[:-1]], decoder)
    assert decoder.pending is True


@pytest.mark.parametrize(("pieces", "expected"), [(["a", "b"], "ab"), ([None], None)])
def test_compaction_is_kept(pieces: list[str | None], expected: str | None) -> None:
    """A beta block; lost content would break the conversation that is sent back."""
    accumulator = MessageAccumulator()
    accumulator.push({"type": "message_start", "message": {"id": "m", "content": [], "usage": {}}})
    block = {"type": "compaction", "content": None}
    accumulator.push({"type": "content_block_start", "index": 0, "content_block": block})
    for piece in pieces:
        delta = {"type": "compaction_delta", "content": piece}
        accumulator.push({"type": "content_block_delta", "index": 0, "delta": delta})
    accumulator.push({"type": "content_block_stop", "index": 0})
    assert accumulator.closed_at(0) == {"type": "compaction", "content": expected}
