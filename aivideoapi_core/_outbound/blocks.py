"""Blocks as they can be sent: copies with clean text and media, each breakpoint on one that can carry it."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Mapping
from typing import Any, Final, TypeAlias

from aivideoapi_core._errors import InvalidInputError
from aivideoapi_core._outbound.cache_marks import read_mark
from aivideoapi_core._outbound.text import is_news, mended, told, warn_once
from aivideoapi_core._outbound.well_formed import is_mark, is_whole, pruned, sendable_citations, settled

logger = logging.getLogger("aivideoapi")

Block: TypeAlias = dict[str, Any]

_IN_RESULTS: Final = frozenset(
    {"text", "image", "document", "search_result", "tool_reference", "browser_state"}
)
_CHECKED: Final = frozenset({"image", "document", "search_result"})
"""Blocks whose insides may be of a shape that the wire refuses."""


class SendableBlocks:
    """Copies of a conversation's blocks, in order. ``at`` is a message's place in the caller's list."""

    def __init__(self) -> None:
        self.last: Block | None = None
        """The last block that can carry a breakpoint."""
        self.mended: list[tuple[int, int]] = []
        """The messages in which text could not be sent as it was, and a digest of each such text."""
        self.citable: list[Block] = []
        """Documents and search results."""
        self._last_at = -1
        self._marks_of_nothing: list[int] = []
        """The messages whose breakpoint had nothing before it."""

    def mark(self, mark: Any, *, at: int) -> None:
        """Put a breakpoint on the last block that can carry one; if there is none, see ``settle_marks``.

        Raises ``InvalidInputError`` for a mark that the wire would refuse.
        """
        known = read_mark(mark)
        if self.last is None:
            self._marks_of_nothing.append(at)
        else:
            self.last["cache_control"] = known

    def tell_mended(self) -> None:
        """Say once which messages' text could not be sent as it was."""
        if mended_at := dict.fromkeys(at for at, text in self.mended if is_news(("half", text))):
            logger.warning(
                "%s: half of a surrogate pair is sent as U+FFFD, and what is no JSON (NaN, bytes) as text",
                ", ".join(f"messages[{at}]" for at in mended_at),
            )

    def settle_marks(self) -> None:
        """Leave out, with a warning, breakpoints whose messages before them were trimmed from the history.

        Raises ``InvalidInputError`` if it is in the last message, which somebody has just written.
        """
        if not self._marks_of_nothing:
            return
        at = self._marks_of_nothing[-1]
        if at >= self._last_at:
            raise InvalidInputError(
                f"messages[{at}] asks for cache_control, but a cache point needs something before it "
                "that can be cached; put it on a block that has content"
            )
        warn_once(f"the cache point of messages[{at}] has nothing before it any more and is left out")

    def clean_text(self, text: str, at: int) -> str | None:
        """A text as it can be sent, ``None`` for a blank one."""
        if not text or text.isspace():
            return None
        self._last_at = at
        if text.isascii() or (whole := mended(text)) is text:
            return text
        self.mended.append((at, hash(text)))
        return str(whole)

    def take_text(self, text: str, at: int) -> Block | None:
        """A text as a block, or ``None`` for a blank one."""
        clean = self.clean_text(text, at)
        if clean is None:
            return None
        self.last = taken = {"type": "text", "text": clean}
        return taken

    def take(self, block: Mapping[str, Any], at: int, *, made: bool = False) -> Block | None:
        """A block of our own that can be sent, or ``None`` for blank text; its breakpoint moves back."""
        kind = block["type"]
        if kind == "text":
            text = block["text"]
            if len(block) == 2:
                return self.take_text(text, at)
            if not text or text.isspace():
                if block.get("cache_control") is not None:
                    self.mark(block["cache_control"], at=at)
                return None
            taken = _without_blanks(block)
            if "citations" in taken and (known := sendable_citations(taken.pop("citations"))):
                taken["citations"] = known
        elif kind in _CHECKED:
            try:
                taken = settled(block, made=made)
            except InvalidInputError as error:
                raise InvalidInputError(f"messages[{at}] {error}") from error
            if taken["type"] != "image":
                self.citable.append(taken)
        else:
            taken = _without_blanks(block)
        if "cache_control" in taken and not is_mark(taken["cache_control"]):
            try:
                read_mark(taken["cache_control"])
            except InvalidInputError as error:
                raise InvalidInputError(f"messages[{at}]: {error}") from error
        for name, value in taken.items():
            if not (type(value) is str and value.isascii()) and (whole := mended(value)) is not value:
                taken[name] = whole
                self.mended.append((at, hash(str(whole))))
        self.last, self._last_at = taken, at
        return taken

    def take_told(self, block: Mapping[str, Any], at: int) -> Block | None:
        """A block that may not stand where it was said, as text; ``None`` if nothing in it can be read."""
        words, mark = told(block), block.get("cache_control")
        taken = None if words is None else self.take(words, at)
        if mark is not None:
            self.mark(mark, at=at)
        return taken

    def take_thinking(self, block: Mapping[str, Any], at: int, *, ours: bool) -> Block | None:
        """Thinking as it came, if its signature is one that the wire can verify."""
        is_signed = block.get("signature") or block.get("data")
        if not ours or not is_signed or mended(block) is not block:
            return self.take_told(block, at)
        kept = _without_blanks(block)
        if (mark := kept.pop("cache_control", None)) is not None:
            self.mark(mark, at=at)
        return kept

    def take_in_result(self, block: Mapping[str, Any], at: int) -> Block | None:
        """A block inside a tool's result. Tools make what they like: what cannot be sent is told."""
        block = pruned(block)
        if block["type"] in _IN_RESULTS and is_whole(block):
            if block["type"] not in _CHECKED:
                return self.take(block, at)
            with contextlib.suppress(InvalidInputError):
                return self.take(block, at, made=True)
        return self.take_told(block, at)


_FIELDS: Final[Mapping[str, frozenset[str]]] = {
    "text": frozenset({"type", "text", "citations", "cache_control"}),
    "thinking": frozenset({"type", "thinking", "signature", "cache_control"}),
    "redacted_thinking": frozenset({"type", "data", "cache_control"}),
    "tool_use": frozenset({"type", "id", "name", "input", "caller", "toolset_name", "cache_control"}),
}
"""All that the wire takes in a block of a reply."""


def _without_blanks(block: Mapping[str, Any]) -> Block:
    """A copy without the empty fields of other kinds that some servers put into every block."""
    known = _FIELDS.get(block["type"])
    if known is None or known.issuperset(block):
        return dict(block)
    return {name: value for name, value in block.items() if name in known or value not in _BLANKS}


_BLANKS: Final[tuple[Any, ...]] = (None, "", [], {})
