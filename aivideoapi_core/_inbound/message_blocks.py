"""``MessageBlocks``: the blocks of one message while it streams, those that are open and those that are finished.

Servers say blocks whole, twice, or without an end, and deltas of another kind than their block; each method takes one
event and gives those that the official server would have sent. Does no I/O.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from pydantic_core import to_json

from aivideoapi_core._inbound.blocks import DELTA_FIELDS, OpenBlock, is_tool_use, label, read_citations
from aivideoapi_core._inbound.events import HALVES
from aivideoapi_core._received import ContentBlock, StreamEvent


class MessageBlocks:
    """The blocks stand in the order in which they come, in which they have to go back; ``by_index``: where their index says.

    What cannot be read raises ``KeyError``, ``TypeError``, ``AttributeError`` or ``ValueError``.
    """

    def __init__(self, *, by_index: bool) -> None:
        self._by_index = by_index
        self.open: dict[Any, OpenBlock] = {}
        """By the server's index."""
        self.closed: dict[int, ContentBlock] = {}
        """By place in the message."""
        self.message_id: Any = None
        self.is_over = False
        """Whether no delta may come any more."""

    def content(self) -> list[ContentBlock]:
        """All of them so far."""
        blocks = {**self.closed, **{block.place: block.closed() for block in self.open.values()}}
        return [blocks[place] for place in sorted(blocks)]

    def all_in_place(self) -> bool:
        """Whether every open block stands where its index says, and holds nothing back."""
        return not any(block.holds or block.place != index for index, block in self.open.items())

    def whole(self, content: Any) -> list[StreamEvent]:
        """The events of blocks that came whole."""
        events: list[StreamEvent] = []
        for index, block in enumerate(content):
            events += self.start({"type": "content_block_start", "index": index, "content_block": block})
            events += self._close(index)
        return events

    def start(self, event: StreamEvent) -> Sequence[StreamEvent]:
        """Take a ``content_block_start``."""
        index, start = event["index"], event["content_block"]
        if type(index) not in (int, tuple):
            raise ValueError(f"index {index!r}")
        events: list[StreamEvent] = []
        block = OpenBlock(start)
        if (other := self.open.get(index)) is not None:
            if other.is_untouched and other.start == start:
                return ()  # said twice
            events += self._close(index)
        block.place = index if self._by_index else len(self.closed) + len(self.open)
        label(block.block, message_id=self.message_id, place=block.place)
        self.open[index] = block
        said, deltas = block.opened()
        if said is start and block.place == index:
            events.append(event)
        else:
            events.append({**event, "index": block.place, "content_block": said})
        for delta in deltas:
            events += self.delta({"type": "content_block_delta", "index": index, "delta": delta})
        return events

    def delta(self, event: StreamEvent) -> Sequence[StreamEvent]:
        """Take a ``content_block_delta``."""
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
        block = self.open.get(event.get("index"))
        if block is None or self.is_over:
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

    def stop(self, event: StreamEvent) -> Sequence[StreamEvent]:
        """Take a ``content_block_stop``."""
        index = event.get("index")
        if index not in self.open:
            return ()  # said twice, or of no block
        events = self._close(index)
        if events[-1] == event:
            events[-1] = event
        return events

    def close_all(self) -> list[StreamEvent]:
        """End every open block."""
        events: list[StreamEvent] = []
        while self.open:
            events += self._close(next(iter(self.open)))
        return events

    def index_of(self, event: StreamEvent) -> Any:
        """The index of an event that does not say it as a number; one that is not said is that of the block which
        began last, and a block's own is 0.
        """
        index = event.get("index")
        if index is None:
            last = next(reversed(self.open), 0) if event["type"] != "content_block_start" else 0
            return last[0] if isinstance(last, tuple) else last
        if isinstance(index, float) and index.is_integer():
            return int(index)
        if isinstance(index, str) and index.isdecimal() and len(index) < _INDEX_DIGITS:
            return int(index)
        return index

    def _in_own_block(self, index: Any, delta: Any, target: str) -> Sequence[StreamEvent]:
        """A delta of another kind than its block, as relays send who rewrite another family's stream: what it says
        stands in a block of its own, which ends with that block. A signature of no thinking signs nothing.
        """
        kind, start = _OWN_BLOCKS[target]
        place, events = (index, kind), list[StreamEvent]()
        if place not in self.open:
            if target == "signature":
                return ()
            events += self.start({"type": "content_block_start", "index": place, "content_block": start})
        events += self.delta({"type": "content_block_delta", "index": place, "delta": delta})
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

    def _close(self, index: Any) -> list[StreamEvent]:
        block = self.open.pop(index)
        events: list[StreamEvent] = [
            {"type": "content_block_delta", "index": block.place, "delta": delta} for delta in block.release()
        ]
        self.closed[block.place] = block.closed()
        events.append({"type": "content_block_stop", "index": block.place})
        for own in [place for place in self.open if type(place) is tuple and place[0] == index]:
            events += self._close(own)
        return events


_INDEX_DIGITS: Final = 9

_OWN_BLOCKS: Final[Mapping[str, tuple[str, ContentBlock]]] = {
    "text": ("text", {"type": "text", "text": ""}),
    "thinking": ("thinking", {"type": "thinking", "thinking": "", "signature": ""}),
    "signature": ("thinking", {}),
    "input": ("tool_use", {"type": "tool_use", "name": None, "input": {}}),
    "content": ("compaction", {"type": "compaction", "content": ""}),
}
"""Field of a block that does not have it: the kind of the block that has, and its start."""


def _kind_of(delta: Mapping[str, Any]) -> str:
    """The type of a delta that does not say it; raises ``KeyError`` where its fields do not say it either."""
    kinds = [kind for kind, (source, _) in DELTA_FIELDS.items() if source in delta]
    if len(kinds) != 1:
        if any(value is not None for value in delta.values()):
            raise KeyError("type")
        return "citations_delta"  # of nothing
    return kinds[0]
