"""What a budget's store keeps: its terms, its time whatever the clocks do, its format, and figures after a loss."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import redis
from budget_kit import Clock, Stores

from aivideoapi_core import BudgetExceededError, BudgetStoreError, CreditBudget, InvalidInputError, WorstCase
from aivideoapi_core._metering.one_write import Entry
from aivideoapi_core._stores.budget_redis import RedisStore
from aivideoapi_core._stores.budget_sqlite import SqliteStore
from aivideoapi_core._stores.sqlite_file import WouldWaitError, database_at


def worst(micro: int) -> WorstCase:
    return WorstCase(input=1, output=1, micro=micro)


TERMS: dict[str, Any] = {"limit_credits": 100, "window": "day", "wait_s": 0}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"window": "hour"}, r"window=86400 seconds, not window=3600 seconds"),
        ({"window": None}, r"window=86400 seconds, not window=None"),
        ({"limit_credits": 200}, r"limit_credits=100, not limit_credits=200: .*set_limit"),
        ({"soft": True}, r"soft=False, not soft=True"),
    ],
)
def test_other_terms_are_refused_and_what_was_spent_stays(
    stores: Stores, change: dict[str, Any], said: str
) -> None:
    """B1."""
    clock = Clock()
    first = CreditBudget(store=stores(clock), **TERMS)
    first.settle(first.hold("m", worst(60_000_000)), 60_000_000)
    other = CreditBudget(store=stores(clock), **{**TERMS, **change})
    for use in (other.standing, lambda: other.hold("m", worst(1))):
        with pytest.raises(InvalidInputError, match=said):
            use()
    same = CreditBudget(store=stores(clock), **TERMS)
    assert same.standing() == first.standing()
    assert same.standing().spent_micro == 60_000_000


def test_a_limit_is_moved_for_all_who_share_it(stores: Stores) -> None:
    clock = Clock()
    first = CreditBudget(store=stores(clock), **TERMS)
    other = CreditBudget(store=stores(clock), **TERMS)
    other.settle(other.hold("m", worst(100_000_000)), 100_000_000)
    with pytest.raises(BudgetExceededError):
        other.hold("m", worst(1))
    first.set_limit(150)
    other.settle(other.hold("m", worst(50_000_000)), 1)
    assert other.limit_micro == first.limit_micro == 150_000_000
    late = CreditBudget(store=stores(clock), **{**TERMS, "limit_credits": 150})
    assert late.standing().spent_micro == 100_000_001


@pytest.mark.parametrize("step_s", [-10 * 86_400.0, -3_600.0, 3_600.0, 10 * 86_400.0])
def test_a_step_of_the_wall_clock_frees_and_forgets_nothing(stores: Stores, step_s: float) -> None:
    clock = Clock()
    budget = CreditBudget(store=stores(clock), **TERMS)
    budget.settle(budget.hold("m", worst(30_000_000)), 30_000_000)
    running = budget.hold("m", worst(50_000_000))
    clock.wall_s += step_s
    other = CreditBudget(store=stores(clock), **TERMS)
    standing = other.standing()
    assert (standing.spent_micro, standing.reserved_micro) == (30_000_000, 50_000_000)
    other.settle(other.hold("m", worst(10_000_000)), 10_000_000)
    budget.settle(running, 50_000_000)
    clock.wall_s -= step_s
    clock.pass_s(86_400 / 2)
    assert other.standing().spent_micro == 90_000_000
    clock.pass_s(86_400 / 2 + 86_400 / 60)
    assert other.standing().spent_micro == 0  # what was booked meanwhile does not stay there either


def test_sleep_ends_windows_but_no_leases(stores: Stores) -> None:
    """A laptop that wakes: its processes were asleep with it."""
    clock = Clock()
    budget = CreditBudget(store=stores(clock), **TERMS)
    budget.settle(budget.hold("m", worst(30_000_000)), 30_000_000)
    budget.hold("m", worst(50_000_000))
    clock.since_boot_s += 2 * 86_400
    clock.wall_s += 2 * 86_400
    standing = CreditBudget(store=stores(clock), **TERMS).standing()
    assert (standing.spent_micro, standing.reserved_micro) == (0, 50_000_000)


def test_a_restart_ends_leases_and_keeps_what_was_spent(stores: Stores) -> None:
    clock = Clock()
    budget = CreditBudget(store=stores(clock), **TERMS)
    if not budget._store.shared:
        return
    budget.settle(budget.hold("m", worst(30_000_000)), 30_000_000)
    budget.hold("m", worst(50_000_000))
    after = Clock(boot="two", awake_s=20.0, since_boot_s=20.0, wall_s=clock.wall_s + 120)
    again = CreditBudget(store=stores(after), **TERMS)
    assert (again.standing().spent_micro, again.standing().reserved_micro) == (30_000_000, 50_000_000)
    after.pass_s(31)  # not at once: this could be another machine, after the wall clock was set
    standing = again.standing()
    assert (standing.spent_micro, standing.reserved_micro) == (30_000_000, 0)
    assert standing.expired_micro == 50_000_000


def test_a_machine_that_joins_after_the_clock_was_set_frees_no_running_call(stores: Stores) -> None:
    """Redis' clock was set while a call runs on one machine, and then another machine makes its first call."""
    clock = Clock()
    budget = CreditBudget(store=stores(clock), **TERMS)
    if not budget._store.shared:
        return
    running = budget.hold("m", worst(50_000_000))
    clock.pass_s(20)  # a lease is renewed three times in its length
    for number in range(5):  # each is met once more
        other = Clock(
            boot=f"other {number}", awake_s=7.0, since_boot_s=7.0, wall_s=clock.wall_s + 3_600 + number
        )
        assert CreditBudget(store=stores(other), **TERMS).standing().reserved_micro == 50_000_000
    budget._store.renew(budget._terms, owner=budget._purse.owner)
    clock.pass_s(50)
    assert budget.standing().reserved_micro == 50_000_000
    budget.settle(running, 40_000_000)
    assert (budget.standing().spent_micro, budget.standing().expired_calls) == (40_000_000, 0)


def test_machines_whose_clocks_since_boot_differ_share_one_time(stores: Stores) -> None:
    clock = Clock()
    other = Clock(boot="two", awake_s=900_000.0, since_boot_s=900_000.0)
    one = CreditBudget(store=stores(clock), **TERMS)
    two = CreditBudget(store=stores(other), **TERMS)
    one.hold("m", worst(50_000_000))
    for _ in range(4):
        for each in (clock, other):
            each.pass_s(15)
        if one._store.shared:
            one._store.renew(one._terms, owner=one._purse.owner)
        assert two.standing().reserved_micro == 50_000_000


def test_unknown_and_expired_amounts_leave_the_window_too(stores: Stores) -> None:
    clock = Clock()
    budget = CreditBudget(store=stores(clock), **TERMS)
    budget.settle(budget.hold("m", worst(7)), 7, unknown=True)
    if budget._store.shared:
        budget.hold("m", worst(9))
        clock.pass_s(61)
        assert budget.standing().expired_micro == 9
    assert (budget.standing().unknown_calls, budget.standing().unknown_micro) == (1, 7)
    clock.pass_s(2 * 86_400)
    standing = budget.standing()
    assert (standing.unknown_calls, standing.unknown_micro) == (0, 0)
    assert (standing.expired_calls, standing.expired_micro) == (0, 0)


@pytest.mark.parametrize("loss", ["all", "the row", "the file", "the log", "all logs"])
def test_a_store_that_lost_its_data_books_what_is_known(loss: str, tmp_path: Path, redis_url: str) -> None:
    path = tmp_path / "b.sqlite"
    for store in (path, redis_url):
        budget = CreditBudget(1, store=store, wait_s=0)
        running = budget.hold("m", worst(500_000))
        if store is path and loss == "the file":
            for file in tmp_path.iterdir():
                file.unlink()
        elif store is path and loss in ("the log", "all logs"):
            for file in tmp_path.glob("*-wal" if loss == "the log" else "*-*"):
                file.unlink()
        elif store is path:
            with sqlite3.connect(path) as db:
                db.execute("DELETE FROM budgets")
            db.close()
        else:
            with redis.Redis.from_url(redis_url) as client:
                client.flushall()
        budget.settle(running, 300_000)
        budget.settle(running, 300_000)  # a repeated message changes nothing
        assert budget.standing().spent_micro == 300_000
        assert budget.standing().limit_micro == 1_000_000
        if store is path:
            with sqlite3.connect(path) as db:  # as another process sees it, while this one has it open
                (text,) = db.execute("SELECT state FROM budgets").fetchone()
            db.close()
            assert json.loads(text)["pieces"]["0"][0] == 300_000
        budget.close()


@pytest.mark.parametrize("page_size", [None, 4096])
def test_new_files_have_small_pages_and_older_ones_keep_theirs(page_size: int | None, tmp_path: Path) -> None:
    path = tmp_path / "b.sqlite"
    if page_size is not None:
        with sqlite3.connect(path) as db:
            db.execute("CREATE TABLE budgets (name TEXT PRIMARY KEY, state TEXT NOT NULL)")
        db.close()
    budget = CreditBudget(1, store=path)
    budget.settle(budget.hold("m", worst(5)), 5)
    budget.close()
    with sqlite3.connect(path) as db:
        assert db.execute("PRAGMA page_size").fetchone() == (page_size or 2048,)
    db.close()


@pytest.mark.parametrize(
    "part", ["facts", "pieces", "held", "owners", "leases", "late", "settled", "line", "boots", "calls"]
)
def test_a_part_that_redis_evicted_leaves_no_debt_and_no_credit(part: str, redis_url: str) -> None:
    """What is left of a budget is made good when its leases and its window are over, and lets nobody pass the limit."""
    clock = Clock()
    budget = CreditBudget("0.001", store=RedisStore(redis_url, clock=clock), window="hour", wait_s=0)
    budget.settle(budget.hold("m", worst(100)), 100)
    held = [budget.hold("m", worst(100)) for _ in range(3)]
    with redis.Redis.from_url(redis_url) as client:
        client.delete(f"aivideoapi:budget:{{default}}:v2:{part}")
    budget.settle(held.pop(), 50)
    assert budget.standing().reserved_micro >= (0 if part == "facts" else 200)
    budget.settle(held.pop(), 50)
    assert budget.standing().reserved_micro >= 0
    if part != "leases":  # what nobody holds by a lease any more comes back with its owner's next call
        clock.pass_s(61)
        budget.standing()
        assert budget.standing().reserved_micro == 0
    clock.pass_s(2 * 3_600)
    assert budget.standing().spent_micro == 0
    budget.close()


FIRST = {  # as the release before formats wrote it, with half an hour of a budget by the day
    "spent": {str((1_750_000_000 // 1440) - 1): 40, str(1_750_000_000 // 1440): 20},
    "held": {"r1": ["old owner", 5]},
    "leases": {"old owner": 1_750_000_030.0},
    "expired": ["r0"],
    "unknown_calls": 1,
    "unknown_micro": 20,
    "expired_calls": 2,
    "expired_micro": 30,
}


@pytest.fixture(params=["sqlite", "redis"])
def first_release(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[Stores, Callable[[], Any]]:
    """Stores of a budget that an earlier release kept, and what that release would read there now."""
    if request.param == "sqlite":
        path = tmp_path / "b.sqlite"
        with sqlite3.connect(path) as db:
            db.execute("CREATE TABLE budgets (name TEXT PRIMARY KEY, state TEXT NOT NULL) WITHOUT ROWID")
            db.execute("INSERT INTO budgets VALUES ('default', ?)", (json.dumps(FIRST),))
        db.close()

        def read_state() -> Any:
            with sqlite3.connect(path) as db:
                (text,) = db.execute("SELECT state FROM budgets").fetchone()
            db.close()
            return json.loads(text)["spent"]

        return lambda clock: SqliteStore(path, clock=clock), read_state
    url = request.getfixturevalue("redis_url")
    client = redis.Redis.from_url(url)
    prefix = "aivideoapi:budget:{default}:"
    client.hset(prefix + "spent", mapping=FIRST["spent"])
    client.hset(prefix + "held", "r1", "5 old owner")
    client.zadd(prefix + "leases", {"old owner": 1_750_000_030.0})
    client.hset(prefix + "facts", mapping={name: FIRST[name] for name in FIRST if "_" in name})
    return lambda clock: RedisStore(client, clock=clock), lambda: client.hgetall(prefix + "spent")


@pytest.mark.parametrize("window", ["day", "hour", None])
def test_what_an_earlier_release_kept_is_taken_over(
    first_release: tuple[Stores, Callable[[], Any]], window: Any
) -> None:
    """With whatever window: nothing of it is forgotten before a window has passed."""
    make, earlier_reads = first_release
    clock = Clock()
    budget = CreditBudget(1, store=make(clock), window=window, wait_s=0)
    standing = budget.standing()
    assert (standing.spent_micro, standing.reserved_micro) == (60, 5)
    assert (standing.unknown_micro, standing.expired_micro) == (20, 30)
    clock.pass_s(61)
    standing = budget.standing()
    # Its call ran, and what it cost can be settled by nobody: that release is refused.
    assert (standing.spent_micro, standing.reserved_micro, standing.expired_micro) == (65, 0, 35)
    if window is not None:
        clock.pass_s(2 * 86_400)
        assert budget.standing().spent_micro == 0
    with pytest.raises((KeyError, redis.ResponseError)):
        earlier_reads()  # it refuses its calls, and cannot pass the limit


def test_what_a_newer_release_adds_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "b.sqlite"
    budget = CreditBudget(1, store=path, wait_s=0)
    budget.settle(budget.hold("m", worst(7)), 7)
    budget.close()
    with sqlite3.connect(path) as db:
        (text,) = db.execute("SELECT state FROM budgets").fetchone()
        assert db.execute("PRAGMA user_version").fetchone()[0] >= 2
        db.execute("ALTER TABLE budgets ADD COLUMN colour TEXT")
        db.execute("UPDATE budgets SET state = ?", (json.dumps({**json.loads(text), "colour": "blue"}),))
    db.close()
    budget.settle(budget.hold("m", worst(7)), 7)
    assert budget.standing().spent_micro == 14
    budget.close()
    with sqlite3.connect(path) as db:
        (text,) = db.execute("SELECT state FROM budgets").fetchone()
        assert json.loads(text)["colour"] == "blue"
        db.execute("UPDATE budgets SET state = ?", (json.dumps({**json.loads(text), "version": 99}),))
    db.close()
    with pytest.raises(BudgetStoreError, match=r"newer release .*99"):
        budget.hold("m", worst(7))
    budget.close()


def test_a_call_above_its_bound_is_said_and_reserved_for_from_then_on(
    stores: Stores, caplog: pytest.LogCaptureFixture
) -> None:
    budget = CreditBudget(store=stores(Clock()), **TERMS)
    budget.settle(budget.hold("m", worst(100)), 130)
    assert caplog.text.count("its worst case was none") == 1
    held = budget.hold("m", worst(200))
    assert budget.standing().reserved_micro == 230
    budget.settle(held, 230)
    other = budget.hold("another model", worst(200))
    assert budget.standing().reserved_micro == 200
    budget.settle(other, 0)
    assert caplog.text.count("its worst case was none") == 1


def test_redis_does_the_same_work_beside_ten_calls_and_beside_five_thousand(redis_url: str) -> None:
    """B8, counted in commands, which do not depend on the machine's mood."""
    client = redis.Redis.from_url(redis_url)
    budget = CreditBudget(10_000, window="day", store=client, wait_s=0)

    def commands() -> dict[str, int]:
        client.config_resetstat()
        budget.settle(budget.hold("m", worst(1)), 1)
        stats = client.info("commandstats")
        return {name: facts["calls"] for name, facts in stats.items() if "config" not in name}

    for _ in range(10):
        budget.hold("m", worst(1))
    few = commands()
    for number in range(5_000):
        budget._store.reserve(budget._terms, id=str(number), owner=budget._purse.owner, micro=1)
    assert budget.standing().reserved_micro == 5_010
    assert commands() == few
    assert not {"cmdstat_hgetall", "cmdstat_hvals", "cmdstat_hscan"} & few.keys()  # no sums are made anew
    client.close()


def test_sqlite_does_the_same_work_beside_ten_calls_and_beside_five_thousand(tmp_path: Path) -> None:
    """17's running sums, counted in steps of SQLite's own machine; the row of the budget does not grow either."""
    budget = CreditBudget(10_000, window="day", store=tmp_path / "b.sqlite", wait_s=0)
    database = budget._store.place
    steps: list[None] = []

    def work() -> tuple[int, int]:
        budget.settle(budget.hold("m", worst(1)), 1)
        budget.settle(budget.hold("m", worst(1)), 1)
        database.run(lambda db: db.set_progress_handler(lambda: steps.append(None), 1))
        steps.clear()
        budget.settle(budget.hold("m", worst(1)), 1)
        count = len(steps)
        database.run(lambda db: db.set_progress_handler(None, 1))
        (size,) = database.run(lambda db: db.execute("SELECT length(state) FROM budgets").fetchone())
        return count, size

    for _ in range(10):
        budget.hold("m", worst(1))
    few_steps, few_characters = work()
    for number in range(5_000):
        budget._store.reserve(budget._terms, id=str(number), owner=budget._purse.owner, micro=1)
    assert budget.standing().reserved_micro == 5_010
    many_steps, many_characters = work()
    assert many_steps == few_steps
    assert many_characters - few_characters < 200  # digits of sums, and ids that were settled since
    budget.close()


async def test_the_reservations_of_a_large_process_that_died_are_let_go_of_in_a_thread(
    tmp_path: Path,
) -> None:
    """An event loop would stand still for them."""
    now = [1_750_000_000.0]
    store = SqliteStore(tmp_path / "b.sqlite", clock=lambda: now[0])
    budget = CreditBudget(1, store=store, wait_s=0)
    for number in range(150):
        store.reserve(budget._terms, id=str(number), owner="dead", micro=1)
    now[0] += 61.0
    with pytest.raises(WouldWaitError):
        store.at_once.reserve(budget._terms, id="r", owner="alive", micro=5)
    held = await budget.ahold("m", worst(5))
    standing = await budget.astanding()
    assert (standing.expired_calls, standing.reserved_micro) == (150, 5)
    assert budget.settle_at_once(held, 5)
    budget.close()


@pytest.mark.parametrize("version", [2, 3])
def test_reservations_of_the_releases_that_kept_them_in_one_row_become_rows(
    version: int, tmp_path: Path
) -> None:
    """As the release of the format wrote it, in its own table; its keys go, whatever a newer one added stays."""
    clock = Clock()
    path = tmp_path / "b.sqlite"
    kept = {
        "version": version,
        "terms": {"limit_micro": 1_000, "window_s": None, "soft": False}
        | ({"calendar": "calendar day UTC"} if version == 3 else {}),
        "time": {"now": clock.wall_s, "awake": clock.wall_s, "wall": clock.wall_s, "boots": {}},
        "pieces": {"0": [100, 0, 0, 0, 0]},
        "held": {"r1": ["alive", 5], "r2": ["dead", 7], "r3": ["dead", 8]},
        "leases": {"alive": clock.wall_s + 60, "dead": clock.wall_s - 1, "idle": clock.wall_s + 60},
        "expired": {"r0": True},
        "settled": ["s1"],
        "waiting": {},
        "colour": "blue",
    }
    if version == 3:
        kept["opened"] = [clock.wall_s - 60, clock.wall_s + 3_600, clock.wall_s + 3_600]
    with sqlite3.connect(path) as db:
        db.execute("CREATE TABLE budgets (name TEXT PRIMARY KEY, state TEXT NOT NULL) WITHOUT ROWID")
        db.execute("INSERT INTO budgets VALUES ('default', ?)", (json.dumps(kept),))
    db.close()
    store = SqliteStore(path, clock=clock)
    looked = store.look()
    assert looked is not None
    terms, before = looked
    assert (before.spent_micro, before.reserved_micro) == (100, 20)
    assert store.standing(terms).reserved_micro == 5
    for id, micro in (("r0", 50), ("r1", 5), ("r2", 7), ("s1", 900)):
        standing = store.settle(terms, id=id, micro=micro, unknown=False)
    assert (standing.spent_micro, standing.reserved_micro, standing.expired_micro) == (112, 0, 15)
    with sqlite3.connect(path) as db:
        (text,) = db.execute("SELECT state FROM budgets").fetchone()
    db.close()
    facts = json.loads(text)
    assert facts["version"] == 4  # the earlier release refuses it by this
    assert facts["colour"] == "blue"
    assert not {"held", "leases", "expired"} & facts.keys()
    store.close()


def test_a_full_disk_is_named_and_what_is_known_is_booked_later(tmp_path: Path) -> None:
    """SQLite ends the transaction by itself then: what is told is the disk, not that there was nothing to undo."""
    budget = CreditBudget(100, store=tmp_path / "b.sqlite", wait_s=0)
    running = budget.hold("m", worst(500_000))

    def limit_pages(pages: int) -> None:
        database = budget._store.place
        database.run(lambda db: db.execute(f"PRAGMA max_page_count = {pages}").fetchone())

    limit_pages(1)
    with pytest.raises(BudgetStoreError, match="full"):
        _ = [budget.hold("m", worst(1)) for _ in range(500)]
    budget.settle(running, 300_000)
    limit_pages(10_000)
    assert budget.standing().spent_micro == 300_000
    budget.close()


def test_who_is_alone_with_a_file_does_not_read_it_before_each_change(tmp_path: Path) -> None:
    """And sees at once what another has written, or what was taken back with a transaction of several entries."""
    mine, other = (
        CreditBudget(store=SqliteStore(tmp_path / "b.sqlite"), limit_credits=100, wait_s=0) for _ in range(2)
    )

    def call(budget: CreditBudget) -> None:
        budget.settle(budget.hold("m", worst(2_000_000)), 1_000_000)

    asked: list[str] = []
    call(mine)
    call(mine)
    place = database_at(tmp_path / "b.sqlite")
    place.run(lambda db: db.set_trace_callback(asked.append))
    call(mine)
    assert [statement.split()[0] for statement in asked] == [
        *("BEGIN", "UPDATE", "INSERT", "COMMIT"),
        *("BEGIN", "UPDATE", "DELETE", "COMMIT"),
    ]
    running = other.hold("m", worst(95_000_000))
    with pytest.raises(BudgetExceededError, match=r"3\.000000 are spent and 95\.000000 are reserved"):
        mine.hold("m", worst(3_000_000))
    other.settle(running, 5_000_000)
    call(mine)
    call(mine)

    held = mine.hold("m", worst(90_000_000))
    [entry] = mine.settling(held, 80_000_000, unknown=False, done=lambda: None)
    with pytest.raises(ZeroDivisionError):
        place.write([entry, Entry(place, lambda db: 1 // 0)])
    assert mine.standing().reserved_micro == other.standing().reserved_micro == 90_000_000
    mine.settle(held, 80_000_000)
    mine.settle(held, 80_000_000)
    for budget in (mine, other):
        standing = budget.standing()
        assert (standing.spent_micro, standing.reserved_micro) == (90_000_000, 0)
    assert place.run(lambda db: db.execute("SELECT count(*) FROM reservations").fetchone()) == (0,)


def test_reservations_of_the_dead_are_found_by_who_was_alone_with_a_file(tmp_path: Path) -> None:
    clock = Clock()
    mine, dead = (
        CreditBudget(
            store=SqliteStore(tmp_path / "b.sqlite", clock=clock), limit_credits=100, wait_s=0, lease_s=30
        )
        for _ in range(2)
    )
    left = dead.hold("m", worst(60_000_000))
    for _ in range(4):
        mine.settle(mine.hold("m", worst(1_000_000)), 1_000_000)
    clock.pass_s(31)
    mine.settle(mine.hold("m", worst(90_000_000)), 5_000_000)
    assert mine.standing().expired_micro == 60_000_000
    dead.settle(left, 60_000_000)
    assert mine.standing().spent_micro == 69_000_000
