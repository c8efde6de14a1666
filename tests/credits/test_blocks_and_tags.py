"""Blocks that are closed in any order, tags that are no content, trackers that do not grow."""

from __future__ import annotations

import asyncio
import threading
import uuid
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack
from typing import Any

import pytest

from aivideoapi_core import CallRecord, SpendTracker, spend_for, spend_tags, track_spend
from aivideoapi_core._metering.attribution import NOBODY, current_attribution
from aivideoapi_core._metering.summary import MAX_ROWS, OTHER, current_trackers
from aivideoapi_core._metering.tags import MAX_TAGS, current_spend_tags
from aivideoapi_core.adapter_kit import clean_tags


def inside() -> tuple[int, tuple[str, ...]]:
    """How many trackers and which tags a call would have here."""
    return len(current_trackers()), current_spend_tags()


def test_closed_in_the_wrong_order() -> None:
    first, second = track_spend(), track_spend()
    outer, inner = first.__enter__(), second.__enter__()
    assert current_trackers() == (outer, inner)
    first.__exit__(None, None, None)
    assert current_trackers() == (inner,)
    with track_spend() as third:
        assert current_trackers() == (inner, third)
        second.__exit__(None, None, None)
        assert current_trackers() == (third,)
    assert current_trackers() == ()


def test_closed_twice_over_and_opened_again() -> None:
    with ExitStack() as stack:
        stack.enter_context(spend_tags("a"))
        tags: AbstractContextManager[None] = spend_tags("b")
        stack.enter_context(spend_tags("c"))
        with tags:
            assert current_spend_tags() == ("a", "c", "b")
        assert current_spend_tags() == ("a", "c")
    assert inside() == (0, ())


def test_closed_by_another_thread() -> None:
    block, tags = track_spend(), spend_tags("a")
    block.__enter__()
    tags.__enter__()
    failed: list[BaseException] = []

    def close() -> None:
        try:
            with spend_tags("other"):
                tags.__exit__(None, None, None)
                block.__exit__(None, None, None)
                assert inside() == (0, ("other",))
        except BaseException as error:  # noqa: BLE001 - it is looked at below
            failed.append(error)

    thread = threading.Thread(target=close)
    thread.start()
    thread.join(30)
    assert not failed
    assert inside() == (0, ())


async def test_closed_by_another_task() -> None:
    block = track_spend()
    tracker = await asyncio.create_task(_enter(block))
    assert current_trackers() == ()
    with track_spend() as mine:
        await asyncio.create_task(_exit(block))
        assert current_trackers() == (mine,)
    assert tracker.summary.calls == 0


async def _enter(block: AbstractContextManager[SpendTracker]) -> SpendTracker:
    return block.__enter__()


async def _exit(block: AbstractContextManager[SpendTracker]) -> None:
    block.__exit__(None, None, None)


def test_inside_a_generator_that_somebody_else_closes() -> None:
    def numbers() -> Iterator[int]:
        with track_spend(), spend_tags("generator"):
            yield 1

    generator = numbers()
    next(generator)
    with track_spend() as mine, spend_tags("mine"):
        threading.Thread(target=generator.close).start()
        generator = numbers()
        next(generator)
        generator.close()
        assert mine in current_trackers()
        assert "mine" in current_spend_tags()


def test_a_long_life_of_foreign_closes_leaves_no_chain() -> None:
    for _ in range(2_000):
        block = track_spend()
        block.__enter__()
        thread = threading.Thread(target=block.__exit__, args=(None, None, None))
        thread.start()
        thread.join()
    assert current_trackers() == ()


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        pytest.param(["team-a", "team=search", "app/v1.2", "größe", "a:b@c"], None, id="identifiers"),
        pytest.param(["Why is the sky blue?", "my secret plan", "a\nb", "a\x1b[31m", " a", "", "a "], [], id="texts"),
        pytest.param([str(uuid.uuid4()), f"run={uuid.uuid4()}", uuid.uuid4().hex], [], id="uuids"),
        pytest.param(["deadbeefdeadbeef01", "t1764184800123", "x" * 65], [], id="hashes, times, long"),
        pytest.param(["a", "b", "a"], ["a", "b"], id="each once"),
        pytest.param([f"t{n}" for n in range(50)], [f"t{n}" for n in range(MAX_TAGS)], id="few"),
        pytest.param([7, None, {"a": 1}, "a"], ["a"], id="no text"),
    ],
)  # fmt: skip
def test_tags_by_shape(given: list[Any], kept: list[str] | None) -> None:
    assert clean_tags(given) == tuple(given if kept is None else kept)


def test_what_is_no_tag_is_told(caplog: pytest.LogCaptureFixture) -> None:
    with spend_tags("team", "what the user said"):
        pass
    assert "1 of 2" in caplog.text
    assert "user" not in caplog.text


def test_a_tracker_keeps_few_rows_and_loses_nothing() -> None:
    tracker = SpendTracker()
    for number in range(MAX_ROWS + 500):
        tracker.add(CallRecord(model="m", tags=(f"t{number}", f"u{number}"), credits_micro=1))
    summary = tracker.summary
    assert len(summary.by_tag) == MAX_ROWS + 1
    assert summary.calls == MAX_ROWS + 500
    assert summary.by_tag[OTHER].calls == MAX_ROWS + 500 - MAX_ROWS // 2
    assert sum(row.calls for name, row in summary.by_tag.items() if name != OTHER) == MAX_ROWS


def test_add_waits_for_nobody() -> None:
    tracker = SpendTracker()
    with tracker._lock:  # as if the collector had come in the middle of a summary
        for _ in range(200):
            tracker.add(CallRecord(model="m", credits_micro=5))
    assert tracker.summary.credits_micro == 1_000


def test_blocks_as_decorators() -> None:
    @spend_for(user="u-1")
    @spend_tags("a")
    def seen(times: int) -> list[tuple[str | None, tuple[str, ...]]]:
        inner = seen(times - 1) if times else []
        return [(current_attribution().user, current_spend_tags()), *inner]

    assert seen(1) == [("u-1", ("a",)), ("u-1", ("a", "a"))]
    assert seen(0) == [("u-1", ("a",))]
    assert current_attribution() is NOBODY
    assert current_spend_tags() == ()


@pytest.mark.parametrize("block", [spend_for(user="u-1"), spend_tags("a")], ids=["spend_for", "spend_tags"])
def test_a_block_is_entered_once(block: AbstractContextManager[None]) -> None:
    with block, pytest.raises(RuntimeError, match="make another one"), block:
        pass
    with pytest.raises(RuntimeError, match="make another one"), block:
        pass
    assert current_attribution() is NOBODY
    assert current_spend_tags() == ()
