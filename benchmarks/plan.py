"""What is measured, in which unit, and which ratio counts as good: one table."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

from benchmarks.jobs import CALLS_PER_RUN, CALLS_PER_THREAD, THREADS

Kind = Literal["process", "job"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Targets:
    """Upper limits of ratios. ``None``: no limit is set.

    ``langchain`` and ``llamaindex``: ours / peer. ``over``: ours / (framework floor + raw httpx).
    """

    langchain: float | None = None
    llamaindex: float | None = None
    over: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """One row. A sample in seconds (or MiB) is multiplied by ``scale`` to give ``unit``."""

    title: str
    job: str
    unit: str
    scale: float
    size: int = 0
    repeats: int = 1
    kind: Kind = "job"
    quick: bool = True
    over_floor_alone: bool = False
    targets: Targets = Targets()

    @property
    def key(self) -> str:
        """A short unique name, for the JSON."""
        return f"{self.job}-{self.size}" if self.size else self.job


def _calls(
    title: str, job: str, targets: Targets, *, size: int = 0, repeats: int = 3, quick: bool = True
) -> Metric:
    return Metric(
        title=title,
        job=job,
        size=size,
        unit="ms",
        scale=1e3 / CALLS_PER_RUN,
        repeats=repeats,
        quick=quick,
        targets=targets,
    )


def _deltas(
    title: str, job: str, size: int, targets: Targets, *, repeats: int = 3, quick: bool = True
) -> Metric:
    return Metric(
        title=title,
        job=job,
        size=size,
        unit="µs",
        scale=1e6 / size,
        repeats=repeats,
        quick=quick,
        targets=targets,
    )


METRICS: Final = (
    Metric(
        title="import",
        job="import",
        unit="s",
        scale=1,
        kind="process",
        over_floor_alone=True,
        targets=Targets(langchain=0.40, llamaindex=0.75, over=1.15),
    ),
    Metric(
        title="cold start to first answer",
        job="cold",
        unit="s",
        scale=1,
        kind="process",
        targets=Targets(langchain=0.40, llamaindex=0.72),
    ),
    Metric(
        title="RSS after import",
        job="rss",
        unit="MiB",
        scale=1,
        kind="process",
        targets=Targets(langchain=0.65, llamaindex=0.88),
    ),
    _calls("construct", "construct", Targets()),
    _calls("invoke", "invoke", Targets(langchain=0.60, llamaindex=0.40, over=1.25), repeats=5),
    _calls("ainvoke", "ainvoke", Targets(langchain=0.45, llamaindex=0.35, over=1.25), repeats=5),
    _deltas("stream, per delta", "stream", 500, Targets(langchain=0.25, llamaindex=0.30, over=1.25)),
    _deltas("astream, per delta", "astream", 500, Targets(langchain=0.22, llamaindex=0.25, over=0.75)),
    _deltas("v3 events, per delta", "events", 500, Targets(over=1.25)),
    _deltas("tool stream, 500 fragments", "tool", 500, Targets(langchain=0.30, llamaindex=0.15, over=1.25)),
    _deltas(
        "tool stream, 2000 fragments",
        "tool",
        2000,
        Targets(langchain=0.30, llamaindex=0.06, over=1.25),
        repeats=1,
        quick=False,
    ),
    _deltas("thinking stream, per delta", "think", 500, Targets(langchain=0.45, llamaindex=0.45, over=1.25)),
    Metric(
        title="time to first token",
        job="first",
        size=20,
        unit="ms",
        scale=1e3,
        repeats=10,
        targets=Targets(langchain=0.75, llamaindex=0.60, over=1.35),
    ),
    Metric(
        title="200 async streams, cold pool",
        job="streams_cold",
        unit="s",
        scale=1,
        quick=False,
        targets=Targets(langchain=0.15, llamaindex=0.12, over=0.75),
    ),
    Metric(
        title="200 async streams, warm pool",
        job="streams_warm",
        unit="s",
        scale=1,
        quick=False,
        targets=Targets(langchain=0.15, llamaindex=0.12, over=0.75),
    ),
    Metric(
        title="64 threads, per call",
        job="threads",
        unit="ms",
        scale=1e3 / (THREADS * CALLS_PER_THREAD),
        targets=Targets(langchain=0.80, llamaindex=0.80, over=1.35),
    ),
    _calls(
        "call with 100 messages of history",
        "history",
        Targets(langchain=0.10, llamaindex=0.05, over=2.0),
        size=100,
        repeats=1,
    ),
    _calls(
        "call with 500 messages of history",
        "history",
        Targets(langchain=0.07, llamaindex=0.03, over=2.5),
        size=500,
        repeats=1,
        quick=False,
    ),
    Metric(
        title="agent loop of 10 tool turns",
        job="agent",
        unit="ms",
        scale=1e3,
        repeats=2,
        targets=Targets(langchain=0.55, llamaindex=0.20),
    ),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Growth:
    """One job at growing sizes. ``peer_limit``: the largest size at which a peer is still asked."""

    title: str
    job: str
    sizes: tuple[int, ...]
    unit: str
    scale: float
    """Of one run at size 1; the figure shown is divided by the size."""
    peer_limit: int


GROWTH: Final = (
    Growth(
        title="stream, per delta",
        job="stream",
        sizes=(200, 2_000, 20_000),
        unit="µs",
        scale=1e6,
        peer_limit=20_000,
    ),
    Growth(
        title="tool stream, per fragment",
        job="tool",
        sizes=(200, 2_000, 20_000),
        unit="µs",
        scale=1e6,
        peer_limit=2_000,
    ),
    Growth(
        title="history, per message",
        job="history",
        sizes=(1, 10, 100, 500),
        unit="µs",
        scale=1e6 / CALLS_PER_RUN,
        peer_limit=500,
    ),
)
