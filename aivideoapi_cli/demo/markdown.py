"""Markdown as plain sentences, which is what a retriever finds and an answer can quote. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from markdown_it.token import Token

_FRONT_MATTER: Final = re.compile(r"\A---\n.*?\n---\n", re.DOTALL)
_BOX: Final = re.compile(r"(?:!!!|\?\?\?\+?|===)\s+\S.*")
"""The first line of an admonition or a tab of MkDocs: the indented lines below it are text, not code."""
_SENTENCE_MARKS: Final = (".", "!", "?", ":", ";")


@dataclass(frozen=True, slots=True)
class Section:
    """What stands below one heading; ``title`` is empty above the first. One item per paragraph."""

    title: str
    paragraphs: tuple[str, ...]


@dataclass(slots=True)
class _Draft:
    title: str = ""
    paragraphs: list[str] = field(default_factory=list)
    code: list[str] = field(default_factory=list)

    def finished(self) -> Section:
        return Section(self.title, tuple(self.paragraphs or self.code))


def sections_of(markdown: str) -> list[Section]:
    """The sections of a document that say something.

    A paragraph or list item becomes one line without its marks; a table row becomes
    "column: cell; column: cell."; code is left out, except where a section has nothing else.
    """
    drafts = [_Draft()]
    _read(markdown, drafts)
    return [section for section in (draft.finished() for draft in drafts) if section.paragraphs]


def _read(markdown: str, drafts: list[_Draft]) -> None:
    from markdown_it import MarkdownIt

    tokens = MarkdownIt("commonmark").enable("table").parse(_FRONT_MATTER.sub("", markdown))
    position = 0
    while position < len(tokens):
        token = tokens[position]
        if token.type == "heading_open":
            drafts.append(_Draft(_plain(tokens[position + 1])))
            position += 3
            continue
        if token.type == "table_open":
            end = next(at for at in range(position, len(tokens)) if tokens[at].type == "table_close")
            drafts[-1].paragraphs.extend(_rows(tokens[position:end]))
            position = end
        elif token.type == "inline":
            drafts[-1].paragraphs.append(_plain(token))
        elif token.type == "code_block" and drafts[-1].paragraphs and _BOX.match(drafts[-1].paragraphs[-1]):
            drafts[-1].paragraphs.pop()
            _read(token.content, drafts)
        elif token.type in ("fence", "code_block"):
            drafts[-1].code.append(token.content.rstrip())
        position += 1


def _plain(inline: Token) -> str:
    """The words of a piece of text, without marks, on one line."""
    words = "".join(
        " " if part.type in ("softbreak", "hardbreak") else "" if part.type == "html_inline" else part.content
        for part in inline.children or ()
    )
    return " ".join(words.split())


def _rows(table: Sequence[Token]) -> list[str]:
    """One sentence for each row below the head; empty cells are left out."""
    heads: list[str] = []
    rows: list[list[str]] = []
    for number, token in enumerate(table):
        if token.type == "tr_open":
            rows.append([])
        elif token.type == "th_open":
            heads.append(_plain(table[number + 1]))
        elif token.type == "td_open":
            rows[-1].append(_plain(table[number + 1]))
    return [_row(heads, cells) for cells in rows if any(cells)]


def _row(heads: Sequence[str], cells: Sequence[str]) -> str:
    named = "; ".join(
        f"{head}: {cell}" if head else cell for head, cell in zip(heads, cells, strict=False) if cell
    )
    return named if named.endswith(_SENTENCE_MARKS) else f"{named}."
