"""The complaints in ``test_complaints.py``, put to the integration that they are about.

It clashes with the SDK that the rest of the tests use, so it lies in a folder of its own, which ``.ci/run``
fills, and runs in processes of its own.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

import pytest
from ready_process import ReadyProcess

from aivideoapi_core.sandbox import Sandbox

ROOT = Path(__file__).parents[2]
PEER = ROOT / ".peer"
INSTALL = (
    "python3 -m pip install --no-deps --target .peer llama-index-llms-anthropic==0.12.3 anthropic==0.125.0"
)

FINE_BY_NOW = {
    "test_it_makes_a_call_beside_the_newest_sdk",  # here it has its own SDK; see below
    "test_react_without_streaming",
    "test_tool_results_may_be_empty",
    "test_thinking_blocks_keep_their_place",
}
"""Complaints that this version of the peer has mended, in all their forms."""


@pytest.fixture(scope="module")
def peer_folder() -> Path:
    """Where the peer lies; without it the tests say what to install, and fail in CI."""
    if not PEER.is_dir():
        reason = f"this test needs the peer: {INSTALL}"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    return PEER


def run_python(*arguments: str, path: list[Path]) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, path)), "PYTHONWARNINGS": "ignore"}
    return subprocess.run(
        [sys.executable, *arguments], capture_output=True, text=True, check=False, cwd=ROOT, env=environment
    )


def test_the_peer_fails_where_its_users_complain(peer_folder: Path) -> None:
    done = run_python(
        *("-m", "pytest", "-n0", "-q", "-rA", "--no-header", "--tb=no", "-p", "no:cacheprovider"),
        # What is equal is not shown: nothing has to be rewritten for it.
        *("--assert=plain", "-p", "llamaindex_peer", "tests/llamaindex/test_complaints.py"),
        path=[peer_folder, ROOT / "tests" / "support"],
    )
    outcomes: dict[str, set[str]] = defaultdict(set)
    for outcome, name in re.findall(r"^(PASSED|FAILED|ERROR) \S+::(\w+)", done.stdout, re.MULTILINE):
        outcomes[name].add(outcome)
    assert len(outcomes) > 15, done.stdout + done.stderr
    assert {name for name, seen in outcomes.items() if seen == {"PASSED"}} == FINE_BY_NOW
    assert "ERROR" not in set().union(*outcomes.values())


WITH_THE_NEWEST_SDK = """
import sys
import llama_index.llms
llama_index.llms.__path__.append(sys.argv[1])
try:
    from llama_index.llms.anthropic import Anthropic
    llm = Anthropic(
        model="claude-sonnet-4-6", api_key="k", base_url=sys.argv[2], max_retries=0,
        default_headers={"Authorization": "Bearer " + sys.argv[3]},
    )
    print(llm.complete("hi"))
except Exception as error:
    print(type(error).__name__)
"""


def test_the_peer_cannot_make_a_call_with_the_newest_sdk(peer_folder: Path, tmp_path: Path) -> None:
    program = tmp_path / "program.py"
    program.write_text(WITH_THE_NEWEST_SDK, encoding="utf-8")
    with Sandbox() as sandbox:
        place = str(peer_folder / "llama_index" / "llms")
        said = ReadyProcess(program, place, sandbox.url, sandbox.api_key).communicate()
        assert said.strip() in ("TypeError", "AttributeError", "ImportError")
        assert sandbox.requests == []
