"""Every fault the sandbox can script, through every method of both frameworks, on both routes.

One row per fault: what a whole call and what a streamed call comes to, each as the error's type, the
number of requests made and the number of answers charged. No row charges twice for one answer.
"""

from __future__ import annotations

import asyncio
import inspect
import itertools
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Final

import httpx
import pytest
from llama_index.core.llms import ChatMessage

from aivideoapi_core import (
    AIVideoAPIError,
    APIConnectionError,
    APIStatusError,
    APITimeoutError,
    AuthenticationError,
    ContextOverflowError,
    IncompleteStreamError,
    InsufficientCreditsError,
    InternalServerError,
    InvalidRequestError,
    ModelNotFoundError,
    NotFoundError,
    OverloadedError,
    PermissionDeniedError,
    RateLimitError,
    RequestTooLargeError,
    ResponseFormatError,
    RetryPolicy,
    SpendLimitError,
    StreamError,
    StreamTimeoutError,
    TaskNotFoundError,
    UpstreamError,
)
from aivideoapi_core._http.engines import ENGINE_ENV
from aivideoapi_core.sandbox import Fault, Reply, Sandbox
from aivideoapi_core.sandbox._platform.errors import OFFICIAL_ERRORS, PLATFORM_ERRORS
from aivideoapi_core.sandbox._script.replies import FAULT_KINDS
from langchain_aivideoapi import ChatAIVideoAPI
from llamaindex_aivideoapi import AIVideoAPI

QUESTION: Final = "What is the capital of France?"
TEXT: Final = "The capital of France is Paris, and it lies on the Seine."
ANSWER: Final = Reply(TEXT, pieces=9, pings=0, usage={"input_tokens": 18, "output_tokens": 42})
PRICE_MICRO: Final = {
    "claude-sonnet-4-6": 18 * 300 + 42 * 1500,
    "claude-sonnet-4-6/anthropic": 18 * 883 + 42 * 4412,
}
READ_TIMEOUT_S: Final = 1.0
MEGABYTE: Final = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Outcome:
    """``error`` is ``None`` where the call answers."""

    error: type[AIVideoAPIError] | None
    requests: int
    answers_charged: int


ANSWERED: Final = Outcome(None, 1, 1)
ANSWERED_AT_SECOND: Final = Outcome(None, 2, 1)


@dataclass(frozen=True, slots=True)
class Row:
    """The sandbox answers with ``script``, then with ``ANSWER``. ``impatient``: a short read timeout."""

    id: str
    script: tuple[Fault | Reply, ...]
    whole: Outcome
    stream: Outcome
    impatient: bool = False


def refused(fault: Fault, error: type[AIVideoAPIError], *, name: str = "") -> Row:
    """Not worth another try, and nothing charged."""
    outcome = Outcome(error, 1, 0)
    return Row(name or f"{fault.kind} {fault.code}", (fault,), outcome, outcome)


def passing(fault: Fault, error: type[AIVideoAPIError], *, name: str = "") -> list[Row]:
    """Worth another try: once it is overcome, for good it is raised after three."""
    name = name or f"{fault.kind} {fault.code}"
    lasting = Outcome(error, 3, 0)
    return [
        Row(f"{name}, once", (fault,), ANSWERED_AT_SECOND, ANSWERED_AT_SECOND),
        Row(f"{name}, lasting", (fault,) * 3, lasting, lasting),
    ]


def broken(
    fault: Fault,
    whole: tuple[type[AIVideoAPIError], int],
    stream: tuple[type[AIVideoAPIError], int],
    name: str,
) -> Row:
    """An answer that breaks on its way: asked for once, charged as the sandbox says, 0 or 1."""
    return Row(name, (fault,), Outcome(whole[0], 1, whole[1]), Outcome(stream[0], 1, stream[1]))


def stalled(after_events: int, error: type[AIVideoAPIError], *, whole: int, stream: int) -> Row:
    """Silence: whether it was billed nobody knows, so it is asked for once."""
    fault = Fault.stall(after_events, reply=ANSWER)
    return Row(
        f"stall after {after_events}",
        (fault,),
        Outcome(APITimeoutError, 1, whole),
        Outcome(error, 1, stream),
        True,
    )


E, F, I = Fault.error, ResponseFormatError, IncompleteStreamError  # noqa: E741 - columns of a table

ROWS: Final = [
    # the platform's error table
    refused(E("invalid_request"), InvalidRequestError),
    refused(E("invalid_api_key"), AuthenticationError),
    refused(E("insufficient_credits"), InsufficientCreditsError),
    refused(E("ip_not_allowed"), PermissionDeniedError),
    refused(E("model_not_found"), ModelNotFoundError),
    refused(E("task_not_found"), TaskNotFoundError),
    *passing(E("rate_limit_exceeded"), RateLimitError),
    refused(E("spend_limit_exceeded"), SpendLimitError),
    *passing(E("internal_error"), InternalServerError),
    *passing(E("upstream_error"), UpstreamError),
    # the official one
    refused(E("invalid_request_error"), InvalidRequestError),
    refused(E("authentication_error"), AuthenticationError),
    refused(E("billing_error"), InsufficientCreditsError),
    refused(E("permission_error"), PermissionDeniedError),
    refused(E("not_found_error"), NotFoundError),
    refused(E("conflict_error"), APIStatusError),
    refused(E("request_too_large"), RequestTooLargeError),
    *passing(E("rate_limit_error"), RateLimitError),
    *passing(E("api_error"), InternalServerError),
    refused(E("timeout_error"), APIStatusError),
    *passing(E("overloaded_error"), OverloadedError),
    # their variants
    *passing(E(529), OverloadedError, name="integer code"),
    refused(E(402), InsufficientCreditsError, name="integer code 402"),
    *passing(E("rate_limit_error", outer_type=False), RateLimitError, name="no outer type"),
    *passing(E("rate_limit_exceeded", retry_after=0), RateLimitError, name="Retry-After: 0"),
    refused(E("rate_limit_exceeded", retry_after=3600), RateLimitError, name="Retry-After beyond the ceiling"),
    refused(E("spend_limit_exceeded", retry_after=0), SpendLimitError, name="spend limit with Retry-After"),
    refused(E("internal_error", headers={"x-should-retry": "false"}), InternalServerError, name="x-should-retry: false"),
    *passing(E("timeout_error", headers={"x-should-retry": "true"}), APIStatusError, name="x-should-retry: true"),
    refused(E("invalid_request", message="prompt is too long: 9 tokens > 8 maximum"), ContextOverflowError, name="context overflow"),
    *passing(Fault.huge_error("internal_error", size=MEGABYTE), InternalServerError),
    refused(Fault.huge_error("spend_limit_exceeded", size=MEGABYTE), SpendLimitError),
    # the second envelope, with HTTP 200
    refused(Fault.envelope(402, "insufficient credits"), InsufficientCreditsError, name="envelope 402"),
    refused(Fault.envelope(401, "bad key"), AuthenticationError, name="envelope 401"),
    refused(Fault.envelope(429, "daily spend limit reached"), SpendLimitError, name="envelope 429, spend limit"),
    refused(Fault.envelope(10001, "no"), APIStatusError, name="envelope of an unknown code"),
    *passing(Fault.envelope(429, "slow down"), RateLimitError, name="envelope 429"),
    *passing(Fault.envelope(503, "down"), UpstreamError, name="envelope 503"),
    # proxies
    *passing(Fault.html(502), APIStatusError, name="HTML 502"),
    *passing(Fault.html(503), UpstreamError, name="HTML 503"),
    refused(Fault.html(504), APIStatusError, name="HTML 504"),
    refused(Fault.html(403), PermissionDeniedError, name="HTML 403"),
    refused(Fault.html(200), F, name="HTML 200"),
    refused(Fault.redirect(), APIStatusError, name="redirect"),
    *passing(Fault.empty(500), InternalServerError, name="empty 500"),
    Row("empty 200", (Fault.empty(200),), Outcome(F, 1, 0), ANSWERED_AT_SECOND),
    # answers that break
    Row("disconnect", (Fault.disconnect(),), Outcome(APIConnectionError, 1, 0), ANSWERED_AT_SECOND),
    Row("reset", (Fault.disconnect(reset=True),), Outcome(APIConnectionError, 1, 0), ANSWERED_AT_SECOND),
    Row("cut before the body", (Fault.cut(0, reply=ANSWER),), Outcome(APIConnectionError, 1, 0), ANSWERED_AT_SECOND),
    broken(Fault.cut(1, reply=ANSWER), (APIConnectionError, 1), (I, 1), "cut after the start"),
    broken(Fault.cut(5, reply=ANSWER), (APIConnectionError, 1), (I, 1), "cut in the answer"),
    broken(Fault.cut(5, ending="reset", reply=ANSWER), (APIConnectionError, 1), (I, 1), "reset in the answer"),
    broken(Fault.cut(5, ending="clean", reply=ANSWER), (F, 1), (I, 1), "clean end in the answer"),
    broken(Fault.cut(after_bytes=40, reply=ANSWER), (APIConnectionError, 1), (I, 1), "cut in the first event"),
    broken(Fault.cut(after_bytes=40, ending="clean", reply=ANSWER), (F, 1), (I, 1), "clean end in the first event"),
    broken(Fault.malformed(0, reply=ANSWER), (F, 1), (StreamError, 0), "malformed first of all"),
    broken(Fault.malformed(5, reply=ANSWER), (F, 1), (StreamError, 1), "malformed"),
    broken(Fault.invalid_utf8(5, reply=ANSWER), (F, 1), (StreamError, 1), "not UTF-8"),
    broken(Fault.truncated_gzip(reply=ANSWER), (F, 1), (I, 1), "truncated gzip"),
    broken(Fault.endless_line(0, size=3 * MEGABYTE), (F, 0), (StreamError, 0), "endless line first of all"),
    broken(Fault.endless_line(5, size=3 * MEGABYTE, reply=ANSWER), (F, 0), (StreamError, 1), "endless line"),
    broken(Fault.out_of_order("delta_first", reply=ANSWER), (F, 0), (StreamError, 0), "no message_start"),
    Row("two message_starts", (Fault.out_of_order("start_twice", reply=ANSWER),), Outcome(F, 1, 0), ANSWERED),
    broken(Fault.out_of_order("unopened_block", reply=ANSWER), (F, 0), (StreamError, 1), "unopened block"),
    Row("unclosed block", (Fault.out_of_order("unclosed_block", reply=ANSWER),), Outcome(F, 1, 0), ANSWERED),
    broken(Fault.out_of_order("block_after_delta", reply=ANSWER), (F, 0), (StreamError, 1), "content after the end"),
    Row("noise after the end", (Fault.out_of_order("event_after_stop", reply=ANSWER),), Outcome(F, 1, 0), ANSWERED),
    Row("wrong content type", (Fault.wrong_content_type(reply=ANSWER),), ANSWERED, ANSWERED),
    Row("wrong content type, HTML", (Fault.wrong_content_type("text/html", reply=ANSWER),), ANSWERED, ANSWERED),
    # error events: nothing was handed over before the first content
    *passing(Fault.error_event("overloaded_error", 0), OverloadedError, name="error event first of all"),
    Row("error event before content", (Fault.error_event("overloaded_error", 1),), ANSWERED_AT_SECOND, Outcome(OverloadedError, 1, 0)),
    *passing(Fault.error_event("rate_limit_exceeded", 0, official_shape=False), RateLimitError, name="error event of the platform"),
    refused(Fault.error_event("insufficient_credits", 1, official_shape=False), InsufficientCreditsError, name="error event 402"),
    Row("error event in the answer", (Fault.error_event("overloaded_error", 5, reply=ANSWER),), ANSWERED_AT_SECOND, Outcome(OverloadedError, 1, 0)),
    # silence
    stalled(-1, APITimeoutError, whole=0, stream=0),
    stalled(0, APITimeoutError, whole=0, stream=0),
    stalled(1, StreamTimeoutError, whole=1, stream=1),
    stalled(5, StreamTimeoutError, whole=1, stream=1),
    Row("short delay", (Fault.delay(0.01, then=ANSWER),), ANSWERED, ANSWERED),
    Row("delay, then an error", (Fault.delay(0.01, then=E("internal_error")),), ANSWERED_AT_SECOND, ANSWERED_AT_SECOND),
    # The work is done and charged, we have left: asking again would pay twice.
    Row("long delay", (Fault.delay(30, then=ANSWER),), Outcome(APITimeoutError, 1, 1), Outcome(APITimeoutError, 1, 1), True),
]  # fmt: skip


def test_the_table_is_complete() -> None:
    faults = [item for row in ROWS for item in row.script if isinstance(item, Fault)]
    assert {fault.kind for fault in faults} == set(FAULT_KINDS)
    assert {fault.code for fault in faults if fault.kind == "error"} >= {*PLATFORM_ERRORS, *OFFICIAL_ERRORS}
    assert len({row.id for row in ROWS}) == len(ROWS)
    assert all(outcome.answers_charged <= 1 for row in ROWS for outcome in (row.whole, row.stream))


# --- the methods: each runs one call to its end and gives the text


def invoke(model: ChatAIVideoAPI) -> str:
    return model.invoke(QUESTION).text


async def ainvoke(model: ChatAIVideoAPI) -> str:
    return (await model.ainvoke(QUESTION)).text


def stream(model: ChatAIVideoAPI) -> str:
    return "".join(chunk.text for chunk in model.stream(QUESTION))


async def astream(model: ChatAIVideoAPI) -> str:
    return "".join([chunk.text async for chunk in model.astream(QUESTION)])


def stream_events(model: ChatAIVideoAPI) -> str:
    return _text_of(list(model.stream_events(QUESTION, version="v3")))


async def astream_events(model: ChatAIVideoAPI) -> str:
    events = await model.astream_events(QUESTION, version="v3")
    return _text_of([event async for event in events])


def _text_of(events: list[Any]) -> str:
    deltas = (event["delta"] for event in events if event["event"] == "content-block-delta")
    return "".join(delta["text"] for delta in deltas if delta["type"] == "text-delta")


MESSAGES: Final = (ChatMessage(role="user", content=QUESTION),)


def chat(llm: AIVideoAPI) -> str:
    return llm.chat(MESSAGES).message.content or ""


async def achat(llm: AIVideoAPI) -> str:
    return (await llm.achat(MESSAGES)).message.content or ""


def stream_chat(llm: AIVideoAPI) -> str:
    return "".join(response.delta or "" for response in llm.stream_chat(MESSAGES))


async def astream_chat(llm: AIVideoAPI) -> str:
    return "".join([response.delta or "" async for response in await llm.astream_chat(MESSAGES)])


METHODS: Final[dict[str, tuple[Callable[[Any], Any], bool]]] = {
    "invoke": (invoke, False),
    "ainvoke": (ainvoke, False),
    "stream": (stream, True),
    "astream": (astream, True),
    "events v3": (stream_events, True),
    "async events v3": (astream_events, True),
    "chat": (chat, False),
    "achat": (achat, False),
    "stream_chat": (stream_chat, True),
    "astream_chat": (astream_chat, True),
}
ENGINES: Final = ("aiohttp", "httpx")
COLUMNS: Final = [
    *itertools.product(("aiohttp",), METHODS, PRICE_MICRO),
    *(("httpx", method, "claude-sonnet-4-6") for method, (call, _) in METHODS.items() if inspect.iscoroutinefunction(call)),
]  # fmt: skip
"""Every method on both routes; the asynchronous ones on the other engine too, where the route does not matter."""
LANGCHAIN: Final = frozenset({"invoke", "ainvoke", "stream", "astream", "events v3", "async events v3"})


Column = tuple[str, str, str]
"""The engine, the method and the model's id."""


@dataclass(frozen=True, slots=True)
class Bench:
    """One sandbox and the models that talk to it, shared by the cells that use it: what one breaks, the next would see."""

    sandbox: Sandbox
    runner: asyncio.Runner
    models: dict[Column, Any]
    """By engine, framework (its first method) and the model's id."""


def _at_once(delay_s: Callable[..., float | None]) -> Callable[..., float | None]:
    """The policy decides as ever; only the waiting is left out."""

    def decided(*args: Any, **kwargs: Any) -> float | None:
        return None if delay_s(*args, **kwargs) is None else 0.0

    return decided


def model_for(sandbox: Sandbox, column: Column, *, read_timeout_s: float) -> Any:
    _, method, model = column
    return (ChatAIVideoAPI if method in LANGCHAIN else AIVideoAPI)(
        model=model,
        api_key=sandbox.api_key,
        base_url=sandbox.url,
        timeout=httpx.Timeout(10.0, read=read_timeout_s),
    )


@pytest.fixture(scope="module")
def bench() -> Iterator[Bench]:
    with pytest.MonkeyPatch.context() as patch, Sandbox() as sandbox, asyncio.Runner() as runner:
        patch.setattr(RetryPolicy, "delay_s", _at_once(RetryPolicy.delay_s))
        # Smaller limits, not other ones: a megabyte is as endless as 32.
        patch.setattr("aivideoapi_core._inbound.sse.MAX_EVENT_BYTES", MEGABYTE)
        patch.setattr("aivideoapi_core._inbound.reader.MAX_BODY_BYTES", MEGABYTE)
        patch.setattr("aivideoapi_core._http.exchange.MAX_BODY_BYTES", MEGABYTE)
        models = {
            column: model_for(sandbox, column, read_timeout_s=10.0)
            for column in itertools.product(ENGINES, ("invoke", "chat"), PRICE_MICRO)
        }
        yield Bench(sandbox, runner, models)


@pytest.mark.filterwarnings("ignore:.*is in beta")
@pytest.mark.parametrize("row", [row for row in ROWS if not row.impatient], ids=lambda row: row.id)
def test_row(bench: Bench, row: Row, monkeypatch: pytest.MonkeyPatch) -> None:
    """All cells of a row are played, whatever comes of one; those that fail are told with their columns."""
    failed = []
    for engine, method, model in COLUMNS:
        monkeypatch.setenv(ENGINE_ENV, engine)  # read at a model's first asynchronous call
        bench.sandbox.reset()
        framework = "invoke" if method in LANGCHAIN else "chat"
        served_by = bench.models[engine, framework, model]
        try:
            check(row, (engine, method, model), bench.sandbox, served_by, bench.runner)
        except AssertionError as error:
            failed.append(error)
    if failed:
        raise ExceptionGroup(f"{len(failed)} of {len(COLUMNS)} cells", failed)


@pytest.mark.filterwarnings("ignore:.*is in beta")
@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("row", [row for row in ROWS if row.impatient], ids=lambda row: row.id)
def test_silence(row: Row, engine: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The cells of a row that waits for a timeout are played side by side, each with a sandbox of its own."""
    monkeypatch.setenv(ENGINE_ENV, engine)

    def cell(column: Column) -> None:
        with Sandbox() as sandbox, asyncio.Runner() as runner:
            model = model_for(sandbox, column, read_timeout_s=READ_TIMEOUT_S)
            check(row, column, sandbox, model, runner)

    columns = [column for column in COLUMNS if column[0] == engine]
    with ThreadPoolExecutor(len(columns)) as threads:
        for done in [threads.submit(cell, column) for column in columns]:
            done.result()


def check(row: Row, column: Column, sandbox: Sandbox, model: Any, runner: asyncio.Runner) -> None:
    """One cell: the row's script, played to one call of the column's method."""
    call, streams = METHODS[column[1]]
    expected = row.stream if streams else row.whole
    sandbox.enqueue(*row.script, ANSWER)
    error, text = outcome_of(runner, call, model)
    charged = [entry.credits_micro for entry in sandbox.ledger if entry.charged]
    assert (type_of(error), len(sandbox.requests), len(charged)) == (
        expected.error, expected.requests, expected.answers_charged
    ), (column, error)  # fmt: skip
    if expected.error is None:
        assert text == TEXT, column
        assert charged == [PRICE_MICRO[column[2]]], column
    else:
        assert isinstance(error, expected.error), column
        assert error.attempts == expected.requests, column


def outcome_of(
    runner: asyncio.Runner, call: Callable[[Any], Any], model: Any
) -> tuple[BaseException | None, str | None]:
    """The error or the text of one call, of either colour."""
    try:
        answer = call(model)
        return None, runner.run(answer) if asyncio.iscoroutine(answer) else answer
    except AIVideoAPIError as error:
        return error, None


def type_of(error: BaseException | None) -> type[BaseException] | None:
    """The core's class of an error; a framework's twin of it is a subclass."""
    if error is None:
        return None
    return next(cls for cls in type(error).__mro__ if cls.__module__ == "aivideoapi_core._errors")
