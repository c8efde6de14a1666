"""A job from the command's options: prompt and schema from text or files, budget, journal and books in one place."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from aivideoapi_cli._terminal import WRONG_USE, CommandError, budget_of

if TYPE_CHECKING:
    from aivideoapi_batch import BatchJob
    from aivideoapi_core import CreditBudget

_LONGEST_NAME: Final = 255
"""Longer text is no file name on any system."""


def job_of(
    out: Path,
    *,
    prompt: str,
    schema: dict[str, Any] | None,
    budget: str,
    shared: tuple[str, str] | None,
    dry_run: bool,
    options: dict[str, Any],
    settings: dict[str, Any],
) -> tuple[BatchJob, CreditBudget]:
    from aivideoapi_batch import BatchJob, Pace, RedisJournal, prompt_call
    from aivideoapi_core import API_KEY_ENV, CreditBudget, SpendLedger
    from langchain_aivideoapi import ChatAIVideoAPI

    # In one place figure, row of the ledger and result are one write: a kill leaves the books equal.
    place, name = shared or (str(out / "batch.sqlite"), "batch")
    journal, pace = (
        (place, None) if shared is None else (RedisJournal(place, name=name), Pace.shared(place, name=name))
    )
    kept, ledger = budget_of(budget), None
    if not dry_run:
        try:
            out.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise CommandError(f"cannot make the folder {out}: {error.strerror or error}") from error
        # A process that dies has perhaps been billed for what it had in flight.
        kept = CreditBudget(budget, store=place, name=name, when_owner_dies="count", lease_s=20)
        ledger = SpendLedger(place) if shared is None else SpendLedger(place, name=name)
    elif not os.environ.get(API_KEY_ENV):
        settings["api_key"] = "sk-none-is-needed-for-an-estimate"
    call = prompt_call(ChatAIVideoAPI(**settings, ledger=ledger, budget=kept), prompt, schema=schema)
    return BatchJob(call, name=name, journal=journal, pace=pace, **options), kept


def text_of(prompt: str) -> str:
    """The text of the file ``prompt``, if it is one; else ``prompt``."""
    if len(prompt) <= _LONGEST_NAME and "\n" not in prompt and Path(prompt).is_file():
        try:
            return Path(prompt).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise CommandError(f"cannot read the prompt in {prompt}: {error}", exit_code=WRONG_USE) from error
    return prompt


def schema_of(path: Path) -> dict[str, Any]:
    try:
        schema = json.loads(path.read_bytes())
    except (OSError, ValueError) as error:
        raise CommandError(f"cannot read a JSON schema from {path}: {error}", exit_code=WRONG_USE) from error
    found = (
        re.fullmatch(r"#/(\$defs|definitions)/([^/~]+)", str(schema.get("$ref")))
        if isinstance(schema, dict)
        else None
    )
    if found is not None:  # a class that refers to itself comes so from generators of schemas
        named = schema.get(found[1], {}).get(found[2])
        schema = (
            {**named, **{key: value for key, value in schema.items() if key != "$ref"}}
            if isinstance(named, dict)
            else schema
        )
    if not isinstance(schema, dict) or schema.get("type") != "object":
        raise CommandError(
            f'{path} must be a JSON schema with "type": "object"; put anything else into a property of one, '
            'such as {"type": "object", "properties": {"items": ...}, "required": ["items"]}',
            exit_code=WRONG_USE,
        )
    return schema
