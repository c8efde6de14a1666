"""Which files the demo reads, and the question it asks of files that nobody told it about."""

from __future__ import annotations

from pathlib import Path

import pytest

from aivideoapi_cli._terminal import WRONG_USE, CommandError
from aivideoapi_cli.demo.files import TextFile, documents_at, own_documents, question_about


def test_own_documents() -> None:
    assert [file.name for file in own_documents()] == ["README.md", "CONTRIBUTING.md"]


def test_a_folder(tmp_path: Path) -> None:
    (tmp_path / "b.md").write_text("# Bees\nBees fly.")
    (tmp_path / "deep" / "er").mkdir(parents=True)
    (tmp_path / "deep" / "er" / "a.txt").write_text("\ufeffGrüße", encoding="utf-8")
    (tmp_path / "empty.txt").write_text(" \n")
    (tmp_path / "picture.png").write_bytes(b"\x89PNG\0\0")
    (tmp_path / "latin.txt").write_bytes(b"Gr\xfc\xdfe")
    (tmp_path / ".hidden").write_text("no")
    (tmp_path / ".git").mkdir()
    (tmp_path / ".git" / "config").write_text("no")
    (tmp_path / "loop").symlink_to(tmp_path)
    assert documents_at(tmp_path) == [
        TextFile("b.md", "# Bees\nBees fly."),
        TextFile("deep/er/a.txt", "Grüße"),
    ]


def test_one_file(tmp_path: Path) -> None:
    (tmp_path / "one.txt").write_text("text")
    assert documents_at(tmp_path / "one.txt") == [TextFile("one.txt", "text")]


@pytest.mark.parametrize(
    ("name", "said"), [("missing", "no such file or folder"), ("empty", "no text in it")]
)
def test_nothing_to_read(tmp_path: Path, name: str, said: str) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(CommandError, match=said) as caught:
        documents_at(tmp_path / name)
    assert caught.value.exit_code == WRONG_USE


@pytest.mark.parametrize(
    ("file", "question"),
    [
        (TextFile("x.md", "intro\n\n# Our `bees` #\n"), "What do the documents say about Our bees?"),
        (TextFile("deep/bee_keeping.txt", "text"), "What do the documents say about bee keeping?"),
    ],
)
def test_question_about(file: TextFile, question: str) -> None:
    assert question_about([file]) == question
