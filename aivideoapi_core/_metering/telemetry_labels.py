"""Labels of metrics: which tags and columns of a call's record become attributes, and how many values each may have.

A metric is kept once for every combination of its attributes, in the program and in Prometheus, so none of this is
said unasked, and whatever is asked for is bounded.
"""

from __future__ import annotations

import functools
import logging
import os
import threading
from collections.abc import Iterable
from typing import Final

from aivideoapi_core._errors import InvalidInputError
from aivideoapi_core._metering.attribution import ATTRIBUTES
from aivideoapi_core._metering.forks import renew_in_child
from aivideoapi_core._metering.record import CallRecord
from aivideoapi_core._metering.tags import is_tag

logger = logging.getLogger("aivideoapi")

LABELS: Final = "AIVIDEOAPI_TELEMETRY_LABELS"
"""The environment variable that names them, with commas between."""
MOST_VALUES: Final = 100
"""Values of one label that are told apart."""
OTHER: Final = "other"
_NONE: Final = ""
"""Of a call without a value: Prometheus cannot tell it from a label that is not there."""


class MetricLabels:
    """The labels ``keys``, each with the values that came first; later ones are ``"other"``.

    A key is a column (``agent``, ``thread``, ``user``, ``customer``) or what stands before ``:`` or ``=`` in tags such as
    ``team:search``. Raises ``InvalidInputError``.
    """

    def __init__(self, keys: Iterable[str], *, most_values: int = MOST_VALUES) -> None:
        self._keys = tuple(dict.fromkeys(keys))
        for key in self._keys:
            if not is_tag(key) or not {":", "="}.isdisjoint(key):
                raise InvalidInputError(
                    "a label of metrics must be agent, thread, user, customer, or what stands before : or = in tags, "
                    f"such as 'team' for the tag 'team:search'; not {key!r}"
                )
        if most_values < 1:
            raise InvalidInputError(f"most_values must be 1 or more, not {most_values!r}")
        self._most = most_values
        self._values: dict[str, set[str]] = {key: set() for key in self._keys}
        self._lock = threading.Lock()
        renew_in_child(self, MetricLabels._begin_in_child)

    def _begin_in_child(self) -> None:
        self._lock = threading.Lock()

    def of(self, record: CallRecord) -> dict[str, str]:
        """The attributes for ``record``, the same keys for every call."""
        if not self._keys:
            return {}
        tags = dict(_parted(tag) for tag in reversed(record.tags))  # the first of a key counts
        return {
            f"aivideoapi.{key}": self._bounded(
                key, (getattr(record, key) if key in ATTRIBUTES else tags.get(key)) or _NONE
            )
            for key in self._keys
        }

    def _bounded(self, key: str, value: str) -> str:
        known = self._values[key]
        if value in known or value == _NONE:
            return value
        with self._lock:
            if value not in known and len(known) >= self._most:
                return OTHER
            known.add(value)
        return value


def _parted(tag: str) -> tuple[str, str]:
    """Key and value of a tag; one that is only a key has the value ``true``."""
    place = next((place for place, character in enumerate(tag) if character in ":="), len(tag))
    return tag[:place], tag[place + 1 :] or "true"


class _Chosen:
    """The labels of this process."""

    labels: MetricLabels | None = None


def label_metrics(*keys: str, most_values: int = MOST_VALUES) -> None:
    """Make ``keys`` attributes of OpenTelemetry's metrics, ``aivideoapi.KEY``, from now on; none: no labels.

    A key is a column of a call's record (``agent``, ``thread``, ``user``, ``customer``) or what stands before ``:`` or
    ``=`` in its tags: ``team`` for ``team:search``; a tag that is the key alone has the value ``true``. Of each key
    the first ``most_values`` values are told apart, 100 unless said otherwise, all others are ``"other"``: a metric is kept once for
    every combination. Calls without a value have an empty one. The environment's ``AIVIDEOAPI_TELEMETRY_LABELS``, keys
    with commas between, does the same. Raises ``InvalidInputError``.
    """
    _Chosen.labels = MetricLabels(keys, most_values=most_values)


def metric_labels() -> MetricLabels:
    """Those that were chosen, else those that the environment names."""
    return _Chosen.labels or _of_environment()


@functools.cache
def _of_environment() -> MetricLabels:
    named = [key.strip() for key in os.environ.get(LABELS, "").split(",") if key.strip()]
    try:
        return MetricLabels(named)
    except InvalidInputError as error:  # in the middle of a call, which goes on
        logger.warning("%s: %s", LABELS, error)
        return MetricLabels(())
