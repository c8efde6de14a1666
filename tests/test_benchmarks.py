"""The benchmark's machinery: one tiny round whose outputs are checked, and its arithmetic. Never a time."""

from __future__ import annotations

import ast
import asyncio
import contextlib
import dataclasses
import importlib
import json
import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(autouse=True)
def _importable(monkeypatch: pytest.MonkeyPatch) -> None:
    """``benchmarks`` is no part of the distribution: it is found in the working directory."""
    monkeypatch.syspath_prepend(str(ROOT))
    monkeypatch.chdir(ROOT)


def module(name: str) -> Any:
    return importlib.import_module(f"benchmarks.{name}")


@pytest.mark.parametrize("framework", ["langchain", "llamaindex"])
def test_a_tiny_round(framework: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plan, report, runner = module("plan"), module("report"), module("runner")
    once = tuple(dataclasses.replace(metric, repeats=1) for metric in plan.METRICS)
    monkeypatch.setattr(runner, "METRICS", once)
    benchmark = runner.Benchmark(
        frameworks=[framework],
        pythons={},
        rounds=1,
        quick=True,
        only=frozenset({"invoke", "stream", "tool", "think"}),
        contestants=[who for who in module("contestants").CONTESTANTS if who.role != "peer"],
        say=lambda text: None,
    )
    results = benchmark.run()
    assert results.notes == []
    lines = report.lines(framework, results.rows[framework])
    assert [line.metric.job for line in lines] == ["invoke", "stream", "tool", "think"]
    for line in lines:
        assert {role: (len(series.cpu), series.error) for role, series in line.row.items()} == dict.fromkeys(
            ("raw", "floor", "ours"), (1, "")
        )
        assert line.over is not None
        assert line.to_peer is None
    assert not report.wrong_outputs(results)
    assert "stream, per delta" in report.text(results)
    written = json.loads(json.dumps(report.as_json(results)))
    assert set(written["metrics"][framework]) == {line.metric.key for line in lines}
    assert len({metric.key for metric in plan.METRICS}) == len(plan.METRICS)
    assert not report.draw(results, tmp_path / "ratios.png")  # there is no peer to compare with


def test_a_wrong_output_is_an_error_not_a_time() -> None:
    job, worker = module("job"), module("worker")

    class Liar:
        def job(self, metric: str, size: int) -> Any:
            def check(result: int) -> None:
                if result != size:
                    raise AssertionError("wrong")

            return job.Job(run=lambda: 1, check=check)

    def answer(size: int) -> Any:
        with contextlib.closing(asyncio.new_event_loop()) as loop:
            return worker._answer(Liar(), {}, loop, {"metric": "x", "size": size, "repeats": 1})

    assert set(answer(1)) == {"cpu_s", "wall_s"}
    assert answer(2) == {"error": "AssertionError: wrong"}


def test_a_contestant_that_cannot_run_is_a_note() -> None:
    contestants, runner = module("contestants"), module("runner")
    absent = contestants.Contestant("nobody", "langchain", "peer", "import no_such_module_here", "")
    benchmark = runner.Benchmark(
        frameworks=["langchain"],
        pythons={},
        rounds=1,
        quick=True,
        only=frozenset({"import"}),
        contestants=[absent],
        say=lambda text: None,
    )
    (note,) = benchmark.run().notes
    assert note.startswith("nobody does not take part")
    assert "no_such_module_here" in note


@pytest.mark.parametrize(
    ("ours", "others", "limit", "median", "verdict"),
    [
        pytest.param([1.0, 2.0, 3.0], [[2.0, 2.0, 2.0]], 1.0, 1.0, "pass", id="at the limit"),
        pytest.param([1.1, 1.1, 1.1], [[1.0, 1.0, 1.0]], 1.0, 1.1, "tie", id="not told from it"),
        pytest.param([2.0, 2.0, 2.0], [[1.0, 1.0, 1.0]], 1.0, 2.0, "FAIL", id="beyond it"),
        pytest.param([2.0, 4.0], [[1.0, 2.0], [1.0, 2.0]], None, 1.0, "", id="a sum, no limit"),
        pytest.param([1.0], [], 1.0, None, None, id="nobody to compare with"),
        pytest.param([1.0, 1.0], [[1.0]], 1.0, None, None, id="rounds are missing"),
    ],
)
def test_ratio(
    ours: list[float],
    others: list[list[float]],
    limit: float | None,
    median: float | None,
    verdict: str | None,
) -> None:
    report, series = module("report"), module("runner").Series
    found = report.ratio(series(cpu=ours), [series(cpu=other) for other in others], limit)
    if median is None:
        assert found is None
    else:
        assert (found.median, found.verdict) == (pytest.approx(median), verdict)


@pytest.mark.parametrize("size", [1, 2, 7, 500])
def test_cut(size: int) -> None:
    wire = module("wire")
    text = json.dumps(wire.tool_input(size))
    pieces = wire.cut(text, size)
    assert len(pieces) == size
    assert "".join(pieces) == text
    assert all(pieces)


def test_the_agents_scenario_ends() -> None:
    wire = module("wire")
    bodies = [wire.reply_to("agent-0", b'"tool_use_id"' * turn).pieces[0] for turn in range(12)]
    assert [b'"tool_use"' in body for body in bodies] == [True] * wire.AGENT_TURNS + [False] * 2


def test_the_worker_needs_no_framework_to_start() -> None:
    """The peer's interpreter has neither the product nor the other framework."""
    assert "benchmarks.worker" in sys.modules or module("worker")
    source = (ROOT / "benchmarks" / "worker.py").read_text(encoding="utf-8")
    top = source[: source.index("def ")]
    assert "aivideoapi" not in top
    assert "langchain" not in top.lower()


def test_the_books_of_a_soak_run() -> None:
    """Each kind of disagreement is named, and an answer that was read from a stream out of order is an answer."""
    from aivideoapi_core import CallRecord, Outcome, Standing

    books = module("soak_books")
    row = CallRecord(model="m", message_id="known", credits_micro=94_500)
    lost = CallRecord(model="m", message_id="cut", outcome=Outcome.LOST, at_most_micro=100)
    tally = books.Tally(calls=2, seen={"known": 94_500})
    charges = [books.Charge("known", False, 94_500), books.Charge("cut", False, 90)]
    good = {
        "tally": tally,
        "rows": [row, lost],
        "standing": Standing(limit_micro=1, spent_micro=94_600),
        "charges": charges,
    }
    assert books.differences(**good) == []
    other: list[tuple[dict[str, Any], str]] = [
        ({"tally": books.Tally(calls=2, seen={"unseen": 1})}, "not booked with their figure"),
        ({"tally": books.Tally(calls=1)}, "1 calls have 2 rows"),
        ({"rows": [row, lost, lost]}, "a call was written twice"),
        (
            {"charges": [books.Charge("known", True, 94_499)]},
            "we booked 94500 microcredits, 94499 were charged",
        ),
        ({"charges": [*charges, books.Charge("nobody", True, 1)]}, "2 answers that nobody got were charged"),
        ({"charges": [charges[0], books.Charge("cut", False, 101)]}, "more than their bound of 100"),
        ({"standing": Standing(limit_micro=1, spent_micro=94_599)}, "the budget has 94599 microcredits"),
        (
            {"standing": Standing(limit_micro=1, spent_micro=94_600, reserved_micro=7)},
            "7 microcredits are still",
        ),
    ]
    for change, says in other:
        assert any(says in fault for fault in books.differences(**{**good, **change})), says


def test_a_descriptor_that_is_gone_by_then_is_no_socket(monkeypatch: pytest.MonkeyPatch) -> None:
    """Another thread may close what was listed just before its link is read."""
    soak = module("soak")
    before = soak.open_sockets()
    read = os.readlink
    with socket.socket() as open_all_the_time, socket.socket() as gone:
        link = f"/proc/self/fd/{gone.fileno()}"
        assert soak.open_sockets() == before + 2

        def too_late(path: str) -> str:
            if path == link:
                gone.close()
            return read(path)

        monkeypatch.setattr(os, "readlink", too_late)
        assert soak.open_sockets() == before + 1
        assert open_all_the_time.fileno() != -1


def test_a_short_soak(tmp_path: Path) -> None:
    """In a process of its own, for it forks and sets a tracer for all of it."""
    done = subprocess.run(
        [
            sys.executable, "-c",
            "import sys, pathlib; from benchmarks import soak;"
            "print(soak.run(soak.options_of(sys.argv[2:]), pathlib.Path(sys.argv[1])))",
            str(tmp_path), "--calls", "100", "--concurrency", "25", "--faults", "0.3", "--forks", "2",
        ],
        cwd=ROOT, capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    faults = [fault for fault in ast.literal_eval(done.stdout.splitlines()[-1]) if "memory" not in fault]
    assert faults == [], done.stdout


def test_limits_of_others_are_left_out_with_words(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    others = module("limit_others")
    monkeypatch.setattr(sys, "argv", ["limit_others"])
    monkeypatch.setattr(others, "OTHERS", {"no_such_package": None})
    monkeypatch.setattr(others, "_PACKAGES", {"no_such_package": "no-such-package"})
    others.main()
    assert "is not installed here: pip install no-such-package" in capsys.readouterr().out
