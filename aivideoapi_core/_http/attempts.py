"""The tries of one call: how many, how long to wait, and what the log and the caller are told of them."""

from __future__ import annotations

import logging
import random

from aivideoapi_core._errors import AIVideoAPIError
from aivideoapi_core._http.retry import RetryPolicy
from aivideoapi_core._metering.meter import CallMeter

logger = logging.getLogger("aivideoapi")


class Attempts:
    """Counts the tries of one call and says how long to wait for the next."""

    def __init__(self, policy: RetryPolicy, call: CallMeter | None = None) -> None:
        self._policy = policy
        self._call = call
        self.made = 0

    def wait_s(self, error: AIVideoAPIError) -> float:
        """Seconds to wait after a failed try; raises ``error`` when there shall be no other."""
        jitter = random.random()  # noqa: S311 - spreads clients in time, protects nothing
        delay_s = self._policy.delay_s(self.made, error, jitter=jitter)
        self.made += 1
        error.attempts = self.made
        if delay_s is None:
            logger.info("attempt %d failed, giving up: %s", self.made, _label(error))
            raise _shown(error)
        logger.info("attempt %d failed, next in %.2f s: %s", self.made, delay_s, _label(error))
        if self._call is not None:
            self._call.retrying(error)
        return delay_s

    def broke_off(self, error: AIVideoAPIError) -> AIVideoAPIError:
        """``error`` to raise, after the caller has got part of the answer: there is no other try."""
        error.attempts = self.made + 1
        logger.info("attempt %d broke off: %s", error.attempts, _label(error))
        return _shown(error)

    def succeeded(self, request_id: str | None) -> int:
        """Log the success; the number of requests made."""
        logger.debug("attempt %d succeeded (request %s)", self.made + 1, request_id)
        return self.made + 1


def _shown(error: AIVideoAPIError) -> AIVideoAPIError:
    """``error`` for the caller, without our inner frames: their variables hold what the server sent,
    and a server may have sent the key back.
    """
    return error.with_traceback(None)


def _label(error: AIVideoAPIError) -> str:
    """What a log line may say of an error: never content."""
    facts = (type(error).__name__, error.status_code, error.code or error.type, error.request_id)
    return " ".join(str(fact) for fact in facts if fact)
