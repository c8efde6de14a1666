"""Every fault: what it puts on the wire, and what it charges."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import httpx
import pytest

from aivideoapi_core.sandbox import Fault, Reply, Sandbox

NATIVE, DIRECT = "claude-sonnet-4-6", "claude-sonnet-4-6/anthropic"
PLATFORM_TABLE = [
    (400, "invalid_request", "invalid_request_error"),
    (401, "invalid_api_key", "authentication_error"),
    (402, "insufficient_credits", "billing_error"),
    (403, "ip_not_allowed", "permission_error"),
    (404, "model_not_found", "invalid_request_error"),
    (404, "task_not_found", "invalid_request_error"),
    (429, "rate_limit_exceeded", "rate_limit_error"),
    (429, "spend_limit_exceeded", "billing_error"),
    (500, "internal_error", "api_error"),
    (503, "upstream_error", "upstream_error"),
]
OFFICIAL_TABLE = [
    (400, "invalid_request_error"),
    (401, "authentication_error"),
    (402, "billing_error"),
    (403, "permission_error"),
    (404, "not_found_error"),
    (409, "conflict_error"),
    (413, "request_too_large"),
    (429, "rate_limit_error"),
    (500, "api_error"),
    (504, "timeout_error"),
    (529, "overloaded_error"),
]


def post(
    sandbox: Sandbox, *, stream: bool = False, headers: Mapping[str, str] | None = None, model: str = NATIVE
) -> httpx.Response:
    body = {"model": model, "stream": stream, "messages": [{"role": "user", "content": "Hello"}]}
    all_headers = {"authorization": "Bearer sk-sandbox-0000", **(headers or {})}
    with httpx.Client(timeout=5) as client:
        return client.post(f"{sandbox.url}/v1/messages", json=body, headers=all_headers)


def partial(sandbox: Sandbox, *, stream: bool) -> tuple[bytes, Exception | None]:
    """What arrives of a body, and the exception that ends it."""
    body = {"model": NATIVE, "stream": stream, "messages": [{"role": "user", "content": "Hello"}]}
    headers = {"authorization": "Bearer sk-test"}
    parts = []
    try:
        with httpx.stream(
            "POST", f"{sandbox.url}/v1/messages", json=body, headers=headers, timeout=0.5
        ) as response:
            for part in response.iter_raw():
                parts.append(part)  # what came before the exception counts
    except httpx.TransportError as error:
        return b"".join(parts), error
    return b"".join(parts), None


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(("status", "code", "kind"), PLATFORM_TABLE)
def test_every_row_of_the_platforms_table(
    sandbox: Sandbox, status: int, code: str, kind: str, stream: bool
) -> None:
    sandbox.enqueue(Fault.error(code, retry_after=3, message="told"))
    response = post(sandbox, stream=stream)
    assert response.status_code == status
    assert response.json() == {"error": {"code": code, "message": "told", "type": kind}}
    assert response.headers["retry-after"] == "3"
    assert sandbox.ledger[0].outcome == f"error:{code}"
    assert sandbox.charged_micro == 0


@pytest.mark.parametrize(("status", "kind"), OFFICIAL_TABLE)
def test_every_official_type(sandbox: Sandbox, status: int, kind: str) -> None:
    sandbox.enqueue(Fault.error(kind))
    response = post(sandbox, model=DIRECT)
    body = response.json()
    assert response.status_code == status
    assert (body["type"], body["error"]["type"]) == ("error", kind)
    assert body["request_id"] == response.headers["request-id"] == sandbox.ledger[0].request_id


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        pytest.param(
            Fault.error(429, message="m"),
            {"error": {"code": 429, "message": "m", "type": "rate_limit_error"}},
            id="integer code",
        ),
        pytest.param(
            Fault.error("overloaded_error", outer_type=False, message="m"),
            {"error": {"type": "overloaded_error", "message": "m"}},
            id="without the outer type",
        ),
        pytest.param(
            Fault.error("internal_error", message="your key {key} broke"),
            {
                "error": {
                    "code": "internal_error",
                    "message": "your key sk-sandbox-0000 broke",
                    "type": "api_error",
                }
            },
            id="echoes the key",
        ),
    ],
)
def test_odd_error_bodies(sandbox: Sandbox, fault: Fault, expected: dict[str, Any]) -> None:
    sandbox.enqueue(fault)
    body = post(sandbox).json()
    body.pop("request_id", None)
    assert body == expected


@pytest.mark.parametrize("count", range(7))
def test_a_stream_cut_after_each_event(sandbox: Sandbox, count: int) -> None:
    sandbox.enqueue(Fault.cut(count, reply=Reply("Hi")))
    body, error = partial(sandbox, stream=True)
    assert isinstance(error, httpx.RemoteProtocolError)
    assert body.count(b"\n\n") == count
    assert sandbox.ledger[0].charged == (count > 0)
    assert sandbox.ledger[0].outcome == "cut"


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("size", [0, 1, 40])
def test_a_cut_after_bytes(sandbox: Sandbox, size: int, stream: bool) -> None:
    sandbox.enqueue(Fault.cut(after_bytes=size))
    body, error = partial(sandbox, stream=stream)
    assert isinstance(error, httpx.RemoteProtocolError)
    assert len(body) == size
    assert sandbox.ledger[0].charged == (size > 0)


@pytest.mark.parametrize("stream", [False, True])
def test_a_clean_end_looks_complete(sandbox: Sandbox, stream: bool) -> None:
    sandbox.enqueue(Fault.cut(2, ending="clean"))
    body, error = partial(sandbox, stream=stream)
    assert error is None
    assert b"message_stop" not in body
    with pytest.raises(json.JSONDecodeError):
        json.loads(body)


@pytest.mark.parametrize("stream", [False, True])
def test_a_reset(sandbox: Sandbox, stream: bool) -> None:
    sandbox.enqueue(Fault.cut(1, ending="reset"), Fault.disconnect(reset=True))
    for _ in range(2):
        assert isinstance(partial(sandbox, stream=stream)[1], httpx.TransportError)


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(("after", "charged"), [(-1, False), (0, False), (1, True)])
def test_a_stall_holds_the_connection(sandbox: Sandbox, after: int, charged: bool, stream: bool) -> None:
    sandbox.enqueue(Fault.stall(after))
    _, error = partial(sandbox, stream=stream)
    assert isinstance(error, httpx.ReadTimeout)
    assert (sandbox.ledger[0].charged, sandbox.ledger[0].outcome) == (charged, "stall")


@pytest.mark.parametrize("stream", [False, True])
def test_a_disconnect_sends_nothing(sandbox: Sandbox, stream: bool) -> None:
    sandbox.enqueue(Fault.disconnect())
    body, error = partial(sandbox, stream=stream)
    assert (body, type(error)) == (b"", httpx.RemoteProtocolError)
    assert not sandbox.ledger[0].charged


@pytest.mark.parametrize(
    ("fault", "stream", "status", "content", "charged"),
    [
        (Fault.malformed(2), True, 200, b'"delta":{"type":"tex\n\n', True),
        (Fault.malformed(0), True, 200, b'"delta":{"type":"tex\n\n', False),
        (Fault.malformed(), False, 200, b"}{", True),
        (Fault.invalid_utf8(), True, 200, b"\xff\xfe\xc3(", True),
        (Fault.invalid_utf8(), False, 200, b"\xff\xfe\xc3(", True),
        (Fault.error_event("overloaded_error", 3), True, 200, b'"type":"overloaded_error"', False),
        (
            Fault.error_event("upstream_error", 0, official_shape=False),
            True,
            200,
            b'"code":"upstream_error"',
            False,
        ),
        (Fault.error_event("overloaded_error"), False, 529, b'"type":"overloaded_error"', False),
        (Fault.html(), True, 502, b"<!DOCTYPE html>", False),
        (Fault.html(200), False, 200, b"<!DOCTYPE html>", False),
        (Fault.empty(), True, 200, b"", False),
        (Fault.empty(204), False, 204, b"", False),
        (Fault.envelope(402, "no credits"), True, 200, b'{"code":402,"msg":"no credits","data":null}', False),
        (Fault.envelope(429, "slow", data={}), False, 200, b'{"code":429,"msg":"slow","data":{}}', False),
        (Fault.huge_error(size=100_000), True, 500, b"x" * 100_000, False),
        (Fault.redirect(), True, 307, b"", False),
        (Fault.wrong_content_type(), True, 200, b"event: message_stop", True),
        (Fault.wrong_content_type("text/html"), False, 200, b'"type":"message"', True),
        (Fault.endless_line(size=200_000), False, 200, b"x" * 100_000, False),
    ],
)
def test_broken_answers(
    sandbox: Sandbox, fault: Fault, stream: bool, status: int, content: bytes, charged: bool
) -> None:
    sandbox.enqueue(fault)
    body = {"model": NATIVE, "stream": stream, "messages": [{"role": "user", "content": "Hello"}]}
    headers = {"authorization": "Bearer sk-test"}
    parts = []
    with httpx.stream("POST", f"{sandbox.url}/v1/messages", json=body, headers=headers) as response:
        try:
            for part in response.iter_raw():
                parts.append(part)
        except httpx.RemoteProtocolError:
            assert fault.kind == "endless_line"
    assert response.status_code == status
    assert content in b"".join(parts)
    assert sandbox.ledger[0].charged == charged
    assert sandbox.ledger[0].outcome.startswith(fault.kind if fault.code == "" else ("error", "envelope"))


def test_an_endless_line_in_a_stream_follows_whole_events(sandbox: Sandbox) -> None:
    sandbox.enqueue(Fault.endless_line(2, size=200_000))
    body, error = partial(sandbox, stream=True)
    assert isinstance(error, httpx.RemoteProtocolError)
    assert b"\n" not in body.rpartition(b"\n\n")[2]
    assert len(body) > 200_000


@pytest.mark.parametrize("stream", [False, True])
def test_truncated_gzip(sandbox: Sandbox, stream: bool) -> None:
    sandbox.enqueue(Fault.truncated_gzip())
    response = post(sandbox, stream=stream)
    assert response.headers["content-encoding"] == "gzip"
    assert not response.text.rstrip().endswith("}")


@pytest.mark.parametrize(
    ("variant", "names"),
    [
        ("delta_first", "start delta stop mdelta mstop"),
        ("start_twice", "mstart mstart start delta stop mdelta mstop"),
        ("unopened_block", "mstart delta stop mdelta mstop"),
        ("unclosed_block", "mstart start delta mdelta mstop"),
        ("block_after_delta", "mstart mdelta start delta stop mstop"),
        ("event_after_stop", "mstart start delta stop mdelta mstop start delta stop"),
    ],
)
def test_events_out_of_order(sandbox: Sandbox, variant: Any, names: str) -> None:
    sandbox.enqueue(Fault.out_of_order(variant, reply=Reply("Hi", pings=0)))
    short = {"message_": "m", "content_block_": ""}
    found = []
    for line in post(sandbox, stream=True).text.splitlines():
        if line.startswith("event: "):
            name = line.removeprefix("event: ")
            for long, put in short.items():
                name = name.replace(long, put)
            found.append(name)
    assert found == names.split()


def test_a_delay_comes_before_what_follows_it(sandbox: Sandbox) -> None:
    sandbox.enqueue(Fault.delay(0.01, Fault.delay(0.01, Reply("late"))), Fault.delay(3_600))
    assert post(sandbox).json()["content"][0]["text"] == "late"
    _, error = partial(sandbox, stream=False)
    assert isinstance(error, httpx.ReadTimeout)


@pytest.mark.parametrize(
    ("text", "status", "code"),
    [
        ("rate_limit_exceeded;retry_after=7", 429, "rate_limit_exceeded"),
        ("error; code=internal_error", 500, "internal_error"),
        ("overloaded_error", 529, None),
        ("503", 503, 503),
        ("html;status=503", 503, None),
        ("nonsense", 400, "invalid_request"),
        ("cut;colour=red", 400, "invalid_request"),
    ],
)
def test_faults_by_header(sandbox: Sandbox, text: str, status: int, code: Any) -> None:
    sandbox.enqueue(Reply("stays in the queue"))
    response = post(sandbox, headers={"x-sandbox-fault": text})
    assert response.status_code == status
    if code is not None:
        assert response.json()["error"]["code"] == code
    if "retry_after" in text:
        assert response.headers["retry-after"] == "7"
    assert post(sandbox).json()["content"][0]["text"] == "stays in the queue"


def test_a_fault_by_header_for_the_first_tries_only(sandbox: Sandbox) -> None:
    headers = {"x-sandbox-fault": "internal_error;times=2;id=a", "x-sandbox-reply": '{"text": "at last"}'}
    answers = [post(sandbox, headers=headers) for _ in range(3)]
    other = post(sandbox, headers={**headers, "x-sandbox-fault": "internal_error;times=1;id=b"})
    assert [answer.status_code for answer in (*answers, other)] == [500, 500, 200, 500]
    assert answers[2].json()["content"][0]["text"] == "at last"


def test_only_replies_and_faults_can_be_enqueued(sandbox: Sandbox) -> None:
    with pytest.raises(TypeError, match="not str"):
        sandbox.enqueue("Hello")
