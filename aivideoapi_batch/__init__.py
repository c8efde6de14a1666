"""Batch jobs: one call for each row of a table, each row paid for once, under one budget.

On top of the core and of either adapter; importing this imports neither framework, and no engine.
"""

from aivideoapi_batch._calls import RowCall
from aivideoapi_batch._engine import map_rows
from aivideoapi_batch._job import BatchJob
from aivideoapi_batch._journal import Journal
from aivideoapi_batch._journal_redis import RedisJournal
from aivideoapi_batch._journal_sqlite import SQLiteJournal
from aivideoapi_batch._journal_store import JournalError, JournalStore, Totals
from aivideoapi_batch._pace import Pace
from aivideoapi_batch._pace_redis import PaceError
from aivideoapi_batch._prompt import prompt_call, transform_call
from aivideoapi_batch._report import BatchEstimate, BatchReport
from aivideoapi_batch._results import RowResult, Status
from aivideoapi_batch._rows import BadRowError

__all__ = [
    "BadRowError",
    "BatchEstimate",
    "BatchJob",
    "BatchReport",
    "Journal",
    "JournalError",
    "JournalStore",
    "Pace",
    "PaceError",
    "RedisJournal",
    "RowCall",
    "RowResult",
    "SQLiteJournal",
    "Status",
    "Totals",
    "map_rows",
    "prompt_call",
    "transform_call",
]
