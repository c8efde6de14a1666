"""Ray Data over the sandbox: actors that are killed, keys that do not travel. `nox -s ray` installs what it needs."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from batch_kit import rows_of

from aivideoapi_batch import BatchJob, Journal, map_rows, prompt_call
from aivideoapi_core import CreditBudget, InvalidInputError, SpendLedger
from aivideoapi_core.sandbox import Sandbox

ray = pytest.importorskip("ray", reason="large, and no dependency of developers: `nox -s ray` runs these")
pytest.importorskip("ray.data")

CONCURRENCY = 8


@pytest.fixture(scope="module")
def cluster() -> Iterator[Sandbox]:
    """A Ray of this machine whose workers find the sandbox in their environment."""
    with Sandbox(balance_credits=10**6) as sandbox, pytest.MonkeyPatch.context() as patch:
        patch.setenv("AIVIDEOAPI_API_KEY", sandbox.api_key)
        patch.setenv("AIVIDEOAPI_BASE_URL", sandbox.url)
        patch.setenv("PYTHONPATH", str(Path(__file__).parents[2]))
        from aivideoapi_batch._ray import connect

        connect(None)
        yield sandbox
        ray.shutdown()


@pytest.fixture
def server(cluster: Sandbox, monkeypatch: pytest.MonkeyPatch) -> Sandbox:
    cluster.reset()
    monkeypatch.setenv("AIVIDEOAPI_API_KEY", cluster.api_key)
    monkeypatch.setenv("AIVIDEOAPI_BASE_URL", cluster.url)
    return cluster


def job_in(folder: Path, **options: Any) -> BatchJob:
    from langchain_aivideoapi import ChatAIVideoAPI

    model = ChatAIVideoAPI(
        model="claude-haiku-4-5/anthropic",
        max_tokens=50,
        budget=CreditBudget(100, store=folder / "budget.sqlite", when_owner_dies="count", lease_s=2),
        ledger=SpendLedger(folder / "ledger.sqlite"),
    )
    return BatchJob(
        prompt_call(model, "Say {text}"),
        name="rows",
        journal=folder / "journal",
        concurrency=CONCURRENCY,
        **options,
    )


def test_map_rows_with_a_killed_actor(server: Sandbox, tmp_path: Path) -> None:
    """Each row once; paid twice at most what the dead one had in flight; no book above the one that bounds it."""
    job = job_in(tmp_path)
    killed: list[int] = []

    def kill_one() -> None:
        while len(server.requests) < 150:
            time.sleep(0.001)
        first = min((tmp_path / "journal").glob("journal-*.jsonl"))
        killed.append(int(first.name.split("-")[2]))
        os.kill(killed[0], signal.SIGKILL)

    killer = threading.Thread(target=kill_one, daemon=True)
    killer.start()
    rows = map_rows(rows_of(600), job, workers=2, batch_size=50).take_all()
    killer.join()
    assert sorted(row["id"] for row in rows) == sorted(row["id"] for row in rows_of(600))
    assert {row["status"] for row in rows} == {"ok"}
    totals = Journal(tmp_path / "journal").totals()
    assert totals.rows == {"ok": 600}
    asked = Counter(json.dumps(entry.body["messages"]) for entry in server.requests)
    assert sum(count - 1 for count in asked.values()) <= totals.repeated_calls <= CONCURRENCY
    assert job.report().totals.rows == {"ok": 600}
    ledger = SpendLedger(tmp_path / "ledger.sqlite").summary.credits_micro
    budget = job.call.budget
    assert ledger is not None
    assert budget is not None
    standing = budget.standing()
    assert totals.credits_micro <= ledger <= server.charged_micro
    assert server.charged_micro <= standing.spent_micro + standing.reserved_micro <= standing.limit_micro


@pytest.mark.parametrize("batch_format", ["numpy", "pandas", "pyarrow"])
def test_a_job_is_a_function_of_batches(server: Sandbox, tmp_path: Path, batch_format: str) -> None:
    dataset = ray.data.from_items(rows_of(40)).map_batches(
        job_in(tmp_path), batch_size=20, batch_format=batch_format
    )
    found = {row["id"]: row for row in dataset.take_all()}
    assert [found[f"r{n}"]["answer"] for n in range(40)] == [f"Row {n}" for n in range(40)]
    assert found["r3"]["credits_micro"] > 0
    assert len(server.requests) == 40
    again = ray.data.from_items(rows_of(40)).map_batches(job_in(tmp_path), batch_size=20).take_all()
    assert all(row["resumed"] for row in again)
    assert len(server.requests) == 40


def test_the_key_is_never_in_the_object_store(server: Sandbox, tmp_path: Path) -> None:
    from langchain_aivideoapi import ChatAIVideoAPI

    model = ChatAIVideoAPI(model="claude-haiku-4-5/anthropic", api_key=server.api_key)
    job = BatchJob(prompt_call(model, "Say {text}"), name="rows", journal=tmp_path)
    with pytest.raises(Exception, match="AIVIDEOAPI_API_KEY"):
        map_rows(rows_of(3), job).take_all()
    assert ray.cloudpickle.dumps(job_in(tmp_path)).find(server.api_key.encode()) < 0


def test_wrong_workers(server: Sandbox, tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError, match="workers"):
        map_rows(rows_of(3), job_in(tmp_path), workers=0)


@pytest.mark.parametrize(
    ("workers", "cores", "cpus"),
    [(2, [2], 0.25), (4, [2], 0.25), (5, [2], 0), (1, [1], 0), (4, [1, 1], 0), (4, [2, 2], 0.25)],
)
def test_small_nodes_keep_a_core_for_the_rows(workers: int, cores: list[float], cpus: float) -> None:
    """With one core, workers of a quarter each left Ray waiting for a whole one, for ever."""
    from aivideoapi_batch._ray import cpus_of_worker

    assert cpus_of_worker(workers, cores) == cpus


def test_the_command_with_this_engine(server: Sandbox, tmp_path: Path) -> None:
    rows = tmp_path / "rows.jsonl"
    rows.write_text("".join(json.dumps(row) + "\n" for row in rows_of(40)), encoding="utf-8")
    command = [sys.executable, "-m", "aivideoapi_cli", "batch", "rows.jsonl", "--prompt", "Say {text}"]
    command += ["--out", "out", "--budget", "50", "--max-tokens", "50", "--engine", "ray", "--yes"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, check=False)
    assert done.returncode == 0, done.stderr
    results = [json.loads(line) for line in (tmp_path / "out/results.jsonl").read_text().splitlines()]
    assert sorted(row["id"] for row in results) == sorted(row["id"] for row in rows_of(40))
    assert {row["status"] for row in results} == {"ok"}
    assert len(server.requests) == 40


LISTENING = """
from pathlib import Path
from aivideoapi_batch._ray import connect
connect(None)
inodes = set()
lines = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
mine = {line[9] for line in lines}
import os, ray
pids = [p for p in os.listdir("/proc") if p.isdigit()]
tree = {}
for pid in pids:
    try:
        tree[int(pid)] = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    except OSError:
        pass
ours = {os.getpid()}
while more := {pid for pid, parent in tree.items() if parent in ours} - ours:
    ours |= more
for pid in ours:
    try:
        for fd in os.listdir(f"/proc/{pid}/fd"):
            link = os.readlink(f"/proc/{pid}/fd/{fd}")
            if link.startswith("socket:["):
                inodes.add(link[8:-1])
    except OSError:
        pass
tcp = [line[1] for line in lines if line[3] == "0A" and line[9] in inodes]
six = [line.split() for line in Path("/proc/net/tcp6").read_text().splitlines()[1:]]
tcp += [line[1] for line in six if line[3] == "0A" and line[9] in inodes]
print(len(ours), *tcp)
ray.shutdown()
"""


def test_a_ray_of_our_own_listens_on_the_loopback_address(tmp_path: Path) -> None:
    if not Path("/proc/net/tcp").exists():
        pytest.skip("needs Linux to look at sockets")
    env = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    done = subprocess.run(
        [sys.executable, "-c", LISTENING], capture_output=True, text=True, check=True, env=env
    )
    processes, *addresses = done.stdout.split("\n")[-2].split()
    assert int(processes) > 2
    assert addresses
    assert {address.partition(":")[0] for address in addresses} <= {
        "0100007F",
        "0" * 16 + "FFFF00000100007F",
    }, addresses
