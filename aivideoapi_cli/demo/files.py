"""The files that the demo answers from: the caller's, or the project's own documents."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from aivideoapi_cli._terminal import WRONG_USE, CommandError

OWN_DOCUMENTS: Final = ("README.md", "CONTRIBUTING.md")
"""Shipped in the wheel as ``aivideoapi_cli/documents`` (see pyproject.toml)."""

_LARGEST_BYTES: Final = 2_000_000
_MOST_FILES: Final = 2_000
_SKIPPED: Final = frozenset({"__pycache__", "node_modules", "site-packages", "venv"})
_HEADING: Final = re.compile(r"^#\s+(.+?)\s*#*$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class TextFile:
    """One file that could be read as text; ``name`` is its path below the folder that was given."""

    name: str
    text: str


def own_documents() -> list[TextFile]:
    """The project's own documents: from the installed package, or from the source tree around it."""
    package = Path(__file__).parents[1]
    for folder in (package / "documents", package.parent):
        files = [folder / name for name in OWN_DOCUMENTS if (folder / name).is_file()]
        if files:
            return _read(files, below=folder)
    raise CommandError("the project's own documents are not installed; pass --docs PATH")


def documents_at(path: Path) -> list[TextFile]:
    """Every text file at ``path``, a file or a folder. Raises ``CommandError`` if there is none."""
    path = path.expanduser()
    try:
        if path.is_file():
            files = _read([path], below=path.parent)
        elif path.is_dir():
            files = _read(_walk(path), below=path)
        else:
            raise CommandError(f"--docs {path}: no such file or folder", exit_code=WRONG_USE)
    except OSError as error:
        raise CommandError(f"--docs {path}: {error.strerror or error}", exit_code=WRONG_USE) from error
    if not files:
        raise CommandError(
            f"--docs {path}: no text in it (empty, binary and hidden files do not count)", exit_code=WRONG_USE
        )
    return files


def question_about(files: Iterable[TextFile]) -> str:
    """A question that the first file answers, for documents nobody told us about."""
    for file in files:
        heading = _HEADING.search(file.text)
        title = (
            re.sub(r"[`*]", "", heading[1])
            if heading
            else Path(file.name).stem.replace("_", " ").replace("-", " ")
        )
        return f"What do the documents say about {title.strip()}?"
    return "What do the documents say?"


def _walk(folder: Path) -> Iterator[Path]:
    """The files below ``folder`` in a fixed order, without hidden and generated ones."""
    for path in sorted(folder.iterdir()):
        if path.name.startswith(".") or path.name in _SKIPPED or path.is_symlink():
            continue
        if path.is_dir():
            yield from _walk(path)
        elif path.is_file():
            yield path


def _read(paths: Iterable[Path], *, below: Path) -> list[TextFile]:
    files: list[TextFile] = []
    for path in paths:
        if path.stat().st_size > _LARGEST_BYTES:
            continue
        data = path.read_bytes()
        if b"\0" in data:
            continue
        try:
            text = data.decode("utf-8-sig")
        except UnicodeDecodeError:
            continue
        if text.strip():
            files.append(TextFile(path.relative_to(below).as_posix(), text))
        if len(files) >= _MOST_FILES:
            break
    return files
