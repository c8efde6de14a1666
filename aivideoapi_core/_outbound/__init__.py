"""Outbound: what we send, from options and turns to the JSON body. Imports nothing of ``_inbound``."""
