"""The journal: cut anywhere, read at constant memory, of one job only."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from aivideoapi_batch import Journal, JournalError, RowResult, Status
from aivideoapi_batch._journal_store import Seen
from aivideoapi_batch._manifest import Manifest
from aivideoapi_core import InvalidInputError

MANIFEST = Manifest.of("test", "id", {"model": "m", "prompt": "p" * 500})
NO_RETRY: frozenset[Status] = frozenset()


def result(name: str, status: str = "ok", *, micro: int | None = 5) -> RowResult:
    return RowResult(
        id=name, status=Status(status), answer={"text": f"ä\ud800 {name}\n"}, credits_micro=micro, attempts=1
    )


async def write(folder: Path, *, finished: int, running: int = 0) -> None:
    journal = Journal(folder)
    await journal.open(MANIFEST)
    for number in range(finished):
        await journal.began(f"r{number}")
        await journal.ended(result(f"r{number}"))
    for number in range(finished, finished + running):
        await journal.began(f"r{number}")
    journal.close()


async def test_cut_at_every_byte(tmp_path: Path) -> None:
    """What was whole stays, what was not is as if never written; and new lines never join a torn one."""
    await write(tmp_path / "whole", finished=3)
    (whole,) = (tmp_path / "whole").glob("journal-*.jsonl")
    data = whole.read_bytes()
    lines = data.splitlines(keepends=True)
    for cut in range(len(data) + 1):
        folder = tmp_path / f"cut{cut}"
        folder.mkdir()
        (folder / whole.name).write_bytes(data[:cut])
        kept = [json.loads(line) for line in data[:cut].splitlines(keepends=True) if line.endswith(b"\n")]
        done = [row["id"] for row in kept if "status" in row]
        began = {row["call"] for row in kept if "call" in row}
        journal = Journal(folder)
        run = await journal.open(MANIFEST)
        for number in range(3):
            ((seen, paid),) = await journal.meet([f"r{number}"], run=run, retry=NO_RETRY)
            assert seen is (Seen.DONE if f"r{number}" in done else Seen.NEW), cut
            assert paid is (seen is Seen.NEW and f"r{number}" in began), cut
            if seen is Seen.NEW:
                await journal.began(f"r{number}")
                await journal.ended(result(f"r{number}"))
        again = Journal(folder)
        assert sorted(row.id or "" for row in again.results()) == ["r0", "r1", "r2"], cut
        assert again.totals().rows == {"ok": 3}
        assert again.totals().repeated_calls == len(began) - len(done)
        journal.close()
        again.close()
    assert len(lines) == 6


async def test_result_comes_back_as_it_was(tmp_path: Path) -> None:
    await write(tmp_path, finished=2, running=1)
    journal = Journal(tmp_path)
    run = await journal.open(MANIFEST)
    met = await journal.meet(["r1", "r1", "r2", "r3"], run=run, retry=NO_RETRY)
    assert met == [(Seen.DONE, False), (Seen.TWICE, False), (Seen.NEW, True), (Seen.NEW, False)]
    found, missing = await journal.get(["r1", "r9"])
    assert missing is None
    assert found is not None
    assert found.resumed
    assert found.answer == {"text": "ä\ud800 r1\n"}
    totals = journal.totals()
    assert (totals.rows, totals.unfinished_calls, totals.repeated_calls) == ({"ok": 2}, 1, 0)
    assert (totals.credits_micro, totals.attempts) == (10, 2)


@pytest.mark.parametrize(
    ("statuses", "kept"),
    [
        pytest.param(["failed", "ok"], "ok", id="tried again"),
        pytest.param(["ok", "failed"], "ok", id="nothing replaces ok"),
        pytest.param(["refused", "lost"], "lost", id="the last counts"),
    ],
)
async def test_one_result_of_each_id(tmp_path: Path, statuses: list[str], kept: str) -> None:
    for status in statuses:
        journal = Journal(tmp_path)
        run = await journal.open(MANIFEST)
        await journal.meet(["a"], run=run, retry=frozenset(Status))
        await journal.began("a")
        await journal.ended(result("a", status))
        assert [row.status for row in journal.results()] == [
            row.status for row in Journal(tmp_path).results()
        ]
        journal.close()
    assert [row.status for row in Journal(tmp_path).results()] == [kept]


async def test_another_job_is_refused(tmp_path: Path) -> None:
    await write(tmp_path, finished=1)
    other = Manifest.of("test", "id", {"model": "another", "prompt": "p" * 500})
    with pytest.raises(InvalidInputError, match=r"another job .model: m there, another here."):
        await Journal(tmp_path).open(other)
    assert "ppp" not in (tmp_path / "manifest.json").read_text(encoding="utf-8")
    (tmp_path / "manifest.json").write_text("[]", encoding="utf-8")
    with pytest.raises(InvalidInputError, match="not the manifest"):
        await Journal(tmp_path).open(MANIFEST)


async def test_two_workers_read_each_other(tmp_path: Path) -> None:
    one, two = Journal(tmp_path), Journal(tmp_path)
    await one.open(MANIFEST)
    await two.open(MANIFEST)
    await one.began("a")
    await one.ended(result("a"))
    assert (await two.meet(["a"], run=1, retry=NO_RETRY)) == [(Seen.DONE, False)], (
        "as it is, not as it was at the beginning"
    )
    await one.began("b")
    await one.ended(result("b"))
    run = await two.open(MANIFEST)
    assert (await two.meet(["b"], run=run, retry=NO_RETRY)) == [(Seen.DONE, False)]


async def test_full_disk_stops(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was cut short by it is never read, and the next line stands alone."""
    journal = Journal(tmp_path)
    await journal.open(MANIFEST)
    write_all = os.write

    def half(file: int, data: memoryview) -> int:
        if len(data) < 9:
            raise OSError(28, "No space left on device")
        return write_all(file, data[: len(data) // 2])

    with monkeypatch.context() as full:
        full.setattr(os, "write", half)
        with pytest.raises(JournalError, match="cannot be written"):
            await journal.began("a")
    await journal.began("b")
    await journal.ended(result("b"))
    assert [row.id for row in Journal(tmp_path).results()] == ["b"]
    assert [row.id for row in journal.results()] == ["b"]
    assert (await journal.get(["b"])) != [None]


MILLION = """
import asyncio, json, resource, sys
from pathlib import Path
from aivideoapi_batch import BatchJob

folder, count = Path(sys.argv[1]), int(sys.argv[2])
job = BatchJob(print, name="many", journal=folder)
folder.mkdir()
(folder / "manifest.json").write_text(job.manifest.to_json())
line = '{"id":"%d","status":"ok","answer":"an answer of some length","error":null,"credits_micro":5}\\n'
with (folder / "journal-0.jsonl").open("w") as file:
    for number in range(count):
        file.write(line % number)

async def main():
    async for result in job.arun(({"id": number} for number in range(count)), replay=False):
        raise SystemExit(f"called {result.id}")

asyncio.run(main())
assert job.report().counts.resumed == count == job.report().done
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)
"""


def test_memory_does_not_grow_with_the_ids(tmp_path: Path) -> None:
    """``AIVIDEOAPI_TEST_IDS=1000000`` for the number that the documentation names."""
    count = int(os.environ.get("AIVIDEOAPI_TEST_IDS", "40000"))
    mib = [
        int(
            subprocess.run(
                [sys.executable, "-c", MILLION, str(tmp_path / f"{many}"), str(many)],
                check=True,
                capture_output=True,
                text=True,
            ).stdout
        )
        for many in (count // 4, count)
    ]
    assert mib[1] - mib[0] < 24, "MiB"  # SQLite's cache of 16 MiB fills up, and no more


FORK = """
import asyncio, os, sys
from aivideoapi_batch import BatchJob, Journal, RowResult, Status

journal = Journal(sys.argv[1])
asyncio.run(journal.open(BatchJob(print, name="fork", journal=journal).manifest))
asyncio.run(journal.began("a"))
if os.fork() == 0:
    asyncio.run(journal.ended(RowResult(id="a", status=Status.OK)))
    os._exit(0)
os.wait()
"""


def test_a_fork_writes_a_file_of_its_own(tmp_path: Path) -> None:
    subprocess.run([sys.executable, "-c", FORK, str(tmp_path)], check=True, timeout=60)
    assert len(list(tmp_path.glob("journal-*.jsonl"))) == 2
    assert Journal(tmp_path).totals().rows == {"ok": 1}
