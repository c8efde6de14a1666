"""A ledger as one self-contained page: plots by plotly, whose script is inside, so nothing is fetched."""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from aivideoapi_core import CallRecord, CreditsTotals

_COLOURS: Final = ("#2563eb", "#f59e0b", "#10b981", "#ef4444", "#8b5cf6", "#0891b2", "#db2777", "#65a30d")
_FONT: Final = "system-ui, -apple-system, 'Segoe UI', Roboto, 'DejaVu Sans', sans-serif"
_MOST_POINTS: Final = 5_000
"""Single calls shown in the last plot, the newest; a page with every call of a year would not open."""

_STYLE: Final = """
:root { color-scheme: light dark; --ink: #1f2937; --soft: #4b5563; --line: #e5e7eb; --paper: #fff; --ground: #f3f4f6; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #f3f4f6; --soft: #9ca3af; --line: #374151; --paper: #1f2937; --ground: #111827; }
}
body { font-family: FONT; color: var(--ink); background: var(--ground); margin: 0; padding: 32px 16px; }
main { max-width: 1080px; margin: 0 auto; }
h1 { font-size: 24px; margin: 0 0 4px; overflow-wrap: anywhere; }
.note { color: var(--soft); margin: 0 0 24px; line-height: 1.5; }
.cards { display: grid; grid-template-columns: repeat(auto-fit, minmax(160px, 1fr)); gap: 12px; margin-bottom: 16px; }
.card, section { background: var(--paper); border: 1px solid var(--line); border-radius: 10px; padding: 16px; }
.card b { display: block; font-size: 22px; font-variant-numeric: tabular-nums; }
.card span { color: var(--soft); font-size: 13px; }
section { margin-bottom: 16px; }
h2 { font-size: 16px; margin: 0 0 8px; }
table { border-collapse: collapse; width: 100%; font-size: 14px; font-variant-numeric: tabular-nums; }
th, td { text-align: right; padding: 6px 8px; border-bottom: 1px solid var(--line); }
th:first-child, td:first-child { text-align: left; overflow-wrap: anywhere; min-width: 110px; }
section { overflow-x: auto; }
""".replace("FONT", _FONT)
_FOLLOW_THE_SCHEME: Final = """
const scheme = matchMedia("(prefers-color-scheme: dark)");
function paint() {
  const grid = scheme.matches ? "#374151" : "#e5e7eb";
  const look = {"font.color": scheme.matches ? "#d1d5db" : "#374151"};
  for (const axis of ["xaxis", "yaxis"]) { look[axis + ".gridcolor"] = grid; look[axis + ".zerolinecolor"] = grid; }
  document.querySelectorAll(".plotly-graph-div").forEach(plot => Plotly.relayout(plot, look));
}
scheme.addEventListener("change", paint);
paint();
"""
"""Plots are drawn with colours of their own, so they are told of a dark page."""


def page(records: Sequence[CallRecord], *, title: str) -> str:
    """The whole page. Unknown figures are said to be unknown, in words."""
    from plotly.offline import get_plotlyjs

    from aivideoapi_cli.spend import summaries

    summary, by_day = summaries(records)
    sections = [_cards(summary)]
    if records:
        sections += [
            _plot("Credits by day and model", _by_day(records, sorted(by_day))),
            _plot("Tokens by model", _by_kind(summary.by_model)),
            *(
                [_plot("Credits by tag", _by_tag(summary.by_tag), height=140 + 30 * len(summary.by_tag))]
                if summary.by_tag
                else []
            ),
            _plot(*_by_call(records)),
            _table("Models", summary.by_model),
            *([_table("Tags", summary.by_tag)] if summary.by_tag else []),
        ]
    made = datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")
    safe = html.escape(title)
    return (
        f'<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8"><title>{safe}</title>'
        '<meta name="viewport" content="width=device-width, initial-scale=1"><link rel="icon" href="data:,">'
        f"<style>{_STYLE}</style><script>{get_plotlyjs()}</script></head><body><main><h1>{safe}</h1>"
        f'<p class="note">Made {made}. Credits: of each call the figure that the platform reported, else the one '
        "computed from the published prices; 1 credit is 0.005 USD. A call without either figure is counted as "
        "unknown, and is in no sum.</p>"
        + "\n".join(sections)
        + f"</main><script>{_FOLLOW_THE_SCHEME}</script></body></html>\n"
    )


def _cards(totals: CreditsTotals) -> str:
    facts = [
        ("credits", _amount(totals.credits)),
        ("US dollars", _amount(totals.usd)),
        ("calls", f"{totals.calls:,}"),
        ("calls of unknown cost", f"{totals.unknown:,}"),
        ("failed, not billed", f"{totals.failed:,}"),
        ("from a framework's cache", f"{totals.cache_hits:,}"),
    ]
    cards = "".join(f'<div class="card"><b>{value}</b><span>{name}</span></div>' for name, value in facts)
    return f'<div class="cards">{cards}</div>'


def _plot(title: str, figure: Any, *, height: int = 360) -> str:
    """``height`` in pixels."""
    figure.update_layout(
        template="plotly_white",
        paper_bgcolor="rgba(0,0,0,0)",
        plot_bgcolor="rgba(0,0,0,0)",
        colorway=_COLOURS,
        font={"family": _FONT, "size": 13},
        margin={"l": 64, "r": 24, "t": 40, "b": 56},
        height=height,
        legend={"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0},
        bargap=0.35,
    )
    body = figure.to_html(
        full_html=False, include_plotlyjs=False, config={"displayModeBar": False, "responsive": True}
    )
    return f"<section><h2>{html.escape(title)}</h2>{body}</section>"


def _by_day(records: Sequence[CallRecord], days: Sequence[str]) -> Any:
    from plotly.graph_objects import Bar, Figure

    from aivideoapi_core import CreditsSummary

    figure = Figure()
    colours = _colours(records)
    for model in colours:
        mine = [record for record in records if record.model == model]
        amounts = [CreditsSummary.of(record for record in mine if record.day == day).credits for day in days]
        figure.add_trace(
            Bar(
                name=_label(model),
                marker_color=colours[model],
                x=list(days),
                y=[None if amount is None else float(amount) for amount in amounts],
            )
        )
    figure.update_layout(barmode="stack", showlegend=True, yaxis_title="credits")
    figure.update_xaxes(type="category", nticks=12)
    return figure


def _colours(records: Sequence[CallRecord]) -> dict[str, str]:
    """Each model's colour, the same in every plot."""
    models = sorted({record.model for record in records})
    return {model: _COLOURS[number % len(_COLOURS)] for number, model in enumerate(models)}


def _label(text: str) -> str:
    """Text for a plot, which would take ``<b>`` for a command."""
    return html.escape(text, quote=False)


def _by_kind(models: Mapping[str, CreditsTotals]) -> Any:
    from plotly.graph_objects import Bar, Figure

    kinds = (
        ("input", "input"),
        ("cache read", "cache_read"),
        ("cache write", "cache_write"),
        ("output", "output"),
    )
    figure = Figure()
    for label, field in kinds:
        counts = [getattr(totals.tokens, field) if totals.has_counts else None for totals in models.values()]
        figure.add_trace(Bar(name=label, x=list(map(_label, models)), y=counts))
    figure.update_layout(barmode="group", showlegend=True, yaxis_title="tokens")
    figure.update_xaxes(type="category")
    return figure


def _by_tag(tags: Mapping[str, CreditsTotals]) -> Any:
    from plotly.graph_objects import Bar, Figure

    rows = sorted(tags.items(), key=lambda row: row[1].credits or Decimal(0))
    figure = Figure(
        Bar(
            orientation="h",
            x=[None if totals.credits is None else float(totals.credits) for _, totals in rows],
            y=[_label(name) for name, _ in rows],
        )
    )
    figure.update_layout(xaxis_title="credits")
    figure.update_yaxes(type="category", automargin=True)
    return figure


def _by_call(records: Sequence[CallRecord]) -> tuple[str, Any]:
    from plotly.graph_objects import Figure, Scatter

    known = [record for record in records if record.outcome == "ok" and record.charged is not None]
    shown = known[-_MOST_POINTS:]
    figure = Figure()
    colours = _colours(records)
    for model in colours:
        mine = [record for record in shown if record.model == model]
        if not mine:
            continue
        figure.add_trace(
            Scatter(
                name=_label(model),
                mode="markers",
                x=[datetime.fromtimestamp(record.started_at, UTC).replace(tzinfo=None) for record in mine],
                y=[float(record.charged or 0) for record in mine],
                text=[_label(", ".join(record.tags)) for record in mine],
                marker={"size": 7, "opacity": 0.7, "color": colours[model]},
            )
        )
    figure.update_layout(showlegend=True, yaxis_title="credits", xaxis_title="time (UTC)")
    newest = "" if len(shown) == len(known) else f", the newest {len(shown):,} of {len(known):,}"
    return f"Single calls of known cost{newest}", figure


def _table(title: str, groups: Mapping[str, CreditsTotals]) -> str:
    heads = ("", "calls", "input tokens", "output tokens", "credits", "USD", "unknown")
    rows = []
    for name, totals in sorted(groups.items(), key=lambda row: (-(row[1].credits or 0), row[0])):
        cells = (
            html.escape(name),
            f"{totals.calls:,}",
            f"{totals.tokens.total_input:,}" if totals.has_counts else "unknown",
            f"{totals.tokens.output:,}" if totals.has_counts else "unknown",
            _amount(totals.credits),
            _amount(totals.usd),
            f"{totals.unknown:,}",
        )
        rows.append("<tr>" + "".join(f"<td>{cell}</td>" for cell in cells) + "</tr>")
    head = "".join(f"<th>{name}</th>" for name in heads)
    return f"<section><h2>{title}</h2><table><thead><tr>{head}</tr></thead><tbody>{''.join(rows)}</tbody></table></section>"


def _amount(amount: Decimal | None) -> str:
    return "unknown" if amount is None else f"{amount:,.4f}"
