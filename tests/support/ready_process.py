"""Programs in processes of their own that need not import the frameworks first.

They are forked from a process that has done so, once for each of pytest's workers: what takes a second or two with
every start is done once. For programs whose imports are no part of what is tested.
"""

from __future__ import annotations

import multiprocessing
import os
import runpy
import sys
from collections.abc import Mapping
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[2]
_SERVER: Final = multiprocessing.get_context("forkserver")
_SERVER.set_forkserver_preload(
    [
        "__main__",
        "aivideoapi_batch",
        "langchain.agents",
        "langchain_aivideoapi.chat_models",
        "llamaindex_aivideoapi.base",
    ]
)


class ReadyProcess:
    """``script`` with ``arguments``; of ``subprocess.Popen`` in text mode it has what the tests use."""

    def __init__(self, script: Path, *arguments: str, env: Mapping[str, str] | None = None) -> None:
        its_input, stdin = _SERVER.Pipe(duplex=False)
        stdout, its_output = _SERVER.Pipe(duplex=False)
        self._process = _SERVER.Process(
            target=_run, args=(str(script), arguments, dict(env or {}), its_input, its_output)
        )
        self._process.start()
        its_input.close()
        its_output.close()
        self.stdin = os.fdopen(os.dup(stdin.fileno()), "w", encoding="utf-8")
        self.stdout = os.fdopen(os.dup(stdout.fileno()), encoding="utf-8")
        stdin.close()
        stdout.close()

    @property
    def returncode(self) -> int | None:
        return self._process.exitcode

    def kill(self) -> None:
        self._process.kill()

    def communicate(self, text: str = "", timeout: float = 120) -> str:
        """Say ``text``, wait for the end, and give what came on standard output."""
        self.stdin.write(text)
        self.stdin.close()
        with self.stdout:
            said = self.stdout.read()
        self._process.join(timeout)
        assert self.returncode is not None, "it goes on"
        return said

    def close(self) -> None:
        """Kill it if it runs."""
        self.kill()
        self._process.join()
        self.stdin.close()
        self.stdout.close()


def _run(
    script: str, arguments: tuple[str, ...], env: dict[str, str], stdin: Connection, stdout: Connection
) -> None:
    os.dup2(stdin.fileno(), 0)
    os.dup2(stdout.fileno(), 1)
    stdin.close()
    stdout.close()
    sys.stdin = os.fdopen(0, encoding="utf-8", closefd=False)
    sys.stdout = os.fdopen(1, "w", encoding="utf-8", closefd=False)
    os.environ.update(env)
    os.chdir(ROOT)
    sys.argv = [script, *arguments]
    runpy.run_path(script, run_name="__main__")
    sys.stdout.flush()
