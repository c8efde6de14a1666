"""Replies as servers really send them: (name, body, content, stop reason), for the core and both adapters."""

from __future__ import annotations

import hashlib
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
    }


CALL: dict[str, Any] = {"type": "content_block_start", "index": 0, "content_block": {**TOOL, "input": {}}}


def arguments(text: str, index: int = 0) -> dict[str, Any]:
    return delta(index, kind="input_json_delta", partial_json=text)


ENDED_IN_A_CALL = {**END, "delta": {"stop_reason": "tool_use"}}
GIVEN_ID, SECOND_GIVEN_ID = (
    f"toolu_{hashlib.sha256(f'msg_1{chr(10)}{place}'.encode()).hexdigest()[:24]}" for place in (0, 1)
)
"""Of the blocks of message ``msg_1`` that have none."""
CITED = {"type": "char_location", "cited_text": "b", "document_index": 0, "document_title": "t", "start_char_index": 0, "end_char_index": 9}  # fmt: skip


CUT = ("max_tokens", "model_context_window_exceeded", "refusal")
"""Stop reasons that may have cut the last block."""


def without_index(event: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in event.items() if name != "index"}


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
    ("a stop before the start", wire([closed(), {"type": "content_block_delta", "index": 0, "delta": {}}, START, *HI, END, STOP]), [TEXT], "end_turn"),
    ("calls that begin in another order", wire([START, *({**CALL, "index": place, "content_block": {**CALL["content_block"], "id": f"toolu_{place}"}} for place in (2, 0, 1)), *(delta(place, kind="input_json_delta", partial_json=f'{{"a": {place}}}') for place in range(3)), *map(closed, (1, 2, 0)), ENDED_IN_A_CALL, STOP]), [{**TOOL, "id": f"toolu_{place}", "input": {"a": place}} for place in (2, 0, 1)], "tool_use"),
    ("texts that begin in another order", wire([START, opened(7), delta(7, text="hi"), closed(7), opened(3), delta(3, text=" ho"), closed(3), END, STOP]), [TEXT, {"type": "text", "text": " ho"}], "end_turn"),
    ("a late stop", wire([START, opened(), delta(text="hi"), END, closed(), STOP]), [TEXT], "end_turn"),
    ("an index again", wire([START, *HI, *HI, END, STOP]), [TEXT, TEXT], "end_turn"),
    ("an index again, no stops", wire([START, *HI[:2], *HI[:2], END, STOP]), [TEXT, TEXT], "end_turn"),
    ("a block start again", wire([START, HI[0], *HI, END, STOP]), [TEXT], "end_turn"),
    ("a start again", wire([START, START, *HI, START, END, STOP]), [TEXT], "end_turn"),
    ("no text", wire([START, opened(), delta(), delta(text=None), delta(text=""), delta(text="hi"), closed(), END, STOP]), [TEXT], "end_turn"),
    ("no delta", wire([START, opened(), {"type": "content_block_delta", "index": 0}, {"type": "content_block_delta", "index": 0, "delta": {}}, delta(text="hi"), closed(), END, STOP]), [TEXT], "end_turn"),
    ("a delta without type", wire([START, opened(), {"type": "content_block_delta", "index": 0, "delta": {"text": "hi"}}, closed(), END, STOP]), [TEXT], "end_turn"),
    ("all in the block's start", wire([START, opened(text="hi", citations=[CITED]), closed(), END, STOP]), [{**TEXT, "citations": [CITED]}], "end_turn"),
    ("citations in both", wire([START, opened(text="h", citations=[CITED]), delta(text="i"), delta(kind="citations_delta", citation={**CITED, "start_char_index": 2}), closed(), END, STOP]), [{**TEXT, "citations": [CITED, {**CITED, "start_char_index": 2}]}], "end_turn"),
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
    ("events in envelopes", data(*({"code": 200, "msg": "success", "data": event} for event in (START, *HI, END, STOP))), [TEXT], "end_turn"),
    ("no index", wire([START, *map(without_index, HI), END, STOP]), [TEXT], "end_turn"),
    ("an index as text", wire([START, *({**event, "index": "0"} for event in HI), END, STOP]), [TEXT], "end_turn"),
    ("an index with a point", wire([START, *({**event, "index": 0.0} for event in HI), END, STOP]), [TEXT], "end_turn"),
    ("nothing of another kind", wire([START, opened(), delta(kind="input_json_delta", partial_json=""), delta(kind="thinking_delta", thinking=""), delta(text="hi"), closed(), END, STOP]), [TEXT], "end_turn"),
    ("arguments as an object", wire([START, CALL, delta(kind="input_json_delta", partial_json={"a": 1}), closed(), END, STOP]), [{**TOOL, "input": {"a": 1}}], "end_turn"),
    ("arguments as text of text", wire([START, CALL, delta(kind="input_json_delta", partial_json='"{\\"a\\": 1}"'), closed(), END, STOP]), [{**TOOL, "input": {"a": 1}}], "end_turn"),
    ("a line break in arguments", wire([START, CALL, delta(kind="input_json_delta", partial_json='{"a": "b\nc"}'), closed(), END, STOP]), [{**TOOL, "input": {"a": "b\nc"}}], "end_turn"),
    ("a tab in a frame", wire([START, *HI, END, STOP]).replace(b'"hi"', b'"h\ti"'), [{"type": "text", "text": "h\ti"}], "end_turn"),
    ("a tab in a whole body", json.dumps(MESSAGE).encode().replace(b'"hi"', b'"h\ti"'), [{"type": "text", "text": "h\ti"}], ""),
    ("an error that is none", json.dumps({**MESSAGE, "error": "", "code": 200}).encode(), [TEXT], ""),
    ("zeros behind a whole body", json.dumps(MESSAGE).encode() + b"\n\0\0", [TEXT], ""),
    ("no blank lines between events", wire([START, *HI, END, STOP]).replace(b"\n\n", b"\n"), [TEXT], "end_turn"),
    ("no blank lines, no names", data(START, *HI, END, STOP).replace(b"\n\n", b"\n") + b"data: [DONE]\n", [TEXT], "end_turn"),
    ("an event on each line", b"".join(json.dumps(event).encode() + b"\n" for event in (START, *HI, END, STOP)), [TEXT], "end_turn"),
    ("a text for content", json.dumps({**MESSAGE, "type": "message", "content": "hi"}).encode(), [TEXT], ""),
    ("a text for content, in one frame", data({**MESSAGE, "type": "message", "content": "hi"}), [TEXT], ""),
    ("blank lines before it", b"\r\n \n" * 9 + wire([START, *HI, END, STOP]), [TEXT], "end_turn"),
    ("a citation, then another text", wire([START, opened(citations=[]), delta(text="hi"), delta(kind="citations_delta", citation=CITED), closed(), opened(1), delta(1, text=" ho"), closed(1), END, STOP]), [{**TEXT, "citations": [CITED]}, {"type": "text", "text": " ho"}], "end_turn"),
    ("a citation before its text", wire([START, opened(), delta(kind="citations_delta", citation=CITED), delta(text="hi"), closed(), END, STOP]), [{**TEXT, "citations": [CITED]}], "end_turn"),
    ("a citation in its text", wire([START, opened(), delta(text="h"), delta(kind="citations_delta", citation=CITED), delta(text="i"), closed(), END, STOP]), [{**TEXT, "citations": [CITED]}], "end_turn"),
    ("a citation without its place", wire([START, opened(), delta(text="hi"), delta(kind="citations_delta", citation={"type": "char_location", "cited_text": "b"}), closed(), END, STOP]), [{**TEXT, "citations": [{"type": "char_location", "cited_text": "b"}]}], "end_turn"),
    ("a citation of no text", wire([START, opened(), delta(kind="citations_delta", citation=CITED), closed(), END, STOP]), [{"type": "text", "text": "", "citations": [CITED]}], "end_turn"),
    ("an empty text before a call", wire([START, opened(), closed(), {**CALL, "index": 1}, closed(1), END, STOP]), [{"type": "text", "text": ""}, {**TOOL, "input": {}}], "end_turn"),
    ("calls of one id", wire([START, CALL, delta(kind="input_json_delta", partial_json='{"a": 1}'), closed(), {**CALL, "index": 1}, delta(1, kind="input_json_delta", partial_json='{"a": 2}'), closed(1), END, STOP]), [{**TOOL, "input": {"a": 1}}, {**TOOL, "input": {"a": 2}}], "end_turn"),
    ("a call without a name", wire([START, {**CALL, "content_block": {**CALL["content_block"], "name": None}}, closed(), END, STOP]), [{**TOOL, "name": None, "input": {}}], "end_turn"),
    ("an empty name", wire([START, {**CALL, "content_block": {**CALL["content_block"], "name": ""}}, closed(), END, STOP]), [{**TOOL, "name": None, "input": {}}], "end_turn"),
    ("numbers for names", wire([START, {**CALL, "content_block": {**CALL["content_block"], "id": 7, "name": 8}}, closed(), END, STOP]), [{**TOOL, "id": "7", "name": "8", "input": {}}], "end_turn"),
    ("a call without an id", wire([START, {**CALL, "content_block": {**CALL["content_block"], "id": None}}, closed(), END, STOP]), [{**TOOL, "id": GIVEN_ID, "input": {}}], "end_turn"),
    ("a call without an id, whole", json.dumps({**MESSAGE, "content": [{"type": "tool_use", "name": "roll"}]}).encode(), [{"type": "tool_use", "name": "roll", "id": GIVEN_ID, "input": {}}], ""),
    ("a start again without its id", wire([START, {"type": "message_start", "message": {"usage": USAGE}}, *HI, END, STOP]), [TEXT], "end_turn"),
    ("blocks in the second start", wire([START, whole_in_start(TEXT, ROLL), ENDED_IN_A_CALL, STOP]), [TEXT, ROLL], "tool_use"),
    ("other fields of common deltas", wire([START, {**CALL, "content_block": {"type": "compaction", "content": None}}, delta(encrypted_content="E"), delta(kind="input_json_delta", content="sum"), closed(), *({**event, "index": 1} for event in HI), END, STOP]), [{"type": "compaction", "content": "sum", "encrypted_content": "E"}, TEXT], "end_turn"),
    ("an unknown delta of no block", wire([START, delta(kind="sparkle"), *HI, delta(kind="sparkle"), END, STOP]), [TEXT], "end_turn"),
    *((f"a whole call, then {reason}", body, [{**TOOL, "input": {"a": 1}}], reason) for reason in CUT for body in (wire([START, CALL, delta(kind="input_json_delta", partial_json='{"a": 1}'), closed(), {**END, "delta": {"stop_reason": reason}}, STOP]), json.dumps({**MESSAGE, "content": [{**TOOL, "input": {"a": 1}}], "stop_reason": reason}).encode())),
    ("calls of one id, the second cut", wire([START, CALL, delta(kind="input_json_delta", partial_json='{"a": 1}'), closed(), {**CALL, "index": 1}, delta(1, kind="input_json_delta", partial_json='{"a": 2'), closed(1), {**END, "delta": {"stop_reason": "max_tokens"}}, STOP]), [{**TOOL, "input": {"a": 1}}, {**TOOL, "input": {}, "partial_json": '{"a": 2'}], "max_tokens"),
    ("calls side by side, cut", wire([START, CALL, {**CALL, "index": 1, "content_block": {**CALL["content_block"], "id": "toolu_2"}}, delta(1, kind="input_json_delta", partial_json='{"a": 2}'), delta(kind="input_json_delta", partial_json='{"a": 1}'), closed(1), closed(), {**END, "delta": {"stop_reason": "max_tokens"}}, STOP]), [{**TOOL, "input": {"a": 1}}, {**TOOL, "id": "toolu_2", "input": {"a": 2}}], "max_tokens"),
    ("a citation of a block that is no text", wire([START, {**CALL, "content_block": {"type": "container_upload", "file_id": "f"}}, delta(kind="citations_delta", citation=CITED), closed(), END, STOP]), [{"type": "container_upload", "file_id": "f", "citations": [CITED]}], "end_turn"),
    ("citations that are none", wire([START, opened(citations="x"), delta(text="hi"), delta(kind="citations_delta", citation={"type": []}), delta(kind="citations_delta", citation="x"), closed(), END, STOP]), [{**TEXT, "citations": []}], "end_turn"),
    ("citations that are none, whole", json.dumps({**MESSAGE, "content": [{**TEXT, "citations": ["x", {"type": {}}, CITED]}]}).encode(), [{**TEXT, "citations": [CITED]}], ""),
    ("an id of a result that is no text", wire([START, {**CALL, "content_block": {"type": "server_tool_use", "id": "srvtoolu_1", "name": "web_search", "input": {}}}, closed(), {**CALL, "index": 1, "content_block": {"type": "web_search_tool_result", "tool_use_id": ["srvtoolu_1"], "content": []}}, closed(1), opened(2), delta(2, text="hi"), closed(2), END, STOP]), [{"type": "server_tool_use", "id": "srvtoolu_1", "name": "web_search", "input": {}}, {"type": "web_search_tool_result", "tool_use_id": "['srvtoolu_1']", "content": []}, TEXT], "end_turn"),
    ("a cut call of the server's", wire([START, {**CALL, "content_block": {"type": "server_tool_use", "id": "srvtoolu_1", "name": "code_execution", "input": {}}}, delta(kind="input_json_delta", partial_json='{"code": "pri'), {**END, "delta": {"stop_reason": "pause_turn"}}, STOP]), [{"type": "server_tool_use", "id": "srvtoolu_1", "name": "code_execution", "input": {}, "partial_json": '{"code": "pri'}], "pause_turn"),
    ("a cut call, then an empty text", wire([START, CALL, delta(kind="input_json_delta", partial_json='{"a": 1}'), closed(), opened(1), {**END, "delta": {"stop_reason": "max_tokens"}}, STOP]), [{**TOOL, "input": {"a": 1}}, {"type": "text", "text": ""}], "max_tokens"),
    ("ten calls side by side", wire([START, *({**CALL, "index": place, "content_block": {**CALL["content_block"], "id": f"toolu_{place}"}} for place in range(10)), *(delta(place, kind="input_json_delta", partial_json=piece) for piece in ('{"a"', ": 1}") for place in range(10)), *(closed(place) for place in (3, 9, 1, 0, 2, 4, 5, 6, 8, 7)), ENDED_IN_A_CALL, STOP]), [{**TOOL, "id": f"toolu_{place}", "input": {"a": 1}} for place in range(10)], "tool_use"),
    ("a call without a name, whole", json.dumps({**MESSAGE, "content": [{**TOOL, "name": None, "input": {"a": 1}}]}).encode(), [{**TOOL, "name": None, "input": {"a": 1}}], ""),
    ("a stop reason that is no text", wire([START, CALL, closed(), {**END, "delta": {"stop_reason": {"type": "tool_use"}}}, STOP]), [{**TOOL, "input": {}}], ""),
    ("another stop reason later", wire([START, CALL, closed(), {**END, "delta": {"stop_reason": "max_tokens"}}, ENDED_IN_A_CALL, STOP]), [{**TOOL, "input": {}}], "tool_use"),
    ("halves in a whole body", br'{"id": "m", "content": [{"type": "text", "text": "a\ud83d\ude00\ud83d"}]}', [{"type": "text", "text": "a😀\ufffd"}], ""),
    ("text in a call", wire([START, CALL, arguments('{"a"'), delta(text="\n"), arguments(": 1}"), delta(text="hi"), closed(), ENDED_IN_A_CALL, STOP]), [{**TOOL, "input": {"a": 1}}, {"type": "text", "text": "\nhi"}], "tool_use"),
    ("text in a call, another call after it", wire([START, CALL, delta(text="hi"), {**CALL, "content_block": {**CALL["content_block"], "id": "toolu_2"}}, delta(text="ho"), ENDED_IN_A_CALL, STOP]), [{**TOOL, "input": {}}, TEXT, {**TOOL, "id": "toolu_2", "input": {}}, {"type": "text", "text": "ho"}], "tool_use"),
    ("thinking in a text", wire([START, opened(), delta(kind="thinking_delta", thinking="hm"), delta(text="hi"), delta(kind="signature_delta", signature="s"), closed(), END, STOP]), [TEXT, {"type": "thinking", "thinking": "hm", "signature": "s"}], "end_turn"),
    ("text in thinking", wire([START, opened(type="thinking", thinking="", text=None), delta(kind="thinking_delta", thinking="hm"), delta(text="hi"), closed(), END, STOP]), [{"type": "thinking", "thinking": "hm", "text": None}, TEXT], "end_turn"),
    ("arguments in a text", wire([START, opened(), delta(text="hi"), arguments('{"a": 1}'), closed(), ENDED_IN_A_CALL, STOP]), [TEXT, {**TOOL, "id": SECOND_GIVEN_ID, "name": None, "input": {"a": 1}}], "tool_use"),
    ("a signature in a text", wire([START, opened(), delta(text="hi"), delta(kind="signature_delta", signature="s"), closed(), END, STOP]), [TEXT], "end_turn"),
    ("deltas by their blocks' names", wire([START, opened(), delta(kind="text", text="hi"), closed(), {**CALL, "index": 1}, delta(1, kind="input_json", partial_json='{"a": 1}'), closed(1), ENDED_IN_A_CALL, STOP]), [TEXT, {**TOOL, "input": {"a": 1}}], "tool_use"),
    ("an index of null", wire([START, *({**event, "index": None} for event in HI), END, STOP]), [TEXT], "end_turn"),
    ("an index of the start alone", wire([START, {**HI[0], "index": 3}, *map(without_index, HI[1:]), {**CALL, "index": 4}, without_index(arguments("{}")), ENDED_IN_A_CALL, STOP]), [TEXT, {**TOOL, "input": {}}], "tool_use"),
    ("an empty list for an object", wire([START, {**CALL, "content_block": {**TOOL, "input": []}}, arguments('{"a": 1}'), closed(), {**CALL, "index": 1, "content_block": {**TOOL, "id": "toolu_2", "input": []}}, arguments("[]", 1), closed(1), ENDED_IN_A_CALL, STOP]), [{**TOOL, "input": {"a": 1}}, {**TOOL, "id": "toolu_2", "input": {}}], "tool_use"),
    ("an empty list for an object, whole", json.dumps({**MESSAGE, "content": [{**TOOL, "input": []}]}).encode(), [{**TOOL, "input": {}}], ""),
    ("an empty object before arguments", wire([START, CALL, arguments("{}"), arguments('{"a": 1}'), closed(), ENDED_IN_A_CALL, STOP]), [{**TOOL, "input": {"a": 1}}], "tool_use"),
    ("arguments twice", wire([START, CALL, arguments('{"a": 1}'), arguments('\n{"a": 1}\n'), closed(), ENDED_IN_A_CALL, STOP]), [{**TOOL, "input": {"a": 1}}], "tool_use"),
    ("arguments of two calls in one", wire([START, CALL, arguments('{"a": 1}{"a": 2}'), closed(), ENDED_IN_A_CALL, STOP]), [{**TOOL, "input": {}, "partial_json": '{"a": 1}{"a": 2}'}], "tool_use"),
    *((f"{number[:9]} in arguments", wire([START, CALL, arguments(f'{{"a": [{number}]}}'), closed(), ENDED_IN_A_CALL, STOP]), [{**TOOL, "input": {}, "partial_json": f'{{"a": [{number}]}}'}], "tool_use") for number in ("1e400", "-1e400", "NaN", "-Infinity", "9" * 5000)),
    *((f"{number[:9]} in a whole call", json.dumps({**MESSAGE, "content": [{**TOOL, "input": {"a": "N"}}], "usage": {**USAGE, "cost": "N"}}).replace('"N"', number).encode(), [{**TOOL, "input": {}, "partial_json": f'{{"a":{said}}}'}], "") for number, said in (("1e400", "Infinity"), ("NaN", "NaN"), ("9" * 5000, "9" * 5000))),
    *((f"{number[:9]} in the start of a call", data(START, json.dumps({**CALL, "content_block": {**TOOL, "input": {"a": "N"}}}).replace('"N"', number), closed(), ENDED_IN_A_CALL, STOP), [{**TOOL, "input": {}, "partial_json": f'{{"a":{said}}}'}], "tool_use") for number, said in (("1e400", "Infinity"), ("NaN", "NaN"))),
    ("a cost that is no number", data(START, *HI, json.dumps({**END, "usage": {**USAGE, "cost": 7}}).replace("7", "NaN"), STOP), [TEXT], "end_turn"),
]  # fmt: skip
