"""The judge of requests: stricter than any server, and independent of the code under test."""
