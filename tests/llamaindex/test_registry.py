"""Names, tables, packaging: where LlamaIndex and its users look for us."""

from __future__ import annotations

import importlib
import json
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import httpx
import pytest
from llama_index.core import Settings
from llama_index.core.llms.loading import RECOGNIZED_LLMS, load_llm
from llama_index.core.llms.mock import MockLLM

import llamaindex_aivideoapi
from llamaindex_aivideoapi import AIVideoAPI, register

ROOT = Path(llamaindex_aivideoapi.__file__).parent.parent


def test_load_llm_round_trip(monkeypatch: pytest.MonkeyPatch) -> None:
    llm = AIVideoAPI(
        model="claude-opus-4-6/anthropic",
        api_key="sk-test",
        max_tokens=100,
        temperature=0.5,
        stop=["x"],
        thinking={"type": "adaptive"},
        betas=["b"],
        additional_kwargs={"metadata": {"user_id": "u"}},
        system_prompt="Be brief.",
        context_window=1000,
        timeout=httpx.Timeout(30.0, connect=2.0),
    )
    data = json.loads(json.dumps(llm.to_dict()))
    assert data["class_name"] == "AIVideoAPI_LLM"
    assert "api_key" not in data
    monkeypatch.setenv("AIVIDEOAPI_API_KEY", "sk-test")
    restored = load_llm(data)
    assert isinstance(restored, AIVideoAPI)
    assert restored.to_dict() == llm.to_dict()
    assert restored.api_key is None
    assert restored.timeout == llm.timeout
    assert AIVideoAPI.from_dict(data, api_key="sk-test").api_key is not None
    assert AIVideoAPI.from_json(llm.to_json()).max_tokens == 100


def test_registering_again_changes_nothing() -> None:
    assert register()
    assert register()
    assert RECOGNIZED_LLMS["AIVideoAPI_LLM"] is AIVideoAPI


def test_another_class_under_our_name_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(RECOGNIZED_LLMS, "AIVideoAPI_LLM", MockLLM)
    assert not register()
    assert RECOGNIZED_LLMS["AIVideoAPI_LLM"] is MockLLM


def test_a_llamaindex_without_the_table_is_no_reason_to_fail(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "llama_index.core.llms.loading", None)
    assert not register()


def test_settings_take_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Settings, "_llm", None)
    llm = AIVideoAPI(api_key="sk-test")
    Settings.llm = llm
    assert Settings.llm is llm
    assert Settings.prompt_helper.context_window == 200_000


def test_the_name_gives_no_tracer_a_wrong_idea() -> None:
    for other in ("openai", "anthropic", "vertex", "gemini", "azure"):
        assert other not in AIVideoAPI.class_name().lower()
        assert other not in AIVideoAPI.__name__.lower()


class TestNamespace:
    def test_the_usual_import_path(self) -> None:
        assert importlib.import_module("llama_index.llms.aivideoapi").AIVideoAPI is AIVideoAPI

    def test_the_namespace_stays_open(self) -> None:
        """An ``__init__.py`` there would hide every other integration."""
        assert not (ROOT / "llama_index" / "__init__.py").exists()
        assert not (ROOT / "llama_index" / "llms" / "__init__.py").exists()

    def test_beside_another_integration(self, tmp_path: Path) -> None:
        """In a fresh process, whichever part of the namespace comes first on the path.

        The namespace is found anew for each order; the framework's own part of it is imported once.
        """
        other = tmp_path / "llama_index" / "llms" / "other_provider"
        other.mkdir(parents=True)
        (other / "__init__.py").write_text("HERE = True\n", encoding="utf-8")
        code = (
            "import sys\n"
            "from importlib.machinery import PathFinder\n"
            "before = [*sys.path]\n"
            "for order in ([sys.argv[1], sys.argv[2]], [sys.argv[2], sys.argv[1]]):\n"
            "    sys.path[:] = [*order, *before]\n"
            "    for name in [*sys.modules]:\n"
            "        if name == 'llama_index' or name.startswith('llama_index.llms'): del sys.modules[name]\n"
            "    import llama_index\n"
            "    assert PathFinder.find_spec('llama_index.core', llama_index.__path__)\n"
            "    import llama_index.core\n"
            "    from llama_index.llms.other_provider import HERE\n"
            "    from llama_index.llms.aivideoapi import AIVideoAPI\n"
            "    print(AIVideoAPI.class_name(), [*llama_index.__path__].index(order[0] + '/llama_index'))\n"
        )
        done = subprocess.run(
            [sys.executable, "-c", code, str(tmp_path), str(ROOT)],
            capture_output=True,
            text=True,
            check=False,
            cwd=tmp_path,
        )
        assert done.stdout.split("\n") == ["AIVideoAPI_LLM 0"] * 2 + [""], done.stderr

    def test_the_hub_knows_where(self) -> None:
        project: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
        hub = project["tool"]["llamahub"]
        assert hub["import_path"] == "llama_index.llms.aivideoapi"
        assert "AIVideoAPI" in hub["class_authors"]
        assert "llama_index" in project["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]
