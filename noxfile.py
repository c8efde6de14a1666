"""What one can run here: ``nox --list`` names it all, ``nox -s quick`` is for between two edits.

``quick``, ``lint`` and ``docs`` use the environment that nox lies in, activated or not (see CONTRIBUTING.md). The others make a fresh
environment each, with the network; they see what no test in a ready environment can see.
"""

from __future__ import annotations

import sys
import tomllib
from pathlib import Path
from typing import Final

import nox
from packaging.requirements import Requirement

ROOT: Final = Path(__file__).parent
PYTHONS: Final = ("3.11", "3.12", "3.13", "3.14")

nox.options.sessions = ["quick", "lint"]
nox.options.default_venv_backend = "venv"
nox.options.error_on_missing_interpreters = False

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

FOREIGN: Final = {
    "langchain": ("llama",),
    "llamaindex": ("lang",),
    "cli": ("lang", "llama", "numpy"),
}
"""How the names of the packages begin that an extra must not bring."""

LOWEST: Final = {
    "langchain": ("httpx", "pydantic", "langchain-core", "aiohttp"),
    # LlamaIndex' own packages ask for a newer pydantic than we do.
    "llamaindex": ("httpx", "llama-index-core", "aiohttp"),
}
"""What is held at its lower bound with each extra; the rest is what pip finds."""

TEST_TOOLS: Final = (
    *("anthropic", "hypothesis", "jsonschema", "pytest", "pytest-asyncio", "pytest-socket", "pytest-xdist"),
    "trustme",
)
LOWEST_TESTS: Final = {
    "langchain": ("tests/core", *map(str, sorted(ROOT.glob("tests/langchain/test_model_*.py")))),
    "llamaindex": (
        *(f"tests/core/test_client_{subject}.py" for subject in ("answers", "requests", "retries")),
        *map(str, sorted(ROOT.glob("tests/llamaindex/test_model_*.py"))),
    ),
}


PAGES_NEED: Final = (
    *("ag-ui-langgraph", "llama-index-protocols-ag-ui", "dbos", "temporalio", "openevals", "pydantic-evals"),
    *("langchain-mcp-adapters", "llama-index-tools-mcp"),
)
"""What some blocks of the documentation show, and no developer needs: ``<!-- needs: MODULE -->`` above them."""


def lower_bounds(extra: str) -> list[str]:
    """``name==version`` for the lower bounds to be held with ``extra`` and ``fast``, read from pyproject.toml."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = project["optional-dependencies"]
    requirements = map(Requirement, [*project["dependencies"], *extras[extra], *extras["fast"]])
    return [
        f"{requirement.name}=={specifier.version}"
        for requirement in requirements
        if requirement.name in LOWEST[extra]
        for specifier in requirement.specifier
        if specifier.operator == ">="
    ]


@nox.session(venv_backend="none")
def quick(session: nox.Session) -> None:
    """The tests that need neither a browser, a database, a build nor a second; under 40 s on two cores."""
    session.run(sys.executable, "-m", "pytest", "-n", "auto", "-m", "not slow", *session.posargs)


@nox.session(venv_backend="none")
def lint(session: nox.Session) -> None:
    """Rules of the linter, layout of the code, types."""
    for check in (("ruff", "check"), ("ruff", "format", "--check"), ("mypy",)):
        session.run(sys.executable, "-m", *check)


@nox.session(venv_backend="none")
def docs(session: nox.Session) -> None:
    """Build the site into site/; `nox -s docs -- serve` shows it while you write."""
    session.run(sys.executable, "-m", "mkdocs", *(session.posargs or ("build", "--strict")))


@nox.session(venv_backend="none")
def outputs(session: nox.Session) -> None:
    """Write outputs and tables into pages of the documentation: `nox -s outputs -- docs/howto/tools.md`."""
    session.run(sys.executable, "tests/support/doc_pages.py", *session.posargs)


@nox.session
def pages(session: nox.Session) -> None:
    """All blocks of the documentation, with the packages that some of them show."""
    session.install("-c", "constraints.txt", "-e", ".[all,examples]", *TEST_TOOLS, *PAGES_NEED)
    session.run("python", "-m", "pytest", "-n", "2", "-p", "no:cacheprovider", "tests/docs/test_pages.py")


@nox.session(python=PYTHONS)
def tests(session: nox.Session) -> None:
    """All tests with the versions in constraints.txt, for each Python that is installed."""
    session.install("-c", "constraints.txt", "-e", ".[all,dev]")
    session.run("python", "-m", "pytest", "-n", "auto", "--dist", "worksteal", *session.posargs)


@nox.session(python=["3.11", "3.13"])
@nox.parametrize("bound", ["lowest", "newest"])
def ray(session: nox.Session, bound: str) -> None:
    """Batch jobs on Ray Data, with both ends of the range that is supported; Ray is no dependency of developers."""
    ray = "ray[data]==2.55.1" if bound == "lowest" else "ray[data]"
    session.install(".[ray,langchain,llamaindex,redis,cli]", ray, *TEST_TOOLS)
    session.run(
        "python", "-m", "pytest", "-p", "no:cacheprovider", "tests/batch/test_ray.py", *session.posargs
    )


@nox.session
def newest(session: nox.Session) -> None:
    """All tests with the newest versions of everything."""
    session.install("-e", ".[all,dev]")
    session.run("python", "-m", "pytest", "-n", "auto", "-p", "no:cacheprovider", *session.posargs)


@nox.session
@nox.parametrize("extra", sorted(LOWEST_TESTS))
def lowest(session: nox.Session, extra: str) -> None:
    """The tests of the core and of each model with the lower bounds of pyproject.toml."""
    session.install(
        f".[{extra},fast]", *lower_bounds(extra), *TEST_TOOLS
    )  # the core's tests try both engines
    session.run("python", "-m", "pytest", "-n", "2", "-p", "no:cacheprovider", *LOWEST_TESTS[extra])


@nox.session
@nox.parametrize("extra", sorted(FOREIGN))
def extras(session: nox.Session, extra: str) -> None:
    """Each extra alone: that it brings nothing of another's, and one answer."""
    session.install("-c", "constraints.txt", f".[{extra}]")
    listed = session.run("python", "-m", "pip", "list", "--format=freeze", silent=True) or ""
    names = [line.partition("==")[0].lower() for line in str(listed).splitlines()]
    intruders = [name for name in names if name.startswith(FOREIGN[extra])]
    if intruders:
        session.error(f"the extra {extra} brings {', '.join(intruders)}")
    with session.chdir(session.create_tmp()):
        if extra in PROGRAMS:
            session.run("python", "-c", PROGRAMS[extra])
        else:
            session.run("aivideoapi", "chat", "--sandbox", "Hello")
    session.log(f"{extra}: {len(names)} packages, nothing of another's")


@nox.session
@nox.parametrize("name", ["langchain-aivideoapi", "llama-index-llms-aivideoapi"])
def thin(session: nox.Session, name: str) -> None:
    """The distributions under the frameworks' usual names, built and installed beside this one."""
    session.install("build", "hatchling>=1.26")
    folder = Path(session.create_tmp()).resolve()
    session.run("python", "-m", "build", "--wheel", "--outdir", str(folder), ".", silent=True)
    session.run("python", "-m", "build", "--wheel", "--outdir", str(folder), f"packaging/{name}", silent=True)
    session.install("-c", "constraints.txt", *map(str, sorted(folder.glob("*.whl"))))
    session.run("python", "-c", PROGRAMS["langchain" if name.startswith("langchain") else "llamaindex"])


@nox.session
def build(session: nox.Session) -> None:
    """Both archives into dist/, and what they say of themselves checked, as before a release."""
    session.install("build", "twine", "hatchling>=1.26")
    session.run("python", "-m", "build")
    session.run("twine", "check", "dist/*")


@nox.session(venv_backend="none")
def benchmarks(session: nox.Session) -> None:
    """Timings against the frameworks' own integrations; `--help` after `--` lists what there is."""
    session.run(sys.executable, "-m", "benchmarks", *session.posargs)
