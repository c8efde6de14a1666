"""Where requests go and with which key: every form of URL, key and header."""

from __future__ import annotations

import traceback
from pathlib import Path

import pytest
from pydantic import SecretStr

from aivideoapi_core import (
    API_KEY_ENV,
    BASE_URL_ENV,
    DEFAULT_BASE_URL,
    AsyncMessagesClient,
    InvalidInputError,
    MessagesClient,
    build_headers,
    resolve_api_key,
    resolve_base_url,
)
from aivideoapi_core._http.target import is_loopback_url


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        pytest.param(None, "https://api.aivideoapi.ai", id="default"),
        pytest.param("https://api.aivideoapi.ai", "https://api.aivideoapi.ai", id="origin"),
        pytest.param("https://api.aivideoapi.ai/", "https://api.aivideoapi.ai", id="slash"),
        pytest.param("https://api.aivideoapi.ai/v1", "https://api.aivideoapi.ai", id="v1"),
        pytest.param("https://api.aivideoapi.ai/v1/", "https://api.aivideoapi.ai", id="v1, slash"),
        pytest.param("https://api.aivideoapi.ai/v1//", "https://api.aivideoapi.ai", id="v1, slashes"),
        pytest.param("https://api.aivideoapi.ai/v1/messages", "https://api.aivideoapi.ai", id="endpoint"),
        pytest.param(
            "https://api.aivideoapi.ai/v1/messages/", "https://api.aivideoapi.ai", id="endpoint, slash"
        ),
        pytest.param("  https://api.aivideoapi.ai\n", "https://api.aivideoapi.ai", id="blanks around it"),
        pytest.param("HTTPS://api.aivideoapi.ai/v1", "https://api.aivideoapi.ai", id="scheme in capitals"),
        pytest.param("https://proxy.example/ai", "https://proxy.example/ai", id="path"),
        pytest.param("https://proxy.example/ai/v1/", "https://proxy.example/ai", id="path, v1"),
        pytest.param("https://proxy.example/v1/ai", "https://proxy.example/v1/ai", id="v1 elsewhere"),
        pytest.param("https://proxy.example/myv1", "https://proxy.example/myv1", id="v1 of another word"),
        pytest.param("https://proxy.example/messages", "https://proxy.example/messages", id="messages alone"),
        pytest.param("https://proxy.example:8443/v1", "https://proxy.example:8443", id="port"),
        pytest.param("http://127.0.0.1:8085/v1", "http://127.0.0.1:8085", id="loopback"),
        pytest.param("http://localhost:8085", "http://localhost:8085", id="localhost"),
        pytest.param("http://[::1]:8085/v1", "http://[::1]:8085", id="loopback, IPv6"),
    ],
)
def test_base_url(given: str | None, expected: str) -> None:
    assert resolve_base_url(given) == expected
    assert MessagesClient(api_key="sk-test", base_url=given).base_url == expected


@pytest.mark.parametrize(
    "url",
    [
        "ftp://api.aivideoapi.ai", "api.aivideoapi.ai", "https://", "//api.aivideoapi.ai", "https:///v1",
        "http://api.aivideoapi.ai", "http://192.168.1.4:8085", "http://127.0.0.1.example.com",
        "https://user:word@api.aivideoapi.ai", "https://api.aivideoapi.ai?key=1", "https://api.aivideoapi.ai#x",
        "https://api.aivideoapi.ai\\@evil.example", "https://api.aivideoapi.ai\n.evil.example",
        "https://api.aivideoapi.ai\t.evil.example", "https://api .example", "https://[::1", "https://a:99999",
        "https://a:port", "https://\u0430pi.example", "https://a\x00b", "sk-canary-7d1f",
    ],
)  # fmt: skip
def test_bad_base_url(url: str) -> None:
    with pytest.raises(InvalidInputError, match="base_url") as caught:
        MessagesClient(api_key="sk-test", base_url=url)
    assert "canary" not in str(caught.value)
    assert "word" not in str(caught.value)


def test_plain_http_elsewhere_is_a_choice() -> None:
    assert resolve_base_url("http://gateway.internal/v1", allow_http=True) == "http://gateway.internal"


def test_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(BASE_URL_ENV, "https://proxy.example/v1")
    monkeypatch.setenv(API_KEY_ENV, "sk-test-env")
    client = MessagesClient()
    assert client.base_url == "https://proxy.example"
    assert client.api_key.get_secret_value() == "sk-test-env"
    assert MessagesClient(api_key="sk-test-own").api_key.get_secret_value() == "sk-test-own"
    assert resolve_base_url(DEFAULT_BASE_URL) == DEFAULT_BASE_URL


@pytest.mark.parametrize(
    ("url", "expected"),
    [("http://127.0.0.1:1", True), ("http://localhost", True), ("http://a.localhost", True), ("http://[::1]", True),
     ("https://127.0.0.1", False), ("http://localhost.example", False), ("http://10.0.0.1", False)],
)  # fmt: skip
def test_loopback(url: str, expected: bool) -> None:
    assert is_loopback_url(url) is expected


@pytest.mark.parametrize("key", ["sk-test", " sk-test\n", SecretStr("sk-test")])
def test_api_key(key: str | SecretStr) -> None:
    assert resolve_api_key(key).get_secret_value() == "sk-test"


@pytest.mark.parametrize("key", [None, "", "  ", SecretStr("")])
def test_no_api_key(key: str | SecretStr | None) -> None:
    with pytest.raises(InvalidInputError, match=r"api_key=.*AIVIDEOAPI_API_KEY"):
        MessagesClient(api_key=key)


@pytest.mark.parametrize("key", ["sk-canary\nx", "sk-canary x", "sk-canaryé", "sk-canary\x00", "canary"])
@pytest.mark.parametrize("cls", [MessagesClient, AsyncMessagesClient])
def test_bad_api_key(key: str, cls: type[MessagesClient]) -> None:
    """Neither the text nor the local variables of our frames show it."""
    with pytest.raises(InvalidInputError, match="key") as caught:
        cls(api_key=key)
    shown = "".join(traceback.TracebackException.from_exception(caught.value, capture_locals=True).format())
    ours = shown.split("in __init__", 1)[1]
    assert "canary" not in ours
    assert "canary" not in str(caught.value)


def test_a_key_of_another_form_is_for_other_hosts() -> None:
    assert MessagesClient(api_key="any-key", base_url="https://proxy.example").api_key
    with pytest.raises(InvalidInputError, match="sk-"):
        MessagesClient(api_key="any-key", base_url="https://API.AIVIDEOAPI.AI/v1")


def test_repr_has_no_secret() -> None:
    client = MessagesClient(api_key="sk-canary-7d1f", default_headers={"x-secret": "canary"})
    assert repr(client) == "MessagesClient(base_url='https://api.aivideoapi.ai')"


@pytest.mark.parametrize(
    ("sources", "betas", "expected"),
    [
        pytest.param([None], None, {}, id="none"),
        pytest.param([{"X-A": "1"}, {"x-a": "2"}], None, {"x-a": "2"}, id="later wins, whatever its case"),
        pytest.param([{"x-a": " 1\t"}], None, {"x-a": "1"}, id="blanks around a value"),
        pytest.param([], ["a", "b", "a"], {"anthropic-beta": "a,b"}, id="betas"),
        pytest.param(
            [{"anthropic-beta": "b, c"}], ["a", "b"], {"anthropic-beta": "b,c,a"}, id="betas of both"
        ),
        pytest.param(
            [{"anthropic-version": "2023-06-01"}], [], {"anthropic-version": "2023-06-01"}, id="version"
        ),
    ],
)
def test_headers(
    sources: list[dict[str, str] | None], betas: list[str] | None, expected: dict[str, str]
) -> None:
    assert build_headers(*sources, betas=betas) == expected


@pytest.mark.parametrize(
    "headers",
    [{"a b": "1"}, {"": "1"}, {"a\n": "1"}, {"a:": "1"}, {"é": "1"}, {1: "1"}, {"x": 1}, {"x": None}, {"x": b"1"},
     {"x": "1\r\ny: 2"}, {"x": "\x00"}, {"x": "é"}, {"x": "\x7f"}, {"Authorization": "Bearer x"}, {"HOST": "x"},
     {"content-length": "1"}, {"content-type": "x"}, {"transfer-encoding": "chunked"}],
)  # fmt: skip
def test_bad_headers(headers: dict[str, str]) -> None:
    with pytest.raises(InvalidInputError, match="header"):
        MessagesClient(api_key="sk-test", default_headers=headers)


@pytest.mark.parametrize("betas", ["one", [""], ["a\r\nb"], [1]])
def test_bad_betas(betas: list[str]) -> None:
    with pytest.raises(InvalidInputError):
        build_headers(betas=betas)


@pytest.mark.parametrize("timeout", [0, -1, float("nan"), float("inf"), True, "5", (1, 2)])
def test_bad_timeouts(timeout: float) -> None:
    with pytest.raises(InvalidInputError, match="timeout"):
        MessagesClient(api_key="sk-test", timeout=timeout)


@pytest.mark.parametrize(
    ("variables", "dotenv", "hint"),
    [
        ({}, "", f"set {API_KEY_ENV};"),
        ({API_KEY_ENV: " "}, "", "(it is set, to nothing)"),
        ({"AIVIDEOAPI_KEY": "sk-secret"}, "", "(AIVIDEOAPI_KEY is set, and not read)"),
        ({"AI_VIDEO_API_KEY": "sk-secret"}, "", "(AI_VIDEO_API_KEY is set, and not read)"),
        ({"ANTHROPIC_API_KEY": "sk-secret"}, "", "(ANTHROPIC_API_KEY is set, and not read)"),
        (
            {},
            f"# mine\nexport {API_KEY_ENV} = 'sk-secret'\n",
            "(the .env of this folder has it, and is not read",
        ),
        ({}, f"# {API_KEY_ENV}=\n{API_KEY_ENV}=\n\xff", f"set {API_KEY_ENV};"),
    ],
)
def test_without_a_key_it_says_where_one_is(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, variables: dict[str, str], dotenv: str, hint: str
) -> None:
    for name in (API_KEY_ENV, "ANTHROPIC_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(tmp_path)
    if dotenv:
        Path(".env").write_text(dotenv, encoding="latin-1")
    with pytest.raises(InvalidInputError) as told:
        resolve_api_key(None)
    assert hint in str(told.value)
    assert "secret" not in str(told.value)
