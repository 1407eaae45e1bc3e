"""Stops a session at its n-th event, so that it can be killed there: the same place in every run.

An event is a DDL command, or a statement that writes to a watched table. The session that is to die says so by its
application name and carries the number of the event in a setting; at that event it falls asleep inside the server, with
an advisory lock for a sign. Nothing waits for that lock, so that no lock_timeout of the code under test can end it.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Sequence
from typing import NamedTuple

import psycopg

from harness.databases import Rows
from harness.sessions import Session
from pg_lifecycle.server import Server

NAME = "converter"
INSTALL = """
CREATE SCHEMA failpoint;
CREATE FUNCTION failpoint.hit() RETURNS void LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    v_phase text;
    v_seen text;
BEGIN
    IF current_setting('application_name') <> 'converter' THEN
        RETURN;
    END IF;
    EXECUTE current_setting('failpoint.phase_query') INTO v_phase;
    v_phase := coalesce(v_phase, 'none');
    v_seen := coalesce(nullif(current_setting('failpoint.' || v_phase, true), ''), '0')::bigint + 1;
    PERFORM set_config('failpoint.' || v_phase, v_seen, false);
    IF v_phase || ' ' || v_seen = current_setting('failpoint.at', true) THEN
        PERFORM pg_advisory_xact_lock_shared(777, 777);
        PERFORM pg_sleep(600);
    END IF;
END $$;
CREATE FUNCTION failpoint.on_ddl() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN PERFORM failpoint.hit(); END';
CREATE FUNCTION failpoint.on_write() RETURNS trigger LANGUAGE plpgsql
AS 'BEGIN PERFORM failpoint.hit(); RETURN NULL; END';
GRANT USAGE ON SCHEMA failpoint TO PUBLIC;
CREATE EVENT TRIGGER failpoint ON ddl_command_end EXECUTE FUNCTION failpoint.on_ddl();
"""
WATCH = """
CREATE TRIGGER failpoint AFTER INSERT OR UPDATE OR DELETE ON {table}
FOR EACH STATEMENT EXECUTE FUNCTION failpoint.on_write()
"""
ASLEEP = """
SELECT FROM pg_catalog.pg_locks
WHERE locktype = 'advisory' AND classid = 777 AND objid = 777 AND granted AND pid = %s
"""


class Outcome(NamedTuple):
    """What became of a call: killed at its failpoint, or its rows and the number of events it saw in each phase."""

    killed: bool
    rows: Rows
    events: dict[str, int]


class Failpoints:
    """The failpoints of one database; `phase` is a query for the phase of the code under test; NULL is "none"."""

    def __init__(self, server: Server, dsn: str, phase: str, phases: Sequence[str]) -> None:
        self.server, self.dsn, self.phase, self.phases = server, dsn, phase, ["none", *phases]

    def call(self, statement: str, at: str = "", *, crash: bool = False, seconds: float = 120) -> Outcome:
        """Runs a statement in a session that is killed at an event, "<phase> <n>", if it comes so far.

        `at` may be "now": the session is killed as soon as it has begun. `crash` kills the whole server at once, as a
        power failure would, and starts it again; otherwise only the backend gets a SIGKILL, and the server recovers by
        itself.
        """
        session = Session(self.dsn, NAME)
        try:
            session.run("SELECT set_config('failpoint.phase_query', %s, false)", [self.phase])
            session.run("SELECT set_config('failpoint.at', %s, false)", [at])
            session.start(statement)
            if at == "now" or (at and _asleep(session, self.dsn, seconds)):
                _kill(self.server, session.pid, crash)
                session.wait(seconds)
                return Outcome(True, [], {})
            rows = session.result(seconds)
            return Outcome(False, rows, self._events(session))
        finally:
            session.close()

    def watch(self, *tables: str) -> None:
        """Makes every write to these tables an event."""
        with psycopg.connect(self.dsn, autocommit=True) as connection:
            for table in tables:
                connection.execute(WATCH.format(table=table))  # type: ignore[arg-type]

    def _events(self, session: Session) -> dict[str, int]:
        found = session.run(
            "SELECT p, current_setting('failpoint.' || p, true) FROM unnest(%s::text[]) AS p", [list(self.phases)]
        )
        return {str(phase): int(seen) for phase, seen in found if seen}


def _asleep(session: Session, dsn: str, seconds: float) -> bool:
    """Waits until the session sleeps at its failpoint (True) or is done (False)."""
    end = time.monotonic() + seconds
    with psycopg.connect(dsn, autocommit=True, application_name="observer") as observer:
        while time.monotonic() < end:
            if session.wait(0.005):
                return False
            if observer.execute(ASLEEP, [session.pid]).fetchall():
                return True
    raise TimeoutError(f"the call neither ends nor reaches its failpoint in {seconds} s")


def _kill(server: Server, pid: int, crash: bool) -> None:
    # The processes of a container are not ours to kill one by one.
    if crash or not server.spec.startswith(("local", "embedded")):
        server.crash()
        server.start()
        return
    os.kill(pid, signal.SIGKILL)
    _recovered(server, pid)


def _recovered(server: Server, pid: int, seconds: float = 60) -> None:
    """Waits until the server answers again after one of its processes was killed."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        try:
            if not server.execute("SELECT FROM pg_stat_activity WHERE pid = %s", [pid]):
                return
        except psycopg.OperationalError:
            pass
        time.sleep(0.01)
    raise TimeoutError("the server does not recover")
