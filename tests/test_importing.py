"""What importing a package loads and does, seen by programs of their own."""

from __future__ import annotations

import ast
import functools
import subprocess
import sys

import pytest
from source_files import FRAMEWORKS, PACKAGES, ROOT


@functools.cache
def loaded_by(module: str) -> frozenset[str]:
    """What a fresh program that imports ``module`` has loaded."""
    return frozenset(_python(f"import sys, {module}; print(*sys.modules)").split())


@pytest.mark.parametrize(
    ("module", "banned"),
    [
        ("aivideoapi_core", {*FRAMEWORKS, *PACKAGES[1:], "typer", "pytest", "httpx", "sqlite3", "redis"}),
        ("aivideoapi_core._http.client", {*FRAMEWORKS, *PACKAGES[1:], "httpcore", "asyncio", "anyio"}),
        ("aivideoapi_core.sandbox", {*FRAMEWORKS, *PACKAGES[1:]}),
        ("langchain_aivideoapi", {*FRAMEWORKS, *PACKAGES[2:], "typer", "httpx"} - {"langchain_core"}),
        ("llamaindex_aivideoapi", {*FRAMEWORKS, "langchain_aivideoapi", "aivideoapi_cli"} - {"llama_index"}),
        (
            "aivideoapi_batch",
            {*FRAMEWORKS, *PACKAGES[1:], "typer", "httpx", "ray", "redis", "pandas", "pyarrow"},
        ),
        ("aivideoapi_cli", {*FRAMEWORKS, *PACKAGES[:3], "rich", "typer"}),
        ("aivideoapi_cli._app", {*FRAMEWORKS, *PACKAGES[:3], "httpx"}),
    ],
)
def test_import_loads_no_more_than_it_needs(module: str, banned: set[str]) -> None:
    assert loaded_by(module) & (banned - {module.split(".")[0]}) == set()


@pytest.mark.parametrize("module", ["langchain_aivideoapi", "llamaindex_aivideoapi"])
def test_import_loads_nothing_that_translates(module: str) -> None:
    """What reads and writes messages comes with the first model or call."""
    rooms = (
        "aivideoapi_core._outbound.",
        "aivideoapi_core._inbound.",
        f"{module}._outbound.",
        f"{module}._call",
    )
    assert [name for name in loaded_by(module) if name.startswith(rooms)] == []


QUIET = """
import sys
watched, done = [], dict()
def note(event, arguments):
    if watched and event.startswith(("socket.", "subprocess.", "os.mkdir", "os.remove", "os.rename", "urllib.")):
        done[watched[0]] += [f"{event} {arguments}"]
    if watched and event == "open" and isinstance(arguments[1], str) and set(arguments[1]) & set("wax+"):
        if "__pycache__" not in str(arguments[0]):
            done[watched[0]] += [f"wrote {arguments[0]}"]
sys.addaudithook(note)
for module, first in FIRST:
    exec("import " + first)
    watched[:], done[module] = [module], []
    exec("import " + module)
    watched.clear()
print(done)
"""
FIRST = [
    ("aivideoapi_core", "httpx, pydantic"),
    ("aivideoapi_core.sandbox", "httpx, pydantic"),
    ("aivideoapi_batch", "pydantic, sqlite3, asyncio"),
    ("langchain_aivideoapi", "httpx, langchain_core.language_models.chat_models"),
    ("llamaindex_aivideoapi", "httpx, llama_index.core"),
    ("aivideoapi_cli._app", "typer, rich.console"),
]
"""In this order, one program imports them all; each after what it may import before it is watched."""


@functools.cache
def done_at_import() -> dict[str, list[str]]:
    """What else than reading each module does while it is imported."""
    done: dict[str, list[str]] = ast.literal_eval(_python(QUIET.replace("FIRST", repr(FIRST))))
    return done


@pytest.mark.parametrize("module", [module for module, _ in FIRST])
def test_import_does_no_io(module: str) -> None:
    """What the frameworks do at import is theirs; ours adds nothing."""
    assert done_at_import()[module] == []


def _python(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout
