"""Streamed text on a terminal: whole words, wrapped and indented as they arrive."""

from __future__ import annotations

from typing import Final

from rich.cells import cell_len
from rich.console import Console
from rich.text import Text

INDENT: Final = 9
"""Columns of the labels in front of what is said."""
_LABEL_COLUMNS: Final = INDENT - 1


class StreamWriter:
    """Write pieces of text under a label, breaking lines between words.

    Where the output is not a terminal the lines are left as long as they are, for other programs.
    """

    def __init__(self, console: Console, *, style: str = "") -> None:
        self._console = console
        self._style = style
        self._wraps = console.is_terminal
        self._room = max(console.width - INDENT - 1, 20)
        self._column = 0
        self._word = ""
        self._gap = ""
        self.empty = True

    def write(self, text: str) -> None:
        """Write the words that ``text`` completes; the rest waits."""
        for character in text:
            if self.empty and character.isspace():
                continue
            self.empty = False
            if character == "\n":
                self._put_word()
                self._break()
            elif character == " ":
                self._put_word()
                self._gap += " "
            else:
                self._word += character
        if not self._wraps:
            self._put_word()

    def close(self) -> None:
        """Write what is left and end the line."""
        self._put_word()
        if not self.empty:
            self._console.print()

    def _put_word(self) -> None:
        if not self._word:
            return
        width = cell_len(self._word)
        if self._wraps and self._column and self._column + len(self._gap) + width > self._room:
            self._break()
        gap = self._gap if self._column or len(self._gap) > 1 else ""
        self._raw(gap + self._word)
        self._column += len(gap) + width
        self._word = self._gap = ""

    def _break(self) -> None:
        self._raw("\n" + " " * INDENT)
        self._column = 0
        self._gap = ""

    def _raw(self, text: str) -> None:
        self._console.print(Text(text, style=self._style), end="", soft_wrap=True)


def label(console: Console, text: str, style: str) -> None:
    """Begin a line with a label of fixed width."""
    console.print(Text(f"{text:<{_LABEL_COLUMNS}} ", style=style), end="", soft_wrap=True)


def said(console: Console, who: str, text: str, *, style: str = "bold", text_style: str = "") -> None:
    """One labelled paragraph, all at once."""
    label(console, who, style)
    writer = StreamWriter(console, style=text_style)
    writer.write(text)
    writer.close()


def heading(console: Console, text: str, detail: str) -> None:
    """A section's title line."""
    console.print()
    console.rule(Text.assemble((text, "bold cyan"), ("  " + detail, "dim")), align="left", characters="─")
