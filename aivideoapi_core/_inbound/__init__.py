"""Inbound: what we receive, from bytes to a message or its typed error. Imports nothing of ``_outbound``."""
