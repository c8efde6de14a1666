"""Settings of the property tests of the core; ``client_kit`` has the calls."""

from __future__ import annotations

from client_kit import call
from hypothesis import settings

__all__ = ["call"]  # a fixture

settings.register_profile("core", deadline=None)  # a busy machine is no failure
settings.load_profile("core")
