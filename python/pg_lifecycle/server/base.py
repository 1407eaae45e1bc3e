"""The one interface to a PostgreSQL server, whatever hosts it."""

from __future__ import annotations

import re
import shlex
import time
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import psycopg
from psycopg.conninfo import make_conninfo
from psycopg.pq import ExecStatus
from psycopg.sql import Composed

ROOT = Path(__file__).resolve().parents[3]
EXTENSION = ROOT / "extension"
START_SECONDS = 60.0

Rows = list[tuple[Any, ...]]

# For servers whose data nobody will miss: nothing waits for a disk, and whatever a test may need is switched on.
# What was committed survives a SIGKILL all the same, since synchronous_commit stays on: WAL then is in the hands of
# the operating system, and costs next to nothing without fsync.
SETTINGS: Mapping[str, str] = {
    "fsync": "off",
    "full_page_writes": "off",
    "wal_level": "logical",
    "max_wal_senders": "10",
    "max_replication_slots": "10",
    "max_connections": "200",
    "max_locks_per_transaction": "256",
    "max_prepared_transactions": "20",
    "max_worker_processes": "32",
    "shared_buffers": "256MB",
    "track_io_timing": "on",
    "track_functions": "pl",
    "jit": "off",
    "timezone": "UTC",
    # pg_cron then needs no way in through pg_hba.conf; without pg_cron the setting means nothing.
    "cron.use_background_workers": "on",
    "log_line_prefix": "%m [%p] %q%u@%d ",
}

# Loaded at start where the server has the library. plpgsql_check is left out: it works without, and loaded for all
# sessions it loses its stack in procedures that fail after a COMMIT. timescaledb too: its launcher connects to every
# database, so that none could serve as a template; ask for it through `settings`.
PRELOAD = ("plpgsql", "pg_stat_statements", "pg_cron")


class ServerError(Exception):
    """A server could not be had, started or reached; the message says what to do."""


def fetched(cursor: psycopg.Cursor[Any]) -> Rows:
    """The rows of a statement; none for one that returns no rows at all.

    A row without columns (``SELECT FROM t``) is a row, too, although the cursor describes no column.
    """
    result = cursor.pgresult
    return cursor.fetchall() if result is not None and result.status == ExecStatus.TUPLES_OK else []


class Server(ABC):
    """A running (or startable) server. `spec` is how it was asked for, such as ``docker:17``."""

    def __init__(self, spec: str, settings: Mapping[str, str] | None = None) -> None:
        self.spec = spec
        self.settings = {**SETTINGS, **(settings or {})}
        self._version_num = 0

    # What each host does its own way.

    @abstractmethod
    def start(self) -> None:
        """Starts the server, made first where there is none yet, and waits until it answers."""

    @abstractmethod
    def stop(self) -> None:
        """Stops the server; what it made on the machine stays, so that `start` goes on from there."""

    @abstractmethod
    def remove(self) -> None:
        """Stops the server and removes all that it made on the machine."""

    @abstractmethod
    def crash(self) -> None:
        """Kills every process of the server at once (SIGKILL), as a power failure would."""

    @abstractmethod
    def install(self, directory: Path = EXTENSION) -> None:
        """Installs the extension files (control and SQL) of a directory for CREATE EXTENSION."""

    @abstractmethod
    def log(self) -> str:
        """What the server has logged so far."""

    @abstractmethod
    def state(self) -> dict[str, Any]:
        """What another process needs to find this server again: JSON values, see `hosts.attach`."""

    @abstractmethod
    def run(self, program: str, *args: str, stdin: str | None = None, dbname: str = "postgres") -> str:
        """Runs a client program of the server's own version (pg_dump, psql, pgbench …) and returns what it printed."""

    @abstractmethod
    def _conninfo(self) -> str:
        """Where the server listens."""

    # What is the same for all.

    def restart(self) -> None:
        """Stops the server if it runs, then starts it."""
        self.stop()
        self.start()

    def dsn(self, dbname: str = "postgres", user: str | None = None) -> str:
        """Connection string for a database; without a user: as the superuser."""
        given = {"dbname": dbname} | ({"user": user} if user else {})
        return make_conninfo(self._conninfo(), **given)

    def connect(self, dbname: str = "postgres", user: str | None = None) -> psycopg.Connection:
        """An autocommit connection."""
        return psycopg.connect(self.dsn(dbname, user), autocommit=True, connect_timeout=10)

    def execute(
        self, statement: str | Composed, params: Sequence[object] | None = None, dbname: str = "postgres"
    ) -> Rows:
        """Runs one statement as the superuser and returns its rows."""
        with self.connect(dbname) as connection:
            return fetched(connection.execute(statement, params))

    @property
    def version_num(self) -> int:
        """As `server_version_num`, such as 170011."""
        if not self._version_num:
            self._version_num = int(self.execute("SHOW server_version_num")[0][0])
        return self._version_num

    @property
    def major(self) -> int:
        """The major version, such as 17."""
        return self.version_num // 10000

    def available(self, extension: str) -> bool:
        """Whether CREATE EXTENSION could make this extension, preloaded where it insists on that."""
        found = self.execute("SELECT 1 FROM pg_catalog.pg_available_extensions WHERE name = %s", [extension])
        preloaded = self.execute("SHOW shared_preload_libraries")[0][0]
        return bool(found) and (extension not in {"pg_cron", "timescaledb"} or extension in preloaded)

    def dump(self, dbname: str, *args: str) -> str:
        """The database as SQL, by the pg_dump of the server's version."""
        return self.run("pg_dump", *args, dbname=dbname)

    def restore(self, dbname: str, sql: str) -> None:
        """Runs a script, such as a dump, in one psql that stops at the first error."""
        self.run("psql", "-X", "-q", "-v", "ON_ERROR_STOP=1", "-f", "-", dbname=dbname, stdin=sql)

    def psql_command(self, dbname: str = "postgres", user: str | None = None) -> str:
        """A line that a person can paste into a shell."""
        return f"psql {shlex.quote(self.dsn(dbname, user))}"

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.remove()

    def __str__(self) -> str:
        return f"{self.spec} (PostgreSQL {self.describe_version()})"

    def describe_version(self) -> str:
        """The version as a person writes it, such as 17.11."""
        return re.split(r"\s", str(self.execute("SHOW server_version")[0][0]))[0]

    def _wait(self, seconds: float = START_SECONDS) -> None:
        """Polls until the server takes connections."""
        end = time.monotonic() + seconds
        while True:
            try:
                self.connect().close()
            except psycopg.OperationalError as error:
                if time.monotonic() > end:
                    raise ServerError(f"{self.spec} does not answer: {error}\n{self.log()[-2000:]}") from error
                time.sleep(0.05)
            else:
                return
