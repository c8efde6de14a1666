"""Replies as servers really send them: (name, body, content, stop reason), for the core and both adapters."""

from __future__ import annotations

import json
from typing import Any

from core_kit import wire

DIRECT = "claude-sonnet-4-6/anthropic"
USAGE = {"input_tokens": 3, "output_tokens": 4}
START = {"type": "message_start", "message": {"id": "msg_1", "model": "m", "content": [], "usage": USAGE}}
END = {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 4}}
STOP = {"type": "message_stop"}
TEXT = {"type": "text", "text": "hi"}
MESSAGE = {"id": "msg_1", "content": [TEXT], "usage": USAGE}


def opened(index: int = 0, **block: Any) -> dict[str, Any]:
    return {
        "type": "content_block_start",
        "index": index,
        "content_block": {"type": "text", "text": "", **block},
    }


def delta(index: int = 0, kind: str = "text_delta", **fields: Any) -> dict[str, Any]:
    return {"type": "content_block_delta", "index": index, "delta": {"type": kind, **fields}}


def closed(index: int = 0) -> dict[str, Any]:
    return {"type": "content_block_stop", "index": index}


def data(*frames: Any) -> bytes:
    """Frames without names."""
    texts = (frame if isinstance(frame, str) else json.dumps(frame) for frame in frames)
    return b"".join(f"data: {text}\n\n".encode() for text in texts)


HI = [opened(), delta(text="hi"), closed()]
TOOL = {"type": "tool_use", "id": "toolu_1", "name": "roll"}
ROLL = {**TOOL, "input": {"sides": 6}, "caller": {"type": "code_execution_20250825", "tool_id": "srvtoolu_1"}}


def whole_in_start(*content: Any, reason: str = "tool_use") -> dict[str, Any]:
    return {
        "type": "message_start",
        "message": {**START["message"], "content": [*content], "stop_reason": reason},
    }  # type: ignore[dict-item]  # a message


ANSWERS: list[tuple[str, bytes, list[Any], str]] = [
    ("blocks in the start", wire([whole_in_start(ROLL), STOP]), [ROLL], "tool_use"),
    ("text in the start", wire([whole_in_start(TEXT, ROLL), STOP]), [TEXT, ROLL], "tool_use"),
    ("blocks in the start, no stop", wire([whole_in_start(ROLL)]), [ROLL], "tool_use"),
    (
        "cut call",
        wire([START, opened(**TOOL, input={}, text=None), delta(kind="input_json_delta", partial_json='{"city": "Pa'),
              {"type": "message_delta", "delta": {"stop_reason": "max_tokens"}, "usage": USAGE}, STOP]),
        [{**TOOL, "text": None, "input": {}, "partial_json": '{"city": "Pa'}],
        "max_tokens",
    ),
    ("no blank line", wire([START, *HI, END]) + b'data: {"type":"message_stop"}', [TEXT], "end_turn"),
    ("no message_stop", wire([START, *HI, END]), [TEXT], "end_turn"),
    ("done", wire([START, *HI, END]) + b"data: [DONE]\n\n", [TEXT], "end_turn"),
    ("done without its blank line", wire([START, *HI, END]) + b"data: [DONE]", [TEXT], "end_turn"),
    ("done in place of the stop, then noise", wire([START, *HI, END]) + b"data: [DONE]\n\ndata: {", [TEXT], "end_turn"),
    ("a stop missing", wire([START, opened(), delta(text="hi"), END, STOP]), [TEXT], "end_turn"),
    ("a stop missing, and no reason", wire([START, opened(), delta(text="hi"), STOP]), [TEXT], ""),
    ("a stop doubled", wire([START, *HI, closed(), END, STOP]), [TEXT], "end_turn"),
    ("a stop of no block", wire([START, *HI, closed(7), END, STOP]), [TEXT], "end_turn"),
    ("a late stop", wire([START, opened(), delta(text="hi"), END, closed(), STOP]), [TEXT], "end_turn"),
    ("an index again", wire([START, *HI, *HI, END, STOP]), [TEXT, TEXT], "end_turn"),
    ("an index again, no stops", wire([START, *HI[:2], *HI[:2], END, STOP]), [TEXT, TEXT], "end_turn"),
    ("a block start again", wire([START, HI[0], *HI, END, STOP]), [TEXT], "end_turn"),
    ("a start again", wire([START, START, *HI, START, END, STOP]), [TEXT], "end_turn"),
    ("no text", wire([START, opened(), delta(), delta(text=None), delta(text=""), delta(text="hi"), closed(), END, STOP]), [TEXT], "end_turn"),
    ("no delta", wire([START, opened(), {"type": "content_block_delta", "index": 0}, {"type": "content_block_delta", "index": 0, "delta": {}}, delta(text="hi"), closed(), END, STOP]), [TEXT], "end_turn"),
    ("a delta without type", wire([START, opened(), {"type": "content_block_delta", "index": 0, "delta": {"text": "hi"}}, closed(), END, STOP]), [TEXT], "end_turn"),
    ("all in the block's start", wire([START, opened(text="hi", citations=[{"n": 1}]), closed(), END, STOP]), [{**TEXT, "citations": [{"n": 1}]}], "end_turn"),
    ("citations in both", wire([START, opened(text="h", citations=[{"n": 1}]), delta(text="i"), delta(kind="citations_delta", citation={"n": 2}), closed(), END, STOP]), [{**TEXT, "citations": [{"n": 1}, {"n": 2}]}], "end_turn"),
    ("input as text", wire([START, {"type": "content_block_start", "index": 0, "content_block": {**TOOL, "input": '{"city": "Paris"}'}}, closed(), END, STOP]), [{**TOOL, "input": {"city": "Paris"}}], "end_turn"),
    ("input as cut text", wire([START, {"type": "content_block_start", "index": 0, "content_block": {**TOOL, "input": '{"city": "Pa'}}, closed(), END, STOP]), [{**TOOL, "input": {}, "partial_json": '{"city": "Pa'}], "end_turn"),
    ("compaction", wire([START, {"type": "content_block_start", "index": 0, "content_block": {"type": "compaction", "content": None}}, delta(kind="compaction_delta", content="sum", encrypted_content="EpwB"), closed(), END, STOP]), [{"type": "compaction", "content": "sum", "encrypted_content": "EpwB"}], "end_turn"),
    ("compaction of nothing", wire([START, {"type": "content_block_start", "index": 0, "content_block": {"type": "compaction", "content": None}}, delta(kind="compaction_delta", content=None, encrypted_content="EpwB"), closed(), END, STOP]), [{"type": "compaction", "content": None, "encrypted_content": "EpwB"}], "end_turn"),
    ("one frame", data(MESSAGE), [TEXT], ""),
    ("one frame of a type", data({**MESSAGE, "type": "message", "stop_reason": "end_turn"}), [TEXT], "end_turn"),
    ("one frame by a name", b"event: completion\n" + data(MESSAGE), [TEXT], ""),
    ("snapshots", data({**MESSAGE, "content": [{"type": "text", "text": "h"}]}, MESSAGE), [TEXT], ""),
    ("an envelope as one frame", data({"code": 200, "msg": "success", "data": MESSAGE}), [TEXT], ""),
    ("an envelope", json.dumps({"code": 200, "data": MESSAGE}).encode(), [TEXT], ""),
    ("halves", data(START, opened(), r'{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"a\ud83d"}}', r'{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"\ude00b"}}', closed(), END, STOP), [{"type": "text", "text": "a😀b"}], "end_turn"),
    ("a half alone", data(START, opened(), r'{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"a\ud83d"}}', delta(text="b"), closed(), END, STOP), [{"type": "text", "text": "a\ufffdb"}], "end_turn"),
    ("a half at the end", data(START, opened(), r'{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"a\ud83d"}}', closed(), END, STOP), [{"type": "text", "text": "a\ufffd"}], "end_turn"),
    ("halves in arguments", data(START, {"type": "content_block_start", "index": 0, "content_block": {**TOOL, "input": {}}}, delta(kind="input_json_delta", partial_json='{"a": "\\ud8'), delta(kind="input_json_delta", partial_json='3d'), delta(kind="input_json_delta", partial_json='\\ude00", "b": "\\ude00"}'), closed(), END, STOP), [{**TOOL, "input": {"a": "😀", "b": "\ufffd"}}], "end_turn"),
    ("raw halves in arguments", data(START, {"type": "content_block_start", "index": 0, "content_block": {**TOOL, "input": {}}}, r'{"type":"content_block_delta","index":0,"delta":{"type":"input_json_delta","partial_json":"{\"a\": \"\ud83d"}}', r'{"type":"content_block_delta","index":0,"delta":{"type":"input_json_delta","partial_json":"\ude00\"}"}}', closed(), END, STOP), [{**TOOL, "input": {"a": "😀"}}], "end_turn"),
    ("halves in a whole body", br'{"id": "m", "content": [{"type": "text", "text": "a\ud83d\ude00\ud83d"}]}', [{"type": "text", "text": "a😀\ufffd"}], ""),
]  # fmt: skip
