"""Answers by rule: the toy that the demo needs. No evidence of anything."""
