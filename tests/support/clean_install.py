"""Install the project into fresh environments, with the network, and try it there. Run by hand, not by pytest.

    python tests/support/clean_install.py extras    # each framework's extra alone: what it brings, and one answer
    python tests/support/clean_install.py lowest    # the lower bounds of pyproject.toml, and the tests of the models
    python tests/support/clean_install.py newest    # what pip finds without constraints.txt, and all tests

``--python PATH`` chooses the interpreter. Exits with 1 at the first thing that is not as it should be.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path
from typing import Final

from packaging.requirements import Requirement

ROOT: Final = Path(__file__).parents[2]

PROGRAMS: Final = {
    "langchain": """
from aivideoapi_core.sandbox import Sandbox
from langchain_aivideoapi import ChatAIVideoAPI

with Sandbox() as sandbox:
    model = ChatAIVideoAPI(model="claude-sonnet-4-6", api_key=sandbox.api_key, base_url=sandbox.url)
    message = model.invoke("Hello")
    assert message.text, message
    assert "".join(chunk.text for chunk in model.stream("Hello")) == message.text
    assert message.usage_metadata["credits_consumed_micro"] * 2 == sandbox.charged_micro
""",
    "llamaindex": """
from aivideoapi_core.sandbox import Sandbox
from llama_index.llms.aivideoapi import AIVideoAPI

with Sandbox() as sandbox:
    llm = AIVideoAPI(model="claude-sonnet-4-6", api_key=sandbox.api_key, base_url=sandbox.url)
    reply = llm.complete("Hello")
    assert reply.text, reply
    assert list(llm.stream_complete("Hello"))[-1].text == reply.text
    assert reply.raw["usage"]["credits_consumed_micro"] * 2 == sandbox.charged_micro
""",
}
"""One whole and one streamed call with each adapter, and the books of the sandbox."""

FOREIGN: Final = {"langchain": ("llama",), "llamaindex": ("lang",)}
"""How the names of the packages begin that an extra must not bring."""

LOWEST: Final = {
    "langchain": ("httpx", "pydantic", "langchain-core"),
    # LlamaIndex' own packages ask for a newer pydantic than we do.
    "llamaindex": ("httpx", "llama-index-core"),
}
"""What is held at its lower bound with each extra; the rest is what pip finds."""

TEST_TOOLS: Final = (
    "anthropic",
    "hypothesis",
    "pytest",
    "pytest-asyncio",
    "pytest-socket",
    "pytest-xdist",
    "trustme",
)
LOWEST_TESTS: Final = {
    "langchain": ("tests/core", "tests/langchain/test_model.py"),
    "llamaindex": ("tests/core/test_client.py", "tests/llamaindex/test_model.py"),
}


def lower_bounds(extra: str) -> list[str]:
    """``name==version`` for the lower bounds to be held with ``extra``, read from pyproject.toml."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    requirements = map(Requirement, [*project["dependencies"], *project["optional-dependencies"][extra]])
    return [
        f"{requirement.name}=={specifier.version}"
        for requirement in requirements
        if requirement.name in LOWEST[extra]
        for specifier in requirement.specifier
        if specifier.operator == ">="
    ]


def check_extras(python: str, folder: Path) -> None:
    """Each extra in an environment of its own brings nothing of the other framework, and answers."""
    for extra, foreign in FOREIGN.items():
        interpreter = _environment(python, folder / extra)
        _run(interpreter, "-m", "pip", "install", "-q", "-c", "constraints.txt", f".[{extra}]")
        listed = _run(interpreter, "-m", "pip", "list", "--format=freeze", capture=True)
        names = [line.partition("==")[0].lower() for line in listed.splitlines()]
        intruders = [name for name in names if name.startswith(foreign)]
        if intruders:
            sys.exit(f"the extra {extra} brings {', '.join(intruders)}")
        _run(interpreter, "-c", PROGRAMS[extra], cwd=folder)
        print(f"{extra}: {len(names)} packages, nothing of the other framework; both calls answered")


def check_lowest(python: str, folder: Path) -> None:
    """The tests of the core and of each model with the lower bounds of what they rest on."""
    for extra, tests in LOWEST_TESTS.items():
        bounds = lower_bounds(extra)
        interpreter = _environment(python, folder / extra)
        _run(interpreter, "-m", "pip", "install", "-q", f".[{extra}]", *bounds, *TEST_TOOLS)
        _run(interpreter, "-m", "pytest", "-n", "2", "-p", "no:cacheprovider", *tests)
        print(f"{extra}: passed with {', '.join(bounds)}")


def check_newest(python: str, folder: Path) -> None:
    """All tests with the newest versions of everything."""
    interpreter = _environment(python, folder / "newest")
    _run(interpreter, "-m", "pip", "install", "-q", "-e", ".[all,dev]")
    _run(interpreter, "-m", "pytest", "-p", "no:cacheprovider")
    print("newest: all tests passed")


def _environment(python: str, folder: Path) -> str:
    """Make a virtual environment; returns the path of its interpreter."""
    _run(python, "-m", "venv", str(folder))
    return str(folder / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python"))


def _run(*command: str, capture: bool = False, cwd: Path = ROOT) -> str:
    done = subprocess.run(  # noqa: S603 - our own commands
        command, cwd=cwd, text=True, check=False, stdout=subprocess.PIPE if capture else None
    )
    if done.returncode:
        sys.exit(f"failed with {done.returncode}: {' '.join(command[:6])}")
    return done.stdout or ""


CHECKS: Final = {"extras": check_extras, "lowest": check_lowest, "newest": check_newest}


def main() -> None:
    """Read the command line, and check in a folder that is removed afterwards."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("what", choices=CHECKS)
    parser.add_argument("--python", default=sys.executable, help="interpreter of the fresh environments")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        CHECKS[arguments.what](arguments.python, Path(folder))


if __name__ == "__main__":
    main()
