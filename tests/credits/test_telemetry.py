"""OpenTelemetry: names and figures by its own exporters, a real collector, and nothing without it."""

from __future__ import annotations

import importlib.util
import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, NoReturn

import pytest
from ready_process import ReadyProcess

from aivideoapi_core import CallRecord, InvalidInputError, label_metrics
from aivideoapi_core._metering.record import Outcome
from aivideoapi_core._metering.telemetry_labels import MetricLabels, _of_environment, metric_labels
from aivideoapi_core._metering.telemetry_spans import request_attributes

ROOT = Path(__file__).parents[2]
PROGRAM = Path(__file__).with_name("telemetry_program.py")


def run(argument: str) -> Any:
    done = subprocess.run(
        [sys.executable, str(PROGRAM), argument],
        cwd=ROOT,
        env={"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.fixture(scope="module")
def exported() -> Any:
    return run("memory")


def spans_of(exported: Any) -> list[dict[str, Any]]:
    return [span for span in exported["spans"] if span["name"].startswith("chat ")]


def points_of(exported: Any, name: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    for resource in exported["metrics"]["resource_metrics"]:
        for scope in resource["scope_metrics"]:
            for metric in scope["metrics"]:
                if metric["name"] == name:
                    found += metric["data"]["data_points"]
    return found


def test_spans_follow_the_conventions(exported: Any) -> None:
    whole, streamed, failed = spans_of(exported)
    assert [span["name"] for span in (whole, streamed)] == [
        "chat claude-sonnet-4-6",
        "chat claude-haiku-4-5/anthropic",
    ]
    assert {span["kind"] for span in (whole, streamed, failed)} == {"SpanKind.CLIENT"}
    facts = whole["attributes"]
    assert facts["gen_ai.operation.name"] == "chat"
    assert facts["gen_ai.provider.name"] == facts["gen_ai.system"] == "aivideoapi"
    assert facts["gen_ai.request.model"] == facts["gen_ai.response.model"] == "claude-sonnet-4-6"
    assert (facts["gen_ai.request.max_tokens"], facts["gen_ai.request.temperature"]) == (64, 0.5)
    assert (facts["gen_ai.usage.input_tokens"], facts["gen_ai.usage.output_tokens"]) == (18, 42)
    assert facts["gen_ai.response.finish_reasons"] == ["end_turn"]
    assert facts["server.address"] == "127.0.0.1"
    assert facts["aivideoapi.credits.computed_micro"] == 68_400
    assert facts["aivideoapi.credits.reported"] == 0.06
    assert "aivideoapi.credits.reported" not in streamed["attributes"]  # that route reports none
    assert (facts.get("gen_ai.request.stream"), streamed["attributes"]["gen_ai.request.stream"]) == (
        None,
        True,
    )
    assert streamed["attributes"]["aivideoapi.credits.computed_micro"] == 18 * 295 + 42 * 1471
    assert (
        facts["gen_ai.usage.cost"] == 0.06 * 0.005
    )  # what was charged: the reported figure, where there is one
    assert streamed["attributes"]["gen_ai.usage.cost"] == (18 * 295 + 42 * 1471) * 5e-9
    assert "gen_ai.response.time_to_first_chunk" not in facts
    assert streamed["attributes"]["gen_ai.response.time_to_first_chunk"] > 0
    assert streamed["attributes"]["gen_ai.conversation.id"] == "thread-7"
    assert streamed["attributes"]["gen_ai.agent.name"] == "clerk"


def test_what_is_asked_for_is_told_without_content() -> None:
    payload = {
        "stream": False,
        "top_k": 5,
        "output_config": {"effort": "low", "format": {"type": "json_schema"}},
    }
    assert request_attributes(payload) == {
        "gen_ai.request.top_k": 5,
        "gen_ai.request.reasoning.level": "low",
        "gen_ai.output.type": "json",
    }


def test_a_failure_is_an_error_without_figures(exported: Any) -> None:
    failed = spans_of(exported)[2]
    assert failed["status"]["status_code"] == "ERROR"
    assert failed["attributes"]["error.type"] == "insufficient_credits"
    assert failed["attributes"]["aivideoapi.credits.outcome"] == "failed"
    assert "aivideoapi.credits.computed_micro" not in failed["attributes"]


def test_spans_belong_to_the_span_of_the_caller(exported: Any) -> None:
    (parent,) = (span for span in exported["spans"] if span["name"] == "the caller's own")
    assert {span["parent_id"] for span in spans_of(exported)} == {parent["context"]["span_id"]}


def test_metrics_follow_the_conventions(exported: Any) -> None:
    usage = points_of(exported, "gen_ai.client.token.usage")
    sums = {
        (p["attributes"]["gen_ai.request.model"], p["attributes"]["gen_ai.token.type"]): p["sum"]
        for p in usage
    }
    assert sums == {
        ("claude-sonnet-4-6", "input"): 18,
        ("claude-sonnet-4-6", "output"): 42,
        ("claude-haiku-4-5/anthropic", "input"): 18,
        ("claude-haiku-4-5/anthropic", "output"): 42,
    }
    assert usage[0]["explicit_bounds"][:4] == [1, 4, 16, 64]
    durations = points_of(exported, "gen_ai.client.operation.duration")
    assert sum(point["count"] for point in durations) == 3
    assert sum("error.type" in point["attributes"] for point in durations) == 1
    (first,) = points_of(exported, "gen_ai.client.operation.time_to_first_chunk")
    assert (first["count"], first["attributes"]["gen_ai.request.model"]) == (1, "claude-haiku-4-5/anthropic")
    spent = points_of(exported, "aivideoapi.client.credits")
    assert sorted(point["value"] for point in spent) == [18 * 295 + 42 * 1471, 68_400]


def test_refused_calls_are_counted_in_every_way_of_both_frameworks() -> None:
    program = ReadyProcess(PROGRAM, "refused")
    told = json.loads(program.communicate())
    assert program.returncode == 0
    spans = spans_of(told)
    assert len(spans) == 8
    for span in spans:
        assert span["status"]["status_code"] == "ERROR"
        assert span["attributes"]["aivideoapi.credits.outcome"] == "refused"
        assert span["attributes"]["error.type"] == "BudgetExceededError"
        assert "aivideoapi.credits.computed_micro" not in span["attributes"]
    durations = points_of(told, "gen_ai.client.operation.duration")
    assert [(p["count"], p["attributes"]["error.type"]) for p in durations] == [(8, "BudgetExceededError")]
    assert not points_of(told, "aivideoapi.client.credits")  # nothing was spent


def test_chosen_tags_and_columns_are_labels_of_metrics() -> None:
    told = run("labels")
    for name in ("aivideoapi.client.credits", "gen_ai.client.operation.duration"):
        counted = {
            (p["attributes"]["aivideoapi.team"], p["attributes"]["aivideoapi.agent"]): p.get("count")
            or p["value"]
            for p in points_of(told, name)
        }
        one = counted["", "clerk"]
        assert counted == {
            ("search", ""): 2 * one,
            ("sales", ""): one,
            ("other", ""): 2 * one,
            ("", "clerk"): one,
        }
    assert not any("aivideoapi.team" in span["attributes"] for span in spans_of(told))


def record(**facts: Any) -> CallRecord:
    return CallRecord(model="m", outcome=Outcome.OK, started_at=0.0, **facts)


def test_labels_are_bounded_and_the_same_for_every_call() -> None:
    labels = MetricLabels(["team", "urgent", "customer"], most_values=3)
    assert labels.of(record(tags=("team=a", "team:b", "urgent"), customer="acme")) == {
        "aivideoapi.team": "a",
        "aivideoapi.urgent": "true",
        "aivideoapi.customer": "acme",
    }
    assert labels.of(record()) == {"aivideoapi.team": "", "aivideoapi.urgent": "", "aivideoapi.customer": ""}
    seen = {labels.of(record(tags=(f"team:t{number}",)))["aivideoapi.team"] for number in range(50)}
    assert seen == {"t0", "t1", "other"}
    assert MetricLabels([]).of(record(tags=("team:a",))) == {}


@pytest.mark.parametrize("key", ["", "two words", "team:search", "team=", 7])
def test_a_label_that_is_none_is_refused_in_words(key: Any) -> None:
    with pytest.raises(InvalidInputError, match="a label of metrics must be agent"):
        label_metrics(key)


def test_labels_of_the_environment(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    for value, keys in ((" team , agent,", ["aivideoapi.team", "aivideoapi.agent"]), ("two words", [])):
        monkeypatch.setenv("AIVIDEOAPI_TELEMETRY_LABELS", value)
        _of_environment.cache_clear()
        assert list(metric_labels().of(record())) == keys
    assert caplog.text.count("AIVIDEOAPI_TELEMETRY_LABELS") == 1
    _of_environment.cache_clear()


def test_no_content_and_no_key_leave(exported: Any) -> None:
    text = json.dumps(exported)
    assert "secret words" not in text
    assert "sk-sandbox" not in text


def test_nothing_is_imported_by_itself() -> None:
    assert run("without") == []


def missing(reason: str) -> NoReturn:
    """Skip the test for ``reason``, but not where everything has to be there."""
    if os.environ.get("CI"):
        pytest.fail(reason)
    pytest.skip(reason)


@contextmanager
def collector(folder: Path) -> Iterator[tuple[str, IO[str]]]:
    """A real OTLP collector that logs what it receives: its address, and its log."""
    found = importlib.util.find_spec("rotel")
    if found is None or found.origin is None:
        missing("this test needs an OTLP collector: pip install rotel (Linux, x86-64)")
    program = Path(found.origin).with_name("rotel-agent")
    program.chmod(0o755)  # as the package's own launcher expects it
    with socket.socket() as one, socket.socket() as other:
        one.bind(("127.0.0.1", 0))
        other.bind(("127.0.0.1", 0))
        http, grpc = (f"127.0.0.1:{held.getsockname()[1]}" for held in (one, other))
    options = ["--otlp-http-endpoint", http, "--otlp-grpc-endpoint", grpc, "--exporter", "blackhole"]
    options += ["--debug-log", "traces", "--debug-log", "metrics", "--debug-log-verbosity", "detailed"]
    options += ["--pid-file", str(folder / "pid"), "--log-file", str(folder / "log")]
    with (folder / "seen.txt").open("w+", encoding="utf-8") as log:
        process = subprocess.Popen([program, "start", *options], stdout=log, stderr=subprocess.STDOUT)
        try:
            while process.poll() is None:
                try:
                    socket.create_connection(http.split(":"), timeout=5).close()
                    break
                except OSError:
                    continue
            if process.poll() is not None:
                missing(
                    f"the OTLP collector does not start here: {Path(log.name).read_text(encoding='utf-8')}"
                )
            yield f"http://{http}", log
        finally:
            process.terminate()
            process.wait(timeout=30)


def test_a_real_collector_takes_it(tmp_path: Path) -> None:
    with collector(tmp_path) as (endpoint, log):
        assert run(endpoint) == {"flushed": True}
    log.close()
    seen = (tmp_path / "seen.txt").read_text(encoding="utf-8")
    assert "Name           : chat claude-sonnet-4-6" in seen
    assert "aivideoapi.credits.computed_micro: Int(68400)" in seen
    for metric in (
        "gen_ai.client.token.usage",
        "gen_ai.client.operation.duration",
        "aivideoapi.client.credits",
    ):
        assert metric in seen
