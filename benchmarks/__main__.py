"""``python -m benchmarks``: measure, print the tables, write JSON and a picture."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from benchmarks import report
from benchmarks.contestants import Framework
from benchmarks.plan import METRICS
from benchmarks.runner import Benchmark


def main(arguments: Sequence[str] | None = None) -> int:
    """0: measured. 1: one of our own outputs was wrong, or with ``--strict`` a ratio missed its target."""
    options = _parser().parse_args(arguments)
    frameworks: tuple[Framework, ...] = tuple(options.framework or ("langchain", "llamaindex"))
    benchmark = Benchmark(
        frameworks=frameworks,
        pythons={"llamaindex-peer": options.llamaindex_peer_python} if options.llamaindex_peer_python else {},
        rounds=options.rounds or (3 if options.quick else 7),
        quick=options.quick,
        only=frozenset(options.only or ()),
        say=lambda text: print(text, file=sys.stderr, flush=True),
    )
    results = benchmark.run()
    print(report.text(results))
    options.output.mkdir(parents=True, exist_ok=True)
    (options.output / "results.json").write_text(json.dumps(report.as_json(results), indent=1) + "\n")
    if not report.draw(results, options.output / "ratios.png"):
        print("\nnote: no picture (it needs matplotlib, and a peer to compare with)")
    missed = report.failures(results)
    print(f"\n{missed} ratios miss their target by more than {report.TIE - 1:.0%}")
    return int(report.wrong_outputs(results) or (options.strict and missed > 0))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer rounds, no large sizes: under 90 s")
    parser.add_argument("--rounds", type=int, metavar="N", help="rounds of A B A B (7, quick: 3)")
    parser.add_argument("--framework", action="append", choices=("langchain", "llamaindex"))
    parser.add_argument(
        "--only", action="append", metavar="JOB", choices=sorted({metric.job for metric in METRICS})
    )
    parser.add_argument(
        "--llamaindex-peer-python",
        metavar="PATH",
        help="interpreter that has llama-index-llms-anthropic with anthropic<1 (they clash with langchain-anthropic)",
    )
    parser.add_argument("--output", type=Path, default=Path("build/benchmarks"), metavar="DIR")
    parser.add_argument("--strict", action="store_true", help="exit with 1 if a ratio misses its target")
    return parser


if __name__ == "__main__":
    sys.exit(main())
