"""How cassettes are written, matched and played. Used by test_cassettes.py and record_cassettes.py."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import vcr
import yaml
from vcr.cassette import Cassette
from vcr.request import Request

from aivideoapi_core._secrets import redact

ROOT: Final = Path(__file__).parents[2] / "cassettes"
SANDBOX_HOST: Final = "http://127.0.0.1"
"""Where sandbox cassettes say they were recorded: the port changes at every run, so none is kept."""

_KEPT_HEADERS: Final = ("content-type", "retry-after", "request-id", "x-request-id")
_LOOPBACK: Final = re.compile(r"^http://(?:127\.0\.0\.1|localhost|\[::1\])(?::\d+)?(?=/)")


class _Dumper(yaml.SafeDumper):
    """Texts of several lines as literal blocks, so that a stream reads in a diff as it went over the wire."""


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None)


_Dumper.add_representer(str, _text)


class LiteralYaml:
    """A vcrpy serializer: UTF-8, keys in the order given, bodies of several lines as literal blocks."""

    @staticmethod
    def serialize(cassette: Mapping[str, Any]) -> str:
        """The text of a cassette file. JSON request bodies are laid out one field a line."""
        interactions = [
            {
                **item,
                "request": {**item["request"], "body": _laid_out(item["request"]["body"])},
                "response": dict(item["response"]),
            }
            for item in cassette["interactions"]
        ]
        return yaml.dump(
            {**cassette, "interactions": interactions},
            Dumper=_Dumper,
            allow_unicode=True,
            sort_keys=False,
            width=2**31,
        )

    @staticmethod
    def deserialize(text: str) -> Any:
        """Plain data only: a cassette cannot make objects."""
        return yaml.safe_load(text)


def _laid_out(body: Any) -> Any:
    text = body.decode() if isinstance(body, bytes) else body
    return json.dumps(json.loads(text), ensure_ascii=False, indent=2) + "\n" if text else None


def _forget_request(request: Request) -> Request:
    """Keep nothing that names the caller or a port: no headers but the content type."""
    kept = {name: value for name, value in request.headers.items() if name.lower() == "content-type"}
    return Request(request.method, _LOOPBACK.sub(SANDBOX_HOST, request.uri), request.body, kept)


def _forget_response(response: dict[str, Any]) -> dict[str, Any]:
    kept = {
        name.lower(): value for name, value in response["headers"].items() if name.lower() in _KEPT_HEADERS
    }
    body = response["body"]["string"]
    text = redact(body.decode(), None).encode()  # a careless server repeats the key in its message
    return {**response, "headers": kept, "body": {"string": text}}


def canonical(body: Any) -> Any:
    """A request body without the freedom that the format leaves: a text is a list of one text block."""
    if body is None or body in (b"", ""):
        return None
    value = json.loads(body)
    for message in value.get("messages", ()):
        message["content"] = _as_blocks(message["content"])
    if "system" in value:
        value["system"] = _as_blocks(value["system"])
    return value


def _as_blocks(content: Any) -> Any:
    return [{"type": "text", "text": content}] if isinstance(content, str) else content


def _same_json(left: Request, right: Request) -> None:
    if canonical(left.body) != canonical(right.body):
        raise AssertionError(f"JSON bodies differ: {canonical(left.body)} != {canonical(right.body)}")


def _recorder() -> vcr.VCR:
    recorder = vcr.VCR(
        record_mode="none",
        serializer="literal",
        before_record_request=_forget_request,
        before_record_response=_forget_response,
        decode_compressed_response=True,
    )
    recorder.register_serializer("literal", LiteralYaml)
    recorder.register_matcher("json", _same_json)
    recorder.match_on = ("method", "path", "json")
    return recorder


@contextmanager
def played(path: Path) -> Iterator[Cassette]:
    """Answer from the cassette alone; fails if a request is not in it or an interaction is left over."""
    with _recorder().use_cassette(str(path)) as cassette:
        yield cassette
    assert cassette.all_played, f"{path.name}: {len(cassette)} recorded, {cassette.play_count} played"


@contextmanager
def recording(path: Path) -> Iterator[None]:
    """Write a fresh cassette of everything that is sent inside the context; on failure the old one stays."""
    fresh = path.with_name(f".{path.name}")
    try:
        with _recorder().use_cassette(str(fresh), record_mode="all"):
            yield
        fresh.replace(path)
    finally:
        fresh.unlink(missing_ok=True)
