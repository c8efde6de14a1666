"""What a model says of itself, keeps secret, and takes along into its copies."""

from __future__ import annotations

import asyncio
import copy
import pickle
from typing import Any

import httpx
import pytest
from llama_index.core.node_parser import SentenceSplitter
from llama_index.core.utils import Tokenizer
from llamaindex_kit import KEY, QUESTION, MakeLLM

from aivideoapi_core import (
    CreditBudget,
    InvalidInputError,
    SpendLedger,
    estimate_text_tokens,
)
from aivideoapi_core.sandbox import Sandbox
from llamaindex_aivideoapi import AIVideoAPI


class TestMetadata:
    def test_a_tokenizer_that_counts_without_a_request(self, llm: AIVideoAPI, sandbox: Sandbox) -> None:
        assert isinstance(llm.tokenizer, Tokenizer)
        tokens = llm.tokenizer.encode("Hello, world!")
        assert tokens == [*range(estimate_text_tokens("Hello, world!"))]
        assert llm.tokenizer.encode("") == []
        pieces = SentenceSplitter(chunk_size=20, chunk_overlap=0, tokenizer=llm.tokenizer.encode).split_text(
            "One sentence of some words stands here. " * 8
        )
        assert 1 < len(pieces) <= 8
        assert all(len(llm.tokenizer.encode(piece)) <= 20 for piece in pieces)
        assert sandbox.requests == []

    @pytest.mark.parametrize("model", ["", " "])
    def test_a_blank_model_is_refused_when_the_model_is_made(self, model: str) -> None:
        with pytest.raises(InvalidInputError, match="must be a model id"):
            AIVideoAPI(model=model, api_key=KEY)

    @pytest.mark.parametrize(
        ("model", "window", "output"),
        [
            ("claude-sonnet-4-6", 200_000, 32_000),
            ("claude-sonnet-4-6/anthropic", 1_000_000, 32_000),
            ("claude-haiku-4-5/anthropic", 200_000, 32_000),
            ("no-such-model", 200_000, 8_192),
        ],
    )
    def test_limits_by_model(self, model: str, window: int, output: int) -> None:
        metadata = AIVideoAPI(model=model, api_key=KEY).metadata
        assert (metadata.context_window, metadata.num_output) == (window, output)
        assert metadata.is_chat_model
        assert metadata.is_function_calling_model
        assert metadata.model_name == model

    def test_limits_can_be_set(self) -> None:
        metadata = AIVideoAPI(api_key=KEY, context_window=10_000, num_output=500, max_tokens=900).metadata
        assert (metadata.context_window, metadata.num_output) == (10_000, 500)
        assert AIVideoAPI(api_key=KEY, max_tokens=900).metadata.num_output == 900

    def test_an_unknown_model_can_be_called(self, make_llm: MakeLLM) -> None:
        with Sandbox(extra_models={"new-model": None, "new-model/anthropic": None}) as other:
            for name in ("new-model", "new-model/anthropic"):
                assert make_llm(name, base_url=other.url).complete("hi").text


class TestSecrets:
    KEY = "sk-canary-0000"

    def test_the_key_is_nowhere(self) -> None:
        llm = AIVideoAPI(
            api_key=self.KEY,
            default_headers={"x-secret": "sk-canary-0001"},
            mcp_servers=[
                {"type": "url", "url": "https://x.org", "name": "m", "authorization_token": "sk-canary-0002"}
            ],
        )
        for shown in (
            repr(llm), str(llm), llm.to_json(), str(llm.to_dict()), str(llm.to_payload()), str(llm.metadata)
        ):  # fmt: skip
            assert "sk-canary" not in shown

    def test_a_key_of_the_environment_does_not_travel(
        self, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("AIVIDEOAPI_API_KEY", self.KEY)
        monkeypatch.setenv("AIVIDEOAPI_BASE_URL", sandbox.url)
        llm = AIVideoAPI()
        llm.complete("hi")
        pickled = pickle.dumps(llm)
        assert self.KEY.encode() not in pickled
        assert pickle.loads(pickled).complete("hi").text
        monkeypatch.delenv("AIVIDEOAPI_API_KEY")
        with pytest.raises(InvalidInputError, match="no API key"):
            pickle.loads(pickled).complete("hi")


class TestCopies:
    def test_pickle_and_deepcopy_before_and_after_calls(self, llm: AIVideoAPI) -> None:
        def check(copied: AIVideoAPI) -> None:
            assert copied.to_dict() == llm.to_dict()
            assert len(copied._clients) == 0
            assert copied.complete("hi").text == llm.complete("hi").text

        for _ in range(2):
            check(pickle.loads(pickle.dumps(llm)))
            check(copy.deepcopy(llm))
            check(copy.copy(llm))
            asyncio.run(llm.acomplete("hi"))

    def test_a_given_http_client_is_shared_by_copies_and_never_lost_by_pickles(
        self, make_llm: MakeLLM
    ) -> None:
        with httpx.Client() as client:
            llm = make_llm(http_client=client)
            assert copy.deepcopy(llm).http_client is client
            assert copy.deepcopy(llm).complete("hi").text
            with pytest.raises(pickle.PicklingError, match="http_client"):
                pickle.dumps(llm)

    def test_a_copy_with_another_address_uses_it(self, llm: AIVideoAPI, sandbox: Sandbox) -> None:
        llm.complete("hi")
        with Sandbox() as other:
            llm.model_copy(update={"base_url": other.url}).complete("hi")
            assert len(other.requests) == len(sandbox.requests) == 1
            llm.base_url = other.url
            llm.complete("hi")
            assert len(other.requests) == 2

    @pytest.mark.parametrize("setting", [{"budget": CreditBudget(1)}, {"ledger": SpendLedger()}])
    def test_books_in_memory_are_never_lost_by_pickles(self, setting: dict[str, Any]) -> None:
        model = AIVideoAPI(model="claude-sonnet-4-6", api_key="sk-test", **setting)
        with pytest.raises(TypeError, match="cannot go to another process") as caught:
            pickle.dumps(model)
        assert f"AIVideoAPI.{next(iter(setting))} " in caught.value.__notes__[0]

    def test_messages_and_responses_pickle(self, llm: AIVideoAPI) -> None:
        responses = list(llm.stream_chat(QUESTION))
        assert pickle.loads(pickle.dumps(responses)) == responses
