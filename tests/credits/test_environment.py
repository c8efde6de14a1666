"""A ledger and a budget named by the environment serve every client of a process that was given none."""

from __future__ import annotations

import asyncio
import itertools
import os
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from aivideoapi_core import (
    AsyncMessagesClient,
    BudgetExceededError,
    CreditBudget,
    InvalidInputError,
    MessagesClient,
    SpendLedger,
    build_payload,
)
from aivideoapi_core.sandbox import Sandbox
from langchain_aivideoapi import ChatAIVideoAPI
from llamaindex_aivideoapi import AIVideoAPI

Call = Callable[[dict[str, Any]], object]


def _payload() -> dict[str, Any]:
    return build_payload(
        "claude-haiku-4-5/anthropic", [{"role": "user", "content": "Hello"}], stream=False, max_tokens=1000
    )


def _sync(given: dict[str, Any]) -> object:
    with MessagesClient(**given) as client:
        return client.create(_payload())


async def _async(given: dict[str, Any]) -> object:
    async with AsyncMessagesClient(**given) as client:
        return await client.create(_payload())


NUMBERS = itertools.count()

CALLS: list[Any] = [
    pytest.param(_sync, id="client"),
    pytest.param(lambda given: asyncio.run(_async(given)), id="async client"),
    pytest.param(
        lambda given: ChatAIVideoAPI(model="claude-haiku-4-5/anthropic", max_tokens=1000, **given).invoke(
            "Hello"
        ),
        id="LangChain",
    ),
    pytest.param(
        lambda given: AIVideoAPI(model="claude-haiku-4-5/anthropic", max_tokens=1000, **given).complete(
            "Hello"
        ),
        id="LlamaIndex",
    ),
]


@pytest.fixture
def given(sandbox: Sandbox) -> dict[str, Any]:
    return {"api_key": sandbox.api_key, "base_url": sandbox.url}


@pytest.mark.parametrize("call", CALLS)
def test_every_call_is_written_down(
    call: Call, given: dict[str, Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    book = tmp_path / "book.db"
    monkeypatch.setenv("AIVIDEOAPI_LEDGER", str(book))
    call(given)
    mine = SpendLedger()
    call({**given, "ledger": mine})  # what a caller names goes there alone
    assert [record.model for record in SpendLedger(book).records()] == ["claude-haiku-4-5/anthropic"]
    assert len(list(mine.records())) == 1


@pytest.mark.parametrize("call", CALLS)
def test_one_budget_for_all(
    call: Call, given: dict[str, Any], monkeypatch: pytest.MonkeyPatch, sandbox: Sandbox
) -> None:
    """A call can cost 1.500795 credits, so two clients together get one of them out of the same 1.51 credits."""
    # Another limit is another budget; each test needs one that nothing was spent from.
    monkeypatch.setenv("AIVIDEOAPI_BUDGET", f"1.51{next(NUMBERS):04d}/day")
    call(given)
    with pytest.raises(BudgetExceededError):
        _sync(given)
    assert len(sandbox.requests) == 1


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("AIVIDEOAPI_BUDGET", "lots", "AIVIDEOAPI_BUDGET='lots' is no budget such as 10 or 10/day"),
        ("AIVIDEOAPI_BUDGET", "10/fortnight", "is no budget such as 10 or 10/day"),
        ("AIVIDEOAPI_LEDGER", "no/such/folder/book.db", "AIVIDEOAPI_LEDGER: there is no folder"),
    ],
)
def test_what_cannot_be_is_said_when_a_client_is_made(
    name: str, value: str, said: str, given: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(InvalidInputError, match=said):
        MessagesClient(**given)


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b"# Notes\n" * 9, id="text"),
        pytest.param(b"hi", id="short"),
        pytest.param(None, id="folder"),
    ],
)
def test_a_ledger_that_is_no_database(content: bytes | None, tmp_path: Path) -> None:
    place = tmp_path / "notes.md"
    place.mkdir() if content is None else place.write_bytes(content)
    with pytest.raises(InvalidInputError, match="is no SQLite database"):
        SpendLedger(place)
    if content is not None:
        assert place.read_bytes() == content


@pytest.mark.skipif(os.name != "posix", reason="POSIX locks")
def test_looking_at_a_file_leaves_its_locks(tmp_path: Path) -> None:
    """Whoever closes a file lets go of all of the process's locks on it, also those of connections of its own."""
    own = sqlite3.connect(tmp_path / "books.db")
    for step in ("PRAGMA journal_mode = WAL", "CREATE TABLE of_its_own (a)", "SELECT * FROM of_its_own"):
        own.execute(step).fetchall()
    CreditBudget(1, store=tmp_path / "books.db")
    alone = f"import sqlite3; sqlite3.connect({str(tmp_path / 'books.db')!r}, timeout=0).execute('PRAGMA journal_mode = DELETE')"
    other = subprocess.run([sys.executable, "-S", "-c", alone], capture_output=True, text=True, check=False)
    assert "database is locked" in other.stderr
    own.close()
