"""``aivideoapi demo``: an agent, a query engine over files, and what both cost."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.text import Text

from aivideoapi_cli._terminal import FAILED, leaving_at_once, output

AGENT_QUESTIONS = (
    "Look up the prices of claude-opus-4-6 and then calculate (20 * 500 + 661 * 2500) / 1000000.",
)
DOCUMENTS_QUESTION = "Is the sandbox a model, and where do its answers come from?"


def demo(
    docs: Annotated[
        Path | None,
        typer.Option(metavar="PATH", help="Answer from this file or folder instead of our own docs."),
    ] = None,
    ask: Annotated[
        str | None,
        typer.Option(
            metavar="TEXT", help="Put this question to the documents, and without --docs to the agent too."
        ),
    ] = None,
    model: Annotated[str, typer.Option(help="Model of the LangChain agent.")] = "claude-sonnet-4-6",
    docs_model: Annotated[
        str, typer.Option(help="Model that answers from the documents.")
    ] = "claude-haiku-4-5/anthropic",
) -> None:
    """Watch an agent call tools and a query engine answer from files, with the credits of every call.

    Talks to the platform if AIVIDEOAPI_API_KEY is set, else to a sandbox that it starts itself.
    """
    from aivideoapi_cli._target import open_target
    from aivideoapi_cli.demo.files import documents_at, own_documents, question_about

    console = output()
    files = own_documents() if docs is None else documents_at(docs)
    about_files = ask or (DOCUMENTS_QUESTION if docs is None else question_about(files))
    with leaving_at_once(), open_target() as target:
        first, second = target.headline
        console.print(Text(first, style="bold yellow" if target.sandbox else "bold green"))
        console.print(Text(second, style="dim"))
        with target.client() as client:
            before = client.credits()
            with console.status("Loading LangChain and LlamaIndex"):
                from aivideoapi_cli.demo.agent import run_agent
                from aivideoapi_cli.demo.bill import NOTES, Call, show_balance, show_table
                from aivideoapi_cli.demo.documents import ask_documents
                from aivideoapi_cli.demo.writer import heading

            calls: list[Call] = []
            heading(console, "1  LangChain agent with two tools", model)
            calls.extend(
                run_agent(
                    console, target, model=model, questions=[ask] if ask and docs is None else AGENT_QUESTIONS
                )
            )
            count = f"{len(files)} file{'s' * (len(files) != 1)}"
            heading(console, f"2  LlamaIndex query engine over {count}", docs_model)
            calls.extend(ask_documents(console, target, files, model=docs_model, question=about_files))
            heading(console, "3  What it cost", "in credits")
            console.print()
            show_table(console, calls)
            agrees = show_balance(
                console,
                calls,
                before=before,
                after=client.credits(),
                ledger_micro=target.sandbox.charged_micro if target.sandbox else None,
            )
            console.print(NOTES, style="dim")
    if not agrees:
        raise typer.Exit(FAILED)
