"""Fixtures that every test may use. Sockets go to the loopback address only."""

from __future__ import annotations

import asyncio
import contextvars
import functools
import gc
import importlib
import os
import signal
import socket
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import golden
import pytest
import pytest_socket

from aivideoapi_core._http.exchange import Exchange
from aivideoapi_core._outbound.text import _TOLD_OF
from aivideoapi_core._stores import ledger_waiting
from aivideoapi_core.sandbox import Sandbox

pytest_plugins = [
    f"{package}.plugin" for package in ("pytest_benchmark", "pytest_recording") if find_spec(package)
]
"""What LangChain's standard suites bring, where they are installed; pyproject.toml names the others."""
_GOLDEN = (
    *("tests/langchain/test_complaints", "tests/langchain/test_model", "tests/langchain/test_other_names"),
    *(
        "tests/langchain/test_output_tool",
        "tests/langchain/test_structured",
        "tests/langchain/test_translate",
    ),
    *("tests/llamaindex/test_complaints", "tests/llamaindex/test_model", "tests/llamaindex/test_other_names"),
    *("tests/llamaindex/test_structured", "tests/llamaindex/test_to", "tests/llamaindex/test_translate"),
    "tests/test_parity",
)
"""The tests whose request bodies are kept, see ``golden``: not those in which a framework writes prompts."""
SLOW = (
    *("tests/cli/test_demo", "tests/docs/", "tests/test_benchmarks", "tests/test_fault_matrix"),
    *("tests/core/test_decoding", "tests/core/test_recovered_calls", "tests/core/test_fast_paths"),
    *(
        "tests/credits/test_budget",
        "tests/credits/test_calls",
        "tests/credits/test_dropped",
        "tests/test_parity",
    ),
    *(
        "tests/cli/test_commands.py::test_a_part",
        "tests/langchain/test_standard",
        "tests/llamaindex/test_streaming",
    ),
    *("tests/sandbox/", "tests/test_cassettes", "tests/test_packaging", "tests/test_importing"),
    *("tests/batch/test_processes", "tests/credits/test_interruptions", "tests/credits/test_nested_budgets"),
    *("tests/credits/test_spend_command.py::test_a_page", "tests/credits/test_thresholds"),
    *("tests/observability/", "tests/test_replies_on_every_road", "tests/test_output_classes"),
    *(
        "tests/batch/",
        "tests/cli/test_batch",
        "tests/core/test_engine",
        "tests/core/test_replies_as_they_come",
    ),
    *("tests/core/test_client", "tests/credits/test_call_machine", "tests/credits/test_forks"),
    *("tests/credits/test_gone_clients", "tests/credits/test_landing", "tests/credits/test_pytest_plugin"),
    *("tests/langchain/test_middleware", "tests/langchain/test_peer", "tests/langchain/test_recovered_calls"),
    *("tests/langchain/test_strategies", "tests/langchain/test_streaming_roads"),
    *("tests/llamaindex/test_rag", "tests/llamaindex/test_recovered_calls"),
    *("tests/core/test_client_lifecycle", "tests/credits/test_processes", "tests/credits/test_telemetry"),
    *("tests/credits/test_spend_command.py::test_the_page", "tests/credits/test_ledger.py::test_many"),
    *("tests/langchain/test_agents", "tests/langchain/test_complaints", "tests/langchain/test_deepagents"),
    *("tests/langchain/test_langgraph", "tests/langchain/test_model_copies.py::test_a_pickle_works_in"),
    *("tests/langchain/test_model_making.py::test_importing", "tests/langchain/test_registry"),
    *("tests/llamaindex/test_agents", "tests/llamaindex/test_complaints", "tests/llamaindex/test_peer"),
    *(
        "tests/llamaindex/test_registry",
        "tests/sandbox/test_sandbox_official",
        "tests/sandbox/test_sandbox_ledger",
    ),
    *("tests/core/test_reader.py::test_every_prefix", "tests/core/test_reader.py::test_pieces"),
    *("tests/core/test_stream.py::test_streamed_is", "tests/core/test_stream.py::test_one_cut"),
    *("tests/core/test_errors.py::test_any_body", "tests/core/test_partial_json.py::test_any_object"),
    *(
        "tests/credits/test_one_write.py::test_a_killed",
        "tests/credits/test_waiting.py::test_a_loop_that_ends",
    ),
    *("tests/langchain/test_structured_output.py::test_every_schema", "tests/test_odd_schemas"),
    *("tests/test_agents_go_on", "tests/cli/test_chat_terminal", "tests/test_continued_conversations"),
    "tests/test_distribution",
)
"""What the quick tier leaves out: what builds, starts programs, or plays many hundreds of cases."""
LONG = (
    *("tests/llamaindex/test_peer", "tests/test_benchmarks", "tests/batch/test_processes"),
    *("tests/docs/test_site", "tests/docs/test_notebooks", "tests/credits/test_thresholds"),
)
"""What runs first: a test of many seconds that begins last is waited for by all."""
_written: dict[str, list[str]] = {}


def _reading_once(read: Any) -> Any:
    """What each of a test's own clients would read for itself, 20 ms at a time, in every second test."""

    @functools.cache
    def certificates(file: str | None, folder: str | None) -> Any:
        return read()

    def context(verify: Any = True, cert: Any = None, trust_env: bool = True) -> Any:
        if verify is True and not cert and trust_env:
            return certificates(os.environ.get("SSL_CERT_FILE"), os.environ.get("SSL_CERT_DIR"))
        return read(verify=verify, cert=cert, trust_env=trust_env)

    return context


for _client in ("httpx", "httpx2"):  # the latter is the newest official SDK's
    if find_spec(_client):
        _transports: Any = importlib.import_module(f"{_client}._transports.default")
        _transports.create_ssl_context = _reading_once(_transports.create_ssl_context)
if sys.version_info < (3, 12):
    # At the end of each ``asyncio.run`` Python 3.11 takes the handler of Ctrl-C for a number, and for the error's text
    # (that nobody reads) it prints the task with all that it has answered: a millisecond for a message of LangChain's.
    _as_enum: Any = signal._int_to_enum
    signal._int_to_enum = lambda value, kind: _as_enum(value, kind) if isinstance(value, int) else value


def pytest_unconfigure() -> None:
    """Rows whose stores tests took away are nobody's, and no news at the end of a run."""
    ledger_waiting._all.clear()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--golden-update", action="store_true", help="write the request bodies down anew")


@pytest.hookimpl(tryfirst=True)
def pytest_xdist_auto_num_workers() -> int:
    """One more than there are processors, for ``-n auto``: a quarter of the time is waiting for servers and programs."""
    return (os.cpu_count() or 1) + 1


def pytest_configure(config: pytest.Config) -> None:
    # The standard suites bring a plugin that would print tables of timings; ours are in benchmarks/.
    if hasattr(config.option, "benchmark_disable"):
        config.option.benchmark_disable = True
    # A key or proxy of the machine's must not reach a test, nor a program that it starts.
    for name in ("API_KEY", "BASE_URL", "BUDGET", "LEDGER"):
        os.environ.pop(f"AIVIDEOAPI_{name}", None)
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        os.environ.pop(name, None)
        os.environ.pop(name.lower(), None)


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Iterator[None]:
    """What the tests import stays, and no collection of garbage looks through it: neither now nor in a test."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.enable()
        gc.freeze()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: not item.nodeid.startswith(LONG))
    for item in items:
        if item.nodeid.startswith(SLOW):
            item.add_marker("slow")
        # The peer is put to some of these tests too, and makes bodies of its own.
        if item.nodeid.startswith(_GOLDEN) and not item.config.pluginmanager.hasplugin("llamaindex_peer"):
            assert isinstance(item, pytest.Function)
            item.fixturenames.insert(0, "_golden_bodies")


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Files that the quick tier leaves out as a whole are not even imported by it."""
    if config.option.markexpr != "not slow" or collection_path.suffix != ".py":
        return None
    name = collection_path.relative_to(config.rootpath).as_posix()
    return True if any(name.startswith(slow) for slow in SLOW if "::" not in slow) else None


@functools.cache
def _guarded_connect() -> Any:
    """A way to connect to this machine and nowhere else."""
    pytest_socket.socket_allow_hosts(["127.0.0.1", "::1", "localhost"], allow_unix_socket=True)
    return socket.socket.connect


def pytest_runtest_setup() -> None:
    _TOLD_OF.clear()  # what is warned of once is warned of once in each test
    setattr(socket.socket, "connect", _guarded_connect())  # noqa: B010 - pytest_socket takes it back after each test


def pytest_sessionfinish(session: pytest.Session) -> None:
    if session.config.getoption("--golden-update"):
        golden.write({**golden.known(), **_written})


@pytest.fixture
def vcr() -> None:
    """What ``pytest_recording`` would set up for every test, with five fixtures: test_standard.py takes it back."""


@pytest.fixture
def block_network() -> None:
    """As ``vcr``; pytest_socket keeps the network out."""


@pytest.fixture
def _golden_bodies(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The request bodies of this test are those of the golden file."""
    test = request.node.nodeid
    monkeypatch.setattr(Exchange, "messages_request", _noting(Exchange.messages_request))
    with golden.watched() as bodies:
        yield
    if request.config.getoption("--golden-update"):
        _written[test] = bodies
    elif test in golden.known():
        assert bodies == golden.known()[test], (
            "other request bodies than before; on purpose? See tests/support/golden.py"
        )


def _noting(make_request: Any) -> Any:
    def noting(exchange: Any, payload: Any, *arguments: Any) -> Any:
        golden.note(payload)
        return make_request(exchange, payload, *arguments)

    return noting


@pytest.fixture(scope="module")
def one_loop() -> Iterator[None]:
    """``asyncio.run`` of this module's tests on one loop, with its connections; a loop for each costs two milliseconds."""
    with asyncio.Runner() as runner, pytest.MonkeyPatch.context() as patch:
        patch.setattr(asyncio, "run", lambda main: runner.run(main, context=contextvars.copy_context()))
        yield


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    """A fresh stand-in for the platform."""
    with Sandbox() as server:
        yield server
