"""``Command``: what every sub-command does with its command line before it runs."""

from __future__ import annotations

import re
from itertools import pairwise
from typing import Any, Final

import typer
from typer.core import TyperCommand

from aivideoapi_cli._terminal import WRONG_USE, CommandError


class Command(TyperCommand):
    """A sub-command that refuses an option without a value, such as ``-m "$MODEL"`` where no ``MODEL`` is set.

    Most options would take the empty text for "not given", and go on with a default that nobody chose.
    """

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """As in typer; raises ``CommandError`` for an empty value, before anything else that is wrong."""
        given = args[: args.index("--")] if "--" in args else list(args)
        valued = {
            name
            for parameter in self.params
            if not getattr(parameter, "is_flag", True)
            for name in parameter.opts
        }
        for option, value in [*pairwise(given), *(part.split("=", 1) for part in given if "=" in part)]:
            if option in valued and not value.strip():
                raise CommandError(
                    f"{option} is empty: give it a value, or leave it out", exit_code=WRONG_USE
                )
        if "" in given and not any(parameter.name == "question" for parameter in self.params):
            raise CommandError("an argument is empty: give it a value", exit_code=WRONG_USE)
        try:
            rest: list[str] = super().parse_args(ctx, args)
        except typer.BadParameter as error:
            error.message = _plain(error.message)
            raise
        return rest


_WORDS: Final = (
    (re.compile(r"^(?:Value error|Assertion failed), "), ""),
    (
        re.compile(r"^Input should be a valid (\w+), unable to parse string as an? \w+$"),
        r"it must be a number (\1)",
    ),
    (re.compile(r"^Input should be greater than or equal to (\S+)$"), r"it must be \1 or more"),
    (re.compile(r"^Input should be less than or equal to (\S+)$"), r"it must be \1 or less"),
    (re.compile(r"^Input should be "), "it must be "),
)
"""Pydantic's words, in which newer versions of typer tell what is wrong with a value, and ours."""


def _plain(message: str) -> str:
    """``message`` without what only who writes validators knows."""
    for pattern, words in _WORDS:
        message = pattern.sub(words, message)
    return message
