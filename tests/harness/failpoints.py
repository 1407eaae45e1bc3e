"""Stops a session at its n-th event, so that it can be killed there: the same place in every run.

An event is a DDL command, or a statement that writes to a watched table. The session that is to die says so by its
application name and carries the number of the event in a setting; at that event it falls asleep inside the server, with
an advisory lock for a sign. Nothing waits for that lock, so that no lock_timeout of the code under test can end it.
"""

from __future__ import annotations

import os
import signal
import time
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
    v_seen text;
BEGIN
    IF current_setting('application_name') <> 'converter' THEN
        RETURN;
    END IF;
    v_seen := coalesce(nullif(current_setting('failpoint.seen', true), ''), '0')::bigint + 1;
    PERFORM set_config('failpoint.seen', v_seen, false);
    IF v_seen = current_setting('failpoint.at', true) THEN
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
    """What became of a call: killed at its failpoint, or its rows and the number of events it saw."""

    killed: bool
    rows: Rows
    events: int


def call(
    server: Server, dsn: str, statement: str, at: int = 0, *, crash: bool = False, seconds: float = 120
) -> Outcome:
    """Runs a statement in a session that is killed at its `at`-th event, if it comes so far (0: never).

    `crash` kills the whole server at once, as a power failure would, and starts it again; otherwise only the backend
    gets a SIGKILL, and the server recovers by itself.
    """
    session = Session(dsn, NAME)
    try:
        session.run(f"SET failpoint.seen = '0'; SET failpoint.at = '{at}'")
        session.start(statement)
        if at and _asleep(session, dsn, seconds):
            _kill(server, session.pid, crash)
            return Outcome(True, [], at)
        rows = session.result(seconds)
        return Outcome(False, rows, int(session.run("SELECT current_setting('failpoint.seen')")[0][0]))
    finally:
        session.close()


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
