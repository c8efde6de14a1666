"""An answer on the screen as it comes: Markdown that grows on a terminal, plain text elsewhere."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import TYPE_CHECKING, ClassVar, Final

from rich.console import Console, Group, RenderableType
from rich.text import Text

from aivideoapi_cli._terminal import printable

if TYPE_CHECKING:
    from rich.console import JustifyMethod
    from rich.markdown import Markdown, MarkdownElement

    from aivideoapi_core import MessageStream


_ECHO: Final = 3
"""Columns that stay free: a terminal writes ``^C`` behind the last line, and at its edge that would begin another one, under
which the answer was drawn once more."""


def show(console: Console, stream: MessageStream) -> None:
    """Print the events of a stream until it ends."""
    thoughts: list[str] = []
    pieces: list[str] = []
    if not console.is_terminal:
        for kind, text in _deltas(stream):
            if kind == "text_delta":
                console.out(printable(text), end="", highlight=False)
        console.print()
        return
    from rich.constrain import Constrain
    from rich.live import Live

    width = console.width - _ECHO
    with Live(console=console, refresh_per_second=12, vertical_overflow="ellipsis") as live:
        for kind, text in _deltas(stream):
            (pieces if kind == "text_delta" else thoughts).append(text)
            live.update(Constrain(rendered("".join(thoughts), "".join(pieces)), width))


def _deltas(stream: MessageStream) -> Iterator[tuple[str, str]]:
    for event in stream:
        delta = event.get("delta") if event.get("type") == "content_block_delta" else None
        if not isinstance(delta, dict):
            continue
        if delta.get("type") == "text_delta":
            yield "text_delta", str(delta.get("text", ""))
        elif delta.get("type") == "thinking_delta":
            yield "thinking_delta", str(delta.get("thinking", ""))


def rendered(thoughts: str, text: str) -> RenderableType:
    """Thinking dimmed, then the answer as Markdown with its headings at the left."""
    parts: list[RenderableType] = []
    if thoughts:
        parts.append(Text(thoughts.strip(), style="dim italic"))
    if text:
        parts.append(_markdown()(text))
    return Group(*parts)


@cache
def _markdown() -> type[Markdown]:
    from rich.markdown import Heading, Markdown

    class LeftHeading(Heading):
        LEVEL_ALIGN: ClassVar[dict[str, JustifyMethod]] = {}  # rich centres the first level

    class LeftMarkdown(Markdown):
        elements: ClassVar[dict[str, type[MarkdownElement]]] = {
            **Markdown.elements,
            "heading_open": LeftHeading,
        }

    return LeftMarkdown
