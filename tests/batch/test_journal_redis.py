"""The journal in Redis: what the one in files promises, for workers that may be cut off and live on."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal

import pytest
import redis
from batch_kit import rows_of

from aivideoapi_batch import BatchJob, JournalError, JournalStore, RedisJournal, RowResult, Status
from aivideoapi_batch._journal_store import Seen
from aivideoapi_batch._manifest import Manifest
from aivideoapi_core import InvalidInputError
from aivideoapi_core.sandbox import Sandbox

MANIFEST = Manifest.of("test", "id", {"model": "m", "prompt": "p" * 500})
NO_RETRY: frozenset[Status] = frozenset()
KEY = "aivideoapi:batch:{test}"


def result(name: str, status: str = "ok", *, micro: int | None = 5) -> RowResult:
    answer = {"text": f"ä\ud800 {name}\n"}
    return RowResult(id=name, status=Status(status), answer=answer, credits_micro=micro, attempts=1)


async def opened(url: str) -> RedisJournal:
    journal = RedisJournal(url, name="test")
    await journal.open(MANIFEST)
    return journal


async def take(journal: RedisJournal, id: str, *, retry: frozenset[Status] = NO_RETRY) -> tuple[Seen, bool]:
    ((seen, paid),) = await journal.meet([id], run=1, retry=retry)
    return seen, paid


def cut_off(url: str) -> None:
    """All leases have run out."""
    with redis.Redis.from_url(url) as client:
        client.delete(f"{KEY}:workers")


async def test_result_comes_back_as_it_was(redis_url: str) -> None:
    one = await opened(redis_url)
    for name in ("r0", "r1\udcff"):
        assert await take(one, name) == (Seen.NEW, False)
        assert await one.began(name)
        reported = replace(result(name), credits_reported=Decimal("0.1"))
        assert await one.ended(reported) is reported
    assert await take(one, "r2") == (Seen.NEW, False)
    assert await one.began("r2")
    await one.rest()
    two = await opened(redis_url)
    met = await two.meet(["r0", "r0", "r1\udcff", "r2", "r3"], run=1, retry=NO_RETRY)
    assert [seen for seen, _ in met] == ["done", "twice", "done", "new", "new"]
    assert [paid for _, paid in met] == [False, False, False, True, False], (
        "r2 was in flight, and nobody holds it"
    )
    found, missing = await two.get(["r1\udcff", "r9"])
    assert missing is None
    assert found is not None
    assert found.resumed
    assert found.answer == {"text": "ä\ud800 r1\udcff\n"}
    totals = two.totals()
    assert (totals.rows, totals.unfinished_calls, totals.repeated_calls) == ({"ok": 2}, 1, 0)
    assert (totals.credits_micro, totals.attempts, totals.reported) == (10, 2, Decimal("0.2"))
    assert await two.began("r2")
    await two.back("r2")
    assert two.totals().unfinished_calls == 1
    assert await two.began("r2")
    await two.ended(result("r2"))
    assert two.totals().repeated_calls == 1
    assert sorted(row.id or "" for row in two.results()) == ["r0", "r1\udcff", "r2"]
    assert two.statuses(["r0", "r9"]) == ["ok", None]
    assert isinstance(two, JournalStore)
    await two.rest()
    two.close()


@pytest.mark.parametrize(
    ("statuses", "kept"),
    [
        pytest.param(["failed", "ok"], "ok", id="tried again"),
        pytest.param(["ok", "failed"], "ok", id="nothing replaces ok"),
        pytest.param(["refused", "lost"], "lost", id="the last counts"),
    ],
)
async def test_one_result_of_each_id(redis_url: str, statuses: list[str], kept: str) -> None:
    retry = frozenset(Status) - {Status.OK}
    for status in statuses:
        journal = await opened(redis_url)
        if (await take(journal, "a", retry=retry))[0] is Seen.NEW:
            assert await journal.began("a")
            await journal.ended(result("a", status))
        await journal.rest()
    assert [row.status for row in journal.results()] == [kept]
    assert journal.totals().rows == {kept: 1}
    journal.close()


async def test_a_row_has_one_worker(redis_url: str) -> None:
    one, two = await opened(redis_url), await opened(redis_url)
    assert (await take(one, "a"))[0] is Seen.NEW
    assert (await take(two, "a"))[0] is Seen.ELSEWHERE
    await one.began("a")
    await one.ended(result("a"))
    await take(one, "b")
    await one.rest()
    three = await opened(redis_url)
    assert (await take(three, "a"))[0] is Seen.DONE
    assert await take(three, "b") == (Seen.NEW, False), "a run that has ended holds nothing"
    for journal in (two, three):
        await journal.rest()


@pytest.mark.parametrize("first", ["the one that was cut off", "the other"])
async def test_cut_off_and_alive(redis_url: str, first: str) -> None:
    """Both have called the row. The first result stays, the costs of both count, and the report says so."""
    one, two = await opened(redis_url), await opened(redis_url)
    await take(one, "a")
    await one.began("a")
    await take(one, "b")
    cut_off(redis_url)
    assert await take(two, "a") == (Seen.NEW, True)
    assert await take(two, "b") == (Seen.NEW, False)
    assert not await one.began("b"), "is not called by one any more"
    assert await two.began("a")
    winner, loser = (one, two) if first == "the one that was cut off" else (two, one)
    await winner.ended(result("a", micro=7))
    brought = await loser.ended(result("a", "lost", micro=9))
    assert (brought.status, brought.credits_micro, brought.resumed) == ("ok", 7, True)
    totals = two.totals()
    assert (totals.rows, totals.credits_micro, totals.attempts) == ({"ok": 1}, 16, 2)
    assert (totals.unfinished_calls, totals.repeated_calls) == (1, 1)
    for journal in (one, two):
        await journal.rest()


async def test_another_job_is_refused(redis_url: str) -> None:
    journal = await opened(redis_url)
    await journal.rest()
    other = Manifest.of("test", "id", {"model": "another", "prompt": "p" * 500})
    with pytest.raises(InvalidInputError, match=r"another job .model: m there, another here."):
        await RedisJournal(redis_url, name="test").open(other)
    with pytest.raises(InvalidInputError, match="another job"):
        RedisJournal(redis_url, name="test").check(other)
    RedisJournal(redis_url, name="else").check(other)


async def test_a_store_that_breaks_stops(redis_url: str) -> None:
    journal = await opened(redis_url)
    with redis.Redis.from_url(redis_url) as client:
        client.set(f"{KEY}:rows", "no hash")
    with pytest.raises(JournalError, match="cannot be asked"):
        await take(journal, "a")
    with pytest.raises(JournalError, match="cannot be asked"):
        journal.statuses(["a"])
    await journal.rest()
    with pytest.raises(JournalError, match="not open"):
        await take(journal, "b")


def test_a_job_in_redis(job: Callable[..., BatchJob], sandbox: Sandbox, redis_url: str) -> None:
    batch = job(options={"journal": redis_url})
    rows = rows_of(40)
    first = {row.id: row.answer for row in batch.run(rows[:25])}
    again = job(options={"journal": pickle.loads(pickle.dumps(batch.journal))})
    assert len(list(again.open_rows(rows))) == 15
    assert {row.id: row.answer for row in again.run(rows) if row.resumed} == first
    report = again.report()
    assert (report.totals.rows, report.counts.resumed, report.counts.called) == ({"ok": 40}, 25, 15)
    assert report.totals.credits_micro == sandbox.charged_micro
    assert len(list(again.results())) == len(sandbox.requests) == 40
    batch.close()
    again.close()


def test_what_is_done_is_looked_up_together(redis_url: str) -> None:
    """Not one round trip for each of a million rows."""
    batch = BatchJob(len, name="many", journal=redis_url)
    batch.run({"id": number} for number in range(600))
    with redis.Redis.from_url(redis_url) as client:
        before = client.info("commandstats")["cmdstat_evalsha"]["calls"]
        batch.run(({"id": number} for number in range(600)), replay=False)
        after = client.info("commandstats")["cmdstat_evalsha"]["calls"]
    assert batch.counts.resumed == 600
    assert after - before < 10
    batch.close()


def test_no_password_is_shown() -> None:
    assert "secret" not in repr(RedisJournal("redis://user:secret@host", name="a"))
    with pytest.raises(InvalidInputError, match="name"):
        RedisJournal("redis://user:secret@host", name="{}")
