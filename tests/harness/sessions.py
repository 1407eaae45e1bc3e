"""Concurrent sessions whose steps a test puts in order by what the server says of them, never by sleeping."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import Literal

import psycopg

from harness.databases import Rows, run

_STEP_SECONDS = 30.0


class Session:
    """One connection with its own thread: start a statement, then ask the observer whether it is done or blocked."""

    def __init__(self, dsn: str, name: str = "session", autocommit: bool = True) -> None:
        self.name = name
        self.connection = psycopg.connect(dsn, autocommit=autocommit, application_name=name)
        self.pid = self.connection.info.backend_pid
        self.notices: list[str] = []
        self.connection.add_notice_handler(lambda d: self.notices.append(f"{d.severity}: {d.message_primary}"))
        self._thread = ThreadPoolExecutor(1, thread_name_prefix=name)
        self._step: Future[Rows] | None = None

    def start(self, statement: str, params: Sequence[object] | None = None) -> Session:
        """Starts a statement and returns at once."""
        assert self.done, f"{self.name} has not finished its last statement"
        self._step = self._thread.submit(run, self.connection, statement, params)
        return self

    def result(self, timeout: float = _STEP_SECONDS) -> Rows:
        """Waits for the statement started last; returns its rows or raises its error."""
        assert self._step is not None, f"{self.name} has started nothing"
        return self._step.result(timeout)

    def run(self, statement: str, params: Sequence[object] | None = None, timeout: float = _STEP_SECONDS) -> Rows:
        """Starts a statement and waits for it."""
        return self.start(statement, params).result(timeout)

    @property
    def done(self) -> bool:
        """Whether nothing is running."""
        return self._step is None or self._step.done()

    def wait(self, seconds: float) -> bool:
        """Waits at most so long for the statement; tells whether it is done."""
        if self._step is not None:
            wait([self._step], timeout=seconds)
        return self.done

    def cancel(self) -> None:
        """Cancels the running statement, as Ctrl-C does."""
        self.connection.cancel_safe()

    def close(self) -> None:
        """Cancels what is running and disconnects."""
        if not self.done:
            with contextlib.suppress(psycopg.Error):
                self.cancel()
            self.wait(5)
        self._thread.shutdown(wait=False, cancel_futures=True)
        self.connection.close()


class Observer:
    """Looks at sessions from outside, with a connection of its own (a superuser's)."""

    def __init__(self, dsn: str) -> None:
        self.connection = psycopg.connect(dsn, autocommit=True, application_name="observer")

    def settle(
        self,
        session: Session,
        others: Iterable[Session] = (),
        timeout: float = _STEP_SECONDS,
    ) -> Literal["done", "blocked"]:
        """Waits until a session's statement is done, or blocked by one of the others (default: by any session)."""
        pids = [other.pid for other in others]
        end = time.monotonic() + timeout
        while time.monotonic() < end:
            if session.wait(0.01):
                return "done"
            if self._blocked(session.pid, pids):
                return "blocked"
        raise TimeoutError(f"{session.name} is neither done nor blocked after {timeout} s: {self.waits_for(session)}")

    def blockers(self, session: Session) -> list[int]:
        """The pids that block a session."""
        return list(run(self.connection, "SELECT pg_catalog.pg_blocking_pids(%s)", [session.pid])[0][0])

    def waits_for(self, session: Session) -> tuple[str, str] | None:
        """What a session waits for: (wait_event_type, wait_event)."""
        query = "SELECT wait_event_type, wait_event FROM pg_catalog.pg_stat_activity WHERE pid = %s"
        rows = run(self.connection, query, [session.pid])
        return (rows[0][0], rows[0][1]) if rows else None

    def terminate(self, session: Session, timeout: float = 10) -> None:
        """Kills a session's backend (SIGTERM) and waits until it is gone."""
        query = "SELECT pg_catalog.pg_terminate_backend(%s, %s)"
        assert run(self.connection, query, [session.pid, int(timeout * 1000)])[0][0], f"{session.name} does not die"

    def close(self) -> None:
        """Disconnects."""
        self.connection.close()

    def _blocked(self, pid: int, others: list[int]) -> bool:
        # PostgreSQL's own isolation tester asks this function; it also sees waits for a safe snapshot.
        if others:
            query = "SELECT pg_catalog.pg_isolation_test_session_is_blocked(%s, %s::int[])"
            return bool(run(self.connection, query, [pid, others])[0][0])
        return bool(run(self.connection, "SELECT pg_catalog.pg_blocking_pids(%s) <> '{}'", [pid])[0][0])
