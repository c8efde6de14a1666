"""The chat: commands, what is sent, what is kept when an answer is stopped or fails."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from aivideoapi_core.sandbox import Fault, Reply, Sandbox


@pytest.fixture
def talk(
    cli: Callable[..., object], monkeypatch: pytest.MonkeyPatch, sandbox: Sandbox
) -> Callable[..., object]:
    """Enter lines into a chat with the sandbox."""
    monkeypatch.setenv("AIVIDEOAPI_API_KEY", sandbox.api_key)
    monkeypatch.setenv("AIVIDEOAPI_BASE_URL", sandbox.url)

    def say(*lines: str, options: tuple[str, ...] = ()) -> object:
        monkeypatch.setattr(sys, "stdin", io.StringIO("".join(line + "\n" for line in lines)))
        return cli("chat", *options)

    return say


def bodies(sandbox: Sandbox) -> list[dict[str, object]]:
    return [request.body for request in sandbox.requests if request.path == "/v1/messages"]


def test_a_conversation(talk: Callable[..., object], sandbox: Sandbox) -> None:
    sandbox.enqueue(Reply("First answer"), Reply("Second answer"))
    done = talk("Hello", "And?", options=("--system", "Be brief"))
    assert done.code == 0
    assert done.out == "First answer\nSecond answer\n"
    assert done.err.count("credits reported") == 2
    first, second = bodies(sandbox)
    assert first == {
        "model": "claude-sonnet-4-6",
        "messages": [{"role": "user", "content": "Hello"}],
        "stream": True,
        "system": "Be brief",
    }
    assert [turn["role"] for turn in second["messages"]] == ["user", "assistant", "user"]


def test_multi_line_input(talk: Callable[..., object], sandbox: Sandbox) -> None:
    talk("one \\", "two", '"""three', "four", 'five"""')
    assert [body["messages"][-1]["content"] for body in bodies(sandbox)] == ["one \ntwo", "three\nfour\nfive"]


def test_switching_model_and_thinking(talk: Callable[..., object], sandbox: Sandbox) -> None:
    talk(
        "/thinking",
        "a",
        "/clear",
        "/model claude-haiku-4-5/anthropic",
        "b",
        "/clear",
        "/model claude-opus-4-7/anthropic",
        "c",
        "/thinking",
        "d",
    )
    asked = [(body["model"], body.get("thinkingFlag"), body.get("thinking")) for body in bodies(sandbox)]
    assert asked == [
        ("claude-sonnet-4-6", True, None),
        ("claude-haiku-4-5/anthropic", None, {"type": "enabled", "budget_tokens": 4096}),
        ("claude-opus-4-7/anthropic", None, {"type": "adaptive"}),
        ("claude-opus-4-7/anthropic", None, None),
    ]
    assert len(bodies(sandbox)[3]["messages"]) == 3


def test_save_as_data_and_as_markdown(talk: Callable[..., object], sandbox: Sandbox, tmp_path: Path) -> None:
    sandbox.enqueue(Reply("Yes.", thinking="Hm."))
    done = talk(
        "/system Be brief", "/thinking", "Really?", f"/save {tmp_path}/a.json", f"/save {tmp_path}/a.md", "/save",
        f"/save {tmp_path}/no/a.md", "/history", "/nonsense", "/help", "/quit", "never sent",
    )  # fmt: skip
    saved = json.loads((tmp_path / "a.json").read_text())
    assert saved["system"] == "Be brief"
    assert saved["messages"][0] == {"role": "user", "content": "Really?"}
    assert [block["type"] for block in saved["messages"][1]["content"]] == ["thinking", "text"]
    text = (tmp_path / "a.md").read_text()
    assert "## You\n\nReally?\n\n## Answer\n\nYes.\n" in text
    assert "Hm." not in text
    for said in (
        "/save needs a file name",
        "not saved: ",
        "You      Really?",
        "/nonsense is not a command",
        "/model ID",
    ):
        assert said in done.out
    assert len(bodies(sandbox)) == 1


def test_meter_counts_what_is_unknown(talk: Callable[..., object], sandbox: Sandbox) -> None:
    sandbox.enqueue(Reply("a", usage={"input_tokens": 18, "output_tokens": 42}))
    done = talk("Hello", "/credits")
    assert (
        "18 in, 42 out · 0.06 credits reported · 0.068400 computed · session 0.068400 ($0.000342)" in done.err
    )
    assert "balance: 9,999 credits" in done.out


def test_a_failed_call_ends_a_script(talk: Callable[..., object], sandbox: Sandbox) -> None:
    sandbox.enqueue(Fault.error("insufficient_credits"))
    done = talk("Hello", "never sent")
    assert done.code == 1
    assert done.err.startswith("error: 402 insufficient_credits")
    assert len(bodies(sandbox)) == 1


def test_the_sandbox_only_when_asked(cli: Callable[..., object], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO("Hello\n"))
    done = cli("chat")
    assert done.code == 2
    monkeypatch.setattr(sys, "stdin", io.StringIO("Hello\n"))
    done = cli("chat", "--sandbox")
    assert done.code == 0
    assert done.out.startswith("Sandbox: answers are made by rules")
