"""The platform's tables, written down a second time; imports nothing of this project."""
