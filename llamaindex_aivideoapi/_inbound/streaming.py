"""Stream events as LlamaIndex responses, at a cost per event that does not grow with the answer.

LlamaIndex wants the whole message so far in every response. Built at once that is quadratic: each
response copies the text before it, and each fragment of a tool's arguments would parse all those
before. So a response remembers how far the stream was (two numbers) and builds its ``message`` when
somebody reads it, from the pieces that all responses share. What it shows is what was known at its
own time, whenever it is read, and a list of all responses of a stream stays as small as the stream.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from llama_index.core.base.llms.types import ChatMessage, ChatResponse, ContentBlock, MessageRole
from pydantic import BaseModel
from pydantic_core import from_json

from aivideoapi_core import ContentBlock as WireBlock
from aivideoapi_core import MessageAccumulator, StreamEvent
from llamaindex_aivideoapi._inbound.message import from_blocks, tool_call_dicts

_SOURCES: Final = {"text_delta": "text", "thinking_delta": "thinking", "input_json_delta": "partial_json"}
"""Delta type: the field that holds its piece of text."""


class PartialJSON:
    """The value of JSON text that is still arriving, at a cost linear in its length.

    ``marks`` are lengths at which the text is parsed: every piece while it is short, then whenever it
    grew by a sixteenth. All parses together thus read the text about 17 times, however many pieces it
    comes in. Text that does not parse leaves the last value that did.
    """

    __slots__ = ("_known", "_next", "_size", "mark", "pieces")

    def __init__(self) -> None:
        self.pieces: list[str] = []
        self.mark = 0
        """Number of pieces up to the last one at which the text is to be parsed."""
        self._size = 0
        self._next = 0
        # Replaced as one, so that threads which read at once see both or neither.
        self._known: tuple[int, dict[str, Any]] = (0, {})

    def append(self, piece: str) -> bool:
        """Take the next piece; whether the text is to be parsed now."""
        self.pieces.append(piece)
        self._size += len(piece)
        if self._size < self._next:
            return False
        self._next = self._size + (self._size >> 4)
        self.mark = len(self.pieces)
        return True

    def value_at(self, mark: int) -> dict[str, Any]:
        """The object as far as the first ``mark`` pieces tell; strings that are cut count as they are."""
        known_at, known = self._known
        if mark == known_at:
            return known
        try:
            value = from_json("".join(self.pieces[:mark]), allow_partial="trailing-strings")
        except ValueError:
            value = known if mark > known_at else None
        if not isinstance(value, dict):
            value = {}
        if mark > known_at:
            self._known = mark, value
        return value


class _Part:
    """One content block: its pieces while it streams, the finished block after."""

    __slots__ = ("_joined", "arguments", "closed", "kind", "pieces", "start")

    def __init__(self, start: WireBlock) -> None:
        self.start = start
        self.kind: str = start.get("type") or ""
        self.arguments = PartialJSON()
        self.pieces: list[str] = self.arguments.pieces
        self.closed: WireBlock | None = None
        self._joined = (0, "")

    def block_at(self, count: int) -> WireBlock:
        """The block as the first ``count`` pieces tell it (a mark, for a tool's arguments)."""
        if self.kind in ("text", "thinking"):
            return {**self.start, self.kind: self._text_of(count)}
        if self.kind == "tool_use":
            return {**self.start, "input": self.arguments.value_at(count)}
        return self.start

    def _text_of(self, count: int) -> str:
        # Readers go forwards, so what was joined for the one before is the beginning of this one.
        known_at, known = self._joined
        if count < known_at:
            return "".join(self.pieces[:count])
        text = known + "".join(self.pieces[known_at:count])
        self._joined = count, text
        return text


_FINISHED: Final = -1
"""In place of a number of pieces: the last part is complete."""


class ResponseStream:
    """Turns the events of one stream into responses; the last response is the caller's to add.

    ``one_call``: of several tool calls the first one is shown.
    """

    def __init__(self, *, one_call: bool = False) -> None:
        self._one_call = one_call
        self._parts: list[_Part] = []
        self._open: dict[int, _Part] = {}

    def feed(self, event: StreamEvent, accumulator: MessageAccumulator) -> ChatResponse | None:
        """The response for an event that ``accumulator`` has taken already, or ``None``."""
        kind = event["type"]
        if kind == "content_block_delta":
            return self._delta(event)
        if kind == "content_block_start":
            return self._start(event)
        if kind == "content_block_stop":
            part = self._open.pop(event["index"])
            part.closed = accumulator.closed_at(event["index"])
            if part.kind == "tool_use":
                return self._response(event, _FINISHED)
        return None

    def message_at(self, parts: int, count: int) -> ChatMessage:
        """The message as it was when there were so many parts, the last with so many pieces."""
        wire: list[WireBlock] = []
        for position, part in enumerate(self._parts[:parts], start=1):
            last = position == parts
            if part.closed is not None and (not last or count == _FINISHED):
                wire.append(part.closed)
            else:
                wire.append(part.block_at(count if last else len(part.pieces)))
        blocks: list[ContentBlock] = from_blocks(wire)
        calls = tool_call_dicts(blocks)
        extra = {"tool_calls": calls} if calls else {}
        return ChatMessage(role=MessageRole.ASSISTANT, blocks=blocks, additional_kwargs=extra)

    def _start(self, event: StreamEvent) -> ChatResponse | None:
        part = _Part(event["content_block"])
        if self._one_call and part.kind == "tool_use" and any(p.kind == "tool_use" for p in self._parts):
            self._open[event["index"]] = _Part(
                {"type": ""}
            )  # its events have somewhere to go, and show nothing
            return None
        self._parts.append(part)
        self._open[event["index"]] = part
        if part.kind == "tool_use":
            return self._response(event, 0)
        # A start may hold the whole block, where a server had nothing to stream.
        if part.kind in ("text", "thinking") and (text := part.start.get(part.kind)):
            part.pieces.append(text)
            return self._piece(event, part, text)
        return None

    def _delta(self, event: StreamEvent) -> ChatResponse | None:
        delta = event["delta"]
        source = _SOURCES.get(delta["type"])
        if source is None:
            return None
        part = self._open[event["index"]]
        piece: str = delta[source]
        if source == "partial_json":
            if part.kind != "tool_use":
                return None  # a server tool's arguments: its business alone
            part.arguments.append(piece)
            return self._response(event, part.arguments.mark)
        part.pieces.append(piece)
        return self._piece(event, part, piece)

    def _piece(self, event: StreamEvent, part: _Part, piece: str) -> ChatResponse:
        if part.kind == "thinking":
            return self._response(event, len(part.pieces), thinking=piece)
        return self._response(event, len(part.pieces), text=piece)

    def _response(
        self, event: StreamEvent, count: int, *, text: str = "", thinking: str | None = None
    ) -> ChatResponse:
        response = _new_object(_StreamedResponse)
        _set_values(
            response,
            {
                "raw": event,
                "delta": text,
                "logprobs": None,
                "additional_kwargs": {} if thinking is None else {"thinking_delta": thinking},
            },
        )
        _set_fields_set(response, _FIELDS)
        _set_extra(response, None)
        _set_private(response, (self, len(self._parts), count))
        return response


class _StreamedResponse(ChatResponse):
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
    if type(response) is _StreamedResponse:
        place = _private(response)
        if place is not None:  # None: another thread has just been here
            stream, parts, count = place
            _set_values(response, {"message": stream.message_at(parts, count), **_values(response)})
            _set_private(response, None)
        object.__setattr__(response, "__class__", ChatResponse)
    return response


# The slots of a pydantic model, by the descriptors that ``object.__setattr__`` would look up each time.
_new_object: Final = object.__new__
_values: Final = BaseModel.__dict__["__dict__"].__get__
_set_values: Final = BaseModel.__dict__["__dict__"].__set__
_set_fields_set: Final = BaseModel.__dict__["__pydantic_fields_set__"].__set__
_set_extra: Final = BaseModel.__dict__["__pydantic_extra__"].__set__
_private: Final = BaseModel.__dict__["__pydantic_private__"].__get__
_set_private: Final = BaseModel.__dict__["__pydantic_private__"].__set__
_FIELDS: Final = {"message", "raw", "delta", "additional_kwargs"}
