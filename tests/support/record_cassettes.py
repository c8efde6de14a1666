"""Record the cassettes again: ``python tests/support/record_cassettes.py sandbox|live [name ...]``.

``live`` calls the platform with ``AIVIDEOAPI_API_KEY`` and costs a few credits. Scenarios that need
a special key (no credits, limits) are recorded only when they are named.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

from cassette_kit import ROOT, recording
from cassette_scenarios import SCENARIOS, Scenario

from aivideoapi_core import DEFAULT_BASE_URL, AIVideoAPIError, MessagesClient, Reply, RetryPolicy
from aivideoapi_core.sandbox import Sandbox


def play_steps(client: MessagesClient, scenario: Scenario) -> list[Reply]:
    """Make the calls of a scenario, one after the other."""
    replies: list[Reply] = []
    for step in scenario.steps:
        payload = step(replies)
        if not payload["stream"]:
            replies.append(client.create(payload))
            continue
        with client.stream(payload) as events:
            for _ in events:
                pass
        replies.append(events.reply)
    return replies


def _record(client: MessagesClient, scenario: Scenario, where: str) -> str:
    with recording(ROOT / where / f"{scenario.name}.yaml"):
        try:
            replies = play_steps(client, scenario)
        except AIVideoAPIError as error:
            if scenario.error is None or not isinstance(error, scenario.error):
                raise
            return type(error).__name__
    if scenario.error is not None:
        raise SystemExit(f"{scenario.name}: answered, although it needs {scenario.needs}")
    if scenario.check is not None:
        scenario.check(replies)
    return f"{len(replies)} replies"


def main(arguments: Sequence[str]) -> int:
    """Record everything, or the scenarios named; the exit code."""
    where, names = (arguments[0], set(arguments[1:])) if arguments else ("", set())
    if where not in ("sandbox", "live") or names - {scenario.name for scenario in SCENARIOS}:
        print(__doc__, file=sys.stderr)
        return 2
    for scenario in SCENARIOS:
        if names and scenario.name not in names:
            continue
        if where == "live" and scenario.needs and not names:
            print(f"{scenario.name}: skipped, needs {scenario.needs}; name it to record it")
            continue
        retry = RetryPolicy(max_retries=0)
        if where == "live":
            with MessagesClient(base_url=DEFAULT_BASE_URL, retry=retry) as client:
                print(f"{scenario.name}: {_record(client, scenario, where)}")
            continue
        with (
            Sandbox(seed=scenario.name) as server,
            MessagesClient(api_key=server.api_key, base_url=server.url, retry=retry) as client,
        ):
            server.enqueue(*scenario.script)
            print(f"{scenario.name}: {_record(client, scenario, where)}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
