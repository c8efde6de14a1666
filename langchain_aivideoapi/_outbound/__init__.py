"""Outbound: LangChain's messages, tools and options to a request."""
