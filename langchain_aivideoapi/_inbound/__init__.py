"""Inbound: the wire's replies and events to LangChain's messages, chunks and events."""
