"""A clever corner: responses of a stream that build their message when somebody reads it.

LlamaIndex reads ``delta`` of every response and ``message`` of few, mostly the last. It gets an object
of a class of its own that has ``raw``, ``delta`` and ``additional_kwargs``, and in place of ``message``
how far the stream was. Whoever asks for more gets a plain ``ChatResponse``: the object changes its class.

What breaks without it: a list of all responses of a stream grows with the square of its length
(``TestCost`` in ``tests/llamaindex/test_streaming.py``). What it buys: an event costs 0.85 µs where nobody reads its
message, 10.4 where somebody does, at any length.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from llama_index.core.base.llms.types import ChatMessage, ChatResponse

from aivideoapi_core import StreamEvent
from aivideoapi_core.adapter_kit import filled, private_of, set_private, set_values, values_of

if TYPE_CHECKING:  # making a protocol takes a third of a millisecond
    from typing import Protocol

    class _Stream(Protocol):
        def message_at(self, parts: int, count: int) -> ChatMessage: ...


def late_response(
    event: StreamEvent,
    stream: _Stream,
    parts: int,
    count: int,
    *,
    text: str = "",
    thinking: str | None = None,
) -> ChatResponse:
    """The response for ``event``, whose message is ``stream.message_at(parts, count)`` once it is asked for."""
    values = {
        "raw": event,
        "delta": text,
        "logprobs": None,
        "additional_kwargs": {} if thinking is None else {"thinking_delta": thinking},
    }
    return filled(_LateResponse, values, _FIELDS, private=(stream, parts, count))


class _LateResponse(ChatResponse):
    """A ``ChatResponse`` without its ``message``: built and kept when first asked for.

    From then on it is a plain ``ChatResponse`` (its class changes), so it compares, copies, dumps and
    pickles as one. Until then every way in leads through ``_settle``: reading ``message`` finds no
    value and comes to ``__getattr__``; everything that wants all values, pydantic's own serialiser
    included, asks for ``__dict__``. The values skip validation, because they come from our own
    hands; a test compares them with validated ones.
    """

    if not TYPE_CHECKING:  # as in pydantic: a type checker should see the fields alone

        def __getattr__(self, name: str) -> Any:
            if name in ChatResponse.model_fields:
                return getattr(_settle(self), name)
            return super().__getattr__(name)

        @property
        def __dict__(self) -> dict[str, Any]:
            return _settle(self).__dict__

    def __eq__(self, other: object) -> bool:
        return _settle(self) == other

    __hash__ = None  # type: ignore[assignment]  # as for every pydantic model with values that change

    def __copy__(self) -> Any:
        return _settle(self).__copy__()

    def __deepcopy__(self, memo: dict[int, Any] | None = None) -> Any:
        return _settle(self).__deepcopy__(memo)

    def __reduce_ex__(self, protocol: Any) -> Any:
        return _settle(self).__reduce_ex__(protocol)

    def __repr__(self) -> str:
        return repr(_settle(self))


def _settle(response: ChatResponse) -> ChatResponse:
    """Build the message and make the object the plain ``ChatResponse`` that it stands for."""
    if type(response) is _LateResponse:
        place = private_of(response)
        if place is not None:  # None: another thread has just been here
            stream, parts, count = place
            set_values(response, {"message": stream.message_at(parts, count), **values_of(response)})
            set_private(response, None)
        object.__setattr__(response, "__class__", ChatResponse)
    return response


_FIELDS: Final = {"message", "raw", "delta", "additional_kwargs"}
