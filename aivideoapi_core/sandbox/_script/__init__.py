"""The script of a test: replies and faults, by object or by header."""
