"""Samples in; a table, JSON and a picture out. No measuring here."""

from __future__ import annotations

import os
import platform
import statistics
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib import metadata, util
from pathlib import Path
from typing import Any, Final

from benchmarks.contestants import Framework
from benchmarks.plan import GROWTH, METRICS, Growth, Metric
from benchmarks.runner import Results, Row, Series

TIE: Final = 1.15
"""A ratio up to this much above its limit cannot be told from the limit on a busy machine."""

_NAMES: Final[Mapping[Framework, str]] = {
    "langchain": "LangChain",
    "llamaindex": "LlamaIndex",
    "httpx": "httpx",
}
_PACKAGES: Final = (
    "aivideoapi-adapters",
    "anthropic",
    "httpx",
    "langchain-anthropic",
    "langchain-core",
    "llama-index-core",
    "pydantic",
)


@dataclass(frozen=True, slots=True)
class Ratio:
    """A median of per-round ratios with its quartiles, and the limit it should not exceed."""

    median: float
    low: float
    high: float
    limit: float | None

    @property
    def verdict(self) -> str:
        """``pass``, ``tie`` (above the limit by less than can be told), ``FAIL``, or nothing without a limit."""
        if self.limit is None:
            return ""
        if self.median <= self.limit:
            return "pass"
        return "tie" if self.median <= self.limit * TIE else "FAIL"

    def __str__(self) -> str:
        limit = f" <= {self.limit:g} {self.verdict}" if self.limit is not None else ""
        return f"{self.median:.2f} ({self.low:.2f}-{self.high:.2f}){limit}"


def ratio(ours: Series | None, others: Sequence[Series | None], limit: float | None) -> Ratio | None:
    """Ours over the sum of ``others``, round by round; ``None`` if one of them has no samples."""
    if ours is None or not ours.cpu or not others:
        return None
    if any(other is None or len(other.cpu) != len(ours.cpu) for other in others):
        return None
    columns = zip(ours.cpu, *(other.cpu for other in others if other is not None), strict=True)
    values = sorted(own / total for own, *rest in columns if (total := sum(rest)) > 0)
    if not values:
        return None
    low, high = values[0], values[-1]
    if len(values) >= 4:
        low, _, high = statistics.quantiles(values, n=4, method="inclusive")
    return Ratio(statistics.median(values), low, high, limit)


@dataclass(frozen=True, slots=True)
class Line:
    """One metric of one framework."""

    metric: Metric
    row: Row
    to_peer: Ratio | None
    over: Ratio | None

    def figure(self, role: Any) -> str:
        """The median in the metric's unit."""
        series = self.row.get(role)
        if series is None or not series.cpu:
            return "-"
        return f"{statistics.median(series.cpu) * self.metric.scale:.3g}"


def lines(framework: Framework, rows: Mapping[str, Row]) -> list[Line]:
    """The metrics that were measured, in the plan's order."""
    return [
        _line(framework, metric, rows[metric.key])
        for metric in METRICS
        if any(series.cpu for role, series in rows.get(metric.key, {}).items() if role != "raw")
    ]


def _line(framework: Framework, metric: Metric, row: Row) -> Line:
    targets = metric.targets
    limit = targets.langchain if framework == "langchain" else targets.llamaindex
    floor = [row.get("floor")] if metric.over_floor_alone else [row.get("floor"), row.get("raw")]
    over = ratio(row.get("ours"), floor, targets.over) if targets.over is not None else None
    return Line(metric, row, ratio(row.get("ours"), [row.get("peer")], limit), over)


def text(results: Results) -> str:
    """The tables, for people."""
    parts = [
        *(_table(_NAMES[framework], lines(framework, rows)) for framework, rows in results.rows.items()),
        *(_growth_table(framework, results) for framework in results.growth),
        *(f"note: {note}" for note in (*results.notes, *_errors(results))),
    ]
    return "\n\n".join(part for part in parts if part)


def failures(results: Results) -> int:
    """How many ratios are beyond their limit by more than a tie."""
    return sum(
        found is not None and found.verdict == "FAIL"
        for framework, rows in results.rows.items()
        for line in lines(framework, rows)
        for found in (line.to_peer, line.over)
    )


def wrong_outputs(results: Results) -> bool:
    """Whether one of our own jobs failed."""
    return any("ours" in who and "not applicable" not in who for who in _errors(results))


def _table(title: str, rows: Iterable[Line]) -> str:
    head = (title, "unit", "httpx", "floor", "ours", "peer", "ours / peer", "ours / (floor + httpx)")
    body = [
        (
            line.metric.title,
            line.metric.unit,
            line.figure("raw"),
            line.figure("floor"),
            line.figure("ours"),
            line.figure("peer"),
            str(line.to_peer or "-"),
            str(line.over or "-"),
        )
        for line in rows
    ]
    return _aligned([head, *body]) if body else ""


def _growth_table(framework: Framework, results: Results) -> str:
    rows = [("growth: " + _NAMES[framework], "unit", "size", "httpx", "floor", "ours", "peer")]
    for growth in GROWTH:
        for size, row in results.growth[framework].get(growth.title, {}).items():
            cells = (_per_unit(row.get(role), growth, size) for role in ("raw", "floor", "ours", "peer"))
            rows.append((growth.title, growth.unit, f"{size:,}", *cells))
    return _aligned(rows) if len(rows) > 1 else ""


def _per_unit(series: Series | None, growth: Growth, size: int) -> str:
    if series is None or not series.cpu:
        return "-"
    return f"{statistics.median(series.cpu) * growth.scale / size:.3g}"


def _aligned(rows: Sequence[Sequence[str]]) -> str:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    ruler = ["-" * width for width in widths]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in (rows[0], ruler, *rows[1:])
    )


def _errors(results: Results) -> Iterator[str]:
    for framework, rows in results.rows.items():
        for key, row in rows.items():
            for role, series in row.items():
                if series.error and "not applicable" not in series.error:
                    yield f"{framework} {role}, {key}: {series.error}"


def as_json(results: Results) -> dict[str, Any]:
    """Everything, for machines. Seconds of CPU per run; ``scale`` turns them into the table's unit."""
    return {
        "python": platform.python_version(),
        "implementation": platform.python_implementation(),
        "system": platform.system(),
        "processors": os.cpu_count(),
        "versions": {name: metadata.version(name) for name in _PACKAGES if _installed(name)},
        "metrics": {
            framework: {line.metric.key: _line_json(line) for line in lines(framework, rows)}
            for framework, rows in results.rows.items()
        },
        "growth": {
            framework: {
                title: {
                    str(size): {role: asdict(series) for role, series in row.items()}
                    for size, row in by_size.items()
                }
                for title, by_size in titles.items()
            }
            for framework, titles in results.growth.items()
        },
        "notes": [*results.notes, *_errors(results)],
    }


def _line_json(line: Line) -> dict[str, Any]:
    return {
        "title": line.metric.title,
        "unit": line.metric.unit,
        "scale": line.metric.scale,
        "samples": {role: asdict(series) for role, series in line.row.items()},
        "ours_to_peer": _ratio_json(line.to_peer),
        "ours_to_floor_and_httpx": _ratio_json(line.over),
    }


def _ratio_json(found: Ratio | None) -> dict[str, Any] | None:
    return None if found is None else {**asdict(found), "verdict": found.verdict}


def _installed(name: str) -> bool:
    try:
        metadata.version(name)
    except metadata.PackageNotFoundError:
        return False
    return True


def draw(results: Results, path: Path) -> bool:
    """Write the ratios ours / peer as a picture; ``False`` without matplotlib or without ratios."""
    panels = {
        framework: [(line.metric.title, line.to_peer) for line in lines(framework, rows) if line.to_peer]
        for framework, rows in results.rows.items()
    }
    panels = {framework: bars for framework, bars in panels.items() if bars}
    if not panels or util.find_spec("matplotlib") is None:
        return False
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(1, len(panels), figsize=(8 * len(panels), 7), squeeze=False)
    for axis, (framework, bars) in zip(axes[0], panels.items(), strict=True):
        _draw_panel(axis, _NAMES[framework], list(reversed(bars)))
    figure.tight_layout()
    figure.savefig(path, dpi=110)
    return True


def _draw_panel(axis: Any, title: str, bars: Sequence[tuple[str, Ratio]]) -> None:
    places = range(len(bars))
    axis.barh(places, [found.median for _, found in bars], color="#4477aa", label="ours / peer, median")
    for place, (_, found) in zip(places, bars, strict=True):
        axis.plot([found.low, found.high], [place, place], color="#222222", linewidth=1.5)
        if found.limit is not None:
            axis.plot([found.limit, found.limit], [place - 0.4, place + 0.4], color="#cc3311", linewidth=2)
    axis.plot([], [], color="#222222", label="quartiles")
    axis.plot([], [], color="#cc3311", label="target")
    axis.axvline(1, color="#999999", linestyle=":")
    axis.set_yticks(places, [name for name, _ in bars])
    axis.set_title(f"{title}: CPU of ours / peer (less is better)")
    axis.legend(loc="lower right")
