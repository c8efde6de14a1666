"""The user's input: lines from a terminal, with a line editor if there is one, or from a pipe."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterator
from typing import Any, Final

from rich.console import Console

from aivideoapi_cli._terminal import WRONG_USE, CommandError
from aivideoapi_cli.chat.session import COMMANDS

_QUOTES: Final = '"""'


def entries(console: Console) -> Iterator[str]:
    """Each text that is entered, until the end of the input. Ctrl-C drops the line that is being written."""
    interactive = sys.stdin.isatty()
    read_line = _line_editor() if interactive else input
    prompt = "> " if interactive else ""
    while True:
        try:
            text = _read(read_line, prompt)
        except EOFError:
            if prompt:
                console.print()
            return
        except KeyboardInterrupt:
            if not prompt:
                raise
            console.print("\nCtrl-D or /quit leaves.", style="dim")
            continue
        if text.strip():
            yield text.strip()


def piped_text() -> str:
    """All that comes through the pipe. Raises ``CommandError`` for what is no text in UTF-8."""
    try:
        text = sys.stdin.read().strip()
        text.encode()  # bytes that are none may have come as halves of surrogate pairs
    except UnicodeError as error:
        raise CommandError(
            "the text from the pipe is not in UTF-8: convert it first, with iconv say", exit_code=WRONG_USE
        ) from error
    return text


def _read(read_line: Callable[[str], str], prompt: str) -> str:
    line = read_line(prompt)
    more = "." * max(len(prompt) - 1, 0) + " " if prompt else ""
    if line.lstrip().startswith(_QUOTES):
        text = line.lstrip().removeprefix(_QUOTES)
        while _QUOTES not in text:
            text += "\n" + read_line(more)
        return text[: text.index(_QUOTES)]
    while line.endswith("\\"):
        line = line[:-1] + "\n" + read_line(more)
    return line


def _line_editor() -> Callable[[str], str]:
    """prompt_toolkit (extra ``chat``), else readline, else plain input; the first two complete /commands."""
    try:
        from prompt_toolkit import PromptSession
        from prompt_toolkit.completion import WordCompleter
    except ImportError:
        with contextlib.suppress(ImportError):  # not on every system; then there is no line editing
            _use_readline()
        return input
    session: PromptSession[str] = PromptSession(
        completer=WordCompleter([*COMMANDS], sentence=True), complete_while_typing=False
    )
    return session.prompt


def _use_readline() -> None:
    import readline

    def complete(text: str, state: int) -> str | None:
        found = [name for name in COMMANDS if name.startswith(text)] if text.startswith("/") else []
        return found[state] if state < len(found) else None

    delimiters: Any = readline.get_completer_delims()
    readline.set_completer_delims(delimiters.replace("/", ""))
    readline.set_completer(complete)
    readline.parse_and_bind("tab: complete")
