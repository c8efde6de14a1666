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

from pydantic_core import to_json

from aivideoapi_core._catalogue.amounts import parse_reported
from aivideoapi_core._errors import IncompleteStreamError, StreamError
from aivideoapi_core._inbound.blocks import DELTA_FIELDS, OpenBlock, is_tool_use, label, read_citations
from aivideoapi_core._inbound.events import HALVES, ORDERED
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

    Blocks stand in the order in which they come, in which they have to go back, whatever the server's indices are;
    ``by_index`` says that the indices are ours, and mean places. ``push`` takes one event and returns those that say the same in the official order; every index in
    them is the block's own. ``closed_block`` is the block that the last ``content_block_stop`` completed.
    """

    def __init__(self, *, by_index: bool = False) -> None:
        self._by_index = by_index
        self._phase = _Phase.START
        self._head: dict[str, Any] = {}
        self._usage = UsageTally()
        self._credits: Any = None
        self._open: dict[Any, OpenBlock] = {}
        """By the server's index."""
        self._closed: dict[int, ContentBlock] = {}
        """By place in the message."""
        self._plain = False
        """Whether deltas can be taken the short way: no piece is held back, every index is a place."""
        self._was_cut = False
        self._reason_told = True
        self.done = False
        """Whether ``message_stop`` has been seen. An attribute: it is asked for twice with each delta."""
        self.closed_block: ContentBlock | None = None

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
        return self._closed.get(index, {})

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
            event = {**event, "index": self._index_of(event)}
        if kind not in _ALLOWED[self._phase]:
            raise self._fail(f"the stream sent {kind} while {self._phase.name}")
        try:
            return _FOLDS[kind](self, event)
        except (KeyError, TypeError, AttributeError, ValueError) as error:
            raise self._malformed(event) from error
        finally:
            self._plain = self._phase is _Phase.OPEN and not any(
                block.holds or block.place != index for index, block in self._open.items()
            )

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
        blocks = {**self._closed, **{block.place: block.closed() for block in self._open.values()}}
        content = [blocks[place] for place in sorted(blocks)]
        return assembled(self._head, content, dict(self._usage.known), self._credits)

    def _message_start(self, event: StreamEvent) -> Sequence[StreamEvent]:
        message = dict(event["message"])
        content = message.get("content") or ()
        if self.begun:
            return self._start_again(message, content)
        for block in content:
            OpenBlock(block)  # before anything is taken
        self._head = {name: message[name] for name in message if name not in _NOT_HEAD}
        self._phase = _Phase.OPEN
        reason = message.get("stop_reason")
        is_whole = bool(content) and isinstance(reason, str) and bool(reason)
        self._reason_told = not is_whole
        self._usage.start(message.get("usage"), final=is_whole)
        if not content and reason is None:
            return (event,)
        bare = {**message, "content": [], "stop_reason": None, "stop_sequence": None}
        return [{**event, "message": bare}, *self._whole_blocks(content)]

    def _start_again(self, message: Mapping[str, Any], content: Any) -> Sequence[StreamEvent]:
        """Said twice, with one id or without; the blocks count if none has come before."""
        if message.get("id", known := self._head.get("id")) != known:
            raise ValueError("another message")
        self._usage.start(message.get("usage"))
        return () if self._open or self._closed else self._whole_blocks(content)

    def _whole_blocks(self, content: Any) -> list[StreamEvent]:
        """The events of blocks that came whole."""
        events: list[StreamEvent] = []
        for index, block in enumerate(content):
            events += self._block_start(
                {"type": "content_block_start", "index": index, "content_block": block}
            )
            events += self._close(index)
        return events

    def _block_start(self, event: StreamEvent) -> Sequence[StreamEvent]:
        index, start = event["index"], event["content_block"]
        if type(index) not in (int, tuple):
            raise ValueError(f"index {index!r}")
        events: list[StreamEvent] = []
        block = OpenBlock(start)
        if (other := self._open.get(index)) is not None:
            if other.is_untouched and other.start == start:
                return ()  # said twice
            events += self._close(index)
        block.place = index if self._by_index else len(self._closed) + len(self._open)
        label(block.block, message_id=self._head.get("id"), place=block.place)
        self._open[index] = block
        said, deltas = block.opened()
        if said is start and block.place == index:
            events.append(event)
        else:
            events.append({**event, "index": block.place, "content_block": said})
        for delta in deltas:
            events += self._block_delta({"type": "content_block_delta", "index": index, "delta": delta})
        return events

    def _block_delta(self, event: StreamEvent) -> Sequence[StreamEvent]:
        delta = event.get("delta")
        if not delta:
            return ()
        kind = delta.get("type")
        if kind is None:
            kind = _kind_of(delta)
        elif f"{kind}_delta" in DELTA_FIELDS:
            kind = f"{kind}_delta"  # "text": the name of the block
        source, target = DELTA_FIELDS.get(kind, ("", ""))
        if not source and kind != "citations_delta":
            return (event,)
        said = {name: value for name, value in delta.items() if name != "type" and value is not None}
        block = self._open.get(event.get("index"))
        if block is None or self._phase is _Phase.CLOSING:
            if any(said.values()):
                raise KeyError("index")
            return ()
        taken: list[dict[str, Any]] = []
        if source in said:
            text = said.pop(source)
            if source == "partial_json" and isinstance(text, dict):
                text = to_json(text).decode()
            if type(text) is not str:
                raise TypeError(source)
            if text and not block.takes(target):
                return self._in_own_block(event["index"], delta, target)
            if text or block.takes(target):
                piece = block.take(target, text)
                if piece or not text:
                    taken.append({"type": kind, source: piece})
        fields = block.set_fields(said)
        if fields:
            taken = [{"type": kind, **(taken[0] if taken else {}), **fields}]
        taken += self._beside(block, said)
        if (taken == [delta] or fields) and block.place == event.get("index") and HALVES not in event:
            return (event,)
        return [{"type": "content_block_delta", "index": block.place, "delta": one} for one in taken]

    def _in_own_block(self, index: Any, delta: Any, target: str) -> Sequence[StreamEvent]:
        """A delta of another kind than its block, as relays send who rewrite another family's stream: what it says
        stands in a block of its own, which ends with that block. A signature of no thinking signs nothing.
        """
        kind, start = _OWN_BLOCKS[target]
        place, events = (index, kind), list[StreamEvent]()
        if place not in self._open:
            if target == "signature":
                return ()
            events += self._block_start(
                {"type": "content_block_start", "index": place, "content_block": start}
            )
        events += self._block_delta({"type": "content_block_delta", "index": place, "delta": delta})
        return events

    @staticmethod
    def _beside(block: OpenBlock, said: Mapping[str, Any]) -> list[dict[str, Any]]:
        """What a delta says beside its own field: citations, and a signature."""
        deltas: list[dict[str, Any]] = []
        found = [*read_citations([said.get("citation")]), *read_citations(said.get("citations"))]
        for citation in () if is_tool_use(block.block) else found:
            block.citations.append(citation)
            deltas.append({"type": "citations_delta", "citation": citation})
        signature = said.get("signature")
        if isinstance(signature, str) and block.kind == "thinking":
            deltas.append({"type": "signature_delta", "signature": block.take("signature", signature)})
        return deltas

    def _block_stop(self, event: StreamEvent) -> Sequence[StreamEvent]:
        index = event.get("index")
        if index not in self._open:
            return ()  # said twice, or of no block
        events = self._close(index)
        if events[-1] == event:
            events[-1] = event
        return events

    def _close(self, index: Any) -> list[StreamEvent]:
        block = self._open.pop(index)
        events: list[StreamEvent] = [
            {"type": "content_block_delta", "index": block.place, "delta": delta} for delta in block.release()
        ]
        self.closed_block = self._closed[block.place] = block.closed()
        events.append({"type": "content_block_stop", "index": block.place})
        for own in [place for place in self._open if type(place) is tuple and place[0] == index]:
            events += self._close(own)
        return events

    def _close_all(self) -> list[StreamEvent]:
        events: list[StreamEvent] = []
        while self._open:
            events += self._close(next(iter(self._open)))
        return events

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
        closing = self._close_all()
        self._phase, self._reason_told = _Phase.CLOSING, True
        return (*closing, event)

    def _message_stop(self, event: StreamEvent) -> Sequence[StreamEvent]:
        events = self._close_all()
        self._usage.add(event.get("usage"))
        if not self._reason_told:
            outcome = {name: self._head.get(name) for name in ("stop_reason", "stop_sequence")}
            events.append({"type": "message_delta", "delta": outcome, "usage": dict(self._usage.known)})
        self._phase, self.done = _Phase.DONE, True
        return (*events, event)

    def _index_of(self, event: StreamEvent) -> Any:
        """The index of an event that does not say it as a number; one that is not said is that of the block which
        began last, and a block's own is 0.
        """
        index = event.get("index")
        if index is None:
            last = next(reversed(self._open), 0) if event["type"] != "content_block_start" else 0
            return last[0] if isinstance(last, tuple) else last
        if isinstance(index, float) and index.is_integer():
            return int(index)
        if isinstance(index, str) and index.isdecimal() and len(index) < _INDEX_DIGITS:
            return int(index)
        return index

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
    "content_block_start": MessageAccumulator._block_start,
    "content_block_delta": MessageAccumulator._block_delta,
    "content_block_stop": MessageAccumulator._block_stop,
    "message_delta": MessageAccumulator._message_delta,
    "message_stop": MessageAccumulator._message_stop,
}

_INDEXED: Final = frozenset({"content_block_start", "content_block_delta", "content_block_stop"})


_INDEX_DIGITS: Final = 9

_OWN_BLOCKS: Final[Mapping[str, tuple[str, ContentBlock]]] = {
    "text": ("text", {"type": "text", "text": ""}),
    "thinking": ("thinking", {"type": "thinking", "thinking": "", "signature": ""}),
    "signature": ("thinking", {}),
    "input": ("tool_use", {"type": "tool_use", "name": None, "input": {}}),
    "content": ("compaction", {"type": "compaction", "content": ""}),
}
"""Field of a block that does not have it: the kind of the block that has, and its start."""

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


def _kind_of(delta: Mapping[str, Any]) -> str:
    """The type of a delta that does not say it; raises ``KeyError`` where its fields do not say it either."""
    kinds = [kind for kind, (source, _) in DELTA_FIELDS.items() if source in delta]
    if len(kinds) != 1:
        if any(value is not None for value in delta.values()):
            raise KeyError("type")
        return "citations_delta"  # of nothing
    return kinds[0]


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
