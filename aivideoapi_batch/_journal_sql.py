"""The tables of an ``SQLiteJournal``, and what is written into them."""

from __future__ import annotations

from typing import Final

from aivideoapi_batch._journal_store import SUMS

ROWS: Final = "aivideoapi_batch_rows"
JOBS: Final = "aivideoapi_batch_jobs"
_SUMS: Final = ", ".join(f"{name} INTEGER NOT NULL DEFAULT 0" for name in SUMS)
TABLES: Final = (
    f"CREATE TABLE IF NOT EXISTS {JOBS} (job TEXT PRIMARY KEY, manifest TEXT NOT NULL) WITHOUT ROWID",
    f"""CREATE TABLE IF NOT EXISTS {ROWS} (
        job TEXT, id BLOB, status TEXT, result TEXT, token TEXT, calls INTEGER NOT NULL DEFAULT 0,
        paid INTEGER NOT NULL DEFAULT 0, {_SUMS}, PRIMARY KEY (job, id)
    )""",
)
BEGAN: Final = f"""INSERT INTO {ROWS} (job, id, calls) VALUES (?, ?, ?)
ON CONFLICT (job, id) DO UPDATE SET calls = max(calls + excluded.calls, 0)"""
# In these expressions a bare name is what stood there before. Nothing replaces "ok"; every call's cost counts.
ENDED: Final = f"""INSERT INTO {ROWS} (job, id, token, status, result, paid, {", ".join(SUMS)})
VALUES (?, ?, ?, ?, ?, ?{", ?" * len(SUMS)})
ON CONFLICT (job, id) DO UPDATE SET
    token = excluded.token, calls = max(calls - 1, 0), paid = max(paid, excluded.paid),
    result = CASE WHEN status = 'ok' THEN result ELSE excluded.result END,
    status = CASE WHEN status = 'ok' THEN status ELSE excluded.status END,
    {", ".join(f"{name} = {name} + excluded.{name}" for name in SUMS)}"""


NOTED: Final = f"""INSERT INTO {ROWS} (job, id, token, {", ".join(SUMS)}) VALUES (?, ?, ?{", ?" * len(SUMS)})
ON CONFLICT (job, id) DO UPDATE SET
    token = excluded.token, {", ".join(f"{name} = {name} + excluded.{name}" for name in SUMS)}
WHERE token IS NOT excluded.token"""
