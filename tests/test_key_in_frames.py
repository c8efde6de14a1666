"""When a model or client cannot be made, no local variable of ours shows the key to whoever prints frames."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Any

import pytest

from aivideoapi_core import AsyncMessagesClient, MessagesClient
from langchain_aivideoapi import ChatAIVideoAPI
from llamaindex_aivideoapi import AIVideoAPI

KEY = "sk-canary-0123456789"
ROOT = str(Path(__file__).parents[1])
MAKERS = [
    pytest.param(lambda **options: ChatAIVideoAPI(model="claude-sonnet-4-6", **options), id="langchain"),
    pytest.param(lambda **options: AIVideoAPI(model="claude-sonnet-4-6", **options), id="llamaindex"),
    pytest.param(MessagesClient, id="sync"),
    pytest.param(AsyncMessagesClient, id="async"),
]


def chain(error: BaseException | None, seen: set[int]) -> Iterator[BaseException]:
    """``error``, its causes and contexts, and the errors that pydantic keeps."""
    if error is None or id(error) in seen:
        return
    seen.add(id(error))
    yield error
    yield from chain(error.__cause__, seen)
    yield from chain(error.__context__, seen)
    for detail in error.errors() if hasattr(error, "errors") else ():
        inner = detail.get("ctx", {}).get("error")
        if isinstance(inner, BaseException):
            yield from chain(inner, seen)


def shown(trace: TracebackType | None) -> Iterator[tuple[str, str, Any]]:
    while trace is not None:
        code = trace.tb_frame.f_code
        if (
            code.co_filename.startswith(ROOT)
            and "/tests/" not in code.co_filename
            and "/.venv/" not in code.co_filename
        ):
            for name, value in trace.tb_frame.f_locals.items():
                yield code.co_qualname, name, value
        trace = trace.tb_next


@pytest.mark.parametrize("make", MAKERS)
@pytest.mark.parametrize(
    "options",
    [
        pytest.param({"api_key": KEY, "base_url": "ftp://x"}, id="url"),
        pytest.param({"api_key": KEY, "base_url": "http://elsewhere.example"}, id="plain http"),
        pytest.param({"api_key": KEY, "timeout": -1}, id="timeout"),
        pytest.param({"api_key": KEY, "timeout": "soon"}, id="timeout text"),
        pytest.param({"api_key": KEY + "\n x"}, id="key with a blank"),
        pytest.param({"api_key": KEY.encode()}, id="key in bytes"),
        pytest.param({"api_key": [KEY]}, id="key in a list"),
        pytest.param({"api_key": KEY, "default_headers": {"x": "a\nb"}}, id="headers"),
        pytest.param({"default_headers": {"Authorization": KEY}, "timeout": -1}, id="key in a header"),
        pytest.param({"base_url": f"https://u:{KEY}@x.example"}, id="key in the url"),
        pytest.param({"model_kwargs": {"api_key": KEY}, "timeout": -1}, id="key in other arguments"),
        pytest.param({"api_key": KEY, "http_client": "x"}, id="client"),
        pytest.param({"api_key": KEY, "max_retries": -1}, id="retries"),
        pytest.param({"api_key": KEY, "budgett": 1}, id="typo"),
        pytest.param({"anthropic_apikey": KEY}, id="another name"),
        pytest.param({"api_key": KEY, "base_url": 7, "timeout": -1, "max_retries": "x"}, id="everything"),
    ],
)
def test_no_frame_of_ours_shows_the_key(make: Callable[..., Any], options: dict[str, Any]) -> None:
    try:
        thing = make(**options)
        getattr(thing, "_client", None)  # what LlamaIndex makes at its first call
    except Exception as caught:  # noqa: BLE001 - any of pydantic's, Python's and ours
        for error in chain(caught, set()):
            assert KEY not in str(error)
            for where, name, value in shown(error.__traceback__):
                assert KEY not in repr(value), f"{name} in {where}"


@pytest.mark.parametrize("make", MAKERS)
def test_what_the_caller_handles_keeps_its_frames(make: Callable[..., Any]) -> None:
    def fails(note: str) -> None:
        raise KeyError(note)

    try:
        try:
            fails("of the caller")
        except KeyError:
            make(api_key=KEY, timeout=-1)._client  # noqa: B018 - what LlamaIndex makes at its first call
    except Exception as error:  # noqa: BLE001 - any of ours
        handled = next(each for each in chain(error, set()) if type(each) is KeyError)
        trace = handled.__traceback__
        assert trace is not None
        assert trace.tb_next is not None
        assert trace.tb_next.tb_frame.f_locals["note"] == "of the caller"
    else:
        pytest.fail("it was made")
