"""From an answer and a fault to a plan: what goes out, how the connection ends, what is charged.

Pure: the server carries a plan out, it decides nothing.
"""

from __future__ import annotations

import gzip
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final, Literal

from aivideoapi_core.sandbox._platform.errors import error_body, status_of
from aivideoapi_core.sandbox._script.replies import Fault
from aivideoapi_core.sandbox._server.render import Answer, frame, frames, message_object, to_json

Ending = Literal["keep", "close", "hold", "reset"]

_JSON: Final = "application/json"
_SSE: Final = "text/event-stream; charset=utf-8"
_BROKEN_FRAME: Final = (
    b'event: content_block_delta\ndata: {"type":"content_block_delta","index":0,"delta":{"type":"tex\n\n'
)
_BAD_UTF8_FRAME: Final = (
    b'event: content_block_delta\ndata: {"type":"content_block_delta","index":0,'
    b'"delta":{"type":"text_delta","text":"\xff\xfe\xc3("}}\n\n'
)
_HTML: Final = (
    "<!DOCTYPE html>\n<html><head><title>{status} proxy error</title></head>\n"
    "<body><h1>{status} proxy error</h1><p>The upstream server gave no answer.</p></body></html>\n"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """One response to send.

    ``body`` are the writes, one per flush. ``content_length`` ``None`` means chunked. ``ending``:
    ``keep`` the connection, ``close`` it (breaking the body if it is not complete), ``hold`` it
    open without a byte, ``reset`` it. ``respond=False`` sends nothing at all, not even a status.
    """

    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    body: Iterable[bytes] = ()
    content_length: int | None = None
    ending: Ending = "keep"
    respond: bool = True
    complete: bool = True
    wait_s: float = 0.0
    pause_s: float = 0.0
    charged: bool = False
    outcome: str = "ok"


def json_plan(
    status: int, value: object, *, headers: Mapping[str, str] | None = None, outcome: str = "ok"
) -> Plan:
    """A JSON response that is not a message (balance, errors)."""
    body = to_json(value).encode("utf-8", "backslashreplace")
    return Plan(
        status=status,
        headers={"content-type": _JSON, **(headers or {})},
        body=(body,),
        content_length=len(body),
        outcome=outcome,
    )


def error_plan(fault: Fault, *, request_id: str, key: str) -> Plan:
    """An error response as scripted; ``key`` only replaces ``{key}`` in its message."""
    message = fault.message
    if message is not None:
        message = message.replace("{key}", key)
    body = error_body(
        fault.code,
        message=message,
        request_id=request_id,
        official_shape=fault.official_shape,
        outer_type=fault.outer_type,
    )
    status = fault.status or status_of(fault.code)
    return json_plan(status, body, headers=fault.headers, outcome=f"error:{fault.code}")


def answer_plan(answer: Answer, *, stream: bool) -> Plan:
    """The answer without any fault."""
    headers = {"content-type": _SSE if stream else _JSON, **answer.style.headers}
    if stream:
        headers.setdefault("cache-control", "no-cache")
        return Plan(headers=headers, body=frames(answer), charged=True, pause_s=answer.style.pause_s)
    body = to_json(message_object(answer)).encode("utf-8", "backslashreplace")
    return Plan(headers=headers, body=(body,), content_length=len(body), charged=True)


def paced(plan: Plan, tokens: int, *, tokens_per_s: float | None, first_token_s: float) -> Plan:
    """``plan`` at the speed of a model: the first token after ``first_token_s``, then so many a second."""
    if tokens_per_s is None and not first_token_s:
        return plan
    rest_s = tokens / tokens_per_s if tokens_per_s else 0.0
    if plan.content_length is not None:  # a whole reply comes when its last token is there
        return replace(plan, wait_s=plan.wait_s + first_token_s + rest_s)
    body = tuple(plan.body)
    pause_s = max(plan.pause_s, rest_s / len(body))
    return replace(plan, wait_s=plan.wait_s + first_token_s, body=body, pause_s=pause_s)


def answerless_plan(fault: Fault, *, request_id: str, key: str) -> Plan | None:
    """The plan of a fault that needs no answer behind it; ``None`` for the others."""
    match fault.kind:
        case "error":
            return error_plan(fault, request_id=request_id, key=key)
        case "disconnect":
            return Plan(respond=False, ending=_ending(fault), outcome="disconnect")
        case "stall" if fault.after_events < 0:
            return Plan(respond=False, ending="hold", outcome="stall")
        case "html":
            page = _HTML.format(status=fault.status).encode("utf-8", "backslashreplace")
            return Plan(
                status=fault.status,
                headers={"content-type": "text/html; charset=utf-8"},
                body=(page,),
                content_length=len(page),
                outcome="html",
            )
        case "empty":
            return Plan(status=fault.status, headers={}, content_length=0, outcome="empty")
        case "envelope":
            value = {"code": fault.code, "msg": fault.message, "data": fault.data}
            return json_plan(200, value, outcome=f"envelope:{fault.code}")
        case "huge_error":
            body = error_body(fault.code, message="x" * fault.size)
            return json_plan(status_of(fault.code), body, outcome=f"error:{fault.code}")
        case "redirect":
            location = fault.location or "/elsewhere/v1/messages"
            return Plan(
                status=fault.status, headers={"location": location}, content_length=0, outcome="redirect"
            )
        case _:
            return None


def broken_plan(answer: Answer, fault: Fault, *, stream: bool, request_id: str) -> Plan:
    """The plan of a fault that breaks ``answer`` on its way."""
    plan = answer_plan(answer, stream=stream)
    match fault.kind:
        case "truncated_gzip":
            packed = gzip.compress(b"".join(plan.body), mtime=0)
            packed = packed[: len(packed) // 2]
            headers = {**plan.headers, "content-encoding": "gzip"}
            return replace(
                plan, headers=headers, body=(packed,), content_length=len(packed), outcome=fault.kind
            )
        case "wrong_content_type":
            headers = {**plan.headers, "content-type": fault.content_type}
            return replace(plan, headers=headers, outcome=fault.kind)
        case _ if stream:
            return _broken_stream(plan, answer, fault, request_id=request_id)
        case _:
            return _broken_body(plan, fault, request_id=request_id)


def _broken_stream(plan: Plan, answer: Answer, fault: Fault, *, request_id: str) -> Plan:
    sent = list(plan.body)
    first, rest = sent[: fault.after_events], sent[fault.after_events :]
    begun = bool(first)
    match fault.kind:
        case "cut" if fault.after_bytes is not None:
            part = b"".join(sent)[: fault.after_bytes]
            return _ended(plan, fault, (part,) if part else ())
        case "cut":
            return _ended(plan, fault, first)
        case "stall":
            return replace(plan, body=first, ending="hold", complete=False, charged=begun, outcome="stall")
        case "malformed":
            return replace(plan, body=[*first, _BROKEN_FRAME, *rest], charged=begun, outcome=fault.kind)
        case "invalid_utf8":
            return replace(plan, body=[*first, _BAD_UTF8_FRAME, *rest], charged=begun, outcome=fault.kind)
        case "error_event":
            body = error_body(
                fault.code,
                message=fault.message,
                request_id=request_id,
                official_shape=fault.official_shape,
            )
            event = frame({"type": "error", **body}, answer.style)
            return replace(plan, body=[*first, event], charged=False, outcome=f"error:{fault.code}")
        case "endless_line":
            body_stream = _endless(first, b"data: ", fault.size)
            return replace(
                plan, body=body_stream, ending="close", complete=False, charged=begun, outcome=fault.kind
            )
        case "out_of_order":
            begun = fault.variant != "delta_first"
            mixed = _out_of_order(sent, fault.variant)
            return replace(plan, body=mixed, charged=begun, outcome=fault.kind)
        case _:
            raise ValueError(f"unknown fault {fault.kind!r}")


def _broken_body(plan: Plan, fault: Fault, *, request_id: str) -> Plan:
    whole = b"".join(plan.body)
    half = whole[: len(whole) // 2] if fault.after_events else b""
    match fault.kind:
        case "cut":
            part = half if fault.after_bytes is None else whole[: fault.after_bytes]
            return _ended(plan, fault, (part,) if part else ())
        case "stall":
            return replace(
                plan, body=(half,), ending="hold", complete=False, charged=bool(half), outcome="stall"
            )
        case "malformed":
            broken = whole[:-20] + b"}{"
            return replace(plan, body=(broken,), content_length=len(broken), outcome=fault.kind)
        case "invalid_utf8":
            broken = whole.replace(b'"role":"assistant"', b'"role":"assist\xff\xfe\xc3("')
            return replace(plan, body=(broken,), content_length=len(broken), outcome=fault.kind)
        case "error_event":
            return error_plan(fault, request_id=request_id, key="")
        case "endless_line":
            body = _endless((), b'{"id":"', fault.size)
            return replace(
                plan,
                body=body,
                content_length=None,
                ending="close",
                complete=False,
                charged=False,
                outcome=fault.kind,
            )
        case "out_of_order":
            value = {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "x"}}
            return json_plan(200, value, outcome=fault.kind)
        case _:
            raise ValueError(f"unknown fault {fault.kind!r}")


def _ended(plan: Plan, fault: Fault, body: Sequence[bytes]) -> Plan:
    size = sum(map(len, body))
    clean = fault.ending == "clean"
    length = plan.content_length
    return replace(
        plan,
        body=body,
        content_length=size if clean and length is not None else length,
        ending=_ending(fault),
        complete=clean,
        charged=size > 0,
        outcome="cut",
    )


def _ending(fault: Fault) -> Ending:
    if fault.ending == "clean":
        return "keep"
    return "reset" if fault.ending == "reset" else "close"


def _endless(first: Iterable[bytes], start: bytes, size: int) -> Iterator[bytes]:
    yield from first
    yield start
    block = b"x" * 65_536
    for _ in range(0, size, len(block)):
        yield block


def _out_of_order(sent: Sequence[bytes], variant: str) -> list[bytes]:
    """Re-order or drop frames; message_start is first, message_delta and message_stop are last."""
    start, middle, ends = sent[0], list(sent[1:-2]), list(sent[-2:])
    stops = [number for number, item in enumerate(middle) if b"content_block_stop" in item]
    opens = [number for number, item in enumerate(middle) if b"content_block_start" in item]
    match variant:
        case "start_twice":
            return [start, start, *middle, *ends]
        case "unopened_block":
            return [start, *(item for number, item in enumerate(middle) if number not in opens[:1]), *ends]
        case "unclosed_block":
            return [start, *(item for number, item in enumerate(middle) if number not in stops[-1:]), *ends]
        case "block_after_delta":
            return [start, ends[0], *middle, ends[1]]
        case "event_after_stop":
            return [start, *middle, *ends, *middle]
        case _:
            return [*middle, *ends]
