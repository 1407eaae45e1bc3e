"""DETACH ... CONCURRENTLY is a top-level step: nobody is blocked, and what breaks off is found and finished."""

from __future__ import annotations

import psycopg
import pytest

from harness.calls import call, refused, rollback, statuses

SET = (
    "CREATE TABLE public.m (day date NOT NULL, n int CHECK (n > 0)) PARTITION BY RANGE (day);"
    " CREATE TABLE public.m_1 PARTITION OF public.m FOR VALUES FROM ('2025-01-01') TO ('2025-02-01');"
    " CREATE TABLE public.m_2 PARTITION OF public.m FOR VALUES FROM ('2025-02-01') TO ('2025-03-01');"
    " INSERT INTO public.m VALUES ('2025-01-05', 1), ('2025-02-05', 2)"
)


def detach(place, **more):
    return call(place, "detach_partition", **({"target": "public.m_1", "online": True, "dry_run": False} | more))


def test_by_hand_and_back(database):
    database.execute(SET)
    before = database.dump(schema_only=True)
    (step,) = detach(database)
    assert step.status == "pending"
    with refused("P0001", "to be run by hand"):
        database.execute("CALL lifecycle.run_pending()")
    ((statement,),) = database.execute("SELECT statement FROM lifecycle.pending_steps()")
    database.execute(statement)
    database.execute("CALL lifecycle.run_pending()")
    assert database.execute("SELECT n FROM public.m") == [(2,)]
    assert database.value("SELECT state FROM lifecycle.migration") == "applied"
    assert statuses(call(database, "drop_archived_partitions", older_than="0")) == ["planned"]
    rollback(database, step.migration_id)
    assert database.dump(schema_only=True) == before
    assert database.execute("SELECT n FROM public.m ORDER BY 1") == [(1,), (2,)]


def test_taken_back_before_it_ran(database):
    database.execute(SET)
    before = database.dump(schema_only=True)
    (step,) = detach(database)
    rollback(database, step.migration_id)
    assert database.dump(schema_only=True) == before
    assert database.execute("SELECT * FROM lifecycle.pending_steps()") == []


@pytest.mark.requires("dblink")
def test_through_dblink_into_a_schema_beside_a_reader(database, session, observer):
    database.execute(SET + "; CREATE EXTENSION dblink; CREATE SCHEMA cold")
    database.execute("SELECT lifecycle.set_setting('top_level_runner', 'dblink')")
    database.execute("SELECT lifecycle.set_setting('dblink_connection', %s)", [database.dsn()])
    before = database.dump(schema_only=True)
    reader, runner, writer = session(database, autocommit=False), session(database), session(database)
    assert reader.run("SELECT count(*) FROM public.m") == [(2,)]
    done = detach(database, into_schema="cold")
    assert [s.status for s in done] == ["pending", "pending"]
    runner.start("CALL lifecycle.run_pending()")
    query = "SELECT count(*) FROM pg_inherits WHERE inhrelid = 'public.m_1'::regclass AND inhdetachpending"
    while not database.value(query):  # it waits for the reader only
        assert not runner.done
    writer.run("SET lock_timeout = 500; INSERT INTO public.m VALUES ('2025-02-06', 3); SELECT count(*) FROM public.m")
    assert writer.run("SELECT count(*) FROM public.m") == [(2,)]
    reader.run("COMMIT")
    runner.result()
    assert database.execute("SELECT n FROM cold.m_1") == [(1,)]
    rollback(database, done[0].migration_id)
    assert database.dump(schema_only=True) == before


def test_what_broke_off_is_found_and_finished(database, session, observer):
    database.execute(SET)
    reader, broken = session(database, autocommit=False), session(database)
    reader.run("SELECT count(*) FROM public.m")
    broken.start("ALTER TABLE public.m DETACH PARTITION public.m_1 CONCURRENTLY")
    assert observer.settle(broken, [reader]) == "blocked"
    observer.terminate(broken)
    with pytest.raises(psycopg.OperationalError):
        broken.result()
    reader.run("COMMIT")
    ((remedy,),) = database.execute(
        "SELECT remedy FROM lifecycle.validate_partitions('public.m') WHERE finding = 'its detachment was not finished'"
    )
    assert remedy == "ALTER TABLE public.m DETACH PARTITION public.m_1 FINALIZE"
    (step,) = detach(database)
    assert (step.status, step.statement) == ("done", remedy)
    assert database.execute("SELECT n FROM public.m") == [(2,)]
    rollback(database, step.migration_id)
    assert database.execute("SELECT n FROM public.m ORDER BY 1") == [(1,), (2,)]


def test_plain_where_postgresql_refuses(database):
    database.execute(SET + "; CREATE TABLE public.m_rest PARTITION OF public.m DEFAULT")
    (step,) = detach(database)
    assert step.status == "done"
    assert "not CONCURRENTLY" in step.note


def test_the_setting_is_for_old_partitions_too(database):
    database.execute(SET + "; SELECT lifecycle.manage_partitions('public.m', retention => '1 day')")
    database.execute("SELECT lifecycle.set_setting('detach_concurrently', 'on')")
    done = call(database, "archive_old_partitions", dry_run=False)
    assert statuses(done) == ["pending"] * 2
    for (statement,) in database.execute("SELECT statement FROM lifecycle.pending_steps()"):
        database.execute(statement)
    database.execute("CALL lifecycle.run_pending()")
    assert database.execute("SELECT count(*) FROM public.m") == [(0,)]
