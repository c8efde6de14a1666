"""Stream events to a message, and to the events that the official server would have sent for it.

Servers word streams in many ways: blocks whole in ``message_start``, starts that hold text, stops that
are missing or doubled, indices that are used again. All of them are folded into one message, and
whoever reads the events gets the official sequence of it, so that nothing the message holds was carried
by no event. Does no I/O.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from enum import Enum, auto
from typing import Any, Final, cast

from aivideoapi_core._catalogue.amounts import parse_reported
from aivideoapi_core._errors import IncompleteStreamError, StreamError
from aivideoapi_core._inbound.blocks import DELTA_FIELDS, OpenBlock
from aivideoapi_core._inbound.events import ORDERED
from aivideoapi_core._inbound.message_blocks import MessageBlocks
from aivideoapi_core._inbound.usage import UsageTally
from aivideoapi_core._received import ContentBlock, Message, StreamEvent
from aivideoapi_core._secrets import excerpt_of


class _Phase(Enum):
    START = auto()
    OPEN = auto()
    CLOSING = auto()
    """A stop reason was given: no content may follow."""
    DONE = auto()


_ALLOWED: Final[Mapping[_Phase, frozenset[str]]] = {
    _Phase.START: frozenset({"message_start", "content_block_delta", "content_block_stop"}),
    _Phase.OPEN: ORDERED,
    _Phase.CLOSING: ORDERED - {"content_block_start"},
}
"""The events of each phase; before the start those that say nothing. Those that are not ``ORDERED`` are skipped, in any phase."""

_COMMON_DELTAS: Final = {
    kind: DELTA_FIELDS[kind] for kind in ("text_delta", "input_json_delta", "thinking_delta")
}
_COMMON_SIZE: Final = 3
"""``type``, ``index``, ``delta``: an event with more to say goes the long way."""


class MessageAccumulator:
    """Fold stream events into the message that a call without streaming would have returned.

    ``by_index`` says that the indices are ours, and mean places (see ``MessageBlocks``). ``push`` takes one event and
    returns those that say the same in the official order; every index in them is the block's own.
    """

    def __init__(self, *, by_index: bool = False) -> None:
        self._blocks = MessageBlocks(by_index=by_index)
        self._phase = _Phase.START
        self._head: dict[str, Any] = {}
        self._usage = UsageTally()
        self._credits: Any = None
        self._open = self._blocks.open
        self._plain = False
        """Whether deltas can be taken the short way: no piece is held back, every index is a place."""
        self._was_cut = False
        self._reason_told = True
        self.done = False
        """Whether ``message_stop`` has been seen. An attribute: it is asked for twice with each delta."""

    @property
    def begun(self) -> bool:
        """Whether any of the message has been seen."""
        return self._phase is not _Phase.START

    @property
    def may_end(self) -> bool:
        """Whether everything has arrived but ``message_stop``: a stop reason, and no block cut by it."""
        ended = self._phase is _Phase.CLOSING or not self._reason_told
        return ended and not (self._open or self._was_cut)

    def closed_at(self, index: int) -> ContentBlock:
        """The finished block at ``index`` of the events that ``push`` returned; ``{}`` if there is none."""
        return self._blocks.closed.get(index, {})

    def push(self, event: StreamEvent) -> Sequence[StreamEvent]:
        """Take the next event. Raises ``StreamError`` if it is out of order or malformed."""
        if event["type"] == "content_block_delta" and self._plain and len(event) == _COMMON_SIZE:
            try:
                delta = event["delta"]
                source, target = _COMMON_DELTAS[delta["type"]]
                text, index = delta[source], event["index"]
                # An escape at the end of a piece may be half a character.
                common = type(text) is str and type(index) is int and len(delta) == 2
                if common and (target != "input" or "\\" not in text):
                    self._open[index].pieces[target].append(text)
                    return (event,)
            except (KeyError, TypeError):
                pass  # the first piece of its field, or nothing common
        return self._push_any(event)

    def _push_any(self, event: StreamEvent) -> Sequence[StreamEvent]:
        kind = event["type"]
        self._take_credits(event)
        if kind not in ORDERED or self.done:
            return (event,)
        if type(event.get("index", 0)) is not int or (kind in _INDEXED and "index" not in event):
            event = {**event, "index": self._blocks.index_of(event)}
        if kind not in _ALLOWED[self._phase]:
            raise self._fail(f"the stream sent {kind} while {self._phase.name}")
        try:
            return _FOLDS[kind](self, event)
        except (KeyError, TypeError, AttributeError, ValueError) as error:
            raise self._malformed(event) from error
        finally:
            self._plain = self._phase is _Phase.OPEN and self._blocks.all_in_place()

    def end(self) -> Sequence[StreamEvent]:
        """The events that end a stream which ``may_end`` and lacks its last one."""
        return self._push_any({"type": "message_stop"})

    def message(self) -> Message:
        """The whole message. Raises ``IncompleteStreamError`` before ``message_stop``."""
        if not self.done:
            raise IncompleteStreamError("the stream ended before message_stop", partial=self.partial())
        return self._assemble()

    def partial(self) -> Message | None:
        """The message so far, or ``None`` before ``message_start``."""
        return None if self._phase is _Phase.START else self._assemble()

    def _assemble(self) -> Message:
        return assembled(self._head, self._blocks.content(), dict(self._usage.known), self._credits)

    def _message_start(self, event: StreamEvent) -> Sequence[StreamEvent]:
        message = dict(event["message"])
        content = message.get("content") or ()
        if self.begun:
            return self._start_again(message, content)
        for block in content:
            OpenBlock(block)  # before anything is taken
        self._head = {name: message[name] for name in message if name not in _NOT_HEAD}
        self._blocks.message_id = self._head.get("id")
        self._phase = _Phase.OPEN
        reason = message.get("stop_reason")
        is_whole = bool(content) and isinstance(reason, str) and bool(reason)
        self._reason_told = not is_whole
        self._usage.start(message.get("usage"), final=is_whole)
        if not content and reason is None:
            return (event,)
        bare = {**message, "content": [], "stop_reason": None, "stop_sequence": None}
        return [{**event, "message": bare}, *self._blocks.whole(content)]

    def _start_again(self, message: Mapping[str, Any], content: Any) -> Sequence[StreamEvent]:
        """Said twice, with one id or without; the blocks count if none has come before."""
        if message.get("id", known := self._head.get("id")) != known:
            raise ValueError("another message")
        self._usage.start(message.get("usage"))
        return () if self._open or self._blocks.closed else self._blocks.whole(content)

    def _message_delta(self, event: StreamEvent) -> Sequence[StreamEvent]:
        outcome = event.get("delta") or {}
        beside = {field: event[field] for field in event.keys() - _MESSAGE_DELTA_FIELDS}
        for field, value in (*beside.items(), *outcome.items()):
            if value is not None or field not in self._head:
                self._head[field] = value
        self._usage.add(event.get("usage"))
        if not outcome.get("stop_reason"):
            return (event,)
        # A block that is open here ends here, as the block of a cut reply does.
        self._was_cut = self._was_cut or bool(self._open)
        closing = self._blocks.close_all()
        self._phase, self._reason_told, self._blocks.is_over = _Phase.CLOSING, True, True
        return (*closing, event)

    def _message_stop(self, event: StreamEvent) -> Sequence[StreamEvent]:
        events = self._blocks.close_all()
        self._usage.add(event.get("usage"))
        if not self._reason_told:
            outcome = {name: self._head.get(name) for name in ("stop_reason", "stop_sequence")}
            events.append({"type": "message_delta", "delta": outcome, "usage": dict(self._usage.known)})
        self._phase, self.done = _Phase.DONE, True
        return (*events, event)

    def _take_credits(self, event: StreamEvent) -> None:
        # UNVERIFIED: where a stream carries the charge is undocumented, so it is accepted at the
        # top level of any event, in message_start's message and in any usage; the last one wins.
        message = event.get("message")
        for holder in (message, _usage_of(message), event, event.get("usage")):
            if isinstance(holder, dict) and parse_reported(holder.get("credits_consumed")) is not None:
                self._credits = holder["credits_consumed"]

    def _malformed(self, event: StreamEvent) -> StreamError:
        return self._fail(f"the stream sent a {event['type']} that cannot be read: {excerpt_of(str(event))}")

    def _fail(self, text: str) -> StreamError:
        return StreamError(text, partial=self.partial())


_FOLDS: Final[Mapping[str, Callable[[MessageAccumulator, StreamEvent], Sequence[StreamEvent]]]] = {
    "message_start": MessageAccumulator._message_start,
    "content_block_start": lambda message, event: message._blocks.start(event),
    "content_block_delta": lambda message, event: message._blocks.delta(event),
    "content_block_stop": lambda message, event: message._blocks.stop(event),
    "message_delta": MessageAccumulator._message_delta,
    "message_stop": MessageAccumulator._message_stop,
}

_INDEXED: Final = frozenset({"content_block_start", "content_block_delta", "content_block_stop"})


_MESSAGE_DEFAULTS: Final[Mapping[str, Any]] = {
    "id": "",
    "type": "message",
    "role": "assistant",
    "model": "",
    "stop_reason": None,
    "stop_sequence": None,
}

_NOT_HEAD: Final = frozenset({"usage", "credits_consumed", "content"})
_MESSAGE_DELTA_FIELDS: Final = frozenset(
    {"type", "delta", "usage", "credits_consumed", "id", "role", "model", "content"}
)
"""What a ``message_delta`` says beside its outcome, and what it cannot change."""


def _usage_of(message: Any) -> Any:
    return message.get("usage") if isinstance(message, dict) else None


def assembled(
    head: Mapping[str, Any], content: list[ContentBlock], usage: dict[str, Any], reported: Any
) -> Message:
    """A message of known shape: texts are texts, ``credits_consumed`` is there only if an amount was sent.

    After a ``fallback`` block its model is the one that answered.
    """
    message = {**_MESSAGE_DEFAULTS, **head, "type": "message", "content": content, "usage": usage}
    for field, default in _MESSAGE_DEFAULTS.items():
        if not isinstance(message[field], str):
            message[field] = default
    for block in content:
        if block["type"] == "fallback" and isinstance(answered := block.get("to"), Mapping):
            model = answered.get("model")
            message["model"] = model if isinstance(model, str) else message["model"]
    if parse_reported(reported) is not None:
        message["credits_consumed"] = reported
    return cast("Message", message)
