"""The packages' files and what they import."""

from __future__ import annotations

import ast
import functools
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
PACKAGES = (
    "aivideoapi_core",
    "langchain_aivideoapi",
    "llamaindex_aivideoapi",
    "aivideoapi_batch",
    "aivideoapi_cli",
)
FRAMEWORKS = ("langchain", "langchain_core", "langgraph", "llama_index", "deepagents", "anthropic", "openai")


def sources(package: str) -> list[Path]:
    return sorted(path for path in (ROOT / package).rglob("*.py") if "__pycache__" not in path.parts)


@functools.cache
def parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def statements(tree: ast.AST) -> Iterator[ast.AST]:
    """Every statement below ``tree``, whose expressions nobody asks for here."""
    waiting = [tree]
    while waiting:
        node = waiting.pop()
        yield node
        for part in ("body", "orelse", "finalbody", "handlers", "cases"):
            below = getattr(node, part, ())
            waiting += below if isinstance(below, list) else ()


@functools.cache
def imports(path: Path, *, at_import: bool = False) -> tuple[str, ...]:
    """Every module that a file names in an import, wherever in the file, or only ``at_import``."""
    tree = parsed(path)
    found: list[str] = []
    for node in tree.body if at_import else statements(tree):
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            found.append(node.module or "")
    return tuple(found)
