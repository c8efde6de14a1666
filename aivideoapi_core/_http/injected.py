"""What is said of http clients that the caller made and gave to a model."""

from __future__ import annotations

from typing import Any


def refuse_to_pickle(*http_clients: Any) -> None:
    """Raise ``pickle.PicklingError`` if any of a model's http clients was given: it cannot travel, and a model
    that lost its proxy or its certificates on the way would not say so.
    """
    if any(client is not None for client in http_clients):
        from pickle import PicklingError

        raise PicklingError(
            "a model with http_client or http_async_client cannot be pickled: "
            "make the model where it is used, with a client made there"
        )
