"""deepagents finds our models through its entry-point groups, and its agents run to the end."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
import tomllib
from pathlib import Path
from typing import Any

import pytest
from deepagents import create_deep_agent
from deepagents.profiles.harness import harness_profiles
from langchain_core.messages import AIMessage, HumanMessage
from langchain_core.tools import tool

from aivideoapi_core import base_model, known_models
from aivideoapi_core.sandbox import Fault, Reply, Sandbox
from langchain_aivideoapi import AIVideoAPIPromptCachingMiddleware, ChatAIVideoAPI

ROOT = Path(__file__).parents[2]
NATIVE = "claude-sonnet-4-6"
DIRECT = "claude-sonnet-4-6/anthropic"


@tool
def get_weather(city: str) -> str:
    """The weather in a city."""
    return f"It is 21 degrees and sunny in {city}."


@pytest.mark.parametrize("model_id", [NATIVE, DIRECT])
def test_a_deep_agent_runs_to_the_end(sandbox: Sandbox, model_id: str) -> None:
    model = ChatAIVideoAPI(model=model_id, api_key=sandbox.api_key, base_url=sandbox.url)
    sandbox.enqueue(
        Reply(
            tool_uses=[
                {"name": "write_file", "input": {"file_path": "/notes.md", "content": "Ask about Paris."}}
            ]
        ),
        Reply(tool_uses=[{"name": "get_weather", "input": {"city": "Paris"}}]),
        Reply(
            tool_uses=[
                {"name": "task", "input": {"description": "Say hello.", "subagent_type": "general-purpose"}}
            ]
        ),
        Reply("Hello from the sub-agent."),
        Reply(tool_uses=[{"name": "read_file", "input": {"file_path": "/notes.md"}}]),
    )
    agent = create_deep_agent(model=model, tools=[get_weather], system_prompt="Be brief.")
    result = agent.invoke({"messages": [("user", "What is the weather in Paris?")]})
    assert "/notes.md" in result["files"]
    assert "Hello from the sub-agent." in str(result["messages"])
    assert isinstance(result["messages"][-1], AIMessage)
    assert result["messages"][-1].text
    assert len(sandbox.requests) == 6
    cached = ["cache_control" in request.body for request in sandbox.requests]
    assert cached == [model_id == DIRECT] * 6


async def test_async(sandbox: Sandbox) -> None:
    model = ChatAIVideoAPI(model=DIRECT, api_key=sandbox.api_key, base_url=sandbox.url)
    agent = create_deep_agent(model=model, tools=[get_weather])
    result = await agent.ainvoke({"messages": [("user", "What is the weather in Paris?")]})
    assert "21 degrees" in str(result["messages"])


def test_the_callers_own_caching_takes_the_place_of_the_default(sandbox: Sandbox) -> None:
    model = ChatAIVideoAPI(model=DIRECT, api_key=sandbox.api_key, base_url=sandbox.url)
    agent = create_deep_agent(model=model, middleware=[AIVideoAPIPromptCachingMiddleware(ttl="1h")])
    agent.invoke({"messages": [("user", "Hello")]})
    (request,) = sandbox.requests
    assert request.body["cache_control"]["ttl"] == "1h"


def test_context_overflow_is_summarised_and_tried_again(sandbox: Sandbox) -> None:
    """deepagents compacts the conversation when a call raises LangChain's ``ContextOverflowError``."""
    model = ChatAIVideoAPI(model=NATIVE, api_key=sandbox.api_key, base_url=sandbox.url, max_retries=0)
    sandbox.enqueue(
        Fault.error("invalid_request", message="prompt is too long: 208310 tokens > 200000 maximum"),
        Reply("SUMMARY OF IT ALL"),
        Reply("Done."),
    )
    talk: list[Any] = []
    for number in range(20):
        # A tenth of the window is kept, so there must be more than that.
        talk += [HumanMessage(f"Question {number}?"), AIMessage(f"Answer {number}. " + "word " * 2_000)]
    result = create_deep_agent(model=model).invoke({"messages": [*talk, HumanMessage("And now?")]})
    assert result["messages"][-1].text == "Done."
    assert len(sandbox.requests) == 3
    assert "SUMMARY OF IT ALL" in str(sandbox.requests[2].body["messages"][0])
    assert len(sandbox.requests[2].body["messages"]) < len(sandbox.requests[0].body["messages"])


def _with_our_entry_points(folder: Path) -> Path:
    """A distribution that declares what pyproject.toml declares, whatever is installed here."""
    groups = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["entry-points"]
    info = folder / "entry_points_under_test-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: entry-points-under-test\nVersion: 1.0\n")
    lines = [
        line
        for group in ("deepagents.provider_profiles", "deepagents.harness_profiles")
        for line in (f"[{group}]", *(f"{name} = {target}" for name, target in groups[group].items()))
    ]
    (info / "entry_points.txt").write_text("\n".join(lines) + "\n")
    return folder


_CODE = """
    import json, sys, warnings
    warnings.simplefilter("error", UserWarning)
    from deepagents import create_deep_agent
    for model in sys.argv[1:]:
        agent = create_deep_agent(model=f"aivideoapi:{model}")
        result = agent.invoke({"messages": [("user", "Hello")]})
        print(json.dumps({model: result["messages"][-1].text}))
"""


@pytest.fixture(scope="module")
def sent_by_strings(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    """The bodies that a program sends which makes an agent of each model's string: one program for both."""
    folder = tmp_path_factory.mktemp("strings")
    with Sandbox() as sandbox:
        env = {
            **os.environ,
            "PYTHONPATH": os.pathsep.join([str(_with_our_entry_points(folder)), str(ROOT)]),
            "AIVIDEOAPI_API_KEY": sandbox.api_key,
            "AIVIDEOAPI_BASE_URL": sandbox.url,
        }
        done = subprocess.run(
            [sys.executable, "-c", textwrap.dedent(_CODE), NATIVE, DIRECT],
            env=env,
            cwd=folder,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        said = [json.loads(line) for line in done.stdout.splitlines()[-2:]]
        assert [(*answer, all(answer.values())) for answer in said] == [(NATIVE, True), (DIRECT, True)]
        return [request.body for request in sandbox.requests]


@pytest.mark.parametrize("model_id", [NATIVE, DIRECT])
def test_model_strings_work_without_any_call(sent_by_strings: list[dict[str, Any]], model_id: str) -> None:
    assert [body["model"] for body in sent_by_strings] == [NATIVE, DIRECT]
    (body,) = (body for body in sent_by_strings if body["model"] == model_id)
    assert ("cache_control" in body) is (model_id == DIRECT)
    guidance: Any = harness_profiles._get_harness_profile("anthropic:claude-sonnet-4-6")
    assert guidance.system_prompt_suffix in json.dumps(body["system"], ensure_ascii=False).replace(
        "\\n", "\n"
    )


def test_guidance_of_deepagents_reaches_our_ids() -> None:
    from langchain_aivideoapi.deepagents import register_harness, register_provider

    register_provider()
    register_harness()
    for info in known_models():
        theirs: Any = harness_profiles._get_harness_profile(f"anthropic:{base_model(info.id)}")
        ours: Any = harness_profiles._get_harness_profile(f"aivideoapi:{info.id}")
        assert ours.system_prompt_suffix == getattr(theirs, "system_prompt_suffix", None)
        assert [type(item).__name__ for item in ours.materialize_extra_middleware()] == [
            "AIVideoAPIPromptCachingMiddleware"
        ]
