"""JSON text that is still arriving, and JSON text whose end never came."""

from __future__ import annotations

from typing import Any

from pydantic_core import from_json


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


def spoiling_end(raw: str) -> str:
    """The fewest characters after which nobody can take the arguments ``raw``, cut or spoilt JSON, for an object.

    LangChain completes cut JSON by guessing (``{"amount": 1`` of 1000 becomes a valid call); a closing bracket that
    matches nothing is what it gives up at.
    """
    inside = escaped = False
    stack: list[str] = []
    for char in raw:
        if inside:
            if char == '"' and not escaped:
                inside = False
            escaped = char == "\\" and not escaped
        elif char == '"':
            inside, escaped = True, False
        elif char in "{[":
            stack.append(char)
        elif char in "}]" and stack:
            stack.pop()
    end_of_string = ("\\" if escaped else "") + '"' if inside else ""
    return end_of_string + ("]" if stack and stack[-1] == "{" else "}")
