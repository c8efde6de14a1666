"""The request bodies that the adapters' tests make, kept in a file: a refactoring leaves it equal.

Whatever a test of an adapter translates or sends is noted under the test's name and compared with what
the file has for it. A change on purpose shows as a difference of the file, beside its CHANGELOG line:

    python -m pytest tests/langchain tests/llamaindex tests/test_parity.py -n0 --golden-update

Tests whose bodies differ from run to run (ids that a framework draws, say) are not in the file.
"""

from __future__ import annotations

import functools
import hashlib
import json
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from pydantic_core import to_json

from aivideoapi_core.adapter_kit import Turns

FILE: Final = Path(__file__).parents[1] / "golden" / "request_bodies.ndjson"
_LONGEST_TEXT: Final = 100
_DRAWN: Final = re.compile(
    r"(?<=_sandbox_)\w+|(?<=YWl2aWRlb2FwaS1zYW5kYm94)[\w+/=]+|[0-9a-f]{8}-[0-9a-f-]{27}"
)
"""What is drawn anew in each run: ids and signatures of the sandbox, UUIDs."""

_noted: list[list[str]] = []
"""One list for each test that is being watched."""


def note(body: Any) -> None:
    """Keep ``body`` for the running test, if it is watched."""
    if _noted:
        _noted[-1].append(_canonical(body))


def recorded(translate: Callable[..., Any]) -> Callable[..., Any]:
    """``translate``, whose results are noted."""

    @functools.wraps(translate)
    def noting(*arguments: Any, **options: Any) -> Any:
        result = translate(*arguments, **options)
        # Of a conversation what goes over the wire: its system prompt and its turns.
        note(result[:2] if isinstance(result, Turns) else result)
        return result

    return noting


@contextmanager
def watched() -> Iterator[list[str]]:
    """Note what is translated and sent in the block."""
    bodies: list[str] = []
    _noted.append(bodies)
    try:
        yield bodies
    finally:
        _noted.remove(bodies)


@functools.cache
def known() -> dict[str, list[str]]:
    """What the file says, by test."""
    if not FILE.exists():
        return {}
    rows = (json.loads(line) for line in FILE.read_text(encoding="utf-8").splitlines())
    return {row["test"]: row["bodies"] for row in rows}


def write(found: dict[str, list[str]]) -> None:
    """Replace the file; tests that made no body have no row."""
    rows = [{"test": test, "bodies": bodies} for test, bodies in sorted(found.items()) if bodies]
    FILE.parent.mkdir(exist_ok=True)
    FILE.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")


def _canonical(body: Any) -> str:
    plain = json.loads(to_json(body, fallback=str))
    return json.dumps(_shortened(plain), sort_keys=True, ensure_ascii=False)


def _shortened(value: Any) -> Any:
    """Long texts (images, documents) by their length and digest."""
    if isinstance(value, dict):
        return {name: _shortened(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_shortened(item) for item in value]
    if isinstance(value, str):
        value = _DRAWN.sub("…", value)
    if isinstance(value, str) and len(value) > _LONGEST_TEXT:
        digest = hashlib.sha256(value.encode("utf-8", "replace")).hexdigest()[:12]
        return f"{value[:40]}… ({len(value)} characters, {digest})"
    return value
