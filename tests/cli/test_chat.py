"""The chat: commands, what is sent, what is kept when an answer is stopped or fails."""

from __future__ import annotations

import io
import json
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from aivideoapi_cli.chat.show import rendered, show
from aivideoapi_core import SpendLedger
from aivideoapi_core.sandbox import Fault, Reply, Sandbox


@pytest.fixture
def talk(
    cli: Callable[..., object], monkeypatch: pytest.MonkeyPatch, sandbox: Sandbox, tmp_path: Path
) -> Callable[..., object]:
    """Enter lines into a chat with the sandbox."""
    monkeypatch.setenv("AIVIDEOAPI_API_KEY", sandbox.api_key)
    monkeypatch.setenv("AIVIDEOAPI_BASE_URL", sandbox.url)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))

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
        "18 in, 42 out · 0.06 credits reported · 0.068400 computed · session 0.060000 charged ($0.000300)"
        in done.err
    )
    assert "balance: 9,999 credits" in done.out


def test_a_failed_call_ends_a_script(talk: Callable[..., object], sandbox: Sandbox) -> None:
    sandbox.enqueue(Fault.error("insufficient_credits"))
    done = talk("Hello", "never sent")
    assert done.code == 1
    assert done.err.startswith("error: 402 insufficient_credits")
    assert len(bodies(sandbox)) == 1


def test_the_sandbox_only_when_asked(
    cli: Callable[..., object], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    monkeypatch.setattr(sys, "stdin", io.StringIO("Hello\n"))
    done = cli("chat")
    assert done.code == 2
    monkeypatch.setattr(sys, "stdin", io.StringIO("Hello\n"))
    done = cli("chat", "--sandbox")
    assert done.code == 0
    assert done.out.startswith("Sandbox: answers are made by rules")


def test_one_question_with_text_from_a_pipe(talk: Callable[..., object], sandbox: Sandbox) -> None:
    sandbox.enqueue(Reply("It is a poem."))
    done = talk("Roses are red", options=("What is this?", "--max-tokens", "50"))
    assert (done.code, done.out) == (0, "It is a poem.\n")
    (body,) = bodies(sandbox)
    assert body["messages"] == [{"role": "user", "content": "What is this?\n\nRoses are red"}]
    assert body["max_tokens"] == 50


PNG = b"\x89PNG\r\n\x1a\n" + bytes(8)


def test_files_go_in_front_of_the_question(
    talk: Callable[..., object], sandbox: Sandbox, tmp_path: Path
) -> None:
    (tmp_path / "notes.txt").write_text("Buy milk\n")
    (tmp_path / "picture.jpg").write_bytes(PNG)  # its name lies
    options = ("Read these", "-a", f"{tmp_path}/notes.txt", "-a", f"{tmp_path}/picture.jpg")
    assert talk(options=options).code == 0
    (body,) = bodies(sandbox)
    text, image, question = body["messages"][0]["content"]
    assert text["text"] == '<file name="notes.txt">\nBuy milk\n</file>'
    assert image["source"]["media_type"] == "image/png"
    assert question == {"type": "text", "text": "Read these"}


@pytest.mark.parametrize(
    ("content", "said"),
    [
        pytest.param(None, "cannot read", id="absent"),
        pytest.param(b"\x00\xff\xfe", "is neither text in UTF-8, nor an image, nor a PDF", id="binary"),
        pytest.param(b"\0\1\2", "is neither text in UTF-8, nor an image, nor a PDF", id="NUL"),
        pytest.param(b"\n \n", "is empty", id="empty"),
    ],
)
def test_a_file_that_cannot_be_sent(
    talk: Callable[..., object], sandbox: Sandbox, tmp_path: Path, content: bytes | None, said: str
) -> None:
    if content is not None:
        (tmp_path / "a").write_bytes(content)
    done = talk(options=("Read", "-a", f"{tmp_path}/a"))
    assert done.code == 1
    assert said in done.err
    assert bodies(sandbox) == []


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ((" ",), "the question is empty"),
        (("And?", "--continue", "--load", "a.json"), "give --continue or --load, not both"),
    ],
)
def test_wrong_use(
    talk: Callable[..., object], sandbox: Sandbox, options: tuple[str, ...], said: str
) -> None:
    done = talk(options=options)
    assert (done.code, done.err) == (2, f"error: {said}\n")
    assert bodies(sandbox) == []


def test_going_on_with_the_last_conversation(
    talk: Callable[..., object], sandbox: Sandbox, tmp_path: Path
) -> None:
    assert "no conversation to go on with" in talk(options=("And?", "--continue")).err
    talk(options=("First", "-m", "claude-haiku-4-5/anthropic", "--system", "Be brief"))
    talk(options=("Second", "--continue"))
    _, second = bodies(sandbox)
    assert (second["model"], second["system"]) == ("claude-haiku-4-5/anthropic", "Be brief")
    assert [turn["role"] for turn in second["messages"]] == ["user", "assistant", "user"]
    (kept,) = (tmp_path / "state").rglob("*.json")
    assert kept.stat().st_mode & 0o077 == 0
    kept.write_text("[]")
    assert "is no conversation" in talk(options=("Third", "--load", str(kept))).err


def test_nothing_is_overwritten_unasked(
    talk: Callable[..., object], sandbox: Sandbox, tmp_path: Path
) -> None:
    (tmp_path / "a.md").write_text("mine")
    done = talk(
        "Hello", f"/save {tmp_path}/a.md", f"/save {tmp_path}/b.json", f"/load {tmp_path}/b.json", "And?"
    )
    assert "is there already" in " ".join(done.out.split())
    assert (tmp_path / "a.md").read_text() == "mine"
    assert len(bodies(sandbox)[-1]["messages"]) == 3


def test_retry_asks_again_in_place_of_the_answer(talk: Callable[..., object], sandbox: Sandbox) -> None:
    sandbox.enqueue(Reply("one"), Reply("two"), Reply("three"))
    done = talk("/retry", "Hello", "/retry", "And?")
    assert "nothing was asked yet" in done.out
    first, second, third = (body["messages"] for body in bodies(sandbox))
    assert first == second
    assert third[1]["content"] == [{"type": "text", "text": "two"}]


def test_a_budget_refuses_and_a_ledger_keeps(
    talk: Callable[..., object], sandbox: Sandbox, tmp_path: Path
) -> None:
    book = str(tmp_path / "book.db")
    assert talk(options=("Hello", "--ledger", book, "--max-tokens", "10", "--budget", "1")).code == 0
    done = talk(options=("Hello", "--ledger", book, "--max-tokens", "5000", "--budget", "0.1"))
    assert done.code == 1
    assert "budget" in done.err
    assert len(bodies(sandbox)) == 1
    rows = list(SpendLedger(book).records())
    assert rows[0].credits_reported is not None


def test_headings_stand_at_the_left() -> None:
    console = Console(width=60, file=io.StringIO(), force_terminal=True, color_system=None)
    console.print(rendered("", "# Title\n\ntext"))
    assert console.file.getvalue().splitlines()[0].rstrip() == "Title"


def test_text_from_a_pipe_that_is_not_in_utf_8_is_not_paid_for(
    talk: Callable[..., object], sandbox: Sandbox
) -> None:
    done = talk("caf\udce9", options=("What is this?",))
    assert (done.code, sandbox.requests) == (2, [])
    assert "not in UTF-8" in done.err


def test_a_growing_answer_leaves_room_for_what_the_terminal_writes() -> None:
    """``^C`` behind a line of the whole width would begin another, and the answer be drawn twice."""
    screen = io.StringIO()
    words = [
        {"type": "content_block_delta", "delta": {"type": "text_delta", "text": f"word{number} "}}
        for number in range(30)
    ]
    show(Console(file=screen, force_terminal=True, width=40), words)  # type: ignore[arg-type]
    lines = [re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", line) for line in re.split(r"[\r\n]+", screen.getvalue())]
    assert any("word29" in line for line in lines)
    assert max(map(len, lines)) <= 38


def test_a_model_that_is_not_in_the_list_is_told(talk: Callable[..., Any]) -> None:
    assert "did you mean claude-sonnet-4-6?" in talk("/model claude-sonet-4-6").out
    assert "did you mean" not in talk("/model claude-opus-4-6").out
    assert "did you mean" not in talk("/model my-own").out
