"""LangChain messages and tools to the wire and back: pure functions and two small state machines."""
