"""LlamaIndex chat models for the AI Video API platform."""

from llamaindex_aivideoapi._registry import register
from llamaindex_aivideoapi.base import AIVideoAPI
from llamaindex_aivideoapi.credits import CreditsEventHandler, track_credits

register()

__all__ = ["AIVideoAPI", "CreditsEventHandler", "register", "track_credits"]
