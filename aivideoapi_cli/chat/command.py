"""``aivideoapi chat``: ask one question, or talk to a model in the terminal."""

from __future__ import annotations

import contextlib
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.text import Text

from aivideoapi_cli._terminal import (
    WRONG_USE,
    CommandError,
    SafeConsole,
    budget_of,
    complain,
    explain,
    output,
)

if TYPE_CHECKING:
    from aivideoapi_cli.chat.session import Session
    from aivideoapi_core import MessagesClient, MessageStream, Reply


def chat(
    question: Annotated[
        str | None,
        typer.Argument(
            metavar="QUESTION",
            help="Ask this and leave; text from a pipe goes with it.",
            show_default=False,
        ),
    ] = None,
    model: Annotated[
        str | None,
        typer.Option("--model", "-m", help="Model id; see 'aivideoapi models'. [default: claude-sonnet-4-6]"),
    ] = None,
    system: Annotated[str | None, typer.Option(metavar="TEXT", help="System prompt.")] = None,
    thinking: Annotated[bool, typer.Option("--thinking", help="Let the model think first.")] = False,
    attach: Annotated[
        list[Path] | None,
        typer.Option("--attach", "-a", metavar="FILE", help="A text, image or PDF file; may be repeated."),
    ] = None,
    max_tokens: Annotated[
        int | None, typer.Option("--max-tokens", min=1, help="Longest answer, in tokens.")
    ] = None,
    budget: Annotated[
        str | None, typer.Option("--budget", metavar="CREDITS", help="Refuse what could cost more in all.")
    ] = None,
    ledger: Annotated[
        str | None, typer.Option("--ledger", metavar="FILE", help="Write each call down there.")
    ] = None,
    go_on: Annotated[
        bool, typer.Option("--continue", "-c", help="Go on with the last conversation.")
    ] = False,
    load: Annotated[
        Path | None, typer.Option("--load", metavar="FILE", help="Go on with one that /save wrote as .json.")
    ] = None,
    sandbox: Annotated[bool, typer.Option("--sandbox", help="Talk to a local stand-in instead.")] = False,
) -> None:
    """Ask a model one question, or talk to it: streamed Markdown, thinking dimmed, a running credits meter."""
    from aivideoapi_cli._target import open_sandbox
    from aivideoapi_cli.chat.entry import entries, piped_text
    from aivideoapi_cli.chat.files import block_of, last_conversation, read
    from aivideoapi_cli.chat.session import Session, load_transcript
    from aivideoapi_core import MessagesClient, SpendLedger

    session = Session(model="claude-sonnet-4-6", thinking=thinking, max_tokens=max_tokens)
    source = load or (last_conversation() if go_on else None)
    if go_on and load is None and not last_conversation().is_file():
        raise CommandError("there is no conversation to go on with yet", exit_code=WRONG_USE)
    if go_on and load is not None:
        raise CommandError("give --continue or --load, not both", exit_code=WRONG_USE)
    if source is not None:
        load_transcript(session, read(source), name=str(source))
    session.model, session.system = model or session.model, system or session.system
    session.attached.extend(block_of(path) for path in attach or ())
    console = output()
    settings: dict[str, Any] = {"on_call": session.records.append}
    if budget is not None:
        settings["budget"] = budget_of(budget)
    if ledger is not None:
        settings["ledger"] = SpendLedger(ledger)
    with contextlib.ExitStack() as stack:
        if sandbox:
            target = stack.enter_context(open_sandbox())
            settings |= {"api_key": target.api_key, "base_url": target.base_url}
            note = console if question is None else SafeConsole(stderr=True, highlight=False, soft_wrap=True)
            note.print(
                "Sandbox: answers are made by rules, not by a model; its credits cost nothing.", style="bold"
            )
        client = stack.enter_context(MessagesClient(**settings))
        if question is not None:
            piped = "" if sys.stdin.isatty() else piped_text()
            asked = f"{question}\n\n{piped}".strip()
            if not asked and not session.attached:
                raise CommandError("the question is empty", exit_code=WRONG_USE)
            content = session.content(asked)
            if not _turn(console, client, session, content, interactive=False):
                raise KeyboardInterrupt
            return
        if sys.stdin.isatty():
            console.print(
                f"{session.model} at {client.base_url}. /help lists the commands, Ctrl-D leaves.", style="dim"
            )
        for text in entries(console):
            if not text.startswith("/"):
                _turn(console, client, session, session.content(text), interactive=sys.stdin.isatty())
            elif not _command(console, client, session, text):
                break


def _turn(
    console: Console, client: MessagesClient, session: Session, content: Any, *, interactive: bool
) -> bool:
    """One question and its streamed answer; false if it was stopped.

    An error or Ctrl-C ends the turn, and the session goes on. Where nobody sits there an error is raised.
    """
    from aivideoapi_cli.chat.files import keep, last_conversation
    from aivideoapi_cli.chat.session import keepable, transcript
    from aivideoapi_cli.chat.show import show

    reply: Reply | None = None
    stream: MessageStream | None = None
    try:
        stream = client.stream(session.payload(content))
        with stream:
            show(console, stream)
            reply = stream.reply
    except KeyboardInterrupt:
        partial = stream.accumulator.partial() if stream is not None else None
        kept = keepable(partial["content"]) if partial else []
        session.answered(content, kept)
        said = "Stopped; the part that came is kept." if kept else "Stopped."
        console.print(f"\n{said}{session.stopped_bound()}", style="yellow")
        return False
    except Exception as error:  # a session outlives a failed call; what is not known goes on as it is
        failure = explain(error)
        if failure is None or not interactive:  # a script wants the exit code
            raise
        complain(failure)
        return True
    session.answered(content, reply.message["content"])
    keep(last_conversation(), transcript(session, as_json=True))
    meter = console if console.is_terminal else SafeConsole(stderr=True, highlight=False, soft_wrap=True)
    meter.print(Text(session.meter(reply), style="dim"))
    return True


def _command(console: Console, client: MessagesClient, session: Session, line: str) -> bool:
    """Carry out a /command; false if it ends the session."""
    from aivideoapi_cli.chat.session import HELP, text_of
    from aivideoapi_core.adapter_kit import nearest_models

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
            if near := nearest_models(session.model):
                console.print(
                    Text(f"it is not in the list; did you mean {' or '.join(near)}?", style="yellow")
                )
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
            session.attached.clear()
            console.print("conversation: empty", style="dim")
        case "/retry":
            _retry(console, client, session)
        case "/attach" | "/load" | "/save":
            _file_command(console, session, name, rest)
        case "/credits":
            console.print(Text(session.meter(), style="dim"))
            _balance(console, client)
        case _:
            console.print(Text(f"{name} is not a command; /help lists them", style="yellow"))
    return True


def _retry(console: Console, client: MessagesClient, session: Session) -> None:
    before = list(session.turns)
    asked = session.take_back()
    if asked is None:
        console.print("nothing was asked yet", style="yellow")
        return
    _turn(console, client, session, asked, interactive=sys.stdin.isatty())
    if len(session.turns) < len(before):  # no other answer came: the first one stays
        session.turns = before


def _balance(console: Console, client: MessagesClient) -> None:
    try:
        console.print(f"balance: {client.credits().balance:,} credits", style="dim")
    except Exception as error:  # as in a turn
        failure = explain(error)
        if failure is None:
            raise
        complain(failure)


def _file_command(console: Console, session: Session, name: str, rest: str) -> None:
    from aivideoapi_cli.chat.files import block_of, read
    from aivideoapi_cli.chat.session import load_transcript

    if not rest:
        console.print(f"{name} needs a file name", style="yellow")
        return
    path = Path(rest).expanduser()
    try:
        if name == "/save":
            _save(console, session, path)
        elif name == "/load":
            load_transcript(session, read(path), name=rest)
            console.print(Text(f"{len(session.turns)} turns of {path}", style="dim"))
        else:
            session.attached.append(block_of(path))
            console.print(Text(f"{path} goes with the next question", style="dim"))
    except CommandError as error:
        console.print(Text(str(error), style="yellow"))


def _save(console: Console, session: Session, path: Path) -> None:
    from aivideoapi_cli.chat.session import transcript

    if path.exists() and not (sys.stdin.isatty() and typer.confirm(f"{path} is there. Overwrite?")):
        console.print(Text(f"not saved: {path} is there already", style="yellow"))
        return
    try:
        path.write_text(transcript(session, as_json=path.suffix == ".json"), encoding="utf-8")
    except OSError as error:
        raise CommandError(f"not saved: {path}: {error.strerror or error}") from error
    console.print(Text(f"saved to {path}", style="dim"))
