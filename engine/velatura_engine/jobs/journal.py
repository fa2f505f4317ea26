"""What was accepted outlives the front: jobs of CreateJob in a small database, until they have ended."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass
from pathlib import Path

from velatura.v1 import jobs_pb2


@dataclass(frozen=True, slots=True)
class Record:
    """A job that had not ended when the front last stopped."""

    id: str
    client: str
    spec: jobs_pb2.JobSpec
    was_running: bool


class Journal:
    """Accepted jobs by id. SQLite in its write-ahead mode: a crash of the front loses nothing."""

    def __init__(self, path: Path) -> None:
        self._base = sqlite3.connect(path, isolation_level=None)
        self._base.execute("PRAGMA journal_mode=WAL")
        self._base.execute(
            "CREATE TABLE IF NOT EXISTS jobs"
            "(id TEXT PRIMARY KEY, client TEXT NOT NULL, spec BLOB NOT NULL, running INTEGER NOT NULL DEFAULT 0)"
        )
        path.chmod(0o600)

    def accept(self, id: str, client: str, spec: jobs_pb2.JobSpec) -> None:
        """A job was accepted."""
        row = (id, client, spec.SerializeToString())
        self._base.execute("INSERT OR REPLACE INTO jobs(id, client, spec) VALUES (?, ?, ?)", row)

    def begin(self, id: str) -> None:
        """It runs."""
        self._base.execute("UPDATE jobs SET running = 1 WHERE id = ?", (id,))

    def end(self, id: str) -> None:
        """It ended, one way or another."""
        self._base.execute("DELETE FROM jobs WHERE id = ?", (id,))

    def unfinished(self) -> list[Record]:
        """Jobs without an end, oldest first."""
        rows = self._base.execute("SELECT id, client, spec, running FROM jobs ORDER BY rowid").fetchall()
        return [Record(id, client, jobs_pb2.JobSpec.FromString(spec), bool(running)) for id, client, spec, running in rows]

    def close(self) -> None:
        """Close the database."""
        self._base.close()
