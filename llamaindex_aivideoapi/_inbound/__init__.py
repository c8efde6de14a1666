"""Inbound: the wire's replies and events to LlamaIndex's responses."""
