"""The terminal, for every sub-command: the consoles, failures in one line, amounts as text."""

from __future__ import annotations

import json
import os
import re
import signal
import sys
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment
from rich.text import Text

if TYPE_CHECKING:
    from aivideoapi_core import CreditBudget, Credits

FAILED: Final = 1
WRONG_USE: Final = 2
INTERRUPTED: Final = 130

UNKNOWN: Final = "-"
"""Shown for a figure that nobody knows; never 0."""


_COMMANDS: Final = dict.fromkeys({*range(0x20), 0x7F, *range(0x80, 0xA0)} - {ord("\n"), ord("\t")})


_LEFT_BY_JSON: Final = re.compile("[\x7f-\x9f]")


class CommandError(Exception):
    """A reason to stop, in one line for the user, with the exit code."""

    def __init__(self, message: str, *, exit_code: int = FAILED) -> None:
        super().__init__(message)
        self.exit_code = exit_code


def output(*, piped_width: int | None = None) -> Console:
    """The console for results; ``piped_width`` in columns where nothing says how wide the output is."""
    asked = sys.stdout.isatty() or "COLUMNS" in os.environ
    return SafeConsole(highlight=False, soft_wrap=False, width=None if asked else piped_width)


class SafeConsole(Console):
    """A console on which texts of others (models, servers, tags, file names) are texts, and command no terminal."""

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """As in rich, without control characters in what is to be read; rich's own are no text."""
        for segment in super().render(renderable, options):
            if segment.control is None and (text := printable(segment.text)) != segment.text:
                yield Segment(text, segment.style)
            else:
                yield segment


def printable(text: str) -> str:
    """``text`` without the characters that a terminal takes for commands: C0 but newline and tab, DEL, C1.

    Character by character, so that a command which comes in pieces loses its beginning like any other.
    """
    return text.translate(_COMMANDS)


@contextmanager
def leaving_at_once() -> Iterator[None]:
    """Let Ctrl-C end the process with exit code 130, whatever its threads are waiting for.

    A framework that runs a call in a thread of its own waits for that thread before it passes a
    ``KeyboardInterrupt`` on, which can take as long as the read timeout.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def leave(*_: object) -> None:
        with suppress(OSError, ValueError):
            output().show_cursor()
            sys.stdout.flush()
        os._exit(INTERRUPTED)

    before = signal.signal(signal.SIGINT, leave)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def explain(error: Exception) -> CommandError | None:
    """The failure that ``error`` means to a user, or ``None`` if it is none of the expected ones."""
    if isinstance(error, CommandError):
        return error
    if isinstance(error, ModuleNotFoundError):
        return _missing(error)
    from aivideoapi_core import AIVideoAPIError, APITimeoutError, InvalidInputError

    match error:
        case InvalidInputError():
            return CommandError(str(error), exit_code=WRONG_USE)
        case APITimeoutError():
            return CommandError(f"{error}. Advice: try again later, or check AIVIDEOAPI_BASE_URL.")
        case AIVideoAPIError():
            return CommandError(str(error))
        case _:
            return None


_EXTRA_OF: Final = {
    "bm25s": "demo",
    "langchain": "demo",
    "langchain_core": "demo",
    "llama_index": "demo",
    "pyarrow": "parquet",
    "ray": "ray",
    "redis": "redis",
}
"""By the package that is missing, the extra that brings it for this command."""


def _missing(error: ModuleNotFoundError) -> CommandError | None:
    """What to install, for a package that an extra brings; ``None`` for any other."""
    name = (error.name or "").partition(".")[0]
    extra = _EXTRA_OF.get(name)
    if extra is None:
        return None
    from aivideoapi_core.adapter_kit import pip_install

    return CommandError(f"this needs {name.replace('_', '-')}: {pip_install(extra)} ([all] is everything)")


def budget_of(credits: str) -> CreditBudget:
    """What ``--budget`` says, in memory. Raises ``CommandError``."""
    from aivideoapi_core import CreditBudget, InvalidInputError

    try:
        return CreditBudget(credits)
    except InvalidInputError:
        raise CommandError(
            f"--budget must be a number of credits, 0 or more, not {credits!r}", exit_code=WRONG_USE
        ) from None


def complain(failure: CommandError) -> int:
    """Print ``failure`` on stderr, as one line but for a terminal, which would break it within words; its exit code."""
    sys.stdout.flush()
    line = " ".join(str(failure).split())
    console = SafeConsole(stderr=True, highlight=False)
    console.print(Text.assemble(("error: ", "bold red"), line), soft_wrap=not console.is_terminal)
    return failure.exit_code


def shown_place(store: str) -> str:
    """A file's path; of a URL the host and what follows, without what may hold a password: its user and its options."""
    scheme, is_url, rest = store.partition("://")
    if not is_url:
        return store
    user, _, place = rest.rpartition("@")
    # A password may hold any of these signs unescaped, so which part is the host is not sure here.
    return f"{scheme}://…" if "?" in user else place.partition("?")[0]


def print_json(value: Any) -> None:
    """``value`` as JSON on stdout, without colours or wrapping."""
    text = json.dumps(value, ensure_ascii=False, indent=2)  # escapes C0 itself, but neither DEL nor C1
    sys.stdout.write(_LEFT_BY_JSON.sub(lambda found: f"\\u{ord(found.group()):04x}", text) + "\n")


def credits_text(amount: Credits | None) -> str:
    """An exact amount, e.g. ``0.068400``."""
    return UNKNOWN if amount is None else f"{amount.as_decimal():,.6f}"


def usd_text(charged: Decimal | None) -> str:
    """Credits that were charged, in US dollars to a millionth, e.g. ``$0.000342``."""
    from aivideoapi_core import Credits  # with the first amount: most commands show none

    return UNKNOWN if charged is None else f"${Credits(int(charged.scaleb(6))).as_usd():,.6f}"


def reported_text(amount: Decimal | None) -> str:
    """The platform's number as it sent it, with two decimals at least, e.g. ``0.06``."""
    if amount is None:
        return UNKNOWN
    return f"{amount:,.2f}" if amount == round(amount, 2) else f"{amount:,}"
