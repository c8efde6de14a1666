"""LangChain's standard suites, whole, on both routes, against the sandbox.

Every flag that the wire can carry is on, and one test is an expected failure: ``test_serdes``, for
which ``test_round_trip_of_a_model`` stands in. Images and PDFs are local bytes, not downloads.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import httpx
import pytest
import vcr as vcrpy
from langchain_core.load import dumps, loads
from langchain_core.messages import AIMessage, AIMessageChunk, SystemMessage
from langchain_tests.integration_tests import ChatModelIntegrationTests
from langchain_tests.unit_tests import ChatModelUnitTests
from pytest_recording.plugin import block_network, vcr  # noqa: F401 - fixtures of the suites' marked tests

from aivideoapi_core.sandbox import Sandbox
from langchain_aivideoapi import ChatAIVideoAPI

NATIVE = "claude-sonnet-4-6"
DIRECT = "claude-sonnet-4-6/anthropic"
NOT_IN_CORES_MAPPING = (
    "langchain-core's load() reads only classes in its own fixed mapping, whatever it is allowed; "
    "the round trip with allowed_objects is tested by test_round_trip_of_a_model"
)
Details = dict[
    Literal["invoke", "stream"],
    list[
        Literal["audio_input", "audio_output", "reasoning_output", "cache_read_input", "cache_creation_input"]
    ],
]


def _png() -> bytes:
    """An image of one red pixel."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        checked = kind + data
        return len(data).to_bytes(4, "big") + checked + zlib.crc32(checked).to_bytes(4, "big")

    header = (1).to_bytes(4, "big") * 2 + bytes([8, 2, 0, 0, 0])
    pixels = zlib.compress(b"\x00\xff\x00\x00")
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")


_PDF = (
    b"%PDF-1.4\n1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj\n2 0 obj<</Type/Pages/Kids[3 0 R]/Count 1>>endobj\n"
    b"3 0 obj<</Type/Page/Parent 2 0 R/MediaBox[0 0 72 72]>>endobj\ntrailer<</Root 1 0 R>>\n%%EOF\n"
)


def _local_bytes(url: str, **_: Any) -> httpx.Response:
    """What the suite would download."""
    return httpx.Response(200, content=_PDF if url.endswith(".pdf") else _png())


class _Unit(ChatModelUnitTests):
    model_id: str

    @property
    def chat_model_class(self) -> type[ChatAIVideoAPI]:
        return ChatAIVideoAPI

    @property
    def chat_model_params(self) -> dict[str, Any]:
        return {"model": self.model_id, "api_key": "sk-test"}

    @property
    def init_from_env_params(self) -> tuple[dict[str, str], dict[str, Any], dict[str, Any]]:
        return (
            {"AIVIDEOAPI_API_KEY": "sk-test", "AIVIDEOAPI_BASE_URL": "https://relay.example"},
            {"model": self.model_id},
            {"api_key": "sk-test", "base_url": "https://relay.example"},
        )

    @property
    def supports_json_mode(self) -> bool:
        return True

    @pytest.mark.xfail(reason=NOT_IN_CORES_MAPPING)
    def test_serdes(self, *args: Any, **kwargs: Any) -> None:
        super().test_serdes(*args, **kwargs)


class TestUnitNative(_Unit):
    model_id = NATIVE


class TestUnitDirect(_Unit):
    model_id = DIRECT


class _Integration(ChatModelIntegrationTests):
    """All flags of the suite but audio and video, which the wire cannot carry."""

    model_id: str
    other_model_id: str
    sandbox: Sandbox

    @pytest.fixture(autouse=True, scope="class")
    @classmethod
    def _serve(cls, request: pytest.FixtureRequest) -> Iterator[None]:
        with Sandbox() as sandbox:
            request.cls.sandbox = sandbox
            yield

    @pytest.fixture(autouse=True)
    def _no_downloads(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(httpx, "get", _local_bytes)

    @property
    def chat_model_class(self) -> type[ChatAIVideoAPI]:
        return ChatAIVideoAPI

    @property
    def chat_model_params(self) -> dict[str, Any]:
        return {"model": self.model_id, "api_key": self.sandbox.api_key, "base_url": self.sandbox.url}

    @property
    def model_override_value(self) -> str:
        return self.other_model_id

    @property
    def supports_json_mode(self) -> bool:
        return True

    @property
    def supports_image_inputs(self) -> bool:
        return True

    @property
    def supports_image_urls(self) -> bool:
        return True

    @property
    def supports_pdf_inputs(self) -> bool:
        return True

    @property
    def supports_image_tool_message(self) -> bool:
        return True

    @property
    def supports_pdf_tool_message(self) -> bool:
        return True

    @property
    def supports_anthropic_inputs(self) -> bool:
        return True

    @property
    def enable_vcr_tests(self) -> bool:
        return True

    @property
    def supported_usage_metadata_details(self) -> Details:
        return {"invoke": ["reasoning_output"], "stream": ["reasoning_output"]}

    def _ask(self, prompt: Any, *, stream: bool, **fields: Any) -> AIMessage:
        model = ChatAIVideoAPI(max_tokens=4_000, **self.chat_model_params, **fields)
        if not stream:
            return model.invoke(prompt)
        total: AIMessageChunk | None = None
        for chunk in model.stream(prompt):
            total = chunk if total is None else total + chunk
        assert total is not None
        return total

    def invoke_with_reasoning_output(self, *, stream: bool = False) -> AIMessage:
        thinking: Any = True if self.model_id == NATIVE else {"type": "enabled", "budget_tokens": 1024}
        message = self._ask("How many legs have three cats?", stream=stream, thinking=thinking)
        assert message.usage_metadata is not None
        assert message.usage_metadata["output_token_details"]["reasoning"] > 0
        return message


class TestIntegrationNative(_Integration):
    model_id = NATIVE
    other_model_id = "claude-opus-4-6"


class TestIntegrationNativeOverriddenByDirect(_Integration):
    """The per-call model may change the route; structured output through tools."""

    model_id = NATIVE
    other_model_id = DIRECT

    @property
    def structured_output_kwargs(self) -> dict[str, Any]:
        return {"method": "json_schema"}


class _Direct(_Integration):
    model_id = DIRECT
    other_model_id = "claude-haiku-4-5/anthropic"

    @property
    def supported_usage_metadata_details(self) -> Details:
        return {
            "invoke": ["reasoning_output", "cache_read_input", "cache_creation_input"],
            "stream": ["reasoning_output", "cache_read_input", "cache_creation_input"],
        }

    def _cached(self, name: str) -> list[Any]:
        text = f"{name}: " + "all that there is to know about cats. " * 50
        system = SystemMessage([{"type": "text", "text": text, "cache_control": {"type": "ephemeral"}}])
        return [system, ("user", "Hello")]

    def invoke_with_cache_creation_input(self, *, stream: bool = False) -> AIMessage:
        message = self._ask(self._cached(f"new {stream}"), stream=stream)
        assert message.usage_metadata is not None
        assert message.usage_metadata["input_token_details"]["cache_creation"] > 0
        return message

    def invoke_with_cache_read_input(self, *, stream: bool = False) -> AIMessage:
        self._ask(self._cached(f"again {stream}"), stream=stream)
        message = self._ask(self._cached(f"again {stream}"), stream=stream)
        assert message.usage_metadata is not None
        assert message.usage_metadata["input_token_details"]["cache_read"] > 0
        return message


class TestIntegrationDirect(_Direct):
    """Structured output by its default road."""


class TestIntegrationDirectJsonSchema(_Direct):
    other_model_id = "claude-opus-4-6"

    @property
    def structured_output_kwargs(self) -> dict[str, Any]:
        return {"method": "json_schema"}


class TestIntegrationDirectFunctionCalling(_Direct):
    other_model_id = "claude-opus-4-7/anthropic"

    @property
    def standard_chat_model_params(self) -> dict[str, Any]:
        # This other model takes no temperature, as ours is told.
        return {
            name: value for name, value in super().standard_chat_model_params.items() if name != "temperature"
        }

    @property
    def structured_output_kwargs(self) -> dict[str, Any]:
        return {"method": "function_calling"}


@pytest.fixture
def vcr_config() -> dict[str, Any]:
    return {
        "record_mode": "none",
        "match_on": ["method", "path", "body"],
        "allow_playback_repeats": True,
        "filter_headers": ["authorization"],
    }


@pytest.fixture(scope="module")
def vcr_cassette_dir(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The suite plays a cassette; it is recorded from the sandbox just before."""
    return str(tmp_path_factory.mktemp("cassettes"))


@pytest.fixture
def default_cassette_name(request: pytest.FixtureRequest, vcr_cassette_dir: str, vcr_config: Any) -> str:
    name: str = request.node.name
    if isinstance(request.instance, _Integration):
        path = Path(vcr_cassette_dir) / f"{name}.yaml"
        path.unlink(missing_ok=True)
        suite = request.instance
        model = ChatAIVideoAPI(**{**suite.standard_chat_model_params, **suite.chat_model_params})
        with vcrpy.VCR().use_cassette(str(path), **{**vcr_config, "record_mode": "all"}):
            list(model.stream("Write a story about a cat."))
        assert suite.sandbox.api_key not in path.read_text()
    return name


@pytest.mark.parametrize("model_id", [NATIVE, DIRECT])
def test_round_trip_of_a_model(model_id: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """What ``test_serdes`` asks for: dumped without the key, loaded again, the same model."""
    model = ChatAIVideoAPI(
        model=model_id,
        api_key="sk-test",
        max_tokens=77,
        timeout=9,
        stop=["END"],
        default_headers={"x-team": "cats"},
    )
    text = dumps(model)
    assert "sk-test" not in text
    assert "cats" not in text  # a header may be a credential
    monkeypatch.setenv("AIVIDEOAPI_API_KEY", "sk-test")
    monkeypatch.setenv("AIVIDEOAPI_DEFAULT_HEADERS", '{"x-team": "cats"}')
    again = loads(
        text,
        allowed_objects=[ChatAIVideoAPI],
        valid_namespaces=model.get_lc_namespace()[:1],
        secrets_from_env=True,
    )
    assert isinstance(again, ChatAIVideoAPI)
    assert again.asdict() == model.asdict()
    assert again.max_tokens == 77
    assert dumps(again) == text
