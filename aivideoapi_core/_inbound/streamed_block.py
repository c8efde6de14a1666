"""``StreamedBlock``: a content block at any earlier time of its stream, for frameworks that want the message so far."""

from __future__ import annotations

from aivideoapi_core._inbound.partial_json import PartialJSON
from aivideoapi_core._received import ContentBlock


class StreamedBlock:
    """One content block: its pieces while it streams, the finished block after."""

    __slots__ = ("_joined", "arguments", "closed", "kind", "pieces", "start")

    def __init__(self, start: ContentBlock) -> None:
        self.start = start
        self.kind: str = start.get("type") or ""
        self.arguments = PartialJSON()
        self.pieces: list[str] = self.arguments.pieces
        self.closed: ContentBlock | None = None
        self._joined = (0, "")

    def block_at(self, count: int) -> ContentBlock:
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
