"""Whom a command talks to: the platform, if there is a key, or a sandbox of its own."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from aivideoapi_cli._terminal import CommandError
from aivideoapi_core import is_loopback_url

if TYPE_CHECKING:
    from aivideoapi_core import MessagesClient
    from aivideoapi_core.sandbox import Sandbox


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """Where calls go. ``sandbox`` is ``None`` when they go to the platform."""

    base_url: str
    api_key: str
    sandbox: Sandbox | None = None

    @property
    def headline(self) -> tuple[str, str]:
        """The first line of a command's output, which says who answers, and a second one."""
        if self.sandbox is not None:
            return (
                "Sandbox: AIVIDEOAPI_API_KEY is not set, so a local stand-in answers.",
                f"It answers by rules, not with a model; its credits cost nothing ({self.base_url}).",
            )
        if is_loopback_url(self.base_url):
            return (
                f"This machine: {self.base_url} is asked, with the key in AIVIDEOAPI_API_KEY.",
                "The credits of a sandbox cost nothing; a way to the platform spends real ones.",
            )
        return (
            f"Platform: {self.base_url} is asked, with the key in AIVIDEOAPI_API_KEY.",
            "These are real calls: they cost credits.",
        )

    def client(self) -> MessagesClient:
        """A core client for the balance."""
        from aivideoapi_core import MessagesClient

        return MessagesClient(api_key=self.api_key, base_url=self.base_url)


@contextmanager
def open_target() -> Iterator[Target]:
    """The platform if ``AIVIDEOAPI_API_KEY`` is set, else a sandbox that lives as long as the context."""
    from aivideoapi_core import API_KEY_ENV, resolve_api_key, resolve_base_url

    if os.environ.get(API_KEY_ENV):
        yield Target(base_url=resolve_base_url(None), api_key=resolve_api_key(None).get_secret_value())
        return
    with open_sandbox() as target:
        yield target


@contextmanager
def open_sandbox() -> Iterator[Target]:
    """A sandbox that lives as long as the context."""
    from aivideoapi_core.sandbox import Sandbox

    sandbox = Sandbox()
    try:
        sandbox.start()
    except OSError as error:
        raise CommandError(f"cannot start the sandbox on 127.0.0.1: {error.strerror or error}") from error
    try:
        yield Target(base_url=sandbox.url, api_key=sandbox.api_key, sandbox=sandbox)
    finally:
        sandbox.close()
