"""A local stand-in for the platform: loopback only, standard library only.

Its replies are made by rules, not by a model, and it is no evidence of how the platform behaves.
"""

from aivideoapi_core.sandbox._platform.catalog import SandboxPrices
from aivideoapi_core.sandbox._sandbox import Sandbox
from aivideoapi_core.sandbox._script.replies import Fault, Reply
from aivideoapi_core.sandbox._server.books import LedgerEntry
from aivideoapi_core.sandbox._server.requests import RecordedRequest

__all__ = ["Fault", "LedgerEntry", "RecordedRequest", "Reply", "Sandbox", "SandboxPrices"]
