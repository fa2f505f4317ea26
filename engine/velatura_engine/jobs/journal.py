"""What was accepted outlives the front: jobs of CreateJob in a small database, until nobody asks after them."""

from __future__ import annotations

import logging
import os
import sqlite3
import time
from dataclasses import dataclass
from pathlib import Path

from velatura.v1 import jobs_pb2

from ..errors import Invalid
from .job import Job, ended_job, seconds

log = logging.getLogger("velatura.front")

_FORMAT = 1
_TABLES = """
CREATE TABLE IF NOT EXISTS jobs(
    id TEXT PRIMARY KEY, client TEXT NOT NULL, job BLOB NOT NULL, running INTEGER NOT NULL DEFAULT 0, ended REAL
);
CREATE TABLE IF NOT EXISTS events(id TEXT NOT NULL, sequence INTEGER NOT NULL, event BLOB NOT NULL);
CREATE INDEX IF NOT EXISTS events_of ON events(id);
"""


@dataclass(frozen=True, slots=True)
class Record:
    """A job that had not ended when the front last stopped."""

    id: str
    client: str
    spec: jobs_pb2.JobSpec
    created: float
    was_running: bool


class Journal:
    """Accepted jobs by id, ended ones with their events. SQLite in its write-ahead mode: a crash loses nothing.

    It is held exclusively, so that two engines never share a state folder. Use it from one thread at a time.
    """

    def __init__(self, path: Path) -> None:
        """Raises Invalid where another engine has it. A damaged file is put aside."""
        try:
            self._base = _open(path)
        except (sqlite3.OperationalError, OSError) as trouble:
            raise Invalid("state_dir", f"{path.parent} cannot be used: {trouble}",
                          remedy="stop the other engine, or choose another state folder") from None  # fmt: skip
        except sqlite3.DatabaseError:
            log.exception("the journal is damaged; beginning a new one beside it")
            path.replace(path.with_name(f"{path.name}.damaged"))
            path.with_name(f"{path.name}-wal").unlink(missing_ok=True)
            self._base = _open(path)

    def accept(self, job: Job) -> None:
        """A job was accepted."""
        row = (job.id, job.client, job.message().SerializeToString())
        self._base.execute("INSERT OR REPLACE INTO jobs(id, client, job) VALUES (?, ?, ?)", row)

    def begin(self, id: str) -> None:
        """It runs."""
        self._base.execute("UPDATE jobs SET running = 1 WHERE id = ?", (id,))

    def end(self, job: Job) -> None:
        """It ended, one way or another; what came of it stays until it is forgotten."""
        events = [(job.id, event.sequence, event.SerializeToString()) for event in job.log.kept]
        self._base.execute("BEGIN")
        self._base.execute(
            "UPDATE jobs SET job = ?, ended = ? WHERE id = ?", (job.message().SerializeToString(), job.ended, job.id)
        )
        self._base.executemany("INSERT INTO events VALUES (?, ?, ?)", events)
        self._base.execute("COMMIT")

    def forget(self, id: str) -> None:
        """Nobody can ask after it any more."""
        self._base.execute("DELETE FROM events WHERE id = ?", (id,))
        self._base.execute("DELETE FROM jobs WHERE id = ?", (id,))

    def unfinished(self) -> list[Record]:
        """Jobs without an end, oldest first."""
        ask = "SELECT id, client, job, running FROM jobs WHERE ended IS NULL ORDER BY rowid"
        rows = self._base.execute(ask).fetchall()
        jobs = [(id, client, jobs_pb2.Job.FromString(job), bool(running)) for id, client, job, running in rows]
        return [Record(id, client, job.spec, seconds(job.create_time), running) for id, client, job, running in jobs]

    def finished(self, max_age: float) -> list[Job]:
        """Jobs that ended at most `max_age` seconds ago, oldest first; older ones are forgotten."""
        limit = (time.time() - max_age,)
        for (id,) in self._base.execute("SELECT id FROM jobs WHERE ended < ?", limit).fetchall():
            self.forget(id)
        rows = self._base.execute("SELECT id, client, job FROM jobs WHERE ended IS NOT NULL ORDER BY ended").fetchall()
        return [ended_job(jobs_pb2.Job.FromString(job), client, self._events(id)) for id, client, job in rows]

    def close(self) -> None:
        """Close the database."""
        self._base.close()

    def _events(self, id: str) -> list[jobs_pb2.JobEvent]:
        rows = self._base.execute("SELECT event FROM events WHERE id = ? ORDER BY sequence", (id,)).fetchall()
        return [jobs_pb2.JobEvent.FromString(event) for (event,) in rows]


def _open(path: Path) -> sqlite3.Connection:
    os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))  # SQLite gives the files beside it the same permissions
    base = sqlite3.connect(path, isolation_level=None, timeout=1.0, check_same_thread=False)
    try:
        base.execute("PRAGMA locking_mode=EXCLUSIVE")
        base.execute("PRAGMA journal_mode=WAL")
        base.execute("PRAGMA synchronous=NORMAL")
        if base.execute("PRAGMA user_version").fetchone() != (_FORMAT,):
            base.executescript("DROP TABLE IF EXISTS jobs; DROP TABLE IF EXISTS events;")
            base.execute(f"PRAGMA user_version={_FORMAT}")
        base.executescript(_TABLES)
    except sqlite3.Error:
        base.close()
        raise
    return base
