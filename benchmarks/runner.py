"""Starts the server and the contestants, and asks them in turn: A B A B, never two at a time."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from benchmarks.contestants import CONTESTANTS, Contestant, Framework, Role
from benchmarks.plan import GROWTH, METRICS, Metric

_PROBE: Final = """
import json, os, sys, time
URL = {url!r}
start = time.process_time()
{imports}
imported = time.process_time() - start
rss = 0.0
if os.path.exists("/proc/self/statm"):
    rss = int(open("/proc/self/statm").read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20
{ask}
print(json.dumps({{"import": imported, "rss": rss, "cold": time.process_time()}}))
"""
_ENDED: Final = "the process ended"


def _environment() -> dict[str, str]:
    """Ours, but with compiled modules kept: an import is measured as it is for an installed package."""
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    return {**kept, "LANGSMITH_TRACING": "false", "LANGCHAIN_TRACING_V2": "false"}


class ContestantError(Exception):
    """A contestant cannot run, or its output was wrong."""


@dataclass(slots=True)
class Series:
    """The samples of one contestant in one row, in the order of the rounds; or why there are none."""

    cpu: list[float] = field(default_factory=list)
    wall: list[float] = field(default_factory=list)
    error: str = ""


Row = dict[Role, Series]


@dataclass(slots=True)
class Results:
    """Everything measured, by framework: ``rows`` by metric's key, ``growth`` by title and size.

    Raw httpx takes part beside each framework, in the same rounds.
    """

    rows: dict[Framework, dict[str, Row]] = field(default_factory=dict)
    growth: dict[Framework, dict[str, dict[int, Row]]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


@contextlib.contextmanager
def loopback_server() -> Iterator[str]:
    """The URL of a fresh server process, which ends with the context."""
    command = [sys.executable, "-m", "benchmarks.server"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdin is not None
        yield f"http://127.0.0.1:{int(process.stdout.readline())}"
        process.stdin.close()


class _Worker:
    """A contestant's process. Raises ``ContestantError`` or ``OSError`` where it cannot run."""

    def __init__(self, who: Contestant, python: str, url: str) -> None:
        self.who = who
        self._process = subprocess.Popen(
            [python, "-m", "benchmarks.worker", who.name, url, f"{who.imports}\n{who.ask}"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env=_environment(),
        )
        try:
            self._answer()
        except ContestantError:
            self.close()
            raise

    def ask(self, metric: str, size: int, repeats: int) -> dict[str, float]:
        """One sample. Raises ``ContestantError``."""
        stdin = self._process.stdin
        assert stdin is not None
        try:
            stdin.write(json.dumps({"metric": metric, "size": size, "repeats": repeats}) + "\n")
            stdin.flush()
        except BrokenPipeError:
            raise ContestantError(_ENDED) from None
        return self._answer()

    def _answer(self) -> dict[str, Any]:
        stdout = self._process.stdout
        assert stdout is not None
        answer: dict[str, Any] = json.loads(stdout.readline() or json.dumps({"error": _ENDED}))
        if "error" in answer:
            raise ContestantError(answer["error"])
        return answer

    def close(self) -> None:
        """End the process."""
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()


def probe(who: Contestant, python: str, url: str) -> dict[str, float]:
    """CPU seconds of the import and of a whole process up to its first answer; MiB after the import."""
    code = _PROBE.format(url=f"{url}/answer-0", imports=who.imports, ask=who.ask)
    done = subprocess.run(
        [python, "-c", code], capture_output=True, text=True, check=False, env=_environment()
    )
    if done.returncode:
        raise ContestantError((done.stderr.strip().splitlines() or ["it failed"])[-1])
    facts: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return facts


class Benchmark:
    """One run over some frameworks. ``pythons``: interpreters by contestant's name, for those that need their own."""

    def __init__(
        self,
        *,
        frameworks: Iterable[Framework],
        pythons: Mapping[str, str],
        rounds: int,
        quick: bool,
        only: frozenset[str] = frozenset(),
        contestants: Iterable[Contestant] = CONTESTANTS,
        say: Callable[[str], None],
    ) -> None:
        self._frameworks = tuple(frameworks)
        self._pythons = pythons
        self._rounds = rounds
        self._quick = quick
        self._only = only
        self._contestants = tuple(contestants)
        self._say = say
        self.results = Results()

    def run(self) -> Results:
        """Measure everything."""
        metrics = [
            metric
            for metric in METRICS
            if (metric.quick or not self._quick) and (not self._only or metric.job in self._only)
        ]
        for framework in self._frameworks:
            self.results.rows[framework] = {metric.key: {} for metric in metrics}
            with loopback_server() as url:
                workers = self._available(framework, url)
                try:
                    self._probe_all(
                        framework,
                        [worker.who for worker in workers],
                        url,
                        [one for one in metrics if one.kind == "process"],
                    )
                    self._ask_all(framework, workers, [one for one in metrics if one.kind == "job"])
                    self._grow_all(framework, workers)
                finally:
                    for worker in workers:
                        worker.close()
        return self.results

    def _python(self, who: Contestant) -> str:
        return self._pythons.get(who.name, sys.executable)

    def _available(self, framework: Framework, url: str) -> list[_Worker]:
        """Raw httpx, then the framework's contestants, started; notes for those that cannot run."""
        found = []
        for who in self._contestants:
            if who.framework not in (framework, "httpx"):
                continue
            try:
                found.append(_Worker(who, self._python(who), url))
            except (ContestantError, OSError) as error:
                self.results.notes.append(f"{who.name} does not take part: {error}")
        return found

    def _probe_all(
        self, framework: Framework, contestants: list[Contestant], url: str, metrics: list[Metric]
    ) -> None:
        rounds = min(self._rounds, 1 if self._quick else 5) if metrics else 0
        for number in range(rounds):
            for who in contestants:
                facts = probe(who, self._python(who), url)
                for metric in metrics:
                    series = self.results.rows[framework][metric.key].setdefault(who.role, Series())
                    series.cpu.append(facts[metric.job])
            self._say(f"{framework}: fresh processes, round {number + 1} of {rounds}")

    def _ask_all(self, framework: Framework, workers: list[_Worker], metrics: list[Metric]) -> None:
        for metric in metrics:
            repeats = -(-metric.repeats // 3) if self._quick else metric.repeats
            row = self._rounds_of(workers, metric.job, metric.size, repeats=repeats, rounds=self._rounds)
            self.results.rows[framework][metric.key] = row
            self._say(f"{framework}: {metric.title}")

    def _grow_all(self, framework: Framework, workers: list[_Worker]) -> None:
        for growth in () if self._quick else GROWTH:
            if self._only and growth.job not in self._only:
                continue
            by_size = self.results.growth.setdefault(framework, {}).setdefault(growth.title, {})
            for size in growth.sizes:
                asked = [one for one in workers if one.who.role != "peer" or size <= growth.peer_limit]
                by_size[size] = self._rounds_of(
                    asked, growth.job, size, repeats=1, rounds=min(self._rounds, 3)
                )
                self._say(f"{framework}: growth of {growth.title}, {size}")

    @staticmethod
    def _rounds_of(workers: list[_Worker], job: str, size: int, *, repeats: int, rounds: int) -> Row:
        row: Row = {worker.who.role: Series() for worker in workers}
        for _ in range(rounds):
            for worker in workers:
                series = row[worker.who.role]
                if series.error:
                    continue
                try:
                    sample = worker.ask(job, size, repeats)
                except ContestantError as error:
                    series.error = str(error)
                else:
                    series.cpu.append(sample["cpu_s"])
                    series.wall.append(sample["wall_s"])
        return row
