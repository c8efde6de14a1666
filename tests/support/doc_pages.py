"""Reads the fenced blocks of the documentation, runs them, and compares what they print with the page.

The convention:

- Every ``python`` block of a page runs, top to bottom, in one namespace and one sandbox of its own.
- ``title="test_..."`` makes a block a test file; the files of a page are run together by pytest.
- ``title="Output"`` on the ``text`` block that follows is what the block prints; ``...`` stands for
  anything.
- ``bash`` blocks run if each line is an ``aivideoapi`` command.
- A comment ``<!-- not run by the tests: REASON -->`` above leaves a block out. Python left out must at least
  compile.
- A comment ``<!-- needs: MODULE, ... -->`` above leaves a block out where one of these modules is not installed: packages
  that are no dependency of developers. ``nox -s pages`` installs them, and runs every page.

``python tests/support/doc_pages.py PAGE...`` writes the tables that come from the code, and the printed
text where a block prints something else, for a person to read before it is kept.
"""

from __future__ import annotations

import contextlib
import importlib.util
import io
import os
import re
import shlex
import sys
import tempfile
import textwrap
import types
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from doc_tables import with_tables

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"

_FENCE = re.compile(
    r"^(?P<indent> *)```(?P<info>[^\n`]*)\n(?P<body>.*?)^(?P=indent)```$", re.MULTILINE | re.DOTALL
)
_SKIPPED = re.compile(r"<!-- not run by the tests: (?P<reason>.+) -->\s*$")
_NEEDS = re.compile(r"<!-- needs: (?P<modules>[\w., ]+) -->\s*$")
_MODULE = "page_of_the_documentation"
_TITLE = re.compile(r'title="(?P<title>[^"]*)"')


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """One fenced block. ``line`` is that of its first line of code, ``start`` the offset of its body."""

    language: str
    title: str
    code: str
    line: int
    start: int
    indent: int
    reason: str | None


def pages() -> list[Path]:
    """Every page of the documentation."""
    return sorted(path for path in DOCS.rglob("*.md") if not path.name.startswith("_"))


def blocks_of(text: str) -> list[Block]:
    """The fenced blocks of a page, in order."""
    found = []
    for match in _FENCE.finditer(text):
        if match["body"].lstrip().startswith("--8<--"):
            continue  # a file of the project, which has tests of its own
        info = match["info"].strip()
        found_title = _TITLE.search(info)
        title = found_title["title"] if found_title else ""
        reason = _reason_to_leave_out(text[: match.start()])
        found.append(
            Block(
                language=info.split(maxsplit=1)[0] if info else "",
                title=title,
                code=textwrap.dedent(match["body"]),
                line=text[: match.start()].count("\n") + 2,
                start=match.start("body"),
                indent=len(match["indent"]),
                reason=reason,
            )
        )
    return found


def _reason_to_leave_out(before: str) -> str | None:
    """Why a block is not run, by the comment at the end of the text ``before`` its fence."""
    if skipped := _SKIPPED.search(before):
        return skipped["reason"]
    needs = _NEEDS.search(before)
    modules = needs["modules"].split(", ") if needs else []
    missing = [module for module in modules if not _is_installed(module)]
    return f"it needs {', '.join(missing)}" if missing else None


def _is_installed(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:  # not even the package that it would be in
        return False


def expected_outputs(blocks: list[Block]) -> dict[int, Block]:
    """The ``Output`` block of each block that has one, by the number of the block that prints it."""
    return {
        number: after
        for number, after in enumerate(blocks[1:])
        if after.language == "text" and after.title == "Output"
    }


def matches(expected: str, printed: str) -> bool:
    """Whether ``printed`` is ``expected``, in which ``...`` stands for anything; blank ends do not count."""
    pattern = ".*?".join(map(re.escape, _tidy(expected).split("...")))
    return re.fullmatch(pattern, _tidy(printed), re.DOTALL) is not None


def _tidy(text: str) -> str:
    return "\n".join(line.rstrip() for line in text.strip("\n").splitlines())


def run_python(block: Block, page: Path, namespace: dict[str, Any]) -> str:
    """Run one block in ``namespace``; what it printed."""
    source = "\n" * (block.line - 1) + block.code  # so that a failure names the page's line
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(compile(source, str(page), "exec", dont_inherit=True), namespace)  # noqa: S102 - our own documentation
    return printed.getvalue()


def run_commands(block: Block) -> str:
    """Run a block of ``aivideoapi`` commands in this process; what they printed."""
    from typer.testing import CliRunner

    from aivideoapi_cli._app import app

    printed = ""
    for line in block.code.strip().splitlines():
        program, *arguments = shlex.split(line, comments=True)
        assert program == "aivideoapi", f"line {block.line}: say why {program!r} is not executed"
        result = CliRunner().invoke(app, arguments, catch_exceptions=False)
        assert result.exit_code == 0, (
            f"line {block.line}: {line}: exit code {result.exit_code}\n{result.output}"
        )
        printed += result.output
    return printed


def executed(page: Path) -> Iterator[tuple[Block, str, Block | None]]:
    """Run a page; for each block that ran: the block, what it printed, and the ``Output`` block it has.

    The caller gives it an environment that points at a sandbox, and a folder of its own.
    """
    blocks = blocks_of(page.read_text(encoding="utf-8"))
    outputs = expected_outputs(blocks)
    # Dataclasses, pydantic models and what restores a kept run look a class's module up by name.
    module = sys.modules[_MODULE] = types.ModuleType(_MODULE)
    namespace = vars(module)
    for number, block in enumerate(blocks):
        if block.reason is not None or block.title.startswith("test_"):
            continue
        if block.language == "python":
            yield block, run_python(block, page, namespace), outputs.get(number)
        elif block.language == "bash":
            yield block, run_commands(block), outputs.get(number)


def _refresh(page: Path) -> None:
    from aivideoapi_core.sandbox import Sandbox

    text = page.read_text(encoding="utf-8")
    changes = []
    with Sandbox() as sandbox, tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
        os.environ.update(AIVIDEOAPI_API_KEY=sandbox.api_key, AIVIDEOAPI_BASE_URL=sandbox.url)
        for _, printed, output in executed(page):
            if output is not None and not matches(output.code, printed):
                changes.append((output, printed))
    for output, printed in reversed(changes):
        end = text.index(" " * output.indent + "```", output.start)
        body = textwrap.indent(_tidy(printed) + "\n", " " * output.indent)
        text = text[: output.start] + body + text[end:]
    page.write_text(with_tables(text), encoding="utf-8")
    print(f"{page}: {len(changes)} outputs written")


if __name__ == "__main__":
    for name in sys.argv[1:]:
        _refresh(Path(name).resolve())
