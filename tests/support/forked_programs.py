"""Programs that end as programs do, forked from one that has imported the core and both engines.

For tests of what an interpreter says and does at its end, where the imports before are no part of what is tested. The
processes of ``ready_process`` end at once, without that.
"""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
from pathlib import Path
from typing import Final, NamedTuple

_PARENT: Final = """
import gc, json, os, sys
import aiohttp, httpx
import aivideoapi_core._http.aiohttp_transport, aivideoapi_core._http.async_client
gc.freeze()  # at the end of each program nobody looks through what was imported here
for _line in sys.stdin:
    _order = json.loads(_line)
    if not (_child := os.fork()):
        break
    print(os.waitstatus_to_exitcode(os.waitpid(_child, 0)[1]), flush=True)
else:
    sys.exit()
os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
for _number, _name in ((1, "stdout"), (2, "stderr")):
    os.dup2(os.open(_order[_name], os.O_WRONLY | os.O_CREAT | os.O_TRUNC), _number)
exec(compile(_order["program"], "<program>", "exec"))
"""
"""A child leaves the loop, and after its program comes the interpreter's own end, with the program's names in it."""


class Ended(NamedTuple):
    """How a program ended and what it said."""

    returncode: int
    stdout: str
    stderr: str


class ForkedPrograms:
    """One program after the other; what they say goes through files in ``folder``."""

    def __init__(self, folder: Path) -> None:
        self._files = {"stdout": str(folder / "stdout"), "stderr": str(folder / "stderr")}
        self._parent = subprocess.Popen(
            [sys.executable, "-c", _PARENT],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def run(self, program: str, *, timeout_s: float = 60) -> Ended:
        """Run ``program`` to its end."""
        assert self._parent.stdin is not None
        assert self._parent.stdout is not None
        print(json.dumps({"program": program, **self._files}), file=self._parent.stdin, flush=True)
        if not select.select([self._parent.stdout], [], [], timeout_s)[0]:
            os.killpg(self._parent.pid, signal.SIGKILL)
            raise TimeoutError(f"the program goes on after {timeout_s:.0f} s")
        code = int(self._parent.stdout.readline())
        said = {name: Path(file).read_text(encoding="utf-8") for name, file in self._files.items()}
        return Ended(code, **said)

    def close(self) -> None:
        """End the program that they are forked from."""
        self._parent.communicate()
