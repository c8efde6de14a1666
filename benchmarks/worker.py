"""The process of one contestant: JSON commands in on standard input, JSON samples out, after a line that says it is ready.

It runs in the contestant's own interpreter, so it may import nothing but the standard library,
this package and the contestant.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import json
import sys
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from benchmarks.contestants import contestant
from benchmarks.job import Job, measure

if TYPE_CHECKING:
    from benchmarks.jobs import Jobs


def _jobs(name: str, url: str) -> Jobs:
    who = contestant(name)
    match who.framework:
        case "langchain":
            from benchmarks.contestants.langchain import LangChainJobs

            return LangChainJobs(url, who.role)
        case "llamaindex":
            from benchmarks.contestants.llamaindex import LlamaIndexJobs

            return LlamaIndexJobs(url, who.role)
        case "httpx":
            from benchmarks.contestants.raw_httpx import HttpxJobs

            return HttpxJobs(url)


def main(name: str, url: str, first: str) -> None:
    """Make the ``first`` call, then serve commands ``{"metric", "size", "repeats"}`` until standard input ends."""
    answers, sys.stdout = sys.stdout, sys.stderr  # nothing a library prints may reach the answers
    try:
        exec(first, {"URL": f"{url}/answer-0"})  # noqa: S102 - as the runner's probe does in a process of its own
        jobs = _jobs(name, url)
    except Exception as error:  # noqa: BLE001 - whatever keeps it out is told
        print(json.dumps({"error": _said(error)}), file=answers, flush=True)
        return
    print(json.dumps({"ready": name}), file=answers, flush=True)
    known: dict[tuple[str, int], Job] = {}
    gc.freeze()  # what the imports left behind is not walked again and again in the timed parts
    with contextlib.closing(asyncio.new_event_loop()) as loop:
        for line in sys.stdin:
            command = json.loads(line)
            print(json.dumps(_answer(jobs, known, loop, command)), file=answers, flush=True)


def _answer(
    jobs: Jobs, known: dict[tuple[str, int], Job], loop: asyncio.AbstractEventLoop, command: dict[str, Any]
) -> dict[str, Any]:
    key = command["metric"], command["size"]
    try:
        if key not in known:
            known[key] = jobs.job(*key)
            measure(known[key], loop, 1)  # warm-up
        return asdict(measure(known[key], loop, command["repeats"]))
    except LookupError as error:
        return {"error": f"not applicable: {error}"}
    except Exception as error:  # noqa: BLE001 - whatever a contestant raises is its result
        return {"error": _said(error)}


def _said(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"


if __name__ == "__main__":
    main(*sys.argv[1:])
