"""Whether a request is valid: stricter than any server, and independent of the code under test."""
