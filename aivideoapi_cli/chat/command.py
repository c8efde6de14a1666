"""``aivideoapi chat``: talk to a model in the terminal."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console, Group, RenderableType
from rich.text import Text

from aivideoapi_cli._terminal import complain, explain, output

if TYPE_CHECKING:
    from aivideoapi_cli.chat.session import Session
    from aivideoapi_core import MessagesClient, MessageStream, Reply

_QUOTES = '"""'


def chat(
    model: Annotated[str, typer.Option(help="Model id; see 'aivideoapi models'.")] = "claude-sonnet-4-6",
    system: Annotated[str | None, typer.Option(metavar="TEXT", help="System prompt.")] = None,
    thinking: Annotated[bool, typer.Option("--thinking", help="Let the model think first.")] = False,
    sandbox: Annotated[bool, typer.Option("--sandbox", help="Talk to a local stand-in instead.")] = False,
) -> None:
    """Talk to a model: streamed Markdown, thinking shown dimmed, and a running credits meter."""
    from aivideoapi_cli._target import open_sandbox
    from aivideoapi_cli.chat.session import Session
    from aivideoapi_core import MessagesClient

    console = output()
    with contextlib.ExitStack() as stack:
        if sandbox:
            client = stack.enter_context(stack.enter_context(open_sandbox()).client())
            console.print(
                "Sandbox: answers are made by rules, not by a model; nothing is charged.", style="bold"
            )
        else:
            client = stack.enter_context(MessagesClient())
        session = Session(model=model, system=system, thinking=thinking)
        if sys.stdin.isatty():
            console.print(
                f"{model} at {client.base_url}. /help lists the commands, Ctrl-D leaves.", style="dim"
            )
        for text in _inputs(console):
            if text.startswith("/"):
                if not _command(console, client, session, text):
                    break
            else:
                _turn(console, client, session, text)


def _inputs(console: Console) -> Iterator[str]:
    """What the user enters, until the end of the input. Ctrl-C drops the line that is being written."""
    prompt = ""
    if sys.stdin.isatty():
        with contextlib.suppress(ImportError):  # not on every system; then there is no line editing
            import readline  # noqa: F401 - importing it is what gives input() editing and history
        prompt = "> "
    while True:
        try:
            text = _read(prompt)
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


def _read(prompt: str) -> str:
    line = input(prompt)
    more = "." * max(len(prompt) - 1, 0) + " " if prompt else ""
    if line.lstrip().startswith(_QUOTES):
        text = line.lstrip().removeprefix(_QUOTES)
        while _QUOTES not in text:
            text += "\n" + input(more)
        return text[: text.index(_QUOTES)]
    while line.endswith("\\"):
        line = line[:-1] + "\n" + input(more)
    return line


def _turn(console: Console, client: MessagesClient, session: Session, text: str) -> None:
    """One question and its streamed answer. An error or Ctrl-C ends the turn, not the session."""
    from aivideoapi_cli.chat.session import keepable

    reply: Reply | None = None
    stream: MessageStream | None = None
    try:
        stream = client.stream(session.payload(text))
        with stream:
            _show(console, stream)
            reply = stream.reply
    except KeyboardInterrupt:
        partial = stream.accumulator.partial() if stream is not None else None
        kept = keepable(partial["content"]) if partial else []
        session.answered(text, kept)
        session.charged(None)
        console.print("\nStopped; the part that came is kept." if kept else "\nStopped.", style="yellow")
    except Exception as error:  # a session outlives a failed call; what is not known goes on as it is
        failure = explain(error)
        if failure is None or not sys.stdin.isatty():  # a script wants the exit code
            raise
        complain(failure)
    else:
        session.answered(text, reply.message["content"])
        session.charged(reply)
        meter = console if console.is_terminal else Console(stderr=True, highlight=False, soft_wrap=True)
        meter.print(Text(session.meter(reply), style="dim"))


def _show(console: Console, stream: MessageStream) -> None:
    """Print an answer as it comes: Markdown that grows on a terminal, plain text elsewhere."""
    thoughts: list[str] = []
    pieces: list[str] = []
    if not console.is_terminal:
        for kind, text in _deltas(stream):
            if kind == "text_delta":
                console.out(text, end="", highlight=False)
        console.print()
        return
    from rich.live import Live

    with Live(console=console, refresh_per_second=12, vertical_overflow="ellipsis") as live:
        for kind, text in _deltas(stream):
            (pieces if kind == "text_delta" else thoughts).append(text)
            live.update(_rendered("".join(thoughts), "".join(pieces)))


def _deltas(stream: MessageStream) -> Iterator[tuple[str, str]]:
    for event in stream:
        delta = event.get("delta") if event.get("type") == "content_block_delta" else None
        if not isinstance(delta, dict):
            continue
        if delta.get("type") == "text_delta":
            yield "text_delta", str(delta.get("text", ""))
        elif delta.get("type") == "thinking_delta":
            yield "thinking_delta", str(delta.get("thinking", ""))


def _rendered(thoughts: str, text: str) -> RenderableType:
    from rich.markdown import Markdown

    parts: list[RenderableType] = []
    if thoughts:
        parts.append(Text(thoughts.strip(), style="dim italic"))
    if text:
        parts.append(Markdown(text))
    return Group(*parts)


def _command(console: Console, client: MessagesClient, session: Session, line: str) -> bool:
    """Carry out a /command; false if it ends the session."""
    from aivideoapi_cli.chat.session import HELP, text_of

    name, _, rest = line.partition(" ")
    rest = rest.strip()
    match name:
        case "/quit" | "/exit" | "/q":
            return False
        case "/help":
            console.print(Text(HELP))
        case "/model":
            session.model = rest or session.model
            console.print(Text(f"model: {session.model}", style="dim"))
        case "/system":
            session.system = rest or None
            console.print(Text(f"system: {session.system or 'none'}", style="dim"))
        case "/thinking":
            session.thinking = not session.thinking
            console.print(f"thinking: {'on' if session.thinking else 'off'}", style="dim")
        case "/history":
            for turn in session.turns:
                who = "You" if turn["role"] == "user" else "Answer"
                console.print(Text.assemble((f"{who:<8} ", "bold"), text_of(turn["content"])))
        case "/clear":
            session.turns.clear()
            console.print("conversation: empty", style="dim")
        case "/save":
            _save(console, session, rest)
        case "/credits":
            console.print(Text(session.meter(), style="dim"))
            try:
                console.print(f"balance: {client.credits().balance:,} credits", style="dim")
            except Exception as error:  # as in a turn
                failure = explain(error)
                if failure is None:
                    raise
                complain(failure)
        case _:
            console.print(Text(f"{name} is not a command; /help lists them", style="yellow"))
    return True


def _save(console: Console, session: Session, name: str) -> None:
    from aivideoapi_cli.chat.session import transcript

    if not name:
        console.print("/save needs a file name", style="yellow")
        return
    path = Path(name).expanduser()
    try:
        path.write_text(transcript(session, as_json=path.suffix == ".json"), encoding="utf-8")
    except OSError as error:
        console.print(Text(f"not saved: {path}: {error.strerror or error}", style="yellow"))
        return
    console.print(Text(f"saved to {path}", style="dim"))
