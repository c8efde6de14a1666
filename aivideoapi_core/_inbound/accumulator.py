"""Stream events to a message: ``MessageAccumulator``. Does no I/O."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum, auto
from typing import Any, Final, cast

from aivideoapi_core._errors import IncompleteStreamError, StreamError
from aivideoapi_core._inbound.blocks import DELTA_FIELDS, OpenBlock
from aivideoapi_core._inbound.events import ORDERED
from aivideoapi_core._received import ContentBlock, Message, StreamEvent
from aivideoapi_core._secrets import excerpt_of


class _Phase(Enum):
    START = auto()
    OPEN = auto()
    CLOSING = auto()
    """A stop reason was given: no content may follow."""
    DONE = auto()


_NEXT: Final[Mapping[tuple[_Phase, str], _Phase]] = {
    (_Phase.START, "message_start"): _Phase.OPEN,
    (_Phase.OPEN, "content_block_start"): _Phase.OPEN,
    (_Phase.OPEN, "content_block_delta"): _Phase.OPEN,
    (_Phase.OPEN, "content_block_stop"): _Phase.OPEN,
    (_Phase.OPEN, "message_delta"): _Phase.OPEN,
    (_Phase.OPEN, "message_stop"): _Phase.DONE,
    (_Phase.CLOSING, "message_delta"): _Phase.CLOSING,
    (_Phase.CLOSING, "message_stop"): _Phase.DONE,
}
"""The official order. Events that are not named here are skipped, in any phase."""


class MessageAccumulator:
    """Fold stream events into the message that a call without streaming would have returned.

    ``closed_block`` is the block that the last ``content_block_stop`` completed.
    """

    def __init__(self) -> None:
        self._phase = _Phase.START
        self._head: dict[str, Any] = {}
        self._usage: dict[str, Any] = {}
        self._credits: Any = None
        self._open: dict[int, OpenBlock] = {}
        self._closed: dict[int, ContentBlock] = {}
        self.closed_block: ContentBlock | None = None

    @property
    def done(self) -> bool:
        """Whether ``message_stop`` has been seen."""
        return self._phase is _Phase.DONE

    def push(self, event: StreamEvent) -> None:
        """Take the next event. Raises ``StreamError`` if it is out of order or malformed."""
        kind = event["type"]
        if kind == "content_block_delta" and self._phase is _Phase.OPEN and "usage" not in event:
            try:
                self._push_delta(event)
            except (KeyError, TypeError, AttributeError) as error:
                raise self._malformed(event) from error
            if event.get("credits_consumed") is not None:
                self._credits = event["credits_consumed"]
            return
        self._take_credits(event)
        if kind not in ORDERED or self._phase is _Phase.DONE:
            return
        following = _NEXT.get((self._phase, kind))
        if following is None:
            raise self._fail(f"the stream sent {kind} while {self._phase.name}")
        self._phase = following
        try:
            self._fold(kind, event)
        except (KeyError, TypeError, AttributeError, ValueError) as error:
            raise self._malformed(event) from error

    def message(self) -> Message:
        """The whole message. Raises ``IncompleteStreamError`` before ``message_stop``."""
        if not self.done:
            raise IncompleteStreamError("the stream ended before message_stop", partial=self.partial())
        return self._assemble()

    def partial(self) -> Message | None:
        """The message so far, or ``None`` before ``message_start``."""
        return None if self._phase is _Phase.START else self._assemble()

    def _assemble(self) -> Message:
        blocks = {**self._closed, **{index: block.closed() for index, block in self._open.items()}}
        content = [blocks[index] for index in sorted(blocks)]
        return assembled(self._head, content, dict(self._usage), self._credits)

    def _push_delta(self, event: StreamEvent) -> None:
        delta = event["delta"]
        kind = delta["type"]
        known = DELTA_FIELDS.get(kind)
        if known is not None:
            source, target = known
            text = delta[source]
            if type(text) is not str:
                if text is None and kind == "compaction_delta":
                    return  # officially null where nothing could be compacted
                raise TypeError(source)
            block = self._open[event["index"]]
            pieces = block.pieces
            if target in pieces:
                pieces[target].append(text)
            else:
                block.begin(target, text)
        elif kind == "citations_delta":
            self._open[event["index"]].citations.append(delta["citation"])

    def _fold(self, kind: str, event: StreamEvent) -> None:
        match kind:
            case "message_start":
                head = dict(event["message"])
                self._merge_usage(head.pop("usage", None))
                head.pop("credits_consumed", None)
                for index, block in enumerate(head.pop("content", None) or ()):
                    self._closed[index] = OpenBlock(block).closed()
                self._head = head
            case "content_block_start":
                index = event["index"]
                if type(index) is not int or index in self._open or index in self._closed:
                    raise ValueError(f"index {index!r}")
                self._open[index] = OpenBlock(event["content_block"])
            case "content_block_stop":
                self.closed_block = self._open.pop(event["index"]).closed()
                self._closed[event["index"]] = self.closed_block
            case "message_delta":
                self._fold_message_delta(event)
            case "content_block_delta":
                self._push_delta(event)
            case "message_stop" if self._open:
                self._phase = _Phase.OPEN
                raise ValueError("a block is still open")

    def _fold_message_delta(self, event: StreamEvent) -> None:
        outcome = event.get("delta") or {}
        beside = {field: event[field] for field in event.keys() - _MESSAGE_DELTA_FIELDS}
        for field, value in (*beside.items(), *outcome.items()):
            if value is not None or field not in self._head:
                self._head[field] = value
        self._merge_usage(event.get("usage"))
        if outcome.get("stop_reason") is not None:
            if self._open:
                raise ValueError("a block is still open")
            self._phase = _Phase.CLOSING

    def _merge_usage(self, usage: Any) -> None:
        """Counts are cumulative: what comes later overwrites, what is absent or null stays.

        A zero after a count stays out as well: a count cannot fall, so the server that sends it does
        not know.
        """
        if not isinstance(usage, dict):
            return
        for name, value in usage.items():
            unknown = value is None or (value == 0 and type(value) is int)
            if name != "credits_consumed" and not (unknown and self._usage.get(name) is not None):
                self._usage[name] = value

    def _take_credits(self, event: StreamEvent) -> None:
        # UNVERIFIED: where a stream carries the charge is undocumented, so it is accepted at the
        # top level of any event, in message_start's message and in any usage; the last one wins.
        message = event.get("message")
        for holder in (message, _usage_of(message), event, event.get("usage")):
            if isinstance(holder, dict) and holder.get("credits_consumed") is not None:
                self._credits = holder["credits_consumed"]

    def _malformed(self, event: StreamEvent) -> StreamError:
        return self._fail(f"the stream sent a {event['type']} that cannot be read: {excerpt_of(str(event))}")

    def _fail(self, text: str) -> StreamError:
        return StreamError(text, partial=self.partial())


_MESSAGE_DEFAULTS: Final[Mapping[str, Any]] = {
    "id": "",
    "type": "message",
    "role": "assistant",
    "model": "",
    "stop_reason": None,
    "stop_sequence": None,
}

_MESSAGE_DELTA_FIELDS: Final = frozenset(
    {"type", "delta", "usage", "credits_consumed", "id", "role", "model", "content"}
)
"""What a ``message_delta`` says beside its outcome, and what it cannot change."""


def _usage_of(message: Any) -> Any:
    return message.get("usage") if isinstance(message, dict) else None


def assembled(
    head: Mapping[str, Any], content: list[ContentBlock], usage: dict[str, Any], reported: Any
) -> Message:
    """A message of known shape: texts are texts, ``credits_consumed`` is there only if it was sent."""
    message = {**_MESSAGE_DEFAULTS, **head, "type": "message", "content": content, "usage": usage}
    for field, default in _MESSAGE_DEFAULTS.items():
        if not isinstance(message[field], str):
            message[field] = default
    if reported is not None:
        message["credits_consumed"] = reported
    return cast("Message", message)
