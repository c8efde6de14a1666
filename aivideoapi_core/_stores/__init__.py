"""Budgets and ledgers, and where they are kept: in memory, in SQLite, in Redis."""
