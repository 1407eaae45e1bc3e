"""Pending stages: two at once, and what a crash leaves behind."""

from __future__ import annotations

import psycopg
import pytest

from harness.calls import plan, refused


def table(name, stage, slow=False):
    up = f"CREATE TABLE public.{name} ()" + ("; SELECT pg_sleep(60)" if slow else "")
    return f"'create', 'table public.{name}', '{up}', 'DROP TABLE public.{name}', {stage}"


def states(database):
    return [
        row[0] for row in database.execute("SELECT status FROM lifecycle.migration_step ORDER BY migration_id, step")
    ]


def held(name, stage):
    """A stage that waits for advisory lock 42 in its middle."""
    return (
        f"'create', 'table public.{name}', 'CREATE TABLE public.{name} (); SET LOCAL lock_timeout = 0; "
        f"SELECT pg_advisory_xact_lock(42)', "
        f"'DROP TABLE public.{name}', {stage}"
    )


def test_two_at_once_run_each_stage_once(database, session, observer):
    database.execute("CREATE TABLE public.t ()")
    plan(database, table("a", 1), held("b", 2), table("c", 3), target="public.t")
    gate, first, second = (
        session(database, name="gate"),
        session(database, name="first"),
        session(database, name="second"),
    )
    gate.run("BEGIN; SELECT pg_advisory_xact_lock(42)")
    first.start("CALL lifecycle.run_pending()")
    assert observer.settle(first, [gate]) == "blocked"
    with refused("P0001", "another change of public.t is under way"):
        second.run("CALL lifecycle.run_pending()")
    gate.run("COMMIT")
    first.result()
    assert states(database) == ["done", "done", "done"]


def test_two_at_once_without_a_target(database, session, observer):
    plan(database, table("a", 1), held("b", 2), table("c", 3))
    gate, first, second = (
        session(database, name="gate"),
        session(database, name="first"),
        session(database, name="second"),
    )
    gate.run("BEGIN; SELECT pg_advisory_xact_lock(42)")
    first.start("CALL lifecycle.run_pending()")
    assert observer.settle(first, [gate]) == "blocked"
    second.start("CALL lifecycle.run_pending()")
    assert observer.settle(second, [first]) == "blocked"
    gate.run("COMMIT")
    first.result()
    second.result()
    assert states(database) == ["done", "done", "done"], "what one has done the other must not mark as failed"


def test_backend_killed_in_a_stage(database, session, observer):
    plan(database, table("a", 1), table("b", 2), held("c", 3), table("d", 4))
    gate, ours = session(database, name="gate"), session(database, name="ours")
    gate.run("BEGIN; SELECT pg_advisory_xact_lock(42)")
    ours.start("CALL lifecycle.run_pending()")
    assert observer.settle(ours, [gate]) == "blocked"
    observer.terminate(ours)
    with pytest.raises(psycopg.OperationalError):
        ours.result()
    gate.run("COMMIT")
    assert states(database) == ["done", "done", "pending", "pending"]
    assert database.value("SELECT to_regclass('public.c')") is None
    database.execute("CALL lifecycle.run_pending()")
    assert states(database) == ["done"] * 4
    assert database.value("SELECT state FROM lifecycle.migration") == "applied"


def test_cancelled_call(database, session, observer):
    plan(database, table("a", 1), held("b", 2))
    gate, ours = session(database, name="gate"), session(database, name="ours")
    gate.run("BEGIN; SELECT pg_advisory_xact_lock(42)")
    ours.start("CALL lifecycle.run_pending()")
    assert observer.settle(ours, [gate]) == "blocked"
    ours.cancel()
    with refused("57014"):
        ours.result()
    assert states(database) == ["done", "pending"]


@pytest.mark.faults
def test_server_killed_in_a_stage(own_server):
    """SIGKILL of every process: what was committed stands, what was not has left no trace."""
    from harness.databases import Databases
    from harness.sessions import Observer, Session

    maker = Databases(own_server, "crash")
    database = maker.make(maker.make_template())
    before = database.dump(schema_only=True)
    plan(database, table("a", 1), table("b", 2), held("c", 3), table("d", 4))
    gate, ours, observer = Session(database.dsn(), "gate"), Session(database.dsn(), "ours"), Observer(database.dsn())
    gate.run("BEGIN; SELECT pg_advisory_xact_lock(42)")
    ours.start("CALL lifecycle.run_pending()")
    assert observer.settle(ours, [gate]) == "blocked"
    own_server.crash()
    with pytest.raises(psycopg.Error):
        ours.result()
    own_server.restart()
    for each in (gate, ours, observer):
        each.close()
    database.close()
    assert states(database) == ["done", "done", "pending", "pending"]
    assert database.value("SELECT to_regclass('public.c')") is None
    database.execute("CALL lifecycle.run_pending()")
    assert states(database) == ["done"] * 4
    database.execute("SELECT * FROM lifecycle.rollback_migration(1, dry_run => false)")
    assert database.dump(schema_only=True) == before
