"""Outbound: LlamaIndex's messages, tools and options to a request."""
