"""The pair of clients that a model holds."""

import copy
import pickle
from collections.abc import Callable

import pytest

from aivideoapi_core._http.model_clients import ModelClients

SETTINGS = {"api_key": "sk-test-0123456789"}


def _used() -> ModelClients:
    clients = ModelClients()
    clients.blocking(None, lambda: SETTINGS)
    clients.awaiting(None, lambda: SETTINGS)
    return clients


def test_each_is_made_once_and_only_when_asked_for() -> None:
    clients = ModelClients()
    assert len(clients) == 0
    first = clients.blocking(None, lambda: SETTINGS)
    assert clients.blocking(None, lambda: pytest.fail("made again")) is first
    assert len(clients) == 1


@pytest.mark.parametrize(
    "copied",
    [copy.copy, copy.deepcopy, lambda made: pickle.loads(pickle.dumps(made))],
    ids=["copy", "deep", "pickle"],
)
def test_they_do_not_travel(copied: Callable[[ModelClients], ModelClients]) -> None:
    clients = _used()
    other = copied(clients)
    assert (len(clients), len(other)) == (2, 0)
    assert other == clients


async def test_closing_makes_none_and_may_be_repeated() -> None:
    clients = ModelClients()
    clients.close()
    await clients.aclose()
    assert len(clients) == 0
    clients = _used()
    for _ in range(2):
        clients.close()
        await clients.aclose()
